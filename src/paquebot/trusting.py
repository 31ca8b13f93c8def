"""Trust, as the person at an open node sees it and changes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paquebot.errors import Misused, NotFound, Revoked
from paquebot.keychain import NODE_KEY, USER_KEY
from paquebot.node import Node
from paquebot.protocol import endings, noting, publishing, standing, trusting
from paquebot.protocol.authority import Authority
from paquebot.protocol.effects import Effects, Keep
from paquebot.protocol.encoding import Fingerprint, ResourceId, short
from paquebot.protocol.identity import EDDSA, PrivateKey
from paquebot.protocol.limits import TRUST_DEPTH_MAX
from paquebot.protocol.privacy import ENCRYPTED
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer
from paquebot.protocol.trust import CREATE_TRUST, PUBLISH, READ, READ_ENCRYPTED, REVOKE, Ending, Trust

WORDS = {
    "read": READ,
    "private": READ_ENCRYPTED,
    "publish": PUBLISH,
    "delegate": CREATE_TRUST,
    "revoke": REVOKE,
}
"""What people call SDMP's authorisations; its own names are understood too."""
FOR_USERS = (READ, READ_ENCRYPTED)
"""What is given to a person, with all their nodes; the rest is done by one node."""


@dataclass(frozen=True, slots=True)
class Given:
    """One trust, as lists show it."""

    trust: Trust
    may: tuple[str, ...]
    """What it really gives, in people's words."""
    until: Millis | None
    state: str
    """``in force``, ``expired`` or ``revoked``."""


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """One node of our user or of a peer's."""

    node: Fingerprint
    user: Fingerprint
    name: str
    mine: bool
    """Of our own user."""
    state: str
    """``this node``, ``set apart``, ``trusted``; by its own user: ``ended`` or ``revoked``; and a node of others that
    may do nothing in our name: ``trust taken``, ``trust expired``, ``not trusted``.
    """
    since: Millis
    """When it was revoked, or the last trust in it was taken back; 0 if neither was."""
    heir: Fingerprint | None
    """The node that goes on in its place, if it has ended."""
    lines: int
    """Of its journal, known here."""
    heard: Millis
    may: tuple[str, ...]


def right(word: str) -> str:
    """Return the authorisation that a person calls *word*. Raise `Misused`."""
    found = WORDS.get(word, word)
    if found not in WORDS.values():
        raise Misused(f"{word!r} is nothing that can be allowed; there is: {', '.join(WORDS)}")
    return found


def words(rights: Iterable[str]) -> tuple[str, ...]:
    """Return what people call *rights*, in one order."""
    chosen = set(rights)
    return tuple(word for word, name in WORDS.items() if name in chosen)


def names(node: Node) -> dict[str, str]:
    """Return what users and nodes are called here."""
    local = node.view.local()
    found: dict[str, str] = {}
    for peer in sorted(node.view.peers(), key=lambda peer: bool(peer.ended or peer.revoked)):
        found.setdefault(peer.user, peer.name)  # a person is called as the node that goes on
        found[peer.node] = f"{peer.name}'s node" if peer.user != local.user else peer.name
    return {**found, local.user: local.name, local.node: "this node"}


def all_given(node: Node, *, everything: bool = False) -> list[Given]:
    """Return the trusts of our user and of all peers' users that are in force; or *everything* that ever was."""
    view, now = node.view, node.now()
    users = dict.fromkeys((view.local().user, *(peer.user for peer in view.peers())))
    found = [
        _given(view.authority(user), trust, now) for user in users for trust in view.authority(user).trusts.values()
    ]
    return [each for each in found if everything or each.state == "in force"]


def _given(authority: Authority, trust: Trust, now: Millis) -> Given:
    until = authority.expires(trust)
    state = "in force" if trust in authority.given(trust.trustee) else "revoked"
    if state == "in force" and until is not None and now >= until:
        state = "expired"
    return Given(trust, words(authority.rights(trust)), until, state)


