"""A node is given new keys on purpose: its peers go on with it, and nobody is asked anything."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from tests.e2e.conftest import Home, tree

from paquebot.vault import locking
from paquebot.vault.locking import Cost


def rounds(stick, *homes, count=3):
    for _ in range(count):
        for home in homes:
            home.run("sync", "--via", stick)


def private_texts(home: Home) -> set[str]:
    return {home.out("show", each["uri"]).strip().splitlines()[-1] for each in home.json("list")}


@pytest.fixture
def story(pair, stick):
    """Alice and Bob, who may write privately to each other; things said both ways, and one of Bob's on its way."""
    alice, bob = pair
    alice.run("trust", "give", "Bob", "--may", "private")
    bob.run("trust", "give", "Alice", "--may", "private")
    rounds(stick, alice, bob)
    alice.say("open"), alice.say("for Bob alone", "--to", "Bob")
    bob.say("for Alice alone", "--to", "Alice")
    rounds(stick, alice, bob)
    bob.say("on its way"), bob.say("on its way, and private", "--to", "Alice")
    rounds(stick, bob, count=1)
    return alice, bob


EVERYTHING = {"open", "for Bob alone", "for Alice alone", "on its way", "on its way, and private"}


@pytest.mark.parametrize("with_user_key", [True, False])
def test_peers_go_on_with_the_new_node_under_the_same_name_and_everything_arrives(story, stick, with_user_key):
    alice, bob = story
    if not with_user_key:
        (alice.path / "keys" / "user.json").unlink()
    before = {path.name: path.read_bytes() for path in (alice.path / "keys").iterdir()}

    done = alice.json("node", "renew", "--yes")

    assert done["signed_by"] == ("user" if with_user_key else "old node")
    assert done["node"] == alice.json("status")["node"] != done["renewed"]
    for name in ("node.json", "envelope.json"):
        assert (alice.path / "keys" / name).read_bytes() != before[name]
    assert not (alice.path / "keys.next").exists()
    rounds(stick, alice, bob)
    assert bob.json("peer", "show", "Alice")["node"] == done["node"]
    assert {each["name"]: each["state"] for each in bob.json("status")["peers"]} == {
        "Alice": "in sync",
        "Alice (ended)": "ended",
    }
    assert bob.json("peer", "pending") == []
    alice.say("after"), alice.say("after, for Bob alone", "--to", "Bob")
    bob.say("back"), bob.say("back, for Alice alone", "--to", "Alice")
    rounds(stick, alice, bob)
    after = {"after", "after, for Bob alone", "back", "back, for Alice alone"}
    assert private_texts(alice) == private_texts(bob) == EVERYTHING | after
    assert alice.peer("Bob")["state"] == bob.peer("Alice")["state"] == "in sync"
    for home in (alice, bob):
        assert home.json("quarantine", "list")["pieces"] == []
        home.run("check", "--read-data")


def test_the_storage_key_is_new_and_what_was_closed_to_the_old_one_stays_readable_after_two_changes(story, stick):
    alice, bob = story
    first = alice.json("node", "renew", "--yes")["renewed"]
    second = alice.json("node", "renew", "--yes")["renewed"]
    rounds(stick, alice, bob, count=4)
    alice.say("said by the third"), bob.say("for the third alone", "--to", "Alice")
    rounds(stick, alice, bob)

    assert private_texts(alice) == private_texts(bob) == EVERYTHING | {"said by the third", "for the third alone"}
    keys = [path.name for path in (alice.path / "keys").iterdir()]
    assert len([name for name in keys if name.startswith("former-")]) == 2
    storages = {
        json.loads((alice.path / "keys" / name).read_text())["storage"]
        for name in keys
        if name.startswith(("former-", "envelope"))
    }
    assert len(storages) == 3
    peers = {each["node"]: each["name"] for each in bob.json("peer", "list")}
    assert peers[alice.json("status")["node"]] == "Alice"
    assert first not in peers or peers[first] != "Alice"
    assert peers.get(second) != "Alice"


def test_whoever_has_the_old_keys_is_shut_out_by_revoking_the_old_node(story, stick, tmp_path, meet, make):
    alice, bob = story
    rounds(stick, alice, bob)
    shutil.copytree(alice.path, tmp_path / "thief")
    thief = Home(tmp_path / "thief", "Alice")
    (thief.path / "keys" / "user.json").unlink()
    old = alice.json("node", "renew", "--yes")["renewed"]
    alice.run("node", "revoke", old, "--yes")
    rounds(stick, alice, bob)
    carol = make("Carol")
    meet(bob, carol)

    thief.say("a lie")
    thief.run("sync", "--via", stick, code=None)
    bob.say("not for thieves", "--to", "Alice")
    for home in (bob, alice, carol, bob):
        home.run("sync", "--via", stick, code=None)
    thief.run("sync", "--via", stick, code=None)

    assert "a lie" not in private_texts(bob) | private_texts(alice)
    assert private_texts(bob) == private_texts(alice) == EVERYTHING | {"not for thieves"}
    assert "not for thieves" not in private_texts(thief)
    assert {each["name"]: each["state"] for each in bob.json("status")["peers"]} == {
        "Alice": "in sync",
        "Alice (ended)": "revoked",
        "Carol": "in sync",
    }


def test_a_home_with_a_passphrase_is_renewed_and_all_its_keys_stay_locked(story, stick, tmp_path, monkeypatch):
    monkeypatch.setattr(locking, "COST", Cost(16, 8, 1))
    alice, bob = story
    phrase = tmp_path / "phrase"
    phrase.write_text("eight quiet horses in snow\n")
    phrase.chmod(0o600)
    alice.run("key", "passphrase", "--new-fd", str(os.open(phrase, os.O_RDONLY)))

    def opened(*arguments):
        return alice.out("--passphrase-fd", str(os.open(phrase, os.O_RDONLY)), *arguments)

    before = tree(alice.path / "keys")
    assert "passphrase" in alice.err("node", "renew", "--yes", code=12)
    assert tree(alice.path / "keys") == before

    opened("node", "renew", "--yes")
    opened("sync", "--via", stick)
    bob.say("to the new one, privately", "--to", "Alice")
    rounds(stick, bob, count=2)
    opened("sync", "--via", stick)

    said = {opened("show", each["uri"]).strip().splitlines()[-1] for each in alice.json("list")}
    assert said >= EVERYTHING
    secrets = [path for path in (alice.path / "keys").iterdir() if path.name != "lock.json"]
    assert len(secrets) == 4
    assert not [path.name for path in secrets if b"storage" in path.read_bytes() or b"PRIVATE" in path.read_bytes()]


@pytest.mark.parametrize("point", ["before the store", "after the store", "before a key", "between the keys"])
def test_a_power_cut_while_keys_are_renewed_leaves_the_old_node_or_the_new_one_whole(story, stick, point):
    alice, bob = story
    old = alice.json("status")["node"]
    script = [sys.executable, "-c", CUT, point, "--home", str(alice.path), "node", "renew", "--yes"]
    done = subprocess.run(script, capture_output=True, check=False)
    assert done.returncode == 9, done.stderr

    rounds(stick, alice, bob)
    renewed = point != "before the store"
    assert (alice.json("status")["node"] != old) is renewed
    assert private_texts(alice) == private_texts(bob) == EVERYTHING
    assert not (alice.path / "keys.next").exists()
    assert len(list((alice.path / "keys").glob("former-*.json"))) == renewed
    alice.run("node", "renew", "--yes")
    rounds(stick, alice, bob)
    assert private_texts(alice) == EVERYTHING


CUT = """
import os, sys
from pathlib import Path
from paquebot import succession
from paquebot.store import Store

def dying(inner, number):
    calls = 0
    def outer(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == number:
            os._exit(9)
        return inner(*arguments, **options)
    return outer

place, name, number = {
    "before the store": (Store, "succeed", 1),
    "after the store": (succession, "finish", 1),
    "before a key": (Path, "replace", 1),
    "between the keys": (Path, "replace", 3),
}[sys.argv.pop(1)]
if name == "replace":
    def armed(*arguments):
        Path.replace = dying(Path.replace, number)
        return finish(*arguments)
    finish, succession.finish = succession.finish, armed
else:
    setattr(place, name, dying(getattr(place, name), number))
from paquebot.cli import main
main(sys.argv[1:])
"""


def test_what_cannot_be_renewed_says_why_and_is_left_alone(pair, stick, tmp_path):
    alice, bob = pair
    before = tree(alice.path / "keys")
    alice.say("before")
    rounds(stick, alice, bob)
    shutil.copytree(alice.path, tmp_path / "backup")
    alice.say("after")
    rounds(stick, alice, bob)
    shutil.rmtree(alice.path)
    shutil.copytree(tmp_path / "backup", alice.path)
    bob.say("news")
    rounds(stick, bob, alice, count=1)

    assert "been restored from a backup" in alice.err("node", "renew", "--yes", code=2)
    assert tree(alice.path / "keys") == before
