"""An end of a route in a process of its own, to be killed: ``python -m paquebot.testing.acting JSON``.

It sends parcels by their numbers and prints each number when it is handed over. A carrier that fails as carriers may
fail ends it with exit code 0; anything else is a fault.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from paquebot.settings import settings
from paquebot.testing.ends import NOW_MS, outgoing
from paquebot.testing.post import MemoryContext
from paquebot.transport import Stage, TransportError

COUNT = 24
AT_ONCE = 4


def parcel(number: int) -> bytes:
    """Return the parcel of that *number*: every fourth one is larger than a full disk takes."""
    return b"parcel %d\n" % number + bytes([number]) * (20_000 if number % 4 == 3 else 100 * number)


def parcel_of(data: bytes) -> int | None:
    """Return the number of a parcel; None if it is none of ours.

    >>> parcel_of(parcel(7)), parcel_of(parcel(7)[:-1])
    (7, None)
    """
    digits = data.partition(b"\n")[0].removeprefix(b"parcel ")
    number = int(digits) if digits.isdigit() else COUNT
    return number if number < COUNT and data == parcel(number) else None


class FolderContext(MemoryContext):
    """A context whose state is in a file, and survives its process."""

    def __init__(self, folder: Path, *, keys: Iterable[bytes] = (), now: int = NOW_MS) -> None:
        super().__init__(folder, keys=keys, now=now)
        self._log = self.folder / "state"
        if self._log.exists():
            for line in self._log.read_text().splitlines():
                with suppress(ValueError):  # the last line may be half
                    key, value = json.loads(line)
                    super().update({key: None if value is None else bytes.fromhex(value)})

    def update(self, changes: Mapping[str, bytes | None]) -> None:
        """Set and remove values, in the file first."""
        lines = [json.dumps([key, None if value is None else value.hex()]) for key, value in changes.items()]
        with self._log.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))
        super().update(changes)

    def entropy(self, count: int) -> bytes:
        """Return random bytes: no process may do again what another has done."""
        return os.urandom(count)


def kind_of(name: str) -> Any:
    """Return the class ``module:Class``."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


async def _send(asked: Mapping[str, Any]) -> None:
    kind = kind_of(asked["kind"])
    found = settings("[check]", kind.settings_type, asked["settings"])
    numbers = asked["numbers"]
    async with kind(found, FolderContext(Path(asked["state"]))) as transport:
        for start in range(0, len(numbers), AT_ONCE):
            batch = {}
            for number in numbers[start : start + AT_ONCE]:
                each = outgoing(f"acting {number}", parcel(number))
                batch[each.id] = number, each
            async for news in transport.send([each for _, each in batch.values()]):
                if news.stage is not Stage.FAILED:
                    print(batch[news.id][0], flush=True)


def main() -> int:
    """Send what is asked for."""
    asked = json.loads(sys.argv[1])
    Path(asked["state"]).mkdir(parents=True, exist_ok=True)
    if limit := asked.get("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        asyncio.run(_send(asked))
    except TransportError as error:
        print(error, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
