"""What our own person does: found a node, publish, hand out a card, add a peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from paquebot.display import printable
from paquebot.errors import Malformed, Misused, NotPermitted, Revoked
from paquebot.frozen import frozen
from paquebot.protocol import admission, endings, introducing, journal, privacy, schema, standing
from paquebot.protocol.effects import Effects, SavePeer, SetStamp, Want
from paquebot.protocol.encoding import Fingerprint, ResourceId, short
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.keys import Announcement
from paquebot.protocol.limits import IDENTITY_LIFE_MS, INLINE_BYTES_MAX, MESSAGE_BYTES_MAX, NAME_MAX
from paquebot.protocol.privacy import Private
from paquebot.protocol.published import URIS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import PROOFS, About, FileManifest, Resource, SignedObject, compose
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.state import Local, Peer, View
from paquebot.protocol.trust import (
    CREATE_TRUST,
    OWN_NODE,
    PUBLISH,
    READ,
    Identity,
    Trust,
    announcement_fields,
    announcement_of,
    identity_fields,
    identity_of,
    trust_of,
)

CARD_HEAD = "# paquebot card"
CARD_BYTES_MAX = 256 * 1024
VOUCHERS_MAX = 4  # nodes on one card: its own, and those that vouch for it because the user key was not there


@frozen(kw_only=True)
class Draft:
    """Something our own person wants published: fields under schemas, and what we add about it."""

    schemas: tuple[str, ...]
    fields: dict[str, Any]
    title: str = ""
    filename: str = ""
    tags: tuple[str, ...] = ()
    private: Private | None = None
    """For whom it is; None for everybody who reads us."""
    parent: ResourceId | None = None
    """To what it replies."""
    conversation: ResourceId | None = None
    """The first thing of that conversation."""
    supersedes: ResourceId | None = None
    """Of which thing of ours it is a newer version."""
    expires: Millis | None = None
    """When it stops being of use."""
    attached: int = 0
    """How many of the drafts just before it are its attachments."""
    after: tuple[ResourceId, ...] = ()
    """What else has to be there before it can be understood."""

    @classmethod
    def message(cls, text: str, *, title: str = "", tags: tuple[str, ...] = ()) -> Draft:
        """Return the draft of a message."""
        return cls(schemas=("message",), fields={"message": text}, title=title, tags=tags)

    @classmethod
    def file(cls, manifest: FileManifest, filename: str, *, title: str = "", tags: tuple[str, ...] = ()) -> Draft:
        """Return the draft of a file."""
        fields = {"file": manifest.fields()}
        return cls(schemas=("file",), fields=fields, title=title, filename=filename, tags=tags)


@frozen
class Founding:
    """A new node: who it is, and the first resources of its journal, in order."""

    local: Local
    resources: tuple[SignedObject, ...]


def found(name: str, user: PrivateKey, node: PrivateKey, keys: Announcement, now: Millis) -> Founding:
    """Return a new node of a new user called *name*. Raise `Misused` if the name will not do.

    Line 1 is the user's identity, line 2 the trust that authorises the node (SDMP, journal start); then the node's
    identity, its envelope keys, and both names.
    """
    if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
        raise Misused(f"a name has 1 to {NAME_MAX} printable characters")
    who, expires = user.fingerprint, Millis(now + IDENTITY_LIFE_MS)
    stamps = [Stamp(now, count) for count in range(8)]

    def signed(by: PrivateKey, schema: str, fields: dict[str, Any], trust: ResourceId | None = None) -> SignedObject:
        about = About(stamp=stamps.pop(0))
        return SignedObject.sign(compose([schema], fields, user=who, trust=trust, about=about), by)

    identity = signed(user, "identity", identity_fields("user", user.public, expires))
    rights = {"trustee": node.fingerprint, "authorization": list(OWN_NODE)}
    trust = signed(user, "trust", {"trust": rights})
    rest = (
        signed(node, "identity", identity_fields("node", node.public, expires), trust.id),
        signed(node, "envelope_keys", announcement_fields(keys), trust.id),
        signed(node, "user", {"user": {"name": name}}, trust.id),
        signed(node, "node", {"node": {"type": "node", "name": name}}, trust.id),
    )
    return Founding(Local(who, node.fingerprint, trust.id, name), (identity, trust, *rest))


def take_root(view: View, founding: Founding, now: Millis) -> Effects:
    """Write a new node's first lines."""
    for signed in founding.resources:
        yield from admission.keep(view, Resource.read(signed, view.schema), sender=None, now=now)


