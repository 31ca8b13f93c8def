"""Ends that see only what they themselves send: for a check on a medium where other things lie.

Every parcel begins with a mark. What has none is hidden, and so never acknowledged; so is whatever else a transport
has to tell of things that are not ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, cast

from paquebot.testing.ends import Link, begin, skip, token_of
from paquebot.transport import (
    API_VERSION,
    Acknowledgement,
    Arrival,
    Capability,
    Handover,
    Outgoing,
    Rationed,
    Stage,
    TokenShown,
    Transport,
    Verdict,
    Waits,
    token_hash,
)

LOOK_S = 1.0
REST_S = 61.0  # most providers count by the minute
_NAMES = (*"abcdefghijklmnopqrstuvwxyz", *map(str, range(100)), "large", "small")  # what parcels are called in tests


@dataclass(slots=True)
class Ration:
    """Keeps all runs of a check together to what a provider allows, who knows nothing of runs."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    parcels: int = 0
    bytes: int = 0
    """What was sent so far, as parcels."""
    _sent: int = 0
    """Since the last rest."""

    async def spend(self, parcels: int, most: int | None) -> None:
        """Rest first, if more than *most* would go without; None for any number."""
        if most is not None and self._sent and self._sent + parcels > most:
            await self.sleep(REST_S)
            self._sent = 0
        self._sent += parcels


@dataclass(slots=True)
class Traffic:
    """What all ends of one run have sent and settled."""

    ration: Ration
    most: int | None
    """How many parcels the carrier takes without a rest."""
    sent: dict[bytes, Outgoing] = field(default_factory=dict)
    """By id."""
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    """The same as they were sent, by id."""
    under_way: set[bytes] = field(default_factory=set)
    """Parcels that were handed over and not settled."""
    readers: int = 3
    """How many ends everything comes to."""


class Marked:
    """One end of which nobody notices that it marks what it sends."""

    api: ClassVar[int] = API_VERSION
    settings_type: ClassVar[type]

    def __init__(self, end: Transport, mark: bytes, traffic: Traffic) -> None:
        self._end = end
        self._mark = mark
        self.traffic = traffic
        self._keys: dict[str, bytes] = {}
        self._own: set[bytes] = set()

    @property
    def capability(self) -> Capability:
        """The same, but for the room that the mark takes."""
        can = self._end.capability
        return replace(can, bytes_max=can.bytes_max - len(self._mark), relays=False)

    async def __aenter__(self) -> Marked:
        await self._end.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._end.__aexit__(*exc_info)

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Send *batch*, marked, and to our own address if there are addresses: there all ends have one."""
        sizes = sum(each.size_max + len(self._mark) for each in batch)
        if isinstance(self._end, Rationed) and not self._end.enough(len(batch), sizes, self.traffic.readers):
            skip("it is more than may go and come today, or in a minute")
        await self.traffic.ration.spend(len(batch), self.traffic.most)
        self.traffic.sent |= {each.id: each for each in batch}
        size, address = len(self._mark), self._end.capability.address
        marked = [
            replace(
                each,
                size_max=each.size_max + size,
                body=partial(self._body, each),
                recipients=tuple(replace(to, address=address or to.address) for to in each.recipients),
            )
            for each in batch
        ]
        async with aclosing(cast(Any, self._end.send(marked))) as handovers:
            async for news in handovers:
                if news.stage is not Stage.FAILED and news.id in self.traffic.bodies:
                    self.traffic.under_way.add(self.traffic.bodies[news.id])
                yield news

    async def _body(self, outgoing: Outgoing) -> bytes:
        body = self.traffic.bodies[outgoing.id] = await outgoing.body()
        self.traffic.ration.parcels += 1
        self.traffic.ration.bytes += len(self._mark) + len(body)
        self._own.add(body)
        return self._mark + body

    async def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover]:
        """Yield what concerns this run's parcels."""
        async with aclosing(cast(Any, self._end.collect())) as everything:
            async for news in everything:
                match news:
                    case Arrival() if news.parcel.startswith(self._mark):
                        found = replace(news, parcel=news.parcel.removeprefix(self._mark))
                        self._keys[news.key] = found.parcel
                        if not (self._end.capability.address and found.parcel in self._own):  # sent to ourselves
                            yield found
                    case TokenShown() if token_hash(news.token) in self._hashes():
                        yield news
                    case Handover() if news.id in self.traffic.sent:
                        yield news

    def _hashes(self) -> set[bytes]:
        return {to.token_hash for each in self.traffic.sent.values() for to in each.recipients}

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Settle what arrived."""
        self.traffic.under_way -= {self._keys[each.key] for each in acknowledgements if each.key in self._keys}
        await self._end.acknowledge(acknowledgements)

    async def arrived(self, seconds: float) -> None:
        """Wait until everything that is under way can be collected here, but no longer than *seconds*."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = {news.parcel async for news in self.collect() if isinstance(news, Arrival)}
            if self.traffic.under_way <= found:
                return
            await asyncio.sleep(LOOK_S)

    async def tidy(self) -> None:
        """Take everything of this run and show its token, so that it can be deleted."""
        async for _ in self.collect():
            pass
        tokens = {token_hash(token): token for token in map(token_of, _NAMES)}
        shown = {
            self.traffic.bodies[each.id]: tokens[to.token_hash]
            for each in self.traffic.sent.values()
            for to in each.recipients
            if each.id in self.traffic.bodies and to.token_hash in tokens
        }
        taken = [(key, shown[body]) for key, body in self._keys.items() if body in shown]
        await self.acknowledge([Acknowledgement(key, Verdict.TAKEN, token) for key, token in taken])


def linked(link: Link, mark: bytes, ration: Ration) -> Link:
    """Return *link*, newly opened, with ends that see only what this run, which is called *mark*, has sent."""
    begin(mark[-64:])
    readers = 2 if link.third is None else 3
    traffic = Traffic(ration, link.sender.capability.parcels_left, readers=readers)
    base = Waiting if isinstance(link.sender, Waits) else Marked
    kind = type("Marked", (base,), {"api": type(link.sender).api, "settings_type": type(link.sender).settings_type})
    third: Any = None if link.third is None else kind(link.third, mark, traffic)
    sender, receiver = kind(link.sender, mark, traffic), kind(link.receiver, mark, traffic)
    return replace(link, sender=sender, receiver=receiver, reopen=_reopen, third=third)


async def _reopen(end: Any) -> Any:
    await end.__aexit__(None, None, None)
    return await end.__aenter__()


class Waiting(Marked):
    """One that can wait for something to come."""

    async def wait(self, timeout_ms: int) -> bool:
        """Wait, be it for something of others."""
        return await cast(Waits, self._end).wait(timeout_ms)


async def arrive(link: Link, seconds: float) -> None:
    """Let what was sent arrive."""
    if isinstance(link.receiver, Marked):
        await link.receiver.arrived(seconds)


async def tidy(link: Link) -> None:
    """Leave as little as the transport allows."""
    ends = [end for end in (link.receiver, link.third, link.sender) if isinstance(end, Marked)]
    for end in ends:
        await end.tidy()
        await _reopen(end)
    for end in ends:
        async for _ in end.collect():
            pass
