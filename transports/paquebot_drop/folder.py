"""The folder: the only module that touches the medium.

A medium is hostile ground: it may hold links, pipes, devices, mounts, giants and millions of names, and it may
vanish at any time. So everything is opened step by step below one held folder, follows no link, stays on one
device, is a regular file of modest size, and is listed within limits. Nothing found there is used as a path.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

from paquebot.transport import Permanent, Transient
from paquebot_drop.crate import Read

ROOT = "PAQUEBOT"
DEPTH_MAX = 3  # PAQUEBOT/C/X
FILES_MAX = 20_000
FOLDERS_MAX = 512
TOP_MAX = 1_000  # files beside PAQUEBOT; people keep other things on their sticks
ABOVE_MAX = 16

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_SYNC = {errno.EINVAL, errno.ENOTTY, errno.ENOTSUP, errno.EROFS}
_NOT_A_FOLDER = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file on the medium."""

    parts: tuple[str, ...]
    size: int
    stamp: int
    """When it was changed, in even seconds, for FAT knows no others."""
    written_ns: int
    """The same as exactly as the file system knows: good for putting files in order, and for nothing else."""

    @property
    def where(self) -> str:
        """For people; safe to print."""
        path = "/".join(self.parts)
        return "".join(char if char.isprintable() else "?" for char in path)


@dataclass(slots=True)
class Listing:
    """What one look around found."""

    files: list[Found]
    complete: bool


