"""10,000 envelopes of 2 KiB onto a stick and off it, beside `cp` of the same bytes.

``python -m tests.bench.stick load|unload STICK BODIES`` is one end of it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.bench.peers import copied
from tests.bench.runs import random_file, run
from tests.bench.table import Table

COUNT, BYTES = 10_000, 2_048
BATCH = 256  # acknowledged at once, as the house does


def measure(table: Table) -> None:
    """Measure both, there and back; each reads back or syncs what it wrote."""
    folder = table.folder / "stick"
    for number in range(COUNT):
        random_file(folder / "bodies" / f"{number:05}", BYTES, number)
    (folder / "ours").mkdir()
    ends = [sys.executable, "-m", "tests.bench.stick"]
    ours = run([*ends, "load", folder / "ours", folder / "bodies"])
    ours += run([*ends, "unload", folder / "ours", folder / "bodies"])
    cp = copied(folder / "bodies", folder / "theirs") + copied(folder / "theirs", folder / "back")
    name = "stick: 10,000 envelopes of 2 KiB, there and back"
    table.row(f"{name}: CPU", ours.cpu, "s", target=cp.cpu, peer="cp", peer_value=cp.cpu)
    table.row(f"{name}: wall", ours.wall, "s", peer="cp", peer_value=cp.wall)


async def load(stick: Path, bodies: list[tuple[str, bytes]]) -> None:
    """Hand over *bodies*."""
    from paquebot.testing.contract import contexts, outgoing
    from paquebot.transport import Stage
    from paquebot_drop import DropSettings, DropTransport

    async with DropTransport(DropSettings(str(stick)), contexts(stick.parent)[0]) as drop:
        gone = [news async for news in drop.send([outgoing(*each) for each in bodies])]
    assert [news.stage for news in gone] == [Stage.ON_MEDIUM] * COUNT


async def unload(stick: Path) -> None:
    """Take everything in."""
    from paquebot.testing.contract import contexts
    from paquebot.transport import Acknowledgement, Arrival, Verdict
    from paquebot_drop import DropSettings, DropTransport

    taken, found = [], 0
    async with DropTransport(DropSettings(str(stick)), contexts(stick.parent)[1]) as drop:
        async for news in drop.collect():
            if isinstance(news, Arrival):
                found += len(news.parcel) == BYTES
                taken.append(Acknowledgement(news.key, Verdict.TAKEN, bytes(16)))
            if len(taken) == BATCH:
                await drop.acknowledge(taken)
                taken = []
        await drop.acknowledge(taken)
    assert found == COUNT


if __name__ == "__main__":
    _, which, stick, source = sys.argv
    found = [(path.name, path.read_bytes()) for path in sorted(Path(source).iterdir())]
    asyncio.run(load(Path(stick), found) if which == "load" else unload(Path(stick)))
