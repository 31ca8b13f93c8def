"""Homes put back from backups of any age, in bad weather; and proof that the village would notice what goes wrong."""

import pytest

from paquebot.errors import PaquebotError
from paquebot.protocol import recovery
from paquebot.testing.restored import RestoredHouse, RestoredVillage

GROUP = 4
SEEDS = 12

BUGS = {
    7: "what an ended peer had known of us was waited for, for ever",
    23: "whoever held a thing was chosen to be asked for it, though its line was never told, and nobody was asked",
    42: "who was restored to before it had heard anything did not say so, and was taken to know everything",
    64: "an ended peer's late word was waited on",
}
"""Seeds that failed once, and why."""


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_whoever_was_put_back_everything_that_was_told_is_everywhere(first):
    for seed in range(first, first + GROUP):
        RestoredVillage(seed).run()


@pytest.mark.parametrize("seed", BUGS)
def test_what_failed_once_does_not_fail_again(seed):
    RestoredVillage(seed).run()


def test_a_seed_replays_exactly():
    assert RestoredVillage(26).run() == RestoredVillage(26).run()


def noticed(seeds=range(60)):
    for seed in seeds:
        try:
            RestoredVillage(seed).run()
        except (AssertionError, PaquebotError):
            return True
    return False


def test_without_going_on_as_another(monkeypatch):
    monkeypatch.setattr(RestoredHouse, "after_draining", lambda _: None)
    assert noticed()


def test_without_asking_for_what_was_forgotten(monkeypatch):
    monkeypatch.setattr(recovery, "due", lambda *_: False)
    assert noticed()
