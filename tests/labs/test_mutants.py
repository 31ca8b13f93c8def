"""The sabotages of `make mutants` still fit the code, and one that changes nothing is not taken for caught."""

from __future__ import annotations

import pytest
from tests.labs.mutants.__main__ import judged, report, sabotaged, seeds_for
from tests.labs.mutants.sabotages import SABOTAGES, Sabotage


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda each: each.name)
def test_a_sabotage_has_its_place(sabotage):
    changed, diff = sabotaged(sabotage)

    compile(changed, sabotage.file.name, "exec")
    assert diff


@pytest.mark.parametrize("sabotage", [each for each in SABOTAGES if not each.slow], ids=lambda each: each.name)
def test_a_mutant_is_caught_by_the_seed_that_is_known_to_or_one_of_a_few(sabotage):
    """The others take minutes: `make mutants`. That the unchanged code passes these seeds, tests/simulation shows."""
    mutant = judged(sabotage, seeds_for(sabotage)[:12])

    assert mutant.seed is not None, mutant.why


def test_there_are_enough_of_them():
    assert len(SABOTAGES) >= 20


def test_a_mutant_that_is_unchanged_fails_the_run(tmp_path):
    mutant = judged(
        Sabotage("nothing is changed", SABOTAGES[0].file, SABOTAGES[0].before, SABOTAGES[0].before), seeds=[0]
    )

    assert mutant.seed is None
    assert report([mutant], tmp_path / "mutants.json") == 1


def test_a_place_that_is_gone_fails_the_run(tmp_path):
    mutant = judged(Sabotage("not here", SABOTAGES[0].file, "no such line", ""), seeds=[0])

    assert "stands 0 times" in mutant.why
    assert report([mutant], tmp_path / "mutants.json") == 1
