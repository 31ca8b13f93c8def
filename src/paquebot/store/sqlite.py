"""The default store: one SQLite file and a folder of blobs, written by one process at a time."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from paquebot.errors import NotInitialised, StoreError
from paquebot.protocol import effects as ask
from paquebot.protocol.burden import Carrying
from paquebot.protocol.effects import Effect
from paquebot.protocol.encoding import Fingerprint, ResourceId, raw
from paquebot.protocol.limits import ROW_BYTES_MAX
from paquebot.protocol.resource import PROOFS
from paquebot.protocol.state import Local
from paquebot.store import (
    aside,
    asking,
    authority,
    burden,
    checking,
    chunks,
    evidence,
    forgetting,
    noting,
    past,
    private,
    strangers,
)
from paquebot.store.blobs import Blobs, CopiedBlobs, MemoryBlobs
from paquebot.store.checking import Finding, Progress
from paquebot.store.migrating import migrate, scripts
from paquebot.store.reading import look, translated, unfinished
from paquebot.store.rows import runs
from paquebot.store.view import SqliteView

SQLITE_MIN = (3, 37)  # STRICT tables


class Store:
    """A home's store, open for one local node. `view` is for looking, `commit` is the only way to write.

    Raise `StoreTooNew`, `StoreCorrupt`, `DiskFull` or `StoreError` from any method, `Unstorable` from those that write.
    """

    def __init__(self, folder: Path | None, *, looking: bool = False) -> None:
        """Open the store in *folder*, or a new one in memory (blobs included) with None.

        With *looking*, another process may be writing; nothing can be written, and `StoreOld` may be raised.
        """
        if sqlite3.sqlite_version_info < SQLITE_MIN:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; paquebot needs 3.37 or newer")
        self.blobs: Blobs | MemoryBlobs | CopiedBlobs = Blobs(folder / "blobs") if folder else MemoryBlobs()
        self._path = folder / "store.db" if folder else None
        self._open: SqliteView | None = None
        self._looking = looking
        with translated():
            self._db, self._writable = self._connect()

    def _connect(self) -> tuple[sqlite3.Connection, bool]:
        """Open the file so that merely looking leaves no trace on the disk; no other process writes anyway."""
        if self._looking and self._path:
            return look(self._path, len(scripts())), False
        if self._path and self._path.exists() and not unfinished(self._path):
            db = sqlite3.connect(f"{self._path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
            with _closed_on_error(db):
                if db.execute("PRAGMA user_version").fetchone()[0] == len(scripts()):
                    return db, False
            db.close()
        if self._path and not self._path.exists():
            with suppress(OSError):  # SQLite will say so in its own way; its log gets the mode that the file has
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self._path or ":memory:", isolation_level=None)
        with _closed_on_error(db):
            db.execute("PRAGMA synchronous = FULL")  # what is acknowledged must survive a power cut
            migrate(db, self._path)
        return db, True

    def _write(self) -> sqlite3.Connection:
        """Return the connection, now one that can write."""
        if self._looking:
            raise StoreError("the store was opened only to look")
        if not self._writable:
            db = sqlite3.connect(self._path or ":memory:", isolation_level=None)
            with _closed_on_error(db):
                db.execute("PRAGMA synchronous = FULL")
            self._db.close()  # only now: on a full disk one can look on
            self._db, self._writable = db, True
            if self._open is not None:
                self._open.use(self._db)
        return self._db

    def close(self) -> None:
        """Close the store."""
        self._db.close()

    def fold(self) -> None:
        """Bring everything into the one file of the database, which may then be moved. Raise `StoreError`."""
        with translated():
            if self._write().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise StoreError("the store is in use")

    @staticmethod
    def translated() -> AbstractContextManager[None]:
        """Raise `StoreCorrupt` and its like for what SQLite raises when the view is used."""
        return translated()

    def copy(self) -> Store:
        """Return a store in memory that holds the same. Chunks are read from here, and written nowhere."""
        copy = Store(None)
        with translated():
            self._db.backup(copy._db)
        copy.blobs = CopiedBlobs(self.blobs)
        return copy

    def found(self, local: Local, effects: Callable[[], Iterable[Effect]]) -> None:
        """Add a local node with its first lines, in one transaction."""
        with translated(), self._transaction():
            user, node = self._party(local.user), self._party(local.node)
            self._db.execute(
                "INSERT INTO local (node, user, trust, name, clock_floor, clock_wall, stamp_at, stamp_count, chunks)"
                " VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0)",
                (node, user, raw(local.trust), local.name),
            )
            writer = _Writer(self._db, self.blobs, self.view)
            for effect in effects():
                writer.apply(effect)

    def succeed(self, local: Local, last: int, effects: Callable[[], Iterable[Effect]]) -> None:
        """Let *local* take over from the local node, in one transaction; of the old journal *last* lines stay."""
        old = self.view.node
        try:
            with translated(), self._transaction():
                past.succeed(self._db, old, self._party(local.node), raw(local.trust), last)
                self._open = SqliteView(self._db, self.blobs, self._party(local.node))
                writer = _Writer(self._db, self.blobs, self._open)
                for effect in effects():
                    writer.apply(effect)
        except BaseException:
            self._open = None
            raise

    def remove_peer(self, node: Fingerprint) -> None:
        """Forget a peer and what is on its way to it; what was learned from it stays."""
        view = self.view
        with translated(), self._transaction():
            for table in (
                "peer",
                "told",
                "letter",
                "reply",
                "outcome",
                "asking",
                "account",
                "lapse",
                "reached",
                *strangers.TABLES,
            ):
                self._db.execute(
                    f"DELETE FROM {table} WHERE node = ? AND peer = ?",  # noqa: S608 our own names
                    (view.node, view.party(node)),
                )
            for table in ("line", "proof", "fork"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE node = ? AND journal = ?",  # noqa: S608 our own names
                    (view.node, view.party(node)),
                )
        view.forget()

    @property
    def view(self) -> SqliteView:
        """What the home's node knows. Raise `NotInitialised` if there is none."""
        if self._open is None:
            with translated():
                row = self._db.execute("SELECT node FROM local ORDER BY node LIMIT 1").fetchone()
                if row is None:
                    raise NotInitialised("this home holds no node")
                self._open = SqliteView(self._db, self.blobs, row[0])
        return self._open

    def commit(self, effects: Iterable[Effect]) -> list[Effect]:
        """Carry out *effects*, all of them or, if one cannot be or their source raises, none. Return them.

        Blobs are left out of what is returned; they are on the disk before anything that names them.
        """
        view = self.view
        done: list[Effect] = []
        source = iter(effects)
        with translated():
            first = next(source, None)
            if first is None:
                return done
            try:
                with self._transaction(), self.blobs.together():
                    writer = _Writer(self._db, self.blobs, view)
                    effect: Effect | None = first
                    while effect is not None:
                        writer.apply(effect)
                        if not isinstance(effect, ask.KeepBlob):
                            done.append(effect)
                        effect = next(source, None)
                    unneeded = writer.finish()
                self._drop(unneeded)
            except BaseException:
                view.forget()
                raise
        return done

    def carry(self, transport: str, changes: Mapping[str, bytes | None]) -> None:
        """Set, or with None remove, values of a transport's own state, all or none of them.

        What is there already is not written again.
        """
        view = self.view
        news = [(key, value) for key, value in changes.items() if view.carried(transport, key) != value]
        if not news:
            return
        gone = [(view.node, transport, key) for key, _ in news]
        set_ = [(view.user, view.node, transport, key, value) for key, value in news if value is not None]
        with translated(), self._transaction():
            self._db.executemany("DELETE FROM carrier WHERE node = ? AND transport = ? AND key = ?", gone)
            self._db.executemany("INSERT INTO carrier (user, node, transport, key, value) VALUES (?, ?, ?, ?, ?)", set_)

    def release(self, data: bytes) -> None:
        """Forget that *data* was set aside: it was accepted after all."""
        owner = (self.view.node, len(data))
        with translated():
            found = self._db.execute("SELECT digest FROM quarantine WHERE node = ? AND bytes = ?", owner).fetchall()
            digest = sha256(data).digest() if found else b""
            if (digest,) in found:
                with self._transaction():
                    self._db.execute("DELETE FROM quarantine WHERE node = ? AND digest = ?", (owner[0], digest))
                self._drop([digest])

    def purge(self, pieces: Iterable[int]) -> None:
        """Delete the bytes of pieces that were set aside, by number. That they were refused stays known."""
        with translated():
            with self._transaction():
                digests = aside.purge(self._db, self.view.node, pieces)
            self._drop(digests)

    def judged(self, piece: int, code: str, reason: str) -> None:
        """Note why a piece that was set aside is refused now."""
        with translated(), self._transaction():
            self._db.execute("UPDATE quarantine SET code = ?, reason = ? WHERE id = ?", (code, reason, piece))

    def _drop(self, digests: Iterable[bytes]) -> None:
        """Delete the blobs of that name that nothing names any more."""
        for digest in digests:
            if not self._named(digest):
                self.blobs.drop(digest)

    def _named(self, blob: bytes, *, carried: bool = True) -> bool:
        """Whether any node here keeps a chunk, a payload or a parcel with those bytes, or has them set aside."""
        sql = (
            "SELECT 1 FROM blob WHERE node IN (SELECT node FROM local) AND hash = ?"
            " UNION ALL SELECT 1 FROM quarantine"
            " WHERE node IN (SELECT node FROM local) AND digest = ? AND state = 'kept'"
            " UNION ALL SELECT 1 FROM resource WHERE payload_blob = ?"
            " UNION ALL SELECT 1 FROM parcel WHERE node IN (SELECT node FROM local) AND blob = ? AND kept = ? LIMIT 1"
        )
        return self._db.execute(sql, (blob, blob, blob, blob, 1 if carried else 2)).fetchone() is not None

    def carried_only(self) -> set[bytes]:
        """Return the blobs that are carried for others and nothing else: no export needs them."""
        with translated():
            return {blob for blob in burden.blobs(self._db) if not self._named(blob, carried=False)}

    def check(self, *, read_data: float = 0, progress: Progress = lambda _: None) -> Iterator[Finding]:
        """Yield what is wrong with this store; *read_data* is the share of the chunks that is read. See `checking`."""
        blobs = self.blobs if isinstance(self.blobs, Blobs) else None
        with translated():
            yield from checking.check(self._db, self.view, blobs, read_data=read_data, progress=progress)

    def reindex(self) -> None:
        """Build all indexes of the database anew."""
        with translated():
            self._write().execute("REINDEX")

    def recount(self) -> None:
        """Count anew how many chunks each file lacks."""
        with translated(), self._transaction():
            checking.recount(self._db, self.view)

    def relist(self, names: Iterable[ResourceId]) -> None:
        """List resources by what they say."""
        with translated(), self._transaction():
            checking.relist(self._db, self.view, names)

    def stored(self, resource: ResourceId) -> bytes:
        """Return the bytes that lie in a resource's row, whatever they are."""
        sql = "SELECT payload FROM resource WHERE node = ? AND id = ?"
        row = self._db.execute(sql, (self.view.node, raw(resource))).fetchone()
        return bytes(row[0]) if row else b""

    def show(self, resource: ResourceId) -> None:
        """Note that a person has seen *resource*."""
        view = self.view
        if (listed := view.listing(resource)) and not listed.shown:
            with translated(), self._transaction():
                self._db.execute("UPDATE resource SET shown = 1 WHERE node = ? AND id = ?", (view.node, raw(resource)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._write().execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # on a full disk SQLite may have rolled back by itself
                self._db.execute("ROLLBACK")
            raise

    def _party(self, name: str) -> int:
        self._db.execute("INSERT OR IGNORE INTO party (name) VALUES (?)", (raw(name),))
        return int(self._db.execute("SELECT id FROM party WHERE name = ?", (raw(name),)).fetchone()[0])


@contextmanager
def _closed_on_error(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


class _Writer:
    """Carries out effects inside one transaction, one statement or two for each."""

    def __init__(self, db: sqlite3.Connection, blobs: Blobs | MemoryBlobs | CopiedBlobs, view: SqliteView) -> None:
        self._db = db
        self._blobs = blobs
        self._view = view
        self._owner = (view.user, view.node)
        self._set_aside = False
        self._dropped: list[bytes] = []

    def finish(self) -> list[bytes]:
        """Complete the transaction; return the names of blobs that may be needed no longer."""
        return [*self._dropped, *(aside.make_room(self._db, self._view) if self._set_aside else [])]

    def apply(self, effect: Effect) -> None:  # noqa: C901, PLR0912, PLR0915 one line for each effect
        """Carry out *effect*."""
        match effect:
            case ask.Keep():
                self._keep(effect)
            case ask.Forget() | ask.Lose() | ask.LoseBlob():
                self._dropped += forgetting.let_go(self._db, self._view, effect)
            case ask.SavePeer():
                self._save_peer(effect)
            case ask.SaveTold():
                self._save_told(effect)
            case ask.AddLines():
                self._add_lines(effect)
            case ask.Want() | ask.Unwant() | ask.Asked() | ask.SaveAsking() | ask.Answered() | ask.AskAnew():
                asking.note(self._db, self._view, effect)
            case ask.SaveAccount():
                asking.save_account(self._db, self._view, effect)
            case ask.AddChunks():
                self._add_chunks(effect)
            case ask.KeepBlob(name, data):
                self._blobs.put(data, name)
                self._have_blob(name, len(data))
            case ask.HaveBlob(name, size):
                self._have_blob(name, size)
            case ask.Chunking():
                self._dropped += chunks.note(self._db, self._view, effect)
            case ask.KnowIdentity(name, resource):
                self._introduce("identity", name, resource)
            case ask.KnowAnnouncement(name, resource):
                self._introduce("keys", name, resource)
            case ask.KnowNode(name, resource):
                self._introduce("node", name, resource)
            case ask.Hold():
                self._hold(effect)
            case ask.Release():
                self._release(effect)
            case ask.Hide():
                authority.hide(self._db, self._view, effect)
            case ask.Readmit(resource):
                self._delete("quarantine", "item", raw(resource))
            case ask.Post():
                self._post(effect)
            case ask.Handed(letter, at, where):
                self._update("letter SET handed_at = ?, place = ?", "id = ?", at, noting.text(where), letter)
            case ask.Settle(letter):
                self._delete("letter", "id", letter)
            case ask.AddReply():
                self._add_reply(effect)
            case ask.DropReply(number):
                self._delete("reply", "number", number)
            case ask.Seen(bundle, sender, sequence, at):
                self._insert("seen", bundle=bundle, sender=self._party(sender), sequence=sequence, at=at)
            case ask.Quarantine():
                self._quarantine(effect)
            case ask.SaveOutcomes():
                self._save_outcomes(effect)
            case ask.SetClock():
                self._set_clock(effect)
            case ask.Meeting():
                strangers.apply(self._db, self._view, effect)
            case Carrying():
                self._dropped += burden.apply(self._db, self._blobs, self._view, effect)
            case ask.SetStamp(stamp):
                self._update("local SET stamp_at = ?, stamp_count = ?", "", stamp.at, stamp.count)
            case ask.Noting():
                noting.apply(self._db, self._view, effect)
            case ask.NoteOpened() | ask.NoteClosed() | ask.NoteReaders() | ask.NoteWrap():
                private.note(self._db, self._view, effect)
            case ask.Reached():
                evidence.note(self._db, self._view, effect)
            case _:
                past.apply(self._db, self._view, effect)

    # -- statements -------------------------------------------------------------

    def _insert(self, table: str, *, otherwise: str = "", **values: object) -> None:
        columns = ("user", "node", *values)
        marks = ", ".join("?" * len(columns))
        self._db.execute(
            f"INSERT {otherwise} INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 our own names
            (*self._owner, *values.values()),
        )

    def _update(self, what: str, where: str, *values: object) -> None:
        where = f"node = ? AND {where}" if where else "node = ?"
        count = what.count("?")
        self._db.execute(
            f"UPDATE {what} WHERE {where}",
            (*values[:count], self._owner[1], *values[count:]),
        )

    def _delete(self, table: str, column: str, value: object) -> None:
        self._db.execute(f"DELETE FROM {table} WHERE node = ? AND {column} = ?", (self._owner[1], value))  # noqa: S608

    def _party(self, name: str) -> int:
        return self._view.party(name, create=True)

    # -- what each effect means -----------------------------------------------------

    def _keep(self, effect: ask.Keep) -> None:
        kept, line = effect.kept, effect.line
        signed = kept.signed
        large = len(signed.payload) > ROW_BYTES_MAX
        first = self._take_chunks(effect) if effect.chunk_total else 0
        rebuilt = signed.verbatim is None and len(signed.signatures) == 1
        forgetting.make_way(self._db, self._view, raw(signed.id))
        self._insert(
            "resource",
            number=line.number,
            id=raw(signed.id),
            author=self._party(kept.user),
            kind=kept.kind,
            payload=b"" if large else signed.payload,
            payload_blob=self._blobs.put(signed.payload) if large else b"",
            payload_bytes=len(signed.payload),
            signer=self._party(signed.signer),
            algorithm=signed.signatures[0].algorithm,
            signature=signed.signatures[0].value,
            verbatim=b"" if rebuilt else signed.encode(),
            stamp_at=kept.stamp.at,
            stamp_count=kept.stamp.count,
            title=kept.title,
            filename=kept.filename,
            tags=json.dumps(kept.tags),
            size=kept.size,
            chunk_first=first,
            chunk_total=effect.chunk_total,
            lacking=effect.chunk_total,
            received=kept.received,
            sender=self._party(kept.sender) if kept.sender else 0,
            asked=kept.received,
            shown=int(kept.sender is None),
            expires=kept.expires,
        )
        name = raw(line.id), self._party(line.entry.publisher), raw(signed.id)
        self._line(self._view.node, line.number, *name, otherwise="OR IGNORE")  # it may be there already
        if kept.kind in PROOFS:
            self._view.weigh(kept.user, signed.id)
        self._delete("wanted", "resource", raw(signed.id))
        if effect.chunks:
            self._name_chunks(first, effect.chunks)

    def _take_chunks(self, effect: ask.Keep) -> int:
        """Give the next chunk numbers to a file."""
        first = int(self._db.execute("SELECT chunks FROM local WHERE node = ?", self._owner[1:]).fetchone()[0])
        self._update("local SET chunks = ?", "", first + effect.chunk_total)
        return first

    def _name_chunks(self, first: int, hashes: Iterable[bytes]) -> None:
        for number, name in enumerate(hashes, first):
            held = int(self._view.has_blob(name))
            self._insert("chunk", otherwise="OR REPLACE", number=number, hash=name, held=held)
            if held:
                chunks.named(self._db, self._view.node, name)
                self._count_down(number)

    def _count_down(self, number: int) -> None:
        self._update("resource SET lacking = lacking - 1", "number = ?", self._view.file_of(number))

    def _add_chunks(self, effect: ask.AddChunks) -> None:
        self._name_chunks(self._view.chunks_of(effect.resource).runs[0][0] + effect.first, effect.hashes)

    def _have_blob(self, name: bytes, size: int) -> None:
        self._insert("blob", otherwise="OR IGNORE", hash=name, size=size)
        for number in self._view.chunks_lacking(name):
            self._update("chunk SET held = 1", "number = ?", number)
            self._count_down(number)

    def _save_peer(self, effect: ask.SavePeer) -> None:
        peer = effect.peer
        self._insert(
            "peer",
            otherwise="OR REPLACE",
            peer=self._party(peer.node),
            peer_user=self._party(peer.user),
            name=peer.name,
            reads=int(peer.reads),
            publishes=int(peer.publishes),
            added=peer.added,
            heard=peer.heard,
            heard_id=raw(peer.heard_id),
            done=runs(peer.done),
            acked=runs(peer.acked),
            applied=runs(peer.applied),
            known=runs(peer.known),
            owed_chunks=runs(peer.owed_chunks),
            asked_chunks=runs(peer.asked_chunks),
            sequence=peer.sequence,
            received=runs(peer.received),
            floor=peer.floor,
            told_number=peer.told_number,
            told_done=runs(peer.told_done),
            owes_ack=int(peer.owes_ack),
            seen_at=peer.seen_at,
            ask_at=peer.ask_at,
            suspect=peer.suspect,
            revoked=peer.revoked,
            ended=peer.ended,
            heir=self._party(peer.heir) if peer.heir else 0,
        )
        self._view.remember(peer)

    def _save_told(self, effect: ask.SaveTold) -> None:
        told = effect.told
        self._insert(
            "told",
            otherwise="OR REPLACE",
            peer=self._party(told.peer),
            medium=told.medium,
            lines=runs(told.lines),
            chunks=runs(told.chunks),
            failures=told.failures,
            retry_at=told.retry_at,
            failing_since=told.failing_since,
            given_up=told.given_up,
        )

    def _line(
        self, journal: int, number: int, id_: bytes, publisher: int, resource: bytes, *, otherwise: str = ""
    ) -> None:
        values = {"journal": journal, "number": number, "id": id_, "publisher": publisher, "resource": resource}
        self._insert("line", otherwise=otherwise, **values)

    def _add_lines(self, effect: ask.AddLines) -> None:
        journal = self._party(effect.journal)
        for line in effect.lines:
            self._line(journal, line.number, raw(line.id), self._party(line.entry.publisher), raw(line.entry.resource))
        self._view.weigh_again(effect.journal)

    def _introduce(self, kind: str, name: str, resource: str) -> None:
        self._insert("introduced", otherwise="OR REPLACE", kind=kind, name=self._party(name), resource=raw(resource))

    def _hold(self, effect: ask.Hold) -> None:
        held = effect.held
        self._insert(
            "held",
            id=raw(held.signed.id),
            signed=held.signed.encode(),
            missing=json.dumps(held.missing),
            until=held.until or 0,
            sender=self._party(held.sender),
            bytes=len(held.signed.payload),
        )
        for name in held.missing:
            self._insert("held_missing", otherwise="OR IGNORE", name=name, id=raw(held.signed.id))
        self._delete("wanted", "resource", raw(held.signed.id))

    def _post(self, effect: ask.Post) -> None:
        letter = effect.letter
        self._insert(
            "letter",
            id=letter.id,
            peer=self._party(letter.peer),
            medium=letter.medium,
            sequence=letter.sequence,
            token=letter.token,
            created=letter.created,
            expires=letter.expires,
            plan=letter.plan.encode(),
            handed_at=letter.handed_at or 0,
            place=letter.where,
        )

    def _save_outcomes(self, effect: ask.SaveOutcomes) -> None:
        peer = self._party(effect.peer)
        self._delete("outcome", "peer", peer)
        for resource, code, detail in effect.outcomes:
            self._insert("outcome", otherwise="OR REPLACE", peer=peer, resource=raw(resource), code=code, detail=detail)

    def _add_reply(self, effect: ask.AddReply) -> None:
        reply = effect.reply
        self._insert(
            "reply",
            peer=self._party(reply.peer),
            identifier=reply.identifier,
            status=reply.status,
            resource=raw(reply.resource) if reply.resource else b"",
            since=-1 if reply.since is None else reply.since,
            lines_max=reply.limit,
        )

    def _release(self, effect: ask.Release) -> None:
        self._delete("held", "id", raw(effect.resource))
        self._delete("held_missing", "id", raw(effect.resource))

    def _set_clock(self, effect: ask.SetClock) -> None:
        wall = -1 if effect.clock.wall is None else effect.clock.wall
        self._update("local SET clock_floor = ?, clock_wall = ?", "", effect.clock.floor, wall)

    def _quarantine(self, effect: ask.Quarantine) -> None:
        self._set_aside = True
        aside.set_aside(self._db, self._blobs, self._view, effect)
