"""A village whose people take things back, let others read or decide, and stop it: nobody gets what is not his.

And proof that the witness would notice.
"""

from __future__ import annotations

import pytest

from paquebot.errors import PaquebotError
from paquebot.protocol import reading, revocation, standing
from paquebot.protocol.ranges import Ranges
from paquebot.testing.memory_authority import AuthorityView
from paquebot.testing.profiles import governed
from paquebot.testing.simulation import Simulation


@pytest.mark.parametrize("seed", [0, 4, 5, 6, 8, 9, 11])
def test_a_month_in_which_people_change_their_minds(seed):
    Simulation(seed, profile=governed(seed)).run()


def noticed(*seeds):
    """Return whether one of *seeds* fails."""
    for seed in seeds:
        try:
            Simulation(seed, profile=governed(seed)).run()
        except (AssertionError, PaquebotError):
            return True
    return False


def test_if_anybody_were_served(monkeypatch):
    monkeypatch.setattr(reading, "serves", lambda *_: True)
    assert noticed(3, 1, 2)


def test_if_nothing_were_hidden(monkeypatch):
    monkeypatch.setattr(revocation, "_judge", lambda *_: iter(()))
    assert noticed(1, 2)


def test_if_what_is_hidden_were_sent(monkeypatch):
    monkeypatch.setattr(AuthorityView, "hidden_lines", lambda *_: Ranges())
    assert noticed(1, 2)


def test_if_trust_changed_nothing(monkeypatch):
    monkeypatch.setattr(standing, "refresh", lambda *_: iter(()))
    assert noticed(0, 1)
