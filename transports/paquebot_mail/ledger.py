"""What this node remembers of one account's folders, and the parcels that came from them and are not acknowledged yet.

Below ``imap/ADDRESS/`` in the transport's state: ``folder/NAME`` how far a folder was looked through; ``row/NAME/UID``
a mail that concerns us, as long as something is to be done with it; ``held/PART`` a parcel that lies here and was not
acknowledged, ``body/PART`` its bytes if there are few, else a file has them; ``known/PART`` one that was;
``junk`` the name of the folder for spam. A mail without a row is none of ours, and was not downloaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

from paquebot.transport import Context
from paquebot_mail.form import part_id
from paquebot_mail.reading import MAIL_BYTES_MAX

__all__ = ["Changes", "Held", "Known", "Ledger", "Record", "Row", "Rows", "State"]

IN_STATE_MAX = 64 << 10
"""Smaller parcels lie in the state: a hundred of them are one write to the disk, and not a hundred."""
KNOWN_DAYS = 60
"""How long an acknowledged parcel's name is remembered when no mail names it any longer."""
DAY_MS = 24 * 3_600_000

Changes = dict[str, bytes | None]
"""What is to become true at once."""


class State(Enum):
    """What is to be done with a mail that concerns us."""

    WANTED = "wanted"
    """Download it."""
    HERE = "here"
    """What it brings is held here; wait until that is acknowledged."""
    DONE = "done"
    """It may be put away, by what the settings say."""
    LEFT = "left"
    """None of our keys opens it, in one epoch: it is wanted again in another."""
    BAD = "bad"
    """It brings nothing that could be read, and was told of. Leave it alone."""


@dataclass(frozen=True, slots=True)
class Row:
    """A mail that concerns us."""

    uid: int
    part: str
    """Which parcel its header claims to bring; empty for a report."""
    sender: str
    size: int
    """In bytes, as the server says, which may be wrong."""
    state: State = State.WANTED
    tries: int = 0
    """How often the server did not give it."""
    since: int = 0
    """When it was done with, in Unix milliseconds."""
    epoch: str = ""
    """In which none of our keys opened it."""
    most: int = MAIL_BYTES_MAX
    """How many bytes of it are worth downloading."""

    @property
    def sure(self) -> bool:
        """Whether it bears a peer's tag, which nobody else can make."""
        return self.most == MAIL_BYTES_MAX

    def encode(self) -> bytes:
        """Return it as kept."""
        kept = [self.part, self.sender, self.size, self.state.value, self.tries, self.since, self.epoch, self.most]
        return json.dumps(kept, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, uid: int, kept: bytes) -> Row:
        """Return what was kept."""
        part, sender, size, state, *rest = json.loads(kept)
        return cls(uid, part, sender, size, State(state), *rest)


@dataclass(frozen=True, slots=True)
class Record:
    """How far a folder was looked through."""

    uidvalidity: int
    cursor: int = 0
    """All up to this UID were looked at."""
    audit: int = 0
    """How far everything is being looked through once more; 0 if it is not."""
    audited: int = 0
    """When that was last begun, in Unix milliseconds."""
    looked: int = 0
    """When it was last opened."""
    strangers: int = 0
    """How many mails look like ours and are from people whom we did not know then."""
    epoch: str = ""
    """When that was."""
    uidnext: int = 0
    """Which number was said to be next when it was last looked into."""

    def encode(self) -> bytes:
        """Return it as kept."""
        return json.dumps([getattr(self, name) for name in self.__slots__], separators=(",", ":")).encode()

    @classmethod
    def decode(cls, kept: bytes) -> Record:
        """Return what was kept."""
        return cls(*json.loads(kept))


@dataclass(frozen=True, slots=True)
class Held:
    """A parcel that lies here and was not acknowledged."""

    part: str
    sender: str
    folder: str
    """Where its mail lay."""
    sure: bool = False
    """Its mail bore a peer's tag for it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What need not be downloaded again."""

    applied: bool
    """False if it was refused: then its mail is left alone."""
    days: int = 0
    """How long ago that was noted."""


class Rows:
    """The mails of one folder that something is to be done with. What is written here is true at once, and durable."""

    def __init__(self, ledger: Ledger, folder: str, rows: Iterable[Row]) -> None:
        self._ledger, self._folder = ledger, folder
        self._rows: dict[int, Row] = {}
        self._parts: dict[str, set[int]] = {}
        for row in rows:
            self._set(row)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    def get(self, uid: int) -> Row | None:
        """Return what is to be done with a mail; None if nothing."""
        return self._rows.get(uid)

    def of(self, part: str) -> list[Row]:
        """Return the mails that claim to bring the parcel called *part*."""
        return [self._rows[uid] for uid in sorted(self._parts.get(part, ()))]

    def write(self, after: Mapping[int, Row | None], changes: Changes | None = None) -> None:
        """Let these be true, None for mails with which nothing is to be done, and *changes* with them, all at once."""
        changes = {} if changes is None else changes
        for uid, row in after.items():
            self._ledger.set_row(self._folder, uid, row, changes)
        self._ledger.commit(changes)
        for uid, row in after.items():
            self._drop(uid)
            if row is not None:
                self._set(row)

    def _set(self, row: Row) -> None:
        self._rows[row.uid] = row
        self._parts.setdefault(row.part, set()).add(row.uid)

    def _drop(self, uid: int) -> None:
        row = self._rows.pop(uid, None)
        if row is not None:
            self._parts[row.part].discard(uid)
            if not self._parts[row.part]:
                del self._parts[row.part]


