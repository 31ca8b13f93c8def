"""How strangers are written and read: those who wait for a person's word, and those who were turned down."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from paquebot.protocol.effects import DropPending, Meeting, SaveInvite, SaveJoin, SavePending, SaveVerified
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.stamp import Millis
from paquebot.protocol.strangers import Invite, Join, Pending, Verified
from paquebot.store.rows import Owner

TABLES = ("joined", "verified")
"""What belongs to a peer and goes with it."""


def apply(db: sqlite3.Connection, view: Owner, effect: Meeting) -> None:
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
        case SaveInvite(invite):
            db.execute(
                "INSERT OR REPLACE INTO invite (user, node, name, secret, created, expires, label, revoked, used,"
                " guest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    view.user,
                    view.node,
                    invite.name,
                    invite.secret,
                    invite.created,
                    invite.expires,
                    invite.label,
                    invite.revoked,
                    invite.used,
                    view.party(invite.guest, create=True) if invite.guest else 0,
                ),
            )
        case SaveJoin(join):
            db.execute(
                "INSERT OR REPLACE INTO joined (user, node, peer, secret, at) VALUES (?, ?, ?, ?, ?)",
                (view.user, view.node, view.party(join.peer, create=True), join.secret, join.at),
            )
        case SaveVerified(found):
            db.execute(
                "INSERT OR REPLACE INTO verified (user, node, peer, at, how) VALUES (?, ?, ?, ?, ?)",
                (view.user, view.node, view.party(found.peer, create=True), found.at, found.how),
            )
        case _:
            raise AssertionError(effect)


class StrangersView(Owner):
    """The part of the store's view that is about strangers."""

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

    def invites(self) -> Sequence[Invite]:
        """Return the invitations that we gave, oldest first."""
        rows = self._all(
            "SELECT name, secret, created, expires, label, revoked, used, guest FROM invite WHERE node = ?"
            " ORDER BY created, name"
        )
        return [
            Invite(
                name=name,
                secret=secret,
                created=Millis(created),
                expires=Millis(expires),
                label=label,
                revoked=Millis(revoked),
                used=Millis(used),
                guest=self._name(guest) if guest else None,
            )
            for name, secret, created, expires, label, revoked, used, guest in rows
        ]

    def joined(self, peer: Fingerprint) -> Join | None:
        """Return the invitation by which we came to *peer*."""
        row = self._one("SELECT secret, at FROM joined WHERE node = ? AND peer = ?", self.party(peer))
        return Join(peer, row[0], Millis(row[1])) if row else None

    def verified(self, peer: Fingerprint) -> Verified | None:
        """Return since when, and how, *peer* is verified."""
        row = self._one("SELECT at, how FROM verified WHERE node = ? AND peer = ?", self.party(peer))
        return Verified(peer, Millis(row[0]), row[1]) if row else None
