"""`outbox` and `plan`: what is on its way, and what would go now."""

from __future__ import annotations

import asyncio
import sys

import click

from paquebot import outgoing
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.outgoing import Batch, Contents
from paquebot.protocol.stamp import Millis


@click.command("outbox")
@click.option("--peer", "names", multiple=True, metavar="NAME", help="Only what is for this peer.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def outbox_command(setting: Setting, names: tuple[str, ...], wants_json: bool) -> None:
    """List the envelopes that a carrier has and the peer has not acknowledged, by peer and carrier, oldest first.

    What they hold is sent again when they count as lost: where carriers show what was taken, at the date given; else
    when a reply is long due. Until then they may still arrive; whatever comes twice is recognised.

    \b
    Examples:
      paquebot outbox
      paquebot outbox --peer Bob --json
    """
    with setting.look() as node:
        nodes = {node.peer(name).node for name in names}
        letters = [each for each in node.view.letters() if not names or each.peer in nodes]
        found, now = outgoing.batches(node.view, letters), node.now()
    if wants_json:
        output.as_json([each.as_json() for each in found])
    elif found:
        head = ("PEER", "BY", "SINCE", "ENVELOPES", "AT MOST", "LOST BY", "WITH")
        output.table(head, [_row(each, now) for each in found])
    elif sys.stdout.isatty():
        click.echo("Nothing is on its way.", err=True)


def _row(batch: Batch, now: Millis) -> tuple[str, ...]:
    return (
        batch.peer,
        batch.where or "no carrier yet",
        output.ago(batch.since, now),
        str(batch.letters),
        output.size(batch.bytes_max),
        output.moment(batch.lost_at)[:10],
        _words(batch.contents),
    )


def _words(contents: Contents) -> str:
    """What is in letters, for people; the numbers first, the names last."""
    counted = (
        (contents.things, "thing"),
        (contents.parts, "part"),
        (contents.lines, "line"),
        (contents.answers, "answer"),
        (contents.requests, "request"),
    )
    said = ", ".join(output.count(number, noun) for number, noun in counted if number)
    titles = ", ".join(contents.titles[:3]) + (", …" if contents.things > 3 else "")
    return f"{said}: {titles}" if titles else said or "how far we have heard"


@click.command("plan")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--via", multiple=True, metavar="DIR", help="A stick or folder, without any configuration.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def plan_command(setting: Setting, names: tuple[str, ...], via: tuple[str, ...], wants_json: bool) -> int:
    """Say what a sync would hand out now, to whom and how much, without doing it. NAMEs are carriers, as for sync.

    Nothing is written, here or there. What lies on the carrier is not taken in, though it may make some of this
    needless. Sizes are upper bounds: what is sealed is compressed first.

    \b
    Examples:
      paquebot plan --via /media/stick
      paquebot plan stick --json
    """
    from paquebot.rehearsal import rehearse

    with setting.look() as node:
        found = asyncio.run(rehearse(node, node.carriers(names, via)))
    for problem in found.problems if not wants_json else ():
        click.echo(printable(str(problem), 4_096), err=True)
    if wants_json:
        planned = [
            {
                "carrier": each.carrier,
                "batches": [batch.as_json() for batch in each.batches],
                "left": each.left,
                "left_for": each.elsewhere,
                "standing": [
                    {"what": known.what, "state": known.state, "detail": known.detail} for known in each.standing
                ],
                "cost": each.price
                and {"amount": each.price.of(each.letters, each.bytes_max), "currency": each.price.currency},
            }
            for each in found.planned
        ]
        output.as_json({"carriers": planned, "problems": [each.as_json() for each in found.problems]})
    for each in found.planned if not wants_json else ():
        count = output.count(each.letters, "envelope")
        cost = f", {printable(each.price.said(each.letters, each.bytes_max))}" if each.price else ""
        click.echo(f"{printable(each.carrier)}: {count}, at most {output.size(each.bytes_max)}{cost}")
        for batch in each.batches:
            click.echo(
                f"  {printable(batch.peer)}: {output.count(batch.letters, 'envelope')}, at most"
                f" {output.size(batch.bytes_max)}: {printable(_words(batch.contents))}"
            )
        for known in each.standing:
            click.echo(f"  {printable(known.what)}: {printable(known.detail)}")
        if each.left:
            way = f"left for {printable(each.elsewhere)}" if each.elsewhere else "too large for it: they need a stick"
            click.echo(f"  {output.count(each.left, 'part')} of large files: {way}")
    return max((problem.exit_code for problem in found.problems), default=0)
