"""A village whose people take things back, let others read or decide, and stop it: nobody gets what is not his.

That it would notice what goes wrong is shown by `make mutants`, and in part by tests/labs/test_mutants.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from paquebot.testing.profiles import governed
from paquebot.testing.simulation import Simulation

BUGS = {
    56: "what a deputy had said in another's name, dated ahead, was said anew in the deputy's own",
    214: "a refusal from before the right came back was believed, and kept a peer from asking for thirty days",
}
"""Seeds that failed once, while all disks kept everything, and why."""


@pytest.mark.parametrize("seed", [0, 4, 5, 6, 8, 9, 11])
def test_a_month_in_which_people_change_their_minds(seed):
    Simulation(seed, profile=governed(seed)).run()


@pytest.mark.parametrize("seed", BUGS)
def test_a_month_in_which_something_was_lost_once(seed):
    Simulation(seed, profile=replace(governed(seed), disk="keeps")).run()


def test_a_deputy_whose_clock_is_a_year_ahead_takes_something_back_and_disks_forget():
    """Seed 56: what is said in another's name nobody says anew, and nobody misses it before its time."""
    Simulation(56, profile=replace(governed(56), disk="forgets")).run()


def test_a_short_month_of_hardly_anything_but_decisions():
    """Seed 18: what a slow post still held when all had everything, and the answers to it, is no idle talk."""
    Simulation(18, profile=replace(governed(18), council=0.5, disk="keeps"), brief=True).run()
