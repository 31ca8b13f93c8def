"""How things are printed: tables, sizes, times, progress; never a control character from a peer."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from paquebot.amounts import count as count
from paquebot.display import printable, printable_json
from paquebot.errors import Malformed, Misused
from paquebot.protocol.encoding import raw
from paquebot.protocol.stamp import Millis, format_time

DASHES = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Settings of a command whose argument may be a fingerprint: one in 64 begins with a dash. It has no short options."""


class NamesResources(click.Command):
    """A command whose arguments are ids of resources: one in 64 of the long ones begins with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what is exactly such an id for one, and for no option."""
        return super().parse_args(ctx, [_plain(each) for each in args])


def _plain(argument: str) -> str:
    """Write an id that begins with a dash in hexadecimal digits; leave anything else as it is."""
    try:
        return raw(argument).hex() if argument.startswith("-") else argument
    except Malformed:
        return argument


def as_json(value: object, indent: int | None = 2, *, err: bool = False) -> None:
    """Print one JSON document; in ASCII if it holds a path that is not UTF-8. What a terminal would obey is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    click.echo(printable_json(text) if utf8(text) else json.dumps(value, indent=indent), err=err)


def as_json_line(value: object) -> None:
    """Print one JSON document on one line: one of many."""
    as_json(value, indent=None)


def utf8(text: str) -> bool:
    r"""Return whether *text* can be written as UTF-8: arguments and paths may hold other bytes.

    >>> utf8("caf\u00e9"), utf8("caf\udce9")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns; on a terminal, what does not fit the widest of them is cut."""
    cells = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    if sys.stdout.isatty():
        excess = sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns
        widest = widths.index(max(widths))
        widths[widest] = min(widths[widest], max(16, widths[widest] - excess))
    lines = (
        "  ".join(
            cell.ljust(width) if len(cell) <= width else f"{cell[: width - 1]}…"
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )
    click.echo("\n".join(lines))


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


def coloured(text: str, colour: str | None, *, wanted: bool) -> str:
    """Return *text* in a colour, if colours are wanted. Nothing may be said by the colour alone.

    >>> coloured("in sync", "green", wanted=True), coloured("in sync", "green", wanted=False)
    ('\\x1b[32min sync\\x1b[0m', 'in sync')
    """
    return click.style(text, fg=colour) if wanted and colour else text


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
            return f"{count(seconds // length, unit)} ago"
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


@contextmanager
def passing() -> Iterator[Callable[[str], None]]:
    """Lend a function that shows what is being done, on a terminal only, where the next call replaces it."""
    shown = 0

    def show(what: str) -> None:
        nonlocal shown
        if sys.stderr.isatty():
            line = printable(what, max(1, shutil.get_terminal_size().columns - 1))
            click.echo(f"\r{' ' * shown}\r{line}", nl=False, err=True)
            shown = len(line)

    try:
        yield show
    finally:
        show("")


def ask_hidden(prompt: str) -> str | None:
    """Ask whoever sits at the terminal, without showing what is typed; None if nobody can be asked."""
    if not sys.stderr.isatty():
        return None
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return None
    import getpass

    return getpass.getpass(printable(prompt, 4_096))


def ask(prompt: str) -> str | None:
    """Ask whoever sits at the terminal; None if nobody can be asked."""
    if not (sys.stderr.isatty() and sys.stdin.isatty()):
        return None
    return str(click.prompt(printable(prompt, 4_096), prompt_suffix="", err=True))


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back, unless *yes* was said. No lock may be held meanwhile.

    Raise `Misused` if nobody is there to answer, and `click.Abort` if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misused("this cannot be taken back, and nobody is there to be asked: say --yes")
    click.confirm(question, abort=True, err=True)


def counted(parts: Iterable[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    """Yield *parts*, and tell *progress* how many bytes there were."""
    for part in parts:
        progress(len(part))
        yield part


def iso(at: Millis) -> str | None:
    """Return a moment for machines; None for never."""
    return format_time(at) if at else None
