"""What is let go, in the store: bytes that are forgotten on purpose, and bytes that the disk has damaged."""

from __future__ import annotations

import sqlite3

from paquebot.protocol.effects import Forget, Lose, LoseBlob
from paquebot.protocol.encoding import raw
from paquebot.store import chunks
from paquebot.store.view import SqliteView


def let_go(db: sqlite3.Connection, view: SqliteView, effect: Forget | Lose | LoseBlob) -> list[bytes]:
    """Carry out *effect*; return the names of blobs that may be needed no longer."""
    match effect:
        case Forget(resource):
            return _forget(db, view, raw(resource))
        case Lose(resource):
            sql = "UPDATE resource SET gone = 'lost', payload = x'', payload_blob = x'' WHERE node = ? AND id = ?"
            db.execute(sql, (view.node, raw(resource)))
        case LoseBlob(name):
            _lose_blob(db, view, name)
    return []


def make_way(db: sqlite3.Connection, view: SqliteView, name: bytes) -> None:
    """Remove the row of a resource that was lost and comes again."""
    sql = "SELECT chunk_first, chunk_total FROM resource WHERE node = ? AND id = ? AND gone = 'lost'"
    if lost := db.execute(sql, (view.node, name)).fetchone():
        _drop_chunks(db, view, *lost)
        db.execute("DELETE FROM resource WHERE node = ? AND id = ?", (view.node, name))


def _forget(db: sqlite3.Connection, view: SqliteView, name: bytes) -> list[bytes]:
    sql = "SELECT payload_blob, chunk_first, chunk_total FROM resource WHERE node = ? AND id = ?"
    payload, first, total = db.execute(sql, (view.node, name)).fetchone()
    dropped = [payload] if payload else []
    for chunk in _drop_chunks(db, view, first, total):
        if db.execute("SELECT 1 FROM chunk WHERE node = ? AND hash = ?", (view.node, chunk)).fetchone() is None:
            db.execute("DELETE FROM blob WHERE node = ? AND hash = ?", (view.node, chunk))
            chunks.forget(db, view.node, chunk)
            dropped.append(chunk)
    db.execute(
        "UPDATE resource SET gone = 'forgotten', payload = x'', payload_blob = x'', verbatim = x'', chunk_first = 0,"
        " chunk_total = 0, lacking = 0 WHERE node = ? AND id = ?",
        (view.node, name),
    )
    return dropped


def _drop_chunks(db: sqlite3.Connection, view: SqliteView, first: int, total: int) -> list[bytes]:
    """Take chunk numbers out of use; return the hashes that they had."""
    span = (view.node, first, first + total - 1)
    rows = db.execute("SELECT hash FROM chunk WHERE node = ? AND number BETWEEN ? AND ?", span).fetchall()
    db.execute("DELETE FROM chunk WHERE node = ? AND number BETWEEN ? AND ?", span)
    return [name for name in dict.fromkeys(row[0] for row in rows) if name]


def _lose_blob(db: sqlite3.Connection, view: SqliteView, name: bytes) -> None:
    db.execute("DELETE FROM blob WHERE node = ? AND hash = ?", (view.node, name))
    chunks.forget(db, view.node, name)
    rows = db.execute("SELECT number FROM chunk WHERE node = ? AND hash = ? AND held = 1", (view.node, name)).fetchall()
    for (number,) in rows:
        db.execute("UPDATE chunk SET held = 0 WHERE node = ? AND number = ?", (view.node, number))
        file = (view.node, view.file_of(number))
        db.execute("UPDATE resource SET lacking = lacking + 1, asked = 0 WHERE node = ? AND number = ?", file)
