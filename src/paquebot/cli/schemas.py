"""`schema`: forms that records keep."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from paquebot import lookup, records
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.cli.resources import names_of
from paquebot.cli.writing import read_bounded
from paquebot.display import printable
from paquebot.protocol.encoding import short
from paquebot.protocol.limits import CONTAINER_BYTES_MAX
from paquebot.protocol.published import URIS


@click.group("schema")
def schema_command() -> None:
    """Publish, list or show schemas: what the fields of a record may be. Records: `paquebot publish --schema`.

    A schema is a JSON Schema (2020-12) without references to anything outside itself. It is named by its URI, which
    is good for ever: a changed schema is another one.
    """


@schema_command.command("publish")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def publish(setting: Setting, file: Path, wants_json: bool) -> None:
    """Publish the JSON Schema in FILE, or on standard input with -. Prints its URI.

    So that checking is bounded for everybody, a schema has at most 256 KiB and 10,000 parts, refers only to parts of
    itself and never in a circle, and does without multipleOf, unevaluatedItems, unevaluatedProperties, anchors and
    dynamic references; patterns have at most 256 characters and neither look around nor back.

    \b
    Examples:
      paquebot schema publish reading.schema.json
      jq . draft.json | paquebot schema publish -
    """
    data = read_bounded(file, CONTAINER_BYTES_MAX)
    with setting.node() as node:
        uri = node.publish_schema(data, printable(str(file)))
    if wants_json:
        output.as_json({"uri": uri, "id": short(uri.rpartition("/")[2])})
    else:
        click.echo(uri)


@schema_command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also the house's own.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_schemas(setting: Setting, everything: bool, wants_json: bool) -> None:
    """List the schemas that are here, ours and others'.

    \b
    Examples:
      paquebot schema list
      paquebot schema list --all --json
    """
    with setting.look() as node:
        names = names_of(node)
        found = [
            (each.uri, each.title, names.get(each.user, short(each.user))) for each in node.view.listed(["schema"])
        ]
    if everything:
        found += [(uri, name, "paquebot") for name, uri in URIS.items()]
    if wants_json:
        output.as_json([{"uri": uri, "title": title, "author_name": author} for uri, title, author in found])
    elif found:
        output.table(("ID", "AUTHOR", "TITLE", "URI"), [(short(u.rpartition("/")[2]), a, t, u) for u, t, a in found])
    elif sys.stdout.isatty():
        click.echo("No schemas here yet.", err=True)


@schema_command.command("show", cls=output.NamesResources)
@click.argument("name", metavar="SCHEMA")
@click.pass_obj
def show(setting: Setting, name: str) -> None:
    """Print a JSON Schema. SCHEMA is its URI, its ID or the beginning of it, or its title.

    \b
    Examples:
      paquebot schema show 3fa29c81b2
      paquebot schema show "Water level" > reading.schema.json
    """
    with setting.look() as node:
        text = records.schema_text(node.view, lookup.schema(node.view, name), own=True)
    click.echo(json.dumps(json.loads(text), ensure_ascii=True, indent=2))
