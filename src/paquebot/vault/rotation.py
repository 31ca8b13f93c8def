"""When a node's envelope keys are issued, which of them are announced, and when their secrets are destroyed.

    fast       a new one every 5 days, while a link is quick enough to use it; lives 10 days, destroyed 4 days later
    dated      a window of 30 days each, announced up to two years ahead; each destroyed 30 days after its window
    recovery   as long as the identity; never destroyed

A secret is saved before its key is announced, and a key is destroyed only after others were. So a node that is cut off
anywhere has the secret of every key that anybody may know; all that can be lost is a secret that nobody knows of.
Nothing here reads a clock: the caller says how late it is, and how certain that is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from paquebot.protocol.keys import Announcement, EncryptionKey, KeyClass
from paquebot.protocol.stamp import Millis
from paquebot.vault.keystore import (
    DATED_COUNT,
    DATED_WINDOW_MS,
    FAST_EVERY_MS,
    FAST_LIFE_MS,
    GRACE_MS,
    Entropy,
    Secrets,
    Subkey,
    issue,
    whole_seconds,
)

__all__ = ["FAST_LATENCY_MAX_MS", "announce", "destroy", "destruction", "issued"]

FAST_LATENCY_MAX_MS = FAST_LIFE_MS - FAST_EVERY_MS
"""On a slower link no key lives long enough that was announced when it was new."""
_DATED_MIN = DATED_COUNT // 2  # windows ahead; fewer, and new ones are issued up to `DATED_COUNT`
_HORIZON_MS = (DATED_COUNT + 1) * DATED_WINDOW_MS  # windows beyond it were issued by a wrong clock


def issued(
    secrets: Secrets, announced: Announcement, at: Millis, entropy: Entropy, *, quick: bool
) -> tuple[Secrets, tuple[EncryptionKey, ...]]:
    """Return *secrets* with the keys that are due at the moment *at*, and those keys; mostly none.

    *announced* is what peers were told so far. *quick* says whether there is a link for which fast keys live long
    enough. What was issued and never announced is issued anew: nobody knows of it.
    """
    held, created = _held(secrets, announced, at), whole_seconds(at)
    fresh: list[Subkey] = []
    ahead = [key.expires for key in held if key.kind is KeyClass.DATED and key.expires <= at + _HORIZON_MS]
    if len(ahead) < _DATED_MIN:
        start = max([*ahead, created])
        fresh += (
            issue(KeyClass.DATED, created, Millis(start + number * DATED_WINDOW_MS), entropy)
            for number in range(1, DATED_COUNT - len(ahead) + 1)
        )
    newest = max((key.created for key in held if key.kind is KeyClass.FAST), default=None)
    if quick and (newest is None or at >= newest + FAST_EVERY_MS):
        fresh.append(issue(KeyClass.FAST, created, Millis(created + FAST_LIFE_MS), entropy))
    return replace(secrets, subkeys=(*secrets.subkeys, *fresh)), tuple(each.key for each in fresh)


def announce(
    secrets: Secrets, announced: Announcement, fresh: Iterable[EncryptionKey], at: Millis
) -> Announcement | None:
    """Return what peers have to be told at the moment *at*, after *fresh* keys were issued; None if they know it.

    They are told again, too, if they know of a key whose secret is not here: this home was restored from a copy.
    """
    held, fresh = _held(secrets, announced, at), tuple(fresh)
    lost = {key for key in announced.keys if key.expires > at}.difference(held)
    if not fresh and not lost:
        return None
    return replace(announced, keys=tuple(sorted((*held, *fresh))))


def destroy(secrets: Secrets, certain: Millis) -> Secrets:
    """Return *secrets* without those whose time is over, now that *certain* has passed: not by one clock alone.

    Save the result to make the destruction last.
    """
    return replace(secrets, subkeys=tuple(each for each in secrets.subkeys if each.in_grace(certain)))


def destruction(secrets: Secrets) -> Millis | None:
    """Return when the next secret is to be destroyed; None if all that are left last."""
    mortal = (each.key for each in secrets.subkeys if each.key.kind in GRACE_MS)
    return min((Millis(key.expires + GRACE_MS[key.kind]) for key in mortal), default=None)


def _held(secrets: Secrets, announced: Announcement, at: Millis) -> list[EncryptionKey]:
    """Those of the announced keys that can still be sealed to, and whose secrets are here."""
    here = {each.key for each in secrets.subkeys}
    return [key for key in announced.keys if key in here and key.expires > at]
