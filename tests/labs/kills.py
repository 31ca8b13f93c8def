"""Processes that are killed at the nth change of a disk, and what they were about to do then.

A process is started once, imports everything, and forks for each story: a hundredth of a start's cost. Run as
``python -m tests.labs.kills`` it is that process; it reads what to do from standard input, a line of JSON each.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.conftest import Done
from tests.labs.legs import STORIES, Voyage
from tests.labs.tap import CHANGES, Call, Listener, tapped
from tests.labs.trials import Stopped, Tried

from paquebot.vault import locking

SAID = "said"
"""The file in a voyage's folder in which the URIs are noted that were printed before the end."""


@dataclass
class Speaking(Tried):
    """A home whose commands' words are heard even if the next command is killed."""

    def run(self, *arguments: str | Path, code: int | None = 0, stdin: bytes = b"") -> Done:
        """Run a command and note what it says was published."""
        done = super().run(*arguments, code=code, stdin=stdin)
        with open(self.path.parents[1] / SAID, "w") as file:
            file.write("\n".join(self.published))
        return done


class Killing(Listener):
    """Ends the process, as kill -9 does, before the nth call that changes something."""

    def __init__(self, number: int) -> None:
        self._left = number

    def before(self, call: Call) -> None:
        """Count down."""
        self._left -= call.verb in CHANGES
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class Naming(Listener):
    """Names every call that changes something by what it does to what kind of file."""

    def __init__(self, root: Path) -> None:
        self._root = f"{os.path.realpath(root)}{os.sep}"
        self.names: list[str] = []

    def before(self, call: Call) -> None:
        """Note its name."""
        if call.verb not in CHANGES:
            return
        path = f"{call.path}{os.sep}".removeprefix(self._root).rstrip(os.sep)
        self.names.append(f"{call.verb} {re.sub(_RANDOM, '*', path)}")


_RANDOM = r"(?<=/)\.?([0-9a-f]{62}|[0-9a-f]{2}|[A-Z2-7]{26}|[A-Z2-7])(?=[./]|$)"
"""Names made of hashes and dice."""


def crash_points(names: list[str], count: int) -> dict[int, str]:
    """Return *count* of the calls, by number: the first and last of each name, and others evenly between."""
    points: dict[int, str] = {}
    for number, name in enumerate(names, 1):
        if name not in names[: number - 1] or name not in names[number:]:
            points[number] = name
    others = [number for number in range(1, len(names) + 1) if number not in points]
    wanted = max(0, count - len(points))
    for number in others[:: max(1, len(others) // wanted)] if wanted else ():
        points[number] = names[number - 1]
    return points


@dataclass(slots=True)
class Killer:
    """Starts stories and kills them."""

    process: subprocess.Popen[str]

    def kill(self, story: str, folder: Path, number: int) -> bool:
        """Let *story* happen in *folder*, up to its change of that number; return whether it came so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([story, str(folder), number]) + "\n")
        self.process.stdin.flush()
        ended = self.process.stdout.readline()
        assert ended, "the starting process is gone"
        code = int(ended)
        assert code in (0, -signal.SIGKILL), f"{story} ended with {code}"
        return code != 0


@contextmanager
def killer() -> Iterator[Killer]:
    """Lend a `Killer`."""
    words = [sys.executable, "-m", __spec__.name]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env={**os.environ, "PYTHONPATH": _ABOVE}) as it:
        try:
            yield Killer(it)
        finally:
            assert it.stdin is not None
            it.stdin.close()


_ABOVE = str(Path(__file__).parents[2])


def main() -> None:
    """Do what standard input says; print how each child ended."""
    locking.COST = locking.Cost(16, 8, 1)
    for line in sys.stdin:
        story, folder, number = json.loads(line)
        child = os.fork()
        if not child:
            voyage = Voyage(Path(folder))
            voyage.alice = Speaking(voyage.alice.path, "Alice")
            with suppress(Stopped), tapped(Killing(number), voyage.root):
                STORIES[story].run(voyage)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
