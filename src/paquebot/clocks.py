"""What this machine's clock shows, what the node goes by, and what becomes of what a wrong clock dated ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paquebot.errors import Misused
from paquebot.keychain import NODE_KEY
from paquebot.node import Node
from paquebot.protocol import noting, redating, witness
from paquebot.protocol.effects import Effects, SetClock
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.limits import AHEAD_MAX_MS, LATEST_MS, RELEASED_MS
from paquebot.protocol.stamp import Millis
from paquebot.report import Report


@dataclass(frozen=True, slots=True)
class ClockState:
    """How this node stands with the time."""

    wall: Millis
    """What this machine's clock shows."""
    now: Millis
    """What the node goes by."""
    doubtful: bool
    leaps: bool
    """The clock is years beyond all that is known here."""
    founded: Millis
    ahead: tuple[ResourceId, ...]
    """What this node dated so far ahead that nobody takes it before its time."""
    until: Millis
    """When the last of that will be taken; 0 if there is nothing."""

    @property
    def born_ahead(self) -> bool:
        """Whether the node was made by a clock that was ahead: then its keys begin to be valid only then."""
        return self.founded > self.wall + AHEAD_MAX_MS and not self.leaps


def look(node: Node) -> ClockState:
    """Return how *node* stands with the time."""
    view, wall, now = node.view, node.clock(), node.now()
    ahead = tuple(redating.ahead(view, now))
    clock = view.clock()
    return ClockState(
        wall, now, clock.doubtful(wall), clock.leaps(wall), view.founded(), ahead, redating.until(view, ahead)
    )


def early(node: Node) -> Sequence[ResourceId]:
    """Return what `set_right` would say anew. Raise `Misused` for a clock that cannot be right."""
    return redating.ahead(node.view, max(_possible(node), node.view.founded()))


def set_right(node: Node) -> list[ResourceId]:
    """A person says that the clock is right: go by it, and say anew what is dated ahead of it.

    What peers signed later than that counts as proof of the time no more: their clocks were wrong.
    Return what was said anew, under its early names. Raise `Misused` for a clock that cannot be right.
    """
    wall, view = _possible(node), node.view
    node.commit([SetClock(view.clock().vouched(wall)), *witness.forget_beyond(view, wall)])
    now = node.now()
    names = redating.ahead(view, now)

    def effects() -> Effects:
        yield from redating.anew(view, node.keys.private_key(NODE_KEY), now)

    if names:
        node.commit(noting.noted(view, effects(), now))
        node.tend_private(Report())
    return [name for name in names if name not in redating.ahead(view, now)]


def _possible(node: Node) -> Millis:
    """Return what this machine's clock shows. Raise `Misused` if that cannot be."""
    wall = node.clock()
    if not RELEASED_MS <= wall <= LATEST_MS:
        raise Misused("this machine's clock cannot be right: it shows a time before this release, or long after it")
    return wall
