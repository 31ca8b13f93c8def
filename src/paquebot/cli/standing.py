"""`status`: how everything stands, and how that is known."""

from __future__ import annotations

import click

from paquebot import status
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.cli.secrets import warnings
from paquebot.display import printable
from paquebot.protocol.encoding import short
from paquebot.protocol.stamp import Millis
from paquebot.status import PeerStatus


@click.command("status")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status_command(setting: Setting, wants_json: bool) -> None:
    """Say how far everything has got, and what a person should look at.

    For each peer three ticks: how many of the things we published a carrier has taken whole, the peer has stored,
    and the peer has applied. Each is told only on evidence.

    \b
    Examples:
      paquebot status
      paquebot status --json
    """
    with setting.look() as node:
        found = status.of_node(node.view, node.now(), clock_doubtful=node.clock_doubtful())
        aside = node.view.quarantined()
    if wants_json:
        value = found.as_json()
        value["quarantine"] = [
            {
                "id": each.id,
                "code": each.code,
                "reason": each.reason,
                "where": each.where,
                "bytes": each.bytes,
                "sha256": each.digest.hex(),
                "at": output.iso(each.at),
            }
            for each in aside
        ]
        output.as_json(value)
        return
    click.echo(
        f"{printable(found.name)}, node {short(found.node)}: {found.published} published, {found.received} received"
    )
    if found.clock_doubtful:
        click.echo(f"This machine's clock is wrong; going by the latest time seen: {output.moment(found.now)}")
    for warning in warnings(setting):
        click.echo(f"Keys: {warning}")
    for peer in found.peers:
        _say_peer(peer, found.now, plain=setting.plain)
    for number, what, more in (
        (found.incomplete, "incomplete file", ": the rest is on its way or asked for"),
        (found.wanted, "thing", " that peers list, and that is not here: asked for"),
        (found.held, "item", " waiting for something else, or for its time"),
        (found.quarantined, "damaged or refused item", ", set aside with its bytes:"),
    ):
        if number:
            click.echo(f"{output.count(number, what)}{more}")
    for each in aside[-20:]:
        click.echo(f"  {output.moment(each.at)}  {each.code}: {printable(each.reason)} ({printable(each.where)})")


STATES = {
    "in sync": "in sync",
    "ahead": "lacks something of ours",
    "behind": "has something that is not here yet",
    "unknown": "not in touch yet",
    "withheld": "gets nothing from us (added with --trust none)",
    "set apart": "set apart",
}
"""How the states of a link are said to people."""


def _say_peer(peer: PeerStatus, now: Millis, *, plain: bool) -> None:
    heard = f"last heard {output.ago(peer.heard_at, now)}" if peer.heard_at else "never heard"
    click.echo(f"{printable(peer.name)}: {STATES[peer.state]}; {heard}")
    if not peer.published:
        click.echo("  nothing published here yet")
    ticks = ("", "", "") if plain else ("✓   ", "✓✓  ", "✓✓✓ ")
    counts = (peer.handed, peer.stored, peer.applied)
    stages = ("handed to a carrier", "stored by the peer", "applied by the peer")
    for tick, count, what in zip(ticks, counts, stages, strict=True) if peer.published else ():
        click.echo(f"  {tick}{count} of {peer.published} {what}")
    if peer.announced > peer.handed:
        click.echo(f"  {peer.announced - peer.handed} announced; the peer will ask for it")
    for each in peer.on_the_way:
        envelopes = output.count(each.envelopes, "envelope")
        click.echo(f"  {envelopes} on the way by {printable(each.where)}, written {output.ago(each.since, now)}")
    if peer.lacking_lines:
        click.echo(f"  {peer.lacking_lines} of its {peer.heard_lines} journal lines name things that are not here yet")
    if peer.missing_envelopes:
        click.echo(
            f"  {output.count(peer.missing_envelopes, 'envelope')} of its have not arrived; it will hear of that"
        )
    if peer.state == "set apart":
        click.echo("  it sent signed data in clear, so its keys may be stolen: nothing is sent to it or taken from it.")
        click.echo("  When its owner has explained it or has new keys: paquebot peer add NAME CARDFILE")
    for resource, outcome, detail in peer.outcomes:
        click.echo(f"  {short(resource)} is {printable(outcome)} there: {printable(detail)}")
    if peer.retry_at > now:
        click.echo(f"  unanswered; next try {output.moment(peer.retry_at)}")
