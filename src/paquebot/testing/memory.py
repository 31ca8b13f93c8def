"""A store in memory that keeps the store's contract: fast, for simulations of many nodes.

All facts live in plain dictionaries. Every change notes how to undo it, so that undoing a transaction costs what the
transaction cost.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, assert_never

from paquebot.errors import NotInitialised, StoreCorrupt
from paquebot.protocol import effects as ask
from paquebot.protocol import journal, schema
from paquebot.protocol.effects import Effect
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, raw
from paquebot.protocol.journal import Entry, Line
from paquebot.protocol.keys import Announcement
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.stamp import Clock, Millis, Stamp
from paquebot.protocol.state import Held, Kept, Letter, Local, OwnLine, Peer, Reply, Told
from paquebot.protocol.trust import Identity, Trust, announcement_of, identity_of, trust_of
from paquebot.store.sqlite import MemoryBlobs
from paquebot.store.view import Listed, Quarantined

Table = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class _Row:
    """A resource that is held."""

    kept: Kept
    number: int
    chunk_first: int
    chunk_total: int
    lacking: int
    asked: Millis
    shown: bool


class _Tables:
    """Everything a home remembers, with a list of how to undo what was changed since `mark`."""

    def __init__(self) -> None:
        self.facts: Table = {}
        """Single values by name."""
        self.peers: dict[Fingerprint, Peer] = {}
        self.told: dict[tuple[Fingerprint, str], Told] = {}
        self.lines: dict[tuple[Fingerprint, int], Line] = {}
        self.numbers: dict[tuple[Fingerprint, LineId], int] = {}
        self.naming: dict[ResourceId, tuple[tuple[Fingerprint, int], ...]] = {}
        self.rows: dict[ResourceId, _Row] = {}
        self.by_number: dict[int, ResourceId] = {}
        self.chunks: dict[int, tuple[bytes, bool]] = {}
        """By our chunk numbers: hash (empty if not known yet) and whether it is held."""
        self.places: dict[bytes, tuple[int, ...]] = {}
        """Which chunk numbers have a hash."""
        self.files: dict[int, ResourceId] = {}
        """To which file a chunk number belongs."""
        self.sizes: dict[bytes, int] = {}
        """Of the blobs we know to have."""
        self.introduced: dict[tuple[str, Fingerprint], ResourceId] = {}
        self.wanted: dict[ResourceId, tuple[Fingerprint, Millis]] = {}
        self.held: dict[ResourceId, Held] = {}
        self.letters: dict[bytes, Letter] = {}
        self.replies: dict[int, Reply] = {}
        self.seen: dict[bytes, tuple[Fingerprint, int, Millis]] = {}
        self.quarantine: dict[bytes, Quarantined] = {}
        self.refused: dict[ResourceId, str] = {}
        """The code of the latest refusal of a resource."""
        self.outcomes: dict[Fingerprint, tuple[tuple[ResourceId, str, str], ...]] = {}
        """By peer: what became of ours there."""
        self.carrier: dict[tuple[str, str], bytes] = {}
        self._undo: list[Callable[[], object]] = []

    def put(self, table: Table, key: Hashable, value: object) -> None:
        """Write a value, replacing what was there."""
        if key in table:
            self._undo.append(lambda old=table[key]: table.__setitem__(key, old))  # type: ignore[misc]
        else:
            self._undo.append(lambda: table.pop(key))
        table[key] = value

    def add(self, table: Table, key: Hashable, value: object) -> None:
        """Write a value where none may be. Raise `StoreCorrupt`."""
        if key in table:
            raise StoreCorrupt("the store is asked to hold a thing twice")
        self.put(table, key, value)

    def drop(self, table: Table, key: Hashable) -> None:
        """Remove a value, if there is one."""
        if key in table:
            self._undo.append(lambda old=table[key]: table.__setitem__(key, old))  # type: ignore[misc]
            del table[key]

    def mark(self) -> None:
        """Forget how to undo: a transaction begins or is complete."""
        self._undo.clear()

    def rollback(self) -> None:
        """Undo everything since `mark`, latest first."""
        while self._undo:
            self._undo.pop()()

    def content(self) -> dict[str, object]:
        """Return a copy of everything, to be compared."""
        return {name: dict(table) for name, table in vars(self).items() if isinstance(table, dict)}


class MemoryStore:
    """A home's store in memory, with the surface of `paquebot.store.Store`."""

    def __init__(self) -> None:
        self.blobs = MemoryBlobs()
        self._tables = _Tables()
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

    def remove_peer(self, node: Fingerprint) -> None:
        """Forget a peer and what is on its way to it; what was learned from it stays."""
        tables = self._tables
        tables.drop(tables.peers, node)
        tables.drop(tables.outcomes, node)
        for name, medium in [key for key in tables.told if key[0] == node]:
            tables.drop(tables.told, (name, medium))
        for letter in [each for each in tables.letters.values() if each.peer == node]:
            tables.drop(tables.letters, letter.id)
        for reply in [each for each in tables.replies.values() if each.peer == node]:
            tables.drop(tables.replies, reply.number)
        tables.mark()

    @property
    def view(self) -> MemoryView:
        """What the node knows. Raise `NotInitialised` if there is none."""
        if self._view is None:
            raise NotInitialised("this home holds no node")
        return self._view

    def commit(self, effects: Iterable[Effect]) -> list[Effect]:
        """Carry out *effects*, all of them or none. Return them without blobs."""
        writer = _Writer(self._tables, self.blobs, self.view)
        done: list[Effect] = []
        self._tables.mark()
        try:
            for effect in effects:
                writer.apply(effect)
                if not isinstance(effect, ask.KeepBlob):
                    done.append(effect)
        except BaseException:
            self._tables.rollback()
            raise
        self._tables.mark()
        return done

    def carry(self, transport: str, key: str, value: bytes | None) -> None:
        """Set, or with None remove, a value of a transport's own state."""
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
            self.blobs.drop(digest)

    def show(self, resource: ResourceId) -> None:
        """Note that a person has seen *resource*."""
        rows = self._tables.rows
        if resource in rows:
            self._tables.put(rows, resource, replace(rows[resource], shown=True))
            self._tables.mark()


