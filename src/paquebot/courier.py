"""Carrying for others: takes along what nobody here can open, puts it on other media, and brings back tokens."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path

from paquebot import config
from paquebot.context import Tags
from paquebot.errors import DiskFull, Permanent
from paquebot.frozen import frozen
from paquebot.protocol import carrying
from paquebot.protocol.burden import Addressee, LetGo, Parcel, PutDown, Rank, TakeAgain, TakeAlong
from paquebot.protocol.carrying import Found, Terms
from paquebot.protocol.effects import Effects
from paquebot.protocol.limits import TOKENS_MAX
from paquebot.protocol.stamp import Millis
from paquebot.report import Report
from paquebot.store import Store
from paquebot.transport import (
    Arrival,
    Handover,
    Onward,
    Outgoing,
    Recipient,
    Relay,
    Stage,
    Transport,
    parcel_name,
    token_hash,
)

ROUNDS_MAX = 200  # of handing over in one visit
AT_ONCE = 64  # tokens for which nothing waits that are noted one by one, before the carrier may forget them


@frozen
class Moments:
    """What is known of the time, asked anew each time."""

    now: Callable[[], Millis]
    doubtful: Callable[[], bool]
    """This machine's clock is wrong: then nothing has expired."""


class Courier:
    """What one home does for parcels of others, on every medium that it visits. *free* says how many bytes are free.

    Raise `StoreError` from any method.
    """

    def __init__(
        self,
        store: Store,
        tags: Tags,
        terms: Terms,
        moments: Moments,
        report: Report,
        free: Callable[[], int] | None = None,
    ) -> None:
        self._store = store
        self.tags = tags
        """By which own letters are known."""
        self._terms = terms
        self._moments = moments
        self._report = report
        self._free = free
        self._full = False
        self._unawaited: dict[bytes, bytes] = {}
        self._told = 0
        self._damaged: list[bytes] = []
        self._lots = carrying.lots(store.view.remembered(carrying.LOTS))

    @classmethod
    def of(cls, home: Path, store: Store, tags: Tags, moments: Moments, report: Report) -> Courier:
        """Return what carries for others in *home*, on the terms of its configuration. Raise `ConfigError`."""
        terms = config.read(home / config.FILE_NAME).carry
        return cls(store, tags, terms, moments, report, lambda: shutil.disk_usage(home).free)

    def tidy(self) -> None:
        """Let go of what has ended, and of what is more than may be carried."""
        now, doubtful = self._moments.now(), self._moments.doubtful()
        with suppress(DiskFull):  # then there is room the next time
            self._commit(carrying.tidy(self._store.view, self._terms, now, self._spare(), doubtful=doubtful))

    def burden(self) -> tuple[int, int]:
        """Return how many parcels of others are carried, and their bytes."""
        found = [self._store.view.burden(rank) for rank in Rank]
        return sum(count for count, _ in found), sum(size for _, size in found)

    def vouch(self, medium: str, lot: str) -> None:
        """Remember that a contact's new letter to us lay in *lot*."""
        name = _lot(medium, lot)
        if lot and name not in self._lots:
            self._store.commit(carrying.vouch(self._lots, name))
            self._lots = carrying.lots(self._store.view.remembered(carrying.LOTS))

    def take(self, arrival: Arrival, medium: str) -> bool:
        """Take *arrival* along, which no key of ours opens, unless it is our own or not worth its space.

        Return False if the disk is full: then it should come again.
        """
        if arrival.onward is None:
            return True
        if self._full:
            return False
        onward, salt = arrival.onward, parcel_name(arrival.parcel)
        if any(self.tags.made(salt, tag) for tag, _ in onward.recipients):
            return True
        found = Found(
            name=_name(salt, onward),
            blob=sha256(arrival.parcel).digest(),
            data=arrival.parcel,
            medium=medium,
            rank=Rank.CONTACTS if _lot(medium, onward.lot) in self._lots else Rank.STRANGERS,
            priority=onward.priority,
            hops=onward.hops,
            expires=Millis(onward.expires_ms),
            addressees=tuple(Addressee(tag, hash_) for tag, hash_ in onward.recipients),
        )
        now, doubtful = self._moments.now(), self._moments.doubtful()
        try:
            view = self._store.view
            self._commit(carrying.take(view, found, self._terms, now, self._spare(), doubtful=doubtful))
        except DiskFull as error:  # our own letters go on coming
            self._full = True
            self._report.notes.append(f"nothing more is taken along for others: {error}")
        return not self._full

    def token(self, token: bytes) -> None:
        """Somebody has shown *token*: perhaps something that we carry has arrived."""
        hash_ = token_hash(token)
        if self._store.view.awaiting(hash_, 1):
            self._commit(carrying.token(self._store.view, token, hash_))
        elif len(self._unawaited) < TOKENS_MAX and not self._store.view.shown(hash_):
            self._unawaited[hash_] = token
            self._told += 1
            if self._told <= AT_ONCE:
                self.note_tokens()

    def lost(self, name: bytes, medium: str) -> bool:
        """Return whether *name* is a parcel of others; then it is on *medium* no more, and may be put there again."""
        if self._store.view.parcel(name) is None:
            return False
        self._store.commit(carrying.lost(name, medium))
        return True

    def note_tokens(self) -> None:
        """Remember tokens that nothing waited for: what they belong to may be met elsewhere."""
        tokens, self._unawaited = self._unawaited, {}
        self._store.commit(carrying.unawaited(tokens, self._moments.now()))

    async def hand_on(self, transport: Transport) -> None:
        """Put on a medium what it lacks, and show there what tokens it waits for. Raise `TransportError`."""
        can = transport.capability
        if not (can.relays and can.writable):
            return
        assert isinstance(transport, Relay), "whoever relays brings back tokens"
        for _ in range(ROUNDS_MAX):
            can = transport.capability
            parcels = carrying.to_put(self._store.view, can.medium, can.bytes_max, can.room)
            if not parcels or not await self._put(transport, parcels):
                break
        tokens = self._store.view.shown_for(transport.capability.medium, carrying.SHOWN_MAX)
        if tokens:
            await transport.show(tokens)

    async def _put(self, transport: Transport, parcels: Sequence[Parcel]) -> bool:
        """Return whether all could be put there."""
        handovers: list[Handover] = []
        self._store.commit(carrying.putting(parcels, transport.capability.medium))
        try:
            async for handover in transport.send([self._outgoing(each) for each in parcels]):
                handovers.append(handover)
        finally:
            done = [each.id for each in handovers if each.stage is not Stage.FAILED]
            medium = transport.capability.medium
            self._store.commit(effect for name in done for effect in carrying.put(name, medium))
            self._report.handed_on += len(done)
            self._report.read_back |= any(each.stage is Stage.ON_MEDIUM for each in handovers)
        damaged, self._damaged = self._damaged, []
        self._commit(carrying.spoilt(self._store.view, damaged))
        if len(done) + len(damaged) < len(parcels):
            where = next((each.where for each in handovers if each.stage is Stage.FAILED), "")
            self._report.notes.append(f"{where}: not all that is carried for others could be put there")
        return len(done) + len(damaged) == len(parcels)

    def _outgoing(self, parcel: Parcel) -> Outgoing:
        return Outgoing(
            id=parcel.name,
            size_max=parcel.size,
            body=partial(self._body, parcel),
            recipients=tuple(Recipient(_same(each.tag), each.hash) for each in parcel.addressees),
            expires_ms=carrying.shown_expiry(parcel),
            priority=parcel.priority,
            hops=parcel.hops + 1,
        )

    async def _body(self, parcel: Parcel) -> bytes:
        data = self._store.blobs.get(parcel.blob)
        if data is None:
            self._damaged.append(parcel.name)
            raise Permanent("the bytes of a parcel that is carried for others are damaged: see `paquebot check`")
        return data

    def _spare(self) -> int | None:
        if self._free is None:
            return None
        return carrying.spare(self._free(), self.burden()[1])

    def _commit(self, effects: Effects) -> None:
        """Store *effects*, and then count what became of parcels that were kept, or are."""
        count: Counter[str] = Counter()

        def counted() -> Effects:
            for effect in effects:
                match effect:
                    case TakeAlong(parcel):
                        count["taken along"] += parcel.kept
                    case TakeAgain():
                        count["taken along"] += 1
                    case PutDown(name) | LetGo(name):
                        known = self._store.view.parcel(name)
                        if known is not None and known.kept:
                            count["arrived" if known.arrived else "let go"] += 1
                yield effect

        self._store.commit(counted())
        self._report.taken_along += count["taken along"]
        self._report.freed += count["arrived"]
        self._report.let_go += count["let go"]


def _name(salt: bytes, onward: Onward) -> bytes:
    """Nothing binds a parcel to those for whom it says to be: with others on its outside, it is another one."""
    return blake2b(salt + b"".join(tag + hash_ for tag, hash_ in sorted(onward.recipients)), digest_size=16).digest()


def _lot(medium: str, lot: str) -> bytes:
    return blake2b(f"{medium} {lot}".encode(), digest_size=16).digest()


def _same(tag: bytes) -> Callable[[bytes], bytes]:
    """The tag that a record had belongs to its bytes, which are the same."""
    return lambda _: tag
