"""Whatever was found to reach new ground is tried again, and some mutants of it."""

from __future__ import annotations

import random

import pytest
from tests.fuzz.mutating import mutated
from tests.fuzz.targets import CORPUS, TARGETS, seeds

MUTANTS = 100


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str):
    known, dice = list(seeds(name)), random.Random(name)
    for data in known:
        TARGETS[name](data)
    for _ in range(MUTANTS):
        TARGETS[name](mutated(known, dice))


def test_the_corpus_belongs_to_targets():
    assert {path.name for path in CORPUS.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_something_that_it_takes_and_something_that_it_refuses(name: str):
    """Else the search would never get past the first check."""
    assert len(set(seeds(name))) > 1
