"""The sweep: what nobody needs goes, what lies there twice goes once, what is mostly dead is written anew.

Anybody who can write to a medium sweeps it, and several may do so at once, each perhaps on a copy of its own that is
synced later. So nothing goes unless it would go by anybody's hand: for true tokens, for its age (with `patience`), or
because all that is needed of it lies whole in files of a *lower rank*. Ranks are the same for all, so of two files
that hold the same, nobody deletes the lower, and two sweepers can never delete each other's reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from unicodedata import normalize

from paquebot_drop.crate import TOKENS_MAX, Entry, base32, digest, header_size, line_size, read_body
from paquebot_drop.folder import ROOT, Folder, Found
from paquebot_drop.ledger import Ledger, Record, Wrote
from paquebot_drop.loading import NOTHING, RESERVE, begin
from paquebot_drop.patience import GRACE_HOURS, STEP_HOURS, Patience
from paquebot_drop.survey import Crate, Paper, Survey
from paquebot_drop.tokens import SLIP_MAX, Slip, pack_slip, parse_slip

GAIN_MIN = 256 << 10
"""A crate is not written anew to save less. It costs about ten small writes, a second of a cheap stick's time, and
eight clusters of 32 KiB are the least that is worth that."""
REWRITE_MAX = 16 << 20
"""Written anew in one visit, or else one crate: some seconds of a cheap stick's time."""
VERIFY_MAX = 256 << 20
"""Read in one visit to prove that something lies there twice."""
SLIPS_MAX = 8
"""So many slips for one crate are left as they are. A crate for many recipients gets one from each of their visits."""
MERGES_MAX = 64
_SLIP_NAME = re.compile(rf"{ROOT}/A/[A-Z2-7]{{26}}\.ACK")


@dataclass(slots=True)
class Gone:
    """How many files went, and how many bytes of them."""

    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Swept:
    """What a sweep did, or would do."""

    dead: Gone = field(default_factory=Gone)
    """Crates that nobody needs any more."""
    doubles: Gone = field(default_factory=Gone)
    """Crates whose records lie elsewhere."""
    rewritten: Gone = field(default_factory=Gone)
    """Crates written anew, and the bytes that this saved."""
    slips: Gone = field(default_factory=Gone)


