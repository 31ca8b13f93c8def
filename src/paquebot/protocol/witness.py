"""How late it certainly is: what may be done for ever only by the word of more clocks than our own.

A wall clock may jump by decades, and what was destroyed by it is gone. So each user's latest signed moment is
remembered, as their envelopes bring it, and a moment has *certainly* passed when two clocks agree: two users', or one
user's and ours if nothing contradicts it. So a moment that a wrong clock signed must not stand as a witness for good.
"""

from __future__ import annotations

from collections.abc import Iterator

from paquebot.protocol.effects import Effects, Remember
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import HOUR_MS, SKEW_MS
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View


def _key(user: Fingerprint) -> str:
    return f"witness/{user}"


def heard(view: View, user: Fingerprint, sealed: Millis, *, now: Millis) -> Effects:
    """A pinned node of *user* signed something when its clock showed *sealed*. Hours are all that matter.

    *now* is what we went by before that. While our clock is in doubt an envelope may be dated as it likes; it bears
    witness to no more than one that opens by a sound clock.
    """
    at = min(sealed, Millis(now + SKEW_MS))
    if at >= _latest(view, user) + HOUR_MS:
        yield Remember(_key(user), b"%d" % at)


def forget_beyond(view: View, wall: Millis) -> Effects:
    """A person says that our clock, which shows *wall*, is right: what lies beyond it was signed by a wrong one."""
    for user in {peer.user for peer in view.peers()}:
        if _latest(view, user) > wall + SKEW_MS:
            yield Remember(_key(user), None)


def latest(view: View, now: Millis) -> Millis:
    """Return the latest moment that a peer has signed, but none after *now*; 0 if none ever did."""
    return min(now, max(_witnesses(view), default=Millis(0)))


def certain(view: View, wall: Millis) -> Millis:
    """Return the latest moment that two clocks agree has passed, when ours shows *wall*; 0 if no two do."""
    clocks = [*_witnesses(view), *([] if view.clock().doubtful(wall) else [wall])]
    return sorted(clocks)[-2] if len(clocks) > 1 else Millis(0)


def _witnesses(view: View) -> Iterator[Millis]:
    """The latest signed moment of each user who is not suspected: whoever has stolen keys may date as it likes."""
    for user in {peer.user for peer in view.peers() if not (peer.suspect or peer.revoked)}:
        yield _latest(view, user)


def _latest(view: View, user: Fingerprint) -> Millis:
    return Millis(int(view.remembered(_key(user)) or 0))
