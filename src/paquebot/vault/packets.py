"""The strict OpenPGP packet layer (RFC 4880): the grammar that every envelope must have before a library sees it.

Pure functions over bytes. They refuse; they never repair. No secret and no cipher may come here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from paquebot.errors import BadSignature, Malformed, TooLarge
from paquebot.protocol.limits import ENVELOPE_BYTES_MAX, RECIPIENTS_MAX
from paquebot.protocol.stamp import Millis

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = [
    "Description", "Inner", "Outer", "Packet", "Recipient", "Signature", "Tag", "describe", "digest_of", "inner",
    "literal_head", "one_pass", "outer", "packet", "packet_head", "seconds", "signature", "split", "verify_digest",
]  # fmt: skip

Octets = bytes | bytearray | memoryview

ECDH, EDDSA = 18, 22
SHA256, SHA512 = 8, 10
HASHES = {SHA256: "sha256", 9: "sha384", SHA512: "sha512"}
AT_CREATION, AT_EXPIRY, AT_ISSUER, AT_FINGERPRINT = 2, 3, 16, 33
BINARY = 0x00  # the signature type for a binary document
HIDDEN = bytes(8)

NATIVE = b"\x01\x07\x40"  # an MPI of 263 bits that begins with the octet for a native point
_SECONDS_END = 1 << 32
_WRAPPED = 48  # cipher, key and checksum, padded to 40, plus 8 of key wrap
_RECIPIENT_BODY = 10 + len(NATIVE) + 32 + 1 + _WRAPPED
_SEALED_MIN = 1 + 18 + 22  # version, prefix, modification detection code
_PACKETS_MAX = RECIPIENTS_MAX + 1


class Tag(IntEnum):
    """The packet tags that we write, read or describe."""

    RECIPIENT = 1
    SIGNATURE = 2
    PASSPHRASE = 3
    ONE_PASS = 4
    SECRET_KEY = 5
    PUBLIC_KEY = 6
    SECRET_SUBKEY = 7
    COMPRESSED = 8
    UNPROTECTED = 9
    MARKER = 10
    LITERAL = 11
    TRUST = 12
    USER_ID = 13
    PUBLIC_SUBKEY = 14
    ATTRIBUTE = 17
    SEALED = 18


_NAMES = {
    Tag.RECIPIENT: "encrypted session key",
    Tag.PASSPHRASE: "passphrase session key",
    Tag.ONE_PASS: "one-pass signature",
    Tag.UNPROTECTED: "encrypted data without integrity",
    Tag.LITERAL: "literal data",
    Tag.ATTRIBUTE: "user attribute",
    Tag.SEALED: "encrypted data",
}


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; its body is a view into what was split."""

    tag: int
    body: memoryview


@dataclass(frozen=True, slots=True)
class Recipient:
    """An encrypted session key."""

    key_id: bytes
    """8 bytes; all zero if hidden."""
    body: memoryview


@dataclass(frozen=True, slots=True)
class Outer:
    """An envelope that has the right form on the outside."""

    recipients: tuple[Recipient, ...]
    sealed: memoryview
    """The ciphertext, without the version octet."""


@dataclass(frozen=True, slots=True)
class Signature:
    """An Ed25519 signature over a binary document, not yet verified."""

    created: Millis
    lasts_ms: int
    """How long it says it holds; 0 means without end."""
    issuer: bytes
    """The 20-byte fingerprint of the key said to have made it."""
    hash: int
    hashed: memoryview
    """The part of the packet that is itself signed."""
    left: bytes
    """The first two bytes of the digest."""
    value: bytes
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class Inner:
    """A decrypted envelope that has the right form on the inside."""

    data: memoryview
    signature: Signature


@dataclass(frozen=True, slots=True)
class Description:
    """What a person may want to know of one packet."""

    tag: int
    name: str
    size: int
    """Bytes of the body."""
    detail: str


# Reading.


def split(data: Octets, most: int = _PACKETS_MAX) -> list[Packet]:
    """Return the packets of *data*, at most *most*. Raise `Malformed` or `TooLarge`.

    Lengths must be definite, and every byte must belong to a packet.

    >>> [(p.tag, bytes(p.body)) for p in split(packet(11, b"abc"))]
    [(11, b'abc')]
    """
    view, at, found = memoryview(data), 0, list[Packet]()
    while at < len(view):
        if len(found) == most:
            raise TooLarge("there are more packets than the format allows")
        tag, start, size = _head(view, at)
        if start + size > len(view):
            raise Malformed("a packet is cut short")
        found.append(Packet(tag, view[start : start + size]))
        at = start + size
    return found


