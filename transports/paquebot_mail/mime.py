"""The parts of a mail (RFC 2045, 2046), found by whoever trusts nothing in it.

There is a limit to everything, nothing recurses, and no name, charset or path means anything here.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["HEADER_BYTES_MAX", "Entity", "TooMany", "content", "end_of_head", "walk"]

HEADER_BYTES_MAX = 64 << 10
PARTS_MAX = 50
DEPTH_MAX = 8
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_END_OF_LINE = re.compile(rb"\r?\n")
_FIELD = re.compile(rb"(?im)^(content-type|content-transfer-encoding):((?:[^\r\n]|\r?\n[ \t])*)")
_BOUNDARY = re.compile(rb'(?i);\s*boundary\s*=\s*(?:"([^"\r\n]{1,200})"|([^\s";]{1,200}))')
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]*")


class TooMany(ValueError):
    """The mail has more parts, or parts deeper in each other, than any that is honest."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One part, or the mail itself: where its body lies in the mail, and what its own header says of it."""

    kind: bytes
    """The media type in lower case, such as ``text/plain``; empty if nothing is said."""
    encoding: bytes
    boundary: bytes
    head: int
    """Where its header begins."""
    start: int
    end: int
    depth: int


def end_of_head(mail: bytes, start: int = 0, end: int | None = None) -> int | None:
    """Return where the header that begins at *start* ends, with its empty line; None if it has no or a far end."""
    most = start + HEADER_BYTES_MAX + 4
    found = _END_OF_HEAD.search(mail, start, most if end is None else min(end, most))
    return found.end() if found else None


def walk(mail: bytes) -> Iterator[Entity]:
    """Yield the mail and all its parts, those of mails in it too, from the first to the last. Raise `TooMany`."""
    waiting, parts = [(0, len(mail), 1)], 0
    while waiting:
        start, end, depth = waiting.pop()
        parts += 1
        if parts > PARTS_MAX:
            raise TooMany(f"the mail has more than {PARTS_MAX} parts")
        if depth > DEPTH_MAX:
            raise TooMany(f"the mail's parts lie deeper in each other than {DEPTH_MAX}")
        entity = _entity(mail, start, end, depth)
        yield entity
        if entity.kind.startswith(b"multipart/") and entity.boundary:
            waiting += [(*each, depth + 1) for each in reversed(_split(mail, entity))]
        elif entity.kind == b"message/rfc822":
            waiting.append((entity.start, entity.end, depth + 1))


def content(mail: bytes, entity: Entity) -> bytes:
    """Return the body of *entity*, decoded as far as it can be: footers are put behind base64."""
    body = mail[entity.start : entity.end]
    if entity.encoding == b"quoted-printable":
        return quopri.decodestring(body)
    if entity.encoding != b"base64":
        return body
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        text = _BASE64.match(body)
        clean = text[0].translate(None, b" \t\r\n\v\f") if text else b""
        return binascii.a2b_base64(clean[: len(clean) // 4 * 4])


def _entity(mail: bytes, start: int, end: int, depth: int) -> Entity:
    bare = _END_OF_LINE.match(mail, start, end)  # a part may have no header
    head = bare.end() if bare else end_of_head(mail, start, end)
    if head is None:
        return Entity(b"", b"", b"", start, end, end, depth)
    fields = {name.lower(): value for name, value in reversed(_FIELD.findall(mail, start, head))}
    kind = fields.get(b"content-type", b"")
    boundary = _BOUNDARY.search(kind)
    return Entity(
        kind.split(b";", 1)[0].strip().lower(),
        fields.get(b"content-transfer-encoding", b"").strip().lower(),
        (boundary[1] or boundary[2]) if boundary else b"",
        start,
        head,
        end,
        depth,
    )


def _split(mail: bytes, whole: Entity) -> list[tuple[int, int]]:
    """Return what lies between the delimiters, at most one more than there may be; the last may lack its end."""
    mark = re.escape(b"--" + whole.boundary)  # first, because bytes are found faster than what may stand before them
    edge = re.compile(mark + rb"(?<=\n" + mark + rb")(--)?+[ \t]*+(?=\r?\n|\Z)")
    found: list[tuple[int, int]] = []
    at: int | None = None
    for each in edge.finditer(mail, whole.start, whole.end):
        if at is not None:
            before = each.start() - (2 if mail.startswith(b"\r\n", each.start() - 2) else 1)
            found.append((at, max(at, before)))
        if each[1] or len(found) > PARTS_MAX:
            return found
        at = min(each.end() + (2 if mail.startswith(b"\r\n", each.end()) else 1), whole.end)
    return found if at is None else [*found, (at, whole.end)]
