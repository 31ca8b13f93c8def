"""One connection to a provider's submission server (RFC 6409): greeted, encrypted, logged in, and given mails.

Built on aiosmtplib, which is imported on first use, with what it lacks: a chosen login mechanism, OAUTHBEARER
(RFC 7628), reports with our name for the mail (RFC 3461), and an upload with its own time-out that notices an early
answer. After anything unexpected the connection is cut: nobody knows what the next answer would be to.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from asyncio import FIRST_COMPLETED
from base64 import b64encode
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from paquebot_mail.answers import Verb
from paquebot_mail.network import NO_STARTTLS, foreign, why
from paquebot_mail.server import Language, Server, Tls, bearer

if TYPE_CHECKING:
    import ssl

    from aiosmtplib import SMTP, SMTPResponse

__all__ = ["Answer", "Lost", "Patience", "Session"]

_GREETING_NAME = "[127.0.0.1]"  # the name of this machine is nobody's business
_PIECE_BYTES = 64 << 10  # at 1 kB/s one a minute
_SAID_MAX = 300
_GOODBYE_S = 5.0
_NO_MECHANISM = 504
_MALFORMED = "Malformed SMTP response line: "  # aiosmtplib's words for what is no SMTP


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds an answer may take. A mail that was given up may have been taken nevertheless."""

    connect: float = 60
    answer: float = 300
    upload: float = 180
    """Until the next piece of a mail is taken (RFC 5321, 4.5.3.2.5)."""
    bytes_per_second: float = 1_000
    """The slowest line that is waited for."""
    final: float = 600
    """After the last byte of a mail (RFC 5321, 4.5.3.2.6)."""


class Answer(NamedTuple):
    """What the server said, in one line, and to what."""

    verb: Verb
    code: int
    text: str


class Lost(Exception):
    """The connection is gone, or was given up. Whether the server took the mail nobody knows."""


