"""How many bytes of mails come over one line: never more than was asked for, nor than may come today.

What is asked for counts before it comes: a power cut costs some of the day's ration, and the ration is never exceeded.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Meter"]

_AROUND = 1_000  # of an answer, besides what was asked for; what other programs do may be told in between
_LIBERTY = 1 << 20  # where nobody counts


class Meter:
    """Lets *left* bytes come, or any number; *day* is the ration of a day. *note* hears of how many more, or less."""

    def __init__(self, left: int | None = None, *, day: int = 0, note: Callable[[int], None] = lambda _: None) -> None:
        self.day = day
        self._left, self._note = left, note
        self._slack = _LIBERTY if left is None else 0
        self._came = self._asked = self._noted = self._open = self._most = 0

    @property
    def left(self) -> int | None:
        """How many bytes more may be asked for; None for any."""
        return None if self._left is None else max(0, self._left - self._came - self._asked - _AROUND)

    @property
    def spare(self) -> int | None:
        """How many of them may be asked for what is not surely for us: half of a day's ration is kept from that."""
        left = self.left
        return None if left is None else max(0, left - self.day // 2)

    def ask(self, most: int) -> None:
        """Note that at most so many bytes are asked for now."""
        self._most = most + _AROUND + (self._most if self._open else self._came)
        self._asked += most + _AROUND
        self._open += 1
        if self._left is not None:
            self._tell(max(self._noted, self._came + self._asked))

    def answered(self, most: int) -> None:
        """Note that all of that has come."""
        self._asked -= most + _AROUND
        self._open -= 1
        self._most = min(self._most, self._came + self._asked)

    def came(self, count: int) -> bool:
        """Note that *count* bytes came; return whether they are no more than was asked for."""
        if not self._open:
            return True
        self._came += count
        return self._came <= self._most + self._slack

    def settle(self) -> None:
        """Note what came, and what may still."""
        self._tell(self._came + self._asked)

    def close(self) -> None:
        """Note what came: nothing more can."""
        self._tell(self._came)

    def _tell(self, count: int) -> None:
        change, self._noted = count - self._noted, count
        if change:
            self._note(change)
