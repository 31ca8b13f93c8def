"""Homes driven through the command line.

Commands run in this process, by the entry point that the shell calls: a hundredth of a process's cost. Tests about
processes start their own, and `make demo` uses nothing else.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import termios
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from paquebot.cli import main
from paquebot.vault import choosing


@dataclass
class Done:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass
class Home:
    """One node's home, and the commands run in it."""

    path: Path
    name: str
    clock: int | None = None

    def run(self, *arguments: str | Path, code: int | None = 0, stdin: bytes = b"") -> Done:
        stdout, stderr = (io.TextIOWrapper(io.BytesIO()) for _ in range(2))
        real = time.time_ns
        shift = 0 if self.clock is None else self.clock * 1_000_000 - real()
        source = io.TextIOWrapper(io.BytesIO(stdin))
        with redirect_stdout(stdout), redirect_stderr(stderr), patch.object(sys, "stdin", source):
            with patch.object(time, "time_ns", lambda: real() + shift), pytest.raises(SystemExit) as end:
                main(["--home", str(self.path), *map(str, arguments)])
            stdout.flush(), stderr.flush()
        done = Done(end.value.code, stdout.buffer.getvalue(), stderr.buffer.getvalue())
        shown = f"{' '.join(map(str, arguments))}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        assert code in (None, done.returncode), f"exit {done.returncode}, not {code}: {shown}"
        return done

    def out(self, *arguments: str | Path, **options) -> str:
        return self.run(*arguments, **options).stdout.decode()

    def err(self, *arguments: str | Path, **options) -> str:
        return self.run(*arguments, **options).stderr.decode()

    def json(self, *arguments: str | Path, **options):
        end = arguments.index("--") if "--" in arguments else len(arguments)
        return json.loads(self.out(*arguments[:end], "--json", *arguments[end:], **options))

    def sync(self, stick: Path, code: int = 0) -> dict:
        return self.json("sync", "--via", stick, code=code)

    def say(self, text: str, *options: str) -> str:
        return self.out("publish", "--message", text, *options).strip()

    def texts(self) -> list[str]:
        return [self.json("show", each["uri"])["text"] for each in self.json("list") if each["schema"] == "message"]

    def peer(self, name: str) -> dict:
        return next(each for each in self.json("status")["peers"] if each["name"] == name)


@pytest.fixture(autouse=True)
def _by_pgpy(monkeypatch):
    """Homes seal as they do where nothing but paquebot is installed."""
    monkeypatch.setattr(choosing, "doubt", lambda: "the stories are told by it")


@pytest.fixture
def make(tmp_path):
    def make(name: str, *options: str, path: Path | None = None, clock: int | None = None) -> Home:
        home = Home(path or tmp_path / name, name, clock)
        home.run("init", "--name", name, *options)
        return home

    return make


@pytest.fixture
def meet(tmp_path):
    def meet(*homes: Home, trust: str = "read") -> None:
        for home in homes:
            home.run("card", "-o", tmp_path / f"{home.name}.card")
        for home in homes:
            for other in homes:
                if other is not home:
                    home.run("peer", "add", other.name, tmp_path / f"{other.name}.card", "--trust", trust)

    return meet


@pytest.fixture
def stick(tmp_path):
    path = tmp_path / "stick"
    path.mkdir()
    return path


@pytest.fixture
def pair(make, meet):
    homes = make("Alice"), make("Bob")
    meet(*homes)
    return homes


def tree(*folders: Path) -> dict[str, str]:
    """Every file below *folders* with the hash of its content."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def crates(stick: Path) -> list[Path]:
    return sorted(stick.rglob("*.PQB"), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a given size; it can be made larger, or read-only, while it is mounted."""
    mounted = []

    def mount(name: str, size: str) -> Path:
        path = tmp_path / name
        path.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("mounting a file system needs root")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=False)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


def on_terminal(home: Home, *arguments: str | Path, code: int = 0, **environment: str) -> str:
    """Return what a command shows on a terminal of 200 columns, by a process of its own."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (50, 200))
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "paquebot", "--home", str(home.path), *map(str, arguments)],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**plain, "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(theirs)
    shown = bytearray()
    with suppress(OSError):  # EIO: nobody writes there any more
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)
    assert process.wait(30) == code, shown.decode()
    return shown.decode().replace("\r\n", "\n")
