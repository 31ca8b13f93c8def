"""What is lacking, who was asked for it, and how peers have behaved, in the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from paquebot.protocol import effects as ask
from paquebot.protocol.account import Account, Asking
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, raw
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import ASK_WRONG_MS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer
from paquebot.store.rows import Owner


class AskingView(Owner):
    """The part of the view that looks at what is lacking."""

    def peer(self, node: Fingerprint) -> Peer | None:
        """Return the peer with that node fingerprint."""
        raise NotImplementedError

    def wanted(self, journal_: Fingerprint, asked_before: Millis, limit: int) -> Sequence[Entry]:
        """Return unknown resources that *journal_* lists and nobody was asked for since *asked_before*."""
        rows = self._all(
            "SELECT publisher, resource FROM wanted WHERE node = ? AND asked NOT BETWEEN ? AND ? AND EXISTS (SELECT 1"
            " FROM line WHERE line.node = wanted.node AND line.resource = wanted.resource AND line.journal = ?)"
            " ORDER BY resource LIMIT ?",
            *_not_yet(asked_before),
            self.party(journal_),
            limit,
        )
        rows += self._lost(journal_, asked_before) if len(rows) < limit else []
        return [Entry(self._name(publisher), ResourceId(b64(resource))) for publisher, resource in rows]

    def _lost(self, journal_: Fingerprint, asked_before: Millis) -> list[tuple[int, bytes]]:
        """What a line of ours names and the node of that journal says it holds: it need not tell us its own line."""
        rows = self._all(
            "SELECT wanted.publisher, wanted.resource, number FROM wanted JOIN line USING (node, resource)"
            " WHERE wanted.node = ? AND line.journal = wanted.node AND wanted.asked NOT BETWEEN ? AND ? AND NOT EXISTS"
            " (SELECT 1 FROM line AS other WHERE other.node = wanted.node AND other.resource = wanted.resource"
            " AND other.journal = ?) ORDER BY wanted.resource",
            *_not_yet(asked_before),
            self.party(journal_),
        )
        peer = self.peer(journal_) if rows else None
        return [(publisher, name) for publisher, name, number in rows if peer and number in peer.applied | peer.known]

    def wanted_count(self) -> int:
        """Return how many resources are listed by somebody and lacking here."""
        return int(self._one("SELECT count(*) FROM wanted WHERE node = ?")[0])

    def askings(self, resource: ResourceId) -> Sequence[Asking]:
        """Return who was asked for *resource* since it is lacking."""
        rows = self._all(
            "SELECT peer, times, until, denied FROM asking WHERE node = ? AND resource = ? ORDER BY peer", raw(resource)
        )
        return [
            Asking(resource, self._name(peer), times, Millis(until), Millis(denied))
            for peer, times, until, denied in rows
        ]

    def awaited(self, peer: Fingerprint, now: Millis) -> int:
        """Return for how many things *peer* was asked whose answer may still come at *now*."""
        row = self._one("SELECT count(*) FROM asking WHERE node = ? AND peer = ? AND until > ?", self.party(peer), now)
        return int(row[0])

    def account(self, peer: Fingerprint) -> Account:
        """Return how *peer* has behaved towards us."""
        row = self._one("SELECT value FROM account WHERE node = ? AND peer = ?", self.party(peer))
        return Account.decode(row[0]) if row else Account()

    def incomplete(self, journal_: Fingerprint, asked_before: Millis, limit: int) -> Sequence[ResourceId]:
        """Return files that lack chunks and were not asked for since *asked_before*, if *journal_* lists them.

        So are those that its node says it holds, though it need not have told us its line.
        """
        rows = self._all(
            "SELECT id, number, EXISTS (SELECT 1 FROM line WHERE line.node = me AND line.resource = resource.id"
            " AND journal = who) FROM (SELECT ? AS me, ? AS who), resource WHERE node = me AND lacking > 0"
            " AND asked NOT BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM hidden"
            " WHERE hidden.node = me AND hidden.resource = resource.id) ORDER BY number",
            self.party(journal_),
            *_not_yet(asked_before),
        )
        peer = self.peer(journal_) if rows else None
        held = peer.applied | peer.known if peer else Ranges()
        return [ResourceId(b64(name)) for name, number, listed in rows if listed or number in held][:limit]


def _not_yet(asked_before: Millis) -> tuple[int, int]:
    """The first and the last moment of asking that put the next off beyond now."""
    return asked_before + 1, asked_before + ASK_WRONG_MS


def note(
    db: sqlite3.Connection,
    view: AskingView,
    effect: ask.Want | ask.Unwant | ask.Asked | ask.SaveAsking | ask.Answered | ask.AskAnew,
) -> None:
    """Carry out an effect that is about what is lacking."""
    node = view.node
    match effect:
        case ask.Want(entry):
            db.execute(
                "INSERT OR IGNORE INTO wanted (user, node, resource, publisher, asked) VALUES (?, ?, ?, ?, 0)",
                (view.user, node, raw(entry.resource), view.party(entry.publisher, create=True)),
            )
        case ask.Unwant(resource):
            for table in ("wanted", "asking"):
                db.execute(f"DELETE FROM {table} WHERE node = ? AND resource = ?", (node, raw(resource)))  # noqa: S608
        case ask.Asked(resource, at):
            db.execute("UPDATE wanted SET asked = ? WHERE node = ? AND resource = ?", (at, node, raw(resource)))
            db.execute("UPDATE resource SET asked = ? WHERE node = ? AND id = ?", (at, node, raw(resource)))
        case ask.SaveAsking(asking):
            row = view.user, node, raw(asking.resource), view.party(asking.peer, create=True)
            db.execute(
                "INSERT OR REPLACE INTO asking (user, node, resource, peer, times, until, denied)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, asking.times, asking.until, asking.denied),
            )
        case ask.Answered(resource):
            db.execute("DELETE FROM asking WHERE node = ? AND resource = ?", (node, raw(resource)))
        case ask.AskAnew(publisher):
            theirs = node, view.party(publisher, create=True)
            db.execute(
                "DELETE FROM asking WHERE node = ? AND resource IN (SELECT resource FROM wanted WHERE node = ?"
                " AND publisher = ? UNION ALL SELECT id FROM resource WHERE node = ? AND lacking > 0 AND author = ?)",
                (node, *theirs, *theirs),
            )
            db.execute("UPDATE wanted SET asked = 0 WHERE node = ? AND publisher = ?", theirs)
            db.execute("UPDATE resource SET asked = 0 WHERE node = ? AND lacking > 0 AND author = ?", theirs)


def save_account(db: sqlite3.Connection, view: AskingView, effect: ask.SaveAccount) -> None:
    """Replace how a peer has behaved."""
    db.execute(
        "INSERT OR REPLACE INTO account (user, node, peer, value) VALUES (?, ?, ?, ?)",
        (view.user, view.node, view.party(effect.peer, create=True), effect.account.encode()),
    )
