"""What the user is told: three ticks for each thing published, and how every link stands. Derived, never stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.state import Peer
from paquebot.report import SHOWN_KINDS
from paquebot.store.view import Listed, SqliteView


class Reach(Enum):
    """How far something we published has got towards one peer. Each is told only on evidence."""

    WAITING = "waiting for a carrier"
    HANDED = "handed to a carrier"
    STORED = "stored by the peer"
    APPLIED = "applied by the peer"
    WITHHELD = "withheld: the peer may not read"


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """Envelopes that one carrier took and nobody acknowledged yet."""

    where: str
    envelopes: int
    since: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """How the link with one peer stands."""

    name: str
    user: Fingerprint
    node: Fingerprint
    state: str
    """``set apart``, ``withheld``, ``unknown``, ``behind``, ``ahead`` or ``in sync``."""
    published: int
    """How many things we published for people; the next three say how many of them got how far."""
    handed: int
    stored: int
    applied: int
    heard_lines: int
    lacking_lines: int
    """Lines of its journal whose resources are not here completely."""
    missing_envelopes: int
    """Envelopes of its that must exist and did not arrive."""
    on_the_way: tuple[OnTheWay, ...]
    heard_at: Millis
    retry_at: Millis
    outcomes: tuple[tuple[str, str, str], ...]
    """(resource, outcome, detail) of what the peer did not simply apply, as it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a node stands."""

    name: str
    user: Fingerprint
    node: Fingerprint
    now: Millis
    clock_doubtful: bool
    published: int
    received: int
    incomplete: int
    held: int
    wanted: int
    quarantined: int
    peers: tuple[PeerStatus, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the status for machines; moments in SDMP's form, null for never."""
        value = asdict(self)
        value["now"] = format_time(self.now)
        for peer in value["peers"]:
            for key in ("heard_at", "retry_at"):
                peer[key] = format_time(peer[key]) if peer[key] else None
            for each in peer["on_the_way"]:
                each["since"] = format_time(each["since"])
        return value


def of_node(view: SqliteView, now: Millis, *, clock_doubtful: bool) -> Status:
    """Return how the node stands."""
    local = view.local()
    ours, theirs, incomplete = Ranges(), 0, 0
    numbers = []
    for listed in view.listed(SHOWN_KINDS):
        if listed.user == local.user:
            numbers.append(listed.number)
        else:
            theirs += 1
        incomplete += bool(listed.lacking)
    ours = Ranges.numbers(sorted(numbers))
    return Status(
        name=local.name,
        user=local.user,
        node=local.node,
        now=now,
        clock_doubtful=clock_doubtful,
        published=len(ours),
        received=theirs,
        incomplete=incomplete,
        held=len(view.all_held()),
        wanted=view.wanted_count(),
        quarantined=len(view.quarantined()),
        peers=tuple(_of_peer(view, peer, ours, now) for peer in view.peers()),
    )


def _of_peer(view: SqliteView, peer: Peer, ours: Ranges, now: Millis) -> PeerStatus:
    handed, stored = _handed(view, peer), peer.acked
    lacking = Ranges.of((1, peer.heard)) - peer.done
    carriers: dict[str, list[Millis]] = {}
    for letter in view.letters(peer.node):
        if letter.handed_at is not None and letter.plan.eliciting:
            carriers.setdefault(letter.medium, []).append(letter.handed_at)
    return PeerStatus(
        name=peer.name,
        user=peer.user,
        node=peer.node,
        state=_state(peer, ours, lacking),
        published=len(ours),
        handed=len(ours & (handed | stored | peer.applied)),
        stored=len(ours & (stored | peer.applied)),
        applied=len(ours & peer.applied),
        heard_lines=peer.heard,
        lacking_lines=len(lacking),
        missing_envelopes=len(peer.missing),
        on_the_way=tuple(OnTheWay(where, len(times), min(times)) for where, times in sorted(carriers.items())),
        heard_at=peer.seen_at,
        retry_at=max((view.told(peer.node, medium).retry_at for medium in view.media(peer.node)), default=Millis(0)),
        outcomes=tuple(view.outcomes(peer.node)),
    )


def _state(peer: Peer, ours: Ranges, lacking: Ranges) -> str:
    if peer.suspect:
        return "set apart"
    if not peer.reads:
        return "withheld"
    if not peer.seen_at:
        return "unknown"
    if lacking or peer.missing:
        return "behind"
    return "ahead" if ours - peer.applied else "in sync"


def _handed(view: SqliteView, peer: Peer) -> Ranges:
    """Our lines that some carrier took for the peer."""
    found = Ranges()
    for medium in view.media(peer.node):
        found |= view.told(peer.node, medium).lines
    for letter in view.letters(peer.node):
        if letter.handed_at is None:
            found -= letter.plan.lines
    return found


def reached_by(view: SqliteView, listed: Listed) -> dict[str, Reach]:
    """Return how far something of ours has got, by peer; empty if it is not ours."""
    if listed.user != view.local().user:
        return {}
    found = {}
    for peer in view.peers():
        if listed.number in peer.applied:
            found[peer.name] = Reach.APPLIED
        elif listed.number in peer.acked:
            found[peer.name] = Reach.STORED
        elif not peer.reads:
            found[peer.name] = Reach.WITHHELD
        else:
            found[peer.name] = Reach.HANDED if listed.number in _handed(view, peer) else Reach.WAITING
    return found
