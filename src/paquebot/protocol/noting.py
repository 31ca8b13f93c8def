"""Which events follow from what the engine asks for: noted in the same transaction as their cause.

Whoever decides something that cannot be told from its other effects yields a `Note` for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from paquebot.amounts import count
from paquebot.display import bare, printable
from paquebot.protocol.effects import (
    AddChunks,
    Effect,
    Effects,
    HaveBlob,
    Hide,
    Keep,
    KeepBlob,
    Note,
    NoteOpened,
    Quarantine,
    Remember,
    SaveOutcomes,
    SavePeer,
)
from paquebot.protocol.encoding import Fingerprint, ResourceId, short
from paquebot.protocol.events import SHOWN_KINDS, Kind
from paquebot.protocol.limits import DAY_MS, EVENT_DETAIL_MAX
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View

UNWELCOME = ("rejected", "declined")
"""What a peer may say became of something of ours that it will not have."""


def silent_key(peer: Fingerprint) -> str:
    """Return under which key it is remembered that *peer*'s silence was noted."""
    return f"silent/{peer}"


def noted(view: View, effects: Iterable[Effect], now: Millis) -> Effects:
    """Yield *effects*, each followed by the notes of what it made happen."""
    for effect in effects:
        match effect:
            case Keep():
                yield effect
                yield from _kept(view, effect, now)
            case NoteOpened(resource, kind):
                again = view.opened(resource) is not None
                yield effect
                yield from () if again else _opened(view, resource, kind, now)
            case AddChunks(resource):
                before = view.complete(resource)
                yield effect
                yield from () if before else _completed(view, [resource], now)
            case KeepBlob(name) | HaveBlob(name):
                lacking = view.files_with(name)
                yield effect
                yield from _completed(view, lacking, now)
            case SavePeer(peer):
                old = view.peer(peer.node)
                yield effect
                yield from _saved(view, old, peer, now)
            case SaveOutcomes(who, outcomes):
                known = set(view.outcomes(who))
                yield effect
                for resource, code, detail in outcomes:
                    if code in UNWELCOME and (resource, code, detail) not in known:
                        yield Note(Kind.REFUSED, now, resource, who, f"{code}: {detail}" if detail else code)
            case Hide(resource, by):
                yield effect
                if by is not None:
                    yield Note(Kind.REVOKED, now, resource, None, f"{short(resource)} was revoked")
            case Quarantine():
                again = view.set_aside(sha256(effect.data).digest())
                yield effect
                said = f"{effect.where}: {effect.reason} ({effect.code})"
                yield from () if again else [Note(Kind.SET_ASIDE, now, effect.item, effect.sender, said)]
            case _:
                yield effect


def _kept(view: View, effect: Keep, now: Millis) -> Effects:
    kept = effect.kept
    if kept.kind not in SHOWN_KINDS:
        return
    if kept.sender is None:
        yield Note(Kind.PUBLISHED, now, kept.signed.id)
    elif view.complete(kept.signed.id):
        yield Note(Kind.ARRIVED, now, kept.signed.id, kept.sender)


def _opened(view: View, name: ResourceId, kind: str, now: Millis) -> Effects:
    """Note what a private resource turned out to be."""
    sender = view.sender(name)
    if kind not in SHOWN_KINDS:
        return
    if sender is None:
        yield Note(Kind.PUBLISHED, now, name)
    elif view.complete(name):
        yield Note(Kind.ARRIVED, now, name, sender)


def _completed(view: View, files: Iterable[ResourceId], now: Millis) -> Effects:
    """Note the arrival of those of *files*, which lacked chunks before, that lack none now."""
    for name in files:
        signed, sender = view.resource(name), view.sender(name)
        if not signed or not sender or not view.complete(name):
            continue
        if Resource.read(signed, view.schema).kind in SHOWN_KINDS or view.opened(name) is not None:
            yield Note(Kind.ARRIVED, now, name, sender)


def _saved(view: View, old: Peer | None, peer: Peer, now: Millis) -> Effects:
    if old is None:
        yield Note(Kind.PEER_ADDED, now, None, peer.node, peer.name)
        return
    if peer.revoked and not old.revoked:
        yield Note(Kind.REVOKED, now, None, peer.node, "its user trusts it no more")
    if peer.suspect and not old.suspect:
        yield Note(
            Kind.SET_APART,
            now,
            None,
            peer.node,
            "its keys may be in other hands: nothing goes there, or is taken from there, until a person decides",
        )
    if peer.seen_at > old.seen_at and view.remembered(silent_key(peer.node)) is not None:
        yield Remember(silent_key(peer.node), None)
        yield Note(Kind.HEARD_AGAIN, now, None, peer.node)
    if lines := peer.acked - old.acked:
        yield Note(Kind.ACKNOWLEDGED, now, None, peer.node, f"our lines up to {lines.last}")
    if peer.applied - old.applied:
        for name in _shown(view, _readable(view, peer) - _readable(view, old)):
            yield Note(Kind.APPLIED, now, name, peer.node)


def _readable(view: View, peer: Peer) -> Ranges:
    """Those of our lines whose resources *peer* has applied and, if they are private, can read."""
    return peer.applied - view.closed_to(peer.node, peer.applied)


def _shown(view: View, lines: Ranges) -> Iterable[ResourceId]:
    """What our own person published in our *lines*."""
    for run in lines.runs:
        for line in view.own_lines(*run):
            if line.mine and line.kind in SHOWN_KINDS:
                yield line.entry.resource


FAILING = "failing/"
"""Under this and its name it is remembered since when, in ms, and why a carrier does not work."""
_UNMET = "unmet/"  # the same of a path that was given, and never was there: mistyped, perhaps


def worked(view: View, carrier: str, trouble: str, now: Millis, *, met: bool = True) -> Effects:
    """Note that *carrier* failed for the reason *trouble*, or works again if that is empty; each is said once.

    The reason and since when it fails are remembered for as long as it does; if it was ever *met*, `status` says so.
    """
    name, trouble = printable(carrier), printable(bare(carrier, trouble), EVENT_DETAIL_MAX)
    known = {key: value for key in (FAILING + name, _UNMET + name) if (value := view.remembered(key)) is not None}
    key = (FAILING if met else _UNMET) + name
    before = known.get(key)
    since = (before or b"").partition(b" ")[0] or b"%d" % now
    if trouble and before != (why := since + b" " + trouble.encode()):
        yield Remember(key, why)
    if trouble and not known:
        yield Note(Kind.FAILURE, now, detail=f"{carrier}: {trouble}")
    elif known and not trouble:
        for each in known:
            yield Remember(each, None)
        yield Note(Kind.RECOVERED, now, detail=carrier)


def fell_silent(view: View, patience: Mapping[Fingerprint, int], now: Millis) -> Effects:
    """Note the peers that were not heard of for longer than *patience* allows, in ms; each silence is noted once.

    Nothing is expected of those that ended, are trusted no more, or are set apart.
    """
    for peer in view.peers():
        if peer.ended or peer.revoked or peer.suspect:
            continue
        last = max(peer.seen_at, peer.added)
        limit, key = patience.get(peer.node), silent_key(peer.node)
        if limit and now - last >= limit and view.remembered(key) is None:
            yield Remember(key, b"%d" % last)
            days = (now - last) // DAY_MS
            since = "since it was added, " if not peer.seen_at else ""
            yield Note(Kind.SILENCE, now, None, peer.node, f"{since}for {count(days, 'day')}")
