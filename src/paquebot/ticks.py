"""How far one thing has got towards each peer, with the evidence: when and where, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from paquebot import waiting
from paquebot.protocol import evidence, mailing
from paquebot.protocol.effects import Reached
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.privacy import ENCRYPTED, SEALED
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.state import Letter, Peer
from paquebot.status import Reach, reach, sign_of_life
from paquebot.store.view import Listed, SqliteView


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """How far one thing has got towards one peer. A moment or place that is not known is 0 or empty."""

    peer: str
    node: Fingerprint
    reach: Reach
    reads: bool | None
    """Whether the peer can read it; None if that is not known here."""
    meant: bool
    """Its user is one of those for whom it is."""
    handed_at: Millis
    """When a carrier took the body, all of it, for the last time."""
    handed_where: str
    read_back: bool
    """It was read back from the medium on which it was put."""
    on_the_way: int
    """How many envelopes that carry it a carrier has, and the peer has not acknowledged."""
    lost_at: Millis
    """When those count as lost, at the latest."""
    stored_at: Millis
    """When it was learned that the peer has it."""
    stored_where: str
    applied_at: Millis
    """When the peer said that it applied it."""
    outcome: str
    """What the peer says became of it, if it did not simply apply it: ``held``, ``rejected``, ``declined`` …"""
    detail: str
    asked: bool
    """The peer asked for it, and the answer goes with the next carrier."""
    heard_at: Millis
    """The last sign of life of the peer."""
    retry_at: Millis
    """Not before then is anything put on a carrier for it again."""

    def as_json(self) -> dict[str, Any]:
        """Return the tick for machines; moments in SDMP's form, null for never."""
        moments = ("handed_at", "lost_at", "stored_at", "applied_at", "heard_at", "retry_at")
        value: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        value |= {name: format_time(value[name]) if value[name] else None for name in moments}
        return value | {"reach": self.reach.name.lower()}


def ticks(view: SqliteView, listed: Listed) -> list[Tick]:
    """Return how far *listed* has got towards each peer; nothing if it is not ours."""
    if listed.user != view.local().user:
        return []
    reached = reach(view, listed)
    return [_tick(view, listed, peer, reached[peer.node]) for peer in view.peers()]


def _tick(view: SqliteView, listed: Listed, peer: Peer, got: Reach) -> Tick:
    mine = Ranges.numbers([listed.number])
    learned = [each for each in view.evidence(peer.node) if each.lines & mine]
    handed = _latest(learned, evidence.TAKEN, evidence.READ_BACK)
    applied = _latest(learned, evidence.APPLIED)
    stored = _stored(view, listed, learned)
    letters = list(_carrying(view, listed, peer))
    owed = {each.number for each in view.replies(peer.node) if each.resource == listed.id}
    answered = {number for letter in letters for number in letter.plan.replies}
    code, detail = next(((code, why) for name, code, why in view.outcomes(peer.node) if name == listed.id), ("", ""))
    told = [view.told(peer.node, medium) for medium in view.media(peer.node)]
    has = got in (Reach.STORED, Reach.APPLIED, Reach.CARRIED)
    return Tick(
        peer=peer.name,
        node=peer.node,
        reach=got,
        reads=_reads(view, listed, peer),
        meant=(for_whom := view.opened(listed.id)) is None or peer.user in for_whom,
        handed_at=handed.at if handed else max((each.handed_at or Millis(0) for each in letters), default=Millis(0)),
        handed_where=handed.where if handed else next((each.where for each in letters), ""),
        read_back=handed is not None and handed.stage == evidence.READ_BACK,
        on_the_way=len(letters),
        lost_at=max((each.expires for each in letters), default=Millis(0)),
        stored_at=stored.at if has and stored else Millis(0),
        stored_where=stored.where if has and stored else "",
        applied_at=applied.at if applied and got is Reach.APPLIED else Millis(0),
        outcome=code,
        detail=waiting.there(view, code, detail),
        asked=bool(owed - answered),
        heard_at=sign_of_life(view, peer),
        retry_at=max((each.retry_at for each in told), default=Millis(0)),
    )


def _reads(view: SqliteView, listed: Listed, peer: Peer) -> bool | None:
    if listed.kind in (SEALED, ENCRYPTED):
        return None  # another node of our user's sealed it, and not to this one
    return listed.number not in view.closed_to(peer.node, peer.applied)


def _latest(learned: Iterable[Reached], *stages: str) -> Reached | None:
    """The last of some sorts of evidence: what was lost since is handed, or learned of, again."""
    return max((each for each in learned if each.stage in stages), key=lambda each: each.at, default=None)


def _stored(view: SqliteView, listed: Listed, learned: Sequence[Reached]) -> Reached | None:
    """What first showed that the peer has it: that it has the line says so only if all of it rode along."""
    (line,) = view.own_lines(listed.number, listed.number)
    stages = [evidence.LISTED, evidence.APPLIED]
    if mailing.goes_unasked(line) and not line.chunks:
        stages.append(evidence.ACKED)
    found = (_latest(learned, stage) for stage in stages)
    return min((each for each in found if each), key=lambda each: each.at, default=None)


def _carrying(view: SqliteView, listed: Listed, peer: Peer) -> Sequence[Letter]:
    """The letters on their way to *peer* with the body of *listed*, or a part of it."""
    mine, chunks = Ranges.numbers([listed.number]), view.chunks_of(listed.id)
    return [
        letter
        for letter in view.letters(peer.node)
        if letter.handed_at is not None and (evidence.bodies(view, letter) & mine or letter.plan.chunks & chunks)
    ]
