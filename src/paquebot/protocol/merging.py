"""What another store of the same person knows and this one does not: after a restore, or for a new node.

Everything is judged as if it had arrived. Doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from paquebot.errors import Refused
from paquebot.protocol import admission, journal
from paquebot.protocol.effects import Effect, Effects, Keep, SavePeer, Tell
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.published import URIS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View

VOUCHED = ("identity", "trust", "revoke", URIS["envelope_keys"])
"""What is taken of a person's contacts even if nothing else of theirs is accepted: the keys that are pinned."""


def contacts(view: View, other: View, now: Millis) -> Effects:
    """Add the peers of *other* that are unknown here, as nodes that nothing was ever exchanged with."""
    names = {peer.name for peer in view.peers()}
    for peer in other.peers():
        if view.peer(peer.node) is not None or peer.node == view.local().node:
            continue
        name = next(each for each in _names(peer.name) if each not in names)
        names.add(name)
        yield SavePeer(
            Peer(
                node=peer.node,
                user=peer.user,
                name=name,
                reads=peer.reads,
                publishes=peer.publishes,
                added=now,
                heard_id=journal.root(peer.node),
                suspect=peer.suspect,
            )
        )


def _names(name: str) -> Iterator[str]:
    """Names for a peer, the best first."""
    yield name
    for number in range(2, 1_000_000):
        yield f"{name} ({number})"


def resource(view: View, signed: SignedObject, origin: Fingerprint, now: Millis) -> Effects:
    """Take over one resource that node *origin* of our own user held, if it is unknown here.

    What cannot be admitted here is told as ``rejected`` and left out.
    """
    if view.has(signed.id):
        return
    try:
        read = Resource.read(signed, view.schema)
        known = read.user == view.local().user or any(peer.user == read.user for peer in view.peers())
        vouched = known and any(read.container.keeps(each) for each in VOUCHED)
        yield from admission.receive(view, signed, origin, now, pinning=vouched)
    except Refused as refusal:
        yield Tell("rejected", signed.id, refusal.code)


def held_there(view: View, other: View) -> Effects:
    """Note what each peer that is new here is known, from *other*, to hold already: no reason to send it again."""
    for peer in view.peers():
        old = other.peer(peer.node)
        if old is None or peer.heard or peer.known:
            continue
        known = Ranges.numbers(sorted(_ours(view, other, old.applied | old.known)))
        applied = Ranges.numbers(sorted(_ours(view, other, old.applied)))
        if known:
            yield SavePeer(replace(peer, known=known, owed_chunks=peer.owed_chunks - _chunks(view, applied)))


def _ours(view: View, other: View, lines: Ranges) -> Iterator[int]:
    """The numbers of our lines that name what *lines* of *other*'s own journal name."""
    for run in lines.runs:
        for line in other.own_lines(*run):
            yield from view.own_numbers(line.entry.resource)


def _chunks(view: View, lines: Ranges) -> Ranges:
    """Our numbers of the chunks of the files that *lines* of our journal name."""
    return Ranges.of(*(span for run in lines.runs for line in view.own_lines(*run) for span in line.chunks.runs))


def as_before(effect: Effect, name: ResourceId, *, shown: bool, received: Millis, sender: Fingerprint | None) -> Effect:
    """Return *effect*; if it keeps the resource *name*, that is as new, and as old, to the person as it was there."""
    if not isinstance(effect, Keep) or effect.kept.signed.id != name:
        return effect
    return replace(effect, kept=replace(effect.kept, sender=None if shown else sender, received=received))
