"""What is handed in from a maildir."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from paquebot.cli import receiving


class Taker:
    """Takes everything."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def take(self, message: bytes) -> bool:
        """Keep it."""
        self.taken.append(message)
        return bool(message)


def test_a_mail_that_cannot_be_read_now_is_read_the_next_time_and_holds_up_no_other(tmp_path: Path, monkeypatch):
    home, maildir, taker = tmp_path / "home", tmp_path / "md", Taker()
    (maildir / "new").mkdir(parents=True)
    for name in "abc":
        (maildir / "new" / name).write_bytes(name.encode())
    (maildir / "new" / "d").symlink_to("a")
    (maildir / "new" / "e").mkdir()
    os.mkfifo(maildir / "new" / "f")
    whole = os.open

    def broken(path: Path, *rest: int) -> int:
        if Path(path).name == "b":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", broken)
        assert receiving._from_maildir(home, [taker], maildir) == receiving.NOT_NOW
    assert taker.taken == [b"a", b"c", b"", b"", b""]

    assert receiving._from_maildir(home, [taker], maildir) == receiving.TAKEN
    assert taker.taken[5:] == [b"b"]
