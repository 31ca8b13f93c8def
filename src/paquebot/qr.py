"""QR codes for terminals, screens and paper: text of ours, in the alphabet for which QR codes need least room."""

from __future__ import annotations

import io
from typing import Any

from paquebot.errors import Misused

_BLOCKS = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
"""Upper and lower module, 1 for dark: light modules are drawn, since a terminal is dark."""


def terminal(text: str, columns: int, lines: int) -> list[str]:
    """Return *text* as a QR code of half blocks, two modules to a line. Raise `Misused` if it does not fit."""
    code = _make(text)
    rows = [list(row) for row in code.matrix_iter(border=2)]
    width, height = len(rows[0]), (len(rows) + 1) // 2
    if width > columns or height > lines:
        raise Misused(
            f"this QR code needs a terminal of {width} by {height}, and here are {columns} by {lines};"
            " write it into a picture: --svg FILE or --png FILE"
        )
    if len(rows) % 2:
        rows.append([0] * width)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(_BLOCKS[bool(up), bool(low)] for up, low in zip(*pair, strict=True)) for pair in pairs]


def svg(text: str) -> bytes:
    """Return *text* as a QR code in SVG."""
    return _picture(text, "svg")


def png(text: str) -> bytes:
    """Return *text* as a QR code in PNG, 4 pixels a module."""
    return _picture(text, "png")


def _picture(text: str, kind: str) -> bytes:
    out = io.BytesIO()
    _make(text).save(out, kind=kind, scale=4, light="white")
    return out.getvalue()


def _make(text: str) -> Any:
    import segno

    try:
        return segno.make(text, error="l", micro=False, boost_error=False)
    except segno.DataOverflowError:
        raise Misused("this is more than a QR code can hold; give it as a file or link") from None
