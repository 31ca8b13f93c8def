"""Whom to ask for what somebody lists and we lack: any peer that lists it, one at a time, the load spread.

SDMP: request unknown resources "from the broadcasting node or from any other trusted node known to have the resource",
so that the publisher is relieved. Who was asked least often for a thing is asked next, and among equals the
publisher's own nodes last; a hash of both names decides the rest, so that many things are spread over many peers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from hashlib import sha256

from paquebot.errors import Malformed
from paquebot.protocol import endings
from paquebot.protocol.account import Asking
from paquebot.protocol.effects import Answered, AskAnew, Asked, DropReply, Effects, SaveAccount, SaveAsking
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, raw
from paquebot.protocol.limits import (
    ASK_AGAIN_MS,
    ASK_LAST_MS,
    ASK_SCAN_MAX,
    DENIED_MS,
    DOUBT_MAX,
    REPLIES_MAX,
    REQUESTS_MAX,
)
from paquebot.protocol.link import Link
from paquebot.protocol.patience import due
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter, Peer, View
from paquebot.protocol.trust import READ, trust_of


def again(link: Link) -> int:
    """Return how long the answer to a question that goes by *link* is waited for, in ms."""
    return max(ASK_AGAIN_MS, 2 * link.latency_ms)


def can_answer(view: View, node: Fingerprint, now: Millis) -> bool:
    """Return whether *node* can be asked for more: it owes us fewer answers than anybody keeps for one peer."""
    return view.awaited(node, now) < REPLIES_MAX


def requests(view: View, peer: Peer, link: Link, now: Millis, reachable: Collection[Fingerprint]) -> list[ResourceId]:
    """Return the resources for which *peer*, of all *reachable* nodes that list them, is to be asked now."""
    room = min(REQUESTS_MAX, REPLIES_MAX - view.awaited(peer.node, now))
    found: list[ResourceId] = []
    for entry in view.wanted(peer.node, Millis(now - again(link)), ASK_SCAN_MAX):
        if len(found) >= room:
            break
        if _chosen(view, entry.resource, entry.publisher, reachable, now) == peer.node:
            found.append(entry.resource)
    return found


def files(view: View, peer: Peer, link: Link, now: Millis, reachable: Collection[Fingerprint]) -> list[ResourceId]:
    """Return the incomplete files for whose chunks *peer* is to be asked now.

    Whoever is known to hold all of a file is asked before others: two who both lack a chunk must not ask only each
    other. They are asked too, though: nobody may be known to hold all of it.
    """
    found: list[ResourceId] = []
    for file in view.incomplete(peer.node, Millis(now - again(link)), ASK_SCAN_MAX):
        if len(found) >= REQUESTS_MAX:
            break
        naming, mine = view.naming(file), view.own_numbers(file)
        whole = {who for who, _ in naming if (each := view.peer(who)) and mine & each.applied}
        (entry,) = view.entries(*naming[0], 1)
        if _chosen(view, file, entry.publisher, reachable, now, whole=whole or None) == peer.node:
            found.append(file)
    return found


def _chosen(
    view: View,
    resource: ResourceId,
    publisher: Fingerprint,
    reachable: Collection[Fingerprint],
    now: Millis,
    *,
    whole: Collection[Fingerprint] | None = None,
) -> Fingerprint | None:
    """The node to ask next; None if all who list *resource* said that they have not got it."""
    rows = {row.peer: row for row in view.askings(resource)}

    def order(node: Fingerprint) -> tuple[int, bool, bytes]:
        peer, row = view.peer(node), rows.get(node)
        times = row.times if row else 0
        handicap = doubt(view, node) + (whole is not None and node not in whole)
        return times + handicap, peer is not None and peer.user == publisher, _spread(resource, node)

    holders = _holders(view, resource) & set(reachable)
    return min((who for who in holders if not _denied(rows.get(who), now)), key=order, default=None)


def _holders(view: View, resource: ResourceId) -> set[Fingerprint]:
    """Who lists *resource*, and, if it was here before and was lost, who says that it holds it."""
    naming, mine = view.naming(resource), view.own_numbers(resource)
    return {who for who, _ in naming} | {peer.node for peer in view.peers() if mine & (peer.applied | peer.known)}


def _spread(resource: ResourceId, node: Fingerprint) -> bytes:
    return sha256(f"{resource} {node}".encode()).digest()


def _denied(row: Asking | None, now: Millis) -> bool:
    """Whether a peer said not long ago that it has not got something."""
    return row is not None and bool(row.denied) and not due(Millis(row.denied + DENIED_MS), now, DENIED_MS)


def doubt(view: View, node: Fingerprint) -> int:
    """Return after how many rounds of others a node is asked that broke its word: 0 for most."""
    return min(view.account(node).broken.bit_length(), DOUBT_MAX)


def asked(view: View, resource: ResourceId, node: Fingerprint, link: Link, now: Millis) -> Effects:
    """Note that *node* is asked for *resource* now. Nobody else is, until an answer can no longer come."""
    rows = {row.peer: row for row in view.askings(resource)}
    for row in rows.values():
        if 0 < row.until <= now and not _under_way(view.letters(row.peer), resource):
            yield from _broke(view, replace(row, until=Millis(0)))
    row = rows.get(node) or Asking(resource, node)
    patience = again(link)
    yield SaveAsking(replace(row, times=row.times + 1, until=Millis(now + patience)))
    # When all were asked as often, each further round takes twice as long: nobody may ever have it.
    wait = min(patience << min(row.times, 20), max(patience, ASK_LAST_MS))
    yield Asked(resource, Millis(now + wait - patience))


def _under_way(letters: Collection[Letter], resource: ResourceId) -> bool:
    return any(resource in (*each.plan.requests, *(name for name, _ in each.plan.wants)) for each in letters)


def _broke(view: View, row: Asking) -> Effects:
    """A node lists something, was asked for it, and did not give it: from now on others are asked before it."""
    account = view.account(row.peer)
    yield SaveAsking(row)
    yield SaveAccount(row.peer, replace(account, broken=account.broken + 1))


def not_asked(view: View, letter: Letter) -> Effects:
    """The requests in *letter* did not arrive: it is as if they had not been made."""
    for resource in (*letter.plan.requests, *(name for name, _ in letter.plan.wants)):
        for row in view.askings(resource):
            if row.peer == letter.peer:
                yield SaveAsking(replace(row, times=max(row.times - 1, 0), until=Millis(0)))
        yield Asked(resource, Millis(0))


def identifier(letter: str, resource: ResourceId) -> str:
    """Return the identifier of a request: it says what was asked for, so that a late answer needs no memory of ours."""
    return f"{letter}.{resource}"


def denied(view: View, identifier: str, node: Fingerprint, now: Millis) -> Effects:
    """*node* answers that it has not got what it was asked for: ask the next; when none is left, wait long.

    It may answer an older question than the one that is on its way to it: something has changed since, and that says
    nothing.
    """
    resource = named(identifier)
    rows = {row.peer: row for row in view.askings(resource)} if resource else {}
    row = rows.get(node)
    if resource is None or row is None or view.has(resource):
        return
    letter, _, _ = identifier.rpartition(".")
    if _under_way([each for each in view.letters(node) if b64(each.id) != letter], resource):
        return
    said = replace(row, until=Millis(0), denied=now)
    yield SaveAsking(said)
    if not any(each.until > now for each in view.askings(resource)):
        rows[node] = said
        left = any(not _denied(rows.get(who), now) for who in _holders(view, resource) if _answers(view, who))
        yield Asked(resource, Millis(0 if left else now + DENIED_MS))


def refused(view: View, resource: ResourceId) -> bool:
    """Return whether all that list *resource*, and answer, were asked for it and have nothing for us."""
    said = {row.peer for row in view.askings(resource) if row.denied}
    return bool(said) and said >= {node for node in _holders(view, resource) if _answers(view, node)}


def _answers(view: View, node: Fingerprint) -> bool:
    """Whether *node* is a peer that may answer yet: not if nothing goes there any more."""
    peer = view.peer(node)
    return peer is not None and not peer.revoked and not endings.is_quiet(peer)


def named(identifier: str) -> ResourceId | None:
    """Return what was asked for by the request of that identifier; None if it is none of ours."""
    name = ResourceId(identifier.rpartition(".")[2])
    try:
        return name if len(raw(name)) == 64 else None
    except Malformed:
        return None


def wrong(view: View, resource: ResourceId, node: Fingerprint, now: Millis) -> Effects:
    """*node* gave bytes that are not what they are called: it is asked last, if it was asked at all."""
    rows = view.askings(resource)
    for row in rows:
        if row.peer == node and row.until:
            yield from _broke(view, replace(row, until=Millis(0)))
            others = any(who != node and view.peer(who) for who, _ in view.naming(resource))
            if others and not any(each.until > now for each in rows if each.peer != node):
                yield Asked(resource, Millis(0))


def listed(view: View, resource: ResourceId, now: Millis) -> Effects:
    """Another node lists something that is wanted: it can be asked, unless somebody's answer is waited for."""
    rows = view.askings(resource)
    if rows:
        yield Asked(resource, now if any(row.until > now for row in rows) else Millis(0))


