"""Looking into the store: the engine's `View`, and what lists and reports need. Nothing here writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from paquebot.errors import StoreCorrupt
from paquebot.frozen import frozen
from paquebot.protocol import journal
from paquebot.protocol.authority import Authority, Deed
from paquebot.protocol.effects import Reached
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, b64, raw
from paquebot.protocol.events import Errand, Event
from paquebot.protocol.journal import Entry
from paquebot.protocol.keys import Announcement
from paquebot.protocol.past import Fork, Lapse, Past, Proof
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource, Signature, SignedObject
from paquebot.protocol.stamp import Clock, Millis, Stamp
from paquebot.protocol.state import Held, Letter, Local, OwnLine, Peer, Plan, Reply, Told
from paquebot.protocol.trust import Identity, announcement_of, identity_of
from paquebot.store import noting, past
from paquebot.store.asking import AskingView
from paquebot.store.authority import AuthorityView
from paquebot.store.burden import BurdenView
from paquebot.store.chunks import BlobSource, ChunkView
from paquebot.store.private import PrivateView
from paquebot.store.rows import ranges
from paquebot.store.schemas import SchemaView
from paquebot.store.strangers import StrangersView


@frozen
class Listed:
    """A resource as lists show it."""

    id: ResourceId
    user: Fingerprint
    number: int
    kind: str
    title: str
    filename: str
    tags: tuple[str, ...]
    size: int
    stamp: Stamp
    received: Millis
    sender: Fingerprint | None
    shown: bool
    chunk_total: int
    lacking: int
    gone: str = ""
    """``forgotten`` or ``lost`` if its bytes are not here."""
    revoked_by: ResourceId | None = None
    """The revocation because of which it does not count."""
    expires: Millis = Millis(0)
    """When it stops being of use, as its author says where we can read it; 0 for never."""

    @property
    def uri(self) -> str:
        """The resource's URI."""
        return f"sdmp://{self.user}/{self.id}"


@frozen
class Quarantined:
    """Bytes that were set aside, and why."""

    id: int
    digest: bytes
    bytes: int
    code: str
    reason: str
    sender: Fingerprint | None
    where: str
    at: Millis
    item: ResourceId | None = None
    """The resource that it was, if it was one."""
    kept: bool = True
    """The bytes are still here; they may have had to make room for others."""


_LATEST = " ORDER BY stamp_at DESC, stamp_count DESC, id DESC LIMIT ?"


