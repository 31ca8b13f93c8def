"""SQLite's own file calls, seen one by one: a thin layer over its default VFS, by ctypes and nothing else.

Every connection that this process opens while the layer is there goes through it, also the product's. Only what
changes a file, or may fail, is looked at; everything else goes straight to SQLite's own functions.
See https://sqlite.org/c3ref/vfs.html and https://sqlite.org/c3ref/io_methods.html.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Said = Callable[..., None]
"""Told of a call before it is made and after it: verb, path, offset, data, made. Raises `OSError` to let it fail."""

OK, BUSY, IOERR, FULL, CANTOPEN = 0, 5, 10, 13, 14
_READ, _WRITE, _TRUNCATE, _SYNC, _LOCK = 2, 3, 4, 5, 7  # places in sqlite3_io_methods
_IOERR = {_READ: 1, _WRITE: 3, _TRUNCATE: 6, _SYNC: 4}  # which I/O error, in the second byte of the code
_IOERR_DELETE, _IOERR_LOCK = IOERR | 10 << 8, IOERR | 15 << 8
_OPEN_CREATE = 0x4

_Table = ctypes.c_void_p * 19  # sqlite3_io_methods: a version, then functions
_Functions = ctypes.c_void_p * 18
_int, _long, _pointer = ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
_TYPES: dict[int, Any] = {
    _READ: ctypes.CFUNCTYPE(_int, _pointer, _pointer, _int, _long),
    _WRITE: ctypes.CFUNCTYPE(_int, _pointer, _pointer, _int, _long),
    _TRUNCATE: ctypes.CFUNCTYPE(_int, _pointer, _long),
    _SYNC: ctypes.CFUNCTYPE(_int, _pointer, _int),
    _LOCK: ctypes.CFUNCTYPE(_int, _pointer, _int),
}
_OPEN = ctypes.CFUNCTYPE(_int, _pointer, _pointer, _pointer, _int, _pointer)
_DELETE = ctypes.CFUNCTYPE(_int, _pointer, _pointer, _int)


_LAYERS: list[_Layer] = []


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", _int),
        ("file_size", _int),
        ("path_max", _int),
        ("next", _pointer),
        ("name", ctypes.c_char_p),
        ("data", _pointer),
        ("open", _pointer),
        ("delete", _pointer),
        ("others", ctypes.c_void_p * 14),
    )


def library() -> ctypes.CDLL | None:
    """Return the SQLite that Python's sqlite3 uses; None if its functions cannot be reached."""
    found = ctypes.CDLL(_sqlite3.__file__) if getattr(_sqlite3, "__file__", None) else ctypes.CDLL(None)
    if not hasattr(found, "sqlite3_vfs_register"):
        return None
    found.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    found.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
    found.sqlite3_vfs_register.argtypes = [ctypes.POINTER(_Vfs), _int]
    found.sqlite3_vfs_unregister.argtypes = [ctypes.POINTER(_Vfs)]
    return found


@contextmanager
def tapped(said: Said) -> Iterator[None]:
    """Tell *said* of every file call of SQLite in this process."""
    sqlite = library()
    assert sqlite is not None, "ask `library` first"
    layer = _Layer(sqlite.sqlite3_vfs_find(None), said)
    _LAYERS.append(layer)  # a connection that outlives this goes on through it
    sqlite.sqlite3_vfs_register(ctypes.byref(layer.vfs), 1)
    try:
        yield
    finally:
        sqlite.sqlite3_vfs_unregister(ctypes.byref(layer.vfs))


