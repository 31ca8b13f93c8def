"""The chunks of large files in a store in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.state import Local
from paquebot.store.blobs import MemoryBlobs
from paquebot.testing.tables import Tables


class ChunkView:
    """The part of the view that looks at chunks."""

    _tables: Tables
    _blobs: MemoryBlobs
    _local: Local

    def has_blob(self, name: bytes) -> bool:
        return name in self._tables.sizes

    def blob(self, name: bytes) -> bytes | None:
        return self._blobs.get(name) if self.has_blob(name) else None

    def chunk(self, number: int) -> bytes | None:
        return self._tables.chunks.get(number, (b"", False))[0] or None

    def files_with(self, chunk: bytes, *, held: bool = False) -> Sequence[ResourceId]:
        tables = self._tables
        found = (number for number in tables.places.get(chunk, ()) if tables.chunks[number][1] == held)
        return list(dict.fromkeys(tables.files[number] for number in found))

    def chunks_of(self, resource: ResourceId) -> Ranges:
        row = self._tables.rows.get(resource)
        return Ranges.of((row.chunk_first, row.chunk_first + row.chunk_total - 1)) if row else Ranges()

    def chunks_named(self, resource: ResourceId) -> bool:
        return all(self.chunk(number) for number in self.chunks_of(resource))

    def shared(self, resource: ResourceId) -> Ranges:
        numbers = self.chunks_of(resource)
        names = ((number, self.chunk(number)) for number in numbers)
        return Ranges.numbers(n for n, name in names if name and set(self._tables.places[name]) - set(numbers))

    def lacking(self, resource: ResourceId) -> Ranges:
        numbers = self.chunks_of(resource)
        first = numbers.runs[0][0] if numbers else 0
        return Ranges.numbers(number - first for number in numbers if not self._tables.chunks[number][1])

    def own_chunks(self) -> Ranges:
        rows, hidden, us = self._tables.rows, self._tables.hidden, self._local.user
        mine = (n for n, row in rows.items() if row.kept.user == us and row.chunk_total and n not in hidden)
        return Ranges.of(*(self.chunks_of(name).runs[0] for name in mine))

    def loose_by(self, peer: Fingerprint) -> tuple[int, int]:
        sizes = [self._tables.sizes[chunk] for chunk, brought in self._tables.loose.items() if brought == peer]
        return len(sizes), sum(sizes)

    def givers(self, chunk: bytes) -> Collection[Fingerprint]:
        return self._tables.givers.get(chunk, ())
