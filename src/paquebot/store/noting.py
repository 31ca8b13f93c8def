"""How events are written and read: a row for each, one printable line of detail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from paquebot.display import printable
from paquebot.protocol.effects import ForgetEvents, Note, Remember, Tell
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, raw
from paquebot.protocol.events import Event, Kind
from paquebot.protocol.limits import EVENT_DETAIL_MAX
from paquebot.protocol.stamp import Millis

Effect: TypeAlias = Note | ForgetEvents | Remember | Tell


class Parties(Protocol):
    """Whose rows are written, and how nodes are numbered: the store's view."""

    node: int
    user: int

    def party(self, name: str, *, create: bool = False) -> int:
        """Return the number of a user or node."""


def apply(db: sqlite3.Connection, view: Parties, effect: Effect) -> None:
    """Carry out *effect*. What is told is not written: it is for whoever asked."""
    match effect:
        case Note(kind, at, resource, peer, detail):
            db.execute(
                "INSERT INTO event (user, node, at, kind, resource, peer, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    view.user,
                    view.node,
                    at,
                    kind.value,
                    raw(resource) if resource else b"",
                    view.party(peer, create=True) if peer else 0,
                    printable(detail, EVENT_DETAIL_MAX),
                ),
            )
        case ForgetEvents(through):
            db.execute("DELETE FROM event WHERE node = ? AND number <= ?", (view.node, through))
        case Remember(key, None):
            db.execute("DELETE FROM carrier WHERE node = ? AND transport = '' AND key = ?", (view.node, key))
        case Remember(key, value):
            db.execute(
                "INSERT OR REPLACE INTO carrier (user, node, transport, key, value) VALUES (?, ?, '', ?, ?)",
                (view.user, view.node, key, value),
            )
        case Tell():
            pass


def events(
    rows: Callable[..., list[Any]],
    name: Callable[[int], Fingerprint],
    after: int,
    limit: int,
    kinds: Sequence[str] | None,
    *,
    latest: bool,
) -> list[Event]:
    """Return what happened, by *rows*, which takes a query for one node, and *name*, which says who has a number."""
    chosen = f"kind IN ({', '.join('?' * len(kinds))})" if kinds is not None else "1"
    found = rows(
        f"SELECT number, at, kind, resource, peer, detail FROM event WHERE node = ? AND number > ? AND {chosen}"  # noqa: S608
        f" ORDER BY number {'DESC' if latest else ''} LIMIT ?",
        after,
        *(kinds or ()),
        limit,
    )
    return [
        Event(
            number,
            Millis(at),
            Kind(kind),
            ResourceId(b64(resource)) if resource else None,
            name(peer) if peer else None,
            detail,
        )
        for number, at, kind, resource, peer, detail in (reversed(found) if latest else found)
    ]


def text(given: str) -> str:
    """Return *given* as the store can hold it: a path may be any bytes."""
    return given.encode("utf-8", "backslashreplace").decode()
