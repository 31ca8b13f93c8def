"""How a node's own past is written and read: what it has said, what peers know better, what others contradicted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from paquebot.protocol.effects import EndLapse, Rejoin, SaveFork, SaveLapse, SavePast, SaveProof
from paquebot.protocol.encoding import Fingerprint, LineId, b64, raw
from paquebot.protocol.journal import Line
from paquebot.protocol.past import Fork, Lapse, Proof
from paquebot.protocol.resource import Signature
from paquebot.protocol.stamp import Millis
from paquebot.store.rows import Owner

Effect: TypeAlias = SaveProof | Rejoin | SavePast | SaveLapse | EndLapse | SaveFork
Rows: TypeAlias = Callable[..., list[Any]]
"""Runs a query whose first value is our node."""
Name: TypeAlias = Callable[[int], Fingerprint]


def apply(db: sqlite3.Connection, view: Owner, effect: Effect) -> None:
    """Carry out *effect*."""
    match effect:
        case SaveProof(proof, instead):
            who, by = view.party(proof.journal, create=True), proof.signature
            db.execute("DELETE FROM proof WHERE node = ? AND journal = ? AND number = ?", (view.node, who, instead))
            db.execute(
                "INSERT OR REPLACE INTO proof (user, node, journal, number, since, identifier, algorithm, signature)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (view.user, view.node, who, proof.number, proof.since, proof.identifier, by.algorithm, by.value),
            )
        case Rejoin(since, lines):
            _rejoin(db, view, since, lines)
        case SavePast(past):
            db.execute(
                "INSERT OR REPLACE INTO past (user, node, said, branch) VALUES (?, ?, ?, ?)",
                (view.user, view.node, past.said, past.branch),
            )
        case SaveLapse(lapse):
            who = view.party(lapse.peer, create=True)
            db.execute(
                "INSERT OR REPLACE INTO lapse (user, node, peer, number, line, since, asked)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (view.user, view.node, who, lapse.number, raw(lapse.line), lapse.since, lapse.asked),
            )
        case EndLapse(peer):
            db.execute("DELETE FROM lapse WHERE node = ? AND peer = ?", (view.node, view.party(peer)))
        case SaveFork(fork):
            who = view.party(fork.journal, create=True)
            db.execute(
                "INSERT OR IGNORE INTO fork (user, node, journal, number, held, other, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (view.user, view.node, who, fork.number, fork.held, fork.other, fork.at),
            )


def _rejoin(db: sqlite3.Connection, view: Owner, since: int, lines: Iterable[Line]) -> None:
    """Replace our lines after line *since*, and number the resources anew that they name."""
    node = view.node
    db.execute("DELETE FROM line WHERE node = ? AND journal = ? AND number > ?", (node, node, since))
    db.execute("UPDATE resource SET number = -number WHERE node = ? AND number > ?", (node, since))
    for line in lines:
        name = raw(line.entry.resource)
        db.execute(
            "INSERT INTO line (user, node, journal, number, id, publisher, resource) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (view.user, node, node, line.number, raw(line.id), view.party(line.entry.publisher, create=True), name),
        )
        db.execute("UPDATE resource SET number = ? WHERE node = ? AND id = ?", (line.number, node, name))


_LEFT_BEHIND = ("told", "letter", "reply", "outcome", "seen", "past", "lapse", "asking", "reached")
"""What counts between one node and its peers, and means nothing for another node."""


def succeed(db: sqlite3.Connection, old: int, new: int, trust: bytes, last: int) -> None:
    """Give all that node *old* has to node *new*, who has no journal yet; what *old* said after line *last* goes."""
    db.execute("DELETE FROM line WHERE node = ? AND journal = ? AND number > ?", (old, old, last))
    db.execute("UPDATE local SET node = ?, trust = ? WHERE node = ?", (new, trust, old))
    for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name != 'local'").fetchall():
        if "node" not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            continue
        if table in _LEFT_BEHIND:
            db.execute(f"DELETE FROM {table} WHERE node = ?", (old,))  # noqa: S608 our own names
        else:
            db.execute(f"UPDATE {table} SET node = ? WHERE node = ?", (new, old))  # noqa: S608 our own names
    db.execute("INSERT INTO predecessor (user, node, old) SELECT user, node, ? FROM local WHERE node = ?", (old, new))


def proofs(rows: Rows, author: Fingerprint, party: int, after: int) -> Sequence[Proof]:
    """Return what is kept to prove the lines of *author*, who has number *party*, after line *after*."""
    found = rows(
        "SELECT number, since, identifier, algorithm, signature FROM proof"
        " WHERE node = ? AND journal = ? AND number > ? ORDER BY number",
        party,
        after,
    )
    return [
        Proof(author, number, since, identifier, Signature(algorithm, author, value))
        for number, since, identifier, algorithm, value in found
    ]


def lapses(rows: Rows, name: Name, *, taken_back: bool) -> Sequence[Lapse]:
    """Return the lines of our own journal that peers claim to know and we do not."""
    found = rows("SELECT peer, number, line, since, asked FROM lapse WHERE node = ? ORDER BY peer")
    return [
        Lapse(name(peer), number, LineId(b64(line)), Millis(since), Millis(asked))
        for peer, number, line, since, asked in found
        if number or taken_back
    ]


def predecessors(rows: Rows, name: Name) -> Sequence[Fingerprint]:
    """Return the nodes that this home was before."""
    return [name(old) for (old,) in rows("SELECT old FROM predecessor WHERE node = ? ORDER BY old")]


def forks(rows: Rows, name: Name) -> Sequence[Fork]:
    """Return the contradictions that were found in others' journals."""
    found = rows("SELECT journal, number, held, other, at FROM fork WHERE node = ? ORDER BY journal")
    return [Fork(name(who), number, held, other, Millis(at)) for who, number, held, other, at in found]
