"""Every call by which this process changes or reads files below chosen folders, seen before and after it is made.

Whoever listens may write it down, let it fail, or end the process there; the product knows nothing of it. SQLite's
calls come from `sqlite_tap`, Python's from the functions of `os` and `io`, which are replaced for as long as it takes.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.labs import sqlite_tap

CHANGES = frozenset({"create", "write", "truncate", "sync", "rename", "unlink", "mkdir", "rmdir", "link"})
"""What changes a disk. The others (open, read, list, lock) may only fail."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: a write has data at an offset, a truncation a size as its offset, a rename or link a target."""

    verb: str
    path: str
    offset: int = 0
    data: bytes = b""
    to: str = ""


class Listener:
    """Hears of every call; does nothing about it."""

    def before(self, call: Call) -> None:
        """*call* is about to be made. Raise `OSError` to let it fail instead."""

    def after(self, call: Call) -> None:
        """*call* was made."""


@contextmanager
def tapped(listener: Listener, *folders: Path) -> Iterator[None]:
    """Let *listener* hear of every call below *folders*, until this is left."""
    tap = _Tap(listener, tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in folders))
    with ExitStack() as stack:
        stack.enter_context(sqlite_tap.tapped(tap.of_sqlite))
        for name in ("open", "write", "pread", "fsync", "ftruncate", "rename", "replace", "unlink", "remove"):
            stack.enter_context(patch.object(os, name, getattr(tap, name)))
        for name in ("mkdir", "rmdir", "link", "scandir", "listdir"):
            stack.enter_context(patch.object(os, name, getattr(tap, name)))
        for module in (io, builtins):
            stack.enter_context(patch.object(module, "open", tap.open_file))
        yield


_os = {name: getattr(os, name) for name in dir(os) if callable(getattr(os, name))}
_open_file = io.open


def _of_handle(handle: int) -> str:
    return str(_os["readlink"](f"/proc/self/fd/{handle}"))


class _Tap:
    def __init__(self, listener: Listener, folders: tuple[str, ...]) -> None:
        self._listener = listener
        self._folders = folders

    def _ours(self, path: str) -> bool:
        # What no name leads to any more is nobody's: the kernel says so behind its name.
        return f"{path}{os.sep}".startswith(self._folders) and not path.endswith(" (deleted)")

    def _path(self, path: Any, dir_fd: int | None = None) -> str:
        text = os.fsdecode(path)
        above = _of_handle(dir_fd) if dir_fd is not None else os.getcwd()
        return os.path.normpath(os.path.join(above, text))

    def _through(self, call: Call, make: Callable[[], Any]) -> Any:
        if not (self._ours(call.path) or (call.to and self._ours(call.to))):
            return make()
        self._listener.before(call)
        made = make()
        self._listener.after(call)
        return made

    def of_sqlite(self, verb: str, path: str, offset: int = 0, data: bytes = b"", *, made: bool) -> None:
        """See `sqlite_tap.Said`."""
        if self._ours(path):
            call = Call(verb, path, offset, data)
            self._listener.after(call) if made else self._listener.before(call)

    # -- what replaces functions of os -------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        where = self._path(path, dir_fd)
        new = bool(flags & os.O_CREAT) and not os.path.lexists(where)
        verb = "create" if new else "truncate" if flags & os.O_TRUNC else "open"
        return int(self._through(Call(verb, where), lambda: _os["open"](path, flags, mode, dir_fd=dir_fd)))

    def write(self, handle: int, data: Any) -> int:
        if not os.path.isfile(where := _of_handle(handle)):
            return int(_os["write"](handle, data))
        call = Call("write", where, os.lseek(handle, 0, os.SEEK_CUR), bytes(data))
        return int(self._through(call, lambda: _os["write"](handle, data)))

    def pread(self, handle: int, count: int, offset: int) -> bytes:
        call = Call("read", _of_handle(handle), offset)
        return bytes(self._through(call, lambda: _os["pread"](handle, count, offset)))

    def fsync(self, handle: int) -> None:
        self._through(Call("sync", _of_handle(handle)), lambda: None)  # heard of; the laboratory itself needs no disk

    def ftruncate(self, handle: int, size: int) -> None:
        self._through(Call("truncate", _of_handle(handle), size), lambda: _os["ftruncate"](handle, size))

    def rename(self, old: Any, new: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        call = Call("rename", self._path(old, src_dir_fd), to=self._path(new, dst_dir_fd))
        self._through(call, lambda: _os["rename"](old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd))

    replace = rename

    def link(self, old: Any, new: Any, **options: Any) -> None:
        self._through(Call("link", self._path(old), to=self._path(new)), lambda: _os["link"](old, new, **options))

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        call = Call("unlink", self._path(path, dir_fd))
        self._through(call, lambda: _os["unlink"](path, dir_fd=dir_fd))

    remove = unlink

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        call = Call("mkdir", self._path(path, dir_fd))
        self._through(call, lambda: _os["mkdir"](path, mode, dir_fd=dir_fd))

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._through(Call("rmdir", self._path(path, dir_fd)), lambda: _os["rmdir"](path, dir_fd=dir_fd))

    def scandir(self, path: Any = ".") -> Any:
        where = _of_handle(path) if isinstance(path, int) else self._path(path)
        return self._through(Call("list", where), lambda: _os["scandir"](path))

    def listdir(self, path: Any = ".") -> Any:
        where = _of_handle(path) if isinstance(path, int) else self._path(path)
        return self._through(Call("list", where), lambda: _os["listdir"](path))

    # -- what replaces open() ------------------------------------------------------------

    def open_file(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        where = _of_handle(file) if isinstance(file, int) else self._path(file)
        if not self._ours(where) or not set(mode) & set("wax"):
            if self._ours(where) and not isinstance(file, int):
                self._through(Call("open", where), lambda: None)
            return _open_file(file, mode, buffering, encoding, errors, newline, closefd, opener)
        tap = self

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                return tap.write(self.fileno(), data)

        kind = mode.replace("b", "").replace("t", "")
        raw = Raw(file, kind, closefd, opener or (lambda name, flags: tap.open(name, flags, 0o666)))
        buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)
