"""How this machine is plugged in: TOML in, frozen dataclasses out, every mistake named with its remedy.

Whom we know and trust lives in the store, since it is signed data; how we reach the world lives in this file.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paquebot.errors import ConfigError

FILE_NAME = "config.toml"
BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Carrier:
    """One ``[transport.NAME]`` table: a name of ours, the transport it uses, and that one's settings."""

    name: str
    uses: str
    table: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says."""

    path: Path
    carriers: tuple[Carrier, ...] = ()


def read(path: Path) -> Config:
    """Return the configuration in *path*; an empty one if there is no file. Raise `ConfigError`."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Config(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > BYTES_MAX:
        raise ConfigError(f"{path} is larger than any configuration")
    try:
        value = tomllib.loads(text.decode())
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    _known(path, "", value, ["transport"])
    tables = value.get("transport", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: write [transport.NAME], not transport = …")
    return Config(path, tuple(_carrier(path, name, table) for name, table in tables.items()))


def _carrier(path: Path, name: str, table: object) -> Carrier:
    where = f"{path}: [transport.{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    uses = table.get("uses")
    if not isinstance(uses, str):
        raise ConfigError(f'{where} does not say which transport it uses; for a stick: uses = "drop"')
    return Carrier(name, uses, {key: value for key, value in table.items() if key != "uses"})


def settings(where: str, kind: type, table: Mapping[str, Any]) -> object:
    """Return *table* as an instance of the settings dataclass *kind*. Raise `ConfigError`; *where* names the table."""
    fields = {each.name: each for each in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    _known(Path(where), "", table, fields)
    for name, value in table.items():
        if not _fits(value, hints[name]):
            raise ConfigError(f"{where}: {name} = {value!r} is not {_called(hints[name])}")
    missing = [
        name
        for name, each in fields.items()
        if name not in table and each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: {missing[0]} is missing")
    return kind(**table)


def _known(path: Path, table: str, found: Iterable[str], allowed: Iterable[str]) -> None:
    for key in found:
        if key not in (names := list(allowed)):
            near = difflib.get_close_matches(key, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(names)}"
            raise ConfigError(f"{path}{table}: {key!r} is unknown; {hint}")


def _fits(value: object, hint: Any) -> bool:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return any(_fits(value, each) for each in typing.get_args(hint))
    if hint is type(None):
        return value is None
    if hint is int and isinstance(value, bool):
        return False
    return isinstance(value, hint) if isinstance(hint, type) else True


def _called(hint: Any) -> str:
    names = {str: "a text in quotes", int: "a whole number", bool: "true or false", float: "a number"}
    if typing.get_args(hint):
        return " or ".join(_called(each) for each in typing.get_args(hint) if each is not type(None))
    return names.get(hint, str(hint))
