"""Runs that overlap, are stopped by a signal, or sleep for years: nothing is lost, and nothing is half done."""

import fcntl
import os
import signal
from unittest.mock import patch

import pytest
from tests.e2e.conftest import tree

from paquebot.context import HouseContext
from paquebot.outbox import Outbox
from paquebot.protocol.limits import DAY_MS, HOUR_MS, RELEASED_MS
from paquebot.store import Store
from paquebot.store.blobs import Blobs

TODAY = RELEASED_MS + 30 * DAY_MS


def rounds(stick, *homes, count=3):
    for _ in range(count):
        for home in homes:
            home.run("sync", "--via", stick)


# Overlapping runs.

BUSY = {
    "publish": ["publish", "--message", "x"],
    "publish a file": ["publish", "FILE"],
    "sync": ["sync", "--via", "STICK"],
    "add a peer": ["peer", "add", "Carol", "CARD"],
    "remove a peer": ["peer", "remove", "Bob"],
    "rename": ["peer", "add", "Bobby", "CARD"],
}
LOOKING = {
    "status": ["status"],
    "list": ["list"],
    "card": ["card"],
    "peers": ["peer", "list"],
    "check": ["status", "--check"],
    "log": ["log"],
}


@pytest.fixture
def files(pair, stick, tmp_path):
    """What commands name: a file, a stick, a card."""
    (tmp_path / "FILE").write_bytes(b"some bytes")
    return {"FILE": tmp_path / "FILE", "STICK": stick, "CARD": tmp_path / "Bob.card"}


@pytest.mark.parametrize("what", BUSY)
def test_while_another_run_works_nothing_is_changed(pair, files, what):
    alice, _ = pair
    before = tree(alice.path, files["STICK"])
    with (alice.path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = alice.run(*(files.get(word, word) for word in BUSY[what]), code=11).stderr
    assert b"another paquebot works in" in said
    assert tree(alice.path, files["STICK"]) == before
    alice.run("publish", "--message", "and then it can")


@pytest.mark.parametrize("what", LOOKING)
def test_while_another_run_works_one_may_look(pair, what):
    alice, _ = pair
    with (alice.path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        alice.run(*LOOKING[what], code=0)


# Signals.


def at(number, then, inner, *, after=False):
    """Return *inner*, at whose call of that *number* something happens first, or *after* it."""
    calls = 0

    def outer(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == number and not after:
            then()
        found = inner(*arguments, **options)
        if calls == number and after:
            then()
        return found

    return outer


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
SYNC = [(Store, "commit", number, after) for number in (1, 2, 3, 5) for after in (False, True)] + [
    (Outbox, "_outgoing", 1, False),
    (HouseContext, "put", 1, False),
    (HouseContext, "put", 2, True),
]
PUBLISH = [
    (Store, "commit", 1, False),
    (Store, "commit", 1, True),
    (Blobs, "_draft", 1, True),
    (Blobs, "_draft", 2, False),
    (Blobs, "_settle", 1, False),
    (Blobs, "_settle", 1, True),
]


def name(point):
    where, what, number, after = point
    return f"{'after' if after else 'before'} {where.__name__}.{what} {number}"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda each: each.name)
@pytest.mark.parametrize("point", SYNC, ids=name)
def test_a_sync_that_is_stopped_anywhere_is_made_good_by_the_next(pair, stick, number, point):
    alice, bob = pair
    alice.say("one")
    rounds(stick, alice, count=1)
    bob.say("two")
    where, what, count, after = point
    stopped = at(count, lambda: os.kill(os.getpid(), number), getattr(where, what), after=after)
    with patch.object(where, what, stopped):
        done = bob.run("sync", "--via", stick, code=None)
    assert done.returncode in (0, SIGNALS[number]), done.stderr
    rounds(stick, bob, alice)
    assert set(bob.texts()) == set(alice.texts()) == {"one", "two"}
    assert bob.json("status")["quarantined"] == 0


@pytest.mark.parametrize("number", SIGNALS, ids=lambda each: each.name)
@pytest.mark.parametrize("point", PUBLISH, ids=name)
def test_a_publication_that_is_stopped_is_whole_or_not_there(pair, stick, tmp_path, number, point):
    alice, bob = pair
    data = os.urandom(3 << 20)
    (tmp_path / "large.bin").write_bytes(data)
    where, what, count, after = point
    stopped = at(count, lambda: os.kill(os.getpid(), number), getattr(where, what), after=after)
    with patch.object(where, what, stopped):
        alice.run("publish", tmp_path / "large.bin", code=SIGNALS[number])
    there = [each for each in alice.json("list") if each["schema"] == "file"]
    assert len(there) == (where is Store and after)
    if not there:
        alice.run("publish", tmp_path / "large.bin")
    rounds(stick, alice, bob)
    bob.run("save", "--all-to", tmp_path / "out")
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("large*")] == [data]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda each: each.name)
@pytest.mark.parametrize("count", [1, 2])
def test_saving_that_is_stopped_leaves_no_half_of_a_file(pair, stick, tmp_path, number, count):
    alice, bob = pair
    data = os.urandom(3 << 20)
    (tmp_path / "large.bin").write_bytes(data)
    alice.run("publish", tmp_path / "large.bin")
    rounds(stick, alice, bob)
    with patch.object(Blobs, "get", at(count, lambda: os.kill(os.getpid(), number), Blobs.get)):
        bob.run("save", "--all-to", tmp_path / "out", code=SIGNALS[number])
    assert not list((tmp_path / "out").rglob("large.bin"))
    bob.run("save", "--all-to", tmp_path / "out")
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("large.bin")] == [data]


# Hibernation: the clock jumps in the middle of a run.

JUMPS = {"an hour": HOUR_MS, "a day": DAY_MS, "an hour back": -HOUR_MS, "to 1970": -TODAY + 1_000}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_machine_that_slept_during_a_sync_goes_on(pair, stick, jump):
    alice, bob = pair
    alice.clock = bob.clock = TODAY
    alice.say("one")
    rounds(stick, alice, count=1)
    bob.say("two")
    import time

    shift = 0

    def sleep():
        nonlocal shift
        shift = JUMPS[jump]

    inner = Store.commit
    real = time.time_ns

    def jumped():
        return real() + shift * 1_000_000

    with patch.object(Store, "commit", at(2, sleep, inner)), patch.object(time, "time_ns", jumped):
        bob.run("sync", "--via", stick, code=None)
    rounds(stick, bob, alice)
    assert set(bob.texts()) == set(alice.texts()) == {"one", "two"}
