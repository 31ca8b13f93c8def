"""What a person decides about trust: to give it, to take it back, to revoke what was published, or a node of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from paquebot.amounts import count
from paquebot.errors import Misused, NotPermitted
from paquebot.protocol import journal
from paquebot.protocol.encoding import Fingerprint, ResourceId, short
from paquebot.protocol.publishing import Draft
from paquebot.protocol.reading import CLOSURE
from paquebot.protocol.resource import PROOFS
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.state import View
from paquebot.protocol.trust import CREATE_TRUST, REVOKE, Ending, Trust


def give(view: View, trustee: Fingerprint, rights: Iterable[str], until: Millis | None, now: Millis) -> Draft:
    """Return the trust that gives *trustee* *rights* for our user. Raise `Misused` or `NotPermitted`."""
    local = view.local()
    rights = tuple(dict.fromkeys(rights))
    if trustee in (local.user, local.node):
        raise Misused("that is this node's own user")
    if until is not None and until <= now:
        raise Misused("that date has passed")
    own = view.authority(local.user).trusts[local.trust]
    lacking = {*rights, CREATE_TRUST} - view.authority(local.user).rights(own)
    if lacking:
        raise NotPermitted(f"this node has no {', '.join(sorted(lacking))} to give")
    fields = {"trustee": trustee, "authorization": list(rights)}
    return Draft(schemas=("trust",), fields={"trust": {**fields, "expires": format_time(until)} if until else fields})


def take(view: View, trustees: Iterable[Fingerprint], rights: Iterable[str], *, by_user: bool) -> list[Draft]:
    """Return what takes *rights* back from *trustees*: what they keep is given anew, before the old is revoked."""
    rights, drafts = set(rights), []
    for trustee in trustees:
        for trust in view.authority(view.local().user).given(trustee):
            if not rights & set(trust.rights):
                continue
            if rest := [right for right in trust.rights if right not in rights]:
                fields = {"trustee": trustee, "authorization": rest}
                if trust.expires is not None:
                    fields["expires"] = format_time(trust.expires)
                drafts.append(Draft(schemas=("trust",), fields={"trust": fields}))
            drafts.append(revocation(view, trust.id, trust.signer, by_user=by_user))
    return drafts


def revocation(
    view: View, target: ResourceId, signer: Fingerprint | None, *, by_user: bool, ending: Ending | None = None
) -> Draft:
    """Return what revokes *target*, which *signer* published for our user. Raise `NotPermitted`."""
    local = view.local()
    fields: dict[str, str] = {"resource": target}
    if not by_user:
        authority = view.authority(local.user)
        if REVOKE in authority.rights(authority.trusts[local.trust]):
            fields["authorization"] = local.trust
        elif signer != local.node:
            raise NotPermitted("another node of yours published it, and this one may not revoke what others published")
    if ending is None:
        return Draft(schemas=("revoke",), fields={"revoke": fields})
    return Draft(schemas=("revoke", "ending"), fields={"revoke": fields, **ending.fields()})


def revoke(view: View, names: Sequence[ResourceId], *, by_user: bool) -> list[Draft]:
    """Return what revokes resources that our user published. Raise `Misused` if one cannot be revoked."""
    drafts = []
    for name in dict.fromkeys(names):
        signed, origin = view.resource(name), view.origin(name)
        assert origin is not None
        author, kind = origin
        if author != view.local().user:
            raise Misused(f"{short(name)} was published by somebody else: only its author can take it back")
        if kind in PROOFS or kind in CLOSURE:
            raise Misused(f"{short(name)} is a {kind}; see `paquebot trust take` and `paquebot node revoke`")
        if view.hidden(name):
            raise Misused(f"{short(name)} is revoked already")
        drafts.append(revocation(view, name, signed.signer if signed else None, by_user=by_user))
    return drafts


def node_trusts(view: View, node: Fingerprint) -> list[Trust]:
    """Return our user's trusts that *node* still has."""
    return view.authority(view.local().user).given(node)


def revoke_node(view: View, node: Fingerprint, ending: Ending | None, *, by_user: bool) -> list[Draft]:
    """Return what revokes all trust of our user in one of the user's *node*s. Raise `Misused`."""
    if node == view.local().node:
        raise Misused("this is the node that you work on; revoke it from another node of yours")
    trusts = node_trusts(view, node)
    if not trusts:
        raise Misused("nothing is trusted to that node: it is revoked already, or not one of yours")
    return [revocation(view, each.id, each.signer, by_user=by_user, ending=ending) for each in trusts]


def replace_node(view: View, node: Fingerprint, ending: Ending | None, *, by_user: bool) -> list[Draft]:
    """Return what revokes one of the user's *node*s and makes our own its successor. Raise `Misused`.

    Only an *ending* that was chosen says up to which line the old journal counts; else the stamps decide, so that
    nothing is lost that peers have from it and we do not know of.
    """
    me = view.local().node
    cut = replace(ending, successor=me) if ending else None
    drafts = revoke_node(view, node, cut, by_user=by_user)
    known = frontier(view, node) or Ending(node, journal.root(node), 0)
    return [*drafts, Draft(schemas=("ending",), fields=replace(cut or known, successor=me).fields())]


def frontier(view: View, node: Fingerprint, *, after: int | None = None, since: Millis | None = None) -> Ending | None:
    """Return where *node*'s journal is to end: after line *after*, before what it published *since*, or as known here.

    None if its journal is not known here at all. Raise `Misused` if a wish cannot be met.
    """
    peer = view.peer(node)
    heard = peer.heard if peer else 0
    if after is not None:
        line = view.line_id(node, after) if 0 <= after <= heard else None
        if line is None:
            raise Misused(f"line {after} of its journal is not known here; {count(heard, 'line')} of it here")
        return Ending(node, line, after)
    if since is not None:
        if not heard:
            raise Misused("its journal is not known here; without --since, the stamps decide")
        heard = next((n - 1 for n in range(1, heard + 1) if _published_since(view, node, n, since)), heard)
    if peer is None or not peer.heard:
        return None
    line = view.line_id(node, heard)
    assert line is not None
    return Ending(node, line, heard)


def _published_since(view: View, node: Fingerprint, number: int, since: Millis) -> bool:
    """Whether that line names something that *node* itself published at *since* or later."""
    for entry in view.entries(node, number, 1):
        signed = view.resource(entry.resource)
        if signed is not None and signed.signer == node:
            return view.stamped(entry.resource) >= since
    return False
