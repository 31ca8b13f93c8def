"""A TCP proxy that breaks lines as lines break.

It does not look at what passes, but for `cut_on` and `garble`, which need a plaintext port to strike at a chosen word.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Self

from tests.labs.mail.loop import Listener, elsewhere

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Plan:
    """What befalls one connection. Up is from client to server; without any of these it is a good line."""

    delay: float = 0.0
    """Seconds each way: half the round trip."""
    rate: float = 0.0
    """Bytes a second, each way."""
    cut_down: int = 0
    """Reset both sides after that many bytes from the server."""
    cut_up: int = 0
    cut_on: bytes = b""
    """Reset instead of passing on what holds these bytes of the server's: the work is done, nobody hears of it."""
    end_down: int = 0
    """End the stream politely (FIN) after that many bytes from the server: TLS cut without its goodbye."""
    stall_down: int = 0
    """Pass on nothing more after that many bytes from the server, and keep the line open: a black hole."""
    stall_up: int = 0
    slice: int = 0
    """Pass on so many bytes at a time."""
    garble: bytes = b""
    """Replace these bytes of the server's by others of the same length, once."""
    flip: int = 0
    """Flip one bit of the byte that is so far from the beginning of what the server says."""
    refuse: bool = False
    """Hang up at once."""

    @property
    def mishaps(self) -> set[str]:
        """Their names."""
        return {each.name for each in fields(self) if getattr(self, each.name) != each.default}


FAIR = Plan()


class Proxy:
    """Listens on `port` and passes on to *target*. Use it in a ``with``, in an ``async with``, or `stop` it."""

    def __init__(self, target: int, *plans: Plan) -> None:
        self.plans = list(plans or (FAIR,))
        """One for each connection, in order; the last one is for all that follow. May be changed at any time."""
        self.mishaps: Counter[str] = Counter()
        """How often each took effect, by its name in `Plan`."""
        self.up = 0
        """Bytes that came from clients."""
        self.down = 0
        self.frozen = False
        """Set it to pass on nothing more, and keep all lines open."""
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener = Listener(self._hold)
        self.port = self._listener.port

    @property
    def connections(self) -> int:
        """How many there were."""
        return self._listener.connections

    def __enter__(self) -> Self:
        """Return the proxy, which listens already."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Listen no more, and reset all connections."""
        elsewhere(self._reset())
        self._listener.stop()

    async def _reset(self) -> None:
        _reset(self._writers)

    async def _hold(self, _number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if plan.refuse:
            self.mishaps["refuse"] += 1
            _reset([writer])
            return
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target, limit=1 << 18)
        except OSError:
            _reset([writer])
            return
        for each in (writer, far):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._writers.add(each)
        both = (writer, far)
        try:
            await asyncio.gather(
                _Way(self, plan, both, up=True).run(reader, far),
                _Way(self, plan, both, up=False).run(far_reader, writer),
            )
        finally:
            for each in both:
                self._writers.discard(each)
                each.close()


class _Way:
    """One direction of one connection."""

    def __init__(self, proxy: Proxy, plan: Plan, both: Iterable[asyncio.StreamWriter], *, up: bool) -> None:
        self._proxy, self._plan, self._both, self._up = proxy, plan, both, up
        self._ends = ("cut_up", "stall_up") if up else ("cut_down", "end_down", "stall_down")
        self._passed = 0
        self._garbled = False

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        loop = asyncio.get_running_loop()
        sending = loop.create_task(self._send(queue, writer))
        free = loop.time()
        try:
            while data := await reader.read(_CHUNK if not self._plan.rate else 4096):
                if self._proxy.frozen:
                    await asyncio.sleep(3600)
                data, end = self._fate(data)
                free = max(free, loop.time()) + (len(data) / self._plan.rate if self._plan.rate else 0)
                await queue.put((free + self._plan.delay, data))
                if end:
                    self._proxy.mishaps[end] += 1
                if end.startswith("cut"):
                    await asyncio.sleep(0.02)  # let what went before arrive
                    _reset(self._both)
                    return
                if end.startswith("end"):
                    break
                if end.startswith("stall"):
                    await asyncio.sleep(3600)
        except OSError:
            _reset(self._both)
        finally:
            await queue.put((loop.time() + self._plan.delay, b""))
            await sending

    def _fate(self, data: bytes) -> tuple[bytes, str]:
        """Return what of *data* goes on, and the name of what ends the line there, if anything does."""
        plan = self._plan
        if not self._up and plan.cut_on and plan.cut_on in data:
            return b"", "cut_on"
        if not self._up and plan.garble and plan.garble in data and not self._garbled:
            self._garbled = True
            self._proxy.mishaps["garble"] += 1
            data = data.replace(plan.garble, bytes(each ^ 0x15 for each in plan.garble), 1)
        at = plan.flip - 1 - self._passed
        if not self._up and 0 <= at < len(data):
            self._proxy.mishaps["flip"] += 1
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        for name in self._ends:
            limit: int = getattr(plan, name)
            if limit and self._passed + len(data) >= limit:
                data = data[: limit - self._passed]
                self._count(data)
                return data, name
        self._count(data)
        return data, ""

    def _count(self, data: bytes) -> None:
        self._passed += len(data)
        if self._up:
            self._proxy.up += len(data)
        else:
            self._proxy.down += len(data)

    async def _send(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            if due > loop.time():
                self._proxy.mishaps.update(self._plan.mishaps & {"delay", "rate"})
                await asyncio.sleep(due - loop.time())
            try:
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                step = self._plan.slice or len(data)
                if step < len(data):
                    self._proxy.mishaps["slice"] += 1
                for start in range(0, len(data), step):
                    writer.write(data[start : start + step])
                    await writer.drain()
                    if self._plan.slice:
                        await asyncio.sleep(0)
            except (OSError, RuntimeError):
                while data:  # take what comes, so that nobody waits for room in the queue
                    _, data = await queue.get()
                return


def _reset(writers: Iterable[asyncio.StreamWriter]) -> None:
    for writer in list(writers):
        line = writer.get_extra_info("socket")
        with suppress(OSError, AttributeError):  # closed already
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
