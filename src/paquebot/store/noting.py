"""How events are written and read: a row for each, one printable line of detail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from paquebot.display import printable
from paquebot.protocol.effects import DropErrand, ForgetEvents, Note, Noting, Relate, Remember, SaveErrand
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, raw
from paquebot.protocol.events import Errand, Event, Kind
from paquebot.protocol.limits import EVENT_DETAIL_MAX
from paquebot.protocol.stamp import Millis
from paquebot.store.rows import Owner

Rows = Callable[..., list[Any]]
"""Takes a query for one node, and its values."""
Name = Callable[[int], Fingerprint]
"""Says who has a number."""


def apply(db: sqlite3.Connection, view: Owner, effect: Noting) -> None:
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
        case SaveErrand(errand):
            _save_errand(db, view, errand)
        case Relate(resource, relations):
            db.executemany(
                "INSERT OR REPLACE INTO related (user, node, resource, place, how, other) VALUES (?, ?, ?, ?, ?, ?)",
                [(view.user, view.node, raw(resource), n, how, raw(other)) for n, (how, other) in enumerate(relations)],
            )
        case DropErrand(number):
            db.execute("DELETE FROM errand WHERE node = ? AND number = ?", (view.node, number))


def _save_errand(db: sqlite3.Connection, view: Owner, errand: Errand) -> None:
    event = errand.event
    db.execute(
        "INSERT OR REPLACE INTO errand (number, user, node, task, event, at, kind, resource, peer, detail, tries,"
        " retry_at, problem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            errand.number or None,
            view.user,
            view.node,
            text(errand.task),
            event.number,
            event.at,
            event.kind.value,
            raw(event.resource) if event.resource else b"",
            view.party(event.peer, create=True) if event.peer else 0,
            event.detail,
            errand.tries,
            errand.retry_at,
            printable(errand.problem),
        ),
    )


_EVENT = "at, kind, resource, peer, detail"


def _event(name: Name, number: int, at: int, kind: str, resource: bytes, peer: int, detail: str) -> Event:
    return Event(
        number,
        Millis(at),
        Kind(kind),
        ResourceId(b64(resource)) if resource else None,
        name(peer) if peer else None,
        detail,
    )


def events(
    rows: Rows,
    name: Name,
    after: int,
    limit: int,
    kinds: Sequence[str] | None,
    *,
    latest: bool,
) -> list[Event]:
    """Return what happened after *after*."""
    chosen = f"kind IN ({', '.join('?' * len(kinds))})" if kinds is not None else "1"
    found = rows(
        f"SELECT number, {_EVENT} FROM event WHERE node = ? AND number > ? AND {chosen}"  # noqa: S608 our own names
        f" ORDER BY number {'DESC' if latest else ''} LIMIT ?",
        after,
        *(kinds or ()),
        limit,
    )
    return [_event(name, *row) for row in (reversed(found) if latest else found)]


def errands(rows: Rows, name: Name) -> list[Errand]:
    """Return what remains to be done outside."""
    columns = f"number, task, tries, retry_at, problem, event, {_EVENT}"
    found = rows(f"SELECT {columns} FROM errand WHERE node = ? ORDER BY number")  # noqa: S608 our own names
    return [
        Errand(number, task, _event(name, *event), tries, Millis(retry_at), problem)
        for number, task, tries, retry_at, problem, *event in found
    ]


def text(given: str) -> str:
    """Return *given* as the store can hold it: a path may be any bytes."""
    return given.encode("utf-8", "backslashreplace").decode()
