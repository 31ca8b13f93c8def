"""How this machine is plugged in: TOML in, frozen dataclasses out, every mistake named with its remedy.

Whom we know and trust lives in the store, since it is signed data; how we reach the world lives in this file.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar, cast

from paquebot import amounts
from paquebot.errors import ConfigError, Misused
from paquebot.frozen import frozen
from paquebot.protocol import routes
from paquebot.protocol.account import Grant
from paquebot.protocol.carrying import Terms
from paquebot.protocol.events import Kind
from paquebot.protocol.limits import (
    ANSWER_BYTES,
    CARRY_DAYS_MAX,
    CARRY_HOPS_MAX,
    GRANT_BYTES,
    GRANT_ENVELOPES,
    GRANT_ITEMS,
    GRANT_WINDOW_MAX_MS,
    GRANT_WINDOW_MS,
    LIMIT_MEGABYTES_MIN,
    MIB,
    MINUTE_MS,
)
from paquebot.settings import known, settings
from paquebot.transport import PathText

FILE_NAME = "config.toml"
BYTES_MAX = 64 * 1024
LINE_BYTES_MAX = 1024  # Python's reader takes minutes for one key of a hundred thousand dots


@frozen
class Carrier:
    """One ``[transport.NAME]`` table: a name of ours, the transport it uses, and that one's settings."""

    name: str
    uses: str
    table: Mapping[str, Any]
    told: bool = True
    """Peers are told the address by which it reaches us, if it has one: ``announce = true``."""
    base: Path = Path()
    """Where relative paths in its table begin: the folder of config.toml, or for ``--via`` where one stands."""

    def settings(self, kind: type) -> object:
        """Return what its table says, as the settings dataclass *kind* of the transport that it uses.

        Raise `ConfigError`.
        """
        return settings(f"[transport.{self.name}]", kind, self.table, self.base)

    @property
    def route(self) -> str | None:
        """The route by which peers reach us with such a carrier. Raise `Misused` if its address can be none."""
        address = self.table.get("address")
        return routes.route(self.uses, address) if self.told and isinstance(address, str) and address else None


@frozen
class Secrets:
    """The ``[secrets]`` table: where the passphrase of the keys comes from when nobody is there to type it."""

    credential: str = "paquebot"
    """The name of a file in systemd's $CREDENTIALS_DIRECTORY."""
    command: str = ""
    """A command that prints it; words as in a shell, but no shell runs it."""
    key_file: PathText = PathText("")
    """A file that holds it: mode 0600, in a directory of mode 0700."""
    keyring: bool = False
    """Ask the desktop's keyring; needs ``pip install 'paquebot[keyring]'``."""


@frozen
class Hooks:
    """The ``[hooks]`` table: programs to run when something happens, and how long peers may be silent."""

    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By task (``on-arrival``): a program and its arguments. No shell runs it."""
    timeout: int = 60
    """Seconds that one run may take."""
    silence_days: int = 0
    """How long a peer may be silent before that is said; 0 for ever."""
    silence: Mapping[str, int] = field(default_factory=dict)
    """The same for single peers, by name."""


@frozen
class Output:
    """One ``[[output]]`` table: what arrives of a peer, or with a tag, is written into a folder."""

    path: str
    peer: str = ""
    tag: str = ""


@frozen
class Watch:
    """One ``[[watch]]`` table: what is put into a folder is published by the next sync."""

    path: str
    what: str = "file"
    """``file``, or ``message`` for texts."""
    tags: list[str] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    """For whom alone it is; without names, for all who may read."""
    settle: int = 10
    """A file is complete when it was not touched for so many seconds."""
    after: str = "move"
    """``move`` it to the folder *published* beside it, or ``delete`` it."""


@frozen
class KeepRule:
    """One ``[[keep.rule]]``: how long what it names is kept; without *days*, for ever."""

    peer: str | None = None
    tag: str | None = None
    kind: str | None = None
    """``message``, ``file`` or another schema's name."""
    days: int | None = None


