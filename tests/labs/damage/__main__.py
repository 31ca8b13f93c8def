"""The damage table: three notes on a stick, and what can go wrong. Writes build/damage.json.

    python -m tests.labs.damage [WORD…]     only the rows whose names hold a word

A row is clean if nothing is lost and nothing arrives twice once the stick has gone to and fro; if until then Alice's
`status` claims no more than Bob has; if what was wrong was named at once, by the
sync or by `status`; and if nothing is left lying about.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.labs.damage.rows import ROWS, NotHere, Row
from tests.labs.damage.stage import Stage, copied, prepare

ROOT = Path(__file__).parents[3]
BUDGET_SECONDS = 180


def faults(stage: Stage, row: Row, found: dict) -> Iterator[str]:
    """Let it happen; yield what is not clean."""
    done, expected = row(stage)
    found["exit"], found["report"] = done.code, done.said
    if done.code not in expected.codes:
        yield f"exit {done.code}, not one of {expected.codes}"
    if expected.named not in done.said + stage.run("bob", "status").said:
        yield f"the report does not name {expected.named}"
    found["at_once"] = len(stage.notes())
    if found["at_once"] != expected.at_once:
        yield f"{found['at_once']} notes at once, not {expected.at_once}"
    if stage.claimed() > found["at_once"]:
        yield f"{stage.claimed()} are claimed to be applied, and {found['at_once']} are"
    stage.heal()
    found["in_the_end"] = stage.notes()
    if found["in_the_end"] != sorted(expected.texts):
        yield f"in the end there is {found['in_the_end']}"
    if stage.notes("alice") != sorted(expected.texts):
        yield f"in the end Alice has {stage.notes('alice')}"
    if (arrivals := stage.arrivals() - _others(stage)) != len(expected.texts):
        yield f"{arrivals} notes are said to have arrived"
    if stage.left():
        yield f"left on the stick: {stage.left()}"


def _others(stage: Stage) -> int:
    """How many things that are no notes arrived at Bob's."""
    listed = json.loads(stage.run("bob", "list", "--json").said)
    return sum(each["schema"] != "message" for each in listed)


def tried(original: Stage, folder: Path, name: str) -> dict:
    """Return one row of the table."""
    found: dict = {"row": name, "exit": None, "at_once": None, "in_the_end": None, "report": ""}
    began = time.monotonic()
    try:
        found["faults"] = [*faults(copied(original, folder / name.replace(" ", "-")), ROWS[name], found)]
    except NotHere as why:
        found["faults"] = [f"not tried: {why}"]
    except AssertionError as why:
        found["faults"] = [str(why)]
    return found | {"clean": not found["faults"], "seconds": round(time.monotonic() - began, 1)}


def main(words: Sequence[str]) -> int:
    """Fill the table; return 0 if all its rows are clean."""
    chosen = [name for name in ROWS if not words or any(word in name for word in words)]
    print(f"{len(chosen)} rows; {BUDGET_SECONDS // 60} minutes on two cores at most", flush=True)
    with tempfile.TemporaryDirectory(prefix="paquebot-damage-") as temporary:
        folder = Path(temporary)
        original = prepare(folder / "original")
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            rows = []
            for row in workers.map(partial(tried, original, folder), chosen):
                rows.append(row)
                mark = "clean" if row["clean"] else "; ".join(row["faults"])
                at_once = "-" if row["at_once"] is None else row["at_once"]
                print(f"{row['row']:<32} exit {row['exit']!s:<5} {at_once} at once   {mark}", flush=True)
    target = ROOT / "build" / "damage.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=2) + "\n")
    clean = sum(row["clean"] for row in rows)
    print(f"{clean} of {len(rows)} rows clean")
    return int(clean < len(rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
