"""`drop`: look over, tidy and verify sticks and folders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import PluginError, TransportError
from paquebot.report import Problem

if TYPE_CHECKING:
    from paquebot.config import Carrier
    from paquebot.node import Node
    from paquebot.transport import Finding, Freed, Inventory

DAMAGE = 3
Told = TypeVar("Told")
Function = TypeVar("Function", bound=Callable[..., object])


@click.group("drop")
def drop_command() -> None:
    """Look over sticks and folders: what lies there, what may go, and whether it is whole.

    A sync does all of this by itself, as far as it needs to. NAMEs are carriers of config.toml, as for sync; --via
    DIR is a stick or folder without any configuration. Your own things beside PAQUEBOT are never touched.
    """


def _where(function: Function) -> Function:
    """Add what says which media are meant, and --json."""
    for decorate in (
        click.option("--json", "wants_json", is_flag=True, help="Print JSON."),
        click.option("--via", multiple=True, metavar="DIR", help="A stick or folder, without any configuration."),
        click.argument("names", nargs=-1, metavar="[NAME]..."),
    ):
        function = decorate(function)
    return function


@drop_command.command("status")
@_where
@click.pass_obj
def status_command(setting: Setting, names: tuple[str, ...], via: tuple[str, ...], wants_json: bool) -> int:
    """Say what lies on a medium: for whom, how much, what of it is acknowledged or expired. Nothing is changed.

    Only indexes are read; `paquebot drop verify` reads all. While keys are locked by a passphrase, what is for this
    node cannot be told from what is for others.

    \b
    Examples:
      paquebot drop status --via /media/stick
      paquebot drop status stick --json
    """
    from paquebot import tending

    with setting.look() as node:
        open_keys = tending.knows_its_own(node)
        told = _each(node, names, via, lambda carrier: asyncio.run(tending.inventory(node, carrier)))
    return _tell(
        told, lambda found: _as_json(found, open_keys), lambda name, found: _say(name, found, open_keys), wants_json
    )


@drop_command.command("gc")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would go.")
@_where
@click.pass_obj
def gc_command(setting: Setting, names: tuple[str, ...], via: tuple[str, ...], wants_json: bool, dry_run: bool) -> int:
    """Delete what nobody needs any more, as each sync does at its end.

    That is: what all recipients have shown to have, what has been expired for four weeks of visits, and copies of
    what lies elsewhere. Crates of which more than half is dead are written anew.

    \b
    Examples:
      paquebot drop gc --via /media/stick --dry-run
      paquebot drop gc
    """
    from paquebot import tending

    with setting.look() as node:
        told = _each(node, names, via, lambda carrier: asyncio.run(tending.tidy(node, carrier, rehearsed=dry_run)))
    return _tell(
        told,
        lambda freed: {"freed": _freed_json(freed), "dry_run": dry_run},
        lambda name, freed: _say_freed(name, freed, dry_run),
        wants_json,
    )


@drop_command.command("verify")
@_where
@click.pass_obj
def verify_command(setting: Setting, names: tuple[str, ...], via: tuple[str, ...], wants_json: bool) -> int:
    """Read everything that lies there, and name what is damaged. Nothing is changed. Exits with 3 if anything is.

    What is damaged is sent again by whoever sent it, once it hears: the next sync of a reader leaves word there.

    \b
    Examples:
      paquebot drop verify --via /media/stick
    """
    from paquebot import tending

    with setting.look() as node, output.progress("reading") as progress:

        def verified(carrier: Carrier) -> tuple[list[Finding], int]:
            read = 0

            def advance(count: int) -> None:
                nonlocal read
                read += count
                progress(count)

            return asyncio.run(tending.verify(node, carrier, advance)), read

        told = _each(node, names, via, verified)
    code = _tell(
        told,
        lambda found: {"findings": [_finding_json(each) for each in found[0]], "bytes": found[1]},
        lambda name, found: _say_findings(name, *found),
        wants_json,
    )
    damaged = any(each.damage for _, found in told if not isinstance(found, Problem) for each in found[0])
    return code or (DAMAGE if damaged else 0)


def _each(
    node: Node, names: Sequence[str], via: Sequence[str], ask: Callable[[Carrier], Told]
) -> list[tuple[str, Told | Problem]]:
    """Ask every carrier that is meant; return what was told, by name, or what is wrong with it.

    Who asks for all does not mean those that cannot be asked.
    """
    from paquebot.tending import NotTended

    told: list[tuple[str, Told | Problem]] = []
    for carrier in node.carriers(names, via):
        try:
            told.append((carrier.name, ask(carrier)))
        except (TransportError, PluginError) as error:
            if isinstance(error, NotTended) and not names:
                continue
            told.append((carrier.name, Problem(carrier.name, str(error), error.exit_code)))
    return told


def _tell(
    told: list[tuple[str, Told | Problem]],
    as_json: Callable[[Told], dict[str, object]],
    say: Callable[[str, Told], None],
    wants_json: bool,
) -> int:
    """Print what each carrier told, or what is wrong with it; return the exit code of the first trouble."""
    if wants_json:
        output.as_json(
            [
                {"carrier": name, "error": found.what, "exit_code": found.exit_code}
                if isinstance(found, Problem)
                else {"carrier": name, **as_json(found)}
                for name, found in told
            ]
        )
    for name, found in told if not wants_json else ():
        if isinstance(found, Problem):
            click.echo(printable(str(found), 4_096), err=True)
        else:
            say(name, found)
    return next((found.exit_code for _, found in told if isinstance(found, Problem)), 0)


def _called(whose: str, open_keys: bool) -> str:
    return "for us or others" if whose == "others'" and not open_keys else whose


def _say(name: str, found: Inventory, open_keys: bool) -> None:
    facts = [f"volume {found.medium}" if found.medium else "no volume id yet"]
    facts.append(f"{output.size(found.bytes)} aboard")
    if found.room is not None:
        facts.append(f"{output.size(found.room)} free")
    if not found.writable:
        facts.append("cannot be written to")
    if found.shared_by:
        facts.append(f"shared by {found.shared_by}")
    at = f" at {found.where}" if found.where not in ("", name) else ""
    click.echo(printable(f"{name}{at}: {', '.join(facts)}", 4_096))
    rows = [
        (
            _called(each.whose.value, open_keys),
            str(each.parcels),
            output.size(each.bytes),
            str(each.urgent),
            str(each.acknowledged),
            str(each.expired),
        )
        for each in found.stocks
    ]
    output.table(("ENVELOPES", "COUNT", "BYTES", "URGENT", "ACKNOWLEDGED", "EXPIRED"), rows)
    for where in found.damaged:
        click.echo(f"damaged: {printable(where, 4_096)}")
    if not found.complete:
        click.echo("There is more here than one look can take in.")


def _as_json(found: Inventory, open_keys: bool) -> dict[str, object]:
    return {
        "volume": found.medium,
        "where": found.where,
        "bytes": found.bytes,
        "free": found.room,
        "writable": found.writable,
        "shared_by": found.shared_by,
        "complete": found.complete,
        "damaged": list(found.damaged),
        "envelopes": {
            _called(each.whose.value, open_keys): {
                "count": each.parcels,
                "bytes": each.bytes,
                "urgent": each.urgent,
                "acknowledged": each.acknowledged,
                "expired": each.expired,
            }
            for each in found.stocks
        },
    }


def _say_freed(name: str, freed: Sequence[Freed], dry_run: bool) -> None:
    done = [each for each in freed if each.files]
    would = "would free" if dry_run else "freed"
    total = sum(each.bytes for each in done)
    click.echo(f"{printable(name)}: {would} {output.size(total)}" if done else f"{printable(name)}: nothing to free")
    for each in done:
        click.echo(f"  {output.count(each.files, 'file')}, {output.size(each.bytes)}: {printable(each.what)}")


def _freed_json(freed: Sequence[Freed]) -> list[dict[str, object]]:
    return [{"what": each.what, "files": each.files, "bytes": each.bytes} for each in freed]


def _say_findings(name: str, found: Sequence[Finding], read: int) -> None:
    for each in found:
        click.echo(f"{printable(each.where, 4_096)}: {printable(each.reason, 4_096)}", err=each.damage)
    damaged = sum(each.damage for each in found)
    whole = f"all is whole ({output.size(read)} read)" if read else "nothing of paquebot's is there"
    click.echo(f"{printable(name)}: {f'{damaged} damaged' if damaged else whole}")


def _finding_json(finding: Finding) -> dict[str, object]:
    return {"where": finding.where, "what": finding.reason, "damage": finding.damage}
