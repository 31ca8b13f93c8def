"""What `paquebot doctor` finds out about an account: each thing that must work is tried once, the whole way at last.

Nothing is changed by it, but for a mail to ourselves that comes and goes: see `paquebot_mail.loop`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from paquebot.transport import BROKEN, OK, WARNING, Check, ConfigError, Context, Denied, Transient
from paquebot_mail.account import Account
from paquebot_mail.clock import compared, told
from paquebot_mail.form import PART_HEADER
from paquebot_mail.imap import Imap, connect
from paquebot_mail.ledger import Ledger
from paquebot_mail.loop import Loop
from paquebot_mail.network import why
from paquebot_mail.pace import Pace
from paquebot_mail.refusals import Refusals
from paquebot_mail.secret import Secrets
from paquebot_mail.server import Language, Login, Server, Tls, tls_context
from paquebot_mail.session import Lost, Patience, Session
from paquebot_mail.settings import DAY_MS, count
from paquebot_mail.standing import QuotaMemory, filled, standing
from paquebot_mail.talk import (
    LoginRefused,
    capable,
    examine,
    junk,
    localised,
    log_in,
    log_out,
    quota,
    search,
)

__all__ = ["Doctor"]

CONNECT_S = 20.0
CERTIFICATE_DAYS = 14


class Doctor:
    """Looks at one *account*."""

    def __init__(self, account: Account, context: Context, secrets: Secrets, pace: Pace) -> None:
        self._account, self._context, self._secrets, self._pace = account, context, secrets, pace
        self._settings = account.settings
        self._quota = QuotaMemory(context, self._settings.address)
        self._loop = Loop(context, self._settings, pace, self._session)

    async def look(self, *, send: bool) -> AsyncIterator[Check]:
        """Yield what is well and what is not; with *send*, try the whole way by a mail to ourselves."""
        for check in standing(self._context, self._settings, self._pace):
            if check.what == "quota":  # it is asked for, below
                continue
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
        found: dict[str, str] = {}
        for way in (self._receiving(), self._sending()):
            async for check in way:
                yield check
                found[check.what] = check.state
        well = found.get("receiving") == found.get("sending") == OK  # else what is wrong was said
        if send and well and self._settings.fetch:
            for check in await self._the_whole_way():
                yield check
                found[check.what] = check.state
        elif not send:
            for check in self._quota.refused():
                yield check
        if well and "clock" not in found:
            yield Check("clock", OK, "not known: no server tells its own; a mail to yourself that comes back does")

    @property
    def _login(self) -> Login:
        return Login(self._account.user, self._secrets.secret, self._secrets.token)

    def _server(self, *, sending: bool) -> Server:
        table = self._account.smtp if sending else self._account.imap
        assert table is not None, "looked at when it was opened"
        return table.server(self._settings.ca_file)

    async def _the_whole_way(self) -> list[Check]:
        imap = None
        try:
            imap = await self._line()
            return await self._loop.run(imap)
        except Transient as error:
            return [Check("loop mail", BROKEN, str(error))]
        finally:
            if imap is not None:
                with suppress(Transient):
                    await log_out(imap)

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
        if certificate := await _certificate("certificate, receiving", server, Language.IMAP):
            yield certificate
            if certificate.state == BROKEN:
                return
        try:
            imap = await self._line()
        except LoginRefused as error:
            yield Check("receiving", BROKEN, f"{error}; {self._account.advice}")
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
        found.append(Check("folder", OK, f"{name} has {count(folder.exists, 'mail')}"))
        found.append(await self._spam(imap))
        if not capable(imap, "IDLE"):
            found.append(Check("waiting", WARNING, "the server cannot tell when mail comes; it is asked now and then"))
        if self._account.retire.how != "keep" and not (capable(imap, "UIDPLUS") or capable(imap, "MOVE")):
            found.append(Check("putting away", WARNING, "the server cannot do that without touching others: all stays"))
        self._quota.saw(await quota(imap, name))
        return found + filled(self._quota.seen) + await self._loop.tidy(imap)

    async def _spam(self, imap: Imap) -> Check:
        """Say what lies among spam that says it is from a paquebot: anybody can say so."""
        spam = await junk(imap)
        if not spam or spam == self._settings.folder:
            return Check("spam", OK, "no folder")
        await examine(imap, spam)
        found = len(await search(imap, PART_HEADER, '""'))
        if not found:
            return Check("spam", OK, f"{spam} is looked into every hour")
        if self._settings.rescue_junk:
            return Check("spam", OK, f"{spam} has {count(found, 'mail')} of paquebots: those of peers are taken out")
        remedy = "tell the provider that they are none, or set rescue_junk = true"
        return Check("spam", WARNING, f"{spam} has {count(found, 'mail')} of paquebots: {remedy}")

    async def _sending(self) -> AsyncIterator[Check]:
        server = self._server(sending=True)
        if certificate := await _certificate("certificate, sending", server, Language.SMTP):
            yield certificate
            if certificate.state == BROKEN:
                return
        begun = time.time()
        try:
            session = await self._session()
        except Lost as error:
            yield Check("sending", BROKEN, f"{server.host}: {error}")
            return
        except Denied as error:
            yield Check("sending", BROKEN, f"{error}; {self._account.advice}")
            return
        wanted, most = self._account.limits.message_bytes, session.size_max
        await session.close()
        yield Check("sending", OK, f"{server.host} lets {self._account.user} in")
        if (at := told(session.greeting)) is not None:
            yield compared(at, begun, time.time())
        if most is not None and most < wanted:
            yield Check(
                "largest mail", WARNING, f"the server takes {most} bytes, less than the {wanted} of the settings"
            )

    async def _session(self) -> Session:
        """Return a connection that is logged in. Raise `Lost` or `Denied`."""
        server = self._server(sending=True)
        session = Session(
            server, None if server.tls is Tls.NONE else tls_context(server), Patience(connect=CONNECT_S, answer=60)
        )
        answer = await session.open()
        if answer.code < 400:
            answer = await session.login(self._login.user, await self._secrets.secret(), token=self._login.token)
        if answer.code >= 400:
            session.cut()
            raise Denied(f"{server.host}: {answer.code} {answer.text}")
        return session


async def _certificate(what: str, server: Server, language: Language) -> Check | None:
    """Look how long the certificate of *server* is good, where that can be seen before a word is said.

    Return None if it cannot be seen, or there is no line at all: whoever needs the line says what is wrong with it.
    """
    if server.tls is not Tls.IMPLICIT:
        return None
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(server.host, server.port, ssl=tls_context(server))
    except ssl.SSLCertVerificationError as error:
        return Check(what, BROKEN, f"{server.host}: {why(error, server, language, CONNECT_S)}")
    except OSError:
        return None
    found = writer.get_extra_info("ssl_object")
    version, ends = found.version(), ssl.cert_time_to_seconds(found.getpeercert()["notAfter"])
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    days = int(ends - time.time()) * 1000 // DAY_MS
    state = OK if days >= CERTIFICATE_DAYS else WARNING
    return Check(what, state, f"{server.host}: {version}, its certificate is good for {count(days, 'day')}")
