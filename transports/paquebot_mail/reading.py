"""Finding a parcel in a mail that anybody may have sent and any relay may have mangled.

Hostile ground: sizes are looked at before bytes, nothing here recurses, and no name, charset or path in a mail means
anything. A mail is searched for armour as it stands; only where none is, its parts are decoded.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32

from paquebot_mail.armour import BEGIN, END, Damaged, unarmour
from paquebot_mail.form import PART_HEADER, PART_VERSION, part_id

__all__ = ["HEADER_BYTES_MAX", "MAIL_BYTES_MAX", "Damaged", "Heading", "Parcel", "heading", "parcel"]

MAIL_BYTES_MAX = 16 << 20  # a full envelope of 8 MiB in armour, which somebody encoded once more
HEADER_BYTES_MAX = 64 << 10
PARTS_MAX = 50
DEPTH_MAX = 8
_ARMOURS_MAX = 8  # blocks tried in one mail
_VALUE_MAX = 1_000
_PART = re.compile(rf"{PART_VERSION} ([a-z2-7]{{40}})", re.ASCII)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_ANGLE = re.compile(r"<([^<>\s]{3,254})>\s*\Z", re.ASCII)
_BARE = re.compile(r"[^<>\s,;:\"]{3,254}", re.ASCII)
_FIELD = re.compile(rb"(?im)^(content-type|content-transfer-encoding):((?:[^\r\n]|\r?\n[ \t])*)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]*")
_BOUNDARY = re.compile(rb'(?i);\s*boundary\s*=\s*(?:"([^"\r\n]{1,200})"|([^\s";]{1,200}))')


@dataclass(frozen=True, slots=True)
class Heading:
    """What the header of a mail says, which anybody can write: a filter, never a proof."""

    part: str
    """Which parcel it claims to bring; empty if it does not look like ours."""
    sender: str
    """The bare address it claims to be from, in lower case; empty if it names none, or several."""
    message_id: str
    report: bool
    """It says that it reports on the delivery of another mail."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel found in a mail. Who made it, only opening it can tell."""

    data: bytes
    part: str
    """Its own name, whatever the header said."""


def heading(head: bytes) -> Heading | None:
    """Return what the header fields *head* say; None for one that no honest program writes.

    That is one of more than 64 kB, or with a NUL or a bare CR, which other programs may read as other fields.
    """
    if len(head) > HEADER_BYTES_MAX or b"\0" in head or head.count(b"\r") != head.count(b"\r\n"):
        return None
    fields = BytesHeaderParser(policy=compat32).parsebytes(head)
    named = _PART.fullmatch(_only(fields, PART_HEADER))
    kept = _only(fields, "X-Microsoft-Original-Message-ID") or _only(fields, "Message-ID")
    kind = _only(fields, "Content-Type").lower()
    return Heading(
        part=named[1] if named else "",
        sender=_address(_only(fields, "From")),
        message_id=kept.strip("<> ")[:254],
        report=kind.startswith("multipart/report") and "delivery-status" in kind,
    )


def _only(fields: Message, name: str) -> str:
    """Return the value of the one field called *name*; empty if there are none, several, or it is endless."""
    found = fields.get_all(name, [])
    value = " ".join(str(found[0]).split()) if len(found) == 1 and len(str(found[0])) <= _VALUE_MAX else ""
    return value if value.isascii() and value.isprintable() else ""


def _address(value: str) -> str:
    named = _ANGLE.search(value)
    found = named[1] if named else value if _BARE.fullmatch(value) else ""
    return found.lower() if found.count("@") == 1 else ""


def parcel(mail: bytes) -> Parcel | None:
    """Return the parcel in *mail*; None if no armour is in it. Raise `Damaged` if what is in it is harmed.

    Taken are our own form, Exchange's mixture of it, and armour inside any part, encoded or wrapped anew, with
    whatever was put before, behind or around it. Of several, the one counts that the header names, else the first.
    """
    if len(mail) > MAIL_BYTES_MAX:
        raise Damaged("the mail is larger than any that brings a parcel")
    end = _END_OF_HEAD.search(mail, 0, HEADER_BYTES_MAX + 4)
    if end is None:
        if len(mail) > HEADER_BYTES_MAX:
            raise Damaged("the mail's header is larger than 64 kB")
        return None
    claimed = heading(mail[: end.end()])
    if claimed is None:
        raise Damaged("the mail's header has control characters in it that no honest program writes")
    first: Parcel | None = None
    harm: Damaged | None = None
    for block in _blocks(mail):
        try:
            data = _unarmour(block)
        except Damaged as damage:
            harm = harm or damage
            continue
        found = Parcel(data, part_id(data))
        if found.part == claimed.part:
            return found
        first = first or found
    if first is None and harm is not None:
        raise harm
    return first


