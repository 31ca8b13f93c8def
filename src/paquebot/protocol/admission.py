"""Whether a resource that arrived may be kept, must wait, or is refused; the same in any order of arrival."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from paquebot.errors import Malformed, NotPermitted, Refused, Revoked, TooLarge
from paquebot.protocol import asking, custom, endings, journal, privacy, revocation
from paquebot.protocol.authority import Authority, Claim, Deed
from paquebot.protocol.effects import (
    AddChunks,
    Effect,
    Effects,
    Gave,
    HaveBlob,
    Hold,
    Keep,
    KeepBlob,
    KnowAnnouncement,
    KnowIdentity,
    KnowNode,
    Loose,
    Quarantine,
    Relate,
    Release,
    SavePeer,
    SetStamp,
    Tell,
    Unwant,
    Want,
)
from paquebot.protocol.encoding import Fingerprint, ResourceId, raw
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import AHEAD_MAX_MS, HELD_BYTES_MAX, HELD_MAX, LOOSE_BYTES_MAX, LOOSE_MAX, NEEDS_ASKED_MAX
from paquebot.protocol.published import URIS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import PROOFS, FileManifest, Resource, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Held, Kept, Peer, View
from paquebot.protocol.trust import (
    CREATE_TRUST,
    PUBLISH,
    REVOKE,
    announcement_of,
    identity_of,
    revocation_of,
    trust_of,
)

HOPELESS = (Malformed.code, TooLarge.code)
"""Why bytes are refused that can be good in no other form: for what they say."""


def accepts(view: View, user: Fingerprint) -> bool:
    """Return whether resources published for *user* are wanted here at all."""
    return user == view.local().user or any(
        peer.user == user and peer.publishes and not peer.suspect for peer in view.peers()
    )


def receive(view: View, signed: SignedObject, sender: Fingerprint, now: Millis, *, pinning: bool = False) -> Effects:
    """Decide about one resource that *sender* gave us, and about what had waited for it.

    With *pinning*, a person vouches for it: it is part of a card that is being added. Raise `Refused` if the
    resource can never be admitted; nothing has been asked for then.
    """
    names = yield from _admit(view, signed, sender, now, pinning=pinning)
    yield from retry(view, names, now)


Deciding = Generator[Effect, None, list[str]]
"""Effects, and in the end the names of what was admitted: others may have waited for them."""


def _admit(view: View, signed: SignedObject, sender: Fingerprint, now: Millis, *, pinning: bool = False) -> Deciding:
    if view.has(signed.id):
        yield Tell("duplicate", signed.id)
        return []
    resource = Resource.read(signed, view.schema)
    if not (pinning or accepts(view, resource.user) or _leaned_on(view, resource) or _says_where(view, resource)):
        yield Unwant(signed.id)
        yield Tell("declined", signed.id, "its author's resources are not accepted here")
        return []
    missing, until = _judge(view, resource, now)
    before = view.authority(resource.user) if resource.kind in PROOFS else None
    if pinning and missing:
        raise NotPermitted("a card leans on things that are not on it")
    if missing or (until and not pinning):  # a person vouches for a card, whatever its node's clock showed
        yield from _hold(view, resource, Held(signed, missing, until, sender))
        return []
    if not pinning and _too_many(view, resource):
        yield Want(Entry(resource.user, resource.id))
        yield Tell("deferred", resource.id, "too many trusts or revocations of its user's are here already")
        return []
    yield from keep(view, resource, sender=sender, now=now)
    yield Tell("applied", signed.id)
    buried = revocation.buried(before, view.authority(resource.user), signed.id) if before else []
    names = [signed.id, *_introduces(resource), *buried]
    for name in buried:  # what waits for its time need not wait for it
        if held := view.held(name):
            names += yield from _again(view, held, now)
    return names


def _too_many(view: View, resource: Resource) -> bool:
    """Whether its user has more proofs than anybody needs: all are weighed again for each new one."""
    if resource.kind not in PROOFS or _is_own(view, resource):
        return False
    return view.authority(resource.user).full(Deed.of(resource), resource.signed.signer)


def _leaned_on(view: View, resource: Resource) -> bool:
    """Whether something that is accepted waits for *resource*: a schema, or the proofs of who published one.

    Whoever published it gains nothing by that: nothing else of theirs is accepted.
    """
    if resource.container.keeps("identity"):
        return bool(view.waiting_for(resource.signed.signer))
    closure = resource.container.keeps("schema") or resource.container.keeps("trust")
    return closure and bool(view.waiting_for(resource.id))


def _says_where(view: View, resource: Resource) -> bool:
    """Whether a peer says how it can be written to, its envelope keys or where it is: that is needed in any case."""
    peer = view.peer(resource.signed.signer)
    return peer is not None and resource.user == peer.user and resource.kind in ("envelope_keys", "node")


def _check_schemas(view: View, resource: Resource) -> None:
    """Raise `Malformed` if the resource names a schema that never can be used: it was refused for what it says."""
    for name in resource.container.unresolved:
        raw(name)
        fate = view.fate(name)
        if fate is not None and fate[0] == "rejected" and fate[1] in HOPELESS:
            raise Malformed("a resource names a schema that was refused here")


def _judge(view: View, resource: Resource, now: Millis) -> tuple[tuple[str, ...], Millis | None]:
    """Return what the resource waits for: names, and a moment. Raise `Refused` if it never can be admitted."""
    _check_schemas(view, resource)
    missing: list[str] = list(resource.container.unresolved)
    signer = resource.signed.signer
    if resource.container.keeps("identity"):
        identity = identity_of(resource)
        identity.check_time(now)
        if (identity.kind == "user" or resource.trust is None) and resource.user != identity.fingerprint:
            raise NotPermitted("an identity is published for another user, without that user's trust")
    else:
        known = view.identity(signer)
        if known is None:
            missing.append(signer)
        else:
            resource.signed.verify(known.key)
            known.check_time(_moment(resource, now))
    missing += _authorised(view, resource, now)
    if not missing and revocation.cause(view.authority(resource.user), resource):
        raise Revoked("it was taken back, or its node's trust was")
    if resource.container.keeps(URIS["envelope_keys"]) and not missing:
        _check_point(view, resource)
    if resource.about is not None:
        missing += _needed(view, resource)
        if resource.about.stamp.at > now + AHEAD_MAX_MS and not _is_own(view, resource):
            return tuple(missing), Millis(resource.about.stamp.at - AHEAD_MAX_MS)
    return tuple(missing), None


def _needed(view: View, resource: Resource) -> list[ResourceId]:
    """What *resource* depends on, is not here, and may yet come.

    Nobody waits for what was taken back, can never be good, or is held by nobody who lists it: it is read without.
    """
    lacking = (name for name in resource.about.needs if not view.has(name)) if resource.about else ()
    return [name for name in lacking if not _never(view, resource.user, name)]


def _never(view: View, user: Fingerprint, name: ResourceId) -> bool:
    if view.authority(user).buries(name) or asking.refused(view, name):
        return True
    fate = view.fate(name)
    return fate is not None and fate[0] == "rejected" and fate[1] in HOPELESS


def _authorised(view: View, resource: Resource, now: Millis) -> list[str]:
    """Return the trust that is missing, if one is. Raise `NotPermitted` or `Expired`."""
    if resource.signed.signer == resource.user:
        return []
    if resource.trust is None:
        raise NotPermitted("a node signed a resource without naming the trust that allows it")
    authority, claim, at = view.authority(resource.user), Claim.of(resource), _moment(resource, now)
    named = [resource.trust]
    if resource.container.keeps("revoke") and (other := revocation_of(resource).authorization):
        named.append(other)
    missing: list[str] = [name for name in dict.fromkeys(named) if name not in authority.trusts]
    if any(view.has(ResourceId(name)) for name in missing):
        raise NotPermitted("the trust that a resource names is something else")
    if not missing:
        authority.check(claim, _right(resource, claim, authority), at)
    return missing


def _right(resource: Resource, claim: Claim, authority: Authority) -> str:
    """What the signer needs: whoever may revoke need not publish, and whoever published may always revoke that."""
    if resource.container.keeps("trust"):
        return CREATE_TRUST
    trust = authority.trusts[resource.trust] if resource.trust else None
    revokes = resource.container.keeps("revoke") and trust and REVOKE in authority.rights(trust)
    return REVOKE if revokes else PUBLISH


def _check_point(view: View, resource: Resource) -> None:
    """Raise `NotPermitted` if *resource* announces the signing key of another node: ours, or a peer's."""
    found = announcement_of(resource)
    for node in (view.local().node, *(peer.node for peer in view.peers())):
        theirs = view.announcement(node) if node != found.node else None
        if theirs is not None and theirs.signing == found.signing:
            raise NotPermitted("a node announces the signing key of another")


