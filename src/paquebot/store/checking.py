"""Whether what a store says is true: of the database, of every name that is a hash, of every file it counts on.

Looking changes nothing. What can be mended is said with each finding; `paquebot.repairing` decides.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from hashlib import sha256
from itertools import islice

from paquebot.errors import Refused, StoreError
from paquebot.frozen import frozen
from paquebot.protocol import journal
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, digest, raw
from paquebot.protocol.journal import Entry
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Kept
from paquebot.protocol.trust import Identity
from paquebot.store import reading
from paquebot.store.blobs import Blobs
from paquebot.store.view import SqliteView


class Fault(Enum):
    """What may be wrong; the value says it to people."""

    KEY = "a key file is missing, damaged or cannot be used"
    DATABASE = "the database file is damaged"
    INDEX = "an index of the database is damaged"
    CHAIN = "the lines of a journal do not follow each other"
    RESOURCE = "the bytes of a resource are not those that its name promises"
    LISTING = "what is listed of a resource is not what it says"
    CHUNK = "the bytes of a file's chunk are missing or damaged"
    SET_ASIDE = "bytes that were set aside are missing or damaged"
    CARRIED = "bytes that are carried for others are missing or damaged"
    COUNT = "a file's count of missing chunks is wrong"
    ORPHAN = "bytes lie there that nothing names"
    DRAFT = "a draft was left by a run that was cut off"


@frozen
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
    """Yield what is wrong. *read_data* says of which share signatures and chunks are read and verified, 0 to 1."""
    damage = list(_database(db, thorough=read_data > 0))
    yield from damage
    if any(each.fault is Fault.DATABASE for each in damage):
        return  # what a damaged database says of the rest means nothing
    yield from _chains(db, view)
    yield from _introduced(db, view)
    yield from _resources(db, view, blobs, read_data, progress)
    yield from _counts(db, view)
    if blobs is not None:
        yield from _blobs(db, view, blobs, read_data, progress)
        yield from _left(db, blobs)


def _database(db: sqlite3.Connection, *, thorough: bool) -> Iterator[Finding]:
    try:
        found = reading.faults(db)
        if thorough and not found:
            reading.read_all(db)
    except sqlite3.DatabaseError as error:
        if reading.of_the_disk(error):
            raise
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


def _introduced(db: sqlite3.Connection, view: SqliteView) -> Iterator[Finding]:
    """Yield whose identity, keys or routes are looked for in a resource that says nothing of them, or is not known."""
    rows = db.execute(
        "SELECT party.name, kind, EXISTS (SELECT 1 FROM resource WHERE resource.node = introduced.node"
        " AND resource.id = introduced.resource) FROM introduced LEFT JOIN party ON party.id = introduced.name"
        " WHERE node = ? ORDER BY introduced.name, kind",
        (view.node,),
    )
    called = {"identity": "identity", "keys": "envelope keys", "node": "routes"}
    for name, kind, known in rows.fetchall():
        who, same = Fingerprint(b64(name or b"")), bool(name and known)
        with suppress(StoreError, Refused):  # its resource is damaged, which is said there
            found = view.identity(who) if kind == "identity" else view.announcement(who) if kind == "keys" else None
            if isinstance(found, Identity):
                same &= found.fingerprint == who
            elif found is not None:
                same &= found.node == who
        if not same:
            yield Finding(Fault.DATABASE, f"the {called[kind]} of {who[:12]}…")


def _resources(
    db: sqlite3.Connection, view: SqliteView, blobs: Blobs | None, read_data: float, progress: Progress
) -> Iterator[Finding]:
    rows = db.execute(
        "SELECT id, kind, payload, payload_blob, payload_bytes FROM resource WHERE node = ? AND gone = ''"
        " ORDER BY number",
        (view.node,),
    )
    for name, kind, payload, blob, size in rows:
        data = payload if not blob else blobs.get(blob) if blobs else payload
        progress(len(data or b""))
        found = ResourceId(b64(name))
        if data is None or digest(data) != found:
            yield Finding(Fault.RESOURCE, f"{kind} {found[:12]}…", found, blob)
        elif len(data) != size:
            yield Finding(Fault.LISTING, f"{kind} {found[:12]}…", found)
        elif _chosen(name, read_data) and (fault := _misread(view, found)):
            yield Finding(fault, f"{kind} {found[:12]}…", found)


def _chosen(name: bytes, share: float) -> bool:
    """Whether *name* is among that share: the same each time for the same share; over all shares, each is."""
    return int.from_bytes(sha256(name).digest()[:4]) < share * (1 << 32)


def _misread(view: SqliteView, name: ResourceId) -> Fault | None:
    """Return what is wrong with a resource whose payload is sound: its signature, or what is listed of it."""
    try:
        signed, listed = view.resource(name), view.listing(name)
        if signed is None or listed is None or signed.id != name:
            return Fault.RESOURCE
        resource = Resource.read(signed, view.schema)
        if identity := view.identity(signed.signer):
            signed.verify(identity.key)
        said = Kept.of(resource, listed.received)
    except (Refused, ValueError):
        return Fault.RESOURCE
    if view.opened(name) is not None:  # then it is listed by what lies inside
        return None
    same = all(getattr(listed, field) == getattr(said, field) for field in _LISTED)
    return None if same else Fault.LISTING


_LISTED = ("user", "kind", "stamp", "title", "filename", "tags", "size", "expires")


def relist(db: sqlite3.Connection, view: SqliteView, names: Iterable[ResourceId]) -> None:
    """List *names* by what they say."""
    for name in names:
        signed = view.resource(name)
        assert signed is not None, "it was found to be sound"
        said = Kept.of(Resource.read(signed, view.schema), Millis(0))
        db.execute(
            "UPDATE resource SET author = ?, kind = ?, stamp_at = ?, stamp_count = ?, title = ?, filename = ?,"
            " tags = ?, size = ?, expires = ?, payload_bytes = ? WHERE node = ? AND id = ?",
            (
                *(view.party(said.user, create=True), said.kind, said.stamp.at, said.stamp.count, said.title),
                *(said.filename, json.dumps(said.tags), said.size, said.expires, len(signed.payload)),
                *(view.node, raw(name)),
            ),
        )


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
        chosen = _chosen(name, read_data)
        if chosen:
            progress(size)
        if (blobs.get(name) is None) if chosen else (blobs.size(name) != size):
            yield Finding(Fault.CHUNK, f"chunk {name.hex()[:12]}…", blob=name)
    kept = "SELECT id, digest, bytes FROM quarantine WHERE node = ? AND state = 'kept' ORDER BY id"
    for number, name, size in db.execute(kept, (view.node,)).fetchall():
        if (blobs.get(name) is None) if _chosen(name, read_data) else (blobs.size(name) != size):
            yield Finding(Fault.SET_ASIDE, f"quarantine {number}", blob=name)
    for parcel in view.parcels():
        name, size, chosen = parcel.blob, parcel.size, _chosen(parcel.blob, read_data)
        if (blobs.get(name) is None) if chosen else (blobs.size(name) != size):
            yield Finding(Fault.CARRIED, f"parcel {parcel.name.hex()[:12]}…", blob=name)


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
                f"SELECT blob FROM parcel WHERE blob IN ({marks}) AND kept = 1",  # noqa: S608
            )
            for row in db.execute(sql, names)
        }
        for name in names:
            if name not in known:
                yield Finding(Fault.ORPHAN, f"blob {name.hex()[:12]}…", blob=name)
    for path in blobs.drafts():
        yield Finding(Fault.DRAFT, path.name)
