"""What the contract promises of optional abilities: waiting and being tended; a part of `paquebot.testing.contract`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from paquebot.testing.ends import (
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
from paquebot.transport import Inventory, Tended, TokenShown, Transport, TransportError, Waits, Whose

_SOON_MS = 10
_LONG_MS = 3_600_000


async def _waiting(transport: Transport) -> Waits:
    if not isinstance(transport, Waits):
        skip("it cannot wait")
    try:
        assert isinstance(await transport.wait(_SOON_MS), bool)
    except TransportError as error:
        skip(f"it cannot wait now: {error}")
    return transport


def _tended(transport: Transport | None) -> Tended:
    if not isinstance(transport, Tended):
        skip("there is nothing to look over")
    return transport


def _parcels(inventory: Inventory) -> dict[Whose, int]:
    return {stock.whose: stock.parcels for stock in inventory.stocks if stock.parcels}


class AbilityPromises(Route):
    """The part of the contract that concerns a transport which is a `Waits` or a `Tended`."""

    @promise
    async def test_waiting_ends_when_its_time_is_over(self, link: Link) -> None:
        await _waiting(link.receiver)

    @promise
    async def test_waiting_can_be_given_up(self, link: Link) -> None:
        receiver = await _waiting(link.receiver)
        waiting = asyncio.create_task(receiver.wait(_LONG_MS))
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await send(link.sender, outgoing("a", b"afterwards"))
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == [b"afterwards"]

    @promise
    async def test_everybody_sees_what_lies_there_and_for_whom(self, link: Link) -> None:
        sender, receiver = _tended(link.sender), _tended(link.receiver)
        await send(link.sender, outgoing("a", b"one"), outgoing("b", b"two"))
        await self.carry(link)
        assert _parcels(await sender.inventory()) == {Whose.FROM_US: 2}
        assert _parcels(await receiver.inventory()) == {Whose.FOR_US: 2}
        if link.third is not None:
            assert _parcels(await _tended(link.third).inventory()) == {Whose.OTHERS: 2}

    @promise
    async def test_what_is_whole_is_called_whole(self, link: Link) -> None:
        receiver, read = _tended(link.receiver), list[int]()
        await send(link.sender, outgoing("a", b"one"), outgoing("b", bytes(1000)))
        await self.carry(link)
        assert [finding async for finding in receiver.verify(read.append) if finding.damage] == []
        assert sum(read) >= 1003

    @promise
    async def test_looking_over_and_tidying_use_nothing_up(self, link: Link) -> None:
        sender, receiver = _tended(link.sender), _tended(link.receiver)
        await send(link.sender, outgoing("a", b"taken"), outgoing("b", b"left"))
        await self.carry(link)
        for each in (sender, receiver):
            await each.inventory()
            assert not sum(freed.files for freed in await each.tidy(rehearsed=True))
            await each.tidy()
        got = await arrivals(link.receiver)
        assert sorted(bodies(got)) == [b"left", b"taken"]
        await settle(link.receiver, [each for each in got if each.parcel == b"taken"], token=token_of("a"))
        await link.reopen(link.receiver)
        await self.carry(link)
        await sender.tidy()
        assert TokenShown(token_of("a")) in await collect(link.sender)
        assert bodies(await arrivals(link.receiver)) == [b"left"]