class _Layer:
    def __init__(self, below: Any, said: Said) -> None:
        self._below = below
        self._said = said
        self._paths: dict[int, str] = {}
        self._fresh: set[int] = set()  # logs whose folder is synced with them once: see unixSync in os_unix.c
        self._tables: dict[int, Any] = {}
        self._kept: list[Any] = []  # what SQLite points to must live as long as it does
        self.vfs = _Vfs.from_buffer_copy(below.contents)
        self.vfs.next, self.vfs.name = None, b"tapped"
        self._lower_open, self._lower_delete = _OPEN(below.contents.open), _DELETE(below.contents.delete)
        for name, callback in (("open", _OPEN(self._open)), ("delete", _DELETE(self._delete))):
            self._kept.append(callback)
            setattr(self.vfs, name, ctypes.cast(callback, _pointer))

    def _open(self, _vfs: int, name: int, file: int, flags: int, out: int) -> int:
        # The name is handed on where it lies: SQLite keeps the parameters of its URI behind it.
        path = os.fsdecode(ctypes.string_at(name)) if name else ""
        creates = bool(path and flags & _OPEN_CREATE and not os.path.exists(path))
        verb = "create" if creates else "open"

        def lower() -> int:
            return int(self._lower_open(ctypes.addressof(self._below.contents), name, file, flags, out))

        code = self._told(verb, path, lower, CANTOPEN) if path else lower()
        if code == OK and path:
            self._paths[file] = path
            if flags & _OPEN_CREATE and path.endswith(("-wal", "-journal")):
                self._fresh.add(file)
            table = ctypes.cast(file, ctypes.POINTER(_pointer))
            table[0] = self._wrapped(table[0])
        return code

    def _delete(self, _vfs: int, name: int, sync: int) -> int:
        path = os.fsdecode(ctypes.string_at(name))

        def lower() -> int:
            return int(self._lower_delete(ctypes.addressof(self._below.contents), name, sync))

        code = self._told("unlink", path, lower, _IOERR_DELETE)
        if code == OK and sync:
            self._said("sync", os.path.dirname(path), made=True)
        return code

    def _wrapped(self, table: int) -> int:
        """Return the address of a table of functions like *table*, whose calls are seen."""
        if table not in self._tables:
            ours = _Table.from_buffer_copy(ctypes.string_at(table, ctypes.sizeof(_Table)))
            for place, type_ in _TYPES.items():
                lower = type_(ours[place])
                callback = type_(self._seen(place, lower))
                self._kept += [lower, callback]
                ours[place] = ctypes.cast(callback, _pointer).value
            self._tables[table] = ours
        return ctypes.addressof(self._tables[table])

    def _seen(self, place: int, lower: Callable[..., int]) -> Callable[..., int]:
        def read(file: int, data: int, count: int, offset: int) -> int:
            return self._told("read", self._paths[file], lambda: lower(file, data, count, offset), _code(place))

        def write(file: int, data: int, count: int, offset: int) -> int:
            content = ctypes.string_at(data, count)
            return self._told(
                "write", self._paths[file], lambda: lower(file, data, count, offset), _code(place), offset, content
            )

        def truncate(file: int, size: int) -> int:
            return self._told("truncate", self._paths[file], lambda: lower(file, size), _code(place), size)

        def sync(file: int, flags: int) -> int:
            path = self._paths[file]
            code = self._told("sync", path, lambda: lower(file, flags), _code(place))
            if code == OK and file in self._fresh:
                self._fresh.discard(file)
                self._said("sync", os.path.dirname(path), made=True)
            return code

        def lock(file: int, kind: int) -> int:
            return self._told("lock", self._paths[file], lambda: lower(file, kind), _IOERR_LOCK)

        return {_READ: read, _WRITE: write, _TRUNCATE: truncate, _SYNC: sync, _LOCK: lock}[place]

    def _told(
        self, verb: str, path: str, lower: Callable[[], int], failed: int, offset: int = 0, data: bytes = b""
    ) -> int:
        try:
            self._said(verb, path, offset, data, made=False)
        except BlockingIOError:
            return BUSY
        except OSError as error:
            return FULL if error.errno == errno.ENOSPC and verb == "write" else failed
        code = lower()
        if code == OK:
            self._said(verb, path, offset, data, made=True)
        return code


def _code(place: int) -> int:
    return IOERR | _IOERR[place] << 8
