"""Blobs are whole and durable once they have their name."""

import os
from hashlib import sha256

import pytest

from paquebot.errors import DiskFull
from paquebot.store.blobs import TOGETHER_MAX, Blobs


def test_what_is_put_can_be_got(tmp_path):
    blobs = Blobs(tmp_path / "blobs")

    name = blobs.put(b"cargo")

    assert name == sha256(b"cargo").digest()
    assert blobs.get(name) == b"cargo"
    assert blobs.put(b"cargo") == name


def test_a_damaged_blob_is_not_handed_out(tmp_path):
    blobs = Blobs(tmp_path)
    name = blobs.put(b"cargo")
    path = next(path for path in tmp_path.rglob("*") if path.is_file())
    path.write_bytes(b"cargp")

    assert blobs.get(name) is None


def test_nobody_else_may_read_them(tmp_path):
    Blobs(tmp_path / "blobs").put(b"cargo")

    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "blobs").rglob("*")}
    assert modes == {0}


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)

    with pytest.raises(DiskFull):
        Blobs(tmp_path).put(b"cargo")

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_dropping_twice_is_once(tmp_path):
    blobs = Blobs(tmp_path)
    name = blobs.put(b"cargo")

    blobs.drop(name)
    blobs.drop(name)

    assert blobs.get(name) is None


def test_many_are_there_when_they_were_put_together(tmp_path):
    blobs, cargo = Blobs(tmp_path), [bytes([number]) * 10 for number in range(TOGETHER_MAX + 3)]
    with blobs.together() as put:
        names = [put(each) for each in (*cargo, *cargo)]

    assert [blobs.get(name) for name in names] == cargo * 2
    assert list(blobs.drafts()) == []


def test_what_was_put_with_others_is_got_before_it_has_its_name(tmp_path):
    blobs = Blobs(tmp_path)
    with blobs.together():
        name = blobs.put(b"cargo")  # inside, it waits for the others

        assert len(list(blobs.drafts())) == 1
        assert blobs.get(name) == b"cargo"
    assert list(blobs.drafts()) == []
    assert blobs.get(name) == b"cargo"


def test_a_half_gets_no_name_though_its_writer_goes_on(tmp_path, monkeypatch):
    blobs, write = Blobs(tmp_path), os.write
    with blobs.together() as put:
        put(b"whole")
        room = [2]
        monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[: room.pop()]))
        with pytest.raises(IndexError):
            put(b"half")
        monkeypatch.undo()

    assert [blobs.get(name) for name in blobs.names()] == [b"whole"]
    assert list(blobs.drafts()) == []


def test_what_is_given_up_midway_leaves_nothing_half_written(tmp_path):
    blobs = Blobs(tmp_path)

    def give_up():
        with blobs.together() as put:
            put(b"cargo")
            raise OSError(5, "the source cannot be read")

    with pytest.raises(OSError, match="the source cannot be read"):
        give_up()

    assert list(blobs.drafts()) == []
    assert blobs.get(sha256(b"cargo").digest()) is None


def test_the_disk_is_waited_for_once_for_all_folders_and_before_anything_has_its_name(tmp_path, monkeypatch):
    blobs, did = Blobs(tmp_path), []
    blobs.put(b"first")
    real = {name: getattr(os, name) for name in ("fsync", "rename")}
    monkeypatch.setattr(os, "fsync", lambda handle: (did.append("fsync"), real["fsync"](handle))[1])
    monkeypatch.setattr(os, "rename", lambda *paths: (did.append("rename"), real["rename"](*paths))[1])
    cargo = [bytes([number]) for number in range(8)]
    folders = {sha256(each).hexdigest()[:2] for each in cargo}
    with blobs.together() as put:
        for each in cargo:
            put(each)

    assert did == ["fsync"] * 8 + ["rename"] * 8 + ["fsync"] * (1 + len(folders))
