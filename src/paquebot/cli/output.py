"""How things are printed: tables, sizes, times, progress; never a control character from a peer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from paquebot.display import printable
from paquebot.protocol.stamp import Millis, format_time


def as_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns."""
    cells = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def size(count: int) -> str:
    """Return a size for people.

    >>> size(999), size(20_971_520)
    ('999 B', '20.0 MiB')
    """
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def moment(at: Millis) -> str:
    """Return a moment for people, in UTC to the second.

    >>> moment(Millis(1437925717703))
    '2015-07-26 15:48:37 UTC'
    """
    return f"{format_time(at)[:19].replace('T', ' ')} UTC"


def ago(then: Millis, now: Millis) -> str:
    """Return how long ago something was.

    >>> ago(Millis(0), Millis(3 * 86_400_000))
    '3 days ago'
    """
    seconds = max(0, now - then) // 1000
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """Lend a function that counts bytes; shown on a terminal only, at most five times a second."""
    done, shown = 0, 0.0
    shows = sys.stderr.isatty()

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        if shows and time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            click.echo(f"\r{what} {size(done)} ", nl=False, err=True)

    yield advance
    if shown:
        click.echo("\r" + " " * (len(what) + 16) + "\r", nl=False, err=True)


def iso(at: Millis) -> str | None:
    """Return a moment for machines; None for never."""
    return format_time(at) if at else None
