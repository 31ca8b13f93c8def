"""What follows when a peer lacks what it was told: it was put back, an older word of it came, or a letter got lost."""

from __future__ import annotations

from dataclasses import replace

from paquebot.protocol import asking, mailing, patience
from paquebot.protocol.effects import Effects, SavePeer, SaveTold
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.link import Link
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View


def again(view: View, peer: Peer, medium: str, number: int) -> Effects:
    """Tell *peer*, who said so on *medium*, everything after line *number* again, on every medium."""
    kept = Ranges.of((1, number))
    owed = view.own_chunks() - mailing.chunks_at(view, peer.applied & kept)
    for each in sorted({medium, *view.media(peer.node)}):
        told = view.told(peer.node, each)
        if each == medium:
            yield SaveTold(patience.patient(replace(told, lines=told.lines & kept, chunks=Ranges())))
        else:  # what is under way there, it may yet get
            lines, chunks = mailing.under_way(view, peer.node, each)
            yield SaveTold(replace(told, lines=told.lines & (kept | lines), chunks=told.chunks & chunks))
    yield SavePeer(
        replace(
            peer,
            acked=peer.acked & kept,
            applied=peer.applied & kept,
            known=peer.known & kept,
            owed_chunks=owed if peer.reads else Ranges(),
        )
    )


def answers(view: View, peer: Peer, resource: ResourceId, link: Link, now: Millis) -> Effects:
    """*peer* asks on *link* for *resource* again: letters that bring it, and could have come by now, are lost."""
    owed = {each.number for each in view.replies(peer.node) if each.resource == resource}
    for letter in view.letters(peer.node):
        here = letter.medium == link.medium and not owed.isdisjoint(letter.plan.replies)
        if here and letter.handed_at is not None and letter.handed_at + asking.again(link) < now:
            yield from mailing.lost(view, letter)
