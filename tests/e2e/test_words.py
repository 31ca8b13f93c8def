"""What a person types a little differently, and what is said then: an error tells what to do."""

from __future__ import annotations

import os
import re
import shutil
import time

import pytest
from tests.e2e.conftest import Home, crates, on_terminal

from paquebot.node import Node


@pytest.mark.parametrize("said", ["PAQUEBOT", "PAQUEBOT/", "link"])
def test_the_folder_on_the_stick_means_the_stick(pair, stick, said):
    alice, bob = pair
    alice.say("hello")
    alice.sync(stick)
    (stick / "link").symlink_to("PAQUEBOT")
    alice.say("again")
    alice.sync(stick / said)
    assert not (stick / "PAQUEBOT" / "PAQUEBOT").exists()
    assert "Bob" not in alice.out("plan", "--via", stick / said)
    bob.sync(stick / said)
    assert sorted(bob.texts()) == ["again", "hello"]
    alice.sync(stick)
    assert alice.peer("Bob")["state"] == "in sync"


def test_a_stick_whose_own_name_is_paquebot_is_a_stick(pair, tmp_path):
    alice, bob = pair
    stick = tmp_path / "PAQUEBOT"
    stick.mkdir()
    alice.say("hello")
    alice.sync(stick)
    assert crates(stick / "PAQUEBOT")
    bob.sync(stick)
    assert bob.texts() == ["hello"]


def test_a_copy_of_the_folder_under_another_name_is_not_written_into(pair, stick, tmp_path):
    alice, _ = pair
    alice.say("hello")
    alice.sync(stick)
    shutil.copytree(stick / "PAQUEBOT", tmp_path / "post")
    said = alice.err("sync", "--via", tmp_path / "post", code=13)
    assert "the inside of a folder PAQUEBOT" in said
    assert not (tmp_path / "post" / "PAQUEBOT").exists()


def test_save_replaces_nothing_unless_it_is_told_to(pair, tmp_path):
    alice, _ = pair
    uri, file = alice.say("the text"), tmp_path / "note.txt"
    file.write_text("mine")
    said = alice.err("save", uri, "-o", file, code=2)
    assert "is there already with other content; choose another name, or --force" in said
    assert file.read_text() == "mine"
    alice.run("save", uri, "-o", file, "--force")
    assert file.read_text() == "the text"
    before = file.stat().st_mtime_ns
    alice.run("save", uri, "-o", file)
    assert file.stat().st_mtime_ns == before
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    alice.run("save", uri, "-o", tmp_path / "dangling", code=2)
    assert not (tmp_path / "elsewhere").exists()
    assert "in a folder nothing is ever replaced" in alice.err("save", uri, "--all-to", tmp_path, "--force", code=2)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_save_goes_to_devices_and_standard_output(pair):
    alice, _ = pair
    uri = alice.say("the text")
    alice.run("save", uri, "-o", os.devnull)
    alice.run("save", uri, "-o", os.devnull, "--force")


def test_save_into_a_folder_that_is_not_there_says_how_to_make_it(pair, tmp_path):
    alice, _ = pair
    uri = alice.say("the text")
    said = alice.err("save", uri, "-o", tmp_path / "in here" / "note.txt", code=2)
    assert f"mkdir -p '{tmp_path}/in here'" in said
    said = alice.err("save", uri, "-o", tmp_path, code=2)
    assert f"{tmp_path} is a folder" in said
    assert "--all-to" in said


@pytest.mark.parametrize("command", [["card"], ["invite"], ["invite", "--for", "Carol"]])
def test_what_is_written_for_others_replaces_no_file_of_yours(pair, tmp_path, command):
    alice, _ = pair
    file = tmp_path / "thesis.pdf"
    for option in ("-o", "--svg"):
        file.write_text("three years of work")
        assert "--force" in alice.err(*command, option, file, code=2)
        assert file.read_text() == "three years of work"
    assert alice.json("invite", "list") == []
    alice.run(*command, "-o", file, "--force")
    assert "PAQUEBOT" in file.read_text().upper()
    if command == ["card"]:
        alice.run(*command, "-o", file)


