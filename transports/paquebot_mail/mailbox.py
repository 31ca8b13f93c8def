"""The receiving half: one visit to one mailbox, in which other people's mail lies too.

What concerns us is found by its header, brought here whole and held until the house says that it is applied; only then
is its mail put away, if the settings ask for it, and after its header was read once more on the same line. While
reading, folders are open to be read only. No other mail is ever flagged, moved or deleted; nor downloaded, unless the
settings say that nobody else reads it: then what is encrypted is, and stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import BinaryIO, Self, cast

from paquebot.transport import Acknowledgement, Context, Finding, Transient, Verdict
from paquebot_mail.download import PIECE_LEAST, Came, Download, Gone, Later, Outcome, Refused, Spoiled
from paquebot_mail.imap import Imap, Said, connect
from paquebot_mail.ledger import Changes, Held, Known, Ledger, Record, Row, Rows, State
from paquebot_mail.meter import Meter
from paquebot_mail.reading import Parcel
from paquebot_mail.scan import AUDIT_MS, HEAD_COST, LETTER, Scan, Wants, part_of, read_each
from paquebot_mail.server import Login, Server
from paquebot_mail.settings import Retire
from paquebot_mail.standing import QuotaMemory
from paquebot_mail.talk import (
    Folder,
    Quota,
    capable,
    examine,
    expunge,
    idle,
    junk,
    localised,
    log_in,
    log_out,
    mark_deleted,
    move,
    quota,
    select,
    uid_sets,
)

__all__ = ["Brought", "Mailbox", "Reported", "Written"]

JUNK_EVERY_MS = 3_600_000
RENEW_S = 9 * 60.0  # before a router forgets the line
TRIES_TOLD = 10
RATIONED = "today's bytes are used up: some mails, or the rest of one, are fetched later"
_UNTOUCHED = "has no MOVE and no UIDPLUS: mails cannot be put away there without touching others, so they stay"


@dataclass(frozen=True, slots=True)
class Brought:
    """A parcel that came by mail. It comes back until it is acknowledged."""

    parcel: bytes
    part: str
    """By which the mailbox knows it again."""
    sender: str
    """The bare address that its mail claims to be from."""
    folder: str
    """Where its mail lay."""
    sure: bool
    """It bore a peer's tag."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The beginning of a mail that reports on one of ours. It comes back until the next news is asked for."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """A whole mail that a person may have written to us. It comes back until it is settled, and stays where it is."""

    mail: bytes
    part: str
    sender: str
    folder: str


News = Brought | Reported | Written | Finding


