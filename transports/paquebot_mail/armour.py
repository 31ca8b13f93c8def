"""ASCII armour of OpenPGP (RFC 9580, 6): parcels as lines of text that every relay leaves alone.

Ours always has its checksum, which some relays demand, and no headers. What is read may have been wrapped anew,
lost its empty lines or got headers: white space means nothing, and the checksum says whether the rest came whole.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from functools import cache

__all__ = ["BEGIN", "END", "Damaged", "armour", "armoured_bytes", "crc24", "pieces", "unarmour"]

BEGIN, END = b"-----BEGIN PGP MESSAGE-----", b"-----END PGP MESSAGE-----"
_LINE = 64
_PIECE_BYTES = 48 << 10  # of 1024 lines
_WHITE = b" \t\r\n\v\f"
_CRC_START, _CRC_POLY = 0xB704CE, 0x1864CFB
_HEADERS_MAX = 16
_HEADER = re.compile(rb"[^\S\n]*(?:[A-Za-z][A-Za-z0-9-]{0,30}:[^\n]*)?\n")
_CHECK = re.compile(rb"=([A-Za-z0-9+/]{4})")


class Damaged(ValueError):
    """What looks like armour does not hold what was put into it. The message says why, without any of it."""


def armour(data: bytes) -> bytes:
    """Return *data* as armour with CRLF at the end of each line.

    >>> print(armour(b"paquebot").decode().replace("\\r", ""))
    -----BEGIN PGP MESSAGE-----
    <BLANKLINE>
    cGFxdWVib3Q=
    =i2ih
    -----END PGP MESSAGE-----
    <BLANKLINE>
    """
    return b"".join(pieces(data))


def pieces(data: bytes) -> Iterator[bytes]:
    """Yield the armour of *data* piece by piece: nothing else of its size is made on the way."""
    yield BEGIN + b"\r\n\r\n"
    view, check = memoryview(data), _CRC_START
    for start in range(0, len(data), _PIECE_BYTES):
        piece = view[start : start + _PIECE_BYTES]
        check = crc24(piece, check)
        text = binascii.b2a_base64(piece, newline=False)
        yield b"\r\n".join([*(text[at : at + _LINE] for at in range(0, len(text), _LINE)), b""])
    yield b"=" + binascii.b2a_base64(check.to_bytes(3, "big"), newline=False) + b"\r\n" + END + b"\r\n"


def armoured_bytes(size: int) -> int:
    """Return how long the armour of *size* bytes is.

    >>> armoured_bytes(1000) == len(armour(bytes(1000)))
    True
    """
    text = (size + 2) // 3 * 4
    return len(BEGIN) + len(END) + 13 + text + (text + _LINE - 1) // _LINE * 2


def unarmour(block: bytes) -> bytes:
    """Return what the armour *block* holds, which goes from `BEGIN` to `END`. Raise `Damaged`.

    A missing checksum is no error.

    >>> unarmour(armour(b"paquebot"))
    b'paquebot'
    """
    text = block.strip()
    if not (text.startswith(BEGIN) and text.endswith(END) and len(text) >= len(BEGIN) + len(END)):
        raise Damaged("the armour does not begin and end as armour does")
    # Whatever has a colon is a header: it cannot be base64.
    at = len(BEGIN)
    for _ in range(_HEADERS_MAX):
        if (header := _HEADER.match(text, at)) is None:
            break
        at = header.end()
    if at == len(BEGIN):  # the common case, with a copy less of what may be large
        body = memoryview(text.translate(None, _WHITE))[len(BEGIN.translate(None, _WHITE)) :]
        body = body[: -len(END.translate(None, _WHITE))]
    else:
        body = memoryview(text[at : -len(END)].translate(None, _WHITE))
    check = _CHECK.fullmatch(body, len(body) - 5) if len(body) % 4 == 1 else None
    try:
        data = binascii.a2b_base64(body[:-5] if check else body, strict_mode=True)
        expected = binascii.a2b_base64(check[1]) if check else None
    except binascii.Error:
        raise Damaged("the armour is not base64") from None
    if expected is not None and expected != _checksum(data):
        raise Damaged("the armour's checksum does not match: damaged on the way")
    return data


def _checksum(data: bytes) -> bytes:
    view, check = memoryview(data), _CRC_START
    for start in range(0, len(data), _PIECE_BYTES):
        check = crc24(view[start : start + _PIECE_BYTES], check)
    return check.to_bytes(3, "big")


def crc24(data: bytes | memoryview, before: int = _CRC_START) -> int:
    """Return OpenPGP's checksum of *data*, or of what *before* is the checksum of and *data* behind it.

    >>> hex(crc24(b"123456789"))
    '0x21cf02'
    """
    # The remainder of a polynomial over GF(2). Folding the upper half onto the lower, as large integers, is ten times
    # as fast as a loop over bytes: high * x^k + low = high * (x^k mod P) + low (mod P).
    value = int.from_bytes(data, "big") << 24 ^ before << 8 * len(data)
    while value.bit_length() > 64:
        level = (value.bit_length() - 1).bit_length() - 1
        high = value >> (1 << level)
        value ^= high << (1 << level)
        power = _power(level)
        while power:
            value ^= high << power.bit_length() - 1
            power ^= 1 << power.bit_length() - 1
    return _remainder(value)


@cache
def _power(level: int) -> int:
    """Return x to the power of 2**level, modulo the checksum's polynomial."""
    if level == 0:
        return 2
    root = _power(level - 1)
    return _remainder(sum(1 << 2 * bit for bit in range(24) if root >> bit & 1))


def _remainder(value: int) -> int:
    while value.bit_length() > 24:
        value ^= _CRC_POLY << value.bit_length() - 25
    return value
