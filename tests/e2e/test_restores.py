"""Homes that were put back from an old copy, or run twice: what they do, what they say, and what power cuts change."""

import os
import shutil
import subprocess
import sys

import pytest
from tests.e2e.conftest import Home

from paquebot.protocol.limits import DAY_MS, RELEASED_MS

TODAY = RELEASED_MS + 30 * DAY_MS


def rounds(stick, *homes, count=4):
    """Carry the stick from home to home; where clocks are given, once a day."""
    for _ in range(count):
        for home in homes:
            home.clock = home.clock and home.clock + DAY_MS
            home.run("sync", "--via", stick, code=None)


def nodes(home):
    return [each["node"] for each in home.json("peer", "list")]


@pytest.fixture
def story(pair, stick, tmp_path):
    """Alice and Bob in sync, a copy of Alice's home, and what happened since."""
    alice, bob = pair
    alice.say("before")
    rounds(stick, alice, bob, count=2)
    shutil.copytree(alice.path, tmp_path / "copy")
    alice.say("after")
    rounds(stick, alice, bob, count=2)
    bob.say("an answer")
    rounds(stick, bob, alice, count=2)
    return alice, bob


def put_back(home, tmp_path):
    shutil.rmtree(home.path)
    shutil.copytree(tmp_path / "copy", home.path)


def test_a_home_put_back_notices_and_gets_everything_back(story, stick, tmp_path):
    alice, bob = story
    before = alice.json("status")["node"]
    put_back(alice, tmp_path)
    assert "after" not in alice.texts()

    bob.say("news")
    rounds(stick, bob, count=1)
    said = ""
    for _ in range(4):
        alice.run("sync", "--via", stick)
        said += alice.out("status")
        bob.run("sync", "--via", stick)

    assert "Bob claims to know our journal up to line" in said
    assert set(alice.texts()) == {"before", "after", "an answer", "news"}
    status = alice.json("status")
    assert status["node"] == before
    assert status["restored"] == []
    assert status["quarantined"] == 0
    assert bob.json("status")["quarantined"] == 0
    assert "restored" in [each["kind"] for each in alice.json("log")]
    alice.say("and on")
    rounds(stick, alice, bob, count=3)
    assert "and on" in bob.texts()
    assert alice.peer("Bob")["state"] == "in sync"


def diverged(story, stick, tmp_path):
    """Put Alice back; let her say something else than before, and Bob hear it."""
    alice, bob = story
    put_back(alice, tmp_path)
    shutil.rmtree(stick / "PAQUEBOT")
    alice.say("instead")
    rounds(stick, alice, bob, count=1)
    return alice, bob


def test_a_home_that_said_something_else_meanwhile_goes_on_as_another_node(story, stick, tmp_path):
    alice, bob = diverged(story, stick, tmp_path)
    old = alice.json("status")["node"]

    rounds(stick, alice, bob, count=1)
    assert "its journal was told in two ways" in bob.out("status")
    assert "its journal was told in two ways" in bob.out("peer", "show", "Alice")
    assert bob.run("status", "--check", code=1).stdout.startswith(b"WARNING: Alice: from line")
    rounds(stick, alice, bob, count=3)
    introduce(alice, bob, tmp_path)
    rounds(stick, alice, bob)

    assert alice.json("status")["node"] != old
    assert set(alice.texts()) == set(bob.texts()) == {"before", "after", "instead", "an answer"}
    assert sorted(alice.texts()) == sorted(set(alice.texts()))
    states = {each["name"]: each["state"] for each in bob.json("status")["peers"]}
    assert states == {"Alice": "in sync", "Alice (ended)": "ended"}
    assert "Alice goes on in its place" in bob.out("status")
    bob.say("to the new one")
    rounds(stick, bob, alice, count=2)
    assert "to the new one" in alice.texts()
    assert bob.peer("Alice")["applied"] == bob.peer("Alice")["published"]


def introduce(alice, bob, tmp_path):
    """Give Bob Alice's card, unless she has introduced herself."""
    node = alice.json("status")["node"]
    if node not in nodes(bob):
        alice.run("card", "-o", tmp_path / "again.card")
        bob.run("peer", "add", "Alice again", tmp_path / "again.card")