def _moment(resource: Resource, now: Millis) -> Millis:
    """Authorship is judged at the resource's own stamp, whenever it comes; what waits for its time is judged then."""
    return resource.about.stamp.at if resource.about and resource.about.stamp.at <= now + AHEAD_MAX_MS else now


def _hold(view: View, resource: Resource, held: Held) -> Effects:
    if other := view.held(resource.id):
        if held.missing and other.signed != held.signed:
            # Both cannot be genuine, and it is too early to tell which is: ask for it again, so that neither wins by
            # having come first.
            yield Want(Entry(resource.user, resource.id))
            yield Tell("deferred", resource.id, "another form of it is held")
            return
        yield Tell("duplicate", resource.id)
        return
    count, size = view.held_by(held.sender)
    if count >= HELD_MAX or size + len(held.signed.payload) > HELD_BYTES_MAX:
        yield Want(Entry(resource.user, resource.id))
        yield Tell("deferred", resource.id, "too much of its sender's waits here already")
        return
    yield Hold(held)
    for name in _needed(view, resource)[:NEEDS_ASKED_MAX]:
        yield Want(Entry(resource.user, name))
    if resource.trust is not None and not view.has(resource.trust):
        yield Want(Entry(resource.user, resource.trust))
    for uri in resource.container.schemas:
        if uri.startswith("sdmp://") and custom.parse_uri(uri)[1] in resource.container.unresolved:
            yield Want(Entry(*custom.parse_uri(uri)))
    yield Tell("held", resource.id, "its time has not come" if not held.missing else " ".join(held.missing))


