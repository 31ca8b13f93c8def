"""What `paquebot doctor` finds out about an account: each thing that must work is tried once, the whole way at last.

The loop mail goes to ourselves and is none of those that nodes exchange. It is found by a random word in its header,
compared byte for byte, and removed; no other mail is touched.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256

from paquebot.transport import BROKEN, OK, WARNING, Check, ConfigError, Context, Denied, Transient
from paquebot_mail.account import Account
from paquebot_mail.imap import Imap, connect
from paquebot_mail.ledger import Ledger
from paquebot_mail.pace import Pace
from paquebot_mail.refusals import Refusals
from paquebot_mail.secret import Secrets
from paquebot_mail.server import Login, Server, Tls, tls_context
from paquebot_mail.session import Lost, Patience, Session
from paquebot_mail.settings import DAY_MS
from paquebot_mail.talk import (
    LoginRefused,
    capable,
    examine,
    expunge,
    fetch,
    junk,
    localised,
    log_in,
    log_out,
    mark_deleted,
    quota,
    select,
)
from paquebot_mail.wire import Items

__all__ = ["Doctor"]

LOOP_HEADER = "X-Paquebot-Loop"
LOOP_S = 90.0
"""How long the mail to ourselves may be on its way before that is worth a word."""
LOOK_S = 0.5
CERTIFICATE_DAYS = 14
QUOTA_WARNING, QUOTA_BROKEN = 80, 95  # per cent
CLOCK_S = 300


class Doctor:
    """Looks at one *account*."""

    def __init__(self, account: Account, context: Context, secrets: Secrets, pace: Pace) -> None:
        self._account, self._context, self._secrets, self._pace = account, context, secrets, pace
        self._settings = account.settings

    async def look(self, *, send: bool) -> AsyncIterator[Check]:
        """Yield what is well and what is not; with *send*, try the whole way by a mail to ourselves."""
        address = self._settings.address
        for check in self._counted():
            yield check
        try:
            await self._secrets.secret()
        except (Denied, ConfigError) as error:
            yield Check("secret", BROKEN, str(error))
            return
        yield Check("secret", OK, f"from {' or '.join(self._settings.sources)}")
        try:
            tls_context(self._server(sending=True))
        except ConfigError as error:
            yield Check("certificates", BROKEN, str(error))
            return
        imap = None
        async for check in self._receiving():
            yield check
        async for check in self._sending():
            yield check
        if send and self._settings.fetch:
            try:
                imap = await self._line()
                yield await self._loop(imap, address)
            except Transient as error:
                yield Check("loop mail", BROKEN, str(error))
            finally:
                if imap is not None:
                    with suppress(Transient):
                        await log_out(imap)

    @property
    def _login(self) -> Login:
        return Login(self._account.user, self._secrets.secret, self._secrets.token)

    def _server(self, *, sending: bool) -> Server:
        table = self._account.smtp if sending else self._account.imap
        assert table is not None, "looked at when it was opened"
        return table.server(self._settings.ca_file)

    # -- what is remembered -------------------------------------------------------------------

    def _counted(self) -> list[Check]:
        """Return what earlier visits remember: waits, refusals and rations."""
        mails, size = self._pace.left()
        left = ", ".join(
            [f"{mails} mails"] * (mails is not None) + [f"{size} bytes"] * (size is not None) or ["as much as there is"]
        )
        wait = self._pace.waiting()
        found = [Check("ration", WARNING if 0 in (mails, size) else OK, f"{left} may go now")]
        if wait:
            minutes = max(0, wait.until - self._context.now_ms()) // 60_000
            found.append(Check("sending", WARNING, f"waits another {minutes} min: {wait.why}"))
        prefix = f"smtp/{self._settings.address}/wait/"
        for key, value in self._context.items(prefix):
            to = key[len(prefix) :]
            if to and (held := self._pace.waiting(to)):
                found.append(
                    Check(f"to {to}", WARNING, f"is left alone for now: {json.loads(value).get('why', held.why)}")
                )
        return found

    # -- servers ------------------------------------------------------------------------------

    async def _line(self) -> Imap:
        imap = await connect(self._server(sending=False))
        try:
            await log_in(imap, self._login)
        except BaseException:
            await imap.hang_up()
            raise
        return imap

    async def _receiving(self) -> AsyncIterator[Check]:
        if not self._settings.fetch:
            yield Check("receiving", OK, "mails are handed in by `paquebot receive`")
            return
        server = self._server(sending=False)
        yield await _certificate("certificate, receiving", server)
        try:
            imap = await self._line()
        except LoginRefused as error:
            yield Check("receiving", BROKEN, f"{error}; {self._account.preset} wants {self._account.sign_in}")
            return
        except Transient as error:
            yield Check("receiving", BROKEN, str(error))
            return
        Refusals(self._context, self._settings.address).welcomed()
        try:
            yield Check("receiving", OK, f"{server.host} lets {self._account.user} in")
            for check in await self._folders(imap):
                yield check
        except Transient as error:
            yield Check("folder", BROKEN, str(error))
        finally:
            with suppress(Transient):
                await log_out(imap)

    async def _folders(self, imap: Imap) -> list[Check]:
        name = await localised(imap, self._settings.folder)
        folder = await examine(imap, name)
        record = Ledger(self._context, self._settings.address).record(name)
        reset = record is not None and record.uidvalidity != folder.uidvalidity
        found = [Check("folder", WARNING, f"{name} was made anew: all is looked through again")] if reset else []
        found.append(Check("folder", OK, f"{name} has {folder.exists} mails"))
        spam = await junk(imap)
        found.append(Check("spam", OK, f"{spam} is looked into every hour") if spam else Check("spam", OK, "no folder"))
        if not capable(imap, "IDLE"):
            found.append(Check("waiting", WARNING, "the server cannot tell when mail comes; it is asked now and then"))
        if self._account.retire.how != "keep" and not (capable(imap, "UIDPLUS") or capable(imap, "MOVE")):
            found.append(Check("putting away", WARNING, "the server cannot do that without touching others: all stays"))
        for each in await quota(imap, name):
            share = 100 * each.used // max(1, each.limit)
            state = BROKEN if share >= QUOTA_BROKEN else WARNING if share >= QUOTA_WARNING else OK
            found.append(Check("quota", state, f"{share} % of {each.limit} ({each.resource.lower()}) is used"))
        return found

    async def _sending(self) -> AsyncIterator[Check]:
        server = self._server(sending=True)
        yield await _certificate("certificate, sending", server)
        try:
            session = await self._session(server)
        except Lost as error:
            yield Check("sending", BROKEN, f"{server.host}: {error}")
            return
        except Denied as error:
            yield Check("sending", BROKEN, f"{error}; {self._account.preset} wants {self._account.sign_in}")
            return
        wanted, most = self._account.limits.message_bytes, session.size_max
        await session.close()
        yield Check("sending", OK, f"{server.host} lets {self._account.user} in")
        if most is not None and most < wanted:
            yield Check(
                "largest mail", WARNING, f"the server takes {most} bytes, less than the {wanted} of the settings"
            )

    async def _session(self, server: Server) -> Session:
        """Return a connection that is logged in. Raise `Lost` or `Denied`."""
        session = Session(
            server, None if server.tls is Tls.NONE else tls_context(server), Patience(connect=20, answer=60)
        )
        answer = await session.open()
        if answer.code < 400:
            answer = await session.login(self._login.user, await self._secrets.secret(), token=self._login.token)
        if answer.code >= 400:
            session.cut()
            raise Denied(f"{server.host}: {answer.code} {answer.text}")
        return session

    # -- the whole way ------------------------------------------------------------------------

    async def _loop(self, imap: Imap, address: str) -> Check:
        """Send a mail to ourselves, wait for it, compare it, and remove it."""
        word = self._context.entropy(16).hex()
        body = "".join(f"{sha256(word.encode() + bytes([n])).hexdigest()}\r\n" for n in range(64))
        name = await localised(imap, self._settings.folder)
        date, domain = format_datetime(datetime.fromtimestamp(time.time(), UTC)), address.rpartition("@")[2]
        mail = (
            f"From: <{address}>\r\nTo: <{address}>\r\nSubject: paquebot tries this mailbox\r\n"
            f"Date: {date}\r\nMessage-ID: <{word}@{domain}>\r\n"
            f"{LOOP_HEADER}: {word}\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=us-ascii\r\n\r\n{body}"
        ).encode()
        begun = time.monotonic()
        try:
            session = await self._session(self._server(sending=True))
            answer = await session.submit(address, address, word, mail)
            await session.close()
        except (Lost, Denied) as error:
            return Check("loop mail", BROKEN, f"it could not be sent: {error}")
        if answer.code >= 400:
            return Check("loop mail", BROKEN, f"it was refused: {answer.code} {answer.text}")
        places = [name, *([spam] if (spam := await junk(imap)) and spam != name else [])]
        while time.monotonic() - begun < LOOP_S:
            for place in places:
                await examine(imap, place)
                if uid := await _search(imap, word):
                    return await self._compared(imap, place, uid, mail, begun, spam=place != name)
            await asyncio.sleep(LOOK_S)
        return Check(
            "loop mail", BROKEN, f"it did not come back within {LOOP_S:.0f} seconds: see your spam, and the rules"
        )

    async def _compared(self, imap: Imap, place: str, uid: str, mail: bytes, begun: float, *, spam: bool) -> Check:
        came: list[bytes] = []

        def heard(items: Items) -> None:
            came.extend(value for key, value in items.items() if key.startswith("BODY[") and isinstance(value, bytes))

        imap.heard = heard
        await imap.end(fetch(imap, uid, "UID BODY.PEEK[]"), expected=len(mail))
        seconds = time.monotonic() - begun
        whole = b"".join(came)
        same = whole.partition(b"\r\n\r\n")[2].rstrip() == mail.partition(b"\r\n\r\n")[2].rstrip()
        kept = mail.partition(b"Message-ID: ")[2].partition(b"\r\n")[0] in whole
        if capable(imap, "UIDPLUS"):
            await select(imap, place)
            if uid == await _search(imap, mail.partition(LOOP_HEADER.encode() + b": ")[2][:32].decode()):
                await mark_deleted(imap, uid)
                await expunge(imap, uid)
        said = f"it came back after {seconds:.1f} seconds"
        if spam:
            return Check("loop mail", WARNING, f"{said}, among what is taken for spam ({place}): say that it is not")
        if not same:
            return Check(
                "loop mail", WARNING, f"{said}, and was changed on its way; envelopes in armour survive most of it"
            )
        return Check("loop mail", OK, f"{said}, unchanged{'' if kept else '; its Message-ID was given anew'}")


async def _search(imap: Imap, word: str) -> str:
    """Return the UID of the mail with our *word*; empty if it is not there."""
    answer = await imap.ask("SEARCH", "HEADER", LOOP_HEADER, word, uid=True)
    found = [each.text for each in answer.untagged if each.kind == "SEARCH"]
    numbers = b" ".join(found).split()
    return next((number.decode() for number in reversed(numbers) if number.isdigit()), "")


async def _certificate(what: str, server: Server) -> Check:
    """Look how long the certificate of *server* is good, where that can be seen before a word is said."""
    if server.tls is not Tls.IMPLICIT:
        return Check(what, OK, f"{server.host}: {server.tls.value}, verified")
    try:
        async with asyncio.timeout(20):
            _, writer = await asyncio.open_connection(server.host, server.port, ssl=tls_context(server))
    except ssl.SSLCertVerificationError as error:
        return Check(what, BROKEN, f"{server.host}: {error.verify_message}; for a CA of your own, set ca_file")
    except (OSError, TimeoutError) as error:
        return Check(what, BROKEN, f"{server.host}, port {server.port}: {error or 'no answer'}")
    found = writer.get_extra_info("ssl_object")
    ends = ssl.cert_time_to_seconds(found.getpeercert()["notAfter"])
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    days = int(ends - time.time()) * 1000 // DAY_MS
    state = OK if days >= CERTIFICATE_DAYS else WARNING
    return Check(what, state, f"{server.host}: {found.version()}, its certificate is good for {days} days")
