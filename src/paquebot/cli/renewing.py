"""`node renew`: this home goes on with new keys, for which the old ones vouch."""

from __future__ import annotations

import click

from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.errors import Misused
from paquebot.protocol.encoding import short

FOLLOWS = """This home goes on as another node, with everything it has. Your peers learn it at the next sync and need
do nothing. Backups and exports that were made before bring back the old node: make new ones."""


@click.command("renew")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def renew_command(setting: Setting, yes: bool, wants_json: bool) -> None:
    """Give this home's node new keys, all of them, and let the old ones vouch for them.

    Do it when somebody may have had a look at this home or a backup of it, and else every few years. It goes on as
    another node of yours: the old journal ends, what stands in it stays good, private things stay readable here, and
    peers go on with the new node under the old one's name. It is signed with your user key if that lies here, else by
    the old node. What others let the old node do in their name, they have to give to the new one.

    \b
    It is not enough
      if a thief may have the keys: whoever has them can do the same, and what was closed to them can be read.
        With the user key here: renew, then `paquebot node revoke OLDNODE`. If the machine itself is gone, go to
        another home of yours: `paquebot node replace` or `paquebot node revoke`.
      before a machine is given away: the old keys open what others have sealed so far. Erase the disk.
      if your user key was copied: this does not change it. Then begin anew, with a new user.

    \b
    Examples:
      paquebot node renew
      paquebot node renew --yes --json     without a terminal, --yes is needed
    """
    from paquebot import trusting

    with setting.look() as node:
        asked = node.view.local().node
    output.confirm(f"{FOLLOWS}\nGive node {short(asked)} new keys?", yes=yes)
    with setting.node() as node:
        if node.view.local().node != asked:
            raise Misused("this home has gone on as another node meanwhile; nothing is done")
        old, by_user = trusting.renew_node(node)
        new = node.view.local().node
    if wants_json:
        output.as_json({"renewed": old, "node": new, "signed_by": "user" if by_user else "old node"})
        return
    click.echo(f"Node {short(new)} goes on in the place of {short(old)}. The next sync tells your peers.")
    click.echo(FOLLOWS)
    if by_user:
        click.echo(f"If somebody may have the old keys: paquebot node revoke {short(old)}")
    else:
        click.echo(f"Without the user key, it stands on the word of {short(old)}: if that is revoked, so is this one.")
