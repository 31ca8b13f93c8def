"""What runs where mounting is allowed and nobody else sees it: a name space of its own.

``python -m tests.labs.mounted CASE`` exits with 0 if all is as it should be.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import paquebot_drop
from paquebot.testing import MemoryContext
from paquebot.testing.contract import FAR_KEY, NOW_MS, outgoing, token_of
from paquebot.transport import Acknowledgement, Arrival, Permanent, Stage, Transient, Verdict
from paquebot_drop import DropSettings, DropTransport

MNT = Path("/mnt")
LONG_MS = 60_000
CONTEXTS = Path(tempfile.mkdtemp())


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def umount(path: Path) -> None:
    subprocess.run(["umount", str(path)], check=True)


def plug(name: str) -> Path:
    """Mount an empty stick where sticks are."""
    place = MNT / name
    place.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", "size=64M", name, place)
    return place


def transport(*, seed: int = 1, keys: tuple[bytes, ...] = (), **settings: str) -> DropTransport:
    return DropTransport(
        DropSettings(**settings), MemoryContext(CONTEXTS / f"{seed}", keys=keys, seed=seed, now=NOW_MS)
    )


async def write(carrier: DropTransport, text: str) -> str:
    """Write one letter; return the medium."""
    async with carrier as drop:
        assert [each.stage async for each in drop.send([outgoing(text, text.encode())])] == [Stage.ON_MEDIUM]
        return drop.capability.medium.removeprefix("drop:")


async def refused(carrier: DropTransport, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        async with carrier:
            pass


async def case_by_id() -> None:
    place = plug("first")
    volume = await write(transport(path=str(place)), "one")
    await write(transport(volume=volume, seed=2), "two")
    (MNT / "elsewhere").mkdir()
    mount("--move", place, MNT / "elsewhere")
    await write(transport(volume=volume, seed=3), "three")
    assert len(list((MNT / "elsewhere/PAQUEBOT/C").rglob("*.PQB"))) == 3
    umount(MNT / "elsewhere")
    await refused(transport(volume=volume), Transient, "not mounted")


async def case_by_label() -> None:
    place = plug("My stick")
    await refused(transport(volume="My stick"), Transient, "not mounted")  # it holds nothing of ours: not enrolled
    assert list(place.iterdir()) == []
    await write(transport(path=str(place)), "one")
    await write(transport(volume="My stick", seed=2), "two")


async def case_folders_and_links_are_no_media() -> None:
    place = plug("first")
    volume = await write(transport(path=str(place)), "one")
    other = Path(tempfile.mkdtemp())
    mount("--move", place, other)  # where nobody mounts sticks
    (MNT / "link").symlink_to(other)
    shutil.copytree(other / "PAQUEBOT", MNT / "copy/PAQUEBOT")
    await refused(transport(volume=volume), Transient, "not mounted")
    await refused(transport(volume="link"), Transient, "not mounted")
    await refused(transport(volume="copy"), Transient, "not mounted")


async def case_a_copied_stick_is_refused_until_it_is_clear_which_is_meant() -> None:
    place = plug("first")
    volume = await write(transport(path=str(place)), "one")
    twin = plug("twin")
    shutil.copytree(place / "PAQUEBOT", twin / "PAQUEBOT")
    await refused(transport(volume=volume), Permanent, "two media")
    await write(transport(path=str(twin), seed=2), "two")
    umount(twin)
    await write(transport(volume=volume, seed=3), "three")
    (MNT / "again").mkdir()
    mount("--bind", place, MNT / "again")  # the same twice is not two
    await write(transport(volume=volume, seed=4), "four")


async def case_only_what_is_mounted_last_is_seen() -> None:
    place = plug("first")
    volume = await write(transport(path=str(place)), "one")
    mount("-t", "tmpfs", "cover", place)
    await refused(transport(volume=volume), Transient, "not mounted")
    umount(place)
    await write(transport(volume=volume, seed=2), "two")


async def case_what_another_mount_hides_is_not_looked_for_behind_it() -> None:
    (MNT / "room").mkdir()
    place = plug("room/stick")
    volume = await write(transport(path=str(place)), "one")
    shutil.copytree(place / "PAQUEBOT", (copy := Path(tempfile.mkdtemp())) / "stick/PAQUEBOT")
    mount("--bind", copy, MNT / "room")  # a folder of the same name lies there now, and is no medium
    await refused(transport(volume=volume), Transient, "not mounted")


async def case_a_mount_is_noticed() -> None:
    place = MNT / "stick"
    place.mkdir()
    for settings in ({"path": str(place)}, {"volume": "stick"}):
        carrier = transport(**settings)
        if "path" in settings:
            async with carrier:
                pass
        else:
            await refused(carrier, Transient, "not mounted")
        assert not await carrier.wait(10)
        waiting = asyncio.create_task(carrier.wait(LONG_MS))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        plug("another")  # is none of ours
        await asyncio.sleep(0.05)
        assert not waiting.done()
        image = plug("prepared")
        (image / "PAQUEBOT").mkdir()
        mount("--move", image, place)
        assert await waiting
        assert not await carrier.wait(10)
        umount(place)
        umount(MNT / "another")
        assert not await carrier.wait(10)
        waiting = asyncio.create_task(carrier.wait(LONG_MS))
        (plug("prepared") / "PAQUEBOT").mkdir()
        mount("--move", MNT / "prepared", place)
        assert await waiting
        umount(place)


async def case_what_came_before_we_waited_counts() -> None:
    carrier = transport(volume="stick")
    await refused(carrier, Transient, "not mounted")
    (plug("stick") / "PAQUEBOT").mkdir()
    assert await carrier.wait(0)


async def case_waiting_ends_well_when_it_is_given_up() -> None:
    carrier = transport(volume="stick")
    waiting = asyncio.create_task(carrier.wait(LONG_MS))
    await asyncio.sleep(0.05)
    waiting.cancel()
    assert await asyncio.gather(waiting, return_exceptions=True) != [True]
    (plug("stick") / "PAQUEBOT").mkdir()
    assert await carrier.wait(LONG_MS)


async def case_a_synced_folder_is_looked_at_while_we_wait() -> None:
    place = plug("synced")
    (place / ".stfolder").mkdir()
    sender, receiver = transport(path=str(place)), transport(path=str(place), seed=2, keys=(FAR_KEY,))
    await write(sender, "one")
    paquebot_drop._LOOK_S = 0.05
    async with receiver as drop:
        assert len([each async for each in drop.collect()]) == 1
    await receiver.wait(0)
    waiting = asyncio.create_task(receiver.wait(LONG_MS))
    await write(sender, "two")
    assert await waiting
    assert not await receiver.wait(10)


async def case_a_medium_mounted_read_only_is_read_and_left_as_it_is() -> None:
    place = plug("disc")
    await write(transport(path=str(place)), "one")
    mount("-o", "remount,ro", place)
    before = {each: each.lstat() for each in place.rglob("*")}
    receiver = transport(path=str(place), seed=2, keys=(FAR_KEY,))
    async with receiver as drop:
        assert not drop.capability.writable
        found = [each async for each in drop.collect() if isinstance(each, Arrival)]
        await drop.acknowledge([Acknowledgement(each.key, Verdict.TAKEN, token_of("one")) for each in found])
        with pytest.raises(Transient, match="read-only"):
            [each async for each in drop.send([outgoing("two", b"two")])]
    assert [each.parcel for each in found] == [b"one"]
    assert {each: each.lstat() for each in place.rglob("*")} == before
    mount("-o", "remount,rw", place)
    async with receiver as drop:
        assert [each async for each in drop.collect() if isinstance(each, Arrival)] == []
    assert len(list(place.glob("PAQUEBOT/A/*.ACK"))) == 1
    assert list(place.glob("PAQUEBOT/C/*/*.PQB")) == []


CASES = {name.removeprefix("case_"): case for name, case in sorted(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    MNT.mkdir(exist_ok=True)
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "room", MNT)
    asyncio.run(CASES[sys.argv[1]]())
