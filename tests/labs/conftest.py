"""Ground to work on, and figures to be said at the end of the run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from paquebot.vault import locking

LONGER = 20 if os.environ.get("SOAK") else 1
"""By how much the laboratories search longer than in an ordinary run."""


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder in memory: what is durable is known by a model, and not by a disk."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="paquebot-", dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _quick_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "COST", locking.Cost(16, 8, 1))


def _seconds() -> float:
    """The processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


Tally = Callable[[str, float], AbstractContextManager[list[int]]]


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Say what a laboratory did: its name and budget in seconds of processor time; to the list, counts are added."""

    @contextmanager
    def tallied(name: str, budget: float) -> Iterator[list[int]]:
        counts: list[int] = []
        begun = _seconds()
        try:
            yield counts
        finally:
            record_property("laboratory", name)
            record_property("count", sum(counts))
            record_property("seconds", _seconds() - begun)
            record_property("budget", budget)

    return tallied
