"""How each peer stands: whether its own user still trusts it, and whether ours lets it read."""

from __future__ import annotations

from dataclasses import replace

from paquebot.protocol import asking, mailing, withheld
from paquebot.protocol.effects import DropLoose, Effects, SavePeer, SaveTold
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import MILLIS_MAX, Millis
from paquebot.protocol.state import Peer, View
from paquebot.protocol.trust import READ


def refresh(view: View, at: Millis | None) -> Effects:
    """Draw from the trusts that are held what each peer may do at *at*. None: no clock here can be relied upon.

    Then nothing expires, and nothing that had an end begins again.
    """
    mine = view.authority(view.local().user)
    for peer in view.peers():
        since = view.authority(peer.user).dismissed(peer.node, at)
        if since is None and at is None and peer.revoked:
            since = view.authority(peer.user).dismissed(peer.node, peer.revoked)
        who = (peer.user, peer.node)
        when = at if at is not None or peer.reads else Millis(MILLIS_MAX)
        reads = not since and mine.grants(READ, who, when)
        if (reads, since or 0) != (peer.reads, peer.revoked):
            yield from _changed(view, replace(peer, reads=reads, revoked=since or Millis(0)), gains=not peer.reads)


def _changed(view: View, peer: Peer, *, gains: bool) -> Effects:
    if not peer.reads:
        yield SavePeer(replace(peer, owed_chunks=Ranges(), asked_chunks=Ranges()))
        for letter in view.letters(peer.node):
            # What is not handed over may not be sealed yet: it will say less than was planned, and must not count.
            if peer.revoked or letter.handed_at is None:
                yield from mailing.lost(view, letter)
    elif gains:
        # It may know lines whose resources it was refused: it is told them again, with all that belongs to them.
        held = peer.applied | peer.known
        for medium in view.media(peer.node):
            told, (_, chunks) = view.told(peer.node, medium), mailing.under_way(view, peer.node, medium)
            yield SaveTold(replace(told, lines=told.lines & held, chunks=told.chunks & chunks))
        owed = view.own_chunks() - mailing.chunks_at(view, peer.applied)
        yield from withheld.add(view, peer.node, peer.acked - held)
        yield SavePeer(replace(peer, acked=peer.acked & held, owed_chunks=owed))
        yield from asking.unsaid(view, peer.node)
    else:
        yield SavePeer(peer)
    if peer.revoked:
        yield DropLoose(peer.node)
