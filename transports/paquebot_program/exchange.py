"""The exchange: the folder through which parcels pass, as files, since bytes do not go well through lines."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from paquebot.transport import PluginError

NAME = "exchange"
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")


class Exchange:
    """One session's folder, below the program's own; emptied when it begins and when it ends."""

    def __init__(self, folder: Path, who: str) -> None:
        self._who = who
        self._path = folder / NAME
        self._clear()
        self._path.mkdir(mode=0o700)
        self._handle = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._count = 0

    def close(self) -> None:
        """Throw away what is left in it."""
        os.close(self._handle)
        self._clear()

    def _clear(self) -> None:
        try:
            self._path.unlink()  # a file or a link in the folder's place
        except OSError:
            shutil.rmtree(self._path, ignore_errors=True)

    def put(self, data: bytes) -> str:
        """Write *data* for the program to read; return the file's name. Raise `OSError`."""
        self._count += 1
        name = f"to-carry-{self._count}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=self._handle), "wb") as file:
            file.write(data)
        return name

    def remove(self, name: str) -> None:
        """Remove a file, which the program may have moved away."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._handle)

    def take(self, name: str, most: int, look: Callable[[], None] = lambda: None) -> bytes | None:
        """Return what the program has put there, and remove it; None if that is more than *most* bytes.

        Raise `PluginError` if it is not there, is no plain file, or is not left in peace meanwhile. *look* is called
        in the middle, by tests.
        """
        if not _FILE.match(name):
            raise PluginError(f"{self._who} names a file that cannot be in the folder {NAME}")
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._handle)
        except OSError as error:
            raise PluginError(f"{self._who} names a file that cannot be read: {error.strerror}") from error
        try:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise PluginError(f"{self._who} names something that is no plain file")
            if before.st_size > most:
                return None
            with open(handle, "rb", closefd=False) as file:
                data = file.read(before.st_size)
            look()
            after = os.fstat(handle)
            if (len(data), after.st_size, after.st_mtime_ns) != (before.st_size,) * 2 + (before.st_mtime_ns,):
                raise PluginError(f"{self._who} changes a file that it has given us")
            return data
        finally:
            os.close(handle)
            self.remove(name)
