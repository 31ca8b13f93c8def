"""What `paquebot doctor` finds out about an account: each thing that must work is tried once, the whole way at last.

The loop mail goes to ourselves and is none of those that nodes exchange. It is found by a random word in its header,
compared byte for byte, and removed; no other mail is touched.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256

from paquebot.transport import BROKEN, OK, WARNING, Check, ConfigError, Context, Denied, Transient
from paquebot_mail.account import Account
from paquebot_mail.answers import Kind, judge
from paquebot_mail.form import PART_HEADER
from paquebot_mail.imap import Imap, connect
from paquebot_mail.ledger import Ledger
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
CONNECT_S = 20.0
CERTIFICATE_DAYS = 14
CLOCK_S = 300


class Doctor:
    """Looks at one *account*."""

    def __init__(self, account: Account, context: Context, secrets: Secrets, pace: Pace) -> None:
        self._account, self._context, self._secrets, self._pace = account, context, secrets, pace
        self._settings = account.settings
        self._quota = QuotaMemory(context, self._settings.address)

    async def look(self, *, send: bool) -> AsyncIterator[Check]:
        """Yield what is well and what is not; with *send*, try the whole way by a mail to ourselves."""
        address = self._settings.address
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
        imap, well = None, set()
        for way in (self._receiving(), self._sending()):
            async for check in way:
                yield check
                well |= {check.what} if check.state == OK else set()
        if not send:
            for check in self._quota.refused():
                yield check
        if send and self._settings.fetch and {"receiving", "sending"} <= well:  # else what is wrong was said
            try:
                imap = await self._line()
                for check in await self._loop(imap, address):
                    yield check
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
        return found + filled(self._quota.seen)

    async def _spam(self, imap: Imap) -> Check:
        """Say what lies among spam that says it is from a paquebot: anybody can say so."""
        spam = await junk(imap)
        if not spam or spam == self._settings.folder:
            return Check("spam", OK, "no folder")
        await examine(imap, spam)
        found = len(await _found(imap, PART_HEADER, '""'))
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
        try:
            session = await self._session(server)
        except Lost as error:
            yield Check("sending", BROKEN, f"{server.host}: {error}")
            return
        except Denied as error:
            yield Check("sending", BROKEN, f"{error}; {self._account.advice}")
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
            server, None if server.tls is Tls.NONE else tls_context(server), Patience(connect=CONNECT_S, answer=60)
        )
        answer = await session.open()
        if answer.code < 400:
            answer = await session.login(self._login.user, await self._secrets.secret(), token=self._login.token)
        if answer.code >= 400:
            session.cut()
            raise Denied(f"{server.host}: {answer.code} {answer.text}")
        return session

    # -- the whole way ------------------------------------------------------------------------

    async def _loop(self, imap: Imap, address: str) -> list[Check]:
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
        begun, sent = time.monotonic(), time.time()
        try:
            session = await self._session(self._server(sending=True))
            answer = await session.submit(address, address, word, mail)
            await session.close()
        except (Lost, Denied) as error:
            return [Check("loop mail", BROKEN, f"it could not be sent: {error}")]
        if answer.code >= 400:
            said = f"{answer.code} {answer.text}"
            if judge(*answer) is Kind.FULL:
                self._quota.full(f"{self._server(sending=True).host}: {said}")
            return [Check("loop mail", BROKEN, f"it was refused: {said}")]
        places = [name, *([spam] if (spam := await junk(imap)) and spam != name else [])]
        while time.monotonic() - begun < LOOP_S:
            for place in places:
                await examine(imap, place)
                if uid := await _search(imap, word):
                    came = await _arrival(imap, uid)
                    clock = [_clock(came, sent, time.time())] if came else []
                    return [*clock, await self._compared(imap, place, uid, mail, begun, spam=place != name)]
            await asyncio.sleep(LOOK_S)
        late = f"it did not come back within {LOOP_S:.0f} seconds: see your spam, and the rules"
        return [Check("loop mail", BROKEN, late)]

    async def _compared(self, imap: Imap, place: str, uid: str, mail: bytes, begun: float, *, spam: bool) -> Check:
        came: list[bytes] = []

        def heard(items: Items) -> None:
            came.extend(value for key, value in items.items() if key.startswith("BODY[") and isinstance(value, bytes))

        imap.heard = heard
        await imap.end(fetch(imap, uid, "UID BODY.PEEK[]"), expected=len(mail))
        seconds = time.monotonic() - begun
        whole = b"".join(came)
        same = whole.partition(b"\r\n\r\n")[2].rstrip() == mail.partition(b"\r\n\r\n")[2].rstrip()
        self._quota.roomy()
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


async def _arrival(imap: Imap, uid: str) -> bytes:
    """Return when the server says that a mail came; empty if it does not say."""
    came: list[bytes] = []
    imap.heard = lambda items: came.extend(each for each in [items.get("INTERNALDATE")] if isinstance(each, bytes))
    await imap.end(fetch(imap, uid, "UID INTERNALDATE"))
    return came[-1] if came else b""


async def _search(imap: Imap, word: str) -> str:
    """Return the UID of the mail with our *word*; empty if it is not there."""
    return next(reversed(await _found(imap, LOOP_HEADER, word)), "")


async def _found(imap: Imap, header: str, text: str) -> list[str]:
    """Return the UIDs of the mails in the open folder whose *header* has *text* in it."""
    answer = await imap.ask("SEARCH", "HEADER", header, text, uid=True)
    numbers = b" ".join(each.text for each in answer.untagged if each.kind == "SEARCH").split()
    return [number.decode() for number in numbers if number.isdigit()]


def _clock(came: bytes, sent: float, found: float) -> Check:
    """Compare this machine's clock, by which a mail was *sent* and *found*, with when the server says that it *came*.

    >>> _clock(b"17-Jul-1996 02:44:25 +0000", 837570955.0, 837570965.0)
    Check(what='clock', state='warning', detail="this machine's is 500 seconds behind the server's")
    >>> _clock(b" 7-Jul-1996 02:44:25 +0000", 836707460.0, 836707470.0).state
    'ok'
    """
    try:
        at = parsedate_to_datetime(came.decode("ascii", "replace").strip()).timestamp()
    except ValueError:
        return Check("clock", WARNING, "when the loop mail came cannot be read")
    behind, ahead = round(at - found), round(sent - at)
    if max(behind, ahead) < CLOCK_S:
        return Check("clock", OK, "it agrees with the server's")
    said = f"{behind} seconds behind" if behind > ahead else f"{ahead} seconds ahead of"
    return Check("clock", WARNING, f"this machine's is {said} the server's")


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
