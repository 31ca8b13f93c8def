"""Clocks that were wrong for a while, or stood where software trips over: nothing is lost, and nothing destroyed."""

import time

import pytest

from paquebot.protocol.limits import DAY_MS, RELEASED_MS
from paquebot.protocol.stamp import parse_time

TODAY = RELEASED_MS + 30 * DAY_MS
TEN_YEARS = 3_652 * DAY_MS
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"

CLOCKS = {
    "1970, no battery": (10_000, "UTC"),
    "2000, no battery": (parse_time("2000-01-01T00:00:00.000Z"), "UTC"),
    "ten years behind": (TODAY - TEN_YEARS, "UTC"),
    "ten years ahead": (TODAY + TEN_YEARS, "UTC"),
    "before a leap second": (parse_time("2016-12-31T23:59:59.999Z"), "UTC"),
    "after a leap second": (parse_time("2017-01-01T00:00:00.000Z"), "UTC"),
    "a leap day": (parse_time("2028-02-29T23:59:59.999Z"), "UTC"),
    "summer time begins": (parse_time("2027-03-28T01:00:00.000Z"), BERLIN),
    "summer time ends": (parse_time("2027-10-31T01:00:00.000Z"), BERLIN),
    "the last of 31 bits of seconds": (parse_time("2038-01-19T03:14:07.999Z"), "UTC"),
    "more than 31 bits of seconds": (parse_time("2038-01-19T03:14:08.000Z"), "UTC"),
    "the last of 32 bits of seconds": (parse_time("2106-02-07T06:28:15.999Z"), "UTC"),
    "more than 32 bits of seconds": (parse_time("2106-02-07T06:28:16.000Z"), "UTC"),
}


@pytest.fixture
def zone(monkeypatch):
    def set_zone(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", CLOCKS)
def test_a_clock_that_was_wrong_for_a_while_costs_nothing(make, meet, stick, zone, name):
    clock, tz = CLOCKS[name]
    zone(tz)
    alice, bob = make("Alice", clock=TODAY), make("Bob", clock=TODAY)
    meet(alice, bob)
    for home in (alice, bob, alice):
        home.run("sync", "--via", stick)
    alice.say("one")
    alice.run("sync", "--via", stick)

    bob.clock = clock
    for command in (["status"], ["list"], ["sync", "--via", stick], ["sync", "--via", stick], ["log"]):
        done = bob.run(*command, code=None)
        assert done.returncode in (0, 3, 13, 15, 16), done.stderr
        assert b"Traceback" not in done.stderr

    alice.clock = bob.clock = TODAY + DAY_MS
    bob.say("two")
    for home in (bob, alice, bob, alice):
        home.clock += DAY_MS
        home.run("sync", "--via", stick, code=None)
    assert set(alice.texts()) == set(bob.texts()) == {"one", "two"}
    assert not bob.json("status")["clock_doubtful"]
