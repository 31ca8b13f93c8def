"""Moments, stamps that order events without trusting anybody's clock, and what to do without a clock at all.

A stamp is a hybrid logical clock reading (Kulkarni et al., "Logical Physical Clocks", 2014): 48 bits of Unix
milliseconds and a 16-bit counter, written so that text order is time order.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import NewType

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol.limits import AHEAD_MAX_MS, ELAPSED_MAX_MS, LATEST_MS, LEAP_MS, RELEASED_MS

Millis = NewType("Millis", int)
"""A moment: Unix milliseconds, UTC."""

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MILLIS_MAX = 253_402_300_799_999  # the end of the year 9999


def format_time(at: Millis) -> str:
    """Return *at* in SDMP's form: UTC with milliseconds.

    >>> format_time(Millis(1437925717703))
    '2015-07-26T15:48:37.703Z'
    """
    days, rest = divmod(at, 86_400_000)
    year, month, day = _civil(days)
    seconds, millis = divmod(rest, 1000)
    return f"{year:04}-{month:02}-{day:02}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{millis:03}Z"


def parse_time(text: str) -> Millis:
    """Return the moment that *text* names. Raise `Malformed` unless it has exactly SDMP's form.

    >>> parse_time("2015-07-26T15:48:37.703Z")
    1437925717703
    """
    found = _TIME.fullmatch(text)
    if not found:
        raise Malformed("a time is not of the form 2026-11-20T12:00:00.000Z")
    year, month, day, hour, minute, second, milli = map(int, found.groups())
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] and hour < 24 and minute < 60 and second < 60):
        raise Malformed("a time names no moment")
    if _civil(_days(year, month, day)) != (year, month, day):
        raise Malformed("a time names no moment")
    return Millis(((_days(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + milli)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a proleptic Gregorian date."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _civil(days: int) -> tuple[int, int, int]:
    """The inverse of `_days`."""
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


@frozen(order=True)
class Stamp:
    """A point in the order of events. Ties between nodes are broken by resource id, the same way everywhere."""

    at: Millis
    count: int = 0

    def __str__(self) -> str:
        return f"{format_time(self.at)}/{self.count:04x}"

    @classmethod
    def parse(cls, text: str) -> Stamp:
        """Return the stamp that *text* writes. Raise `Malformed`.

        >>> str(Stamp.parse("2026-11-20T12:00:00.000Z/00ff"))
        '2026-11-20T12:00:00.000Z/00ff'
        """
        if len(text) != 29 or text[24] != "/" or not re.fullmatch("[0-9a-f]{4}", text[25:]):
            raise Malformed("a stamp is not of the form 2026-11-20T12:00:00.000Z/0000")
        return cls(parse_time(text[:24]), int(text[25:], 16))

    def after(self, now: Millis) -> Stamp:
        """Return the next stamp a node gives at *now* when this is the latest it has given or accepted.

        >>> str(Stamp(Millis(0)).after(Millis(0)))
        '1970-01-01T00:00:00.000Z/0001'
        """
        if now > self.at:
            return Stamp(now)
        if self.count < 0xFFFF:
            return Stamp(self.at, self.count + 1)
        return Stamp(Millis(self.at + 1))

    def credible(self, now: Millis) -> Stamp:
        """Return the stamp to go on from at *now*: the first of all, if a clock gave this that was set right since.

        >>> Stamp(Millis(AHEAD_MAX_MS + 1)).credible(Millis(0))
        Stamp(at=0, count=0)
        """
        return self if self.at <= now + AHEAD_MAX_MS else Stamp(Millis(0))


@frozen
class Clock:
    """What this node knows of the time besides what its wall clock says.

    *floor* is the latest moment that has certainly passed: our own last stamp, a pinned peer's signed one, or what a
    person vouched for. *wall* is what our wall clock showed then; None if nobody looked. *known* is the latest moment
    that is written in what is kept here: our last stamp, or when the node was made; it is derived, never stored.
    """

    floor: Millis = Millis(RELEASED_MS)
    wall: Millis | None = None
    known: Millis = field(default=Millis(0), compare=False)

    def now(self, wall: Millis) -> Millis:
        """Return the best guess at the time when the wall clock shows *wall*.

        >>> Clock(Millis(1000), Millis(5)).now(Millis(7))
        1002
        >>> Clock(known=Millis(RELEASED_MS + 1)).now(LATEST_MS) - RELEASED_MS
        1
        """
        if not self.doubtful(wall):
            return wall
        return max(Millis(self.floor + (self._elapsed(wall) or 0)), self.known)

    def _elapsed(self, wall: Millis) -> int | None:
        """How long ago *floor* was, by a clock that is wrong but runs; None if it was set or began again."""
        since = -1 if self.wall is None else wall - self.wall
        return since if 0 <= since <= ELAPSED_MAX_MS else None

    def doubtful(self, wall: Millis) -> bool:
        """Return whether *wall* contradicts what has certainly passed, or leaps years beyond all that is known."""
        return wall < self.floor or self.leaps(wall)

    def leaps(self, wall: Millis) -> bool:
        """Return whether *wall* is years beyond all that is known: then the clock is wrong, or a person vouches for it.

        Else what is dated by it would wait for years with every peer, and what is valid would have expired.
        """
        return wall > max(self.floor, self.known) + LEAP_MS

    def vouched(self, wall: Millis) -> Clock:
        """Return the clock after a person said that the wall clock is right, whatever spoke against it.

        It may still be put back by as much as clocks that are right differ.
        """
        return Clock(max(Millis(wall - AHEAD_MAX_MS), Millis(RELEASED_MS)))

    def learn(self, seen: Millis, wall: Millis) -> Clock:
        """Return the clock after a pinned peer's signed moment *seen*.

        A sound clock learns nothing: one peer with a wrong clock must not spread it. A doubtful one has nothing
        better to go by.
        """
        return Clock(seen, wall) if self.doubtful(wall) and self.now(wall) <= seen <= LATEST_MS else self

    def noted(self, wall: Millis, stamped: Millis) -> Clock:
        """Return the clock after *wall* was looked at, when our last stamp was *stamped*.

        From then on a doubtful clock's hours count, until it is set or begins again.
        """
        if not self.doubtful(wall):
            return self
        now = self.now(wall)
        return Clock(max(stamped, now), wall) if stamped > now or self._elapsed(wall) is None else self
