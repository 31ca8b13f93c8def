"""What the contract promises to those who carry for others; a part of `paquebot.testing.contract`."""

from __future__ import annotations

import dataclasses
from typing import cast

from paquebot.testing.ends import (
    AWKWARD,
    EXPIRES_MS,
    Link,
    Route,
    arrivals,
    bodies,
    collect,
    outgoing,
    promise,
    send,
    settle,
    skip,
    token_of,
)
from paquebot.transport import Arrival, Relay, Stage, TokenShown, Transport, parcel_name


def _courier(link: Link) -> Transport:
    """Return somebody who can open nothing here, and carries it on."""
    if link.third is None or not link.third.capability.relays:
        skip("it serves nobody who carries for others")
    assert isinstance(link.third, Relay)
    return link.third


class RelayPromises(Route):
    """The part of the contract that concerns a transport whose capability says that it relays."""

    @promise
    async def test_what_is_needed_to_carry_it_on_survives(self, link: Link) -> None:
        courier = _courier(link)
        sent = dataclasses.replace(outgoing("a", AWKWARD, key=b"somebody else", priority=2), hops=3)
        await send(link.sender, sent)
        await self.carry(link)
        (arrival,) = [news for news in await collect(courier) if isinstance(news, Arrival)]
        assert not arrival.recognised
        assert arrival.onward is not None
        (recipient,) = sent.recipients
        assert arrival.onward.recipients == ((recipient.tag(parcel_name(AWKWARD)), recipient.token_hash),)
        assert (arrival.onward.priority, arrival.onward.hops) == (2, 3)
        assert 0 <= arrival.onward.expires_ms - EXPIRES_MS <= 3_600_000

    @promise
    async def test_what_is_carried_on_is_not_put_there_twice(self, link: Link) -> None:
        courier = _courier(link)
        await send(link.sender, outgoing("a", b"same"))
        await self.carry(link)
        await collect(courier)
        (handover,) = await send(courier, dataclasses.replace(outgoing("a", b"same"), hops=1))
        assert handover.stage in (Stage.ACCEPTED, Stage.ON_MEDIUM)
        await self.carry(link)
        assert [arrival.parcel for arrival in await arrivals(link.receiver)] == [b"same"]

    @promise
    async def test_what_one_carries_on_arrives_at_another(self, link: Link) -> None:
        await send(_courier(link), dataclasses.replace(outgoing("a", b"from afar"), hops=1))
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == [b"from afar"]

    @promise
    async def test_tokens_are_seen_by_those_who_carry_for_others(self, link: Link) -> None:
        courier = _courier(link)
        await send(link.sender, outgoing("a", b"taken"), outgoing("b", b"waiting"))
        await self.carry(link)
        taken = [arrival for arrival in await arrivals(link.receiver) if arrival.parcel == b"taken"]
        await settle(link.receiver, taken, token=token_of("a"))
        await link.reopen_receiver()
        await self.carry(link)
        assert [news for news in await collect(courier) if isinstance(news, TokenShown)] == [TokenShown(token_of("a"))]

    @promise
    async def test_nobody_is_asked_to_carry_what_has_arrived(self, link: Link) -> None:
        courier = _courier(link)
        await send(link.sender, outgoing("a", b"taken"), outgoing("b", b"waiting"))
        await self.carry(link)
        taken = [arrival for arrival in await arrivals(link.receiver) if arrival.parcel == b"taken"]
        await settle(link.receiver, taken, token=token_of("a"))
        await link.reopen_receiver()
        await self.carry(link)
        assert bodies([news for news in await collect(courier) if isinstance(news, Arrival)]) == [b"waiting"]

    @promise
    async def test_tokens_come_back_by_those_who_carry_for_others(self, link: Link) -> None:
        courier = _courier(link)
        await send(link.sender, outgoing("a", b"taken"), outgoing("b", b"waiting"))
        await self.carry(link)
        await collect(courier)
        for _ in range(2):  # again is free
            await cast(Relay, courier).show([token_of("a"), token_of("of nothing here")])
            courier = await link.reopen(courier)
            await collect(courier)
        await self.carry(link)
        await link.reopen_sender()
        assert await collect(link.sender) == [TokenShown(token_of("a"))]
