"""What may befall a carrier: loss, repetition, disorder, cuts, a killed process, a full disk, slowness, wrong clocks.

More promises of the transport contract, for whoever can say where the medium lies, or how to use it from another
process: what cannot be said is skipped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from paquebot.testing.acting import COUNT, parcel_of
from paquebot.testing.ends import (
    EXPIRES_MS,
    Link,
    Route,
    arrivals,
    bodies,
    collect,
    outgoing,
    promise,
    send,
    settle,
    skip,
)
from paquebot.transport import Arrival

SENT = (b"one", b"two" * 700, bytes(range(256)) * 9)
TRIES = (0, 1, 11)
"""After how many handovers a sender is killed."""
FULL_BYTES = 8_192
"""How large a file may be on the full disk."""
_DAY_MS = 24 * 3_600_000


class HostilePromises(Route):
    """What a transport holds to in bad weather."""

    def medium(self, link: Link) -> Path:
        """Return the folder in which everything that is sent lies as files, to be damaged there."""
        skip("its medium is no folder that can be reached")

    def elsewhere(self, link: Link) -> Mapping[str, object]:
        """Return how another process opens a sender: what `paquebot.testing.acting` takes."""
        skip("it cannot be used from another process")

    def crowded(self, spec: Mapping[str, object]) -> Mapping[str, object]:
        """Return what `elsewhere` says, so that no file can be larger than `FULL_BYTES`."""
        return {**spec, "limit": FULL_BYTES}

    @promise
    async def test_what_is_sent_twice_is_settled_like_what_was_sent_once(self, link: Link) -> None:
        for _ in range(2):  # the first handover was not heard: the house offers it again
            await send(link.sender, outgoing("a", b"again"))
        await self.carry(link)
        await settle(link.receiver, await arrivals(link.receiver))
        await link.reopen_receiver()
        assert await arrivals(link.receiver) == []

    @promise
    async def test_order_means_nothing(self, link: Link) -> None:
        for name in "dacb":
            await send(link.sender, outgoing(name, name.encode()))
        await self.carry(link)
        arrived = await arrivals(link.receiver)
        assert bodies(arrived) == [b"a", b"b", b"c", b"d"]
        for each in reversed(arrived[1:]):
            await settle(link.receiver, [each])
        assert bodies(await arrivals(link.receiver)) == [arrived[0].parcel]

    @promise
    async def test_what_was_lost_on_the_way_can_be_sent_again(self, link: Link) -> None:
        medium = self.medium(link)
        await send(link.sender, *_batch())
        await self.carry(link)
        for path in _files(medium):
            path.unlink()
        assert await arrivals(link.receiver) == []
        await collect(link.sender)
        await link.reopen_sender()
        await send(link.sender, *_batch())
        await self.carry(link)
        assert bodies(await arrivals(link.receiver)) == sorted(SENT)

    @promise
    async def test_copies_under_other_names_do_no_harm(self, link: Link) -> None:
        medium = self.medium(link)
        await send(link.sender, *_batch())
        await self.carry(link)
        for path in list(_files(medium)):
            path.with_name(f"{path.stem} (copy){path.suffix}").write_bytes(path.read_bytes())
            path.with_name(f"{path.stem}.sync-conflict-1{path.suffix}").write_bytes(path.read_bytes())
        arrived = await arrivals(link.receiver)
        assert bodies(arrived) == sorted(SENT)
        await settle(link.receiver, arrived)
        await link.reopen_receiver()
        assert await arrivals(link.receiver) == []

    @promise
    async def test_what_is_cut_short_does_not_arrive_and_what_is_whole_does(self, link: Link) -> None:
        await self._spoiled(link, lambda data: [data[: len(data) * part // 7] for part in range(0, 7, 2)])

    @promise
    async def test_what_is_damaged_does_not_arrive_and_what_is_whole_does(self, link: Link) -> None:
        await self._spoiled(link, lambda data: [_flipped(data, len(data) * part // 5) for part in range(5)])

    async def _spoiled(self, link: Link, spoil) -> None:  # type: ignore[no-untyped-def]
        medium = self.medium(link)
        await send(link.sender, *_batch())
        await self.carry(link)
        for path in list(_files(medium)):
            whole = path.read_bytes()
            for harmed in spoil(whole):
                path.write_bytes(harmed)
                await self._only_ours(link)
            path.write_bytes(whole)
        assert bodies(await arrivals(link.receiver)) == sorted(SENT)

    @promise
    async def test_what_trickles_in_slowly_arrives_when_it_is_whole(self, link: Link) -> None:
        medium = self.medium(link)
        await send(link.sender, *_batch())
        await self.carry(link)
        whole = {path: path.read_bytes() for path in _files(medium)}
        for path in whole:
            path.unlink()
        for path, data in whole.items():
            for part in range(1, 4):
                path.write_bytes(data[: len(data) * part // 3])
                await self._only_ours(link)
        assert bodies(await arrivals(link.receiver)) == sorted(SENT)

    async def _only_ours(self, link: Link) -> None:
        """Whatever is on the medium now, nothing comes of it that was not sent."""
        found = [news.parcel for news in await collect(link.receiver) if isinstance(news, Arrival)]
        assert set(found) <= set(SENT), "something arrived that was never sent"

    @promise
    async def test_a_killed_sender_has_lost_nothing_that_it_handed_over(self, link: Link) -> None:
        spec, state = self.elsewhere(link), link.near.folder / "killed"
        handed: set[int] = set()
        for tries in TRIES:
            with _acting(spec, state, sorted(set(range(COUNT)) - handed)) as process:
                handed |= _heard(process, tries)
                process.send_signal(signal.SIGKILL)
                handed |= _heard(process, COUNT)
            await self.carry(link)
            await self._have_arrived(link, handed)
        with _acting(spec, state, sorted(set(range(COUNT)) - handed)) as process:
            handed |= _heard(process, COUNT)
        assert handed == set(range(COUNT)), "it does not go on after it was killed"
        await self.carry(link)
        await self._have_arrived(link, handed)

    async def _have_arrived(self, link: Link, numbers: set[int]) -> None:
        found = {parcel_of(arrival.parcel) for arrival in await arrivals(link.receiver)}
        assert None not in found, "something arrived that was never sent"
        assert numbers <= found, "something was handed over and does not arrive"

    @promise
    async def test_a_full_disk_is_told_and_nothing_is_claimed(self, link: Link) -> None:
        spec, state = self.elsewhere(link), link.near.folder / "full"
        with _acting(self.crowded(spec), state, range(COUNT)) as process:
            handed = _heard(process, COUNT)
            assert process.wait() == 0, "it fails in another way than by a TransportError"
        await self.carry(link)
        await self._have_arrived(link, handed)
        with _acting(spec, state, range(COUNT)) as process:
            assert _heard(process, COUNT) == set(range(COUNT)), "it does not go on when there is room again"
        await self.carry(link)
        await self._have_arrived(link, set(range(COUNT)))

    @promise
    async def test_wrong_clocks_lose_nothing(self, link: Link) -> None:
        right = link.near.now
        for number, wrong in enumerate((0, right + 40 * 365 * _DAY_MS, EXPIRES_MS + _DAY_MS)):
            for context, reopen in ((link.near, link.reopen_sender), (link.far, link.reopen_receiver)):
                context.now = wrong
                await reopen()
            await collect(link.receiver)
            context_body = b"%d" % number
            link.near.now = right
            await link.reopen_sender()
            await send(link.sender, outgoing(str(number), context_body))
            await self.carry(link)
            await collect(link.receiver)
            link.far.now = right
            await link.reopen_receiver()
            assert context_body in bodies(await arrivals(link.receiver))


def _batch() -> list:  # type: ignore[type-arg]
    return [outgoing(str(number), body) for number, body in enumerate(SENT)]


def _files(medium: Path) -> list[Path]:
    return sorted(path for path in medium.rglob("*") if path.is_file() and not path.is_symlink())


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :] if data else b"\0"


@contextmanager
def _acting(spec: Mapping[str, object], state: Path, numbers: Sequence[int]) -> Iterator[subprocess.Popen[str]]:
    """Run a sender of *numbers* in a process of its own."""
    asked = {**spec, "state": str(state), "numbers": list(numbers)}
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "paquebot.testing.acting", json.dumps(asked)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def _heard(process: subprocess.Popen[str], most: int) -> set[int]:
    """Return the numbers that were handed over, as soon as there are *most*, or there is no more to hear."""
    assert process.stdout is not None
    found: set[int] = set()
    while len(found) < most and (line := process.stdout.readline()).endswith("\n"):
        found.add(int(line))
    return found
