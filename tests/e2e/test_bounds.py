"""What a hostile peer sends for nothing is bounded on the disk, and nothing else in the home is confused by it."""

import os
from dataclasses import replace
from hashlib import sha256

import pytest

from paquebot.protocol import mailing
from paquebot.protocol.bundle import Chunk

SIZE = 4096


@pytest.fixture
def rubbish(monkeypatch):
    """Every envelope that is written brings five chunks that no manifest names, and no envelope brings others."""
    really = mailing.compose

    def compose(*arguments):
        bundle = really(*arguments)
        chunks = [os.urandom(SIZE) for _ in range(5)]
        return replace(bundle, parts=(*bundle.parts, *(Chunk(sha256(each).digest(), each) for each in chunks)))

    monkeypatch.setattr(mailing, "compose", compose)
    monkeypatch.setattr("paquebot.protocol.admission.LOOSE_BYTES_MAX", 7 * SIZE)


def chunks(home) -> int:
    return sum(path.is_file() and path.stat().st_size == SIZE for path in (home.path / "blobs").rglob("*"))


@pytest.mark.usefixtures("rubbish")
def test_chunks_for_nothing_are_bounded_survive_a_restart_and_go_with_their_peer(pair, stick):
    alice, bob = pair
    for number in range(4):
        alice.say(f"note {number}")
        alice.sync(stick)
        outcomes = bob.sync(stick)["outcomes"]
        assert chunks(bob) == min(5 * (number + 1), 7)
    assert outcomes["declined"] == 5
    assert sorted(bob.texts()) == [f"note {number}" for number in range(4)], "the rest of each envelope is taken in"
    assert bob.run("check", "--read-data").returncode == 0
    assert bob.json("status")["peers"][0]["name"] == "Alice"
    assert "0 faults" in bob.out("repair", "--yes")
    assert chunks(bob) == 7

    bob.run("peer", "remove", "Alice")
    assert chunks(bob) == 0
    assert bob.run("check", "--read-data").returncode == 0


def test_chunks_that_overtook_their_manifest_complete_it_beyond_the_bound_too(pair, stick, tmp_path, monkeypatch):
    monkeypatch.setattr("paquebot.protocol.admission.LOOSE_BYTES_MAX", 1 << 20)
    alice, bob = pair
    (tmp_path / "chart.bin").write_bytes(data := os.urandom(3_000_000))
    alice.run("publish", tmp_path / "chart.bin")
    really = mailing.compose

    def early(view, key, letter):  # lines come last, with what they name
        bundle = really(view, key, letter)
        return bundle if letter.plan.chunks else replace(bundle, parts=())

    monkeypatch.setattr(mailing, "compose", early)
    alice.sync(stick)
    assert bob.sync(stick)["outcomes"] == {"held": 1, "declined": 2}
    monkeypatch.setattr(mailing, "compose", really)
    for _ in range(4):
        bob.sync(stick)
        alice.run("peer", "retry", "Bob")
        alice.sync(stick)
    (found,) = [each for each in bob.json("list") if each["schema"] == "file"]
    bob.run("save", found["uri"], "-o", tmp_path / "copy.bin")
    assert (tmp_path / "copy.bin").read_bytes() == data
