"""What grows with the journal, and what may not: 1,000, 10,000 and 100,000 resources."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from tests.bench.runs import Pair, Used, run
from tests.bench.table import Table

SIZES = tuple(int(each) for each in os.environ.get("SIZES", "1000 10000 100000").split())
NEW = 10
LINE_MS = 0.02  # of a list that nobody reads to its end
QUESTIONS = {
    "list --last 100": ("list", "--last", "100"),
    "status": ("status",),
    "publish --to": ("publish", "--to", "bob", "--message", "for you alone"),
}


def measure(table: Table) -> None:
    """Measure each size, then compare the largest with the smallest."""
    firsts: dict[int, Used] = {}
    afters: dict[int, Used] = {}
    for count in SIZES:
        pair = Pair(table.folder / f"growth-{count}")
        filled = run([sys.executable, "-m", "tests.bench.filling", pair.folder / "alice", str(count)])
        table.row(f"publishing {count:,} messages: CPU for each", 1000 * filled.cpu / count, "ms")
        sides = pair.sync("alice"), pair.sync("bob")
        firsts[count] = sides[0] + sides[1]
        name = f"first sync of {count:,} resources"
        table.row(f"{name}: CPU for each", 1000 * firsts[count].cpu / count, "ms", target=1)
        table.row(f"{name}: peak memory", firsts[count].peak / 1024, "MiB")
        pair.settle()
        run([sys.executable, "-m", "tests.bench.filling", pair.folder / "alice", str(NEW)])
        afters[count] = pair.sync("alice") + pair.sync("bob")
        table.row(f"sync of {NEW} new in a journal of {count:,}: CPU", afters[count].cpu, "s")
        table.row(f"list at {count:,}: CPU", pair.run("alice", "list").cpu, "s", target=max(1, count * LINE_MS / 1000))
        for question, arguments in QUESTIONS.items():
            table.row(f"{question} at {count:,}: CPU", pair.run("alice", *arguments).cpu, "s", target=1)
    if len(SIZES) > 1:
        most, least = max(SIZES), min(SIZES)
        _compare(table, f"peak memory at {most:,} beside {least:,}", firsts, lambda used: used.peak, 1.5)
        _compare(table, f"sync of {NEW} new at {most:,} beside {least:,}: CPU", afters, lambda used: used.cpu, 1.2)


def _compare(table: Table, name: str, found: dict[int, Used], figure: Callable[[Used], float], target: float) -> None:
    table.row(name, figure(found[max(found)]) / figure(found[min(found)]), "times", target=target)
