"""What follows when a node's journal has ended: another of its user's nodes goes on under its name and rights.

The first ending of a node that is heard decides who continues it; one that the user signed outweighs one that only a
node did. Whatever names another successor is a rival claim: it is kept and shown, and changes nothing for others. What
is taken back, or was said after its signer was cut off, ends nothing any more, in whatever order that came.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from paquebot.protocol.authority import Claim
from paquebot.protocol.effects import Effects, EndLapse, Note, Remember, SavePast, SavePeer, Settle
from paquebot.protocol.encoding import Fingerprint, ResourceId, short
from paquebot.protocol.events import Kind
from paquebot.protocol.limits import NAME_MAX
from paquebot.protocol.resource import PROOFS, Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View
from paquebot.protocol.trust import OWN_NODE, Ending, Trust, ending_of

RIVALS_MAX = 4
"""Of one node's rival endings, as many are shown."""


def is_quiet(peer: Peer) -> bool:
    """Return whether *peer* has ended, and has said nothing since we last wrote to it."""
    return peer.ended == (peer.seen_at or 1)


def ended(view: View, resource: Resource, now: Millis) -> Effects:
    """*resource* is held from now on: if it ends a node of its user, the successor continues under its name."""
    ending = ending_of(resource)
    if ending is None or not _counts(view, resource, ending):
        return
    local = view.local()
    if ending.node == local.node and resource.user == local.user and ending.successor != local.node:
        # Another copy of this home has gone on under a name of its own. So must we.
        past = view.past()
        yield Remember(_replaced_key(local.node), resource.id.encode())
        yield SavePast(replace(past, branch=past.branch or max(past.said, 1)))
        yield Note(Kind.FORKED, now, resource.id, detail="another copy of this home has ended this node")
        return
    before = _followed(view, ending.node, resource.user)
    if before is None or _outweighs(view, resource, ending, *before):
        yield Remember(_followed_key(ending.node), resource.id.encode())
        if before is not None and before[1].successor:
            yield from _contested(view, resource, before[1], before[0], now)
        yield from _succeeded(view, resource.user, ending, before and before[1].successor, resource.id, now)
    elif ending.successor not in (None, before[1].successor):
        yield from _contested(view, resource, ending, resource.id, now)


def _counts(view: View, resource: Resource, ending: Ending) -> bool:
    """Whether the user signed, or the node that ends, or one with all the rights of the user's own; and it stands."""
    authority, claim = view.authority(resource.user), Claim.of(resource)
    if authority.cut(claim) or (resource.kind not in PROOFS and authority.buries(claim.id, claim.signer)):
        return False
    if claim.signer in (resource.user, ending.node):
        return True
    trust = authority.trusts.get(claim.authority) if claim.authority else None
    return trust is not None and authority.rights(trust).issuperset(OWN_NODE)


def reviewed(view: View, user: Fingerprint, now: Millis) -> Effects:
    """Other endings of *user*'s nodes may count now: go by those that do, and go on with nodes that none ends."""
    counting = _counting(view, user)
    for node in {ending.node for _, ending in counting}:
        followed = before = _followed(view, node, user)
        for resource, ending in counting:
            if ending.node == node and (followed is None or _outweighs(view, resource, ending, *followed)):
                followed = resource.id, ending, resource.signed.signer == user
        if followed != before and followed is not None and node != view.local().node:
            yield Remember(_followed_key(node), followed[0].encode())
    for peer in [each for each in view.peers() if each.user == user]:
        found = _followed(view, peer.node, user)
        if found is not None and not peer.ended:
            yield from _end(view, peer, found[1], found[0], now)
        elif found is None and peer.ended:
            yield SavePeer(replace(peer, ended=Millis(0), heir=None))
            yield from _disinherit(view, peer.node, peer.heir)
    for peer in view.peers():
        if peer.user == user and peer.ended:
            yield from _follow(view, peer)


