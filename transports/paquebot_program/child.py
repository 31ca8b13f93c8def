"""The program: started in a process group of its own, spoken to line by line, and never left behind.

Whatever it does (fall silent, babble, die, fork, never end) costs its own carrier and nobody else: every wait has an
end, every buffer a size, and its whole process group is killed when it is over.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from paquebot.transport import PluginError, Transient
from paquebot_program.line import LINE_MAX, Line, Unclear, parse, write

GRACE_S = 2.0
"""Between closing its input and asking it to stop, and between that and making it."""
REMARKS_MAX = 100
"""Lines of its standard error that are passed on in one session."""
REMARK_MAX = 500
_LOOK_S = 0.1
_GLANCE_S = 0.02
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG")


def environment(also: Sequence[str]) -> dict[str, str]:
    """Return the little that a program is given of our environment, and what its settings name besides."""
    return {name: value for name, value in os.environ.items() if name in (*_KEPT, *also) or name.startswith("LC_")}


class Child:
    """One running program. *remark* is told what it says on its standard error, a line at a time."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], remark: Callable[[str], None]) -> None:
        self.name = name
        self._process = process
        self._pipes = [pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe]
        self._in, self._out, self._err = (pipe.fileno() for pipe in self._pipes)
        for number in (self._in, self._out, self._err):
            os.set_blocking(number, False)
        self._remark = remark
        self._remarks = 0
        self._last = ""
        self._read, self._half = b"", b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._err, self._listen)

    @classmethod
    def start(
        cls, name: str, command: Sequence[str], env: Mapping[str, str], folder: Path, remark: Callable[[str], None]
    ) -> Child:
        """Start *command* in *folder*. Raise `PluginError`."""
        words = [os.path.expanduser(command[0]), *command[1:]]
        if os.sep in words[0] and not os.path.isabs(words[0]):
            raise PluginError(f"{name}: write the whole path of {words[0]}: it is run in a folder of its own")
        if os.sep not in words[0] and not shutil.which(words[0], path=env.get("PATH")):
            raise PluginError(f"{name}: there is no program called {words[0]} on the PATH: write its whole path")
        try:
            process = subprocess.Popen(  # noqa: S603 the person's own configuration names it
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=env,
                cwd=folder,
                umask=0o077,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise PluginError(f"{name}: {words[0]} cannot be run: {reason}") from error
        return cls(name, process, remark)

    async def say(self, line: Line, seconds: float) -> None:
        """Say *line*. Raise `Transient` if it is not taken within *seconds*, or `PluginError` if it cannot be said."""
        try:
            data = write(line)
        except Unclear as error:
            raise PluginError(f"{self.name}: {error}") from None
        until = time.monotonic() + seconds
        while data:
            try:
                data = data[os.write(self._in, data) :]
            except BlockingIOError:
                await self._until_ready(until, writing=True)
            except BrokenPipeError:
                raise await self._ended() from None

    async def hear(self, seconds: float) -> Line:
        """Return the next line. Raise `Transient` if there is none within *seconds*, `PluginError` if it is none."""
        until = time.monotonic() + seconds
        while b"\n" not in self._read:
            if len(self._read) > LINE_MAX:
                raise PluginError(f"{self.name} says a line longer than {LINE_MAX} bytes")
            try:
                data = os.read(self._out, 65_536)
            except BlockingIOError:
                await self._until_ready(until)
                continue
            if not data:
                raise await self._ended()
            self._read += data
        first, _, self._read = self._read.partition(b"\n")
        try:
            return parse(first)
        except Unclear as error:
            raise PluginError(f"{self.name} does not keep to the line protocol: {error}{_quoted(first)}") from None

    def unasked(self) -> str:
        """Return what it says that nobody has asked for, as a quotation; empty if there is nothing."""
        if not self._read:
            with suppress(BlockingIOError):
                self._read = os.read(self._out, 65_536)
        return _quoted(self._read) or "." if self._read else ""

    async def _until_ready(self, until: float, *, writing: bool = False) -> None:
        """Wait until the pipe can be used. Raise `Transient` when it is too late, or the program is no more."""
        add, remove, pipe = (
            (self._loop.add_writer, self._loop.remove_writer, self._in)
            if writing
            else (self._loop.add_reader, self._loop.remove_reader, self._out)
        )
        ready: asyncio.Future[None] = self._loop.create_future()
        add(pipe, _fulfil, ready)
        try:
            while not ready.done():
                # Others may hold its pipes when it is gone, so the end of file is not enough.
                over = self.over()
                await asyncio.wait([ready], timeout=min(_LOOK_S, max(until - time.monotonic(), 0)))
                if ready.done():
                    return
                if over:
                    raise await self._ended()
                if time.monotonic() >= until:
                    raise Transient(f"{self.name} does not answer")
        finally:
            remove(pipe)
            ready.cancel()

    def over(self) -> bool:
        """Return whether the program has ended; its process is kept, so that its group keeps its number."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    async def _ended(self) -> Transient:
        """Return the error that says how it ended. Its last words are waited for, a moment."""
        for _ in range(10):
            if self.over():
                break
            await asyncio.sleep(_LOOK_S)
        self._listen()
        if not self.over():
            return Transient(f"{self.name} has closed its output{self._last_words()}")
        self._kill()
        code = self._process.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return Transient(f"{self.name} {how}{self._last_words()}")

    def _last_words(self) -> str:
        return f": {self._last}" if self._last else ""

    def _listen(self) -> None:
        """Take in what it says on its standard error, in small bites: it must never wait for us to read that."""
        try:
            data = os.read(self._err, 65_536)
        except (BlockingIOError, ValueError):
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._err)
        *lines, self._half = (self._half + (data or b"\n" * bool(self._half))).split(b"\n")
        self._half = self._half[: 4 * REMARK_MAX]
        for line in lines:
            said = line.decode("utf-8", "replace").strip()[:REMARK_MAX]
            if said:
                self._last = said
                self._remarks += 1
            if said and self._remarks <= REMARKS_MAX:
                self._remark(said)
            elif self._remarks == REMARKS_MAX + 1:
                self._remark("it says more than is shown")
                self._remarks += 1

    async def stop(self, seconds: float = GRACE_S) -> None:
        """Close its input and let it end; after *seconds*, and again *seconds*, make it, and whatever it started."""
        try:
            self._pipes[0].close()
            await self._until_over(seconds)
            self._signal(signal.SIGTERM)
            await self._until_over(seconds)
        finally:
            self._listen()
            self._loop.remove_reader(self._err)
            self._kill()
            for pipe in self._pipes:
                pipe.close()

    async def _until_over(self, seconds: float) -> None:
        for _ in range(int(seconds / _GLANCE_S)):
            if self.over():
                return
            await asyncio.sleep(_GLANCE_S)

    def _kill(self) -> None:
        """Leave nothing of it behind. Before its process is laid to rest, no other can have its number."""
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):  # a process that hangs in the kernel is the kernel's
                self._process.wait(10 * GRACE_S)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def _fulfil(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _quoted(data: bytes) -> str:
    """The beginning of what it said; it is made harmless where it is shown."""
    said = data.partition(b"\n")[0][:60].decode("utf-8", "replace").strip()
    return f" ({said!r}; what is not meant for us belongs on its standard error)" if said else ""
