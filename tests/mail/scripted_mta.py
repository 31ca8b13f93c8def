"""An SMTP server on loopback that says what its script says, and notes what it was told. It delivers to nobody."""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

EXTENSIONS = ("PIPELINING", "SIZE 30000000", "8BITMIME", "DSN", "AUTH PLAIN LOGIN")


class Cut(Exception):
    """The server drops the connection instead of answering."""


class Silence(Exception):
    """The server says nothing any more."""


@dataclass(frozen=True)
class Step:
    """What the server is asked: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BODY (so far), DONE, RSET or QUIT."""

    verb: str
    argument: str
    time: int
    """How often this verb came before, on all connections."""
    connection: int
    """From 0."""


Script = Callable[[Step], str | None]


@dataclass
class Taken:
    """A mail that was answered with 250, or would have been."""

    sender: str
    recipient: str
    options: str
    data: bytes


@dataclass
class Mta:
    """What happened."""

    port: int = 0
    mails: list[Taken] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    connections: int = 0

    def times(self, verb: str) -> int:
        """How often *verb* came."""
        return sum(step.verb == verb for step in self.steps)


@asynccontextmanager
async def mta(
    script: Script = lambda _step: None,
    *,
    extensions: Sequence[str] = EXTENSIONS,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
) -> AsyncIterator[Mta]:
    """Run the server."""
    found = Mta()
    open_ones: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        try:
            await _Conversation(found, script, list(extensions), tls, reader, writer).hold()
        except Cut:
            writer.transport.abort()
        except Silence:
            await asyncio.sleep(3600)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            open_ones.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls if implicit else None, limit=1 << 20)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in list(open_ones):
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
        await asyncio.sleep(0.005)  # for the transports to close their sockets


class _Conversation:
    def __init__(self, found: Mta, script: Script, extensions: list[str], tls, reader, writer) -> None:
        self.found, self.script, self.extensions, self.tls = found, script, extensions, tls
        self.reader, self.writer = reader, writer
        self.number = found.connections
        found.connections += 1
        self.sender = self.recipient = self.options = ""

    def _scripted(self, verb: str, argument: str = "") -> str | None:
        step = Step(verb, argument, self.found.times(verb), self.number)
        self.found.steps.append(step)
        return self.script(step)

    async def _say(self, answer: str) -> str:
        self.found.answers.append(answer)
        self.writer.write(answer.encode("utf-8", "surrogateescape") + b"\r\n")
        await self.writer.drain()
        if answer.startswith("421"):
            raise Cut
        return answer

    async def hold(self) -> None:
        if not (await self._say(self._scripted("CONNECT") or "220 mta.test ESMTP")).startswith("220"):
            return
        while line := (await self.reader.readline()).decode("utf-8", "surrogateescape").rstrip("\r\n"):
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            answer = self._scripted(verb, argument)
            if verb == "QUIT":
                await self._say(answer or "221 bye")
                return
            if answer is not None:
                await self._say(answer)
                continue
            await getattr(self, f"_{verb.lower()}", self._unknown)(argument)

    async def _unknown(self, _argument: str) -> None:
        await self._say("500 what?")

    async def _rset(self, _argument: str) -> None:
        await self._say("250 2.0.0 OK")

    async def _ehlo(self, _argument: str) -> None:
        lines = ["mta.test", *self.extensions]
        await self._say("\r\n".join(f"250{'-' if at < len(lines) - 1 else ' '}{each}" for at, each in enumerate(lines)))

    async def _starttls(self, _argument: str) -> None:
        await self._say("220 2.0.0 go ahead")
        await self.writer.start_tls(self.tls)
        self.extensions = [each for each in self.extensions if each != "STARTTLS"]

    async def _auth(self, argument: str) -> None:
        mechanism, _, first = argument.partition(" ")
        if mechanism == "LOGIN":
            await self._say("334 UGFzc3dvcmQ6")
            first = (await self.reader.readline()).decode().strip()
        good = "right" in b64decode(first).decode()
        if not good and mechanism in ("XOAUTH2", "OAUTHBEARER"):
            await self._say("334 eyJzdGF0dXMiOiI0MDEifQ==")
            await self.reader.readline()
        await self._say("235 2.7.0 welcome" if good else "535 5.7.8 bad credentials")

    async def _mail(self, argument: str) -> None:
        self.sender, self.options = re.fullmatch(r"FROM:<(.*?)>(.*)", argument).groups()
        await self._say("250 2.1.0 OK")

    async def _rcpt(self, argument: str) -> None:
        self.recipient, options = re.fullmatch(r"TO:<(.*?)>(.*)", argument).groups()
        self.options += options
        await self._say("250 2.1.5 OK")

    async def _data(self, _argument: str) -> None:
        await self._say("354 go ahead")
        body = bytearray()
        while not body.endswith(b"\r\n.\r\n"):
            piece = await self.reader.read(65_536)
            if not piece:
                raise Cut
            body += piece
            early = self._scripted("BODY", str(len(body)))
            if early is not None:
                await self._say(early)
                while await self.reader.read(65_536):
                    pass
                raise Cut
        assert b"\n" not in body.replace(b"\r\n", b"")
        data = re.sub(rb"(?m)^\.\.", b".", bytes(body[:-3]))
        self.found.mails.append(Taken(self.sender, self.recipient, self.options.strip(), data))
        answer = self._scripted("DONE", str(len(data)))
        if answer is not None and not answer.startswith("2"):
            self.found.mails.pop()
        await self._say(answer or "250 2.0.0 queued")
