"""`transport`: what carriers there are, and whether they do what carriers must."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paquebot import config
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused

if TYPE_CHECKING:
    from paquebot.checking import Checked, Promise, Ration

_DAY_MS, _HOUR_MS, _MINUTE_MS = 86_400_000, 3_600_000, 60_000


@click.group("transport")
def transport_command() -> None:
    """List carriers, check whether one keeps its promises, or begin a new kind of carrier.

    \b
    Examples:
      paquebot transport list
      paquebot transport check stick
      paquebot transport check --via /media/stick
      paquebot transport new pigeon
    """


@transport_command.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(setting: Setting, wants_json: bool) -> None:
    """List the carriers of config.toml, and the kinds of carrier that are installed.

    \b
    Examples:
      paquebot transport list
      paquebot transport list --json
    """
    from paquebot import checking

    kinds = checking.kinds()
    usable = {each.name: each.problem for each in kinds}
    carriers = config.read(setting.home / config.FILE_NAME).carriers
    problems = {each.name: usable.get(each.uses, f"no transport is called {each.uses!r}") for each in carriers}
    if wants_json:
        output.as_json(
            {
                "carriers": [
                    {"name": each.name, "uses": each.uses, "problem": problems[each.name] or None} for each in carriers
                ],
                "kinds": [{"name": each.name, "from": each.source, "problem": each.problem or None} for each in kinds],
            }
        )
        return
    if carriers:
        output.table(("CARRIER", "USES", ""), [(each.name, each.uses, problems[each.name]) for each in carriers])
    else:
        click.echo(f"No carrier is configured in {printable(str(setting.home / config.FILE_NAME))}.")
    click.echo("")
    output.table(("KIND", "FROM", ""), [(each.name, each.source, each.problem) for each in kinds])


@transport_command.command("check")
@click.argument("name", required=False)
@click.option("--via", metavar="DIR", help="A stick or folder, without any configuration.")
@click.option("--only", metavar="WORDS", default="", help="Only the promises that have these words in them.")
@click.option("--among-others", is_flag=True, help="Where there is no place aside: send among everything else there.")
@click.option("--yes", is_flag=True, help="With --among-others: do not ask.")
@click.option("-v", "--verbose", is_flag=True, help="Let through what the transport's code prints.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check_command(
    setting: Setting,
    name: str | None,
    via: str | None,
    only: str,
    among_others: bool,
    yes: bool,
    verbose: bool,
    wants_json: bool,
) -> int:
    """Try a carrier on its real medium, and say which promises it keeps, and what it can do.

    Two or three ends that know nothing of this home send to each other over the carrier's own settings, in fair
    weather and in foul: loss, copies, disorder, cuts, damage, a killed process, a full disk, slowness, wrong clocks.
    That happens in a place of its own (on a stick, in a folder beside PAQUEBOT), of which nothing is left; nothing
    else there is touched. A carrier that has no such place is tried only if you say --among-others: then its parcels
    are marked, and what it cannot delete stays there. A mailbox is such a carrier: some 70 mails go from it to itself
    and are deleted. They count in the day's ration; what that does not allow is skipped. With a stick that takes
    seconds, with a quick mailbox a minute or two, and longer where mails are slow, or counted by the provider: try a
    few promises with --only first. The exit code is 1 if a promise is broken.

    \b
    Examples:
      paquebot transport check stick
      paquebot transport check --via /media/stick
      paquebot transport check pigeon --only killed
      paquebot transport check home --among-others --only "as they were sent"
    """
    from paquebot import checking
    from paquebot.node import Node

    if (name is None) == (via is None):
        raise Misused("name one carrier of config.toml, or say --via DIR")
    (carrier,) = Node(setting.home).carriers([name] if name else [], [via] if via else [])
    with checking.counted(setting.home, carrier) as ration:
        if among_others:
            _ask(carrier, ration, yes=yes)
        trying = partial(checking.check, carrier, only=only, real=among_others, aloud=verbose or setting.verbose)
        found, seconds = _shown(partial(trying, ration=ration), wants_json=wants_json)
    if not found.promises:
        raise Misused(f"no promise has the words {only!r} in it")
    broken = found.count("broken")
    if wants_json:
        promises = [{"promise": each.promise, "result": each.result, "why": each.why} for each in found.promises]
        value = {"carrier": carrier.name, "uses": carrier.uses, "broken": broken, "promises": promises}
        sent = {"sent": found.sent, "sent_bytes": found.sent_bytes}
        output.as_json({**value, **sent, "capability": found.capability})
    else:
        _conclude(carrier, found, seconds)
    return 1 if broken else 0


@transport_command.command("new")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where its folder is made; here, if nothing is said.",
)
def new_command(name: str, into: Path) -> None:
    """Begin a new kind of carrier in Python: a small package that keeps every promise, to be made your own.

    It carries by a shared folder at first. It has its contract test and its entry point, so that it is found as soon
    as it is installed. For a carrier in another language: `paquebot help plugin`.

    \b
    Examples:
      paquebot transport new pigeon
      pip install -e paquebot-pigeon
      paquebot transport check pigeon      once config.toml has [transport.pigeon] uses = "pigeon"
    """
    from paquebot import plugin

    folder = plugin.begin(name, into)
    click.echo(f"{printable(str(folder))} is a whole transport. Its README.md says how to install, test and use it.")


def _ask(carrier: config.Carrier, ration: Ration | None, *, yes: bool) -> None:
    """Say what a whole check costs at most, and ask whether it may begin. Raise `Misused` if not."""
    from paquebot.checking import PARCELS, READERS

    if ration:
        size, price = ration.bytes, ration.can.price
        cost = f", {printable(price.said(PARCELS, size * (1 + READERS)))}" if price else ""
        click.echo(
            f"Up to {PARCELS} parcels of {output.size(size)} together are sent, and fetched {READERS} times{cost}."
            " They count in what may go and come today, and what is more than that is skipped."
            " Some 300 connections are not counted.",
            err=True,
        )
    question = f"Send test parcels by {printable(carrier.name)}, among everything else there, for a minute or more?"
    output.confirm(question, yes=yes)


def _shown(check: Callable[..., Checked], *, wants_json: bool) -> tuple[Checked, int]:
    """Let *check* run and show how far it is; return what it found, and how many seconds it took."""
    with output.passing() as passing:

        def told(promise: Promise) -> None:
            passing("")
            if not wants_json:
                _say(promise)

        started = time.monotonic()
        return check(told, passing), round(time.monotonic() - started)


def _say(promise: Promise) -> None:
    why = f": {printable(promise.why)}" if promise.why else ""
    click.echo(f"{promise.result:<8} {printable(promise.promise)}{why}")


def _conclude(carrier: config.Carrier, found: Checked, seconds: int) -> None:
    counts = (f"{found.count('ok')} kept", f"{found.count('broken')} broken", f"{found.count('skipped')} skipped")
    took = f"That took {output.count(seconds, 'second')}"
    sent = f" and {output.count(found.sent, 'parcel')} of {output.size(found.sent_bytes)}" if found.sent else ""
    click.echo(f"\nPromises: {', '.join(counts)}. {took}{sent}.\n")
    click.echo(f"{printable(carrier.name)}, which uses {printable(carrier.uses)}:")
    for what, value in card(found.capability):
        click.echo(f"  {what:<24} {printable(value)}")


def card(able: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a capability means, in people's words; what has no words here is shown as it is.

    >>> card({"bytes_max": 2048, "latency_ms": 600_000, "writable": False, "room": None, "novel": 3})
    [('largest parcel', '2.0 KiB'), ('may take', '10 minutes'), ('can be written to', 'no, only read'), ('novel', '3')]
    """
    return [_worded(name, value) for name, value in able.items() if value not in (None, "")]


