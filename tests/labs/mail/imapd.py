"""A small IMAP server that does as it is told, for what no honest server does, and for what it does at a bad moment.

Folders are lists in memory that tests may change at any time, from any thread. It notes every command, so that a test
can say what was never asked for.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.labs.mail.loop import Cut, Listener

CAPABILITIES = "IMAP4rev1 SASL-IR AUTH=PLAIN IDLE MOVE UIDPLUS SPECIAL-USE"
_HEADER_FIELDS = re.compile(r"BODY\.PEEK\[HEADER\.FIELDS \(([^)]*)\)\](?:<(\d+)\.(\d+)>)?")
_BODY = re.compile(r"BODY\.PEEK\[\](?:<(\d+)\.(\d+)>)?")


@dataclass(slots=True)
class Item:
    """One mail in a folder."""

    uid: int
    data: bytes
    flags: set[str] = field(default_factory=set)
    size: int | None = None
    """What RFC822.SIZE says; None for the truth."""


@dataclass(slots=True)
class Box:
    """One folder."""

    items: list[Item] = field(default_factory=list)
    uidvalidity: int = 1000
    uidnext: int = 1
    attributes: str = ""
    says_uidnext: bool = True

    def add(self, *mails: bytes) -> None:
        """Let mails arrive."""
        for mail in mails:
            self.items.append(Item(self.uidnext, mail))
            self.uidnext += 1

    def take(self, *uids: int) -> None:
        """Expunge mails."""
        self.items = [item for item in self.items if item.uid not in uids]

    def renumber(self, *, uidvalidity: int | None = None) -> None:
        """Give all mails other UIDs, from 1; under the same UIDVALIDITY if no other is given."""
        self.uidvalidity = uidvalidity or self.uidvalidity
        for number, item in enumerate(self.items, 1):
            item.uid = number
        self.uidnext = len(self.items) + 1


@dataclass(slots=True)
class Session:
    """One connection, as the rules see it."""

    server: ScriptedImap
    number: int
    """From 1, in order of connections."""
    box: Box | None = None
    writable: bool = False
    known: int = 0
    """How many mails the client was told of."""


Rules = Callable[[str, str, Session], Sequence[bytes] | None]
"""Is asked at each command (verb, as in "UID FETCH", and its argument) for the whole lines to be said instead, the
tagged one included with T for the tag; None for the ordinary. May raise `Cut` or `Silence`, and change folders."""
Quirk = Callable[[bytes], bytes | None]
"""Is given each chunk that is to be sent; may change it, or return None: it and the connection are cut there."""


class ScriptedImap:
    """Talk to `port` in clear, until it is told to `stop`, as at the end of a ``with``."""

    def __init__(
        self,
        boxes: dict[str, Box] | None = None,
        *,
        rules: Rules = lambda verb, argument, session: None,
        quirk: Quirk = lambda chunk: chunk,
        greeting: bytes = b"* OK laboratory",
        capabilities: str = CAPABILITIES,
        uid_last: bool = False,
    ) -> None:
        self.boxes = boxes if boxes is not None else {"INBOX": Box()}
        self.rules = rules
        self.quirk = quirk
        self.capabilities = capabilities
        self.log: list[tuple[int, str, str]] = []
        """Session, verb, argument; no passwords."""
        self.given: list[bytes] = []
        """The mails whose bodies, or pieces of them, were given."""
        self._greeting, self._uid_last = greeting, uid_last
        self._listener = Listener(self._hold)
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

    def asked(self, verb: str) -> list[str]:
        """Return the arguments of all commands of that kind."""
        return [argument for _, each, argument in self.log if each == verb]

    async def _hold(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Talk(self, Session(self, number), reader, writer).run(self._greeting)


class _Talk:
    def __init__(
        self, server: ScriptedImap, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server, self._session, self._reader, self._writer = server, session, reader, writer

    async def run(self, greeting: bytes) -> None:
        await self._say(greeting)
        while line := await self._reader.readline():
            tag, _, rest = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
            words = rest.split(" ", 2)
            verb = words[0].upper()
            argument = rest[len(verb) + 1 :]
            if verb == "UID":
                verb, argument = f"UID {words[1].upper()}", words[2] if len(words) > 2 else ""
            private = verb in ("LOGIN", "AUTHENTICATE")
            self._server.log.append((self._session.number, verb, "" if private else argument))
            lines = self._server.rules(verb, argument, self._session)
            if lines is not None:
                for each in lines:
                    await self._say(re.sub(rb"\AT (?=OK|NO|BAD)", tag.encode() + b" ", each))
            else:
                async for each in self._ordinary(verb, argument):
                    await self._say(re.sub(rb"\AT (?=OK|NO|BAD)", tag.encode() + b" ", each))
            if verb == "LOGOUT":
                return

    async def _say(self, line: bytes) -> None:
        chunk = self._server.quirk(line + b"\r\n")
        if chunk is None:
            raise Cut
        self._writer.write(chunk)
        await self._writer.drain()

    async def _ordinary(self, verb: str, argument: str):
        session, boxes = self._session, self._server.boxes
        match verb:
            case "CAPABILITY":
                yield b"* CAPABILITY " + self._server.capabilities.encode()
            case "AUTHENTICATE":
                if " " not in argument:
                    yield b"+ "
                    argument += " " + (await self._reader.readline()).decode().strip()
                said = base64.b64decode(argument.partition(" ")[2]).split(b"\0")
                if said[-1] == b"wrong":
                    yield b"T NO [AUTHENTICATIONFAILED] no"
                    return
            case "LIST":
                for name, box in boxes.items():
                    yield b'* LIST (%s) "/" "%s"' % (box.attributes.encode(), name.encode())
            case "CREATE":
                boxes.setdefault(_unquoted(argument), Box())
            case "SELECT" | "EXAMINE":
                box = boxes.get(_unquoted(argument))
                if box is None:
                    yield b"T NO [NONEXISTENT] no such folder"
                    return
                session.box, session.writable, session.known = box, verb == "SELECT", len(box.items)
                yield b"* %d EXISTS" % len(box.items)
                yield b"* OK [UIDVALIDITY %d] so" % box.uidvalidity
                if box.says_uidnext:
                    yield b"* OK [UIDNEXT %d] so" % box.uidnext
            case "IDLE":
                async for line in self._idle():
                    yield line
            case "LOGOUT":
                yield b"* BYE bye"
            case _ if verb.startswith("UID ") and session.box is not None:
                for line in self._uid(verb, argument, session.box):
                    yield line
                    if line.startswith(b"T "):
                        return
            case "NOOP":
                for line in self._news():
                    yield line
            case "ID" | "LOGIN":
                pass
            case _:
                yield b"T BAD unknown"
                return
        yield b"T OK done"

    def _news(self) -> Iterator[bytes]:
        box = self._session.box
        if box is not None and len(box.items) != self._session.known:
            self._session.known = len(box.items)
            yield b"* %d EXISTS" % len(box.items)

    async def _idle(self):
        yield b"+ idling"
        done = asyncio.ensure_future(self._reader.readline())
        while not done.done():
            for line in self._news():
                yield line
            await asyncio.wait([done], timeout=0.01)

    def _uid(self, verb: str, argument: str, box: Box) -> Iterator[bytes]:
        uids, _, rest = argument.partition(" ")
        picked = [(number, item) for number, item in enumerate(box.items, 1) if item.uid in chosen(uids, box)]
        match verb:
            case "UID FETCH":
                for number, item in picked:
                    yield self._fetched(number, item, rest)
            case "UID STORE":
                if not self._session.writable:
                    yield b"T NO read-only"
                    return
                for _, item in picked:
                    item.flags |= set(re.findall(r"\\\w+", rest))
            case "UID EXPUNGE":
                gone = {item.uid for _, item in picked if "\\Deleted" in item.flags}
                box.take(*gone)
            case "UID MOVE" | "UID COPY":
                target = self._server.boxes.get(_unquoted(rest))
                if target is None:
                    yield b"T NO [TRYCREATE] no such folder"
                    return
                target.add(*(item.data for _, item in picked))
                if verb == "UID MOVE":
                    box.take(*(item.uid for _, item in picked))

    def _fetched(self, number: int, item: Item, wanted: str) -> bytes:
        parts = []
        if "RFC822.SIZE" in wanted:
            parts.append(b"RFC822.SIZE %d" % (len(item.data) if item.size is None else item.size))
        if found := _HEADER_FIELDS.search(wanted):
            names = {name.lower() for name in found[1].split()}
            data = _fields(item.data, names)
            parts.append(_literal(b"BODY[HEADER.FIELDS (%s)]" % found[1].encode(), data, found[2], found[3]))
        if found := _BODY.search(wanted):
            self._server.given.append(item.data)
            parts.append(_literal(b"BODY[]", item.data, found[1], found[2]))
        parts.insert(len(parts) if self._server._uid_last else 0, b"UID %d" % item.uid)
        return b"* %d FETCH (%s)" % (number, b" ".join(parts))


def _literal(name: bytes, data: bytes, start: str | None, count: str | None) -> bytes:
    if start is not None and count is not None:
        name += b"<%s>" % start.encode()
        data = data[int(start) : int(start) + int(count)]
    return b"%s {%d}\r\n%s" % (name, len(data), data)


def _fields(mail: bytes, names: set[str]) -> bytes:
    head = mail.partition(b"\r\n\r\n")[0]
    found = re.findall(rb"(?m)^([^:\r\n]+):((?:[^\r\n]|\r\n[ \t])*)", head)
    kept = [b"%s:%s\r\n" % (name, value) for name, value in found if name.decode("ascii", "replace").lower() in names]
    return b"".join(kept) + b"\r\n"


def chosen(text: str, box: Box) -> set[int]:
    """Return which UIDs of *box* a set such as ``1:3,7,9:*`` means."""
    highest = max((item.uid for item in box.items), default=0)
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition(":")
        low, high = (highest if word == "*" else int(word) for word in (first, last or first))
        found |= {item.uid for item in box.items if min(low, high) <= item.uid <= max(low, high)}
    return found


def _unquoted(text: str) -> str:
    return text.strip().strip('"').replace('\\"', '"').replace("\\\\", "\\")
