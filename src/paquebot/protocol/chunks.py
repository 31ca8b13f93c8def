"""The chunks of large files: which are here, which files name them, and who brought them. Nothing of it writes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.ranges import Ranges


class ChunkView(Protocol):
    """What is known of chunks. They are named by SHA-256, and numbered by us as files name them."""

    def has_blob(self, name: bytes) -> bool:
        """Return whether the chunk with that SHA-256 is stored."""

    def blob(self, name: bytes) -> bytes | None:
        """Return the chunk with that SHA-256."""

    def chunk(self, number: int) -> bytes | None:
        """Return the SHA-256 of the chunk to which we gave that number."""

    def files_with(self, chunk: bytes, *, held: bool = False) -> Sequence[ResourceId]:
        """Return the incomplete files that lack *chunk*; with *held*, the files that have it. In order of arrival."""

    def loose_by(self, peer: Fingerprint) -> tuple[int, int]:
        """Return how many chunks are kept that *peer* brought and no manifest names, and their bytes."""

    def givers(self, chunk: bytes) -> Collection[Fingerprint]:
        """Return the users whose nodes brought *chunk*."""

    def chunks_of(self, resource: ResourceId) -> Ranges:
        """Return our numbers of a file's chunks, held or not."""

    def chunks_named(self, resource: ResourceId) -> bool:
        """Return whether the SHA-256 of every chunk of a file is known: none is in an index block yet to be read."""

    def shared(self, resource: ResourceId) -> Ranges:
        """Return our numbers of those chunks of a file that other files name as well."""

    def lacking(self, resource: ResourceId) -> Ranges:
        """Return the places, counted from 0, of the chunks that a file lacks."""

    def own_chunks(self) -> Ranges:
        """Return our numbers of the chunks of all files that our user published."""