class MemoryView:
    """What the node of a store in memory knows: the engine's `View`, and what lists and reports need."""

    def __init__(self, tables: _Tables, blobs: MemoryBlobs, local: Local) -> None:
        self._tables = tables
        self._blobs = blobs
        self._local = local
        # Functions of a resource's name alone: they need not be forgotten when a transaction is undone.
        self._identities: dict[ResourceId, Identity] = {}
        self._announcements: dict[ResourceId, Announcement] = {}

    # -- ourselves and journals -------------------------------------------------------

    def local(self) -> Local:
        return self._local

    def clock(self) -> Clock:
        found: Clock = self._tables.facts.get("clock", Clock())
        return found

    def stamp(self) -> Stamp:
        found: Stamp = self._tables.facts.get("stamp", Stamp(Millis(0)))
        return found

    def tip(self) -> tuple[int, LineId]:
        number = len(self._tables.rows)
        return number, self._tables.lines[self._local.node, number].id if number else journal.root(self._local.node)

    def own_lines(self, first: int, last: int) -> Sequence[OwnLine]:
        tables = self._tables
        found = []
        for number in range(max(first, 1), min(last, len(tables.rows)) + 1):
            line = tables.lines[self._local.node, number]
            row = tables.rows[line.entry.resource]
            mine = line.entry.publisher == self._local.user
            size = len(row.kept.signed.payload)
            found.append(OwnLine(number, line.id, line.entry, mine, size, self.chunks_of(line.entry.resource)))
        return found

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
        return resource in self._tables.rows

    def complete(self, resource: ResourceId) -> bool:
        row = self._tables.rows.get(resource)
        return row is not None and row.lacking == 0

    def resource(self, resource: ResourceId) -> SignedObject | None:
        row = self._tables.rows.get(resource)
        return row.kept.signed if row else None

    def _read(self, name: ResourceId) -> Resource | None:
        signed = self.resource(name)
        return Resource.read(signed, self.schema) if signed else None

    def identity(self, name: Fingerprint) -> Identity | None:
        proof = self._tables.introduced.get(("identity", name))
        found = self._read(proof) if proof and proof not in self._identities else None
        if proof and found:
            self._identities[proof] = identity_of(found)
        return self._identities.get(proof) if proof else None

    def trust(self, resource: ResourceId) -> Trust | None:
        found = self._read(resource)
        return trust_of(found) if found and found.container.keeps("trust") else None

    def announced(self, node: Fingerprint) -> ResourceId | None:
        return self._tables.introduced.get(("keys", node))

    def announcement(self, node: Fingerprint) -> Announcement | None:
        name = self.announced(node)
        found = self._read(name) if name and name not in self._announcements else None
        if name and found:
            self._announcements[name] = announcement_of(found)
        return self._announcements.get(name) if name else None

    def schema(self, uri: str) -> str | None:
        return schema.published(uri)

    def fate(self, resource: ResourceId) -> tuple[str, str] | None:
        tables = self._tables
        if resource in tables.held:
            return "held", " ".join(tables.held[resource].missing) or "its time has not come"
        return ("rejected", tables.refused[resource]) if resource in tables.refused else None

    def outcomes(self, peer: Fingerprint) -> Sequence[tuple[ResourceId, str, str]]:
        """Return what *peer* says became of our resources that it did not simply apply."""
        return sorted(self._tables.outcomes.get(peer, ()), key=lambda outcome: raw(outcome[0]))

    def waiting_for(self, name: str) -> Sequence[Held]:
        return [held for held in self.all_held() if name in held.missing]

    def due(self, now: Millis) -> Sequence[Held]:
        return [held for held in self.all_held() if held.until and held.until <= now]

    def held(self, resource: ResourceId) -> bool:
        return resource in self._tables.held

    def all_held(self) -> Sequence[Held]:
        return sorted(self._tables.held.values(), key=lambda held: raw(held.signed.id))

    def wanted(self, journal_: Fingerprint, asked_before: Millis, limit: int) -> Sequence[Entry]:
        naming = self._tables.naming
        found = [
            Entry(publisher, name)
            for name, (publisher, asked) in self._tables.wanted.items()
            if asked <= asked_before and any(who == journal_ for who, _ in naming.get(name, ()))
        ]
        return sorted(found, key=lambda entry: raw(entry.resource))[:limit]

    def wanted_count(self) -> int:
        return len(self._tables.wanted)

    # -- chunks -------------------------------------------------------------------------

    def has_blob(self, name: bytes) -> bool:
        return name in self._tables.sizes

    def blob(self, name: bytes) -> bytes | None:
        return self._blobs.get(name) if self.has_blob(name) else None

    def chunk(self, number: int) -> bytes | None:
        return self._tables.chunks.get(number, (b"", False))[0] or None

    def files_with(self, chunk: bytes) -> Sequence[ResourceId]:
        tables = self._tables
        lacking = (number for number in tables.places.get(chunk, ()) if not tables.chunks[number][1])
        return list(dict.fromkeys(tables.files[number] for number in lacking))

    def chunks_of(self, resource: ResourceId) -> Ranges:
        row = self._tables.rows.get(resource)
        return Ranges.of((row.chunk_first, row.chunk_first + row.chunk_total - 1)) if row else Ranges()

    def lacking(self, resource: ResourceId) -> Ranges:
        numbers = self.chunks_of(resource)
        first = numbers.runs[0][0] if numbers else 0
        return Ranges.numbers(number - first for number in numbers if not self._tables.chunks[number][1])

    def incomplete(self, journal_: Fingerprint, asked_before: Millis, limit: int) -> Sequence[ResourceId]:
        rows = sorted((row.number, name, row) for name, row in self._tables.rows.items() if row.lacking)
        return [
            name
            for _, name, row in rows
            if row.asked <= asked_before and any(who == journal_ for who, _ in self._tables.naming.get(name, ()))
        ][:limit]

    def own_chunks(self) -> Ranges:
        rows = self._tables.rows
        return Ranges.of(*(self.chunks_of(n).runs[0] for n in rows if self._mine(rows[n]) and rows[n].chunk_total))

    def _mine(self, row: _Row) -> bool:
        return row.kept.user == self._local.user

    # -- lists and reports ----------------------------------------------------------------

    def listed(self, kinds: Sequence[str] | None = None, *, new: bool = False) -> Iterator[Listed]:
        """Yield resources in order of stamp and id: all, or those of some *kinds*; with *new*, those never shown."""
        found = (self._listed(row) for row in self._tables.rows.values())
        chosen = (each for each in found if (kinds is None or each.kind in kinds) and not (new and each.shown))
        yield from sorted(chosen, key=lambda each: (each.stamp, raw(each.id)))

    def listing(self, resource: ResourceId) -> Listed | None:
        """Return how lists show one resource."""
        row = self._tables.rows.get(resource)
        return self._listed(row) if row else None

    def _listed(self, row: _Row) -> Listed:
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
        return sorted(self._tables.quarantine.values(), key=lambda each: each.id)

    def carrier(self, transport: str, prefix: str) -> Sequence[tuple[str, bytes]]:
        """Return a transport's durable state below *prefix*, in order of keys."""
        found = ((key, value) for (name, key), value in self._tables.carrier.items() if name == transport)
        return sorted(item for item in found if item[0].startswith(prefix))


