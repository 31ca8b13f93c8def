"""Ends that see only what they themselves send: for a check on a medium where other things lie.

Every parcel begins with a mark. What has none is hidden, and so never acknowledged; so is whatever else a transport
has to tell of things that are not ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from paquebot.testing.ends import Link, begin, token_of
from paquebot.transport import (
    API_VERSION,
    Acknowledgement,
    Arrival,
    Capability,
    Handover,
    Outgoing,
    TokenShown,
    Transport,
    Verdict,
    token_hash,
)

_NAMES = (*"abcdefghijklmnopqrstuvwxyz", *map(str, range(100)), "large", "small")  # what parcels are called in tests


class Marked:
    """One end of which nobody notices that it marks what it sends."""

    api: ClassVar[int] = API_VERSION
    settings_type: ClassVar[type]

    def __init__(self, end: Transport, mark: bytes, sent: dict[bytes, Outgoing]) -> None:
        self._end = end
        self._mark = mark
        self._sent = sent

    @property
    def capability(self) -> Capability:
        """The same, but for the room that the mark takes."""
        can = self._end.capability
        return replace(can, bytes_max=can.bytes_max - len(self._mark), relays=False)

    async def __aenter__(self) -> Marked:
        await self._end.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._end.__aexit__(*exc_info)

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Send *batch*, marked."""
        self._sent |= {each.id: each for each in batch}
        size = len(self._mark)
        marked = [replace(each, size_max=each.size_max + size, body=partial(self._body, each)) for each in batch]
        async for news in self._end.send(marked):
            yield news

    async def _body(self, outgoing: Outgoing) -> bytes:
        return self._mark + await outgoing.body()

    async def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover]:
        """Yield what concerns this run's parcels."""
        async for news in self._end.collect():
            match news:
                case Arrival() if news.parcel.startswith(self._mark):
                    yield replace(news, parcel=news.parcel.removeprefix(self._mark))
                case TokenShown() if token_hash(news.token) in self._hashes():
                    yield news
                case Handover() if news.id in self._sent:
                    yield news

    def _hashes(self) -> set[bytes]:
        return {to.token_hash for each in self._sent.values() for to in each.recipients}

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Settle what arrived."""
        await self._end.acknowledge(acknowledgements)

    async def tidy(self) -> None:
        """Take everything of this run, and show all tokens that it could mean, so that it can be deleted."""
        tokens = [token for token in map(token_of, _NAMES) if token_hash(token) in self._hashes()]
        keys = [news.key async for news in self.collect() if isinstance(news, Arrival)]
        for token in tokens:
            await self.acknowledge([Acknowledgement(key, Verdict.TAKEN, token) for key in keys])


def linked(link: Link, mark: bytes) -> Link:
    """Return *link* with ends that see only what this run, which is called *mark*, has sent."""
    begin(mark[-64:])
    sent: dict[bytes, Outgoing] = {}
    kind = type("Marked", (Marked,), {"api": type(link.sender).api, "settings_type": type(link.sender).settings_type})
    third: Any = None if link.third is None else kind(link.third, mark, sent)
    return replace(
        link,
        sender=kind(link.sender, mark, sent),
        receiver=kind(link.receiver, mark, sent),
        reopen=_reopen,
        third=third,
    )


async def _reopen(end: Any) -> Any:
    await end.__aexit__(None, None, None)
    return await end.__aenter__()


async def tidy(link: Link) -> None:
    """Leave as little as the transport allows."""
    for end in (link.receiver, link.third):
        if isinstance(end, Marked):
            await end.tidy()
            await _reopen(end)
    if isinstance(link.sender, Marked):
        async for _ in link.sender.collect():
            pass
