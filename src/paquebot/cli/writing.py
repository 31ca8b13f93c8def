"""`publish`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from paquebot import drafting
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused
from paquebot.protocol.encoding import short
from paquebot.protocol.limits import CONTAINER_BYTES_MAX
from paquebot.protocol.publishing import Draft

Text = TypeVar("Text", str, "str | None", tuple[str, ...])


def _text(_: click.Context, option: click.Parameter, value: Text) -> Text:
    """Check that an option's value is text: on the command line it may be any bytes."""
    for each in (value,) if isinstance(value, str) else value or ():
        if not output.utf8(each):
            raise Misused(f"{max(option.opts, key=len)} is not UTF-8: '{printable(each, 60)}'")
    return value


def read_bounded(file: Path, most: int) -> bytes:
    """Read a file, or standard input for ``-``, but one byte more than *most* at the most."""
    if str(file) == "-":
        return sys.stdin.buffer.read(most + 1)
    with file.open("rb") as stream:
        return stream.read(most + 1)


@click.command("publish")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("-m", "--message", callback=_text, help="Publish this text instead of files.")
@click.option("--title", default="", callback=_text, help="A title.")
@click.option("--tag", "tags", multiple=True, callback=_text, help="A tag; may be given more than once.")
@click.option("--filename", default="stdin", help="What to call what comes from standard input.")
@click.option("--to", "to", multiple=True, metavar="NAME", callback=_text, help="For NAME alone; may be repeated.")
@click.option("--reply-to", metavar="ID", default="", help="What this answers.")
@click.option(
    "--attach", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="With --message; may be repeated."
)
@click.option("--supersedes", metavar="ID", default="", help="What of yours this replaces.")
@click.option("--expires", metavar="DATE", default="", help="When this stops being of use: 2027-01-31.")
@click.option(
    "--schema",
    "uri",
    metavar="SCHEMA",
    help="FILE is a JSON object, to be published as a record under this schema: its URI, ID or title.",
)
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
    reply_to: str,
    attach: tuple[Path, ...],
    supersedes: str,
    expires: str,
    uri: str | None,
    wants_json: bool,
) -> None:
    """Publish files, standard input (-) or a message, to all peers who may read. Prints one URI a line, on a
    terminal after its short ID.

    With --to it is private: text, title, tags and file names can be read by those peers' nodes and our own alone.
    Others carry it and see only who wrote it, when, about how large it is, and how many nodes can open it.
    Attachments are published with their message, all or nothing, and listed before it; the message's URI comes last.
    What has a date by --expires is shown as expired from then on, and forgotten where [keep] in config.toml says so
    (see `forget`). Until then it is kept and handed on as anything else: no clock is trusted with withholding it.
    Nothing leaves this machine before the next `paquebot sync`.

    \b
    Examples:
      paquebot publish report.pdf photos/*.jpg --tag field
      paquebot publish --message "All well, water low" --title "Day 12"
      tar c logs | paquebot publish - --filename logs.tar
      paquebot publish --message "As promised" --attach map.png --attach notes.txt --reply-to 3fa29c81b2
      paquebot publish --to Bob --to Carol --message "Only for you two"
      paquebot publish --schema "Water level" reading.json
    """
    if (message is None) == (not files):
        raise Misused("give either files or --message TEXT")
    if message is not None and not message.strip() and not attach:
        raise Misused("the message is empty; to publish an empty file: paquebot publish FILE")
    if attach and message is None:
        raise Misused("--attach goes with --message TEXT")
    if uri is not None and len(files) != 1:
        raise Misused("with --schema, give one file with a JSON object, or - for standard input")
    record = read_bounded(files[0], CONTAINER_BYTES_MAX) if uri is not None else b""
    with setting.node() as node:
        draft = drafting.draft(
            node, title=title, tags=tags, to=to, reply_to=reply_to, supersedes=supersedes, expires=expires
        )
        with output.progress("reading") as progress:
            if uri is not None:
                uris = node.publish_record(uri, record, printable(str(files[0])), draft=draft)
            elif message is not None:
                text = replace(draft, fields={"message": message})
                plain = Draft(schemas=("file",), fields={}, private=draft.private)
                uris = node.publish_files(attach, draft=plain, message=text, progress=progress)
            elif files == (Path("-"),):
                uris = node.publish_stream(sys.stdin.buffer, filename, draft=draft)
            else:
                uris = node.publish_files(files, draft=draft, progress=progress)
    _say(uris, wants_json=wants_json)


def _say(uris: list[str], *, wants_json: bool) -> None:
    if wants_json:
        output.as_json([{"uri": each, "id": short(each.rpartition("/")[2])} for each in uris])
    elif sys.stdout.isatty():
        click.echo("\n".join(f"{short(each.rpartition('/')[2])}  {each}" for each in uris))
    else:
        click.echo("\n".join(uris))
