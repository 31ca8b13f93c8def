"""The power fails anywhere in the commands that write: what was promised is there, and nothing is half there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from tests.e2e.conftest import Home
from tests.e2e.ground import lies
from tests.e2e.test_secrets import WORDS, fd_of
from tests.labs import sqlite_tap
from tests.labs.conftest import LONGER
from tests.labs.disk import Disk, everything, held_by, lay_out
from tests.labs.legs import STORIES
from tests.labs.power import HOME, LEFT, STICK, Leg, record, search
from tests.labs.tap import Call

from paquebot import home as homes

pytestmark = pytest.mark.skipif(sqlite_tap.library() is None, reason="Python's SQLite hides its functions")

STATES = 340 * LONGER
"""Different things that power cuts left, of each leg; 3,000 and more in all."""
GO_ON = 40  # of so many homes, one goes on


@pytest.mark.timeout(300 * LONGER)
@pytest.mark.parametrize("name", STORIES)
def test_a_power_cut_loses_nothing_that_was_promised(name, ground, tally):
    with tally("power cuts survived", 90 * LONGER) as counts:
        leg = record(name, ground)
        count, losses = search(leg, STATES, ground, then=goes_on)
        counts.append(count)
    assert not losses, f"{len(losses)} of {count}, such as {losses[0]}"
    assert count >= STATES


def goes_on(leg: Leg, number: int, root: Path) -> list[str]:
    """Let some of the homes go on with their peer as if nothing had been; return what is wrong then."""
    if number % GO_ON:
        return []
    alice, bob = Home(root / HOME, "Alice"), Home(root / "bob", "Bob")
    if not homes.holds_node(alice.path) or not (alice.path / homes.KEYS).exists():
        again = ("import", leg.root.parent / "export", "--export-passphrase-fd", fd_of(WORDS))
        alice.run(*(again if leg.name == "bring back" else ("init", "--name", "Alice")))
    if any(b"locked secret" in path.read_bytes() for path in (alice.path / homes.KEYS).iterdir()):
        return []
    alice.say("after the power cut")
    alice.run("check", code=None)
    if not alice.json("peer", "list"):
        return []
    lay_out(leg.others["Bob"], bob.path)
    for _ in range(3):
        for home in (alice, bob):
            home.run("sync", "--via", root / STICK, code=None)
    complaints = lies(alice, bob)
    for one, other in ((alice, bob), (bob, alice)):
        there = {each["uri"] for each in other.json("list", "--all")}
        complaints += [f"{other.name} lacks {each['uri']}" for each in one.json("list") if each["uri"] not in there]
        complaints += [f"{one.name} lacks part of {each['uri']}" for each in one.json("list") if not each["complete"]]
    return complaints


@pytest.mark.parametrize("name", STORIES)
def test_every_call_is_seen(name, ground):
    """What the log says of the disk is what lies there; else a power cut is judged by half the truth."""
    leg = record(name, ground)
    disk = Disk(leg.root, leg.held)
    for call in leg.calls:
        if call != LEFT:
            disk.follow(call)
    assert disk.after(everything(disk.pending)) == held_by(leg.root)


# Weaker ways of writing, which would all do well until the power fails. The laboratory has to see each of them.


def weakened(leg: Leg, forgets: Callable[[Call], bool]) -> Leg:
    """Return *leg* as if the product had left out the syncs that *forgets* picks."""
    return replace(leg, calls=[call for call in leg.calls if call.verb != "sync" or not forgets(call)])


class Hasty(sqlite3.Connection):
    """A connection that is told to be careful, and is not."""

    way = ""

    def execute(self, sql, *values):
        return super().execute(sql.replace("synchronous = FULL", f"synchronous = {self.way}"), *values)


@pytest.mark.parametrize("way", ["OFF", "NORMAL"])
def test_a_database_that_is_less_careful_is_found_out(way, ground, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(Hasty, "way", way)
    with patch.object(sqlite3, "connect", lambda *words, **options: connect(*words, factory=Hasty, **options)):
        leg = record("one run", ground)
    _, losses = search(leg, 150, ground)
    assert losses


FORGETFUL = {
    "the bytes of a blob": ("publish", lambda call: "/blobs/" in call.path and call.path.endswith(".part")),
    "the name of a blob": ("publish", lambda call: "/blobs/" in f"{call.path}/" and not call.path.endswith(".part")),
    "the name of a blob's folder": ("one run", lambda call: call.path.endswith("/blobs")),
    "the name of the blobs": ("one run", lambda call: call.path.endswith(f"/{HOME}")),
    "the name of the home": ("init", lambda call: call.path.endswith("/root")),
    "the bytes of a key": ("keys", lambda call: call.path.endswith(".new")),
    "the name of a key": ("keys", lambda call: "/keys" in call.path and "." not in call.path.rpartition("/")[2]),
    "the log of the database": ("sync", lambda call: call.path.endswith("-wal")),
    "the database": ("sync", lambda call: call.path.endswith("store.db")),
}


@pytest.mark.parametrize("what", FORGETFUL)
def test_whoever_forgets_to_sync_is_found_out(what, ground):
    name, forgets = FORGETFUL[what]
    whole = record(name, ground)
    leg = weakened(whole, forgets)
    assert leg.calls != whole.calls
    for seed in range(3):
        _, losses = search(leg, 150, ground, seed=seed)
        if losses:
            return
    pytest.fail("nothing was lost")
