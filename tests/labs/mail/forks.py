"""Commands in processes that can be killed: one process imports everything, and forks for each command.

Run as ``python -m tests.labs.mail.forks`` it is that process; it reads what to do from standard input, a line of JSON
each: the arguments, and after how many seconds to kill (0 for never). It answers with the exit code, or minus a signal,
and the most memory that was used, in KiB.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Forks:
    """The process that forks, seen from outside. Use it in a ``with``."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.memory_mib = 0.0
        """The most that any command had, all that is imported included."""

    def __enter__(self) -> Forks:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.labs.mail.forks", str(self._log)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def run(self, home: Path, *words: str, kill_after: float = 0) -> int:
        """Run a command in *home*; return its exit code, or minus the signal that ended it."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([["--home", str(home), *words], kill_after]), file=self._process.stdin, flush=True)
        code, memory = map(int, self._process.stdout.readline().split())
        self.memory_mib = max(self.memory_mib, memory / 1024)
        return code

    def said(self) -> str:
        """Return what all commands have printed."""
        return self._log.read_text(errors="replace")


def _fork(words: list[str], kill_after: float, log: str) -> str:
    child = os.fork()
    if child == 0:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1), os.dup2(out, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115 the child's
        from paquebot.cli import main

        with contextlib.suppress(BaseException):
            try:
                main(words)
            except SystemExit as end:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(end.code if isinstance(end.code, int) else 1)
        os._exit(99)
    deadline = time.monotonic() + kill_after
    while True:
        done, status, used = os.wait4(child, os.WNOHANG if kill_after else 0)
        if done:
            return f"{os.waitstatus_to_exitcode(status)} {used.ru_maxrss}"
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def _serve(log: str) -> None:
    # All that a sync needs, so that no child has to import it.
    import aiosmtplib  # noqa: F401
    import jsonschema_rs  # noqa: F401

    import paquebot_mail.mailbox
    import paquebot_mail.sending  # noqa: F401

    for line in sys.stdin:
        words, kill_after = json.loads(line)
        print(_fork(words, kill_after, log), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
