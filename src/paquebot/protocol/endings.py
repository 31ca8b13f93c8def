"""What follows when a node's journal has ended: another of its user's nodes goes on under its name and rights."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from paquebot.protocol.authority import Claim
from paquebot.protocol.effects import Effects, EndLapse, Note, SavePast, SavePeer, Settle
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.events import Kind
from paquebot.protocol.limits import NAME_MAX
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View
from paquebot.protocol.trust import CREATE_TRUST, ending_of


def is_quiet(peer: Peer) -> bool:
    """Return whether *peer* has ended, and has said nothing since we last wrote to it."""
    return peer.ended == (peer.seen_at or 1)


def ended(view: View, resource: Resource, now: Millis) -> Effects:
    """*resource* is held from now on: if it ends a node of its user, the successor continues under its name."""
    ending = ending_of(resource)
    if ending is None or not _authorised(view, resource):
        return
    local = view.local()
    if ending.node == local.node and resource.user == local.user and ending.successor != local.node:
        # Another copy of this home has gone on under a name of its own. So must we.
        past = view.past()
        yield SavePast(replace(past, branch=past.branch or max(past.said, 1)))
        yield Note(Kind.FORKED, now, resource.id, detail="another copy of this home has ended this node")
        return
    old = view.peer(ending.node)
    if old is None or old.user != resource.user or old.ended:
        return
    yield SavePeer(replace(old, ended=old.seen_at or Millis(1), heir=ending.successor))
    yield EndLapse(old.node)  # what it knew of us, its heir knows
    for letter in view.letters(old.node):
        yield Settle(letter.id)
    yield Note(Kind.RESTORED, now, resource.id, old.node, f"{old.name} goes on as another node")
    if ending.successor and view.peer(ending.successor):
        yield from inherit(view, ending.successor)


def _authorised(view: View, resource: Resource) -> bool:
    """Whether the user signed, or a node that may speak for the user in such things."""
    if resource.signed.signer == resource.user:
        return True
    authority = view.authority(resource.user)
    trust = authority.trusts.get(resource.trust) if resource.trust else None
    return trust is not None and CREATE_TRUST in authority.rights(trust) and not authority.cut(Claim.of(resource))


def inherit(view: View, node: Fingerprint) -> Effects:
    """The peer *node* was pinned, and may be the successor of one that ended: it takes over name and rights."""
    new = view.peer(node)
    old = next((peer for peer in view.peers() if peer.heir == node), None)
    if new is None or old is None or new.user != old.user:
        return
    reads = new.reads or old.reads
    owed = view.own_chunks() if reads and not new.reads else new.owed_chunks
    yield SavePeer(replace(old, name=_name_of_ended(view, old.name)))
    publishes = new.publishes or old.publishes
    yield SavePeer(replace(new, name=old.name, reads=reads, publishes=publishes, owed_chunks=owed))


def _name_of_ended(view: View, name: str) -> str:
    taken = {peer.name for peer in view.peers()}
    names = (f"{name[: NAME_MAX - 20]} (ended{f' {number}' if number > 1 else ''})" for number in count(1))
    return next(each for each in names if each not in taken)
