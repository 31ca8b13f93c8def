"""A node that forgot: its home was restored from an old backup, or copied, and peers know its journal further than it.

It notices by what peers say of its journal, recalls the lines from them, and goes on above. Nobody can make it adopt
lines that it never wrote: every answer holds its own signature over the last of them, and each line names the one
before by hash. Lines that it had already said *instead* contradict what it once signed. Then it may not speak as this
node any more: see `paquebot.protocol.incarnation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from paquebot.errors import Malformed, NotPermitted, Refused
from paquebot.protocol import admission, journal, messages, updates
from paquebot.protocol.bundle import MARK_BYTES, Chunk, Part, Rebuilt, Recall, Recalled, Tally, Update, Verbatim
from paquebot.protocol.effects import (
    AddReply,
    Effects,
    EndLapse,
    Note,
    Rejoin,
    SaveFork,
    SaveLapse,
    SavePast,
    SavePeer,
    SaveProof,
    Tell,
    Want,
)
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, raw
from paquebot.protocol.events import Kind
from paquebot.protocol.identity import PublicKey
from paquebot.protocol.journal import Entry, Line
from paquebot.protocol.limits import BUNDLE_BYTES_AIM, INLINE_BYTES_MAX, KIB, LINES_MAX
from paquebot.protocol.link import Link
from paquebot.protocol.messages import Broadcast, Response
from paquebot.protocol.past import Fork, Lapse, Proof
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Signature, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import RECALLED, Peer, Plan, Reply, View

LINE_BYTES = 80  # what a line costs in an envelope
REPLY_BYTES = BUNDLE_BYTES_AIM // 2


# What is kept of others' journals, to be able to give their lines back.


def prove(view: View, author: Fingerprint, since: int, message: Broadcast | Response, signature: Signature) -> Effects:
    """Keep that *author* signed *message*, which says its journal's lines after line *since* up to the last we know."""
    peer = view.peer(author)
    assert peer is not None
    proof = Proof(author, peer.heard, since, _identifier(message), signature)
    kept = view.proofs(author, 0)
    before = kept[-2].number if len(kept) > 1 else 0
    last = kept[-1].number if kept else 0
    yield SaveProof(proof, last if proof.number - before <= LINES_MAX else 0)


def _identifier(message: Broadcast | Response) -> str:
    return message.identifier if isinstance(message, Response) else ""


def _said(since: LineId, entries: Sequence[Entry], identifier: str, signature: Signature) -> SignedObject:
    """What a node signed when it said *entries*."""
    broadcast = Broadcast(since, tuple(entries))
    message = Response(identifier, "ok", broadcast) if identifier else broadcast
    return SignedObject.build(messages.write(message), signature)


def contradicted(view: View, author: Fingerprint, number: int, other: SignedObject, now: Millis) -> Effects:
    """Keep the evidence that *author* signed *other*, though it had signed something else for line *number*."""
    held = b""
    for proof in view.proofs(author, number - 1)[:1]:
        since = view.line_id(author, proof.since)
        entries = view.entries(author, proof.since + 1, proof.number - proof.since)
        if since is not None:
            held = _said(since, entries, proof.identifier, proof.signature).encode()
    if all(fork.journal != author for fork in view.forks()):
        yield Note(Kind.FORKED, now, peer=author, detail="two nodes use its key, or its home was restored")
    yield SaveFork(Fork(author, number, held, other.encode(), now))


# Giving a peer its own lines back.


def recall(view: View, sender: Fingerprint, asked: Recall) -> Effects:
    """*sender* asks for lines of its own journal: note what to answer; if there are none, how far we know it."""
    peer = view.peer(sender)
    assert peer is not None
    if any(reply.status == RECALLED for reply in view.replies(sender)):
        return
    known = (n for n, name in asked.marks if (line := view.line_id(sender, n)) and raw(line)[:MARK_BYTES] == name)
    since = max(known, default=0)
    first, size = since, 0
    for proof in view.proofs(sender, since):
        cost = _cost(view, peer, first, proof.number)
        if size and size + cost > REPLY_BYTES:
            yield AddReply(Reply(0, sender, "", RECALLED, since=since, limit=first - since))
            since, size = first, 0
        first, size = proof.number, size + cost
    if first > since:
        yield AddReply(Reply(0, sender, "", RECALLED, since=since, limit=first - since))
    else:  # it may have been told of lines by somebody else's lie: our word ends its waiting
        yield SavePeer(replace(peer, owes_ack=True))


