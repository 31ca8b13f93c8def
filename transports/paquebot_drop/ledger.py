"""The ledger: what this node remembers of one medium, in the state that the house keeps for it.

Below the volume's id: ``w/CRATE`` what we wrote into a crate; ``r/CRATE`` (and ``r/CRATE+n``, until a visit ends)
what became of the records we read; ``f`` which findings were told; ``n`` what is waited for, and how long already.
Other media have other prefixes and are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

from paquebot.transport import Context, Verdict
from paquebot_drop.patience import Waited

_CRATE = 26
_WROTE = Struct("<8sI")
_RECORD = Struct("<16s16sIB")
_WAITED = Struct("<16sIH")
_VERDICTS = (Verdict.TAKEN, Verdict.REFUSED, Verdict.NOT_OURS)


@dataclass(frozen=True, slots=True)
class Record:
    """One record we wrote."""

    id: bytes
    outgoing: bytes
    expires: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Wrote:
    """One crate we wrote. No records: we began it, and never said that anything lies in it."""

    checked: bytes
    """In which state of the medium we last found our records whole; see `checkmark`."""
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a record we read: a verdict, with the token or the epoch that belong to it."""

    verdict: Verdict
    detail: bytes = bytes(16)


def checkmark(files: Iterable[tuple[int, int, bool]], notes: Iterable[str]) -> bytes:
    """Return 8 bytes that stay the same as long as there is no reason to verify records of ours again.

    *files* hold them: each one's size, stamp and whether it is intact. *notes* call one of them damaged.
    """
    told = repr((sorted(files), sorted(notes)))
    return blake2b(told.encode("utf-8", "surrogateescape"), digest_size=8).digest()


def epoch_mark(epoch: str) -> bytes:
    """Return 16 bytes that stand for *epoch*."""
    return blake2b(epoch.encode(), digest_size=16).digest()


class Ledger:
    """The durable memory of one volume."""

    def __init__(self, context: Context, volume: str) -> None:
        self._context = context
        self._prefix = f"{volume}/"
        self._serial = 0

    def wrote(self) -> dict[str, Wrote]:
        """Return every crate we wrote and still care for."""
        below = f"{self._prefix}w/"
        return {key[len(below) :]: _parse_wrote(value) for key, value in self._context.items(below)}

    def set_wrote(self, crate: str, wrote: Wrote | None) -> None:
        """Remember, or forget, a crate of ours."""
        self._put(f"w/{crate}", None if wrote is None else _pack_wrote(wrote))

    def settled(self) -> dict[bytes, Settled]:
        """Return what became of every record we read here."""
        below = f"{self._prefix}r/"
        found: dict[bytes, Settled] = {}
        for key, value in self._context.items(below):
            serial = key[len(below) + _CRATE + 1 :]
            self._serial = max(self._serial, int(serial) + 1 if serial else 0)
            for i in range(0, len(value) - 32, 33):
                found[value[i : i + 16]] = Settled(_VERDICTS[value[i + 16] % 3], value[i + 17 : i + 33])
        return found

    def settle(self, crate: str, settled: Mapping[bytes, Settled]) -> None:
        """Remember what became of some records of *crate*, at a cost that does not grow with the crate."""
        self._put(f"r/{crate}+{self._serial:09}", _pack_settled(settled))
        self._serial += 1

    def tidy(self, crates: Mapping[str, Mapping[bytes, Settled]]) -> None:
        """Remember of what we read exactly *crates*, one value each."""
        below = f"{self._prefix}r/"
        wanted = {f"{below}{crate}": _pack_settled(settled) for crate, settled in crates.items() if settled}
        for key, value in wanted.items():
            if self._context.get(key) != value:
                self._context.put(key, value)
        for key in [key for key, _ in self._context.items(below) if key not in wanted]:
            self._context.put(key, None)

    def told(self) -> frozenset[bytes]:
        """Return the marks of the findings that were told."""
        value = self._context.get(f"{self._prefix}f") or b""
        return frozenset(value[i : i + 16] for i in range(0, len(value), 16))

    def set_told(self, marks: frozenset[bytes]) -> None:
        """Remember which findings were told."""
        self._put("f", b"".join(sorted(marks)) or None)

    def noticed(self) -> dict[bytes, Waited]:
        """Return how long each thing that is waited for has been as it is."""
        value = self._context.get(f"{self._prefix}n") or b""
        return {mark: Waited(seen, hours) for mark, seen, hours in _WAITED.iter_unpack(value)}

    def set_noticed(self, noticed: Mapping[bytes, Waited]) -> None:
        """Remember how long things have been as they are."""
        packed = (_WAITED.pack(mark, each.seen, each.hours) for mark, each in sorted(noticed.items()))
        self._put("n", b"".join(packed) or None)

    def _put(self, key: str, value: bytes | None) -> None:
        key = self._prefix + key
        if self._context.get(key) != value:
            self._context.put(key, value)


def _pack_wrote(wrote: Wrote) -> bytes:
    return _WROTE.pack(wrote.checked, len(wrote.records)) + b"".join(
        _RECORD.pack(record.id, record.outgoing, record.expires, len(record.hashes)) + b"".join(record.hashes)
        for record in wrote.records
    )


def _parse_wrote(value: bytes) -> Wrote:
    checked, count = _WROTE.unpack_from(value)
    records, at = [], _WROTE.size
    for _ in range(count):
        name, outgoing, expires, many = _RECORD.unpack_from(value, at)
        at += _RECORD.size
        hashes = tuple(value[i : i + 16] for i in range(at, at + 16 * many, 16))
        at += 16 * many
        records.append(Record(name, outgoing, expires, hashes))
    return Wrote(checked, tuple(records))


def _pack_settled(settled: Mapping[bytes, Settled]) -> bytes:
    return b"".join(
        name + bytes([_VERDICTS.index(entry.verdict)]) + entry.detail for name, entry in sorted(settled.items())
    )
