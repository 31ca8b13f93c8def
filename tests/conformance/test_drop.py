"""A stick keeps the contract."""

from __future__ import annotations

from contextlib import asynccontextmanager

from paquebot.testing import MemoryContext, TransportContract
from paquebot.testing.contract import NOW_MS, Link, contexts
from paquebot_drop import DropSettings, DropTransport


def tree(path):
    """Everything below *path*: names, bytes and times."""
    return {
        str(each.relative_to(path)): (each.lstat().st_mtime_ns, each.read_bytes() if each.is_file() else None)
        for each in sorted([path, *path.rglob("*")])
    }


class TestDrop(TransportContract):
    crate_bytes_max = None

    @asynccontextmanager
    async def link(self, tmp_path):
        self.stick = tmp_path / "stick"
        self.stick.mkdir()
        settings = DropSettings(str(self.stick), "blue stick", self.crate_bytes_max)
        near, far = contexts(tmp_path)
        other = MemoryContext(tmp_path / "third", seed=3, now=NOW_MS)

        async def reopen(drop):
            await drop.__aexit__(None, None, None)
            return await drop.__aenter__()

        async with (
            DropTransport(settings, near) as sender,
            DropTransport(settings, far) as receiver,
            DropTransport(settings, other) as third,
        ):
            yield Link(sender, receiver, near, far, reopen, third)

    def leave_foreign_things(self, link):
        below = self.stick / "PAQUEBOT" / "C" / "X"
        below.mkdir(parents=True)
        (self.stick / "holiday.jpg").write_bytes(b"\xff\xd8 sun")
        (self.stick / "PAQUEBOT" / "notes.doc").write_bytes(b"my notes")
        (below / "song.mp3").write_bytes(b"la la")
        (below / "link").symlink_to("/etc/passwd")
        wanted = [self.stick / "holiday.jpg", self.stick / "PAQUEBOT" / "notes.doc", below / "song.mp3"]
        before = [each.read_bytes() for each in wanted]
        return lambda: [each.read_bytes() for each in wanted] == before and (below / "link").is_symlink()

    def snapshot(self, link):
        return tree(self.stick)


class TestDropInASyncedFolder(TestDrop):
    crate_bytes_max = 1 << 16
