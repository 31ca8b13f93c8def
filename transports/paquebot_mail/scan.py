"""The scan: headers in windows, to find what concerns us among mails that do not.

Only the few header fields that tell are read, of no mail more than 16 kB, and nothing is changed by it. A window's rows
and how far the folder was looked through become true at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from paquebot.transport import Finding
from paquebot_mail.imap import Imap, Said
from paquebot_mail.ledger import DAY_MS, Changes, Ledger, Record, Row, Rows, State
from paquebot_mail.reading import Heading, heading, may_concern
from paquebot_mail.settings import Retire
from paquebot_mail.talk import Folder, fetch, uid_sets
from paquebot_mail.wire import Items

__all__ = ["LETTER", "REPORT", "Scan", "Wants", "part_of", "read_each"]

WINDOW = 500
AUDIT_MS = DAY_MS
MAILS_A_DAY = 10_000
"""A folder with more is looked through once more in as many days as it has so many."""
REPORT = "report:"
"""Begins the part of a row that is a report on a mail of ours, and none of ours itself."""
LETTER = "letter:"
"""Begins the part of a row that a person may have written to us."""
_HEAD_MAX = 16 << 10
_HEAD_THIN = 1 << 10
"""Of the fields that are asked for, where bytes are counted: our own mails have less."""
_HEAD_AROUND = 300
"""Of the words around them in an answer."""
HEAD_COST = _HEAD_THIN + _HEAD_AROUND
_HEAD_EXPECTED = 1_000
_AUDIT_PART = 20
"""An audit costs less than this part of a day's ration for each day between two."""
_FIELDS = "X-PAQUEBOT-PART FROM DATE MESSAGE-ID X-MICROSOFT-ORIGINAL-MESSAGE-ID CONTENT-TYPE"
"""A report is known by all of these: qmail's have neither a Message-ID nor a type, only their dates differ."""
_SECTION = f"BODY.PEEK[HEADER.FIELDS ({_FIELDS})]"
_KNOWN_ANEW_DAYS = 7
_STRIDE_MAX = 1 << 28

Wants = Callable[[Heading, int], int]
"""Says how many bytes of a mail are to be downloaded at most, by what its header says and by its size as the server
says, which may be wrong: is it from somebody whom we know, or a report that we wait for? 0 for none."""


@dataclass(frozen=True, slots=True)
class Head:
    """What was read of one mail."""

    uid: int
    size: int
    heading: Heading | None
    """None for a header that does not concern us, or that no honest program writes."""
    digest: str


def part_of(head: Head) -> str:
    """Return by what a mail is known; empty for one that does not concern us."""
    said = head.heading
    if said is None or said.part:
        return said.part if said else ""
    kind = REPORT if said.report else LETTER if said.sealed else ""
    return kind and f"{kind}{head.digest}"


async def read_each(imap: Imap, uids: str, count: int) -> tuple[list[Head], dict[int, str]]:
    """Return what the headers of mails say, and for which mails the server does not give them, and why.

    One that it cannot give does not hide the others. Raise `Said` if it does not even say which mails there are.
    """
    try:
        return await _heads(imap, uids, count), {}
    except Said:
        found: set[int] = set()
        imap.heard = lambda items: found.add(number(items.get("UID")))
        answer = await imap.end(fetch(imap, uids, "UID", count * _HEAD_AROUND), expected=count)
        if answer.status != "OK":
            raise
        return await _halved(imap, sorted(found - {0}))


async def _halved(imap: Imap, uids: list[int]) -> tuple[list[Head], dict[int, str]]:
    lines = list(uid_sets(uids))
    if len(lines) < 2:
        try:
            return (await _heads(imap, lines[0], len(uids)) if lines else []), {}
        except Said as error:
            if len(uids) == 1:
                return [], {uids[0]: str(error)}
    middle = len(uids) // 2
    first, mute = await _halved(imap, uids[:middle])
    rest, more = await _halved(imap, uids[middle:])
    return first + rest, mute | more


