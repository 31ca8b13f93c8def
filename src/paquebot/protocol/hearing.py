"""What follows from an opened envelope: its header first, then part by part; a bad part never spoils its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import assert_never

from paquebot.errors import BadSignature, BrokenChain, Malformed, NotPermitted, Refused, Revoked
from paquebot.protocol import (
    acknowledging,
    admission,
    asking,
    clear,
    fitting,
    forgotten,
    inviting,
    journal,
    mailing,
    messages,
    naming,
    patience,
    quota,
    reading,
    recovery,
    revocation,
    updates,
    withheld,
)
from paquebot.protocol.account import Grant
from paquebot.protocol.advert import Advert
from paquebot.protocol.bundle import (
    NUMBER_MAX,
    Answer,
    Bundle,
    Chunk,
    Introduction,
    Outcome,
    Part,
    Rebuilt,
    Recall,
    Recalled,
    Reference,
    Tally,
    To,
    Unknown,
    Update,
    Verbatim,
)
from paquebot.protocol.bundle import (
    Want as WantChunks,
)
from paquebot.protocol.effects import (
    AddLines,
    AddReply,
    Effect,
    Effects,
    Quarantine,
    SaveOutcomes,
    SavePeer,
    SaveTold,
    Seen,
    SetClock,
    Tell,
    Unwant,
    Want,
)
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.journal import Entry, Line
from paquebot.protocol.limits import REPLIES_MAX, REQUESTS_MAX
from paquebot.protocol.link import Link
from paquebot.protocol.messages import Broadcast, JournalRequest, Receipt, ResourceRequest, Response
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, Reply, View

REPLACEABLE = (BadSignature.code, clear.CODE)
"""Why bytes may be refused while the resource they claim to be may still come, good, from somebody else."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """One envelope being dealt with."""

    view: View
    sender: Fingerprint
    link: Link
    where: str
    now: Millis
    grant: Grant = Grant()
    """What its sender may send in one window."""
    size: int = 0  # bytes
    awaited: bool = True
    """Its sender may still wait for it; else what it asks was asked again since, or is not needed any more."""
    newest: bool = True
    """It was not overtaken on its way: what it says of us holds still."""

    @property
    def peer(self) -> Peer:
        """The sender, as known so far."""
        found = self.view.peer(self.sender)
        assert found is not None
        return found


def hear(hearing: Hearing, bundle: Bundle, to: To, wall: Millis, sealed: Millis) -> Effects:
    """Decide about an envelope that a pinned peer addressed to us as *to* and sealed when its clock showed *sealed*."""
    view, now, peer = hearing.view, hearing.now, hearing.peer
    awaited = acknowledging.awaited(view, peer, bundle, to, sealed)
    owes_ack = peer.owes_ack or (awaited and not hearing.link.shows_tokens)
    if view.seen(bundle.id):
        if owes_ack != peer.owes_ack:
            yield SavePeer(replace(peer, owes_ack=owes_ack))
        # What was put off when it came first is still lacking: no token may say otherwise.
        taken = view.received(peer.node, to.sequence).get(to.sequence) == bundle.id
        why = updates.GAP if updates.early(view, peer.node, bundle) else "envelope" if taken else quota.WHY
        yield Tell("duplicate", bundle.id.hex(), why)
        return
    restored = acknowledging.restored(view, peer, bundle, to)
    clock = view.clock()
    learned = clock.learn(sealed, wall)
    if learned != clock:
        yield SetClock(learned)
        now = learned.now(wall)
        hearing = replace(hearing, now=now)
    meter = quota.Meter(view, peer.node, hearing.grant, hearing.size, now, bundle.parts)
    number = 0 if meter.unacknowledged else to.sequence
    yield Seen(bundle.id, peer.node, number, now)
    received = peer.received | Ranges.of((number, number), (1, to.floor - 1))
    newest = restored or to.sequence >= received.last
    # Whoever was restored goes on above the numbers that the other has seen.
    sequence = max(peer.sequence, min(to.heard.numbers.last, NUMBER_MAX // 2))
    yield SavePeer(
        replace(
            peer,
            sequence=sequence,
            received=received,
            floor=to.floor if newest else max(peer.floor, to.floor),
            seen_at=now,
            ask_at=Millis(now + patience.silence(view, peer.node, hearing.link)),
            owes_ack=owes_ack,
        )
    )
    hearing = replace(hearing, newest=newest, awaited=awaited)
    yield from patience.heard(view, peer, hearing.link.medium, now)
    yield from mailing.acknowledged(view, peer.node, to.heard, _known(view, bundle))
    yield from _parts(hearing, bundle, meter)
    if hearing.newest and any(isinstance(part, Tally) for part in bundle.parts):
        yield SaveOutcomes(peer.node, tuple(naming.outcomes(view, bundle)))


def put_off(effect: Effect) -> bool:
    """Return whether *effect* says that some of what came is still lacking."""
    return isinstance(effect, Tell) and effect.detail in (quota.WHY, updates.GAP)


def overhear(hearing: Hearing, bundle: Bundle) -> Effects:
    """Take what comes for the node that this home was before; whoever wrote may not know the new one (any more)."""
    if hearing.view.seen(bundle.id):
        yield Tell("duplicate", bundle.id.hex(), "envelope")
        return
    meter = quota.Meter(hearing.view, hearing.sender, hearing.grant, hearing.size, hearing.now, bundle.parts)
    yield Seen(bundle.id, hearing.sender, 0, hearing.now)
    yield from patience.heard(hearing.view, hearing.peer, hearing.link.medium, hearing.now)
    yield SavePeer(replace(hearing.peer, received=Ranges(), floor=1, ask_at=hearing.now))
    yield from _parts(hearing, bundle, meter, content=True)


def _parts(hearing: Hearing, bundle: Bundle, meter: quota.Meter, *, content: bool = False) -> Effects:
    """Deal with part after part; with *content*, only with those that mean the same to everybody."""
    view, peer, now = hearing.view, hearing.peer, hearing.now
    wants = 0
    yield from meter.close()
    for part, fits in zip(bundle.parts, meter.admitted, strict=True):
        if content and not recovery.is_for_anybody(part):
            continue
        wants += isinstance(part, WantChunks)
        if isinstance(part, WantChunks) and wants > REQUESTS_MAX:
            continue  # nobody asks for more at once; each may cost us much
        if not fits:
            if not quota.silent(part):
                yield Tell("deferred", naming.called(part), quota.WHY)
            continue
        try:
            yield from _part(hearing, bundle.parts, part)
        except Refused as refusal:
            item = part.signed.id if isinstance(part, Rebuilt) else None
            yield Quarantine(naming.exact(part), refusal.code, str(refusal), peer.node, hearing.where, now, item)
            if item and refusal.code not in REPLACEABLE:
                yield Unwant(item)
                yield from admission.retry(view, [item], now)
            elif item:
                yield from asking.wrong(view, item, peer.node, now)
            if isinstance(part, Update):
                yield from _ask(hearing)
            yield Tell("rejected", naming.called(part), refusal.code)


def _known(view: View, bundle: Bundle) -> int | None:
    """How far the sender knew our journal when it wrote; None if it knows one that we do not."""
    tally = next((part for part in bundle.parts if isinstance(part, Tally)), None)
    if tally is None:
        return 0  # whoever has heard of us says how far
    return tally.number if view.line_id(view.local().node, tally.number) == tally.line else None


def _part(hearing: Hearing, parts: Sequence[Part], part: Part) -> Effects:  # noqa: C901, PLR0912 one for each type
    view = hearing.view
    match part:
        case Rebuilt(signed):
            yield from admission.receive(view, signed, hearing.sender, hearing.now)
        case Verbatim(data):
            yield from _container(hearing, SignedObject.parse(data))
        case Update():
            yield from _update(hearing, parts, part)
        case Chunk(name, data):
            if sha256(data).digest() != name:
                raise BadSignature("a chunk does not have the hash that names it")
            if not hearing.peer.publishes:
                yield Tell("declined", name.hex(), "its author's resources are not accepted here")
                return
            files = view.files_with(name)
            yield from admission.chunk(view, name, data, hearing.peer)
            for file in files:
                yield from asking.progress(view, file, hearing.sender)
        case Tally():
            yield from _tally(hearing, part)
        case WantChunks() | Recall() if not hearing.awaited:
            pass
        case WantChunks(resource, places):
            yield from _wanted(hearing, resource, places)
        case Recall():
            yield from recovery.recall(view, hearing.sender, part)
        case Recalled():
            us = view.identity(view.local().node)
            assert us is not None, "our own identity is in our journal"
            yield from recovery.recalled(view, hearing.sender, part, us.key)
        case Answer():
            yield from _answer(hearing, parts, part)
        case Advert():
            yield from quota.advertised(view, hearing.sender, part, hearing.now)
        case Introduction(_, proof):
            invite, _ = inviting.shown(view, hearing.sender, proof, hearing.now)
            if invite is not None:
                yield from inviting.use(invite, hearing.sender, hearing.now)
        case Outcome() | Unknown():
            pass
        case _:
            assert_never(part)


def _container(hearing: Hearing, signed: SignedObject) -> Effects:
    """A signature object: a message if the sender signed one, else a resource."""
    message = messages.read(signed.payload)
    if message is None:
        yield from admission.receive(hearing.view, signed, hearing.sender, hearing.now)
        return
    _verify(hearing, signed)
    match message:
        case Broadcast():
            yield from _lines(hearing, message, signed)
        case JournalRequest() | ResourceRequest() if not hearing.awaited:
            pass
        case JournalRequest():
            yield from _journal_request(hearing, message)
        case ResourceRequest():
            yield from _resource_request(hearing, message)
        case Response():
            yield from _response(hearing, message, signed)
        case Receipt(resource):
            yield from _receipt(hearing, resource)
        case _:
            assert_never(message)


def _verify(hearing: Hearing, signed: SignedObject) -> None:
    """Raise unless the sender's own node signed this."""
    if signed.signer != hearing.sender:
        raise NotPermitted("a message is not signed by the node that sent it")
    identity = hearing.view.identity(hearing.sender)
    assert identity is not None, "a peer's identity is pinned"
    identity.check_time(hearing.now)
    signed.verify(identity.key)


