"""How the store keeps evidence: a row for each occasion, and one for all that is older than the latest few hundred."""

from __future__ import annotations

import sqlite3

from paquebot.protocol.effects import Reached
from paquebot.protocol.limits import EVIDENCE_MAX
from paquebot.protocol.ranges import Ranges
from paquebot.store import noting
from paquebot.store.rows import ranges, runs
from paquebot.store.view import SqliteView


def note(db: sqlite3.Connection, view: SqliteView, effect: Reached) -> None:
    """Add what *effect* says."""
    whose = (view.node, view.party(effect.peer), effect.stage)
    _add(db, view, whose, effect.at, noting.text(effect.where), effect.lines)
    old = db.execute(
        "SELECT at, place, lines FROM reached WHERE node = ? AND peer = ? AND stage = ? ORDER BY at DESC, place"
        " LIMIT 2 OFFSET ?",
        (*whose, EVIDENCE_MAX - 1),
    ).fetchall()
    if len(old) == 2:
        for at, place, _ in old:
            db.execute(
                "DELETE FROM reached WHERE node = ? AND peer = ? AND stage = ? AND at = ? AND place = ?",
                (*whose, at, place),
            )
        lines = ranges(old[0][2]) | ranges(old[1][2])
        _add(db, view, whose, old[0][0], "", lines)


def _add(
    db: sqlite3.Connection, view: SqliteView, whose: tuple[int, int, str], at: int, place: str, lines: Ranges
) -> None:
    row = db.execute(
        "SELECT lines FROM reached WHERE node = ? AND peer = ? AND stage = ? AND at = ? AND place = ?",
        (*whose, at, place),
    ).fetchone()
    before = ranges(row[0]) if row else Ranges()
    db.execute(
        "INSERT OR REPLACE INTO reached (user, node, peer, stage, at, place, lines) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (view.user, *whose, at, place, runs(before | lines)),
    )
