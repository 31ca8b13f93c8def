"""The bad month, by command line alone: whatever befalls the sticks, everything arrives once, and every report adds up.

Ada and Ben share a stick, Cy has another, and a courier whom nobody knows goes between them. In these weeks ten sticks
are pulled while they are written, one is lost, one comes back as it was days before; Ben's disk dies and an old copy
is put back; Cy's clock begins again with 1970. Some 25 s.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest
from tests.e2e.conftest import Home, crates
from tests.e2e.ground import lies

from paquebot.protocol.limits import DAY_MS, HOUR_MS, RELEASED_MS

DAYS = 24
PULLS = 10
COPIED, LOST, DEAD_CLOCK, REPLAYED, RESTORED = 6, 8, 10, 12, 15
CALM_ROUNDS = 16
"""So many rounds without a mishap mend everything."""
EXPIRED_DAYS, WEEKS = 125, 8
"""After so long an envelope has run out, and after so many weekly visits it is deleted."""


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def lay(folder: Path, files: dict[Path, bytes]) -> None:
    """Make *files* all that lies in *folder*."""
    shutil.rmtree(folder)
    folder.mkdir()
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def torn(before: dict[Path, bytes], after: dict[Path, bytes], dice: Random) -> dict[Path, bytes]:
    """Return what is left of a visit when the stick was pulled before all was written: each file has its own fate.

    What was written or deleted is so, or not, or the file is cut off, or has a name and no bytes.
    """
    left = dict(after)
    for path in sorted({*before, *after}):
        if before.get(path) == after.get(path):
            continue
        match dice.choice(["done", "undone", "cut", "empty"]):
            case "undone" if path in before:
                left[path] = before[path]
            case "undone":
                del left[path]
            case "cut" if path in after:
                left[path] = after[path][: dice.randrange(len(after[path]) + 1)]
            case "empty" if path in after:
                left[path] = b""
    return left


def add_up(report: dict, before: int) -> None:
    """Whatever was found has one fate, and so has what is carried for others; *before* parcels were."""
    assert report["found"] == report["opened"] + report["not_ours"] + report["refused"] + report["not_yet"], report
    assert (report["sent"] > 0) == (report["sent_bytes"] > 0), report
    carried = report["carried"]
    assert carried["now"] == before + carried["taken_along"] - carried["arrived"] - carried["let_go"], report
    assert carried["taken_along"] <= report["not_ours"], report
    assert report["new"] <= report["outcomes"].get("applied", 0), report


class Month:
    """Three homes, one courier, two sticks and a calendar."""

    def __init__(self, make, meet, tmp_path: Path) -> None:
        self.dice = Random("the bad month")
        self.now = RELEASED_MS + 20 * DAY_MS
        names = ("Ada", "Ben", "Cy", "Courier")
        self.ada, self.ben, self.cy, self.courier = (make(name, clock=self.now) for name in names)
        meet(*self.homes)
        self.north, self.south = tmp_path / "north", tmp_path / "south"
        for stick in (self.north, self.south):
            stick.mkdir()
        self.sticks = self.north, self.south
        self.born = self.now
        self.dead_clock = False
        self.said: dict[str, Home] = {}
        self.new: Counter[str] = Counter()
        self.carried: Counter[str] = Counter()
        """What each home carries for others, by its last report."""
        self.pulls = 0
        self.doubtful: set[str] = set()
        """Homes that were put back, until they are heard of again: what was told of them need not be so."""

    @property
    def homes(self) -> tuple[Home, Home, Home]:
        return self.ada, self.ben, self.cy

    def tick(self) -> None:
        """Let an hour pass on every clock; Cy's may have begun again with 1970."""
        self.now += HOUR_MS
        for home in (*self.homes, self.courier):
            home.clock = self.now
        if self.dead_clock:
            self.cy.clock = self.now - self.born

    def say(self, home: Home, text: str) -> None:
        home.say(text)
        self.said[text] = home

    def visit(self, home: Home, stick: Path, *, pulled: bool = False) -> None:
        """Let *home* sync with *stick*; its report must add up, and nobody may claim what is not so."""
        self.tick()
        before = contents(stick)
        report = home.json("sync", "--via", stick, code=None)
        add_up(report, self.carried[home.name])
        self.carried[home.name] = report["carried"]["now"]
        self.new[home.name] += report["new"]
        if pulled and contents(stick) != before:
            self.pulls += 1
            lay(stick, torn(before, contents(stick), self.dice))
            self.check()

    def check(self) -> None:
        real = time.time_ns
        shift = (self.now + HOUR_MS) * 1_000_000 - real()
        with patch.object(time, "time_ns", lambda: real() + shift):
            assert lies(*(home for home in self.homes if home.name not in self.doubtful)) == []

    def day(self, *, pull: int | None = None, pause: int = DAY_MS - 8 * HOUR_MS) -> None:
        """Carry the sticks around once; the one of visit number *pull* is pulled."""
        self.now += pause
        visits = [
            (self.ada, self.north), (self.ben, self.north), (self.courier, self.north), (self.courier, self.south),
            (self.cy, self.south), (self.courier, self.south), (self.courier, self.north),
        ]  # fmt: skip
        for number, (home, stick) in enumerate(visits):
            self.visit(home, stick, pulled=number == pull)
        self.check()

    def waiting(self) -> list[str]:
        """Say who waits to hear that something of his arrived."""
        peers = [(home, each) for home in self.homes for each in home.json("status")["peers"]]
        return [f"{home.name} waits for {each['name']}" for home, each in peers if each["on_the_way"]]

    def missing(self) -> list[str]:
        return [f"{home.name} lacks {text}" for home in self.homes for text in self.said.keys() - {*home.texts()}]