def _counting(view: View, user: Fingerprint) -> list[tuple[Resource, Ending]]:
    """Return the endings of *user*'s nodes that count, in the order in which they came."""
    endless = view.authority(user).endless
    return list(filter(None, (_read(view, name) for name in view.may_end(user) if name not in endless)))


def _replaced_key(node: Fingerprint) -> str:
    return f"replaced/{node}"


def replaced(view: View) -> bool:
    """Return whether it was said that another node goes on in our place."""
    return view.remembered(_replaced_key(view.local().node)) is not None


def ending(view: View, node: Fingerprint, user: Fingerprint) -> Ending | None:
    """Return the ending of *user*'s *node* by which we go; None if none counts."""
    found = _followed(view, node, user)
    return found[1] if found else None


# -- which ending is followed ---------------------------------------------------------------


def _followed_key(node: Fingerprint) -> str:
    return f"ended/{node}"


def _rivals_key(node: Fingerprint) -> str:
    return f"ended otherwise/{node}"


def _read(view: View, name: ResourceId) -> tuple[Resource, Ending] | None:
    """Return the ending called *name*, if it counts."""
    signed = view.resource(name)
    resource = Resource.read(signed, view.schema) if signed else None
    ending = ending_of(resource) if resource else None
    return (resource, ending) if resource and ending and _counts(view, resource, ending) else None


def _followed(view: View, node: Fingerprint, user: Fingerprint) -> tuple[ResourceId, Ending, bool] | None:
    """Return the ending of *user*'s *node* by which we go, its name, and whether the user signed it."""
    name = view.remembered(_followed_key(node))
    found = _read(view, ResourceId(name.decode())) if name else None
    if found is None or found[0].user != user:
        return None
    return found[0].id, found[1], found[0].signed.signer == user


def _outweighs(view: View, resource: Resource, ending: Ending, name: ResourceId, before: Ending, by_user: bool) -> bool:
    """Whether *ending* takes the place of the one *before*."""
    if resource.id == name or ending.successor in (None, before.successor):
        return False
    return before.successor is None or (resource.signed.signer == resource.user and not by_user)


def rivals(view: View, node: Fingerprint) -> list[tuple[Fingerprint, Fingerprint]]:
    """Return (successor, signer) of each ending of *node* that names another successor than the one we go by."""
    names = (view.remembered(_rivals_key(node)) or b"").decode().split()
    found = (_read(view, ResourceId(name)) for name in names)
    followed = (view.remembered(_followed_key(node)) or b"").decode()
    return [
        (ending.successor, by.signed.signer)
        for by, ending in filter(None, found)
        if ending.successor and by.id != followed
    ]


def disputed(view: View, peer: Peer) -> bool:
    """Return whether *peer* was named the successor of a node that, as we hold, another one continues."""
    old = (each.node for each in view.peers() if each.ended and each.user == peer.user)
    return any(successor == peer.node for node in old for successor, _ in rivals(view, node))


def _contested(view: View, resource: Resource, loser: Ending, name: ResourceId, now: Millis) -> Effects:
    """The ending *name* lost against another one: note it, and set its successor apart unless the user vouches."""
    known = (view.remembered(_rivals_key(loser.node)) or b"").split()
    if name.encode() in known or len(known) >= RIVALS_MAX or loser.successor is None:
        return
    yield Remember(_rivals_key(loser.node), b" ".join([*known, name.encode()]))
    detail = f"two nodes are said to go on for node {short(loser.node)}; node {short(loser.successor)} is not believed"
    yield Note(Kind.FORKED, now, name, loser.node, detail)
    peer = view.peer(loser.successor)
    if peer and peer.user == resource.user and not _vouched(view, peer):
        yield SavePeer(replace(peer, suspect=now))


def _vouched(view: View, peer: Peer) -> bool:
    """Whether the user signed a trust in the peer's node."""
    return any(trust.signer == peer.user for trust in view.authority(peer.user).given(peer.node))


def doubtful(view: View, trust: Trust) -> bool:
    """Return whether *trust* was given by a node that has ended, and which another one than the trustee continues."""
    return _successor(view, trust.signer, trust.user) not in (None, trust.trustee)