def _worded(name: str, value: Any) -> tuple[str, str]:
    match name:
        case "bytes_max":
            return "largest parcel", output.size(value)
        case "latency_ms":
            return "may take", _duration(value)
        case "medium":
            return "medium", str(value)
        case "bytes_cheap":
            return "bytes", "cheap: contents are sent unasked" if value else "dear: contents are sent when asked for"
        case "shows_tokens":
            return "brings word back", "yes: recipients' receipts come by it" if value else "no: envelopes must do that"
        case "writable":
            return "can be written to", "yes" if value else "no, only read"
        case "address":
            return "our address there", str(value)
        case "parcels_left":
            return "parcels it takes now", str(value)
        case "bytes_left":
            return "bytes left today", output.size(value)
        case "mime":
            return "other programs", "show a note about the envelope" if value else "see sealed bytes alone"
        case "relays":
            return "carries for others", "yes: what is for third parties goes on" if value else "no"
        case "price":
            parcel, megabyte, currency = value
            return "costs", f"{parcel:.2f} {currency} a parcel and {megabyte:.2f} {currency} a megabyte"
        case "room":
            return "free on it", output.size(value)
    return name, str(value)


def _duration(ms: int) -> str:
    """Return how long something may take.

    >>> _duration(28 * 86_400_000), _duration(1)
    ('28 days', 'less than a minute')
    """
    for unit, length in (("day", _DAY_MS), ("hour", _HOUR_MS), ("minute", _MINUTE_MS)):
        if ms >= length:
            return output.count(ms // length, unit)
    return "less than a minute"
