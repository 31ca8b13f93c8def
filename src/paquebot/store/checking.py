"""Whether what a store says is true: of the database, of every name that is a hash, of every file it counts on.

Looking changes nothing. What can be mended is said with each finding; `paquebot.repairing` decides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from itertools import islice

from paquebot.protocol import journal
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, digest, raw
from paquebot.protocol.journal import Entry
from paquebot.store import reading
from paquebot.store.blobs import Blobs
from paquebot.store.view import SqliteView


class Fault(Enum):
    """What may be wrong; the value says it to people."""

    KEY = "a key file is missing or cannot be used"
    DATABASE = "the database file is damaged"
    INDEX = "an index of the database is damaged"
    CHAIN = "the lines of a journal do not follow each other"
    RESOURCE = "the bytes of a resource are not those that its name promises"
    CHUNK = "the bytes of a file's chunk are missing or damaged"
    SET_ASIDE = "bytes that were set aside are missing or damaged"
    COUNT = "a file's count of missing chunks is wrong"
    ORPHAN = "bytes lie there that nothing names"
    DRAFT = "a draft was left by a run that was cut off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    fault: Fault
    what: str
    resource: ResourceId | None = None
    blob: bytes = b""

    @property
    def harmless(self) -> bool:
        """Whether nothing depends on it: it merely takes space."""
        return self.fault in (Fault.ORPHAN, Fault.DRAFT)


Progress = Callable[[int], None]
"""Told how many bytes were read."""


def check(
    db: sqlite3.Connection, view: SqliteView, blobs: Blobs | None, *, read_data: float, progress: Progress
) -> Iterator[Finding]:
    """Yield what is wrong. *read_data* says which share of the chunks is read and hashed, 0 to 1."""
    damage = list(_database(db))
    yield from damage
    if any(each.fault is Fault.DATABASE for each in damage):
        return  # what a damaged database says of the rest means nothing
    yield from _chains(db, view)
    yield from _resources(db, view, blobs, progress)
    yield from _counts(db, view)
    if blobs is not None:
        yield from _blobs(db, view, blobs, read_data, progress)
        yield from _left(db, blobs)


def _database(db: sqlite3.Connection) -> Iterator[Finding]:
    try:
        found = reading.faults(db)
    except sqlite3.DatabaseError as error:
        yield Finding(Fault.DATABASE, str(error))
        return
    for text in found:
        index = "index" in text and ("missing from" in text or "wrong # of entries" in text or "non-unique" in text)
        yield Finding(Fault.INDEX if index else Fault.DATABASE, text)


def _chains(db: sqlite3.Connection, view: SqliteView) -> Iterator[Finding]:
    journals = db.execute("SELECT DISTINCT journal FROM line WHERE node = ? ORDER BY journal", (view.node,)).fetchall()
    for (number,) in journals:
        who = Fingerprint(b64(db.execute("SELECT name FROM party WHERE id = ?", (number,)).fetchone()[0]))
        since, expected = journal.root(who), 1
        rows = db.execute(
            "SELECT number, line.id, party.name, resource FROM line JOIN party ON party.id = publisher"
            " WHERE node = ? AND journal = ? ORDER BY number",
            (view.node, number),
        )
        for place, name, publisher, resource in rows:
            entry = Entry(Fingerprint(b64(publisher)), ResourceId(b64(resource)))
            (line,) = journal.extend(since, place - 1, [entry])
            if place != expected or raw(line.id) != name:
                yield Finding(Fault.CHAIN, f"journal of {who[:12]}…, line {place}")
                break
            since, expected = line.id, place + 1


def _resources(db: sqlite3.Connection, view: SqliteView, blobs: Blobs | None, progress: Progress) -> Iterator[Finding]:
    rows = db.execute(
        "SELECT id, kind, payload, payload_blob FROM resource WHERE node = ? AND gone = '' ORDER BY number",
        (view.node,),
    )
    for name, kind, payload, blob in rows:
        data = payload if not blob else blobs.get(blob) if blobs else payload
        progress(len(data or b""))
        if data is None or digest(data) != b64(name):
            found = ResourceId(b64(name))
            yield Finding(Fault.RESOURCE, f"{kind} {found[:12]}…", found, blob)


def _counts(db: sqlite3.Connection, view: SqliteView) -> Iterator[Finding]:
    rows = db.execute(
        "SELECT id, filename, lacking, chunk_total - (SELECT count(*) FROM chunk WHERE chunk.node = resource.node"
        " AND held = 1 AND chunk.number BETWEEN chunk_first AND chunk_first + chunk_total - 1) AS true_lacking"
        " FROM resource WHERE node = ? AND chunk_total > 0 AND lacking != true_lacking ORDER BY number",
        (view.node,),
    )
    for name, filename, lacking, really in rows.fetchall():
        found = ResourceId(b64(name))
        yield Finding(Fault.COUNT, f"{filename or found[:12]}: {lacking} said, {really} lacking", found)


def recount(db: sqlite3.Connection, view: SqliteView) -> None:
    """Count anew how many chunks each file lacks."""
    db.execute(
        "UPDATE resource SET lacking = chunk_total - (SELECT count(*) FROM chunk WHERE chunk.node = resource.node"
        " AND held = 1 AND chunk.number BETWEEN chunk_first AND chunk_first + chunk_total - 1)"
        " WHERE node = ? AND chunk_total > 0",
        (view.node,),
    )


def _blobs(
    db: sqlite3.Connection, view: SqliteView, blobs: Blobs, read_data: float, progress: Progress
) -> Iterator[Finding]:
    for name, size in db.execute("SELECT hash, size FROM blob WHERE node = ? ORDER BY hash", (view.node,)).fetchall():
        # The same chunks each time for the same share; over all shares, all of them.
        chosen = int.from_bytes(sha256(name).digest()[:4]) < read_data * (1 << 32)
        if chosen:
            progress(size)
        if (blobs.get(name) is None) if chosen else (blobs.size(name) != size):
            yield Finding(Fault.CHUNK, f"chunk {name.hex()[:12]}…", blob=name)
    kept = "SELECT id, digest, bytes FROM quarantine WHERE node = ? AND state = 'kept' ORDER BY id"
    for number, name, size in db.execute(kept, (view.node,)).fetchall():
        if blobs.size(name) != size:
            yield Finding(Fault.SET_ASIDE, f"quarantine {number}", blob=name)


def _left(db: sqlite3.Connection, blobs: Blobs) -> Iterator[Finding]:
    source = iter(blobs.names())
    while names := list(islice(source, 500)):
        marks = ", ".join("?" * len(names))
        known = {
            row[0]
            for sql in (
                f"SELECT hash FROM blob WHERE hash IN ({marks})",  # noqa: S608 question marks only
                f"SELECT digest FROM quarantine WHERE digest IN ({marks})",  # noqa: S608
                f"SELECT payload_blob FROM resource WHERE payload_blob IN ({marks})",  # noqa: S608
            )
            for row in db.execute(sql, names)
        }
        for name in names:
            if name not in known:
                yield Finding(Fault.ORPHAN, f"blob {name.hex()[:12]}…", blob=name)
    for path in blobs.drafts():
        yield Finding(Fault.DRAFT, path.name)
