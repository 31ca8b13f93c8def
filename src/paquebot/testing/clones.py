"""A village where one home is copied to another machine, and both go on: from one seed.

    python -m paquebot.testing.clones 1234 [SEED...]

Both write to everybody under one name until it is noticed. In the end they are two nodes of one user, everybody has
what either of them wrote, and all fall silent.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import cast

from paquebot.testing.memory import MemoryStore
from paquebot.testing.profiles import Profile
from paquebot.testing.restored import RestoredHouse, RestoredVillage, RestoreWitness, copied
from paquebot.testing.village import House, VillageOffice, WatchedStore


class ClonedVillage(RestoredVillage):
    """A month in which one home becomes two."""

    def __init__(self, seed: int) -> None:
        drawn = Profile.drawn(Random(f"{seed} profile"))
        super().__init__(seed, replace(drawn, leap=0, away=False, liar=False))
        self._seed = seed
        self._when = self._fate.randrange(self.foul // 4, self.foul // 2)
        self.twins: tuple[RestoredHouse, ...] = ()
        """The home that was copied, and its copy."""

    def befall(self) -> None:
        """Copy a home when the time has come; then let both write something, now and then."""
        self._when -= 1
        if self._when == 0:
            self._copy(self._fate.choice(self._houses()))
        if self.twins and self._fate.random() < 0.05:
            self._publish(self._fate.choice(self.twins))

    def _copy(self, house: RestoredHouse) -> None:
        number = len(self.houses)
        other = RestoredHouse(number, self._seed, self.witness, lambda: self.now, folder=None, crash=self.profile.crash)
        other.user, other._founding, other.skew = house.user, house._founding, house.skew
        other.grant, other.neighbours = house.grant, house.neighbours
        other.store = WatchedStore(copied(cast(MemoryStore, house.store.inner)), other)
        other._become(house.key, house.secrets)
        other.boot()
        self.houses.append(other)
        self.twins = house, other
        for office in self.offices:
            office.shelf(other.name)
        for each in self.twins:
            self._publish(each)
        self.trace.append(f"{self.now} {house.name} was copied, as {other.name}")

    def _enter(self, house: House) -> None:
        """Let the witness look at that one of the twins that acts now."""
        if house in self.twins:
            self.witness.views[house.node] = house.view
            cast(RestoreWitness, self.witness).put_back(house.node)

    def _publish(self, house: House) -> None:
        self._enter(house)
        super()._publish(house)

    def _do(self, house: House, other: House) -> None:
        self._enter(house)
        if house.node != other.node:
            super()._do(house, other)

    async def _visit(self, house: House, office: VillageOffice) -> None:
        self._enter(house)
        await super()._visit(house, office)

    async def _round(self, ms: int) -> None:
        await super()._round(ms)
        for house in self.houses:  # what became of the twins is introduced by its owner
            for other in self.houses:
                if house.node != other.node and house.view.peer(other.node) is None and {house, other} & {*self.twins}:
                    self._do(house, other)

    def unfinished(self) -> str | None:
        """Say what is still missing."""
        if len({house.node for house in self.twins}) == 1:
            return "nobody has noticed that one home is two"
        return super().unfinished()


def main(arguments: Sequence[str]) -> int:
    """Run some seeds."""
    for seed in map(int, arguments):
        village = ClonedVillage(seed)
        village.run()
        print(f"{seed}: {len(village.witness.views)} nodes in {len(village.houses)} homes, {village.steps} visits")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
