"""Houses that share no carrier, and couriers who are nobody's peers; and proof that the village would notice."""

from __future__ import annotations

import pytest

from paquebot.courier import Courier
from paquebot.protocol import carrying
from paquebot.testing.couriers import CouriersVillage

GROUP = 4
SEEDS = 12

BUGS = {
    8: "what had to make room for others was forgotten, and with it on which media its token was to be shown",
    6: "a token was seen before its parcel, and nobody remembered it",
    130: "an answer that was lost where tokens are shown was not given again for 120 days, however often asked for",
    32: "the power went while a parcel was put on a medium, and its token was never shown there",
}
"""Seeds that failed once, and why."""


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_couriers_bring_everything_and_what_says_that_it_arrived(first):
    for seed in range(first, first + GROUP):
        CouriersVillage(seed).run()


@pytest.mark.parametrize("seed", BUGS)
def test_what_failed_once_does_not_fail_again(seed):
    CouriersVillage(seed).run()


def test_a_month_of_couriers_with_real_stores_and_real_seals(tmp_path):
    CouriersVillage(3, tmp_path).run()


def test_a_seed_replays_exactly():
    assert CouriersVillage(9).run() == CouriersVillage(9).run()


# Sabotage: each takes one rule out of the code, and some seed must notice.


def noticed(monkeypatch, seeds=range(2, 10)):
    """Return whether one of *seeds* fails."""
    monkeypatch.setattr(CouriersVillage, "clear_days_max", 6)
    for seed in seeds:
        try:
            CouriersVillage(seed).run()
        except AssertionError:
            return True
    return False


def test_without_noting_tokens(monkeypatch):
    monkeypatch.setattr(carrying, "token", lambda *_: iter(()))
    assert noticed(monkeypatch)


def test_without_showing_tokens_elsewhere(monkeypatch):
    monkeypatch.setattr(carrying, "SHOWN_MAX", 0)
    assert noticed(monkeypatch)


def test_without_counting_what_was_let_go(monkeypatch):
    monkeypatch.setattr(Courier, "_spare", lambda _: -1_000_000)
    assert noticed(monkeypatch)


def test_without_deleting_what_has_ended(monkeypatch):
    monkeypatch.setattr(carrying, "tidy", lambda *_, **__: iter(()))
    assert noticed(monkeypatch)
