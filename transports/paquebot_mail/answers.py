"""What a server's answer means for us: whose matter it is, and when trying again can help. Pure.

250 means that the provider has the mail and nothing more. Nothing is ever given up after some number of tries.
"""

from __future__ import annotations

import re
from enum import Enum

__all__ = ["Kind", "Verb", "judge", "judge_report", "status_of", "wait_ms"]

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b", re.ASCII)
_TOO_MUCH = re.compile(
    r"rate|too (?:many|much|fast)|throttl|(?:hourly|daily|sending|submission|message|recipient)s? (?:limit|quota)"
    r"|limit exceeded|slow down",
    re.ASCII,
)
_TOO_LARGE = re.compile(r"(?:too|size|larg|exceed).{0,40}(?:large|big|size|limit|exceed)", re.ASCII)
_FULL = re.compile(r"full|quota", re.ASCII)
_GREY = re.compile(r"gr[ae]y", re.ASCII)


class Verb(Enum):
    """What was answered."""

    CONNECT = "connect"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    """Before or after the mail itself."""


class Kind(Enum):
    """Whose matter an answer is."""

    TAKEN = "taken"
    LINE = "line"
    """The connection's: the mail is as it was."""
    LOGIN = "login"
    """The account's: what it logs in with is refused."""
    RATE = "rate"
    """The account's: too much at once, or today."""
    HELD = "held"
    """The account's: it may not send, or not as this sender."""
    LATER = "later"
    """The recipient's, for a while: greylisting and other passing troubles."""
    FULL = "full"
    """The recipient's: the mailbox is full."""
    NOBODY = "nobody"
    """The recipient's: there is no such address, or it is switched off."""
    POLICY = "policy"
    """The recipient's: it does not want this mail."""
    LARGE = "large"
    """The mail's: it is too large."""
    FAULT = "fault"
    """The mail's, for no reason that we know."""


ACCOUNT = frozenset((Kind.LINE, Kind.LOGIN, Kind.RATE, Kind.HELD))
"""Kinds that keep every mail of the account waiting, not only those to one recipient."""

_WAITS = {
    Kind.LINE: tuple(min(5 * _SECOND * 2**n, 15 * _MINUTE) for n in range(9)),
    Kind.LOGIN: (15 * _MINUTE, _HOUR, 6 * _HOUR, _DAY),
    Kind.RATE: tuple(min(10 * _MINUTE * 2**n, 6 * _HOUR) for n in range(7)),
    Kind.HELD: (_HOUR, 6 * _HOUR, _DAY),
    Kind.LATER: (_MINUTE, *(min(5 * _MINUTE * 2**n, 4 * _HOUR) for n in range(7))),
    Kind.FULL: (6 * _HOUR, _DAY),
    Kind.NOBODY: (_DAY, 3 * _DAY, 7 * _DAY),
    Kind.POLICY: (_DAY,),
    Kind.FAULT: (_HOUR, 6 * _HOUR, _DAY),
}


def wait_ms(kind: Kind, times: int, spread: float = 1.0) -> int:
    """Return how long to leave alone whose matter *kind* is, after *times* in a row. *spread* is jitter around 1.

    >>> [wait_ms(Kind.LATER, times) // 60_000 for times in (1, 2, 3, 4, 5, 99)]
    [1, 5, 10, 20, 40, 240]
    >>> [wait_ms(Kind.LINE, times) // 1_000 for times in (1, 2, 3, 99)]
    [5, 10, 20, 900]
    """
    ladder = _WAITS.get(kind, (0,))
    return int(ladder[min(max(times, 1), len(ladder)) - 1] * spread)


def status_of(text: str) -> str:
    """Return the enhanced status code (RFC 3463) in *text*; empty if there is none.

    >>> status_of("mx.example 4.7.1 try again")
    '4.7.1'
    """
    found = _STATUS.search(text)
    return found[0] if found else ""


def judge(verb: Verb, code: int, text: str = "") -> Kind:
    """Return whose matter the answer *code* *text* to *verb* is.

    >>> judge(Verb.RCPT, 451, "4.7.1 Greylisted, come back in a minute")
    <Kind.LATER: 'later'>
    >>> judge(Verb.DATA, 552, "5.3.4 Message too big for system")
    <Kind.LARGE: 'large'>
    """
    said, status = text.lower(), status_of(text)
    if 200 <= code < 300:
        return Kind.TAKEN
    if verb is Verb.AUTH:
        return _login(code, said)
    if code in (530, 534, 535, 538):
        return Kind.LOGIN
    if not 400 <= code < 600:
        return Kind.LINE  # nothing that a server says here: who knows what it is talking about
    if code == 421:
        return Kind.RATE if _TOO_MUCH.search(said) else Kind.LINE
    if verb is Verb.CONNECT:
        return Kind.LINE if code < 500 else Kind.HELD
    if _is_too_large(code, status, said):
        return Kind.LARGE
    if code < 500:
        return _passing(code, status, said)
    return _lasting(verb, code, status, said)


def _login(code: int, said: str) -> Kind:
    # A server that is busy or counts says so with 4xx, and knows nothing of the secret.
    if _TOO_MUCH.search(said):
        return Kind.RATE
    return Kind.LOGIN if code >= 500 else Kind.LINE


def _is_too_large(code: int, status: str, said: str) -> bool:
    if status in ("5.3.4", "5.2.3") or code == 523:
        return True
    if code != 552 or _FULL.search(said) or status.startswith(("5.2.", "5.7.")):
        return False
    return not status or _TOO_LARGE.search(said) is not None


def _passing(code: int, status: str, said: str) -> Kind:
    if _GREY.search(said):
        return Kind.LATER
    if code == 432 or _TOO_MUCH.search(said) or status == "4.7.28":
        return Kind.RATE
    return Kind.FULL if status == "4.2.2" else Kind.LATER


def _lasting(verb: Verb, code: int, status: str, said: str) -> Kind:
    if status in ("5.5.0", "5.0.0"):
        return Kind.LATER  # misconfigured filters say it of everything
    if _TOO_MUCH.search(said):
        return Kind.RATE
    if status == "5.2.2" or (code == 552 and not status.startswith("5.7.")):
        return Kind.FULL
    if verb is Verb.MAIL:
        return Kind.HELD
    if status.startswith("5.1.") or status == "5.2.1" or (verb is Verb.RCPT and not status and code in (550, 551, 553)):
        return Kind.NOBODY
    if status.startswith("5.7.") or code == 554:
        return Kind.POLICY
    return Kind.FAULT


def judge_report(action: str, status: str, said: str = "") -> Kind:
    """Return whose matter it is that a report of non-delivery says *action* and *status* (RFC 3464).

    >>> judge_report("failed", "5.1.1")
    <Kind.NOBODY: 'nobody'>
    >>> judge_report("delayed", "4.4.1")
    <Kind.TAKEN: 'taken'>
    """
    if action != "failed":
        return Kind.TAKEN
    kind = judge(Verb.RCPT, 550 if not status.startswith("4") else 450, f"{status} {said}")
    if status in ("4.2.2", "5.2.2"):
        return Kind.FULL
    # What others report is no word of our own server: nothing in it concerns the account.
    return Kind.LATER if kind in ACCOUNT else kind