def _commit(node: Node, drafts: Sequence[Draft], key: PrivateKey | None = None) -> list[str]:
    """Publish *drafts*, signed by this node or with the user's *key*, and draw the consequences. Return their ids."""
    view, now = node.view, node.now()

    def effects() -> Effects:
        yield from publishing.publish(view, key or node.keys.private_key(NODE_KEY), drafts, now)
        yield from standing.refresh(view, None if node.clock_doubtful() else now)

    return [each.kept.signed.id for each in node.commit(noting.noted(view, effects(), now)) if isinstance(each, Keep)]


def _user_key(node: Node) -> PrivateKey | None:
    try:
        return node.keys.private_key(USER_KEY)
    except NotFound:
        return None


def give(node: Node, name: str, rights: Sequence[str], until: Millis | None) -> list[str]:
    """Let the peer called *name* do *rights*: reading is given to its user, the rest to its node. Return the ids."""
    peer, now = node.peer(name), node.now()
    to = {
        peer.user: [each for each in rights if each in FOR_USERS],
        peer.node: [each for each in rights if each not in FOR_USERS],
    }
    drafts = []
    for who, what in to.items():
        if what:
            drafts.append(trusting.give(node.view, who, what, until, now))
            if until is not None:  # what lasts longer would make the end mean nothing
                drafts += trusting.take(node.view, (who,), what, by_user=False)
    return _commit(node, drafts)


def take(node: Node, name: str, rights: Sequence[str]) -> list[str]:
    """Take *rights* back from the peer called *name*, its user and its node. Return the ids of the revocations."""
    peer = node.peer(name)
    drafts = trusting.take(node.view, (peer.user, peer.node), rights, by_user=False)
    if not drafts:
        raise Misused(f"{name} has none of that: see `paquebot trust list`")
    return _commit(node, drafts)


def revoke(node: Node, ids: Sequence[str]) -> list[ResourceId]:
    """Take back what our user published. Return what it was. Raise `NotFound` or `Misused`; then nothing is done."""
    found = [node.find(each).id for each in ids]
    _commit(node, trusting.revoke(node.view, found, by_user=False))
    return found


def nodes(node: Node) -> list[NodeStanding]:
    """Return our user's nodes and all peers, our own first."""
    view, now, local = node.view, node.now(), node.view.local()
    mine = view.authority(local.user)
    identities = (trust.trustee for trust in mine.trusts.values())
    own = [each for each in dict.fromkeys(identities) if (found := view.identity(each)) and found.kind == "node"]
    return [_standing(node, who, local.user, now) for who in own if _is_own(node, who)] + [
        _standing(node, peer.node, peer.user, now) for peer in view.peers() if peer.user != local.user
    ]


def _is_own(node: Node, who: Fingerprint) -> bool:
    """Whether a node that our user trusts is the user's own, and not a peer's with a few rights."""
    return all(peer.node != who or peer.user == node.view.local().user for peer in node.view.peers())


def _standing(node: Node, who: Fingerprint, user: Fingerprint, now: Millis) -> NodeStanding:
    view, local = node.view, node.view.local()
    peer = view.peer(who)
    since = view.authority(user).dismissed(who, None if node.clock_doubtful() else now)
    ending = endings.ending(view, who, user)
    state = "revoked" if since else "ended" if ending else "set apart" if peer and peer.suspect else "trusted"
    if state == "trusted" and peer and user != local.user:
        state, since = _our_trust(node, peer)
    rights = {right for trust in view.authority(user).given(who) for right in view.authority(user).rights(trust)}
    return NodeStanding(
        node=who,
        user=user,
        name=peer.name if peer else _name_of(node, who),
        mine=user == local.user,
        state="this node" if who == local.node and not since else state,
        since=since or Millis(0),
        heir=ending.successor if ending and state == "ended" else None,
        lines=view.tip()[0] if who == local.node else peer.heard if peer else 0,
        heard=peer.seen_at if peer else Millis(0),
        may=words(rights),
    )


