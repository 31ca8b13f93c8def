"""How long to wait for a peer that does not answer, and when to stop writing to it on one medium.

SDMP: try "until the receiving node has been reached or the broadcasting node gives up". Giving up concerns one medium
and is visible; a probe goes on being sent now and then, and anything that comes from the peer takes it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

from paquebot.protocol.effects import Effects, Note, SavePeer, SaveTold
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.events import Kind
from paquebot.protocol.limits import (
    BACKOFF_FIRST_MS,
    BACKOFF_LAST_MS,
    GIVE_UP_FACTOR,
    GIVE_UP_MS,
    IN_FLIGHT_MAX,
    PROBE_MS,
)
from paquebot.protocol.link import Link
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter, Peer, Told, View


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


def silence(view: View, peer: Fingerprint, link: Link) -> int:
    """Return how long *peer* may say nothing on *link* before it is asked for news, in ms.

    It differs by up to a quarter from pair to pair, so that not all ask at once after a common outage.
    """
    dice = sha256(f"{view.local().node} {peer}".encode()).digest()
    return link.silence_ms + link.silence_ms * dice[0] // 1_024


def longest_silence(link: Link) -> int:
    """Return an upper bound of `silence`, in ms."""
    return link.silence_ms * 5 // 4


def may_write(view: View, peer: Peer, link: Link, now: Millis) -> bool:
    """Return whether *peer* may be written to on *link* now."""
    told = view.told(peer.node, link.medium)
    if not due(told.retry_at, now, 2 * PROBE_MS if told.given_up else 2 * BACKOFF_LAST_MS):
        return False
    if told.failures or not link.shows_tokens:
        flying = sum(each.medium == link.medium for each in view.letters(peer.node))
        return flying == 0 if told.failures else flying < IN_FLIGHT_MAX
    return True


def unanswered(view: View, peer: Peer, link: Link, letters: Iterable[Letter], now: Millis, spread: float) -> Effects:
    """*letters* to *peer* went unanswered on *link*: wait longer than before, in the end very long.

    *spread* is a number around 1 by which the wait is stretched, so that not all try again at once.
    """
    told = view.told(peer.node, link.medium)
    failures = told.failures + 1
    since = told.failing_since or min((each.handed_at or each.created for each in letters), default=now)
    given_up = told.given_up
    if not given_up and now - since >= max(GIVE_UP_MS, GIVE_UP_FACTOR * link.latency_ms):
        given_up = now
        yield Note(Kind.GIVEN_UP, now, peer=peer.node, detail=f"{link.medium}, after {failures} tries")
    wait = int((PROBE_MS if given_up else backoff(failures)) * spread)
    at = Millis(now + wait)
    yield SaveTold(replace(told, failures=failures, retry_at=at, failing_since=Millis(since), given_up=given_up))


def probed(told: Told, now: Millis) -> Told:
    """Return *told* after a probe was written to a peer that was given up there."""
    return replace(told, retry_at=Millis(now + PROBE_MS)) if told.given_up else told


def patient(told: Told) -> Told:
    """Return *told* as it is when nothing speaks against writing."""
    return replace(told, failures=0, retry_at=Millis(0), failing_since=Millis(0), given_up=Millis(0))


def heard(view: View, peer: Peer, medium: str, now: Millis) -> Effects:
    """Something came from *peer* by *medium*: back off no longer there, and go on where it was given up.

    Two who back off from each other would else answer each other too late. Who comes back after a long silence (it was
    last heard when *peer* says) may come back on all roads; else only this one is known to work again.
    """
    back = now - peer.seen_at >= GIVE_UP_MS
    for each in view.media(peer.node):
        told, here = view.told(peer.node, each), each == medium
        if (here and told.failures) or (told.given_up and (here or back)):
            yield SaveTold(patient(told))


def retry(view: View, peer: Peer) -> Effects:
    """A person says that *peer* can be reached: try again everywhere at the next occasion, and ask it for news."""
    for medium in view.media(peer.node):
        yield SaveTold(patient(view.told(peer.node, medium)))
    yield SavePeer(replace(peer, ask_at=Millis(1)))
