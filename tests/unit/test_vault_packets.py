"""Armour and descriptions; the grammar itself is tested with whole envelopes."""

from __future__ import annotations

import random

import pytest

from paquebot.errors import BadSignature, Malformed, TooLarge
from paquebot.protocol.limits import ENVELOPE_BYTES_MAX
from paquebot.vault.openpgp import mpi
from paquebot.vault.packets import Description, armor, crc24, dearmor, describe, packet, split

NOISE = random.Random(2).randbytes(20_000)


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


@pytest.mark.parametrize("size", [0, 1, 2, 3, 47, 48, 49, 20_000])
def test_armour_holds_what_was_put_in(size: int) -> None:
    text = armor(NOISE[:size])
    assert dearmor(text) == NOISE[:size]
    assert max(map(len, text.split(b"\n"))) <= 64


TEXT = armor(b"three barrels of herring, one for the lighthouse")
BEGIN, BLANK, BODY, CHECK, END, _ = TEXT.split(b"\n")


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"\n", b"  \n"),
        b"\n\n" + TEXT + b"\n \n",
        b"\n".join((BEGIN, b"", BODY, END)),
        b"\n".join((BEGIN, b"Comment: by hand", b"", BODY[:20], BODY[20:], CHECK, END)),
    ],
    ids=["crlf", "trailing space", "blank lines around", "no checksum", "headers and other lines"],
)
def test_armour_as_others_write_it_is_read(text: bytes) -> None:
    assert dearmor(text) == dearmor(TEXT)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", Malformed),
        (BODY, Malformed),
        (b"hello\n" + TEXT, Malformed),
        (TEXT + b"hello", Malformed),
        (TEXT + TEXT, Malformed),
        (TEXT[:-6], Malformed),
        (b"\n".join((BEGIN, BODY, CHECK, END)), Malformed),
        (b"\n".join((BEGIN, b"nonsense", b"", BODY, CHECK, END)), Malformed),
        (b"\n".join((BEGIN, b"", BODY[:-1], CHECK, END)), Malformed),
        (b"\n".join((BEGIN, b"", BODY[:9] + b"*" + BODY[10:], CHECK, END)), Malformed),
        (b"\n".join((BEGIN, b"", BODY, b"=????", END)), Malformed),
        (b"\n".join((BEGIN, b"", BODY, b"=AAAA", END)), BadSignature),
        (b"\n".join((BEGIN, b"", b"A" + BODY[1:], CHECK, END)), BadSignature),
        (b" " * (2 * ENVELOPE_BYTES_MAX), TooLarge),
    ],
)
def test_other_armour_is_refused(text: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as refusal:
        dearmor(text)
    assert type(refusal.value) is error


@pytest.mark.parametrize("size", [0, 191, 192, 8383, 8384, 20_000])
def test_packets_of_every_length_are_split(size: int) -> None:
    data = packet(11, NOISE[:size]) + packet(13, b"x")
    assert [(found.tag, bytes(found.body)) for found in split(data)] == [(11, NOISE[:size]), (13, b"x")]


def test_a_number_is_written_without_leading_zeros() -> None:
    assert mpi(b"\0\0").hex() == "0000"
    assert mpi(b"\0\x80").hex() == "000880"


def test_a_description_tells_what_can_be_seen() -> None:
    recipient = b"\x03" + bytes(8) + b"\x12" + bytes(84)
    named = b"\x03" + b"\xab" * 8 + b"\x01" + bytes(84)
    data = packet(1, recipient) + packet(1, named) + packet(18, b"\x01" + bytes(99)) + packet(63, b"")
    assert describe(data) == (
        Description(1, "encrypted session key", 94, "hidden recipient, ECDH"),
        Description(1, "encrypted session key", 94, "key abababababababab, algorithm 1"),
        Description(18, "encrypted data", 100, "version 1, AES with modification detection"),
        Description(63, "unknown", 0, ""),
    )


@pytest.mark.parametrize("tag", range(1, 64))
def test_a_description_never_stumbles(tag: int) -> None:
    for size in (0, 1, 4, 6, 10, 99):
        assert describe(packet(tag, bytes((4,)) * size))[0].size == size


def test_a_description_of_noise_is_refused() -> None:
    with pytest.raises(Malformed):
        describe(b"hello")
    with pytest.raises(TooLarge):
        describe(bytes(ENVELOPE_BYTES_MAX + 1))
