"""`receive`: one mail from a filter or a pipe, or those in a maildir."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paquebot import config, lookup, registry
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import BadSignature, ConfigError, KeysLocked, PaquebotError, Permanent
from paquebot.transport import Takes

if TYPE_CHECKING:
    from paquebot.letters import Opens

TAKEN, DAMAGED, NOT_NOW, NOT_OURS = 0, 65, 75, 77  # as sysexits.h, procmail and Postfix's pipe have them
_SEALED = (b"-----BEGIN PGP MESSAGE-----", b"application/pgp-encrypted")
_LOCKED = "nobody is here to unlock the keys"
_NO_FILE = (errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO)  # gone, or a link, a folder, a socket
MESSAGE_BYTES_MAX = 32 << 20  # the largest mail that anybody's server takes, and some


@click.command("receive")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--maildir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take those in this maildir that are ours; nothing in it is changed.",
)
@click.pass_obj
def receive_command(setting: Setting, names: tuple[str, ...], maildir: Path | None) -> int:
    """Take in one mail from standard input; the next sync, or `paquebot run` at once, opens what is in it.

    What a person wrote to a key of this node (see `paquebot key export`) is set aside at once, to be read:
    `paquebot quarantine list`. Nothing else is done about it.

    For procmail, Sieve's execute, or a pipe of the mail server. It works beside whoever has the home open, and says
    by its exit code what to do with the mail: 0 it is safe here (also if it was before), 75 try again later, 65 it is
    for us and damaged, 77 it is none of ours: deliver it as always. NAMEs are carriers of config.toml.

    \b
    Examples:
      | "paquebot receive"                                    (an alias for an address that is ours alone)
      :0 w                                                    (procmail: what is not ours goes on)
      * ^X-Paquebot-Part:
      | paquebot receive
      paquebot receive --maildir ~/Maildir
    """
    try:
        takers = [*_takers(setting.home, names), _Letters(setting)]
        if maildir is not None:
            return _from_maildir(setting.home, takers, maildir)
        message = sys.stdin.buffer.read(MESSAGE_BYTES_MAX + 1)
        return _take(takers, message, "the mail")
    except KeysLocked:
        click.echo(f"it may be a letter to this node; {_LOCKED}", err=True)
        return NOT_OURS
    except (PaquebotError, OSError) as error:
        click.echo(printable(str(error)), err=True)
        return NOT_NOW


def _takers(home: Path, names: tuple[str, ...]) -> list[Takes]:
    """Return the carriers that take what is handed in. Raise `ConfigError` if there is none."""
    from paquebot.awake import Onlooker

    read, found = config.read(home / config.FILE_NAME), list[Takes]()
    for carrier in lookup.carriers(read, names, ()) if names else read.carriers:
        kind = registry.load(carrier.uses)
        settings = carrier.settings(kind.settings_type)
        transport = kind.open(settings, Onlooker(home, carrier))
        if isinstance(transport, Takes):
            found.append(transport)
    if not found:
        raise ConfigError(f"no carrier in {read.path} takes mails; see `paquebot help carriers`")
    return found


class _Letters:
    """Takes what people wrote to a key of this node. See `Takes`."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._opens: Opens | None = None  # a passphrase is asked for once, for however many letters

    def take(self, message: bytes) -> bool:
        """Set aside the letter in *message*, to be read; return False if there is none. Raise `KeysLocked`."""
        if not any(sign in message for sign in _SEALED):
            return False
        from paquebot import letters

        try:
            with self._setting.look() as node:
                self._opens = self._opens or letters.opener(node.envelope_keys.secrets())
                letter = letters.find(node.view, self._opens, message, node.now())
        except BadSignature as damage:
            raise Permanent(str(damage)) from None
        if letter is None:
            return False
        with self._setting.node() as node:
            node.commit(letters.set_aside(node.view, letter, message, node.now()))
        return True


def _take(takers: list[Takes], message: bytes, what: str) -> int:
    if len(message) > MESSAGE_BYTES_MAX:
        click.echo(f"{what} is larger than any that is ours", err=True)
        return NOT_OURS
    try:
        if any(taker.take(message) for taker in takers):
            return TAKEN
    except Permanent as error:
        click.echo(f"{what} is damaged: {printable(str(error))}", err=True)
        return DAMAGED
    return NOT_OURS


def _from_maildir(home: Path, takers: list[Takes], maildir: Path) -> int:
    """Take what is new in *maildir*; what was looked at is remembered by its name, which flags do not change."""
    folder = home / "carriers" / "maildirs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    memory = folder / sha256(os.fsencode(maildir.absolute())).hexdigest()[:16]
    seen = set(memory.read_bytes().split(b"\n")) if memory.exists() else set()
    present, taken, locked, worst = set[bytes](), 0, 0, TAKEN
    try:
        for path in _messages(maildir):
            name = os.fsencode(path.name.partition(":")[0])
            present.add(name)
            if name in seen:
                continue
            try:
                code = _take(takers, _content(path), printable(path.name))
            except KeysLocked:
                locked += 1
                continue
            except (PaquebotError, OSError) as error:  # it may go the next time, and the others do now
                click.echo(f"{printable(path.name)} has to wait: {printable(_why(error))}", err=True)
                worst = max(worst, NOT_NOW)
                continue
            taken += code == TAKEN
            worst = max(worst, code if code == DAMAGED else TAKEN)
            seen.add(name)
    finally:
        draft = memory.with_suffix(".part")
        draft.write_bytes(b"\n".join(sorted(seen & present if present else seen)))
        draft.replace(memory)
    if locked:
        click.echo(f"{output.count(locked, 'mail')} may be letters to this node; {_LOCKED}", err=True)
    click.echo(f"{output.count(taken, 'mail')} taken in.", err=True)
    return worst


def _why(error: PaquebotError | OSError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _messages(maildir: Path) -> Iterator[Path]:
    for part in ("new", "cur"):
        if (maildir / part).is_dir():
            yield from sorted(each for each in (maildir / part).iterdir() if not each.name.startswith("."))


def _content(path: Path) -> bytes:
    """Return a plain file's bytes; nothing of anything else, or of one that went meanwhile. Raise `OSError`."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            return file.read(MESSAGE_BYTES_MAX + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError as error:
        if error.errno in _NO_FILE:
            return b""
        raise
