"""An MTA that does as it is told: any answer at any verb, a lost final 250, two copies, another order, or none.

It speaks SMTP with STARTTLS or implicit TLS and AUTH (PLAIN, LOGIN, XOAUTH2, OAUTHBEARER), and delivers as *deliver*
says: into Dovecot's LMTP, or into a list.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.labs.mail.loop import Cut, Listener, Silence

EXTENSIONS = (
    "PIPELINING", "SIZE 30000000", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "SMTPUTF8",
    "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER",
)  # fmt: skip
_TOKEN = re.compile("(?:n,a|user)=([^\1]*?),?\1(?:.*\1)?auth=Bearer ([^\1]*)\1\1")
_END = b"\r\n.\r\n"


@dataclass(slots=True)
class Session:
    """One connection, as the rules see it."""

    server: ScriptedMta
    number: int
    """From 1, in order of connections."""
    user: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    options: str = ""
    """What was said behind the addresses."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that was delivered, whatever was said of it."""

    sender: str
    recipients: tuple[str, ...]
    options: str
    data: bytes


Rules = Callable[[str, str, Session], str | None]
"""Is asked at each verb, with its argument, for the answer, such as "451 4.7.1 later"; None for the ordinary one.

Verbs: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, then BODY with each piece of a mail (how many bytes so far),
DONE (how many there are), RSET, QUIT. An answer of 4xx or 5xx means that the thing is not done. Who raises `Cut` or
`Silence` at DONE has the mail delivered nevertheless: the last answer is lost.
"""