def _introduces(resource: Resource) -> list[Fingerprint]:
    return [resource.signed.signer] if resource.container.keeps("identity") else []


def retry(view: View, names: list[str], now: Millis) -> Effects:
    """Decide again about everything that had waited for *names*, and for what that brings."""
    names = list(names)
    while names:
        for held in view.waiting_for(names.pop()):
            names += yield from _again(view, held, now)


def denied(view: View, identifier: str, node: Fingerprint, now: Millis) -> Effects:
    """*node* has not got what it was asked for. What depends on that waits no longer if nobody else has it."""
    yield from asking.denied(view, identifier, node, now)
    name = asking.named(identifier)
    if name is not None and asking.refused(view, name):
        yield from retry(view, [name], now)


def reconsider(view: View, held: Held, now: Millis) -> Effects:
    """Decide again about one held item and what had waited for it."""
    names = yield from _again(view, held, now)
    yield from retry(view, names, now)


def _again(view: View, held: Held, now: Millis) -> Deciding:
    """Decide again about one held item, unless that was done meanwhile; a refusal sets it aside."""
    if not view.held(held.signed.id):
        return []
    yield Release(held.signed.id)
    try:
        names = yield from _admit(view, held.signed, held.sender, now)
    except Refused as refusal:
        yield Quarantine(held.signed.encode(), refusal.code, str(refusal), held.sender, "held", now, held.signed.id)
        yield Tell("rejected", held.signed.id, refusal.code)
        return []
    return names


