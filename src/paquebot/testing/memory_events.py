"""The part of a view in memory that is about what happened, and how things hang together."""

from __future__ import annotations

from collections.abc import Sequence

from paquebot.protocol.encoding import ResourceId, raw
from paquebot.protocol.events import Errand, Event
from paquebot.testing.tables import Tables


class EventsInMemory:
    """See `paquebot.store.view.SqliteView`."""

    _tables: Tables

    def events(
        self, after: int = 0, limit: int = -1, kinds: Sequence[str] | None = None, *, latest: bool = False
    ) -> Sequence[Event]:
        """Return what happened after number *after*, in order: the first *limit* of it, or the *latest*."""
        found = [each for each in self._tables.events.values() if each.number > after]
        found = [each for each in found if kinds is None or each.kind in kinds]
        return found if limit < 0 else found[max(0, len(found) - limit) :] if latest else found[:limit]

    def related(self, resource: ResourceId) -> Sequence[tuple[str, ResourceId]]:
        """Return what *resource* says of others: (``parent``, ``after`` and so on, which)."""
        return list(self._tables.related.get(resource, ()))

    def relating(self, other: ResourceId, how: str) -> Sequence[ResourceId]:
        """Return the resources that say *how* of *other*."""
        return sorted((name for name, said in self._tables.related.items() if (how, other) in said), key=raw)

    def errands(self) -> Sequence[Errand]:
        """Return what remains to be done outside, oldest first."""
        return [self._tables.errands[number] for number in sorted(self._tables.errands)]
