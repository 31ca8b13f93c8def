"""A village whose homes are put back from backups of any age, in a month of bad weather, from one seed.

    python -m paquebot.testing.restored 1234 [SEED...]
    python -m paquebot.testing.restored --seeds 500

What was told to somebody must be everywhere in the end, whoever was put back in between; two restored homes at once,
restores of restores, and clocks that are ten years behind included. Then everyone must fall silent.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import cast

from paquebot.errors import PaquebotError
from paquebot.protocol import incarnation
from paquebot.protocol.bundle import Bundle, node_tag
from paquebot.protocol.effects import Effect
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import DAY_MS, HOUR_MS, IDENTITY_LIFE_MS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter, Plan
from paquebot.testing.memory import MemoryStore, MemoryView
from paquebot.testing.profiles import Profile
from paquebot.testing.simulation import Simulation
from paquebot.testing.village import START_MS, House, PlainSealer, WatchedStore
from paquebot.testing.witness import Sealed, Witness
from paquebot.vault import keystore
from paquebot.vault.keystore import Secrets

BACKUPS = 0.02
RESTORES = 0.012
TEN_YEARS_MS = 3_652 * DAY_MS
SETTLING_DAYS = 12
SILENT_VILLAGES, SILENCE_DAYS = 0.2, 400


class RestoreWitness(Witness):
    """Believes that a restored home knows less than it did, and holds it to everything else.

    What nodes believe of a home is not checked once any was put back: it may be wrong until that home is heard again.
    What must be true in the end is checked by the village.
    """

    def __init__(self, *, tokens: bool, keeps: bool = True) -> None:
        super().__init__(tokens=tokens, keeps=keeps)
        self.restored: set[Fingerprint] = set()

    def put_back(self, node: Fingerprint) -> None:
        """The home of *node* was put back: it has forgotten what it did."""
        self.restored.add(node)
        self.numbered = {place: name for place, name in self.numbered.items() if place[0] != node}
        self._done = {each for each in self._done if each[0] != node}
        self._proven = {pair: known for pair, known in self._proven.items() if pair[0] != node}

    def sealed(self, sender: Fingerprint, bundle: Bundle, parcel: bytes, size_max: int) -> None:
        """An envelope was made: it keeps its promised size."""
        if not self.restored:
            super().sealed(sender, bundle, parcel, size_max)
            return
        assert len(parcel) <= size_max, f"an envelope of {len(parcel)} bytes was announced with {size_max}"
        self.note(parcel, Sealed(sender, bundle))

    def committed(
        self, who: Fingerprint, effects: Iterable[Effect], heard: tuple[Bundle, str] | None, *, incoming: bool
    ) -> None:
        """A transaction of *who* is complete."""
        mine = heard is None or any(to.node == node_tag(who) for to in heard[0].to)
        super().committed(who, effects, heard if mine else None, incoming=incoming)

    def _check_settled(self, letter: Letter, effects: Sequence[Effect]) -> None:
        if not self.restored:
            super()._check_settled(letter, effects)

    def _check_answered(self, who: Fingerprint, number: int) -> None:
        if not self.restored:
            super()._check_answered(who, number)

    def check(self, who: Fingerprint) -> None:
        """Check what *who* believes, or at least its journal, once homes were put back."""
        if not self.restored:
            super().check(who)
            return
        self._proven.pop((who, who), None)  # what was told to nobody may have moved behind what was recalled
        self._prove(who, who)


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a home: its store and its keys."""

    store: MemoryStore
    key: PrivateKey
    secrets: Secrets
    at: int


def copied(store: MemoryStore) -> MemoryStore:
    """Return a copy of *store*, as a backup would hold it."""
    other = MemoryStore()
    other._tables, other.blobs = store._tables.copy(), store.blobs.copy()
    other._view = MemoryView(other._tables, other.blobs, store.view.local())
    return other


class RestoredHouse(House):
    """A house with a cupboard full of backups."""

    backups: list[Backup]

    def back_up(self) -> None:
        """Put a copy of the home into the cupboard."""
        store = cast(MemoryStore, self.store.inner)
        made = Backup(copied(store), self.key, self.secrets, self._clock())
        self.backups = [*getattr(self, "backups", ()), made][-4:]

    def put_back(self, backup: Backup) -> None:
        """Put a home back as it was."""
        self.store = WatchedStore(copied(backup.store), self)
        self._become(backup.key, backup.secrets)
        cast(RestoreWitness, self.witness).put_back(self.node)
        self.boot()

    def _become(self, key: PrivateKey, secrets: Secrets) -> None:
        self.key, self.secrets, self.node = key, secrets, key.fingerprint
        self.sealer = PlainSealer(self.node, secrets, self.shared)
        self.neighbours[self.node] = self.name
        self.witness.views[self.node] = self.view
        self.witness.keys[self.node] = key.public

    def after_draining(self) -> None:
        """Go on as another node, if the journal contradicts what was once said."""
        if not self.view.past().branch:
            return
        now = self.engine.now(self.wall())
        key = PrivateKey.create("ed25519", self._entropy)
        expires = Millis(now + IDENTITY_LIFE_MS)
        secrets = keystore.create(now, self._entropy, expires).with_storage(self.secrets.storage)
        announced = secrets.announcement(key.fingerprint)
        new = incarnation.prepare(self.view, self.key, self._founding, key, announced, now)
        inner = self.store.inner
        inner.succeed(new.local, new.last, lambda: incarnation.take_root(inner.view, new, now))
        self._become(key, secrets.opening(self.secrets))
        cast(RestoreWitness, self.witness).put_back(self.node)
        self.boot()


