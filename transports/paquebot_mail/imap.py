"""aioimaplib's protocol, made safe to rely on.

aioimaplib 2.0.3 keeps the table of commands, the states, the tags and the hygiene of arguments. What it does with
answers is replaced, because it hangs after a thousand lines, eats `* ` inside strings, takes any line that ends in
``{n}`` for a literal, tells nobody of a lost line, has no time-out for most commands, and never answers a refused
token. Each of these has its test. All that it offers goes through `execute`, which is ours.

After a time-out, a cancellation or an answer that cannot be read the line is cut: nobody knows where the stream of
answers is then.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, NoReturn

from aioimaplib.aioimaplib import (
    AUTH,
    LOGOUT,
    NONAUTH,
    Command,
    Commands,
    IMAP4ClientProtocol,
)
from aioimaplib.aioimaplib import Response as Lines

from paquebot.transport import Transient
from paquebot_mail.meter import Meter
from paquebot_mail.network import NO_STARTTLS, foreign, no_answer, why
from paquebot_mail.server import Language, Server, Tls, tls_context
from paquebot_mail.wire import Items, Response, Unreadable, Wire, fetched

__all__ = ["Answer", "Imap", "Lost", "Running", "Said", "connect"]

_BYTES_A_SECOND_MIN = 500  # who sends more slowly than a bad satellite line is not worth waiting for
_KEPT_MAX = 10_000  # answers kept for one command: a folder's list may be long
_SLIPPED_IN = "it sent something in clear behind its consent to encrypt"
_CODE = re.compile(r"\[([A-Za-z0-9-]+)(?: ([^\]]*))?\]")


class Lost(Transient):
    """The line to the mail server broke, or had to be cut. What was under way comes again."""


class Said(Transient):
    """The mail server said NO to a command, or did not understand it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code
        """The word in brackets, in upper case, as in TRYCREATE; empty if there was none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command."""

    status: str
    """OK, NO or BAD."""
    text: str
    """For people, with the code in brackets."""
    untagged: tuple[Response, ...]
    """What came while it ran, but for FETCH answers, and CAPABILITY's."""

    @property
    def code(self) -> tuple[str, str]:
        """The word in brackets and what follows it there."""
        return _code(self.text)


@dataclass(slots=True)
class Running:
    """A command that was sent."""

    name: str
    answer: asyncio.Future[Answer]
    begun: float
    most: int = 0
    """How many bytes of mails it may bring."""
    kept: list[Response] = field(default_factory=list)


