"""Opening a store only to look, beside a writer at work and without leaving a trace; and what SQLite says of it."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paquebot.errors import DiskFull, StoreCorrupt, StoreError, StoreOld, StoreTooNew, Unstorable

_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""What SQLite says when there is no room: for data, or for the file through which its connections speak."""


def look(path: Path, version: int) -> sqlite3.Connection:
    """Return a connection to the store in the file *path* that sees one moment of it and changes nothing.

    It takes its turn by SQLite's own locks (the write-ahead log), so a writer neither waits for it nor shows it half
    a transaction. What SQLite needs beside the file for that is gone when the last connection is closed. Where nobody
    can write, nobody does, and the file is read as it is.

    Raise `StoreOld` if the file is older than *version*, `StoreTooNew` if it is newer.
    """
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    mode = "mode=rw" if writable else "mode=ro" if unfinished(path) else "immutable=1"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)
    try:
        db.execute("PRAGMA query_only = 1")
        db.execute("BEGIN")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise StoreTooNew("this home was written by a newer paquebot")
        if found < version:
            raise StoreOld("this home was written by an older paquebot")
        db.execute("SELECT 1 FROM local").fetchone()  # from here on everything is seen as it is at this moment
    except BaseException:
        db.close()
        raise
    return db


def unfinished(path: Path) -> bool:
    """Return whether the file *path* is not all: beside it lies a log, or a journal to roll it back by."""
    return any(path.with_name(f"{path.name}{end}").exists() for end in ("-wal", "-journal"))


def faults(db: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with the file of *db*, in its words. Raise `sqlite3.DatabaseError`."""
    found = [" ".join(row[0].split()) for row in db.execute("PRAGMA integrity_check")]
    for text in found:
        if (code := re.search(r"unable to get the page\. error code=(\d+)", text)) and _failed(int(code[1])):
            raise sqlite3.OperationalError("disk I/O error")  # which says nothing of the file
    # SQLite 3.40 takes a column for NULL that stands before the key of a table without rowid, and outside of it. None
    # of our columns can be NULL.
    return [text for text in found if text != "ok" and not text.startswith("NULL value in ")]


def read_all(db: sqlite3.Connection) -> None:
    """Read every row. Raise `sqlite3.DatabaseError` if one cannot be read, or holds text that is none."""
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        for _ in db.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 our own names, or what is to be found wrong
            pass


def of_the_disk(error: sqlite3.Error) -> bool:
    """Return whether a disk failed, was full or was locked, rather than that the file on it is wrong."""
    return _failed(_code(error)) or str(error) == "disk I/O error"


def _code(error: sqlite3.Error) -> int:
    """The code that SQLite gave; what Python found by itself has none."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK))


def _failed(code: int) -> bool:
    """Whether *code*, of which the low byte is the kind, is about the disk: https://sqlite.org/rescode.html."""
    kinds = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN)
    return code & 0xFF in kinds and code != sqlite3.SQLITE_IOERR_SHORT_READ


@contextmanager
def translated() -> Iterator[None]:
    """Say in our words what SQLite says in its own: raise `StoreError`, or one of its kinds."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if _code(error) in _FULL:
            raise DiskFull("no space is left for the store") from error
        if str(error).startswith("Could not decode to UTF-8"):
            raise StoreCorrupt("the store is damaged: it holds text that is none") from error
        raise StoreError(f"the store cannot be used: {error}") from error
    except sqlite3.IntegrityError as error:
        raise Unstorable(f"the store refuses it: {error}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter over SQLite's own words
        raise StoreCorrupt(f"the store is damaged: {error}") from error
