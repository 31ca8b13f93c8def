"""Work done a little ahead of whoever takes its results: one core seals or opens while another waits for a disk."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, Self, TypeVar

from paquebot.errors import PaquebotError

__all__ = ["Ahead"]

Result = TypeVar("Result")
Begin = Callable[[], Callable[[], Result]]
"""Gets together what a piece of work needs, here and now; returns the work, for another thread."""
KEPT_BYTES = 8 << 20  # an envelope has up to that
MOST = 1  # results that wait: each may have a megabyte, and what it was made of several


class Ahead(Generic[Result]):
    """Pieces of work that are wanted one after the other, mostly in the order in which they were added.

    While one is taken, the next ones are begun. Whatever is wrong with a piece is raised when it is taken, not before.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Begin[Result]] = {}
        self._begun: dict[Hashable, Future[Result]] = {}
        self._worker: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        _keep_freed()
        self._worker = ThreadPoolExecutor(1, "ahead")
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
        self._waiting.clear()  # the next use may give the same names to other things
        self._begun.clear()

    def add(self, name: Hashable, begin: Begin[Result]) -> None:
        """Announce a piece of work, so that it can be begun in time."""
        self._waiting[name] = begin

    async def take(self, name: Hashable, begin: Begin[Result]) -> Result:
        """Return what the piece called *name* results in, or raise what it raises; if need be, *begin* it now."""
        self._waiting.pop(name, None)
        if name in self._begun:
            for passed in [*self._begun][: [*self._begun].index(name)]:  # nobody wanted it
                self._begun.pop(passed).cancel()
        found = self._begun.pop(name, None) or self._submit(begin)
        self.hasten()
        return await asyncio.wrap_future(found)

    def knows(self, name: Hashable) -> bool:
        """Return whether a piece of that name was announced and not taken yet."""
        return name in self._waiting or name in self._begun

    def hasten(self) -> None:
        """Begin what comes next."""
        while self._waiting and len(self._begun) < MOST:
            name = next(iter(self._waiting))
            with suppress(PaquebotError):  # it is said when that piece is taken
                self._begun[name] = self._submit(self._waiting.pop(name))

    def _submit(self, begin: Begin[Result]) -> Future[Result]:
        assert self._worker is not None, "it is used inside `with`"
        return self._worker.submit(begin())


@functools.cache
def _keep_freed() -> None:
    """Have glibc keep freed memory: twice as much as its largest freed block had, and the rest goes to the kernel.

    A tenth of a sender's time went into getting the same pages again. None of this block is touched: the first time.
    """
    bytes(KEPT_BYTES)
