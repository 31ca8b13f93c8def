"""The tables of a store in memory, how they are changed, and how that is undone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from paquebot.display import printable
from paquebot.errors import Unstorable
from paquebot.protocol import effects as ask
from paquebot.protocol.account import Account, Asking
from paquebot.protocol.burden import Carrying, NoteShown, Parcel
from paquebot.protocol.effects import Effect
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId
from paquebot.protocol.events import Errand, Event
from paquebot.protocol.journal import Line
from paquebot.protocol.limits import EVENT_DETAIL_MAX
from paquebot.protocol.past import Fork, Lapse, Proof
from paquebot.protocol.resource import PROOFS
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Held, Kept, Letter, Peer, Reply, Told
from paquebot.protocol.strangers import Invite, Pending
from paquebot.store.blobs import MemoryBlobs
from paquebot.store.view import Quarantined
from paquebot.testing import memory_burden, memory_private, memory_strangers

Table = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A resource that is held."""

    kept: Kept
    number: int
    chunk_first: int
    chunk_total: int
    lacking: int
    asked: Millis
    shown: bool
    gone: str = ""


class Tables:
    """Everything a home remembers, with a list of how to undo what was changed since `mark`."""

    def __init__(self) -> None:  # noqa: PLR0915 one line for each table
        self.facts: Table = {}
        """Single values by name."""
        self.peers: dict[Fingerprint, Peer] = {}
        self.told: dict[tuple[Fingerprint, str], Told] = {}
        self.lines: dict[tuple[Fingerprint, int], Line] = {}
        self.numbers: dict[tuple[Fingerprint, LineId], int] = {}
        self.naming: dict[ResourceId, tuple[tuple[Fingerprint, int], ...]] = {}
        self.proofs: dict[tuple[Fingerprint, int], Proof] = {}
        self.lapses: dict[Fingerprint, Lapse] = {}
        self.forks: dict[Fingerprint, Fork] = {}
        self.rows: dict[ResourceId, Row] = {}
        self.by_number: dict[int, ResourceId] = {}
        self.introduced: dict[tuple[str, Fingerprint], ResourceId] = {}
        self.wanted: dict[ResourceId, tuple[Fingerprint, Millis]] = {}
        self.askings: dict[ResourceId, dict[Fingerprint, Asking]] = {}
        self.accounts: dict[Fingerprint, Account] = {}
        self.held: dict[ResourceId, Held] = {}
        self.letters: dict[bytes, Letter] = {}
        self.replies: dict[int, Reply] = {}
        self.seen: dict[bytes, tuple[Fingerprint, int, Millis]] = {}
        self.quarantine: dict[bytes, Quarantined] = {}
        self.purged: dict[bytes, bool] = {}
        """Of what was set aside: what a person needs no longer."""
        self.refused: dict[ResourceId, str] = {}
        """The code of the latest refusal of a resource."""
        self.items: dict[bytes, tuple[ResourceId, str]] = {}
        """By the hash of what was set aside: which resource it was, and the code."""
        self.weighed: dict[Fingerprint, tuple[ResourceId, ...]] = {}
        """What is held of each user's trusts, revocations and identities."""
        self.hidden: dict[ResourceId, ResourceId] = {}
        """What does not count, and because of which revocation."""
        self.outcomes: dict[Fingerprint, tuple[tuple[ResourceId, str, str], ...]] = {}
        """By peer: what became of ours there."""
        self.opened: dict[ResourceId, tuple[Fingerprint, ...]] = {}
        """Private resources that were opened, with the users they are for."""
        self.closed: dict[ResourceId, ResourceId | None] = {}
        """Those that were tried and are not for us; of a key, which resource it is for."""
        self.audience: dict[tuple[Fingerprint, ResourceId], bool] = {}
        """The users for whom a private resource of ours is."""
        self.readable: dict[tuple[Fingerprint, ResourceId], ResourceId | None] = {}
        """The nodes that have a key to it."""
        self.reached: dict[int, ask.Reached] = {}
        """In the order in which it was learned."""
        self.pending: dict[Fingerprint, Pending] = {}
        self.invites: dict[bytes, Invite] = {}
        self.met: dict[tuple[str, Fingerprint], Any] = {}
        self.carrier: dict[tuple[str, str], bytes] = {}
        self.parcels: dict[bytes, Parcel] = {}
        self.berths: dict[tuple[str, bytes], int] = {}
        """By medium and parcel: 0 found there, 1 put there, -1 perhaps put there."""
        self.shown: dict[bytes, NoteShown] = {}
        self.events: dict[int, Event] = {}
        self.errands: dict[int, Errand] = {}
        self.related: dict[ResourceId, tuple[tuple[str, ResourceId], ...]] = {}
        self._undo: list[Callable[[], object]] = []
        self._no_chunks()

    def _no_chunks(self) -> None:
        self.chunks: dict[int, tuple[bytes, bool]] = {}
        """By our chunk numbers: hash (empty if not known yet) and whether it is held."""
        self.places: dict[bytes, tuple[int, ...]] = {}  # which chunk numbers have a hash
        self.files: dict[int, ResourceId] = {}  # to which file a chunk number belongs
        self.sizes: dict[bytes, int] = {}  # of the blobs we know to have
        self.loose: dict[bytes, Fingerprint] = {}
        """Those that no manifest names, and which peer brought them."""
        self.givers: dict[bytes, tuple[Fingerprint, ...]] = {}
        """Which users' nodes brought a chunk."""

    def put(self, table: Table, key: Hashable, value: object) -> None:
        """Write a value, replacing what was there."""
        if key in table:
            self._undo.append(lambda old=table[key]: table.__setitem__(key, old))  # type: ignore[misc]
        else:
            self._undo.append(lambda: table.pop(key))
        table[key] = value

    def add(self, table: Table, key: Hashable, value: object) -> None:
        """Write a value where none may be. Raise `Unstorable`."""
        if key in table:
            raise Unstorable("the store is asked to hold a thing twice")
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

    def copy(self) -> Tables:
        """Return a copy of everything."""
        other = Tables()
        for name, table in self.content().items():
            setattr(other, name, table)
        return other

    def content(self) -> dict[str, object]:
        """Return a copy of everything, to be compared."""
        return {name: dict(table) for name, table in vars(self).items() if isinstance(table, dict)}


