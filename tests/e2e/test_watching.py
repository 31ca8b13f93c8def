"""What is put into a watched folder is published once, whole, and moved away after that."""

import os
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from paquebot import watching


@pytest.fixture
def outgoing(tmp_path):
    path = tmp_path / "outgoing"
    path.mkdir()
    return path


def watch(home, folder, more: str = "settle = 0") -> None:
    (home.path / "config.toml").write_text(f'[[watch]]\npath = "{folder}"\n{more}\n')


def things(home) -> list[tuple[str, str]]:
    return [(each["schema"], each["filename"]) for each in home.json("list")]


def test_files_are_published_once_and_moved_away(pair, stick, outgoing):
    alice, bob = pair
    watch(alice, outgoing, 'settle = 0\ntags = ["field"]')
    big = os.urandom(50_000)
    (outgoing / "a.bin").write_bytes(big)
    (outgoing / "b \x1b;rm -rf.txt").write_bytes(b"b")
    (outgoing / os.fsdecode(b"c\xe9.txt")).write_bytes(b"c")
    for name in (".hidden", "d.part", "e.tmp"):
        (outgoing / name).write_bytes(b"no")
    (outgoing / "link").symlink_to("/etc/passwd")
    (outgoing / "folder").mkdir()
    os.mkfifo(outgoing / "pipe")
    for home in (alice, bob, alice, bob):
        home.sync(stick)
    assert sorted(bob.json("show", each["uri"])["size"] for each in bob.json("list")) == [1, 1, 50_000]
    assert all(each["tags"] == ["field"] for each in bob.json("list"))
    assert len(os.listdir(outgoing / "published")) == 3
    assert (outgoing / "published" / "a.bin").read_bytes() == big
    assert sorted(os.listdir(outgoing)) == [".hidden", "d.part", "e.tmp", "folder", "link", "pipe", "published"]
    (outgoing / "a.bin").write_bytes(b"another")
    alice.sync(stick)
    assert sorted(each.name for each in (outgoing / "published").glob("a*")) == ["a (2).bin", "a.bin"]


def test_texts_may_be_messages_and_may_be_for_some_alone(pair, stick, outgoing):
    alice, bob = pair
    watch(alice, outgoing, 'settle = 0\nwhat = "message"\nto = ["Bob"]\nafter = "delete"')
    (outgoing / "note").write_text("only for you")
    (outgoing / "noise").write_bytes(b"\xff\xfe")
    assert "noise: is no UTF-8 text" in alice.err("sync", "--via", stick, code=1)
    bob.sync(stick)
    assert bob.texts() == ["only for you"]
    assert bob.json("list")[0]["private"]
    assert os.listdir(outgoing) == ["noise"]


def test_nothing_is_published_to_all_because_a_name_is_wrong(pair, stick, outgoing):
    alice, _ = pair
    watch(alice, outgoing, 'settle = 0\nto = ["Bbo"]')
    (outgoing / "secret").write_text("x")
    assert "no peer is called 'Bbo'" in alice.err("sync", "--via", stick, code=1)
    assert things(alice) == []
    watch(alice, outgoing / "gone")
    assert f"{outgoing}/gone: there is no such folder: make it, or mount it" in alice.err(
        "sync", "--via", stick, code=1
    )


def test_a_file_that_is_being_written_is_left_for_later(pair, stick, outgoing):
    alice, _ = pair
    watch(alice, outgoing, "settle = 10")
    (outgoing / "growing").write_text("half")
    alice.sync(stick)
    assert things(alice) == []
    alice.clock = time.time_ns() // 1_000_000 + 11_000
    read = watching._Reading.read

    def written_meanwhile(self, count):
        data = read(self, count)
        with (outgoing / "growing").open("a") as file:
            file.write("more")
        return data

    with patch.object(watching._Reading, "read", written_meanwhile):
        alice.sync(stick)
    assert things(alice) == []
    alice.clock += 11_000
    alice.sync(stick)
    assert things(alice) == [("file", "growing")]


@pytest.mark.parametrize("what", ["file", "message"])
def test_a_power_cut_before_it_is_moved_publishes_nothing_twice(pair, stick, outgoing, what):
    alice, _ = pair
    watch(alice, outgoing, f'settle = 0\nwhat = "{what}"')
    (outgoing / "note").write_text("hello")
    with patch.object(watching, "_put_away", side_effect=KeyboardInterrupt):
        alice.run("sync", "--via", stick, code=130)
    assert (outgoing / "note").exists()
    alice.sync(stick)
    alice.sync(stick)
    assert len(things(alice)) == 1
    assert os.listdir(outgoing / "published") == ["note"]
    (outgoing / "note").write_text("hello")
    alice.sync(stick)
    assert len(things(alice)) == 2


def test_a_power_cut_after_it_was_moved_does_not_hide_the_next_of_that_name(pair, stick, outgoing):
    alice, _ = pair
    watch(alice, outgoing)
    real = watching._put_away

    def cut(path: Path, watched) -> None:
        real(path, watched)
        raise KeyboardInterrupt

    (outgoing / "note").write_text("hello")
    with patch.object(watching, "_put_away", cut):
        alice.run("sync", "--via", stick, code=130)
    (outgoing / "note").write_text("hello")
    alice.sync(stick)
    assert len(things(alice)) == 2
    (outgoing / "x").write_text("x")
    with patch.object(watching, "_put_away", cut):
        alice.run("sync", "--via", stick, code=130)
    alice.sync(stick)
    before = (alice.path / "store.db").read_bytes()
    alice.sync(stick)
    assert (alice.path / "store.db").read_bytes() == before


def test_one_bad_file_stops_no_other(pair, stick, outgoing):
    alice, _ = pair
    watch(alice, outgoing)
    (outgoing / ("x" * 250)).write_text("fine")
    (outgoing / "unreadable").write_text("x")
    real = open

    def refuse(path, *args, **options):
        if str(path).endswith("unreadable"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **options)

    with patch("builtins.open", refuse):
        assert "unreadable: Permission denied" in alice.err("sync", "--via", stick, code=1)
    assert things(alice) == [("file", "x" * 250)]


@pytest.mark.parametrize(
    "more", ['what = "files"', 'after = "burn"', 'tags = "field"', "to = [7]", "settle = -1", 'patth = "x"']
)
def test_mistakes_in_the_configuration_are_named(pair, stick, outgoing, more):
    alice, _ = pair
    watch(alice, outgoing, more)
    assert "[[watch]]" in alice.err("sync", "--via", stick, code=2)
