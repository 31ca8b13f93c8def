"""How nodes come to know each other: introductions written and read, strangers who wait, and who is pinned at once.

What a stranger says of itself is checked as strictly as a card that a person adds, and then trusted no further
than to be shown to a person. Strangers get no answer, whatever we think of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain, count

from paquebot.errors import Malformed, Refused, Stranger
from paquebot.frozen import frozen
from paquebot.protocol import bundle as bundles
from paquebot.protocol import endings, inviting, publishing, schema
from paquebot.protocol.bundle import INVITE_BYTES
from paquebot.protocol.effects import DropLoose, DropPending, Effects, Note, Remember, SavePending
from paquebot.protocol.encoding import Fingerprint, ResourceId, raw, short
from paquebot.protocol.events import Kind
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import NAME_MAX, NODES_MAX, PENDING_MAX
from paquebot.protocol.publishing import Card
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View
from paquebot.protocol.strangers import Crowd, Pending
from paquebot.protocol.trust import READ

_KINDS = {"identity", "trust", "envelope_keys", "user", "node"}


@frozen
class Met:
    """Somebody of whom no more is known than what they say of themselves, and that they can seal as what they say."""

    card: Card
    proof: bytes = b""

    @property
    def node(self) -> Fingerprint:
        """The node's fingerprint."""
        return self.card.node.fingerprint

    @property
    def digest(self) -> bytes:
        """32 bytes that name what was shown: the node, its keys, its invitation."""
        keys = next(each.id for each in self.card.resources if _kind(each) == "envelope_keys")
        return _digest(self.node, keys, self.proof)


def read(data: bytes, now: Millis) -> Met:
    """Return who the bundle in *data* introduces; the seal is not checked yet. Raise `Stranger` if it is nobody."""
    try:
        found = bundles.introduction(data)
        if found is None:
            raise Stranger("the sender is not one of our peers, and does not introduce itself")
        card = publishing.card_of(found.resources, now)
        if any(_kind(each) not in _KINDS for each in card.resources):
            raise Malformed("it holds what belongs on no card")
    except Stranger:
        raise
    except Refused as refusal:
        raise Stranger(f"the sender is not one of our peers, and its introduction is not good: {refusal}") from None
    return Met(card, found.proof)


def _kind(signed: SignedObject) -> str:
    return Resource.read(signed, schema.published).kind


def _digest(node: Fingerprint, keys: ResourceId, proof: bytes) -> bytes:
    return sha256(raw(node) + raw(keys) + proof[:INVITE_BYTES]).digest()


def introduced(view: View, key: PrivateKey, met: Met, where: str, now: Millis, *, welcome: bool) -> Effects:
    """Pin *met*, let it wait for a person's word, or do nothing if a person turned it down. Raise `Refused`.

    Whoever shows a good invitation is pinned, and so is a further node of our own user. A further node of a user who
    is pinned already gets the rights of that user's other nodes, unless one of those is set apart, or a person turned
    this node down. Neither goes for a node that its user does not let read, nor for more nodes than a person has.
    With *welcome*, whoever comes is pinned and trusted.
    """
    if met.node == view.local().node:
        raise Malformed("somebody introduces itself as this node")
    if view.peer(met.node):
        return
    invite, reason = inviting.shown(view, met.node, met.proof, now)
    before = next((each for each in view.pending() if each.node == met.node), None)
    declined = before is not None and before.declined
    user = met.card.user.fingerprint
    authority = view.authority(user).joined(met.card.vouching)
    revoked = authority.dismissed(met.node, now) is not None
    reads = authority.grants(READ, [met.node], now)
    family = [peer for peer in view.peers() if peer.user == user]
    doubtful = next((each.signer for each in met.card.vouching if endings.doubtful(view, each)), None)
    apart = (peer for peer in family if peer.suspect and not (peer.revoked or endings.disputed(view, peer)))
    sure = reads and not revoked and not doubtful and len(family) < NODES_MAX
    kin = family if sure and not any(apart) else []
    own = user == view.local().user and sure
    if invite is not None:
        name = invite.label or called(met.card)
        yield from pin(view, key, met.card, other_name(view, name, met.node), trusting=True, now=now)
        yield from inviting.use(invite, met.node, now)
    elif own and not declined:
        yield from pin(view, key, met.card, free_name(view, view.local().name), trusting=True, now=now)
    elif kin and not declined:
        trusting = any(peer.reads or peer.publishes for peer in kin)
        yield from pin(view, key, met.card, free_name(view, kin[0].name), trusting=trusting, now=now)
    elif welcome and not declined:
        name = other_name(view, called(met.card), met.node)
        yield from pin(view, key, met.card, name, trusting=True, now=now)
    else:
        reason = reason or _doubt(view, met, family, revoked=revoked, reads=reads, doubtful=doubtful)
        yield from _wait(view, met, before, where, reason, now)