class Mailbox:
    """One account's folders. Use it in an ``async with``; the line is made on entering, and cut on leaving."""

    def __init__(
        self,
        address: str,
        server: Server,
        login: Login,
        context: Context,
        *,
        wants: Wants,
        folder: str = "INBOX",
        retire: Retire | None = None,
        rescue_junk: bool = False,
        audit_ms: int = AUDIT_MS,
    ) -> None:
        self._server, self._login, self._context = server, login, context
        self._wants, self._folder, self._rescue_junk = wants, folder, rescue_junk
        self._retire = retire or Retire("keep")
        self._audit_ms = audit_ms
        self._ledger, self._quota = Ledger(context, address), QuotaMemory(context, address)
        self._line: Imap | None = None
        self._junk = self._ledger.junk
        self._rows: dict[str, Rows] = {}
        self._rationed = False
        """Something was left in the mailbox because the day's bytes are used up."""
        self._there: dict[str, str] = {}
        """What folders of ours are called on the server, where that is different."""

    async def __aenter__(self) -> Self:
        """Connect and log in. Raise `Lost`, `Said` or `LoginRefused`."""
        self._line = await connect(self._server, self._spool)
        try:
            await log_in(self._line, self._login)
            for name in (self._folder, self._retire.folder):
                self._there[name] = await localised(self._line, name)
        except BaseException:
            await self._line.hang_up()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Say goodbye."""
        line, self._line = self._imap, None
        try:
            await log_out(line)
        finally:
            line.meter.close()

    def within(self, meter: Meter) -> None:
        """Let no more bytes of mails come, in this visit, than *meter* has left."""
        self._imap.meter = meter

    def _spool(self) -> BinaryIO:
        return cast("BinaryIO", tempfile.TemporaryFile(dir=self._ledger.folder))

    @property
    def _imap(self) -> Imap:
        if self._line is None:
            raise RuntimeError("the mailbox is used outside `async with`")
        return self._line

    async def _opened(self, name: str, how: Callable[[Imap, str], Awaitable[Folder]] = examine) -> Folder:
        """Open the folder that we call *name*."""
        return replace(await how(self._imap, self._there.get(name, name)), name=name)

    # -- what came ----------------------------------------------------------------------------

    async def look(self) -> AsyncGenerator[News, None]:
        """Yield what was held already, then what is new, then stop.

        Raise `Lost` when the line breaks, after all was yielded that was whole by then.
        """
        try:
            async with aclosing(self._looked()) as found:
                async for news in found:
                    yield news
                    del news
        finally:
            self._imap.meter.settle()

    async def _looked(self) -> AsyncGenerator[News, None]:
        self._tidy()
        for held in self._ledger.held():
            if (brought := self._brought(held)) is not None:
                yield brought
        async with aclosing(self._visit(self._folder, download=True)) as found:
            async for news in found:
                yield news
                del news
        spam = await self._spam()
        if not spam:
            return
        try:
            async with aclosing(self._visit(spam, download=self._rescue_junk)) as found:
                async for news in found:
                    yield news
        except Said:  # it cannot be opened: nobody depends on that
            changes: Changes = {}
            record = self._ledger.record(spam) or Record(0)
            self._ledger.set_record(spam, replace(record, looked=self._context.now_ms()), changes)
            self._ledger.commit(changes)

    async def _visit(self, name: str, *, download: bool) -> AsyncGenerator[News, None]:
        imap = self._imap
        folder = await self._opened(name)
        rows = self._known(name)
        scan = Scan(
            imap,
            self._ledger,
            folder,
            rows,
            self._wants,
            Retire("move", self._folder) if name != self._folder else self._retire,
            now=self._context.now_ms(),
            epoch=self._context.epoch,
            download=download,
            note_look=name != self._folder,
            audit_ms=self._audit_ms,
        )
        tried: set[int] = set()
        for look in (scan.news, scan.audit):  # what is new is brought first: there may not be bytes for both
            await look()
            while scan.findings:
                yield scan.findings.pop(0)
            while download and (due := await self._due(name, rows, scan.read, tried)):
                async with aclosing(self._bring(folder, rows, due)) as found:
                    async for news in found:
                        yield news
                        del news
        if not scan.complete or self._rationed:
            yield Finding(name, RATIONED, damage=False)
        if not download and scan.ours:
            yield Finding(name, f"mails of peers that are taken for spam: {scan.ours}", damage=False)

    def _known(self, name: str) -> Rows:
        if name not in self._rows:
            self._rows[name] = self._ledger.rows(name)
        return self._rows[name]

    def _wanted(self, rows: Rows, tried: set[int]) -> list[Row]:
        """Return the mails to be downloaded now, one for each parcel, of those that were not *tried*."""
        epoch = self._context.epoch
        wanted: dict[str, Row] = {}
        for row in sorted(rows, key=lambda row: (row.tries, not row.sure, row.uid)):
            due = row.state is State.WANTED or (row.state is State.LEFT and row.epoch != epoch)
            if due and row.uid not in tried:
                wanted.setdefault(row.part, row)
        return list(wanted.values())

    async def _due(self, name: str, rows: Rows, read: set[int], tried: set[int]) -> list[Row]:
        """Return the wanted mails that were not *tried*, as far as the ration goes; note them as tried.

        The headers of those seen in an earlier visit are *read* once more: numbers may mean other mails now.
        """
        while due := self._affordable(self._wanted(rows, tried)):
            tried |= {row.uid for row in due}
            old = [row for row in due if row.uid not in read]
            there, mute = await self._still_there(name, rows, old)
            rows.write({row.uid: None for row in old if row.uid not in there | mute})
            read |= there
            if found := [row for row in due if row.uid in read]:
                return found
        return []

    def _affordable(self, rows: list[Row]) -> list[Row]:
        """Return those of *rows* that can at least be begun today."""
        left, spare = self._imap.meter.left, self._imap.meter.spare
        if left is None or spare is None:
            return rows
        found = []
        for row in rows:
            most = left if row.sure else spare
            if most >= HEAD_COST + PIECE_LEAST:
                found.append(row)
                cost = HEAD_COST + max(PIECE_LEAST, row.size)
                left, spare = left - cost, spare - cost
        self._rationed = self._rationed or len(found) < len(rows)
        return found

    async def _still_there(self, name: str, rows: Rows, some: Sequence[Row]) -> tuple[set[int], set[int]]:
        """Return the UIDs of *some* whose headers, read now, say what they said when they were noted.

        And of those whose headers the server does not give now. If one is another mail now, the server gives its
        numbers anew without saying so: look through everything soon.
        """
        there, mute, other = set[int](), set[int](), False
        for line in uid_sets(row.uid for row in some):
            heads, silent = await read_each(self._imap, line, len(some))
            mute |= silent.keys()
            for head in heads:
                row, said = rows.get(head.uid), head.heading
                same = row is not None and said is not None and (row.part, row.sender) == (part_of(head), said.sender)
                other = other or not same
                there |= {head.uid} if same else set()
        record = self._ledger.record(name)
        if other and record is not None:
            changes: Changes = {}
            self._ledger.set_record(name, replace(record, audited=0), changes)
            self._ledger.commit(changes)
        return there, mute

    async def _bring(self, folder: Folder, rows: Rows, wanted: list[Row]) -> AsyncGenerator[News, None]:
        coming = {row.uid: self._ledger.coming(folder.name, folder.uidvalidity, row.uid) for row in wanted}
        download = Download(self._imap, wanted, coming)
        more, error = True, None
        try:
            while more:
                try:
                    more = await download.step()
                except Transient as broken:
                    more, error = False, broken
                finally:  # also when this is cancelled: what is whole is not to come again
                    outcomes = download.take()
                    self._keep(folder, rows, outcomes)
                while outcomes:  # nothing large is kept while the next is fetched
                    for news in self._told(folder, outcomes[0]):
                        yield news
                        del news
                    rows.write(self._after_telling(outcomes.pop(0)))
        finally:
            if download.under_way:
                self._imap.fail("not all that was asked for was waited for")
        if error:
            raise error

    def _keep(self, folder: Folder, rows: Rows, outcomes: list[Outcome]) -> None:
        """Let it be true, at once, that parcels are here, and what need not be told."""
        changes: Changes = {}
        after: dict[int, Row | None] = {}
        for outcome in outcomes:
            row = outcome.row
            match outcome:
                case Came(brought=Parcel() as parcel):
                    after[row.uid] = self._hold(folder, row, parcel, changes)
                    for other in () if self._puts_away(folder.name) else rows.of(parcel.part):
                        if other.state is State.WANTED and other.uid != row.uid:
                            after[other.uid] = replace(other, state=State.HERE)
                case Gone():
                    after[row.uid] = None
                case Later():
                    self._rationed = True
                case Refused():
                    after[row.uid] = replace(row, tries=row.tries + 1)
        rows.write(after, changes)

    def _told(self, folder: Folder, outcome: Outcome) -> Iterator[News]:
        where = f"{folder.name}, mail {outcome.row.uid}, from {outcome.row.sender}"
        match outcome:
            case Came(row, Parcel() as parcel):
                yield Brought(parcel.data, parcel.part, row.sender, folder.name, _is_sure(row, parcel))
            case Came(row, bytes() as mail) if row.part.startswith(LETTER):
                yield Written(mail, row.part, row.sender, folder.name)
            case Came(_, bytes() as report):
                yield Reported(report)
            case Spoiled(_, reason, data, damage):
                yield Finding(where, reason, data, damage)
            case Refused(row, reason) if row.tries + 1 == TRIES_TOLD:
                yield Finding(where, f"it did not come in {TRIES_TOLD} tries: {reason}", damage=False)

    def _after_telling(self, outcome: Outcome) -> dict[int, Row | None]:
        """Return what becomes of a mail once its news was heard, and no sooner."""
        row = outcome.row
        match outcome:
            case Came(brought=bytes()) if not row.part.startswith(LETTER):
                changes: Changes = {}
                self._ledger.know(row.part, Known(applied=True), changes)
                self._ledger.commit(changes)
                return {row.uid: None}
            case Spoiled():
                return {row.uid: replace(row, state=State.BAD)}
        return {}

    def _hold(self, folder: Folder, row: Row, parcel: Parcel, changes: Changes) -> Row:
        held = Held(parcel.part, row.sender, folder.name, _is_sure(row, parcel))
        self._ledger.hold(held, parcel.data, changes)
        if parcel.part == row.part:
            return replace(row, state=State.HERE, tries=0)
        # A mail that brings another parcel than its header claims, and does so twice, is left alone.
        return replace(row, state=State.BAD) if row.tries else replace(row, tries=1)

    def _brought(self, held: Held) -> Brought | None:
        """Return what is held; None if the disk lost or changed it: then it is wanted again."""
        body = self._ledger.body(held.part)
        if body is not None:
            return Brought(body, held.part, held.sender, held.folder, held.sure)
        changes: Changes = {}
        self._ledger.let_go(held.part, changes)
        rows = self._known(held.folder)
        rows.write({row.uid: replace(row, state=State.WANTED) for row in rows.of(held.part)}, changes)
        return None

    def _tidy(self) -> None:
        coming = set()
        for name in (self._folder, *([self._junk] if self._junk else [])):
            record = self._ledger.record(name)
            if record is not None:
                coming |= {self._ledger.coming(name, record.uidvalidity, row.uid).name for row in self._known(name)}
        self._ledger.tidy(coming)

    # -- what becomes of it -------------------------------------------------------------------

    def settle(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Note what became of parcels, by their parts. Twice is the same as once."""
        for each in acknowledgements:
            self._settle(each)

    def _settle(self, given: Acknowledgement) -> None:
        part, verdict = given.key, given.verdict
        changes: Changes = {}
        self._ledger.let_go(part, changes)
        # A letter that none of our keys opens, later ones do not open either.
        if verdict is not Verdict.NOT_OURS or part.startswith(LETTER):
            self._ledger.know(part, Known(applied=verdict is Verdict.TAKEN), changes)
        for name in (self._folder, *([self._junk] if self._junk else [])):
            rows, open_ = self._known(name), (State.HERE, State.WANTED, State.LEFT)
            some = [row for row in rows.of(part) if row.state in open_]
            rows.write({row.uid: self._settled(name, row, verdict) for row in some}, changes)
            changes = {}
        self._ledger.delete(part)

    def _settled(self, name: str, row: Row, verdict: Verdict) -> Row | None:
        match verdict:
            case Verdict.TAKEN if self._puts_away(name):
                if row.state is State.HERE:
                    return replace(row, state=State.DONE, since=self._context.now_ms())
                return replace(row, state=State.WANTED)  # its header says that it brings the same: that is no proof
            case Verdict.NOT_OURS if not row.part.startswith(LETTER):
                return replace(row, state=State.LEFT, epoch=self._context.epoch)
            case _:
                return None

    def _puts_away(self, name: str) -> bool:
        return name != self._folder or self._retire.how != "keep"

    # -- putting away -------------------------------------------------------------------------

    async def put_away(self) -> list[Finding]:
        """Move or expunge the mails of what was applied, as the settings say; return what a person should hear of."""
        findings = await self._put_away(self._folder, self._retire)
        if self._junk is not None and self._rescue_junk:
            findings += await self._put_away(self._junk, Retire("move", self._folder))
        return findings

    async def _put_away(self, name: str, retire: Retire) -> list[Finding]:
        imap, now, rows = self._imap, self._context.now_ms(), self._known(name)
        done = [row for row in rows if row.state is State.DONE]
        due = [row for row in done if abs(now - row.since) >= retire.after_ms]
        if (left := imap.meter.left) is not None:
            due = due[: left // HEAD_COST]
        record = self._ledger.record(name)
        if not due or retire.how == "keep" or record is None:
            return []
        if not (capable(imap, "UIDPLUS") or (retire.how == "move" and capable(imap, "MOVE"))):
            return [Finding(name, f"{self._server.host} {_UNTOUCHED}", damage=False)]
        folder = await self._opened(name, select)
        if folder.uidvalidity != record.uidvalidity:
            return []  # other numbers: the next look finds them out
        there, mute = await self._still_there(name, rows, due)
        try:
            for uids in uid_sets(there):
                if retire.how == "move":
                    await move(imap, uids, self._there.get(retire.folder, retire.folder))
                else:
                    await mark_deleted(imap, uids)
                    await expunge(imap, uids)
        except Said as refusal:
            if refusal.code == "OVERQUOTA":
                self._quota.full(str(refusal))
            return [Finding(name, f"mails that are done with stay there: {refusal}", damage=False)]
        self._quota.roomy()
        rows.write({row.uid: None for row in due if row.uid not in mute})
        return []

    # -- besides ------------------------------------------------------------------------------

    async def _spam(self) -> str:
        """Return the folder for spam if it is time to look into it; else nothing."""
        now = self._context.now_ms()
        record = self._ledger.record(self._junk) if self._junk else None
        if record is not None and abs(now - record.looked) < JUNK_EVERY_MS:
            return ""
        try:
            name = await junk(self._imap) or ""
        except Said:  # it lists no folders: nobody depends on that
            return ""
        if name != self._junk:
            self._ledger.set_junk(name)
            self._junk = name
        return name if name != self._folder else ""

    async def wait(self, seconds: float) -> bool:
        """Wait until something may have come, at most *seconds* and some minutes; return whether it may.

        Raise `Lost` at once if cut off.
        """
        folder, record = await self._opened(self._folder), self._ledger.record(self._folder)
        # What was there at the last visit was left there for a reason.
        if record is None or folder.uidvalidity != record.uidvalidity or folder.uidnext > record.uidnext:
            return True
        return await idle(self._imap, min(seconds, RENEW_S))

    async def quota(self) -> list[Quota]:
        """Return how full the account is; empty if the server does not say."""
        return await quota(self._imap, self._there.get(self._folder, self._folder))


def _is_sure(row: Row, parcel: Parcel) -> bool:
    """Return whether a mail bears a peer's tag for the *parcel* in it."""
    return row.sure and row.part == parcel.part
