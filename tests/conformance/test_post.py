"""The post office of the testing kit keeps the contract too, or tests that stand on it would mean nothing."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager

from paquebot.testing import MemoryContext, PostBox, PostOffice, PostSettings, TransportContract, Weather
from paquebot.testing.contract import NOW_MS, Link, contexts


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


class TestPostInSlowWeather(TestPost):
    options = {"shows_tokens": True, "weather": Weather(reorder=0.5, delay_ms=(5, 60_000))}  # noqa: RUF012

    async def carry(self, link):
        link.sender._office.now += 60_000
