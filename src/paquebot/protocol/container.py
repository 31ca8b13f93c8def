"""SDMP's container: one JSON object with an ``sdmp`` header that names the schemas it keeps.

Bytes are kept and forwarded verbatim: names are hashes of bytes, so nothing is ever re-serialised.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from paquebot.errors import Malformed, TooLarge
from paquebot.frozen import frozen
from paquebot.protocol import custom, schema
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.limits import CONTAINER_BYTES_MAX, CONTAINER_DEPTH_MAX

VERSION = "0.12.0"

Resolve = Callable[[str], str | None]
"""Finds the text of the JSON Schema that an ``sdmp://`` URI names; None if it is not here."""


@frozen
class Container:
    """A container that has been read: its value, and the schemas it was checked against."""

    value: dict[str, Any]
    schemas: tuple[str, ...]
    unresolved: tuple[ResourceId, ...] = ()
    """The schemas that are not here yet; until they are, the container is not (yet) valid."""

    def keeps(self, name: str) -> bool:
        """Return whether the container names the schema *name*."""
        return name in self.schemas


def write(schemas: Iterable[str], fields: Mapping[str, Any], *, version: str = VERSION) -> bytes:
    """Return the bytes of a new container.

    >>> write(["message"], {"message": "hello"})
    b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"hello"}'
    """
    value = {"sdmp": {"version": version, "schemas": list(schemas)}, **fields}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def load(data: bytes) -> dict[str, Any]:
    """Return the JSON object in *data*.

    Refused are duplicate keys, NaN and infinities, byte order marks, lone surrogates, anything but UTF-8, more
    than `CONTAINER_DEPTH_MAX` levels and more than `CONTAINER_BYTES_MAX` bytes. Raise `Malformed` or `TooLarge`.
    """
    if len(data) > CONTAINER_BYTES_MAX:
        raise TooLarge("a container is larger than 2 MiB")
    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise Malformed("a container is not UTF-8") from None
    except RecursionError:
        raise TooLarge("a container is nested too deeply") from None
    except ValueError:
        raise Malformed("a container is not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("a container is not a JSON object")
    if data.count(b"{") + data.count(b"[") > CONTAINER_DEPTH_MAX:
        _check_depth(value)
    if b"\\u" in data:
        _check_surrogates(value)
    return value


def read(data: bytes, resolve: Resolve = schema.published) -> Container:
    """Return the container in *data*, checked against the container schema and each schema it lists, in order.

    Raise `Malformed` or `TooLarge`. Schemas of people that *resolve* does not find are listed, not refused.
    """
    return check(load(data), resolve)


def check(value: dict[str, Any], resolve: Resolve = schema.published) -> Container:
    """Return *value* as a container; see `read`."""
    schema.check("container", value)
    names = tuple(value["sdmp"]["schemas"])
    unresolved: list[ResourceId] = []
    for name in names:
        if not name.startswith("sdmp://"):
            schema.check(name, value)
        elif (found := resolve(name)) is None:
            unresolved.append(custom.parse_uri(name)[1])
        else:
            schema.check_against(name, found, value)
    return Container(value, names, tuple(unresolved))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a container has the same key twice")
    return found


def _no_constant(name: str) -> float:
    raise Malformed(f"a container holds {name}, which is not JSON")


def _finite(text: str) -> float:
    """Read a number with a point or an exponent; one that is whole is an integer, as JSON Schema has it."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Malformed("a container holds a number beyond all bounds")
    return int(number) if number.is_integer() and abs(number) < 1 << 53 else number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(CONTAINER_DEPTH_MAX):
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise TooLarge("a container is nested too deeply")


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed("a container holds half a character") from None
