"""A village whose houses share no post office; couriers ride from one to the next, and are nobody's peers.

    python -m paquebot.testing.couriers 1234 [SEED...]
    python -m paquebot.testing.couriers --seeds 100

Each house knows one office. What it writes to the others lies there until a courier comes by, who can read nothing,
may lose power, gets rubbish and made-up tokens to carry, and has little room. In the end everybody has everything and
knows that the others have it, the couriers carry nothing that has arrived, and after its time nothing at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import cast

from paquebot.context import Tags
from paquebot.courier import Courier, Moments
from paquebot.errors import Transient
from paquebot.protocol.burden import Rank
from paquebot.protocol.carrying import Terms
from paquebot.protocol.limits import DAY_MS, HOUR_MS
from paquebot.report import Report
from paquebot.store import Store
from paquebot.testing.post import Weather
from paquebot.testing.profiles import Profile
from paquebot.testing.simulation import Simulation
from paquebot.testing.village import Crash, House, Office, VillageOffice, WatchedBox
from paquebot.transport import Outgoing, parcel_name

DAYS = 200  # longer than any month here, with its absences: whoever lets go before cannot bring tokens back


class Shelf(VillageOffice):
    """An office where a thing lies for all who come, or is lost or damaged for all: a stick on a nail."""

    def __init__(self, dice: Random, office: Office, weather: Weather, medium: str) -> None:
        super().__init__(dice, office, weather, medium)
        self.salts: dict[bytes, bytes] = {}
        """By what a parcel that was lost is called between its sender and us: by what everybody knows it."""

    def post(self, sender: str, outgoing: Outgoing, parcel: bytes) -> None:
        """Take *parcel*; who sent what is lost or damaged learns of it a day later."""
        weather = self.weather
        lost, harmed = self._strikes(weather.loss), self._strikes(weather.damage)
        if lost or harmed:
            self.salts[outgoing.id] = parcel_name(parcel)
            self.lost.setdefault(sender, []).append((self.now + DAY_MS, outgoing.id))
        if not lost:
            self.weather = replace(weather, loss=0, damage=0)
            super().post(sender, outgoing, self._harm(parcel) if harmed else parcel)
            self.weather = weather

    def carry(self, sender: str, recipient: str, outgoing: Outgoing, parcel: bytes) -> None:
        """Take *parcel*, whose recipient may never come here."""
        self.archive = [*self.archive[-50:], (sender, outgoing, parcel)]
        self.post(sender, outgoing, parcel)

    def found_lost(self, sender: str) -> Iterator[bytes]:
        """Yield what *sender* should know to be lost, unless it has come here since."""
        return (name for name in super().found_lost(sender) if self.salts[name] not in self._posted)

    def shown(self) -> set[bytes]:
        """Return the hashes of all tokens of parcels that were shown here."""
        return self._shown & self._posted

    def invent(self, token: bytes) -> None:
        """Show everybody a token that somebody made up."""
        for name in list(self._shelves):
            self.shelf(name).tokens.append((self.now, token))


class CarriersBox(WatchedBox):
    """A box that also takes what its owner carries for others."""

    def _hand_in(self, outgoing: Outgoing, parcel: bytes) -> None:
        if outgoing.id in self._house.witness.letters:
            super()._hand_in(outgoing, parcel)
        else:
            self._village.post(self._house.name, outgoing, parcel)


class CarryingHouse(House):
    """A house that carries for others, and knows some of the offices."""

    box_type = CarriersBox
    terms = Terms()
    offices: tuple[VillageOffice, ...] = ()
    """Where it goes."""

    def courier(self, store: Store, tags: Tags, report: Report) -> Courier:
        """Return what carries for others."""
        now = lambda: self.engine.now(self.wall())  # noqa: E731 asked anew each time
        doubtful = lambda: self.engine.doubtful(self.wall())  # noqa: E731
        found = Courier(store, tags, self.terms, Moments(now, doubtful), report)
        found.tidy()
        return found

    async def visit(self, office: VillageOffice) -> Report:
        """Visit *office*; what is said of others' parcels adds up."""
        before = self.carried()
        report = await super().visit(office)
        assert self.carried() == before + report.taken_along - report.freed - report.let_go, "parcels do not add up"
        return report

    def carried(self) -> int:
        """Return how many parcels of others are here."""
        return sum(self.view.burden(rank)[0] for rank in Rank)


