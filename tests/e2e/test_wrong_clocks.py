"""Machines whose clocks are wrong, driven through the command line."""

import pytest

from paquebot.node import Node
from paquebot.protocol import witness
from paquebot.protocol.limits import DAY_MS, HOUR_MS, RELEASED_MS
from paquebot.protocol.stamp import format_time

TODAY = RELEASED_MS + HOUR_MS
TWENTY_20 = 1_577_836_800_000


@pytest.fixture
def long_after(make, meet):
    """Two homes a hundred days after the release."""
    homes = make("Alice", clock=TODAY + 100 * DAY_MS), make("Bob", clock=TODAY + 100 * DAY_MS)
    meet(*homes)
    return homes


def test_what_a_slow_clock_takes_for_the_future_waits_and_is_opened_in_time(long_after, stick):
    alice, bob = long_after
    alice.clock += 10 * DAY_MS
    bob.clock += 10 * DAY_MS
    for text in ("one", "two"):
        alice.say(text)
        alice.sync(stick)
    bob.clock -= 3 * DAY_MS

    for _ in range(2):
        done = bob.sync(stick, code=3)
        assert (done["found"], done["not_yet"], done["opened"], done["refused"]) == (2, 2, 0, 0)
        (problem,) = done["problems"]
        assert "clock" in problem["what"]
    assert bob.texts() == []

    bob.clock += 3 * DAY_MS
    assert bob.sync(stick)["opened"] == 2
    assert sorted(bob.texts()) == ["one", "two"]
    alice.sync(stick)
    assert alice.peer("Bob")["applied"] == 2


@pytest.mark.parametrize("clock", [10_000, TWENTY_20, RELEASED_MS - 5 * DAY_MS])
def test_a_machine_with_no_clock_opens_what_comes_and_learns_the_time(long_after, stick, clock):
    alice, bob = long_after
    alice.say("help")
    alice.sync(stick)
    bob.clock = clock

    assert bob.sync(stick)["opened"] == 1
    assert bob.texts() == ["help"]
    assert bob.json("status")["now"][:10] == format_time(alice.clock)[:10]
    bob.say("coming")
    bob.sync(stick)
    alice.sync(stick)
    assert sorted(alice.texts()) == ["coming", "help"]


@pytest.mark.parametrize("clock", [10_000, TWENTY_20, TODAY - 5 * DAY_MS])
def test_a_node_may_be_founded_with_a_wrong_clock(make, meet, stick, clock):
    alice, bob = make("Alice", clock=TODAY), make("Bob", clock=clock)
    assert bob.json("status")["now"][:10] == "2026-11-20"
    meet(alice, bob)
    bob.say("help")
    bob.sync(stick)
    alice.sync(stick)
    assert alice.texts() == ["help"]
    alice.clock += 30 * DAY_MS
    alice.say("coming")
    alice.sync(stick)
    bob.clock += HOUR_MS
    bob.sync(stick)
    assert sorted(bob.texts()) == ["coming", "help"]


def test_a_node_whose_clock_dies_is_still_understood(long_after, stick):
    alice, bob = long_after
    bob.sync(stick), alice.sync(stick), bob.sync(stick)
    bob.clock = TWENTY_20
    bob.say("my battery is empty")
    bob.sync(stick)
    alice.sync(stick)
    assert alice.texts() == ["my battery is empty"]
    with Node(bob.path) as node:
        assert node.view.quarantined() == []


def test_a_clock_ten_years_ahead_is_doubted_and_its_owner_is_heard_all_the_same(long_after, stick):
    alice, bob = long_after
    alice.clock += 3_652 * DAY_MS
    alice.say("help")
    assert "years beyond all that is known" in alice.out("clock")
    assert alice.json("clock")["doubtful"]
    assert "clock is wrong" in alice.out("status")
    alice.sync(stick)
    bob.sync(stick)
    assert bob.texts() == ["help"]


def test_a_person_vouches_for_a_clock_that_leaps(long_after):
    alice, _ = long_after
    alice.clock += 3_652 * DAY_MS
    said = alice.out("clock", "--right")
    assert "nothing speaks against it" in said
    assert alice.json("status")["now"][:4] == format_time(alice.clock)[:4]
    assert not alice.json("status")["clock_doubtful"]


def test_what_a_clock_two_years_ahead_dated_arrives_once_it_is_right(long_after, stick):
    alice, bob = long_after
    alice.clock += 730 * DAY_MS
    alice.say("early", "--title", "note")
    alice.say("for Bob", "--to", "Bob")
    alice.clock -= 730 * DAY_MS
    for home in (alice, bob, alice):
        home.sync(stick)
    assert bob.texts() == []
    assert "paquebot clock --right" in bob.out("status"), "Bob is told what Alice has to do"
    assert "2 things of ours dated ahead" in alice.out("status")
    assert "dated ahead" in alice.out("status", "--check", code=1)

    assert len(alice.json("clock", "--right", "--yes")["anew"]) == 2
    assert sorted(alice.texts()) == ["early", "for Bob"], "Alice reads it at once"
    assert alice.json("clock")["ahead"] == []
    for home in (alice, bob, alice):
        home.clock += DAY_MS
        home.run("sync", "--via", stick, code=None)

    assert sorted(bob.texts()) == ["early", "for Bob"]
    assert alice.peer("Bob")["applied"] == 2
    assert "ahead" not in alice.out("status") + bob.out("status")


def test_a_peer_far_ahead_heard_by_a_machine_with_no_clock_is_no_witness_once_the_clock_is_right(long_after, stick):
    alice, bob = long_after
    today = alice.clock
    bob.clock += 500 * DAY_MS
    alice.clock = 10_000
    for _ in range(3):
        bob.say("hello")
        bob.sync(stick)
        alice.sync(stick)
        bob.clock += DAY_MS
    with Node(alice.path) as node:
        assert witness.latest(node.view, bob.clock) >= today + 500 * DAY_MS, "there was nothing better to go by"
    alice.clock = today
    alice.out("clock", "--right", "--yes")
    with Node(alice.path) as node:
        assert witness.latest(node.view, bob.clock) <= today + 2 * DAY_MS


def test_no_clock_before_the_release_can_be_right(long_after):
    alice, _ = long_after
    alice.clock = TWENTY_20
    assert "cannot be right" in alice.err("clock", "--right", code=2)
    assert "has passed for certain" in alice.out("clock")