class Sweep:
    """One sweep after one survey. A *rehearsed* one changes nothing.

    Unless the house has *heard* what the survey brought, what tells of our own crates is left.
    """

    def __init__(
        self,
        *,
        folder: Folder,
        ledger: Callable[[], Ledger],
        survey: Survey,
        own: Mapping[str, Wrote],
        patience: Patience,
        hour: int,
        is_wanted: Callable[[Entry], bool],
        dice: Callable[[int], bytes],
        synced: bool = False,
        heard: bool = True,
        rehearsed: bool = False,
    ) -> None:
        self._folder, self._ledger, self._survey, self._own = folder, ledger, survey, own
        self._patience, self._hour, self._is_wanted, self._dice = patience, hour, is_wanted, dice
        self._heard, self._rehearsed = heard, rehearsed
        # What is written anew in a synced folder goes over the wire to everybody, to save what is cheap there.
        self._least_dead = (7, 8) if synced else (1, 2)
        self.left = list(survey.crates)
        """The crates that are there afterwards."""
        self.forgotten: set[str] = set()
        """Crates of ours of which nothing need be remembered any more."""
        self.swept = Swept()
        self._papers = {paper.found.parts: paper for paper in survey.papers}
        self._known: dict[tuple[str, ...], list[Entry]] = {}

    def run(self) -> Swept:
        """Sweep; return what was done. Whatever happens meanwhile, nothing that anybody needs is gone."""
        self._drop([crate for crate in self.left if crate.intact and not self._needed(crate)], self.swept.dead)
        self._drop([*self._wrecks()], self.swept.dead)
        self._drop(self._doubles(), self.swept.doubles)
        if self._survey.complete and self._heard:
            self._finish_own()
        self._rewrite()
        self._clear_slips()
        return self.swept

    def _needed(self, crate: Crate) -> list[Entry]:
        """Return the records of *crate* that somebody may still need, ourselves included."""
        if crate.found.parts not in self._known:
            self._known[crate.found.parts] = self._look_for_needed(crate)
        return self._known[crate.found.parts]

    def _look_for_needed(self, crate: Crate) -> list[Entry]:
        survey = self._survey
        left = [e for e in crate.entries if not survey.is_shown(e.id, tuple(each for _, each in e.recipients))]
        expired = [entry for entry in left if entry.expires <= self._hour]
        if not expired or not self._is_overdue(crate.name, expired):
            return left
        return [entry for entry in left if entry.expires > self._hour or self._is_wanted(entry)]

    def _is_overdue(self, name: str, expired: Iterable[Entry | Record]) -> bool:
        """Return whether it was long enough that *expired* have been expired."""
        latest = max(entry.expires for entry in expired)
        return self._patience.is_over(digest(f"expired {name} {latest}".encode()), GRACE_HOURS)

    # -- what goes ---------------------------------------------------------------------

    def _drop(self, crates: Iterable[Crate], freed: Gone) -> None:
        """Delete *crates*, and see to it that they stay away: who meets one again reads it all once more."""
        gone = {crate.found.parts for crate in crates if self._delete(crate.found, freed)}
        self.left = [crate for crate in self.left if crate.found.parts not in gone]
        self._sync({parts[:-1] for parts in gone})

    def _delete(self, found: Found, freed: Gone) -> bool:
        if not (self._rehearsed or self._folder.delete(found.parts, found.size)):
            return False
        freed.files += 1
        freed.bytes += found.size
        return True

    def _sync(self, folders: Iterable[tuple[str, ...]]) -> None:
        for folder in sorted(folders) if not self._rehearsed else ():
            with suppress(OSError):
                self._folder.sync_folder(folder)

    def _wrecks(self) -> Iterator[Crate]:
        """Yield each torn crate of others in which nothing whole is needed, and which has stayed so for long.

        Its writer may never come again, or know nothing of it any more: a home that was put back. If it comes, it
        misses the crate, and sends again what it held.
        """
        for crate in self.left:
            ours = crate.intact or crate.name in self._own or crate.found.parts[0] != ROOT
            if not ours and not self._needed(crate) and self._patience.is_over(crate.mark, GRACE_HOURS):
                yield crate

    def _doubles(self) -> Iterator[Crate]:
        """Yield each crate of which everything that is needed lies, whole, in crates of lower rank.

        A torn one, of which nobody can know what else it held, goes when it has stayed so among ours: it is the draft
        of one that was written anew, or a copy that was never finished.
        """
        twice = self._twice()
        if not twice:
            return
        holders: dict[tuple[object, ...], list[Crate]] = {}
        for crate in self.left:
            for entry in crate.entries if crate.intact else ():
                if entry.id in twice:
                    holders.setdefault(_same(entry), []).append(crate)
        budget = VERIFY_MAX
        for crate in [crate for crate in self.left if crate.name not in self._own or crate.intact]:
            needed = self._needed(crate)
            below = [min(holders.get(_same(entry), ()), key=_rank, default=crate) for entry in needed]
            if not needed or crate in below:
                continue
            if crate.intact and any(_rank(other) > _rank(crate) for other in below):
                continue
            torn_long = crate.found.parts[0] == ROOT and self._patience.is_over(crate.mark, STEP_HOURS)
            if not (crate.intact or torn_long):
                continue
            budget -= sum(entry.length for entry in needed)
            if budget < 0:
                return
            if all(self._holds(other, entry) for other, entry in zip(below, needed, strict=True)):
                yield crate

    def _twice(self) -> set[bytes]:
        """Return the ids of records that lie there more than once: mostly none."""
        once: set[bytes] = set()
        twice: set[bytes] = set()
        for crate in self.left:
            ids = {entry.id for entry in crate.entries}
            twice |= once & ids
            once |= ids
        return twice

    def _holds(self, crate: Crate, entry: Entry) -> bool:
        """Return whether *crate* holds the same record, whole."""
        with self._folder.reading(crate.found.parts) as read:
            return any(read_body(read, each) is not None for each in crate.entries if _same(each) == _same(entry))

    def _finish_own(self) -> None:
        """Delete our own finished crates, then the slips that speak of them, then what we remember of them."""
        for name, wrote in self._own.items():
            there = [crate for crate in self.left if crate.name == name]
            begun = wrote.checked == NOTHING and not wrote.records
            # It may be what another crate was given up for, when the power went before we could note that it is safe.
            if not (begun and any(crate.intact for crate in there)):
                if not all(self._is_done(name, record, there) for record in wrote.records):
                    continue
                self._drop(there, self.swept.dead)
                if any(crate in self.left for crate in there):
                    continue
                ours = {record.id for record in wrote.records}
                for paper in list(self._papers.values()):
                    if paper.crate == name or (paper.first is not None and paper.first in ours):
                        self._delete_slip(paper)
            self.forgotten.add(name)
            if not self._rehearsed:
                self._ledger().set_wrote(name, None)

    def _is_done(self, name: str, record: Record, there: list[Crate]) -> bool:
        if self._survey.is_shown(record.id, record.hashes):
            return True
        return record.expires <= self._hour and (not there or self._is_overdue(name, [record]))

    # -- what is written anew -----------------------------------------------------------

    def _rewrite(self) -> None:
        """Write what is needed of crates that are mostly dead into new ones, and only then delete the old."""
        gains = []
        for crate in self.left:
            if crate.intact:
                needed = self._needed(crate)
                gain = crate.found.size - sum(_cost(entry) for entry in needed)
                above, below = self._least_dead
                if needed and gain >= GAIN_MIN and gain * below > crate.found.size * above:
                    gains.append((gain, crate, needed))
        written = 0
        for gain, crate, needed in sorted(gains, key=lambda each: (-each[0], each[1].name)):
            cost = crate.found.size - gain
            if written and written + cost > REWRITE_MAX:
                continue
            if self._rehearsed or self._move(crate, needed, cost):
                written += cost
                self.swept.rewritten.files += 1
                self.swept.rewritten.bytes += gain

    def _move(self, crate: Crate, needed: list[Entry], cost: int) -> bool:
        """Return whether *needed* now lies in a crate of its own and *crate* is gone."""
        if self._folder.free - cost < RESERVE:
            return False
        fresh = self._copy(crate, needed)
        if fresh is None:
            return False
        self.left.append(fresh)
        if self._folder.delete(crate.found.parts, crate.found.size):
            self.left.remove(crate)
        self._sync([crate.found.parts[:-1]])
        return crate not in self.left

    def _copy(self, crate: Crate, needed: list[Entry]) -> Crate | None:
        """Return a new crate that holds *needed*, durable and read back; None if there can be none now."""
        ledger = self._ledger()
        try:
            hold = begin(self._folder, ledger, self._dice)
        except OSError:
            return None
        try:
            with self._folder.reading(crate.found.parts) as read:
                for entry in needed:
                    body = read_body(read, entry)
                    if body is None:  # its writer is told, and must find it as it is
                        raise OSError("a record is damaged")
                    hold.add(entry, body)
        except OSError:
            if hold.abandon():
                ledger.set_wrote(hold.name, None)
            return None
        try:
            found = hold.seal()
        except OSError:
            found = None
        if found is None:
            # Somebody may have found it whole already, and deleted the old one. The next visit sees what it is.
            hold.close()
            return None
        ledger.set_wrote(hold.name, None)  # from now on it is like anybody's
        return Crate(found, hold.name, tuple(hold.entries), True, digest(hold.name.encode()))

    # -- slips ------------------------------------------------------------------------

    def _clear_slips(self) -> None:
        """Delete slips that all have had time to see, and doubles; merge those of crates that have many."""
        crates: dict[str, list[Paper]] = {}
        said: set[bytes] = set()
        for paper in sorted(self._papers.values(), key=_slip_rank):
            if paper.content in said:
                self._delete_slip(paper)
                continue
            said.add(paper.content)
            if paper.expires <= self._hour and self._patience.is_over(_slip_mark(paper), GRACE_HOURS):
                self._delete_slip(paper)
            else:
                crates.setdefault(paper.crate, []).append(paper)
        many = sorted((-len(papers), name) for name, papers in crates.items() if len(papers) > SLIPS_MAX)
        for _, name in many[:MERGES_MAX]:
            if self._rehearsed:
                self.swept.slips.files += len(crates[name]) - 1
                self.swept.slips.bytes += sum(paper.found.size for paper in crates[name][1:])
            else:
                with suppress(OSError):
                    self._merge(name, crates[name])

    def _merge(self, name: str, papers: list[Paper]) -> None:
        """Write one slip that says what *papers* say, and then delete them."""
        tokens: dict[tuple[bytes, bytes], None] = {}
        for paper in papers:
            with self._folder.reading(paper.found.parts) as read:
                slip = parse_slip(read(0, paper.found.size))
            if slip is None or slip.crate != name:
                return
            tokens.update(dict.fromkeys(slip.tokens))
            if len(tokens) > TOKENS_MAX:  # no crate has so many: somebody means no good
                return
        merged = Slip(name, max(paper.expires for paper in papers), tuple(tokens), any(p.damaged for p in papers))
        data = pack_slip(merged)
        parts = slip_parts(self._dice(16))
        if len(data) > SLIP_MAX or self._folder.free - len(data) < RESERVE:
            return
        self._ledger()  # so that the medium has its name
        self._folder.write(parts, data)
        with self._folder.reading(parts) as read:
            if read(0, len(data) + 1) != data:
                return
        for paper in papers:
            self._delete_slip(paper)

    def _delete_slip(self, paper: Paper) -> None:
        if paper.found.parts in self._papers and self._delete(paper.found, self.swept.slips):
            del self._papers[paper.found.parts]


def slip_parts(dice: bytes) -> tuple[str, ...]:
    """Return where a new slip is written."""
    return (ROOT, "A", f"{base32(dice)}.ACK")


def _same(entry: Entry) -> tuple[object, ...]:
    """Return what two records have in common that can take each other's place."""
    return (entry.id, entry.priority, entry.hops, entry.expires, entry.recipients)


def _cost(entry: Entry) -> int:
    many = len(entry.recipients)
    return header_size(many) + entry.length + line_size(many)


def _rank(crate: Crate) -> tuple[object, ...]:
    """Return what puts the files on a medium in the same order for everybody; what was written anew is smaller."""
    path = _path(crate.found)
    return (crate.found.size, not path.endswith(f"/{crate.name}.PQB"), path)


def _slip_rank(paper: Paper) -> tuple[object, ...]:
    """Return what puts slips in the same order for everybody: those that are called as they were written go first."""
    path = _path(paper.found)
    return (not _SLIP_NAME.fullmatch(path), path)


def _path(found: Found) -> str:
    return normalize("NFC", "/".join(found.parts)).upper()


def _slip_mark(paper: Paper) -> bytes:
    return digest(f"slip {paper.found.where}".encode())