async def _heads(imap: Imap, uids: str, count: int) -> list[Head]:
    found: dict[int, Head] = {}

    def heard(items: Items) -> None:
        uid, size = number(items.get("UID")), number(items.get("RFC822.SIZE"))
        said = next((value for name, value in items.items() if name.startswith("BODY[HEADER.FIELDS")), None)
        if uid and isinstance(said, bytes):
            # A person's mails are many: what says nothing that concerns us need not be taken apart.
            read = heading(said) if may_concern(said) else None
            found[uid] = Head(uid, size, read, sha256(said).hexdigest()[:32] if read else "")

    imap.heard = heard
    size = _HEAD_MAX if imap.meter.left is None else _HEAD_THIN
    most = count * (size + _HEAD_AROUND)
    answer = await imap.end(
        fetch(imap, uids, f"UID RFC822.SIZE {_SECTION}<0.{size}>", most), expected=count * _HEAD_EXPECTED
    )
    if answer.status == "BAD":  # a server that knows no parts of header fields
        answer = await imap.end(fetch(imap, uids, f"UID RFC822.SIZE {_SECTION}", most), expected=count * _HEAD_EXPECTED)
    if answer.status != "OK":
        raise Said(f"{imap.server.host} does not give us headers: {answer.text[:200]}", answer.code[0])
    return [found[uid] for uid in sorted(found)]


def number(token: object) -> int:
    """Return what a server wrote as a number; 0 if it is none."""
    return int(token) if isinstance(token, str) and token.isdigit() and len(token) <= 10 else 0


