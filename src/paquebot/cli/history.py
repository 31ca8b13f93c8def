"""`log`."""

from __future__ import annotations

import click

from paquebot import amounts, history
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Malformed, Misused
from paquebot.protocol.events import Kind
from paquebot.protocol.stamp import Millis, parse_time

KINDS = click.Choice([each.value for each in Kind])


@click.command("log")
@click.option("--since", metavar="WHEN", help="From this date on (2026-11-20), or for so long (2d, 12h).")
@click.option("--after", default=0, metavar="NUMBER", help="Only what is newer than the event of that number.")
@click.option("--peer", metavar="NAME", help="Only what is about this peer.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=KINDS,
    help="Only this; may be given again.",
)
@click.option("-n", "--limit", default=-1, metavar="COUNT", help="Only the latest so many.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def log_command(
    setting: Setting,
    since: str | None,
    after: int,
    peer: str | None,
    kinds: tuple[str, ...],
    limit: int,
    wants_json: bool,
) -> None:
    """Say what happened, oldest first: what came, what peers have, what failed, who fell silent.

    Each event was noted together with what it tells of. With --json every event has a number; give the last one
    to --after to learn what is new.

    \b
    Examples:
      paquebot log --since 2d
      paquebot log --peer Bob --kind arrived --kind applied
      paquebot log --json --after 812
    """
    with setting.look() as node:
        about = node.peer(peer).node if peer is not None else None
        if since is not None:
            after = max(after, history.since(node.view, _moment(since, node.now())))
        found = node.view.events(after, limit if about is None else -1, kinds or None, latest=True)
        chosen = [each for each in found if about in (None, each.peer)]
        told = [history.tell(node.view, each) for each in (chosen[-limit:] if limit > 0 else chosen)]
    if wants_json:
        output.as_json([each.as_json() for each in told])
        return
    for each in told:
        event = each.event
        click.echo(f"{output.moment(event.at)}  {event.kind.value:<12}  {printable(each.sentence, 600)}")


def _moment(text: str, now: Millis) -> Millis:
    """Return the moment that a date names, or that lies a duration back. Raise `Misused`."""
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00.000Z")
    except Malformed:
        pass
    try:
        return Millis(now - amounts.duration(text))
    except Misused:
        raise Misused(f"{text!r} is neither a date such as 2026-11-20 nor a duration such as 2d or 12h") from None
