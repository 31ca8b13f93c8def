"""`invite`, `join`, and what `peer` does about strangers: pending, accept, decline, verify."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from paquebot import config
from paquebot.cli import addresses, output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused, NotFound
from paquebot.protocol.encoding import short
from paquebot.protocol.inviting import DAYS, DAYS_MAX
from paquebot.protocol.publishing import CARD_BYTES_MAX
from paquebot.protocol.state import Peer
from paquebot.protocol.strangers import Invite, Pending, Verified

TRUST = click.Choice(["read", "none"])
TRUST_HELP = "read: they may read what you publish, and you accept what they publish. none: neither."


def peer_name(name: str) -> str:
    """Return *name*. Raise `Misused` unless a peer may be called so."""
    if not name.strip() or not name.isprintable() or len(name) > 100:
        raise Misused("a peer's name has 1 to 100 printable characters")
    return name


# peer …


@click.command("pending")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def pending(setting: Setting, wants_json: bool) -> None:
    """List those who introduced themselves and wait for your word. They got no answer.

    The name is what they call themselves: anybody can call himself anything. Ask the person, by another way, whether
    the node is theirs, or accept it and compare words: peer verify.

    \b
    Examples:
      paquebot peer pending
      paquebot peer pending --json
    """
    from paquebot.meetings import waiting

    with setting.look() as node:
        found, now = waiting(node.view), node.now()
    if wants_json:
        output.as_json([_pending_json(each) for each in found])
    elif found:
        rows = [
            (str(each.number), each.name, short(each.user), short(each.node), output.ago(each.since, now), each.where)
            for each in found
        ]
        output.table(("NO", "CALLS ITSELF", "USER", "NODE", "SINCE", "SEEN"), rows)
        for each in found:
            if each.reason:
                click.echo(f"{each.number}: {printable(each.reason)}")
    else:
        click.echo("Nobody waits.", err=True)


@click.command("accept")
@click.argument("who", metavar="NUMBER|NODE")
@click.argument("name")
@click.option("--trust", type=TRUST, default="read", help=TRUST_HELP)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def accept(setting: Setting, who: str, name: str, trust: str, wants_json: bool) -> None:
    """Pin one who waits under NAME, which you choose. What they sent comes in with the next sync.

    \b
    Examples:
      paquebot peer accept 3 Bob
      paquebot peer accept 06e81517e5 Archive --trust none
    """
    with setting.node() as node:
        peer = node.meetings.accept(node.meetings.stranger(who), peer_name(name), trusting=trust == "read")
    if wants_json:
        output.as_json({"name": peer.name, "user": peer.user, "node": peer.node})
    else:
        click.echo(f"{printable(peer.name)} is pinned: user {short(peer.user)}, node {short(peer.node)}; unverified.")


@click.command("decline")
@click.argument("who", metavar="NUMBER|NODE")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def decline(setting: Setting, who: str, wants_json: bool) -> None:
    """Turn one down who waits. They are not told, and not shown again unless they show something new.

    \b
    Example:
      paquebot peer decline 3
    """
    with setting.node() as node:
        gone = node.meetings.stranger(who)
        node.meetings.decline(gone)
    if wants_json:
        output.as_json(_pending_json(gone))
    else:
        click.echo(f"{printable(gone.name)}, node {short(gone.node)}, is turned down.")


@click.command("verify")
@click.argument("name")
@click.option("--words", help="What the other person read, or the code that `card --qr` shows there; - for a pipe.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(setting: Setting, name: str, words: str | None, wants_json: bool) -> None:
    """Make sure that nobody sits between you and a peer: each of you reads four words, and types those of the other.

    Do it where you know the other by voice or sight: at the table, on the telephone, by radio. Reading is not enough
    and glancing is less: the words that you type are compared here.

    \b
    Examples:
      paquebot peer verify Bob
      paquebot peer verify Bob --words "oven cargo tiger lemon"
    """
    from paquebot import meetings

    with setting.look() as node:
        local, peer = node.view.local().node, node.peer(name)
        ours, _ = meetings.words(node.view, peer)
        found = node.view.verified(peer.node)
    # A person takes as long as it takes, and so does a pipe: nobody else is kept out of this home meanwhile.
    if words is None and not wants_json:
        click.echo(f"Read to {printable(peer.name)}:  {'  '.join(ours)}")
    if words is None and sys.stdin.isatty():
        words = click.prompt(f"Type what {printable(peer.name)} reads to you", prompt_suffix=": ")
    elif words == "-":
        words = sys.stdin.read(CARD_BYTES_MAX)
    if words is not None:
        with setting.node() as node:
            now = node.peer(name)
            if (node.view.local().node, now.node) != (local, peer.node):
                raise Misused(f"{name} is another node than it was when you began, or this one is: begin again")
            node.meetings.verify(now, words)
            found = node.view.verified(now.node)
    if wants_json:
        output.as_json({"name": peer.name, "node": peer.node, "read": ours, **verified_json(found)})
    elif words is not None:
        click.echo(f"{printable(peer.name)} is verified.")
    else:
        click.echo('Then: paquebot peer verify NAME --words "what the other person reads"')


def verified_json(found: Verified | None) -> dict[str, object]:
    """Return what is shown of a peer's verification."""
    return {"verified": output.iso(found.at) if found else None, "verified_by": found.how if found else None}


