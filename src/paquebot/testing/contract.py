"""The transport contract, as tests.

Subclass `TransportContract`, say how to open a linked pair, and run pytest:

    class TestDrop(TransportContract):
        @asynccontextmanager
        async def link(self, tmp_path):
            near, far = contexts(tmp_path)
            ...
            yield Link(sender, receiver, near, far, reopen)

The tests are plain functions, so no pytest plugin is needed to run them. What a transport's `Capability` does not
claim is skipped.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, cast

from paquebot.testing.abilities import AbilityPromises
from paquebot.testing.ends import (
    AWKWARD,
    EXPIRES_MS,
    FAR_KEY,
    NOW_MS,
    Link,
    arrivals,
    bodies,
    collect,
    contexts,
    outgoing,
    promise,
    send,
    settle,
    skip,
    token_of,
)
from paquebot.testing.relaying import RelayPromises
from paquebot.transport import API_VERSION, Arrival, ParcelTooLarge, Stage, TokenShown, Verdict

__all__ = [
    "EXPIRES_MS", "FAR_KEY", "NOW_MS", "Link", "TransportContract", "arrivals", "bodies", "collect", "contexts",
    "outgoing", "promise", "send", "settle", "token_of",
]  # fmt: skip

_LARGE = 4 << 20


class TransportContract(RelayPromises, AbilityPromises):
    """Every promise a transport makes, one test each."""

    def leave_foreign_things(self, link: Link) -> Callable[[], bool]:
        """Put things on the medium that are none of ours; return a check that they are still there, unharmed."""
        skip("nothing foreign can lie there")

    def snapshot(self, link: Link) -> object:
        """Return a value that is equal as long as nothing on the medium changes."""
        skip("the medium cannot be looked at")

    @promise
    async def test_it_speaks_the_current_api(self, link: Link) -> None:
        kind = type(link.sender)
        assert kind.api == API_VERSION
        assert dataclasses.is_dataclass(kind.settings_type)
        params = cast(Any, kind.settings_type).__dataclass_params__
        assert params.frozen

    @promise
    async def test_it_says_what_it_can_do(self, link: Link) -> None:
        able = link.sender.capability
        assert able.bytes_max > 0
        assert able.latency_ms > 0
        assert able.medium

    @promise
    async def test_an_empty_route_yields_nothing_and_stops(self, link: Link) -> None:
        assert await collect(link.receiver) == []
        assert await collect(link.sender) == []

    @promise
    async def test_an_empty_batch_is_nothing(self, link: Link) -> None:
        assert await send(link.sender) == []

    @promise
    async def test_bytes_arrive_as_they_were_sent(self, link: Link) -> None:
        sent = [AWKWARD, b"\0", b"x" * 1000, b"\r\n" * 99]
        await send(link.sender, *(outgoing(str(n), body) for n, body in enumerate(sent)))
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == sorted(sent)

    @promise
    async def test_the_largest_parcel_fits(self, link: Link) -> None:
        size = min(link.sender.capability.bytes_max, _LARGE)
        body = (AWKWARD * (size // len(AWKWARD) + 1))[:size]
        await send(link.sender, outgoing("large", body))
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == [body]

    @promise
    async def test_a_larger_parcel_fails_and_does_not_stop_the_others(self, link: Link) -> None:
        size = link.sender.capability.bytes_max + 1

        async def never() -> bytes:
            raise AssertionError("a body was made that could not be sent")

        large = dataclasses.replace(outgoing("large", b""), size_max=size, body=never)
        news = await send(link.sender, large, outgoing("small", b"small"))
        stages = {handover.id: handover for handover in news}
        assert stages[large.id].stage is Stage.FAILED
        assert isinstance(stages[large.id].error, ParcelTooLarge)
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == [b"small"]

    @promise
    async def test_each_parcel_is_handed_over_by_its_own_id(self, link: Link) -> None:
        batch = [outgoing(str(n), b"%d" % n) for n in range(20)]
        news = await send(link.sender, *batch)
        assert sorted(handover.id for handover in news) == sorted(each.id for each in batch)
        assert {handover.stage for handover in news} <= {Stage.ACCEPTED, Stage.ON_MEDIUM}
        assert all(handover.error is None for handover in news)

    @promise
    async def test_what_was_not_acknowledged_comes_back(self, link: Link) -> None:
        await send(link.sender, outgoing("a", b"again"))
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == [b"again"]
        assert bodies(await arrivals(link.receiver)) == [b"again"]
        await link.reopen_receiver()
        assert bodies(await arrivals(link.receiver)) == [b"again"]

    @promise
    async def test_what_was_acknowledged_does_not_come_back(self, link: Link) -> None:
        await send(link.sender, outgoing("a", b"once"))
        await self.carry(link)
        await settle(link.receiver, await arrivals(link.receiver), token=token_of("a"))
        assert await arrivals(link.receiver) == []
        await link.reopen_receiver()
        assert await arrivals(link.receiver) == []

    @promise
    async def test_acknowledging_twice_is_the_same_as_once(self, link: Link) -> None:
        await send(link.sender, outgoing("a", b"once"), outgoing("b", b"left"))
        await self.carry(link)
        mine = [arrival for arrival in await arrivals(link.receiver) if arrival.parcel == b"once"]
        await settle(link.receiver, [*mine, *mine], token=token_of("a"))
        await settle(link.receiver, mine, token=token_of("a"))
        await link.reopen_receiver()
        await settle(link.receiver, mine, token=token_of("a"))
        assert bodies(await arrivals(link.receiver)) == [b"left"]

    @promise
    async def test_acknowledging_one_leaves_the_others(self, link: Link) -> None:
        await send(link.sender, *(outgoing(str(n), b"%d" % n) for n in range(5)))
        await self.carry(link)
        three = [arrival for arrival in await arrivals(link.receiver) if arrival.parcel == b"3"]
        await settle(link.receiver, three, token=token_of("3"))
        assert bodies(await arrivals(link.receiver)) == [b"0", b"1", b"2", b"4"]
        await link.reopen_receiver()
        assert bodies(await arrivals(link.receiver)) == [b"0", b"1", b"2", b"4"]

    @promise
    async def test_acknowledging_nothing_is_nothing(self, link: Link) -> None:
        await link.receiver.acknowledge([])

    @promise
    async def test_what_was_refused_does_not_come_back_and_shows_nothing(self, link: Link) -> None:
        await send(link.sender, outgoing("a", b"rubbish"))
        await self.carry(link)
        await settle(link.receiver, await arrivals(link.receiver), Verdict.REFUSED)
        await link.reopen_receiver()
        assert await arrivals(link.receiver) == []
        await self.carry(link)
        await link.reopen_sender()
        assert await collect(link.sender) == []

    @promise
    async def test_what_was_not_ours_comes_back_when_more_can_be_opened(self, link: Link) -> None:
        await send(link.sender, outgoing("a", b"riddle"))
        await self.carry(link)
        await settle(link.receiver, await arrivals(link.receiver), Verdict.NOT_OURS)
        assert await arrivals(link.receiver) == []
        await link.reopen_receiver()
        assert await arrivals(link.receiver) == []
        link.far.epoch = "later"
        assert bodies(await arrivals(link.receiver)) == [b"riddle"]
        await settle(link.receiver, await arrivals(link.receiver), token=token_of("a"))
        assert await arrivals(link.receiver) == []

    @promise
    async def test_a_token_comes_back_to_the_sender(self, link: Link) -> None:
        if not link.receiver.capability.shows_tokens:
            skip("it carries no tokens")
        await send(link.sender, outgoing("a", b"taken"), outgoing("b", b"waiting"))
        await self.carry(link)
        taken = [arrival for arrival in await arrivals(link.receiver) if arrival.parcel == b"taken"]
        await settle(link.receiver, taken, token=token_of("a"))
        await link.reopen_receiver()
        await self.carry(link)
        await link.reopen_sender()
        assert await collect(link.sender) == [TokenShown(token_of("a"))]

    @promise
    async def test_nothing_comes_back_to_its_sender(self, link: Link) -> None:
        await send(link.sender, outgoing("a", b"mine"))
        await self.carry(link)
        assert await collect(link.sender) == []
        await link.reopen_sender()
        assert await collect(link.sender) == []

    @promise
    async def test_nothing_for_a_third_party_is_recognised(self, link: Link) -> None:
        await send(link.sender, outgoing("a", b"for another", key=b"somebody else"), outgoing("b", b"for you"))
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == [b"for you"]
        if link.third is not None:
            assert await arrivals(link.third) == []

    @promise
    async def test_one_reader_does_not_take_it_from_another(self, link: Link) -> None:
        if link.third is None:
            skip("parcels are for one reader")
        await send(link.sender, outgoing("a", b"for all"))
        await self.carry(link)
        others = [news for news in await collect(link.third) if isinstance(news, Arrival)]
        await settle(link.third, others, Verdict.NOT_OURS)
        await link.reopen(link.third)
        assert bodies(await arrivals(link.receiver)) == [b"for all"]

    @promise
    async def test_a_body_that_fails_leaves_it_usable_and_earlier_parcels_safe(self, link: Link) -> None:
        batch = [outgoing("a", b"before"), outgoing("b", ValueError("no body")), outgoing("c", b"after")]
        safe = set()
        try:
            async with aclosing(cast(Any, link.sender.send(batch))) as news:
                async for handover in news:
                    if handover.stage is not Stage.FAILED:
                        safe.add(handover.id)
        except ValueError:
            pass
        assert batch[0].id in safe
        assert batch[1].id not in safe
        await send(link.sender, outgoing("d", b"later"))
        await self.carry(link)
        expected = {b"before", b"later"} | ({b"after"} if batch[2].id in safe else set())
        assert bodies(await arrivals(link.receiver)) == sorted(expected)

    @promise
    async def test_a_send_that_is_broken_off_leaves_it_usable(self, link: Link) -> None:
        async with aclosing(cast(Any, link.sender.send([outgoing(n, n.encode()) for n in "abc"]))) as news:
            async for _ in news:
                break
        await send(link.sender, outgoing("d", b"d"))
        await self.carry(link)
        assert {b"a", b"d"} <= set(bodies(await arrivals(link.receiver))) <= {b"a", b"b", b"c", b"d"}

    @promise
    async def test_a_send_that_is_cancelled_leaves_it_usable(self, link: Link) -> None:
        async def stuck() -> bytes:
            await asyncio.sleep(3600)
            raise AssertionError("nobody waits that long")

        batch = [outgoing("a", b"a"), dataclasses.replace(outgoing("b", b"b"), body=stuck)]
        try:
            async with asyncio.timeout(0.05):
                await send(link.sender, *batch)
        except TimeoutError:
            pass
        else:
            raise AssertionError("send() did not wait for a body")
        await send(link.sender, outgoing("c", b"c"))
        await self.carry(link)
        assert {b"c"} <= set(bodies(await arrivals(link.receiver))) <= {b"a", b"c"}

    @promise
    async def test_a_collection_that_is_broken_off_leaves_it_usable(self, link: Link) -> None:
        await send(link.sender, *(outgoing(str(n), b"%d" % n) for n in range(5)))
        await self.carry(link)
        first: list[Arrival] = []
        async with aclosing(cast(Any, link.receiver.collect())) as news:
            async for arrival in news:
                first.append(arrival)
                break
        await settle(link.receiver, first)
        left = sorted({b"%d" % n for n in range(5)} - {first[0].parcel})
        assert bodies(await arrivals(link.receiver)) == left
        await link.reopen_receiver()
        assert bodies(await arrivals(link.receiver)) == left

    @promise
    async def test_acknowledging_while_collecting_is_fine(self, link: Link) -> None:
        await send(link.sender, *(outgoing(str(n), b"%d" % n) for n in range(9)))
        await self.carry(link)
        seen = []
        async for arrival in link.receiver.collect():
            assert isinstance(arrival, Arrival)
            seen.append(arrival)
            await settle(link.receiver, [arrival], token=token_of(arrival.parcel.decode()))
        assert bodies(seen) == [b"%d" % n for n in range(9)]
        assert await arrivals(link.receiver) == []

    @promise
    async def test_foreign_things_are_left_alone(self, link: Link) -> None:
        unharmed = self.leave_foreign_things(link)
        await send(link.sender, outgoing("a", b"ours"))
        await self.carry(link)
        arrived = [news for news in await collect(link.receiver) if isinstance(news, Arrival)]
        assert bodies(arrived) == [b"ours"]
        await settle(link.receiver, arrived, token=token_of("a"))
        await link.reopen_receiver()
        await collect(link.receiver)
        await link.reopen_receiver()
        assert unharmed()

    @promise
    async def test_an_idle_visit_changes_nothing(self, link: Link) -> None:
        await self._idle(link)
        await send(link.sender, outgoing("a", b"taken"), outgoing("b", b"waiting"))
        await self.carry(link)
        await self._idle(link)
        taken = [arrival for arrival in await arrivals(link.receiver) if arrival.parcel == b"taken"]
        await settle(link.receiver, taken, token=token_of("a"))
        await link.reopen_receiver()
        await self.carry(link)
        await collect(link.sender)
        await link.reopen_sender()
        await self._idle(link)

    async def _idle(self, link: Link) -> None:
        before = self.snapshot(link), link.near.changes, link.far.changes
        for _ in range(2):
            await collect(link.receiver)
            await link.reopen_receiver()
            assert await send(link.sender) == []
            await collect(link.sender)
            await link.reopen_sender()
        assert (self.snapshot(link), link.near.changes, link.far.changes) == before