class Imap(IMAP4ClientProtocol):  # type: ignore[misc]  # the library has no types
    """One line to one server, from which answers come in order and whole, or not at all."""

    def __init__(self, server: Server, spool: Callable[[], BinaryIO] | None = None) -> None:
        super().__init__(asyncio.get_running_loop())
        self.server = server
        self.transport: asyncio.Transport | None
        self.heard: Callable[[Items], None] = _ignore
        """Is called for each FETCH answer, asked for or not."""
        self.meter = Meter()
        self.stirred = asyncio.Event()
        """Set when the server says that the folder has changed, or when the line is lost."""
        self.lost: Exception | None = None
        self._wire = Wire(spool)
        self._running: dict[str, Running] = {}
        self._greeting: asyncio.Future[Response] = self.loop.create_future()
        self._prompt: asyncio.Future[bytes] | None = None
        self._heard_at = self.loop.time()
        self._deaf = False
        self._closed = asyncio.Event()

    # -- what comes ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what came. Nothing is logged: formatting what is not printed costs more than reading it."""
        if self.lost:
            return
        self._heard_at = self.loop.time()
        if not self.meter.came(len(data)):
            self.fail("it sends more than was asked for")
            return
        try:
            for response in self._wire.feed(data):
                self._take(response)
                if self.lost:
                    return
        except Unreadable as error:
            greeted = self._greeting.done()
            self.fail(f"it says what IMAP does not know: {error}" if greeted else _foreign(data))
        except OSError as error:  # no room for what comes
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell all who wait, at once."""
        self.fail(self._why(error) if error else "the line broke")
        self._closed.set()

    async def hang_up(self) -> None:
        """Cut the line, and wait until it is closed on this side."""
        self.fail("we hung up")
        if self.transport is not None:
            await self._closed.wait()

    def fail(self, reason: str) -> None:
        """Cut the line; whoever waits for an answer, or asks for one later, gets `Lost`."""
        self._fail(Lost(f"{self.server.host}: {reason}"))

    def _fail(self, error: Exception) -> None:
        if self.lost is None:
            self.lost = error
            self.state = LOGOUT
            self._wire.close()
        futures = [self._greeting, self._prompt, *(each.answer for each in self._running.values())]
        self._running.clear()
        for future in futures:
            if future is not None and not future.done():
                future.set_exception(self.lost)
                future.exception()  # whoever waits hears of it; nobody may be waiting
        self.stirred.set()
        if self.transport is not None:
            self.transport.abort()

    def _take(self, response: Response) -> None:
        if self._deaf:
            self.fail(_SLIPPED_IN)
        elif not self._greeting.done():
            self._greeting.set_result(response)
        elif response.tag == "+":
            if self._prompt is not None and not self._prompt.done():
                self._prompt.set_result(response.text)
        elif response.tag == "*":
            self._untagged(response)
        else:
            self._tagged(response)

    def _untagged(self, response: Response) -> None:
        match response.kind:
            case "FETCH":
                self.heard(fetched(response))
            case "EXISTS" | "EXPUNGE" | "VANISHED":
                if not any(each.name in ("SELECT", "EXAMINE") for each in self._running.values()):
                    self.stirred.set()
                self._keep(response)
            case "CAPABILITY":
                self.capabilities = set(response.text.decode("ascii", "replace").upper().split()[1:])
            case "BYE":
                if not any(each.name == "LOGOUT" for each in self._running.values()):
                    self.fail(f"it hung up: {_text(response)}")
            case "OK" | "NO" | "BAD":
                self._learn(_text(response))
                self._keep(response)
            case _:
                self._keep(response)

    def _keep(self, response: Response) -> None:
        for each in self._running.values():
            if len(each.kept) >= _KEPT_MAX:
                raise Unreadable("more answers than were asked for")
            each.kept.append(response)

    def _learn(self, text: str) -> None:
        word, rest = _code(text)
        if word == "CAPABILITY":
            self.capabilities = set(rest.upper().split())

    def _tagged(self, response: Response) -> None:
        running = self._running.pop(response.tag, None)
        if running is None:
            raise Unreadable("an answer to what was not asked")
        if running.name == "STARTTLS":
            self._deaf = True  # to all that comes in clear from now on
            assert self.transport is not None
            self.transport.pause_reading()
        if running.name == "FETCH":
            self.meter.answered(running.most)
        text = _text(response)
        self._learn(text)
        if not running.answer.done():
            running.answer.set_result(Answer(response.kind, text, tuple(running.kept)))

    # -- what goes ----------------------------------------------------------------------------

    def send(self, line: str, scrub: str | None = None) -> None:
        """Send one line, logging nothing."""
        self._write(line)

    def _write(self, line: str) -> None:
        if self.lost:
            raise self.lost
        assert self.transport is not None
        self.transport.write(f"{line}\r\n".encode())

    async def execute(self, command: Command, scrub: str | None = None) -> Lines:
        """Run one of aioimaplib's commands to its end."""
        answer = await self.end(self.begin(command))
        return Lines(answer.status, [each.text for each in answer.untagged] + [answer.text.encode()])

    def command(self, name: str, *words: str, uid: bool = False, most: int = 0) -> Running:
        """Send a command, *words* being as they go on the line; `end` gives its answer.

        If it fetches mails, they have at most so many bytes.
        """
        return self.begin(Command(name, self.new_tag(), *words, prefix="UID" if uid else None, loop=self.loop), most)

    def begin(self, command: Command, most: int = 0) -> Running:
        """Send *command* if this is the time for it."""
        if self.lost:
            raise self.lost
        if self.state not in Commands[command.name].valid_states:
            raise RuntimeError(f"{command.name} makes no sense in state {self.state}")
        running = Running(command.name, self.loop.create_future(), self.loop.time(), most)
        if running.name == "FETCH":
            self.meter.ask(most)
        self._running[command.tag] = running
        self._write(str(command))
        return running

    async def end(self, running: Running, *, expected: int = 0) -> Answer:
        """Wait for what becomes of *running*, longer if so many bytes are *expected*.

        Raise `Lost` when nothing is heard for too long, or too little. Whoever gives up waiting cuts the line.
        """
        await self._await(running.answer, expected)
        return running.answer.result()

    async def ask(self, name: str, *words: str, uid: bool = False, expected: int = 0) -> Answer:
        """Run a command; raise `Said` unless its answer is OK."""
        answer = await self.end(self.command(name, *words, uid=uid), expected=expected)
        if answer.status != "OK":
            raise Said(f"{self.server.host} refused {name}: {answer.text[:200]}", answer.code[0])
        return answer

    async def _await(self, future: asyncio.Future[Answer] | asyncio.Future[Response], expected: int = 0) -> None:
        begun = self.loop.time()
        deadline = begun + self.server.quiet_s + expected / _BYTES_A_SECOND_MIN
        try:
            while not future.done():
                left = min(max(self._heard_at, begun) + self.server.quiet_s, deadline) - self.loop.time()
                if left <= 0:
                    silent = no_answer(self.server, self.server.quiet_s, greeted=self._greeting.done())
                    raise Lost(f"{self.server.host}: {silent}")
                await asyncio.wait([future], timeout=left)
        except BaseException:
            self.fail("it was not waited for any longer")
            raise

    # -- the beginning ------------------------------------------------------------------------

    async def greeted(self) -> None:
        """Wait for the greeting. Raise `Lost` unless it is a good one."""
        await self._await(self._greeting)
        greeting = self._greeting.result()
        if greeting.tag == "*" and greeting.kind == "BYE":
            self._refuse(f"it hung up: {_text(greeting)[:200]}")
        if greeting.tag != "*" or greeting.kind not in ("OK", "PREAUTH"):
            self._refuse(_foreign(f"{greeting.tag} ".encode() + greeting.text))
        # On a line still in clear PREAUTH would keep us from encrypting it; on any line, nobody asked who we are.
        if greeting.kind == "PREAUTH" and self.server.tls is Tls.STARTTLS:
            self._refuse(f"its greeting is {_text(greeting)[:200]!r}")
        self.state = AUTH if greeting.kind == "PREAUTH" else NONAUTH
        self._learn(_text(greeting))

    async def encrypt(self) -> None:
        """Have the line encrypted now. Raise `Lost` if it cannot be, or if anything was slipped in before."""
        if not self.capabilities:
            await self.ask("CAPABILITY")
        if "STARTTLS" not in self.capabilities:
            self._refuse(NO_STARTTLS)
        answer = await self.end(self.command("STARTTLS"))
        if answer.status != "OK":
            self._refuse(f"it refused STARTTLS: {answer.text[:200]}")
        if self.lost or not self._wire.empty:
            self._refuse(_SLIPPED_IN)
        self._deaf = False
        assert self.transport is not None
        try:
            self.transport = await self.loop.start_tls(
                self.transport, self, tls_context(self.server), server_hostname=self.server.host
            )
        except OSError as error:
            self._refuse(self._why(error))
        self.capabilities = set()  # what was said in clear anybody may have said

    def _refuse(self, reason: str) -> NoReturn:
        self.fail(reason)
        assert self.lost is not None
        raise self.lost

    def _why(self, error: Exception) -> str:
        return why(error, self.server, Language.IMAP, self.server.quiet_s)

    # -- continuations ------------------------------------------------------------------------

    async def prompted(self, running: Running) -> bytes | None:
        """Wait until the server prompts for more of *running*, and return its prompt; None if it answers at once."""
        self._prompt = prompt = self.loop.create_future()
        either: asyncio.Future[Response] = self.loop.create_future()

        def come(_: object) -> None:
            if not either.done():
                either.cancel()

        running.answer.add_done_callback(come)
        prompt.add_done_callback(come)
        await self._await(either)
        self._prompt = None
        return None if running.answer.done() else prompt.result()


