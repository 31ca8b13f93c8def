"""Keeping a home's disk in order: what its rules let go, what a check finds, what can be mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from paquebot import config, repairing, retention
from paquebot.frozen import frozen
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.engine import Engine
from paquebot.protocol.stamp import Millis
from paquebot.store import Store
from paquebot.store.checking import Finding
from paquebot.store.view import Listed


@frozen
class Upkeep:
    """What is done to one open home's disk. Any method may raise `StoreError`."""

    home: Path
    store: Store
    engine: Engine
    now: Callable[[], Millis]
    doubtful: Callable[[], bool]
    """Whether the clock cannot be trusted: then nothing is old."""

    def forget(self, names: Sequence[ResourceId]) -> None:
        """Delete the bytes of *names* for good; they never come back. Raise `Misused`."""
        self.store.commit(self.engine.let_go(names))

    def due(self) -> list[retention.Due]:
        """Return what ``[keep]`` in the configuration no longer wants. Raise `ConfigError`."""
        keep = config.read(self.home / config.FILE_NAME).keep
        return retention.due(self.store.view, keep, self.now()) if keep.asks and not self.doubtful() else []

    def forget_by_rule(self) -> int:
        """Forget what ``[keep]`` no longer wants; return how many things that was. Raise `ConfigError`."""
        due = self.due()
        self.forget([each.listed.id for each in due])
        return len(due)

    def matching(self, rule: config.KeepRule) -> list[Listed]:
        """Return what *rule* names and is old enough, the oldest first."""
        return retention.matching(self.store.view, rule, self.now())

    def mend(self, findings: Sequence[Finding]) -> list[Finding]:
        """Mend what can be mended of *findings*; return that."""
        return repairing.mend(self.home, self.store, self.engine, findings)
