"""What a node shows of itself, to those who may never have heard of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from paquebot.protocol import inviting
from paquebot.protocol.bundle import Introduction
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.state import Peer, Plan, View


def own_card(view: View) -> tuple[SignedObject, ...]:
    """Return what is on this node's card: resources that prove each other."""
    names = [line.entry.resource for line in view.own_lines(1, 6)]
    names[3] = view.announced(view.local().node) or names[3]
    names[5] = view.described(view.local().node) or names[5]
    names[1:1] = _vouchers(view)
    return tuple(signed for name in names if (signed := view.resource(name)))


def _vouchers(view: View) -> list[ResourceId]:
    """The trusts and identities of the nodes that vouch for this one, the user's own trust first: mostly none."""
    local, found = view.local(), list[ResourceId]()
    trust = view.trust(local.trust)
    while trust is not None and trust.signer != local.user:
        entries = view.entries(trust.signer, 2, 2)  # the trust in a node, and its identity
        found[:0] = [entry.resource for entry in entries]
        trust = view.trust(entries[0].resource) if entries else None
    return found


def introduction(view: View, peer: Peer, plan: Plan) -> Iterator[Introduction]:
    """Yield our introduction if *peer* may not know us yet: it never wrote to the node that we are now.

    If it invited us, and has not said a word since, the introduction shows that.

    Chunks travel without: they would not fit, and what they belong to goes ahead of them.
    """
    join = view.joined(peer.node)
    shows = join is not None and join.at > peer.seen_at
    if (shows or not peer.received) and not plan.chunks:
        yield Introduction(own_card(view), inviting.proof(join, view.local().node) if join else b"")


def new_keys(view: View, peer: Peer, plan: Plan) -> Iterator[SignedObject]:
    """Yield our latest envelope keys, and where we are, for a *peer* who may not read our journal.

    Others find them there.
    """
    me, first = view.local().node, [line.entry.resource for line in view.own_lines(4, 6)]
    for name in (view.announced(me), view.described(me)):
        if not peer.reads and not plan.chunks and name and name not in first and (signed := view.resource(name)):
            yield signed


def introduction_size(view: View, peer: Peer, plan: Plan) -> int:
    """Return how many bytes `introduction` adds, at most."""
    cards = (each.resources for each in introduction(view, peer, plan))
    sent = chain(*cards, new_keys(view, peer, plan))
    return sum(len(signed.payload) + len(signed.signatures[0].value) + 16 for signed in sent)