# -- who continues ----------------------------------------------------------------------------


def _succeeded(
    view: View, user: Fingerprint, ending: Ending, instead: Fingerprint | None, by: ResourceId, now: Millis
) -> Effects:
    """Go by *ending* from now on, and not by one that named another successor *instead*."""
    old = view.peer(ending.node)
    if old is not None and old.user == user:
        yield from _end(view, old, ending, by, now)
    yield from _disinherit(view, ending.node, instead)
    for peer in view.peers():
        if peer.user == user and peer.ended:
            yield from _follow(view, peer)


def _disinherit(view: View, node: Fingerprint, heir: Fingerprint | None) -> Effects:
    """If the peer *heir* had taken over the name of *node*, it gives it back: it does not go on for it after all."""
    loser = view.peer(heir) if heir else None
    if loser is None or view.remembered(_name_key(loser.node)) != node.encode():
        return
    yield SavePeer(replace(loser, name=_name_with(view, loser.name, "disputed")))
    yield Remember(_name_key(loser.node), None)
    if old := view.peer(node):
        yield SavePeer(replace(old, name=loser.name))


def _end(view: View, old: Peer, ending: Ending, by: ResourceId, now: Millis) -> Effects:
    if old.ended:
        yield SavePeer(replace(old, heir=ending.successor))
        return
    yield SavePeer(replace(old, ended=old.seen_at or Millis(1), heir=ending.successor))
    yield EndLapse(old.node)  # what it knew of us, its heir knows
    for letter in view.letters(old.node):
        yield Settle(letter.id)
    yield Note(Kind.RESTORED, now, by, old.node, f"{old.name} goes on as another node")


def _follow(view: View, old: Peer) -> Effects:
    """Find the heir of *old*, past nodes that came and went before we met them; if it is a peer, it takes over."""
    heir, seen = _successor(view, old.node, old.user), {old.node}
    while heir and heir not in seen and view.peer(heir) is None and (later := _successor(view, heir, old.user)):
        seen.add(heir)
        heir = later
    if heir in seen:
        return  # they end in a circle
    if heir != old.heir:
        yield SavePeer(replace(old, heir=heir))
        yield from _disinherit(view, old.node, old.heir)
    if heir:
        yield from _inherit(view, heir)


def _successor(view: View, node: Fingerprint, user: Fingerprint) -> Fingerprint | None:
    found = ending(view, node, user)
    return found.successor if found else None


def pinned(view: View, node: Fingerprint, now: Millis) -> Effects:
    """The peer *node* was pinned: it may be the successor of one that ended, and may have ended itself."""
    new = view.peer(node)
    found = _followed(view, node, new.user) if new else None
    yield from _inherit(view, node)
    if new and found:
        yield from _succeeded(view, new.user, found[1], None, found[0], now)


def _name_key(node: Fingerprint) -> str:
    return f"named after/{node}"


def _inherit(view: View, node: Fingerprint) -> Effects:
    """If the peer *node* is the successor of one that ended, it takes over name and rights, once."""
    new = view.peer(node)
    old = next((peer for peer in view.peers() if peer.heir == node), None)
    if new is None or old is None or new.user != old.user or view.remembered(_name_key(node)) is not None:
        return
    reads = new.reads or old.reads
    owed = view.own_chunks() if reads and not new.reads else new.owed_chunks
    yield Remember(_name_key(node), old.node.encode())
    yield SavePeer(replace(old, name=_name_with(view, old.name, "ended")))
    publishes = new.publishes or old.publishes
    yield SavePeer(replace(new, name=old.name, reads=reads, publishes=publishes, owed_chunks=owed))


def _name_with(view: View, name: str, word: str) -> str:
    taken = {peer.name for peer in view.peers()}
    names = (f"{name[: NAME_MAX - 20]} ({word}{f' {number}' if number > 1 else ''})" for number in count(1))
    return next(each for each in names if each not in taken)
