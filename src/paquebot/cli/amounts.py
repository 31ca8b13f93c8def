"""Amounts on the command line: 90d, 12h, 64M."""

from __future__ import annotations

import re
from typing import Any

import click

from paquebot.protocol.limits import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS, "y": 365 * DAY_MS}
_DURATION = re.compile(r"(\d{1,6})([smhdwy])", re.ASCII)


def duration(text: str) -> int | None:
    """Return how many milliseconds *text* says, None if it says none.

    >>> duration("90d") == 90 * DAY_MS, duration("36h") == 36 * HOUR_MS, duration("2"), duration("-1d")
    (True, True, None, None)
    """
    match = _DURATION.fullmatch(text.strip())
    return int(match[1]) * _UNITS[match[2]] if match else None


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic only in newer versions
    """A duration, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the milliseconds, or fail with an example."""
        found = value if isinstance(value, int) else duration(str(value))
        if found is None:
            self.fail(f"{value!r} is not a duration such as 90d, 12h, 30m or 4w", param, ctx)
        return found


DURATION = Duration()
