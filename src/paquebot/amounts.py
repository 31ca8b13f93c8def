"""Durations, sizes and counts as people write them."""

from __future__ import annotations

import re

from paquebot.errors import Misused

_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000, "y": 365 * 86_400_000}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
AMOUNT_MAX = 1 << 53


def duration(text: str) -> int:
    """Return a duration in ms. Raise `Misused`.

    >>> duration("90d") // 86_400_000, duration("1.5 h") // 60_000
    (90, 90)
    """
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,3})?)\s*([smhdwy])\s*", text, re.ASCII | re.IGNORECASE)
    if not found:
        raise Misused(f"{text[:40]!r} is not a duration such as 90d, 12h, 30m, 2w or 1y")
    return min(int(float(found[1]) * _MS[found[2].lower()]), AMOUNT_MAX)


def size(text: str) -> int:
    """Return a size in bytes; k, M, G and T are powers of 1024. Raise `Misused`.

    >>> size("10 GiB") == 10 << 30, size("1.5M") == 3 << 19, size("7 B")
    (True, True, 7)
    """
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,3})?)\s*([kmgt]?)(?:i?b)?\s*", text, re.ASCII | re.IGNORECASE)
    if not found:
        raise Misused(f"{text[:40]!r} is not a size such as 500 MiB or 10G")
    return min(int(float(found[1]) * _BYTES[found[2].lower()]), AMOUNT_MAX)


def age(ms: int) -> str:
    """Return how long something has lasted, briefly.

    >>> age(3 * 86_400_000 + 5), age(90 * 60_000), age(2 * 86_400_000 - 1)
    ('3d', '90m', '47h')
    """
    for unit in "dh":
        if ms >= 2 * _MS[unit]:
            return f"{ms // _MS[unit]}{unit}"
    return f"{ms // _MS['m']}m"


def count(number: int, noun: str) -> str:
    """Return a number of things.

    >>> count(1, "envelope"), count(2, "envelope")
    ('1 envelope', '2 envelopes')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