class Ledger:
    """All of that for one account. What is changed is gathered in `Changes`, and becomes true by `commit`."""

    def __init__(self, context: Context, address: str) -> None:
        self._context = context
        self._root = f"imap/{address}/"
        self._place = sha256(address.encode()).hexdigest()[:16]

    # -- folders ------------------------------------------------------------------------------

    def record(self, folder: str) -> Record | None:
        """Return how far *folder* was looked through; None if it never was."""
        kept = self._context.get(self._folder_key(folder))
        return Record.decode(kept) if kept else None

    def rows(self, folder: str) -> Rows:
        """Return all mails in *folder* that something is to be done with."""
        prefix = self._row_key(folder, None)
        return Rows(
            self, folder, (Row.decode(int(key[len(prefix) :]), kept) for key, kept in self._context.items(prefix))
        )

    def set_record(self, folder: str, record: Record, changes: Changes) -> None:
        """Note how far *folder* was looked through."""
        changes[self._folder_key(folder)] = record.encode()

    def set_row(self, folder: str, uid: int, row: Row | None, changes: Changes) -> None:
        """Note what is to be done with a mail; None if nothing any longer."""
        changes[self._row_key(folder, uid)] = row.encode() if row else None

    @property
    def junk(self) -> str:
        """The name of the folder for spam; empty if none is known."""
        return (self._context.get(f"{self._root}junk") or b"").decode()

    def set_junk(self, name: str) -> None:
        """Note the name of the folder for spam."""
        self._context.put(f"{self._root}junk", name.encode())

    def _folder_key(self, folder: str) -> str:
        return f"{self._root}folder/{_short(folder)}"

    def _row_key(self, folder: str, uid: int | None) -> str:
        return f"{self._root}row/{_short(folder)}/{'' if uid is None else f'{uid:010}'}"

    # -- parcels ------------------------------------------------------------------------------

    def hold(self, held: Held, parcel: bytes, changes: Changes) -> None:
        """Note a parcel. A large one is on the disk when this returns; all of it is held once *changes* are."""
        changes[f"{self._root}held/{held.part}"] = json.dumps([held.sender, held.folder, held.sure]).encode()
        if len(parcel) <= IN_STATE_MAX:
            changes[f"{self._root}body/{held.part}"] = parcel
            return
        path = self._file(held.part)
        half = path.with_suffix(".half")
        with half.open("wb") as file:
            file.write(parcel)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def held(self) -> list[Held]:
        """Return what was not acknowledged."""
        prefix = f"{self._root}held/"
        return [Held(key[len(prefix) :], *json.loads(kept)) for key, kept in self._context.items(prefix)]

    def is_held(self, part: str) -> bool:
        """Return whether the parcel called *part* lies here."""
        return self._context.get(f"{self._root}held/{part}") is not None

    def body(self, part: str) -> bytes | None:
        """Return the parcel called *part*; None if the disk lost or changed it."""
        kept = self._context.get(f"{self._root}body/{part}")
        if kept is None:
            with suppress(OSError):
                kept = self._file(part).read_bytes()
        return kept if kept is not None and part_id(kept) == part else None

    def let_go(self, part: str, changes: Changes) -> None:
        """Hold the parcel called *part* no longer. Its file is to be deleted afterwards."""
        for kind in ("held", "body"):
            if self._context.get(f"{self._root}{kind}/{part}") is not None:
                changes[f"{self._root}{kind}/{part}"] = None

    def know(self, part: str, known: Known, changes: Changes) -> None:
        """Note that what is called *part* need never be downloaded again."""
        changes[f"{self._root}known/{part}"] = b"%d %d" % (known.applied, self._today())

    def known(self, part: str) -> Known | None:
        """Return what became of what is called *part*; None if it is new."""
        kept = self._context.get(f"{self._root}known/{part}")
        if kept is None:
            return None
        applied, day = kept.split()
        return Known(applied=applied == b"1", days=self._today() - int(day))

    def forget_old(self) -> None:
        """Forget names that no mail has borne for long."""
        last = self._today() - KNOWN_DAYS
        old = [key for key, kept in self._context.items(f"{self._root}known/") if int(kept.split()[1]) < last]
        self.commit(dict.fromkeys(old))

    def _today(self) -> int:
        return self._context.now_ms() // DAY_MS

    # -- files --------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where this account's files are."""
        folder = self._context.folder / f"mail-{self._place}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def coming(self, folder: str, uidvalidity: int, uid: int) -> Path:
        """Return the file into which a large mail is downloaded, piece by piece."""
        return self.folder / f"{_short(folder)}-{uidvalidity}-{uid}.coming"

    def tidy(self, coming: set[str]) -> None:
        """Delete files of what is not held, and of downloads but those named in *coming*: the power was cut."""
        held = {f"{each.part}.parcel" for each in self.held()}
        for path in self.folder.iterdir():
            if path.name not in coming and path.name not in held:
                path.unlink(missing_ok=True)

    def delete(self, part: str) -> None:
        """Delete the file of a parcel that is not held any longer, if it has one."""
        self._file(part).unlink(missing_ok=True)

    def _file(self, part: str) -> Path:
        return self.folder / f"{part}.parcel"

    # -- truth --------------------------------------------------------------------------------

    def commit(self, changes: Changes) -> None:
        """Let *changes* be true, all at once and for good."""
        if changes:
            self._context.update(changes)


def _short(name: str) -> str:
    """Return a folder's name, as it can stand in a key and in the name of a file."""
    return sha256(name.encode()).hexdigest()[:12]
