"""Publish many short messages in one process: ``python -m tests.bench.filling HOME COUNT``."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from paquebot.node import Node
from paquebot.protocol.publishing import Draft

AT_ONCE = 1_000


def fill(home: Path, count: int) -> None:
    """Publish *count* messages of 100 random letters in *home*."""
    dice = random.Random(count)
    with Node(home) as node:
        while count:
            some = min(count, AT_ONCE)
            node.publish([Draft.message(dice.randbytes(50).hex()) for _ in range(some)])
            count -= some


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
