"""Where an account's password or token comes from. It is never in the configuration, and never in any message."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paquebot.transport import ConfigError, Denied
from paquebot_mail.settings import MailSettings

__all__ = ["Secrets"]

COMMAND_SECONDS = 60  # a smart card may want to be touched
_BYTES_MAX = 16_384  # tokens are long


@dataclass(slots=True)
class Secrets:
    """The secret of one account, asked for anew at each sign-in; only a descriptor gives it once, and it is kept."""

    settings: MailSettings
    _given: str = field(default="", repr=False)

    @property
    def token(self) -> bool:
        """Whether it is an OAuth 2 access token, and no password."""
        return bool(self.settings.oauth_command)

    def get(self) -> str:
        """Return the secret; takes as long as a command or a person does. Raise `ConfigError` or `Denied`."""
        if self.settings.password_fd >= 0:
            self._given = self._given or _read(self.settings)
            return self._given
        return _read(self.settings)

    async def secret(self) -> str:
        """Return the secret, and let others work meanwhile."""
        return await asyncio.to_thread(self.get)


def _read(settings: MailSettings) -> str:
    if settings.oauth_command:
        return _text("oauth_command", _run("oauth_command", settings.oauth_command))
    if settings.password_command:
        return _text("password_command", _run("password_command", settings.password_command))
    if settings.credential:
        return _text("credential", _credential(settings.credential))
    if settings.password_file:
        path = Path(settings.password_file)
        return _text("password_file", _file(path, 0o077, "readable by you alone; chmod 600"))
    if settings.keyring:
        return _from_keyring(settings.address)
    if settings.password_fd >= 0:
        return _text("password_fd", _line(settings.password_fd))
    raise ConfigError(
        "it does not say where the password comes from; for example:"
        ' password_command = ["pass", "show", "node-mail"], or password_file = "~/.config/paquebot/mail" (mode 0600)'
    )


def _text(where: str, data: bytes) -> str:
    try:
        found = data.split(b"\n", 1)[0].rstrip(b"\r").decode()
    except UnicodeDecodeError:
        found = ""
    if not found or not found.isprintable():
        raise Denied(f"{where} gives no password: its first line is empty, or holds what nobody can type")
    return found


def _run(where: str, words: Sequence[str]) -> bytes:
    words = [os.path.expanduser(words[0]), *words[1:]]
    try:
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: S603 theirs
            try:
                said, _ = process.communicate(timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise Denied(f"{where}: {words[0]!r} took longer than a minute") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: {words[0]!r} cannot be run: {getattr(error, 'strerror', error)}") from None
    if process.returncode:
        raise Denied(f"{where}: {words[0]!r} failed with {process.returncode}")
    return said[:_BYTES_MAX]


def _credential(name: str) -> bytes:
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not os.path.isabs(folder) or "/" in name:
        raise ConfigError(f"credential = {name!r}: there is no $CREDENTIALS_DIRECTORY; say LoadCredential={name}:FILE")
    # systemd lets a service's user in by an access control list, which shows as group permissions to read.
    return _file(Path(folder) / name, 0o027, "one that this service alone may read; chmod 400")


def _file(path: Path, forbidden: int, remedy: str) -> bytes:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or found.st_mode & forbidden:
                raise ConfigError(f"{path} must be a plain file of yours, {remedy} {path}")
            return file.read(_BYTES_MAX)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _line(fd: int) -> bytes:
    """Return the next line of *fd*, read byte by byte so that the rest stays."""
    line = b""
    try:
        while len(line) < _BYTES_MAX and (byte := os.read(fd, 1)) and byte != b"\n":
            line += byte
    except OSError as error:
        raise ConfigError(f"password_fd = {fd} cannot be read: {error.strerror}") from None
    return line


def _from_keyring(address: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError("keyring = true needs: pip install 'paquebot[keyring]'") from None
    try:
        found = keyring.get_password("paquebot-mail", address)
    except KeyringError:
        raise Denied("the keyring cannot be used: it is locked, or there is none") from None
    if found is None:
        raise Denied(f"the keyring holds no password; put it there: keyring set paquebot-mail {address}")
    return str(found)