def _head(view: memoryview, at: int) -> tuple[int, int, int]:
    """Return tag, start of the body and its size, of the packet that begins *at*."""
    first = view[at]
    at += 1
    if not first & 0x80:
        raise Malformed("a packet does not begin with an OpenPGP tag")
    if not first & 0x40:
        tag, kind = first >> 2 & 0xF, first & 3
        if kind == 3:
            raise Malformed("a packet has an indeterminate length")
        octets = 1 << kind
    else:
        tag, lead = first & 0x3F, view[at] if at < len(view) else 0
        if 224 <= lead < 255:
            raise Malformed("a packet has a partial length")
        if 192 <= lead < 224 and at + 1 < len(view):
            return tag, at + 2, (lead - 192 << 8) + view[at + 1] + 192
        octets = 4 if lead == 255 else 1 if lead < 192 else 2
        at += lead == 255
    if at + octets > len(view):
        raise Malformed("a packet's header is cut short")
    if tag == 0:
        raise Malformed("a packet has the reserved tag 0")
    return tag, at + octets, int.from_bytes(view[at : at + octets], "big")


def outer(data: Octets) -> Outer:
    """Return the outside of an envelope: 1 to 64 recipients, then one integrity-protected packet, nothing else.

    Raise `Malformed` or `TooLarge`.
    """
    if len(data) > ENVELOPE_BYTES_MAX:
        raise TooLarge("the envelope is larger than 8 MiB")
    packets = split(data)
    if not packets or packets[-1].tag != Tag.SEALED or any(p.tag != Tag.RECIPIENT for p in packets[:-1]):
        raise Malformed("the envelope is not recipients followed by one integrity-protected packet")
    if len(packets) < 2:
        raise Malformed("the envelope names no recipient")
    sealed = packets[-1].body
    if len(sealed) < _SEALED_MIN:
        raise Malformed("the encrypted packet is too short to hold anything")
    if sealed[0] != 1:
        raise Malformed("the encrypted packet is not of version 1")
    return Outer(tuple(_recipient(p.body) for p in packets[:-1]), sealed[1:])


def _recipient(body: memoryview) -> Recipient:
    if len(body) < 10 or body[0] != 3:
        raise Malformed("an encrypted session key is not of version 3")
    if body[9] != ECDH:
        raise Malformed("an encrypted session key is not for an ECDH key")
    if len(body) != _RECIPIENT_BODY or body[10:13] != NATIVE or body[45] != _WRAPPED:
        raise Malformed("an encrypted session key is not one 256-bit key for Curve25519")
    return Recipient(bytes(body[1:9]), body)


def inner(plain: Octets) -> Inner:
    """Return the inside of an envelope: one-pass header, literal data, signature, one each.

    The signature is not verified here. Raise `Malformed` or `TooLarge`.
    """
    packets = split(plain, most=3)
    if [p.tag for p in packets] != [Tag.ONE_PASS, Tag.LITERAL, Tag.SIGNATURE]:
        raise Malformed("the plaintext is not one signed literal")
    head, literal, packed = (p.body for p in packets)
    if bytes(literal[:1]) != b"b":
        raise Malformed("the literal is not binary")
    if bytes(literal[1:2]) != b"\0":
        raise Malformed("the literal has a file name")
    if bytes(literal[2:6]) != bytes(4):
        raise Malformed("the literal has a date")
    made = signature(packed)
    expected = bytes((3, BINARY, made.hash, EDDSA)) + made.issuer[-8:] + b"\x01"
    if bytes(head) != expected:
        raise Malformed("the one-pass header does not announce the signature")
    return Inner(literal[6:], made)


def signature(body: memoryview) -> Signature:
    """Return the signature in a packet with *body*, which is not verified here. Raise `Malformed`."""
    if len(body) < 6 or body[0] != 4:
        raise Malformed("the signature is not of version 4")
    if body[1] != BINARY:
        raise Malformed("the signature is not over a binary document")
    if body[2] != EDDSA:
        raise Malformed("the signature is not EdDSA")
    if body[3] not in HASHES:
        raise Malformed("the signature's hash is neither SHA-256, SHA-384 nor SHA-512")
    end = 6 + int.from_bytes(body[4:6], "big")
    rest = end + 2 + int.from_bytes(body[end : end + 2], "big")
    if rest + 2 > len(body):
        raise Malformed("the signature is cut short")
    _subpackets(body[end + 2 : rest])
    known = _subpackets(body[6:end])
    created, issuer, lasts = known.get(AT_CREATION), known.get(AT_FINGERPRINT), known.get(AT_EXPIRY, bytes(4))
    if created is None or len(created) != 4:
        raise Malformed("the signature does not cover its creation time")
    if issuer is None or len(issuer) != 21 or issuer[0] != 4:
        raise Malformed("the signature does not cover its issuer's fingerprint")
    if len(lasts) != 4:
        raise Malformed("the signature's life is not a number of seconds")
    r, at = _mpi_256(body, rest + 2)
    s, at = _mpi_256(body, at)
    if at != len(body):
        raise Malformed("something follows the signature")
    return Signature(
        created=Millis(int.from_bytes(created, "big") * 1000),
        lasts_ms=int.from_bytes(lasts, "big") * 1000,
        issuer=issuer[1:],
        hash=body[3],
        hashed=body[:end],
        left=bytes(body[rest : rest + 2]),
        value=r + s,
    )


