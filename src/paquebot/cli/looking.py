"""`inspect` and `demo`: they need no home."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paquebot import home as homes
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Malformed, Misused, Refused
from paquebot.protocol.identity import public_key_from_pem
from paquebot.protocol.stamp import Millis, parse_time

if TYPE_CHECKING:
    from paquebot import inspection
    from paquebot.node import Node
    from paquebot.vault.letters import Letter

VERDICTS = {True: "ok", False: "FAILED", None: "not checked"}


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--key", "keys", multiple=True, type=click.Path(path_type=Path), help="A public key (PEM) to check with.")
@click.option("--at", metavar="DATE", help="Judge expiry at this date (2016-01-01) instead of today.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def inspect_command(
    setting: Setting, files: tuple[Path, ...], keys: tuple[Path, ...], at: str | None, wants_json: bool
) -> int:
    """Say what a file is, and check it: a container, signature object, journal text, card, invitation, key,
    envelope, opened bundle, a stick's crate or slip, or a saved mail.

    A mail that a person wrote to a key of this home, from Delta Chat, Thunderbird or gpg, is opened and shown; who
    signed it is said. Identities found in any of the FILES serve as keys for the others. Exits with 0 only if every
    check holds: a letter with no signature that is known here does not.

    \b
    Examples:
      paquebot inspect bob-identity-signature.json --at 2016-01-01
      paquebot inspect trust.json journal.txt --key bob.pem
      paquebot inspect answer.eml
    """
    from paquebot import inspection
    from paquebot.node import wall_clock

    moment = _date(at) if at else wall_clock()
    known = []
    for path in keys:
        try:
            known.append(public_key_from_pem(path.read_text("ascii", "replace")))
        except Refused as error:
            raise Misused(f"{path}: {error}") from None
    with ExitStack() as opened:
        opens = _opener(setting, opened) if homes.holds_node(setting.home) else None
        found = inspection.inspect([(str(path), _read(path)) for path in files], known, moment, opens)
    if wants_json:
        output.as_json([each.as_json() for each in found])
    else:
        for each in found:
            _say(each)
    return 0 if all(each.holds for each in found) else 1


def _opener(setting: Setting, opened: ExitStack) -> Callable[[bytes], Letter]:
    """Return what opens letters with the keys of the home, which are read when the first one is here."""
    from paquebot import letters

    @cache
    def node() -> Node:
        return opened.enter_context(setting.look())

    def opens(message: bytes) -> Letter:
        return letters.read(node().view, letters.opener(node().envelope_keys.secrets()), message, node().now())

    return opens


def say_text(text: str) -> None:
    """Print what others wrote, each line with a mark before it, so that none of it passes for ours."""
    for line in text.split("\n") if text else ():
        click.echo(f"  | {printable(line, 10 * len(line) + 1)}".rstrip())


def _say(found: inspection.Inspection) -> None:
    click.echo(f"{printable(found.name)}: {printable(found.kind)}")
    for what, value in found.facts:
        click.echo(f"  {printable(what)}: {printable(value)}")
    say_text(found.text)
    for check in found.checks:
        detail = f" ({printable(check.detail)})" if check.detail else ""
        click.echo(f"  {VERDICTS[check.verdict]:<11} {printable(check.what)}{detail}")


def _read(path: Path) -> bytes:
    from paquebot import inspection

    stream = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    with stream:
        return stream.read(inspection.FILE_BYTES_MAX + 1)


def _date(text: str) -> Millis:
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00.000Z")
    except Malformed:
        raise Misused(f"{text!r} is not a date such as 2016-01-01 or 2016-01-01T12:00:00.000Z") from None


@click.command("demo")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the two homes and the stick in this folder.")
def demo_command(keep: Path | None) -> int:
    """Show two nodes syncing by a stick: one is lost, one comes twice, one is damaged, and all ends well.

    Everything is real: separate homes and processes, OpenPGP, files on a folder that stands for the stick.

    \b
    Examples:
      paquebot demo
      paquebot demo --keep /tmp/look
    """
    from paquebot import demo

    return demo.run(keep)
