"""`node replace`: this node goes on in the place of another one of its user's that was lost or stolen."""

from __future__ import annotations

import click

from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Malformed, Misused
from paquebot.protocol.encoding import short
from paquebot.protocol.stamp import Millis, parse_time

FOLLOWS = """Your peers will know this node under the other one's name, take nothing more from that one, and seal
nothing to it. What it holds already, whoever has it can read; what it published before now still counts.
If your user key lay on it unlocked, whoever has it can speak as you: then begin anew, with a new user."""


@click.command("replace", context_settings=output.DASHES)
@click.argument("which", metavar="OLDNODE")
@click.option("--after", type=click.IntRange(min=0), metavar="LINE", help="Its journal counts up to this line only.")
@click.option("--since", metavar="DATE", help="What it published from this date on does not count (UTC).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def replace_command(
    setting: Setting, which: str, after: int | None, since: str | None, yes: bool, wants_json: bool
) -> None:
    """Go on in the place of OLDNODE, one of your own nodes that was lost or stolen.

    Takes all trust from OLDNODE, and names this node as its successor: peers learn that at the next sync, and need do
    nothing. OLDNODE is the beginning of its fingerprint, which stands on the recovery sheet, or its name here. It is
    signed with the user key if that lies here, else by this node.

    With --after or --since, what a thief publishes with it is refused even if it is given an old date; for that its
    journal must be known here, from having been in touch with it.

    \b
    Examples:
      paquebot node replace 06e81517e5
      paquebot node replace laptop --since 2026-11-12 --yes     without a terminal, --yes is needed
    """
    from paquebot import trusting

    if after is not None and since is not None:
        raise Misused("give one of --after and --since")
    moment = _date(since) if since else None
    with setting.look() as node:
        found = trusting.find_node(node, which)
    output.confirm(f"{FOLLOWS}\nReplace node {short(found.node)} {printable(found.name)} by this one?", yes=yes)
    with setting.node() as node:
        trusting.replace_node(node, found.node, after=after, since=moment)
        local = node.view.local()
    if wants_json:
        output.as_json({"replaced": found.node, "node": local.node})
        return
    click.echo(f"Node {short(local.node)} takes the place of {short(found.node)}. The next sync tells your peers.")
    click.echo(FOLLOWS)


def _date(text: str) -> Millis:
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00.000Z")
    except Malformed:
        raise Misused(f"{text!r} is not a date such as 2027-01-31 or 2027-01-31T12:00:00.000Z") from None
