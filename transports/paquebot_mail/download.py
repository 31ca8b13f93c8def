"""Bringing mails here: small ones many at a time, large ones piece by piece, going on where the line was cut.

A parcel is taken out of its mail as it comes, and its name is checked: whatever a server, a cut line or a disk did to
the bytes on the way shows here. What looks harmed is fetched once more, in one piece, before it is told of: there are
servers that do not cut mails into pieces well.

No more of a mail is asked for than the server said that it has, and what is longer goes on with care: neither memory
nor a ration of bytes depends on what a server says. Where bytes are counted, each mail is asked for by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from paquebot_mail.imap import Answer, Imap, Running
from paquebot_mail.ledger import Row
from paquebot_mail.reading import MAIL_BYTES_MAX, REPORT_BYTES, Damaged, Parcel, parcel
from paquebot_mail.scan import LETTER, REPORT, number
from paquebot_mail.talk import fetch, uid_sets
from paquebot_mail.wire import LITERAL_MAX, Items

__all__ = ["Came", "Download", "Gone", "Later", "Outcome", "Refused", "Spoiled"]

BATCH_BYTES = 2 << 20
BATCH_MAILS = 100
IN_FLIGHT = 4
PIECE_FIRST = 64 << 10  # on a line of 1 kB/s no more than a minute is lost when it is cut
PIECE_MAX = LITERAL_MAX
PIECE_LEAST = 4 << 10  # where bytes are counted, less is not worth a question
_QUICK_S = 0.5  # a piece that took no longer may be larger the next time
_TOO_LARGE = "the mail is larger than any that brings a parcel"
_LIAR = "the mail is larger than its server said, and nobody whom we know has sent it"
_MARGIN = 1_000
_AROUND = 200  # of the words around a mail in an answer
_HARMED_BYTES_MAX = 8 << 20  # of a harmed mail, to be set aside


@dataclass(frozen=True, slots=True)
class Came:
    """A mail that brings something: a parcel, a letter as it stands, or the beginning of a report."""

    row: Row
    brought: Parcel | bytes


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A mail that is here and brings nothing that can be read."""

    row: Row
    reason: str
    data: bytes
    damage: bool = True
    """It may have been for us."""


@dataclass(frozen=True, slots=True)
class Later:
    """A mail, or the rest of it, for which today's ration of bytes is not enough."""

    row: Row


@dataclass(frozen=True, slots=True)
class Gone:
    """A mail that is there no longer."""

    row: Row


@dataclass(frozen=True, slots=True)
class Refused:
    """A mail that did not come this time: the server will not give it, or the line broke when it was its turn."""

    row: Row
    reason: str


Outcome = Came | Spoiled | Gone | Refused | Later