class SqliteView(PrivateView, SchemaView, AskingView, AuthorityView, BurdenView, ChunkView, StrangersView):
    """What one local node knows. Peers and names are cached: one process writes at a time."""

    def __init__(self, db: sqlite3.Connection, blobs: BlobSource, node: int) -> None:
        self._db = db
        self._blobs = blobs
        self.node = node
        """The node's number in `party`."""
        self.forget()
        self._local = self._read_local()
        self.user = self.party(self._local.user)
        """The user's number in `party`."""

    def use(self, db: sqlite3.Connection) -> None:
        """Look through another connection to the same store."""
        self._db = db

    def forget(self) -> None:
        """Forget what is cached: a transaction was undone."""
        self._peers: dict[Fingerprint, Peer] | None = None
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._identities: dict[ResourceId, Identity] = {}
        self._announcements: dict[ResourceId, Announcement] = {}
        self._authorities: dict[Fingerprint, Authority] = {}
        self._deeds: dict[ResourceId, Deed] = {}
        self._named: set[int] = set()
        self.unburden()
        self.forget_schemas()

    def remember(self, peer: Peer) -> None:
        """Take *peer* as what `peer` returns from now on."""
        if self._peers is not None:
            self._peers[peer.node] = peer

    # -- names ------------------------------------------------------------------

    def party(self, name: str, *, create: bool = False) -> int:
        """Return the number of a user or node; 0 if it has none and *create* is not asked for."""
        number = self._numbers.get(name)
        if number is None:
            if create:
                self._db.execute("INSERT OR IGNORE INTO party (name) VALUES (?)", (raw(name),))
            row = self._db.execute("SELECT id FROM party WHERE name = ?", (raw(name),)).fetchone()
            if row is None:
                return 0
            number = int(row[0])
            self._numbers[name] = number
            self._names[number] = name
        return number

    def _name(self, number: int) -> Fingerprint:
        if number not in self._names:
            row = self._db.execute("SELECT name FROM party WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise StoreCorrupt("the store names somebody it does not know")
            self._names[number] = b64(row[0])
            self._numbers[self._names[number]] = number
        return Fingerprint(self._names[number])

    def _one(self, sql: str, *values: object) -> Any:
        return self._db.execute(sql, (self.node, *values)).fetchone()

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._db.execute(sql, (self.node, *values)).fetchall()

    # -- ourselves ----------------------------------------------------------------

    def local(self) -> Local:
        """Return who we are."""
        return self._local

    def _read_local(self) -> Local:
        user, trust, name = self._one("SELECT user, trust, name FROM local WHERE node = ?")
        return Local(self._name(user), self._name(self.node), ResourceId(b64(trust)), name)

    def founded(self) -> Millis:
        """Return when this node was made, by its own clock."""
        row = self._one("SELECT stamp_at FROM resource WHERE node = ? AND number = 1")
        return Millis(row[0] if row else 0)

    def clock(self) -> Clock:
        """Return what is known of the time besides the wall clock."""
        floor, wall, stamped = self._one("SELECT clock_floor, clock_wall, stamp_at FROM local WHERE node = ?")
        known = max(Millis(stamped), self.founded())
        return Clock(Millis(floor), None if wall < 0 else Millis(wall), known) if floor else Clock(known=known)

    def stamp(self) -> Stamp:
        """Return the latest stamp given or accepted here."""
        at, count = self._one("SELECT stamp_at, stamp_count FROM local WHERE node = ?")
        return Stamp(Millis(at), count)

    # -- journals -----------------------------------------------------------------

    def tip(self) -> tuple[int, LineId]:
        """Return the number and name of our journal's last line."""
        row = self._one(
            "SELECT number, id FROM line WHERE node = ? AND journal = ? ORDER BY number DESC LIMIT 1", self.node
        )
        return (row[0], LineId(b64(row[1]))) if row else (0, journal.root(self._local.node))

    def own_lines(self, first: int, last: int) -> Sequence[OwnLine]:
        """Return our lines from *first* to *last*."""
        rows = self._all(
            "SELECT line.number, line.id, line.publisher, line.resource, coalesce(payload_bytes, 0),"
            " coalesce(chunk_first, 0), coalesce(chunk_total, 0), coalesce(kind, ''), coalesce(gone, '') FROM line"
            " LEFT JOIN resource ON resource.node = line.node AND resource.number = line.number"
            " WHERE line.node = ? AND journal = ? AND line.number BETWEEN ? AND ? ORDER BY line.number",
            self.node,
            first,
            last,
        )
        return [
            OwnLine(
                number,
                LineId(b64(name)),
                Entry(self._name(publisher), ResourceId(b64(resource))),
                publisher == self.user,
                size,
                Ranges.of((chunk, chunk + total - 1)),
                kind,
                bool(gone),
            )
            for number, name, publisher, resource, size, chunk, total, kind, gone in rows
        ]

    def last_of_ours(self, first: int, last: int) -> int:
        """Return the last of our lines from *first* to *last* whose resource our own user published; 0 if none is."""
        row = self._one(
            "SELECT max(number) FROM resource WHERE node = ? AND author = ? AND number BETWEEN ? AND ?",
            self.user,
            first,
            last,
        )
        return row[0] or 0

    def line_id(self, journal_: Fingerprint, number: int) -> LineId | None:
        """Return the name of a line of a journal."""
        if number == 0:
            return journal.root(journal_)
        row = self._one(
            "SELECT id FROM line WHERE node = ? AND journal = ? AND number = ?", self.party(journal_), number
        )
        return LineId(b64(row[0])) if row else None

    def line_number(self, journal_: Fingerprint, line: LineId) -> int | None:
        """Return the number of the line of that name."""
        if line == journal.root(journal_):
            return 0
        row = self._one(
            "SELECT number FROM line WHERE node = ? AND journal = ? AND id = ?", self.party(journal_), raw(line)
        )
        return int(row[0]) if row else None

    def entries(self, journal_: Fingerprint, first: int, count: int) -> Sequence[Entry]:
        """Return what the lines from *first* on say."""
        rows = self._all(
            "SELECT publisher, resource FROM line WHERE node = ? AND journal = ? AND number >= ? AND number < ?"
            " ORDER BY number",
            self.party(journal_),
            first,
            first + count,
        )
        return [Entry(self._name(publisher), ResourceId(b64(resource))) for publisher, resource in rows]

    def naming(self, resource: ResourceId) -> Sequence[tuple[Fingerprint, int]]:
        """Return every line that names *resource*."""
        rows = self._all(
            "SELECT journal, number FROM line WHERE node = ? AND resource = ? ORDER BY journal, number", raw(resource)
        )
        return [(self._name(who), number) for who, number in rows]

    def own_numbers(self, resource: ResourceId) -> Ranges:
        """Return the numbers of our lines that name *resource*: hardly ever more than one."""
        sql = "SELECT number FROM line WHERE node = ? AND journal = ? AND resource = ? ORDER BY number"
        return Ranges.numbers(row[0] for row in self._all(sql, self.node, raw(resource)))

    # -- what proves them, and what was forgotten -----------------------------------

    def proofs(self, journal_: Fingerprint, after: int) -> Sequence[Proof]:
        """Return what is kept to prove another's lines after line *after*, in order."""
        return past.proofs(self._all, journal_, self.party(journal_), after)

    def past(self) -> Past:
        """Return what we have said so far."""
        row = self._one("SELECT said, branch FROM past WHERE node = ?")
        return Past(*row) if row else Past()

    def lapses(self, *, taken_back: bool = False) -> Sequence[Lapse]:
        """Return the lines of our own journal that peers claim to know and we do not."""
        return past.lapses(self._all, self._name, taken_back=taken_back)

    def predecessors(self) -> Sequence[Fingerprint]:
        """Return the nodes that this home was before."""
        return past.predecessors(self._all, self._name)

    def forks(self) -> Sequence[Fork]:
        """Return the contradictions that were found in others' journals, one for each."""
        return past.forks(self._all, self._name)

    # -- peers ------------------------------------------------------------------

    def peers(self) -> Sequence[Peer]:
        """Return all peers, in the order in which they were added."""
        return list(self._all_peers().values())

    def peer(self, node: Fingerprint) -> Peer | None:
        """Return the peer with that node fingerprint."""
        return self._all_peers().get(node)

    def _all_peers(self) -> dict[Fingerprint, Peer]:
        if self._peers is None:
            columns = (
                "peer, peer_user, name, reads, publishes, added, heard, heard_id, done, acked, applied, known,"
                " owed_chunks, asked_chunks, sequence, received, floor, told_number, told_done, owes_ack, seen_at,"
                " ask_at, suspect, revoked, ended, heir"
            )
            rows = self._all(f"SELECT {columns} FROM peer WHERE node = ? ORDER BY added, peer")  # noqa: S608
            found = (self._peer(*row) for row in rows)
            self._peers = {peer.node: peer for peer in found}
        return self._peers

    def _peer(self, peer: int, user: int, name: str, reads: int, publishes: int, added: int, *rest: Any) -> Peer:
        (heard, heard_id, done, acked, applied, known, owed, asked, sequence, received, floor) = rest[:11]
        told_number, told_done, owes_ack, seen_at, ask_at, suspect, revoked, ended, heir = rest[11:]
        return Peer(
            node=self._name(peer),
            user=self._name(user),
            name=name,
            reads=bool(reads),
            publishes=bool(publishes),
            added=Millis(added),
            heard=heard,
            heard_id=LineId(b64(heard_id)),
            done=ranges(done),
            acked=ranges(acked),
            applied=ranges(applied),
            known=ranges(known),
            owed_chunks=ranges(owed),
            asked_chunks=ranges(asked),
            sequence=sequence,
            received=ranges(received),
            floor=floor,
            told_number=told_number,
            told_done=ranges(told_done),
            owes_ack=bool(owes_ack),
            seen_at=Millis(seen_at),
            ask_at=Millis(ask_at),
            suspect=Millis(suspect),
            revoked=Millis(revoked),
            ended=Millis(ended),
            heir=self._name(heir) if heir else None,
        )

    def told(self, peer: Fingerprint, medium: str) -> Told:
        """Return what was put on *medium* for *peer*."""
        row = self._one(
            "SELECT lines, chunks, failures, retry_at, failing_since, given_up FROM told"
            " WHERE node = ? AND peer = ? AND medium = ?",
            self.party(peer),
            medium,
        )
        if row is None:
            return Told(peer, medium)
        lines, chunks, failures, *moments = row
        return Told(peer, medium, ranges(lines), ranges(chunks), failures, *(Millis(each) for each in moments))

    def media(self, peer: Fingerprint) -> Sequence[str]:
        """Return the media on which something was put for *peer*."""
        rows = self._all("SELECT medium FROM told WHERE node = ? AND peer = ? ORDER BY medium", self.party(peer))
        return [row[0] for row in rows]

    def evidence(self, peer: Fingerprint) -> Sequence[Reached]:
        """Return what was learned of how far our lines had got towards *peer*, oldest first."""
        rows = self._all(
            "SELECT stage, at, place, lines FROM reached WHERE node = ? AND peer = ? ORDER BY at, stage, place",
            self.party(peer),
        )
        return [Reached(peer, stage, Millis(at), place, ranges(lines)) for stage, at, place, lines in rows]

    # -- letters ------------------------------------------------------------------

    _LETTER = "SELECT id, peer, medium, sequence, token, created, expires, plan, handed_at, place FROM letter"

    def letters(self, peer: Fingerprint | None = None) -> Sequence[Letter]:
        """Return the letters that are not acknowledged, oldest first."""
        if peer is None:
            rows = self._all(f"{self._LETTER} WHERE node = ? ORDER BY peer, sequence")
        else:
            rows = self._all(f"{self._LETTER} WHERE node = ? AND peer = ? ORDER BY sequence", self.party(peer))
        return [self._letter(*row) for row in rows]

    def letter(self, id: bytes) -> Letter | None:  # noqa: A002 the field's word
        """Return the letter with that bundle id."""
        row = self._one(f"{self._LETTER} WHERE node = ? AND id = ?", id)
        return self._letter(*row) if row else None

    def letter_with(self, token: bytes) -> Letter | None:
        """Return the letter whose recipient shows *token*."""
        row = self._one(f"{self._LETTER} INDEXED BY letter_token WHERE node = ? AND token = ?", token)
        return self._letter(*row) if row else None

    def _letter(self, id_: bytes, peer: int, medium: str, sequence: int, token: bytes, *rest: Any) -> Letter:
        created, expires, plan, handed_at, place = rest
        return Letter(
            id=id_,
            peer=self._name(peer),
            medium=medium,
            sequence=sequence,
            token=token,
            created=Millis(created),
            expires=Millis(expires),
            plan=Plan.decode(plan),
            handed_at=Millis(handed_at) if handed_at else None,
            where=place,
        )

    def oldest(self, peer: Fingerprint) -> int | None:
        """Return the lowest sequence number of the letters to *peer* that are not acknowledged."""
        row = self._one("SELECT min(sequence) FROM letter WHERE node = ? AND peer = ?", self.party(peer))
        return row[0] if row else None

    def elsewhere(self, peer: Fingerprint, medium: str) -> bool:
        """Return whether letters to *peer* are on their way by other media than *medium*."""
        row = self._one(
            "SELECT 1 FROM letter WHERE node = ? AND peer = ? AND medium != ? LIMIT 1", self.party(peer), medium
        )
        return row is not None

    def replies(self, peer: Fingerprint) -> Sequence[Reply]:
        """Return the answers we owe to *peer*."""
        rows = self._all(
            "SELECT number, identifier, status, resource, since, lines_max FROM reply WHERE node = ? AND peer = ?"
            " ORDER BY number",
            self.party(peer),
        )
        return [
            Reply(
                number,
                peer,
                identifier,
                status,
                ResourceId(b64(resource)) if resource else None,
                since if since >= 0 else None,
                most,
            )
            for number, identifier, status, resource, since, most in rows
        ]

    def received(self, peer: Fingerprint, floor: int) -> Mapping[int, bytes]:
        """Return the bundle ids of the envelopes that came from *peer*, by sequence number, from *floor* on."""
        rows = self._all(
            "SELECT sequence, bundle FROM seen WHERE node = ? AND sender = ? AND sequence >= ? ORDER BY at, rowid",
            self.party(peer),
            floor,
        )
        return dict(rows)

    def seen(self, bundle: bytes) -> bool:
        """Return whether a bundle has been dealt with before."""
        return self._one("SELECT 1 FROM seen WHERE node = ? AND bundle = ?", bundle) is not None

    # -- resources ------------------------------------------------------------------

    def has(self, resource: ResourceId) -> bool:
        """Return whether *resource* is held, though chunks may be missing. One that was forgotten counts."""
        row = self._one("SELECT gone FROM resource WHERE node = ? AND id = ?", raw(resource))
        return row is not None and row[0] != "lost"

    def complete(self, resource: ResourceId) -> bool:
        """Return whether *resource* is held with all its chunks. One that was forgotten counts."""
        row = self._one("SELECT lacking, gone FROM resource WHERE node = ? AND id = ?", raw(resource))
        return row is not None and row[0] == 0 and row[1] != "lost"

    def resource(self, resource: ResourceId) -> SignedObject | None:
        """Return a resource that is held; None for one that was forgotten."""
        row = self._one(
            "SELECT payload, payload_blob, signer, algorithm, signature, verbatim FROM resource"
            " WHERE node = ? AND id = ? AND gone = ''",
            raw(resource),
        )
        if row is None:
            return None
        payload, blob, signer, algorithm, signature, verbatim = row
        if verbatim:
            return SignedObject.parse(verbatim)
        if blob:
            payload = self._blobs.get(blob)
            if payload is None:
                raise StoreCorrupt(f"the bytes of resource {resource[:12]}… are missing or damaged")
        return SignedObject(resource, payload, (Signature(algorithm, self._name(signer), signature),))

    def _read(self, name: ResourceId) -> Resource | None:
        signed = self.resource(name)
        return Resource.read(signed, self.schema) if signed else None

    def _introduced(self, kind: str, name: Fingerprint) -> ResourceId | None:
        row = self._one(
            "SELECT resource FROM introduced WHERE node = ? AND kind = ? AND name = ?", kind, self.party(name)
        )
        return ResourceId(b64(row[0])) if row else None

    def sender(self, resource: ResourceId) -> Fingerprint | None:
        """Return the peer that gave us *resource*; None if it was published here, or is not held."""
        row = self._one("SELECT sender FROM resource WHERE node = ? AND id = ?", raw(resource))
        return self._name(row[0]) if row and row[0] else None

    def identity(self, name: Fingerprint) -> Identity | None:
        """Return the identity of a user or node, if it is held."""
        proof = self.proof(name)
        if proof is None:
            return None
        if proof not in self._identities:
            resource = self._read(proof)
            if resource is None:
                return None
            self._identities[proof] = identity_of(resource)
        return self._identities[proof]

    def refused(self, code: str) -> Sequence[Held]:
        """Return the resources that were refused with *code*, as if they were held."""
        rows = self._all(
            "SELECT digest, sender FROM quarantine WHERE node = ? AND code = ? AND item != x'' AND sender != 0"
            " ORDER BY item",
            code,
        )
        found = ((self._blobs.get(digest), sender) for digest, sender in rows)
        return [Held(SignedObject.parse(data), (), None, self._name(sender)) for data, sender in found if data]

    def proof(self, name: Fingerprint) -> ResourceId | None:
        """Return the resource that proves an identity, if it is held."""
        return self._introduced("identity", name)

    def announced(self, node: Fingerprint) -> ResourceId | None:
        """Return the resource that holds the latest envelope keys of a node."""
        return self._introduced("keys", node)

    def described(self, node: Fingerprint) -> ResourceId | None:
        """Return the resource in which a node last said what it is called and where it can be reached."""
        return self._introduced("node", node)

    def announcement(self, node: Fingerprint) -> Announcement | None:
        """Return the latest envelope keys that a node announced."""
        name = self.announced(node)
        if name is None:
            return None
        if name not in self._announcements:
            found = self._read(name)
            if found is None:
                return None
            self._announcements[name] = announcement_of(found)
        return self._announcements[name]

    def fate(self, resource: ResourceId) -> tuple[str, str] | None:
        """Return (outcome, detail) of a resource that arrived and was not admitted; None if there is none."""
        name = raw(resource)
        if row := self._one("SELECT missing FROM held WHERE node = ? AND id = ?", name):
            return "held", " ".join(json.loads(row[0])) or "its time has not come"
        if self.hidden(resource) is not None:
            return "superseded", "revoked"
        row = self._one("SELECT code FROM quarantine WHERE node = ? AND item = ? ORDER BY id DESC LIMIT 1", name)
        return ("rejected", row[0]) if row else None

    def outcomes(self, peer: Fingerprint) -> Sequence[tuple[ResourceId, str, str]]:
        """Return what *peer* says became of our resources that it did not simply apply."""
        rows = self._all(
            "SELECT resource, code, detail FROM outcome WHERE node = ? AND peer = ? ORDER BY resource", self.party(peer)
        )
        return [(ResourceId(b64(resource)), code, detail) for resource, code, detail in rows]

    def waiting_for(self, name: str) -> Sequence[Held]:
        """Return the held items that name this resource or identity as missing."""
        rows = self._all(
            "SELECT signed, missing, until, sender FROM held_missing JOIN held USING (node, id)"
            " WHERE node = ? AND held_missing.name = ? ORDER BY id",
            name,
        )
        return [self._held(*row) for row in rows]

    def due(self, now: Millis) -> Sequence[Held]:
        """Return the held items whose time has come."""
        rows = self._all(
            "SELECT signed, missing, until, sender FROM held WHERE node = ? AND until BETWEEN 1 AND ? ORDER BY id", now
        )
        return [self._held(*row) for row in rows]

    def held_by(self, sender: Fingerprint) -> tuple[int, int]:
        """Return how many items that *sender* gave us are held, and the bytes of their payloads."""
        sql = "SELECT count(*), coalesce(sum(bytes), 0) FROM held WHERE node = ? AND sender = ?"
        count, size = self._one(sql, self.party(sender))
        return count, size

    def held(self, resource: ResourceId) -> Held | None:
        """Return the held item of that name, if there is one."""
        row = self._one("SELECT signed, missing, until, sender FROM held WHERE node = ? AND id = ?", raw(resource))
        return self._held(*row) if row else None

    def all_held(self) -> Sequence[Held]:
        """Return everything that is held."""
        rows = self._all("SELECT signed, missing, until, sender FROM held WHERE node = ? ORDER BY id")
        return [self._held(*row) for row in rows]

    def _held(self, signed: bytes, missing: str, until: int, sender: int) -> Held:
        return Held(
            SignedObject.parse(signed), tuple(json.loads(missing)), Millis(until) if until else None, self._name(sender)
        )

    def unheld(self, user: Fingerprint) -> Sequence[Entry]:
        """Return what *user* published according to any journal we know, and is neither held here nor waiting."""
        rows = self._all(
            "SELECT DISTINCT resource FROM line WHERE node = ? AND publisher = ? AND NOT EXISTS (SELECT 1 FROM resource"
            " WHERE resource.node = line.node AND resource.id = line.resource) AND NOT EXISTS (SELECT 1 FROM held"
            " WHERE held.node = line.node AND held.id = line.resource) ORDER BY resource",
            self.party(user),
        )
        return [Entry(user, ResourceId(b64(row[0]))) for row in rows]

    # -- lists and reports ----------------------------------------------------------

    _LISTED = (
        "SELECT id, author, number, kind, title, filename, tags, size, stamp_at, stamp_count, received, sender, shown,"
        " chunk_total, lacking, gone, (SELECT cause FROM hidden WHERE hidden.node = resource.node AND"
        " hidden.resource = resource.id) AS cause, expires FROM resource"
    )

    def listed(
        self,
        kinds: Sequence[str] | None = None,
        *,
        new: bool = False,
        revoked: bool = False,
        last: int | None = None,
    ) -> Iterator[Listed]:
        """Yield resources in order of stamp and id: all, or those of some *kinds*; with *new*, those never shown.

        With *revoked*, those too that were taken back; with *last*, only so many, the latest.
        """
        chosen = f"kind IN ({', '.join('?' * len(kinds))})" if kinds is not None else "1"
        unseen = "shown = 0" if new else "1"
        counting = "1" if revoked else "cause IS NULL"
        rows: Iterable[Any] = self._db.execute(
            f"{self._LISTED} WHERE node = ? AND {chosen} AND {unseen} AND {counting}"
            + (" ORDER BY stamp_at, stamp_count, id" if last is None else _LATEST),
            (self.node, *(kinds or ()), *(() if last is None else (last,))),
        )
        for row in rows if last is None else reversed([*rows]):
            yield self._listed(*row)

    def listing(self, resource: ResourceId) -> Listed | None:
        """Return how lists show one resource."""
        row = self._one(f"{self._LISTED} WHERE node = ? AND id = ?", raw(resource))
        return self._listed(*row) if row else None

    def _listed(self, id_: bytes, author: int, number: int, *rest: Any) -> Listed:
        kind, title, filename, tags, size, at, count, received, sender, shown, total, lacking, gone, cause, ends = rest
        return Listed(
            ResourceId(b64(id_)),
            self._name(author),
            number,
            kind,
            title,
            filename,
            tuple(json.loads(tags)) if tags != "[]" else (),
            size,
            Stamp(Millis(at), count),
            Millis(received),
            self._name(sender) if sender else None,
            bool(shown),
            total,
            lacking,
            gone,
            ResourceId(b64(cause)) if cause else None,
            Millis(ends),
        )

    def ids(self, low: bytes, high: bytes) -> Sequence[ResourceId]:
        """Return the first few resources whose 64-byte names lie between *low* and *high*."""
        rows = self._all("SELECT id FROM resource WHERE node = ? AND id BETWEEN ? AND ? ORDER BY id LIMIT 9", low, high)
        return [ResourceId(b64(row[0])) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many resources of each kind there are."""
        return dict(self._all("SELECT kind, count(*) FROM resource WHERE node = ? GROUP BY kind ORDER BY kind"))

    def events(
        self, after: int = 0, limit: int = -1, kinds: Sequence[str] | None = None, *, latest: bool = False
    ) -> Sequence[Event]:
        """Return what happened after number *after*, in order: the first *limit* of it, or the *latest*."""
        return noting.events(self._all, self._name, after, limit, kinds, latest=latest)

    def quarantined(self) -> Sequence[Quarantined]:
        """Return everything that was set aside and not purged, oldest first."""
        rows = self._all(
            "SELECT id, digest, bytes, code, reason, sender, place, at, item, state = 'kept' FROM quarantine"
            " WHERE node = ? AND state != 'purged' ORDER BY id"
        )
        by = [self._name(row[5]) if row[5] else None for row in rows]
        return [
            Quarantined(number, digest, size, code, why, who, place, at, ResourceId(b64(item)) or None, bool(kept))
            for who, (number, digest, size, code, why, _, place, at, item, kept) in zip(by, rows, strict=True)
        ]

    def tally(self, name: str) -> int:
        """Return one of the numbers that are only counted."""
        row = self._one("SELECT count FROM tally WHERE node = ? AND name = ?", name)
        return int(row[0]) if row else 0

    def related(self, resource: ResourceId) -> Sequence[tuple[str, ResourceId]]:
        """Return what *resource* says of others: (``parent``, ``after`` and so on, which)."""
        rows = self._all("SELECT how, other FROM related WHERE node = ? AND resource = ? ORDER BY place", raw(resource))
        return [(how, ResourceId(b64(other))) for how, other in rows]

    def relating(self, other: ResourceId, how: str) -> Sequence[ResourceId]:
        """Return the resources that say *how* of *other*."""
        rows = self._all(
            "SELECT resource FROM related WHERE node = ? AND other = ? AND how = ? ORDER BY resource", raw(other), how
        )
        return [ResourceId(b64(row[0])) for row in rows]

    def errands(self) -> Sequence[Errand]:
        """Return what remains to be done outside, oldest first."""
        return noting.errands(self._all, self._name)

    def remembered(self, key: str) -> bytes | None:
        """Return a small fact that was set under *key*; None if there is none."""
        return self.carried("", key)

    def carried(self, transport: str, key: str) -> bytes | None:
        """Return one value of a transport's durable state."""
        row = self._one("SELECT value FROM carrier WHERE node = ? AND transport = ? AND key = ?", transport, key)
        return row[0] if row else None

    def carrier(self, transport: str, prefix: str) -> Sequence[tuple[str, bytes]]:
        """Return a transport's durable state below *prefix*, in order of keys."""
        rows = self._all(
            "SELECT key, value FROM carrier WHERE node = ? AND transport = ? AND key >= ? AND key < ? ORDER BY key",
            transport,
            prefix,
            prefix + "\U0010ffff",
        )
        return [(key, value) for key, value in rows]
