"""Two homes, a stick with three notes on it, each in a crate of its own, and what can be asked of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

NOTES = ("one", "two", "three")
ROUNDS = 3
"""Visits of the stick at both homes after which everything has to be mended."""


@dataclass
class Run:
    """What a command said, and how it ended."""

    code: int
    said: str


@dataclass
class Stage:
    """The two homes and the stick, in *folder*."""

    folder: Path
    runs: list[Run] = field(default_factory=list)

    @property
    def stick(self) -> Path:
        """The stick."""
        return self.folder / "stick"

    def command(self, home: str, *arguments: str | Path) -> list[str]:
        """Return the command line of a paquebot command in *home*."""
        return [sys.executable, "-m", "paquebot", "--home", str(self.folder / home), *map(str, arguments)]

    def run(self, home: str, *arguments: str | Path) -> Run:
        """Run a command in *home*."""
        done = subprocess.run(self.command(home, *arguments), capture_output=True, text=True, check=False)
        self.runs.append(Run(done.returncode, done.stdout + done.stderr))
        return self.runs[-1]

    def sync(self, home: str) -> Run:
        """Carry the stick to *home*."""
        return self.run(home, "sync", "--via", self.stick)

    def say(self, text: str) -> None:
        """Let Alice publish a note, and put it on the stick."""
        self.run("alice", "publish", "--message", text)
        self.sync("alice")

    def crates(self) -> list[Path]:
        """The crates on the stick, in the order in which they were written."""
        return sorted(self.stick.rglob("*.PQB"), key=lambda path: path.stat().st_mtime_ns)

    def heal(self) -> None:
        """Let the stick go to and fro."""
        for _ in range(ROUNDS):
            self.sync("bob")
            self.sync("alice")

    # -- what is so, and what is said -----------------------------------------------------

    def notes(self, home: str = "bob") -> list[str]:
        """The texts that *home* holds, sorted."""
        listed = json.loads(self.run(home, "list", "--json").said)
        found = [each for each in listed if each["schema"] == "message"]
        return sorted(json.loads(self.run(home, "show", each["uri"], "--json").said)["text"] for each in found)

    def arrivals(self) -> int:
        """How often Bob's log says that a note arrived."""
        return sum(each["kind"] == "arrived" for each in json.loads(self.run("bob", "log", "--json").said))

    def claimed(self) -> int:
        """How many of Alice's notes her `status` calls applied by Bob."""
        (peer,) = json.loads(self.run("alice", "status", "--json").said)["peers"]
        return int(peer["applied"])

    def left(self) -> list[str]:
        """What lies on the stick that is no crate, slip or text of ours: pieces that nobody will ever finish."""
        files = (path.name for path in self.stick.rglob("*") if path.is_file())
        return [name for name in files if not name.endswith((".PQB", ".ACK", ".TXT"))]


def prepare(folder: Path) -> Stage:
    """Return a stage where Alice and Bob know each other and three notes are on the stick."""
    stage = Stage(folder)
    stage.stick.mkdir(parents=True)
    for home in ("alice", "bob"):
        stage.run(home, "init", "--name", home.title())
        stage.run(home, "card", "-o", folder / f"{home}.card")
    stage.run("alice", "peer", "add", "Bob", folder / "bob.card")
    stage.run("bob", "peer", "add", "Alice", folder / "alice.card")
    for text in NOTES:
        if text == NOTES[-1]:
            shutil.copytree(folder / "alice", folder / "alice-before")
        stage.say(text)
    failed = [run for run in stage.runs if run.code]
    assert not failed, failed[0].said
    return stage


def copied(stage: Stage, folder: Path) -> Stage:
    """Return a copy of *stage* in *folder*, with the same times."""
    shutil.copytree(stage.folder, folder)
    return Stage(folder)


def mounted(folder: Path, size: str) -> bool:
    """Mount a file system of *size* at *folder*; return whether that is allowed here."""
    mount: Sequence[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def unmounted(folder: Path) -> None:
    """Take it away again."""
    subprocess.run(["umount", "-l", os.fspath(folder)], check=True)
