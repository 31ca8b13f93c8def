"""How long to wait for a peer that does not answer, and when to stop writing to it on one medium."""

from __future__ import annotations

from paquebot.protocol.limits import BACKOFF_FIRST_MS, BACKOFF_LAST_MS
from paquebot.protocol.stamp import Millis


def backoff(failures: int) -> int:
    """Return how long to leave a peer alone, in ms, after *failures* unanswered letters in a row.

    >>> [backoff(n) // 60_000 for n in (1, 2, 3, 99)]
    [1, 2, 4, 1440]
    """
    # Cap the exponent, not the product: 2 ** 10_000 is a number too.
    return min(BACKOFF_FIRST_MS << min(failures - 1, 20), BACKOFF_LAST_MS)


def due(moment: Millis, now: Millis, longest: int) -> bool:
    """Return whether *moment* has come, or lies further ahead than anything is put off: then a wrong clock chose it.

    >>> [due(Millis(moment), Millis(100), 50) for moment in (99, 100, 101, 150, 151)]
    [True, True, False, False, True]
    """
    return not now < moment <= now + longest
