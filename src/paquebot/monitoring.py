"""`status --check`: whether somebody should look, in one line and one number, for Nagios and its like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from paquebot.amounts import age, duration
from paquebot.errors import Misused
from paquebot.status import PeerStatus, Status
from paquebot.transport import BROKEN, OK, Check


class Level(IntEnum):
    """How bad it is; also the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still well. None: whatever it is."""

    max_age: int | None = None
    """How long ago, in ms, each peer may have given its last sign of life."""
    max_waiting: int | None = None
    """For how long, in ms, something of ours may wait until each peer that may read it has applied it."""
    quarantine: bool = True
    """Whether anything may be set aside."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not well."""

    level: Level
    what: str


def read_limits(words: Sequence[str]) -> Limits:
    """Return the limits that *words* such as ``max-age=2d`` and ``no-quarantine`` say. Raise `Misused`."""
    found: dict[str, int | bool] = {}
    for word in words:
        name, _, value = word.partition("=")
        if word == "no-quarantine":
            found["quarantine"] = False
        elif name in ("max-age", "max-waiting"):
            found[name.replace("-", "_")] = duration(value)
        else:
            raise Misused(f"{word!r} is no condition; there are max-age=2d, max-waiting=7d and no-quarantine")
    return Limits(**found)  # type: ignore[arg-type]


def check(
    status: Status, limits: Limits, peers: Sequence[PeerStatus], stood: Iterable[tuple[str, Check]] = ()
) -> list[Finding]:
    """Return what is not well, worst first: with this node, its carriers as they *stood*, and those of its *peers*."""
    found = list(_of_node(status, limits))
    for carrier, each in stood:
        if each.state != OK:
            worst = Level.CRITICAL if each.state == BROKEN else Level.WARNING
            found.append(Finding(worst, f"{carrier}: {each.what}: {each.detail}"))
    for peer in peers:
        found += _of_peer(status, peer, limits)
    return sorted(found, key=lambda finding: -finding.level)


def _of_node(status: Status, limits: Limits) -> Iterator[Finding]:
    if status.clock_doubtful:
        yield Finding(Level.WARNING, "this machine's clock is wrong")
    if status.dated_ahead:
        yield Finding(Level.WARNING, f"{status.dated_ahead} dated ahead by a wrong clock, so peers let them wait")
    for sentence in status.restored:
        yield Finding(Level.WARNING, sentence.partition(":")[0])
    if status.quarantined and not limits.quarantine:
        yield Finding(Level.WARNING, f"{status.quarantined} set aside")
    if status.pending:
        yield Finding(Level.WARNING, f"strangers who wait to be met: {status.pending} (paquebot peer pending)")
    if status.hooks_failed:
        yield Finding(Level.WARNING, f"failed hooks or folders: {status.hooks_failed} (paquebot hook list)")


def _of_peer(status: Status, peer: PeerStatus, limits: Limits) -> Iterator[Finding]:
    if peer.state in ("ended", "revoked"):
        return
    if peer.given_up:
        yield Finding(Level.WARNING, f"{peer.name} was given up: it did not answer for long")
    if peer.state == "set apart":
        yield Finding(Level.CRITICAL, f"{peer.name} is set apart: its keys may be stolen")
    for sentence in peer.restored:
        yield Finding(Level.WARNING, f"{peer.name}: {sentence.partition(':')[0]}")
    quiet = status.now - max(peer.heard_at, peer.added)
    if limits.max_age is not None and quiet > limits.max_age:
        what = "nothing heard of" if peer.heard_at else "never heard of, for"
        yield Finding(Level.CRITICAL, f"{what} {peer.name} {age(quiet)} (at most {age(limits.max_age)})")
    waits = status.now - peer.waits_since if peer.waits_since else 0
    if limits.max_waiting is not None and waits > limits.max_waiting:
        count = peer.published - peer.applied + peer.untold
        limit = age(limits.max_waiting)
        yield Finding(
            Level.CRITICAL, f"{peer.name} lacks {count} of ours, the oldest for {age(waits)} (at most {limit})"
        )


def level(findings: Sequence[Finding]) -> Level:
    """Return how bad it is in all."""
    return max((finding.level for finding in findings), default=Level.OK)
