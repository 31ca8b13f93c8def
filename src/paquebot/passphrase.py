"""Where passphrases come from when they are needed, in one order, each asked for once at most.

systemd's credentials directory, a command, a file descriptor, a key file, the keyring if it was asked for, and at last
a person at a terminal. Never the command line, which every process may read, and never a variable of the environment,
which every child inherits and every crash report copies.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from paquebot import config
from paquebot.errors import ConfigError, KeysLocked, Misused, WrongKey
from paquebot.vault import files, locking

__all__ = ["Passphrases", "Which", "read_line"]

COMMAND_SECONDS = 60  # a smart card may want to be touched
Ask = Callable[[str], "str | None"]
"""Ask a person, hiding what is typed; None if nobody is there."""


class Which(Enum):
    """Whose passphrase it is; the value ends the name of the systemd credential."""

    HOME = ""
    USER = "-user"
    EXPORT = "-export"


PROMPTS = {
    Which.HOME: "Passphrase of {home}: ",
    Which.USER: "Passphrase of the user key in {home}: ",
    Which.EXPORT: "Passphrase of the export: ",
}


def nobody(prompt: str) -> str | None:
    """Answer for a person who is not there."""
    return None


@dataclass(slots=True)
class Passphrases:
    """The passphrases of one home. What was given once is kept for as long as this lives, and never shown."""

    home: Path
    fd: int | None = None
    """A file descriptor whose first line is the home's passphrase, and the second that of the user key."""
    export_fd: int | None = None
    """A file descriptor whose first line is the passphrase of an export."""
    ask: Ask = nobody
    _given: dict[Which, bytes] = field(default_factory=dict, repr=False)

    def get(self, which: Which) -> bytes:
        """Return a passphrase from the first source there is. Raise `KeysLocked`, `WrongKey` or `ConfigError`."""
        if which not in self._given:
            found = next(self._sources(which), None)
            if found is None:
                raise KeysLocked(self._remedy(which))
            self._given[which] = locking.normal(found)
        return self._given[which]

    def forget(self, which: Which) -> None:
        """Ask anew when it is needed again."""
        self._given.pop(which, None)

    def _sources(self, which: Which) -> Iterator[bytes]:
        told = config.read(self.home / config.FILE_NAME).secrets
        if (credential := _credential(told.credential + which.value)) is not None:
            yield credential
        if which is Which.HOME and told.command:
            yield _run(told.command)
        if which is Which.EXPORT and self.export_fd is not None:
            yield read_line(self.export_fd)
        elif which is not Which.EXPORT and self.fd is not None:
            if which is Which.USER and Which.HOME not in self._given:
                self.get(Which.HOME)  # the first line
            yield read_line(self.fd)
        if which is Which.HOME and told.key_file:
            yield files.read_secret(Path(told.key_file))
        if which is Which.HOME and told.keyring:
            yield _from_keyring(self.home)
        if (typed := self.ask(PROMPTS[which].format(home=self.home))) is not None:
            yield typed.encode("utf-8", "surrogateescape")

    def _remedy(self, which: Which) -> str:
        place = self.home / config.FILE_NAME
        match which:
            case Which.EXPORT:
                return (
                    "an export is locked by a passphrase; give it by --export-passphrase-fd N, e.g. 9</etc/export-pass"
                )
            case Which.USER:
                return (
                    "the user key is locked by a passphrase of its own; type it on a terminal, or give it as the second"
                    " line of paquebot --passphrase-fd N"
                )
            case Which.HOME:
                return (
                    f"the keys in {self.home} are locked by a passphrase. For cron and services, put one of these into"
                    f" {place}:\n  [secrets]\n"
                    '  command = "pass show paquebot"        # a command that prints it\n'
                    '  key_file = "/etc/paquebot/passphrase"  # mode 0600, in a directory of mode 0700\n'
                    "or give systemd's LoadCredential=paquebot:FILE, or paquebot --passphrase-fd N"
                )


def read_line(fd: int) -> bytes:
    """Return the next line of file descriptor *fd*, read byte by byte so that the rest stays. Raise `Misused`."""
    line = b""
    try:
        while len(line) <= locking.PASSPHRASE_BYTES_MAX and (byte := os.read(fd, 1)) and byte != b"\n":
            line += byte
    except OSError as error:
        raise Misused(f"no passphrase can be read from file descriptor {fd}: {error.strerror}") from None
    if not line:
        raise WrongKey(f"file descriptor {fd} gives no passphrase")
    return line


def _credential(name: str) -> bytes | None:
    """Return what systemd put there for this service; None if it put nothing. Raise `WrongKey` or `ConfigError`."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        return None
    if "/" in name or not os.path.isabs(folder):
        raise ConfigError(f"the credential {name!r} is no name of a file in $CREDENTIALS_DIRECTORY")
    path = Path(folder) / name
    try:
        with open(path, "rb", opener=_unfollowed) as file:
            found = os.fstat(file.fileno())
            # systemd lets a service's user in by an access control list, which shows as group permissions to read.
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o027:
                raise WrongKey(f"the credential {path} is no file that only this service may read; chmod 400 {path}")
            return file.read(locking.PASSPHRASE_BYTES_MAX + 2)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WrongKey(f"the credential {path} cannot be read: {error.strerror}") from None


def _unfollowed(name: str, _: int) -> int:
    """Open *name* unless it is a link, without waiting for whoever writes to a pipe."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _run(command: str) -> bytes:
    """Return what *command* prints. Raise `WrongKey` or `ConfigError`."""
    try:
        words = shlex.split(command)
        if not words:
            raise ValueError
    except ValueError:
        raise ConfigError("[secrets] command is not a command: a quote is not closed, or nothing is in it") from None
    try:
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: S603 theirs
            try:
                said, _ = process.communicate(timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise WrongKey(f"the passphrase command {words[0]!r} took longer than a minute") from None
    except OSError as error:
        raise WrongKey(f"the passphrase command {words[0]!r} cannot be run: {error.strerror}") from None
    if process.returncode:
        raise WrongKey(f"the passphrase command {words[0]!r} failed with {process.returncode}")
    return said.split(b"\n", 1)[0]


def _from_keyring(home: Path) -> bytes:
    """Return what the desktop's keyring keeps for *home*. Raise `ConfigError` or `WrongKey`."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError("[secrets] keyring = true needs: pip install 'paquebot[keyring]'") from None
    name = str(home.absolute())
    try:
        found = keyring.get_password("paquebot", name)
    except KeyringError:
        raise WrongKey("the keyring cannot be used: it is locked, or there is none") from None
    if found is None:
        raise WrongKey(f"the keyring holds no passphrase; put it there: keyring set paquebot {shlex.quote(name)}")
    return str(found).encode()
