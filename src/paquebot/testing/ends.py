"""Two ends of one route, and what the transport contract's tests do with them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Never, TypeVar
from unittest import SkipTest

from paquebot.testing.post import MemoryContext, tag_with
from paquebot.transport import (
    Acknowledgement,
    Arrival,
    Handover,
    Outgoing,
    Recipient,
    Transport,
    Verdict,
    token_hash,
)

AWKWARD = bytes(range(256)) + b"\r\n.\r\n\x00From \xc0\xff\n--\n"
NOW_MS = 1_795_000_000_000
EXPIRES_MS = NOW_MS + 90 * 24 * 3_600_000
FAR_KEY = b"between the two of us"

Contract = TypeVar("Contract", bound="Route")


@dataclass(slots=True)
class Link:
    """Two open ends of one route. *reopen* closes one of them well and returns it newly opened, with its context."""

    sender: Transport
    receiver: Transport
    near: MemoryContext
    """The sender's."""
    far: MemoryContext
    """The receiver's."""
    reopen: Callable[[Transport], Awaitable[Transport]]
    third: Transport | None = None
    """Another end of the same route, which recognises nothing; None if parcels cannot be seen by others."""

    async def reopen_sender(self) -> None:
        """Close the sender and open it again."""
        self.sender = await self.reopen(self.sender)

    async def reopen_receiver(self) -> None:
        """Close the receiver and open it again."""
        self.receiver = await self.reopen(self.receiver)


class Route:
    """What a contract's tests run on. Say how to open it, and if need be how things are carried."""

    def link(self, tmp_path: Path) -> AbstractAsyncContextManager[Link]:
        """Open a linked pair of transports."""
        raise NotImplementedError

    async def carry(self, link: Link) -> None:
        """Let what was sent arrive, in either direction. By default it is there at once."""


def contexts(folder: Path) -> tuple[MemoryContext, MemoryContext]:
    """Return the contexts of a sender and of a receiver who recognises what the contract sends."""
    near = MemoryContext(folder / "near", seed=1, now=NOW_MS)
    return near, MemoryContext(folder / "far", keys=[FAR_KEY], seed=2, now=NOW_MS)


def promise(check: Callable[[Contract, Link], Awaitable[None]]) -> Callable[[Contract, Path], None]:
    """Turn ``async def check(self, link)`` into a test."""

    @functools.wraps(check)
    def test(self: Contract, tmp_path: Path) -> None:
        async def run() -> None:
            async with self.link(tmp_path) as link:
                await check(self, link)

        asyncio.run(run())

    del test.__wrapped__  # or pytest would look for a fixture called `link`
    return test


_run = b""


def begin(run: bytes) -> None:
    """Let the tokens differ from those of any other *run*, whose parcels may lie there still."""
    global _run  # noqa: PLW0603 a test is a process's only one at a time
    _run = run


def token_of(name: str) -> bytes:
    """Return the token of the parcel called *name*."""
    return blake2b(name.encode(), digest_size=16, key=_run, person=b"contract token").digest()


def outgoing(name: str, body: bytes | Exception, *, key: bytes = FAR_KEY, priority: int = 1) -> Outgoing:
    """Return a parcel that carries *body*, or fails with it, for whoever knows *key*."""

    async def make() -> bytes:
        if isinstance(body, Exception):
            raise body
        return body

    return Outgoing(
        id=blake2b(name.encode(), digest_size=16).digest(),
        size_max=len(body) if isinstance(body, bytes) else 64,
        body=make,
        recipients=(Recipient(tag_with(key), token_hash(token_of(name))),),
        expires_ms=EXPIRES_MS,
        priority=priority,
    )


async def send(transport: Transport, *batch: Outgoing) -> list[Handover]:
    """Send *batch* and gather all news."""
    return [handover async for handover in transport.send(batch)]


async def collect(transport: Transport) -> list[Any]:
    """Gather everything one round of collecting yields."""
    return [news async for news in transport.collect()]


async def arrivals(transport: Transport) -> list[Arrival]:
    """Gather one round of recognised arrivals."""
    return [news for news in await collect(transport) if isinstance(news, Arrival) and news.recognised]


async def settle(
    transport: Transport, arrived: Iterable[Arrival], verdict: Verdict = Verdict.TAKEN, token: bytes | None = None
) -> None:
    """Acknowledge what arrived, all alike."""
    await transport.acknowledge([Acknowledgement(arrival.key, verdict, token) for arrival in arrived])


def bodies(arrived: Sequence[Arrival]) -> list[bytes]:
    """Return what arrived, in order of bytes, once each: a carrier may repeat itself."""
    return sorted({arrival.parcel for arrival in arrived})


def skip(reason: str) -> Never:
    """Say that this promise does not concern this transport."""
    raise SkipTest(reason)