def keep(view: View, resource: Resource, *, sender: Fingerprint | None, now: Millis) -> Effects:
    """Store a resource that was found good, add its line to our journal, and draw the consequences."""
    _check(resource)
    before = view.authority(resource.user) if resource.kind in PROOFS else None
    line = _own_line(view, resource)
    manifest = resource.manifest
    about = resource.about
    kept = Kept.of(resource, now, None if _is_own(view, resource) else sender)
    yield Keep(kept, line, *(_chunks(manifest) if manifest else ()))
    if about and about.relations:
        yield Relate(resource.id, about.relations)
    if about and view.stamp() < about.stamp and (_is_own(view, resource) or about.stamp.at <= now + AHEAD_MAX_MS):
        yield SetStamp(about.stamp)
    if resource.container.keeps("identity"):
        yield from _introduce(view, resource)
    if resource.container.keeps(URIS["envelope_keys"]):
        yield from _newest(view, resource, view.announced(resource.signed.signer), KnowAnnouncement)
    if resource.kind == "node":
        yield from _newest(view, resource, view.described(resource.signed.signer), KnowNode)
    yield from endings.ended(view, resource, now)
    if manifest and manifest.depth == 2:
        yield from _open_blocks(view, resource.id, manifest)
    if resource.container.keeps("trust"):
        yield from asking.trusted(view, resource)
    yield from asking.came(view, resource.id, sender)
    yield from _now_held(view, resource.id)
    if sender is not None and resource.user == view.local().user and manifest and manifest.data is None:
        yield from _owe(view, line.number, view.chunks_of(resource.id))
    if before is not None:
        yield from revocation.learned(view, before, resource, now)


def _is_own(view: View, resource: Resource) -> bool:
    """Whether this very node published it: it comes back to a home that was restored from a backup."""
    return resource.signed.signer == view.local().node


def _own_line(view: View, resource: Resource) -> journal.Line:
    """The line of our journal that names the resource: the next one, or the one that was recalled or lost before it."""
    me = view.local().node
    number = next(iter(view.own_numbers(resource.id)), 0)
    name = view.line_id(me, number) if number else None
    if name is not None:
        return journal.Line(number, name, Entry(resource.user, resource.id))
    number, tip = view.tip()
    return journal.extend(tip, number, [Entry(resource.user, resource.id)])[0]


def _owe(view: View, line: int, chunks: Ranges) -> Effects:
    """Our user's file came back, or from another of the user's nodes: peers may lack its chunks."""
    for peer in view.peers():
        if peer.reads and line not in peer.applied:
            yield SavePeer(replace(peer, owed_chunks=peer.owed_chunks | chunks))


def _check(resource: Resource) -> None:
    """Read what is read again later, so that nothing unreadable is kept. Raise `Malformed`."""
    privacy.check(resource)
    if resource.container.keeps("schema"):
        custom.compiled(custom.text_of(resource.container.value))
    if resource.container.keeps("trust"):
        trust_of(resource)
    if resource.container.keeps("revoke"):
        revocation_of(resource)
    if resource.container.keeps(URIS["envelope_keys"]):
        announcement_of(resource)


def _introduce(view: View, resource: Resource) -> Effects:
    """Of two proofs of one identity the one that lasts longer counts, in whatever order they come."""
    identity = identity_of(resource)
    known = view.identity(identity.fingerprint)
    if known is None or identity.expires > known.expires:
        yield KnowIdentity(identity.fingerprint, resource.id)


