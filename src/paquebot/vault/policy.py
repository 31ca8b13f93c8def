"""Whether a signature was made within its time. The signing key itself is pinned; this is about moments only."""

from __future__ import annotations

from paquebot.errors import Expired, NotYet
from paquebot.protocol.keys import Announcement, KeyClass
from paquebot.protocol.limits import LATEST_MS, SKEW_MS
from paquebot.protocol.stamp import Millis

__all__ = ["check_time"]


def check_time(
    signer: Announcement, created: Millis, now: Millis, *, lasts_ms: int = 0, doubtful: bool = False
) -> None:
    """Raise `Expired` unless *signer* could have signed at *created* and the signature still holds at *now*.

    *lasts_ms* is the life that the signature gives itself; 0 means without end. A clock may be off by 48 hours; one
    that is *doubtful* cannot tell what lies in its future. Raise `NotYet` for what does.
    """
    if created < signer.created - SKEW_MS:
        raise Expired("the signature is older than its key")
    end = max((key.expires for key in signer.keys if key.kind is KeyClass.RECOVERY), default=None)
    # The recovery key lives exactly as long as the identity.
    if end is not None and created > end + SKEW_MS:
        raise Expired("the signature was made after the end of its identity")
    if lasts_ms and created + lasts_ms + SKEW_MS < now:
        raise Expired("the signature has expired")
    if created > (LATEST_MS if doubtful else now + SKEW_MS):
        raise NotYet("dated in the future by this machine's clock; it is kept and looked at again; check the clock")
