"""An MTA that does as it is told: any answer at any verb, a lost final 250, two copies, another order, or none.

It speaks SMTP with STARTTLS or implicit TLS and AUTH (PLAIN, LOGIN, XOAUTH2), and delivers as *deliver* says: into
Dovecot's LMTP, or into a list.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.labs.mail.loop import elsewhere

_LINE_MAX = 1 << 20


class Cut(Exception):
    """Raise it in a rule: the connection is reset there and then."""


class Silence(Exception):
    """Raise it in a rule: nothing more is ever said."""


@dataclass(slots=True)
class Session:
    """One connection, as the rules see it."""

    number: int
    """From 1, in order of connections."""
    user: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    mails: int = 0
    """How many mails it has brought."""


Rules = Callable[[str, str, Session], str | None]
"""Is asked at each verb, with its argument, for the answer, such as "451 4.7.1 later"; None for the ordinary one.

Verbs: CONNECT, EHLO, STARTTLS, AUTH (the user), MAIL and RCPT (the whole argument), DATA, then BODY before delivery
and DONE after it, RSET, NOOP, QUIT. An answer of 4xx or 5xx means that the thing is not done; at DONE it has been.
"""
Deliver = Callable[[str, Sequence[str], bytes], None]


class ScriptedMta:
    """Start it, and talk to `port`."""

    def __init__(
        self,
        *,
        deliver: Deliver,
        certificate: tuple[Path, Path] | None = None,
        login: Callable[[str, str], bool] = lambda user, password: True,
        rules: Rules = lambda verb, argument, session: None,
        implicit: bool = True,
        port: int = 0,
        size_max: int = 30_000_000,
        copies: int = 1,
        features: Sequence[str] = ("PIPELINING", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "SMTPUTF8"),
    ) -> None:
        self.port = port
        self.rules = rules
        """May be changed at any time."""
        self.copies = copies
        """How often each mail is delivered."""
        self.log: list[tuple[int, str, str, str]] = []
        """The session's number, the verb, its argument (never a password), the answer's first line."""
        self._deliver, self._login, self._implicit = deliver, login, implicit
        self._size_max, self._features = size_max, tuple(features)
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(*certificate)
        self._sessions = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def start(self) -> Self:
        """Listen."""
        self._server = elsewhere(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        """Listen no more, and end all connections."""
        elsewhere(self._stop())

    def __enter__(self) -> Self:
        """Start, unless it was started."""
        return self if self._server else self.start()

    def __exit__(self, *exc_info: object) -> None:
        """Stop."""
        self.stop()

    def said(self, verb: str) -> list[str]:
        """Return the answers given at *verb*."""
        return [answer for _, each, _, answer in self.log if each == verb]

    async def _listen(self) -> asyncio.Server:
        tls = self._tls if self._implicit else None
        return await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=tls, limit=_LINE_MAX)

    async def _stop(self) -> None:
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._sessions += 1
        try:
            await _Conversation(self, Session(self._sessions), reader, writer).run()
        except (Cut, OSError, asyncio.IncompleteReadError, ValueError):
            writer.transport.abort()
        except Silence:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass  # the laboratory closes
        finally:
            writer.close()


class _Conversation:
    def __init__(
        self, mta: ScriptedMta, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._mta, self._session, self._reader, self._writer = mta, session, reader, writer
        self._encrypted = mta._implicit and mta._tls is not None

    async def run(self) -> None:
        if not await self._answer("CONNECT", "", "220 laboratory ESMTP"):
            return
        while line := await self._reader.readline():
            verb, _, argument = line.decode("utf-8", "surrogateescape").strip().partition(" ")
            verb = verb.upper()
            if verb == "AUTH":
                await self._auth(argument)
            elif verb == "DATA":
                await self._data()
            elif verb == "STARTTLS" and not self._encrypted and self._mta._tls:
                if await self._answer(verb, "", "220 2.0.0 go ahead"):
                    await self._writer.start_tls(self._mta._tls)
                    self._encrypted = True
            elif verb in _ORDINARY:
                await self._ordinary(verb, argument)
                if verb == "QUIT":
                    return
            else:
                await self._answer(verb, argument, "502 5.5.1 unknown")

    async def _ordinary(self, verb: str, argument: str) -> None:
        mta, session = self._mta, self._session
        ordinary = _ORDINARY[verb]
        if verb == "EHLO":
            offers = [*mta._features, f"SIZE {mta._size_max}"]
            if self._encrypted or not mta._tls:
                offers.append("AUTH PLAIN LOGIN XOAUTH2")
            else:
                offers.append("STARTTLS")
            ordinary = "\r\n".join(["250-laboratory", *(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"])
        if verb == "MAIL":
            size = re.search(r"SIZE=(\d+)", argument, re.IGNORECASE)
            if not session.user:
                ordinary = "530 5.7.0 log in first"
            elif size and int(size[1]) > mta._size_max:
                ordinary = "552 5.3.4 too large"
        if verb == "RCPT" and not session.sender:
            ordinary = "503 5.5.1 MAIL first"
        if not await self._answer(verb, argument, ordinary):
            return
        address = re.search(r"<([^>]*)>", argument)
        if verb == "MAIL":
            session.sender, session.recipients = address[1] if address else "", []
        elif verb == "RCPT" and address:
            session.recipients.append(address[1])
        elif verb == "RSET":
            session.sender, session.recipients = "", []

    async def _auth(self, argument: str) -> None:
        mechanism, _, first = argument.partition(" ")
        mechanism = mechanism.upper()
        if mechanism == "LOGIN":
            user, password = await self._ask("VXNlcm5hbWU6"), await self._ask("UGFzc3dvcmQ6")
        else:
            said = base64.b64decode(first).decode() if first else await self._ask("")
            if mechanism == "XOAUTH2":
                found = re.match("user=(.*)\1auth=Bearer (.*)\1\1", said)
                user, password = (found[1], found[2]) if found else ("", "")
            else:
                _, user, password = said.split("\0")
        good = self._mta._login(user, password)
        if not good and mechanism == "XOAUTH2":
            await self._ask(base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode())
        if await self._answer("AUTH", user, "235 2.7.0 welcome" if good else "535 5.7.8 wrong password"):
            self._session.user = user

    async def _ask(self, challenge: str) -> str:
        self._writer.write(f"334 {challenge}\r\n".encode())
        await self._writer.drain()
        return base64.b64decode((await self._reader.readline()).strip()).decode()

    async def _data(self) -> None:
        mta, session = self._mta, self._session
        if not session.recipients:
            await self._answer("DATA", "", "503 5.5.1 RCPT first")
            return
        if not await self._answer("DATA", "", "354 go on"):
            return
        lines = []
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                raise Cut
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = b"".join(lines)
        good = "250 2.0.0 queued" if len(mail) <= mta._size_max else "552 5.3.4 too large"
        answer = self._rule("BODY", mail[:200].decode("ascii", "replace"), good)
        if answer.startswith("2"):
            loop = asyncio.get_running_loop()
            for _ in range(mta.copies):
                await loop.run_in_executor(None, mta._deliver, session.sender, tuple(session.recipients), mail)
            session.mails += 1
            answer = self._rule("DONE", mail[:200].decode("ascii", "replace"), answer)
        session.sender, session.recipients = "", []
        await self._write(answer)

    def _rule(self, verb: str, argument: str, ordinary: str) -> str:
        try:
            answer = self._mta.rules(verb, argument, self._session) or ordinary
        except (Cut, Silence) as fate:
            self._mta.log.append((self._session.number, verb, argument, type(fate).__name__))
            raise
        self._mta.log.append((self._session.number, verb, argument, answer.partition("\r\n")[0]))
        return answer

    async def _answer(self, verb: str, argument: str, ordinary: str) -> bool:
        answer = self._rule(verb, argument, ordinary)
        await self._write(answer)
        return answer[:1] in "23"

    async def _write(self, answer: str) -> None:
        self._writer.write(f"{answer}\r\n".encode())
        await self._writer.drain()
        if answer.startswith("421"):
            raise Cut


_ORDINARY = {
    "EHLO": "250 laboratory",
    "HELO": "250 laboratory",
    "MAIL": "250 2.1.0 good",
    "RCPT": "250 2.1.5 good",
    "RSET": "250 2.0.0 good",
    "NOOP": "250 2.0.0 good",
    "QUIT": "221 2.0.0 bye",
}
