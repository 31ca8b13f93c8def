"""A stick keeps the contract."""

from __future__ import annotations

from paquebot.testing.kinds import KindContract
from paquebot_drop import DropSettings, DropTransport


def tree(path):
    """Everything below *path*: names, bytes and times."""
    return {
        str(each.relative_to(path)): (each.lstat().st_mtime_ns, each.read_bytes() if each.is_file() else None)
        for each in sorted([path, *path.rglob("*")])
    }


class TestDrop(KindContract):
    kind = DropTransport
    crate_bytes_max = None

    def settings(self, tmp_path):
        self.stick = tmp_path / "medium"
        return DropSettings(str(self.stick), "blue stick", self.crate_bytes_max)

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
