"""`quarantine`: what was set aside, why, and what to do about it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from paquebot.amounts import duration
from paquebot.aside import CODES
from paquebot.cli import output
from paquebot.cli.looking import say_text
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Handwritten, Misused
from paquebot.node import Node
from paquebot.protocol.stamp import Millis
from paquebot.report import Report
from paquebot.store.aside import FORGOTTEN
from paquebot.store.view import Quarantined


@click.group("quarantine")
def quarantine_command() -> None:
    """See, release or purge what was set aside: bytes that were refused, with the reason.

    It cannot fill the disk: at most 64 MiB of one sender and 256 MiB in all are kept; beyond that the oldest bytes
    of whoever has most there go first. What they were stays listed, and what leaves the list is counted.
    """


@quarantine_command.command("list")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_pieces(setting: Setting, wants_json: bool) -> None:
    """List what was set aside, oldest first.

    \b
    Examples:
      paquebot quarantine list
      paquebot quarantine list --json
    """
    with setting.look() as node:
        pieces, names = node.view.quarantined(), _names(node)
        forgotten = node.view.tally(FORGOTTEN)
    if wants_json:
        output.as_json({"pieces": [_as_json(each, names) for each in pieces], "forgotten": forgotten})
        return
    if pieces:
        head = ("NUMBER", "WHEN (UTC)", "WHY", "FROM", "WHERE", "SIZE", "REASON")
        output.table(head, [_row(each, names) for each in pieces])
    elif sys.stdout.isatty():
        click.echo("Nothing is set aside.", err=True)
    if forgotten:
        click.echo(f"{output.count(forgotten, 'older piece')} had to make room and left this list.", err=True)


def _row(piece: Quarantined, names: dict[str, str]) -> tuple[str, ...]:
    size = output.size(piece.bytes)
    return (
        str(piece.id),
        output.moment(piece.at)[:16],
        piece.code,
        names.get(piece.sender or "", "unknown"),
        piece.where,
        size if piece.kept else f"{size}, dropped",
        piece.reason,
    )


@quarantine_command.command("show")
@click.argument("number", type=int, metavar="NUMBER")
@click.option("--save", "target", type=click.Path(path_type=Path, allow_dash=True), help="Write its bytes to a file.")
@click.option("--force", is_flag=True, help="Replace what is there already.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show_piece(setting: Setting, number: int, target: Path | None, force: bool, wants_json: bool) -> None:
    """Say what one piece is, as far as anyone can tell without trusting it. Its bytes are never printed.

    Only of a letter, which a person wrote to a key of this node, the text is; --save writes it as a mail, with what is
    attached.

    \b
    Examples:
      paquebot quarantine show 3
      paquebot quarantine show 3 --save letter.eml
      paquebot quarantine show 3 --save suspicious.bin
    """
    from paquebot import inspection
    from paquebot.folders import write_to

    with setting.look() as node:
        piece, names, now = node.piece(number), _names(node), node.now()
        data = node.piece_bytes(piece) if piece.kept or target else None
    if target is not None and data is not None:
        write_to(target, lambda: [data], force=force)
    found, name = None, f"number {number}"
    if data is not None and piece.code == Handwritten.code:
        found = inspection.read_letter(name, data, now)
    elif data is not None:
        found = inspection.inspect([(name, data)], [], now)[0]
    if wants_json:
        output.as_json({**_as_json(piece, names), "inspection": found.as_json() if found else None})
        return
    click.echo(f"number   {piece.id}")
    click.echo(f"why      {printable(piece.code)}: {CODES.get(piece.code, CODES['refused'])}")
    click.echo(f"reason   {printable(piece.reason)}")
    click.echo(f"from     {printable(names.get(piece.sender or '', 'unknown'))}")
    click.echo(f"where    {printable(piece.where)}")
    click.echo(f"when     {output.moment(piece.at)}")
    click.echo(f"sha256   {piece.digest.hex()}")
    if found is None:
        click.echo(f"bytes    {piece.bytes}; they had to make room for others")
    else:
        click.echo(f"what     {found.kind}")
        for what, value in found.facts:
            click.echo(f"  {what}: {value}")
        say_text(found.text if piece.code == Handwritten.code else "")
        for check in found.checks:
            if check.verdict is False:
                click.echo(f"  FAILED  {check.what}: {check.detail}")


@quarantine_command.command("release")
@click.argument("numbers", type=int, nargs=-1, required=True, metavar="NUMBER...")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def release_pieces(setting: Setting, numbers: tuple[int, ...], wants_json: bool) -> int:
    """Give pieces back to be judged as if they came now: after `peer add`, say, or when the clock is right again.

    They pass the same checks as everything that arrives. What is refused again stays set aside, and why is said.

    \b
    Example:
      paquebot quarantine release 3
    """
    with setting.node() as node:
        pieces = [node.piece(number) for number in numbers]
        reports = [(piece, asyncio.run(node.judge_again(piece))) for piece in pieces]
    if wants_json:
        output.as_json([{"number": piece.id, **_outcome(report)} for piece, report in reports])
    for piece, report in reports if not wants_json else ():
        for finding in report.findings:
            click.echo(f"{printable(finding.where)}: refused again: {printable(finding.what)}", err=True)
        if not report.findings:
            click.echo(f"number {piece.id}: taken in; {_counts(report)}")
    return max(report.exit_code for _, report in reports)


def _outcome(report: Report) -> dict[str, object]:
    return {
        "taken": not report.findings,
        "outcomes": dict(sorted(report.outcomes.items())),
        "new": report.new,
        "reason": report.findings[0].what if report.findings else None,
    }


def _counts(report: Report) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(report.outcomes.items())) or "nothing new was in it"


@quarantine_command.command("purge")
@click.argument("numbers", type=int, nargs=-1, metavar="[NUMBER]...")
@click.option("--older-than", "age", metavar="AGE", help="All that were set aside longer ago: 90d, 12h, 4w.")
@click.option("--all", "everything", is_flag=True, help="All.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def purge_pieces(
    setting: Setting, numbers: tuple[int, ...], age: str | None, everything: bool, yes: bool, wants_json: bool
) -> None:
    """Delete the bytes of pieces for good. That they were refused stays known: they are not asked for again.

    \b
    Examples:
      paquebot quarantine purge 3 4
      paquebot quarantine purge --older-than 90d --yes
    """
    if sum((bool(numbers), age is not None, everything)) != 1:
        raise Misused("say which: NUMBERs, --older-than AGE, or --all")
    longest = duration(age) if age is not None else 0
    with setting.look() as node:
        chosen = [node.piece(number) for number in dict.fromkeys(numbers)] or list(node.view.quarantined())
        if age is not None:
            chosen = [each for each in chosen if each.at < Millis(node.now() - longest)]
    size = sum(each.bytes for each in chosen if each.kept)
    if chosen:
        output.confirm(f"Delete {output.count(len(chosen), 'piece')}, {output.size(size)}, for good?", yes=yes)
        with setting.node() as node:
            node.purge(chosen)
    if wants_json:
        output.as_json({"purged": [each.id for each in chosen], "bytes": size})
    else:
        click.echo(f"{output.count(len(chosen), 'piece')} purged, {output.size(size)}.")


def _names(node: Node) -> dict[str, str]:
    return {peer.node: peer.name for peer in node.view.peers()}


def _as_json(piece: Quarantined, names: dict[str, str]) -> dict[str, object]:
    return {
        "number": piece.id,
        "code": piece.code,
        "reason": piece.reason,
        "sender": piece.sender,
        "sender_name": names.get(piece.sender or ""),
        "where": piece.where,
        "bytes": piece.bytes,
        "kept": piece.kept,
        "sha256": piece.digest.hex(),
        "resource": piece.item,
        "at": output.iso(piece.at),
    }
