"""One event loop on a thread of its own, and who listens there: proxies and servers that tests of any kind talk to."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_LINE_MAX = 1 << 20
_T = TypeVar("_T")
_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def elsewhere(work: Coroutine[Any, Any, _T]) -> _T:
    """Run *work* on that loop and return what it returns."""
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="mail laboratory", daemon=True).start()
            _loops.append(loop)
    return asyncio.run_coroutine_threadsafe(work, _loops[0]).result(30)


class Cut(Exception):
    """Raise it while a connection is held: it is reset there and then."""


class Silence(Exception):
    """Raise it while a connection is held: nothing more is ever said."""


Hold = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Holds one connection to its end. They are numbered from 1."""


class Listener:
    """Listens on `port` from the beginning, until it is told to `stop`; *hold* is given each connection."""

    def __init__(self, hold: Hold, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        """How many there were."""
        self._hold = hold
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = elsewhere(self._listen(port, tls))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more, and end all connections."""
        elsewhere(self._stop())

    async def _listen(self, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", port, ssl=tls, limit=_LINE_MAX)

    async def _stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            await self._hold(self.connections, reader, writer)
        except (Cut, OSError, asyncio.IncompleteReadError, ValueError):
            writer.transport.abort()
        except Silence:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass  # the laboratory closes
        finally:
            writer.close()
