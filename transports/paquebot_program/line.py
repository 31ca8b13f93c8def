"""The line: one message of the conversation with a program. Pure; the page is `paquebot help plugin`.

verb key=value key=value :text to the end of the line
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE_MAX = 8_192
"""Bytes of one line, without its end."""
_VERB = re.compile(r"[a-z][a-z-]{0,31}\Z")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")
_VALUE = re.compile(r"[!-~]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")


class Unclear(ValueError):
    """A line has not the form, or not the words, that it must have."""


@dataclass(frozen=True, slots=True)
class Line:
    """One message. What is not known in it is not looked at, so that it may say more some day."""

    verb: str
    words: tuple[tuple[str, str], ...] = ()
    text: str | None = None

    def every(self, name: str) -> list[str]:
        """Return the values of a word that may be said several times."""
        return [value for each, value in self.words if each == name]

    def has(self, name: str) -> bool:
        """Return whether the word is there."""
        return any(each == name for each, _ in self.words)

    def one(self, name: str, default: str | None = None) -> str:
        """Return a word's value. Raise `Unclear` if it is missing, unless there is a *default*, or there twice."""
        found = self.every(name)
        if len(found) > 1:
            raise Unclear(f"{self.verb!r} says {name}= twice")
        if not found and default is None:
            raise Unclear(f"{self.verb!r} lacks {name}=")
        return found[0] if found else str(default)

    def number(self, name: str, default: int | None = None, *, least: int = 0, most: int = 1 << 53) -> int:
        """Return a word's value, which is a whole number in decimal digits. Raise `Unclear`."""
        found = self.one(name, None if default is None else str(default))
        if not (found.isascii() and found.isdigit() and len(found) <= 16 and least <= int(found) <= most):
            raise Unclear(f"{self.verb!r}: {name}= is a whole number from {least} to {most}")
        return int(found)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a word's value, which is yes or no. Raise `Unclear`."""
        found = self.one(name, "yes" if default else "no")
        if found not in ("yes", "no"):
            raise Unclear(f"{self.verb!r}: {name}= is yes or no")
        return found == "yes"

    def octets(self, name: str, count: int | None = None) -> bytes:
        """Return a word's value, which is bytes as small hexadecimal digits. Raise `Unclear`."""
        return unhex(self.one(name), count, f"{self.verb!r}: {name}=")


def unhex(digits: str, count: int | None, what: str) -> bytes:
    """Return the bytes that *digits* are, exactly *count* of them if that is said. Raise `Unclear`."""
    if not _HEX.match(digits) or count not in (None, len(digits) // 2):
        raise Unclear(f"{what} is {count or 'some'} bytes as small hexadecimal digits")
    return bytes.fromhex(digits)


def parse(data: bytes) -> Line:
    """Return the message in *data*, which is a line without its end. Raise `Unclear`.

    >>> parse(b"item key=a tag=01 tag=02 :the blue loft")
    Line(verb='item', words=(('key', 'a'), ('tag', '01'), ('tag', '02')), text='the blue loft')
    """
    if len(data) > LINE_MAX:
        raise Unclear(f"a line is longer than {LINE_MAX} bytes")
    try:
        line = data.decode()
    except UnicodeDecodeError:
        raise Unclear("a line is not UTF-8") from None
    if _CONTROL.search(line):
        raise Unclear("a line holds a control character")
    head, colon, text = line.partition(" :")
    verb, *rest = head.split(" ")
    if not _VERB.match(verb):
        raise Unclear("a line does not begin with a word in small letters")
    words = []
    for word in filter(None, rest):
        name, equals, value = word.partition("=")
        if not (equals and _NAME.match(name) and _VALUE.match(value)):
            raise Unclear(f"{verb!r} is followed by something that is not name=value")
        words.append((name, value))
    return Line(verb, tuple(words), text if colon else None)


def write(line: Line) -> bytes:
    r"""Return *line* as bytes, with its end. Raise `Unclear` if it cannot be said in one line.

    >>> write(Line("setting", (("name", "path"),), "/media/my stick"))
    b'setting name=path :/media/my stick\n'
    """
    words = "".join(f" {name}={value}" for name, value in line.words)
    data = f"{line.verb}{words}{'' if line.text is None else f' :{line.text}'}".encode()
    if parse(data) != line:
        raise Unclear(f"{line.verb!r} cannot be said in one line")
    return data + b"\n"


def said(verb: str, text: str | None = None, **words: str | int | bytes) -> Line:
    """Return a message; numbers in decimal digits, bytes in hexadecimal ones."""
    return Line(verb, tuple((name, _spoken(value)) for name, value in words.items()), text)


def _spoken(value: str | int | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
