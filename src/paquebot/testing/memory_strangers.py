"""Strangers, in a store in memory."""

from __future__ import annotations

from collections.abc import Sequence

from paquebot.protocol.strangers import Pending
from paquebot.testing.tables import Tables


class StrangersView:
    """The part of a view that is about strangers."""

    _tables: Tables

    def pending(self) -> Sequence[Pending]:
        return sorted(self._tables.pending.values(), key=lambda each: each.number)
