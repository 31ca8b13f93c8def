"""Run somebody else's program: no shell, bounded in time and in what is kept of its words, killed with its group."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GRACE_S = 2.0
"""Between asking a program to stop and making it."""
TAIL_BYTES = 4_096
"""What is kept of the end of its output."""
_LOOK_S = 0.02


def run(words: Sequence[str], stdin: IO[bytes], env: Mapping[str, str], folder: Path, timeout: float) -> str:
    """Run *words* in *folder* and return why it did not succeed, in one text; empty if it did.

    It succeeds by exiting with 0 within *timeout* seconds. What it leaves running in the background is left alone
    then; after a timeout all of its process group is killed. Its output is read, and shown only in a failure.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 the person's own configuration names it
            words,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        return f"{words[0]} cannot be run: {error.strerror}"
    with child:
        assert child.stdout is not None
        try:
            tail, ended = _follow(child, child.stdout.fileno(), time.monotonic() + timeout)
        finally:
            if child.poll() is None:
                _kill(child)
    if not ended:
        return f"it did not end within {timeout:g} seconds and was stopped"
    if child.returncode == 0:
        return ""
    how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
    said = tail.decode("utf-8", "replace").strip().rpartition("\n")[2].strip()
    return f"{how}: {said}" if said else how


def _follow(child: subprocess.Popen[bytes], output: int, until: float) -> tuple[bytes, bool]:
    """Return the end of what *child* says, and whether it ended in time; others who hold its output are not awaited."""
    os.set_blocking(output, False)
    tail = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            ended = child.poll() is not None
            if selector.get_map() and (selector.select(0 if ended else _LOOK_S)):
                data = _read(output)
                tail = (tail + data)[-TAIL_BYTES:]
                if data and time.monotonic() < until:
                    continue
                selector.unregister(output)
            if ended:
                return tail, True
            if time.monotonic() >= until:
                return tail, False
            if not selector.get_map():
                time.sleep(_LOOK_S)


def _read(output: int) -> bytes:
    with suppress(BlockingIOError):
        return os.read(output, 65_536)
    return b""


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Stop a program and all of its process group, politely first."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
