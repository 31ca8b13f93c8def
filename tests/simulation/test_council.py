"""A village whose people take things back, let others read or decide, and stop it: nobody gets what is not his.

That it would notice what goes wrong is shown by `make mutants`, and in part by tests/labs/test_mutants.py.
"""

from __future__ import annotations

import pytest

from paquebot.testing.profiles import governed
from paquebot.testing.simulation import Simulation

BUGS = {56: "what a deputy had said in another's name, dated ahead, was said anew in the deputy's own"}
"""Seeds that failed once, and why."""


@pytest.mark.parametrize("seed", [0, 4, 5, 6, 8, 9, 11, *BUGS])
def test_a_month_in_which_people_change_their_minds(seed):
    Simulation(seed, profile=governed(seed)).run()