def _update(hearing: Hearing, parts: Sequence[Part], update: Update) -> Effects:
    entries = updates.expand(hearing.view, parts, update)
    if entries is None:
        yield from _put_off(hearing, "it refers to lines that are not here")
        return
    broadcast = Broadcast(update.since, tuple(entries))
    signed = SignedObject.build(messages.write(broadcast), update.signature)
    me = hearing.view.local().node
    try:
        _verify(hearing, signed)
    except BadSignature:
        if all(each.journal != me for each in update.entries if isinstance(each, Reference)):
            raise
        yield from _put_off(hearing, "it refers to lines of ours that we remember differently")
        return
    yield from _lines(hearing, broadcast, signed)


def _lines(hearing: Hearing, broadcast: Broadcast, signed: SignedObject, within: Response | None = None) -> Effects:
    """Extend our copy of the sender's journal by what it *signed*: *broadcast*, alone or *within* a response."""
    view, peer = hearing.view, hearing.peer
    since = view.line_number(peer.node, broadcast.since)
    if since is None:
        yield from _put_off(hearing, updates.GAP)
        return
    lines = journal.extend(broadcast.since, since, broadcast.entries)
    overlap = [line for line in lines if line.number <= peer.heard]
    if overlap and view.line_id(peer.node, overlap[-1].number) != overlap[-1].id:
        number = next(line.number for line in overlap if view.line_id(peer.node, line.number) != line.id)
        yield from recovery.contradicted(view, peer.node, number, signed, hearing.now)
        raise BrokenChain("its journal contradicts what it said before: two nodes use one key, or it was restored")
    for line in overlap:
        if line.number not in peer.done:
            yield from asking.listed_again(view, line.entry.resource, peer.node)
    new = lines[len(overlap) :]
    if not new:
        yield Tell("duplicate", "journal")
        return
    if peer.revoked and (len(new) > (room := _room(view, peer)) or not room):
        yield from _extend(hearing, new[:room])
        raise Revoked("a journal goes on beyond the line where its user ended it")
    yield from _extend(hearing, new)
    message = within or broadcast
    if messages.write(message) == signed.payload:  # else it could not be shown again from what is stored
        yield from recovery.prove(view, peer.node, since, message, signed.signatures[0])
    yield Tell("applied", "journal")