@pytest.fixture
def month(make, meet, tmp_path):
    return Month(make, meet, tmp_path)


def bad_weather(month: Month, tmp_path: Path) -> None:
    """Days, on each of which somebody writes and something may go wrong."""
    old: dict[Path, bytes] = {}
    for day in range(DAYS):
        month.tick()
        if day == COPIED:
            shutil.copytree(month.ben.path, tmp_path / "copy")
            old = contents(month.north)
        if day == LOST:
            lay(month.north, {})
        if day == DEAD_CLOCK:
            month.dead_clock = True
        if day == REPLAYED:
            lay(month.north, old)
        if day == RESTORED:
            shutil.rmtree(month.ben.path)
            shutil.copytree(tmp_path / "copy", month.ben.path)
            month.doubtful.add("Ben")
            month.carried["Ben"] = month.ben.json("status")["carrying"]
        # Who was put back should first hear of it: what he says before that makes him another node (test_restores.py).
        writer = month.ada if RESTORED <= day <= RESTORED + 2 else month.dice.choice(month.homes)
        month.say(writer, f"day {day} by {writer.name}: " + "x" * month.dice.randrange(5_000))
        month.day(pull=month.dice.randrange(7) if month.pulls < PULLS else None)


def calm(month: Month) -> None:
    """Carry the sticks around without a mishap until everybody has everything, and nobody waits for an answer."""
    for _ in range(CALM_ROUNDS):
        if not month.missing() and not month.waiting():
            return
        month.day(pause=0)  # else there is always a question on its way that asks for news
    raise AssertionError(month.missing() or month.waiting())


def left(month: Month) -> set[str]:
    """The names of all that lies on the sticks or is carried for others."""
    carried = {each["parcel"] for each in month.courier.json("carried")["parcels"]}
    return carried | {path.name for stick in month.sticks for path in crates(stick)}


def sweep(month: Month) -> None:
    """What an accident left lying, nobody can tell from what is needed: when its time has run out, it is swept."""
    before = left(month)
    month.now += EXPIRED_DAYS * DAY_MS
    for _ in range(WEEKS):
        month.day(pause=7 * DAY_MS)
    assert not before & left(month)


@pytest.mark.timeout(900)
def test_a_bad_month(month, tmp_path):
    bad_weather(month, tmp_path)
    assert month.pulls == PULLS
    calm(month)
    month.doubtful.clear()
    month.check()
    for home in month.homes:
        assert sorted(home.texts()) == sorted(month.said), f"{home.name} has everything, and everything once"
        if home is not month.ben:  # who was put back got some things a second time
            assert month.new[home.name] == sum(author is not home for author in month.said.values())
        home.run("check")
    sweep(month)
    assert month.courier.json("list") == []
