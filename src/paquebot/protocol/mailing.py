"""What each peer still lacks, cut into letters for one link; what a letter's envelope holds; what became of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Protocol

from paquebot.protocol import (
    asking,
    endings,
    fitting,
    introducing,
    messages,
    patience,
    quota,
    reading,
    recovery,
    updates,
    withheld,
)
from paquebot.protocol.account import Grant
from paquebot.protocol.bundle import (
    CHECK_BYTES,
    Answer,
    Bundle,
    Chunk,
    Heard,
    Outcome,
    Part,
    Rebuilt,
    Tally,
    To,
    Verbatim,
    Want,
    node_tag,
)
from paquebot.protocol.effects import DropReply, Effects, Handed, Post, SavePeer, SaveTold, Settle
from paquebot.protocol.encoding import Fingerprint, b64, raw
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import (
    AHEAD_MAX_MS,
    ENVELOPE_LIFE_MS,
    HEARD_MAX,
    INLINE_BYTES_MAX,
    KIB,
    LINES_MAX,
    MINUTE_MS,
    PARTS_MAX,
    RUNS_MAX,
)
from paquebot.protocol.link import Link
from paquebot.protocol.messages import Broadcast, JournalRequest, ResourceRequest, Response
from paquebot.protocol.patience import due
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import RECALLED, Letter, OwnLine, Peer, Plan, Reply, Told, View

Entropy = Callable[[int], bytes]


class Jitter(Protocol):
    """The dice for spread; `random.Random` is one. Never used for secrets."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number between *a* and *b*."""


LETTERS_MAX = 1_024  # planned at once for one peer: a gigabyte of chunks
SHORT_BYTES, SHORT_MAX = 4 * KIB, 16  # answers that ride along with whatever is said first
OUTCOMES_MAX = 64  # items a letter explains; the next letter explains the next


def poll(view: View, link: Link, now: Millis, entropy: Entropy, jitter: Jitter, grant: Grant) -> Effects:
    """Plan the letters that are due on *link* now. A node whose journal contradicts itself has no more to say."""
    if view.past().branch:
        return
    reachable = []
    for peer in view.peers():
        if not (peer.suspect or peer.revoked):
            yield from _overdue(view, peer, link, now, jitter)
            there = link.reachable is None or peer.node in link.reachable
            writable = there and not endings.is_quiet(peer) and patience.may_write(view, peer, link, now)
            reachable += [peer.node] if writable else []
    askable = {node for node in reachable if asking.can_answer(view, node, now)}
    ration = fitting.Ration(view, link)
    for node in ration.in_turn(reachable, now):
        current, told = view.peer(node), view.told(node, link.medium)
        assert current is not None
        # Whoever does not answer gets one letter at a time, however much there is to say.
        most = 1 if told.failures else LETTERS_MAX
        answers, cost = partial(fitting.answers_cost, view, current), partial(fitting.cost, view)
        found = _plans(view, current, told, link, now, askable, quota.room(view, node, grant, now))
        granted = quota.within(view, current, found, grant, now, answers, cost)
        plans = list(islice(ration.cut(current, granted), most))
        if plans:
            yield from _post(view, current, told, link, plans, now, entropy)
            letter = view.letters(node)[-len(plans)]
            yield from quota.posted(view, current, plans, letter.id, grant, now, answers, cost)


def _overdue(view: View, peer: Peer, link: Link, now: Millis, jitter: Jitter) -> Effects:
    """Stop waiting for letters that were never handed over, or that went unanswered for too long."""
    wait = 2 * link.latency_ms + MINUTE_MS
    unanswered: list[Letter] = []
    for letter in view.letters(peer.node):
        expired = due(letter.expires, now, ENVELOPE_LIFE_MS + AHEAD_MAX_MS)
        here = letter.medium == link.medium
        late = letter.handed_at is not None and (expired or (not link.shows_tokens and now > letter.handed_at + wait))
        if here and late:
            unanswered.append(letter)
        if expired or (here and (late or letter.handed_at is None)):
            yield from lost(view, letter)
    if unanswered:
        yield from patience.unanswered(view, peer, link, unanswered, now, jitter.uniform(0.5, 1.5))


