"""What is let go: bytes that a person or a rule no longer wants, and bytes that the disk has damaged.

What was forgotten still counts as held: its line stays in our journal, peers are told what they were told before,
and nothing brings it back. What was lost is asked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paquebot.errors import Misused
from paquebot.protocol.effects import Effects, Forget, Lose, LoseBlob, SavePeer, Want
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.journal import Entry
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.reading import CLOSURE
from paquebot.protocol.resource import Resource
from paquebot.protocol.state import Peer, View

FRAME = (*CLOSURE, "wrap")
"""Kinds that are never forgotten: what others are judged by."""


def lacking(view: View, name: ResourceId) -> list[Peer]:
    """Return the peers that may read our own resource *name* and have not said that they hold it completely.

    What was taken back nobody is to have any more, and a peer that ended never says anything.
    """
    if view.hidden(name):
        return []
    mine = view.own_numbers(name)
    return [peer for peer in view.peers() if peer.reads and not peer.ended and not mine & (peer.applied | peer.known)]


def forget(view: View, names: Sequence[ResourceId]) -> Effects:
    """Delete the bytes of *names*. Those that are forgotten already are passed over.

    Raise `Misused` for what others are judged by, for what is incomplete, and for what is ours and some peer lacks:
    it would be nowhere.
    """
    for name in names:
        signed = view.resource(name)
        if signed is None:
            continue
        resource = Resource.read(signed, view.schema)
        if resource.kind in FRAME:
            raise Misused(f"{name[:12]}… is a {resource.kind}: what others are judged by is never forgotten")
        if resource.user == view.local().user and (waiting := lacking(view, name)):
            who = ", ".join(peer.name for peer in waiting)
            raise Misused(f"{name[:12]}… is ours, and not known to have reached {who}; nothing was forgotten")
        if not view.complete(name):  # peers would go on sending what we have told nobody that we hold
            raise Misused(f"{name[:12]}… is still on its way; it can be forgotten when it is complete")
        yield from _owe_nobody(view, view.chunks_of(name))
        yield Forget(name)


def lose(view: View, name: ResourceId) -> Effects:
    """Take the bytes of resource *name* for damaged: it is asked for again, and kept in its old place when it comes."""
    publisher = next(entry.publisher for entry in _entries(view, name))
    yield from _not_done(view, name)
    yield from _owe_nobody(view, view.chunks_of(name))  # its chunks get other numbers when it comes again
    yield Lose(name)
    yield Want(Entry(publisher, name))


def lose_blob(view: View, name: bytes) -> Effects:
    """Take the chunk *name* for missing or damaged: the files that hold it lack it again."""
    yield LoseBlob(name)
    for file in view.files_with(name):
        yield from _not_done(view, file)


def _owe_nobody(view: View, chunks: Ranges) -> Effects:
    for peer in view.peers():
        if chunks & peer.owed_chunks:
            owed, asked = peer.owed_chunks - chunks, peer.asked_chunks - chunks
            yield SavePeer(replace(peer, owed_chunks=owed, asked_chunks=asked))


def _entries(view: View, name: ResourceId) -> list[Entry]:
    return [entry for who, number in view.naming(name) for entry in view.entries(who, number, 1)]


def _not_done(view: View, name: ResourceId) -> Effects:
    """We told every peer that lists *name* that we hold it; that is no longer so."""
    for who, number in view.naming(name):
        peer = view.peer(who)
        if peer is not None and number in peer.done:
            yield SavePeer(replace(peer, done=peer.done - Ranges.of((number, number))))
