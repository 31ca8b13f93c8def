"""Saying what a saved mail, or the armour in it, holds: all that is not sealed."""

from __future__ import annotations

import re

from paquebot.transport import Described
from paquebot_mail.armour import Damaged, unarmour
from paquebot_mail.form import PART_HEADER
from paquebot_mail.mime import end_of_head
from paquebot_mail.reading import MAIL_BYTES_MAX, Parcel, heading, parcel

__all__ = ["describe"]

_ARMOUR = b"-----BEGIN PGP "
_FIELD = re.compile(rb"(?:From [^\n]*\n)?[A-Za-z][A-Za-z0-9-]{0,75}:")
_BOM = b"\xef\xbb\xbf"


def describe(data: bytes) -> Described | None:
    """Return what *data* is, if it is armour or a mail of ours, whole or harmed."""
    if data.removeprefix(_BOM).lstrip().startswith(_ARMOUR):
        return _armour(data.removeprefix(_BOM))
    if _FIELD.match(data) and (f"{PART_HEADER}:".encode() in data[: 64 << 10] or _ARMOUR in data[:MAIL_BYTES_MAX]):
        return _mail(data)
    return None


def _armour(data: bytes) -> Described:
    try:
        bare = unarmour(data)
    except Damaged as damage:
        return Described("OpenPGP, armoured", (), (("armour", False, str(damage)),))
    return Described("OpenPGP, armoured", (), (("armour", True, "whole"),), (bare,))


def _mail(data: bytes) -> Described:
    found: Parcel | None = None
    verdict, detail = False, "none is in it"
    try:
        found = parcel(data)
    except Damaged as damage:
        detail = str(damage)
    if found:
        verdict, detail = True, "whole"
    end = end_of_head(data)
    head = heading(data[:end]) if end else None
    facts = [("from", head.sender), ("part", head.part)] if head else []
    checks = [("parcel", verdict, detail)]
    if found and head and head.part:
        checks.append(("part", found.part == head.part, "what the header says is what is in it"))
    return Described(
        "mail",
        tuple((what, value or "not said") for what, value in facts),
        tuple(checks),
        (found.data,) if found else (),
    )
