"""Sets of whole numbers that are mostly runs: which lines were acknowledged, which chunks are still wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from paquebot.errors import Malformed
from paquebot.frozen import frozen


@frozen
class Ranges:
    """A set of non-negative integers, kept as sorted, disjoint, non-adjacent inclusive runs.

    >>> Ranges.of((1, 3), (5, 5)) | Ranges.of((4, 4))
    Ranges(runs=((1, 5),))
    >>> Ranges.of((1, 9)) - Ranges.of((3, 4))
    Ranges(runs=((1, 2), (5, 9)))
    """

    runs: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, *runs: tuple[int, int]) -> Ranges:
        """Return the set of all numbers in *runs*, given in any order; runs that end before they begin are empty."""
        if len(runs) == 1:
            return cls(runs if runs[0][0] <= runs[0][1] else ())
        merged: list[tuple[int, int]] = []
        for first, last in sorted(run for run in runs if run[0] <= run[1]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def numbers(cls, numbers: Iterable[int]) -> Ranges:
        """Return the set of *numbers*."""
        return cls.of(*((n, n) for n in numbers))

    def __or__(self, other: Ranges) -> Ranges:
        if not other.runs:
            return self
        return Ranges.of(*self.runs, *other.runs) if self.runs else other

    def __sub__(self, other: Ranges) -> Ranges:
        if not self.runs or not other.runs:
            return self
        left: list[tuple[int, int]] = []
        cuts = iter(other.runs)
        cut = next(cuts, None)
        for first, last in self.runs:
            at = first
            while cut is not None and cut[1] < at:
                cut = next(cuts, None)
            while cut is not None and cut[0] <= last:
                if at < cut[0]:
                    left.append((at, cut[0] - 1))
                at = cut[1] + 1
                if cut[1] > last:
                    break
                cut = next(cuts, None)
            if at <= last:
                left.append((at, last))
        return Ranges(tuple(left))

    def __and__(self, other: Ranges) -> Ranges:
        return self - (self - other)

    def __contains__(self, number: int) -> bool:
        for first, last in self.runs:
            if number <= last:
                return first <= number
        return False

    def __iter__(self) -> Iterator[int]:
        for first, last in self.runs:
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.runs)

    def __bool__(self) -> bool:
        return bool(self.runs)

    @property
    def prefix(self) -> int:
        """The largest n such that all of 1 … n are in the set; 0 if 1 is not.

        >>> Ranges.of((1, 4), (6, 9)).prefix
        4
        """
        return next((last for first, last in self.runs if first <= 1), 0)

    @property
    def last(self) -> int:
        """The largest member; 0 if there is none."""
        return self.runs[-1][1] if self.runs else 0

    def flat(self) -> list[int]:
        """Return the wire form: the first and last number of each run in turn."""
        return [number for run in self.runs for number in run]

    @classmethod
    def parse(cls, flat: object) -> Ranges:
        """Return the set whose wire form is *flat*. Raise `Malformed` for anything that `flat` does not write."""
        if not isinstance(flat, list) or not set(map(type, flat)) <= {int}:
            raise Malformed("a list of runs is no list of numbers")
        if len(flat) % 2:
            raise Malformed("a list of runs has an odd length")
        before = -2
        for first, last in zip(flat[::2], flat[1::2], strict=True):
            if not before + 1 < first <= last:
                raise Malformed("runs are not in order")
            before = last
        return cls(tuple(zip(flat[::2], flat[1::2], strict=True)))
