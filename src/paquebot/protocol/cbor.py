"""Deterministic CBOR (RFC 8949 §4.2.1), the part of it that bundles need, with one encoding for each value.

Unsigned integers, byte strings, text, arrays and maps with ascending integer keys. Everything else is refused,
above all what would give one value two encodings: long forms, indefinite lengths, duplicate or unordered keys.
"""

from __future__ import annotations

from typing import TypeAlias

from paquebot.errors import Malformed

Value: TypeAlias = "int | bytes | str | list[Value] | dict[int, Value]"

_DEPTH_MAX = 6
_ITEMS_MAX = 200_000


def encode(value: Value) -> bytes:
    """Return the one encoding of *value*.

    >>> encode({0: 1, 1: [b"x", "y"]}).hex()
    'a20001018241786179'
    """
    out: list[bytes] = []
    _encode(value, out)
    return b"".join(out)


def _encode(value: Value, out: list[bytes]) -> None:
    if isinstance(value, int):
        assert value >= 0
        out.append(_head(0, value))
    elif isinstance(value, bytes):
        out += (_head(2, len(value)), value)
    elif isinstance(value, str):
        text = value.encode()
        out += (_head(3, len(text)), text)
    elif isinstance(value, list):
        out.append(_head(4, len(value)))
        for item in value:
            _encode(item, out)
    else:
        out.append(_head(5, len(value)))
        for key in sorted(value):
            out.append(_head(0, key))
            _encode(value[key], out)


def _head(major: int, number: int) -> bytes:
    top = major << 5
    if number < 24:
        return bytes((top | number,))
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes((top | info,)) + number.to_bytes(size, "big")
    raise AssertionError("a number has more than 64 bits")


def decode(data: bytes) -> Value:
    """Return the value that *data* encodes, and nothing after it. Raise `Malformed` unless `encode` writes it so."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise Malformed("bytes follow the end of a bundle")
    return value


def opening(data: bytes, key: int, items_max: int) -> tuple[dict[int, Value], Value | None]:
    """Return a map's values below *key*, and the first item of the list that it has there; None if that is empty.

    What follows is not looked at: it may be anything. Raise `Malformed`, also for more than *items_max* items.
    """
    reader = _Reader(data, items_max)
    major, count = reader.head()
    found: dict[int, Value] = {}
    for _ in range(count if major == 5 else 0):
        kind, name = reader.head()
        if kind != 0 or name in found:
            break
        if name == key:
            kind, length = reader.head()
            if kind == 4:
                return found, reader.value(2) if length else None
            break
        found[name] = reader.value(1)
    raise Malformed("a bundle does not begin as bundles do")


class _Reader:
    """Walks over the bytes once; lengths are checked against what is left before anything is allocated."""

    def __init__(self, data: bytes, items_max: int = _ITEMS_MAX) -> None:
        self.data = data
        self.at = 0
        self._items = 0
        self._items_max = items_max

    def head(self) -> tuple[int, int]:
        try:
            first = self.data[self.at]
        except IndexError:
            raise Malformed("a bundle ends too early") from None
        self.at += 1
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info
        if info > 27:
            raise Malformed("a bundle uses an indefinite or reserved length")
        size = 1 << (info - 24)
        number = int.from_bytes(self._take(size), "big")
        if number < (24 if size == 1 else 1 << 4 * size):
            raise Malformed("a number in a bundle is longer than need be")
        return major, number

    def value(self, depth: int) -> Value:
        self._items += 1
        if depth > _DEPTH_MAX or self._items > self._items_max:
            raise Malformed("a bundle has too many or too deeply nested items")
        major, number = self.head()
        match major:
            case 0:
                return number
            case 2:
                return self._take(number)
            case 3:
                try:
                    return self._take(number).decode()
                except UnicodeDecodeError:
                    raise Malformed("a text in a bundle is not UTF-8") from None
            case 4:
                self._left(number)
                return [self.value(depth + 1) for _ in range(number)]
            case 5:
                self._left(2 * number)
                return self._map(number, depth)
            case _:
                raise Malformed("a bundle holds a type that bundles do not have")

    def _map(self, count: int, depth: int) -> dict[int, Value]:
        found: dict[int, Value] = {}
        before = -1
        for _ in range(count):
            major, key = self.head()
            if major != 0 or key <= before:
                raise Malformed("the keys of a map are not ascending integers")
            before = key
            found[key] = self.value(depth + 1)
        return found

    def _left(self, count: int) -> None:
        if count > len(self.data) - self.at:
            raise Malformed("a bundle ends too early")

    def _take(self, count: int) -> bytes:
        self._left(count)
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken
