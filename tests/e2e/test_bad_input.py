"""What may go wrong in a home has a clear error, an exit code, and loses nothing."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from tests.e2e.conftest import Home, crates, remount, tree

from paquebot.node import Node
from paquebot_drop import crate

YEAR_MS = 31_556_952_000


def test_no_node_yet(tmp_path):
    home = Home(tmp_path / "nobody", "nobody")

    for command in (["list"], ["status"], ["card"], ["sync"], ["publish", "--message", "x"], ["peer", "list"]):
        assert "paquebot init" in home.err(*command, code=10)


def test_a_second_init_changes_nothing(make):
    alice = make("Alice")
    before = tree(alice.path)

    alice.run("init", "--name", "Mallory", code=2)

    assert tree(alice.path) == before


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[transport.x\n", "not TOML"),
        ("\xff", "not UTF-8"),
        ("[transprot.x]\n", "did you mean 'transport'"),
        ("[transport.x]\npath = '/x'\n", "does not say which transport"),
        ("[transport.x]\nuses = 'dorp'\npath = '/x'\n", "did you mean 'drop'"),
        ("[transport.x]\nuses = 'drop'\npaht = '/x'\n", "did you mean 'path'"),
        ("[transport.x]\nuses = 'drop'\npath = 7\n", "is not a text"),
        ("[transport.x]\nuses = 'drop'\n", "path is missing"),
        ("transport = 3\n", "write [transport.NAME]"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(make, text, hint):
    alice = make("Alice")
    (alice.path / "config.toml").write_bytes(text.encode("latin-1"))

    done = alice.run("sync", code=1 if "dorp" in text else 2)

    assert hint in done.stderr.decode()


def test_an_unreadable_configuration_is_named(make):
    alice = make("Alice")
    (alice.path / "config.toml").mkdir()

    assert "cannot be read" in alice.err("sync", code=2)


def test_sync_without_any_carrier_says_how_to_get_one(make):
    assert "--via" in make("Alice").err("sync", code=2)


@pytest.mark.parametrize("name", ["node.json", "envelope.json"])
@pytest.mark.parametrize("fault", ["missing", "empty", "foreign", "open to others"])
def test_a_wrong_key_file_is_named(pair, stick, name, fault):
    alice, bob = pair
    path = alice.path / "keys" / name
    match fault:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "foreign":
            shutil.copy(bob.path / "keys" / name, path)
        case "open to others":
            path.chmod(0o644)

    said = alice.err("sync", "--via", stick, code=12)

    assert "key" in said
    if fault == "open to others":
        assert "chmod" in said


def test_another_run_holds_the_home(make):
    alice = make("Alice")
    command = [sys.executable, "-m", "paquebot", "--home", str(alice.path), "publish", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        deadline = time.monotonic() + 20
        while True:
            done = subprocess.run([*command[:-2], "status"], capture_output=True, check=False)
            if done.returncode == 11 or time.monotonic() > deadline:
                break
        other.communicate(b"done")
        assert done.returncode == 11
        assert other.returncode == 0
    assert len(alice.json("list")) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly(make, number, code):
    alice = make("Alice")
    command = [sys.executable, "-m", "paquebot", "--home", str(alice.path), "publish", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as other:
        time.sleep(1.5)
        other.send_signal(number)
        other.wait(20)
        assert other.returncode == code
        assert b"Traceback" not in other.stderr.read()
    assert alice.json("list") == []


def test_a_stick_that_is_not_there(pair, tmp_path):
    alice, _ = pair
    alice.say("later then")

    assert "not there" in alice.err("sync", "--via", tmp_path / "absent", code=13)
    (tmp_path / "absent").mkdir()
    assert alice.sync(tmp_path / "absent")["sent"] == 1


def test_a_card_that_was_tampered_with(make, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    card = tmp_path / "bob.card"
    bob.run("card", "-o", card)
    lines = card.read_text().splitlines()

    def refused(changed: list[str]) -> str:
        card.write_text("\n".join(changed))
        return alice.err("peer", "add", "Bob", card, code=3)

    value = json.loads(lines[4])
    payload = value["signature"]["payload"]
    value["signature"]["payload"] = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
    assert "hash" in refused([*lines[:4], json.dumps(value), *lines[5:]])
    assert "does not hold" in refused(lines[:3])
    assert "not a paquebot card" in refused(lines[1:])
    assert alice.json("peer", "list") == []


def test_own_card_and_a_name_in_use(make, tmp_path):
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    for home in (alice, bob, carol):
        home.run("card", "-o", tmp_path / f"{home.name}.card")

    alice.run("peer", "add", "Me", tmp_path / "Alice.card", code=2)
    alice.run("peer", "add", "Bob", tmp_path / "Bob.card")
    alice.run("peer", "add", "Bob", tmp_path / "Bob.card")
    assert "another name" in alice.err("peer", "add", "Bob", tmp_path / "Carol.card", code=2)
    assert [each["name"] for each in alice.json("peer", "list")] == ["Bob"]


def test_an_expired_identity_is_refused(make, tmp_path):
    now = time.time_ns() // 1_000_000
    old = make("Old")
    old.run("card", "-o", tmp_path / "old.card")
    alice = make("Alice", clock=now + 11 * YEAR_MS)

    assert "expired" in alice.err("peer", "add", "Old", tmp_path / "old.card", code=3)


def test_a_forged_envelope_does_nothing(pair, stick):
    """The forger repairs every checksum of the crate, but can make neither the seal nor the keyed tag."""
    alice, bob = pair
    alice.say("genuine")
    alice.sync(stick)
    path = crates(stick)[0]
    data = path.read_bytes()
    (entry,) = crate.read_contents(lambda at, count: data[at : at + count], len(data)).entries
    body = bytearray(data[entry.start : entry.end])
    body[-40] ^= 1
    forged = replace(entry, id=crate.digest(bytes(body)))
    path.write_bytes(crate.pack_header(forged) + bytes(body) + crate.pack_trailer([forged]))

    report = bob.sync(stick)

    assert (report["found"], report["not_ours"], report["outcomes"]) == (1, 1, {})
    assert bob.texts() == []
    for home in (alice, bob):
        home.sync(stick)
    assert bob.texts() == ["genuine"]


def in_clear(stick, data: bytes) -> None:
    """Lay *data* on the stick as somebody would whose paquebot forgot to seal it."""
    folder = stick / "PAQUEBOT" / "C" / "A"
    folder.mkdir(parents=True, exist_ok=True)
    entry = crate.Entry(crate.digest(data), 1, 500_000, ((bytes(8), bytes(16)),), 0, len(data))
    (folder / f"{'A' * 26}.PQB").write_bytes(crate.pack_header(entry) + data + crate.pack_trailer([entry]))


def test_a_peer_whose_signed_data_travels_in_clear_is_set_apart(pair, stick, tmp_path):
    alice, bob = pair
    uri = alice.say("a secret")
    with Node(alice.path) as node:
        signed = node.view.resource(node.find(uri).id).encode()
    alice.sync(stick)
    in_clear(stick, signed)

    said = bob.err("sync", "--via", stick, code=16)

    assert "in clear" in said
    assert bob.peer("Alice")["state"] == "set apart"
    assert "nothing is sent to it" in bob.out("status")
    bob.say("not for thieves")
    assert bob.sync(stick)["sent"] == 0
    alice.say("more")
    alice.sync(stick)
    assert bob.json("sync", "--via", stick, code=3)["new"] == 0
    bob.run("peer", "add", "Alice", tmp_path / "Alice.card")
    assert bob.peer("Alice")["state"] != "set apart"
    assert bob.sync(stick)["sent"] == 1


@pytest.mark.parametrize("what", ["unsigned", "a card", "a stranger's", "damaged"])
def test_other_clear_data_proves_nothing_about_anyone(pair, make, stick, tmp_path, what):
    alice, bob = pair
    stranger = make("Stranger")
    uri = (stranger if "stranger" in what else alice).say("in clear")
    with Node((stranger if "stranger" in what else alice).path) as node:
        signed = node.view.resource(node.find(uri).id)
    match what:
        case "unsigned":
            in_clear(stick, signed.payload)
        case "a card":
            in_clear(stick, (tmp_path / "Alice.card").read_bytes().splitlines()[1])
        case "a stranger's":
            in_clear(stick, signed.encode())
        case "damaged":
            in_clear(stick, signed.encode().replace(b'"signature":"', b'"signature":"A')[:-1])

    bob.sync(stick)

    assert bob.peer("Alice")["state"] == "unknown"


def test_a_full_stick_takes_what_fits_and_the_rest_goes_later(pair, small_disk, tmp_path):
    alice, bob = pair
    stick = small_disk("full", "4m")
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(6 << 20))
    alice.run("publish", large)
    alice.say("a small thing")

    assert "full" in alice.err("sync", "--via", stick, code=13)
    bob.sync(stick)
    assert bob.texts() == ["a small thing"]
    for _ in range(4):
        alice.run("sync", "--via", stick, code=None)
        bob.run("sync", "--via", stick)

    (file,) = (each for each in bob.json("list") if each["schema"] == "file")
    bob.run("save", file["id"], "-o", tmp_path / "got.bin")
    assert (tmp_path / "got.bin").read_bytes() == large.read_bytes()


def test_a_read_only_stick_is_read(pair, small_disk):
    alice, bob = pair
    stick = small_disk("archive", "4m")
    alice.say("engraved")
    alice.sync(stick)
    remount(stick, "ro")
    before = tree(stick)

    bob.sync(stick)
    bob.sync(stick)

    assert bob.texts() == ["engraved"]
    assert tree(stick) == before
    remount(stick, "rw")
    bob.sync(stick)
    alice.sync(stick)
    assert alice.peer("Bob")["applied"] == 1


def test_a_full_disk_loses_nothing_and_acknowledges_nothing(make, meet, stick, small_disk, tmp_path):
    alice = make("Alice")
    bob = make("Bob", path=small_disk("bob", "3m"))
    meet(alice, bob)
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(5 << 20))
    alice.run("publish", large)
    alice.sync(stick)

    assert "space" in bob.err("sync", "--via", stick, code=1)
    alice.sync(stick)
    assert alice.peer("Bob")["applied"] == 0
    remount(bob.path, "size=20m")
    bob.sync(stick)

    (file,) = bob.json("list")
    assert file["complete"]


def test_publishing_to_a_full_disk_publishes_nothing(make, small_disk, tmp_path):
    bob = make("Bob", path=small_disk("bob", "3m"))
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(5 << 20))

    assert "space" in bob.err("publish", large, code=1)
    assert bob.json("list") == []
    bob.say("still alive")


def test_a_clock_at_1970(make, meet, stick):
    alice, bob = make("Alice"), make("Bob", clock=0)
    meet(alice, bob)
    alice.say("what time is it?")
    alice.sync(stick)

    bob.sync(stick)
    bob.say("no idea")
    bob.sync(stick)
    alice.sync(stick)

    assert bob.texts() == alice.texts() == ["what time is it?", "no idea"]
    assert bob.json("status")["clock_doubtful"]
    assert "clock is wrong" in bob.out("status")


def test_a_clock_that_falls_back_to_1970_later(pair, stick):
    alice, bob = pair
    bob.say("in time")
    bob.clock = 0

    bob.say("after the battery died")
    bob.sync(stick)
    alice.sync(stick)

    assert alice.texts() == ["in time", "after the battery died"]


def test_a_damaged_store_is_named_and_left_alone(make):
    alice = make("Alice")
    alice.say("precious")
    path = alice.path / "store.db"
    data = bytearray(path.read_bytes())
    data[:64] = bytes(64)
    path.write_bytes(data)

    alice.err("list", code=15)

    assert path.read_bytes() == bytes(data)


def test_a_newer_store_is_not_touched(make):
    alice = make("Alice")
    with sqlite3.connect(alice.path / "store.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()

    assert "newer" in alice.err("list", code=15)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["publish"], 2),
        (["publish", "/no/such/file"], 2),
        (["publish", "--message", "x", "y"], 2),
        (["publish", "--message", "x", "--title", "t" * 301], 2),
        (["publish", "--message", "x", "--tag", "a", "--tag", "a"], 2),
        (["show", "zzzzzz"], 1),
        (["save", "--all-to", "x", "-o", "y"], 2),
        (["save", "nothing", "-o", "y"], 1),
        (["peer", "add", "X", "/no/such/card"], 2),
        (["peer", "show", "X"], 1),
        (["sync", "nowhere"], 2),
        (["nonsense"], 2),
    ],
)
def test_wrong_commands_say_so(make, arguments, code):
    make("Alice").run(*arguments, code=code)