def listed_again(view: View, resource: ResourceId, node: Fingerprint) -> Effects:
    """*node* tells again that it holds *resource*: if it had refused that, it can be asked for it again."""
    for row in view.askings(resource):
        if row.peer == node and row.denied and not view.has(resource):
            yield SaveAsking(replace(row, denied=Millis(0)))
            yield Asked(resource, Millis(0))


def hold(view: View, lines: Ranges, node: Fingerprint) -> Effects:
    """*node* says that it holds what our *lines* name: what we lost of that it can be asked for again."""
    names = (line.entry.resource for run in lines.runs for line in view.own_lines(*run) if line.gone)
    for resource in names:
        yield from listed_again(view, resource, node)


def came(view: View, resource: ResourceId, sender: Fingerprint | None) -> Effects:
    """*resource* is here: nobody is asked for it any more, and whoever was asked and gave it kept its word."""
    rows = view.askings(resource)
    for row in rows:
        account = view.account(row.peer)
        if row.peer == sender and account.broken:
            yield SaveAccount(row.peer, replace(account, broken=account.broken // 2))
    if rows:
        yield Answered(resource)


def progress(view: View, file: ResourceId, sender: Fingerprint) -> Effects:
    """A chunk of *file* came from *sender*: it is the first to be asked for the rest."""
    for row in view.askings(file):
        if row.peer == sender and row.times:
            yield SaveAsking(replace(row, times=0))


def trusted(view: View, resource: Resource) -> Effects:
    """A trust that lets us read is here: what was refused before may be given now."""
    local, found = view.local(), trust_of(resource)
    if found.trustee in (local.user, local.node) and READ in found.rights:
        yield AskAnew(resource.user)


def unsaid(view: View, node: Fingerprint) -> Effects:
    """*node* may have more by now: it is refused nothing any more that it asked for before, and asks again."""
    for reply in view.replies(node):
        if reply.status == "not_found":
            yield DropReply(reply.number)


def proofs(view: View, signed: SignedObject) -> Iterator[SignedObject]:
    """Yield who published a schema, for a peer that may never have heard of them; each after what leans on it."""
    resource = Resource.read(signed, view.schema)
    if not resource.container.keeps("schema"):
        return
    names = [resource.trust, view.proof(resource.user)]
    names += [view.proof(signed.signer)] if signed.signer != resource.user else []
    yield from (found for name in names if name and (found := view.resource(name)))


def news(view: View, node: Fingerprint, now: Millis) -> Effects:
    """Ask for *node*'s journal at the next occasion, whatever else comes from it before."""
    yield SaveAccount(node, replace(view.account(node), ask=now))
