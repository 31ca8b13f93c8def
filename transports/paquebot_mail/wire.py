"""IMAP's answers, cut out of a stream of bytes and taken apart (RFC 3501, RFC 9051). No socket, no clock.

However the stream is sliced, the same answers come out. What is longer than an honest server would send is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = [
    "LITERAL_MAX", "SPOOLED_MAX", "Items", "Literal", "Response", "Token", "Unreadable", "Wire", "fetched", "tokens",
]  # fmt: skip

LINE_MAX = 64 << 10
LITERAL_MAX = 1 << 20
"""How large a literal is kept in memory; larger ones go into a file, where one was asked for."""
SPOOLED_MAX = 64 << 20
_PIECES_MAX = 64
_DEPTH_MAX = 8
_LITERAL = re.compile(rb"~?\{(\d{1,12})\+?\}\Z")
_WORD = re.compile(rb"[^ ]*")
_STATUS = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
_ATOM = re.compile(rb'[^ ()"]+')
_SECTION = re.compile(rb"(?i)(?:BODY|BINARY)(?:\.SIZE)?\[[^\]]*\](?:<\d+>)?")

Literal = bytes | BinaryIO
Token = str | Literal | list["Token"]
"""An atom, a string, or a list in parentheses."""
Items = dict[str, Token]
"""What a FETCH answer says of one mail, by upper-case name, as in `UID` and `BODY[]<0>`."""


class Unreadable(Exception):
    """What came is no answer that IMAP knows, or an endless one. Where the next begins nobody knows: hang up."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: its tag (``*`` and ``+`` too), and its text with literals between the pieces."""

    tag: str
    pieces: tuple[Literal, ...]

    @property
    def text(self) -> bytes:
        """The text up to the first literal."""
        assert isinstance(self.pieces[0], bytes)
        return self.pieces[0]

    @property
    def kind(self) -> str:
        """What it is about, in upper case: OK, CAPABILITY, or FETCH for ``12 FETCH``; empty if it says nothing."""
        words = self.text.split(b" ", 2)
        word = words[1] if len(words) > 1 and words[0].isdigit() else words[0]
        return word.upper().decode("ascii", "replace")

    @property
    def number(self) -> int:
        """The number before its kind; 0 if there is none."""
        word = self.text.partition(b" ")[0]
        return int(word) if word.isdigit() and len(word) <= 10 else 0


class Wire:
    """Takes the stream as it comes and gives the answers in it."""

    def __init__(self, spool: Callable[[], BinaryIO] | None = None) -> None:
        self.spool = spool
        """Gives a file for each literal too large for memory; without it such a literal is `Unreadable`."""
        self._buffer = bytearray()
        self._looked = 0  # up to where the buffer holds no end of a line
        self._pieces: list[Literal] = []
        self._bytes = 0
        self._missing = 0  # of the literal that is coming
        self._literal: bytearray | BinaryIO | None = None

    @property
    def empty(self) -> bool:
        """Whether no part of an answer is waiting for its rest."""
        return not self._buffer and not self._pieces and self._literal is None

    def close(self) -> None:
        """Forget the answer that was coming, and its file."""
        for each in (*self._pieces, self._literal):
            if each is not None and not isinstance(each, bytes | bytearray):
                each.close()

    def feed(self, data: bytes) -> Iterator[Response]:
        """Yield the answers that *data* completes. Raise `Unreadable`."""
        self._buffer += data
        while True:
            if self._literal is not None and not self._fill():
                return
            end = self._buffer.find(b"\r\n", self._looked)
            if max(end, len(self._buffer) if end < 0 else 0) > LINE_MAX:
                raise Unreadable("a line longer than 64 kB")
            if end < 0:
                self._looked = max(0, len(self._buffer) - 1)
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._looked = 0
            response = self._line(line)
            if response is not None:
                yield response

    def _fill(self) -> bool:
        """Move bytes into the literal; return whether it is whole."""
        literal = self._literal
        assert literal is not None
        piece = self._buffer[: self._missing]
        del self._buffer[: len(piece)]
        self._missing -= len(piece)
        if isinstance(literal, bytearray):
            literal += piece
        else:
            literal.write(piece)
        if self._missing:
            return False
        self._pieces.append(bytes(literal) if isinstance(literal, bytearray) else literal)
        self._literal = None
        return True

    def _line(self, line: bytes) -> Response | None:
        first = not self._pieces
        self._pieces.append(line)
        if self._may_have_literals(line if first else b"* ") and (found := _LITERAL.search(line)):
            self._pieces[-1] = line[: found.start()]
            self._begin(int(found[1]))
            return None
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        head = pieces[0]
        assert isinstance(head, bytes)
        tag, _, text = head.partition(b" ")
        if not tag or (not tag.isalnum() and tag not in (b"*", b"+")):
            raise Unreadable("a line that begins with no tag")
        return Response(tag.decode("ascii", "replace"), (text, *pieces[1:]))

    def _may_have_literals(self, line: bytes) -> bool:
        """Only data has: a text for people may end in ``{90}`` and mean nothing by it."""
        if not line.startswith(b"* "):
            return False
        word = _WORD.match(line, 2)
        return word is not None and word[0].upper() not in _STATUS

    def _begin(self, size: int) -> None:
        self._missing = size
        self._bytes += size if size <= LITERAL_MAX else 0
        if len(self._pieces) > _PIECES_MAX or self._bytes > 4 * LITERAL_MAX:
            raise Unreadable("an answer with more literals than were asked for")
        if size <= LITERAL_MAX:
            self._literal = bytearray()
        elif self.spool is not None and size <= SPOOLED_MAX:
            self._literal = self.spool()
        else:
            raise Unreadable("a literal larger than was asked for")


