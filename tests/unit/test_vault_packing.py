"""What packing promises, and what unpacking refuses before it costs anything."""

from __future__ import annotations

import random
import shutil
import subprocess
import tracemalloc
from importlib.resources import files
from pathlib import Path

import pytest
import zstandard

from paquebot.errors import Malformed, Refused, TooLarge
from paquebot.protocol.limits import BUNDLE_BYTES_MAX, MIB
from paquebot.vault.packing import pack, padme, unpack

NOISE = random.Random(1).randbytes(MIB)
BUNDLES = {"empty": b"", "short": b"herring", "text": b"herring " * 40, "noise": NOISE, "zeros": bytes(3 * MIB)}


def frame(data: bytes, **options: bool | int) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)  # type: ignore[arg-type]


def block(kind: int, size: int, body: bytes, *, last: bool = True) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + body


def raw_frame(declared: int, *blocks: bytes) -> bytes:
    """Return a single-segment frame that declares a size of four bytes."""
    return zstandard.FRAME_HEADER + b"\xa0" + declared.to_bytes(4, "little") + b"".join(blocks)


def padding(zeros: bytes, length: int | None = None) -> bytes:
    return b"\x5d\x2a\x4d\x18" + (len(zeros) if length is None else length).to_bytes(4, "little") + zeros


def windowed(log: int) -> bytes:
    """Return a frame of three bytes that asks for a window of 2**log."""
    return zstandard.FRAME_HEADER + bytes((0x80, log - 10 << 3)) + b"\3\0\0\0" + block(0, 3, b"abc")


@pytest.mark.parametrize("name", BUNDLES)
def test_what_was_packed_is_unpacked(name: str) -> None:
    assert unpack(pack(BUNDLES[name])) == BUNDLES[name]


@pytest.mark.parametrize("name", BUNDLES)
def test_zstd_alone_opens_it(name: str) -> None:
    if not (program := shutil.which("zstd")):
        pytest.skip("zstd is not installed")
    done = subprocess.run([program, "-dc"], input=pack(BUNDLES[name]), capture_output=True, check=True)
    assert done.stdout == BUNDLES[name]


@pytest.mark.parametrize("name", BUNDLES)
def test_who_has_the_dictionary_unpacks_what_was_packed_with_it(name: str) -> None:
    assert unpack(pack(BUNDLES[name], dictionary=True)) == BUNDLES[name]


def test_a_lone_message_is_a_tenth_shorter_with_the_dictionary() -> None:
    bundle = (Path(__file__).parents[2] / "fixtures/bundle/verbatim.cbor").read_bytes()
    assert len(pack(bundle, dictionary=True)) < 0.9 * len(pack(bundle))


def test_zstd_opens_it_with_the_dictionary_and_not_without() -> None:
    if not (program := shutil.which("zstd")):
        pytest.skip("zstd is not installed")
    dictionary = files("paquebot.vault").joinpath("dictionary-1")
    blob = pack(BUNDLES["text"], dictionary=True)
    done = subprocess.run([program, "-dc", "-D", str(dictionary)], input=blob, capture_output=True, check=True)
    assert done.stdout == BUNDLES["text"]
    assert subprocess.run([program, "-dc"], input=blob, capture_output=True, check=False).returncode


@pytest.mark.parametrize("size", [*range(64), 300, 1000, 10_000, 100_001])
def test_the_length_is_one_of_few(size: int) -> None:
    blob = pack(NOISE[:size])
    assert padme(len(blob)) == len(blob)
    assert len(blob) <= (size + 9 + 12) * 1.12 + 8


def test_noise_hardly_grows() -> None:
    assert len(pack(NOISE)) < len(NOISE) * 1.04


def test_a_frame_needs_no_padding_and_may_have_a_checksum() -> None:
    assert unpack(frame(b"abc" * 50, write_checksum=True)) == b"abc" * 50
    assert unpack(frame(b"", write_checksum=True) + padding(b"")) == b""
    assert unpack(windowed(23)) == b"abc"
    assert unpack(raw_frame(300, block(1, 300, b"x"))) == b"x" * 300


