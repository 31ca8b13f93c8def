"""The power fails during a command, anywhere: what may be left of the home is opened by the product, and judged.

A `Leg` is what one story of `legs` did to the disk, call by call. Whatever the home had stored when anything left
it (a byte on a stick, the end of a command) is promised: after the power cut it is there, all of it, and beside it at
most whole transactions that came later.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from tests.labs.disk import Disk, Tree, choose, everything, held_by, lay_out
from tests.labs.legs import STORIES, Voyage
from tests.labs.tap import CHANGES, Call, Listener, tapped

from paquebot import repairing
from paquebot.errors import NotInitialised, PaquebotError
from paquebot.keychain import NODE_KEY
from paquebot.node import Node
from paquebot.store import Store

LEFT = Call("left", "")
"""Stands in a log where something leaves the home: whatever is stored by then is promised."""

HOME, STICK, OUT = "alice", "stick", "out"
"""What lies below a voyage's root."""


@dataclass(slots=True)
class Leg:
    """What one or more commands did: what lay there before, and every call since."""

    name: str
    root: Path
    held: Tree
    others: dict[str, Tree] = field(default_factory=dict)
    """The other homes, which have power."""
    calls: list[Call] = field(default_factory=list)

    def left(self) -> None:
        """Note that something was said or handed out now."""
        self.calls.append(LEFT)


class _Recorder(Listener):
    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self._stick = f"{leg.root / STICK}{os.sep}"

    def after(self, call: Call) -> None:
        if call.verb in CHANGES and not call.path.endswith("-shm"):
            if call.path.startswith(self._stick):
                self._leg.left()
            self._leg.calls.append(call)


def record(name: str, folder: Path) -> Leg:
    """Let the story of that *name* happen in the empty *folder*; return every call that changed a disk."""
    voyage, story = Voyage(folder), STORIES[name]
    story.prepare(voyage)
    root = Path(os.path.realpath(voyage.root))
    leg = Leg(name, root, held_by(root), {voyage.bob.name: held_by(voyage.bob.path)})
    voyage.left = leg.left
    with tapped(_Recorder(leg), root):
        story.run(voyage)
    leg.left()
    return leg


def whole(home: Path, store: Store) -> list[str]:
    """Return what `paquebot check` finds wrong, but for what merely takes space."""
    findings = repairing.check(home, store, read_data=1, progress=lambda _: None)
    return [finding.what for finding in findings if not finding.harmless]


# -- what was stored when ----------------------------------------------------------------


def dump(db: sqlite3.Connection) -> bytes:
    """Return a hash of all that a database says."""
    said = sha256()
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    for table in tables:
        for row in sorted(map(repr, db.execute(f'SELECT * FROM "{table}"'))):
            said.update(f"{table} {row}\n".encode())
    return said.digest()


Rows = dict[str, list[dict[str, object]]]


def rows(path: Path) -> Rows:
    """Return all that a database says."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {table: [dict(row) for row in db.execute(f'SELECT * FROM "{table}"')] for table in tables}


def _stored(tree: Tree, work: Path) -> bytes:
    """Return the `dump` of the home's database in *tree*."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for name in ("store.db", "store.db-wal", "store.db-journal"):
        if (data := tree.get(f"{HOME}/{name}")) is not None:
            (work / name).write_bytes(data)
    with closing(sqlite3.connect(work / "store.db")) as db:
        return dump(db)


@dataclass(slots=True)
class History:
    """The values that something had, each from a place in the log on."""

    since: list[int] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def note(self, place: int, value: object) -> None:
        """It has that *value* from *place* on."""
        if not self.values or self.values[-1] != value:
            self.since.append(place)
            self.values.append(value)

    def allowed(self, promised: int) -> list[object]:
        """Return what it may be if what it was at *promised* must not be lost."""
        return self.values[max(0, bisect_right(self.since, promised) - 1) :]


