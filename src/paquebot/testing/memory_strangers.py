"""Strangers, in a store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from paquebot.protocol import effects as ask
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.strangers import Invite, Join, Pending, Verified

if TYPE_CHECKING:
    from paquebot.testing.tables import Tables


class StrangersView:
    """The part of a view that is about strangers."""

    _tables: Tables

    def pending(self) -> Sequence[Pending]:
        return sorted(self._tables.pending.values(), key=lambda each: each.number)

    def invites(self) -> Sequence[Invite]:
        return sorted(self._tables.invites.values(), key=lambda each: (each.created, each.name))

    def joined(self, peer: Fingerprint) -> Join | None:
        return self._tables.met.get(("joined", peer))

    def verified(self, peer: Fingerprint) -> Verified | None:
        return self._tables.met.get(("verified", peer))


def apply(t: Tables, effect: ask.Meeting) -> None:
    """Carry out *effect*."""
    match effect:
        case ask.SavePending(pending):
            number = pending.number or t.facts.get("strangers", 0) + 1
            t.put(t.facts, "strangers", max(number, t.facts.get("strangers", 0)))
            t.put(t.pending, pending.node, replace(pending, number=number))
        case ask.DropPending(node):
            t.drop(t.pending, node)
        case ask.SaveInvite(invite):
            t.put(t.invites, invite.name, invite)
        case ask.SaveJoin(join):
            t.put(t.met, ("joined", join.peer), join)
        case ask.SaveVerified(found):
            t.put(t.met, ("verified", found.peer), found)
