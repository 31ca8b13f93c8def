"""`peer route`, and where peers can be reached."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass

import click

from paquebot import config, lookup
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Busy, Misused
from paquebot.node import Node
from paquebot.protocol import routes
from paquebot.protocol.state import Peer
from paquebot.store.view import SqliteView


@dataclass(frozen=True, slots=True)
class Found:
    """One way to a peer."""

    kind: str
    address: str
    """Empty if it is never to be written to by that kind of carrier."""
    by: str
    """``peer`` if it says so itself, ``you`` if that was set here."""
    used: bool
    """Whether it is the one that carriers of that kind use."""

    def __str__(self) -> str:
        used = "" if self.used else ", not used"
        return f"{self.kind} {self.address or 'never'} ({'set here' if self.by == 'you' else 'as it says'}{used})"


def of(view: SqliteView, peer: Peer) -> list[Found]:
    """Return where *peer* can be reached, those first that are used."""
    by_hand = routes.set_by_hand(view, peer.node)
    found = [Found(kind, address, "you", bool(address)) for kind, address in by_hand.items()]
    taken = set(by_hand)
    for kind, address in routes.said(view, peer.node):
        found.append(Found(kind, address, "peer", kind not in taken))
        taken.add(kind)
    return found


def reached_by(node: Node, peer: Peer) -> bool:
    """Return whether a carrier of config.toml reaches *peer* at an address."""
    kinds = {each.uses for each in config.read(node.home / config.FILE_NAME).carriers if "address" in each.table}
    return any(routes.address(node.view, peer.node, kind) for kind in kinds)


def tell(setting: Setting) -> None:
    """Publish this node's routes if they have changed; whoever works in this home now does so. Raise `ConfigError`."""
    with setting.look() as node:
        changed = routes.untold(node.view, config.read(node.home / config.FILE_NAME).routes)
    if changed:
        with suppress(Busy), setting.node() as node:
            for note in node.tell_routes():
                click.echo(printable(note), err=True)


@click.command("route")
@click.argument("name")
@click.argument("kind", required=False)
@click.argument("address", required=False)
@click.option("--unset", is_flag=True, help="Go by what the peer itself says again.")
@click.option("--never", is_flag=True, help="Never write to it by such carriers, whatever it says.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def route(
    setting: Setting, name: str, kind: str | None, address: str | None, unset: bool, never: bool, wants_json: bool
) -> None:
    """See or set where a peer can be reached. Peers say so themselves, signed; what you set counts for more.

    KIND is what a carrier `uses`, such as mail, and not its name; `paquebot transport list` lists the kinds.

    \b
    Examples:
      paquebot peer route Bob
      paquebot peer route Bob mail node@b.example
      paquebot peer route Bob mail --unset
    """
    if (address is not None) + unset + never > 1 or ((unset or never) and not kind):
        raise Misused("give an address, or --unset KIND, or --never KIND")
    change = address is not None or unset or never
    if address == "":
        raise Misused("an address is not empty; to write there no more: --never")
    if kind and not change:
        raise Misused(f"where is {name} by {kind}? Give an address, --unset or --never")
    with setting.node() if change else setting.look() as node:
        peer = node.peer(name)
        if kind and not unset:
            lookup.kind(config.read(node.home / config.FILE_NAME), kind)
        if change and kind:
            node.meetings.route(peer, kind, None if unset else address or "")
        found = of(node.view, peer)
    if wants_json:
        output.as_json([asdict(each) for each in found])
    elif found:
        for each in found:
            click.echo(printable(str(each)))
    else:
        route = f"paquebot peer route {shlex.quote(printable(name))} mail ADDRESS"
        click.echo(f"{printable(name)} has told no address: {route}", err=True)
