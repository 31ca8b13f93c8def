"""What to think of a peer whose signed data travels in clear: that its keys are compromised (SDMP, synchronization)."""

from __future__ import annotations

from dataclasses import replace

from paquebot.errors import Refused
from paquebot.protocol import messages
from paquebot.protocol.effects import Effects, Quarantine, SavePeer, Tell
from paquebot.protocol.reading import CLOSURE
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer, View

CODE = "signed-in-clear"


def judge(view: View, data: bytes, where: str, now: Millis) -> Effects:
    """Set a peer apart if *data* is a resource or a message that it validly signed; ask for nothing otherwise.

    Unsigned data, a bad signature, or a stranger's proves nothing about anyone; nor does what is on cards or in every
    package, and what is given to everybody who reads at all.
    """
    try:
        signed = SignedObject.parse(data.strip())
        spoken = messages.read(signed.payload) is not None
        peer = _signer(view, signed)
        identity = view.identity(signed.signer)
        if peer is None or identity is None or (not spoken and Resource.read(signed, view.schema).kind in CLOSURE):
            return
        signed.verify(identity.key)
    except Refused:
        return
    yield SavePeer(replace(peer, suspect=now))
    reason = (
        f"signed data of {peer.name} came in clear: its keys are taken for compromised until a person says otherwise"
    )
    yield Quarantine(data, CODE, reason, peer.node, where, now, signed.id)
    yield Tell("rejected", signed.id, CODE)


def _signer(view: View, signed: SignedObject) -> Peer | None:
    return next((peer for peer in view.peers() if signed.signer in (peer.node, peer.user)), None)