def test_what_was_set_aside_is_saved_over_nothing(pair, stick, tmp_path):
    alice, bob = pair
    alice.say("hello")
    alice.sync(stick)
    (crate,) = crates(stick)
    data = bytearray(crate.read_bytes())
    data[len(data) // 2] ^= 1
    crate.write_bytes(data)
    bob.sync(stick, code=3)
    piece = bob.json("quarantine", "list")["pieces"][0]
    file = tmp_path / "mine"
    file.write_text("mine")
    assert "--force" in bob.err("quarantine", "show", str(piece["number"]), "--save", file, code=2)
    assert file.read_text() == "mine"
    bob.run("quarantine", "show", str(piece["number"]), "--save", file, "--force")
    assert file.stat().st_size == piece["bytes"]


# -- an error says what to do ------------------------------------------------------------


@pytest.fixture
def alice(make):
    return make("Alice")


@pytest.fixture
def passphrase(tmp_path):
    """Lend a descriptor from which the passphrase is read, anew each time."""
    opened = []

    def lend(text: str = "salt and pepper and thyme") -> str:
        (tmp_path / "passphrase").write_text(f"{text}\n")
        opened.append(os.open(tmp_path / "passphrase", os.O_RDONLY))
        return str(opened[-1])

    yield lend
    for each in opened:
        os.close(each)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_an_export_that_was_cut_off_does_not_blame_the_passphrase(alice, tmp_path, passphrase, share):
    alice.say("x" * 90_000)
    file, new = tmp_path / "a.export", Home(tmp_path / "new", "new")
    alice.run("export", file, "--export-passphrase-fd", passphrase())
    whole = file.read_bytes()
    for end in (int(len(whole) * share), 1_000):
        file.write_bytes(whole[:end])
        said = new.err("import", file, "--export-passphrase-fd", passphrase(), code=3)
        assert "damaged or cut off" in said
        assert "passphrase" not in said
    file.write_bytes(whole)
    said = new.err("import", file, "--export-passphrase-fd", passphrase("another one entirely"), code=12)
    assert "the passphrase of the export is wrong" in said


@pytest.mark.parametrize("form", ["txt", "html", "svg"])
def test_a_whole_recovery_sheet_may_be_given_as_a_file(alice, tmp_path, form):
    sheet, new = tmp_path / f"sheet.{form}", Home(tmp_path / "new", "new")
    if form == "txt":
        sheet.write_text(alice.out("recovery"))
    else:
        alice.run("recovery", f"--{form}", sheet)
    made = new.json("init", "--recover", "--name", "Alice", "--words-file", sheet)
    with Node(alice.path, looking=True) as node:
        assert made["user"] == node.view.local().user


def test_a_name_that_is_nearly_right_is_recognised(pair):
    alice, _ = pair
    for name in ("bob", "BOB", "Bobb"):
        assert "did you mean 'Bob'?" in alice.err("publish", "--to", name, "-m", "x", code=1)
    assert "known are: Bob" in alice.err("peer", "show", "Zebedee", code=1)


def test_a_peer_that_is_given_another_name_is_said_to_be_renamed(pair, tmp_path):
    alice, _ = pair
    assert "Bob is now called Robert." in alice.out("peer", "add", "Robert", tmp_path / "Bob.card")
    assert alice.json("peer", "add", "Bob", tmp_path / "Bob.card")["renamed_from"] == "Robert"
    assert alice.json("peer", "add", "Bob", tmp_path / "Bob.card")["renamed_from"] is None


def test_an_option_of_the_house_that_stands_after_the_command_is_told_its_place(alice):
    said = alice.err("list", "--home", alice.path, code=2)
    assert "--home goes before the command: paquebot --home … list" in said
    assert "No such option '--nonsense'" in alice.err("list", "--nonsense", code=2)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_message_is_not_published(alice, text, tmp_path):
    assert "the message is empty" in alice.err("publish", "-m", text, code=2)
    (tmp_path / "file").write_bytes(b"")
    alice.run("publish", "-m", text, "--attach", tmp_path / "file")
    alice.run("publish", tmp_path / "file")


def test_what_waits_too_long_is_said_in_a_sentence(pair):
    alice, _ = pair
    alice.say("hello")
    said = late(alice, 2).out("status", "--check", "max-waiting=1d", code=2)
    assert re.search(r"Bob lacks \d+ of ours, the oldest for 2d \(at most 24h\)", said), said


def late(home: Home, days: int) -> Home:
    return Home(home.path, home.name, clock=(time.time_ns() // 1_000_000) + days * 86_400_000)


def test_a_mistake_in_a_table_is_said_to_be_in_the_table(alice):
    (alice.path / "config.toml").write_text('[[keep.rule]]\npeeer = "x"\n')
    assert "config.toml: [[keep.rule]]: 'peeer' is unknown; did you mean 'peer'?" in alice.err("sync", code=2)


def test_a_relative_path_in_the_configuration_begins_where_the_configuration_lies(pair, monkeypatch, tmp_path):
    alice, _ = pair
    (alice.path / "stick").mkdir(), (tmp_path / "stick").mkdir()
    (alice.path / "config.toml").write_text('[transport.blue]\nuses = "drop"\npath = "stick"\n')
    alice.say("hello")
    for place in (tmp_path, alice.path):
        monkeypatch.chdir(place)
        alice.run("sync", "blue")
    assert alice.json("transport", "check", "blue", "--only", "as they were sent")["broken"] == 0
    assert crates(alice.path / "stick")
    monkeypatch.chdir(tmp_path)
    assert crates(tmp_path / "stick") == []
    alice.run("sync", "--via", "stick")
    assert crates(tmp_path / "stick"), "on the command line it begins where one stands"


@pytest.mark.parametrize("name", ["node.json", "envelope.json"])
def test_check_says_which_key_is_missing_and_an_export_brings_it_back(alice, tmp_path, name, passphrase):
    alice.run("export", tmp_path / "a.export", "--export-passphrase-fd", passphrase())
    (alice.path / "keys" / name).unlink()
    (found,) = alice.json("check", code=15)
    assert (found["fault"], found["mendable"]) == ("key", False)
    assert name in found["what"]
    assert "paquebot import FILE" in alice.out("check", code=15)
    alice.run("import", tmp_path / "a.export", "--export-passphrase-fd", passphrase())
    assert alice.out("check") == "All is well.\n"


def test_check_misses_no_user_key_that_was_taken_away_and_misses_the_lock(alice, tmp_path, passphrase):
    (tmp_path / "typed").write_text(alice.out("recovery"))
    alice.run("recovery", "--take-away", "--words-file", tmp_path / "typed")
    assert alice.json("check") == []
    alice.run("key", "passphrase", "--new-fd", passphrase())
    assert alice.json("check") == []
    (alice.path / "keys" / "lock.json").unlink()
    assert [each["fault"] for each in alice.json("check", code=15)] == ["key"]
    (alice.path / "keys" / "node.json").chmod(0o644)
    assert any("chmod" in each["what"] for each in alice.json("check", code=15))


def test_what_the_database_says_of_itself_is_one_line(alice):
    alice.say("x" * 20_000)
    store = alice.path / "store.db"
    data = bytearray(store.read_bytes())
    for place in range(2, len(data) // 4096):
        data[place * 4096] ^= 0x55
    store.write_bytes(data)
    said = alice.out("check", code=None)
    assert "\\n" not in said


def test_on_a_terminal_publish_says_the_short_id_too(alice):
    said = on_terminal(alice, "publish", "-m", "hello")
    listed = alice.json("list")[0]
    assert said.split() == [listed["id"], listed["uri"]]
    assert alice.say("a script reads one URI").startswith("sdmp://")


def test_status_has_colours_on_a_terminal_that_knows_them_and_says_the_same_without(pair, stick):
    alice, bob = pair
    alice.say("hello")
    for home in (alice, bob, alice):
        home.sync(stick)
    said = on_terminal(alice, "status")
    assert "\x1b[32min sync\x1b[0m" in said
    plain = re.sub(r"\x1b\[\d+m", "", said)
    assert "\x1b" not in plain
    assert plain == alice.out("status")
    assert "✓✓✓ 1 of 1 applied" in plain
    for wish in ({"NO_COLOR": "yes please"}, {"TERM": "dumb"}):
        assert on_terminal(alice, "status", **wish) == plain, wish
    assert "✓" not in alice.out("--plain", "status")
    assert "\x1b" not in on_terminal(alice, "--plain", "status")


def test_who_has_no_peer_is_told_so(alice, stick):
    assert "There is no peer yet: `paquebot invite" in alice.out("status")
    assert "There is no peer yet, so nothing is written: `paquebot invite" in on_terminal(alice, "sync", "--via", stick)
    assert alice.out("sync", "--via", stick) == ""
    alice.run("invite", "--for", "Bob")
    invited = "whom you invited has to join and sync first; then sync here again"
    assert f"There is no peer yet, so nothing is written: {invited}." in on_terminal(alice, "sync", "--via", stick)
    assert f"There is no peer yet: {invited}" in alice.out("status")
    assert "no peer yet" not in on_terminal(alice, "sync", "--via", stick / "away", code=13)


def test_a_round_trip_ends_with_the_good_news(pair, stick):
    alice, bob = pair
    alice.say("hello")
    alice.sync(stick), bob.sync(stick)
    assert "of ours had arrived: see `paquebot status`" in on_terminal(alice, "sync", "--via", stick)


def test_where_nothing_is_to_be_seen_a_terminal_is_told_so(alice, tmp_path):
    assert "Nothing new to save." in on_terminal(alice, "save", "--all-to", tmp_path / "out")
    assert "Nothing is left to be done." in on_terminal(alice, "hook", "list")
    assert alice.run("save", "--all-to", tmp_path / "out").stderr == b""


def test_a_carrier_that_is_not_there_is_not_said_to_bring_nothing(alice, tmp_path):
    said = on_terminal(alice, "sync", "--via", tmp_path / "nowhere", code=13)
    assert "no stick or folder is there" in said
    assert "Nothing new came" not in said


def test_a_command_that_is_nearly_right_is_recognised(alice):
    assert "there is no command 'pubish'; did you mean 'publish'?" in alice.err("pubish", "x", code=2)
    assert "there is no command 'frobnicate'" in alice.err("frobnicate", code=2)
    assert "--home DIR init" in alice.err("init", "--name", "Again", code=2)


def test_an_export_is_recognised_and_says_what_needs_no_passphrase(alice, tmp_path, passphrase):
    locked, plain = tmp_path / "locked.export", tmp_path / "plain.export"
    alice.run("export", locked, "--export-passphrase-fd", passphrase())
    alice.run("export", plain, "--no-secrets")
    said = alice.out("inspect", locked, code=1)  # not all of it was looked at
    assert "locked.export: export" in said
    assert "encrypted: by a passphrase" in said
    assert "Alice" not in said
    facts = alice.out("inspect", plain, code=1)
    assert "name: Alice" in facts
    assert "secrets: none" in facts
    assert "paquebot import" in facts
    data = bytearray(plain.read_bytes())
    data[200] ^= 1
    plain.write_bytes(data)
    assert "FAILED" in alice.out("inspect", plain, code=1)
    plain.write_bytes(b"paquebot export 1\n[]\n")
    assert "the head of the export is damaged" in alice.out("inspect", plain, code=1)


@pytest.mark.parametrize(
    "command",
    [("show",), ("save", "--all-to", "out"), ("status",), ("schema", "show"), ("revoke", "--yes"), ("forget", "--yes")],
)
def test_a_long_id_may_begin_with_a_dash(make, command):
    """One in 64 does; found by a hook that called `show` with the ID that it was given."""
    name = "-uV3J1K4TqygnpUKF0UxeBjSA1C1GmDl59ZyAQaXZ_gEUF_TmoL5ButSJdltOCrHgqaDW3KvlFhaw-pHDWc3ig"
    said = make("Alice").err(*command, name, code=1)
    assert "has the" in said
    assert "fae5772752b84eac" in said


def test_what_has_a_long_id_that_begins_with_a_dash_is_shown(make, tmp_path):
    alice = make("Alice")
    for number in range(400):
        (tmp_path / f"{number}").write_text(f"note {number}")
    alice.run("publish", *(tmp_path / f"{number}" for number in range(400)))
    uris = [each["uri"] for each in alice.json("list")]
    name = next(each.rpartition("/")[2] for each in uris if each.rpartition("/")[2].startswith("-"))
    assert alice.json("show", name)["uri"].endswith(name)