class CouriersVillage(Simulation):
    """A month in which nothing arrives but by couriers."""

    house_type = CarryingHouse

    def __init__(self, seed: int, folder: Path | None = None) -> None:
        dice = Random(f"{seed} couriers")
        drawn = Profile.drawn(Random(f"{seed} profile"))
        nodes = dice.choice([2, 2, 3, 4])
        latency = dice.choice([each.latency_ms for each in drawn.offices])
        office = Office(latency, dice.choice([False, True]), shows_tokens=True, relays=True)
        skews = [dice.choice(drawn.skews) for _ in range(nodes)]
        super().__init__(
            seed,
            folder,
            replace(drawn, nodes=nodes, offices=(office,) * nodes, skews=tuple(skews), grants=(), leap=0, liar=False),
        )
        self._fate = dice
        self.offices = [
            Shelf(Random(f"{seed} weather {number}"), office, drawn.weather, f"post-{number}")
            for number in range(nodes)
        ]
        for house, place in zip(self._all(self.houses), self.offices, strict=True):
            house.offices = (place,)
        tight = Terms(contacts=0, strangers=dice.choice([20_000, 200_000, 1 << 24]), hops=nodes + 1, days=DAYS)
        self.couriers = [self._courier(seed, number, folder, tight) for number in range(dice.choice([1, nodes - 1]))]
        """One who rides everywhere, or one between each office and the next."""

    def _courier(self, seed: int, number: int, folder: Path | None, terms: Terms) -> CarryingHouse:
        name = len(self.houses) + number
        crash = self.profile.crash
        found = CarryingHouse(
            name, seed, self.witness, lambda: self.now, folder=folder and folder / f"node-{name}", crash=crash
        )
        found.terms = terms
        found.found()
        return found

    def _all(self, houses: Sequence[House]) -> list[CarryingHouse]:
        return [cast(CarryingHouse, each) for each in houses]

    def settle_routes(self) -> None:
        """Let everybody have a shelf wherever they go."""
        alone = len(self.couriers) == 1
        for number, courier in enumerate(self.couriers):
            courier.offices = tuple(self.offices if alone else self.offices[number : number + 2])
        for house in (*self._all(self.houses), *self.couriers):
            for office in house.offices:
                office.now = self.now
                office.shelf(house.name)

    async def storm(self) -> None:
        """Live through the bad weather."""
        self.settle_routes()
        await super().storm()

    async def _visit(self, house: House, office: VillageOffice) -> None:
        """Visit, if that is where *house* goes; else let a courier ride."""
        if office in cast(CarryingHouse, house).offices:
            await super()._visit(house, office)
        else:
            courier = self._fate.choice(self.couriers)
            await super()._visit(courier, self._fate.choice(courier.offices))

    async def _round(self, ms: int) -> None:
        for courier in self.couriers:
            for office in (*courier.offices, *reversed(courier.offices)):
                await super()._visit(courier, office)
        for house in self.houses:
            if not house.away:
                await super()._visit(house, cast(CarryingHouse, house).offices[0])
        self._pass(ms)

    def _forge(self) -> None:
        """Post something that no honest node would, in an office where it has never been; or make a token up."""
        office, other = (cast(Shelf, self.dice.choice(self.offices)) for _ in range(2))
        if self.dice.random() < 0.3:
            office.invent(self.dice.randbytes(16))
        elif other.archive and self.dice.random() < 0.4:
            sender, outgoing, parcel = self.dice.choice(other.archive)
            office.post(f"mallory, as {sender}", outgoing, parcel)
        else:
            super()._forge()

    async def clear(self) -> None:
        """Let the weather clear, and the couriers have room."""
        for courier in self.couriers:
            courier.terms, courier.wiring.chance = replace(courier.terms, strangers=1 << 26), 0.0
        await super().clear()
        await self.after()

    async def quiet(self) -> None:
        """Let what is still under way arrive, and the last losses be known; then all must be silent."""
        for _ in range(len(self.offices) + 1):
            await self._round(HOUR_MS)
        for _ in range(len(self.offices) + 1):
            await self._round(DAY_MS)
        await super().quiet()

    async def after(self) -> None:
        """What has arrived is carried no longer, and after its time nothing is."""
        shown = {each for office in self.offices for each in cast(Shelf, office).shown()}
        for _ in range(len(self.offices) + 1):
            await self._round(HOUR_MS)
        for courier in (*self.couriers, *self._all(self.houses)):
            for parcel in courier.view.parcels():
                assert courier.store.inner.blobs.get(parcel.blob), "a parcel is carried whose bytes are not there"
                waiting = {each.hash for each in parcel.addressees} - shown or parcel.blob not in self.witness.parcels
                assert waiting, f"{courier.name} carries what has arrived, as was shown in some office"
        self._pass((DAYS + 1) * DAY_MS)
        for courier in self.couriers:
            while True:
                try:
                    await courier.visit(courier.offices[0])
                except (Transient, Crash):
                    courier.boot()
                    continue
                break
            assert not courier.carried(), "something is carried for ever"
            assert not any(courier.view.ended(courier.engine.now(courier.wall()), 1))


def main(arguments: Sequence[str]) -> int:
    """Run some seeds; return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m paquebot.testing.couriers", description=__doc__)
    parser.add_argument("seed", nargs="*", type=int)
    parser.add_argument("--seeds", type=int, default=0, help="run the seeds from 0 to N-1")
    chosen = parser.parse_args(arguments)
    failed = 0
    for seed in [*chosen.seed, *range(chosen.seeds)]:
        village = CouriersVillage(seed)
        try:
            village.run()
        except AssertionError as error:
            failed += 1
            print(f"{seed}: FAILED at step {village.steps}: {error}")
        else:
            print(f"{seed}: {len(village.couriers)} couriers, {village.steps} visits")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
