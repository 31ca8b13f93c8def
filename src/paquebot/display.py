"""Text from elsewhere, made safe to show: what a terminal would obey or hide is written out."""

from __future__ import annotations

from unicodedata import category

_SHOWN_MAX = 300
# Controls, invisible and bidirectional formatting, halves, private and unknown characters, line ends of Unicode.
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
# Letters and marks by their category, but nothing to be seen: joiners, fillers, Mongolian and general selectors.
_BLANK = frozenset(map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810))))


def printable(text: str, most: int = _SHOWN_MAX) -> str:
    """Return *text* on one line, at most *most* characters long, with nothing in it that a terminal obeys or hides.

    Control characters, bidirectional overrides, zero-width characters and line ends are written as escapes.

    >>> printable("a ship \\x1b[31m\\u202egnp.exe\\u200b, été")
    'a ship \\\\x1b[31m\\\\u202egnp.exe\\\\u200b, été'
    >>> printable("two\\nlines\\x9b")
    'two\\\\nlines\\\\x9b'
    >>> printable("abcdef", 4), printable("abcd", 4), printable("ab\\x00cd", 5)
    ('abc…', 'abcd', 'ab…')
    """
    pieces = [_visible(char) for char in text[: most + 1]]
    if len(text) <= most and sum(map(len, pieces)) <= most:
        return "".join(pieces)
    shown, room = [], most - 1
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        shown.append(piece)
    return "".join(shown) + "…"


def _visible(char: str) -> str:
    unsafe = category(char) in _UNSAFE or char in _BLANK
    return char.encode("unicode_escape").decode("ascii") if unsafe else char
