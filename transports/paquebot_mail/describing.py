"""Saying what a saved mail, or the armour in it, holds: all that is not sealed."""

from __future__ import annotations

import re

from paquebot.transport import Described
from paquebot_mail.armour import Damaged, unarmour
from paquebot_mail.form import PART_HEADER
from paquebot_mail.mime import HEADER_BYTES_MAX, end_of_head
from paquebot_mail.reading import MAIL_BYTES_MAX, Parcel, heading, parcel
from paquebot_mail.showing import show

__all__ = ["describe"]

_ARMOUR = b"-----BEGIN PGP "
_FIELD = re.compile(rb"(?:From [^\n]*\n)?[A-Za-z][A-Za-z0-9-]{0,75}:")
_OF_MAIL = re.compile(rb"(?im)^(?:from|content-type|%s):" % PART_HEADER.lower().encode())
_BOM = b"\xef\xbb\xbf"


def describe(data: bytes) -> Described | None:
    """Return what *data* is, if it is armour, or a mail or a part of one with its own header, whole or harmed."""
    if data.removeprefix(_BOM).lstrip().startswith(_ARMOUR):
        return _armour(data.removeprefix(_BOM))
    if _FIELD.match(data):
        head = data[: end_of_head(data) or HEADER_BYTES_MAX]
        if _OF_MAIL.search(head) or _ARMOUR in data[:MAIL_BYTES_MAX]:
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
    checks = [("parcel", verdict, detail)]
    if head is None or not head.part:
        facts, text = show(data)
        return Described("mail", facts, tuple(checks), (found.data,) if found else (), text)
    facts = (("from", head.sender), ("part", head.part))
    if found:
        checks.append(("part", found.part == head.part, "what the header says is what is in it"))
    return Described(
        "mail",
        tuple((what, value or "not said") for what, value in facts),
        tuple(checks),
        (found.data,) if found else (),
    )
