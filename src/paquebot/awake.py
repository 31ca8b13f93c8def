"""Staying awake: a pass whenever one may be worth while, until told to stop. The home is free between two passes.

A carrier that can wait says when something came; what other commands publish is noticed by the store's file; and now
and then everything is looked at, since nothing that notices can be trusted to notice all.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from pathlib import Path

from paquebot import config, hooks, registry, rounds
from paquebot import home as homes
from paquebot.errors import Busy, ConfigError, PaquebotError, TransportError
from paquebot.node import Node
from paquebot.report import Problem, Report
from paquebot.transport import Transport, Waits

EVERY_S = 15 * 60.0
"""How often each carrier is visited though nothing was noticed."""
SLICE_S = 10.0
"""How long a pass over a network keeps others out of the home; then it goes on."""
GAP_S = 0.3
"""How long they may come in between."""
QUIET_S, QUIET_MAX_S = 2.0, 20.0
"""Local news are sent when no more came for so long, or have been coming for so long."""
LOOK_S = 1.0
TROUBLE_S = 30.0
"""After trouble a carrier is visited again; after more of it, ever later."""
VAIN_S, VAIN_MAX_S = 1.0, 60.0
"""One that said that something came, and brought nothing, is listened to again after a while; ever later, if again."""
BUSY_S = 0.2
RATION_S = 60.0
"""Some carriers take so many parcels a minute."""


class Awake:
    """One home that is kept awake. *node* opens it for each pass; *tell* hears of it, and whom it visited."""

    def __init__(
        self,
        home: Path,
        node: Callable[[], Node],
        tell: Callable[[Report, Set[str]], None],
        *,
        via: Iterable[str] = (),
        every_s: float = EVERY_S,
    ) -> None:
        self._home = home
        self._node = node
        self._tell = tell
        self._via = list(via)
        self._every_s = every_s
        self._next: dict[str, float] = {}
        self._troubles: dict[str, int] = {}
        self._called: set[str] = set()
        """Who are visited now because they noticed something."""
        self._vain: dict[str, int] = {}
        """How often in a row that was for nothing."""
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._waiters: dict[str, tuple[config.Carrier, Transport]] = {}
        """They live on between two waits: some remember what they saw."""
        self._stirred: set[str] = set()
        self._news = asyncio.Event()
        self._mark: object = None
        self._known: list[config.Carrier] = []

    async def run(self) -> None:
        """Go on until cancelled. Raise `Busy` if another does so here, `ConfigError` if there is no carrier at all."""
        with homes.awake(self._home):
            due = {each.name for each in self._carriers()}
            try:
                while True:
                    await self._round(due)
                    due = await self._due()
            finally:
                for task in self._waiting.values():
                    task.cancel()
                await asyncio.gather(*self._waiting.values(), return_exceptions=True)

    def _carriers(self) -> list[config.Carrier]:
        """Return all carriers; while the configuration has a mistake, those that it had before."""
        try:
            with Node(self._home, looking=True) as node:
                names = [each.name for each in config.read(self._home / config.FILE_NAME).carriers]
                self._known = node.carriers(names, self._via)
        except ConfigError:
            if not self._known:
                raise
        return self._known

    # -- passes -----------------------------------------------------------------------------

    async def _round(self, due: set[str]) -> None:
        """Make a pass over the carriers called *due*, and the next ones as long as there is more to do."""
        again = set(due)
        while again:
            for name in again:
                if task := self._waiting.pop(name, None):
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            report = await self._pass(again)
            if report.errands:
                tried = await asyncio.to_thread(hooks.run, self._home)
                report.problems += [each.as_problem() for each in tried if each.problem]
            self._mark = self._look()
            self._tell(report, frozenset(again))
            again = again if report.unfinished else set()
            await asyncio.sleep(GAP_S if again else 0)
        self._wait_for(self._carriers())

    async def _pass(self, names: set[str]) -> Report:
        while True:
            try:
                with self._node() as node:
                    carriers = [each for each in self._carriers() if each.name in names]
                    report = await rounds.sync(node, carriers, seconds=SLICE_S)
                    self._schedule(carriers, report)
                    return report
            except Busy:
                await asyncio.sleep(BUSY_S)
            except ConfigError as error:  # somebody is writing it
                self._schedule(self._known, Report(), failed=True)
                return Report(problems=[Problem(config.FILE_NAME, str(error), error.exit_code)])

    def _schedule(self, carriers: Iterable[config.Carrier], report: Report, *, failed: bool = False) -> None:
        troubled = {problem.where for problem in report.problems}
        for each in carriers:
            trouble = failed or each.name in troubled
            self._troubles[each.name] = self._troubles.get(each.name, 0) + 1 if trouble else 0
            later = TROUBLE_S * 2 ** min(max(self._troubles[each.name] - 1, 0), 10)
            wait = min(later, self._every_s) if trouble else self._every_s
            wait = min(wait, RATION_S) if report.rationed else wait
            self._next[each.name] = time.monotonic() + wait
            vain = each.name in self._called and (trouble or not report.found)
            self._vain[each.name] = self._vain.get(each.name, 0) + 1 if vain else 0
        self._called = set()

    # -- noticing ---------------------------------------------------------------------------

    async def _due(self) -> set[str]:
        """Return the carriers that are worth a visit, as soon as there are any."""
        changed_at = last_at = 0.0
        seen = self._mark
        while True:
            now = time.monotonic()
            if self._stirred:
                self._called, self._stirred = self._stirred, set()
                return set(self._called)
            if late := {name for name, at in self._next.items() if at <= now}:
                return late
            current = self._look()
            if current != seen:
                seen, last_at, changed_at = current, now, changed_at or now
            if changed_at and (now - last_at >= QUIET_S or now - changed_at >= QUIET_MAX_S):
                return {each.name for each in self._carriers()}
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):  # not wait_for, which may swallow that we are told to stop
                    await self._news.wait()
            self._news.clear()

    def _look(self) -> object:
        """Return what changes when another command changes this home, its configuration, or a folder it watches."""
        paths = [self._home / name for name in (homes.STORE, f"{homes.STORE}-wal", config.FILE_NAME)]
        with suppress(ConfigError):
            paths += [self._home / Path(each.path).expanduser() for each in config.read(paths[-1]).watches]
        paths += (self._home / "carriers").glob("*/handed-in")
        return tuple(_state(each) for each in paths)

    def _wait_for(self, carriers: Iterable[config.Carrier]) -> None:
        for each in carriers:
            if each.name not in self._waiting or self._waiting[each.name].done():
                self._waiting[each.name] = asyncio.create_task(self._wait(each))

    async def _wait(self, carrier: config.Carrier) -> None:
        """Wait until *carrier* notices something. One that cannot wait, or not now, is visited at its time anyway."""
        troubles = 0
        await asyncio.sleep(self._pause(carrier.name))
        while True:
            try:
                transport = self._waiter(carrier)
                if not isinstance(transport, Waits):
                    return
                if await transport.wait(int(self._every_s * 1000)):
                    self._stirred.add(carrier.name)
                    self._news.set()
                    return
                troubles = 0
                await asyncio.sleep(LOOK_S)  # one that says "nothing" at once is not to keep us busy
            except TransportError:
                await asyncio.sleep(min(TROUBLE_S * 2**troubles, self._every_s))
                troubles = min(troubles + 1, 10)
            except PaquebotError:  # the next pass says so
                return

    def _pause(self, name: str) -> float:
        """Return for how long the carrier called *name* is not listened to: what it says may be no use."""
        vain = self._vain.get(name, 0)
        first, most = (TROUBLE_S, self._every_s) if self._troubles.get(name) else (VAIN_S, VAIN_MAX_S)
        return min(first * 2 ** min(vain - 1, 10), most) if vain else 0

    def _waiter(self, carrier: config.Carrier) -> Transport:
        """Return what waits for *carrier*. Raise `ConfigError` or `PluginError`."""
        known, transport = self._waiters.get(carrier.name, (None, None))
        if known != carrier or transport is None:
            kind = registry.load(carrier.uses)
            settings = carrier.settings(kind.settings_type)
            transport = kind.open(settings, Onlooker(self._home, carrier))
            self._waiters[carrier.name] = carrier, transport
        return transport


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class Onlooker:
    """The door's `Context` for one who only waits: what the house remembers can be read, and nothing written."""

    def __init__(self, home: Path, carrier: config.Carrier) -> None:
        self._home = home
        self._carrier = carrier

    @property
    def name(self) -> str:
        """What people call this carrier."""
        return self._carrier.name

    @property
    def folder(self) -> Path:
        """The carrier's private folder, which need not exist."""
        return self._home / "carriers" / self._carrier.uses

    @property
    def epoch(self) -> str:
        """Nothing is opened by one who waits."""
        return ""

    def get(self, key: str) -> bytes | None:
        """Return a value of the durable state, as it is now."""
        with Node(self._home, looking=True) as node:
            return node.view.carried(self._carrier.uses, key)

    def items(self, prefix: str) -> Iterable[tuple[str, bytes]]:
        """Return the durable state below *prefix*, as it is now."""
        with Node(self._home, looking=True) as node:
            return list(node.view.carrier(self._carrier.uses, prefix))

    def put(self, key: str, value: bytes | None) -> None:
        """Refuse to write."""
        self.update({key: value})

    def update(self, changes: Mapping[str, bytes | None]) -> None:
        """Refuse to write."""
        raise TransportError("a carrier remembers nothing while it only waits")

    def recognise(self, salt: bytes, tag: bytes) -> bool:
        """Say nothing: no key is read by one who waits."""
        return False

    def knows(self, address: str) -> bool:
        """Say nothing."""
        return False

    def now_ms(self) -> int:
        """Return the time as this node reckons it."""
        with Node(self._home, looking=True) as node:
            return node.now()

    def entropy(self, count: int) -> bytes:
        """Return random bytes."""
        return os.urandom(count)

    def note(self, text: str) -> None:
        """Say nothing to anybody."""
