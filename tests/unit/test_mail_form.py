"""The mail itself: what relays, other programs and people see of one parcel."""

from __future__ import annotations

import random
import time
from email import message_from_bytes
from email.policy import default

import pytest
from fixtures.openpgp_by_hand import envelope

from paquebot_mail.armour import Damaged, armour, armoured_bytes, crc24, unarmour
from paquebot_mail.form import PART_HEADER, compose, is_address, is_subject, mail_bytes, parcel_bytes, part_id
from paquebot_mail.reading import heading, parcel

DATE = 1_796_000_000_000
ALICE, BOB = "alice@a.example", "bob@b.example"
NOISE = random.Random("armour").randbytes(70_000)
PARCEL = envelope()


def written(data: bytes = PARCEL, *, date: int = DATE, about: str = "") -> bytes:
    return compose(data, sender=ALICE, recipient=BOB, date_ms=date, about=about)


def test_the_same_parcel_addresses_and_date_make_the_same_mail():
    assert written() == written()
    assert written() != written(PARCEL + b"x")


def test_the_mail_is_the_one_that_the_format_promises():
    head, _, rest = written().partition(b"\r\n\r\n")
    part = part_id(PARCEL)
    thread = head.split(b"In-Reply-To: ")[1].split(b"\r\n")[0].decode()
    assert head.decode().split("\r\n") == [
        "From: <alice@a.example>",
        "To: <bob@b.example>",
        "Subject: [paquebot] alice@a.example > bob@b.example",
        "Date: Mon, 30 Nov 2026 00:53:20 +0000",
        f"Message-ID: <{part}@a.example>",
        f"In-Reply-To: {thread}",
        f"References: {thread}",
        f"X-Paquebot-Part: 1 {part}",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
        f' boundary="=_{part[:24]}"',
    ]
    assert armour(PARCEL) in rest


def test_other_programs_find_the_two_parts():
    found = message_from_bytes(written(), policy=default)
    version, body = found.iter_parts()
    assert (found.get_content_type(), found.get_param("protocol")) == (
        "multipart/encrypted",
        "application/pgp-encrypted",
    )
    assert (version.get_content_type(), version.get_content().strip()) == ("application/pgp-encrypted", b"Version: 1")
    assert (body.get_content_type(), unarmour(body.get_content())) == ("application/octet-stream", PARCEL)
    assert not [defect for part in found.walk() for defect in part.defects]


def test_one_month_of_one_direction_is_one_thread():
    day = 24 * 3_600_000

    def thread(mail: bytes) -> str:
        return str(message_from_bytes(mail)["References"])

    november, december = written(date=DATE), written(date=DATE + 2 * day)
    assert thread(november) == thread(written(PARCEL + b"x", date=DATE - 20 * day))
    back = compose(PARCEL, sender=BOB, recipient=ALICE, date_ms=DATE)
    assert len({thread(november), thread(december), thread(back)}) == 3


def test_no_line_is_one_that_a_relay_would_change():
    mail = written(NOISE)
    lines = mail.split(b"\r\n")
    assert mail.isascii()
    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 100
    assert not [line for line in lines if line.startswith((b".", b"From ")) or line != line.rstrip()]


def test_strict_relays_carry_it():
    """What chatmail's filter asks for: two parts, armour without headers, a checksum, new packets only."""
    (body,) = message_from_bytes(written()).get_payload()[1:]
    lines = body.get_payload().strip().splitlines()
    assert lines[:2] == ["-----BEGIN PGP MESSAGE-----", ""]
    assert len(lines[-2]) == 5
    assert lines[-2].startswith("=")
    data, at, tags = PARCEL, 0, []
    while at < len(data):
        assert data[at] & 0xC0 == 0xC0
        tags.append(data[at] & 63)
        lead = data[at + 1]
        if lead < 192:
            at += 2 + lead
        else:
            at += 3 + (lead - 192 << 8) + data[at + 2] + 192
    assert tags == [1, 18]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 47, 48, 49, 1_000, 65_536])
def test_sizes_are_known_before(size: int):
    address = "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "exampl"
    about = "s" * 600
    mail = compose(NOISE[:size], sender=address, recipient=address, date_ms=DATE, about=about)
    assert len(armour(NOISE[:size])) == armoured_bytes(size)
    assert len(mail) <= mail_bytes(size)
    assert len(compose(NOISE[:size], sender=address, recipient=address, date_ms=DATE)) <= mail_bytes(size)
    for most in (len(mail), 4_000, 0):
        assert mail_bytes(parcel_bytes(most)) <= most or not parcel_bytes(most)
    assert parcel_bytes(mail_bytes(size)) >= size - 48


@pytest.mark.parametrize(
    "address",
    [
        *("", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "<a@b>", "a@b\r\nBcc: c@d", "a@b\n", "ä@b", "a@-b"),
        *("a..b@c", "a@b" + "c" * 260, "a" * 65 + "@b"),
    ],
)
def test_no_address_can_end_its_line(address: str):
    assert not is_address(address)
    for sender, recipient in ((address, BOB), (ALICE, address)):
        with pytest.raises(ValueError, match="address"):
            compose(PARCEL, sender=sender, recipient=recipient, date_ms=DATE)