def cost(view: View, reply: Reply) -> int:
    """Return about how many bytes an answer to a recall takes."""
    peer = view.peer(reply.peer)
    assert peer is not None
    assert reply.since is not None
    return KIB + _cost(view, peer, reply.since, reply.since + reply.limit)


def _cost(view: View, peer: Peer, since: int, last: int) -> int:
    bodies = sum(len(each.payload) + KIB for each in _bodies(view, peer, since, last))
    return LINE_BYTES * (last - since) + bodies


def _bodies(view: View, peer: Peer, since: int, last: int) -> Iterator[SignedObject]:
    """What the author itself signed on those lines, unless it is large or taken back.

    The rest it asks for as anybody does: a line in its journal gives no right to what the line names.
    """
    room = REPLY_BYTES
    for entry in view.entries(peer.node, since + 1, last - since):
        signed = view.resource(entry.resource) if view.hidden(entry.resource) is None else None
        if signed is None or signed.signer != peer.node:
            continue
        if len(signed.payload) <= min(INLINE_BYTES_MAX, room):
            room -= len(signed.payload) + KIB
            yield signed


def answer(view: View, reply: Reply) -> Iterator[Part]:
    """Return the parts that give a peer its own lines back: bodies first, then the lines, proof by proof."""
    peer = view.peer(reply.peer)
    assert peer is not None
    assert reply.since is not None
    last = reply.since + reply.limit
    for signed in _bodies(view, peer, reply.since, last):
        whole = signed.verbatim is not None or len(signed.signatures) != 1
        yield Verbatim(signed.encode()) if whole else Rebuilt(signed)
    since = reply.since
    for proof in view.proofs(peer.node, reply.since):
        if proof.number > last:
            break
        name = view.line_id(peer.node, since)
        assert name is not None
        lines = view.entries(peer.node, since + 1, proof.number - since)
        entries = tuple((line.publisher, line.resource) for line in lines)
        yield Recalled(name, entries, proof.since, proof.identifier, proof.signature)
        since = proof.number


# Noticing, recalling, going on above.


def noticed(view: View, sender: Fingerprint, tally: Tally, now: Millis) -> Effects:
    """*sender* claims to know a line of our journal that we do not."""
    before = next((each for each in view.lapses(taken_back=True) if each.peer == sender), None)
    peer = view.peer(sender)
    if peer is None or peer.ended or not tally.number:
        return  # its heir knows what it knew
    if before is None:
        yield SaveLapse(Lapse(sender, tally.number, tally.line, now))
        yield Note(Kind.RESTORED, now, peer=sender, detail="it claims to know more of our journal than we do")
    elif (before.number, before.line) != (tally.number, tally.line):
        yield SaveLapse(replace(before, number=tally.number, line=tally.line))


def agreed(view: View, sender: Fingerprint) -> Effects:
    """*sender* claims to know nothing of our journal that we do not know. What it claimed before stays unproven."""
    for each in view.lapses():
        if each.peer == sender:
            yield SaveLapse(replace(each, number=0))


def due(view: View, peer: Peer, asked_before: Millis) -> bool:
    """Return whether it is time to ask *peer* for lines of ours that we have forgotten."""
    return any(each.peer == peer.node and each.asked <= asked_before for each in view.lapses())


def asked(view: View, peer: Fingerprint, at: Millis) -> Effects:
    """Note when *peer* was asked."""
    for each in view.lapses():
        if each.peer == peer:
            yield SaveLapse(replace(each, asked=at))


def holds_back(view: View, link: Link, now: Millis) -> bool:
    """Return whether to say nothing new of our journal yet: what we have forgotten may come back any day.

    Not for ever: what has to be said must not wait for a peer that is gone. If it contradicts, so be it. And who
    proved nothing holds us back only once, whatever it claims later.
    """
    return any(each.since <= now < each.since + link.silence_ms for each in view.lapses())


def saying(view: View, peer: Peer, plans: Sequence[Plan]) -> Effects:
    """Remember how much of our journal is in envelopes from now on."""
    past, (tip, _) = view.past(), view.tip()
    numbers = {number for plan in plans for number in plan.replies}
    told = (each for each in view.replies(peer.node) if each.number in numbers and each.tells)
    last = max(
        *(plan.lines.last for plan in plans), *(min(tip, (each.since or 0) + each.limit) for each in told), 0, past.said
    )
    if last > past.said:
        yield SavePast(replace(past, said=last))


