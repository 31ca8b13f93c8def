"""The crate: many records in one file that proves itself, whole or torn.

A record is a header with its own checksum, then a sealed body whose SHA-256 hash stands in the header. After the
last record comes an index of them all. A crate is written once and never changed. What is read here may be torn,
rotten or hostile: every number is checked before it is used, and no body is returned whose hash is wrong.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from zlib import crc32

from paquebot.transport import parcel_name

MAGIC = b"PQR1"
END = b"PQX1"
BODY_MAX = 16 << 20
CRATE_MAX = 64 << 20  # a size that every file system and syncer takes, and that a torn one may cost
TOKENS_MAX = 1 << 16  # recipients of all its records, so that a slip that speaks of all of them stays small
RECIPIENTS_MAX = 64
OVERHEAD_MAX = 4096  # more than the header and the index line of the longest record

HOPS_MAX = PRIORITY_MAX = 15  # they share an octet: hops above, priority below

_HEAD = Struct("<4sI16sBIB")  # magic, length, id, hops and priority, expires, recipients
_LINE = Struct("<16sBIBII")  # id, hops and priority, expires, recipients, offset, length
_TAIL = Struct("<16sII4s")  # hash of the index, its length, count, end mark
_CRC = Struct("<I")
_STEP = 64 << 10
_HEAD_MAX = _HEAD.size + 24 * RECIPIENTS_MAX + _CRC.size

Read = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record, as far as anybody may know it."""

    id: bytes
    priority: int
    expires: int
    """Hours since 1970."""
    recipients: tuple[tuple[bytes, bytes], ...]
    """Each one's tag and token hash."""
    offset: int
    length: int
    hops: int = 0
    """How many nodes have carried it on."""

    @property
    def outside(self) -> bytes:
        """16 bytes made of the whole header: anybody can write the same body under another one."""
        return digest(pack_header(self))

    @property
    def start(self) -> int:
        """Where the body begins."""
        return self.offset + header_size(len(self.recipients))

    @property
    def end(self) -> int:
        """Where the next record may begin."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Contents:
    """What a crate was found to hold."""

    entries: tuple[Entry, ...]
    intact: bool


def digest(data: bytes) -> bytes:
    """Return the 16 bytes by which a body is known, as every carrier knows it, and whatever else is told apart here.

    >>> digest(b"").hex()[:8]
    'e3b0c442'
    """
    return parcel_name(data)


def base32(data: bytes) -> str:
    """Return *data* in letters that every file system keeps apart.

    >>> base32(bytes(16))
    'AAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    return b32encode(data).decode().rstrip("=")


def header_size(recipients: int) -> int:
    """Return how many bytes stand before the body of a record for so many *recipients*."""
    return _HEAD.size + 24 * recipients + _CRC.size


def line_size(recipients: int) -> int:
    """Return how many bytes a record for so many *recipients* takes in the index."""
    return _LINE.size + 24 * recipients


def pack_header(entry: Entry) -> bytes:
    """Return what stands before the body of *entry*."""
    head = _HEAD.pack(MAGIC, entry.length, entry.id, _urgency(entry), entry.expires, len(entry.recipients)) + b"".join(
        tag + token for tag, token in entry.recipients
    )
    return head + _CRC.pack(crc32(head))


def _urgency(entry: Entry) -> int:
    return entry.hops << 4 | entry.priority


def pack_trailer(entries: Sequence[Entry]) -> bytes:
    """Return the index of *entries* and the end of the crate."""
    index = b"".join(
        _LINE.pack(entry.id, _urgency(entry), entry.expires, len(entry.recipients), entry.offset, entry.length)
        + b"".join(tag + token for tag, token in entry.recipients)
        for entry in entries
    )
    return index + _TAIL.pack(digest(index), len(index), len(entries), END)


def read_contents(read: Read, size: int) -> Contents:
    """Return what a crate of *size* bytes holds: by its index if that is sound, else record by record.

    *read* takes an offset and a count, and may return less than that.
    """
    entries = read_index(read, size)
    return Contents(entries, True) if entries is not None else salvage(read, size)


