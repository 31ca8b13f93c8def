"""Whoever only looks waits for nobody, stops nobody, sees one moment, and leaves no trace."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from tests.e2e.conftest import remount, tree

from paquebot.errors import StoreOld, StoreTooNew
from paquebot.home import locked
from paquebot.node import Node
from paquebot.store.reading import look

LOOKING = (["status"], ["list"], ["card"], ["peer", "list"], ["peer", "show", "Bob"])
HAMMER = """
import sys
from pathlib import Path
from paquebot.node import Node
from paquebot.protocol.publishing import Draft

with Node(Path(sys.argv[1])) as node:
    while True:
        node.publish([Draft.message("one"), Draft.message("two")])
        print("another", flush=True)
"""


@pytest.fixture
def hammered(pair):
    """A home into which another process writes as fast as it can."""
    alice, bob = pair
    alice.say("hello")
    with subprocess.Popen([sys.executable, "-c", HAMMER, str(alice.path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"another\n"
        yield alice, bob, other
        other.kill()


def state(path):
    return {each: (each.stat().st_mtime_ns, each.stat().st_size) for each in sorted(path.rglob("*")) if each.is_file()}


def test_looking_changes_nothing_on_the_disk(pair, stick):
    alice, _ = pair
    note = alice.say("hello")
    alice.sync(stick)
    before, content = state(alice.path), tree(alice.path)

    for command in (*LOOKING, ["show", note]):
        alice.run(*command)

    assert (state(alice.path), tree(alice.path)) == (before, content)


def test_looking_needs_no_lock_and_no_key(pair, stick):
    alice, bob = pair
    note = bob.say("hello")
    bob.sync(stick)
    alice.sync(stick)
    (alice.path / "keys" / "node.json").unlink()

    with locked(alice.path):
        for command in (*LOOKING, ["show", note]):
            alice.run(*command)
        assert [each["new"] for each in alice.json("list")] == [True]  # that it was shown could not be noted
    alice.run("show", note)
    assert [each["new"] for each in alice.json("list")] == [False]


def test_who_looks_while_another_writes_sees_one_moment(hammered):
    alice, _, _ = hammered
    tips = []
    for _ in range(60):
        with Node(alice.path, looking=True) as node:
            tip, _ = node.view.tip()
            counted = sum(node.view.counts().values())
            assert tip == counted == node.view.own_lines(1, tip)[-1].number
            assert node.view.counts()["message"] % 2 == 1, "half of a pair was seen"  # one, and then two at once
            tips.append(tip)
    assert tips == sorted(tips)
    assert tips[-1] > tips[0]


def test_what_a_killed_writer_had_committed_is_seen(hammered):
    alice, _, other = hammered
    alice.run("status")
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (alice.path / "store.db-wal").exists()

    count = alice.json("status")["published"]

    assert count >= 3
    alice.say("after the crash")
    assert alice.json("status")["published"] == count + 1


def test_a_home_on_a_read_only_disk_can_be_looked_into(make, small_disk):
    disk = small_disk("disc", "8m")
    alice = make("Alice", path=disk / "home")
    note = alice.say("hello")
    remount(disk, "ro")
    try:
        assert alice.json("status")["published"] == 1
        assert "hello" in alice.out("show", note)
    finally:
        remount(disk, "rw")


def test_nothing_can_be_written_by_who_looks(make):
    alice = make("Alice")
    with Node(alice.path, looking=True) as node, pytest.raises(sqlite3.OperationalError):
        node.view._db.execute("DELETE FROM line")


def test_a_store_of_another_version_is_not_looked_into(make):
    alice = make("Alice")
    path = alice.path / "store.db"
    with closing(sqlite3.connect(path)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
    with pytest.raises(StoreTooNew):
        look(path, version - 1)
    with pytest.raises(StoreOld):
        look(path, version + 1)
    assert not (alice.path / "store.db-wal").exists()


def test_damage_that_is_met_on_the_way_is_named(pair):
    alice, _ = pair
    with closing(sqlite3.connect(alice.path / "store.db")) as db:
        db.execute("DROP TABLE letter")

    for command in (["status"], ["outbox"], ["peer", "remove", "Bob"]):
        assert "store" in alice.err(*command, code=15)


def test_the_latest_things_are_listed_in_their_order(make):
    alice = make("Alice")
    for text in ("first", "second", "third"):
        alice.say(text)
    assert [line.split()[5] for line in alice.out("list", "--last", "2").splitlines()[1:]] == ["second", "third"]
    whole = alice.json("list")
    assert alice.json("list", "--last", "2") == whole[1:]
    assert alice.json("list", "--last", "9") == whole
    assert "--last" in alice.err("list", "--last", "0", code=2)
