"""Tables of config.toml as frozen dataclasses: every mistake is named with its table, its key and a remedy."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from json import dumps
from os.path import expanduser
from pathlib import Path
from typing import Any

from paquebot.display import suggested
from paquebot.errors import ConfigError
from paquebot.transport import PathText


def known(where: str, found: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise `ConfigError` if one of the keys *found* in the table *where* is not *allowed*."""
    for key in found:
        if key not in (names := list(allowed)):
            hint = suggested(key, names) or f"known are: {', '.join(names)}"
            if key == "password" and "password_file" in names:
                hint = "it never stands in this file; write password_command or password_file"
            raise ConfigError(f"{where}: {key!r} is unknown; {hint}")


def settings(where: str, kind: type, table: Mapping[str, Any], base: Path = Path()) -> object:
    """Return *table* as an instance of the settings dataclass *kind*. Raise `ConfigError`; *where* names the table.

    A field may be a settings dataclass itself, or a ``dict`` of such by name: then it is a table in the table, and so
    are mistakes in it named. Lists and tuples hold what their type says. A relative `PathText` begins at *base*.
    *kind* may raise `ConfigError` as well.
    """
    fields = {each.name: each for each in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    known(where, table, fields)
    values = {name: _value(where, name, value, hints[name], base) for name, value in table.items()}
    missing = [
        name
        for name, each in fields.items()
        if name not in table and each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: {missing[0]} is missing")
    try:
        return kind(**values)
    except ConfigError as error:
        raise error if str(error).startswith(where) else ConfigError(f"{where}: {error}") from None


def _value(where: str, name: str, value: object, hint: Any, base: Path) -> object:
    """Return *value* as *hint* says, its tables as settings. Raise `ConfigError`."""
    if not _fits(value, hint):
        raise ConfigError(f"{where}: {name} = {value!r} is not {_called(hint)}{_example(name, value, hint)}")
    inner = f"{where[:-1]}.{name}]" if where.endswith("]") else f"{where}: {name}"
    for each in _either(hint):
        if isinstance(value, dict) and dataclasses.is_dataclass(each) and isinstance(each, type):
            return settings(inner, each, value, base)
        if isinstance(value, dict) and typing.get_origin(each) is dict:
            return {key: _value(inner, key, one, typing.get_args(each)[1], base) for key, one in value.items()}
        if isinstance(value, list) and typing.get_origin(each) is tuple:
            return tuple(value)
        if each is PathText and isinstance(value, str) and value:
            return PathText(str(base / expanduser(value)))
    return value


def _either(hint: Any) -> tuple[Any, ...]:
    """Return what a value of type *hint* may be."""
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return typing.get_args(hint) if union else (hint,)


def _fits(value: object, hint: Any) -> bool:
    return any(_is(value, each) for each in _either(hint))


def _is(value: object, hint: Any) -> bool:
    """Whether *value* is of the one type *hint*; what tables hold is looked at when they are made."""
    if hint is type(None):
        return value is None
    if hint is PathText:
        return isinstance(value, str) and "\0" not in value
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) or origin is dict:
        return isinstance(value, dict)
    if origin in (list, tuple):
        return isinstance(value, list) and all(_fits(each, typing.get_args(hint)[0]) for each in value)
    if isinstance(value, bool) and hint in (int, float):
        return False
    return isinstance(value, (int, float) if hint is float else hint) if isinstance(hint, type) else True


def _called(hint: Any) -> str:
    names = {
        PathText: "a path in quotes",
        str: "a text in quotes",
        int: "a whole number",
        bool: "true or false",
        float: "a number",
    }
    either = [each for each in _either(hint) if each is not type(None)]
    if len(either) > 1:
        return " or ".join(map(_called, either))
    (one,) = either
    origin = typing.get_origin(one)
    if dataclasses.is_dataclass(one) and isinstance(one, type):
        names_of = ", ".join(each.name for each in dataclasses.fields(one))
        return f"a table of {names_of}"
    if origin is dict:
        return "a table of tables"
    if origin in (list, tuple):
        many = {str: "texts in quotes", int: "whole numbers"}
        return f"a list of {many.get(typing.get_args(one)[0], 'values')}"
    return names.get(one, str(one))


def _example(name: str, value: object, hint: Any) -> str:
    """Say how to write a table or a list of texts where something else stands; empty where none is wanted."""
    if isinstance(value, str) and any(_is([""], each) for each in _either(hint)):
        return f"; write {name} = [{', '.join(map(dumps, value.split()))}]"
    kind = next((each for each in _either(hint) if dataclasses.is_dataclass(each)), None)
    if kind is None:
        return ""
    fields = dataclasses.fields(kind)
    first = next((each for each in fields if each.default is dataclasses.MISSING), fields[0])
    told = isinstance(value, str) and typing.get_type_hints(kind)[first.name] is str
    return f"; write {name} = {{ {first.name} = {dumps(value) if told else '…'} }}"
