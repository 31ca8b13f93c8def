"""Mails that another program hands in: a filter, a pipe, a maildir. They lie here until they are acknowledged."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from paquebot.transport import Acknowledgement, Arrival, Context, Permanent, Transient, Verdict
from paquebot_mail.form import part_id
from paquebot_mail.reading import Damaged, heading, parcel

__all__ = ["HandedIn"]

FOLDER = "handed-in"
_FILES_MAX, _BYTES_MAX = 2_000, 512 << 20  # who hands in more is told to wait: the disk is finite
LEFT_FILES_MAX, LEFT_BYTES_MAX = 500, 128 << 20  # of what none of our keys opens
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HEAD_MAX = 64 << 10
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


class HandedIn:
    """What was handed in for the account *address*."""

    def __init__(self, context: Context, address: str) -> None:
        self._context = context
        self._mark = sha256(address.lower().encode()).hexdigest()[:12]

    @property
    def _folder(self) -> Path:
        return self._context.folder / FOLDER

    def take(self, mail: bytes) -> bool:
        """Keep the parcel in *mail*, if there is one. See `Takes`."""
        mail = _without_from_line(mail)
        end = _END_OF_HEAD.search(mail, 0, _HEAD_MAX)
        head = heading(mail[: end.end()]) if end else None
        if head is None or not head.part:
            return False
        try:
            found = parcel(mail)
        except Damaged as damage:
            raise Permanent(str(damage)) from None
        if found is None:
            raise Permanent("its header says that it brings a parcel, and there is none in it")
        self._keep(f"{self._mark}-{found.part}", found.data)
        return True

    def _keep(self, name: str, data: bytes) -> None:
        target = self._folder / name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if target.exists():
                self._make_durable()  # whoever brought it before may have been killed before that
                return
            self._check_room()
            draft = self._folder / f".{name}.{os.getpid()}"
            with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            self._make_durable()
        except OSError as error:
            with suppress(OSError):
                (self._folder / f".{name}.{os.getpid()}").unlink(missing_ok=True)
            why = "the disk is full" if error.errno in _FULL else error.strerror
            raise Transient(f"it cannot be kept: {why}") from None

    def _make_durable(self) -> None:
        for folder in (self._folder, self._folder.parent):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _check_room(self) -> None:
        """Raise `Transient` if too much waits here already; remove what a crash left half written."""
        count = size = 0
        for each in os.scandir(self._folder):
            if each.name.startswith(".") and self._context.now_ms() - each.stat().st_mtime_ns // 10**6 > 3_600_000:
                os.unlink(each.path)
                continue
            count, size = count + 1, size + each.stat().st_size
        if count >= _FILES_MAX or size >= _BYTES_MAX:
            raise Transient("too much of what was handed in waits already: run `paquebot sync`")

    def arrivals(self) -> Iterator[Arrival]:
        """Yield what lies here and was not left aside in this epoch, the oldest first."""
        with suppress(FileNotFoundError):
            found = [each for each in self._folder.iterdir() if each.name.startswith(f"{self._mark}-")]
            for path in sorted(found, key=lambda each: (each.stat().st_mtime_ns, each.name)):
                if self._context.get(_left(path.name)) == self._context.epoch.encode():
                    continue
                data = path.read_bytes()
                if part_id(data) == path.name.partition("-")[2]:
                    yield Arrival(data, f"{FOLDER}/{path.name}", "a mail that was handed in", recognised=False)
                else:  # a power cut, or somebody's editor
                    path.unlink()

    def acknowledge(self, acknowledgements: list[Acknowledgement]) -> list[Acknowledgement]:
        """Settle those that were handed in; return the others."""
        others, left = [], False
        for each in acknowledgements:
            folder, _, name = each.key.partition("/")
            if folder != FOLDER:
                others.append(each)
            elif each.verdict is Verdict.NOT_OURS:
                self._context.put(_left(name), self._context.epoch.encode())
                left = True
            else:
                (self._folder / name).unlink(missing_ok=True)
                self._context.put(_left(name), None)
        if left:
            self._make_room()
        return others

    def _make_room(self) -> None:
        """Let the oldest go of what none of our keys opens: rubbish must not keep out what is for us.

        If one of them would have been for us after all, its sender has seen no token and sends it again.
        """
        left = [each for each in os.scandir(self._folder) if self._context.get(_left(each.name)) is not None]
        count = size = gone = 0
        for each in sorted(left, key=lambda entry: entry.stat().st_mtime_ns, reverse=True):
            count, size = count + 1, size + each.stat().st_size
            if count > LEFT_FILES_MAX or size > LEFT_BYTES_MAX:
                os.unlink(each.path)
                self._context.put(_left(each.name), None)
                gone += 1
        if gone:
            self._context.note(f"{gone} handed-in mails that none of our keys opens were deleted to make room")


def _left(name: str) -> str:
    return f"{FOLDER}/{name}"


def _without_from_line(mail: bytes) -> bytes:
    """Drop the line by which a mailbox file divides mails: some filters leave it."""
    return mail.partition(b"\n")[2] if mail.startswith((b"From ", b">From ")) else mail