def tokens(pieces: tuple[Literal, ...]) -> list[Token]:
    r"""Return what an answer's text says. Raise `Unreadable`.

    >>> tokens((b'1 FETCH (UID 7 FLAGS (\\Seen) BODY[HEADER.FIELDS (A B)]<0> ', b"A: b", b")"))
    ['1', 'FETCH', ['UID', '7', 'FLAGS', ['\\Seen'], 'BODY[HEADER.FIELDS (A B)]<0>', b'A: b']]
    """
    stack: list[list[Token]] = [[]]
    for index, piece in enumerate(pieces):
        if index % 2:
            stack[-1].append(piece)
            continue
        assert isinstance(piece, bytes)
        at = 0
        while at < len(piece):
            char = piece[at : at + 1]
            if char == b" ":
                at += 1
            elif char == b"(":
                inner: list[Token] = []
                stack[-1].append(inner)
                stack.append(inner)
                at += 1
            elif char == b")":
                stack.pop()
                at += 1
            else:
                token, at = _quoted(piece, at) if char == b'"' else _atom(piece, at)
                stack[-1].append(token)
            if not 0 < len(stack) <= _DEPTH_MAX:
                raise Unreadable("parentheses that do not match")
    if len(stack) != 1:
        raise Unreadable("parentheses that do not match")
    return stack[0]


def _quoted(text: bytes, at: int) -> tuple[bytes, int]:
    found = bytearray()
    at += 1
    while at < len(text) and text[at] != ord('"'):
        at += text[at] == ord("\\")
        found += text[at : at + 1]
        at += 1
    if at >= len(text):
        raise Unreadable("a string without its end")
    return bytes(found), at + 1


def _atom(text: bytes, at: int) -> tuple[str, int]:
    """Return an atom and where it ends; what stands in the brackets of BODY[…] belongs to it."""
    section = _SECTION.match(text, at)
    found = section or _ATOM.match(text, at)
    if found is None:
        raise Unreadable("a word that is none")
    return found[0].decode("ascii", "replace"), found.end()


def fetched(response: Response) -> Items:
    """Return what a FETCH answer says of its mail. Raise `Unreadable`."""
    said = tokens(response.pieces)
    listed = said[2] if len(said) == 3 else None
    if not isinstance(listed, list) or len(listed) % 2:
        raise Unreadable("a FETCH answer that is no list")
    items: Items = {}
    for name, value in zip(listed[::2], listed[1::2], strict=True):
        if not isinstance(name, str):
            raise Unreadable("a FETCH answer with a nameless item")
        items[name.upper()] = value
    return items