def check(view: View, signer: Fingerprint, now: Millis) -> None:
    """Check that what *signer*, our node or our user, publishes at *now* counts with others.

    Raise `Expired` if our own identity has, or `Revoked` if the node is trusted no more.
    """
    local = view.local()
    for name in (local.user, signer):
        identity = view.identity(name)
        assert identity is not None, "our own identities are the first lines of our journal"
        identity.check_time(now)
    if signer != local.user and view.authority(local.user).dismissed(local.node, now) and local.trust:
        raise Revoked("this node's user trusts it no more: nothing that it publishes counts with anybody")


def publish(
    view: View, key: PrivateKey, drafts: Sequence[Draft], now: Millis, seal: privacy.Seal | None = None
) -> Effects:
    """Publish *drafts*, in order, signed by the node's *key* or the user's own; *seal* locks private ones.

    Raise `Expired` if our own identity has, `Revoked` if the node is trusted no more, or `Misused`.
    """
    if any(len(str(draft.fields.get("message", "")).encode()) > MESSAGE_BYTES_MAX for draft in drafts):
        raise Misused("a message is longer than 1 MiB; publish it as a file")
    check(view, key.fingerprint, now)
    local = view.local()
    trust = None if key.fingerprint == local.user else local.trust
    names: list[ResourceId] = []
    for draft in drafts:
        stamp = view.stamp().credible(now).after(now)
        about = About(
            stamp=stamp,
            title=draft.title,
            filename=draft.filename,
            tags=draft.tags,
            expires=draft.expires,
            conversation=draft.conversation,
            parent=draft.parent,
            after=tuple(dict.fromkeys((*draft.after, *names[len(names) - draft.attached :]))),
            supersedes=draft.supersedes,
        )
        inner = None
        if draft.private is None:
            payload = compose(draft.schemas, draft.fields, user=local.user, trust=trust, about=about)
        else:
            assert seal is not None, "whoever publishes private things can lock them"
            payload, inner = privacy.compose_private(view, draft.schemas, draft.fields, draft.private, about, seal, now)
        resource = Resource.read(SignedObject.sign(payload, key), view.schema)
        names.append(resource.id)
        yield SetStamp(stamp)
        yield from admission.keep(view, resource, sender=None, now=now)
        if inner is not None:
            yield from privacy.opened(view, resource.id, resource.user, inner)
        if chunks := view.chunks_of(resource.id):
            yield from _owe(view, chunks)
        if resource.kind in PROOFS:
            yield from admission.retry(view, [resource.id], now)


def _owe(view: View, chunks: Ranges) -> Effects:
    for peer in view.peers():
        if peer.reads:
            yield SavePeer(replace(peer, owed_chunks=peer.owed_chunks | chunks))


def inlined(size: int, *, private: bool = False) -> bool:
    """Return whether a file of *size* bytes travels inside its resource rather than as chunks.

    What is private is written in base64 twice.
    """
    return size <= (INLINE_BYTES_MAX * 3 // 4 if private else INLINE_BYTES_MAX)


@frozen
class Card:
    """What one node's peers pin of it: resources that prove each other."""

    user: Identity
    node: Identity
    trust: ResourceId
    keys: Announcement
    name: str
    resources: tuple[SignedObject, ...]

    @property
    def vouching(self) -> list[Trust]:
        """The trust in the node, and those in the nodes that vouch for it."""
        read = (Resource.read(each, schema.published) for each in self.resources)
        return [trust_of(each) for each in read if _is(each, "trust")]


def write_card(view: View) -> str:
    """Return this node's card: a line for people, then one signature object a line."""
    local = view.local()
    objects = [signed.encode().decode() for signed in introducing.own_card(view)]
    return "\n".join([f"{CARD_HEAD} of {printable(local.name)}, node {short(local.node)}", *objects, ""])


def read_card(text: str, now: Millis) -> Card:
    """Return the card in *text*, every part of it verified. Raise `Refused` or a child of it."""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip() and not line.startswith("#")]
    if not text.startswith(CARD_HEAD) or len(lines) > 32:
        raise Malformed("not a paquebot card")
    return card_of([SignedObject.parse(line.encode()) for line in lines], now)


