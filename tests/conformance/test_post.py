"""The post office of the testing kit keeps the contract too, or tests that stand on it would mean nothing."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from pathlib import Path

from paquebot.testing import MemoryContext, PostBox, PostOffice, PostSettings, TransportContract, Weather
from paquebot.testing.contract import NOW_MS, Link, arrivals, bodies, contexts, outgoing, send
from paquebot.transport import Transient


class TestPost(TransportContract):
    options: dict = {}  # noqa: RUF012

    @asynccontextmanager
    async def link(self, tmp_path):
        office = PostOffice(random.Random(7), **self.options)
        office.now = NOW_MS
        near, far = contexts(tmp_path)
        other = MemoryContext(tmp_path / "third", seed=3, now=NOW_MS)

        async def reopen(box):
            await box.__aexit__(None, None, None)
            return await box.__aenter__()

        async with (
            PostBox(PostSettings(office, "near"), near) as sender,
            PostBox(PostSettings(office, "far"), far) as receiver,
            PostBox(PostSettings(office, "third"), other) as third,
        ):
            yield Link(sender, receiver, near, far, reopen, third)

    def snapshot(self, link):
        return repr(link.sender._office._shelves)


class TestPostThatShowsTokens(TestPost):
    options = {"shows_tokens": True, "bytes_cheap": True, "bytes_max": 2000}  # noqa: RUF012


class TestPostThatRelays(TestPost):
    options = {"shows_tokens": True, "relays": True}  # noqa: RUF012


class TestPostInSlowWeather(TestPost):
    options = {"shows_tokens": True, "weather": Weather(reorder=0.5, delay_ms=(5, 60_000))}  # noqa: RUF012

    async def carry(self, link):
        link.sender._office.now += 60_000


def through(weather, *, seed=7, count=200):
    """Send *count* parcels through *weather*; return what arrived at last, in order."""

    async def run():
        office = PostOffice(random.Random(seed), weather=weather)
        office.now = NOW_MS
        near, far = contexts(Path("unused"))
        async with (
            PostBox(PostSettings(office, "near"), near) as sender,
            PostBox(PostSettings(office, "far"), far) as receiver,
        ):
            await send(sender, *(outgoing(f"{n}", b"%05d" % n) for n in range(count)))
            at_once = len(await arrivals(receiver))
            while (due := office.next_due()) is not None:
                office.now = due
            return at_once, [arrival.parcel for arrival in await arrivals(receiver)]

    return asyncio.run(run())


def test_fair_weather_brings_everything_in_order():
    assert through(Weather()) == (200, [b"%05d" % n for n in range(200)])


def test_each_kind_of_weather_does_its_harm_and_no_other():
    sent = {b"%05d" % n for n in range(200)}
    _, lost = through(Weather(loss=0.3))
    assert set(lost) < sent
    _, repeated = through(Weather(repeat=0.3))
    assert set(repeated) == sent
    assert len(repeated) > 200
    _, damaged = through(Weather(damage=0.3))
    assert len(damaged) == 200
    assert 0 < len(set(damaged) - sent) < 200
    _, mixed = through(Weather(reorder=1.0))
    assert mixed != sorted(mixed) == sorted(sent)
    at_once, late = through(Weather(delay_ms=(1, 1000)))
    assert (at_once, set(late)) == (0, sent)


def test_the_same_dice_bring_the_same_weather():
    storm = Weather(loss=0.2, repeat=0.2, damage=0.2, reorder=0.5, delay_ms=(0, 99))
    assert through(storm) == through(storm)
    assert through(storm) != through(storm, seed=8)


def test_a_closed_office_is_transient_and_forgets_nothing(tmp_path):
    async def run():
        async with TestPost().link(tmp_path) as link:
            await send(link.sender, outgoing("a", b"a"))
            link.sender._office.closed = True
            for attempt in (send(link.sender, outgoing("b", b"b")), arrivals(link.receiver)):
                try:
                    await attempt
                except Transient:
                    continue
                raise AssertionError("the office is closed")
            link.sender._office.closed = False
            assert bodies(await arrivals(link.receiver)) == [b"a"]

    asyncio.run(run())
