"""Measure the product as its users run it, beside the peers that are installed. Writes build/bench.json.

    python -m tests.bench [SUBJECT…]        SIZES="1000 10000" keeps growth short

Each row: {row, ours, unit, peer, peer_value, ratio, target, bound, met}. Absolute times depend on the machine: peers
are measured in the same run, CPU counts first. Exit 1 if a bound is missed.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.runs import compiled
from tests.bench.table import Table

ROOT = Path(__file__).parents[2]
BUDGET_MINUTES = 15
SUBJECTS = ("notes", "large", "envelopes", "idle", "growth", "stick", "mail_sending", "mail_fetching", "later")
"""Modules beside this one; each has a ``measure(table)`` that works below ``table.folder``."""


def main(chosen: Sequence[str]) -> int:
    """Fill the table; return 0 if all its bounds hold."""
    if unknown := set(chosen) - set(SUBJECTS):
        print(f"no subject {', '.join(sorted(unknown))}; there are: {', '.join(SUBJECTS)}", file=sys.stderr)
        return 2
    print(f"{BUDGET_MINUTES} minutes on two cores at most", flush=True)
    began = time.monotonic()
    rows = []
    with tempfile.TemporaryDirectory(prefix="paquebot-bench-") as folder:
        table = Table(Path(folder))
        compiled(table.folder / "compiled")
        for subject in chosen or SUBJECTS:
            importlib.import_module(f"tests.bench.{subject}").measure(table)
        rows = table.as_json()
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=2) + "\n")
    missed = table.missed()
    within = sum(row["met"] is True for row in rows)
    print(f"{within} of {within + len(missed)} bounds hold; {(time.monotonic() - began) / 60:.0f} minutes")
    for name in missed:
        print(f"MISSED: {name}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