def _newest(
    view: View, resource: Resource, before: ResourceId | None, know: type[KnowAnnouncement] | type[KnowNode]
) -> Effects:
    """Of what a node says of itself its newest word counts, in whatever order it comes."""
    old = view.resource(before) if before else None
    if old is not None:
        earlier = Resource.read(old, view.schema).about
        if earlier and resource.about and earlier.stamp >= resource.about.stamp:
            return
    yield know(resource.signed.signer, resource.id)


def _now_held(view: View, name: ResourceId) -> Effects:
    """Note for every peer what follows for it from our holding *name*."""
    own, complete = view.own_numbers(name), view.complete(name)
    for who, number in view.naming(name):
        peer = view.peer(who)
        if peer is None:
            continue
        peer = replace(peer, known=peer.known | own)
        if complete:
            peer = replace(peer, done=peer.done | Ranges.of((number, number)))
        yield SavePeer(peer)


def _chunks(manifest: FileManifest) -> tuple[tuple[bytes, ...], int]:
    if manifest.data is not None:
        return (), 0
    blocks = len(manifest.hashes) if manifest.depth == 2 else 0
    return manifest.hashes, blocks + manifest.chunk_count


def chunk(view: View, name: bytes, data: bytes, peer: Peer) -> Effects:
    """Keep a chunk of *peer*'s whose hash was found right, and note which files it completes.

    Of those that no file names only a few are kept. Any other is asked for when its file is here.
    """
    files = view.files_with(name)
    if not files and view.has_blob(name):
        yield from _gave(view, name, peer)
        yield Tell("duplicate", name.hex())
    elif not files and _crowded(view, peer, data):
        yield Tell("declined", name.hex(), "too many chunks of its sender's wait for their files already")
    else:
        yield from blob(view, KeepBlob(name, data))
        yield from _gave(view, name, peer)
        if not files:
            yield Loose(name, peer.node)
        yield Tell("applied" if files else "held", name.hex(), "" if files else "its file is not here yet")


def _crowded(view: View, peer: Peer, data: bytes) -> bool:
    count, size = view.loose_by(peer.node)
    return count >= LOOSE_MAX or size + len(data) > LOOSE_BYTES_MAX


def _gave(view: View, name: bytes, peer: Peer) -> Effects:
    if peer.user not in view.givers(name):
        yield Gave(name, peer.user)


def blob(view: View, effect: KeepBlob | HaveBlob) -> Effects:
    """Keep or note a chunk, and draw the consequences for the files that lacked it."""
    files = view.files_with(effect.name)
    yield effect
    for file in files:
        yield from _now_has_chunk(view, file)


def _now_has_chunk(view: View, file: ResourceId) -> Effects:
    signed = None if view.chunks_named(file) else view.resource(file)  # a manifest is long, and chunks are many
    manifest = Resource.read(signed, view.schema).manifest if signed else None
    if manifest and manifest.depth == 2:
        yield from _open_blocks(view, file, manifest)
    if view.complete(file):
        yield from asking.came(view, file, None)
        yield from _now_held(view, file)


def _open_blocks(view: View, file: ResourceId, manifest: FileManifest) -> Effects:
    """Read the index blocks that are here, and add the chunks they name."""
    per_block = manifest.chunk_bytes // 32
    for place, first in _unread(view, file, manifest, per_block):
        block = view.blob(manifest.hashes[place])
        expected = min(per_block, manifest.chunk_count - place * per_block)
        # A block of the wrong size is its publisher's mistake: the file stays incomplete, its neighbours do not care.
        if block is None or len(block) != 32 * expected:
            continue
        yield AddChunks(file, first, tuple(block[i : i + 32] for i in range(0, len(block), 32)))


def _unread(view: View, file: ResourceId, manifest: FileManifest, per_block: int) -> Iterator[tuple[int, int]]:
    base = view.chunks_of(file).runs[0][0]
    for place in range(len(manifest.hashes)):
        first = len(manifest.hashes) + place * per_block
        if view.chunk(base + first) is None:
            yield place, first
