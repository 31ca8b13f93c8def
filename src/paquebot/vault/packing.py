"""A bundle as one zstd frame, padded so that its length says little. `zstd -d` opens it.

Where bytes are dear and the peer has said that it has our dictionary, the frame is made with that, and
`zstd -d -D dictionary-1` opens it. The padding is Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted
Files", 2019): at most 12 %, in a skippable frame of zeros. What unpacking may cost is known before a byte is allocated.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import zstandard

from paquebot.errors import Malformed, TooLarge
from paquebot.protocol.limits import BUNDLE_BYTES_MAX, MIB

__all__ = ["DICTIONARY_ID", "pack", "padme", "pieces", "unpack"]

LEVEL = 3
DICTIONARY_ID = 0x50510001  # "PQ", and the number by which adverts name it
WINDOW_BYTES_MAX = 8 * MIB  # the decoder's memory; level 3 asks for 2 MiB
_PADDING_MAGIC = 0x184D2A5D.to_bytes(4, "little")
_PADDING_HEADER = 8
_CHECKSUM = 4
_RLE, _RESERVED = 1, 3
_EMPTY_BLOCK = b"\x01\0\0"


def padme(length: int) -> int:
    """Return the padded length for *length*.

    >>> [padme(n) for n in (0, 300, 1_000, 10_000)]
    [0, 304, 1024, 10240]
    """
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    free = (1 << (exponent - exponent.bit_length())) - 1
    return (length + free) & ~free


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(Path(__file__).with_name("dictionary-1").read_bytes())


def pack(bundle: bytes, *, dictionary: bool = False) -> bytes:
    """Return *bundle* compressed, with our *dictionary* if asked, and padded. Raise `TooLarge` above the limit.

    >>> unpack(pack(b"abc")), unpack(pack(b"abc", dictionary=True))
    (b'abc', b'abc')
    """
    return b"".join(pieces(bundle, dictionary=dictionary))


def pieces(bundle: bytes, *, dictionary: bool = False) -> tuple[bytes, ...]:
    """Return what `pack` returns, not yet put together: that would be one more copy of megabytes."""
    if len(bundle) > BUNDLE_BYTES_MAX:
        raise TooLarge("the bundle is larger than 8 MiB")
    known = _dictionary() if dictionary else None
    frame = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True, dict_data=known).compress(bundle)
    if padme(len(frame)) == len(frame):
        return (frame,)
    zeros = padme(len(frame) + _PADDING_HEADER) - len(frame) - _PADDING_HEADER
    return frame, _PADDING_MAGIC + zeros.to_bytes(4, "little") + bytes(zeros)


def unpack(blob: bytes | memoryview, limit: int = BUNDLE_BYTES_MAX) -> bytes:
    """Return the bundle in *blob*: one frame that declares at most *limit* bytes, then padding or nothing.

    Raise `TooLarge` or `Malformed`. Never allocate more than was declared.
    """
    blob = memoryview(blob)
    try:
        declared = zstandard.get_frame_parameters(blob)
    except zstandard.ZstdError:
        raise Malformed("the packing does not begin with a zstd frame") from None
    # A skippable frame looks like an empty one to the library.
    if bytes(blob[:4]) != zstandard.FRAME_HEADER:
        raise Malformed("the packing does not begin with a zstd frame")
    if declared.content_size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
        raise Malformed("the zstd frame does not declare its content size")
    if declared.content_size > limit:
        raise TooLarge("the zstd frame declares more than the limit")
    if declared.window_size > WINDOW_BYTES_MAX:
        raise TooLarge("the zstd frame asks for a window larger than 8 MiB")
    if declared.dict_id not in (0, DICTIONARY_ID):
        raise Malformed("the zstd frame asks for a dictionary that this version has not got")
    start = zstandard.frame_header_size(blob)
    end = _frame_end(blob, start, checksum=declared.has_checksum)
    _check_padding(blob[end:])
    # The library does not look into a frame that declares itself empty.
    if not declared.content_size and bytes(blob[start : start + 3]) != _EMPTY_BLOCK:
        raise Malformed("the zstd frame is damaged or lies about its size")
    try:
        known = _dictionary() if declared.dict_id else None
        bundle = zstandard.ZstdDecompressor(dict_data=known).decompress(blob[:end])
    except zstandard.ZstdError:
        raise Malformed("the zstd frame is damaged or lies about its size") from None
    if len(bundle) != declared.content_size:
        raise Malformed("the zstd frame is damaged or lies about its size")
    return bundle


def _frame_end(blob: memoryview, at: int, *, checksum: bool) -> int:
    """Return where the frame ends whose first block begins *at* (RFC 8878, 3.1.1.2)."""
    last = False
    while not last:
        if at + 3 > len(blob):
            raise Malformed("the zstd frame is cut short")
        head = int.from_bytes(blob[at : at + 3], "little")
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        if kind == _RESERVED:
            raise Malformed("the zstd frame holds a block of reserved type")
        at += 3 + (1 if kind == _RLE else size)
    at += _CHECKSUM if checksum else 0
    if at > len(blob):
        raise Malformed("the zstd frame is cut short")
    return at


def _check_padding(rest: memoryview) -> None:
    """Refuse anything behind the frame but one skippable frame of zeros."""
    if not rest:
        return
    if bytes(rest[:4]) != _PADDING_MAGIC or len(rest) < _PADDING_HEADER:
        raise Malformed("something other than padding follows the zstd frame")
    if int.from_bytes(rest[4:8], "little") != len(rest) - _PADDING_HEADER:
        raise Malformed("the padding does not end where the packing ends")
    if bytes(rest[_PADDING_HEADER:]).strip(b"\0"):
        raise Malformed("the padding is not all zeros")
