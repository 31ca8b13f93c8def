"""The tables' versions: numbered scripts, each run once, after a copy was made of what is there."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from paquebot.errors import StoreTooNew
from paquebot.store.blobs import sync_folder

APPLICATION_ID = 0x50415142  # "PAQB"


def scripts() -> list[Path]:
    """The migrations, oldest first; the version of a store is how many of them it has had."""
    return sorted(Path(__file__).with_name("migrations").glob("[0-9]*.sql"))


def migrate(db: sqlite3.Connection, path: Path | None) -> None:
    """Bring the tables up to date, in one transaction, after a copy was made of what is there. Raise `StoreTooNew`."""
    known = scripts()
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(known):
        raise StoreTooNew("this home was written by a newer paquebot")
    if version < len(known):
        if version and path:
            _back_up(db, path, version)
        db.execute("PRAGMA journal_mode = WAL")
        stamp = f"PRAGMA user_version = {len(known)}; PRAGMA application_id = {APPLICATION_ID};"
        db.executescript(f"BEGIN IMMEDIATE; {''.join(each.read_text() for each in known[version:])} {stamp} COMMIT;")


def _back_up(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy the store to ``store.db.before-…`` durably; older copies go once this one is whole."""
    target = path.with_name(f"{path.name}.before-{version + 1}")
    draft = path.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    copy = sqlite3.connect(draft)
    try:
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    except BaseException:
        copy.close()
        draft.unlink(missing_ok=True)
        raise
    copy.close()
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(target)
    sync_folder(path.parent)
    for old in path.parent.glob(f"{path.name}.before-*"):
        if old != target:
            old.unlink(missing_ok=True)
