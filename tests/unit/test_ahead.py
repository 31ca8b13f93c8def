"""Work that is done ahead is the same work: in order, once, and what is wrong with it is said at its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from paquebot.ahead import MOST, Ahead
from paquebot.errors import Misused


class Bench:
    """Notes what was begun, and when it was done."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.broken: set[int] = set()

    def begin(self, number: int) -> Callable[[], int]:
        if number in self.broken:
            raise Misused(f"{number} cannot be begun")
        self.begun.append(number)
        return partial(self.work, number)

    def work(self, number: int) -> int:
        if number < 0:
            raise Misused(f"{number} cannot be done")
        return number * number


def run(bench: Bench, numbers: list[int], taken: list[int]) -> list[object]:
    async def work() -> list[object]:
        found: list[object] = []
        with Ahead[int]() as ahead:
            for number in numbers:
                ahead.add(number, partial(bench.begin, number))
            for number in taken:
                try:
                    found.append(await ahead.take(number, partial(bench.begin, number)))
                except Misused as error:
                    found.append(str(error))
                found.append([*bench.begun])
        return found

    return asyncio.run(work())


def test_what_comes_next_is_begun_while_one_is_taken_and_no_more():
    bench = Bench()
    found = run(bench, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert found[0::2] == [1, 4, 9, 16, 25]
    assert [len(begun) for begun in found[1::2]] == [1 + MOST, 2 + MOST, 3 + MOST, 5, 5]  # type: ignore[arg-type]
    assert bench.begun == [1, 2, 3, 4, 5]


def test_what_is_wrong_is_said_at_its_turn():
    bench = Bench()
    bench.broken = {2}
    assert run(bench, [1, 2, -3, 4], [1, 2, -3, 4])[0::2] == [1, "2 cannot be begun", "-3 cannot be done", 16]


def test_what_nobody_wants_is_passed_over_and_what_is_wanted_again_is_done_again():
    bench = Bench()
    assert run(bench, [1, 2, 3, 4, 5, 6], [1, 4, 4, 6, 2])[0::2] == [1, 16, 16, 36, 4]


@pytest.mark.parametrize("taken", [[], [1]])
def test_what_is_never_taken_keeps_nobody(taken: list[int]):
    assert run(Bench(), [1, 2, 3], taken)[0::2] == taken


def test_what_was_left_is_forgotten_with_the_end():
    bench = Bench()

    async def work() -> int:
        ahead = Ahead[int]()
        with ahead:
            ahead.add("name", partial(bench.begin, 2))
            ahead.hasten()
        with ahead:
            assert not ahead.knows("name")
            return await ahead.take("name", partial(bench.begin, 3))

    assert asyncio.run(work()) == 9
