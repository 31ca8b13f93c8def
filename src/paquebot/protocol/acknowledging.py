"""Which envelopes are acknowledged: those that ask for it, and whose sender still waits to hear of them.

So two fall silent whatever the post does: an acknowledgement asks for none, and neither does a straggler.
"""

from __future__ import annotations

from paquebot.protocol.advert import Advert
from paquebot.protocol.bundle import Bundle, Introduction, Outcome, Tally, To, Unknown
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View


def restored(view: View, peer: Peer, bundle: Bundle, to: To) -> bool:
    """Return whether *bundle* bears a number that another envelope of *peer* bore before.

    It was restored from a backup then, and counts anew.
    """
    return view.received(peer.node, to.sequence).get(to.sequence, bundle.id) != bundle.id


def awaited(view: View, peer: Peer, bundle: Bundle, to: To, sealed: Millis) -> bool:
    """Return whether *peer* waits to hear that *bundle* arrived, which it *sealed* at that moment by its clock.

    What comes below the floor that it named since was planned anew long ago: an acknowledgement could not even name
    it. But what was sealed after the peer was last heard is no straggler; it was restored from a backup.
    """
    if all(isinstance(part, Tally | Outcome | Introduction | Advert | Unknown) for part in bundle.parts):
        return False
    return to.sequence >= peer.floor or sealed > peer.seen_at or restored(view, peer, bundle, to)
