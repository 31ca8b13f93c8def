"""What a person is told of restored and copied homes, ours and others'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paquebot.protocol import endings
from paquebot.protocol.encoding import Fingerprint, short
from paquebot.protocol.stamp import format_time
from paquebot.protocol.state import Peer, View


def of_us(view: View) -> Iterator[str]:
    """Yield sentences about this home."""
    for before in view.predecessors():
        if claims := endings.rivals(view, before):
            yield (
                f"Node {short(before)}, which this home was before, is also said to go on as {_nodes(claims)}: somebody"
                " may have its keys. Take them from it: paquebot node revoke " + short(before)
            )
    if view.past().branch and endings.replaced(view):
        yield (
            "Another node of its user goes on in this home's place, as that user's word or another copy has it: "
            "at the next sync this home goes on as a further node, with everything that it has."
        )
    elif view.past().branch:
        yield (
            "This home was restored from a backup, or copied, and has said other things since than before: "
            "at the next sync it goes on as another node, with everything that it has."
        )
    for lapse in view.lapses():
        peer = view.peer(lapse.peer)
        yield (
            f"{_called(peer, lapse.peer)} claims to know our journal up to line {lapse.number}, and we do not."
            " If so, this home was restored from a backup, or copied. It is asked for what we have forgotten;"
            " what is new is held back a while, once."
        )


def of_peer(view: View, peer: Peer) -> Iterator[str]:
    """Yield sentences about a peer's home."""
    if peer.ended:
        heir = view.peer(peer.heir) if peer.heir else None
        by = f"; {_called(heir, peer.heir)} goes on in its place" if peer.heir else ""
        yield f"its journal has ended{by}"
    if claims := endings.rivals(view, peer.node):
        by = _called(view.peer(peer.heir) if peer.heir else None, peer.heir) if peer.heir else "nobody"
        yield (
            f"two nodes are said to go on in its place: {by}, by which we go, and {_nodes(claims)}."
            " Its old keys may be in other hands: ask its person by another way"
        )
    for fork in view.forks():
        if fork.journal == peer.node:
            yield (
                f"from line {fork.number} on its journal was told in two ways ({format_time(fork.at)[:10]}):"
                " two nodes use its key, or its home was restored. We go by the first; both are kept as evidence"
            )


def went_on(view: View) -> str:
    """Return what to say once the home has gone on as another node."""
    return (
        "this home was restored from a backup, or copied, and has said other things since than before; it goes on as"
        f" node {short(view.local().node)}, with everything that it has"
    )


def _nodes(claims: Sequence[tuple[Fingerprint, Fingerprint]]) -> str:
    return " and ".join(f"node {short(node)} (node {short(signer)} says so)" for node, signer in claims)


def _called(peer: Peer | None, node: Fingerprint) -> str:
    return peer.name if peer else f"node {short(node)}"