@pytest.mark.parametrize("about", [" ", "a\nb", "a\r\nBcc: c@d", "ä", "x" * 601, " x", "\0"])
def test_no_subject_can_end_its_line(about: str):
    assert not is_subject(about)
    with pytest.raises(ValueError, match="subject"):
        written(about=about)


# -- finding it again ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 70_000])
def test_a_parcel_is_found_again(size: int):
    found = parcel(written(NOISE[:size]))
    assert found is not None
    assert (found.data, found.part) == (NOISE[:size], part_id(NOISE[:size]))


def test_the_header_is_a_filter():
    found = heading(written().partition(b"\r\n\r\n")[0])
    assert found is not None
    assert (found.part, found.sender, found.report) == (part_id(PARCEL), ALICE, False)
    assert found.message_id == f"{part_id(PARCEL)}@a.example"


@pytest.mark.parametrize(
    ("line", "sender"),
    [
        (b"From: Bob <BOB@b.example>", "bob@b.example"),
        (b"From: bob@b.example", "bob@b.example"),
        (b'From: "a@x, <c@d>" <bob@b.example>', "bob@b.example"),
        (b"From: a@x, bob@b.example", ""),
        (b"From: <a@x>\r\nFrom: <bob@b.example>", ""),
        (b"From: " + b'"' * 20_000, ""),
        (b"From: " + b"a@x," * 10_000, ""),
        (b"From: =?utf-8?q?Bob?= <bob@b.example>", "bob@b.example"),
        (b"From: \xff <bob@b.example>", ""),
        (b"Subject: none", ""),
    ],
)
def test_a_sender_is_one_address_or_none(line: bytes, sender: str):
    start = time.process_time()
    found = heading(line + b"\r\n\r\n")
    assert found is not None
    assert found.sender == sender
    assert time.process_time() - start < 0.5


def test_a_header_that_no_honest_program_writes_is_none():
    part = f"{PART_HEADER}: 1 {part_id(PARCEL)}\r\n".encode()
    assert heading(part)
    for bad in (b"From: a\0b@x\r\n", b"From: a@x\rBcc: evil@x\r\n", b"X: " + b"x" * 65_536):
        assert heading(part + bad) is None


@pytest.mark.parametrize(
    "part", ["", "1", "2 " + "a" * 40, "1 " + "a" * 39, "1 " + "a" * 41, "1 " + "A" * 40, "1 /../etc"]
)
def test_only_a_name_of_ours_is_a_name(part: str):
    found = heading(f"{PART_HEADER}: {part}\r\n".encode())
    assert found is not None
    assert found.part == ""


# -- armour ---------------------------------------------------------------------------------------


TEXT = armour(b"three barrels of herring, one for the lighthouse").replace(b"\r\n", b"\n")
BEGIN, BLANK, DATA, CHECK, END = TEXT.split(b"\n")[:5]


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"\n\n", b"\nVersion: GnuPG v2\nComment: x: y\n\n"),
        TEXT.replace(b"\n\n", b"\n"),
        TEXT.replace(b"\n\n", b"\nVersion: GnuPG v2\n"),
        TEXT.replace(CHECK + b"\n", b""),
        TEXT.replace(DATA, DATA[:10] + b"\n" + DATA[10:]),
        TEXT.replace(DATA + b"\n", DATA),
        TEXT.replace(DATA, DATA[:9] + b"  \n\n \t" + DATA[9:]),
        b"\n \n" + TEXT + b"\n\n",
        b" ".join(TEXT.split()).replace(b"- ", b"-\n").replace(b"BEGIN\n", b"BEGIN ").replace(b"END\n", b"END "),
    ],
)
def test_armour_as_others_write_it_is_read(text: bytes):
    assert unarmour(text) == b"three barrels of herring, one for the lighthouse"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "begin and end"),
        (BEGIN, "begin and end"),
        (BEGIN[:-1] + END, "begin and end"),
        (TEXT + b"and more", "begin and end"),
        (TEXT.replace(DATA, DATA[:-4]), "checksum"),
        (TEXT.replace(CHECK, b"=AAAA"), "checksum"),
        (TEXT.replace(DATA, DATA[:-1]), "base64"),
        (TEXT.replace(DATA, b"*" + DATA[1:]), "base64"),
        (TEXT.replace(DATA, DATA + b"!"), "base64"),
        (TEXT.replace(b"\n\n", b"\n" + b"A: b\n" * 40), "base64"),
    ],
)
def test_other_armour_is_refused(text: bytes, says: str):
    with pytest.raises(Damaged, match=says):
        unarmour(text)


def crc24_by_the_book(data: bytes) -> int:
    """RFC 4880, 6.1, line by line."""
    crc = 0xB704CE
    for octet in data:
        crc ^= octet << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF


@pytest.mark.parametrize("size", [*range(40), 127, 128, 129, 255, 256, 257, 1000, 4096, 20_000])
def test_the_checksum_is_the_one_in_the_book(size: int) -> None:
    assert crc24(NOISE[:size]) == crc24_by_the_book(NOISE[:size])
    assert crc24(bytes(size)) == crc24_by_the_book(bytes(size))


def test_armour_is_fast():
    """0.02 s for 4 MiB when it was written; half a second would be the loop over bytes it must not be."""
    data = bytes(4 << 20)
    start = time.process_time()
    crc24(data)
    assert time.process_time() - start < 0.5
