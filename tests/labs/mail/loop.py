"""One event loop on a thread of its own, for proxies and servers that tests of any kind talk to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

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