class _Writer:
    """Carries out effects inside one transaction."""

    def __init__(self, tables: _Tables, blobs: MemoryBlobs, view: MemoryView) -> None:
        self._tables = tables
        self._blobs = blobs
        self._view = view

    def apply(self, effect: Effect) -> None:  # noqa: C901, PLR0912, PLR0915 one line for each effect
        """Carry out *effect*."""
        t = self._tables
        match effect:
            case ask.SetClock(clock):
                t.put(t.facts, "clock", clock)
            case ask.SetStamp(stamp):
                t.put(t.facts, "stamp", stamp)
            case ask.SavePeer(peer):
                t.put(t.peers, peer.node, peer)
            case ask.SaveTold(told):
                t.put(t.told, (told.peer, told.medium), told)
            case ask.Keep():
                self._keep(effect)
            case ask.AddChunks(resource, first, hashes):
                self._name_chunks(t.rows[resource].chunk_first + first, hashes)
            case ask.KnowIdentity(name, resource):
                t.put(t.introduced, ("identity", name), resource)
            case ask.KnowAnnouncement(name, resource):
                t.put(t.introduced, ("keys", name), resource)
            case ask.AddLines(who, lines):
                for line in lines:
                    self._line(who, line)
            case ask.Want(entry):
                if entry.resource not in t.wanted:
                    t.put(t.wanted, entry.resource, (entry.publisher, Millis(0)))
            case ask.Asked(resource, at):
                self._asked(resource, at)
            case ask.Hold(held):
                t.add(t.held, held.signed.id, held)
                t.drop(t.wanted, held.signed.id)
            case ask.Release(resource):
                t.drop(t.held, resource)
            case ask.KeepBlob(name, data):
                assert self._blobs.put(data) == name
                self._have_blob(name, len(data))
            case ask.HaveBlob(name, size):
                self._have_blob(name, size)
            case ask.Post(letter):
                t.add(t.letters, letter.id, letter)
            case ask.Handed(name, at, where):
                if name in t.letters:
                    t.put(t.letters, name, replace(t.letters[name], handed_at=at, where=where))
            case ask.Settle(name):
                t.drop(t.letters, name)
            case ask.AddReply(reply):
                number = t.facts.get("replies", 0) + 1
                t.put(t.facts, "replies", number)
                t.put(t.replies, number, replace(reply, number=number))
            case ask.DropReply(number):
                t.drop(t.replies, number)
            case ask.Seen(bundle, sender, sequence, at):
                t.add(t.seen, bundle, (sender, sequence, at))
            case ask.Quarantine():
                self._quarantine(effect)
            case ask.SaveOutcomes(who, outcomes):
                t.put(t.outcomes, who, outcomes)
            case ask.Tell():
                pass
            case _:
                assert_never(effect)

    def _keep(self, effect: ask.Keep) -> None:
        t, kept, line = self._tables, effect.kept, effect.line
        name = kept.signed.id
        first = t.facts.get("chunks", 0) if effect.chunk_total else 0
        if effect.chunk_total:
            t.put(t.facts, "chunks", first + effect.chunk_total)
        for number in range(first, first + effect.chunk_total):
            t.put(t.chunks, number, (b"", False))
            t.put(t.files, number, name)
        total, shown = effect.chunk_total, kept.sender is None
        t.add(t.rows, name, _Row(kept, line.number, first, total, total, kept.received, shown))
        t.add(t.by_number, line.number, name)
        self._line(self._view.local().node, line)
        t.drop(t.wanted, name)
        self._name_chunks(first, effect.chunks)

    def _line(self, who: Fingerprint, line: Line) -> None:
        t, name = self._tables, line.entry.resource
        t.add(t.lines, (who, line.number), line)
        t.add(t.numbers, (who, line.id), line.number)
        t.put(t.naming, name, (*t.naming.get(name, ()), (who, line.number)))

    def _name_chunks(self, first: int, hashes: Iterable[bytes]) -> None:
        t = self._tables
        for number, name in enumerate(hashes, first):
            held = name in t.sizes
            t.put(t.chunks, number, (name, held))
            t.put(t.places, name, (*t.places.get(name, ()), number))
            if held:
                self._count_down(number)

    def _count_down(self, number: int) -> None:
        t, name = self._tables, self._tables.files[number]
        t.put(t.rows, name, replace(t.rows[name], lacking=t.rows[name].lacking - 1))

    def _have_blob(self, name: bytes, size: int) -> None:
        t = self._tables
        t.put(t.sizes, name, size)
        for number in t.places.get(name, ()):
            if not t.chunks[number][1]:
                t.put(t.chunks, number, (name, True))
                self._count_down(number)

    def _asked(self, resource: ResourceId, at: Millis) -> None:
        t = self._tables
        if resource in t.wanted:
            t.put(t.wanted, resource, (t.wanted[resource][0], at))
        if resource in t.rows:
            t.put(t.rows, resource, replace(t.rows[resource], asked=at))

    def _quarantine(self, effect: ask.Quarantine) -> None:
        t, name = self._tables, sha256(effect.data).digest()
        self._blobs.put(effect.data)
        if name in t.quarantine:
            return
        if effect.item:
            t.put(t.refused, effect.item, effect.code)
        number = t.facts.get("quarantined", 0) + 1
        t.put(t.facts, "quarantined", number)
        size, sender = len(effect.data), effect.sender
        row = Quarantined(number, name, size, effect.code, effect.reason, sender, effect.where, effect.at)
        t.put(t.quarantine, name, row)
