"""A node's own past, and what proves others', in a store in memory."""

from __future__ import annotations

from collections.abc import Sequence

from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.past import Fork, Lapse, Past, Proof
from paquebot.testing.tables import Tables


class PastView:
    """The part of the view that looks back."""

    _tables: Tables

    def proofs(self, journal_: Fingerprint, after: int) -> Sequence[Proof]:
        found = self._tables.proofs.items()
        return [proof for (who, number), proof in sorted(found) if who == journal_ and number > after]

    def past(self) -> Past:
        found: Past = self._tables.facts.get("past", Past())
        return found

    def lapses(self, *, taken_back: bool = False) -> Sequence[Lapse]:
        found = (self._tables.lapses[who] for who in sorted(self._tables.lapses))
        return [each for each in found if each.number or taken_back]

    def predecessors(self) -> Sequence[Fingerprint]:
        found: tuple[Fingerprint, ...] = self._tables.facts.get("predecessors", ())
        return found

    def forks(self) -> Sequence[Fork]:
        return [self._tables.forks[who] for who in sorted(self._tables.forks)]
