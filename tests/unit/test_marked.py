"""A check on a medium where other things lie keeps to what its provider allows."""

import asyncio

from paquebot.testing.marked import REST_S, Ration


def test_a_check_rests_before_it_sends_more_than_the_provider_takes():
    rests = []

    async def sleep(seconds):
        rests.append((len(sent), seconds))

    ration, sent = Ration(sleep), []

    async def send():
        for parcels in (4, 15, 1, 1, 20, 25, 2):
            await ration.spend(parcels, 20)
            sent.append(parcels)

    asyncio.run(send())
    assert rests == [(3, REST_S), (4, REST_S), (5, REST_S), (6, REST_S)]


def test_where_nothing_is_rationed_nobody_rests():
    ration = Ration(lambda _: 1 / 0)

    async def send():
        for _ in range(100):
            await ration.spend(20, None)

    asyncio.run(send())
