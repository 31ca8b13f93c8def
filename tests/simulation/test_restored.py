"""Homes put back from backups of any age, in bad weather.

That the village would notice what goes wrong is shown by `make mutants`, and in part by tests/labs/test_mutants.py.
"""

import pytest

from paquebot.testing.restored import RestoredVillage

GROUP = 4
SEEDS = 12

BUGS = {
    7: "what an ended peer had known of us was waited for, for ever",
    23: "whoever held a thing was chosen to be asked for it, though its line was never told, and nobody was asked",
    42: "who was restored to before it had heard anything did not say so, and was taken to know everything",
    64: "an ended peer's late word was waited on",
    413: "two homes without a clock wrote letters that the post threw away as old",
    20043: "who asked for lines that a lie had named was answered by nobody, and asked for ever",
    10718: "a home's own lines, which it had forgotten, waited for others that it could make nothing of without them",
    2053: "what the old node of a home had dated ahead was not said anew by the new one",
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
