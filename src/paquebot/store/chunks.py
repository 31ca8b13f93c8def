"""The chunks of large files in the store: which are here, which files name them, and who brought them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Protocol

from paquebot.protocol.effects import Chunking, DropLoose, Gave, Loose
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, raw
from paquebot.protocol.ranges import Ranges
from paquebot.store.rows import Owner


class BlobSource(Protocol):
    """Where large bytes are read from."""

    def get(self, name: bytes) -> bytes | None:
        """Return the bytes with that SHA-256, verified; None if they are not here."""


class ChunkView(Owner):
    """The part of the view that looks at chunks."""

    _blobs: BlobSource
    _named: set[int]
    """The first numbers of files all of whose chunks are named: that stays so."""

    def has_blob(self, name: bytes) -> bool:
        """Return whether the chunk with that SHA-256 is stored."""
        return self._one("SELECT 1 FROM blob WHERE node = ? AND hash = ?", name) is not None

    def blob(self, name: bytes) -> bytes | None:
        """Return the chunk with that SHA-256."""
        return self._blobs.get(name) if self.has_blob(name) else None

    def chunk(self, number: int) -> bytes | None:
        """Return the SHA-256 of the chunk to which we gave that number."""
        row = self._one("SELECT hash FROM chunk WHERE node = ? AND number = ?", number)
        return row[0] if row and row[0] else None

    def chunks_lacking(self, name: bytes) -> Sequence[int]:
        """Return our numbers of the chunks that have this hash and are not held."""
        return self._chunks_with(name, held=False)

    def _chunks_with(self, name: bytes, *, held: bool) -> list[int]:
        # Without statistics SQLite would rather search all chunks in the order of their numbers.
        rows = self._all(
            "SELECT number FROM chunk INDEXED BY chunk_hash WHERE node = ? AND hash = ? AND held = ? ORDER BY number",
            name,
            held,
        )
        return [row[0] for row in rows]

    def file_of(self, chunk: int) -> int:
        """Return our line number of the file to which a chunk belongs."""
        row = self._one(
            "SELECT number FROM resource WHERE node = ? AND chunk_total > 0 AND chunk_first <= ?"
            " ORDER BY chunk_first DESC LIMIT 1",
            chunk,
        )
        return int(row[0])

    def files_with(self, chunk: bytes, *, held: bool = False) -> Sequence[ResourceId]:
        """Return the incomplete files that lack *chunk*; with *held*, the files that have it. In order of arrival."""
        files = dict.fromkeys(self.file_of(number) for number in self._chunks_with(chunk, held=held))
        return [
            ResourceId(b64(self._one("SELECT id FROM resource WHERE node = ? AND number = ?", n)[0])) for n in files
        ]

    def chunks_of(self, resource: ResourceId) -> Ranges:
        """Return our numbers of a file's chunks, held or not."""
        row = self._one("SELECT chunk_first, chunk_total FROM resource WHERE node = ? AND id = ?", raw(resource))
        return Ranges.of((row[0], row[0] + row[1] - 1)) if row else Ranges()

    def chunks_named(self, resource: ResourceId) -> bool:
        """Return whether the SHA-256 of every chunk of a file is known: none is in an index block yet to be read."""
        numbers = self.chunks_of(resource)
        if not numbers or numbers.runs[0][0] in self._named:
            return True
        sql = "SELECT count(*) FROM chunk WHERE node = ? AND number BETWEEN ? AND ?"
        if self._one(sql, *numbers.runs[0])[0] < len(numbers):
            return False
        self._named.add(numbers.runs[0][0])
        return True

    def shared(self, resource: ResourceId) -> Ranges:
        """Return our numbers of those chunks of a file that other files name as well."""
        span = [end for run in self.chunks_of(resource).runs for end in run] or [0, -1]
        rows = self._all(
            "SELECT DISTINCT mine.number FROM chunk AS mine JOIN chunk AS other USING (node, hash)"
            " WHERE node = ? AND mine.number BETWEEN ? AND ? AND other.number NOT BETWEEN ? AND ? ORDER BY mine.number",
            *span,
            *span,
        )
        return Ranges.numbers(row[0] for row in rows)

    def lacking(self, resource: ResourceId) -> Ranges:
        """Return the places, counted from 0, of the chunks that a file lacks."""
        numbers = self.chunks_of(resource)
        if not numbers:
            return Ranges()
        base, last = numbers.runs[0]
        rows = self._all("SELECT number FROM chunk WHERE node = ? AND held = 1 AND number BETWEEN ? AND ?", base, last)
        return Ranges.of((0, last - base)) - Ranges.numbers(row[0] - base for row in rows)

    def own_chunks(self) -> Ranges:
        """Return our numbers of the chunks of all files that our user published."""
        rows = self._all(
            "SELECT chunk_first, chunk_total FROM resource WHERE node = ? AND chunk_total > 0 AND author = ? AND NOT"
            " EXISTS (SELECT 1 FROM hidden WHERE hidden.node = resource.node AND hidden.resource = resource.id)",
            self.user,
        )
        return Ranges.of(*((first, first + total - 1) for first, total in rows))

    def loose_by(self, peer: Fingerprint) -> tuple[int, int]:
        """Return how many chunks are kept that *peer* brought and no manifest names, and their bytes."""
        sql = (
            "SELECT count(*), coalesce(sum(size), 0) FROM loose JOIN blob USING (node, hash)"
            " WHERE loose.node = ? AND peer = ?"
        )
        count, size = self._one(sql, self.party(peer))
        return count, size

    def givers(self, chunk: bytes) -> Collection[Fingerprint]:
        """Return the users whose nodes brought *chunk*."""
        return [
            self._name(giver) for (giver,) in self._all("SELECT giver FROM giver WHERE node = ? AND hash = ?", chunk)
        ]


def note(db: sqlite3.Connection, view: ChunkView, effect: Chunking) -> list[bytes]:
    """Carry out *effect*; return the names of blobs that may be needed no longer."""
    match effect:
        case Gave(chunk, user):
            db.execute(
                "INSERT OR IGNORE INTO giver (user, node, hash, giver) VALUES (?, ?, ?, ?)",
                (view.user, view.node, chunk, view.party(user, create=True)),
            )
        case Loose(chunk, peer):
            db.execute(
                "INSERT OR IGNORE INTO loose (user, node, hash, peer) VALUES (?, ?, ?, ?)",
                (view.user, view.node, chunk, view.party(peer, create=True)),
            )
        case DropLoose(peer):
            sql = "DELETE FROM loose WHERE node = ? AND peer = ? RETURNING hash"
            dropped = [row[0] for row in db.execute(sql, (view.node, view.party(peer))).fetchall()]
            for chunk in dropped:
                db.execute("DELETE FROM blob WHERE node = ? AND hash = ?", (view.node, chunk))
                forget(db, view.node, chunk)
            return dropped
        case _:
            raise AssertionError(effect)
    return []


def named(db: sqlite3.Connection, node: int, chunk: bytes) -> None:
    """A manifest names *chunk*, which is here."""
    db.execute("DELETE FROM loose WHERE node = ? AND hash = ?", (node, chunk))


def forget(db: sqlite3.Connection, node: int, chunk: bytes) -> None:
    """The bytes of *chunk* are gone."""
    named(db, node, chunk)
    db.execute("DELETE FROM giver WHERE node = ? AND hash = ?", (node, chunk))