def _pending_json(each: Pending) -> dict[str, object]:
    return {
        "number": each.number,
        "name": each.name,
        "user": each.user,
        "node": each.node,
        "since": output.iso(each.since),
        "where": each.where,
        "reason": each.reason,
    }


# invite and join


@click.group("invite", invoke_without_command=True)
@click.option("--for", "label", default="", metavar="NAME", help="What your guest is to be called here.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=DAYS, show_default=True, help="How long it is good.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Write it to a file.")
@click.option("--qr", is_flag=True, help="Show it as a QR code, if the terminal is large enough.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write it as a QR code into an SVG file.")
@click.option("--png", type=click.Path(path_type=Path), help="Write it as a QR code into a PNG file.")
@click.option("--force", is_flag=True, help="Replace what is there already.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_context
def invite_command(
    ctx: click.Context,
    label: str,
    days: int,
    target: Path | None,
    qr: bool,
    svg: Path | None,
    png: Path | None,
    force: bool,
    wants_json: bool,
) -> None:
    """Invite one person: a line of text with your card and a secret, good once. They run: paquebot join

    Give it by a way that only that person sees. Whoever uses it first is pinned here when their first envelope
    comes, as long as it comes in time: let it be good for as long as your carrier takes. Used within two weeks it also
    counts as verified. It holds the address of your mailbox if that is in config.toml already.

    \b
    Examples:
      paquebot invite --for Bob
      paquebot invite --days 60 -o invitation.txt
      paquebot invite --svg invitation.svg
      paquebot invite list
      paquebot invite revoke 1c2a
    """
    if ctx.invoked_subcommand is not None:
        return
    from paquebot.folders import refuse_taken, write_to

    setting: Setting = ctx.obj
    for path in filter(None, (target, svg, png)):
        refuse_taken(path, force=force)  # before it is made
    with setting.node() as node:
        notes, routes = node.tell_routes(), config.read(setting.home / config.FILE_NAME).routes
        made = node.meetings.invite(days=days, label=label)
        code = node.meetings.invite_code(made)
    draw(code, qr=qr, svg=svg, png=png, force=force)
    if target is not None:
        write_to(target, lambda: [f"{code}\n".encode()], force=force)
    if wants_json:
        output.as_json({**_invite_json(made, made.created), "invite": code, "routes": routes})
        return
    if not (target or qr or svg or png):
        click.echo(code)
    click.echo(
        f"Invitation {made.name.hex()[:8]} is good for one person until {output.moment(made.expires)}. They run:"
        f" paquebot join {shlex.quote(printable(target.name)) if target else 'INVITE, with that line for INVITE'}",
        err=True,
    )
    if not routes:
        click.echo(
            "It holds no address: by a stick or folder it needs none. For mail, put a mailbox into config.toml first,"
            " and invite anew.",
            err=True,
        )
    for note in notes:
        click.echo(printable(note), err=True)


@invite_command.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_invites(setting: Setting, wants_json: bool) -> None:
    """List the invitations that you gave.

    \b
    Example:
      paquebot invite list
    """
    with setting.look() as node:
        found, now = node.view.invites(), node.now()
        names = {peer.node: peer.name for peer in node.view.peers()}
    if wants_json:
        output.as_json([_invite_json(each, now) for each in found])
    elif found:
        rows = [
            (
                each.name.hex()[:8],
                each.label,
                each.state(now),
                output.moment(each.expires),
                names.get(each.guest, short(each.guest)) if each.guest else "",
            )
            for each in found
        ]
        output.table(("ID", "FOR", "STATE", "GOOD UNTIL", "USED BY"), rows)
    else:
        click.echo("No invitations yet. Give one: paquebot invite --for NAME", err=True)


@invite_command.command("revoke")
@click.argument("name", metavar="ID")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def revoke(setting: Setting, name: str, wants_json: bool) -> None:
    """Let an invitation be good for nobody any more.

    \b
    Example:
      paquebot invite revoke 1c2a
    """
    with setting.node() as node:
        found = [each for each in node.meetings.invites() if each.name.hex().startswith(name.lower())]
        if len(found) != 1 or len(name) < 4:
            raise NotFound(f"{name!r} is no invitation of ours; see `paquebot invite list`")
        node.meetings.revoke(found[0])
        now = node.now()
    if wants_json:
        (gone,) = found
        output.as_json({**_invite_json(gone, now), "state": "revoked"})
    else:
        click.echo(f"Invitation {found[0].name.hex()[:8]} is revoked.")


@click.command("join")
@click.argument("invite", metavar="INVITE")
@click.argument("name", required=False)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def join_command(setting: Setting, invite: str, name: str | None, wants_json: bool) -> None:
    """Accept an invitation: pin who gave it, under NAME or the name on the card, and show it with your first envelope.

    INVITE is the text itself, a file that holds it, or - for standard input.

    \b
    Examples:
      paquebot join PAQUEBOT:AJ6X…
      paquebot join invitation.txt Alice
    """
    text = _invitation(invite)
    with setting.node() as node:
        peer = node.meetings.join(text, peer_name(name) if name is not None else None)
        found = node.view.verified(peer.node)
        reachable = addresses.reached_by(node, peer)
    if wants_json:
        output.as_json({"name": peer.name, "user": peer.user, "node": peer.node, **verified_json(found)})
        return
    state = "verified by the invitation" if found else "unverified: the invitation was open for long"
    click.echo(f"{printable(peer.name)} is pinned: user {short(peer.user)}, node {short(peer.node)}; {state}.")
    if sys.stdout.isatty():
        how = "" if reachable else " --via DIR"
        click.echo(f"Next: `paquebot sync{how}`: your first envelope shows the invitation, and makes you known.")


def _invitation(text: str) -> str:
    if text == "-":
        return sys.stdin.read(CARD_BYTES_MAX)
    if "paquebot:" in text.lower():
        return text
    try:
        with Path(text).open("rb") as file:
            return file.read(CARD_BYTES_MAX).decode("utf-8", "replace")
    except OSError as error:
        raise Misused(f"{text} is no invitation, and cannot be read as a file: {error.strerror}") from error


def draw(code: str, *, qr: bool = False, svg: Path | None = None, png: Path | None = None, force: bool = False) -> None:
    """Show *code* as a QR code on the terminal, and write it into pictures."""
    from paquebot import qr as codes
    from paquebot.folders import write_to

    for path, picture in ((svg, codes.svg), (png, codes.png)):
        if path:
            write_to(path, partial(_one, picture, code), force=force)
    if qr:
        size = shutil.get_terminal_size((80, 24))
        colour = sys.stdout.isatty()
        for line in codes.terminal(code, size.columns, size.lines):
            click.echo(f"\x1b[40;97m{line}\x1b[0m" if colour else line)


def _one(picture: Callable[[str], bytes], code: str) -> list[bytes]:
    return [picture(code)]


def _invite_json(each: Invite, now: int) -> dict[str, object]:
    from paquebot.protocol.stamp import Millis

    return {
        "id": each.name.hex(),
        "for": each.label,
        "state": each.state(Millis(now)),
        "created": output.iso(each.created),
        "expires": output.iso(each.expires),
        "used": output.iso(each.used),
        "used_by": each.guest,
    }


def peer_state(peer: Peer, found: Verified | None) -> str:
    """Say whether *peer* is verified."""
    return f"by {found.how}, {output.moment(found.at)}" if found else "no: paquebot peer verify NAME"
