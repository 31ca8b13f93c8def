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
from pathlib import Path
from unittest.mock import patch

import pytest
from tests.e2e.conftest import Home, crates, remount, tree

from paquebot.errors import PluginError
from paquebot.node import Node
from paquebot.protocol import admission, mailing
from paquebot.protocol.bundle import Outcome
from paquebot.protocol.encoding import raw
from paquebot.protocol.resource import About, FileManifest, Resource, SignedObject, compose
from paquebot.protocol.stamp import Stamp
from paquebot_drop import crate

YEAR_MS = 31_556_952_000


def test_no_node_yet(tmp_path):
    home = Home(tmp_path / "nobody", "nobody")

    for command in (["list"], ["status"], ["card"], ["sync"], ["publish", "--message", "x"], ["peer", "list"]):
        assert "paquebot init" in home.err(*command, code=10)


@pytest.mark.parametrize("fault", ["missing", "empty"])
def test_keys_without_their_store_are_never_overwritten(make, fault):
    alice = make("Alice")
    keys = tree(alice.path / "keys")
    (alice.path / "store.db").unlink()
    if fault == "empty":
        (alice.path / "store.db").touch()

    assert "keep the keys" in alice.err("status", code=15)
    assert "keep the keys" in alice.err("init", "--name", "Alice", code=15)

    assert tree(alice.path / "keys") == keys