def _room(view: View, peer: Peer) -> int:
    """How many more lines of a node count that its user trusts no more."""
    ending = view.authority(peer.user).ending(peer.node)
    return max(0, ending.number - peer.heard) if ending else 0


def _extend(hearing: Hearing, new: Sequence[Line]) -> Effects:
    """Note lines that follow what we have of the sender's journal, and what of their resources we want."""
    if not new:
        return
    view, peer = hearing.view, hearing.peer
    before = view.authority(peer.user)
    yield AddLines(peer.node, tuple(new))
    done, known = [], Ranges()
    accepted: dict[Fingerprint, bool] = {}
    for line in new:
        entry = line.entry
        if view.has(entry.resource):
            known |= view.own_numbers(entry.resource)
            if view.complete(entry.resource):
                done.append(line.number)
        elif _worth_asking(view, entry):
            if entry.publisher not in accepted:
                accepted[entry.publisher] = admission.accepts(view, entry.publisher)
            if accepted[entry.publisher]:
                yield Want(entry)
                yield from asking.listed(view, entry.resource, hearing.now)
    yield SavePeer(
        replace(
            hearing.peer,
            heard=new[-1].number,
            heard_id=new[-1].id,
            done=peer.done | Ranges.numbers(done),
            known=peer.known | known,
        )
    )
    ending = before.ending(peer.node)
    if ending and peer.heard < ending.number <= new[-1].number:  # what was judged by stamps is judged by lines now
        yield from revocation.reconsider(view, peer.user, peer.node)
        yield from revocation.readmit(view, peer.user, ending.line)
        yield from revocation.changed(view, before, ending.line, hearing.now)
        yield from admission.retry(view, [ending.line], hearing.now)


