"""`init`, `card` and `peer`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import click

from paquebot import copies
from paquebot import home as homes
from paquebot.cli import addresses, meeting, output
from paquebot.cli.backups import EXPORT_FD
from paquebot.cli.main import Setting
from paquebot.cli.recovering import WORDS_FILE, recovered
from paquebot.cli.secrets import new_passphrase, no_words
from paquebot.display import printable
from paquebot.errors import Misused
from paquebot.protocol.encoding import short
from paquebot.protocol.publishing import CARD_BYTES_MAX
from paquebot.protocol.state import Peer


@click.command("init")
@click.option("--name", help="What others see you as.")
@click.option(
    "--key", type=click.Choice(["ed25519", "rsa3072"]), default="ed25519", help="RSA is for strict SDMP peers."
)
@click.option("--recover", is_flag=True, help="A new node of the user on a recovery sheet, or in an export.")
@WORDS_FILE
@click.option(
    "--from",
    "export",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An export with the user key.",
)
@EXPORT_FD
@click.option("--passphrase", is_flag=True, help="Lock the keys by a passphrase; it is asked for, or read by --new-fd.")
@click.option("--new-fd", type=click.IntRange(min=0), metavar="N", help="Read the new passphrase from this descriptor.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.argument("words", nargs=-1, metavar=" ", callback=no_words, expose_value=False)
@click.pass_obj
def init_command(
    setting: Setting,
    name: str | None,
    key: str,
    recover: bool,
    words_file: Path | None,
    export: Path | None,
    fd: int | None,
    passphrase: bool,
    new_fd: int | None,
    wants_json: bool,
) -> None:
    """Make a new user and node in the home directory.

    With --recover, the user is the one whose recovery sheet's words are typed, or whose key is in an export: on a
    new machine after the old one was lost. Then `paquebot import` brings back what an export holds.

    \b
    Examples:
      paquebot init --name Alice
      paquebot init --name Alice --passphrase
      paquebot --home /srv/clinic init --name "Clinic North" --key rsa3072
      paquebot init --name Alice --recover
      paquebot init --recover --from alice.export
    """
    from paquebot.node import Node

    if not recover and (words_file or export):
        raise Misused("--words-file and --from go with --recover")
    if homes.holds_node(setting.home):
        homes.check(setting.home)
        raise Misused(f"{setting.home} holds a node already; for another, give it a home: paquebot --home DIR init …")
    user = None
    if recover:
        user, known = recovered(words_file, export, lambda: setting.passphrases(export_fd=fd))
        name = name or known
    if not name:
        raise Misused("--name is missing: what others see you as")
    lock = new_passphrase(new_fd) if passphrase or new_fd is not None else None
    Node.create(setting.home, name, key=key, passphrase=lock, user=user)
    with setting.look() as node:
        local = node.view.local()
    if wants_json:
        output.as_json({"home": str(setting.home), "name": local.name, "user": local.user, "node": local.node})
        return
    click.echo(f"{printable(local.name)} lives in {printable(str(setting.home), 4_096)}, node {short(local.node)}.")
    if recover:
        click.echo(f"Its user is {short(local.user)}: compare that with the sheet.")
        click.echo("Next: `paquebot import FILE` with the latest export; without one, exchange cards with your peers.")
        click.echo("If the old machine was lost or stolen, then: `paquebot node replace OLDNODE`")
    elif sys.stdout.isatty():
        click.echo("Next: `paquebot invite --for NAME` for somebody, or `paquebot join INVITE` if you were invited.")


@click.command("card")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Write it to a file.")
@click.option("--code", is_flag=True, help="As one line of text, for a chat or a link: `peer add NAME -` reads it.")
@click.option("--qr", is_flag=True, help="Show your fingerprint as a QR code: `peer verify` there compares it.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write the whole card as a QR code into an SVG file.")
@click.option("--png", type=click.Path(path_type=Path), help="Write the whole card as a QR code into a PNG file.")
@click.option("--force", is_flag=True, help="Replace what is there already.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def card_command(
    setting: Setting,
    target: Path | None,
    code: bool,
    qr: bool,
    svg: Path | None,
    png: Path | None,
    force: bool,
    wants_json: bool,
) -> None:
    """Write this node's card: all that another node must know to exchange envelopes with it. It holds no secret.

    \b
    Examples:
      paquebot card -o alice.card
      paquebot card | mail -s "my card" bob@example.org
      paquebot card --svg alice.svg        a whole card is too large for a QR code on a terminal
      paquebot card --qr                   the fingerprint: for somebody who has the card, to make sure of it
    """
    from paquebot.folders import write_to
    from paquebot.meetings import card_code, node_code

    addresses.tell(setting)
    with setting.look() as node:
        text, local = card_code(node.view) + "\n" if code else node.card(), node.view.local()
        meeting.draw(card_code(node.view), svg=svg, png=png, force=force)
        meeting.draw(node_code(node.view), qr=qr)
    if target is not None:
        write_to(target, lambda: [text.encode()], force=force)
    if wants_json:
        output.as_json({"name": local.name, "user": local.user, "node": local.node, "card": text})
    elif qr:
        click.echo(f"The fingerprint of node {short(local.node)}. Who has its card scans this, and then:", err=True)
        click.echo("  paquebot peer verify NAME --words PAQUEBOT:…", err=True)
    elif not (target or svg or png):
        click.echo(text, nl=False)


@click.group("peer")
def peer_command() -> None:
    """Add, meet, verify, list, show, reach, retry or remove peers: the nodes whose keys are pinned here."""


for each in (addresses.route, meeting.pending, meeting.accept, meeting.decline, meeting.verify):
    peer_command.add_command(each)


@peer_command.command("add")
@click.argument("name")
@click.argument("cardfile", type=click.File("rb"))
@click.option(
    "--trust",
    type=meeting.TRUST,
    default="read",
    help=meeting.TRUST_HELP,
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def add(setting: Setting, name: str, cardfile: BinaryIO, trust: str, wants_json: bool) -> None:
    """Pin the keys on a card under NAME. CARDFILE may be - for standard input, and a card or what a QR code says.

    \b
    Examples:
      paquebot peer add Bob bob.card
      paquebot peer add Archive archive.card --trust none
    """
    data = cardfile.read(CARD_BYTES_MAX + 1)
    if len(data) > CARD_BYTES_MAX:
        raise Misused("the file is far larger than any card")
    meeting.peer_name(name)
    with setting.node() as node:
        card = node.read_card(data.decode("utf-8", "replace"))
        before = node.view.peer(card.node.fingerprint)
        peer = node.add_peer(card, name, trusting=trust == "read")
    if wants_json:
        output.as_json(_as_json(peer) | {"renamed_from": before.name if before and before.name != name else None})
        return
    if before and before.name != name:
        click.echo(f"{printable(before.name)} is now called {printable(name)}.")
    click.echo(f"{printable(name)} is pinned: user {short(peer.user)}, node {short(peer.node)}.")
    if peer.reads:
        click.echo(
            f"{printable(name)} may read what you publish, and what {printable(name)} publishes is accepted here."
        )
    else:
        click.echo("Nothing that you publish is sent there, and nothing from there is accepted.")


@peer_command.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_peers(setting: Setting, wants_json: bool) -> None:
    """List the peers.

    \b
    Examples:
      paquebot peer list
      paquebot peer list --json
    """
    with setting.look() as node:
        peers, now = node.view.peers(), node.now()
        verified = {peer.node: node.view.verified(peer.node) for peer in peers}
    if wants_json:
        output.as_json([_as_json(peer) | meeting.verified_json(verified[peer.node]) for peer in peers])
    elif peers:
        rows = [
            (
                peer.name,
                short(peer.user),
                short(peer.node),
                "yes" if peer.reads else "no",
                "yes" if peer.publishes else "no",
                "verified" if verified[peer.node] else "unverified",
                output.ago(peer.seen_at, now) if peer.seen_at else "never",
            )
            for peer in peers
        ]
        output.table(("NAME", "USER", "NODE", "READS US", "ACCEPTED", "KEYS", "LAST HEARD"), rows)
    else:
        click.echo("No peers yet. Add one: paquebot peer add NAME CARDFILE", err=True)


@peer_command.command("show")
@click.argument("name")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show_peer(setting: Setting, name: str, wants_json: bool) -> None:
    """Show one peer, with its fingerprints in full, to be compared with what `paquebot card --json` says there.

    \b
    Example:
      paquebot peer show Bob
    """
    with setting.look() as node:
        peer = node.peer(name)
        keys, verified = node.view.announcement(peer.node), node.view.verified(peer.node)
        restored, found = list(copies.of_peer(node.view, peer)), addresses.of(node.view, peer)
    if wants_json:
        routes = {"routes": [asdict(each) for each in found]}
        output.as_json(_as_json(peer) | meeting.verified_json(verified) | routes | {"restored": restored})
        return
    click.echo(f"name       {printable(peer.name)}")
    click.echo(f"user       {peer.user}")
    click.echo(f"node       {peer.node}")
    click.echo(f"added      {output.moment(peer.added)}")
    click.echo(f"heard      {output.moment(peer.seen_at) if peer.seen_at else 'never'}")
    click.echo(f"reads us   {'yes' if peer.reads else 'no'}")
    click.echo(f"accepted   {'yes' if peer.publishes else 'no'}")
    click.echo(f"verified   {meeting.peer_state(peer, verified)}")
    if keys:
        last = max(key.expires for key in keys.keys)
        click.echo(f"keys       {len(keys.keys)} envelope keys, the last valid until {output.moment(last)}")
    for each in found:
        click.echo(f"route      {printable(str(each))}")
    for sentence in restored:
        click.echo(f"note       {printable(sentence)}")


@peer_command.command("remove")
@click.argument("name")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def remove(setting: Setting, name: str, wants_json: bool) -> None:
    """Forget a peer: nothing more is sent to it or taken from it. What came from it stays.

    \b
    Example:
      paquebot peer remove Bob
    """
    with setting.node() as node:
        gone = node.peer(name)
        node.meetings.remove(gone)
    if wants_json:
        output.as_json(_as_json(gone))
    else:
        click.echo(f"{printable(name)} is forgotten.")


@peer_command.command("retry")
@click.argument("name")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def retry(setting: Setting, name: str, wants_json: bool) -> None:
    """Try a peer again at the next sync, on every medium, though it did not answer for long or was given up.

    \b
    Example:
      paquebot peer retry Bob
    """
    with setting.node() as node:
        peer = node.retry_peer(name)
    if wants_json:
        output.as_json(_as_json(peer))
    else:
        click.echo(f"{printable(name)} is tried again at the next sync.")


def _as_json(peer: Peer) -> dict[str, object]:
    return {
        "name": peer.name,
        "user": peer.user,
        "node": peer.node,
        "reads": peer.reads,
        "accepted": peer.publishes,
        "added": output.iso(peer.added),
        "heard": output.iso(peer.seen_at),
    }