class Scan:
    """One look through an opened folder. *rows* are what is known of it, and are kept up to date."""

    def __init__(
        self,
        imap: Imap,
        ledger: Ledger,
        folder: Folder,
        rows: Rows,
        wants: Wants,
        retire: Retire,
        *,
        now: int,
        epoch: str,
        download: bool = True,
        note_look: bool = False,
        audit_ms: int = AUDIT_MS,
    ) -> None:
        self._imap, self._ledger, self._folder, self._rows = imap, ledger, folder, rows
        self._wants, self._retire, self._now, self._epoch = wants, retire, now, epoch
        self._download, self._note_look, self._audit_ms = download, note_look, audit_ms
        self.findings: list[Finding] = []
        self.read: set[int] = set()
        """Those whose headers were read on this line."""
        self.complete = False
        """All that is new was looked at."""
        self.ours = 0
        """How many new mails of ours there were."""
        self._mute = set[int]()
        """Those whose headers the server does not give."""

    async def news(self) -> None:
        """Look at what is new, as far as the ration of bytes goes."""
        record = self._begin()
        last = self._folder.uidnext - 1 if self._folder.uidnext else await self._highest()
        width = WINDOW
        meter = self._imap.meter
        while record.cursor < last and (wide := self._within(width, meter.spare if self._note_look else meter.left)):
            end = min(record.cursor + wide, last)
            heads = await self._window(record.cursor + 1, end)
            record = self._note(heads, replace(record, cursor=end))
            width = self._next_width(width, heads)
        self.complete = record.cursor >= last
        self._note([], replace(record, looked=self._now) if self._note_look else record)

    async def audit(self) -> None:
        """Look at everything once more, if it is time."""
        record = self._ledger.record(self._folder.name)
        assert record is not None, "written by `news`"
        width = WINDOW
        while 0 < record.audit <= record.cursor and (wide := self._within(width, self._imap.meter.spare)):
            end = min(record.audit + wide - 1, record.cursor)
            heads = await self._window(record.audit, end)
            self._drop_gone(record.audit, end, heads)
            record = self._note(heads, replace(record, audit=end + 1))
            width = self._next_width(width, heads)
        if record.audit > record.cursor:
            self._ledger.forget_old()
            self._note([], replace(record, audit=0))

    def _within(self, width: int, left: int | None) -> int:
        """Return how many numbers may be asked for, at most *width*, if *left* bytes may come."""
        if left is None or left >= HEAD_COST * min(width, self._folder.exists):
            return width
        return min(width, left // HEAD_COST)

    def _next_width(self, width: int, heads: list[Head]) -> int:
        """Return how many numbers to ask for next: over deserts in ever longer strides, as the folder's size allows."""
        most = _STRIDE_MAX if self._folder.exists <= MAILS_A_DAY else 16 * WINDOW
        return WINDOW if heads else min(2 * width, most)

    def _begin(self) -> Record:
        """Return where to go on from: from the beginning, if the folder's numbers mean something else now."""
        folder, now, audit_ms = self._folder, self._now, self._audit_ms
        record = self._ledger.record(folder.name)
        fresh = record is None or not folder.uidvalidity or folder.uidvalidity != record.uidvalidity
        # Some servers give other numbers under the same UIDVALIDITY; then the next one is lower than it was.
        if record is None or fresh or (folder.uidnext and folder.uidnext <= record.cursor):
            record = Record(folder.uidvalidity, audited=now, epoch=self._epoch)
            changes: Changes = {}
            self._ledger.set_record(folder.name, record, changes)
            self._rows.write({row.uid: None for row in self._rows}, changes)
        every = max(audit_ms, audit_ms * folder.exists // MAILS_A_DAY)
        if day := self._imap.meter.day:
            every = max(every, audit_ms * folder.exists * HEAD_COST * _AUDIT_PART // day)
        met = record.strangers and record.epoch != self._epoch  # whom we know now
        if not record.audit and (met or abs(now - record.audited) >= every):
            record = replace(record, audit=1, audited=now, strangers=0, epoch=self._epoch)
        return replace(record, uidnext=folder.uidnext)

    async def _highest(self) -> int:
        """Return the highest UID there is, where a server does not say which is next."""
        if not self._folder.exists:
            return 0
        found: list[int] = [0]
        self._imap.heard = lambda items: found.append(number(items.get("UID")))
        await self._imap.end(fetch(self._imap, "*", "UID", _HEAD_AROUND))
        return max(found)

    async def _window(self, first: int, last: int) -> list[Head]:
        """Return the heads from *first* to *last*."""
        heads, silent = await read_each(self._imap, f"{first}:{last}", min(last - first + 1, self._folder.exists))
        # n:* always answers the last mail, and some servers tell of mails that nobody asked for.
        if mute := {uid for uid in silent if first <= uid <= last} - self._mute:
            more = f"; nor those of {len(mute) - 1} others" if len(mute) > 1 else ""
            where = f"{self._folder.name}, mail {min(mute)}"
            self.findings.append(Finding(where, f"{silent[min(mute)]}{more}", damage=False))
        self._mute |= mute
        return [head for head in heads if first <= head.uid <= last]

    def _note(self, heads: list[Head], record: Record) -> Record:
        """Let it be true, at once, that these were looked at and what is to be done with them."""
        changes: Changes = {}
        rows: dict[int, Row | None] = {}
        strangers = record.strangers
        for head in heads:
            self.read.add(head.uid)
            before = self._rows.get(head.uid)
            row, strange = self._judge(head, changes)
            strangers += strange
            if row is not before:
                rows[head.uid] = row
        record = replace(record, strangers=strangers)
        self._ledger.set_record(self._folder.name, record, changes)
        self._rows.write(rows, changes)
        return record

    def _judge(self, head: Head, changes: Changes) -> tuple[Row | None, bool]:
        """Return what is to be done with a mail, None if it is no concern of ours or nothing is to be done.

        And whether it looks like ours, but is from somebody whom we do not know.
        """
        said = head.heading
        part = part_of(head)
        if said is None or not part:
            return None, False
        before = self._rows.get(head.uid)
        if before is not None and before.part == part:
            return before, False
        row = Row(head.uid, part, said.sender, head.size)
        if (known := self._ledger.known(part)) is not None:
            if known.days >= _KNOWN_ANEW_DAYS:
                self._ledger.know(part, known, changes)
            # Anybody can write the name of what is known. Only what is read once more, and brings that, is put away.
            prove = self._wants(said, head.size) if self._puts_away and known.applied and said.part else 0
            return (replace(row, most=prove) if prove else None), False
        if said.part and self._ledger.is_held(part) and not self._puts_away:
            return replace(row, state=State.HERE), False
        most = self._wants(said, head.size)
        if not most:
            return None, bool(said.part)
        self.ours += bool(said.part)
        return (replace(row, most=most) if self._download else None), False

    @property
    def _puts_away(self) -> bool:
        return self._retire.how != "keep" and self._download

    def _drop_gone(self, first: int, last: int, heads: list[Head]) -> None:
        """Forget the rows of mails that are there no longer."""
        there = {head.uid for head in heads} | self._mute
        gone = [row.uid for row in self._rows if first <= row.uid <= last and row.uid not in there]
        self._rows.write(dict.fromkeys(gone))