class Session:
    """A connection. What it was asked is answered by the server's `Answer`, or it raises `Lost`."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None, patience: Patience) -> None:
        self._server = server
        self._tls = tls
        self._patience = patience
        self._smtp: SMTP | None = None
        self.greeting = ""
        """What it said first."""
        self.size_max: int | None = None
        """The largest mail it takes, if it said so."""
        self.carried = 0
        """How many mails it took."""
        self.uploaded = 0
        """How many bytes of the last mail went."""

    async def open(self) -> Answer:
        """Connect and greet."""
        from aiosmtplib import SMTP

        class Line(SMTP):
            """Closed at once: aiosmtplib leaves a TLS line to a goodbye that the other side may never say."""

            def close(self) -> None:
                if self.transport is not None:
                    cast(asyncio.WriteTransport, self.transport).abort()
                super().close()

        self._smtp = smtp = Line(
            hostname=self._server.host,
            port=self._server.port,
            local_hostname=_GREETING_NAME,
            use_tls=self._server.tls is Tls.IMPLICIT,
            start_tls=False,
            tls_context=self._tls,
            timeout=None,  # its own time-outs can lose a cancellation on Python 3.11
        )

        async def greet() -> SMTPResponse:
            self.greeting = _line((await smtp.connect()).message)
            _be_impatient(smtp, self._patience.upload)
            greeted = await smtp.ehlo()
            if self._server.tls is Tls.STARTTLS:
                if not smtp.supports_extension("starttls"):
                    raise Lost(NO_STARTTLS)
                await smtp.starttls()
                greeted = await smtp.ehlo()
            return greeted

        answer = await self._asked(Verb.CONNECT, greet, self._patience.connect)
        size = smtp.esmtp_extensions.get("size", "")
        self.size_max = int(size) if size.isascii() and size.isdigit() and 0 < len(size) < 12 and int(size) else None
        return answer

    async def login(self, user: str, secret: str, *, token: bool) -> Answer:
        """Log in by the best mechanism that is offered for this kind of *secret*: an OAuth access *token* or not."""
        smtp = self._open()
        offered = set(smtp.server_auth_methods)

        async def plain() -> SMTPResponse:
            return await smtp.auth_plain(user, secret)

        async def by_login() -> SMTPResponse:
            return await smtp.auth_login(user, secret)

        async def xoauth2() -> SMTPResponse:
            return await smtp.auth_xoauth2(user, secret)

        async def oauthbearer() -> SMTPResponse:
            first = b64encode(bearer(self._server, user, secret))
            said = await smtp.execute_command(b"AUTH", b"OAUTHBEARER", first)
            # It explains itself, and wants to hear that we heard (RFC 7628, 3.2.3).
            return await smtp.execute_command(b"AQ==") if said.code == 334 else said

        known = {"oauthbearer": oauthbearer, "xoauth2": xoauth2} if token else {"plain": plain, "login": by_login}
        for name, run in known.items():
            if name in offered:
                return await self._asked(Verb.AUTH, run, self._patience.answer)
        return Answer(Verb.AUTH, _NO_MECHANISM, f"the server offers none of {', '.join(known)}")

    async def submit(self, sender: str, recipient: str, part: str, mail: bytes) -> Answer:
        """Hand in *mail*, whose lines end in CRLF and do not begin with a dot. The server reports on it as *part*."""
        smtp, self.uploaded = self._open(), 0
        reports = smtp.supports_extension("dsn")
        options = [f"SIZE={len(mail)}"] if smtp.supports_extension("size") else []
        options += ["RET=HDRS", f"ENVID={part}"] if reports else []
        notify = ["NOTIFY=FAILURE"] if reports else []
        answer = await self._step(Verb.MAIL, (250,), lambda: smtp.mail(sender, options=options))
        if answer.code < 400:
            answer = await self._step(Verb.RCPT, (250, 251), lambda: smtp.rcpt(recipient, options=notify))
        if answer.code < 400:
            answer = await self._step(Verb.DATA, (354,), lambda: smtp.execute_command(b"DATA"))
        if answer.code < 400:
            answer = await self._step(
                Verb.DATA, range(200, 300), lambda: self._upload(smtp, mail), self._upload_s(mail)
            )
        if answer.code < 400:
            self.carried += 1
        elif self.uploaded:
            self.cut()  # it may have answered before it had read all
        else:
            with suppress(Lost):  # the answer stands, whatever becomes of the connection
                await self._asked(answer.verb, smtp.rset, self._patience.answer)
        return answer

    async def _step(
        self,
        verb: Verb,
        good: Collection[int],
        ask: Callable[[], Coroutine[Any, Any, SMTPResponse]],
        seconds: float | None = None,
    ) -> Answer:
        """Return the answer, which is a refusal or *good*: a server that says yes to something else is not followed."""
        answer = await self._asked(verb, ask, seconds or self._patience.answer)
        if answer.code < 400 and answer.code not in good:
            self.cut()
            raise Lost(f"the server answered {answer.code} to {verb.value}")
        return answer

    async def _upload(self, smtp: SMTP, mail: bytes) -> SMTPResponse:
        protocol = smtp.protocol
        if protocol is None:
            raise Lost("the connection was lost")
        if len(mail) <= _PIECE_BYTES:
            protocol.write(mail + b".\r\n")
            self.uploaded = len(mail)
            return await protocol.read_response()
        reading = asyncio.ensure_future(protocol.read_response())
        writing = asyncio.ensure_future(self._write(protocol, mail))
        try:
            while not writing.done():
                went = self.uploaded
                await asyncio.wait({reading, writing}, timeout=self._patience.upload, return_when=FIRST_COMPLETED)
                if reading.done() and not writing.done():
                    early = reading.result()
                    if early.code < 400:
                        raise Lost("the server answered before it had the whole mail")
                    return early
                if self.uploaded == went and not writing.done():
                    raise Lost(f"nothing of the mail was taken for {self._patience.upload:.0f} seconds")
            writing.result()
            return await reading
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    def _upload_s(self, mail: bytes) -> float:
        return self._patience.upload + len(mail) / self._patience.bytes_per_second + self._patience.final

    async def _write(self, protocol: Any, mail: bytes) -> None:
        view = memoryview(mail)
        for at in range(0, len(mail), _PIECE_BYTES):
            last = at + _PIECE_BYTES >= len(mail)
            protocol.write(bytes(view[at : at + _PIECE_BYTES]) + (b".\r\n" if last else b""))
            self.uploaded = min(at + _PIECE_BYTES, len(mail))
            await protocol._drain_helper()

    async def _asked(self, verb: Verb, ask: Callable[[], Coroutine[Any, Any, SMTPResponse]], seconds: float) -> Answer:
        """Return the server's answer, good or bad. Raise `Lost`, and cut the connection whenever that is in doubt."""
        from aiosmtplib import SMTPException, SMTPResponseException

        try:
            async with asyncio.timeout(seconds):
                said = await ask()
        except SMTPResponseException as error:
            if not 200 <= error.code < 600:
                self.cut()
                raise Lost(foreign(_line(error.message.removeprefix(_MALFORMED)), Language.SMTP)) from None
            return Answer(verb, error.code, _line(error.message))
        except (SMTPException, OSError, EOFError, ValueError) as error:
            self.cut()
            await asyncio.sleep(0)  # for the transport to close its socket
            cause = (error.__cause__ if isinstance(error, SMTPException) else None) or error
            greeted = verb is not Verb.CONNECT
            if getattr(cause, "errno", None) == errno.ETIMEDOUT:  # the system had less patience
                seconds = min(seconds, self._patience.upload)
            raise Lost(_line(why(cause, self._server, Language.SMTP, seconds, greeted=greeted))) from None
        except BaseException:
            self.cut()
            raise
        return Answer(verb, said.code, _line(said.message))

    @property
    def host(self) -> str:
        """The server's name."""
        return self._server.host

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return self._smtp is not None and self._smtp.is_connected

    def _open(self) -> SMTP:
        if self._smtp is None or not self.alive:
            raise Lost("the connection was lost")
        return self._smtp

    def cut(self) -> None:
        """Drop the connection; of what was not sent yet, nothing is sent."""
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    async def close(self) -> None:
        """Say goodbye, without waiting for long."""
        smtp = self._smtp
        if smtp is not None and smtp.is_connected:
            with suppress(Lost):
                await self._asked(Verb.CONNECT, smtp.quit, min(_GOODBYE_S, self._patience.answer))
        self.cut()
        await asyncio.sleep(0)


def _be_impatient(smtp: SMTP, seconds: float) -> None:
    """Have the system cut a line on which nothing goes for so long: it takes in megabytes that nobody else took."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux
    if option is not None and smtp.transport is not None:
        smtp.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def _line(text: str) -> str:
    """Return what a stranger said, fit to be shown."""
    return " ".join("".join(each if each.isprintable() else " " for each in text[:_SAID_MAX]).split())
