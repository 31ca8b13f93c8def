"""What a check lends to a transport whose account has a ration: several ends that are counted as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from paquebot.testing.acting import FolderContext

__all__ = ["Account", "CountedContext"]


class Account:
    """What is counted, below *keys*, from the moment *now* on. *told* hears of each change."""

    def __init__(
        self,
        keys: Iterable[str],
        state: Mapping[str, bytes],
        now: int,
        told: Callable[[Mapping[str, bytes | None]], None],
    ) -> None:
        self._keys, self.state, self._told = tuple(keys), dict(state), told
        self._begun = now - time.monotonic_ns() // 1_000_000

    def counts(self, key: str) -> bool:
        """Return whether *key* is below one of the keys."""
        return key.startswith(self._keys)

    def update(self, changes: Mapping[str, bytes | None]) -> None:
        """Set and remove values."""
        for key, value in changes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self._told(changes)

    def now_ms(self) -> int:
        """Return the time, which goes on: rations are of days and minutes."""
        return self._begun + time.monotonic_ns() // 1_000_000


class CountedContext(FolderContext):
    """One end's context, part of which is the *account*'s."""

    def __init__(self, folder: Path, account: Account, *, keys: Iterable[bytes] = ()) -> None:
        super().__init__(folder, keys=keys, now=account.now_ms())
        self._account = account

    def now_ms(self) -> int:
        """Return the time."""
        return self._account.now_ms()

    def get(self, key: str) -> bytes | None:
        """Return a value of the state."""
        return self._account.state.get(key) if self._account.counts(key) else super().get(key)

    def items(self, prefix: str) -> list[tuple[str, bytes]]:
        """Return the part of the state below *prefix*, in order of keys."""
        counted = [item for item in self._account.state.items() if item[0].startswith(prefix)]
        return sorted([*super().items(prefix), *counted])

    def update(self, changes: Mapping[str, bytes | None]) -> None:
        """Set and remove values, those of the account first: what was sent was sent."""
        counted = {key: value for key, value in changes.items() if self._account.counts(key)}
        if counted:
            self._account.update(counted)
        super().update({key: value for key, value in changes.items() if key not in counted})
