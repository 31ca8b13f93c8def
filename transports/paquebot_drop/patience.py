"""Patience: how long a thing on a medium has been as it is, reckoned so that no clock alone can make it long.

A letter may look expired because its writer's clock was years behind, or because ours has jumped; a crate may look
torn because it is still being synced. So nothing is deleted for its age, and nothing that is synced is called damaged,
before we have met it so on several visits. The time between two visits counts for a week at most, however far the
clock went meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GRACE_HOURS = 28 * 24
"""For how long what has expired is left: as long as a stick may lie in a drawer before its silence means anything."""
SETTLE_HOURS = 24
"""For how long a file in a synced folder may be incomplete before that is damage."""
STEP_HOURS = 7 * 24
MARKS_MAX = 4096  # 90 kB of our memory for each medium; what is beyond that waits for its turn


@dataclass(frozen=True, slots=True)
class Waited:
    """When something was last seen as it is, in hours since 1970, and for how many hours that counts so far."""

    seen: int
    hours: int = 0


class Patience:
    """What one visit, at *hour*, asks about how long things have been as they are. *before* is what the last knew.

    >>> day = Patience({b"m": Waited(1000)}, 1024)
    >>> day.is_over(b"m", 24), day.is_over(b"m", 25), day.is_over(b"new", 1)
    (True, False, False)
    >>> day.kept()
    {b'm': Waited(seen=1024, hours=24), b'new': Waited(seen=1024, hours=0)}
    >>> jumped = Patience(day.kept(), 1_000_000)
    >>> jumped.is_over(b"m", 24 + 168), jumped.is_over(b"m", 24 + 169)
    (True, False)
    """

    def __init__(self, before: Mapping[bytes, Waited], hour: int) -> None:
        self._before, self._hour = before, hour
        self._asked: dict[bytes, Waited] = {}

    def is_over(self, mark: bytes, hours: int) -> bool:
        """Return whether what *mark* stands for has been so for *hours*. To ask is to see that it is so now."""
        before = self._before.get(mark)
        now = Waited(self._hour)
        if before is not None:
            step = min(max(self._hour - before.seen, 0), STEP_HOURS)
            now = Waited(self._hour, min(before.hours + step, GRACE_HOURS))
        self._asked[mark] = now
        return before is not None and now.hours >= hours

    def kept(self) -> dict[bytes, Waited]:
        """Return what the next visit needs to know: of what was asked now; of what is older, first."""
        order = sorted(self._asked, key=lambda mark: (-self._asked[mark].hours, mark))
        return {mark: self._asked[mark] for mark in order[:MARKS_MAX]}
