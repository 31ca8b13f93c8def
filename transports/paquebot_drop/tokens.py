"""The slip: a small file by which recipients say what they hold, and readers that a crate is damaged.

Anybody can check a token against the hash in the record; nobody can forge one. A slip that is torn says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from paquebot_drop.crate import digest

MAGIC = b"PQA1"
SLIP_MAX = 4 << 20  # the tokens of the fullest crate fit several times

_HEAD = Struct("<4s26sII")
_HASH = 16


@dataclass(frozen=True, slots=True)
class Slip:
    """What one visitor says about one crate."""

    crate: str
    expires: int
    """Hours since 1970, after which anybody may delete the slip."""
    tokens: tuple[tuple[bytes, bytes], ...]
    """Pairs of a record's id and a recipient's token, 16 bytes each."""
    damaged: bool = False
    """The crate was damaged when its writer reads this: look at it again."""


def pack_slip(slip: Slip) -> bytes:
    """Return the bytes of the file."""
    head = _HEAD.pack(MAGIC, slip.crate.encode("ascii"), slip.expires, len(slip.tokens))
    data = head + b"".join(name + token for name, token in slip.tokens) + bytes([slip.damaged])
    return data + digest(data)


def parse_slip(data: bytes) -> Slip | None:
    """Return what *data* says, or None unless it is whole.

    >>> slip = Slip("A" * 26, 1, ((bytes(16), bytes(16)),), True)
    >>> parse_slip(pack_slip(slip)) == slip, parse_slip(pack_slip(slip)[:-1])
    (True, None)
    """
    if len(data) < _HEAD.size + 1 + _HASH or digest(data[:-_HASH]) != data[-_HASH:]:
        return None
    magic, crate, expires, count = _HEAD.unpack_from(data)
    end = _HEAD.size + 32 * count
    if magic != MAGIC or len(data) != end + 1 + _HASH or not crate.isalnum() or not crate.isascii():
        return None
    tokens = tuple((data[i : i + 16], data[i + 16 : i + 32]) for i in range(_HEAD.size, end, 32))
    return Slip(crate.decode("ascii"), expires, tokens, data[end] != 0)
