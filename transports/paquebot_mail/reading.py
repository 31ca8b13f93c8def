"""Finding a parcel in a mail that anybody may have sent and any relay may have mangled.

Hostile ground: sizes are looked at before bytes, nothing here recurses, and no name, charset or path in a mail means
anything. A mail is searched for armour as it stands; only where none is, its parts are decoded.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32

from paquebot_mail.armour import BEGIN, END, Damaged, unarmour
from paquebot_mail.form import PART_HEADER, PART_VERSION, part_id
from paquebot_mail.mime import HEADER_BYTES_MAX, TooMany, content, end_of_head, walk

__all__ = [
    "HEADER_BYTES_MAX", "MAIL_BYTES_MAX", "REPORT_BYTES", "Damaged", "Heading", "Parcel", "heading", "may_concern",
    "parcel",
]  # fmt: skip

MAIL_BYTES_MAX = 16 << 20  # a full envelope of 8 MiB in armour, which somebody encoded once more
REPORT_BYTES = 16 << 10  # what was returned of a mail need not be read
_ARMOURS_MAX = 8  # blocks tried in one mail
_VALUE_MAX = 1_000
_PART = re.compile(rf"{PART_VERSION} ([a-z2-7]{{40}})(?: ([0-9a-f]{{16}}))?", re.ASCII)
_QUOTED = re.compile(rb"=(?:3[Dd]|\r?\n)")
_CONCERNS = re.compile(rb"(?i)%s|delivery-status|mailer-daemon|multipart/encrypted" % PART_HEADER.encode())
_ANGLE = re.compile(r"<([^<>\s]{3,254})>\s*\Z", re.ASCII)
_BARE = re.compile(r"[^<>\s,;:\"]{3,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Heading:
    """What the header of a mail says, which anybody can write: a filter, never a proof."""

    part: str
    """Which parcel it claims to bring; empty if it does not look like ours."""
    sender: str
    """The bare address it claims to be from, in lower case; empty if it names none, or several."""
    message_id: str
    report: bool
    """It looks like a report on the delivery of another mail."""
    tag: bytes = b""
    """By which its recipient recognises it; empty if there is none."""
    sealed: bool = False
    """It is encrypted, and none of ours: perhaps a person wrote it to this node."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel found in a mail. Who made it, only opening it can tell."""

    data: bytes
    part: str
    """Its own name, whatever the header said."""


def may_concern(head: bytes) -> bool:
    """Return whether `heading` could find anything of concern in *head*: a look that costs little."""
    return _CONCERNS.search(head) is not None


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
    sender = _address(_only(fields, "From"))
    return Heading(
        part=named[1] if named else "",
        sender=sender,
        message_id=kept.strip("<> ")[:254],
        report=(kind.startswith("multipart/report") and "delivery-status" in kind)
        or sender.startswith("mailer-daemon@"),
        tag=bytes.fromhex(named[2] or "") if named else b"",
        sealed=kind.startswith("multipart/encrypted") and not named,
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
    end = end_of_head(mail)
    if end is None:
        if len(mail) > HEADER_BYTES_MAX:
            raise Damaged("the mail's header is larger than 64 kB")
        return None
    claimed = heading(mail[:end])
    if claimed is None:
        raise Damaged("the mail's header has control characters in it that no honest program writes")
    first: Parcel | None = None
    harm: ValueError | None = None
    try:
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
    except TooMany as excess:
        harm = harm or excess
    if first is None and harm is not None:
        raise Damaged(str(harm))
    return first


def _unarmour(block: bytes) -> bytes:
    try:
        return unarmour(block)
    except Damaged as damage:
        # Quoted-printable leaves most of armour alone.
        if not _QUOTED.search(block):
            raise
        try:
            return unarmour(quopri.decodestring(block))
        except Damaged:
            raise damage from None


def _blocks(mail: bytes) -> Iterator[bytes]:
    """Yield what may be armour: what stands in *mail* for all to see, then what its parts hold when decoded."""
    yield from _armours(mail)
    for entity in walk(mail):
        if entity.encoding in (b"base64", b"quoted-printable"):
            yield from _armours(content(mail, entity))


def _armours(text: bytes) -> Iterator[bytes]:
    """Yield what begins as armour does, to where it ends; the last may lack its end."""
    at = 0
    for _ in range(_ARMOURS_MAX):
        start = text.find(BEGIN, at)
        if start < 0:
            return
        end = text.find(END, start)
        at = len(text) if end < 0 else end + len(END)
        yield text[start:at]
