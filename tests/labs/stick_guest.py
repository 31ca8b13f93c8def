"""What runs on the machine whose stick is pulled: writes parcels without end, and says which are safe; or reads them.

``python -m tests.labs.stick_guest write METHOD FOLDER`` or ``… read FOLDER``. A parcel is 4 KiB made of its
number. To write is to print ``A NUMBER`` for each parcel that the method promises to be safe, until the end comes, and
``S`` for each time that crates were written anew.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path

from paquebot.testing.post import MemoryContext, tag_with
from paquebot.transport import Acknowledgement, Arrival, Outgoing, Recipient, Stage, Verdict, token_hash
from paquebot_drop import DropSettings, DropTransport, folder, loading

BYTES = 4096
BATCH = 16
SWEPT_BATCH = 128
KEPT = 8
"""One of so many parcels is for somebody who does not come."""
KEY, ABSENT = b"the reader's", b"somebody else's"
FOREVER_MS = 1 << 42


def parcel(number: int) -> bytes:
    """Return the parcel of that number; nothing else has its bytes."""
    return (number.to_bytes(8, "big") + sha512(number.to_bytes(8, "big")).digest() * (BYTES // 64))[:BYTES]


def number_of(data: bytes) -> int | None:
    """Return which parcel it is, if it is one and whole."""
    number = int.from_bytes(data[:8], "big")
    return number if data == parcel(number) else None


def safe(numbers: list[int]) -> None:
    """Say, at once, that parcels are safe."""
    os.write(1, "".join(f"A {number}\n" for number in numbers).encode())


def outgoing(number: int, key: bytes = KEY) -> Outgoing:
    """Return a parcel for who has *key*, as the house would hand it to a transport."""

    async def body() -> bytes:
        return parcel(number)

    recipient = Recipient(tag_with(key), token_hash(number.to_bytes(16, "big")))
    return Outgoing(number.to_bytes(16, "big"), BYTES, body, (recipient,), FOREVER_MS)


def transport(folder: Path, seed: int) -> DropTransport:
    """Return a carrier that visits *folder*."""
    context = MemoryContext(Path(tempfile.mkdtemp()), keys=[KEY, ABSENT] if seed == 3 else [KEY], seed=seed)
    return DropTransport(DropSettings(str(folder)), context)


async def by_drop(folder: Path) -> None:
    """Write as the product does: visits to one stick, a batch each."""
    first, carrier = 0, transport(folder, seed=1)
    while True:
        async with carrier:
            batch = [outgoing(number) for number in range(first, first + BATCH)]
            async for handover in carrier.send(batch):
                if handover.stage is Stage.ON_MEDIUM:
                    safe([int.from_bytes(handover.id, "big")])
        first += BATCH


async def by_sweeping(folder: Path) -> None:
    """Let most of what lies in each crate be taken, so that what is left is written anew again and again."""
    first, writer, reader = 0, transport(folder, seed=1), transport(folder, seed=2)
    while True:
        numbers = range(first, first + SWEPT_BATCH)
        async with writer:
            batch = [outgoing(number, KEY if number % KEPT else ABSENT) for number in numbers]
            async for handover in writer.send(batch):
                number = int.from_bytes(handover.id, "big")
                if handover.stage is Stage.ON_MEDIUM and not number % KEPT:
                    safe([number])
        async with reader:
            async for item in reader.collect():
                if isinstance(item, Arrival):
                    token = item.recognised and int.from_bytes(item.parcel[:8], "big").to_bytes(16, "big")
                    verdict = Verdict.TAKEN if token else Verdict.NOT_OURS
                    await reader.acknowledge([Acknowledgement(item.key, verdict, token or None)])
        os.write(1, b"S\n")
        first += SWEPT_BATCH


def carelessly() -> None:
    """Let nothing be synced: what the kernel has not written by itself is not there."""
    loading.sync = folder.sync = lambda fd: None


def one_by_one(folder: Path, method: str) -> None:
    """Write each parcel into a file of its own: to another name first, and then rename, with or without syncing."""
    number = 0
    while True:
        target = folder / f"{number:08x}.env"
        draft = target.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.write(parcel(number))
            if method == "textbook":
                file.flush()
                os.fsync(file.fileno())
        draft.rename(target)
        if method == "textbook":
            handle = os.open(folder, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        safe([number])
        number += 1


async def there(folder: Path) -> set[int]:
    """Return the parcels that arrive from *folder*, however they were written."""
    found = set()
    async with transport(folder, seed=3) as carrier:
        async for item in carrier.collect():
            if isinstance(item, Arrival):
                found.add(number_of(item.parcel))
    found |= {number_of(data) for data in _plain(folder)}
    return {number for number in found if number is not None}


def _plain(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.env")):
        try:
            yield path.read_bytes()
        except OSError:
            continue


def main(what: str, *words: str) -> None:
    """Write until the end, or say what is there."""
    if what == "read":
        numbers = asyncio.run(there(Path(words[0])))
        print("THERE", *sorted(numbers), flush=True)
        return
    method, place = words[0], Path(words[1])
    os.sync()
    print("READY", flush=True)
    if method == "careless":
        carelessly()
    if method == "drop":
        asyncio.run(by_drop(place))
    elif method in ("sweep", "careless"):
        asyncio.run(by_sweeping(place))
    else:
        one_by_one(place, method)


if __name__ == "__main__":
    main(*sys.argv[1:])
