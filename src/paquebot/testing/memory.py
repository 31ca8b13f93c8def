"""A store in memory that keeps the store's contract: fast, for simulations of many nodes.

All facts live in plain dictionaries. Every change notes how to undo it, so that undoing a transaction costs what the
transaction cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from paquebot.errors import NotInitialised
from paquebot.protocol import custom, journal, schema
from paquebot.protocol import effects as ask
from paquebot.protocol.authority import Authority
from paquebot.protocol.effects import Effect
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, raw
from paquebot.protocol.journal import Entry
from paquebot.protocol.keys import Announcement
from paquebot.protocol.limits import WRAPS_TRIED_MAX
from paquebot.protocol.privacy import CLOSED_KINDS, ENCRYPTED, SEALED
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource, SignedObject, schema_in
from paquebot.protocol.stamp import Clock, Millis, Stamp
from paquebot.protocol.state import Held, Letter, Local, OwnLine, Peer, Reply, Told
from paquebot.protocol.trust import Identity, announcement_of, identity_of
from paquebot.store.blobs import MemoryBlobs
from paquebot.store.view import Listed, Quarantined
from paquebot.testing.memory_asking import AskingView
from paquebot.testing.memory_authority import AuthorityView
from paquebot.testing.memory_burden import BurdenView, is_carried
from paquebot.testing.memory_chunks import ChunkView
from paquebot.testing.memory_events import EventsInMemory
from paquebot.testing.memory_past import PastView
from paquebot.testing.memory_strangers import StrangersView
from paquebot.testing.tables import Row, Tables, Writer, leave_behind

UNSET = Clock()


class MemoryStore:
    """A home's store in memory, with the surface of `paquebot.store.Store`."""

    def __init__(self) -> None:
        self.blobs = MemoryBlobs()
        self._tables = Tables()
        self._view: MemoryView | None = None

    def close(self) -> None:
        """Do nothing: what is in memory is there as long as the process."""

    def content(self) -> dict[str, object]:
        """Return a copy of everything but blobs, to be compared."""
        return self._tables.content()

    def found(self, local: Local, effects: Callable[[], Iterable[Effect]]) -> None:
        """Add the local node with its first lines, in one transaction."""
        assert self._view is None, "a store in memory holds one node"
        self._view = MemoryView(self._tables, self.blobs, local)
        try:
            self.commit(effects())
        except BaseException:
            self._view = None
            raise

    def succeed(self, local: Local, last: int, effects: Callable[[], Iterable[Effect]]) -> None:
        """Let *local* take over from the local node, in one transaction; of the old journal *last* lines stay."""
        before = self.view
        self._view = MemoryView(self._tables, self.blobs, replace(local, name=before.local().name))

        def all_effects() -> Iterator[Effect]:
            leave_behind(self._tables, before.local().node, last)
            yield from effects()

        try:
            self.commit(all_effects())
        except BaseException:
            self._view = before
            raise

    def remove_peer(self, node: Fingerprint) -> None:
        """Forget a peer and what is on its way to it; what was learned from it stays."""
        tables = self._tables
        tables.drop(tables.peers, node)
        met = ((tables.met, ("joined", node)), (tables.met, ("verified", node)))
        for table, key in ((tables.outcomes, node), (tables.accounts, node), *met):
            tables.drop(table, key)
        for number, _ in [each for each in tables.reached.items() if each[1].peer == node]:
            tables.put(tables.reached, number, replace(tables.reached[number], lines=Ranges()))
        for wanted, rows in [each for each in tables.askings.items() if node in each[1]]:
            tables.put(tables.askings, wanted, {who: row for who, row in rows.items() if who != node})
        for name, medium in [key for key in tables.told if key[0] == node]:
            tables.drop(tables.told, (name, medium))
        for letter in [each for each in tables.letters.values() if each.peer == node]:
            tables.drop(tables.letters, letter.id)
        for reply in [each for each in tables.replies.values() if each.peer == node]:
            tables.drop(tables.replies, reply.number)
        tables.drop(tables.lapses, node)
        tables.drop(tables.forks, node)
        for who, number in [key for key in tables.proofs if key[0] == node]:
            tables.drop(tables.proofs, (who, number))
        for who, number in [key for key in tables.lines if key[0] == node]:
            line = tables.lines[who, number]
            tables.drop(tables.lines, (who, number))
            tables.drop(tables.numbers, (who, line.id))
            listed = line.entry.resource
            tables.put(tables.naming, listed, tuple(each for each in tables.naming[listed] if each[0] != node))
        tables.mark()

    @property
    def view(self) -> MemoryView:
        """What the node knows. Raise `NotInitialised` if there is none."""
        if self._view is None:
            raise NotInitialised("this home holds no node")
        return self._view

    def commit(self, effects: Iterable[Effect]) -> list[Effect]:
        """Carry out *effects*, all of them or none. Return them without blobs."""
        writer = Writer(self._tables, self.blobs, self.view.local().node)
        done: list[Effect] = []
        self._tables.mark()
        try:
            for effect in effects:
                writer.apply(effect)
                if not isinstance(effect, ask.KeepBlob):
                    done.append(effect)
        except BaseException:
            self._tables.rollback()
            self.view.forget()
            raise
        self._tables.mark()
        for name in writer.dropped:
            self._drop(name)
        return done

    def _drop(self, name: bytes) -> None:
        """Delete the blob of that name unless something names it."""
        tables, aside = self._tables, self._tables.quarantine.get(name)
        if name not in tables.sizes and not (aside and aside.kept) and not is_carried(tables, name):
            self.blobs.drop(name)

    def carry(self, transport: str, changes: Mapping[str, bytes | None]) -> None:
        """Set, or with None remove, values of a transport's own state."""
        for key, value in changes.items():
            if value is None:
                self._tables.drop(self._tables.carrier, (transport, key))
            else:
                self._tables.put(self._tables.carrier, (transport, key), value)
        self._tables.mark()

    def release(self, data: bytes) -> None:
        """Forget that *data* was set aside: it was accepted after all."""
        digest = sha256(data).digest()
        if digest in self._tables.quarantine:
            self._tables.drop(self._tables.quarantine, digest)
            self._tables.mark()
            self._drop(digest)

    def purge(self, pieces: Iterable[int]) -> None:
        """Delete the bytes of pieces that were set aside, by number."""
        tables, numbers = self._tables, set(pieces)
        for name, row in [each for each in tables.quarantine.items() if each[1].id in numbers]:
            tables.put(tables.quarantine, name, replace(row, kept=False))
            tables.put(tables.purged, name, True)
            self._drop(name)
        tables.mark()

    def judged(self, piece: int, code: str, reason: str) -> None:
        """Note why a piece that was set aside is refused now."""
        tables = self._tables
        name, row = next(each for each in tables.quarantine.items() if each[1].id == piece)
        tables.put(tables.quarantine, name, replace(row, code=code, reason=reason))
        tables.mark()

    def show(self, resource: ResourceId) -> None:
        """Note that a person has seen *resource*."""
        rows = self._tables.rows
        if resource in rows:
            self._tables.put(rows, resource, replace(rows[resource], shown=True))
            self._tables.mark()


