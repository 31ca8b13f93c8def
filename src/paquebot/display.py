"""Text from elsewhere, made safe to show: what a terminal would obey or hide is written out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from json import dumps
from unicodedata import category

_SHOWN_MAX = 300
MARKS_MAX = 4  # on one letter: what languages need, and no tower
_NOT_PLAIN = re.compile(r"[^\n -~]+")
_HARMLESS = re.compile("[ -~\xa1-\xac\xae-\u02ff\u2010-\u2027]*")  # all letters and signs, so nothing to look for
_MARKS = frozenset(("Mn", "Me"))
# Controls, invisible and bidirectional formatting, halves, private and unknown characters, line ends of Unicode.
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
# Letters and marks by their category, but nothing to be seen: joiners, fillers, Mongolian and general selectors.
_BLANK = frozenset(map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810))))


def printable(text: str, most: int = _SHOWN_MAX) -> str:
    """Return *text* on one line, at most *most* characters long, with nothing in it that a terminal obeys or hides.

    Control characters, bidirectional overrides, zero-width characters and line ends are written as escapes, and so
    are marks heaped upon one letter until they cover their neighbours.

    >>> printable("a ship \\x1b[31m\\u202egnp.exe\\u200b, été")
    'a ship \\\\x1b[31m\\\\u202egnp.exe\\\\u200b, été'
    >>> printable("two\\nlines\\x9b")
    'two\\\\nlines\\\\x9b'
    >>> printable("abcdef", 4), printable("abcd", 4), printable("ab\\x00cd", 5)
    ('abc…', 'abcd', 'ab…')
    """
    if len(text) <= most and _HARMLESS.fullmatch(text):
        return text
    pieces = list(_pieces(text[: most + 1], _escaped))
    if len(text) <= most and sum(map(len, pieces)) <= most:
        return "".join(pieces)
    shown, room = [], most - 1
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        shown.append(piece)
    return "".join(shown) + "…"


def headed(where: str, what: str) -> str:
    """Return *what* under the head *where*, which it may bear already, be it as the table of that name.

    >>> headed("/media/stick", "/media/stick: it is a file"), headed("blue", "it is full")
    ('/media/stick: it is a file', 'blue: it is full')
    """
    return what if what.startswith((f"{where}: ", f"[transport.{where}]")) else f"{where}: {what}"


def bare(where: str, what: str) -> str:
    """Return *what* without the head *where*, for a place where that is said already.

    >>> bare("loft", "loft: it says nothing"), bare("loft", "it is full")
    ('it says nothing', 'it is full')
    """
    return what.removeprefix(f"{where}: ").removeprefix(f"[transport.{where}]: ")


def suggested(name: str, known: Iterable[str]) -> str:
    """Ask whether one of the *known* names was meant that is near *name*; empty if none is.

    >>> suggested("hmoe", ["home", "stick"]), suggested("x", ["home", "stick"])
    ("did you mean 'home'?", '')
    """
    from difflib import get_close_matches  # only for who mistypes

    near = get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _pieces(text: str, escape: Callable[[str], str]) -> Iterator[str]:
    """The characters of *text*, those that are unsafe or one too many as *escape* writes them."""
    marks = 0
    for char in text:
        kind = category(char)
        marks = marks + 1 if kind in _MARKS else 0
        unsafe = kind in _UNSAFE or char in _BLANK or marks > MARKS_MAX
        yield escape(char) if unsafe else char


def printable_json(text: str) -> str:
    """Return a JSON document that means the same, and holds nothing that a terminal obeys or hides.

    >>> printable_json('{"a": "\u202e\x9b"}')
    '{"a": "\\\\u202e\\\\u009b"}'
    """
    return _NOT_PLAIN.sub(lambda found: "".join(_pieces(found[0], lambda char: dumps(char)[1:-1])), text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
