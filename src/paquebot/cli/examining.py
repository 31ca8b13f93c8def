"""`doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio

import click

from paquebot import config
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.transport import BROKEN, OK, WARNING

_CODES = {OK: 0, WARNING: 3, BROKEN: 16}


@click.command("doctor")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--no-mail", is_flag=True, help="Send nothing: leave out the mail to yourself.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def doctor_command(setting: Setting, names: tuple[str, ...], no_mail: bool, wants_json: bool) -> int:
    """Try everything that this home depends on: its clock, its peers' addresses, its carriers' servers and limits.

    A mailbox is tried the whole way, by a mail to yourself that is removed again. Each line is ok, a warning or
    broken; the exit code is 0, 3 or 16 by the worst. NAMEs are carriers of config.toml; without any: all.

    \b
    Examples:
      paquebot doctor
      paquebot doctor home --no-mail
      paquebot doctor --json
    """
    from paquebot.examining import Found, examine

    found: list[Found] = []

    async def look() -> None:
        with setting.look() as node:
            configured = config.read(setting.home / config.FILE_NAME).carriers
            carriers = node.carriers(names, ()) if names or configured else []
            async for each in examine(node, carriers, send=not no_mail):
                found.append(each)
                if not wants_json:
                    where = f"{each.carrier}: " if each.carrier else ""
                    line = f"{each.check.state:<8} {where}{each.check.what}: {each.check.detail}"
                    click.echo("\n         ".join(printable(part, 1_000) for part in line.split("\n")))

    asyncio.run(look())
    if wants_json:
        output.as_json(
            [
                {
                    "carrier": each.carrier,
                    "what": each.check.what,
                    "state": each.check.state,
                    "detail": each.check.detail,
                }
                for each in found
            ]
        )
    return max((_CODES.get(each.check.state, 16) for each in found), default=0)
