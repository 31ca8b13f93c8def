"""How an error becomes words, or JSON for programs, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass

import click

from paquebot.cli import output
from paquebot.display import printable
from paquebot.errors import PaquebotError, remedy


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, in the words of whoever noticed it."""

    what: str
    hint: str
    exit_code: int


def tell(error: BaseException, group: click.Group, *, as_json: bool) -> int:
    """Say on standard error what *error* means for the command of *group* that raised it; return the exit code."""
    found = _failure(error, group)
    if as_json:
        output.as_json({"error": found.what, "hint": found.hint, "exit_code": found.exit_code}, err=True)
    elif isinstance(error, click.ClickException):
        usage = f"{error.ctx.get_usage()}\n{found.hint}\n" if isinstance(error, click.UsageError) and error.ctx else ""
        click.echo(f"{usage}\nError: {found.what}".lstrip("\n"), err=True)
    elif isinstance(error, click.Abort | KeyboardInterrupt):
        click.echo(f"{found.what}; {found.hint}", err=True)
    else:
        click.echo(f"error: {found.what}", err=True)
        if found.hint:
            click.echo(f"  {found.hint}", err=True)
    return found.exit_code


def _failure(error: BaseException, group: click.Group) -> Failure:
    match error:
        case PaquebotError():
            return Failure(_shown(str(error)), remedy(error), error.exit_code)
        case click.ClickException():
            ctx = error.ctx if isinstance(error, click.UsageError) else None
            hint = f"Try '{ctx.command_path} --help' for help." if ctx else ""
            return Failure(_shown(_correction(error, group).expandtabs(2)), hint, error.exit_code)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return Failure(_shown(f"{where}{error.strerror or error}"), "", 1)
    return Failure("stopped", "nothing is lost, run it again to go on", 130)


def _correction(error: click.ClickException, group: click.Group) -> str:
    if isinstance(error, click.NoSuchOption) and any(error.option_name in each.opts for each in group.params):
        command = error.ctx.command_path.partition(" ")[2] if error.ctx else "COMMAND"
        return f"{error.option_name} goes before the command: paquebot {error.option_name} … {command}"
    return error.format_message()


def _shown(text: str) -> str:
    """Our own messages have line ends of their own; what they quote may be anything."""
    return "\n".join(printable(line, 4_096) for line in text.split("\n"))
