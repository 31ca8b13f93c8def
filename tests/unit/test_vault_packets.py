"""Packets and descriptions; the grammar itself is tested with whole envelopes."""

from __future__ import annotations

import random

import pytest

from paquebot.errors import Malformed, TooLarge
from paquebot.protocol.limits import ENVELOPE_BYTES_MAX
from paquebot.vault.openpgp import mpi
from paquebot.vault.packets import Description, describe, packet, split

NOISE = random.Random(2).randbytes(20_000)


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
