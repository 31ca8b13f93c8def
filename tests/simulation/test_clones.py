"""One home on two machines, both running: both become known, nothing is lost; and proof that it would be noticed."""

import pytest

from paquebot.testing.clones import ClonedVillage
from paquebot.testing.restored import RestoredHouse


@pytest.mark.parametrize("seed", [0, 4, 6])
def test_a_home_that_was_copied_ends_as_two_nodes_and_everything_is_everywhere(seed):
    village = ClonedVillage(seed)
    village.run()
    assert len({house.node for house in village.twins}) == 2


def test_without_going_on_as_another(monkeypatch):
    monkeypatch.setattr(RestoredHouse, "after_draining", lambda _: None)
    monkeypatch.setattr(ClonedVillage, "clear_days_max", 3)
    with pytest.raises(AssertionError):
        ClonedVillage(0).run()