def _unarmour(block: bytes) -> bytes:
    try:
        return unarmour(block)
    except Damaged:
        # Quoted-printable leaves most of armour alone.
        if b"=3D" not in block and b"=3d" not in block and b"=\n" not in block and b"=\r\n" not in block:
            raise
        return unarmour(quopri.decodestring(block))


def _blocks(mail: bytes) -> Iterator[bytes]:
    """Yield what may be armour: what stands in *mail* for all to see, else what its parts hold when decoded."""
    found = 0
    for block in _armours(mail):
        yield block
        found += 1
    if not found:
        for decoded in _parts(mail):
            yield from _armours(decoded)


def _armours(text: bytes) -> Iterator[bytes]:
    at = 0
    for _ in range(_ARMOURS_MAX):
        start = text.find(BEGIN, at)
        end = text.find(END, start)
        if start < 0 or end < 0:
            return
        at = end + len(END)
        yield text[start:at]


def _parts(mail: bytes) -> Iterator[bytes]:
    """Yield the decoded content of those parts of *mail* that are encoded. Raise `Damaged` beyond the limits."""
    waiting, parts = [(0, len(mail), 1)], 0
    while waiting:
        start, end, depth = waiting.pop()
        parts += 1
        if parts > PARTS_MAX:
            raise Damaged("the mail has more than 50 parts")
        if depth > DEPTH_MAX:
            raise Damaged("the mail's parts lie deeper in each other than 8")
        kind, boundary, encoding, body = _entity(mail, start, end)
        if kind.startswith(b"multipart/") and boundary:
            waiting += [(*each, depth + 1) for each in reversed(_split(mail, body, end, boundary))]
        elif kind == b"message/rfc822":
            waiting.append((body, end, depth + 1))
        elif encoding == b"base64":
            yield _base64(mail[body:end])
        elif encoding == b"quoted-printable":
            yield quopri.decodestring(mail[body:end])


def _entity(mail: bytes, start: int, end: int) -> tuple[bytes, bytes, bytes, int]:
    """Return media type, boundary, transfer encoding and start of the body of what lies from *start* to *end*."""
    head = _END_OF_HEAD.search(mail, start, min(end, start + HEADER_BYTES_MAX + 4))
    if head is None:
        return b"", b"", b"", end
    fields = {name.lower(): value for name, value in reversed(_FIELD.findall(mail, start, head.start()))}
    kind = fields.get(b"content-type", b"")
    boundary = _BOUNDARY.search(kind)
    return (
        kind.split(b";", 1)[0].strip().lower(),
        (boundary[1] or boundary[2]) if boundary else b"",
        fields.get(b"content-transfer-encoding", b"").strip().lower(),
        head.end(),
    )


def _split(mail: bytes, start: int, end: int, boundary: bytes) -> list[tuple[int, int]]:
    """Return what lies between the delimiters, at most one more than there may be; the last may lack its end."""
    delimiter = re.compile(rb"(?:\r?\n|(?<=\n))--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    found: list[tuple[int, int]] = []
    at: int | None = None
    for each in delimiter.finditer(mail, start, end):
        if at is not None:
            found.append((at, each.start()))
        if each[1] or len(found) > PARTS_MAX:
            return found
        at = each.end() + (2 if mail.startswith(b"\r\n", each.end()) else 1)
    return found if at is None else [*found, (min(at, end), end)]


def _base64(body: bytes) -> bytes:
    """Return what *body* holds, as far as it is base64: footers are put behind it."""
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        text = _BASE64.match(body)
        clean = text[0].translate(None, b" \t\r\n") if text else b""
        return binascii.a2b_base64(clean[: len(clean) // 4 * 4])
