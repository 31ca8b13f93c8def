"""Sets of whole numbers as runs: they behave as sets do, and have one form on the wire."""

from __future__ import annotations

import pytest

from paquebot.errors import Malformed
from paquebot.protocol.ranges import Ranges


def test_runs_in_any_order_are_merged_where_they_touch():
    assert Ranges.of((7, 9), (1, 2), (3, 3), (9, 12), (20, 19)).runs == ((1, 3), (7, 12))
    assert Ranges.numbers([5, 1, 2, 2, 3]).runs == ((1, 3), (5, 5))


def test_sets_are_joined_cut_and_met():
    one, other = Ranges.of((1, 10), (20, 30)), Ranges.of((5, 22), (40, 40))
    assert one | other == Ranges.of((1, 30), (40, 40))
    assert one - other == Ranges.of((1, 4), (23, 30))
    assert other - one == Ranges.of((11, 19), (40, 40))
    assert one & other == Ranges.of((5, 10), (20, 22))
    assert one - one == one & Ranges() == Ranges() - one == Ranges()
    assert one | Ranges() == Ranges() | one == one


def test_what_a_set_says_of_itself():
    found = Ranges.of((1, 4), (6, 9))
    assert (list(found), len(found), found.last, found.prefix) == ([1, 2, 3, 4, 6, 7, 8, 9], 8, 9, 4)
    assert [number in found for number in (0, 1, 4, 5, 6, 9, 10)] == [False, True, True, False, True, True, False]
    assert (bool(Ranges()), len(Ranges()), Ranges().last, Ranges().prefix) == (False, 0, 0, 0)
    assert (Ranges.of((2, 9)).prefix, Ranges.of((0, 9)).prefix, Ranges.of((0, 0)).prefix) == (0, 9, 0)


def test_the_wire_form_goes_there_and_back():
    assert Ranges.of((1, 4), (6, 6)).flat() == [1, 4, 6, 6]
    assert Ranges.parse([1, 4, 6, 6]) == Ranges.of((1, 4), (6, 6))
    assert Ranges.parse([]) == Ranges()
    assert Ranges.parse([0, 0]) == Ranges.of((0, 0))


def test_a_set_of_very_many_runs_that_we_kept_ourselves_can_be_read_again():
    many = Ranges.numbers(range(1, 10_000, 2))
    assert Ranges.parse(many.flat()) == many


@pytest.mark.parametrize(
    "flat",
    [[1], [1, 2, 3], [2, 1], [1, 2, 3, 4], [1, 2, 2, 4], [5, 6, 1, 2], [1, 5, 3, 4], [-1, 1], [1, b""], {}, b"", 1],
)
def test_any_other_wire_form_is_refused(flat):
    with pytest.raises(Malformed):
        Ranges.parse(flat)