def marks(view: View) -> Recall:
    """Return what tells a peer how far we know our own journal: a few late lines, and ever fewer early ones."""
    me, (tip, _) = view.local().node, view.tip()
    numbers, step = [tip], 1
    while numbers[-1] > 0:
        numbers.append(max(0, numbers[-1] - step))
        step *= 2
    named = ((number, view.line_id(me, number)) for number in numbers)
    return Recall(tuple((number, raw(name)[:MARK_BYTES]) for number, name in named if name))


def recalled(view: View, sender: Fingerprint, part: Recalled, key: PublicKey) -> Effects:
    """*sender* gives us lines of our own journal back. Raise `Refused` unless we signed them with our *key*."""
    me = view.local().node
    since = view.line_number(me, part.since)
    if since is None:
        yield Tell("deferred", "recalled", updates.GAP)
        return
    lines = journal.extend(part.since, since, (Entry(*each) for each in part.entries))
    _verify(view, part, since, lines, key)
    peer = view.peer(sender)
    assert peer is not None
    new = [line for line in lines if view.line_id(me, line.number) != line.id]
    if new:
        yield from _rejoin(view, new)
        peer = view.peer(sender)
        assert peer is not None
    yield SavePeer(replace(peer, acked=peer.acked | Ranges.of((1, lines[-1].number))))
    yield from _remembered(view)
    yield Tell("applied" if new else "duplicate", "recalled")


def _verify(view: View, part: Recalled, since: int, lines: Sequence[Line], key: PublicKey) -> None:
    """Raise unless we signed the last of *lines*, which follow line *since*."""
    me = view.local().node
    if part.signature.signer != me:
        raise NotPermitted("lines of our journal are given back that we did not sign")
    if part.first >= lines[-1].number:
        raise Malformed("lines of our journal are given back without what we signed")
    before = view.entries(me, part.first + 1, since - part.first) if part.first < since else ()
    name = view.line_id(me, part.first) if part.first <= since else lines[part.first - since - 1].id
    assert name is not None, "lines before the known one are known"
    entries = [*before, *(line.entry for line in lines if line.number > part.first)]
    _said(name, entries, part.identifier, part.signature).verify(key)


def _rejoin(view: View, new: list[Line]) -> Effects:
    """Take *new* as our lines from the first of them on; what we have there instead comes after them."""
    local, past, (tip, _) = view.local(), view.past(), view.tip()
    first, last = new[0].number, new[-1].number
    named = {line.entry.resource for line in new}
    ours = [each for each in view.entries(local.node, first, tip - first + 1) if each.resource not in named]
    lines = (*new, *journal.extend(new[-1].id, last, ours))
    diverged = past.branch or tip >= first <= past.said
    yield Rejoin(first - 1, lines)
    yield SavePast(replace(past, said=last, branch=max(last, past.branch) if diverged else 0))
    kept = Ranges.of((1, first - 1))
    naming = {line.number: {who for who, _ in view.naming(line.entry.resource)} for line in lines}
    for peer in view.peers():
        known = Ranges.numbers(number for number, who in naming.items() if peer.node in who)
        acked, applied = peer.acked & kept, peer.applied & kept
        yield SavePeer(replace(peer, acked=acked, applied=applied, known=peer.known & kept | known))
    for line in new:
        if not view.has(line.entry.resource) and admission.accepts(view, line.entry.publisher):
            yield Want(line.entry)


def expected(view: View, resource: ResourceId) -> bool:
    """Return whether our journal names *resource* since that line was recalled, and it is not here yet."""
    return not view.has(resource) and bool(view.own_numbers(resource))


def _remembered(view: View) -> Effects:
    """Forget that we forgot what we know again."""
    me = view.local().node
    for each in view.lapses():
        if view.line_id(me, each.number) == each.line:
            yield EndLapse(each.peer)


def is_for_anybody(part: Part) -> bool:
    """Return whether *part* means the same whoever gets it: it tells nothing of the recipient's own journal."""
    match part:
        case Rebuilt() | Update() | Chunk():
            return True
        case Verbatim(data):
            try:
                return messages.read(SignedObject.parse(data).payload) is None
            except Refused:
                return True  # whoever deals with it will say why it is refused
        case _:
            return False
