"""`sync`: take in and hand out."""

from __future__ import annotations

import asyncio
import sys

import click

from paquebot import hooks, rounds
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.meetings import first_peer
from paquebot.report import Report

PASS_SECONDS = 60


@click.command("sync")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--via", multiple=True, metavar="DIR", help="A stick or folder, without any configuration.")
@click.option(
    "--seconds",
    type=click.IntRange(1, 86_400),
    help="Begin nothing more over a network after so long. Default: 60, and on a terminal as long as it takes.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say in one line what was done.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def sync_command(
    setting: Setting,
    names: tuple[str, ...],
    via: tuple[str, ...],
    seconds: int | None,
    verbose: bool,
    wants_json: bool,
) -> int:
    """Take in what has arrived and hand out what peers lack. NAMEs are carriers of config.toml; without any: all.

    Says nothing when all is well and nobody watches, as cron likes it. What went wrong goes to standard error, and
    into the exit code.

    \b
    Examples:
      paquebot sync --via /media/stick
      paquebot sync stick -v
      paquebot sync home                   a mailbox of config.toml: see `paquebot help carriers`
      */10 * * * *  paquebot sync          (a crontab line; `paquebot install-timer` writes it)
    """
    with setting.node() as node, output.progress("writing") as progress:
        bound = seconds or (None if sys.stdout.isatty() else PASS_SECONDS)
        report = asyncio.run(rounds.sync(node, node.carriers(names, via), progress, seconds=bound))
        alone = "" if node.view.peers() else first_peer(node.view, node.now())
    if report.errands:  # now that others may open the home: hooks call paquebot
        report.problems += [each.as_problem() for each in hooks.run(setting.home) if each.problem]
    if wants_json:
        output.as_json(report.as_json())
    else:
        _say(report, verbose=verbose or setting.verbose)
        if alone and not (report.carrying or report.problems) and sys.stdout.isatty():
            click.echo(f"There is no peer yet, so nothing is written: {alone}.")
    return report.exit_code


def _say(report: Report, *, verbose: bool) -> None:
    for problem in (*report.problems, *report.findings):
        click.echo(printable(str(problem), 4_096), err=True)
    watched = sys.stdout.isatty()
    if verbose or watched:
        for note in report.notes:
            click.echo(printable(note))
    if verbose:
        click.echo(report.summary())
    elif watched:
        _say_plainly(report)
    if watched and report.read_back and not report.problems:
        click.echo("All was read back from the medium; it is safe to pull.")
    if report.set_aside:
        click.echo("What was damaged or refused is set aside with its bytes: see `paquebot status`.", err=True)


def _say_plainly(report: Report) -> None:
    """What a person wants to know, without the bookkeeping."""
    things = output.count(report.new, "new thing")
    if report.new or not report.problems:
        click.echo(f"{things} came: see `paquebot list --new`." if report.new else "Nothing new came.")
    if report.acknowledged:
        click.echo(f"{output.count(report.acknowledged, 'envelope')} of ours had arrived: see `paquebot status`.")
    if report.sent:
        click.echo(f"{output.count(report.sent, 'envelope')} written ({output.size(report.sent_bytes)}).")
    if report.unsent:
        click.echo(f"{output.count(report.unsent, 'envelope')} could not be written; the next sync tries again.")
    if report.unfinished:
        click.echo("There is more to do: the next sync goes on.")
    if report.taken_along or report.handed_on:
        carried = output.count(report.taken_along, "parcel")
        click.echo(f"For others: {carried} taken along, {report.handed_on} put here; carrying {report.carrying}.")
    if report.freed:
        click.echo(f"{output.count(report.freed, 'parcel')} of others: arrived, and carried no longer.")
    if report.waiting:
        click.echo(f"{output.count(report.waiting, 'envelope')} on the way, not acknowledged yet.")