HOSTILE = {
    "nothing": (b"", Malformed),
    "noise": (NOISE[:100], Malformed),
    "padding only": (padding(bytes(8)), Malformed),
    "padding first": (padding(bytes(8)) + frame(b"abc"), Malformed),
    "no size": (frame(b"abc" * 50, write_content_size=False), Malformed),
    "declares less": (raw_frame(2, block(0, 3, b"abc")), Malformed),
    "declares more": (raw_frame(4, block(0, 3, b"abc")), Malformed),
    "declares nothing": (raw_frame(0, block(1, 1 << 17, b"x")), Malformed),
    "declares nothing, many": (raw_frame(0, *[block(1, 1 << 17, b"x", last=False)] * 500), Malformed),
    "declares the limit, has none": (raw_frame(BUNDLE_BYTES_MAX, block(0, 0, b"")), Malformed),
    "declares above the limit": (raw_frame(BUNDLE_BYTES_MAX + 1, block(0, 3, b"abc")), TooLarge),
    "bomb": (frame(bytes(64 * MIB)), TooLarge),
    "bomb that lies": (raw_frame(100, *[block(1, 1 << 17, b"x", last=False)] * 511, block(1, 1, b"x")), Malformed),
    "second frame": (frame(b"abc") * 2, Malformed),
    "second frame behind the padding": (frame(b"abc") + padding(b"") + frame(b"abc"), Malformed),
    "two paddings": (frame(b"abc") + padding(b"") * 2, Malformed),
    "padding not zero": (frame(b"abc") + padding(b"\0\0\1"), Malformed),
    "padding too short": (frame(b"abc") + padding(b"\0\0", 3), Malformed),
    "padding too long": (frame(b"abc") + padding(b"\0\0", 1), Malformed),
    "padding cut": (frame(b"abc") + padding(b"")[:7], Malformed),
    "padding of another magic": (frame(b"abc") + b"\x50" + padding(b"")[1:], Malformed),
    "zeros behind": (frame(b"abc") + b"\0", Malformed),
    "window": (windowed(24), TooLarge),
    "our dictionary, damaged": (pack(b"herring", dictionary=True)[:-3], Malformed),
    "dictionary": (zstandard.FRAME_HEADER + b"\x21\x07\x03" + block(0, 3, b"abc"), Malformed),
    "reserved block": (raw_frame(3, block(3, 3, b"abc")), Malformed),
    "reserved bit": (zstandard.FRAME_HEADER + b"\x28\x03" + block(0, 3, b"abc"), Malformed),
    "damaged": (frame(b"herring " * 99)[:-3] + b"\xff\xff\xff", Malformed),
    "wrong checksum": (frame(b"abc", write_checksum=True)[:-1] + b"\0", Malformed),
    "no last block": (raw_frame(3, block(0, 3, b"abc", last=False)), Malformed),
    "magic only": (zstandard.FRAME_HEADER, Malformed),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_packing_is_refused_without_cost(name: str) -> None:
    blob, error = HOSTILE[name]
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as refusal:
            unpack(blob)
        assert tracemalloc.get_traced_memory()[1] < BUNDLE_BYTES_MAX + MIB
    finally:
        tracemalloc.stop()
    assert type(refusal.value) is error, refusal.value


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dictionary", "dictionary"),
        ("reserved block", "reserved type"),
        ("no size", "does not declare"),
        ("no last block", "cut short"),
        ("padding first", "does not begin"),
        ("padding not zero", "not all zeros"),
    ],
)
def test_a_refusal_says_what_was_wrong(name: str, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        unpack(HOSTILE[name][0])


def test_a_packing_cut_anywhere_is_refused() -> None:
    blob = frame(b"herring, barrel, lighthouse; " * 9, write_checksum=True)
    for end in range(len(blob)):
        with pytest.raises(Malformed):
            unpack(blob[:end])


def test_the_limit_is_the_callers() -> None:
    assert unpack(pack(b"abc"), limit=3) == b"abc"
    with pytest.raises(TooLarge):
        unpack(pack(b"abc"), limit=2)


def test_nothing_above_the_limit_is_packed() -> None:
    with pytest.raises(TooLarge):
        pack(bytes(BUNDLE_BYTES_MAX + 1))
