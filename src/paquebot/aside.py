"""What was set aside, and how each sort of it may be judged again: by the very checks that refused it."""

from __future__ import annotations

from paquebot.errors import Handwritten, Misused, Refused
from paquebot.frozen import frozen
from paquebot.protocol import clear, messages
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.link import Link
from paquebot.protocol.resource import SignedObject
from paquebot.store.view import Quarantined

LINK = Link("", latency_ms=DAY_MS)
"""The way by which a released envelope comes: none that shows tokens, so that its sender hears of it in an envelope."""


@frozen
class Envelope:
    """A whole envelope: it is opened again."""


@frozen
class Item:
    """A resource that came in a good envelope of *sender*'s."""

    signed: SignedObject
    sender: Fingerprint


def judging(piece: Quarantined, data: bytes) -> Envelope | Item:
    """Return how *piece*, of these bytes, is to be judged again. Raise `Misused` if it cannot be, by itself."""
    if piece.code == clear.CODE:
        raise Misused("this came in clear, outside any envelope: it is evidence, and nothing is taken from it")
    if piece.code == Handwritten.code:
        raise Misused(f"this is a letter, to be read: paquebot quarantine show {piece.id}")
    if data[:1] >= b"\x80":  # every OpenPGP message begins so, and no text
        return Envelope()
    try:
        signed = SignedObject.parse(data)
        if messages.read(signed.payload) is not None:
            raise Misused("this is a message between nodes, good for one moment; its sender sends another")
    except Refused:
        raise Misused(
            "this is a damaged or partial piece that says nothing by itself; its sender sends it again"
        ) from None
    if piece.sender is None:
        raise Misused("nobody knows who sent this")
    return Item(signed, piece.sender)


CODES = {
    "refused": "it is unacceptable",
    "malformed": "it does not have the form that it must have: damaged on the way, or made by something else",
    "too-large": "it is larger, longer or deeper than the limits allow",
    "bad-signature": "a signature or hash does not match: damaged on the way, or forged",
    "not-for-us": "it opens with none of our keys, or does not name this node",
    "stranger": "its sender is not one of our peers; if you know them, add their card and release it",
    "not-permitted": "its sender or signer had no authority for it",
    "set-apart": "its sender is set apart; when their card was added again, release it",
    "broken-chain": "journal lines that do not follow each other",
    "expired": "a key, identity, trust or envelope was used outside its time; check this machine's clock",
    Handwritten.code: "a person wrote this to a key of this node; it is here to be read, and nothing was taken from it",
    clear.CODE: "signed data of a peer came in clear, so that peer's keys may be stolen; this is the evidence",
}
"""What each code means, for people."""
