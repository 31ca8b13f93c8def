"""How much one peer may send in one window, and how much it is answered: excess is put off, never fatal.

What is put off is not lost: its lines are heard, or asked for later, and what they name is asked for when it fits.
The grant is advertised, so that the sender cuts before sending. Time for verification is bounded with the items: each
needs a fixed number of signature checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from paquebot.errors import Refused
from paquebot.protocol import cbor, container
from paquebot.protocol.account import Account, Grant
from paquebot.protocol.advert import DICTIONARY, Advert
from paquebot.protocol.bundle import Chunk, Part, Rebuilt, Update, Verbatim
from paquebot.protocol.effects import Effects, SaveAccount, SavePeer
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import (
    AHEAD_MAX_MS,
    CHUNK_BYTES,
    ENVELOPE_BYTES_MAX,
    RESERVED_BYTES_MAX,
    RESERVED_MIN,
    RESERVED_SHARE,
)
from paquebot.protocol.published import URIS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter, Peer, Plan, View

URGENT = ("identity", "trust", "revoke", URIS["envelope_keys"], URIS["ending"])
"""Schemas of what cannot be crowded out by bulk."""
WHY = "over what is granted"


class Meter:
    """Counts what comes in one envelope against the sender's grant."""

    def __init__(
        self, view: View, peer: Fingerprint, grant: Grant, size: int, now: Millis, parts: Sequence[Part]
    ) -> None:
        self._view = view
        self._peer = peer
        self._grant = grant
        self._now = now
        use = view.account(peer).received.at(now, grant.window_ms)
        self._use = replace(use, envelopes=use.envelopes + 1, bytes=use.bytes + size)
        # One envelope always fits into a window of its own.
        too_many = self._use.envelopes > max(grant.envelopes, 1)
        self._full = too_many or (self._use.bytes > grant.bytes and self._use.envelopes > 1)
        chunks = sum(isinstance(part, Chunk) for part in parts)
        crowded = self._use.items > 0 and self._use.items + chunks > grant.items
        self._no_chunks = self._full or crowded
        self.met = False
        """Something was put off."""
        self.admitted = [self._admits(part) for part in parts]
        """Which parts are dealt with now. What is neither item nor line costs next to nothing."""
        put_off = (part for part, fits in zip(parts, self.admitted, strict=True) if not fits)
        self.unacknowledged = any(isinstance(part, Chunk) for part in put_off)
        """Chunks are put off. Nothing lists those, so the sender must not believe that they arrived."""

    def _admits(self, part: Part) -> bool:
        if isinstance(part, Update):
            fits = not self._full
        elif not isinstance(part, Rebuilt | Verbatim | Chunk):
            return True
        elif self._no_chunks and isinstance(part, Chunk):
            fits = False
        elif not self._full and self._use.items < max(self._grant.items, 1):
            self._use = replace(self._use, items=self._use.items + 1)
            return True
        else:
            share = max(self._grant.items // RESERVED_SHARE, RESERVED_MIN)
            fits = self._use.reserved < share and urgent(part)
            self._use = replace(self._use, reserved=self._use.reserved + fits)
        self.met |= not fits
        return fits

    def close(self) -> Effects:
        """Note what was used.

        Whoever met a limit in this window for the first time is told of the grant again; what was put off, it is asked
        for in the next one.
        """
        account = self._view.account(self._peer)
        if self.met and account.met < self._use.since:
            account = replace(account, told=b"", advert=b"")
        met = self._now if self.met else account.met
        ask = Millis(self._use.since + self._grant.window_ms) if self.met else account.ask
        yield SaveAccount(self._peer, replace(account, received=self._use, met=met, ask=ask))
        peer = self._view.peer(self._peer)
        if self.met and peer:
            yield SavePeer(replace(peer, owes_ack=True))


def urgent(part: Part) -> bool:
    """Return whether *part* is a small resource that everything else may depend on."""
    payload = part.signed.payload if isinstance(part, Rebuilt) else b""
    if not payload or len(payload) > RESERVED_BYTES_MAX:
        return False
    try:
        found = container.read(payload)
    except Refused:
        return False
    return any(found.keeps(schema) for schema in URGENT)


def silent(part: Part) -> bool:
    """Return whether *part* has no outcome of its own: it is a request or a receipt."""
    if not isinstance(part, Verbatim):
        return False
    try:
        payload = SignedObject.parse(part.data).payload
        found = container.read(payload)
    except Refused:
        return False
    return any(found.keeps(schema) for schema in ("request_journal", "request_resource", "receipt"))


def room(view: View, peer: Fingerprint, grant: Grant, now: Millis) -> int:
    """Return for how many items *peer* may still be asked in this window."""
    account = view.account(peer)
    came = account.received.at(now, grant.window_ms).items
    asked = account.answered.at(now, grant.window_ms).items
    return max(max(grant.items, 1) - max(came, asked), 0)


def first(ranges: Ranges, count: int) -> Ranges:
    """Return the first *count* members of *ranges*.

    >>> first(Ranges.of((1, 3), (7, 9)), 4)
    Ranges(runs=((1, 3), (7, 7)))
    """
    left: list[tuple[int, int]] = []
    for begin, end in ranges.runs:
        if count <= 0:
            break
        left.append((begin, min(end, begin + count - 1)))
        count -= end - begin + 1
    return Ranges(tuple(left))


def met(view: View, peer: Fingerprint) -> bool:
    """Return whether *peer* met a limit in the last window in which it sent anything."""
    account = view.account(peer)
    return bool(account.met) and account.met >= account.received.since


def window_end(account: Account, grant: Grant) -> Millis:
    """Return when the window ends in which a peer met a limit."""
    return Millis(account.received.since + grant.window_ms)


# -- what we send ---------------------------------------------------------------------------------

Cost = Callable[[Plan], int]
"""The bytes of a plan's answers, or of its lines and chunks."""


def within(
    view: View, peer: Peer, plans: Iterable[Plan], grant: Grant, now: Millis, answer_cost: Cost, cost: Cost
) -> Iterator[Plan]:
    """Cut *plans* to what *peer* grants us, and to what *grant* lets us send it in answer. The rest waits its time."""
    account = view.account(peer.node)
    answered = account.answered.at(now, grant.window_ms).bytes
    answers = grant.answers - answered
    envelopes, items, left = _granted(account, now)
    sent, blocked = 0, False
    for plan in plans:
        if sent == envelopes:
            return
        if blocked and plan.lines:
            continue  # a later line would come before those that it follows
        again = _again(view, peer, account, plan, cost) + answer_cost(plan)
        fits = again <= answers or not (answered or sent)  # one letter always fits into a window of its own
        fits &= left is None or cost(plan) + answer_cost(plan) <= left
        goes = (_cut(plan, items) if fits else None) or _bare(plan)
        blocked |= goes is None or goes.lines != plan.lines
        if goes is None:
            continue
        yield goes
        sent += 1
        answers -= again if goes == plan else 0
        items = None if items is None else max(items - weight(goes), 0)
        left = None if left is None else left - cost(goes) - answer_cost(goes)


def _granted(account: Account, now: Millis) -> tuple[int | None, int | None, int | None]:
    """How many envelopes, items and bytes may still be sent; None for any number."""
    theirs = account.theirs
    if theirs is None:
        return None, None, None
    sent = account.sent.at(now, theirs.window_ms)
    envelopes = max(theirs.envelopes - sent.envelopes, 0)
    if now < account.hold <= now + theirs.window_ms:
        return envelopes, 0, 0
    fresh = ENVELOPE_BYTES_MAX if not sent.bytes else 0  # one letter always fits into a window of its own
    return envelopes, max(theirs.items - sent.items, 0), max(theirs.bytes - sent.bytes, fresh)


def weight(plan: Plan) -> int:
    """Return how many items *plan* has for its recipient."""
    return len(plan.bodies) + len(plan.chunks) + len(plan.replies) + len(plan.requests) + plan.ask_journal


def _asked(plan: Plan) -> int:
    """How many items *plan* asks for."""
    return len(plan.requests) + sum(len(chunks) for _, chunks in plan.wants)


def _cut(plan: Plan, items: int | None) -> Plan | None:
    """*plan*, or what of it may go: questions, then answers, then lines from the first on; None if that is nothing."""
    if items is None or weight(plan) <= items:
        return plan
    left = max(items - len(plan.requests) - plan.ask_journal, 0)
    replies, left = plan.replies[:left], max(left - len(plan.replies), 0)
    lines, bodies = _first_lines(plan, left)
    left -= len(bodies)
    cut = replace(plan, replies=replies, lines=lines, bodies=bodies, chunks=first(plan.chunks, max(left, 0)))
    return cut if cut.eliciting else None


def _first_lines(plan: Plan, count: int) -> tuple[Ranges, Ranges]:
    """The lines of *plan* up to those whose bodies would be more than *count*, and the bodies of these."""
    if len(plan.bodies) <= count:
        return plan.lines, plan.bodies
    if count <= 0 or len(plan.lines.runs) != 1 or plan.bodies - plan.lines:
        return Ranges(), Ranges()
    kept = first(plan.bodies, count)
    return Ranges.of((plan.lines.runs[0][0], (plan.bodies - kept).runs[0][0] - 1)), kept


def _bare(plan: Plan) -> Plan | None:
    """What of *plan* always goes: what was heard, and questions; None if that is nothing."""
    if not plan.eliciting:
        return plan
    bare = replace(plan, lines=Ranges(), bodies=Ranges(), chunks=Ranges(), replies=())
    return bare if bare.eliciting else None


def _again(view: View, peer: Peer, account: Account, plan: Plan, cost: Cost) -> int:
    """The bytes of *plan* that were in a letter to *peer* before, or that it asked for."""
    chunks = Ranges.numbers(n for n in plan.chunks if n < account.said_chunks or n in peer.asked_chunks)
    lines = plan.lines & Ranges.of((1, account.said))
    old = replace(plan, lines=lines, bodies=plan.bodies & Ranges.of((1, account.said)), chunks=Ranges())
    return (cost(old) if lines or old.bodies else 0) + len(chunks) * CHUNK_BYTES


def posted(
    view: View, peer: Peer, plans: list[Plan], letter: bytes, grant: Grant, now: Millis, answer_cost: Cost, cost: Cost
) -> Effects:
    """*plans* became letters, the first of them *letter*: note what they use, and let it carry our grant if need be."""
    account = view.account(peer.node)
    answered = account.answered.at(now, grant.window_ms)
    again = sum(_again(view, peer, account, plan, cost) + answer_cost(plan) for plan in plans)
    window_ms = account.theirs.window_ms if account.theirs else grant.window_ms
    sent = account.sent.at(now, window_ms)
    encoded = cbor.encode([*grant.flat(), DICTIONARY])
    new = replace(
        account,
        answered=replace(answered, bytes=answered.bytes + again, items=answered.items + sum(map(_asked, plans))),
        said=max([account.said, *(plan.lines.last for plan in plans)]),
        said_chunks=max([account.said_chunks, *(plan.chunks.last + 1 for plan in plans if plan.chunks)]),
        sent=replace(
            sent,
            envelopes=sent.envelopes + len(plans),
            items=sent.items + sum(weight(plan) for plan in plans),
            bytes=sent.bytes + sum(cost(plan) for plan in plans),
        ),
        told=encoded,
        advert=letter if account.told != encoded else account.advert,
        ask=Millis(0) if any(plan.ask_journal for plan in plans) else account.ask,
    )
    yield SaveAccount(peer.node, new)


def lost(view: View, letter: Letter) -> Effects:
    """*letter* did not arrive: if it told of our grant, or asked for news, another has to."""
    account = view.account(letter.peer)
    if account.advert == letter.id:
        account = replace(account, told=b"", advert=b"")
    if letter.plan.ask_journal:
        account = replace(account, ask=letter.created)
    if account != view.account(letter.peer):
        yield SaveAccount(letter.peer, account)


# -- what is advertised ------------------------------------------------------------------------------


def advert(view: View, letter: Letter) -> Iterator[Advert]:
    """Yield what *letter* says of our limits, if it says anything."""
    account = view.account(letter.peer)
    if account.advert != letter.id:
        return
    values = cbor.decode(account.told) if account.told else None
    if not isinstance(values, list):
        return
    grant = Grant(*(each for each in values[:4] if isinstance(each, int)))
    wait = window_end(account, grant) - letter.created if met(view, letter.peer) else 0
    yield Advert(letter.created, grant, max(wait, 0))


def advertised(view: View, peer: Fingerprint, said: Advert, now: Millis) -> Effects:
    """*peer* tells what it grants us; what it said earlier and comes late changes nothing."""
    account = view.account(peer)
    if said.at < account.theirs_at:
        return
    at = min(said.at, Millis(now + AHEAD_MAX_MS))  # a clock that is set right again must be believed
    wait = min(said.wait_ms, said.grant.window_ms)
    hold = Millis(now + wait) if wait else Millis(0)
    known = replace(account, theirs=said.grant, theirs_at=at, hold=hold, dictionary=said.dictionary)
    yield SaveAccount(peer, known)