class RestoredVillage(Simulation):
    """A month in which homes are put back."""

    house_type = RestoredHouse
    witness_type = RestoreWitness
    clear_days_max = 70
    """After a year's silence two have given each other up, and each looks again once a month only."""

    def __init__(self, seed: int, profile: Profile | None = None) -> None:
        drawn = profile or Profile.drawn(Random(f"{seed} profile"))
        super().__init__(seed, None, replace(drawn, disk="keeps"))  # where things are forgotten, not all is everywhere
        self.restores = 0
        self.incarnations = 0
        self._fate = Random(f"{seed} fate")
        for house in self._houses():
            house.back_up()

    def _houses(self) -> list[RestoredHouse]:
        return cast(list[RestoredHouse], self.houses)

    def befall(self) -> None:
        """Let fate have its way with a house."""
        house = self._fate.choice(self._houses())
        if self._fate.random() < BACKUPS:
            house.back_up()
        if self._fate.random() < RESTORES:
            backup = self._fate.choice(house.backups)
            house.put_back(backup)
            self.restores += 1
            age = (self.now - backup.at) / DAY_MS
            self.trace.append(f"{self.now} {house.name} was put back to where it was {age:.1f} days ago")
            if self._fate.random() < 0.3:
                house.skew = self._fate.choice([0, -TEN_YEARS_MS, None])

    def make_up(self) -> None:
        """Let people add again whom their restored homes do not know; in some villages, after a year and more."""
        if self._fate.random() < SILENT_VILLAGES:
            self._pass(SILENCE_DAYS * DAY_MS)
            self.trace.append(f"{self.now} nobody said a word for {SILENCE_DAYS} days")
            for house in self.houses:
                for peer in house.view.peers():
                    house.store.commit(house.engine.retry(peer.node))
        for house in self.houses:
            for other in self.houses:
                if house is not other and not any(peer.user == other.user for peer in house.view.peers()):
                    self._do(house, other)

    def hopes(self, plan: Plan) -> bool:
        """Return whether *plan* only asks for what nobody gives: its author was put back, and had told but its name."""
        if plan.lines or plan.chunks:
            return False
        views = [house.view for house in self.houses if not house.lies]
        found = any(view.has(name) for name in plan.requests for view in views)
        return not found and not any(view.complete(file) for file, _ in plan.wants for view in views)

    async def quiet(self) -> None:
        """Everyone has everything; let them tell each other so. Then nothing but a heartbeat may be sent."""
        for _ in range(SETTLING_DAYS * 6):
            await self._round(4 * HOUR_MS)
        assert (lacking := self.unfinished()) is None, lacking
        await super().quiet()

    def unfinished(self) -> str | None:
        """Say what is still missing: everyone must have everything that anyone has."""
        everything, whole = set(), set()
        for house in self.houses:
            if house.view.past().branch:
                return f"{house.name} has not gone on yet"
            if house.view.lapses():
                return f"{house.name} has forgotten lines that others know"
            # Of others' things, what only a liar is left with nobody gets.
            held = [each for each in house.view.listed() if not house.lies or each.user == house.user]
            everything |= {each.id for each in held}
            whole |= {each.id for each in held if house.view.complete(each.id)}
        for house in self.houses:
            missing = everything - {each.id for each in house.view.listed()}
            if missing:
                return f"{house.name} lacks {len(missing)} things"
            if not all(house.view.complete(each) for each in whole):
                return f"{house.name} lacks chunks that others have"
            for other in self.houses:
                if house is other:
                    continue
                peer = house.view.peer(other.node)
                if peer is None:
                    return f"{house.name} does not know {other.name}'s node yet"
                if peer.heard < other.view.last_of_ours(1, other.view.tip()[0]):
                    return f"{house.name} has not heard {other.name}'s journal to its end"
                if untold := Ranges.of((1, house.view.tip()[0])) - peer.acked - peer.known:
                    return f"{house.name} has not told {other.name} of its lines {untold}"
        return None


def main(arguments: Sequence[str]) -> int:
    """Run some seeds; return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m paquebot.testing.restored", description=__doc__)
    parser.add_argument("seed", nargs="*", type=int)
    parser.add_argument("--seeds", type=int, default=0, help="run the seeds from 0 to N-1")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    chosen = parser.parse_args(arguments)
    return sum(_failed(seed, trace=chosen.trace) for seed in [*chosen.seed, *range(chosen.seeds)])


def _failed(seed: int, *, trace: bool) -> bool:
    began, village = time.process_time(), RestoredVillage(seed)
    try:
        village.run()
    except (AssertionError, PaquebotError) as error:
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        line = f"{where.tb_frame.f_code.co_filename.rpartition('/')[2]}:{where.tb_lineno}" if where else ""
        print(f"{seed}: FAILED at step {village.steps}: {type(error).__name__}: {error} ({line})")
        return True
    finally:
        if trace:
            print("\n".join(village.trace))
    nodes = len(village.witness.views) - len(village.houses)
    days = (village.now - START_MS) / DAY_MS
    spent = time.process_time() - began
    happened = f"{village.restores} restores, {nodes} new nodes, {village.steps} visits"
    print(f"{seed}: {happened}, {days:.1f} days, {spent:.2f} s")
    return False


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
