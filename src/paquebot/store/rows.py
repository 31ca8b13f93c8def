"""Whose rows the tables hold, and how they are looked up: what every part of the store stands on."""

from __future__ import annotations

import json
from typing import Any, Protocol

from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.ranges import Ranges


class Owner:
    """The local node that rows belong to. `SqliteView` is one, and its parts lean on what is said here."""

    node: int
    """Its number in `party`."""
    user: int
    """Its user's."""

    def party(self, name: str, *, create: bool = False) -> int:
        """Return the number of a user or node; 0 if it has none and *create* is not asked for."""
        raise NotImplementedError

    def _name(self, number: int) -> Fingerprint:
        """Return the user or node of that number."""
        raise NotImplementedError

    def _one(self, sql: str, *values: object) -> Any:
        """Return the first row that *sql*, whose first value is our node, finds; None if there is none."""
        raise NotImplementedError

    def _all(self, sql: str, *values: object) -> list[Any]:
        """Return all rows that *sql*, whose first value is our node, finds."""
        raise NotImplementedError


class BlobSink(Protocol):
    """Where large bytes are put."""

    def put(self, data: bytes) -> bytes:
        """Store *data* durably and return its SHA-256."""


def runs(ranges: Ranges) -> str:
    """Return *ranges* as they lie in a column."""
    return json.dumps(ranges.flat())


def ranges(text: str) -> Ranges:
    """Return what `runs` wrote."""
    return Ranges.parse(json.loads(text))
