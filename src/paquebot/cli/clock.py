"""`clock`: what this node takes for the time, and what to do when its clock was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.errors import Misused
from paquebot.protocol.encoding import ResourceId, short

if TYPE_CHECKING:
    from paquebot.clocks import ClockState


@click.command("clock")
@click.option("--right", is_flag=True, help="Say that this machine's clock is right now.")
@click.option("--yes", is_flag=True, help="With --right: do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def clock_command(setting: Setting, right: bool, yes: bool, wants_json: bool) -> None:
    """Say what this node takes for the time, and why.

    A clock that stands before what has certainly passed, or more than five years beyond all that is known here, is
    not gone by: the node goes by the last time it knows, and learns the time from its peers. It publishes and syncs
    all the same. When you know that the clock is right, say so with --right.

    What a clock dated more than a day ahead, nobody takes before its time. Set the clock right, then say so with
    --right: that publishes it anew with today's date, and takes it back under the early one, so that nobody gets it
    twice; keys, trusts and other proofs are only published anew. A clock that fell back makes all that was dated
    rightly look early: so you are asked before anything is published anew.

    \b
    Examples:
      paquebot clock
      paquebot clock --right
      paquebot clock --right --yes     without a terminal, --yes is needed where something is dated ahead
    """
    from paquebot import clocks

    if right:
        asked = None if yes else _asked(setting)
        with setting.node() as node:
            if asked is not None and not asked.issuperset(clocks.early(node)):
                raise Misused("the clock was set, or more was dated ahead, meanwhile; nothing is done: begin again")
            anew, state = clocks.set_right(node), clocks.look(node)
    else:
        anew = []
        with setting.look() as node:
            state = clocks.look(node)
    if wants_json:
        value = {
            "wall": output.iso(state.wall),
            "now": output.iso(state.now),
            "doubtful": state.doubtful,
            "ahead": [short(each) for each in state.ahead],
            "until": output.iso(state.until),
            "anew": [short(each) for each in anew],
        }
        output.as_json(value)
        return
    _say(state)
    if anew:
        things = output.count(len(anew), "thing")
        click.echo(f"{things} said anew, dated today. The next sync brings that to your peers.")


def _asked(setting: Setting) -> set[ResourceId]:
    """Ask before anything is said anew; return what was asked about. Raise `Misused`."""
    from paquebot import clocks

    with setting.look() as node:
        early, shown = clocks.early(node), output.moment(node.clock())
    if early:
        things = output.count(len(early), "thing")
        click.echo(f"This machine's clock shows {shown}. If that is wrong, set it first.", err=True)
        question = f"Publish {things} dated ahead of that anew, and take back what bears the early date?"
        output.confirm(question, yes=False)
    return set(early)


def _say(state: ClockState) -> None:
    if not state.doubtful:
        click.echo(f"This machine's clock shows {output.moment(state.wall)}; nothing speaks against it.")
    else:
        why = "years beyond all that is known here" if state.leaps else "a time that has passed for certain"
        click.echo(f"This machine's clock shows {output.moment(state.wall)}, {why}.")
        click.echo(f"This node goes by {output.moment(state.now)}. If the clock is right: paquebot clock --right")
    if state.ahead:
        what = output.count(len(state.ahead), "thing")
        click.echo(f"{what} of yours dated ahead: peers take them by {output.moment(state.until)}, and not before.")
        click.echo("When the clock is right, publish them anew with today's date: paquebot clock --right")
    if state.born_ahead:
        made = output.moment(state.founded)
        click.echo(f"This node was made by a clock that showed {made}: before that, its peers open nothing")
        click.echo("that it seals. Make a new one in another home (paquebot --home DIR init), and give them its card.")
