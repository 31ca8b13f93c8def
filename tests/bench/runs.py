"""Whole processes, measured: CPU of a command and of all that it started, wall time, peak memory, what it wrote."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512  # in which the kernel counts what is written


@dataclass(frozen=True)
class Used:
    """What a command took. Two of them in a row took the sum, and the larger peak."""

    cpu: float = 0
    """Seconds, in the process and in all its children."""
    wall: float = 0
    """Seconds."""
    peak: int = 0
    """KiB of the largest process; a child's begins with what its parent had, so the parent stays small."""
    written: int = 0
    """Bytes that it gave to the disk."""

    def __add__(self, other: Used) -> Used:
        return Used(
            self.cpu + other.cpu, self.wall + other.wall, max(self.peak, other.peak), self.written + other.written
        )

    def __mul__(self, times: float) -> Used:
        return Used(self.cpu * times, self.wall * times, self.peak, int(self.written * times))


def compiled(folder: Path) -> None:
    """From now on, keep compiled modules in *folder*: whoever installs paquebot has them."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def run(command: Sequence[str | Path], *, within: Path | None = None, loud: bool = False) -> Used:
    """Run *command* to its end, which must be a good one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    out = None if loud else subprocess.DEVNULL
    with subprocess.Popen([str(each) for each in command], stdout=out, stderr=subprocess.PIPE, cwd=within) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise AssertionError(f"{command[0]} ended with {process.returncode}: {said.decode(errors='replace')}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(cpu, wall, used.ru_maxrss, used.ru_oublock * BLOCK)


class Pair:
    """Two homes that know each other, and a stick."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stick = folder / "stick"
        self.stick.mkdir(parents=True)
        for name in ("alice", "bob"):
            self.run(name, "init", "--name", name)
            self.run(name, "card", "-o", folder / f"{name}.card")
        self.run("alice", "peer", "add", "bob", folder / "bob.card")
        self.run("bob", "peer", "add", "alice", folder / "alice.card")

    def run(self, home: str, *arguments: str | Path) -> Used:
        """Run a paquebot command in *home*."""
        return run([sys.executable, "-m", "paquebot", "--home", self.folder / home, *arguments])

    def sync(self, home: str) -> Used:
        """Carry the stick to *home*."""
        return self.run(home, "sync", "--via", self.stick)

    def settle(self) -> None:
        """Carry the stick to and fro until nobody has anything to say."""
        for name in ("alice", "bob") * 3:
            self.sync(name)


def size(folder: Path) -> int:
    """Return how many bytes the files below *folder* have."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def random_file(path: Path, count: int, seed: int) -> Path:
    """Write *count* bytes that are the same every time and cannot be compressed."""
    dice = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # in pieces, so that this process stays small
        while count:
            piece = dice.randbytes(min(count, 1 << 20))
            file.write(piece)
            count -= len(piece)
    return path
