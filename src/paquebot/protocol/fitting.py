"""What fits into an envelope, and into what is left of a link's ration: sizes are reckoned before anything is sealed.

What does not fit on one link waits for another, and takes nobody's place meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from paquebot.protocol import introducing, recovery
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import BUNDLE_BYTES_AIM, CHUNK_BYTES, DAY_MS, KIB, MIB
from paquebot.protocol.link import Link
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import RECALLED, Letter, Peer, Plan, Reply, View

LINE_BYTES = 80  # what a line without its body costs
HEADER_BYTES = 1_024  # what an envelope costs besides
SPARE_BYTES = 8 * KIB  # for all that is said and not reckoned: acknowledgements, outcomes, keys
CHUNKS_TOGETHER = 4  # an envelope of 4 MiB, of which some copies are made
ROOMY_BYTES = 64 * MIB  # a medium with less may have room for one chunk and not for four, for ever
PADDED = 1.15  # nothing is compressed, everything is padded
ANSWER_LINES = 64  # a response carries these at once; what lies beyond is broadcast anyway
ANSWER_BYTES = 640  # of one line in the answer to a request for a journal


def room(link: Link) -> int:
    """How many bytes of parts a letter may hold on *link*, with padding, seal and header to come."""
    return max(4 * KIB, min(BUNDLE_BYTES_AIM, int(link.bytes_max / PADDED) - SPARE_BYTES - HEADER_BYTES))


def room_for(view: View, peer: Peer, link: Link) -> int:
    """Return the same for a letter to *peer*, which may have to introduce us."""
    most = min(BUNDLE_BYTES_AIM, int(link.bytes_max / PADDED))
    return max(2 * KIB, most - HEADER_BYTES - _spare(peer) - introducing.introduction_size(view, peer, Plan()))


def _spare(peer: Peer) -> int:
    """Who never wrote is told nothing of what came of it."""
    return SPARE_BYTES if peer.received or peer.heard else SPARE_BYTES // 4


def takes_chunks(link: Link) -> bool:
    """Return whether chunks of files go by *link*."""
    return link.bulk and link.bytes_max >= PADDED * (CHUNK_BYTES + SPARE_BYTES + HEADER_BYTES)


def chunks(peer: Peer, link: Link) -> Ranges:
    """Return our numbers of the chunks that go to *peer* by *link*, whatever was put there already."""
    if not takes_chunks(link):
        return Ranges()
    return peer.owed_chunks if link.bytes_cheap else peer.asked_chunks


def answers(view: View, peer: Peer, replies: Iterable[Reply], link: Link) -> list[Reply]:
    """Return those of *replies* to *peer* each of which fits into an envelope on *link*."""
    return [each for each in replies if _size(view, peer, Plan(), 2 * reply_cost(view, each)) <= link.bytes_max]


def first_of(view: View, replies: Iterable[Reply], size: int) -> list[Reply]:
    """Return the first of *replies* that fit into *size* bytes of parts together."""
    found = []
    for each in replies:
        size -= 2 * reply_cost(view, each)
        if size < 0:
            break
        found.append(each)
    return found


def lines_at_once(link: Link, wanted: int | None) -> int:
    """Return how many lines of a journal go into one answer on *link*, at most *wanted* if that is said.

    >>> lines_at_once(Link("a stick", 0), None), lines_at_once(Link("a thin mailbox", 0, bytes_max=20_000), 64)
    (64, 4)
    """
    most = max(1, min(ANSWER_LINES, (room(link) // 2 - KIB) // ANSWER_BYTES))
    return min(wanted or most, most)


class Ration:
    """What may still be sent on one link, while letters are planned for one peer after another."""

    def __init__(self, view: View, link: Link) -> None:
        self._view = view
        self._parcels = link.parcels_left
        self._bytes = link.bytes_left

    def in_turn(self, peers: Sequence[Fingerprint], now: Millis) -> Sequence[Fingerprint]:
        """Return *peers* in the order in which they are served: another is the first on each day."""
        rationed = bool(peers) and (self._parcels is not None or self._bytes is not None)
        first = now // DAY_MS % len(peers) if rationed else 0
        return [*peers[first:], *peers[:first]]

    def cut(self, peer: Peer, plans: Iterable[Plan]) -> Iterator[Plan]:
        """Yield *plans* as long as they are within the ration; what is first is more important."""
        for plan in plans:
            if self._parcels is not None:
                self._parcels -= 1
            if self._bytes is not None:
                self._bytes -= size(self._view, peer, plan)
            if min(self._parcels or 0, self._bytes or 0) < 0:
                return
            yield plan


def together(chunks: Ranges, link: Link) -> Iterator[Ranges]:
    """Cut *chunks* to envelopes: on a stick several go in one, which costs the store of each side less.

    >>> [each.flat() for each in together(Ranges.of((1, 9)), Link("stick", latency_ms=0, bytes_cheap=True))]
    [[1, 4], [5, 8], [9, 9]]
    >>> [each.flat() for each in together(Ranges.of((1, 2)), Link("full", latency_ms=0, bytes_cheap=True, room=MIB))]
    [[1, 1], [2, 2]]
    >>> [each.flat() for each in together(Ranges.of((1, 2)), Link("mail", latency_ms=0))]
    [[1, 1], [2, 2]]
    """
    # Over a network a parcel is cut off more often than on a stick, and is held whole by both sides.
    roomy = link.room is None or link.room >= ROOMY_BYTES
    several = link.bytes_cheap and link.reachable is None and roomy
    most = min(CHUNKS_TOGETHER, int(link.bytes_max / PADDED) // CHUNK_BYTES) if several else 1
    numbers = iter(chunks)
    while some := Ranges.numbers(islice(numbers, max(most, 1))):
        yield some


def reply_cost(view: View, reply: Reply) -> int:
    """Return how many bytes *reply* takes in an envelope."""
    if reply.status == RECALLED:
        return recovery.cost(view, reply)
    if reply.since is not None:
        return KIB + ANSWER_BYTES * min(reply.limit, view.tip()[0] - reply.since)
    signed = view.resource(reply.resource) if reply.resource else None
    return KIB + (len(signed.payload) if signed else 0)


def cost(view: View, plan: Plan) -> int:
    """Return how many bytes the lines, bodies and chunks of *plan* take."""
    lines = sum(
        LINE_BYTES + (line.bytes if line.number in plan.bodies else 0)
        for first, last in (plan.lines | plan.bodies).runs
        for line in view.own_lines(first, last)
    )
    return HEADER_BYTES + lines + len(plan.chunks) * CHUNK_BYTES


def answers_cost(view: View, peer: Peer, plan: Plan) -> int:
    """Return how many bytes the answers in *plan* take."""
    return sum(reply_cost(view, each) for each in view.replies(peer.node) if each.number in plan.replies)


def size(view: View, peer: Peer, plan: Plan) -> int:
    """Return an upper bound of the size of the envelope to *peer* that *plan* makes."""
    spoken = KIB * (len(plan.requests) + len(plan.wants)) + 2 * answers_cost(view, peer, plan)
    return _size(view, peer, plan, spoken)


def _size(view: View, peer: Peer, plan: Plan, spoken: int) -> int:
    spoken += _spare(peer) + introducing.introduction_size(view, peer, plan)
    return int(PADDED * (cost(view, plan) + spoken))


def size_max(view: View, letter: Letter) -> int:
    """Return an upper bound of the size of *letter*'s envelope."""
    peer = view.peer(letter.peer)
    assert peer is not None, "letters go with their peer"
    return size(view, peer, letter.plan)
