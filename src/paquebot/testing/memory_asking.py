"""What is lacking and who was asked for it, in a store in memory."""

from __future__ import annotations

from collections.abc import Sequence

from paquebot.protocol.account import Account, Asking
from paquebot.protocol.encoding import Fingerprint, ResourceId, raw
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import ASK_WRONG_MS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Local
from paquebot.testing.tables import Tables

NONE = Account()


class AskingView:
    """The part of the view that looks at what is lacking."""

    _tables: Tables

    def local(self) -> Local:
        """Return who we are."""
        raise NotImplementedError

    def wanted(self, journal_: Fingerprint, asked_before: Millis, limit: int) -> Sequence[Entry]:
        naming = self._tables.naming
        found = [
            Entry(publisher, name)
            for name, (publisher, asked) in self._tables.wanted.items()
            if not asked_before < asked <= asked_before + ASK_WRONG_MS
            and (any(who == journal_ for who, _ in naming.get(name, ())) or self._lost(name, journal_))
        ]
        return sorted(found, key=lambda entry: raw(entry.resource))[:limit]

    def _lost(self, name: ResourceId, journal_: Fingerprint) -> bool:
        """Whether a line of ours names that resource, and the node of that journal says it holds it."""
        peer = self._tables.peers.get(journal_)
        mine = [number for who, number in self._tables.naming.get(name, ()) if who == self.local().node]
        return peer is not None and any(number in peer.applied | peer.known for number in mine)

    def wanted_count(self) -> int:
        return len(self._tables.wanted)

    def askings(self, resource: ResourceId) -> Sequence[Asking]:
        return list(self._tables.askings.get(resource, {}).values())

    def awaited(self, peer: Fingerprint, now: Millis) -> int:
        rows = (row for each in self._tables.askings.values() for row in each.values())
        return sum(row.peer == peer and row.until > now for row in rows)

    def account(self, peer: Fingerprint) -> Account:
        return self._tables.accounts.get(peer, NONE)

    def incomplete(self, journal_: Fingerprint, asked_before: Millis, limit: int) -> Sequence[ResourceId]:
        rows = sorted((row.number, name, row) for name, row in self._tables.rows.items() if row.lacking)
        peer = self._tables.peers.get(journal_)
        held = peer.applied | peer.known if peer else Ranges()
        return [
            name
            for number, name, row in rows
            if not asked_before < row.asked <= asked_before + ASK_WRONG_MS
            and name not in self._tables.hidden
            and (number in held or any(who == journal_ for who, _ in self._tables.naming.get(name, ())))
        ][:limit]