class ScriptedMta:
    """Talk to `port`, until it is told to `stop`, as at the end of a ``with``."""

    def __init__(
        self,
        *,
        rules: Rules = lambda verb, argument, session: None,
        extensions: Sequence[str] = EXTENSIONS,
        login: Callable[[str, str], bool] = lambda user, password: password == "right",
        deliver: Callable[[Taken], None] | None = None,
        certificate: tuple[Path, Path] | None = None,
        implicit: bool = True,
        port: int = 0,
    ) -> None:
        self.rules = rules
        """May be changed at any time."""
        self.copies = 1
        """How often each mail is delivered."""
        self.mails: list[Taken] = []
        """What was delivered, unless *deliver* took it."""
        self.log: list[tuple[int, str, str, str]] = []
        """The session's number, the verb, its argument, the answer's first line."""
        self._extensions, self._login, self._deliver = tuple(extensions), login, deliver or self.mails.append
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(*certificate)
        self._implicit = implicit and self._tls is not None
        self._listener = Listener(self._hold, port=port, tls=self._tls if self._implicit else None)
        self.port = self._listener.port

    def stop(self) -> None:
        """Listen no more, and end all connections."""
        self._listener.stop()

    def __enter__(self) -> Self:
        """Return the server, which listens already."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop."""
        self.stop()

    @property
    def connections(self) -> int:
        """How many there were."""
        return self._listener.connections

    def times(self, verb: str) -> int:
        """How often *verb* came; to the rules, how often before."""
        return len(self.asked(verb))

    def asked(self, verb: str) -> list[str]:
        """Return the arguments of *verb*, each time it came."""
        return [argument for _, each, argument, _ in self.log if each == verb]

    def said(self, verb: str) -> list[str]:
        """Return the answers given at *verb*."""
        return [answer for _, each, _, answer in self.log if each == verb]

    async def _hold(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Conversation(self, Session(self, number), reader, writer).run()


class _Conversation:
    def __init__(
        self, mta: ScriptedMta, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._mta, self._session, self._reader, self._writer = mta, session, reader, writer
        self._encrypted = mta._implicit

    async def run(self) -> None:
        if not await self._answer("CONNECT", "", "220 laboratory ESMTP"):
            return
        while line := await self._reader.readline():
            verb, _, argument = line.decode("utf-8", "surrogateescape").strip().partition(" ")
            verb = verb.upper()
            match verb:
                case "AUTH":
                    await self._auth(argument)
                case "DATA":
                    await self._data()
                case "STARTTLS" if self._may_encrypt:
                    if await self._answer(verb, "", "220 2.0.0 go ahead"):
                        await self._writer.start_tls(self._mta._tls)  # type: ignore[arg-type]
                        self._encrypted = True
                case _:
                    await self._simple(verb, argument)
            if verb == "QUIT":
                return

    @property
    def _may_encrypt(self) -> bool:
        return self._mta._tls is not None and not self._encrypted

    @property
    def _offers(self) -> list[str]:
        offers = [each for each in self._mta._extensions if not (self._may_encrypt and each.startswith("AUTH"))]
        return [*offers, "STARTTLS"] if self._may_encrypt else offers

    def _too_large(self, size: int) -> str:
        """Return what is said of a mail of *size* bytes; nothing if it may come."""
        most = next((int(each[5:]) for each in self._offers if re.fullmatch(r"SIZE [1-9]\d*", each)), size)
        return "552 5.3.4 too large" if size > most else ""

    async def _simple(self, verb: str, argument: str) -> None:
        session, address = self._session, re.search(r"<([^>]*)>(.*)", argument)
        good = {
            "EHLO": "\r\n".join(["250-laboratory", *(f"250-{each}" for each in self._offers), "250 HELP"]),
            "MAIL": self._to_mail(argument),
            "RCPT": "250 2.1.5 good" if session.sender else "503 5.5.1 MAIL first",
            "RSET": "250 2.0.0 good",
            "QUIT": "221 2.0.0 bye",
        }.get(verb, "502 5.5.1 unknown")
        if not await self._answer(verb, argument, good):
            return
        if verb == "MAIL" and address:
            session.sender, session.recipients, session.options = address[1], (), address[2]
        elif verb == "RCPT" and address:
            session.recipients, session.options = (*session.recipients, address[1]), session.options + address[2]
        elif verb == "RSET":
            session.sender, session.recipients, session.options = "", (), ""

    def _to_mail(self, argument: str) -> str:
        if not self._session.user and any(each.startswith("AUTH") for each in self._offers):
            return "530 5.7.0 log in first"
        size = re.search(r"SIZE=(\d+)", argument, re.IGNORECASE)
        return (self._too_large(int(size[1])) if size else "") or "250 2.1.0 good"

    async def _auth(self, argument: str) -> None:
        mechanism, _, first = argument.partition(" ")
        token = mechanism.upper() in ("XOAUTH2", "OAUTHBEARER")
        if mechanism.upper() == "LOGIN":
            user = b64decode(first).decode() if first else await self._ask("VXNlcm5hbWU6")
            password = await self._ask("UGFzc3dvcmQ6")
        else:
            said = b64decode(first).decode() if first else await self._ask("")
            found = _TOKEN.fullmatch(said) if token else re.fullmatch("[^\0]*\0([^\0]*)\0(.*)", said)
            user, password = found.groups() if found else ("", "")
        if mechanism.upper() == "OAUTHBEARER":
            user = user.replace("=2C", ",").replace("=3D", "=")
        good = self._mta._login(user, password)
        if not good and token:
            await self._ask(b64encode(b'{"status":"401","schemes":"bearer"}').decode(), explained=True)
        if await self._answer("AUTH", argument, "235 2.7.0 welcome" if good else "535 5.7.8 bad credentials"):
            self._session.user = user

    async def _ask(self, challenge: str, *, explained: bool = False) -> str:
        self._writer.write(f"334 {challenge}\r\n".encode())
        await self._writer.drain()
        said = (await self._reader.readline()).strip()
        return "" if explained else b64decode(said).decode()

    async def _data(self) -> None:
        session = self._session
        good = "354 go on" if session.recipients else "503 5.5.1 RCPT first"
        if not (await self._answer("DATA", "", good) and session.recipients):
            return
        body = bytearray(b"\r\n")
        while not body.endswith(_END):
            piece = await self._reader.read(65_536)
            if not piece:
                raise Cut
            body += piece
            if early := self._rule("BODY", str(len(body) - 2), ""):
                await self._say(early)
                while await self._reader.read(65_536):
                    pass
                raise Cut
        mail = re.sub(rb"(?m)^\.\.", b".", bytes(body[2 : -len(_END) + 2]))
        taken = Taken(session.sender, session.recipients, session.options.strip(), mail)
        session.sender, session.recipients, session.options = "", (), ""
        good = "550 5.6.0 a line without CR" if b"\n" in mail.replace(b"\r\n", b"") else "250 2.0.0 queued"
        try:
            answer = self._rule("DONE", str(len(mail)), self._too_large(len(mail)) or good)
        except (Cut, Silence):
            await self._deliver(taken)
            raise
        if answer.startswith("2"):
            await self._deliver(taken)
        await self._say(answer)

    async def _deliver(self, taken: Taken) -> None:
        for _ in range(self._mta.copies):
            await asyncio.get_running_loop().run_in_executor(None, self._mta._deliver, taken)

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
        await self._say(answer)
        return answer[:1] in "23"

    async def _say(self, answer: str) -> None:
        self._writer.write(answer.encode("utf-8", "surrogateescape") + b"\r\n")
        await self._writer.drain()
        if answer.startswith("421"):
            raise Cut
