"""This machine's clock beside a mail server's, for whoever wonders why things are refused or wait."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from paquebot.transport import OK, WARNING, Check

__all__ = ["compared", "told"]

CLOCK_S = 300
_DATE = re.compile(r"\b[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:[+-]\d{4}|GMT|UTC?)", re.ASCII)


def compared(at: float, before: float, after: float) -> Check:
    """Compare the moment *at* of a server's clock with this machine's, *before* and *after* it; Unix seconds.

    >>> compared(837571465.0, 837570955.0, 837570965.0)
    Check(what='clock', state='warning', detail="this machine's is 500 seconds behind the server's")
    >>> compared(836707465.0, 836707460.0, 836707470.0).state
    'ok'
    """
    behind, ahead = round(at - after), round(before - at)
    if max(behind, ahead) < CLOCK_S:
        return Check("clock", OK, "it agrees with the server's")
    said = f"{behind} seconds behind" if behind > ahead else f"{ahead} seconds ahead of"
    return Check("clock", WARNING, f"this machine's is {said} the server's")


def told(greeting: str) -> float | None:
    """Return the moment that a server's *greeting* tells, in Unix seconds; None if it tells none. Many do not.

    >>> told("mx.example ESMTP Exim 4.96 Wed, 17 Jul 1996 02:44:25 +0000"), told("mx.example ESMTP Postfix")
    (837571465.0, None)
    """
    found = _DATE.search(greeting)
    try:
        return parsedate_to_datetime(found[0]).timestamp() if found else None
    except ValueError:
        return None
