"""A weather station: publish a reading, sync over a stick, say what came. Try: weather.py HOME STICK"""

import asyncio
import sys

import paquebot
from paquebot.errors import PaquebotError


async def main(home: str, stick: str) -> None:
    async with paquebot.open(home, create="Weather station") as node:
        await node.publish("wind 7, falling", title="Readings", tags=["weather"])
        report = await node.sync(via=stick)
        for problem in report.problems:
            print(f"{problem.where}: {problem.what}", file=sys.stderr)
        async for event in node.events(follow=False):
            if event.kind == "arrived" and event.id:
                print(event.sentence, await node.read(event.id))


try:
    asyncio.run(main(*sys.argv[1:]))
except PaquebotError as error:
    sys.exit(f"{type(error).__name__}: {error}")
