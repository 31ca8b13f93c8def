"""A weather station: publish a reading, sync over a stick, say what is new. Try: weather.py HOME STICK"""

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
        for item in await node.list(new=True):
            if item.complete:
                print(f"{item.author}: {item.title or item.filename}:", await node.read(item.id))


try:
    home, stick = sys.argv[1:]
    asyncio.run(main(home, stick))
except ValueError:
    sys.exit(__doc__)
except PaquebotError as error:
    sys.exit(f"{type(error).__name__}: {error}")
