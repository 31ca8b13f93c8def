"""The encodings SDMP's names are made of: base64url without padding, and SHA-512."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import sha512
from typing import NewType

from paquebot.errors import Malformed

Fingerprint = NewType("Fingerprint", str)
"""Names a user or a node: 86 characters, the hash of an identity's key."""

ResourceId = NewType("ResourceId", str)
"""Names a resource: 86 characters, the hash of its payload's exact bytes."""

LineId = NewType("LineId", str)
"""Names a journal line: 86 characters, the hash of its text."""


def b64(data: bytes) -> str:
    """Return *data* as base64url without padding.

    >>> b64(b"ships")
    'c2hpcHM'
    """
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64(text: str) -> bytes:
    """Return the bytes that *text* encodes. Raise `Malformed` unless `b64` would have written it so.

    >>> unb64("c2hpcHM")
    b'ships'
    """
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Error, ValueError):
        raise Malformed("not base64url") from None
    if b64(data) != text:
        raise Malformed("not the one form of base64url without padding")
    return data


def digest(data: bytes) -> str:
    """Return SDMP's name for *data*: its SHA-512 as base64url.

    >>> digest(b"")[:10]
    'z4PhNX7vuL'
    """
    return b64(sha512(data).digest())


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
