"""Run seeds until one fails, and say which and why: a line of JSON. Its process imports the sabotaged code.

python -m tests.labs.mutants.judge VILLAGE SEED…
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from paquebot.testing.restored import RestoredVillage
from paquebot.testing.simulation import Simulation, governed

SEED_SECONDS = 120
"""A seed that takes longer, of processor time, has no end."""


def real(seed: int) -> Simulation:
    """Return a village whose stores are SQLite on a disk."""
    return Simulation(seed, Path(tempfile.mkdtemp()))


CLUMSY = (ImportError, NameError, AttributeError, TypeError, SyntaxError)
"""What says that the sabotage breaks the language and no rule."""

VILLAGES: dict[str, Callable[[int], Simulation]] = {
    "plain": Simulation,
    "council": lambda seed: Simulation(seed, None, governed(seed)),
    "restored": RestoredVillage,
    "real": real,
}


def endless(*_: object) -> None:
    """Take what goes on for so long as a failure."""
    raise AssertionError("it has no end")


def main(village: str, seeds: Iterable[int]) -> None:
    """Print the first of *seeds* that fails, or null."""
    signal.signal(signal.SIGVTALRM, endless)
    for seed in seeds:
        signal.setitimer(signal.ITIMER_VIRTUAL, SEED_SECONDS)
        try:
            VILLAGES[village](seed).run()
        except CLUMSY:
            raise
        except Exception as error:
            print(json.dumps({"seed": seed, "why": f"{type(error).__name__}: {error}"[:200]}))
            return
    print("null")


if __name__ == "__main__":
    main(sys.argv[1], map(int, sys.argv[2:]))
