"""From a transport to the engine: collect, open, decide, commit, and only then acknowledge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from paquebot import letters
from paquebot.ahead import Ahead
from paquebot.courier import Courier
from paquebot.errors import (
    BadSignature,
    Malformed,
    NotForUs,
    NotYet,
    PaquebotError,
    Refused,
    SetApart,
    Stranger,
    Unstorable,
    Waiting,
)
from paquebot.frozen import frozen
from paquebot.protocol import bundle as bundles
from paquebot.protocol import hearing, meeting
from paquebot.protocol.bundle import Bundle, To
from paquebot.protocol.effects import Effect, Effects, Seen, Settle
from paquebot.protocol.engine import Engine
from paquebot.protocol.keys import Announcement, Pins
from paquebot.protocol.limits import MINUTE_MS
from paquebot.protocol.link import Link
from paquebot.protocol.meeting import Met
from paquebot.protocol.stamp import Millis
from paquebot.report import Problem, Report
from paquebot.store import Store
from paquebot.transport import (
    Acknowledgement,
    Arrival,
    Finding,
    Handover,
    Stage,
    TokenShown,
    Transport,
    Verdict,
    closed_after,
)
from paquebot.vault.sealer import Opened, Sealer

BATCH = 256  # acknowledgements given at once: a stick gets one file for them


Item: TypeAlias = "Arrival | TokenShown | Handover | Finding"


@frozen
class _Early:
    """What came of opening a parcel before its turn, by what was known then."""

    opened: Opened | None
    now: Millis
    doubtful: bool
    pins: Pins


class Inbox:
    """Empties one transport at a time into one store, until *enough* says so.

    With *welcome*, whoever introduces itself becomes a peer.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        sealer: Callable[[], Sealer],
        clock: Callable[[], Millis],
        report: Report,
        *,
        welcome: bool = False,
        courier: Courier | None = None,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._engine = engine
        self._sealer = sealer
        self._clock = clock
        self._report = report
        self._welcome = welcome
        self._courier = courier
        self._medium = ""
        self._closed = False
        """None of our keys opened the latest arrival, though its form is right."""
        self._news_of_peer = False
        """What was opened last had not come before."""
        self._enough = enough
        self._ahead = Ahead[_Early]()
        self._pins: dict[str, Announcement] | None = None
        self._met: Met | None = None
        self._crowd = meeting.crowd(store.view, engine.now(clock()))
        self._waiting = {each.digest for each in store.view.pending()}

    async def drain(self, transport: Transport, link: Link) -> None:
        """Take in everything that has arrived. Raise `TransportError` or `StoreError`."""
        before = self._crowd
        try:
            await self._drain(transport, link)
        finally:
            if self._crowd != before:
                self._store.commit(meeting.came(self._crowd))
            if self._courier:
                self._courier.note_tokens()
        if self._crowd.left and not before.left:
            self._report.notes.append("more strangers wrote than are heard in a day; the others are, from tomorrow on")

    async def _drain(self, transport: Transport, link: Link) -> None:
        self._medium = link.medium
        answers: list[Acknowledgement] = []
        with self._ahead:
            async with closed_after(transport.collect()) as items, closed_after(self._one_late(items)) as late:
                async for item in late:
                    answer = await self._item(item, link)
                    answers += [answer] if answer else []
                    if len(answers) >= BATCH:
                        await transport.acknowledge(answers)
                        answers = []
                    if self._enough():
                        self._report.unfinished = True
                        break
        if answers:
            await transport.acknowledge(answers)

    async def _one_late(self, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
        """Yield *items*, each when the next one is here, which is then opened while the disk is waited for."""
        before: list[Item] = []
        try:
            async for item in items:
                if isinstance(item, Arrival) and item.recognised:
                    self._ahead.add(id(item.parcel), partial(self._opening, item.parcel))
                    self._ahead.hasten()
                for each in before:
                    yield each
                before = [item]
        except PaquebotError:  # what came before is here all the same
            for each in before:
                yield each
            raise
        for each in before:
            yield each

    async def _item(self, item: Item, link: Link) -> Acknowledgement | None:
        """Take one item in; return what to tell the carrier of it, if anything."""
        match item:
            case Arrival():
                # A parcel is acknowledged only after what it taught us is safely stored. If the power is cut
                # between the two, the parcel comes back and is recognised.
                return await self._arrival(item, link)
            case TokenShown(token):
                done = self._store.commit(self._engine.token(token, self._clock()))
                self._commit_news(done)
                if self._courier and not done:
                    self._courier.token(token)
            case Handover():
                self._news(item, link)
            case Finding():
                self._finding(item)
        return None

    def _commit_news(self, done: Iterable[object]) -> None:
        self._report.acknowledged += sum(isinstance(effect, Settle) for effect in done)

    async def _arrival(self, arrival: Arrival, link: Link) -> Acknowledgement | None:
        """Return what to tell the carrier; None if the arrival is to come again."""
        self._report.found += 1
        if arrival.letter:
            return self._lettered(arrival)
        try:
            to = await self._take_in(arrival.parcel, arrival.where, link)
        except NotYet as early:
            if not self._report.not_yet:
                self._report.problems.append(Problem(arrival.where, str(early), early.exit_code))
            self._report.not_yet += 1
            return None
        except Refused as refusal:
            return self._refused(arrival, refusal)
        if self._courier and self._news_of_peer and arrival.onward:
            self._courier.vouch(link.medium, arrival.onward.lot)
        return Acknowledgement(arrival.key, Verdict.TAKEN, to.token or None)

    def _lettered(self, arrival: Arrival) -> Acknowledgement:
        """Set aside what a person wrote to this node, to be read. Its mail stays where it is."""
        found, now = None, self._engine.now(self._clock())
        with suppress(BadSignature):  # it was damaged: whoever looks into the mailbox may make more of it
            found = letters.find(self._store.view, self._sealer().read, arrival.parcel, now)
        if found is None:
            self._report.not_ours += 1
            return Acknowledgement(arrival.key, Verdict.NOT_OURS)
        self._report.refused += 1
        self._report.note(self._store.commit(letters.set_aside(self._store.view, found, arrival.parcel, now)))
        return Acknowledgement(arrival.key, Verdict.REFUSED)

    async def again(self, envelope: bytes, where: str, link: Link) -> None:
        """Judge an envelope anew that was set aside, as if it came now. Raise `Refused` if it is refused again."""
        await self._take_in(envelope, where, link)

    async def _take_in(self, envelope: bytes, where: str, link: Link) -> To:
        """Open an envelope and store what follows from it; return how it addressed us. Raise `Refused`."""
        opened = await self._open(envelope)
        bundle = bundles.decode(opened.bundle)
        sender = self._engine.sender(bundle, opened.signers)
        to = self._engine.addressed(bundle, sender)
        if self._met is not None:
            self._meet(self._met, bundle, where, opened.created)
        received = self._engine.receive(bundle, sender, link, where, self._clock(), opened.created, len(envelope))
        done = self._learn(received)
        self._news_of_peer = any(isinstance(each, Seen) for each in done)
        self._commit_news(done)
        self._store.release(envelope)
        self._report.opened += 1
        self._report.note(done)
        # What was put off is acknowledged by our next envelope, which says so, and not by a bare token.
        return replace(to, token=b"") if any(hearing.put_off(each) for each in done) else to

    def _learn(self, effects: Effects) -> list[Effect]:
        """Store what follows from an envelope. Raise `Refused` if the store cannot hold that: others still come in."""
        try:
            return self._store.commit(effects)
        except Unstorable as error:
            raise Refused(f"what it says cannot be stored: {error}") from error

    def _refused(self, arrival: Arrival, refusal: Refused) -> Acknowledgement | None:
        """Set it aside, unless it simply is not ours; a stranger's waits until we may know the stranger."""
        if isinstance(refusal, Stranger):
            if isinstance(refusal, Waiting) or self._crowd.littered:
                self._report.not_ours += 1
                return Acknowledgement(arrival.key, Verdict.NOT_OURS)
            self._crowd = replace(self._crowd, kept=self._crowd.kept + 1)
        if isinstance(refusal, Malformed):
            done = self._store.commit(self._engine.in_clear(arrival.parcel, arrival.where, self._clock()))
            if done:
                self._report.refused += 1
                self._report.note(done)
                return Acknowledgement(arrival.key, Verdict.REFUSED)
        foreign = not arrival.recognised and not isinstance(refusal, Stranger)
        if foreign:
            self._report.not_ours += 1
            if self._courier and self._closed and not self._courier.take(arrival, self._medium):
                return None
            return Acknowledgement(arrival.key, Verdict.NOT_OURS)
        self._report.refused += 1
        self._report.note(
            self._store.commit(self._engine.refuse(arrival.parcel, refusal, arrival.where, self._clock()))
        )
        later = isinstance(refusal, SetApart) or (isinstance(refusal, Stranger) and not arrival.recognised)
        return Acknowledgement(arrival.key, Verdict.NOT_OURS if later else Verdict.REFUSED)

    def _opening(self, parcel: bytes) -> Callable[[], _Early]:
        """Return what opens *parcel*, by what is known now. Nobody is introduced by it."""
        wall = self._clock()
        now, doubtful, pins = self._engine.now(wall), self._engine.doubtful(wall), self._known()
        opens = partial(self._sealer().open, parcel, pins, now=now, doubtful=doubtful)

        def work() -> _Early:
            try:
                return _Early(opens(), now, doubtful, pins)
            except Refused:  # why, is asked when its turn comes: by then it may be another answer
                return _Early(None, now, doubtful, pins)

        return work

    async def _opened_early(self, parcel: bytes, now: Millis, *, doubtful: bool) -> Opened | None:
        """Return what was opened ahead, unless by now the answer could be another one."""
        if not self._ahead.knows(id(parcel)):
            return None
        early = await self._ahead.take(id(parcel), partial(self._opening, parcel))
        still = early.pins is self._known() and early.doubtful == doubtful and 0 <= now - early.now < MINUTE_MS
        return early.opened if still else None

    async def _open(self, parcel: bytes) -> Opened:
        wall = self._clock()
        now, doubtful = self._engine.now(wall), self._engine.doubtful(wall)
        self._met, self._closed = None, False

        def introduced(data: bytes) -> Pins:
            self._crowd = self._crowd.at(now)
            if self._crowd.full:
                self._crowd = replace(self._crowd, left=True)
                raise Waiting("too many strangers in one day; it is looked at another time")
            self._crowd = replace(self._crowd, read=self._crowd.read + 1)
            self._met = meeting.read(data, now)
            if self._met.digest in self._waiting:  # once: who waits already takes no other's place
                self._waiting.remove(self._met.digest)
                self._crowd = replace(self._crowd, read=self._crowd.read - 1)
            return {self._met.node: self._met.card.keys}

        early = await self._opened_early(parcel, now, doubtful=doubtful)
        if early is not None:
            return early
        try:
            return await asyncio.to_thread(
                self._sealer().open, parcel, self._known(), now=now, doubtful=doubtful, introduced=introduced
            )
        except NotForUs:
            self._closed = True
            raise

    def _meet(self, met: Met, bundle: Bundle, where: str, sealed: Millis) -> None:
        """Let the engine decide about a stranger whose seal is good. Raise `Waiting` unless it is a peer now."""
        effects = self._engine.introduced(met, bundle, where, self._clock(), sealed, welcome=self._welcome)
        self._report.note(self._learn(effects))
        peer = self._store.view.peer(met.node)
        if peer is None:
            raise Waiting("the sender is not one of our peers")
        self._report.notes.append(f"{peer.name} introduced itself and is a peer now")
        self._pins = None

    def _known(self) -> dict[str, Announcement]:
        """The pinned envelope keys of all peers, read anew for each run."""
        if self._pins is None:
            view = self._store.view
            found = ((peer.node, view.announcement(peer.node)) for peer in view.peers())
            self._pins = {node: keys for node, keys in found if keys is not None}
        return self._pins

    def _news(self, handover: Handover, link: Link) -> None:
        if self._courier and handover.stage is Stage.LOST and self._courier.lost(handover.id, link.medium):
            return
        if handover.stage is Stage.LOST:
            if self._store.commit(self._engine.lost(handover.id)):  # or it has arrived by another way
                self._report.notes.append(f"{handover.where}: an envelope of ours is gone; it is sent again")
        else:
            self._store.commit(self._engine.handed(handover.id, link, handover.where, self._clock()))

    def _finding(self, finding: Finding) -> None:
        if not finding.damage:
            self._report.notes.append(f"{finding.where}: {finding.reason}")
        elif finding.data:
            refusal = Refused(finding.reason)
            self._report.note(
                self._store.commit(self._engine.refuse(finding.data, refusal, finding.where, self._clock()))
            )
        else:
            self._report.findings.append(Problem(finding.where, finding.reason, 3))