def _worth_asking(view: View, entry: Entry) -> bool:
    """Whether what *entry* names may yet come in a form that is good."""
    if view.authority(entry.publisher).buries(entry.resource):
        return False
    fate = view.fate(entry.resource)
    return fate is None or (fate[0] == "rejected" and fate[1] in REPLACEABLE)


def _put_off(hearing: Hearing, why: str) -> Effects:
    """Some lines are of no use yet."""
    yield Tell("deferred", "journal", why)
    yield from _ask(hearing)


def _ask(hearing: Hearing) -> Effects:
    """Ask for the sender's journal at the next occasion, whatever else comes from it before."""
    yield SavePeer(replace(hearing.peer, ask_at=hearing.now))
    yield from asking.news(hearing.view, hearing.sender, hearing.now)


def _tally(hearing: Hearing, tally: Tally) -> Effects:
    """The sender says how far it knows our journal, and what of it it holds."""
    view, peer = hearing.view, hearing.peer
    me = view.local().node
    if view.line_id(me, tally.number) != tally.line:
        yield from recovery.noticed(view, peer.node, tally, hearing.now)
        return
    if hearing.newest:
        yield from recovery.agreed(view, peer.node)
    if hearing.newest and tally.number < peer.acked.prefix:
        yield from forgotten.again(view, peer, hearing.link.medium, tally.number)
        peer = hearing.peer
    applied = tally.applied & Ranges.of((1, tally.number))
    chunks = mailing.chunks_at(view, applied - peer.applied)
    yield from asking.hold(view, applied - peer.applied, peer.node)
    yield from withheld.came(view, peer.node, applied)
    yield SavePeer(
        replace(
            peer,
            acked=peer.acked | (Ranges.of((1, tally.number)) - withheld.lines(view, peer.node)),
            applied=applied if hearing.newest else peer.applied | applied,
            owed_chunks=peer.owed_chunks - chunks,
            asked_chunks=peer.asked_chunks - chunks,
        )
    )
    yield from mailing.settle_moot(view, peer.node)