class Download:
    """Downloads *rows* step by step. *coming* names the file for the pieces of each one, by UID."""

    def __init__(self, imap: Imap, rows: list[Row], coming: dict[int, Path]) -> None:
        self._imap, self._coming = imap, coming
        self._rationed = imap.meter.left is not None
        self._outcomes: list[Outcome] = [Spoiled(row, _TOO_LARGE, b"") for row in rows if row.size > MAIL_BYTES_MAX]
        rows = [row for row in rows if row.size <= MAIL_BYTES_MAX]
        self._reports = deque(row for row in rows if row.part.startswith(REPORT) and not row.tries)
        # What made trouble before comes last and alone, so that it holds up no other.
        self._last = deque(sorted((row for row in rows if row.tries), key=lambda row: row.tries))
        fresh = [row for row in rows if not row.tries and row not in self._reports]
        small = [row for row in fresh if not self._is_large(row)]
        self._batches = deque([row] for row in small) if self._rationed else deque(_in_batches(small))
        self._large = deque(row for row in fresh if self._is_large(row))
        self._whole: deque[tuple[Row, int]] = deque()
        self._running: deque[_Batch] = deque()
        self._piece = PIECE_FIRST  # what the line was last found good for

    def take(self) -> list[Outcome]:
        """Return what has become of mails since this was last asked, also after a step that failed."""
        for batch in self._running:
            self._outcomes += batch.take()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    async def step(self) -> bool:
        """Do the next piece of work; return whether there is more. Raise `Lost` when the line breaks."""
        if self._batches or self._running:
            await self._batch()
        elif self._large:
            await self._piecewise(self._large.popleft())
        elif self._whole:
            await self._in_one(*self._whole.popleft())
        elif self._reports:
            await self._report(self._reports.popleft())
        elif self._last:
            row = self._last.popleft()
            if row.part.startswith(REPORT):
                await self._report(row)
            elif self._is_large(row):
                await self._piecewise(row)
            else:
                self._batches.append([row])
                await self._batch()
        left = (self._batches, self._running, self._large, self._whole, self._reports, self._last)
        return any(left)

    def _is_large(self, row: Row) -> bool:
        return row.size >= PIECE_MAX or self._coming[row.uid].exists()

    @property
    def under_way(self) -> bool:
        """Whether something was asked for whose answer is not here."""
        return bool(self._running)

    # -- small mails --------------------------------------------------------------------------

    async def _batch(self) -> None:
        self._imap.heard = self._heard
        while self._batches and len(self._running) < IN_FLIGHT:
            rows = self._batches.popleft()
            if self._room(rows[0]) < _asked(rows) * len(rows):
                self._large += rows
            else:
                self._running.append(_Batch(self._imap, rows, self))
        if not self._running:
            return
        batch = self._running[0]
        try:
            answer = await self._imap.end(batch.command, expected=sum(each.bytes for each in self._running))
        except BaseException as error:
            for row in list(batch.missing.values())[:1]:  # it may be what the line broke on
                batch.outcomes.append(Refused(row, str(error)))
            raise
        self._running.popleft()
        self._outcomes += batch.take()
        missing = list(batch.missing.values())
        if answer.status != "OK" and len(batch.rows) > 1:
            self._batches.extendleft([row] for row in reversed(missing))  # one of them may hide the others
        else:
            self._outcomes += [_without(row, answer) for row in missing]

    def _heard(self, items: Items) -> None:
        for batch in self._running:
            if batch.heard(items):
                return

    def open(self, row: Row, mail: bytes, *, last: bool = False) -> Outcome | None:
        """Return what *mail* brings; None if it looks harmed and is fetched once more, this not being the *last*."""
        if row.part.startswith(LETTER):
            return Came(row, mail)
        try:
            found = parcel(mail)
            if found is not None:
                return Came(row, found)
            reason = "the mail looks like one of ours and holds no parcel"
        except Damaged as damage:
            reason = str(damage)
        if last or self._room(row) < _with_margin(len(mail)):
            return Spoiled(row, reason, mail[:_HARMED_BYTES_MAX])
        self._whole.append((row, len(mail)))
        return None

    def too_long(self, row: Row, first: bytes) -> None:
        """Go on with a mail that is longer than the server said."""
        self._coming[row.uid].write_bytes(first)
        self._large.append(row)

    def _room(self, row: Row) -> int:
        """Return how much may be asked for of a mail; more than there can be, if nobody counts."""
        return room(self._imap, row)

    # -- large mails --------------------------------------------------------------------------

    async def _piecewise(self, row: Row) -> None:
        path = self._coming[row.uid]
        if self._room(row) < PIECE_LEAST:
            self._outcomes.append(Later(row))
            return
        try:
            pieces = _Pieces(self._imap, row, path, self._piece)
            outcome = await pieces.run()
            self._piece = pieces.piece
        except BaseException as error:
            self._outcomes.append(Refused(row, str(error)))
            raise
        if isinstance(outcome, int):
            if outcome > row.most:
                path.unlink()
                self._outcomes.append(_too_large(row))
                return
            mail = path.read_bytes()
            path.unlink()
            opened = self.open(row, mail)
            self._outcomes += [opened] if opened else []
        else:
            if not isinstance(outcome, Later):
                path.unlink(missing_ok=True)
            self._outcomes.append(outcome)

    async def _in_one(self, row: Row, length: int) -> None:
        """Fetch a mail as it stands, which had so many bytes before; into a file if it is large."""
        came: list[bytes] = []
        most = min(_with_margin(max(length, row.size)), MAIL_BYTES_MAX + 1)

        def heard(items: Items) -> None:
            body = items.get("BODY[]<0>", items.get("BODY[]"))
            if number(items.get("UID")) != row.uid or body is None or isinstance(body, str | list):
                return
            if isinstance(body, bytes):
                came.append(body)
                return
            with body:
                body.seek(0)
                came.append(body.read(MAIL_BYTES_MAX + 1))

        self._imap.heard = heard
        try:
            command = fetch(self._imap, str(row.uid), f"UID BODY.PEEK[]<0.{most}>", most)
            answer = await self._imap.end(command, expected=most)
        except BaseException as error:
            self._outcomes.append(Refused(row, str(error)))
            raise
        outcome = self.open(row, came[0], last=True) if came else _without(row, answer)
        self._outcomes += [outcome] if outcome else []

    async def _report(self, row: Row) -> None:
        came: list[bytes] = []
        most = min(_with_margin(row.size), REPORT_BYTES)
        if self._room(row) < most:
            self._outcomes.append(Later(row))
            return

        def heard(items: Items) -> None:
            body = body_of(items, 0)
            if number(items.get("UID")) == row.uid and body:
                came.append(body)

        self._imap.heard = heard
        command = fetch(self._imap, str(row.uid), f"UID BODY.PEEK[]<0.{most}>", most)
        try:
            answer = await self._imap.end(command, expected=REPORT_BYTES)
        except BaseException as error:
            self._outcomes.append(Refused(row, str(error)))
            raise
        self._outcomes.append(Came(row, came[0]) if came else _without(row, answer))


