"""What ``[transport.NAME]`` says of a mailbox, as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import inf

from paquebot.transport import ConfigError, PathText
from paquebot_mail.form import is_address, is_subject
from paquebot_mail.server import Server, Tls

__all__ = ["LimitsTable", "MailSettings", "PriceTable", "Retire", "ServerTable", "amount", "count", "size"]

TLS = ("implicit", "starttls")
_SIZE = re.compile(r"(\d{1,9})\s*(B|kB|KiB|MB|MiB|GB|GiB|)", re.ASCII)
_UNITS = {"": 1, "B": 1, "kB": 1000, "KiB": 1 << 10, "MB": 10**6, "MiB": 1 << 20, "GB": 10**9, "GiB": 1 << 30}
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.ASCII)
_AFTER = re.compile(r"(.*?)(?::(\d{1,4})([dh]))?")
_FOLDER_MAX = 200
_CURRENCY_MAX = 12
MESSAGE_BYTES_MIN = 30_000  # of a mail: a first envelope, with our card in it, has to fit
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def amount(text: str | int) -> int:
    """Return a size in bytes. Raise `ConfigError`.

    >>> amount("25 MB"), amount("30kB"), amount(4096)
    (25000000, 30000, 4096)
    """
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if isinstance(text, int) and text >= 0:
        return text
    if found is None:
        raise ConfigError(f'{text!r} is no size; write "25 MB"')
    return int(found[1]) * _UNITS[found[2]]


def size(count: int) -> str:
    """Return a size as people write it.

    >>> size(200_000), size(25_000_000), size(999)
    ('200 kB', '25 MB', '999 B')
    """
    for unit, length in (("MB", 10**6), ("kB", 1000)):
        if count >= length:
            return f"{count / length:.3g} {unit}"
    return f"{count} B"


def count(number: int, noun: str) -> str:
    """Return a number of things.

    >>> count(1, "mail"), count(2, "mail")
    ('1 mail', '2 mails')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, slots=True)
class ServerTable:
    """Where a server is. TLS is verified always; with ``starttls`` nothing is said before it stands."""

    host: str
    port: int = 0
    """0 for the usual one."""
    tls: str = "implicit"
    """``implicit`` or ``starttls``."""

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            apart = "; the port stands by itself: port = …" if ":" in self.host else ""
            raise ConfigError(f"host = {self.host!r} is no name of a server{apart}")
        if not 0 <= self.port < 1 << 16:
            raise ConfigError(f"port = {self.port} is none")
        if self.tls not in TLS:
            raise ConfigError('tls is "implicit" or "starttls"; there is no way without')

    def server(self, ca_file: str = "") -> Server:
        """Return the same for those who connect there."""
        return Server(self.host, self.port, Tls(self.tls), ca_file)

    def at(self, implicit: int, starttls: int) -> ServerTable:
        """Return the same with a port: one of these two, unless it is given."""
        return self if self.port else replace(self, port=implicit if self.tls == "implicit" else starttls)