def read_index(read: Read, size: int) -> tuple[Entry, ...] | None:
    """Return what the index names, or None unless the index is sound and fits the file."""
    tail = read(size - _TAIL.size, _TAIL.size) if size >= _TAIL.size else b""
    if len(tail) != _TAIL.size:
        return None
    index_hash, length, count, end = _TAIL.unpack(tail)
    begin = size - _TAIL.size - length
    if end != END or begin < 0 or not 0 < count <= length // line_size(1) <= TOKENS_MAX:
        return None
    index = read(begin, length)
    if len(index) != length or digest(index) != index_hash:
        return None
    return _parse_index(index, count, begin)


def _parse_index(index: bytes, count: int, limit: int) -> tuple[Entry, ...] | None:
    """Return exactly *count* entries that lie one after the other below *limit*, or None."""
    entries, at, free, left = [], 0, 0, TOKENS_MAX
    for _ in range(count):
        if at + _LINE.size > len(index):
            return None
        name, urgency, expires, many, offset, length = _LINE.unpack_from(index, at)
        at += _LINE.size
        left -= many
        if left < 0 or not 1 <= many <= RECIPIENTS_MAX or length > BODY_MAX or at + 24 * many > len(index):
            return None
        entry = Entry(name, urgency & 15, expires, _pairs(index, at, many), offset, length, urgency >> 4)
        at += 24 * many
        # Records that overlapped could make us read the same bytes without end.
        if offset < free or entry.end > limit:
            return None
        free = entry.end
        entries.append(entry)
    return tuple(entries) if at == len(index) else None


def salvage(read: Read, size: int) -> Contents:
    """Return every whole record of a torn or damaged crate, looking for the next one behind each damage."""
    entries: list[Entry] = []
    at, straight, left = 0, True, TOKENS_MAX
    effort = 4 * size + (32 << 20)  # a hostile file may nest headers; give up instead of reading for ever
    while effort > 0 and left > 0:
        entry = _entry_at(read, at, size)
        if entry is not None:
            effort -= entry.length
            left -= len(entry.recipients)
            if read_body(read, entry) is not None:
                entries.append(entry)
                at = entry.end
                continue
        if straight and entries:
            # Recovery programs pad what they find to whole clusters.
            trailer = pack_trailer(entries)
            if read(at, len(trailer)) == trailer:
                return Contents(tuple(entries), True)
        straight = False
        found, cost = _next_magic(read, at + 1, size)
        if found is None:
            break
        at, effort = found, effort - cost
    return Contents(tuple(entries), False)


def read_body(read: Read, entry: Entry) -> bytes | None:
    """Return the body of *entry*, or None if it is not the one that was written."""
    body = read(entry.start, entry.length)
    return body if len(body) == entry.length and digest(body) == entry.id else None


def _entry_at(read: Read, at: int, size: int) -> Entry | None:
    """Return the entry whose sound header stands at *at* and whose body lies inside the file."""
    data = read(at, _HEAD_MAX)
    if len(data) < header_size(1) or data[:4] != MAGIC:
        return None
    _, length, name, urgency, expires, many = _HEAD.unpack_from(data)
    end = _HEAD.size + 24 * many
    if not 1 <= many <= RECIPIENTS_MAX or length > BODY_MAX or end + _CRC.size > len(data):
        return None
    if at + end + _CRC.size + length > size or _CRC.unpack_from(data, end)[0] != crc32(data[:end]):
        return None
    return Entry(name, urgency & 15, expires, _pairs(data, _HEAD.size, many), at, length, urgency >> 4)


def _next_magic(read: Read, at: int, size: int) -> tuple[int | None, int]:
    """Return where the next record may begin, and how many bytes it took to find out."""
    cost = 0
    while at + header_size(1) <= size:
        chunk = read(at, _STEP)
        cost += _STEP
        found = chunk.find(MAGIC)
        if found >= 0:
            return at + found, cost
        at += _STEP - len(MAGIC) + 1  # also past what cannot be read
    return None, cost


def _pairs(data: bytes, at: int, many: int) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((data[i : i + 8], data[i + 8 : i + 24]) for i in range(at, at + 24 * many, 24))