def _wanted(hearing: Hearing, resource: ResourceId, places: Ranges) -> Effects:
    """The sender lacks chunks of a file."""
    view, peer = hearing.view, hearing.peer
    numbers, mine = view.chunks_of(resource), view.own_numbers(resource)
    if not numbers or mine & peer.applied or not reading.serves(view, peer, resource, hearing.now):
        return  # it may have got them since it wrote
    base, end = numbers.runs[0][0], numbers.last
    asked = Ranges.of(*((base + first, min(base + last, end)) for first, last in places.runs))
    asked -= Ranges.of(*((base + first, base + last) for first, last in view.lacking(resource).runs))
    asked = reading.servable(view, peer, resource, asked, hearing.now)
    told = view.told(peer.node, hearing.link.medium)
    yield SaveTold(replace(told, chunks=told.chunks - asked))
    yield SavePeer(replace(peer, owed_chunks=peer.owed_chunks | asked, asked_chunks=peer.asked_chunks | asked))


def _journal_request(hearing: Hearing, request: JournalRequest) -> Effects:
    view, peer = hearing.view, hearing.peer
    number = view.line_number(view.local().node, request.since)
    full = len(view.replies(peer.node)) >= REPLIES_MAX
    if number is None:
        yield from () if full else [AddReply(Reply(0, peer.node, request.identifier, "bad_request"))]
        return
    if hearing.newest and number < peer.acked.prefix:
        yield from forgotten.again(view, peer, hearing.link.medium, number)
    elif hearing.newest:
        # What was told beyond that got lost: the lines and their bodies go with the answer, not after another round.
        told = view.told(peer.node, hearing.link.medium)
        yield SaveTold(replace(told, lines=told.lines & Ranges.of((1, number))))
    if full:
        return
    limit = fitting.lines_at_once(hearing.link, request.limit) if peer.reads else 0
    yield AddReply(Reply(0, peer.node, request.identifier, "ok", since=number, limit=limit))


def _resource_request(hearing: Hearing, request: ResourceRequest) -> Effects:
    view, peer = hearing.view, hearing.peer
    owed = view.replies(peer.node)
    again = any(each.resource == request.resource for each in owed)
    yield from forgotten.answers(view, peer, request.resource, hearing.link, hearing.now) if again else ()
    if again or len(owed) >= REPLIES_MAX:
        return
    name = reading.given(view, peer, request.resource, request.author, hearing.now)
    if name is None and recovery.expected(view, request.resource):
        return  # it is on its way back to us; "not found" would keep the peer from asking again
    yield AddReply(Reply(0, peer.node, request.identifier, "ok" if name else "not_found", resource=name))


def _answer(hearing: Hearing, parts: Sequence[Part], answer: Answer) -> Effects:
    """A response whose resource was dealt with as a part of its own."""
    named = None if answer.place is None else parts[answer.place] if answer.place < len(parts) else answer
    if not isinstance(named, Rebuilt | None):
        raise Malformed("an answer names a part that holds no resource")
    response = Response(answer.identifier, answer.status, named.signed if named else None)
    _verify(hearing, SignedObject.build(messages.write(response), answer.signature))
    if named is None:
        yield from admission.denied(hearing.view, answer.identifier, hearing.sender, hearing.now)
        yield Tell("applied", "response", answer.status)


def _response(hearing: Hearing, response: Response, signed: SignedObject) -> Effects:
    match response.data:
        case SignedObject():
            yield from admission.receive(hearing.view, response.data, hearing.sender, hearing.now)
        case Broadcast():
            yield from _lines(hearing, response.data, signed, response)
        case None:
            yield from admission.denied(hearing.view, response.identifier, hearing.sender, hearing.now)
            yield Tell("applied", "response", response.status)


def _receipt(hearing: Hearing, resource: ResourceId) -> Effects:
    yield SavePeer(replace(hearing.peer, applied=hearing.peer.applied | hearing.view.own_numbers(resource)))