class _Batch:
    """Some mails that were asked for by one command."""

    def __init__(self, imap: Imap, rows: list[Row], download: Download) -> None:
        self.rows = rows
        self.missing = {row.uid: row for row in rows}
        self.bytes = sum(row.size for row in rows)
        self.outcomes: list[Outcome] = []
        self._download = download
        self._asked = _asked(rows)
        most = len(rows) * (self._asked + _AROUND)
        self.command = fetch(imap, ",".join(uid_sets(self.missing)), f"UID BODY.PEEK[]<0.{self._asked}>", most)

    def heard(self, items: Items) -> bool:
        """Take what came; return whether it was for this batch."""
        row = self.missing.get(number(items.get("UID")))
        body = body_of(items, 0)
        if row is None or body is None:
            return False
        del self.missing[row.uid]
        if len(body) >= min(self._asked, row.most + 1):
            self._download.too_long(row, body)
        elif outcome := self._download.open(row, body):
            self.outcomes.append(outcome)
        return True

    def take(self) -> list[Outcome]:
        """Return what has come of it."""
        outcomes, self.outcomes = self.outcomes, []
        return outcomes


class _Pieces:
    """One large mail, whose pieces are appended to a file: some in flight, and in order."""

    def __init__(self, imap: Imap, row: Row, path: Path, piece: int) -> None:
        self._imap, self._row, self._path = imap, row, path
        self.piece = piece
        """How many bytes are asked for at a time: more and more, while they come quickly."""
        self._came: dict[int, bytes] = {}
        self._asked: dict[int, int] = {}
        self._running: deque[tuple[int, Running]] = deque()
        self._length = 0

    async def run(self) -> int | Outcome:
        """Return how long the mail is that lies in the file now, whole; or what else became of it."""
        self._imap.heard = self._heard
        with self._path.open("ab") as file:
            self._length = file.tell()
            try:
                return await self._run(file)
            except BaseException:
                while self._take(file) is not None:  # what is whole is not to come again
                    pass
                raise

    async def _run(self, file: BinaryIO) -> int | Outcome:
        loop = asyncio.get_running_loop()
        ask, most = self._length, self._row.most + 1  # one byte more shows that it is too large
        while self._length < most:
            # Ahead only of what the server says that there is; behind that one by one, until one comes short.
            while not self._running or (ask < min(self._row.size, most) and len(self._running) < IN_FLIGHT):
                piece, left = min(self.piece, most - ask), room(self._imap, self._row)
                if left < min(piece, PIECE_LEAST):
                    break
                piece = min(piece, left)
                command = fetch(self._imap, str(self._row.uid), f"UID BODY.PEEK[]<{ask}.{piece}>", piece)
                self._running.append((piece, command))
                self._asked[ask] = piece
                ask += piece
            if not self._running:
                return Later(self._row)
            begun = loop.time()
            size, command = self._running.popleft()
            answer = await self._imap.end(command, expected=size * (1 + len(self._running)))
            came = self._take(file)
            if came is None:
                await self._drain()
                return _without(self._row, answer)
            if came < size:
                break
            quick = loop.time() - begun < _QUICK_S
            self.piece = min(self.piece * 2, PIECE_MAX) if quick else max(self.piece // 2, PIECE_FIRST)
        await self._drain()
        return self._length

    def _take(self, file: BinaryIO) -> int | None:
        """Append the next piece if it is here; return how long it is."""
        body = self._came.pop(self._length, None)
        if body is None:
            return None
        size = self._asked.pop(self._length)
        file.write(body[:size])
        file.flush()
        self._length += len(body[:size])
        return len(body[:size])

    async def _drain(self) -> None:
        """Hear out what was asked for too much."""
        while self._running:
            await self._imap.end(self._running.popleft()[1])

    def _heard(self, items: Items) -> None:
        if number(items.get("UID")) != self._row.uid:
            return
        for start in self._asked:
            body = body_of(items, start)
            if body is not None:
                self._came[start] = body


def room(imap: Imap, row: Row) -> int:
    """Return how many bytes of a mail may be asked for: more than it can have, if nobody counts.

    What is surely from a peer goes before what may be from anybody.
    """
    left = imap.meter.left if row.sure else imap.meter.spare
    return 2 * MAIL_BYTES_MAX if left is None else left


def _asked(rows: list[Row]) -> int:
    """Return how many bytes are asked for of each of *rows*: what comes as long is longer than it was said to be."""
    return min(_with_margin(max(row.size for row in rows)), PIECE_MAX, max(row.most for row in rows) + 1)


def _with_margin(size: int) -> int:
    """Return as much as a mail of *size* bytes may have: some servers count line ends as one, or guess."""
    return size + size // 8 + _MARGIN


def _too_large(row: Row) -> Spoiled:
    return Spoiled(row, _TOO_LARGE, b"") if row.sure else Spoiled(row, _LIAR, b"", damage=False)


def body_of(items: Items, start: int) -> bytes | None:
    """Return the piece of a mail that begins at *start*; None if *items* do not hold it."""
    named = [f"BODY[]<{start}>", *(["BODY[]"] if start == 0 else [])]
    for name in named:
        if name in items:
            value = items[name]
            return value if isinstance(value, bytes) else b""  # NIL: there is nothing behind the end
    return None


def _without(row: Row, answer: Answer) -> Outcome:
    return Gone(row) if answer.status == "OK" else Refused(row, answer.text[:200])


def _in_batches(rows: list[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        uneven = (len(batch) + 1) * _asked([*batch, row]) > 2 * BATCH_BYTES  # as much may come of each of them
        if batch and (size + row.size > BATCH_BYTES or uneven or len(batch) >= BATCH_MAILS):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        yield batch
