"""What lies sealed inside a mail: a packed bundle as the attachment of a small mail that other programs can show.

A person whose mail program opens one of our mails sees that it is none of their business, instead of an error. Only
the form that we write is read: no other words, lines or parts.
"""

from __future__ import annotations

import binascii
import re

from paquebot.errors import Malformed, Misused
from paquebot.frozen import frozen
from paquebot.protocol.limits import KIB

__all__ = ["COVERED_BYTES_MAX", "Cover", "cover", "covered_bytes", "uncover"]

COVERED_BYTES_MAX = 64 * KIB  # of a packed bundle: base64 in base64 costs a third more, which large ones go without
_LINE = 57  # octets to a line of 76 characters
_ADDRESS = rb"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]{1,64}@[A-Za-z0-9.-]{1,255}"
_BOUNDARY = b"in-a-paquebot-mail"  # no line of base64 or of our words is like it
_HEAD = b"\r\n".join(
    (
        b"From: <%s>",
        b"To: <%s>",
        b"Subject: Sync data for paquebot",
        b'Content-Type: multipart/mixed; boundary="' + _BOUNDARY + b'"; hp="cipher"',
        b"",
        b"--" + _BOUNDARY,
        b"Content-Type: text/plain; charset=utf-8",
        b"",
        b"The program paquebot sent this to the program paquebot, which takes it in by itself.",
        b"There is nothing for you to do.",
        b"--" + _BOUNDARY,
        b'Content-Type: application/vnd.paquebot.bundle; name="paquebot.zst"',
        b'Content-Disposition: attachment; filename="paquebot.zst"',
        b"Content-Transfer-Encoding: base64",
        b"",
        b"",
    )
)
_TAIL = b"--" + _BOUNDARY + b"--\r\n"
_FIRST = b"From: "
_BETWEEN = re.compile(rb"From: <(%s)>\r\nTo: <(%s)>\r\n" % (_ADDRESS, _ADDRESS))


@frozen
class Cover:
    """Between whom a mail goes: bare addresses."""

    sender: str
    recipient: str


def cover(packed: bytes, between: Cover | None) -> bytes:
    """Return what is to be signed and sealed: *packed* as the attachment of a mail, or as it is if that would not pay.

    Raise `Misused` for addresses that could be something else.
    """
    if between is None or len(packed) > COVERED_BYTES_MAX:
        return packed
    addresses = (between.sender.encode(), between.recipient.encode())
    if not all(re.fullmatch(_ADDRESS, each) for each in addresses):
        raise Misused("not a bare mail address")
    return _written(addresses, packed)


def covered_bytes(packed: int) -> int:
    """Return an upper bound of what `cover` makes of *packed* bytes."""
    if packed > COVERED_BYTES_MAX:
        return packed
    lines = (packed + _LINE - 1) // _LINE
    return len(_HEAD) + 2 * 320 + (packed + 2) // 3 * 4 + 2 * lines + len(_TAIL)


def uncover(content: bytes | memoryview) -> bytes | memoryview:
    """Return the packed bundle in *content*: the attachment of a mail of ours, else *content* itself.

    Raise `Malformed` for any other mail.

    >>> uncover(cover(b"packed", Cover("node@a.example", "node@b.example")))
    b'packed'
    """
    if bytes(content[: len(_FIRST)]) != _FIRST:
        return content
    content = bytes(content)
    between = _BETWEEN.match(content)
    try:
        packed = binascii.a2b_base64(content[content.rfind(b"\r\n\r\n") : -len(_TAIL)])
    except binascii.Error:
        between, packed = None, b""
    # There is one way to write it: whatever the decoder overlooks is noticed.
    if between is None or _written(between.groups(), packed) != content:
        raise Malformed("the mail inside the envelope is not written as we write it")
    return packed


def _written(between: tuple[bytes, ...], packed: bytes) -> bytes:
    pieces = (packed[at : at + _LINE] for at in range(0, len(packed), _LINE))
    lines = (binascii.b2a_base64(each, newline=False) + b"\r\n" for each in pieces)
    return b"".join((_HEAD % between, *lines, _TAIL))
