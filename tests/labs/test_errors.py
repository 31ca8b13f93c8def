"""The nth call on a disk fails, for every n: a clear error, nothing lost, and the next run goes on.

It fails once, or from there on for good; because the disk is full, or because it is broken. The calls are those of the
store and of the carrier, without distinction, in the order in which the command makes them.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from functools import partial
from unittest.mock import patch

import pytest
from tests.labs import sqlite_tap
from tests.labs.conftest import LONGER
from tests.labs.legs import Voyage
from tests.labs.power import rows
from tests.labs.tap import CHANGES, Call, Listener, tapped
from tests.labs.trials import Stopped, Trials, Tried

pytestmark = pytest.mark.skipif(sqlite_tap.library() is None, reason="Python's SQLite hides its functions")

EVERY = {"publish": 1, "sync": 1, "let go": 1, "init": 4, "keys": 4, "bring back": 4, "people": 4, "migrate": 4}
"""Of so many calls one fails; in a long search, every one."""

PARTS = 4  # for the processors
GO_ON = {0: 5, 3: 1}  # of so many homes, by what the command said, one goes on with its peer
GO_ON_ELSE = 25


class Failing(Listener):
    """Lets a call fail."""

    def __init__(self, number: int) -> None:
        self.count = 0
        self.hit: Call | None = None
        self._number = number
        self._full = number % 2 == 0
        self._lasting = number % 3 == 0

    def before(self, call: Call) -> None:
        """Count; raise at the right one, and perhaps ever after."""
        self.count += 1
        if self.count == self._number or (self._lasting and self.hit is not None and self._fails(call)):
            self.hit = self.hit or call
            code = errno.ENOSPC if self._full and call.verb in CHANGES else errno.EIO
            if call.verb == "lock" and not self._lasting:
                code = errno.EAGAIN
            raise OSError(code, os.strerror(code), call.path)

    def _fails(self, call: Call) -> bool:
        return call.verb in ("write", "create", "mkdir") if self._full else True


def attempt(voyage: Voyage, trials: Trials, listener: Listener) -> tuple[int, list[str]]:
    """Let the story happen while *listener* listens; return the last exit code, and what is said to be published."""
    tried = voyage.alice = Tried(voyage.alice.path, "Alice")
    try:
        with tapped(listener, voyage.root):
            trials.story.run(voyage)
    except Stopped:
        pass
    last = tried.done[-1]
    assert b"Traceback" not in last.stderr, last.stderr.decode()
    return last.returncode, tried.published


@pytest.mark.timeout(600 * LONGER)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", EVERY)
def test_whatever_call_fails_nothing_is_lost(name, part, ground, tally):
    step = 1 if LONGER > 1 else EVERY[name]
    trials, wrong = Trials(name, ground), []
    with tally("failed calls survived", 150 * LONGER) as counts:
        numbers = range(1 + part * step, 10_000, step * PARTS)
        for number in numbers:
            voyage, failing = trials.fresh(), Failing(number)
            code, published = attempt(voyage, trials, failing)
            if failing.hit is None:
                break
            counts.append(1)
            found = trials.complaints(voyage, published)
            if not found and number % GO_ON.get(code, GO_ON_ELSE) == 0:
                found = trials.goes_on(voyage)
            if code not in (0, 1, 3, 12, 13, 15) and not (code == 2 and failing.hit.path.endswith("config.toml")):
                found.append(f"exit {code}")
            if found:
                wrong.append((number, failing.hit.verb, failing.hit.path, code, found))
    assert not wrong, f"{len(wrong)} of {len(counts)}, such as {wrong[:3]}"


@pytest.mark.parametrize("name", ["publish", "sync", "let go"])
def test_a_database_that_somebody_else_holds_is_left_alone(name, ground):
    """Another program has the store open and does not let go; ours waits for a while, says so, and changes nothing."""
    trials = Trials(name, ground)
    voyage = trials.fresh()
    before = rows(voyage.alice.path / "store.db")
    impatient = partial(sqlite3.connect, timeout=0.05)
    with closing(sqlite3.connect(voyage.alice.path / "store.db")) as other, patch.object(sqlite3, "connect", impatient):
        other.execute("BEGIN IMMEDIATE")
        code, published = attempt(voyage, trials, Listener())
        said = voyage.alice.done[-1].stderr.decode()
    assert (code, published) == (15, [])
    assert "locked" in said
    assert rows(voyage.alice.path / "store.db") == before
    assert not trials.complaints(voyage)
    assert not trials.goes_on(voyage)
