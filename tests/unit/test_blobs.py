"""Blobs are whole and durable once they have their name."""

import os
from hashlib import sha256

import pytest

from paquebot.errors import DiskFull
from paquebot.store.blobs import Blobs


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
