"""What follows when a trust or revocation becomes known: what was applied is hidden, what was refused may return."""

from __future__ import annotations

from dataclasses import replace

from paquebot.protocol import endings, standing
from paquebot.protocol.authority import Authority, Claim
from paquebot.protocol.effects import Effects, Hide, Hold, Readmit, SavePeer, Tell, Unwant, Want
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.journal import Entry
from paquebot.protocol.resource import PROOFS, Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View

CODE = "revoked"


def cause(authority: Authority, resource: Resource) -> ResourceId | None:
    """Return the revocation because of which *resource* does not count, if there is one.

    What proves something is weighed in `Authority` and never hidden: others need it to come to the same judgement.
    """
    if resource.kind in PROOFS:
        return None
    claim = Claim.of(resource)
    found = authority.buries(claim.id, claim.signer) or authority.cut(claim)
    return found.id if found else None


def learned(view: View, before: Authority, resource: Resource, now: Millis) -> Effects:
    """Draw the consequences of *resource*, which proves something. *before* is what counted before it came."""
    after = view.authority(resource.user)
    if after is not before:
        yield from changed(view, before, resource.id, now)
    elif not resource.container.keeps("revoke"):
        yield from standing.refresh(view, None)
        yield from endings.reviewed(view, after.user, now)
    elif revocation := after.revocations.get(resource.id):  # it bears on its target alone
        yield from _aim(view, after, revocation.target)
        bearers = after.bearers(revocation.target)
        for signer in sorted(bearers):
            yield from reconsider(view, after.user, signer)
        if bearers:
            yield from standing.refresh(view, None)
        origin = view.origin(revocation.target)
        if bearers or (origin is not None and origin[1] == "ending"):
            yield from endings.reviewed(view, after.user, now)


def changed(view: View, before: Authority, name: str, now: Millis) -> Effects:
    """Draw the consequences of what was learned since *before*. What was refused waits for *name*, to be retried."""
    after = view.authority(before.user)
    effective = {(each, each in after.unconditional) for each in after.revocations}
    was = {(each, each in before.unconditional) for each in before.revocations}
    known = {**before.revocations, **after.revocations}
    for target in sorted({known[each].target for each, _ in effective ^ was}):
        yield from _aim(view, after, target)
    for signer in sorted(_touched(before, after)):
        yield from reconsider(view, after.user, signer)
    if was - effective:
        yield from readmit(view, after.user, name)
    yield from standing.refresh(view, None)
    yield from endings.reviewed(view, after.user, now)


def buried(before: Authority, after: Authority, name: ResourceId) -> list[ResourceId]:
    """Return what is taken back by revocations that have an effect *after* *name* came, and had none *before*."""
    if after is before:  # at most it bears on its target alone
        found = after.revocations.get(name)
        return [found.target] if found else []
    return sorted({each.target for name, each in after.revocations.items() if name not in before.revocations})


def _touched(before: Authority, after: Authority) -> set[Fingerprint]:
    """Whose resources may count differently now."""
    found = {
        trust.trustee
        for trust in after.trusts.values()
        if trust.id in before.trusts and before.weight(trust) != after.weight(trust)
    }
    return found | {after.user} if before.against(after.user) != after.against(after.user) else found


def _aim(view: View, authority: Authority, target: ResourceId) -> Effects:
    """A revocation of *target* gained or lost its effect."""
    if view.has(target):
        yield from _judge(view, target)
        return
    by = authority.buries(target)
    found = view.origin(target)
    if found is not None and found[1] not in PROOFS:  # it was here, and its bytes were lost
        yield Hide(target, by.id if by else None)
    if by is not None:
        yield Unwant(target)
    elif view.naming(target) and view.fate(target) is None:
        yield Want(Entry(authority.user, target))


def reconsider(view: View, user: Fingerprint, signer: Fingerprint) -> Effects:
    """Judge again everything that *signer* published for *user*."""
    for name in view.signed_by(user, signer):
        yield from _judge(view, name)


def _judge(view: View, name: ResourceId) -> Effects:
    by = _cause_of(view, name)
    if by == view.hidden(name):
        return
    yield Hide(name, by)
    yield Tell("superseded" if by else "applied", name, CODE if by else "")
    chunks = view.chunks_of(name)
    for peer in view.peers() if by and chunks else ():
        owed, asked = peer.owed_chunks - chunks, peer.asked_chunks - chunks
        yield SavePeer(replace(peer, owed_chunks=owed, asked_chunks=asked))


def _cause_of(view: View, name: ResourceId) -> ResourceId | None:
    """Why a held resource does not count. Of one that was forgotten only its name is left to judge by."""
    if signed := view.resource(name):
        resource = Resource.read(signed, view.schema)
        return cause(view.authority(resource.user), resource)
    user, kind = view.origin(name) or (Fingerprint(""), "")
    found = view.authority(user).buries(name) if kind not in PROOFS else None
    return found.id if found else view.hidden(name)


def readmit(view: View, user: Fingerprint, name: str) -> Effects:
    """Let what was refused because of a revocation wait for *name*: that revocation may have lost its effect."""
    for held in view.refused(CODE):
        if Resource.read(held.signed, view.schema).user == user:
            yield Readmit(held.signed.id)
            yield Hold(replace(held, missing=(name,)))
