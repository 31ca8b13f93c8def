"""The mail itself: one parcel as PGP/MIME (RFC 3156), as other mail programs and strict relays want it.

The same parcel, addresses and date give the same bytes. All outside the armour is a filter for the receiver's scan and
a courtesy to people; what counts was sealed and signed before it came here.
"""

from __future__ import annotations

import re
from base64 import b32encode
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256

from paquebot_mail.armour import armoured_bytes, pieces

__all__ = ["PART_HEADER", "compose", "is_address", "is_subject", "mail_bytes", "parcel_bytes", "part_id", "subject"]

PART_HEADER = "X-Paquebot-Part"
PART_VERSION = "1"
_PART_CHARS, _THREAD_CHARS = 40, 24
_OVERHEAD_BYTES = 4_096  # of all that surrounds the armour, with the longest addresses
_ADDRESS_MAX, _LOCAL_MAX, _SUBJECT_MAX = 254, 64, 600
# A dot-atom and a domain of letters, digits and hyphens: nothing that could end a header line or a command.
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*",
    re.ASCII,
)


def is_address(text: str) -> bool:
    """Return whether *text* is a bare address that may stand in a header and in a command.

    >>> [is_address(each) for each in ("node@a.example", "a+b@x", "Bob <b@x>", "b@x\\r\\nBcc: c@x", "b..c@x")]
    [True, True, False, False, False]
    """
    return (
        len(text) <= _ADDRESS_MAX
        and text.find("@") <= _LOCAL_MAX
        and _ADDRESS.fullmatch(text) is not None
    )  # fmt: skip


def is_subject(text: str) -> bool:
    """Return whether *text* may be the subject of our mails: one line of ASCII."""
    return 0 < len(text) <= _SUBJECT_MAX and text.isascii() and text.isprintable() and text == text.strip()


def subject(sender: str, recipient: str) -> str:
    """Return what stands over every mail of one direction, so that a person's program folds them.

    >>> subject("node@a.example", "node@b.example")
    '[paquebot] node@a.example > node@b.example'
    """
    return f"[paquebot] {sender} > {recipient}"


def part_id(parcel: bytes) -> str:
    """Return the name of *parcel* on mails, 40 characters of its hash: the same on whatever way it comes.

    >>> part_id(b"paquebot")
    '2eool5v33hd4orh33u3ui4zjrdsxdskjpalm4te4'
    """
    return b32encode(sha256(parcel).digest()).decode().lower()[:_PART_CHARS]


def compose(parcel: bytes, *, sender: str, recipient: str, date_ms: int, about: str = "", tag: bytes = b"") -> bytes:
    """Return the mail that brings *parcel*, dated *date_ms* (Unix milliseconds), with CRLF at the end of each line.

    *about* is the subject; without it, `subject` is. By *tag*, 8 bytes, its recipient alone recognises it. Raise
    `ValueError` for what cannot be an address or a subject.
    """
    about = about or subject(sender, recipient)
    if not (is_address(sender) and is_address(recipient)):
        raise ValueError("not a bare mail address")
    if not is_subject(about):
        raise ValueError("not a subject: one line of ASCII")
    date = datetime.fromtimestamp(date_ms // 1000, UTC)
    part, domain, thread = part_id(parcel), sender.rpartition("@")[2], _thread(sender, recipient, date)
    boundary = f"=_{part[:24]}"
    head = (
        f"From: <{sender}>",
        f"To: <{recipient}>",
        f"Subject: {about}",
        f"Date: {format_datetime(date)}",
        f"Message-ID: <{part}@{domain}>",
        f"In-Reply-To: <{thread}>",
        f"References: <{thread}>",
        f"{PART_HEADER}: {PART_VERSION} {part} {tag.hex()}".rstrip(),
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
        f' boundary="{boundary}"',
        "",
        "This is an encrypted mail (OpenPGP/MIME, RFC 3156), sent by a program.",
        f"--{boundary}",
        "Content-Type: application/pgp-encrypted",
        "",
        "Version: 1",
        "",
        f"--{boundary}",
        'Content-Type: application/octet-stream; name="encrypted.asc"',
        'Content-Disposition: inline; filename="encrypted.asc"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "",
    )
    return b"".join(("\r\n".join(head).encode(), *pieces(parcel), f"\r\n--{boundary}--\r\n".encode()))


def _thread(sender: str, recipient: str, date: datetime) -> str:
    """Return the Message-ID, of no mail, under which a month of one direction hangs."""
    digest = sha256(f"{sender}\0{recipient}\0{date:%Y-%m}".encode()).digest()
    return f"{b32encode(digest).decode().lower()[:_THREAD_CHARS]}@{sender.rpartition('@')[2]}"


def mail_bytes(parcel: int) -> int:
    """Return an upper bound of the size of the mail that brings *parcel* bytes."""
    return _OVERHEAD_BYTES + armoured_bytes(parcel)


def parcel_bytes(mail: int) -> int:
    """Return how large a parcel may be whose mail must not be larger than *mail* bytes; 0 if there is no room.

    >>> mail_bytes(parcel_bytes(30_000)) <= 30_000
    True
    """
    lines = (mail - mail_bytes(0)) // 66
    return max(0, lines * 48)
