"""Measure the product as its users run it: whole processes, CPU first. Writes build/bench.json.

Each row: {row, ours, unit, target, bound, met}. Absolute times depend on the machine; compare within one run.
"""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict] = []

    def run(self, home: str, *arguments: str) -> tuple[float, float, int]:
        """Run a command; return CPU seconds, wall seconds and peak KiB."""
        command = [sys.executable, "-m", "paquebot", "--home", str(self.folder / home), *arguments]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
        assert status == 0, command
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu, time.monotonic() - start, used.ru_maxrss

    def row(self, row: str, ours: float, unit: str, target: float) -> None:
        bound = 2 * target
        self.rows.append(
            {"row": row, "ours": ours, "unit": unit, "target": target, "bound": bound, "met": ours <= bound}
        )
        mark = "met" if ours <= target else "within the bound" if ours <= bound else "MISSED"
        print(f"{row:<58} {ours:>14,.3f} {unit:<8} target {target:>12,} {mark}", flush=True)

    def pair(self, a: str, b: str) -> None:
        for name in (a, b):
            self.run(name, "init", "--name", name)
            self.run(name, "card", "-o", str(self.folder / f"{name}.card"))
        self.run(a, "peer", "add", b, str(self.folder / f"{b}.card"))
        self.run(b, "peer", "add", a, str(self.folder / f"{a}.card"))

    def notes(self) -> None:
        """1,000 notes of 1 KiB by stick."""
        self.pair("a", "b")
        stick, notes = self.folder / "stick", self.folder / "notes"
        stick.mkdir()
        notes.mkdir()
        dice = random.Random(1)
        for number in range(1000):
            (notes / f"{number:04}").write_bytes(dice.randbytes(1024))
        files = [str(path) for path in sorted(notes.iterdir())]
        used = [self.run("a", "publish", *files), self.run("a", "sync", "--via", str(stick))]
        aboard = sum(path.stat().st_size for path in stick.rglob("*") if path.is_file())
        used.append(self.run("b", "sync", "--via", str(stick)))
        self.row("1,000 updates of 1 KiB: published, carried, applied: CPU", sum(cpu for cpu, _, _ in used), "s", 2)
        self.row("bytes on the stick for them", aboard, "bytes", 1_200_000)
        for name in "abab":
            self.run(name, "sync", "--via", str(stick))
        cpu, _, peak = min(self.run("a", "sync", "--via", str(stick)) for _ in range(5))
        self.row("a run with nothing to do: CPU", cpu, "s", 0.15)
        self.row("a run with nothing to do: peak memory", peak / 1024, "MiB", 40)

    def file(self) -> None:
        """One file of 200 MiB by stick."""
        self.pair("c", "d")
        stick, large = self.folder / "stick2", self.folder / "large"
        stick.mkdir()
        dice = random.Random(2)
        with large.open("wb") as file:  # in pieces: a child's peak memory begins with its parent's
            for _ in range(200):
                file.write(dice.randbytes(1 << 20))
        used = [
            self.run("c", "publish", str(large)),
            self.run("c", "sync", "--via", str(stick)),
            self.run("d", "sync", "--via", str(stick)),
            self.run("d", "save", "--all-to", str(self.folder / "out")),
        ]
        self.row("one file of 200 MiB, end to end: wall", sum(wall for _, wall, _ in used), "s", 2.48)
        self.row("one file of 200 MiB: peak memory", max(peak for _, _, peak in used) / 1024, "MiB", 64)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="paquebot-bench-"))
    try:
        bench = Bench(folder)
        bench.notes()
        bench.file()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(bench.rows, indent=2) + "\n")


main()
