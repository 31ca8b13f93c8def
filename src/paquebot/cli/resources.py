"""`publish`, `list`, `show` and `save`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import click

from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused
from paquebot.folders import write_file, write_out
from paquebot.node import Node
from paquebot.protocol import privacy
from paquebot.protocol.encoding import short
from paquebot.protocol.events import SHOWN_KINDS
from paquebot.protocol.publishing import Draft
from paquebot.status import reached_by
from paquebot.store.view import Listed

CLOSED = (privacy.SEALED, privacy.ENCRYPTED)
"""Kinds of private resources that could not be opened here."""
Text = TypeVar("Text", str, "str | None", tuple[str, ...])


def _text(_: click.Context, option: click.Parameter, value: Text) -> Text:
    """Check that an option's value is text: on the command line it may be any bytes."""
    for each in (value,) if isinstance(value, str) else value or ():
        if not output.utf8(each):
            raise Misused(f"{max(option.opts, key=len)} is not UTF-8: '{printable(each, 60)}'")
    return value


@click.command("publish")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("-m", "--message", callback=_text, help="Publish this text instead of files.")
@click.option("--title", default="", callback=_text, help="A title.")
@click.option("--tag", "tags", multiple=True, callback=_text, help="A tag; may be given more than once.")
@click.option("--filename", default="stdin", help="What to call what comes from standard input.")
@click.option("--to", "to", multiple=True, metavar="NAME", callback=_text, help="For NAME alone; may be repeated.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def publish_command(
    setting: Setting,
    files: tuple[Path, ...],
    message: str | None,
    title: str,
    tags: tuple[str, ...],
    filename: str,
    to: tuple[str, ...],
    wants_json: bool,
) -> None:
    """Publish files, standard input (-) or a message, to all peers who may read. Prints one URI a line.

    With --to it is private: text, title, tags and file names can be read by those peers' nodes and our own alone.
    Others carry it and see only who wrote it, when, about how large it is, and how many nodes can open it.
    Nothing leaves this machine before the next `paquebot sync`.

    \b
    Examples:
      paquebot publish report.pdf photos/*.jpg --tag field
      paquebot publish --message "All well, water low" --title "Day 12"
      tar c logs | paquebot publish - --filename logs.tar
      paquebot publish --to Bob --to Carol --message "Only for you two"
    """
    if (message is None) == (not files):
        raise Misused("give either files or --message TEXT")
    _check_words(title, tags)
    with setting.node() as node:
        private = node.readers(to)
        if message is not None:
            uris = node.publish([Draft.message(message, title=title, tags=tags)], private=private)
        elif files == (Path("-"),):
            stream = sys.stdin.buffer
            uris = node.publish_stream(stream, filename, title=title, tags=tags, private=private)
        else:
            with output.progress("reading") as progress:
                uris = node.publish_files(files, title=title, tags=tags, private=private, progress=progress)
    if wants_json:
        output.as_json([{"uri": uri, "id": short(uri.rpartition("/")[2])} for uri in uris])
    else:
        click.echo("\n".join(uris))


def _check_words(title: str, tags: Sequence[str]) -> None:
    if len(title) > 300:
        raise Misused("a title has at most 300 characters")
    if len(tags) > 64 or len(set(tags)) != len(tags) or not all(0 < len(tag) <= 100 for tag in tags):
        raise Misused("tags have 1 to 100 characters, all different, at most 64 of them")


