"""`hook`."""

from __future__ import annotations

import sys

import click

from paquebot import hooks
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused, NotFound
from paquebot.history import tell
from paquebot.node import Node
from paquebot.protocol.effects import DropErrand
from paquebot.protocol.events import Errand


@click.group("hook")
def hook_command() -> None:
    """List, retry or drop what hooks and output folders have not done yet.

    Hooks are programs that `paquebot sync` runs when something happened. In config.toml:

    \b
      [hooks]
      on-arrival = ["/home/ada/bin/print-it", "--quiet"]
      on-failure = ["notify-send", "paquebot"]
      silence_days = 7
      on-silence = ["/home/ada/bin/call-them"]

    No shell runs them. Standard input is the message or file; the facts are in PAQUEBOT_ID, _KIND, _TITLE, _FROM,
    _TAGS, _FILENAME, _EVENT, _NUMBER, _PEER, _DETAIL and others, on one line each. A hook succeeds by exiting with 0
    within `timeout` seconds (60). It is run at least once for each event; one that must not act twice remembers
    PAQUEBOT_NUMBER.

    What arrives can also be written into folders, each thing once, under safe names; and what is put into a folder is
    published by the next sync and moved to `published` in it:

    \b
      [[output]]
      path = "/home/ada/from-bob"
      peer = "Bob"                  or tag = "weather", or both, or neither for all
      [[watch]]
      path = "/home/ada/outgoing"
      tags = ["field"]
      to = ["Bob"]                  without it: for all who may read
      what = "file"                 or "message" for texts
      settle = 10                   seconds without a change; dotfiles, .part and .tmp are left alone
      after = "move"                or "delete"
    """


@hook_command.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(setting: Setting, wants_json: bool) -> None:
    """List what is still to be done, and why it was not.

    \b
    Examples:
      paquebot hook list
      paquebot hook list --json
    """
    with setting.look() as node:
        found = [_as_json(node, each) for each in node.view.errands()]
    if wants_json:
        output.as_json(found)
        return
    rows = [
        (str(each["id"]), str(each["task"]), str(each["about"]), str(each["tries"]), str(each["problem"]))
        for each in found
    ]
    if rows:
        output.table(("ID", "TASK", "ABOUT", "TRIES", "PROBLEM"), rows)
    elif sys.stdout.isatty():
        click.echo("Nothing is left to be done.", err=True)


def _as_json(node: Node, errand: Errand) -> dict[str, object]:
    told = tell(node.view, errand.event)
    return {
        "id": errand.number,
        "task": errand.task,
        "about": told.sentence,
        "event": told.as_json(),
        "tries": errand.tries,
        "retry_at": output.iso(errand.retry_at),
        "problem": errand.problem,
    }


@hook_command.command("retry")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.pass_obj
def retry_command(setting: Setting, ids: tuple[int, ...]) -> int:
    """Try now what failed, without waiting for its time: all of it, or what has these IDs.

    \b
    Examples:
      paquebot hook retry
      paquebot hook retry 12 13
    """
    with setting.look() as node:
        numbers = _chosen(node, ids)
    tried = hooks.run(setting.home, numbers=numbers)
    for each in tried:
        if each.problem:
            click.echo(f"{each.errand.number}: {printable(each.errand.task)}: {printable(each.problem)}", err=True)
    for number in sorted(numbers - {each.errand.number for each in tried}):
        click.echo(f"{number}: not tried: config.toml has no such hook, or another run is at it", err=True)
    return int(len(tried) < len(numbers) or any(each.problem for each in tried))


@hook_command.command("drop")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All of it.")
@click.pass_obj
def drop_command(setting: Setting, ids: tuple[int, ...], everything: bool) -> None:
    """Give up what has these IDs: it is never tried again. What it is about stays.

    \b
    Examples:
      paquebot hook drop 12
      paquebot hook drop --all
    """
    if bool(ids) == everything:
        raise Misused("give IDs, or --all")
    with setting.node() as node:
        node.commit([DropErrand(number) for number in sorted(_chosen(node, ids))])


def _chosen(node: Node, ids: tuple[int, ...]) -> set[int]:
    """Return which errands are meant: all, or those of *ids*. Raise `NotFound`."""
    known = {each.number for each in node.view.errands()}
    for number in ids:
        if number not in known:
            raise NotFound(f"nothing with the ID {number} waits to be done: see `paquebot hook list`")
    return set(ids) or known