def _our_trust(node: Node, peer: Peer) -> tuple[str, Millis | None]:
    """Whether our user trusts another user's node in anything, or did; and since when not any more."""
    mine, now = node.view.authority(node.view.local().user), node.now()
    whom = (peer.user, peer.node)
    given = [trust for each in whom for trust in mine.given(each)]
    ends = [mine.expires(trust) for trust in given]
    if any(end is None or now < end or node.clock_doubtful() for end in ends):
        return "trusted", None
    if given:
        return "trust expired", max(end for end in ends if end is not None)
    taken = [cut.stamp.at for trust in mine.trusts.values() if trust.trustee in whom for cut in mine.cuts(trust)]
    return ("trust taken", max(taken)) if taken else ("not trusted", None)


def _name_of(node: Node, who: Fingerprint) -> str:
    """What a node calls itself."""
    for name in node.view.signed_by(node.view.local().user, who):
        signed = node.view.resource(name)
        value = Resource.read(signed, node.view.schema).container.value if signed else {}
        if isinstance(found := (value.get("node") or value.get("information") or {}), dict) and found.get("name"):
            return str(found["name"])
    return ""


def find_node(node: Node, text: str) -> NodeStanding:
    """Return the one of our user's nodes that *text* means: a peer's name, or the beginning of its fingerprint."""
    own = [each for each in nodes(node) if each.mine]
    found = [each for each in own if text == each.name] or [
        each
        for each in own
        if len(text) >= 4 and (each.node.startswith(text) or short(each.node).startswith(text.lower()))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise Misused(f"{text!r} may mean {len(found)} nodes; give more of the fingerprint")
    known = ", ".join(short(each.node) for each in own)
    raise NotFound(f"none of your nodes is called {text!r}; they are: {known}. A peer's node only its own user revokes")


def revoke_node(
    node: Node, who: Fingerprint, *, after: int | None = None, since: Millis | None = None
) -> Ending | None:
    """Take all trust from one of our user's nodes: with the user's key if it is here, else by this node's right.

    Return where its journal ends from now on; None if it is not known here, and the stamps decide.
    """
    key = _user_key(node)
    ending = trusting.frontier(node.view, who, after=after, since=since)
    _commit(node, trusting.revoke_node(node.view, who, ending, by_user=key is not None), key)
    return ending


def replace_node(node: Node, who: Fingerprint, *, after: int | None = None, since: Millis | None = None) -> None:
    """Make this node the successor of another one of our user's, from which all trust is taken. Raise `Misused`.

    With *after* or *since*, the old journal counts up to there only.
    """
    key, chosen = _user_key(node), after is not None or since is not None
    ending = trusting.frontier(node.view, who, after=after, since=since) if chosen else None
    _commit(node, trusting.replace_node(node.view, who, ending, by_user=key is not None), key)


def renew_node(node: Node) -> tuple[Fingerprint, bool]:
    """Let this home go on as another node with all keys new; return the old one, and whether the user vouched.

    Without the user's key, the old node vouches. Raise `Misused`, `KeysLocked`, `Expired` or `Revoked`; then nothing
    is done.
    """
    view, now = node.view, node.now()
    local = view.local()
    if view.past().branch or view.lapses():
        raise Misused(
            "this home may have been restored from a backup, or copied: first sync until `paquebot status` is quiet"
        )
    if view.authority(local.user).dismissed(local.node, now):
        raise Revoked("this node's user trusts it no more: make a new node, and let it replace this one there")
    user, own = view.identity(local.user), view.identity(local.node)
    assert user is not None, "the user's identity is the first line of our journal"
    assert own is not None, "our own identity is among the first lines of our journal"
    key = _user_key(node)
    (user if key else own).check_time(now)
    if key is None and len(view.authority(local.user).chain(local.trust)) >= TRUST_DEPTH_MAX:
        raise Misused("too many nodes vouch for one another: the user key is needed; see `paquebot recovery`")
    if own.key.algorithm != EDDSA and next(view.listed((ENCRYPTED,)), None):
        raise Misused("there are private things here that only this node's RSA key opens: with another, they are lost")
    node.go_on(all_new=True)
    trust = node.view.trust(node.view.local().trust)
    return local.node, trust is not None and trust.signer == local.user