@pytest.mark.parametrize("written", ["keys", "keys and an empty store", "everything"])
def test_a_creation_that_was_cut_off_can_be_repeated(make, tmp_path, written):
    alice = make("Alice")
    (alice.path / "keys").rename(alice.path / "keys.new")
    if written == "keys":
        (alice.path / "store.db").unlink()
    elif "empty" in written:
        (alice.path / "store.db").write_bytes(b"")

    alice.run("init", "--name", "Alice", code=2 if written == "everything" else 0)

    alice.say("here I am")
    assert alice.texts() == ["here I am"]
    assert not (alice.path / "keys.new").exists()


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
        ("[transport.x]\nuses = 'drop'\npath = 7\n", "[transport.x]: path = 7 is not a path in quotes"),
        ("[transport.x]\nuses = 'drop'\n", "say where: path"),
        ("transport = 3\n", "write [transport.NAME]"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(make, text, hint):
    alice = make("Alice")
    (alice.path / "config.toml").write_bytes(text.encode("latin-1"))

    done = alice.run("sync", code=2)

    assert hint in done.stderr.decode()
    assert b"x: [transport.x]" not in done.stderr


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


def files_of(process: int) -> list[Path]:
    """The files that a process has open."""
    return list(Path(f"/proc/{process}/fd").iterdir())


def test_another_run_holds_the_home(make):
    alice = make("Alice")
    command = [sys.executable, "-m", "paquebot", "--home", str(alice.path), "publish", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        # Asking for the lock would take it for a moment, and the other would find the home busy.
        while not any(os.path.realpath(each) == str(alice.path / "lock") for each in files_of(other.pid)):
            assert other.poll() is None
            time.sleep(0.05)
        done = subprocess.run([*command[:-2], "sync", "--via", "nowhere"], capture_output=True, check=False)
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

    assert "no stick or folder is there" in alice.err("sync", "--via", tmp_path / "absent", code=13)
    (tmp_path / "absent").mkdir()
    assert alice.sync(tmp_path / "absent")["sent"] == 1


def test_a_card_that_was_tampered_with(make, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    card = tmp_path / "bob.card"
    bob.run("card", "-o", card)
    lines = card.read_text().splitlines()

    def refused(changed: list[str]) -> str:
        card.write_text("\n".join(changed))
        return alice.err("peer", "add", "Bob", card, code=1)

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
    alice = make("Alice", clock=now + 4 * YEAR_MS)
    alice.clock = now + 8 * YEAR_MS
    alice.say("years go by")
    alice.clock = now + 11 * YEAR_MS

    assert "expired" in alice.err("peer", "add", "Old", tmp_path / "old.card", code=1)


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

    for _ in range(2):
        assert "cannot be written to" in bob.err("sync", "--via", stick, code=13)

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


def test_a_carrier_that_does_not_load_does_not_stop_the_others(pair, stick):
    alice, bob = pair
    alice.say("hear me")
    (alice.path / "config.toml").write_text(
        f'[transport.loft]\nuses = "pigeon"\n[transport.stick]\nuses = "drop"\npath = "{stick}"\n'
    )

    said = alice.err("sync", code=PluginError.exit_code)

    assert "loft: no transport is called 'pigeon'" in said
    bob.sync(stick)
    assert bob.texts() == ["hear me"]


@pytest.mark.parametrize("option", ["--message", "--title", "--tag"])
def test_text_that_is_not_utf8_is_named(make, option):
    alice = make("Alice")
    arguments = {"--message": "x", option: "caf\udce9"}

    said = alice.err("publish", *(each for pair in arguments.items() for each in pair), code=2)

    assert said.startswith(f"error: {option} is not UTF-8: 'caf\\udce9'")
    assert alice.json("list") == []


def test_names_of_files_may_be_any_bytes(make, tmp_path):
    alice = make("Alice")
    path = tmp_path / "caf\udce9.txt"
    path.write_bytes(b"au lait")

    alice.run("publish", path)
    alice.run("publish", "-", "--filename", "th\udce9", stdin=b"vert")

    assert [each["filename"] for each in alice.json("list")] == ["caf\ufffd.txt", "th\ufffd"]
    assert "at most 255" in alice.err("publish", "-", "--filename", "n" * 256, code=2)
    alice.run("publish", "-", "--filename", "n" * 255)


def test_one_bad_file_among_many_is_named_and_none_is_published(make, tmp_path):
    alice = make("Alice")
    for name in ("a", "b", "d"):
        (tmp_path / name).write_text(name)

    said = alice.err("publish", *(tmp_path / name for name in ("a", "b", "c", "d")), code=2)

    assert str(tmp_path / "c") in said
    assert alice.json("list") == []
    assert str(tmp_path) in alice.err("publish", tmp_path / "a", tmp_path, code=2)
    assert alice.json("list") == []


def test_paths_that_are_not_utf8_are_shown_as_they_can_be(make, tmp_path):
    alice = make("Alice")
    uri = alice.say("x")
    folder = tmp_path / "d\udce9"

    (saved,) = alice.json("save", uri, "--all-to", folder)

    assert saved["path"] == str(folder / "message.txt")
    assert "d\\udce9" in alice.out("save", uri, "--all-to", folder)
    assert "d\\udce9" in alice.err("sync", "--via", tmp_path / "e" / "d\udce9", code=13)
    home = Home(tmp_path / "h\udce9", "H")
    assert "h\\udce9" in home.out("init", "--name", "H")


def resource_of(home: Home, schemas: list[str], fields: dict) -> str:
    """Publish what no command would."""
    with Node(home.path) as node:
        local = node.view.local()
        payload = compose(schemas, fields, user=local.user, trust=local.trust, about=About(stamp=Stamp(node.now())))
        resource = Resource.read(SignedObject.sign(payload, node._node_key), node.view.schema)
        node._store.commit(admission.keep(node.view, resource, sender=None, now=node.now()))
        return resource.uri


def test_a_field_called_message_is_not_a_message(pair, stick, tmp_path):
    alice, bob = pair
    uri = resource_of(bob, ["user"], {"user": {"name": "x"}, "message": 5})
    bob.sync(stick)
    alice.sync(stick)

    assert '"message":5' in alice.json("show", uri)["text"]
    alice.run("save", uri, "--all-to", tmp_path / "out")
    assert alice.run("list", "--all").returncode == 0


def test_a_message_that_is_a_file_too_can_be_shown(pair, stick):
    alice, bob = pair
    fields = {"message": "both", "file": FileManifest(2, b"\xff\xfe").fields()}
    uri = resource_of(bob, ["message", "file"], fields)
    bob.sync(stick)
    alice.sync(stick)

    assert alice.json("show", uri)["text"] == "both"
    assert "both" in alice.out("list")


def test_a_peer_writes_nothing_into_our_status(pair, stick):
    alice, bob = pair
    name = raw(alice.say("x").rpartition("/")[2])
    alice.sync(stick)
    with patch.object(mailing, "_outcomes", lambda *_: iter([Outcome(name, "held", "\x1b[2K\rMallory: in sync")])):
        bob.sync(stick)
    alice.sync(stick)

    said = alice.out("status")

    assert "is held there: \\x1b[2K\\rMallory: in sync\n" in said
    assert "\x1b" not in said


def test_an_outcome_is_one_of_the_words_we_know(pair, stick):
    alice, bob = pair
    name = raw(alice.say("x").rpartition("/")[2])
    alice.sync(stick)
    with patch.object(mailing, "_outcomes", lambda *_: iter([Outcome(name, "ok\rMallory: in sync", "")])):
        bob.sync(stick)

    assert "outcome" in alice.err("sync", "--via", stick, code=3)
    assert alice.peer("Bob")["outcomes"] == []


def test_a_home_in_an_open_folder_is_closed_to_others(tmp_path):
    path = tmp_path / "open"
    path.mkdir(mode=0o755)
    alice = Home(path, "Alice")
    alice.run("init", "--name", "Alice")
    large = tmp_path / "large"
    large.write_bytes(bytes(100_000))

    alice.run("publish", large)
    with Node(path) as node:
        node._store.carry("test", {"key": b"value"})  # the log exists while the store is open for writing
        modes = {each.relative_to(path).as_posix(): each.stat().st_mode & 0o077 for each in path.rglob("*")}

    assert {"store.db", "store.db-wal", "store.db-shm", "lock", "blobs", "keys"} <= modes.keys()
    assert {name for name, mode in modes.items() if mode} == set()


def test_saving_what_is_new_when_nothing_is(make, tmp_path):
    done = make("Alice").run("save", "--all-to", tmp_path / "out")

    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_large_note_is_not_claimed_to_be_stored(pair, stick):
    alice, bob = pair
    uri = alice.say("z" * 100_000)

    alice.sync(stick)
    assert alice.json("show", uri)["peers"] == {"Bob": "announced; the peer will ask for it"}
    assert "1 announced; the peer will ask for it" in alice.out("status")
    bob.sync(stick)
    alice.sync(stick)
    peer = alice.peer("Bob")
    assert [peer[key] for key in ("announced", "handed", "stored", "applied")] == [1, 1, 0, 0]
    bob.sync(stick)
    alice.sync(stick)
    assert alice.json("show", uri)["peers"] == {"Bob": "applied by the peer"}


def test_a_file_is_not_claimed_to_be_handed_before_all_of_it_is(pair, small_disk, tmp_path):
    alice, bob = pair
    stick = small_disk("full", "2m")
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(5 << 20))
    uri = alice.out("publish", large).strip()

    alice.run("sync", "--via", stick, code=13)
    assert alice.json("show", uri)["peers"]["Bob"].startswith("announced")
    bob.sync(stick)
    alice.run("sync", "--via", stick, code=None)
    assert alice.json("show", uri)["peers"]["Bob"].startswith("announced")