class Judge:
    """Knows what each moment of a leg had stored and promised, and judges what a power cut left."""

    def __init__(self, leg: Leg, work: Path) -> None:
        self._leg = leg
        self._work = work
        self._store = History()
        self._files: dict[str, History] = {}
        self._promises: list[int] = []
        disk, commit = Disk(leg.root, leg.held), False
        self._note(0, disk)
        for place, call in enumerate(leg.calls, 1):
            if call == LEFT:
                self._promises.append(place)
                continue
            disk.follow(call)
            if _commits(call, after_header=commit):
                self._note_store(place, disk)
            commit = _is_commit_header(call)
            if not call.path.startswith(f"{leg.root / HOME}/store.db"):
                self._note_files(place, disk)

    def _note(self, place: int, disk: Disk) -> None:
        self._note_store(place, disk)
        self._note_files(place, disk)

    def _note_store(self, place: int, disk: Disk) -> None:
        self._store.note(place, _stored(disk.after(everything(disk.pending)), self._work / "stored"))

    def _note_files(self, place: int, disk: Disk) -> None:
        found = {path: data for path, data in disk.after(everything(disk.pending)).items() if _is_kept(path)}
        for path in {*found, *self._files}:
            history = self._files.setdefault(path, History())
            if not history.values and place:
                history.note(0, None)
            history.note(place, found.get(path))

    def complaints(self, tree: Tree, place: int) -> list[str]:
        """Return what is wrong with what lies there after the power failed at *place*; the home is left laid out."""
        promised = self._promises[bisect_right(self._promises, place) - 1] if place >= self._promises[0] else 0
        found = []
        for path, history in self._files.items():
            if tree.get(path) not in history.allowed(promised):
                found.append(f"{path} is {'torn' if tree.get(path) is not None else 'lost'}")
        shutil.rmtree(self._work / "root", ignore_errors=True)
        lay_out(tree, self._work / "root")
        allowed = self._store.allowed(promised)
        home = self._work / "root" / HOME
        try:
            with Node(home) as node:
                if not node.keys.locked(NODE_KEY):
                    assert node._node_key
                found += [f"check: {each}" for each in whole(home, node._store)]
                said = dump(node._store._db)
                if said not in allowed:
                    known = said in self._store.values
                    found.append("what was promised is lost" if known else "a transaction is torn")
        except NotInitialised as error:
            if self._nothing not in allowed:
                found.append(str(error))
        except (PaquebotError, OSError, sqlite3.Error, AssertionError) as error:
            found.append(f"{type(error).__name__}: {error}")
        return found

    @property
    def _nothing(self) -> bytes:
        return sha256().digest()


def _is_commit_header(call: Call) -> bool:
    """Whether a frame follows that ends a transaction: https://sqlite.org/fileformat2.html#the_write_ahead_log."""
    is_header = call.verb == "write" and call.path.endswith("-wal") and len(call.data) == 24
    return is_header and call.data[4:8] != bytes(4)


def _commits(call: Call, *, after_header: bool) -> bool:
    return (after_header and call.path.endswith("-wal")) or call.path.endswith("-journal") or call.verb == "rename"


def _is_kept(path: str) -> bool:
    """Whether a file is one that is never seen half written: keys, settings, and what was written for people."""
    top, _, rest = path.partition("/")
    name = rest.rpartition("/")[2]
    if name.startswith(".") or name.endswith((".part", ".new")):
        return False
    return top == OUT or (top == HOME and (rest.startswith("keys/") or rest == "config.toml"))


# -- the search ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loss:
    """A power cut that cost something."""

    leg: str
    place: int
    before: str
    complaints: tuple[str, ...]


Left = tuple[int, tuple[tuple[int, bytes | None], ...]]
"""What a power cut left, by name: the place of the last sync before it, and what was done of what was pending."""

_PASSES_MAX = 20


def power_cuts(leg: Leg, count: int, dice: random.Random) -> Iterator[tuple[int, Tree]]:
    """Yield *count* different things that a power cut may leave, with their places in the log; fewer if it has few."""
    seen: set[Left] = set()
    for _ in range(_PASSES_MAX):
        yield from islice(_pass(leg, count, seen, dice), max(0, count - len(seen)))
        if len(seen) >= count:
            return


def _pass(leg: Leg, count: int, seen: set[Left], dice: random.Random) -> Iterator[tuple[int, Tree]]:
    """Walk through the log once; yield about *count* power cuts, but those that were *seen*."""
    weights = []
    disk = Disk(leg.root, leg.held)
    for call in leg.calls:
        if call != LEFT:
            disk.follow(call)
        # Most can be lost where most is pending, and most is lost where something was just promised or got its name.
        weights.append((min(8, len(disk.pending)) + 1) * (8 if call == LEFT else 24 if call.verb == "rename" else 1))
    disk, total, synced = Disk(leg.root, leg.held), sum(weights), 0
    for place, (call, weight) in enumerate(zip(leg.calls, weights, strict=True), 1):
        if call != LEFT:
            disk.follow(call)
            synced = place if call.verb == "sync" else synced
        share = weight * count / total
        for _ in range(int(share) + (dice.random() < share % 1)):
            chosen = choose(disk.pending, dice)
            key = synced, tuple(chosen.items())
            if key not in seen:
                seen.add(key)
                yield place, disk.after(chosen)


def search(
    leg: Leg, count: int, work: Path, *, seed: int = 1, then: Callable[[Leg, int, Path], list[str]] | None = None
) -> tuple[int, list[Loss]]:
    """Let the power fail *count* times during *leg*; return how many different things it left, and what it cost.

    *then* is called with each home that is laid out and whole; it returns further complaints.
    """
    judge, losses, done = Judge(leg, work), [], 0
    for place, tree in power_cuts(leg, count, random.Random(f"{seed} {leg.name}")):
        complaints = judge.complaints(tree, place)
        if not complaints and then is not None:
            complaints = then(leg, done, work / "root")
        done += 1
        if complaints:
            before = leg.calls[place - 1]
            losses.append(Loss(leg.name, place, f"{before.verb} {Path(before.path).name}", tuple(complaints)))
    return done, losses
