"""A node goes on as another one: its journal contradicts what it once said, or somebody else has ended it.

The user gives a new node key the old one's rights and says where the old journal ends (the ``ending`` resource). All
that the old node signed stays good, and is listed in the new node's journal in the same order: nothing is lost, and
nothing is sent twice to those who have it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paquebot.frozen import frozen
from paquebot.protocol import admission, journal
from paquebot.protocol.effects import Effects, Note, Rejoin, SavePeer
from paquebot.protocol.encoding import Fingerprint, ResourceId, short
from paquebot.protocol.events import Kind
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.journal import Entry
from paquebot.protocol.keys import Announcement
from paquebot.protocol.limits import IDENTITY_LIFE_MS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import About, Resource, SignedObject, compose
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Local, Peer, View
from paquebot.protocol.trust import (
    OWN_NODE,
    Ending,
    announcement_fields,
    identity_fields,
)


@frozen
class Incarnation:
    """A node that takes over from the one that a store belongs to."""

    local: Local
    last: int
    """The last line of the old journal that counts."""
    resources: tuple[SignedObject, ...]
    """What it publishes first: the trust in it, its identity and keys, both names, and the ending of the old node."""
    entries: tuple[Entry, ...]
    """What its journal says: the user's identity, those, and everything that is held here."""
    held: dict[Fingerprint, frozenset[ResourceId]]
    """What each peer is known to hold."""


def prepare(
    view: View, old: PrivateKey, user: PrivateKey | None, node: PrivateKey, keys: Announcement, now: Millis
) -> Incarnation:
    """Return how the node with key *node* takes over from our own, with key *old*.

    The *user*'s key signs for it; without it the old node's does, by its right to create trusts.
    """
    local, past, (tip, _) = view.local(), view.past(), view.tip()
    last = min(past.branch or tip, tip)
    line = view.line_id(local.node, last)
    assert line is not None, "our own lines are known"
    stamp, by = view.stamp().credible(now), user or old
    authority = None if user else local.trust

    def signed(key: PrivateKey, schema: str, fields: dict[str, Any], trust: ResourceId | None) -> SignedObject:
        nonlocal stamp
        stamp = stamp.after(now)
        payload = compose([schema], fields, user=local.user, trust=trust, about=About(stamp=stamp))
        return SignedObject.sign(payload, key)

    rights = {"trustee": node.fingerprint, "authorization": list(OWN_NODE)}
    trust = signed(by, "trust", {"trust": rights}, authority)
    identity = identity_fields("node", node.public, Millis(now + IDENTITY_LIFE_MS))
    ending = Ending(local.node, line, last, node.fingerprint)
    resources = (
        trust,
        signed(node, "identity", identity, trust.id),
        signed(node, "envelope_keys", announcement_fields(keys), trust.id),
        signed(node, "user", {"user": {"name": local.name}}, trust.id),
        signed(node, "node", {"node": {"type": "node", "name": local.name}}, trust.id),
        signed(by, "ending", ending.fields(), authority),
    )
    before = view.entries(local.node, 1, tip)
    first = [before[0], *(Entry(local.user, each.id) for each in resources)]
    return Incarnation(
        Local(local.user, node.fingerprint, trust.id, local.name),
        last,
        resources,
        (*first, *before[1:]),
        {peer.node: frozenset(_held(view, peer)) for peer in view.peers()},
    )


def _held(view: View, peer: Peer) -> list[ResourceId]:
    """What *peer* is known to hold."""
    me = view.local().node
    return [
        entry.resource
        for first, last in (peer.known | peer.applied).runs
        for entry in view.entries(me, first, last - first + 1)
    ]


def take_root(view: View, new: Incarnation, now: Millis) -> Effects:
    """Write the journal of *new*, to whom the store belongs now, and begin anew with every peer."""
    lines = journal.extend(journal.root(new.local.node), 0, new.entries)
    yield Rejoin(0, tuple(lines))
    for peer in view.peers():
        held = new.held.get(peer.node, frozenset())
        known = Ranges.numbers(line.number for line in lines if line.entry.resource in held)
        yield SavePeer(
            replace(
                peer,
                acked=Ranges(),
                applied=Ranges(),
                known=known,
                sequence=0,
                received=Ranges(),
                floor=1,
                told_number=0,
                told_done=Ranges(),
                owes_ack=False,
                seen_at=Millis(0),
                ask_at=Millis(0),
            )
        )
    for signed in new.resources:
        yield from admission.keep(view, Resource.read(signed, view.schema), sender=None, now=now)
    yield Note(Kind.RESTORED, now, detail=f"this home goes on as node {short(new.local.node)}")
