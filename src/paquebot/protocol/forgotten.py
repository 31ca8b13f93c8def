"""What follows when a peer knows less of our journal than it did: it was put back, or an older word of it came late."""

from __future__ import annotations

from dataclasses import replace

from paquebot.protocol import mailing, patience
from paquebot.protocol.effects import Effects, SavePeer, SaveTold
from paquebot.protocol.ranges import Ranges
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