def card_of(objects: Sequence[SignedObject], now: Millis) -> Card:
    """Return the card that consists of *objects*, every one of them verified. Raise `Refused` or a child of it."""
    resources = [Resource.read(each, schema.published) for each in objects]
    identities = {
        found.fingerprint: found for each in resources if _is(each, "identity") for found in [identity_of(each)]
    }
    users = [each for each in identities.values() if each.kind == "user"]
    trusts = {trust.trustee: trust for each in resources if _is(each, "trust") for trust in [trust_of(each)]}
    announced = [each for each in resources if _is(each, URIS["envelope_keys"])]
    nodes = len(identities) - len(users)
    if not len(users) == len(announced) == 1 or not 0 < nodes == len(trusts) <= VOUCHERS_MAX:
        raise Malformed("a card does not hold one user, one node, one trust and one set of envelope keys")
    user, node = users[0], identities.get(announced[0].signed.signer)
    if node is None or node.kind != "node":
        raise NotPermitted("the envelope keys in a card are not its node's")
    for each in resources:
        if each.user != user.fingerprint or each.signed.signer not in identities:
            raise NotPermitted("a card mixes things of different people")
        each.signed.verify(identities[each.signed.signer].key)
        identities[each.signed.signer].check_time(now)
    trust = _vouched(trusts, user.fingerprint, node.fingerprint, now)
    names = [str(each.container.value["user"]["name"]) for each in resources if _is(each, "user")]
    keys = announcement_of(announced[0])
    return Card(user, node, trust.id, keys, next(iter(names), ""), tuple(each.signed for each in resources))


def _vouched(trusts: dict[Fingerprint, Trust], user: Fingerprint, node: Fingerprint, now: Millis) -> Trust:
    """Return the trust in *node*; the user signed it, or a node for which another of the *trusts* vouches."""
    found, right = trusts.get(node), PUBLISH
    last = found
    for _ in range(VOUCHERS_MAX):
        if last is None:
            break
        last.check(right, user, last.trustee, now)
        if last.signer == user and found is not None:
            return found
        last, right = trusts.get(last.signer), CREATE_TRUST
    raise NotPermitted("the trust in a card is not signed by its user")


def _is(resource: Resource, schema: str) -> bool:
    return resource.container.keeps(schema)


def add_peer(view: View, key: PrivateKey, card: Card, name: str, *, trusting: bool, now: Millis) -> Effects:
    """Pin the keys of *card*'s node under *name*; with *trusting*, let its user read ours and accept its own.

    Adding the same node again renames it, widens its rights, and clears it of suspicion. Raise `Misused` for our own
    card, and for another node under a name in use.
    """
    local, node = view.local(), card.node.fingerprint
    if node == local.node:
        raise Misused("this is our own card")
    if any(peer.name == name and peer.node != node for peer in view.peers()):
        raise Misused(f"another peer is called {name!r} already; choose another name")
    old = view.peer(node)
    peer = old or Peer(
        node=node,
        user=card.user.fingerprint,
        name=name,
        reads=False,
        publishes=False,
        added=now,
        heard_id=journal.root(node),
    )
    publishes = peer.publishes or trusting
    yield SavePeer(replace(peer, name=name, publishes=publishes, suspect=Millis(0)))
    for signed in card.resources:
        yield from admission.receive(view, signed, node, now, pinning=True)
    yield from _known_by_origin(view, node, card)
    if old is None:
        yield from endings.pinned(view, node, now)
    if publishes and not (old and old.publishes and not old.suspect):
        for entry in view.unheld(peer.user):
            if not view.authority(entry.publisher).buries(entry.resource):
                yield Want(entry)
    yield from standing.refresh(view, now)
    granted = view.authority(local.user).grants(READ, (peer.user, node), now)
    if trusting and not granted and peer.user != local.user:
        fields = {"trust": {"trustee": card.user.fingerprint, "authorization": [READ]}}
        yield from publish(view, key, [Draft(schemas=("trust",), fields=fields)], now)
        yield from standing.refresh(view, now)


def _known_by_origin(view: View, node: Fingerprint, card: Card) -> Effects:
    """A node holds what is on its own card: no reason to send it back."""
    mine = Ranges.of(*(run for each in card.resources for run in view.own_numbers(each.id).runs))
    peer = view.peer(node)
    assert peer is not None
    yield SavePeer(replace(peer, known=peer.known | mine))