def _subpackets(area: memoryview) -> dict[int, bytes]:
    """Return the subpackets of *area* that we know, by type; refuse critical ones that we do not, and doubles."""
    at, known = 0, dict[int, bytes]()
    while at < len(area):
        size, at = area[at], at + 1
        if size == 255:
            size, at = int.from_bytes(area[at : at + 4], "big"), at + 4
        elif size >= 192:
            size, at = (size - 192 << 8) + int.from_bytes(area[at : at + 1], "big") + 192, at + 1
        if size < 1 or at + size > len(area):
            raise Malformed("a subpacket is cut short")
        kind, critical = area[at] & 0x7F, area[at] & 0x80
        if kind in (AT_CREATION, AT_EXPIRY, AT_ISSUER, AT_FINGERPRINT):
            if kind in known:
                raise Malformed("a subpacket occurs twice")
            known[kind] = bytes(area[at + 1 : at + size])
        elif critical:
            raise Malformed("the signature depends on a subpacket that we do not know")
        at += size
    return known


def _mpi_256(body: memoryview, at: int) -> tuple[bytes, int]:
    """Return the 256-bit number that begins *at*, and where it ends."""
    bits = int.from_bytes(body[at : at + 2], "big")
    end = at + 2 + (bits + 7) // 8
    value = int.from_bytes(body[at + 2 : end], "big")
    if at + 2 > len(body) or end > len(body) or bits > 256 or value.bit_length() != bits:
        raise Malformed("the signature's numbers are malformed")
    return value.to_bytes(32, "big"), end


def verify_digest(found: Inner) -> bytes:
    """Return the digest that the signature of *found* must be over. Raise `BadSignature` if it announces another."""
    hasher = hashlib.new(HASHES[found.signature.hash], found.data)
    digest = digest_of(hasher, found.signature.hashed)
    if digest[:2] != found.signature.left:
        raise BadSignature("the signature is over something else")
    return digest


def digest_of(hasher: _Hash, hashed: Octets) -> bytes:
    """Return the digest of what *hasher* has seen and of a version 4 signature's own part (RFC 4880, 5.2.4)."""
    hasher.update(hashed)
    hasher.update(b"\x04\xff" + len(hashed).to_bytes(4, "big"))
    return hasher.digest()


# Writing.


def packet_head(tag: int, size: int) -> bytes:
    """Return the shortest new-format header."""
    if size < 192:
        return bytes((0xC0 | tag, size))
    if size < 8384:
        return bytes((0xC0 | tag, (size - 192 >> 8) + 192, size - 192 & 0xFF))
    return bytes((0xC0 | tag, 255)) + size.to_bytes(4, "big")


def packet(tag: int, body: Octets) -> bytes:
    """Return *body* as a packet.

    >>> packet(13, b"abc")
    b'\\xcd\\x03abc'
    """
    return b"".join((packet_head(tag, len(body)), body))


def one_pass(issuer: bytes, hash_: int = SHA512) -> bytes:
    """Return the packet that announces a signature over the hash of that number."""
    return packet(Tag.ONE_PASS, bytes((3, BINARY, hash_, EDDSA)) + issuer[-8:] + b"\x01")


def literal_head(size: int) -> bytes:
    """Return what comes before *size* bytes of binary data without name and date."""
    return packet_head(Tag.LITERAL, 6 + size) + b"b" + bytes(5)


def seconds(at: Millis) -> bytes:
    """Return *at* as OpenPGP writes it. Raise `Malformed` unless it fits, until 2106."""
    if not 0 <= at // 1000 < _SECONDS_END:
        raise Malformed("a moment does not fit OpenPGP")
    return (at // 1000).to_bytes(4, "big")


# For people.


def describe(data: Octets) -> tuple[Description, ...]:
    """Return what *data* is made of, acceptable or not, as far as it can be told from outside.

    Raise `Malformed` or `TooLarge` if it cannot be split.
    """
    if len(data) > ENVELOPE_BYTES_MAX:
        raise TooLarge("the envelope is larger than 8 MiB")
    return tuple(Description(p.tag, _name(p.tag), len(p.body), _detail(p.tag, bytes(p.body[:64]))) for p in split(data))


def _name(tag: int) -> str:
    try:
        return _NAMES.get(Tag(tag)) or Tag(tag).name.lower().replace("_", " ")
    except ValueError:
        return "unknown"


def _detail(tag: int, start: bytes) -> str:
    match tag, start:
        case Tag.RECIPIENT, bytes() if len(start) > 9 and start[0] == 3:
            who = "hidden recipient" if start[1:9] == HIDDEN else f"key {start[1:9].hex()}"
            return f"{who}, {'ECDH' if start[9] == ECDH else f'algorithm {start[9]}'}"
        case Tag.SEALED, bytes() if start:
            return f"version {start[0]}" + (", AES with modification detection" if start[0] == 1 else "")
        case (Tag.SIGNATURE, bytes()) if len(start) > 3 and start[0] == 4:
            return f"type 0x{start[1]:02x}, {'EdDSA' if start[2] == EDDSA else f'algorithm {start[2]}'}"
        case (Tag.PUBLIC_KEY | Tag.PUBLIC_SUBKEY, bytes()) if len(start) > 5:
            return f"version {start[0]}, algorithm {start[5]}"
        case _:
            return ""
