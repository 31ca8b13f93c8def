"""Run a village of nodes through a month of bad weather, from one seed.

    python -m paquebot.testing.simulation 1234 [SEED...]
    python -m paquebot.testing.simulation --seeds 100 [--real]

First the weather is foul, and every promise is checked after every step (*safety* and *frugality*, see
`paquebot.testing.witness`); then it clears, and everyone must end up with everything (*liveness*) and fall silent.
One thread; a seed replays exactly.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from unittest.mock import patch

from paquebot import ahead
from paquebot.errors import Misused, Transient
from paquebot.protocol import bundle as bundles
from paquebot.protocol import redating
from paquebot.protocol.account import Grant
from paquebot.protocol.bundle import Bundle, Heard, To, node_tag
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.identity import PublicKey
from paquebot.protocol.limits import DAY_MS, DENIED_MS, HOUR_MS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import MILLIS_MAX, Millis
from paquebot.protocol.state import Plan
from paquebot.protocol.trust import READ
from paquebot.testing import council
from paquebot.testing.mallory import lies
from paquebot.testing.post import Weather
from paquebot.testing.profiles import YEAR_MS, Profile, governed
from paquebot.testing.village import (
    START_MS,
    Crash,
    House,
    OneThread,
    PlainSealer,
    SameThread,
    VillageOffice,
    draft,
    verified_once,
)
from paquebot.testing.witness import Witness
from paquebot.transport import Outgoing

SETTLING_ROUNDS_MAX = 18
LEANING = 0.4


class Simulation:
    """A month in the village."""

    house_type: type[House] = House
    witness_type: type[Witness] = Witness
    clear_days_max = 20
    """So long after the weather cleared, everyone has everything."""

    def __init__(
        self, seed: int, folder: Path | None = None, profile: Profile | None = None, *, brief: bool = False
    ) -> None:
        self.foul, self.away_days, self.quiet_days = (60, 10, 1) if brief else (300, 30, 6)
        """So many steps the weather is foul, so many days somebody may be away, and so many all are silent."""
        self.dice = Random(f"{seed} steps")
        self._ties, self._haste = Random(f"{seed} ties"), Random(f"{seed} haste")
        self.profile = found = profile or Profile.drawn(Random(f"{seed} profile"))
        self.now = START_MS
        tokens = any(office.shows_tokens for office in found.offices)
        self.witness = self.witness_type(tokens=tokens, keeps=found.disk == "keeps")
        self.trace: list[str] = []
        self.steps = 0
        self.offices = [
            VillageOffice(Random(f"{seed} weather {number}"), each, found.weather, f"post-{number}")
            for number, each in enumerate(found.offices)
        ]
        self.houses = [
            self.house_type(
                number,
                seed,
                self.witness,
                lambda: self.now,
                folder=folder and folder / f"node-{number}",
                crash=found.crash,
            )
            for number in range(found.nodes)
        ]
        neighbours = {house.node: house.name for house in self.houses}
        for house, skew in zip(self.houses, found.skews, strict=True):
            house.skew, house.neighbours = skew, neighbours
            house.grant = found.grants[house.number] if found.grants else Grant()
            house.lies = found.liar and house.number == 0
            house.interrupt = partial(self._interrupt, house)
            house.found()
            for office in self.offices:
                office.shelf(house.name)

    def _pass(self, ms: int) -> None:
        self.now += ms
        for office in self.offices:
            office.now = self.now

    async def _visit(self, house: House, office: VillageOffice) -> None:
        """Let one house sync, and check what it believes."""
        self.steps += 1
        try:
            self.witness.told.clear()
            report = await house.visit(office)
            self.witness.reported(report)
            said = report.summary()
        except Transient:
            said = "the post is closed"
        except Crash:
            house.boot()
            said = "the power went"
        self.trace.append(f"{self.now} {house.name} {office.capability.medium}: {said}")
        self.witness.check(house.node)

    # -- foul weather -------------------------------------------------------------------

    async def storm(self) -> None:
        """Live through the bad weather."""
        pairs = [(a, b) for a in self.houses for b in self.houses if a is not b]
        self.dice.shuffle(pairs)
        drafts = self.profile.drafts
        for step in range(self.foul):
            if self.profile.leap and step == self.foul // 2:
                self._leap(self.houses[-1])
            self._pass(self.dice.randint(1, 2 * self.profile.step_ms))
            if pairs and (step < 2 or self.dice.random() < 0.2):
                self._do(*pairs.pop())
            if drafts and self.dice.random() < 0.1:
                drafts -= 1
                self._publish(self.dice.choice(self.houses))
            if self.dice.random() < self.profile.forgery:
                self._forge()
            if self.profile.disk != "keeps" and self.dice.random() < 0.1:
                self._let_go(self.dice.choice(self.houses))
            self.befall()
            if self.profile.council and self.dice.random() < self.profile.council:
                self._decide(self.dice.choice(self.houses))
            await self._visit(self.dice.choice(self.houses), self.dice.choice(self.offices))
        for pair in pairs:
            self._do(*pair)

    def _leap(self, house: House) -> None:
        """Let a clock be wrong from now on; its owner writes something all the same."""
        house.skew = self.profile.leap
        self._publish(house)
        self.trace.append(f"{self.now} the clock of {house.name} is wrong by {self.profile.leap / YEAR_MS:.0f} years")

    def _mend(self, house: House) -> None:
        """Let the owner of a clock that is seen to be wrong set it right, and say so."""
        house.skew = 0
        while True:
            try:
                house.say_anew()
                break
            except Crash:
                house.boot()
        early = redating.ahead(house.view, house.engine.now(house.wall()))
        assert not early, f"{house.name} has not said {len(early)} things anew"

    def _mend_others(self) -> bool:
        """Let whoever has a wrong clock yet, or said something by one, mend that too; return whether anybody has.

        Whoever has no clock may have learned from one that was believed; and what a home forgot it may be told again.
        """
        found = False
        for house in self.houses if self.profile.leap and self.profile.mended else ():
            now = house.engine.now(house.wall())
            if abs(now - self.now) > 2 * DAY_MS or redating.ahead(house.view, now):
                self._mend(house)
                found = True
        return found

    def befall(self) -> None:
        """Let something else happen: nothing in this village."""

    def make_up(self) -> None:
        """Let people do what they do when the weather clears: nothing in this village."""

    def _do(self, house: House, other: House) -> None:
        while True:
            try:
                house.befriend(other)
                return
            except Crash:
                house.boot()  # the person tries again

    def _decide(self, house: House) -> None:
        try:
            council.decide(house, self.houses, self.dice)
        except Crash:
            house.boot()

    def _interrupt(self, house: House) -> None:
        """Let the person in *house* decide something while its letters are being sealed."""
        if not house.settled_down and self.profile.hasty and self._haste.random() < self.profile.hasty:
            told = self.witness.told.copy()
            council.decide(house, self.houses, self._haste)
            self.witness.told = told  # what follows from that is not of this visit's doing

    def _publish(self, house: House) -> None:
        made, chunks = draft(self.dice)
        try:
            house.publish(replace(made, after=self._leaning(house)), chunks)
        except Crash:
            house.boot()

    def _leaning(self, house: House) -> tuple[ResourceId, ...]:
        """On what the next thing of *house* depends: on its latest one, now and then; others wait until they have that.

        Where things may be taken back or forgotten they would wait for ever.
        """
        if self.profile.council or self.profile.disk == "forgets" or self._ties.random() >= LEANING:
            return ()
        mine = (line for line in house.view.own_lines(1, house.view.tip()[0]) if line.mine and line.kind == "message")
        return tuple(line.entry.resource for line in [*mine][-1:])

    def _let_go(self, house: House) -> None:
        """Let *house* forget something that it may forget, or let its disk damage something that others have."""
        others = [other for other in self.houses if other is not house]
        held = [each for each in house.view.listed() if each.kind in ("message", "file") and not each.gone]
        if not held:
            return
        name = self.dice.choice(held).id
        try:
            if self.profile.disk == "forgets":
                with suppress(Misused):  # a peer lacks it
                    house.store.commit(house.engine.let_go([name]))
            elif any(other.view.complete(name) for other in others):
                numbers = [*house.view.chunks_of(name)]
                chunk = house.view.chunk(self.dice.choice(numbers)) if numbers else None
                lost = ([], [chunk]) if chunk and house.view.has_blob(chunk) else ([name], [])
                house.store.commit(house.engine.lose(*lost))
        except Crash:
            house.boot()

    # -- Mallory -----------------------------------------------------------------------

    def _forge(self) -> None:
        """Post something that no honest node would."""
        office = self.dice.choice(self.offices)
        if not office.archive:
            return
        sender, outgoing, parcel = self.dice.choice(office.archive)
        trick = self.dice.choice(["replay", "garble", "cut", "forge", "betray", "betray"])
        if trick == "garble":
            place = self.dice.randrange(len(parcel))
            parcel = parcel[:place] + self.dice.randbytes(4) + parcel[place + 4 :]
        elif trick == "cut":
            parcel = parcel[: self.dice.randrange(len(parcel))]
        elif trick in ("forge", "betray"):
            parcel = self._lie(outgoing, parcel, honest_seal=trick == "betray") or parcel
        office.post(f"mallory, as {sender}", outgoing, parcel)

    def _lie(self, outgoing: Outgoing, parcel: bytes, *, honest_seal: bool) -> bytes | None:
        """An envelope full of lies: by Mallory's own seal, or by a peer's whose envelope key was stolen."""
        letter = self.witness.letters[outgoing.id]
        by = next((house for house in self.houses if house.node == self.witness.senders[letter.id]), None)
        if by is None:  # it goes on as another node by now
            return None
        keys = by.view.announcement(letter.peer)
        key = keys.pick(Millis(self.now), HOUR_MS) if keys else None
        if key is None:
            return None
        bundle = Bundle(
            id=self.dice.randbytes(16),
            sender=node_tag(by.node),
            # Number 0 is never given by an honest node, so nothing real is acknowledged by lying.
            to=(To(node_tag(letter.peer), 0, bytes(16), 0, Heard()),),
            created=Millis(self.now),
            expires=Millis(self.now + DAY_MS),
            parts=tuple(lies(by, self.houses, self.dice)),
        )
        data = bundles.encode(bundle)
        if honest_seal:
            forged = by.sealer.seal(data, [key], at=bundle.created)
            self.witness.lied(by.node, bundle, forged)
            return forged
        return PlainSealer(by.node, by.secrets, b"Mallory's guess").seal(data, [key], at=bundle.created)

    # -- clear weather ---------------------------------------------------------------------

    async def clear(self) -> None:
        """Let the weather clear: everyone must get everything, and then fall silent."""
        for office in self.offices:
            office.weather = Weather()
        for house in self.houses:
            house.settled_down, house.wiring.chance = True, 0.0
        if self.profile.leap and self.profile.mended:
            self._mend(self.houses[-1])
        self.make_up()
        if self.profile.away:
            await self.absence()
        await self.converge()
        await self.quiet()

    async def converge(self) -> None:
        """Go on until everyone has everything."""
        # Who was asked for a thing while its disk had lost it is not asked again for so long.
        denied = DENIED_MS if self.profile.disk == "rots" else 0
        deadline = self.now + self.clear_days_max * DAY_MS + denied
        while (lacking := self.unfinished()) is not None:
            assert self.now < deadline, f"no convergence: {lacking}"
            self._mend_others()
            await self._round(HOUR_MS)

    async def settle(self) -> bool:
        """Let what is under way yet arrive, which may be asked about once more; return whether it set a clock wrong."""
        await self._round(HOUR_MS)
        for _ in range(SETTLING_ROUNDS_MAX):
            if self._mend_others():
                return True
            if all(office.next_due() is None for office in self.offices):
                break
            await self._round(4 * HOUR_MS)
        return False

    async def _round(self, ms: int) -> None:
        for house in self.houses:
            if house.away:
                continue
            for office in self.offices:
                await self._visit(house, office)
        self._pass(ms)

    def unfinished(self) -> str | None:
        """Say what is still missing, or None if everyone has everything and waits for nothing."""
        for house in self.houses:
            for other in self.houses:
                if house is not other and (lacking := self._lacking(house, other)):
                    return lacking
            if self.profile.disk == "rots" and any(each.gone or each.lacking for each in house.view.listed()):
                return f"{house.name} lacks what its disk damaged"
            if early := redating.ahead(house.view, house.engine.now(house.wall())):
                return f"{house.name} has not said {len(early)} things anew"
            letters = house.view.letters()
            if letters and not self.witness.tokens:  # a letter that cannot be read is never acknowledged
                return f"{house.name} waits for {len(letters)} letters: {letters[0].plan}"
        return council.agree(self.houses)

    def _lacking(self, house: House, author: House) -> str | None:
        """What *house* lacks of what *author* published, or *author* does not know of that."""
        view, theirs = author.view, house.view
        peer = view.peer(house.node)
        assert peer is not None
        if not peer.reads:
            who = (house.user, house.node)
            let = view.authority(author.user).grants(READ, who, Millis(MILLIS_MAX))
            return f"{author.name} does not let {house.name} read, and should" if let else None
        for line in view.own_lines(1, view.tip()[0]):
            if line.gone and self.profile.disk == "forgets":
                continue  # before they met, perhaps
            if theirs.authority(author.user).buries(line.entry.resource):
                continue  # it was taken back: nobody needs it any more
            if view.hidden(line.entry.resource):
                continue
            if council.early(house, line.entry.resource, author):
                continue  # a wrong clock dated it ahead
            if line.mine and not theirs.complete(line.entry.resource):
                return f"{house.name} lacks {author.name}'s line {line.number}"
            if line.mine and line.number not in peer.applied | peer.known:
                return f"{author.name} does not know that {house.name} has line {line.number}"
        heard = theirs.peer(author.node)
        if heard is None or heard.heard < max(peer.acked.last, view.last_of_ours(1, view.tip()[0])):
            return f"{house.name} has not heard {author.name}'s journal to its end"
        if untold := Ranges.of((1, view.tip()[0])) - peer.acked - peer.known:
            return f"{author.name} has not told {house.name} of its lines {untold}"
        if peer.owed_chunks:
            return f"{author.name} still owes {house.name} chunks {peer.owed_chunks}"
        return None

    async def quiet(self) -> None:
        """Everyone has everything: nothing but an occasional heartbeat may be sent."""
        while await self.settle():
            await self.converge()
        before = set(self.witness.letters)
        for _ in range(self.quiet_days * 6):
            await self._round(4 * HOUR_MS)
        living = {house.node for house in self.houses}  # who was put back and went on as another lives nowhere
        letters = self.witness.letters.items()
        sent = [letter for name, letter in letters if name not in before and letter.peer in living]
        for letter in sent:
            plan = letter.plan
            assert self.profile.council or not (plan.lines or plan.chunks), f"content after the end: {plan}"
            # What everybody who had it has forgotten is asked for in vain, now and then; so is what was refused, and
            # by then it may be given.
            vain = self.profile.disk == "forgets" or self.profile.council
            assert vain or not (plan.requests or plan.wants) or self.hopes(plan), f"asked for after the end: {plan}"
        pairs = len(self.houses) * (len(self.houses) - 1)
        assert len(sent) <= 3 * pairs * (self.quiet_days + 1), f"{len(sent)} letters and nothing to say"

    def hopes(self, plan: Plan) -> bool:
        """Return whether *plan* asks for what is lost for good: never, in this village."""
        return False

    # -- somebody is away ------------------------------------------------------------------

    async def absence(self) -> None:
        """One node is away for long: the others knock ever less often."""
        away = self.dice.choice(self.houses)
        away.away = True
        before = set(self.witness.letters)
        for _ in range(self.away_days * 3):
            await self._round(8 * HOUR_MS)
        away.away = False
        knocks: Counter[tuple[str, str]] = Counter()
        for name, letter in self.witness.letters.items():
            if letter.peer == away.node and name not in before:
                knocks[self.witness.senders[name], letter.medium] += 1
        # What is owed when the absence begins, then about a letter a day; where tokens are shown, nothing is sent
        # again, but what is asked for is asked for again after six hours.
        most = (30 + self.away_days) * (2 if self.witness.tokens else 1)
        assert max(knocks.values(), default=0) <= most, f"knocked at a silent door: {sorted(knocks.values())}"
        self.trace.append(f"absence: {sorted(knocks.values())}")

    async def live(self) -> None:
        """Live through it all."""
        await self.storm()
        await self.clear()

    def run(self) -> list[str]:
        """Live through it all; return the trace."""
        with (
            patch.object(ahead, "ThreadPoolExecutor", SameThread),
            patch.object(PublicKey, "verify", verified_once),
            asyncio.Runner(loop_factory=OneThread) as runner,
        ):
            runner.run(self.live())
        return self.trace


def main(arguments: Sequence[str]) -> int:
    """Run some seeds; return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m paquebot.testing.simulation", description=__doc__)
    parser.add_argument("seed", nargs="*", type=int)
    parser.add_argument("--seeds", type=int, default=0, help="run the seeds from 0 to N-1")
    parser.add_argument("--brief", action="store_true", help="with a fifth of the foul weather")
    parser.add_argument("--real", action="store_true", help="with SQLite on a disk and OpenPGP")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    parser.add_argument("--council", action="store_true", help="let the villagers decide about trust all the time")
    chosen = parser.parse_args(arguments)
    failed = 0
    for seed in [*chosen.seed, *range(chosen.seeds)]:
        failed += _try(seed, chosen)
    return failed


def _try(seed: int, chosen: argparse.Namespace) -> bool:
    """Run one seed; return whether it failed."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        profile = governed(seed) if chosen.council else None
        simulation = Simulation(seed, Path(folder) if chosen.real else None, profile, brief=chosen.brief)
        try:
            simulation.run()
        except Exception as error:
            where = error.__traceback__
            while where and where.tb_next:
                where = where.tb_next
            line = f"{where.tb_frame.f_code.co_filename.rpartition('/')[2]}:{where.tb_lineno}" if where else ""
            print(f"{seed}: FAILED at step {simulation.steps}: {type(error).__name__}: {error} ({line})")
            return True
        finally:
            if chosen.trace:
                print("\n".join(simulation.trace))
    letters = len(simulation.witness.letters)
    days = (simulation.now - START_MS) / DAY_MS
    print(f"{seed}: {simulation.steps} visits, {days:.1f} days, {letters} letters, {time.process_time() - began:.2f} s")
    return False


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
