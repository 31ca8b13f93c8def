"""`recovery`: the user key on paper, and out of this home; and reading it back for `init --recover`."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import click

from paquebot import backup, sheet
from paquebot import home as homes
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Misused
from paquebot.keychain import USER_KEY
from paquebot.node import wall_clock
from paquebot.passphrase import Passphrases, Which
from paquebot.protocol.identity import PrivateKey
from paquebot.sheet import Sheet

ASKED = 3
"""How many words are to be typed back before the key is taken away."""

WORDS_FILE = click.option(
    "--words-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="The words, or what the QR code says, in a file; - for standard input.",
)


@click.command("recovery")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page for a browser to print.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write a picture of the page.")
@click.option("--take-away", is_flag=True, help="Then remove the user key from this home, once words were typed back.")
@WORDS_FILE
@click.option("--json", "wants_json", is_flag=True, help="Print JSON; without --html or --svg it holds the words.")
@click.pass_obj
def recovery_command(
    setting: Setting,
    html: Path | None,
    svg: Path | None,
    take_away: bool,
    words_file: Path | None,
    wants_json: bool,
) -> None:
    """Write a recovery sheet: the user key as 24 words and a QR code, to be printed and locked away.

    With it and a bare machine you are yourself again: `paquebot init --recover`. Whoever finds it is you, too.

    A node works without the user key, so it need not stay on a machine that may be stolen: --take-away removes it,
    after some of the words were typed back from the paper. Exports that were made before still hold it.

    \b
    Examples:
      paquebot recovery | lp
      paquebot recovery --html sheet.html --take-away
      paquebot recovery --take-away --words-file typed.txt
    """
    if words_file is not None and not take_away:
        raise Misused("--words-file checks the words before --take-away; to make a node: paquebot init --recover")
    if take_away and words_file is None and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Misused("nobody is here to type words back; give them all as --words-file FILE")
    passphrases = setting.passphrases()
    with homes.opened(setting.home) as store:
        chain, local = homes.keys(setting.home, passphrases), store.view.local()
        key = homes.user_key(setting.home, chain)
        now = max(store.view.clock().now(wall_clock()), store.view.founded())
        made = sheet.make(key, printable(local.name), (local.node,), now)
        for path, draw in ((html, sheet.as_html), (svg, sheet.as_svg)):
            if path is not None:
                _write(path, draw(made))
        written = [str(path) for path in (html, svg) if path is not None]
        if not written and not words_file and not wants_json:
            click.echo(sheet.as_text(made), nl=False)
        if take_away:
            _check_typed(made, words_file)
            chain.take_away(USER_KEY)
    if wants_json:
        value = {"user": local.user, "files": written, "taken_away": take_away}
        output.as_json(value if written or words_file else {**value, "words": list(made.words), "code": made.code})
        return
    for name in written:
        click.echo(f"{printable(name, 4_096)} holds the user key of {printable(local.name)}: print it, then delete it.")
    if take_away:
        click.echo(f"The user key of {printable(local.name)} is no longer in this home. Old exports may still hold it.")


def _write(path: Path, content: str) -> None:
    """Write a sheet to a new file that nobody else can read. Raise `Misused` if it is there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Misused(f"{path} is there already; choose another name") from None
    with open(handle, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _check_typed(made: Sheet, words_file: Path | None) -> None:
    """Raise `Misused` unless the sheet was read back: by a file, or a few words typed by a person."""
    if words_file is not None:
        if sheet.read(_text(words_file)).fingerprint != made.user:
            raise Misused("these words are another key than the one in this home; nothing was taken away")
        return
    if not made.words:
        raise Misused("scan the QR code into a file and give it as --words-file, so that the sheet is known to be good")
    for number in sorted(secrets.SystemRandom().sample(range(len(made.words)), ASKED)):
        typed = output.ask(f"Word {number + 1} on the sheet: ")
        if typed is None:
            raise Misused("nobody is here to type words back; give them all as --words-file FILE")
        if typed.strip().lower() != made.words[number]:
            raise Misused(f"word {number + 1} is another one; nothing was taken away")


def _text(path: Path) -> str:
    stream = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    with stream:
        return stream.read(sheet.TEXT_BYTES_MAX + 1).decode("utf-8", "replace")


def recovered(
    words_file: Path | None, export: Path | None, passphrases: Callable[[], Passphrases]
) -> tuple[PrivateKey, str]:
    """Return a user key and, if it is known, the user's name: from a sheet's words, or from an export.

    Raise `Misused`, `Refused` or `WrongKey`.
    """
    if export is not None:
        given = passphrases()
        with export.open("rb") as file:
            found = backup.open_(file, lambda: given.get(Which.EXPORT))
            return found.user_key(given), found.manifest.name
    if words_file is not None:
        return sheet.read(_text(words_file)), ""
    typed = output.ask("The 24 words of the sheet, in one line: ")
    if typed is None:
        raise Misused("nobody is here to type the words; give them as --words-file FILE, or --from EXPORT")
    return sheet.read(typed), ""
