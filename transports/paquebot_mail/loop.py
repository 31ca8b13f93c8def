"""The mail to ourselves by which `paquebot doctor` tries the whole way; it is none of those that nodes exchange.

It is found by a random word in its header, compared byte for byte, and removed; no other mail is touched. The word is
remembered before it goes: one that comes too late to be waited for is removed the next time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256

from paquebot.transport import BROKEN, OK, WARNING, Check, Context, Denied
from paquebot_mail.answers import Kind, judge
from paquebot_mail.clock import compared
from paquebot_mail.imap import Imap
from paquebot_mail.pace import Pace
from paquebot_mail.session import Lost, Session
from paquebot_mail.settings import DAY_MS, MailSettings
from paquebot_mail.standing import QuotaMemory
from paquebot_mail.talk import capable, examine, expunge, fetch, junk, localised, mark_deleted, search, select
from paquebot_mail.wire import Items

__all__ = ["Loop"]

LOOP_HEADER = "X-Paquebot-Loop"
LOOP_S = 90.0
"""How long the mail may be on its way before that is worth a word."""
LOOK_S = 0.5
REMEMBERED_MS = 30 * DAY_MS
REMEMBERED_MAX = 20


class Loop:
    """The mails to ourselves of one account. *session* gives a line to its sending server; may raise as that does."""

    def __init__(
        self, context: Context, settings: MailSettings, pace: Pace, session: Callable[[], Awaitable[Session]]
    ) -> None:
        self._context, self._settings, self._pace, self._session = context, settings, pace, session
        self._quota = QuotaMemory(context, settings.address)
        self._key = f"loop/{settings.address}"

    # -- one that goes ------------------------------------------------------------------------

    async def run(self, imap: Imap) -> list[Check]:
        """Send a mail, wait for it, compare it, and remove it."""
        word, address = self._context.entropy(16).hex(), self._settings.address
        mail, begun, sent = _mail(word, address), time.monotonic(), time.time()
        self._remember({**self._words(), word: self._context.now_ms()})
        try:
            session = await self._session()
            answer = await session.submit(address, address, word, mail)
            await session.close()
        except (Lost, Denied) as error:
            return [Check("loop mail", BROKEN, f"it could not be sent: {error}")]
        self._pace.spent(len(mail))
        if answer.code >= 400:
            self._forget(word)
            said = f"{answer.code} {answer.text}"
            if judge(*answer) is Kind.FULL:
                self._quota.full(f"{session.host}: {said}")
            return [Check("loop mail", BROKEN, f"it was refused: {said}")]
        name, *spam = await self._places(imap)
        while time.monotonic() - begun < LOOP_S:
            for place in (name, *spam):
                await examine(imap, place)
                if uid := await _search(imap, word):
                    clock = await _arrival(imap, uid, sent)
                    return [*clock, await self._compared(imap, place, uid, word, mail, begun, spam=place != name)]
            await asyncio.sleep(LOOK_S)
        late = f"it did not come back within {LOOP_S:.0f} seconds: see your spam, and the rules"
        return [Check("loop mail", BROKEN, f"{late}; when it comes, the next doctor removes it")]

    async def _compared(
        self, imap: Imap, place: str, uid: str, word: str, mail: bytes, begun: float, *, spam: bool
    ) -> Check:
        came: list[bytes] = []

        def heard(items: Items) -> None:
            came.extend(value for key, value in items.items() if key.startswith("BODY[") and isinstance(value, bytes))

        imap.heard = heard
        await imap.end(fetch(imap, uid, "UID BODY.PEEK[]"), expected=len(mail))
        whole, seconds = b"".join(came), time.monotonic() - begun
        self._pace.came(len(whole))
        self._quota.roomy()
        await self._remove(imap, place, word)
        same = whole.partition(b"\r\n\r\n")[2].rstrip() == mail.partition(b"\r\n\r\n")[2].rstrip()
        kept = mail.partition(b"Message-ID: ")[2].partition(b"\r\n")[0] in whole
        said = f"it came back after {seconds:.1f} seconds"
        if spam:
            return Check("loop mail", WARNING, f"{said}, among what is taken for spam ({place}): say that it is not")
        if not same:
            changed = f"{said}, and was changed on its way; envelopes in armour survive most of it"
            return Check("loop mail", WARNING, changed)
        return Check("loop mail", OK, f"{said}, unchanged{'' if kept else '; its Message-ID was given anew'}")

    # -- those that went before ---------------------------------------------------------------

    async def tidy(self, imap: Imap) -> list[Check]:
        """Remove those of earlier times that have come since; say how many."""
        count = 0
        if words := self._words():
            for place in await self._places(imap):
                await examine(imap, place)
                for word in [each for each in words if await _search(imap, each)]:
                    await self._remove(imap, place, word)
                    count += 1
        said = f"{count} of an earlier time came late, and {'is' if count == 1 else 'are'} removed"
        return [Check("late loop mail", OK, said)] if count else []

    async def _remove(self, imap: Imap, place: str, word: str) -> None:
        """Remove the mail with our *word*, if that can be done without touching another."""
        if capable(imap, "UIDPLUS"):
            await select(imap, place)
            if uid := await _search(imap, word):
                await mark_deleted(imap, uid)
                await expunge(imap, uid)
        self._forget(word)

    async def _places(self, imap: Imap) -> Sequence[str]:
        name, spam = await localised(imap, self._settings.folder), await junk(imap)
        return [name, spam] if spam and spam != name else [name]

    def _words(self) -> dict[str, int]:
        """Return the words of those that may still come, and when they went."""
        kept, now = json.loads(self._context.get(self._key) or b"{}"), self._context.now_ms()
        fresh = [(word, at) for word, at in kept.items() if abs(now - at) < REMEMBERED_MS]
        return dict(fresh[-REMEMBERED_MAX:])

    def _remember(self, words: dict[str, int]) -> None:
        self._context.put(self._key, json.dumps(words).encode() if words else None)

    def _forget(self, word: str) -> None:
        self._remember({each: at for each, at in self._words().items() if each != word})


def _mail(word: str, address: str) -> bytes:
    body = "".join(f"{sha256(word.encode() + bytes([n])).hexdigest()}\r\n" for n in range(64))
    date, domain = format_datetime(datetime.fromtimestamp(time.time(), UTC)), address.rpartition("@")[2]
    return (
        f"From: <{address}>\r\nTo: <{address}>\r\nSubject: paquebot tries this mailbox\r\n"
        f"Date: {date}\r\nMessage-ID: <{word}@{domain}>\r\n"
        f"{LOOP_HEADER}: {word}\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=us-ascii\r\n\r\n{body}"
    ).encode()


async def _arrival(imap: Imap, uid: str, sent: float) -> list[Check]:
    """Compare clocks by when the server says that a mail came which was *sent* then; nothing if it does not say."""
    came: list[bytes] = []
    imap.heard = lambda items: came.extend(each for each in [items.get("INTERNALDATE")] if isinstance(each, bytes))
    await imap.end(fetch(imap, uid, "UID INTERNALDATE"))
    try:
        at = parsedate_to_datetime(came[-1].decode("ascii", "replace").strip()).timestamp()
    except (ValueError, IndexError):
        return []
    return [compared(at, sent, time.time())]


async def _search(imap: Imap, word: str) -> str:
    """Return the UID of the mail with our *word*; empty if it is not there."""
    return next(reversed(await search(imap, LOOP_HEADER, word)), "")
