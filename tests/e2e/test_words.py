"""What a person types a little differently, and what is said then: an error tells what to do."""

from __future__ import annotations

import os
import shutil

import pytest
from tests.e2e.conftest import crates


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
