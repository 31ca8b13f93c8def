"""Copies of a store: taken for an export, and judged before one that came from elsewhere is believed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from paquebot.errors import Malformed, NotInitialised, StoreError
from paquebot.store import reading
from paquebot.store.sqlite import Store

NAME = "store.db"


_OF_OTHERS = """
PRAGMA journal_mode = OFF;
DELETE FROM parcel;
DELETE FROM addressee;
DELETE FROM berth;
DELETE FROM shown;
VACUUM;
"""
"""Takes from a copy what is only carried for others: whoever has the original carries on."""

_WITHOUT_SECRETS = """
PRAGMA journal_mode = OFF;
DELETE FROM invite;
DELETE FROM joined;
DELETE FROM related WHERE EXISTS (
    SELECT 1 FROM opened WHERE opened.node = related.node AND opened.resource = related.resource);
UPDATE resource SET kind = 'sealed', title = '', filename = '', tags = '[]', size = 0, expires = 0 WHERE EXISTS (
    SELECT 1 FROM opened WHERE opened.node = resource.node AND opened.resource = resource.id);
DELETE FROM opened;
DELETE FROM audience;
DELETE FROM readable;
VACUUM;
"""
"""Takes from a copy what lies inside private things, for whom they are, and by what invitations are proven.

It is vacuumed again, for deleted rows stay in the file until then.
"""


def take(folder: Path, target: Path, *, secrets: bool) -> None:
    """Write a compact copy of the store in *folder* to the new file *target*. Raise `StoreError`.

    What is carried for others is left out.
    Without *secrets*, nothing is in it that was kept from anybody: no invitations, and private things as they travel.
    """
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(f"{(folder / NAME).absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        try:
            db.execute("VACUUM INTO ?", (str(target),))
        finally:
            db.close()
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            if copy.execute("SELECT 1 FROM parcel LIMIT 1").fetchone():
                copy.executescript(_OF_OTHERS)
            if not secrets:
                copy.executescript(_WITHOUT_SECRETS)
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be copied: {error}") from error


def adopt(folder: Path) -> Store:
    """Return the store in *folder*, which came from elsewhere, once it is known to be one of ours and unharmed.

    An older one is brought up to date. Raise `Malformed` if it is damaged or holds anything that acts by itself,
    `StoreTooNew`, and `StoreError` or `DiskFull` if the disk it lies on now fails.
    """
    path = folder / NAME
    with Store.translated():
        _check(path, None)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")  # which a copy is not; or who looks would stop who writes
    store = Store(folder)
    try:
        with Store.translated():
            _check(path, _shape())
            assert store.view
    except NotInitialised:
        store.close()
        raise Malformed("the store in the file holds no node") from None
    except BaseException:
        store.close()
        raise
    return store


def _check(path: Path, shape: set[tuple[str, ...]] | None) -> None:
    """Raise `Malformed` unless the store is whole and has tables and indexes only; exactly *shape* if it is given."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        try:
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute("PRAGMA cell_size_check = ON")
            kinds = {row[0] for row in db.execute("SELECT DISTINCT type FROM sqlite_master")}
            if kinds - {"table", "index"} or (shape is not None and _shape_of(db) != shape):
                raise Malformed("the store in the file is not of the form that ours have")
            if reading.faults(db):
                raise Malformed("the store in the file is damaged")
        finally:
            db.close()
    except sqlite3.Error as error:
        if reading.of_the_disk(error):
            raise
        raise Malformed("the store in the file is damaged") from None


def _shape() -> set[tuple[str, ...]]:
    """The tables and indexes of a new store."""
    store = Store(None)
    try:
        return _shape_of(store._db)
    finally:
        store.close()


def _shape_of(db: sqlite3.Connection) -> set[tuple[str, ...]]:
    rows = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return {tuple(str(each) for each in row) for row in rows}
