"""Letters that somebody carries who knows neither end: from one stick to another, and the answer back."""

from __future__ import annotations

import pytest


@pytest.fixture
def sticks(tmp_path):
    """Alice's and Bob's: nobody but the courier sees both."""
    found = tmp_path / "blue", tmp_path / "red"
    for each in found:
        each.mkdir()
    return found


def test_a_courier_brings_a_letter_and_brings_back_that_it_arrived(pair, make, sticks):
    alice, bob = pair
    courier = make("Chris")
    blue, red = sticks
    alice.say("Water is needed at the bridge")
    alice.sync(blue)
    assert courier.sync(blue)["carried"]["taken_along"] > 0
    assert courier.sync(red)["carried"]["handed_on"] > 0
    bob.sync(red)
    assert bob.texts() == ["Water is needed at the bridge"]
    arrived = courier.sync(red)["carried"]
    assert arrived["arrived"] > 0
    courier.sync(blue)
    alice.sync(blue)
    assert alice.peer("Bob")["stored"] == 1
