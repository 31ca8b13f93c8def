"""Man pages, made from what `--help` says (man-pages(7), groff_man(7))."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from paquebot.version import __version__


def pages(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield a file name and the text of the page for *command* and for every command below it."""
    yield from _pages(click.Context(command, info_name="paquebot"))


def _pages(ctx: click.Context) -> Iterator[tuple[str, str]]:
    name = ctx.command_path.replace(" ", "-")
    yield f"{name}.1", _page(ctx, name)
    if isinstance(ctx.command, click.Group):
        for each in ctx.command.list_commands(ctx):
            below = ctx.command.get_command(ctx, each)
            assert below is not None
            yield from _pages(click.Context(below, info_name=each, parent=ctx))


def _page(ctx: click.Context, name: str) -> str:
    command = ctx.command
    usage = " ".join(command.collect_usage_pieces(ctx))
    parts = [
        f'.TH "{name.upper()}" 1 "" "paquebot {__version__}"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(command.get_short_help_str(200))}",
        ".SH SYNOPSIS",
        f"\\fB{_text(ctx.command_path)}\\fR {_text(usage)}",
        ".SH DESCRIPTION",
        _prose(command.help or ""),
    ]
    given = (each for each in command.get_params(ctx) if isinstance(each, click.Option))
    options = [found for each in given if (found := each.get_help_record(ctx))]
    if options:
        parts += [".SH OPTIONS", *(f".TP\n\\fB{_text(option)}\\fR\n{_text(says)}" for option, says in options)]
    if isinstance(command, click.Group):
        parts.append(".SH COMMANDS")
        for each in command.list_commands(ctx):
            below = command.get_command(ctx, each)
            assert below is not None
            parts.append(f".TP\n\\fB{_text(f'{name}-{each}')}\\fR(1)\n{_text(below.get_short_help_str(200))}")
    if command.epilog:
        parts.append(_prose(command.epilog))
    return "\n".join(parts) + "\n"


def _prose(text: str) -> str:
    """Return help as paragraphs; those that begin with a backspace keep their lines."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        kept = "\b" in paragraph
        lines = [line for line in paragraph.replace("\b", "").split("\n") if line.strip()]
        found += [".PP", *([".nf", *map(_text, lines), ".fi"] if kept else [_text(" ".join(map(str.strip, lines)))])]
    return "\n".join(found)


def _text(text: str) -> str:
    """Return *text* as roff shows it: nothing in it is a command."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
