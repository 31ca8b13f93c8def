"""Envelope keys over years, as their person sees them."""

import json
import time

import pytest

from paquebot.vault import choosing

DAY = 86_400_000


def classes(home) -> dict[str, dict]:
    found = next(each for each in home.json("key", "list") if each["secret"] == "envelope keys")
    return {each["class"]: each for each in found["classes"]} | {"next": found["next_destruction"]}


def secrets(home) -> set[str]:
    return {each["secret"] for each in json.loads((home.path / "keys" / "envelope.json").read_text())["subkeys"]}


def to_and_fro(alice, bob, stick, code=0):
    for _ in range(3):
        for home in (alice, bob):
            home.sync(stick, code)


def test_after_a_year_new_keys_are_there_old_ones_gone_and_everything_arrives(pair, stick):
    alice, bob = pair
    start = time.time_ns() // 1_000_000
    to_and_fro(alice, bob, stick)
    before = secrets(bob)
    assert classes(bob)["dated"]["live"] == 24
    assert "dated: 24 keys, until" in bob.out("key", "list")
    for home in pair:
        home.clock = start + 400 * DAY
    alice.say("a year later")
    to_and_fro(alice, bob, stick)
    assert bob.texts() == ["a year later"]
    assert classes(bob)["dated"]["live"] == 24
    destroyed = before - secrets(bob)
    assert len(destroyed) == 1 + 12, "one fast key, and those whose month was over for a month"
    everything = b"".join(path.read_bytes() for path in bob.path.rglob("*") if path.is_file())
    for secret in destroyed:
        assert secret.encode() not in everything
        assert bytes.fromhex(secret) not in everything
    assert "Keys:" not in bob.out("status")
    bob.say("sealed to one of them")
    to_and_fro(alice, bob, stick)
    assert "sealed to one of them" in alice.texts()


def test_a_clock_that_jumped_destroys_nothing_before_its_person_says_that_it_is_right(pair, stick):
    alice, bob = pair
    start = time.time_ns() // 1_000_000
    to_and_fro(alice, bob, stick)
    before = secrets(bob)
    bob.clock = start + 3 * 365 * DAY
    bob.sync(stick)
    assert secrets(bob) == before
    assert "no other clock has confirmed that date" in bob.out("status")
    assert bob.json("status")["keys_overdue"]
    bob.clock = start + DAY
    alice.say("nothing was lost")
    to_and_fro(alice, bob, stick, code=None)  # what Bob wrote in the future lies there until it is due
    assert bob.texts() == ["nothing was lost"]
    assert bob.json("status")["keys_overdue"] is None


def test_a_person_may_destroy_what_is_past_its_time(pair, stick):
    alice, bob = pair
    to_and_fro(alice, bob, stick)
    assert "No envelope key is past its time" in bob.out("key", "destroy", "--yes")
    bob.clock = time.time_ns() // 1_000_000 + 100 * DAY
    assert "say --yes" in bob.err("key", "destroy", code=2)
    assert bob.json("key", "destroy", "--yes") == {"destroyed": 3}
    assert classes(bob)["dated"]["live"] == 21
    bob.clock = 1
    assert "set it first" in bob.err("key", "destroy", "--yes", code=2)


def test_a_home_with_the_fast_sealer_and_one_without_understand_each_other(pair, stick, monkeypatch):
    pytest.importorskip("pysequoia")
    alice, bob = pair

    def sync(home):
        monkeypatch.setattr(choosing, "doubt", lambda: None if home is alice else "it is not there")
        home.sync(stick)

    alice.say("sealed by one")
    bob.say("sealed by the other")
    for home in (alice, bob, alice, bob):
        sync(home)
    assert set(alice.texts()) == set(bob.texts()) == {"sealed by one", "sealed by the other"}
    assert "sealed by pgpy: it is not there" in bob.out("key", "list")
    monkeypatch.setattr(choosing, "doubt", lambda: None)
    assert "sealed by pysequoia" in alice.out("key", "list")
