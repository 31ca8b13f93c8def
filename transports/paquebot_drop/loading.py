"""Loading: parcels go into crates, and are handed over once they were read back from the medium."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from paquebot.transport import Handover, Outgoing, Stage, Transient, TransportError
from paquebot_drop import crate
from paquebot_drop.crate import HOPS_MAX, PRIORITY_MAX, Entry, Read, base32, digest, header_size, line_size
from paquebot_drop.folder import ROOT, Folder, Found, forget, sync, write_all
from paquebot_drop.ledger import Ledger, Record, Wrote, checkmark

HOUR_MS = 3_600_000
_NAMES_TRIED = 16
RESERVE = 1 << 20  # left free for folders, tokens and a file system's own needs
BUFFER = 1 << 20
PIECE = 1 << 18  # is read back at once: what a processor's cache holds
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOTHING = bytes(8)
"""The mark of a crate that was begun, and of which nothing was said since."""


class Crate:
    """A file being filled, under its final name: a rename is what loses data on a pulled stick."""

    def __init__(self, folder: Folder, name: str) -> None:
        self.name = name
        self.parts = crate_parts(name)
        self.entries: list[Entry] = []
        self.size = 0
        self.recipients = 0
        self.index_size = 0
        self.pending = 0
        self._buffer: list[bytes] = []
        self._written: list[tuple[int, int]] = []
        """Size and `hash` of each piece, by which it is known again: 64 bits under this process's key, and cheap."""
        self._folder = folder
        self._fd = folder.create(self.parts)

    def add(self, entry: Entry, body: bytes) -> None:
        """Append one record, wherever *entry* says that it lay before."""
        entry = replace(entry, offset=self.size)
        self.entries.append(entry)
        self._append(crate.pack_header(entry))
        self._append(body)
        self.recipients += len(entry.recipients)
        self.index_size += line_size(len(entry.recipients))

    def _append(self, data: bytes) -> None:
        self._buffer.append(data)
        view = memoryview(data)
        for at in range(0, len(data), PIECE):
            piece = view[at : at + PIECE]
            self._written.append((len(piece), hash(piece)))
        self.size += len(data)
        self.pending += len(data)
        if self.pending >= BUFFER:
            self._flush()

    def _flush(self) -> None:
        for data in self._buffer:
            write_all(self._fd, data)
        self._buffer, self.pending = [], 0

    def seal(self) -> Found | None:
        """Finish the crate and read it back; return what lies there, or None if it is not what was written."""
        self._append(crate.pack_trailer(self.entries))
        self._flush()
        sync(self._fd)
        self._folder.sync_folder(self.parts[:-1])
        forget(self._fd)
        os.close(self._fd)
        self._fd = -1
        failures = self._folder.errors
        with self._folder.reading(self.parts) as read:
            same = self._is_there(read)
        found = self._folder.look_at(self.parts)
        return found if same and found and self._folder.errors == failures else None

    def _is_there(self, read: Read) -> bool:
        """Return whether *read* finds every byte that was written."""
        at = 0
        for size, known in self._written:
            data = read(at, size)
            if len(data) != size or hash(data) != known:
                return False
            at += size
        return True

    def close(self) -> None:
        """Leave the file as it is."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def abandon(self) -> bool:
        """Delete the crate; return whether it is gone."""
        self.close()
        return self._folder.delete(self.parts)


class Loader:
    """Fills crates with a batch and says what became of it.

    *ledger* is asked for before anything is written, so that the medium has its name by then. *lies* says whether a
    record lies there already, whole and for the same recipients; what is carried on for others is not written twice.
    """

    def __init__(
        self,
        folder: Folder,
        ledger: Callable[[], Ledger],
        *,
        crate_max: int,
        where: str,
        dice: Callable[[int], bytes],
        lies: Callable[[Entry], bool],
    ) -> None:
        self._folder, self._ledger, self._crate_max, self._where = folder, ledger, crate_max, where
        self._lies = lies
        self._dice = dice
        self._crate: Crate | None = None
        self._aboard: list[Record] = []
        self.gone: Transient | None = None
        """Set when it is of no use to go on."""

    def take(self, outgoing: Outgoing, body: bytes) -> Iterator[Handover]:
        """Put *body* into a crate; yield news of it or of those before it."""
        entry = _entry(outgoing, body)
        if outgoing.hops and self._lies(entry):
            yield Handover(outgoing.id, Stage.ON_MEDIUM, self._where)
            return
        if self._crate and (
            self._grown(entry) > self._crate_max or self._crate.recipients + len(entry.recipients) > crate.TOKENS_MAX
        ):
            yield from self.finish()
        if self._folder.free - self._grown(entry, pending=True) < RESERVE:
            yield self._failed(outgoing.id, Transient(f"{self._where} is full"))
            return
        try:
            hold = self._crate or self._begin()
            hold.add(entry, body)
        except OSError as error:
            yield from self._give_up(error)
            yield self._failed(outgoing.id, self._excuse(error))
        else:
            hashes = tuple(token for _, token in entry.recipients)
            self._aboard.append(Record(entry.id, outgoing.id, entry.expires, hashes))

    def finish(self) -> Iterator[Handover]:
        """Seal the crate that is open; yield news of all that is in it."""
        hold = self._crate
        if hold is None:
            return
        try:
            found = hold.seal()
        except OSError as error:
            yield from self._give_up(error)
            return
        if found is None:
            yield from self._give_up(None)
            return
        records, self._aboard, self._crate = self._aboard, [], None
        mark = checkmark([(found.size, found.stamp, True)], ())
        self._ledger().set_wrote(hold.name, Wrote(mark, tuple(records)))
        for record in records:
            yield Handover(record.outgoing, Stage.ON_MEDIUM, self._where)

    def abandon(self) -> list[Record]:
        """Drop the crate that is open; return what was in it. What was handed over stays."""
        hold, self._crate = self._crate, None
        dropped, self._aboard = self._aboard, []
        if hold is not None and hold.abandon():
            self._ledger().set_wrote(hold.name, None)
        return dropped

    def _begin(self) -> Crate:
        self._crate = begin(self._folder, self._ledger(), self._dice)
        return self._crate

    def _grown(self, entry: Entry, *, pending: bool = False) -> int:
        """How large the open crate (or what of it is unwritten) would be with *entry*."""
        many = len(entry.recipients)
        size = header_size(many) + entry.length + line_size(many) + 64
        if self._crate is None:
            return size
        return size + self._crate.index_size + (self._crate.pending if pending else self._crate.size)

    def _give_up(self, error: OSError | None) -> Iterator[Handover]:
        excuse = self._excuse(error)
        for record in self.abandon():
            yield self._failed(record.outgoing, excuse)

    def _excuse(self, error: OSError | None) -> Transient:
        if error is None:
            return Transient(f"{self._where} did not keep what was written to it: try another one")
        if error.errno in _FULL:
            return Transient(f"{self._where} is full")
        self.gone = Transient(f"{self._where} cannot be written to: {os.strerror(error.errno or errno.EIO)}")
        return self.gone

    def _failed(self, name: bytes, error: TransportError) -> Handover:
        return Handover(name, Stage.FAILED, self._where, error)


def begin(folder: Folder, ledger: Ledger, dice: Callable[[int], bytes]) -> Crate:
    """Return a new crate, of which *ledger* knows that it was begun. Raise `OSError` if there can be none."""
    for attempt in range(_NAMES_TRIED):
        name = base32(dice(16))
        # Known before it exists: a torn one that was never handed over is ours to delete.
        ledger.set_wrote(name, Wrote(NOTHING, ()))
        try:
            return Crate(folder, name)
        except OSError as error:
            ledger.set_wrote(name, None)
            # Something foreign may stand where one of the thirty-two folders should be; the others will do.
            if error.errno != errno.ENOTDIR or attempt + 1 == _NAMES_TRIED:
                raise
    raise AssertionError("the loop returns or raises")


def crate_parts(name: str) -> tuple[str, ...]:
    """Return where a crate of that *name* is written.

    >>> "/".join(crate_parts("QAAA"))
    'PAQUEBOT/C/Q/QAAA.PQB'
    """
    return (ROOT, "C", name[0], f"{name}.PQB")


def hours(millis: int) -> int:
    """Return *millis* in hours, rounded up, as 32 bits can hold them.

    >>> hours(1), hours(3_600_000), hours(-5), hours(2**70) == 2**32 - 1
    (1, 1, 0, True)
    """
    return min(max(-(-millis // HOUR_MS), 0), 2**32 - 1)


def _entry(outgoing: Outgoing, body: bytes) -> Entry:
    name = digest(body)
    recipients = tuple((recipient.tag(name), recipient.token_hash) for recipient in outgoing.recipients)
    priority, hops = min(max(outgoing.priority, 0), PRIORITY_MAX), min(max(outgoing.hops, 0), HOPS_MAX)
    return Entry(name, priority, hours(outgoing.expires_ms), recipients, 0, len(body), hops)