def _plans(
    view: View, peer: Peer, told: Told, link: Link, now: Millis, askable: Collection[Fingerprint], items: int
) -> Iterator[Plan]:
    """What *peer* lacks on *link*, in order of importance; nothing if it lacks nothing.

    Of what is lacking here, it is asked for its share, at most *items*; *askable* are all who could be asked instead.
    """
    if told.given_up:
        yield Plan(ask_journal=True)
        return
    letters = view.letters(peer.node)
    answered = {number for each in letters if each.medium == link.medium for number in each.plan.replies}
    wants = asking.files(view, peer, link, now, askable)
    silent = recovery.holds_back(view, link, now)
    owed = [each for each in view.replies(peer.node) if each.number not in answered and not (silent and each.tells)]
    owed = fitting.answers(view, peer, owed, link)
    room = fitting.room_for(view, peer, link)
    short = [each for each in owed if fitting.reply_cost(view, each) <= SHORT_BYTES][:SHORT_MAX]
    short, items = fitting.first_of(view, short, room // 2), min(items, max(1, room // 4 // KIB))
    # Where tokens are shown, a question that lies there is known to lie there still.
    asks = link.shows_tokens and any(each.plan.ask_journal for each in letters if each.medium == link.medium)
    longest = max(ENVELOPE_LIFE_MS, patience.longest_silence(link))  # a slower link may have put it off
    first = Plan(
        replies=tuple(each.number for each in short),
        requests=tuple(asking.requests(view, peer, link, now, askable)[:items]),
        wants=tuple((each, _capped(quota.first(view.lacking(each), items))) for each in wants if items),
        ask_journal=not asks and any(at and due(at, now, longest) for at in (peer.ask_at, view.account(peer.node).ask)),
        recall=recovery.due(view, peer, Millis(now - asking.again(link))),
    )
    tip = view.past().said if silent else view.tip()[0]
    long = [each for each in owed if each not in short]
    # Whoever forgot its own lines can make nothing of ours that refer to them.
    yield from _reply_plans(view, [each for each in long if each.status == RECALLED], room)
    lines = list(_line_plans(view, peer, told, tip, room))
    news = (peer.heard, peer.done) != (peer.told_number, peer.told_done) or peer.owes_ack
    if lines and fitting.size(view, peer, both := replace(first, lines=lines[0].lines, bodies=lines[0].bodies)) <= (
        link.bytes_max
    ):
        yield both
        yield from lines[1:]
    else:
        if first.eliciting or news:
            yield first
        yield from lines
    yield from _reply_plans(view, [each for each in long if each.status != RECALLED], room)
    for some in fitting.together(fitting.chunks(peer, link) - told.chunks, link):
        yield Plan(chunks=some)


def _reply_plans(view: View, replies: Sequence[Reply], room: int) -> Iterator[Plan]:
    """The answers we owe, cut to envelopes with *room*: one that is large goes alone."""
    batch: list[int] = []
    size = 0
    for reply in replies:
        cost = fitting.reply_cost(view, reply)
        if batch and size + cost > room // 2:
            yield Plan(replies=tuple(batch))
            batch, size = [], 0
        batch.append(reply.number)
        size += cost
    if batch:
        yield Plan(replies=tuple(batch))


def _capped(ranges: Ranges) -> Ranges:
    return Ranges(ranges.runs[:RUNS_MAX])


def _line_plans(view: View, peer: Peer, told: Told, tip: int, room: int) -> Iterator[Plan]:
    """Our lines up to line *tip* that *peer* lacks, cut to envelopes, with the bodies that ride along."""
    if not peer.reads:
        return
    needed = Ranges.of((1, tip)) - peer.acked - told.lines
    # Others' things that it holds anyway are not worth a letter; ours are, so that it knows our journal whole.
    worth = max([(needed - peer.known).last, *(view.last_of_ours(*run) for run in (needed & peer.known).runs)])
    needed &= Ranges.of((1, worth))
    plans = [plan for first, last in needed.runs for plan in _cut(view, peer, first, last, room)]
    if len(plans) > 1:
        yield from _ahead(view, peer, needed - plans[0].lines, room)
    yield from plans


def _ahead(view: View, peer: Peer, lines: Ranges, room: int) -> Iterator[Plan]:
    """Of *lines* that will not be in the next letter, those that decide about others: no bulk may crowd them out."""
    urgent = Ranges.of(*(run for each in lines.runs for run in view.urgent_lines(*each).runs)) - peer.known
    bodies: list[int] = []
    for line in (line for run in urgent.runs for line in view.own_lines(*run) if goes_unasked(line)):
        room -= line.bytes + fitting.LINE_BYTES
        if room < 0:
            break
        bodies.append(line.number)
    if bodies:
        yield Plan(bodies=Ranges.numbers(bodies))


def chunks_at(view: View, lines: Ranges) -> Ranges:
    """Return our numbers of the chunks of the files that our *lines* name."""
    return Ranges.of(
        *(run for first, last in lines.runs for line in view.own_lines(first, last) for run in line.chunks.runs)
    )


def _cut(view: View, peer: Peer, first: int, last: int, room: int) -> Iterator[Plan]:
    bodies: list[int] = []
    start, size = first, 0
    hidden = view.hidden_lines(first, last)
    for begin in range(first, last + 1, LINES_MAX):
        for line in view.own_lines(begin, min(begin + LINES_MAX - 1, last)):
            gone = line.number in peer.known or line.number in hidden
            body = line.bytes if goes_unasked(line) and not gone and line.bytes + fitting.LINE_BYTES <= room else 0
            full = size + body + fitting.LINE_BYTES > room or line.number - start >= min(LINES_MAX, PARTS_MAX // 2)
            if full and line.number > start:
                yield Plan(lines=Ranges.of((start, line.number - 1)), bodies=Ranges.numbers(bodies))
                start, size, bodies = line.number, 0, []
            size += body + fitting.LINE_BYTES
            if body:
                bodies.append(line.number)
    yield Plan(lines=Ranges.of((start, last)), bodies=Ranges.numbers(bodies))


def goes_unasked(line: OwnLine) -> bool:
    """Our user's resources travel with the line that announces them; the manifest of a large file may be larger."""
    return line.mine and not line.gone and (line.bytes <= 2 * INLINE_BYTES_MAX or bool(line.chunks))


def _post(view: View, peer: Peer, told: Told, link: Link, plans: list[Plan], now: Millis, entropy: Entropy) -> Effects:
    lines, chunks, asked_journal = told.lines, told.chunks, False
    sequence = peer.sequence
    asks_next = Millis(now + patience.silence(view, peer.node, link))
    for plan in plans:
        sequence += 1
        yield Post(
            Letter(
                id=entropy(16),
                peer=peer.node,
                medium=link.medium,
                sequence=sequence,
                token=entropy(16),
                created=now,
                expires=Millis(now + ENVELOPE_LIFE_MS),
                plan=plan,
            )
        )
        lines |= plan.lines
        chunks |= plan.chunks
        asked_journal |= plan.ask_journal
        for name in (*plan.requests, *(resource for resource, _ in plan.wants)):
            yield from asking.asked(view, name, peer.node, link, now)
        if plan.recall:
            yield from recovery.asked(view, peer.node, now)
    yield from recovery.saying(view, peer, plans)
    yield SaveTold(patience.probed(replace(told, lines=lines, chunks=chunks), now))
    yield SavePeer(
        replace(
            peer,
            sequence=sequence,
            told_number=peer.heard,
            told_done=peer.done,
            owes_ack=False,
            ended=peer.seen_at or Millis(1) if peer.ended else peer.ended,
            ask_at=asks_next if asked_journal or not peer.ask_at else peer.ask_at,
        )
    )


def under_way(view: View, peer: Fingerprint, medium: str) -> tuple[Ranges, Ranges]:
    """Return which lines and chunks are in letters to *peer* that are waited for on *medium*."""
    plans = [each.plan for each in view.letters(peer) if each.medium == medium]
    return (
        Ranges.of(*(run for plan in plans for run in plan.lines.runs)),
        Ranges.of(*(run for plan in plans for run in plan.chunks.runs)),
    )


def handed(view: View, letter: Letter, link: Link, where: str, now: Millis) -> Effects:
    """A carrier has taken *letter*. Where no tokens are shown, nobody will ever answer a letter that asks nothing."""
    if letter.plan.eliciting or link.shows_tokens:
        yield Handed(letter.id, now, where)
    else:
        yield Settle(letter.id)


def lost(view: View, letter: Letter) -> Effects:
    """*letter* did not arrive, or nobody knows: what it carried is lacking again, and planned anew."""
    told = view.told(letter.peer, letter.medium)
    yield Settle(letter.id)
    yield SaveTold(replace(told, lines=told.lines - letter.plan.lines, chunks=told.chunks - letter.plan.chunks))
    yield from asking.not_asked(view, letter)
    yield from quota.lost(view, letter)
    if letter.plan.recall:
        yield from recovery.asked(view, letter.peer, Millis(0))
    peer = view.peer(letter.peer)
    if peer is not None:
        ask_at = letter.created if letter.plan.ask_journal else peer.ask_at
        # A chunk's letter carries no news: another one goes before it.
        told_number, told_done = (peer.told_number, peer.told_done) if letter.plan.chunks else (0, Ranges())
        yield SavePeer(replace(peer, told_number=told_number, told_done=told_done, ask_at=ask_at))


def arrived(view: View, letter: Letter, known: int | None = None) -> Effects:
    """The recipient has *letter*: by its token, or by its word. By then it knew our journal up to line *known*.

    Lines beyond that came before those they follow; the recipient could do nothing with them and needs them again.
    """
    peer = view.peer(letter.peer)
    yield Settle(letter.id)
    for number in letter.plan.replies:
        yield DropReply(number)
    if peer is None:
        return
    lines = letter.plan.lines if known is None else letter.plan.lines & Ranges.of((1, known))
    yield from withheld.came(view, peer.node, lines)
    yield SavePeer(
        replace(
            peer,
            acked=peer.acked | lines,
            owed_chunks=peer.owed_chunks - letter.plan.chunks,
            asked_chunks=peer.asked_chunks - letter.plan.chunks,
        )
    )
    told = view.told(letter.peer, letter.medium)
    if told.failures or lines != letter.plan.lines:
        again = letter.plan.lines - lines
        yield SaveTold(patience.patient(replace(told, lines=told.lines - again)))
    if view.elsewhere(letter.peer, letter.medium):
        yield from settle_moot(view, letter.peer)


def acknowledged(view: View, node: Fingerprint, heard: Heard, known: int | None) -> Effects:
    """*node* has our envelopes in *heard*, and knows our journal up to line *known*."""
    checks = heard.checked()
    for letter in view.letters(node):
        if checks.get(letter.sequence) == letter.id[:CHECK_BYTES] and view.letter(letter.id):
            yield from arrived(view, letter, known)


def settle_moot(view: View, node: Fingerprint) -> Effects:
    """Take out letters whose whole content the peer has by now, whichever way it came."""
    peer, settled = view.peer(node), False
    for letter in view.letters(node):
        plan = letter.plan
        moot = (plan.lines or plan.bodies or plan.chunks) and not plan.asks
        if moot and peer and not (plan.lines | plan.bodies) - peer.acked and not plan.chunks & peer.owed_chunks:
            yield Settle(letter.id)
            settled = True
    # It need not wait for those envelopes any more, and should hear so.
    if settled and peer and not peer.owes_ack:
        yield SavePeer(replace(peer, owes_ack=True))


def compose(view: View, key: PrivateKey, letter: Letter) -> Bundle:
    """Return what goes into *letter*'s envelope now: less than was planned, if less may go there by now."""
    peer = view.peer(letter.peer)
    assert peer is not None, "letters go with their peer"
    parts: list[Part] = [*introducing.introduction(view, peer, letter.plan)]
    parts += map(_part, introducing.new_keys(view, peer, letter.plan))
    lines, bodies = (letter.plan.lines, letter.plan.bodies) if peer.reads else (Ranges(), Ranges())
    parts += _bodies(view, bodies)
    places = {part.signed.id: place for place, part in enumerate(parts) if isinstance(part, Rebuilt)}
    for first, last in lines.runs:
        parts.append(updates.write(view, key, peer, first, last, places))
    parts += (Verbatim(SignedObject.sign(messages.write(each), key).encode()) for each in _asked(view, peer, letter))
    if letter.plan.recall:
        parts.append(recovery.marks(view))
    for reply in view.replies(peer.node):
        if reply.number in letter.plan.replies:
            parts += _answer(view, key, _still(view, peer, reply, letter.created), len(parts))
    for number in letter.plan.chunks & peer.owed_chunks:
        name = view.chunk(number)
        data = view.blob(name) if name else None
        if name and data is not None:
            parts.append(Chunk(name, data))
    parts += quota.advert(view, letter)
    if peer.heard or peer.received:  # who was restored to before it heard anything says that, too
        parts += _outcomes(view, peer)
        parts.append(Tally(peer.heard, peer.heard_id, _latest(peer.done)))
    # After the tally: whoever believes that we hold a file would take our wish for an old one.
    parts += (Want(resource, chunks) for resource, chunks in letter.plan.wants)
    floor = min(letter.sequence, view.oldest(peer.node) or letter.sequence)
    to = To(node_tag(peer.node), letter.sequence, letter.token, floor, _heard(view, peer))
    return Bundle(
        id=letter.id,
        sender=node_tag(view.local().node),
        to=(to,),
        created=letter.created,
        expires=letter.expires,
        parts=tuple(parts),
    )


def _outcomes(view: View, peer: Peer) -> Iterator[Outcome]:
    """Why some of the peer's resources are not applied here, for the first of them."""
    over = quota.met(view, peer.node)
    for number in islice(Ranges.of((1, peer.heard)) - peer.done, OUTCOMES_MAX):
        for entry in view.entries(peer.node, number, 1):
            fate = view.fate(entry.resource)
            if fate is not None:
                yield Outcome(raw(entry.resource), fate[0], fate[1][:200])
            elif over and not view.has(entry.resource):
                yield Outcome(raw(entry.resource), "deferred", quota.WHY)


def _heard(view: View, peer: Peer) -> Heard:
    """The envelopes of *peer* that it may still wait to hear of, the latest if there are too many."""
    ids = view.received(peer.node, peer.floor)
    numbers = Ranges(Ranges.numbers(sorted(ids)[-HEARD_MAX:]).runs[-RUNS_MAX:])
    return Heard.of({number: ids[number] for number in numbers})


def _latest(ranges: Ranges) -> Ranges:
    return Ranges(ranges.runs[-RUNS_MAX:])


def _bodies(view: View, numbers: Ranges) -> Iterator[Part]:
    for first, last in numbers.runs:
        hidden = view.hidden_lines(first, last)
        for line in view.own_lines(first, last):
            signed = view.resource(line.entry.resource)
            if signed is not None and line.number not in hidden:
                yield _part(signed)


def _part(signed: SignedObject) -> Part:
    return Rebuilt(signed) if signed.verbatim is None and len(signed.signatures) == 1 else Verbatim(signed.encode())


def _asked(view: View, peer: Peer, letter: Letter) -> Iterator[messages.Message]:
    """The requests in a letter."""
    if letter.plan.ask_journal:
        yield JournalRequest(b64(letter.id), peer.heard_id)
    wanted = {entry.resource: entry.publisher for entry in view.wanted(peer.node, Millis(1 << 62), 1 << 30)}
    for name in letter.plan.requests:
        if name in wanted:
            yield ResourceRequest(asking.identifier(b64(letter.id), name), wanted[name], name)


def _still(view: View, peer: Peer, reply: Reply, at: Millis) -> Reply:
    """What was asked for may have been taken back, or the peer's right to it, since the answer was promised."""
    if reply.tells and not peer.reads:
        return replace(reply, limit=0)
    if reply.resource is None:
        return reply
    author, _ = view.origin(reply.resource) or ("", "")
    return replace(reply, resource=reading.given(view, peer, reply.resource, Fingerprint(author), at))


def _answer(view: View, key: PrivateKey, reply: Reply, place: int) -> Iterator[Part]:
    """A response, and before it, as part number *place*, the resource it gives."""
    if reply.status == RECALLED:
        yield from recovery.answer(view, reply)
        return
    if reply.since is not None:
        me = view.local().node
        since = view.line_id(me, reply.since)
        assert since is not None
        entries = tuple(view.entries(me, reply.since + 1, reply.limit))
        response = Response(reply.identifier, "ok", Broadcast(since, entries))
        yield Verbatim(SignedObject.sign(messages.write(response), key).encode())
        return
    signed = view.resource(reply.resource) if reply.resource else None
    status = reply.status if signed else "not_found" if reply.status == "ok" else reply.status
    response = Response(reply.identifier, status, signed)
    by = SignedObject.sign(messages.write(response), key).signatures[0]
    if signed is None:
        yield Answer(reply.identifier, status, None, by)
    elif signed.verbatim is None and len(signed.signatures) == 1:
        yield Rebuilt(signed)
        yield Answer(reply.identifier, status, place, by)
    else:
        yield Verbatim(SignedObject.sign(messages.write(response), key).encode())
    if signed is not None:
        yield from map(_part, asking.proofs(view, signed))