@frozen
class Keep:
    """The ``[keep]`` table: how long and how much this home keeps. Without it, everything for ever."""

    days: int | None = None
    bytes: int | None = None
    unread: bool = False
    """Also forget what nobody here has looked at."""
    expired: bool = False
    """Forget what is of no use any more, as its author says."""
    rules: tuple[KeepRule, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether there is anything that it may want forgotten."""
        return self.days is not None or self.bytes is not None or self.expired or bool(self.rules)


@frozen
class Limits:
    """The ``[limits]`` table: what one peer may send, and is sent in answer, in one window of time."""

    window_minutes: int = GRANT_WINDOW_MS // MINUTE_MS
    envelopes: int = GRANT_ENVELOPES
    items: int = GRANT_ITEMS
    megabytes: int = GRANT_BYTES // MIB
    answer_megabytes: int = ANSWER_BYTES // MIB

    @property
    def grant(self) -> Grant:
        """The same for the engine."""
        bytes_, answers = self.megabytes * MIB, self.answer_megabytes * MIB
        return Grant(self.window_minutes * MINUTE_MS, self.envelopes, bytes_, self.items, answers)


@frozen
class _Carry:
    """The ``[carry]`` table as it is written."""

    contacts: str | int = Terms().contacts
    strangers: str | int = Terms().strangers
    hops: int = Terms().hops
    days: int = Terms().days


@frozen
class Config:
    """What the file says."""

    path: Path
    carriers: tuple[Carrier, ...] = ()
    secrets: Secrets = Secrets()
    hooks: Hooks = Hooks()
    outputs: tuple[Output, ...] = ()
    watches: tuple[Watch, ...] = ()
    keep: Keep = Keep()
    welcome: bool = False
    """Whoever introduces itself becomes a peer: ``accept = "first"``."""
    limits: Limits = Limits()
    carry: Terms = Terms()
    """What is carried for others."""

    @property
    def routes(self) -> list[str]:
        """Where this node can be reached, as its peers are told."""
        return [found for each in self.carriers if (found := each.route)]


def read(path: Path) -> Config:
    """Return the configuration in *path*; an empty one if there is no file. Raise `ConfigError`."""
    try:
        text = _content(path)
    except FileNotFoundError:
        return Config(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > BYTES_MAX:
        raise ConfigError(f"{path} is larger than any configuration")
    if max(map(len, text.split(b"\n"))) > LINE_BYTES_MAX:
        raise ConfigError(f"{path} has a line longer than {LINE_BYTES_MAX} bytes; break it up")
    try:
        value = tomllib.loads(text.decode())
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    known(str(path), value, ["transport", "accept", "secrets", "hooks", "output", "watch", "keep", "limits", "carry"])
    tables = value.get("transport", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: write [transport.NAME], not transport = …")
    carriers = tuple(_carrier(path, name, table) for name, table in tables.items())
    return Config(
        path,
        carriers,
        _secrets(path, value.get("secrets", {})),
        _hooks(path, value.get("hooks", {})),
        _tables(path, "output", value.get("output", []), Output),
        _watches(path, value.get("watch", [])),
        _keep(path, value.get("keep", {})),
        welcome=_welcome(path, value.get("accept", "ask")),
        limits=_limits(path, value.get("limits", {})),
        carry=_carry(path, value.get("carry", {})),
    )


def _carry(path: Path, table: object) -> Terms:
    where = f"{path}: [carry]"
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: write [carry], not carry = …")
    found = cast(_Carry, settings(where, _Carry, table))
    try:
        contacts, strangers = (amounts.size(str(each)) for each in (found.contacts, found.strangers))
    except Misused:
        raise ConfigError(f'{where}: write contacts = "1 GiB", strangers = "64 MiB"; 0 for none') from None
    if not (1 <= found.hops <= CARRY_HOPS_MAX and 1 <= found.days <= CARRY_DAYS_MAX):
        raise ConfigError(f"{where}: hops is 1 to {CARRY_HOPS_MAX}, days is 1 to {CARRY_DAYS_MAX}")
    return Terms(contacts=contacts, strangers=strangers, hops=found.hops, days=found.days)


def _limits(path: Path, table: object) -> Limits:
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: write [limits], not limits = …")
    found = cast(Limits, settings(f"{path}: [limits]", Limits, table))
    least = {"megabytes": LIMIT_MEGABYTES_MIN, "answer_megabytes": LIMIT_MEGABYTES_MIN}
    for name in table:
        if not least.get(name, 1) <= getattr(found, name) < 1 << 31:
            raise ConfigError(f"{path}: [limits]: {name} is at least {least.get(name, 1)}")
    if found.window_minutes * MINUTE_MS > GRANT_WINDOW_MAX_MS:
        raise ConfigError(f"{path}: [limits]: window_minutes is at most {GRANT_WINDOW_MAX_MS // MINUTE_MS}")
    return found


def _welcome(path: Path, accept: object) -> bool:
    if accept not in ("ask", "first"):
        raise ConfigError(f'{path}: accept is "ask", or "first" for a server that welcomes whoever comes')
    return accept == "first"


TASKS = {"on-arrival": Kind.ARRIVED.value, **{f"on-{kind}": kind.value for kind in Kind if kind != Kind.HOOK_FAILED}}
"""What may be in ``[hooks]``, and the kind of event that each is for."""


def _hooks(path: Path, table: object) -> Hooks:
    where = f"{path}: [hooks]"
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: write [hooks], not hooks = …")
    known(where, table, ["timeout", "silence_days", "silence", *TASKS])
    commands = {task: tuple(words) for task, words in table.items() if task in TASKS and _is_command(words)}
    if wrong := sorted(table.keys() & TASKS.keys() - commands.keys()):
        raise ConfigError(f'{where}: {wrong[0]} must be a list of words, such as ["/usr/local/bin/tell", "me"]')
    timeout, days, silence = table.get("timeout", 60), table.get("silence_days", 0), table.get("silence", {})
    if not _counts(timeout) or not timeout or not _counts(days):
        raise ConfigError(f"{where}: timeout is in whole seconds, silence_days in whole days")
    if not isinstance(silence, dict) or not all(map(_counts, silence.values())):
        raise ConfigError(f"{where}: write [hooks.silence], and for each peer its name and days: Bob = 3")
    return Hooks(commands, timeout, days, silence)


def _is_command(words: object) -> bool:
    return isinstance(words, list) and bool(words) and all(isinstance(each, str) and "\0" not in each for each in words)


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100_000


def _is_text(word: object) -> bool:
    return isinstance(word, str)


def _watches(path: Path, tables: object) -> tuple[Watch, ...]:
    found = _tables(path, "watch", tables, Watch)
    for each in found:
        if each.what not in ("file", "message") or each.after not in ("move", "delete") or each.settle < 0:
            raise ConfigError(f'{path}: [[watch]]: what is "file" or "message", after is "move" or "delete"')
        if not all(
            isinstance(words, list) and all(isinstance(word, str) for word in words) for words in (each.tags, each.to)
        ):
            raise ConfigError(f'{path}: [[watch]]: write tags = ["field"] and to = ["Bob"]')
    return found


Table = TypeVar("Table")


def _tables(path: Path, name: str, tables: object, kind: type[Table]) -> tuple[Table, ...]:
    """Return every ``[[name]]`` table as a *kind*."""
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ConfigError(f"{path}: write [[{name}]], in double brackets, once for each")
    return tuple(cast("Table", settings(f"{path}: [[{name}]]", kind, each)) for each in tables)


def _content(path: Path) -> bytes:
    """Return the file's bytes. Raise `ConfigError` if others may write it: it names programs that run as us."""
    ours = (os.geteuid(), 0)
    if path.is_symlink() and path.lstat().st_uid not in ours:
        raise ConfigError(f"{path} is a symbolic link of another user; remove it")
    with open(path, "rb", opener=lambda name, _: os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
        found, folder = os.fstat(file.fileno()), os.stat(path.parent)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path} cannot be read: it is not a plain file")
        if found.st_uid not in ours:
            raise ConfigError(f"{path} belongs to another user; run: chown {os.geteuid()} {path}")
        if found.st_mode & 0o022:
            raise ConfigError(f"others may write to {path}; run: chmod go-w {path}")
        if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
            raise ConfigError(f"others may replace what lies in {path.parent}; run: chmod go-w {path.parent}")
        return file.read(BYTES_MAX + 1)


def _secrets(path: Path, table: object) -> Secrets:
    where = f"{path}: [secrets]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    if passphrase := next((key for key in table if "pass" in key), None):
        raise ConfigError(f"{where}: no passphrase belongs into this file ({passphrase}); use command or key_file")
    found = settings(where, Secrets, table, path.parent)
    assert isinstance(found, Secrets)
    return found


def _carrier(path: Path, name: str, table: object) -> Carrier:
    where = f"{path}: [transport.{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    uses = table.get("uses")
    if not isinstance(uses, str):
        raise ConfigError(f'{where} does not say which transport it uses; for a stick: uses = "drop"')
    told = table.get("announce", True)
    if not isinstance(told, bool):
        raise ConfigError(f"{where}: announce is true or false")
    found = Carrier(
        name, uses, {key: table[key] for key in table if key not in ("uses", "announce")}, told, path.parent
    )
    try:
        _ = found.route
    except Misused as error:
        raise ConfigError(f"{where}: address: {error}") from None
    return found


def _keep(path: Path, table: object) -> Keep:
    where = f"{path}: [keep]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    known(where, table, ["days", "size", "unread", "expired", "rule"])
    days, rules = table.get("days"), table.get("rule", [])
    unread, expired = table.get("unread", False), table.get("expired", False)
    if not (isinstance(unread, bool) and isinstance(expired, bool)):
        raise ConfigError(f"{where}: unread and expired are true or false")
    if not (days is None or _count(days)) or not isinstance(rules, list):
        raise ConfigError(f"{where}: write days = 90, and rules as [[keep.rule]]")
    try:
        most = amounts.size(table["size"]) if "size" in table else None
    except (Misused, TypeError):
        raise ConfigError(f'{where}: write size = "10 GiB"') from None
    return Keep(days, most, unread, expired, tuple(_rule(path, rule) for rule in rules))


def _rule(path: Path, table: object) -> KeepRule:
    where = f"{path}: [[keep.rule]]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    known(where, table, ["peer", "tag", "kind", "days"])
    if not any(key in table for key in ("peer", "tag", "kind")):
        raise ConfigError(f"{where}: it names no peer, no tag and no kind")
    for key, value in table.items():
        if not (_count(value) if key == "days" else isinstance(value, str)):
            raise ConfigError(f"{where}: {key} = {value!r} will not do")
    return KeepRule(**table)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100_000
