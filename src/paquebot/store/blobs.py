"""Content-addressed files: each is named by the SHA-256 of its bytes, complete and durable once it has its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from paquebot.errors import DiskFull, StoreError

TOGETHER_MAX = 32  # a chunk has a megabyte; so many files are open at once


class Put(Protocol):
    """See `Blobs.put`."""

    def __call__(self, data: bytes, name: bytes = b"", /) -> bytes:
        """Store *data* and return its name."""


class Blobs:
    """A folder of blobs: ``ab/cdef…``. Nothing in it is ever changed, and nothing is readable by others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[Path] = set()
        self._made: set[Path] = set()
        self._drafts: dict[Path, int] = {}
        self._lent = False

    def put(self, data: bytes, name: bytes = b"") -> bytes:
        """Store *data* durably and return its name; *name* is given by who knows it. Raise `StoreError`.

        Storing it again costs a look. Inside `together` it is got at once, and durable with the others.
        """
        with self.together() as put:
            return put(data, name)

    @contextmanager
    def together(self) -> Iterator[Put]:
        """Lend a `put` for many: all are durable and have their names when this ends, and before that some may.

        A disk is waited for once for many of them, not three times for each. Inside another one, that one's end counts.
        """
        if self._lent:
            yield self._put
            return
        self._lent = True
        try:
            yield self._put
            with _translated():
                self._settle()
        finally:
            self._lent = False
            for path in [*self._drafts]:
                self._give_up(path)

    def _put(self, data: bytes, name: bytes = b"") -> bytes:
        name = name or sha256(data).digest()
        path = self._path(name)
        with _translated():
            if path not in self._drafts and not path.exists():
                self._draft(path, data)
                if len(self._drafts) >= TOGETHER_MAX:
                    self._settle()
        return name

    def _draft(self, path: Path, data: bytes) -> None:
        """Write what will be called *path*."""
        self._make(self._folder)
        self._make(path.parent)
        handle = os.open(_draft_of(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._drafts[path] = handle
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(handle, view) :]
        except BaseException:
            self._give_up(path)  # whoever goes on all the same must not give a name to a half
            raise

    def _give_up(self, path: Path) -> None:
        with suppress(OSError):  # what is wrong is said already; `repair` takes away what stays
            os.close(self._drafts.pop(path))
            _draft_of(path).unlink(missing_ok=True)

    def _settle(self) -> None:
        """Give all drafts their names."""
        # A file is whole on the disk before it has its name, and its name is on the disk before anyone is told.
        drafts = self._drafts
        if len(drafts) > 1 and hasattr(os, "posix_fadvise"):
            for handle in drafts.values():  # so that the disk has all to do at once; it is waited for below
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        for handle in drafts.values():
            os.fsync(handle)
        for path in drafts:
            _draft_of(path).rename(path)
        for folder in sorted({path.parent for path in [*drafts, *self._made]}):  # from above
            sync_folder(folder)
        self._known |= self._made
        self._made.clear()
        while drafts:
            os.close(drafts.popitem()[1])

    def _make(self, folder: Path) -> None:
        """Make *folder*, once in each run: one that is there may be of a run that was cut off before it was durable."""
        if folder not in self._known and folder not in self._made:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._made.add(folder)

    def get(self, name: bytes) -> bytes | None:
        """Return the bytes called *name*; None if they are not here, or are not those. Raise `StoreError`."""
        path = self._path(name)
        try:
            data = (_draft_of(path) if path in self._drafts else path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"a file's bytes cannot be read: {error.strerror}") from error
        return data if sha256(data).digest() == name else None

    def size(self, name: bytes) -> int | None:
        """Return how many bytes the file called *name* has; None if it is not here."""
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return None

    def names(self) -> Iterator[bytes]:
        """Yield the names of all blobs, in order."""
        for path in self._files():
            if re.fullmatch("[0-9a-f]{62}", path.name):
                yield bytes.fromhex(path.parent.name + path.name)

    def drafts(self) -> Iterator[Path]:
        """Yield what a run that was cut off left half written."""
        return (path for path in self._files() if path.name.startswith(".") and path.name.endswith(".part"))

    def _files(self) -> Iterator[Path]:
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        return (
            path for folder in folders if re.fullmatch("[0-9a-f]{2}", folder.name) for path in sorted(folder.iterdir())
        )

    def read(self, name: bytes) -> bytes:
        """Return what lies under that name, whole or not."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return b""

    def drop(self, name: bytes) -> None:
        """Delete a blob. Deleting what is not there is done already."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: bytes) -> Path:
        text = name.hex()
        return self._folder / text[:2] / text[2:]


class MemoryBlobs:
    """Blobs that live as long as the process, for simulations."""

    def __init__(self) -> None:
        self._held: dict[bytes, bytes] = {}

    def copy(self) -> MemoryBlobs:
        """Return a copy of them all."""
        other = MemoryBlobs()
        other._held.update(self._held)
        return other

    def put(self, data: bytes, name: bytes = b"") -> bytes:
        """See `Blobs.put`."""
        name = name or sha256(data).digest()
        self._held[name] = data
        return name

    @contextmanager
    def together(self) -> Iterator[Put]:
        """See `Blobs.together`."""
        yield self.put

    def get(self, name: bytes) -> bytes | None:
        """See `Blobs.get`."""
        return self._held.get(name)

    def drop(self, name: bytes) -> None:
        """See `Blobs.drop`."""
        self._held.pop(name, None)


class CopiedBlobs:
    """Others' blobs as they are, and what is written, which they never see."""

    def __init__(self, original: Blobs | MemoryBlobs | CopiedBlobs) -> None:
        self._original = original
        self._written = MemoryBlobs()

    def put(self, data: bytes, name: bytes = b"") -> bytes:
        """See `Blobs.put`."""
        return self._written.put(data, name)

    @contextmanager
    def together(self) -> Iterator[Put]:
        """See `Blobs.together`."""
        yield self.put

    def get(self, name: bytes) -> bytes | None:
        """See `Blobs.get`."""
        return self._written.get(name) or self._original.get(name)

    def drop(self, name: bytes) -> None:
        """Delete what was written here."""
        self._written.drop(name)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise `StoreError`, or its child `DiskFull`, for what the disk answers."""
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise DiskFull("no space is left for a file's bytes") from error
        raise StoreError(f"a file's bytes cannot be stored: {error.strerror}") from error


def _draft_of(path: Path) -> Path:
    """Return what a blob is called until it is whole."""
    return path.with_name(f".{path.name}.part")


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
