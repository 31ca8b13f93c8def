"""Read a file into the store, chunk by chunk, sealed if it is private; nothing is published yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

from paquebot.errors import Misused
from paquebot.protocol import publishing
from paquebot.protocol.encoding import b64
from paquebot.protocol.limits import CHUNK_BYTES, CHUNKS_PER_MANIFEST_MAX, FILE_BYTES_MAX, FILENAME_MAX
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import FileManifest
from paquebot.store import Store
from paquebot.vault.private import KEY_BYTES, PIECE_BYTES, seal_chunks


def stage(
    store: Store,
    entropy: Callable[[int], bytes],
    stream: BinaryIO,
    draft: Draft,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Draft, list[tuple[bytes, int]]]:
    """Return *draft* with the file in *stream* in it, and the chunks that were stored: names and sizes.

    Memory is one chunk, whatever the size. Raise `Misused` or `DiskFull`.
    """
    filename = os.fsencode(draft.filename).decode("utf-8", "replace")  # a name on the disk may be any bytes
    if len(filename) > FILENAME_MAX:
        raise Misused(f"a file's name has at most {FILENAME_MAX} characters")
    draft = replace(draft, schemas=("file",), filename=filename)
    piece_bytes = PIECE_BYTES if draft.private else CHUNK_BYTES
    first = read_exactly(stream, piece_bytes)
    if publishing.inlined(len(first), private=draft.private is not None):
        progress(len(first))
        return replace(draft, fields={"file": FileManifest(len(first), first).fields()}), []
    size = 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        piece = first
        while piece:
            size += len(piece)
            progress(len(piece))
            yield piece
            piece = read_exactly(stream, piece_bytes)

    if draft.private is None:
        manifest, names = _store(store, pieces())
        return replace(draft, fields={"file": manifest.fields()}), names
    key = entropy(KEY_BYTES)
    manifest, names = _store(store, seal_chunks(pieces(), key))
    inside = {"file": {"size": size, "key": b64(key)}}
    return replace(draft, fields=inside, private=replace(draft.private, chunks=manifest)), names


def _store(store: Store, chunks: Iterable[bytes]) -> tuple[FileManifest, list[tuple[bytes, int]]]:
    names: list[tuple[bytes, int]] = []
    size = 0
    with store.blobs.together() as put:
        for chunk in chunks:
            names.append((put(chunk), len(chunk)))
            size += len(chunk)
            if size > FILE_BYTES_MAX:
                raise Misused("the file is larger than 64 TiB")
        hashes, depth = [name for name, _ in names], 1
        if len(hashes) > CHUNKS_PER_MANIFEST_MAX:
            per_block, depth = CHUNK_BYTES // 32, 2
            blocks = [b"".join(hashes[i : i + per_block]) for i in range(0, len(hashes), per_block)]
            hashes = [put(block) for block in blocks]
            names += ((name, len(block)) for name, block in zip(hashes, blocks, strict=True))
    return FileManifest(size, None, CHUNK_BYTES, depth, tuple(hashes)), names


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """Read *count* bytes, fewer only at the end: pipes give what they have."""
    parts = []
    while count and (data := stream.read(count)):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)
