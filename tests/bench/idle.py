"""A run that finds nothing to do: what cron pays for, a hundred times a day."""

from __future__ import annotations

from pathlib import Path

from tests.bench.peers import Nncp
from tests.bench.runs import Pair, random_file, size
from tests.bench.table import Table

RUNS = 9
_CPU = "importing is two thirds of it: 35 ms of ours, 20 asyncio, 15 click, 15 cryptography, 5 the schema validator"
_PEAK = "Python has 9 MiB, our modules 20, cryptography, SQLite and the schema validator the rest"

WORK = "a run with nothing to do"


def measure(table: Table) -> None:
    """Measure it between two nodes that have a hundred things, and have told each other all."""
    folder = table.folder / "idle"
    pair = Pair(folder / "ours")
    pair.run("alice", "publish", *[random_file(folder / f"{number}", 1_024, number) for number in range(100)])
    pair.settle()
    before, aboard = _state(pair.folder), size(pair.stick)
    runs = sorted((pair.sync("alice") for _ in range(RUNS)), key=lambda used: used.cpu)
    toss = None
    if Nncp.here():
        nncp = Nncp(folder / "nncp")
        toss = min((nncp.toss() for _ in range(RUNS)), key=lambda used: used.cpu)
    least = runs[0]  # others work on this machine too
    table.row(f"{WORK}: CPU", least.cpu, "s", target=0.15, peer="nncp-toss", peer_value=toss and toss.cpu, why=_CPU)
    table.row(f"{WORK}: wall", least.wall, "s", peer="nncp-toss", peer_value=toss and toss.wall)
    peak = toss and toss.peak / 1024
    table.row(f"{WORK}: peak memory", least.peak / 1024, "MiB", target=40, peer="nncp-toss", peer_value=peak, why=_PEAK)
    table.row(f"{WORK}: written to the disk", sum(used.written for used in runs), "bytes", target=0)
    table.row(f"{WORK}: files touched", len(before ^ _state(pair.folder)), "files", target=0)
    table.row("no-change exchange by stick: new on it", size(pair.stick) - aboard, "bytes", target=30)


def _state(folder: Path) -> set[tuple[Path, int, int]]:
    """All files in both homes and on the stick, with their sizes and when they were changed."""
    return {(path, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}