@dataclass(frozen=True, slots=True)
class LimitsTable:
    """How much may be sent; 0 where the preset counts."""

    per_minute: int = 0
    """Mails."""
    per_day: int = 0
    """Mails."""
    message: str | int = 0
    """The largest mail: bytes, or a text such as "25 MB"."""
    bytes_per_day: str | int = 0
    """Of mails, both ways: whole ones as they are sent, and what is fetched, headers too; without it, any number."""

    def __post_init__(self) -> None:
        if min(self.per_minute, self.per_day, amount(self.message), amount(self.bytes_per_day)) < 0:
            raise ConfigError("a limit is less than nothing")
        if 0 < amount(self.message) < MESSAGE_BYTES_MIN:
            raise ConfigError(f"message: no mail of less than {MESSAGE_BYTES_MIN} bytes can carry an envelope")
        if 0 < amount(self.bytes_per_day) < MESSAGE_BYTES_MIN:
            raise ConfigError(f"bytes_per_day: at least one mail of {MESSAGE_BYTES_MIN} bytes a day must be possible")

    @property
    def message_bytes(self) -> int:
        """The largest mail in bytes."""
        return amount(self.message)

    @property
    def day_bytes(self) -> int:
        """How many bytes a day; 0 for any."""
        return amount(self.bytes_per_day)

    def over(self, other: LimitsTable) -> LimitsTable:
        """Return these limits, and those of *other* where nothing is said here."""
        names = ("per_minute", "per_day", "message", "bytes_per_day")
        return LimitsTable(*(getattr(self, name) or getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class PriceTable:
    """What the provider takes; 0 for nothing. An estimate is made of it, and no decision."""

    mail: float = 0
    """For each mail that is sent, whatever its size."""
    megabyte: float = 0
    """For a million bytes of mails, both ways."""
    currency: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.mail < inf and 0 <= self.megabyte < inf):
            raise ConfigError("a price is a number, and not less than nothing")
        if not self.currency.isprintable() or len(self.currency) > _CURRENCY_MAX:
            raise ConfigError('currency is a short word, such as "EUR"')


@dataclass(frozen=True, slots=True)
class Retire:
    """What becomes of a mail of ours when what it brought is applied here: never before, and of no other mail."""

    how: str
    """``keep``, ``move`` or ``expunge``."""
    folder: str = ""
    """Where to; folders of folders are written with ``/``."""
    after_ms: int = 0
    """How long it stays first."""

    @classmethod
    def parse(cls, text: str) -> Retire:
        """Return what *text* means. Raise `ConfigError`.

        >>> Retire.parse("move:Node/Done:7d")
        Retire(how='move', folder='Node/Done', after_ms=604800000)
        """
        how, _, rest = text.partition(":")
        found = _AFTER.fullmatch(rest if how == "move" else f":{rest}" if rest else "")
        folder, number, unit = found.groups() if found else ("", None, None)
        good = (how == "keep" and text == how) or (how == "expunge" and found and not folder)
        if how == "move" and folder and folder.isprintable() and len(folder) <= _FOLDER_MAX:
            good = True
        if not good:
            raise ConfigError(f'retire = {text!r}: write "keep", "move:FOLDER", "expunge" or "expunge:7d"')
        return cls(how, folder or "", int(number or 0) * (DAY_MS if unit == "d" else HOUR_MS))


@dataclass(frozen=True, slots=True)
class MailSettings:
    """A mailbox. Where a secret is given, one source is enough; the secret itself never stands here."""

    address: str
    """The mailbox's own bare address: peers write there, and what we send is from there."""
    preset: str = ""
    """A provider, or ``selfhosted``, ``chatmail``, ``satellite``; without it, what the address says."""
    imap: ServerTable | None = None
    smtp: ServerTable | None = None
    user: str = ""
    """By which one signs in, if it is not the address."""
    password_command: tuple[str, ...] = ()
    """A program and its arguments; the first line that it prints is the password. No shell runs it."""
    oauth_command: tuple[str, ...] = ()
    """A program and its arguments; the first line that it prints is an OAuth 2 access token."""
    credential: str = ""
    """The name of a file in systemd's $CREDENTIALS_DIRECTORY."""
    password_file: PathText = PathText("")
    """A file that holds it, mode 0600."""
    password_fd: int = -1
    """A file descriptor that gives it in its first line."""
    keyring: bool = False
    """Ask the desktop's keyring; needs ``pip install 'paquebot[keyring]'``."""
    ca_file: PathText = PathText("")
    """Certificates to trust instead of the system's: for servers of your own."""
    fetch: bool = True
    """False where mails come by `paquebot receive` alone, and no server is asked for them."""
    folder: str = "INBOX"
    retire: str = ""
    """``keep``, ``move:FOLDER``, ``expunge`` or ``expunge:7d``: what becomes of mails that are done with."""
    rescue_junk: bool = False
    """Take our mails out of the folder for junk; without it they are only reported."""
    letters: bool = False
    """True where nobody else reads this mailbox: then what people wrote to this node is fetched too, to be read."""
    subject: str = ""
    """What stands over every mail, for whoever looks into the mailbox."""
    limits: LimitsTable = LimitsTable()
    price: PriceTable | None = None
    """What mails cost, where they do."""
    latency_minutes: int = 60
    """How long a mail may take from here until it is looked at there."""

    def __post_init__(self) -> None:
        if not is_address(self.address):
            raise ConfigError(f"address = {self.address!r} is no bare mail address such as node@a.example")
        if self.subject and not is_subject(self.subject):
            raise ConfigError("subject is one line of ASCII")
        if not self.folder or not self.folder.isprintable() or len(self.folder) > _FOLDER_MAX:
            raise ConfigError(f"folder = {self.folder!r} is no name of a folder")
        if not 0 < self.latency_minutes <= 60 * 24 * 60:
            raise ConfigError("latency_minutes is between 1 and 86400")
        if self.retire:
            Retire.parse(self.retire)
        if len(self.sources) > 1:
            raise ConfigError(f"one source of the secret is enough, not {' and '.join(self.sources)}")
        if not self.user.isprintable():
            raise ConfigError("user holds characters that nobody can type")

    @property
    def sources(self) -> list[str]:
        """The names of the settings that say where the secret comes from."""
        named = ("password_command", "oauth_command", "credential", "password_file", "keyring")
        return [*(name for name in named if getattr(self, name)), *(["password_fd"] if self.password_fd >= 0 else [])]
