"""What is carried for others in the store: parcels, for whom they are, and on which media they lie."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from paquebot.protocol.burden import (
    Addressee,
    Appraise,
    Carrying,
    DropShown,
    LetGo,
    Lies,
    LiesNot,
    MayLie,
    NoteShown,
    NoteToken,
    Parcel,
    PutDown,
    Rank,
    TakeAgain,
    TakeAlong,
)
from paquebot.protocol.stamp import Millis
from paquebot.store.rows import BlobSink, Owner

_COLUMNS = "name, blob, size, rank, priority, hops, expires, since, ends, kept"


def apply(db: sqlite3.Connection, blobs: BlobSink, view: BurdenView, effect: Carrying) -> list[bytes]:
    """Carry out *effect*; return the blobs that may be needed no longer."""
    owner, node = (view.user, view.node), view.node
    match effect:
        case TakeAlong(parcel, data):
            _take(db, owner, parcel)
            if parcel.kept:
                blob = blobs.put(data)  # also where nothing is asserted
                assert blob == parcel.blob
            view.burdened(parcel.rank, int(parcel.kept), parcel.size)
        case Appraise(p):
            view.unburden()
            sql = (
                "UPDATE parcel SET rank = ?, priority = ?, hops = ?, expires = ?, ends = ? WHERE node = ? AND name = ?"
            )
            db.execute(sql, (p.rank, p.priority, p.hops, p.expires, p.ends, node, p.name))
        case NoteToken(name, hash_, token):
            sql = "UPDATE addressee SET token = ? WHERE node = ? AND parcel = ? AND hash = ?"
            db.execute(sql, (token, node, name, hash_))
        case TakeAgain(name, data):
            view.unburden()
            blob = blobs.put(data)
            sql = "UPDATE parcel SET kept = 1 WHERE node = ? AND name = ? AND blob = ?"
            db.execute(sql, (node, name, blob))
        case NoteShown(hash_, token, at):
            sql = "INSERT OR IGNORE INTO shown (user, node, hash, token, at) VALUES (?, ?, ?, ?, ?)"
            db.execute(sql, (*owner, hash_, token, at))
        case DropShown(count):
            oldest = "SELECT hash FROM shown WHERE node = ? ORDER BY at, hash LIMIT ?"
            rows = db.execute(oldest, (node, count)).fetchall()
            db.executemany("DELETE FROM shown WHERE node = ? AND hash = ?", [(node, hash_) for (hash_,) in rows])
        case PutDown(name):
            sql = "UPDATE parcel SET kept = 0 WHERE node = ? AND name = ? AND kept = 1 RETURNING blob, rank, size"
            rows = db.execute(sql, (node, name)).fetchall()
            for _, rank, size in rows:
                view.burdened(rank, -1, size)
            return [blob for blob, _, _ in rows]
        case LetGo(name):
            view.unburden()
            db.execute("DELETE FROM addressee WHERE node = ? AND parcel = ?", (node, name))
            db.execute("DELETE FROM berth WHERE node = ? AND parcel = ?", (node, name))
            sql = "DELETE FROM parcel WHERE node = ? AND name = ? RETURNING blob"
            return [blob for (blob,) in db.execute(sql, (node, name)).fetchall()]
        case Lies(name, medium, put):
            db.execute(
                "INSERT INTO berth (user, node, medium, parcel, put) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (node, medium, parcel) DO UPDATE SET put = max(put, excluded.put)",
                (*owner, medium, name, put),
            )
        case MayLie(name, medium):
            sql = "INSERT OR IGNORE INTO berth (user, node, medium, parcel, put) VALUES (?, ?, ?, ?, -1)"
            db.execute(sql, (*owner, medium, name))
        case LiesNot(name, medium):
            db.execute("DELETE FROM berth WHERE node = ? AND medium = ? AND parcel = ?", (node, medium, name))
        case _:
            raise AssertionError(effect)
    return []


def _take(db: sqlite3.Connection, owner: tuple[int, int], parcel: Parcel) -> None:
    db.execute(
        f"INSERT INTO parcel (user, node, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            *owner,
            parcel.name,
            parcel.blob,
            parcel.size,
            parcel.rank,
            parcel.priority,
            parcel.hops,
            parcel.expires,
            parcel.since,
            parcel.ends,
            parcel.kept,
        ),
    )
    db.executemany(
        "INSERT INTO addressee (user, node, parcel, place, tag, hash, token) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(*owner, parcel.name, place, a.tag, a.hash, a.token) for place, a in enumerate(parcel.addressees)],
    )


def blobs(db: sqlite3.Connection) -> list[bytes]:
    """Return the blobs of all parcels that are kept."""
    sql = "SELECT blob FROM parcel WHERE node IN (SELECT node FROM local) AND kept = 1 ORDER BY blob"
    return [blob for (blob,) in db.execute(sql).fetchall()]


class BurdenView(Owner):
    """The part of the view that looks at what is carried for others."""

    _burdens: dict[int, tuple[int, int]]
    """By rank, what `burden` found: it is asked for at each parcel that is met."""

    def parcel(self, name: bytes) -> Parcel | None:
        """Return what is known of a parcel."""
        row = self._one(f"SELECT {_COLUMNS} FROM parcel WHERE node = ? AND name = ?", name)  # noqa: S608
        return self._parcel(row) if row else None

    def parcels(self) -> Sequence[Parcel]:
        """Return all parcels that are kept, those of most worth first."""
        return self._parcels("kept = 1 ORDER BY rank, priority, ends DESC, name")

    def burden(self, rank: Rank) -> tuple[int, int]:
        """Return how many parcels of *rank* are kept, and their bytes."""
        if rank not in self._burdens:
            sql = "SELECT count(*), coalesce(sum(size), 0) FROM parcel WHERE node = ? AND kept = 1 AND rank = ?"
            count, size = self._one(sql, rank)
            self._burdens[rank] = count, size
        return self._burdens[rank]

    def burdened(self, rank: int, more: int, size: int) -> None:
        """Note that so many *more* parcels of *rank* are kept, each of *size* bytes."""
        if rank in self._burdens:
            count, before = self._burdens[rank]
            self._burdens[rank] = count + more, before + more * size

    def unburden(self) -> None:
        """Forget what is cached of the burden."""
        self._burdens = {}

    def least(self, rank: Rank, limit: int) -> Sequence[Parcel]:
        """Return the first few kept parcels of *rank* to make room, those of least worth first."""
        where = "kept = 1 AND rank = ? ORDER BY priority DESC, ends, name DESC LIMIT ?"
        return self._parcels(where, rank, limit)

    def ended(self, now: Millis, limit: int) -> Sequence[bytes]:
        """Return the names of the first few parcels, kept or not, that have ended by *now*."""
        sql = "SELECT name FROM parcel WHERE node = ? AND ends <= ? ORDER BY ends, name LIMIT ?"
        return [name for (name,) in self._all(sql, now, limit)]

    def put_down(self) -> int:
        """Return how many parcels are known and not kept."""
        return int(self._one("SELECT count(*) FROM parcel WHERE node = ? AND kept = 0")[0])

    def oldest_put_down(self, limit: int) -> Sequence[bytes]:
        """Return the names of the first few parcels that are known and not kept, those that end first before others."""
        sql = "SELECT name FROM parcel WHERE node = ? AND kept = 0 ORDER BY ends, name LIMIT ?"
        return [name for (name,) in self._all(sql, limit)]

    def awaiting(self, hash_: bytes, limit: int) -> Sequence[bytes]:
        """Return the names of the first few parcels that wait for a token of that hash."""
        sql = (
            "SELECT DISTINCT parcel FROM addressee INDEXED BY addressee_hash"
            " WHERE node = ? AND hash = ? AND token = x'' ORDER BY parcel LIMIT ?"
        )
        return [name for (name,) in self._all(sql, hash_, limit)]

    def shown(self, hash_: bytes) -> bytes:
        """Return a token of that hash that was shown; empty if none is known."""
        sql = "SELECT token FROM shown WHERE node = ? AND hash = ?"
        noted = (
            "SELECT token FROM addressee INDEXED BY addressee_hash WHERE node = ? AND hash = ? AND token != x'' LIMIT 1"
        )
        row = self._one(sql, hash_) or self._one(noted, hash_)
        return bytes(row[0]) if row else b""

    def shown_count(self) -> int:
        """Return how many tokens are remembered that nothing waited for."""
        return int(self._one("SELECT count(*) FROM shown WHERE node = ?")[0])

    def lies(self, name: bytes, medium: str) -> bool:
        """Return whether a parcel is known to lie on a medium."""
        sql = "SELECT 1 FROM berth WHERE node = ? AND medium = ? AND parcel = ? AND put >= 0"
        return self._one(sql, medium, name) is not None

    def berths(self, name: bytes) -> Sequence[str]:
        """Return the media on which a parcel lies, as far as known."""
        sql = (
            "SELECT medium FROM berth INDEXED BY berth_parcel"
            " WHERE node = ? AND parcel = ? AND put >= 0 ORDER BY medium"
        )
        return [medium for (medium,) in self._all(sql, name)]

    def to_put(self, medium: str, size_max: int, copies_max: int, limit: int) -> Sequence[Parcel]:
        """Return the first few kept parcels, of most worth first, that may be put on *medium*."""
        return self._parcels(
            "kept = 1 AND size <= ?"
            " AND NOT EXISTS (SELECT 1 FROM berth b"
            " WHERE b.node = parcel.node AND medium = ? AND b.parcel = name AND put >= 0)"
            " AND (SELECT count(*) FROM berth b WHERE b.node = parcel.node AND b.parcel = name AND put >= 0) < ?"
            " ORDER BY rank, priority, ends DESC, name LIMIT ?",
            *(size_max, medium, copies_max, limit),
        )

    def put_on(self, medium: str) -> int:
        """Return how many bytes we put on *medium* of parcels that are still kept."""
        sql = (
            "SELECT coalesce(sum(size), 0) FROM berth JOIN parcel ON parcel.node = berth.node AND name = berth.parcel"
            " WHERE berth.node = ? AND medium = ? AND put = 1 AND kept = 1"
        )
        return int(self._one(sql, medium)[0])

    def shown_for(self, medium: str, limit: int) -> Sequence[bytes]:
        """Return the tokens known of parcels that lie, or may lie, on *medium*, the latest parcels first."""
        sql = (
            "SELECT token FROM berth JOIN addressee a ON a.node = berth.node AND a.parcel = berth.parcel"
            " JOIN parcel ON parcel.node = berth.node AND name = berth.parcel"
            " WHERE berth.node = ? AND medium = ? AND token != x'' ORDER BY since DESC, name, place LIMIT ?"
        )
        return [token for (token,) in self._all(sql, medium, limit)]

    def _parcels(self, where: str, *values: object) -> list[Parcel]:
        rows = self._all(f"SELECT {_COLUMNS} FROM parcel WHERE node = ? AND {where}", *values)  # noqa: S608 our own
        return [self._parcel(row) for row in rows]

    def _parcel(self, row: tuple[bytes, bytes, int, int, int, int, int, int, int, int]) -> Parcel:
        name, blob, size, rank, priority, hops, expires, since, ends, kept = row
        sql = "SELECT tag, hash, token FROM addressee WHERE node = ? AND parcel = ? ORDER BY place"
        return Parcel(
            name=name,
            blob=blob,
            size=size,
            rank=Rank(rank),
            priority=priority,
            hops=hops,
            expires=Millis(expires),
            since=Millis(since),
            ends=Millis(ends),
            addressees=tuple(Addressee(*each) for each in self._all(sql, name)),
            kept=bool(kept),
        )
