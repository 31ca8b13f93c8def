"""What a resource holds, as bytes: a message, a record, or a file chunk by chunk; opened if it is private."""

from __future__ import annotations

from collections.abc import Iterator

from paquebot.amounts import count
from paquebot.display import printable
from paquebot.errors import ClosedToUs, Malformed, NotFound, StoreError
from paquebot.private import Privacy
from paquebot.protocol import container, privacy
from paquebot.protocol.encoding import short
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest, Resource
from paquebot.store.view import Listed, SqliteView


def read(view: SqliteView, lock: Privacy, listed: Listed, resource: Resource) -> Iterator[bytes]:
    """Yield the bytes of what *listed* and *resource* say, each chunk verified.

    Raise `NotFound` if they are not all here, `ClosedToUs` if they are not for us, `StoreError` or `Malformed`.
    """
    if listed.revoked_by:
        raise NotFound(f"{short(listed.id)} was revoked")
    if resource.kind in privacy.CLOSED_KINDS:
        yield from _private(view, lock, listed, resource)
        return
    manifest = resource.manifest if listed.kind == "file" else None
    if manifest is None:
        text = None if resource.text is None else resource.text.encode()
        yield resource.record or (resource.signed.payload if text is None else text)
    elif manifest.data is not None:
        yield manifest.data
    else:
        yield from _chunks(view, listed, manifest)


def text(view: SqliteView, listed: Listed) -> str:
    """Return the text of a message that is not private, as it was found good when it came; empty if it is gone."""
    signed = view.resource(listed.id)
    return str(container.load(signed.payload).get("message", "")) if signed else ""


def _private(view: SqliteView, lock: Privacy, listed: Listed, resource: Resource) -> Iterator[bytes]:
    if view.opened(listed.id) is None:
        raise ClosedToUs(f"{short(listed.id)} is private, and not for us")
    inner, manifest = lock.inner(listed.id), resource.manifest
    if inner.chunk_key is not None:
        if manifest is None or manifest.data is not None:
            raise Malformed("its author sealed a file and left its chunks out")
        yield from lock.pieces(inner, _chunks(view, listed, manifest), manifest.chunk_count)
    elif inner.data is not None:
        yield inner.data
    else:
        yield inner.record or (inner.text or "").encode()


def _chunks(view: SqliteView, listed: Listed, manifest: FileManifest) -> Iterator[bytes]:
    if listed.lacking:
        have, file = listed.chunk_total - listed.lacking, printable(listed.filename or "a file")
        raise NotFound(f"{file} is incomplete: {have} of {count(listed.chunk_total, 'chunk')} here")
    numbers = view.chunks_of(listed.id)
    skip = len(manifest.hashes) if manifest.depth == 2 else 0
    for number in numbers - Ranges.of((0, numbers.runs[0][0] + skip - 1)):
        name = view.chunk(number)
        data = view.blob(name) if name else None
        if data is None:
            raise StoreError("a chunk of this file is missing or damaged on the disk")
        yield data
