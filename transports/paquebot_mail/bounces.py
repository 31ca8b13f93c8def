"""Reports that a mail of ours was not delivered (RFC 3464, and as qmail and Exim word it), and what they lead to.

Anybody can write one. So a report may slow something down, or tell a person; it never deletes, it counts once for each
mail that really went, and what it concerns is planned anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import compat32

from paquebot.transport import Finding, Handover, Stage, Transient
from paquebot_mail.answers import Kind, judge_report, status_of
from paquebot_mail.form import PART_HEADER
from paquebot_mail.mime import HEADER_BYTES_MAX, TooMany, content, end_of_head, walk
from paquebot_mail.pace import Pace

__all__ = ["Report", "Undelivered", "read_report", "settle"]

REPORT_BYTES_MAX = 16 << 20
_LOOKED_AT_BYTES = 256 << 10  # of words around a returned mail
_BLOCKS_MAX = 20
_SAID_MAX = 200
_NAME = r"([a-z2-7]{40})"
_RETURNED = re.compile(rf"(?m)^[>\s]*(?i:{PART_HEADER}):\s*1\s+{_NAME}(?:\s+[0-9a-f]{{16}})?\s*$".encode())
_ENVELOPE = re.compile(rf"(?:rfc822;)?\s*<?{_NAME}>?", re.ASCII)
_ADDRESS = re.compile(r"[^\s<>;,]{1,64}@[^\s<>;,]{1,255}", re.ASCII)
_QMAIL = re.compile(rb"(?m)^<([^\s<>]{3,320})>:\r?\n((?:[^\r\n]+\r?\n){1,20})")
_LIKE_QMAIL = (b"Hi. This is the", b"This is the mail delivery agent at")
"""Qmail's form (QSBMF), as it and others begin it."""
_COPY = re.compile(rb"(?m)^-{3,}")  # what follows is a copy of our mail
_CODE = re.compile(r"\b([45])\d\d\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What a report says of one recipient."""

    address: str
    action: str
    """``failed`` or ``delayed``; a report may also tell that all went well."""
    status: str
    """As in RFC 3463; empty if nothing is said."""
    said: str
    """For people: one line."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report, which anybody may have written."""

    part: str
    """Which part it is on; empty if it does not say."""
    recipients: tuple[Undelivered, ...]


def read_report(mail: bytes) -> Report | None:
    """Return what *mail* reports; None if it is no report, or one of a shape that we do not know.

    It may be cut off after the first parts.
    """
    end = end_of_head(mail)
    if end is None or len(mail) > REPORT_BYTES_MAX:
        return None
    try:
        found = _standard(mail)
    except TooMany:
        return None
    return found or _worded(mail, end)


def _standard(mail: bytes) -> Report | None:
    """Return what a report says that is written as RFC 3464 wants it."""
    part, blocks, standard = "", list[bytes](), False
    for entity in walk(mail):
        if entity.kind == b"message/delivery-status":
            standard = True
            text = content(mail, entity).replace(b"\r\n", b"\n").strip(b"\n")
            blocks += re.split(rb"\n\n+", text)[: _BLOCKS_MAX + 1]
        elif entity.kind in (b"message/rfc822", b"text/rfc822-headers", b"message/rfc822-headers"):
            returned = _RETURNED.search(content(mail, entity)[:HEADER_BYTES_MAX])
            part = part or (returned[1].decode() if returned else "")
    if not standard:
        return None
    fields = [BytesHeaderParser(policy=compat32).parsebytes(block + b"\n\n") for block in blocks]
    named = [_ENVELOPE.fullmatch(_text(each["Original-Envelope-Id"])) for each in fields]
    part = next((each[1] for each in named if each), part)
    recipients = []
    for each in fields:
        action, status = _text(each["Action"]).lower(), status_of(_text(each["Status"]))
        address = _ADDRESS.search(_text(each["Original-Recipient"] or each["Final-Recipient"]))
        if action and status:
            said = _text(each["Diagnostic-Code"]).partition(";")[2].strip()
            recipients.append(Undelivered(address[0].lower() if address else "", action, status, said or status))
    return Report(part, tuple(recipients)) if recipients else None


def _worded(mail: bytes, end: int) -> Report | None:
    """Return what a report says that is written for people, with our mail behind it: like qmail's, and Exim's."""
    fields = BytesHeaderParser(policy=compat32).parsebytes(mail[:end])
    body = mail[end : end + _LOOKED_AT_BYTES]
    returned = _RETURNED.search(body)
    words = _COPY.split(body, 1)[0]
    failed = _ADDRESS.findall(_text(fields["X-Failed-Recipients"]))
    if failed:
        said = _text(words.decode("utf-8", "replace").rpartition(failed[0])[2])
        found = [Undelivered(each.lower(), "failed", _status(said), said) for each in failed[:_BLOCKS_MAX]]
    elif any(each in words[:400] for each in _LIKE_QMAIL):
        found = [
            Undelivered(address[0].lower(), "failed", _status(_text(said)), _text(said))
            for name, said in _QMAIL.findall(words)[:_BLOCKS_MAX]
            if (address := _ADDRESS.fullmatch(_text(name)))
        ]
    else:
        return None
    return Report(returned[1].decode() if returned else "", tuple(found)) if found else None


def _status(said: str) -> str:
    code = _CODE.search(said)
    return status_of(said) or (f"{code[1]}.0.0" if code else "5.0.0")


def _text(value: object) -> str:
    """Return a field, or words, as one line fit to be shown."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value or "")[: 4 * _SAID_MAX]
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_SAID_MAX]


def settle(report: Report, pace: Pace) -> Iterator[Handover | Finding]:
    """Note what *report* means for those whom it concerns; yield it as news.

    Nothing comes of a report on a part that did not go from here in the last days, or was reported on before.
    """
    mail = pace.find(report.part) if report.part else None
    if mail is None:
        return
    kinds = [(judge_report(each.action, each.status, each.said), each) for each in report.recipients]
    bad = [(kind, each) for kind, each in kinds if kind is not Kind.TAKEN]
    for _, each in kinds:
        if each.action == "delayed" and not bad:
            yield Finding(mail.to, f"a mail is delayed on its way: {each.said}", damage=False)
    if bad:
        kind, each = bad[0]
        if kind is Kind.LARGE:
            pace.too_large(mail.bytes, doubtful=True)
        else:
            pace.trouble(kind, f"a report says: {each.said}", mail.to, reported=True)
        pace.lost(report.part)
        yield Handover(bytes.fromhex(mail.id), Stage.LOST, mail.to, Transient(f"a report says: {each.said}"))