def leave_behind(t: Tables, node: Fingerprint, last: int) -> None:
    """Drop what counts between *node* and its peers alone, and what its journal says after line *last*."""
    sent: list[Table] = [t.told, t.letters, t.replies, t.outcomes, t.reached]
    for table in (*sent, t.seen, t.lapses, t.askings, t.by_number):
        for key in list(table):
            t.drop(table, key)
    t.drop(t.facts, "past")
    for number in range(last + 1, t.facts["tip"] + 1):
        drop_line(t, node, number)
    t.put(t.facts, "tip", 0)
    t.put(t.facts, "predecessors", (*t.facts.get("predecessors", ()), node))


def drop_line(t: Tables, journal: Fingerprint, number: int) -> None:
    """Remove a line of a journal."""
    line = t.lines[journal, number]
    t.drop(t.lines, (journal, number))
    t.drop(t.numbers, (journal, line.id))
    others = tuple(each for each in t.naming[line.entry.resource] if each != (journal, number))
    t.put(t.naming, line.entry.resource, others)


class Writer:
    """Carries out effects inside one transaction."""

    def __init__(self, tables: Tables, blobs: MemoryBlobs, node: Fingerprint) -> None:
        self._tables = tables
        self._blobs = blobs
        self._node = node
        self.dropped: list[bytes] = []
        """Blobs that nothing names once the transaction is complete."""

    def apply(self, effect: Effect) -> None:  # noqa: C901, PLR0912, PLR0915 one line for each effect
        """Carry out *effect*."""
        t = self._tables
        match effect:
            case ask.Reached():
                t.put(t.reached, len(t.reached), effect)
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
            case ask.Forget(resource):
                self._forget(resource)
            case ask.Lose(resource):
                t.put(t.rows, resource, replace(t.rows[resource], gone="lost"))
            case ask.LoseBlob(name):
                self._lose_blob(name)
            case ask.AddChunks(resource, first, hashes):
                self._name_chunks(t.rows[resource].chunk_first + first, hashes)
            case ask.Chunking():
                self._chunking(effect)
            case ask.KnowIdentity(name, resource):
                t.put(t.introduced, ("identity", name), resource)
            case ask.KnowAnnouncement(name, resource):
                t.put(t.introduced, ("keys", name), resource)
            case ask.KnowNode(name, resource):
                t.put(t.introduced, ("node", name), resource)
            case ask.AddLines(who, lines):
                for line in lines:
                    self._line(who, line)
            case ask.Want() | ask.Unwant() | ask.Asked() | ask.SaveAsking() | ask.Answered() | ask.AskAnew():
                self._note_asking(effect)
            case ask.SaveAccount(who, account):
                t.put(t.accounts, who, account)
            case ask.Hold(held):
                self._hold(held)
            case ask.Release(resource):
                t.drop(t.held, resource)
            case ask.KeepBlob(name, data):
                assert self._blobs.put(data) == name
                self._have_blob(name, len(data))
            case ask.HaveBlob(name, size):
                self._have_blob(name, size)
            case ask.Hide(resource, by):
                t.drop(t.hidden, resource)
                if by is not None:
                    t.put(t.hidden, resource, by)
            case ask.Readmit(resource):
                for digest, (item, _) in list(t.items.items()):
                    if item == resource:
                        t.drop(t.items, digest)
                        t.drop(t.quarantine, digest)
                t.drop(t.refused, resource)
            case ask.Post(letter):
                t.add(t.letters, letter.id, letter)
            case ask.Handed():
                self._handed(effect)
            case ask.Settle(name):
                t.drop(t.letters, name)
            case ask.AddReply(reply):
                self._add_reply(reply)
            case ask.DropReply(number):
                t.drop(t.replies, number)
            case ask.Seen(bundle, sender, sequence, at):
                t.add(t.seen, bundle, (sender, sequence, at))
            case ask.Quarantine():
                self._quarantine(effect)
            case ask.SaveOutcomes(who, outcomes):
                t.put(t.outcomes, who, tuple({each[0]: each for each in outcomes}.values()))
            case ask.Noting():
                self._happened(effect)
            case ask.NoteOpened() | ask.NoteClosed() | ask.NoteReaders() | ask.NoteWrap():
                memory_private.apply(t, effect)
            case ask.Meeting():
                memory_strangers.apply(t, effect)
            case Carrying():
                self.dropped += memory_burden.apply(t, self._blobs, effect)
            case _:
                self._past(effect)

    def _past(self, effect: Effect) -> None:
        """Carry out what concerns our own past."""
        t = self._tables
        match effect:
            case ask.SaveProof(proof, instead):
                t.drop(t.proofs, (proof.journal, instead))
                t.put(t.proofs, (proof.journal, proof.number), proof)
            case ask.Rejoin(since, lines):
                self._rejoin(since, lines)
            case ask.SavePast(past):
                t.put(t.facts, "past", past)
            case ask.SaveLapse(lapse):
                t.put(t.lapses, lapse.peer, lapse)
            case ask.EndLapse(peer):
                t.drop(t.lapses, peer)
            case ask.SaveFork(fork):
                t.put(t.forks, fork.journal, t.forks.get(fork.journal, fork))
            case _:
                raise AssertionError(effect)

    def _happened(self, effect: ask.Noting) -> None:
        t = self._tables
        match effect:
            case ask.Note(kind, at, resource, peer, detail):
                number = t.facts.get("events", 0) + 1
                t.put(t.facts, "events", number)
                event = Event(number, at, kind, resource, peer, printable(detail, EVENT_DETAIL_MAX))
                t.put(t.events, number, event)
            case ask.ForgetEvents(through):
                for number in [each for each in t.events if each <= through]:
                    t.drop(t.events, number)
            case ask.SaveErrand(errand):
                number = errand.number or t.facts.get("errands", 0) + 1
                t.put(t.facts, "errands", max(number, t.facts.get("errands", 0)))
                t.put(t.errands, number, replace(errand, number=number, problem=printable(errand.problem)))
            case ask.Relate(resource, relations):
                t.put(t.related, resource, relations)
            case ask.DropErrand(number):
                t.drop(t.errands, number)
            case ask.Remember(key, None):
                t.drop(t.carrier, ("", key))
            case ask.Remember(key, value):
                t.put(t.carrier, ("", key), value)
            case ask.Tell():
                pass

    def _hold(self, held: Held) -> None:
        self._tables.add(self._tables.held, held.signed.id, held)
        self._tables.drop(self._tables.wanted, held.signed.id)

    def _add_reply(self, reply: Reply) -> None:
        number = self._tables.facts.get("replies", 0) + 1
        self._tables.put(self._tables.facts, "replies", number)
        self._tables.put(self._tables.replies, number, replace(reply, number=number))

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
        if name in t.rows and t.rows[name].gone == "lost":
            self._drop_chunks(t.rows[name])
            t.drop(t.rows, name)
            t.drop(t.by_number, line.number)
        t.add(t.rows, name, Row(kept, line.number, first, total, total, kept.received, shown))
        t.add(t.by_number, line.number, name)
        if kept.kind in PROOFS:
            t.put(t.weighed, kept.user, (*t.weighed.get(kept.user, ()), name))
        if (self._node, line.number) not in t.lines:  # a recalled or lost line is there already
            self._line(self._node, line)
        t.drop(t.wanted, name)
        self._name_chunks(first, effect.chunks)

    def _rejoin(self, since: int, lines: Iterable[Line]) -> None:
        t = self._tables
        for number in range(since + 1, t.facts["tip"] + 1):
            drop_line(t, self._node, number)
            t.drop(t.by_number, number)
        t.put(t.facts, "tip", since)
        for line in lines:
            self._line(self._node, line)
            name = line.entry.resource
            if name in t.rows:
                t.put(t.rows, name, replace(t.rows[name], number=line.number))
                t.put(t.by_number, line.number, name)

    def _forget(self, name: ResourceId) -> None:
        t, row = self._tables, self._tables.rows[name]
        for chunk in self._drop_chunks(row):
            if not t.places[chunk]:
                self._drop_blob(chunk)
                self.dropped.append(chunk)
        t.put(t.rows, name, replace(row, gone="forgotten", chunk_first=0, chunk_total=0, lacking=0))

    def _drop_chunks(self, row: Row) -> list[bytes]:
        t, names = self._tables, []
        for number in range(row.chunk_first, row.chunk_first + row.chunk_total):
            name = t.chunks[number][0]
            t.drop(t.chunks, number)
            t.drop(t.files, number)
            if name:
                names.append(name)
                t.put(t.places, name, tuple(place for place in t.places[name] if place != number))
        return names

    def _lose_blob(self, name: bytes) -> None:
        t = self._tables
        self._drop_blob(name)
        for number in t.places.get(name, ()):
            if t.chunks[number][1]:
                t.put(t.chunks, number, (name, False))
                file = t.files[number]
                t.put(t.rows, file, replace(t.rows[file], lacking=t.rows[file].lacking + 1, asked=Millis(0)))

    def _line(self, who: Fingerprint, line: Line) -> None:
        t, name = self._tables, line.entry.resource
        if who == self._node:
            t.put(t.facts, "tip", line.number)
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
                t.drop(t.loose, name)
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

    def _drop_blob(self, name: bytes) -> None:
        for table in (self._tables.sizes, self._tables.loose, self._tables.givers):
            self._tables.drop(table, name)

    def _chunking(self, effect: ask.Chunking) -> None:
        t = self._tables
        match effect:
            case ask.Gave(chunk, user):
                t.put(t.givers, chunk, tuple({*t.givers.get(chunk, ()), user}))
            case ask.Loose(chunk, peer):
                t.put(t.loose, chunk, t.loose.get(chunk, peer))
            case ask.DropLoose(peer):
                gone = [each for each, brought in t.loose.items() if brought == peer]
                self.dropped += gone
                for chunk in gone:
                    self._drop_blob(chunk)

    def _handed(self, effect: ask.Handed) -> None:
        letter = self._tables.letters.get(effect.letter)
        if letter is not None:
            self._tables.put(self._tables.letters, letter.id, replace(letter, handed_at=effect.at, where=effect.where))

    def _asked(self, resource: ResourceId, at: Millis) -> None:
        t = self._tables
        if resource in t.wanted:
            t.put(t.wanted, resource, (t.wanted[resource][0], at))
        if resource in t.rows:
            t.put(t.rows, resource, replace(t.rows[resource], asked=at))

    def _note_asking(
        self, effect: ask.Want | ask.Unwant | ask.Asked | ask.SaveAsking | ask.Answered | ask.AskAnew
    ) -> None:
        t = self._tables
        match effect:
            case ask.Want(entry):
                t.put(t.wanted, entry.resource, t.wanted.get(entry.resource, (entry.publisher, Millis(0))))
            case ask.Unwant(resource):
                t.drop(t.wanted, resource)
                t.drop(t.askings, resource)
            case ask.Asked(resource, at):
                self._asked(resource, at)
            case ask.SaveAsking(asking):
                t.put(t.askings, asking.resource, {**t.askings.get(asking.resource, {}), asking.peer: asking})
            case ask.Answered(resource):
                t.drop(t.askings, resource)
            case ask.AskAnew(publisher):
                self._ask_anew(publisher)

    def _ask_anew(self, publisher: Fingerprint) -> None:
        t = self._tables
        files = [name for name, row in t.rows.items() if row.lacking and row.kept.user == publisher]
        for name in [*files, *(name for name, (who, _) in t.wanted.items() if who == publisher)]:
            self._asked(name, Millis(0))
            t.drop(t.askings, name)

    def _quarantine(self, effect: ask.Quarantine) -> None:
        t, name = self._tables, sha256(effect.data).digest()
        if name in t.quarantine:
            return
        self._blobs.put(effect.data)
        if effect.item:
            t.put(t.refused, effect.item, effect.code)
            t.put(t.items, name, (effect.item, effect.code))
        number = t.facts.get("quarantined", 0) + 1
        t.put(t.facts, "quarantined", number)
        size, sender = len(effect.data), effect.sender
        row = Quarantined(number, name, size, effect.code, effect.reason, sender, effect.where, effect.at, effect.item)
        t.put(t.quarantine, name, row)