class Folder:
    """One medium, held open while it is in use. Raises `Transient` if it is not there."""

    def __init__(self, path: str) -> None:
        self.errors = 0
        """How many reads the medium has failed."""
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Transient(f"{path}: no stick or folder is there; is it plugged in, and mounted?") from error
        except NotADirectoryError as error:
            raise Transient(f"{path}: it is a file; name the folder") from error
        except OSError as error:
            raise Transient(f"{path}: it cannot be opened: {error.strerror}") from error
        self._device = os.fstat(self._fd).st_dev

    def ascend(self) -> None:
        """Turn to the folder in which this one lies under the name `ROOT`. Raise `Permanent` if it does not."""
        here = self._fd
        self._fd = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
        try:
            with self._step((ROOT,)) as root:
                same = root is not None and os.path.sameopenfile(root, here)
        finally:
            os.close(here)
        if not same:
            raise Permanent(f"this is the inside of a folder {ROOT}, renamed: call it {ROOT}, and give the one above")

    def close(self) -> None:
        """Let go of the medium."""
        os.close(self._fd)

    @property
    def mount_id(self) -> int | None:
        """Under which number the mount table has what we hold; None if nobody can tell."""
        return mount_id(self._fd)

    @property
    def has_root(self) -> bool:
        """Whether there is a folder `ROOT`."""
        with self._step((ROOT,)) as root:
            return root is not None

    def above(self) -> Iterator[set[str]]:
        """Yield the names in this folder, and in each above it on the same device, as far as they can be read."""
        fd = os.open(".", _FOLDER, dir_fd=self._fd)
        try:
            seen: set[tuple[int, int]] = set()
            while len(seen) < ABOVE_MAX:
                state = os.fstat(fd)
                if state.st_dev != self._device or (state.st_dev, state.st_ino) in seen:
                    return
                seen.add((state.st_dev, state.st_ino))
                with suppress(OSError):
                    yield set(_names(fd, TOP_MAX))
                try:
                    higher = os.open("..", _FOLDER, dir_fd=fd)
                except OSError:
                    return
                os.close(fd)
                fd = higher
        finally:
            os.close(fd)

    def tide(self) -> tuple[object, ...]:
        """Return what changes when a file comes to a folder of ours, or goes; cheap to ask."""
        found: list[object] = []
        with self._step((ROOT,)) as root:
            for name in [] if root is None else _names(root, FOLDERS_MAX):
                with suppress(OSError), self._step((ROOT, name)) as fd:
                    if fd is not None:
                        below = [os.stat(each, dir_fd=fd, follow_symlinks=False) for each in _names(fd, FOLDERS_MAX)]
                        found += [
                            (name, os.fstat(fd).st_mtime_ns),
                            *((each.st_ino, each.st_mtime_ns) for each in below),
                        ]
        return tuple(found)

    @property
    def writable(self) -> bool:
        """Whether anything can be written here."""
        if os.fstatvfs(self._fd).f_flag & os.ST_RDONLY or not os.access(".", os.W_OK, dir_fd=self._fd):
            return False
        with self._step((ROOT,)) as root:
            return root is None or os.access(".", os.W_OK, dir_fd=root)

    @property
    def free(self) -> int:
        """How many bytes are free for us; 0 if the medium is gone."""
        try:
            space = os.fstatvfs(self._fd)
        except OSError:
            return 0
        return space.f_bavail * space.f_frsize

    def look_around(self) -> Listing:
        """List the regular files at the top and below PAQUEBOT, in order, never reading any."""
        listing = Listing([], True)
        with self._step((ROOT,)) as root:
            if root is None:
                return listing
        self._list((), TOP_MAX, listing)
        listing.complete = True  # about the rest of somebody's stick we need not know all
        self._descend((ROOT,), listing)
        return listing

    def _descend(self, parts: tuple[str, ...], listing: Listing) -> None:
        folders = self._list(parts, FILES_MAX, listing)
        if len(parts) < DEPTH_MAX:
            for name in folders:
                self._descend((*parts, name), listing)

    def _list(self, parts: tuple[str, ...], files_max: int, listing: Listing) -> list[str]:
        """Add the files of one folder to *listing*; return the names of its folders."""
        folders: list[str] = []
        files = listing.files
        try:
            with self._step(parts) as fd:
                names = [] if fd is None else _names(fd, files_max + 1)
                for name in names:
                    try:
                        state = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if name.startswith(".") or state.st_dev != self._device:
                        continue
                    if stat.S_ISDIR(state.st_mode):
                        folders.append(name)
                    elif stat.S_ISREG(state.st_mode) and len(files) < FILES_MAX:
                        files.append(Found((*parts, name), state.st_size, _stamp(state), state.st_mtime_ns))
        except OSError:
            listing.complete = False
            return folders
        if len(names) > files_max or len(folders) > FOLDERS_MAX or len(files) >= FILES_MAX:
            listing.complete = False
        return folders[:FOLDERS_MAX]

    @contextmanager
    def reading(self, parts: tuple[str, ...]) -> Iterator[Read]:
        """Lend a reader of one regular file. What cannot be read is read as nothing and counted in `errors`."""
        fd = self._open(parts)
        try:
            yield lambda offset, count: b"" if fd is None else self._read(fd, offset, count)
        finally:
            if fd is not None:
                os.close(fd)

    def _open(self, parts: tuple[str, ...]) -> int | None:
        with self._step(parts[:-1]) as folder:
            if folder is None:
                return None
            try:
                # Look before opening: to open some devices is to use them.
                name = parts[-1]
                try:
                    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    name = name.lower()
                    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if not self._is_ours(state):
                    return None
                fd = os.open(name, _READ, dir_fd=folder)
            except OSError as error:
                self.errors += error.errno != errno.ENOENT
                return None
            if not self._is_ours(os.fstat(fd)):
                os.close(fd)
                return None
            return fd

    def _is_ours(self, state: os.stat_result) -> bool:
        return stat.S_ISREG(state.st_mode) and state.st_dev == self._device

    def _read(self, fd: int, offset: int, count: int) -> bytes:
        pieces = []
        while count > 0:
            try:
                piece = os.pread(fd, count, offset)
            except OSError:
                self.errors += 1
                break
            if not piece:
                break
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def look_at(self, parts: tuple[str, ...]) -> Found | None:
        """Return the regular file at *parts*, if there is one."""
        with self._step(parts[:-1]) as folder:
            if folder is not None:
                with suppress(OSError):
                    state = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
                    if self._is_ours(state):
                        return Found(parts, state.st_size, _stamp(state), state.st_mtime_ns)
        return None

    def alive(self) -> bool:
        """Return whether the medium still answers, asked for something it is sure to have."""
        try:
            fd = self._open((ROOT, "FORMAT.TXT"))
            if fd is None:
                with self._step((ROOT,)) as root:
                    return root is not None and bool(_names(root, 1))
            forget(fd)
            try:
                return bool(os.pread(fd, 1, 0))
            finally:
                os.close(fd)
        except OSError:
            return False

    def create(self, parts: tuple[str, ...]) -> int:
        """Return a new, empty file open for writing, and make the folders that lead to it."""
        for depth in range(1, len(parts)):
            with self._step(parts[:depth]) as there:
                if there is not None:
                    continue
            with self._step(parts[: depth - 1]) as folder:
                if folder is None:
                    raise OSError(errno.ENOTDIR, "something else stands where a folder of ours should be")
                with suppress(FileExistsError):
                    os.mkdir(parts[depth - 1], 0o755, dir_fd=folder)
                    sync(folder)
        with self._step(parts[:-1]) as folder:
            if folder is None:
                raise OSError(errno.ENOTDIR, "something else stands where a folder of ours should be")
            return os.open(parts[-1], _WRITE, 0o644, dir_fd=folder)

    def sync_folder(self, parts: tuple[str, ...]) -> None:
        """Make the names in one folder durable."""
        with self._step(parts) as folder:
            if folder is not None:
                sync(folder)

    def write(self, parts: tuple[str, ...], data: bytes) -> None:
        """Write a small file that is durable when this returns."""
        fd = self.create(parts)
        try:
            write_all(fd, data)
            sync(fd)
        except OSError:
            self.delete(parts)
            raise
        finally:
            os.close(fd)
        self.sync_folder(parts[:-1])

    def delete(self, parts: tuple[str, ...], size: int | None = None) -> bool:
        """Delete one regular file (of exactly *size* bytes); return whether it is gone."""
        with self._step(parts[:-1]) as folder:
            if folder is None:
                return True
            try:
                state = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
                if not self._is_ours(state) or size not in (None, state.st_size):
                    return False
                os.unlink(parts[-1], dir_fd=folder)
            except FileNotFoundError:
                return True
            except OSError:
                return False
            return True

    @contextmanager
    def _step(self, parts: tuple[str, ...]) -> Iterator[int | None]:
        """Lend the folder that *parts* name below the medium, or None if there is no such folder of ours."""
        fd = os.open(".", _FOLDER, dir_fd=self._fd)
        try:
            for part in parts:
                try:
                    below = _open_as(part, _FOLDER, fd)
                except OSError as error:
                    if error.errno not in _NOT_A_FOLDER:
                        raise
                    yield None
                    return
                os.close(fd)
                fd = below
                if os.fstat(fd).st_dev != self._device:
                    yield None
                    return
            yield fd
        finally:
            os.close(fd)


def mount_id(fd: int) -> int | None:
    """Return under which number the mount table has what *fd* is open on; None if nobody can tell."""
    with suppress(OSError, ValueError, StopIteration), open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("mnt_id:")).split()[1])
    return None


def _open_as(name: str, flags: int, folder: int) -> int:
    """Open *name* in *folder*, or what a disc or an old system made of it: the same in small letters."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return os.open(name.lower(), flags, dir_fd=folder)


def _names(fd: int, count: int) -> list[str]:
    """Return at most *count* names in a folder, in order."""
    with os.scandir(fd) as entries:
        return sorted(entry.name for entry in islice(entries, count))


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data*."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """Make durable what can be; some file systems know no such wish."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def forget(fd: int) -> None:
    """Drop what the machine remembers of a file, so that the next read asks the medium."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _stamp(state: os.stat_result) -> int:
    return int(state.st_mtime) & ~1