def test_two_copies_that_run_side_by_side_end_as_two_nodes_and_nothing_is_lost(story, stick, tmp_path):
    alice, bob = story
    clone = Home(tmp_path / "copy", "Clone", TODAY)
    alice.clock = bob.clock = TODAY
    (tmp_path / "other stick").mkdir()

    def days(count):
        for _ in range(count):
            for home, by in ((alice, stick), (bob, stick), (clone, tmp_path / "other stick"), (bob, "other stick")):
                home.clock += 4 * DAY_MS if home is not bob else 2 * DAY_MS
                home.run("sync", "--via", tmp_path / by, code=None)

    for number in range(2):
        alice.say(f"alice {number}")
        clone.say(f"clone {number}")
        days(1)
    for _ in range(3):
        days(3)
        for each in (alice, clone):
            introduce(each, bob, tmp_path)
    days(4)

    everything = {"before", "after", "an answer"} | {f"{who} {n}" for who in ("alice", "clone") for n in range(2)}
    assert set(bob.texts()) == everything
    assert set(alice.texts()) == everything
    assert set(clone.texts()) == everything
    assert alice.json("status")["node"] != clone.json("status")["node"]


def test_without_the_user_key_the_node_itself_vouches_for_its_successor(story, stick, tmp_path):
    alice, bob = diverged(story, stick, tmp_path)
    (alice.path / "keys" / "user.json").unlink()
    old = alice.json("status")["node"]

    rounds(stick, alice, bob, count=5)

    new = alice.json("status")["node"]
    assert new != old
    assert set(alice.texts()) == set(bob.texts()) == {"before", "after", "instead", "an answer"}
    assert new in nodes(bob)
    assert bob.peer("Alice")["state"] == "in sync"


def test_a_copy_put_back_twice_comes_round_again(story, stick, tmp_path):
    alice, bob = story
    for number in range(2):
        put_back(alice, tmp_path)
        rounds(stick, bob, alice)
        alice.say(f"once more {number}")
        rounds(stick, alice, bob, count=3)

    everything = {"before", "after", "an answer", "once more 0", "once more 1"}
    assert set(alice.texts()) == set(bob.texts()) == everything


# Power cuts while a home goes on as another node.

CUT = """
import os, sys
from pathlib import Path
import paquebot.succession as succession
from paquebot.protocol import incarnation
from paquebot.store import Store

def dying(inner, number, after=False):
    calls = 0
    def outer(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == number and not after:
            os._exit(9)
        found = inner(*arguments, **options)
        if calls == number:
            os._exit(9)
        return found
    return outer

POINTS = {
    "before anything": lambda: setattr(succession, "_prepare", dying(succession._prepare, 1)),
    "before the node key": lambda: setattr(succession.files, "write_secret", dying(succession.files.write_secret, 1)),
    "before the envelope keys": lambda: setattr(
        succession.files, "write_secret", dying(succession.files.write_secret, 2)),
    "before the name": lambda: setattr(succession.files, "write_secret", dying(succession.files.write_secret, 3)),
    "before the store": lambda: setattr(Store, "succeed", dying(Store.succeed, 1)),
    "within the transaction": lambda: setattr(incarnation.admission, "keep", dying(incarnation.admission.keep, 3)),
    "after the store": lambda: setattr(Store, "succeed", dying(Store.succeed, 1, after=True)),
    "between the keys": lambda: setattr(Path, "replace", dying(Path.replace, 2)),
    "after the keys": lambda: setattr(Path, "replace", dying(Path.replace, 2, after=True)),
    "after tidying up": lambda: setattr(succession, "finish", dying(succession.finish, 1, after=True)),
}
POINTS[sys.argv.pop(1)]()
from paquebot.cli import main
main(sys.argv[1:])
"""
POINTS = [line.split('"')[1] for line in CUT.splitlines() if line.startswith('    "')]


@pytest.mark.parametrize("point", POINTS)
def test_a_power_cut_while_it_goes_on_leaves_one_node_or_the_other(story, stick, tmp_path, point):
    alice, bob = diverged(story, stick, tmp_path)
    old = alice.json("status")["node"]
    rounds(stick, alice, bob, count=1)
    command = [sys.executable, "-c", CUT, point, "--home", str(alice.path), "sync", "--via", str(stick)]
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "TZ": "UTC"})
        assert done.returncode in (0, 9), done.stderr
        if done.returncode == 9:
            break
        bob.run("sync", "--via", stick, code=None)
    assert done.returncode == 9

    assert alice.json("status")["published"] == 3
    rounds(stick, alice, bob, count=1)
    assert not (alice.path / "keys.next").exists()
    assert sorted(each.name for each in (alice.path / "keys").iterdir()) == ["envelope.json", "node.json", "user.json"]
    node = alice.json("status")["node"]
    assert node != old
    introduce(alice, bob, tmp_path)
    rounds(stick, alice, bob, count=3)
    assert set(bob.texts()) == set(alice.texts()) == {"before", "after", "instead", "an answer"}
    assert len([each for each in nodes(bob) if each not in (old, node)]) == 0