def _doubt(
    view: View, met: Met, family: Sequence[Peer], *, revoked: bool, reads: bool, doubtful: Fingerprint | None
) -> str:
    """Return what a person should know of a stranger who is perhaps not one: other keys under a name that is known."""
    if revoked:
        return "its user has revoked its trust in this node"
    if doubtful:
        return (
            f"it has the word of node {short(doubtful)} alone, which has ended, and which another node continues: that"
            " node's old keys may be in other hands. Ask its person"
        )
    user = met.card.user.fingerprint
    if not reads and (family or user == view.local().user):
        called_so = family[0].name if user != view.local().user else "this home"
        return f"it acts for {called_so}'s user, who does not let it read: somebody to whom some rights were given"
    if len(family) >= NODES_MAX:
        return f"{family[0].name}'s user has {len(family)} nodes here already: ask its person"
    if family:
        return f"it is a further node of {family[0].name}'s user, one of whose nodes is set apart: ask its person"
    name = called(met.card)
    like = next((peer for peer in view.peers() if peer.name == name), None)
    if like is None:
        return ""
    return (
        f"other keys under the name of a peer: here user {short(user)}, node {short(met.node)};"
        f" known as {like.name} are user {short(like.user)}, node {short(like.node)}. If these are new keys of the"
        " same person, let that person say so by another way"
    )


def _wait(view: View, met: Met, before: Pending | None, where: str, reason: str, now: Millis) -> Effects:
    """Keep *met* until a person decides, if there is room; what was shown before is not shown again."""
    if before is not None and before.digest == met.digest:
        return
    if before is None and full(view):
        return
    waiting = before is not None and not before.declined
    yield SavePending(
        Pending(
            node=met.node,
            user=met.card.user.fingerprint,
            name=called(met.card),
            digest=met.digest,
            card=b"\n".join(each.encode() for each in met.card.resources),
            since=before.since if before and waiting else now,
            where=where,
            reason=reason,
            number=before.number if before and waiting else 0,
        )
    )
    claims = any(peer.name == called(met.card) for peer in view.peers())
    if before is not None and waiting and (before.reason or not reason):
        return  # it says nothing new that a person should know: whoever waits shows another card as often as it likes
    yield Note(Kind.KEY_CHANGE if claims else Kind.PEER_PENDING, now, peer=met.node, detail=reason or called(met.card))


_CROWD_KEY = "strangers"


def crowd(view: View, now: Millis) -> Crowd:
    """Return how many strangers wrote in the window of time in which *now* lies."""
    return Crowd.decode(view.remembered(_CROWD_KEY)).at(now)


def came(crowd: Crowd) -> Effects:
    """Remember how many strangers wrote: the next time we look, they count."""
    yield Remember(_CROWD_KEY, crowd.encode())


def full(view: View) -> bool:
    """Return whether no more strangers can wait here."""
    return sum(not each.declined for each in view.pending()) >= PENDING_MAX


def pin(view: View, key: PrivateKey, card: Card, name: str, *, trusting: bool, now: Millis) -> Effects:
    """Make the node of *card* a peer; see `publishing.add_peer`. It waits no more."""
    yield from publishing.add_peer(view, key, card, name, trusting=trusting, now=now)
    yield DropPending(card.node.fingerprint)


def accept(view: View, key: PrivateKey, pending: Pending, name: str, *, trusting: bool, now: Millis) -> Effects:
    """Pin a stranger who waits, under *name*: a person's word. Raise `Misused` or `Refused`."""
    objects = [SignedObject.parse(line) for line in pending.card.split(b"\n")]
    yield from pin(view, key, publishing.card_of(objects, now), name, trusting=trusting, now=now)


def decline(pending: Pending, now: Millis) -> Effects:
    """Turn down what a stranger showed: it is not shown again, though something new from the same node would be."""
    yield SavePending(replace(pending, card=b"", declined=now))


def forget(view: View, peer: Peer, now: Millis) -> Effects:
    """Turn down a peer that a person removes: an old introduction of it that still lies about brings nothing back."""
    yield DropLoose(peer.node)
    keys = view.announced(peer.node)
    if keys is not None:
        digest = _digest(peer.node, keys, b"")
        gone = Pending(node=peer.node, user=peer.user, name=peer.name, digest=digest, card=b"", since=now, where="")
        yield SavePending(replace(gone, declined=now))


def called(card: Card) -> str:
    """Return what the node of *card* calls itself, as a name that a peer may have."""
    name = card.name.strip()[:NAME_MAX]
    return name if name and name.isprintable() else f"node {short(card.node.fingerprint)}"


def other_name(view: View, name: str, node: Fingerprint) -> str:
    """Return *name*, or one with *node* in it: nobody may pass for a further node of a peer of that name."""
    if all(peer.name != name for peer in view.peers()):
        return name
    return free_name(view, f"{name[: NAME_MAX - 32]}, node {short(node)}")


def free_name(view: View, name: str) -> str:
    """Return *name*, or the first of "name (2)", "name (3)", … that no peer has."""
    taken = {peer.name for peer in view.peers()}
    numbered = (f"{name[: NAME_MAX - 8]} ({number})" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)
