"""Cards and invitations as one line of text that survives links, chats, QR codes, telephones and line breaks.

    PAQUEBOT:  base32 of  kind (1 byte) · body · the first 4 bytes of the SHA-256 of all that

Letters and digits only, so that a QR code takes 5.5 bits for each; case and white space do not matter. The body is
CBOR, deflated with a dictionary of what every card holds.
"""

from __future__ import annotations

import re
import zlib
from base64 import b32decode, b32encode
from collections.abc import Sequence
from dataclasses import field
from hashlib import sha256

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol import cbor
from paquebot.protocol.cbor import Value
from paquebot.protocol.encoding import Fingerprint, b64, raw
from paquebot.protocol.identity import EDDSA, HS512
from paquebot.protocol.limits import INTRODUCED_MAX, INTRODUCTION_BYTES_MAX
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import Signature, SignedObject
from paquebot.protocol.stamp import MILLIS_MAX, Millis

PREFIX = "PAQUEBOT:"
CARD, INVITE, NODE = 1, 2, 3
_CODE = re.compile(r"PAQUEBOT:([A-Z2-7]+)")
_CHECK_BYTES = 4
_TEXT_MAX = 128 * 1024
_ALGORITHMS = (EDDSA, HS512)
_DICTIONARY = "".join(
    (
        '{"sdmp":{"version":"0.12.0","schemas":["user","node","trust","identity","resource","',
        URIS["envelope_keys"],
        URIS["about"],
        '"]},"envelope_keys":{"created":"2026-11-20T00:00:00.000Z","signing":"","storage":"","groups":[{"class":"fast',
        '","created":"","expires":"","step":2592000000,"points":"dated","recovery"}]},"node":{"type":"node","name":"',
        '"user":{"name":""}","trust":{"trustee":"","authorization":["read_encrypted","read_resource","publish_resource",',
        '"create_trust","revoke"]},"identity":{"type":"user","expires":"2036-11-19T00:00:00.000Z","key":"',
        'MCowBQYDK2VwAyEA","fingerprint":""},"resource":{"user":"","trust":""},"about":{"stamp":"',
    )
).encode()
"""Part of the format: not to be changed."""


@frozen
class Code:
    """What a code says."""

    kind: int
    card: tuple[SignedObject, ...] = ()
    """Of `CARD` and `INVITE`."""
    secret: bytes = field(default=b"", repr=False)
    """Of `INVITE`."""
    created: Millis = Millis(0)
    expires: Millis = Millis(0)
    node: Fingerprint | None = None
    """Of `NODE`: the fingerprint alone, to be compared."""


def write(code: Code) -> str:
    """Return *code* as text."""
    if code.kind == NODE:
        assert code.node is not None
        body = raw(code.node)
    else:
        card: list[Value] = []
        for each in code.card:
            (by,) = each.signatures
            card.append([each.payload, raw(by.signer), _ALGORITHMS.index(by.algorithm), by.value])
        value: dict[int, Value] = {0: card}
        if code.kind == INVITE:
            value |= {1: code.secret, 2: code.created, 3: code.expires}
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=_DICTIONARY)
        body = deflate.compress(cbor.encode(value)) + deflate.flush()
    data = bytes((code.kind,)) + body
    return PREFIX + b32encode(data + _check(data)).decode().rstrip("=")


def _check(data: bytes) -> bytes:
    return sha256(data).digest()[:_CHECK_BYTES]


def find(text: str) -> bool:
    """Return whether *text* looks as if it held a code."""
    return PREFIX in text[:4096].upper()


def read(text: str) -> Code:
    """Return the one code in *text*, whatever its case and line breaks. Raise `Malformed`. No signature is checked."""
    if len(text) > _TEXT_MAX:
        raise Malformed("the text is far longer than any code")
    found = _CODE.search("".join(text.split()).upper())
    if found is None:
        raise Malformed("the text holds no paquebot code")
    letters = found[1]
    try:
        data = b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        raise Malformed("the code is not complete") from None
    data, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if not data or check != _check(data):
        raise Malformed("the code is not complete, or has a mistake; copy all of it")
    if data[0] == NODE and len(data) == 65:
        return Code(NODE, node=Fingerprint(b64(data[1:])))
    if data[0] not in (CARD, INVITE):
        raise Malformed("the code is of a newer kind; upgrade this paquebot")
    return _read_body(data[0], _inflate(data[1:]))


def _inflate(body: bytes) -> bytes:
    try:
        inflate = zlib.decompressobj(-15, zdict=_DICTIONARY)
        data = inflate.decompress(body, 2 * INTRODUCTION_BYTES_MAX)
    except zlib.error:
        raise Malformed("the code is damaged") from None
    if not inflate.eof or inflate.unused_data:
        raise Malformed("the code is damaged, or far too large")
    return data


def _read_body(kind: int, data: bytes) -> Code:
    match cbor.decode(data):
        case {0: list(card)} as value if len(card) <= INTRODUCED_MAX:
            signed = _card(card)
        case _:
            raise Malformed("the code holds no card")
    match kind, value:
        case 1, _:
            return Code(CARD, signed)
        case 2, {1: bytes(secret), 2: int(created), 3: int(expires)} if created <= expires <= MILLIS_MAX:
            return Code(INVITE, signed, secret, Millis(created), Millis(expires))
    raise Malformed("the code holds no invitation")


def _card(card: Sequence[Value]) -> tuple[SignedObject, ...]:
    found = []
    for each in card:
        match each:
            case [bytes(payload), bytes(signer), int(algorithm), bytes(value)] if len(signer) == 64 and algorithm < 2:
                by = Signature(_ALGORITHMS[algorithm], Fingerprint(b64(signer)), value)
                found.append(SignedObject.build(payload, by))
            case _:
                raise Malformed("a card in a code is not of the right form")
    return tuple(found)
