"""`run`: stay awake and sync whenever there is something to sync."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Set
from contextlib import suppress

import click

from paquebot import config
from paquebot.cli.main import Setting
from paquebot.display import headed, printable
from paquebot.report import Report


@click.command("run")
@click.option("--via", multiple=True, metavar="DIR", help="A stick or folder besides the carriers of config.toml.")
@click.option(
    "--every", type=click.IntRange(1, 1_440), default=15, show_default=True, metavar="MINUTES",
    help="Visit every carrier so often, though nothing was noticed.",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Say in one line what each pass did.")
@click.pass_obj
def run_command(setting: Setting, via: tuple[str, ...], every: int, verbose: bool) -> int:
    """Stay and sync: when mail comes, when a stick is plugged in, when something was published, and now and then.

    Other commands may be used meanwhile. It goes on through any trouble with a carrier, and says so when it begins and
    when it is over. It ends when it is told to: by Ctrl-C, or SIGTERM, with exit code 0.

    \b
    Examples:
      paquebot run
      paquebot run --via /media/stick -v
      paquebot install-timer --service       let systemd keep it running
    """
    from paquebot.awake import Awake
    from paquebot.node import Node

    passphrases, told = setting.passphrases(), _Told(verbose=verbose or setting.verbose)
    awake = Awake(
        setting.home, lambda: Node(setting.home, passphrases=passphrases), told.hear, via=via, every_s=every * 60.0
    )

    async def until_stopped() -> None:
        task = asyncio.create_task(awake.run())
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(each, told.set)
        stopping = asyncio.create_task(told.wait())
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        while not task.done():  # more than once: what a library swallows is said again
            task.cancel()
            await asyncio.wait([task], timeout=1)
        stopping.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(until_stopped())
    return 0


class _Told:
    """Says what is new: trouble once when it begins and once when it is over, not every quarter of an hour."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._trouble: dict[str, str] = {}

    def hear(self, report: Report, visited: Set[str]) -> None:
        """Say of one pass over the carriers *visited* what was not said before."""
        trouble: dict[str, str] = {}
        for each in (*report.problems, *report.findings):
            trouble[each.where] = f"{trouble[each.where]}; {each.what}" if each.where in trouble else each.what
        for where, what in trouble.items():
            if self._trouble.get(where) != what:
                click.echo(printable(headed(where, what), 4_096), err=True)
        over = (self._trouble.keys() - trouble.keys()) & {*visited, config.FILE_NAME}
        for where in over:
            click.echo(f"{printable(where)}: all is well again", err=True)
        self._trouble = {where: what for where, what in self._trouble.items() if where not in over} | trouble
        if self._verbose or sys.stdout.isatty():
            for note in report.notes:
                click.echo(printable(note))
            if self._verbose or report.new or report.sent or report.acknowledged:
                click.echo(report.summary())
        sys.stdout.flush()