@click.command("list")
@click.option("--new", is_flag=True, help="Only what came from others: messages not shown, files not saved yet.")
@click.option("--all", "everything", is_flag=True, help="Also identities, trusts and keys.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(setting: Setting, new: bool, everything: bool, wants_json: bool) -> None:
    """List what was published, by us and by others, in the order of its stamps.

    \b
    Examples:
      paquebot list
      paquebot list --new --json
    """
    with setting.look() as node:
        found = list(node.view.listed(None if everything else SHOWN_KINDS, new=new))
        names = _names(node)
        if wants_json:
            output.as_json([_as_json(each, node, names) for each in found])
            return
        rows = [
            (
                short(each.id),
                output.moment(each.stamp.at)[:16],
                names.get(each.user, short(each.user)),
                each.kind,
                each.title or each.filename or _excerpt(node, each),
                output.size(each.size),
                _remark(node, each),
            )
            for each in found
        ]
    if rows:
        output.table(("ID", "STAMP (UTC)", "AUTHOR", "SCHEMA", "TITLE", "SIZE", ""), rows)
    elif sys.stdout.isatty():
        click.echo("Nothing new." if new else "Nothing here yet.", err=True)


def _remark(node: Node, listed: Listed) -> str:
    private = (
        "private, not for us" if listed.kind in CLOSED else "private" if _readers(node, listed) is not None else ""
    )
    chunks = f"{listed.chunk_total - listed.lacking} of {listed.chunk_total} chunks" if listed.lacking else ""
    return ", ".join(filter(None, (private, chunks)))


def _readers(node: Node, listed: Listed) -> list[str] | None:
    """Whom a private thing is for, besides its author, as far as known; None if it is not private, or closed to us."""
    users, names = node.view.opened(listed.id), _names(node)
    return None if users is None else [names.get(user, short(user)) for user in users if user != listed.user]


def _for(node: Node, listed: Listed) -> str:
    """Say for whom a private thing is."""
    local = node.view.local()
    if listed.kind in CLOSED:
        return "not for us"
    names = [name for name in _readers(node, listed) or [] if name != local.name]
    us = ["you"] if listed.user != local.user else [] if names else ["you alone"]
    named = [*us, *names]
    return f"for {' and '.join(filter(None, (', '.join(named[:-1]), named[-1])))}"


def _excerpt(node: Node, listed: Listed) -> str:
    if listed.kind != "message" or node.view.opened(listed.id) is not None:  # a list needs no keys
        return ""
    text = b"".join(node.content(listed)).decode()
    first = text.strip().split("\n", 1)[0]
    return first if len(first) <= 48 else first[:47] + "…"


def _names(node: Node) -> dict[str, str]:
    local = node.view.local()
    return {**{peer.user: peer.name for peer in node.view.peers()}, local.user: local.name}


def _as_json(listed: Listed, node: Node, names: dict[str, str]) -> dict[str, object]:
    readers = _readers(node, listed)
    return {
        "id": short(listed.id),
        "uri": listed.uri,
        "author": listed.user,
        "author_name": names.get(listed.user),
        "schema": listed.kind,
        "title": listed.title,
        "filename": listed.filename,
        "tags": list(listed.tags),
        "size": listed.size,
        "stamp": str(listed.stamp),
        "received": output.iso(listed.received),
        "new": not listed.shown,
        "complete": not listed.lacking,
        "private": listed.kind in CLOSED or readers is not None,
        "readers": readers,
        "chunks": {"held": listed.chunk_total - listed.lacking, "of": listed.chunk_total},
    }


@click.command("show")
@click.argument("id_", metavar="ID")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show_command(setting: Setting, id_: str, wants_json: bool) -> None:
    """Show one message, or what is known of a file. ID is a URI, an id, or the beginning of one.

    \b
    Examples:
      paquebot show 3fa29c81b2
      paquebot show sdmp://1Zy3…/5w4I… --json
    """
    with setting.look() as node:
        listed = node.find(id_)
        text = b"".join(node.content(listed)).decode() if listed.kind not in ("file", *CLOSED) else None
        value = _as_json(listed, node, _names(node))
        private = _for(node, listed) if value["private"] else ""
        reached = {name: reach.value for name, reach in reached_by(node.view, listed).items()}
        if text is not None:  # a file is done with when it is saved, not when somebody has looked at its name
            node.shown(listed)
    if wants_json:
        output.as_json({**value, "text": text, "peers": reached})
        return
    for key in ("id", "uri", "author_name", "schema", "title", "filename", "size", "stamp"):
        if value[key] not in ("", None):
            click.echo(f"{key.removesuffix('_name'):<9} {printable(str(value[key]))}")
    if listed.tags:
        click.echo(f"{'tags':<9} {printable(', '.join(listed.tags))}")
    if private:
        click.echo(f"{'private':<9} {printable(private)}")
    if listed.lacking:
        click.echo(f"{'chunks':<9} {listed.chunk_total - listed.lacking} of {listed.chunk_total} are here")
    for name, reach in reached.items():
        click.echo(f"{'peer':<9} {printable(name)}: {reach}")
    if text is not None:
        click.echo()
        click.echo("\n".join(printable(line, 10 * len(line) + 1) for line in text.split("\n")))


@click.command("save")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path, allow_dash=True), help="The file to write.")
@click.option("--all-to", type=click.Path(path_type=Path, file_okay=False), help="The folder to write to.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def save_command(
    setting: Setting, ids: tuple[str, ...], target: Path | None, all_to: Path | None, wants_json: bool
) -> None:
    """Save one file or message as a file, or several into a folder. Without an ID, --all-to saves all that is new.

    Names that come from peers are never paths: what is unsafe in them is replaced. A file that is there already with
    the same content is left alone; one with other content is never overwritten in a folder.

    \b
    Examples:
      paquebot save 3fa29c81b2 -o report.pdf
      paquebot save --all-to inbox/
    """
    if (target is None) == (all_to is None) or (target is not None and len(ids) != 1):
        raise Misused("give one ID with -o FILE, or any number with --all-to DIR")
    saved: list[dict[str, str]] = []
    with setting.node() as node:
        chosen = [node.find(each) for each in ids] if ids else list(node.view.listed(SHOWN_KINDS, new=True))
        for listed in chosen:
            if target is not None:
                path = target
                write_file(target, node.content(listed))
            else:
                assert all_to is not None
                if listed.lacking and not ids:
                    continue
                path = write_out(all_to, listed, node)
            node.shown(listed)
            saved.append({"id": short(listed.id), "uri": listed.uri, "path": str(path)})
    if wants_json:
        output.as_json(saved)
    elif target is None:
        for each in saved:
            click.echo(printable(each["path"], 4_096))
