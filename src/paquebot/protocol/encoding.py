"""The encodings SDMP's names are made of: base64url without padding, and SHA-512."""

from __future__ import annotations

import string
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from hashlib import sha512
from typing import NewType

from paquebot.errors import Malformed

Fingerprint = NewType("Fingerprint", str)
"""Names a user or a node: 86 characters, the hash of an identity's key."""

ResourceId = NewType("ResourceId", str)
"""Names a resource: 86 characters, the hash of its payload's exact bytes."""

LineId = NewType("LineId", str)
"""Names a journal line: 86 characters, the hash of its text."""


_URL = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # what is not of this alphabet is of none
_PADS = (b"", b"!", b"==", b"=")
_LAST = (string.ascii_letters + string.digits + "-_", "", "AQgw", "AEIMQUYcgkosw048")  # whose spare bits are zero


def b64(data: bytes) -> str:
    """Return *data* as base64url without padding.

    >>> b64(b"ships")
    'c2hpcHM'
    """
    return b2a_base64(data, newline=False).translate(_URL, b"=").decode("ascii")


def unb64(text: str) -> bytes:
    """Return the bytes that *text* encodes. Raise `Malformed` unless `b64` would have written it so.

    >>> unb64("c2hpcHM")
    b'ships'
    """
    try:
        data = a2b_base64(text.encode("ascii").translate(_STANDARD) + _PADS[len(text) % 4], strict_mode=True)
    except ValueError:
        raise Malformed("not base64url") from None
    if text and text[-1] not in _LAST[len(text) % 4]:
        raise Malformed("not the one form of base64url without padding")
    return data


def digest(data: bytes) -> str:
    """Return SDMP's name for *data*: its SHA-512 as base64url.

    >>> digest(b"")[:10]
    'z4PhNX7vuL'
    """
    return b64(sha512(data).digest())


@lru_cache(maxsize=4_096)
def raw(name: str) -> bytes:
    """Return the 64 bytes of a fingerprint, resource id or line id. Raise `Malformed`."""
    data = unb64(name)
    if len(data) != 64:
        raise Malformed("an identifier does not have 64 bytes")
    return data


def short(name: str) -> str:
    """Return how an identifier is shown to people: ten hexadecimal digits that are easy to type and read aloud.

    >>> short("z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg_SpIdNs6c5H0NE8XYXysP-DGNKHfuwvY7kxvUdBeoGlODJ6-SfaPg")
    'cf83e1357e'
    """
    return unb64(name)[:5].hex()