class MemoryView(AskingView, AuthorityView, BurdenView, ChunkView, EventsInMemory, PastView, StrangersView):
    """What the node of a store in memory knows: the engine's `View`, and what lists and reports need."""

    def __init__(self, tables: Tables, blobs: MemoryBlobs, local: Local) -> None:
        self._tables = tables
        self._blobs = blobs
        self._local = local
        # Functions of a resource's name alone: they need not be forgotten when a transaction is undone.
        self._identities: dict[ResourceId, Identity] = {}
        self._announcements: dict[ResourceId, Announcement] = {}
        self._clock = UNSET, UNSET
        """What the clock was last, and with what is known by the lines."""
        self._own: dict[int, tuple[journal.Line, Row | None, OwnLine]] = {}
        """Lines as they were shown last, with the line and the row that they were made of."""
        self.forget()

    def forget(self) -> None:
        """Forget what is remembered: a transaction was undone."""
        self._authorities: dict[Fingerprint, tuple[int, int, Authority]] = {}
        """How many proofs and lines there were, and what followed."""

    # -- ourselves and journals -------------------------------------------------------

    def local(self) -> Local:
        return self._local

    def founded(self) -> Millis:
        first = self._tables.by_number.get(1)
        return self._tables.rows[first].kept.stamp.at if first else Millis(0)

    def clock(self) -> Clock:
        found: Clock = self._tables.facts.get("clock", UNSET)
        known = max(self.stamp().at, self.founded())
        if self._clock[0] is not found or self._clock[1].known != known:
            self._clock = found, replace(found, known=known)
        return self._clock[1]

    def stamp(self) -> Stamp:
        found: Stamp = self._tables.facts.get("stamp", Stamp(Millis(0)))
        return found

    def tip(self) -> tuple[int, LineId]:
        number = self._tables.facts.get("tip", 0)
        return number, self._tables.lines[self._local.node, number].id if number else journal.root(self._local.node)

    def own_lines(self, first: int, last: int) -> Sequence[OwnLine]:
        lines, node = self._tables.lines, self._local.node
        last = min(last, self._tables.facts.get("tip", 0))
        return [self._own_line(lines[node, number]) for number in range(max(first, 1), last + 1)]

    def _own_line(self, line: journal.Line) -> OwnLine:
        row = self._tables.rows.get(line.entry.resource)
        known = self._own.get(line.number)
        if known and known[0] is line and known[1] is row:
            return known[2]
        mine = line.entry.publisher == self._local.user
        size = len(row.kept.signed.payload) if row else 0
        kind, gone = (row.kept.kind, bool(row.gone)) if row else ("", False)
        found = OwnLine(line.number, line.id, line.entry, mine, size, self.chunks_of(line.entry.resource), kind, gone)
        self._own[line.number] = line, row, found
        return found

    def last_of_ours(self, first: int, last: int) -> int:
        tables = self._tables
        held = (n for n in range(last, first - 1, -1) if n in tables.by_number)
        return next((n for n in held if tables.rows[tables.by_number[n]].kept.user == self._local.user), 0)

    def line_id(self, journal_: Fingerprint, number: int) -> LineId | None:
        if number == 0:
            return journal.root(journal_)
        line = self._tables.lines.get((journal_, number))
        return line.id if line else None

    def line_number(self, journal_: Fingerprint, line: LineId) -> int | None:
        return 0 if line == journal.root(journal_) else self._tables.numbers.get((journal_, line))

    def entries(self, journal_: Fingerprint, first: int, count: int) -> Sequence[Entry]:
        found: list[Entry] = []
        number = max(first, 1)
        while number < first + count and (line := self._tables.lines.get((journal_, number))):
            found.append(line.entry)
            number += 1
        return found

    def naming(self, resource: ResourceId) -> Sequence[tuple[Fingerprint, int]]:
        return sorted(self._tables.naming.get(resource, ()))

    def own_numbers(self, resource: ResourceId) -> Ranges:
        naming = self._tables.naming.get(resource, ())
        return Ranges.numbers(number for who, number in naming if who == self._local.node)

    # -- peers and letters ------------------------------------------------------------

    def peers(self) -> Sequence[Peer]:
        return sorted(self._tables.peers.values(), key=lambda peer: peer.added)

    def peer(self, node: Fingerprint) -> Peer | None:
        return self._tables.peers.get(node)

    def told(self, peer: Fingerprint, medium: str) -> Told:
        return self._tables.told.get((peer, medium)) or Told(peer, medium)

    def letters(self, peer: Fingerprint | None = None) -> Sequence[Letter]:
        letters = (each for each in self._tables.letters.values() if peer in (None, each.peer))
        return sorted(letters, key=lambda each: (each.peer, each.sequence))

    def letter(self, id: bytes) -> Letter | None:  # noqa: A002 the field's word
        return self._tables.letters.get(id)

    def letter_with(self, token: bytes) -> Letter | None:
        return next((each for each in self._tables.letters.values() if each.token == token), None)

    def oldest(self, peer: Fingerprint) -> int | None:
        return min((each.sequence for each in self._tables.letters.values() if each.peer == peer), default=None)

    def elsewhere(self, peer: Fingerprint, medium: str) -> bool:
        return any(each.peer == peer and each.medium != medium for each in self._tables.letters.values())

    def evidence(self, peer: Fingerprint) -> Sequence[ask.Reached]:
        """Return what was learned of how far our lines had got towards *peer*."""
        found = (each for each in self._tables.reached.values() if each.peer == peer and each.lines)
        return sorted(found, key=lambda each: (each.at, each.stage, each.where))

    def media(self, peer: Fingerprint) -> Sequence[str]:
        """Return the media on which something was put for *peer*."""
        return sorted(medium for name, medium in self._tables.told if name == peer)

    def replies(self, peer: Fingerprint) -> Sequence[Reply]:
        return sorted((each for each in self._tables.replies.values() if each.peer == peer), key=lambda r: r.number)

    def received(self, peer: Fingerprint, floor: int) -> Mapping[int, bytes]:
        seen = self._tables.seen.items()  # in order of arrival
        return {number: name for name, (sender, number, _) in seen if sender == peer and number >= floor}

    def seen(self, bundle: bytes) -> bool:
        return bundle in self._tables.seen

    # -- resources ----------------------------------------------------------------------

    def has(self, resource: ResourceId) -> bool:
        row = self._tables.rows.get(resource)
        return row is not None and row.gone != "lost"

    def complete(self, resource: ResourceId) -> bool:
        row = self._tables.rows.get(resource)
        return row is not None and row.lacking == 0 and row.gone != "lost"

    def resource(self, resource: ResourceId) -> SignedObject | None:
        row = self._tables.rows.get(resource)
        return row.kept.signed if row and not row.gone else None

    def _read(self, name: ResourceId) -> Resource | None:
        signed = self.resource(name)
        return Resource.read(signed, self.schema) if signed else None

    def sender(self, resource: ResourceId) -> Fingerprint | None:
        row = self._tables.rows.get(resource)
        return row.kept.sender if row else None

    def identity(self, name: Fingerprint) -> Identity | None:
        proof = self._tables.introduced.get(("identity", name))
        found = self._read(proof) if proof and proof not in self._identities else None
        if proof and found:
            self._identities[proof] = identity_of(found)
        return self._identities.get(proof) if proof else None

    def proof(self, name: Fingerprint) -> ResourceId | None:
        return self._tables.introduced.get(("identity", name))

    def announced(self, node: Fingerprint) -> ResourceId | None:
        return self._tables.introduced.get(("keys", node))

    def described(self, node: Fingerprint) -> ResourceId | None:
        return self._tables.introduced.get(("node", node))

    def announcement(self, node: Fingerprint) -> Announcement | None:
        name = self.announced(node)
        found = self._read(name) if name and name not in self._announcements else None
        if name and found:
            self._announcements[name] = announcement_of(found)
        return self._announcements.get(name) if name else None

    def announcers(self, user: Fingerprint) -> Sequence[Fingerprint]:
        t = self._tables
        return sorted(
            name for (kind, name), proof in t.introduced.items() if kind == "keys" and t.rows[proof].kept.user == user
        )

    def unopened(self) -> Sequence[ResourceId]:
        rows = [row for name, row in self._tables.rows.items() if name not in self._tables.closed]
        closed = [row for row in rows if row.kept.kind in CLOSED_KINDS and not row.gone]
        return [row.kept.signed.id for row in sorted(closed, key=lambda row: row.number)]

    def opened(self, resource: ResourceId) -> tuple[Fingerprint, ...] | None:
        return self._tables.opened.get(resource)

    def keys_to(self, resource: ResourceId) -> Sequence[ResourceId]:
        rows, target = self._tables.rows, self._tables.rows.get(resource)
        wraps = [rows[name] for name, of in self._tables.closed.items() if of == resource]
        found = [row for row in wraps if target and row.kept.user == target.kept.user and not row.gone]
        return [row.kept.signed.id for row in sorted(found, key=lambda row: row.number)[:WRAPS_TRIED_MAX]]

    def audiences(self) -> Sequence[Fingerprint]:
        return sorted({user for user, _ in self._tables.audience})

    def unreadable(self, user: Fingerprint, node: Fingerprint, limit: int) -> Sequence[ResourceId]:
        t = self._tables
        held = (name for who, name in t.audience if who == user and name in t.rows and not t.rows[name].gone)
        names = [name for name in held if (node, name) not in t.readable]
        return sorted(names, key=lambda name: t.rows[name].number)[:limit]

    def closed_to(self, node: Fingerprint, applied: Ranges) -> Ranges:
        t = self._tables
        found = []
        for name, row in t.rows.items():
            private = name in t.opened or row.kept.kind in (SEALED, ENCRYPTED)
            if private and row.kept.user == self.local().user:
                wrap = t.readable.get((node, name))
                lacks_wrap = wrap is not None and (wrap not in t.rows or t.rows[wrap].number not in applied)
                found += [row.number] if (node, name) not in t.readable or lacks_wrap else []
        return Ranges.numbers(found)

    def schema(self, uri: str) -> str | None:
        if (ours := schema.published(uri)) is not None:
            return ours
        user, name = custom.parse_uri(uri)
        signed = self.resource(name)
        return schema_in(signed, user) if signed else None

    def fate(self, resource: ResourceId) -> tuple[str, str] | None:
        tables = self._tables
        if resource in tables.held:
            return "held", " ".join(tables.held[resource].missing) or "its time has not come"
        if resource in tables.hidden:
            return "superseded", "revoked"
        return ("rejected", tables.refused[resource]) if resource in tables.refused else None

    def outcomes(self, peer: Fingerprint) -> Sequence[tuple[ResourceId, str, str]]:
        """Return what *peer* says became of our resources that it did not simply apply."""
        return sorted(self._tables.outcomes.get(peer, ()), key=lambda outcome: raw(outcome[0]))

    def waiting_for(self, name: str) -> Sequence[Held]:
        return [held for held in self.all_held() if name in held.missing]

    def due(self, now: Millis) -> Sequence[Held]:
        return [held for held in self.all_held() if held.until and held.until <= now]

    def held_by(self, sender: Fingerprint) -> tuple[int, int]:
        sizes = [len(held.signed.payload) for held in self._tables.held.values() if held.sender == sender]
        return len(sizes), sum(sizes)

    def held(self, resource: ResourceId) -> Held | None:
        return self._tables.held.get(resource)

    def all_held(self) -> Sequence[Held]:
        return sorted(self._tables.held.values(), key=lambda held: raw(held.signed.id))

    def unheld(self, user: Fingerprint) -> Sequence[Entry]:
        tables = self._tables
        names = {line.entry.resource for line in tables.lines.values() if line.entry.publisher == user}
        return [Entry(user, name) for name in sorted(names - tables.rows.keys() - tables.held.keys(), key=raw)]

    # -- lists and reports ----------------------------------------------------------------

    def listed(
        self, kinds: Sequence[str] | None = None, *, new: bool = False, revoked: bool = False
    ) -> Iterator[Listed]:
        """Yield resources in order of stamp and id: all, or those of some *kinds*; with *new*, those never shown.

        With *revoked*, those too that were taken back.
        """
        rows = self._tables.rows.values()
        found = (self._listed(row) for row in rows if revoked or row.kept.signed.id not in self._tables.hidden)
        chosen = (each for each in found if (kinds is None or each.kind in kinds) and not (new and each.shown))
        yield from sorted(chosen, key=lambda each: (each.stamp, raw(each.id)))

    def listing(self, resource: ResourceId) -> Listed | None:
        """Return how lists show one resource."""
        row = self._tables.rows.get(resource)
        return self._listed(row) if row else None

    def _listed(self, row: Row) -> Listed:
        kept = row.kept
        return Listed(
            kept.signed.id,
            kept.user,
            row.number,
            kept.kind,
            kept.title,
            kept.filename,
            kept.tags,
            kept.size,
            kept.stamp,
            kept.received,
            kept.sender,
            row.shown,
            row.chunk_total,
            row.lacking,
            row.gone,
            self._tables.hidden.get(kept.signed.id),
            kept.expires,
        )

    def ids(self, low: bytes, high: bytes) -> Sequence[ResourceId]:
        """Return the first few resources whose 64-byte names lie between *low* and *high*."""
        return [name for name in sorted(self._tables.rows, key=raw) if low <= raw(name) <= high][:9]

    def counts(self) -> dict[str, int]:
        """Return how many resources of each kind there are."""
        kinds = sorted(row.kept.kind for row in self._tables.rows.values())
        return {kind: kinds.count(kind) for kind in kinds}

    def quarantined(self) -> Sequence[Quarantined]:
        """Return everything that was set aside, oldest first."""
        tables = self._tables
        return sorted((row for name, row in tables.quarantine.items() if name not in tables.purged), key=lambda r: r.id)

    def remembered(self, key: str) -> bytes | None:
        return self.carried("", key)

    def carried(self, transport: str, key: str) -> bytes | None:
        """Return one value of a transport's durable state."""
        return self._tables.carrier.get((transport, key))

    def carrier(self, transport: str, prefix: str) -> Sequence[tuple[str, bytes]]:
        """Return a transport's durable state below *prefix*, in order of keys."""
        found = ((key, value) for (name, key), value in self._tables.carrier.items() if name == transport)
        return sorted(item for item in found if item[0].startswith(prefix))
