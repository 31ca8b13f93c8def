"""`list`, `show` and `save`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click

from paquebot import content, threads
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused, NotFound
from paquebot.folders import write_out, write_to
from paquebot.node import Node
from paquebot.protocol import custom, privacy
from paquebot.protocol.encoding import ResourceId, short
from paquebot.protocol.events import SHOWN_KINDS
from paquebot.status import reached_by
from paquebot.store.view import Listed

CLOSED = (privacy.SEALED, privacy.ENCRYPTED)
"""Kinds of private resources that could not be opened here."""


@click.command("list")
@click.option("--new", is_flag=True, help="Only what came from others: messages not shown, files not saved yet.")
@click.option("--all", "everything", is_flag=True, help="Also identities, trusts, keys, and what was revoked.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the N latest.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_command(setting: Setting, new: bool, everything: bool, last: int | None, wants_json: bool) -> None:
    """List what was published, by us and by others, in the order of its stamps.

    \b
    Examples:
      paquebot list
      paquebot list --last 20
      paquebot list --new --json
    """
    with setting.look() as node:
        listed = node.view.listed(None if everything else SHOWN_KINDS, new=new, revoked=everything, last=last)
        found = [each for each in listed if everything or not each.gone]
        names = names_of(node)
        if wants_json:
            output.as_json([_as_json(each, node, names) for each in found])
            return
        rows = [
            (
                short(each.id),
                output.moment(each.stamp.at)[:16],
                names.get(each.user, short(each.user)),
                each.kind,
                each.title or each.filename or _excerpt(node, each, private=private),
                output.size(each.size),
                _remark(node, each, private=private),
            )
            for each in found
            for private in [node.view.opened(each.id) is not None]
        ]
    if rows:
        output.table(("ID", "STAMP (UTC)", "AUTHOR", "SCHEMA", "TITLE", "SIZE", ""), rows)
    elif sys.stdout.isatty():
        click.echo("Nothing new." if new else "Nothing here yet.", err=True)


def _remark(node: Node, listed: Listed, *, private: bool) -> str:
    closed = "private, not for us" if listed.kind in CLOSED else "private" if private else ""
    total = listed.chunk_total
    chunks = f"{total - listed.lacking} of {output.count(total, 'chunk')}" if listed.lacking else ""
    parent, attached = threads.above(node.view, listed.id)
    reply = f"reply to {_answered(node, parent)}" if parent else ""
    files = output.count(len(attached), "attachment") if attached else ""
    old = "superseded" if threads.newer(node.view, listed) else ""
    gone = "revoked" if listed.revoked_by else "expired" if node.expired(listed) else ""
    return ", ".join(filter(None, (gone, closed, chunks, reply, files, old)))


def _answered(node: Node, name: ResourceId) -> str:
    """What is answered or replaced: its reader may lack it, or the right to read it, for ever."""
    found = node.view.listing(name)
    if found is None:
        return "something you do not hold"
    return "something that is not for you" if found.kind in CLOSED else short(name)


def _readers(node: Node, listed: Listed) -> list[str] | None:
    """Whom a private thing is for, besides its author, as far as known; None if it is not private, or closed to us."""
    users = node.view.opened(listed.id)
    if users is None:
        return None
    names = names_of(node)
    return [names.get(user, short(user)) for user in users if user != listed.user]


def _for(node: Node, listed: Listed) -> str:
    """Say for whom a private thing is."""
    local = node.view.local()
    if listed.kind in CLOSED:
        return "not for us"
    names = [name for name in _readers(node, listed) or [] if name != local.name]
    us = ["you"] if listed.user != local.user else [] if names else ["you alone"]
    named = [*us, *names]
    return f"for {' and '.join(filter(None, (', '.join(named[:-1]), named[-1])))}"


def _readable(listed: Listed) -> bool:
    """Whether it is a text, or something else that can be shown, and is here for us."""
    return listed.kind not in ("file", *CLOSED) and not listed.gone and not listed.revoked_by


def _excerpt(node: Node, listed: Listed, *, private: bool) -> str:
    if not _readable(listed) or listed.kind != "message" or private:
        return ""
    first = content.text(node.view, listed).strip().split("\n", 1)[0]
    return first if len(first) <= 48 else first[:47] + "…"


def names_of(node: Node) -> dict[str, str]:
    """Return what the users we know are called here."""
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
        "complete": not listed.lacking and not listed.gone,
        "gone": listed.gone or None,
        "revoked": listed.revoked_by is not None,
        "expires": output.iso(listed.expires),
        "expired": node.expired(listed),
        "private": listed.kind in CLOSED or readers is not None,
        "readers": readers,
        "parent": threads.one(node.view, listed.id, "parent"),
        "attachments": [
            {
                "id": short(each.id),
                "resource": each.id,
                "filename": each.listed and each.listed.filename,
                "state": each.state,
                "complete": each.state == "here",
            }
            for each in threads.attachments(node.view, listed.id)
        ],
        "supersedes": threads.one(node.view, listed.id, "supersedes"),
        "superseded_by": newer.id if (newer := threads.newer(node.view, listed)) else None,
        "chunks": {"held": listed.chunk_total - listed.lacking, "of": listed.chunk_total},
    }


@click.command("show", cls=output.NamesResources)
@click.argument("id_", metavar="ID")
@click.option("--thread", is_flag=True, help="Show the whole conversation, each after that to which it replies.")
@click.option("--all", "everything", is_flag=True, help="Also what is known of something that was revoked.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show_command(setting: Setting, id_: str, thread: bool, everything: bool, wants_json: bool) -> None:
    """Show one message, or what is known of a file. ID is a URI, an id, or the beginning of one.

    \b
    Examples:
      paquebot show 3fa29c81b2
      paquebot show 3fa29c81b2 --thread
      paquebot show sdmp://1Zy3…/5w4I… --json
    """
    with setting.look() as node:
        listed = node.find(id_)
        if listed.revoked_by and not everything:
            raise NotFound(f"{short(listed.id)} was revoked; --all shows what is known of it")
        if thread:
            _show_thread(node, listed, wants_json=wants_json)
            return
        text = b"".join(node.content(listed)).decode() if _readable(listed) else None
        value = _as_json(listed, node, names_of(node))
        if listed.kind == custom.RECORD and not value["private"]:
            value["schema"] = node.resource(listed.id).container.schemas[0]
        private = _for(node, listed) if value["private"] else ""
        relations = list(_relations(node, listed))
        reached = {name: reach.value for name, reach in reached_by(node.view, listed).items()}
        if text is not None:  # a file is done with when it is saved, not when somebody has looked at its name
            node.shown(listed)
    if wants_json:
        output.as_json({**value, "text": text, "peers": reached})
        return
    for key in ("id", "uri", "author_name", "schema", "title", "filename", "size", "stamp", "gone"):
        if value[key] not in ("", None):
            click.echo(f"{key.removesuffix('_name'):<9} {printable(str(value[key]))}")
    if listed.tags:
        click.echo(f"{'tags':<9} {printable(', '.join(listed.tags))}")
    if listed.revoked_by:
        click.echo(f"{'revoked':<9} by {listed.revoked_by}")
    if private:
        click.echo(f"{'private':<9} {printable(private)}")
    if listed.lacking:
        click.echo(f"{'chunks':<9} {listed.chunk_total - listed.lacking} of {listed.chunk_total} are here")
    for what, about in relations:
        click.echo(f"{what:<9} {printable(about)}")
    for name, reach in reached.items():
        click.echo(f"{'peer':<9} {printable(name)}: {reach}")
    if text is not None:
        click.echo()
        click.echo("\n".join(printable(line, 10 * len(line) + 1) for line in text.split("\n")))


def _relations(node: Node, listed: Listed) -> Iterator[tuple[str, str]]:
    """What is to be said of how it hangs together with others."""
    view = node.view
    for how, what in (("parent", "reply to"), ("supersedes", "replaces")):
        if name := threads.one(view, listed.id, how):
            known = view.listing(name)
            absent = known is None or known.kind in CLOSED
            yield what, f"{_answered(node, name)} ({short(name)})" if absent else _named(known, name)
    if newer := threads.newer(view, listed):
        yield "replaced", f"by {_named(newer, newer.id)}"
    for each in threads.attachments(view, listed.id):
        yield "attached", f"{_named(each.listed, each.id)}: {each.state}"
    if replies := threads.replies(view, listed.id):
        yield "replies", f"{len(replies)}: see --thread"
    if listed.expires:
        yield "expired" if node.expired(listed) else "expires", output.moment(listed.expires)


def _named(listed: Listed | None, name: str) -> str:
    """An id with what it is called, if it is here."""
    title = (listed.title or listed.filename) if listed else "not here yet"
    return f"{short(ResourceId(name))} ({title})" if title else short(ResourceId(name))


def _show_thread(node: Node, listed: Listed, *, wants_json: bool) -> None:
    names = names_of(node)
    found = threads.thread(node.view, listed)
    shown = [each for _, each in found if each.kind not in ("file", *CLOSED) and not each.revoked_by]
    texts = {each.id: b"".join(node.content(each)).decode() for each in shown}
    for _, each in found:
        if each.id in texts:
            node.shown(each)
    if wants_json:
        output.as_json(
            [{**_as_json(each, node, names), "text": texts.get(each.id), "depth": depth} for depth, each in found]
        )
        return
    for depth, each in found:
        indent = "  " * min(depth, 12)
        title = f": {each.title or each.filename}" if each.title or each.filename else ""
        title = ": revoked" if each.revoked_by else title
        head = f"{short(each.id)}  {output.moment(each.stamp.at)[:16]}  {names.get(each.user, short(each.user))}{title}"
        click.echo(f"{indent}{printable(head)}")
        for attached in threads.attachments(node.view, each.id):
            click.echo(f"{indent}  attached {printable(_named(attached.listed, attached.id))}: {attached.state}")
        for line in texts[each.id].rstrip("\n").split("\n") if each.id in texts else ():
            click.echo(f"{indent}  {printable(line)}")


@click.command("save", cls=output.NamesResources)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path, allow_dash=True), help="The file to write.")
@click.option("--all-to", type=click.Path(path_type=Path, file_okay=False), help="The folder to write to.")
@click.option("--force", is_flag=True, help="With -o: replace a file that is there with other content.")
@click.option("--attachments", is_flag=True, help="With --all-to: also the files that these messages name.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def save_command(
    setting: Setting,
    ids: tuple[str, ...],
    target: Path | None,
    all_to: Path | None,
    force: bool,
    attachments: bool,
    wants_json: bool,
) -> None:
    """Save one file or message as a file, or several into a folder. Without an ID, --all-to saves all that is new.

    Names that come from peers are never paths: what is unsafe in them is replaced. A file that is there already with
    the same content is left alone; one with other content is never overwritten, unless -o FILE comes with --force.

    \b
    Examples:
      paquebot save 3fa29c81b2 -o report.pdf
      paquebot save --all-to inbox/
      paquebot save 3fa29c81b2 --attachments --all-to inbox/
    """
    if (target is None) == (all_to is None) or (target is not None and len(ids) != 1):
        raise Misused("give one ID with -o FILE, or any number with --all-to DIR")
    if force and target is None:
        raise Misused("--force goes with -o FILE; in a folder nothing is ever replaced")
    if attachments and not (ids and all_to):
        raise Misused("--attachments goes with IDs and --all-to DIR")
    saved: list[dict[str, str]] = []
    with setting.node() as node, output.progress("saving") as progress:
        chosen = [node.find(each) for each in ids] if ids else list(node.view.listed(SHOWN_KINDS, new=True))
        if attachments:
            named = [each for listed in chosen for each in threads.attachments(node.view, listed.id)]
            if missing := [each for each in named if each.state != "here"]:
                click.echo(f"{output.count(len(missing), 'attachment')} not complete here yet: not saved", err=True)
            chosen += [each.listed for each in named if each.listed and each not in missing]
        for listed in chosen:
            if target is not None:
                path = target
                write_to(target, partial(_parts, node, listed, progress), force=force)
            else:
                assert all_to is not None
                if (listed.lacking or listed.gone) and not ids:
                    continue
                path = write_out(all_to, listed, node)
            node.shown(listed)
            saved.append({"id": short(listed.id), "uri": listed.uri, "path": str(path)})
    if wants_json:
        output.as_json(saved)
    elif target is None:
        for each in saved:
            click.echo(printable(each["path"], 4_096))
        if not saved and sys.stdout.isatty():
            click.echo("Nothing new to save.", err=True)


def _parts(node: Node, listed: Listed, progress: Callable[[int], None]) -> Iterator[bytes]:
    return output.counted(node.content(listed), progress)
