"""Text from elsewhere: what is let through without a look holds nothing that one would look for."""

from __future__ import annotations

from unicodedata import category

from paquebot import display


def test_what_is_let_through_unlooked_at_is_harmless():
    passed = [char for char in map(chr, range(0x110000)) if display._HARMLESS.fullmatch(char)]
    assert len(passed) > 400
    assert not [
        char
        for char in passed
        if category(char) in display._UNSAFE | display._MARKS or char in display._BLANK or char == "\n"
    ]