async def connect(server: Server, spool: Callable[[], BinaryIO] | None = None) -> Imap:
    """Return an encrypted line to *server*, greeted. Raise `Lost` if there is none."""
    loop = asyncio.get_running_loop()
    imap = Imap(server, spool)
    tls = tls_context(server) if server.tls is Tls.IMPLICIT else None
    try:
        async with asyncio.timeout(server.quiet_s):
            await loop.create_connection(lambda: imap, server.host, server.port, ssl=tls)
    except OSError as error:
        raise Lost(f"{server.host}: {why(error, server, Language.IMAP, server.quiet_s)}") from error
    try:
        await imap.greeted()
        if server.tls is Tls.STARTTLS:
            await imap.encrypt()
    except BaseException:
        await imap.hang_up()
        raise
    return imap


def _foreign(greeting: bytes) -> str:
    return foreign(greeting.decode("utf-8", "replace").partition("\r\n")[0], Language.IMAP)


def _text(response: Response) -> str:
    """Return what a status answer says behind its first word."""
    return response.text.decode("utf-8", "replace").partition(" ")[2]


def _code(text: str) -> tuple[str, str]:
    found = _CODE.match(text)
    return (found[1].upper(), found[2] or "") if found else ("", "")


def _ignore(items: Items) -> None:
    """Nobody asked."""
