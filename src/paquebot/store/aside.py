"""What is set aside: refused bytes and the reason, for a person to look at, and never enough to fill the disk."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

from paquebot.protocol.effects import Quarantine
from paquebot.protocol.encoding import raw
from paquebot.protocol.limits import ASIDE_BYTES_MAX, ASIDE_MAX, ASIDE_SENDER_BYTES_MAX, ASIDE_SENDER_MAX
from paquebot.store import noting
from paquebot.store.rows import BlobSink
from paquebot.store.view import SqliteView

FORGOTTEN = "set aside and forgotten"
"""The tally of pieces whose rows had to go."""


def set_aside(db: sqlite3.Connection, blobs: BlobSink, view: SqliteView, effect: Quarantine) -> None:
    """Keep refused bytes and the reason, unless the same bytes were set aside before."""
    digest = sha256(effect.data).digest()
    if db.execute("SELECT 1 FROM quarantine WHERE node = ? AND digest = ?", (view.node, digest)).fetchone():
        return
    db.execute(
        "INSERT INTO quarantine (user, node, digest, bytes, code, reason, sender, place, at, item, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'kept')",
        (
            view.user,
            view.node,
            blobs.put(effect.data),
            len(effect.data),
            effect.code,
            noting.text(effect.reason),
            view.party(effect.sender, create=True) if effect.sender else 0,
            noting.text(effect.where),
            effect.at,
            raw(effect.item) if effect.item else b"",
        ),
    )


def make_room(db: sqlite3.Connection, view: SqliteView) -> list[bytes]:
    """Let go of what is too much: of bytes, and of rows, which are counted. Return the blobs that this leaves."""
    node = view.node
    kept = "SELECT id, sender, bytes, digest FROM quarantine WHERE node = ? AND state = 'kept' ORDER BY id"
    pieces = db.execute(kept, (node,)).fetchall()
    digests = {number: digest for number, _, _, digest in pieces}
    heavy = excess([piece[:3] for piece in pieces], ASIDE_SENDER_BYTES_MAX, ASIDE_BYTES_MAX)
    db.executemany("UPDATE quarantine SET state = 'dropped' WHERE id = ?", [(number,) for number in heavy])
    rows = "SELECT id, sender, 1 FROM quarantine WHERE node = ? ORDER BY state = 'kept', id"
    many = excess(db.execute(rows, (node,)).fetchall(), ASIDE_SENDER_MAX, ASIDE_MAX)
    db.executemany("DELETE FROM quarantine WHERE id = ?", [(number,) for number in many])
    if many:
        db.execute(
            "INSERT INTO tally (user, node, name, count) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (node, name) DO UPDATE SET count = count + excluded.count",
            (view.user, node, FORGOTTEN, len(many)),
        )
    return [digests[number] for number in {*heavy, *many} & digests.keys()]


def excess(pieces: Sequence[tuple[int, int, int]], each_max: int, all_max: int) -> list[int]:
    """Return which of *pieces*, (number, whose, weight) from the first to the last to go, are too much.

    Nobody may have more than *each_max*, nor all together more than *all_max*: then those go of whoever has most.

    >>> excess([(1, 7, 10), (2, 7, 10), (3, 8, 5), (4, 7, 10)], 20, 99)
    [1]
    >>> excess([(1, 7, 10), (2, 8, 4), (3, 7, 10), (4, 8, 4)], 99, 20)
    [1]
    """
    weights: Counter[int] = Counter()
    queues: dict[int, list[tuple[int, int]]] = {}
    for number, whose, weight in pieces:
        weights[whose] += weight
        queues.setdefault(whose, []).append((number, weight))
    for queue in queues.values():
        queue.reverse()
    gone: list[int] = []
    while weights:
        whose, most = max(weights.items(), key=lambda each: each[1])
        if most <= each_max and weights.total() <= all_max:
            break
        number, weight = queues[whose].pop()
        weights[whose] -= weight
        gone.append(number)
    return gone


def purge(db: sqlite3.Connection, node: int, numbers: Iterable[int]) -> list[bytes]:
    """Note that a person needs the bytes of these pieces no longer; return their names. What they were stays known."""
    found = []
    for number in numbers:
        found += db.execute(
            "UPDATE quarantine SET state = 'purged' WHERE node = ? AND id = ? RETURNING digest", (node, number)
        ).fetchall()
    return [digest for (digest,) in found]
