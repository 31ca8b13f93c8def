"""Letters: OpenPGP messages that people write, with whatever program, to a key of this node.

They are opened for a person to read, and no envelope comes this way. So the grammar is that of the programs that people
use: lengths in pieces, compression, recipients of every kind, any AES, one signature or none or some. There is a limit
to everything, nothing recurses, and what holds no letter costs little.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from paquebot.errors import BadSignature, Expired, Malformed, NotForUs, Refused, TooLarge
from paquebot.frozen import frozen
from paquebot.protocol.keys import Pins
from paquebot.protocol.limits import ENVELOPE_BYTES_MAX, LETTER_BYTES_MAX, RECIPIENTS_MAX
from paquebot.protocol.stamp import Millis
from paquebot.vault import packets
from paquebot.vault.interior import uncover
from paquebot.vault.keystore import Secrets
from paquebot.vault.native import decrypted, handed, unfilled
from paquebot.vault.opening import pinned_by, subkey_id
from paquebot.vault.packets import Packet, Tag
from paquebot.vault.packing import unpack
from paquebot.vault.policy import check_time

__all__ = ["Letter", "open_letter"]

_PACKETS_MAX = 4 * RECIPIENTS_MAX
_PIECES_MAX = 32_768  # of all packets: programs write pieces of 512 bytes and more
_DEPTH_MAX = 3  # a packet for compression in another one is seldom, and never in a third
_SIGNATURES_MAX = 8
_KEY_SIZES = {7: 16, 8: 24, 9: 32}  # of AES, by the number of the cipher
_PADDING = 21
_UNKNOWN = "anybody may have written it"


@frozen
class Letter:
    """What somebody wrote to a key of ours. Who it was, only *signers* can say."""

    content: bytes = field(repr=False)
    """Mostly a mail or a part of one; else text, or a file."""
    signers: tuple[str, ...]
    """The nodes with whose keys it is signed; the signature is right. Empty if no key is known here."""
    verified: bool | None
    """Whether a signature by a key that is known here is right; None if there is none."""
    said: str
    """The same, for people."""


def open_letter(secrets: Secrets, message: bytes, pins: Pins, now: Millis) -> Letter:
    """Return the letter in *message*, if one of *secrets* opens it; what is signed by one of *pins* is verified.

    Raise `NotForUs` if none opens it, `BadSignature` if it was damaged, `TooLarge`, or `Malformed` for what is no
    letter: an envelope is none.
    """
    if len(message) > ENVELOPE_BYTES_MAX:
        raise TooLarge("the message is larger than 8 MiB")
    outside = _split(memoryview(message))
    sealed = next((each for each in outside if each.tag not in (Tag.RECIPIENT, Tag.PASSPHRASE, Tag.MARKER)), None)
    if sealed is None or sealed.tag != Tag.SEALED:
        raise Malformed("it is no message that is encrypted with protection against changes")
    if bytes(sealed.body[:1]) != b"\x01":
        raise Malformed("it is encrypted in a newer form than the keys of this node ask for")
    session = _session(secrets, [each.body for each in outside if each.tag == Tag.RECIPIENT], now)
    written = _written(decrypted(sealed.body[1:], session))
    if _is_envelope(written.text):
        raise Malformed("it is an envelope, and no letter of a person")
    return _judged(written, pins, now)


def _is_envelope(text: memoryview) -> bool:
    try:
        unpack(uncover(text))
    except Refused:
        return False
    return True


# Packets, as other programs write them.


def _split(data: memoryview) -> list[Packet]:
    """Return the packets of *data*, the pieces of each put together. Raise `Malformed` or `TooLarge`."""
    at, found, left = 0, list[Packet](), _PIECES_MAX
    while at < len(data):
        if len(found) == _PACKETS_MAX:
            raise TooLarge("the message has too many packets")
        packet, at, pieces = _packet(data, at, left)
        found.append(packet)
        left -= pieces
    return found


def _packet(data: memoryview, at: int, most: int) -> tuple[Packet, int, int]:
    """Return the packet that begins *at*, where it ends, and of how many pieces it is, at *most* so many."""
    first = data[at]
    if not first & 0x80:
        raise Malformed("a packet does not begin with an OpenPGP tag")
    if not first & 0x40:
        octets = (1, 2, 4, 0)[first & 3]
        start = at + 1 + octets
        size = int.from_bytes(_cut(data, at + 1, octets), "big") if octets else len(data) - start
        return Packet(first >> 2 & 15, _cut(data, start, size)), start + size, 1
    pieces, more, at = list[memoryview](), True, at + 1
    while more:
        if len(pieces) == most:
            raise TooLarge("the message has too many pieces")
        start, size, more = _length(data, at)
        pieces.append(_cut(data, start, size))
        at = start + size
    body = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
    return Packet(first & 0x3F, body), at, len(pieces)


def _length(data: memoryview, at: int) -> tuple[int, int, bool]:
    """Return where a piece begins whose length is written *at*, how long it is, and whether another follows."""
    (lead,) = _cut(data, at, 1)
    if lead < 192:
        return at + 1, lead, False
    if lead < 224:
        return at + 2, (lead - 192 << 8) + _cut(data, at + 1, 1)[0] + 192, False
    if lead < 255:
        return at + 1, 1 << (lead & 31), True
    return at + 5, int.from_bytes(_cut(data, at + 1, 4), "big"), False


def _cut(data: memoryview, start: int, size: int) -> memoryview:
    if start + size > len(data):
        raise Malformed("the message is cut short")
    return data[start : start + size]


# What is in them.


def _session(secrets: Secrets, recipients: Sequence[memoryview], now: Millis) -> bytes:
    """Return the key that one of *recipients* hands to one of *secrets*. Raise `NotForUs` or `Malformed`."""
    own, tried = secrets.likely(now), 0
    for body in recipients:
        if not _may_be_ours(body):
            continue
        tried += 1
        if tried > RECIPIENTS_MAX:
            raise TooLarge("the message has more than 64 recipients who may be this node")
        for subkey in own:
            if bytes(body[1:9]) not in (packets.HIDDEN, subkey_id(subkey.key)):
                continue
            padded = handed(body, subkey)
            if padded is None:
                continue
            session = unfilled(padded, _KEY_SIZES[padded[0]]) if padded[0] in _KEY_SIZES else None
            if session is None:
                raise Malformed("it is encrypted with another cipher than AES")
            return session
    raise NotForUs("none of our keys opens it")


def _may_be_ours(body: memoryview) -> bool:
    """Return whether an encrypted session key is one for X25519, as ours are, of whatever length."""
    return (
        len(body) > 46
        and body[0] == 3
        and body[9] == packets.ECDH
        and body[10:13] == packets.NATIVE
        and len(body) == 46 + body[45]
    )


@dataclass(frozen=True, slots=True)
class _Written:
    text: memoryview
    announced: Sequence[memoryview]
    """The bodies of one-pass headers."""
    signatures: Sequence[memoryview]


def _written(plain: memoryview) -> _Written:
    """Return the one text in *plain*, and its signatures. Raise `Malformed` or `TooLarge`."""
    announced, signatures = list[memoryview](), list[memoryview]()
    for _ in range(_DEPTH_MAX):
        found = [each for each in _split(plain) if each.tag not in (Tag.MARKER, _PADDING)]
        announced += [each.body for each in found if each.tag == Tag.ONE_PASS]
        signatures += [each.body for each in found if each.tag == Tag.SIGNATURE]
        if len(signatures) > _SIGNATURES_MAX:
            raise TooLarge("the message has too many signatures")
        match [each for each in found if each.tag not in (Tag.ONE_PASS, Tag.SIGNATURE)]:
            case [Packet(Tag.LITERAL, body)] if len(body) > 1 and len(body) >= 6 + body[1]:
                return _Written(body[6 + body[1] :], announced, signatures)
            case [Packet(Tag.COMPRESSED, body)] if body:
                plain = memoryview(_inflated(body[0], body[1:]))
            case _:
                raise Malformed("what is encrypted is not one text")
    raise TooLarge("compressed things lie too deep in each other")


class _Inflates(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: memoryview, most: int, /) -> bytes: ...


_COMPRESSED: dict[int, Callable[[], _Inflates]] = {
    1: lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    2: zlib.decompressobj,
    3: bz2.BZ2Decompressor,
}


def _inflated(kind: int, body: memoryview) -> bytes | memoryview:
    """Return what *body* holds, compressed in the way of that number. Raise `Malformed`; `TooLarge` for a bomb."""
    if kind == 0:
        return body
    if kind not in _COMPRESSED:
        raise Malformed("it is compressed in a way that is not known")
    made = _COMPRESSED[kind]()
    try:
        found = made.decompress(body, LETTER_BYTES_MAX + 1)
    except (zlib.error, OSError):
        raise Malformed("what is compressed is damaged") from None
    if len(found) > LETTER_BYTES_MAX:
        raise TooLarge("the letter is larger than 16 MiB")
    if not made.eof:
        raise Malformed("what is compressed is cut short")
    return found


# Who signed it.


def _judged(written: _Written, pins: Pins, now: Millis) -> Letter:
    """Return the letter, with what can be said of its signatures: that of a node that is known here counts."""
    content = bytes(written.text)
    for body in written.signatures:
        try:
            made = packets.signature(body)
        except Malformed:
            continue  # none that a node makes
        pinned = pinned_by(pins, made.issuer)
        if not pinned:
            continue
        try:
            digest = packets.verify_digest(packets.Inner(written.text, made))
            Ed25519PublicKey.from_public_bytes(pinned[0][1].signing).verify(made.value, digest)
            for _, announcement in pinned:
                check_time(announcement, made.created, now, lasts_ms=made.lasts_ms)
        except (InvalidSignature, BadSignature):
            return Letter(content, (), False, "its signature is not by the key that it names")
        except Expired as error:
            return Letter(content, (), False, f"signed outside its time: {error}")
        names = tuple(node for node, _ in pinned)
        return Letter(content, names, True, "signed with the key of a node that is known here")
    if not (written.signatures or written.announced):
        return Letter(content, (), None, f"not signed: {_UNKNOWN}")
    key = _named(written)
    return Letter(content, (), None, f"signed by a key that is not known here{key and f' ({key})'}: {_UNKNOWN}")


def _named(written: _Written) -> str:
    """Return what a signature names as its key: a fingerprint, or only an id; empty if it does not say."""
    for body in written.signatures:
        try:
            return packets.signature(body).issuer.hex().upper()
        except Malformed:
            continue
    ids: Iterable[memoryview] = (body[4:12] for body in written.announced if len(body) == 13 and body[0] == 3)
    return next((bytes(each).hex().upper() for each in ids), "")
