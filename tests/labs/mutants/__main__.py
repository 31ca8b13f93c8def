"""Sabotage the code, rule by rule, and let a village of nodes notice. Writes build/mutants.json.

    python -m tests.labs.mutants [NAME…]     some of them, by a word of their names

Each mutant is a copy of the package with one change; a seed of the simulation must fail on it. The seed that is known
to fail is tried first, then others are. The unchanged code must pass the same seeds: a judge who condemns everybody is
none.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath

from tests.labs.mutants.judge import VILLAGES
from tests.labs.mutants.sabotages import SABOTAGES, Sabotage

ROOT = Path(__file__).parents[3]
SEEDS = 60
MUTANT_SECONDS = 300
BUDGET_SECONDS = 600
"""What all of it may take on two cores."""


class Clumsy(Exception):
    """A sabotage that is none: it does not apply, or breaks the program."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """What became of one sabotage."""

    name: str
    village: str
    diff: str
    seed: int | None
    why: str
    seconds: float


def sabotaged(sabotage: Sabotage) -> tuple[str, str]:
    """Return the new text of the file, and the difference. Raise `Clumsy`."""
    path = ROOT / "src/paquebot" / sabotage.file
    text = path.read_text()
    if text.count(sabotage.before) != 1:
        raise Clumsy(f"{sabotage.name}: its place stands {text.count(sabotage.before)} times in {sabotage.file}")
    changed = text.replace(sabotage.before, sabotage.after)
    name = path.relative_to(ROOT).as_posix()
    diff = difflib.unified_diff(text.splitlines(True), changed.splitlines(True), f"a/{name}", f"b/{name}", n=1)
    return changed, "".join(diff)


def tried(village: str, seeds: Iterable[int], changed: tuple[PurePath, str] | None = None) -> dict | None:
    """Return the first of *seeds* of *village* that fails with the file *changed*, and why. Raise `Clumsy`."""
    with tempfile.TemporaryDirectory(prefix="paquebot-mutant-") as folder:
        package = Path(folder) / "paquebot"
        shutil.copytree(ROOT / "src/paquebot", package, ignore=shutil.ignore_patterns("__pycache__"))
        if changed:
            (package / changed[0]).write_text(changed[1])
        try:
            done = subprocess.run(
                [sys.executable, "-m", "tests.labs.mutants.judge", village, *map(str, seeds)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "TMPDIR": folder},
                capture_output=True,
                text=True,
                check=False,
                timeout=MUTANT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode:
        raise Clumsy(done.stderr.strip().rpartition("\n")[2])
    return json.loads(done.stdout)


def seeds_for(sabotage: Sabotage) -> list[int]:
    """Return the seeds to try, the likeliest first."""
    return [sabotage.seed, *(seed for seed in range(SEEDS) if seed != sabotage.seed)]


def judged(sabotage: Sabotage, seeds: Iterable[int] | None = None) -> Mutant:
    """Return what a village says of one mutant, by *seeds* or by as many as it takes."""
    began = time.monotonic()
    diff = ""
    try:
        changed, diff = sabotaged(sabotage)
        found = tried(sabotage.village, seeds or seeds_for(sabotage), (sabotage.file, changed))
        found = found or {"seed": None, "why": "nobody noticed"}
    except Clumsy as clumsy:
        found = {"seed": None, "why": f"no mutant: {clumsy}"}
    return Mutant(sabotage.name, sabotage.village, diff, found["seed"], found["why"], time.monotonic() - began)


def report(mutants: Sequence[Mutant], target: Path = ROOT / "build" / "mutants.json") -> int:
    """Write down what became of them; return how many were not caught."""
    target.parent.mkdir(exist_ok=True)
    fields = [{name: getattr(each, name) for name in Mutant.__slots__} for each in mutants]
    target.write_text(json.dumps(fields, indent=2) + "\n")
    caught = sum(each.seed is not None for each in mutants)
    print(f"{caught} of {len(mutants)} mutants caught")
    return len(mutants) - caught


def main(words: Sequence[str]) -> int:
    """Judge all sabotages, or those whose names hold one of *words*; return 0 if all were caught."""
    chosen = [each for each in SABOTAGES if not words or any(word in each.name for word in words)]
    began = time.monotonic()
    print(f"{len(chosen)} mutants; {BUDGET_SECONDS // 60} minutes on two cores at most", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        hints = {village: sorted({s.seed for s in chosen if s.village == village}) for village in VILLAGES}
        innocent = {village: workers.submit(tried, village, seeds) for village, seeds in hints.items() if seeds}
        mutants = []
        for mutant in workers.map(judged, chosen):
            mutants.append(mutant)
            mark = f"seed {mutant.seed}" if mutant.seed is not None else "NOT CAUGHT"
            print(f"{mark:<11} {mutant.seconds:5.0f} s  {mutant.name}: {mutant.why}", flush=True)
        condemned = {village: found for village, each in innocent.items() if (found := each.result())}
    for village, found in condemned.items():
        print(f"the unchanged code is condemned in the {village} village: {found}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(report(mutants) > 0 or bool(condemned))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
