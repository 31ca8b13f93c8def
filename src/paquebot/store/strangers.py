"""How strangers are written and read: those who wait for a person's word, and those who were turned down."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from paquebot.protocol.effects import DropPending, SavePending
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.stamp import Millis
from paquebot.protocol.strangers import Pending

Effect: TypeAlias = SavePending | DropPending


class Parties(Protocol):
    """Whose rows are written, and how nodes are numbered: the store's view."""

    node: int
    user: int

    def party(self, name: str, *, create: bool = False) -> int:
        """Return the number of a user or node."""


def apply(db: sqlite3.Connection, view: Parties, effect: Effect) -> None:
    """Carry out *effect*."""
    match effect:
        case SavePending(pending):
            stranger = view.party(pending.node, create=True)
            db.execute("DELETE FROM pending WHERE node = ? AND stranger = ?", (view.node, stranger))
            db.execute(
                "INSERT INTO pending (number, user, node, stranger, stranger_user, name, digest, card, since, place,"
                " reason, declined) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    pending.number or None,
                    view.user,
                    view.node,
                    stranger,
                    view.party(pending.user, create=True),
                    pending.name,
                    pending.digest,
                    pending.card,
                    pending.since,
                    pending.where,
                    pending.reason,
                    pending.declined,
                ),
            )
        case DropPending(node):
            db.execute("DELETE FROM pending WHERE node = ? AND stranger = ?", (view.node, view.party(node)))


class StrangersView:
    """The part of the store's view that is about strangers."""

    def _all(self, sql: str, *values: object) -> list[Any]:
        raise NotImplementedError

    def _name(self, number: int) -> Fingerprint:
        raise NotImplementedError

    def pending(self) -> Sequence[Pending]:
        """Return the strangers who wait for a person's word, and those who were turned down, by number."""
        rows = self._all(
            "SELECT stranger, stranger_user, name, digest, card, since, place, reason, declined, number FROM pending"
            " WHERE node = ? ORDER BY number"
        )
        return [
            Pending(
                node=self._name(stranger),
                user=self._name(user),
                name=name,
                digest=digest,
                card=card,
                since=Millis(since),
                where=place,
                reason=reason,
                declined=Millis(declined),
                number=number,
            )
            for stranger, user, name, digest, card, since, place, reason, declined, number in rows
        ]
