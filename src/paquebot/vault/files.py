"""Key files: readable by their owner and nobody else, and never half written.

What is replaced or removed is overwritten first, so that a destroyed key does not stay behind in free space. That is as
far as a program can go: a disk that writes elsewhere instead (flash, btrfs, ZFS) keeps the old bytes for a while, and
snapshots and copies keep them for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paquebot.errors import DiskFull, WrongKey
from paquebot.frozen import frozen
from paquebot.protocol.limits import MIB
from paquebot.vault.keystore import Secrets, decode, encode

__all__ = ["KeyFile", "read_secret", "remove_secret", "write_secret"]

SECRET_BYTES_MAX = MIB  # a node's keys have 5 kB; whatever is larger is no key file
_OTHERS = 0o077


@frozen
class KeyFile:
    """The envelope keys of one node, in a private file of their own: outside the store, and outside its backups."""

    path: Path

    def load(self) -> Secrets:
        """Return the keys. Raise `WrongKey`."""
        return decode(read_secret(self.path))

    def save(self, secrets: Secrets) -> None:
        """Replace the keys durably; what is not in *secrets* is gone. Raise `WrongKey` or `DiskFull`."""
        write_secret(self.path, encode(secrets))


def read_secret(path: Path) -> bytes:
    """Return the content of the private file *path*.

    Raise `WrongKey` if it is missing, not ours, no plain file, or if others may open it or its directory.
    """
    with _private_directory(path.parent) as directory:
        try:
            handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        except FileNotFoundError:
            raise WrongKey(f"there is no key file {path}; bring it back from an export: paquebot import FILE") from None
        except OSError as problem:
            raise _unusable(path, problem) from None
        try:
            _check(path, os.fstat(handle), stat.S_ISREG, "file", "600")
            with open(handle, "rb", closefd=False) as file:
                content = file.read(SECRET_BYTES_MAX + 1)
        finally:
            os.close(handle)
    if len(content) > SECRET_BYTES_MAX:
        raise WrongKey(f"{path} is too large for a key file")
    return content


def write_secret(path: Path, content: bytes) -> None:
    """Make *content* the content of the private file *path*, durably, all or nothing.

    The directory is made if missing. Raise `WrongKey` if it is not private or cannot be written, or `DiskFull`.
    """
    try:
        _make_directory(path.parent)
    except OSError as problem:
        raise _unusable(path.parent, problem) from None
    with _private_directory(path.parent) as directory:
        try:
            _replace(directory, path.name, content)
        except OSError as problem:
            raise _unusable(path, problem) from None


def remove_secret(path: Path) -> None:
    """Remove the private file *path* durably; it may be gone already. Raise `WrongKey` if its directory is not ours."""
    with _private_directory(path.parent) as directory:
        try:
            _discard(directory, path.name)
            os.fsync(directory)
        except OSError as problem:
            raise _unusable(path, problem) from None


def _make_directory(path: Path) -> None:
    if os.path.lexists(path):
        return
    path.mkdir(mode=0o700)
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def _replace(directory: int, name: str, content: bytes) -> None:
    # Always the same name: what a crash leaves behind is overwritten by the next write, and no secret is forgotten.
    fresh = f"{name}.new"
    _discard(directory, fresh)
    old = _opened(directory, name)
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
        with open(handle, "wb") as file:
            os.fchmod(handle, 0o600)
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
        _overwrite(old)
    except OSError:
        _discard(directory, fresh)
        raise
    finally:
        if old is not None:
            os.close(old)


def _discard(directory: int, name: str) -> None:
    old = _opened(directory, name)
    try:
        os.unlink(name, dir_fd=directory)
        _overwrite(old)
    except FileNotFoundError:
        return
    finally:
        if old is not None:
            os.close(old)


def _opened(directory: int, name: str) -> int | None:
    """Open a plain file to overwrite it once it has no name any more; None if there is none."""
    try:
        return os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return None


def _overwrite(handle: int | None) -> None:
    """Overwrite a file that has no name any more. One that still has a name is somebody's copy."""
    if handle is None:
        return
    with suppress(OSError):  # what replaces it is in its place already
        found = os.fstat(handle)
        if found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
            os.pwrite(handle, bytes(found.st_size), 0)
            os.fsync(handle)


@contextmanager
def _private_directory(path: Path) -> Iterator[int]:
    """Open the directory *path*. Raise `WrongKey` unless it is ours alone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise WrongKey(f"there is no directory {path}") from None
    except OSError as problem:
        raise _unusable(path, problem) from None
    try:
        _check(path, os.fstat(handle), stat.S_ISDIR, "directory", "700")
        yield handle
    finally:
        os.close(handle)


def _check(path: Path, found: os.stat_result, expected: Callable[[int], bool], what: str, mode: str) -> None:
    if not expected(found.st_mode):
        raise WrongKey(f"{path} is not a plain {what}")
    if found.st_uid != os.geteuid():
        raise WrongKey(f"{path} belongs to another user; run: chown {os.geteuid()} {path}")
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise WrongKey(f"others may open the {what} {path}; run: chmod {mode} {path}")


def _unusable(path: Path, problem: OSError) -> WrongKey | DiskFull:
    match problem.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return DiskFull(f"no space to write {path}")
        case errno.ELOOP | errno.ENOTDIR if path.is_symlink():
            return WrongKey(f"{path} is a symbolic link; put the keys themselves in its place")
        case _:
            return WrongKey(f"{path} cannot be used: {problem.strerror}")
