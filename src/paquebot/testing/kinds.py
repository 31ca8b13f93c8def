"""The whole contract for a transport of which one only says its class, its settings and, if it is one, its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from paquebot.testing.contract import TransportContract
from paquebot.testing.ends import NOW_MS, Link, contexts, skip
from paquebot.testing.hostile import HostilePromises
from paquebot.testing.post import MemoryContext
from paquebot.transport import Transport

_FOREIGN = {"holiday.jpg": b"\xff\xd8 sun", ".hidden": b"", "notes.txt": b"my notes\n"}


class KindContract(TransportContract, HostilePromises):
    """Subclass it, say `kind` and `settings`, and run pytest.

    class TestPigeon(KindContract):
        kind = Pigeon

        def settings(self, tmp_path):
            return PigeonSettings(str(tmp_path / "medium"))
    """

    kind: ClassVar[type]
    shared: ClassVar[bool] = True
    """Whether everybody who uses these settings sees the same parcels."""

    def settings(self, tmp_path: Path) -> object:
        """Return the settings of every end. If the medium is a folder, let it be ``tmp_path / "medium"``."""
        raise NotImplementedError

    @asynccontextmanager
    async def link(self, tmp_path: Path) -> AsyncIterator[Link]:
        """Open two ends, or three, over the same settings."""
        self._medium: Path | None = tmp_path / "medium"
        self._medium.mkdir()
        async with self.ends(tmp_path, self.settings(tmp_path)) as link:
            yield link

    @asynccontextmanager
    async def ends(self, tmp_path: Path, settings: object) -> AsyncIterator[Link]:
        """Open the ends over *settings*."""
        self._settings: Any = settings
        near, far, other = self.contexts(tmp_path)
        async with self._open(near) as sender, self._open(far) as receiver, self._open(other) as third:
            yield Link(sender, receiver, near, far, _reopen, third if self.shared else None)

    def contexts(self, tmp_path: Path) -> tuple[MemoryContext, MemoryContext, MemoryContext]:
        """Return what is lent to the sender, the receiver, and one who recognises nothing."""
        return *contexts(tmp_path), MemoryContext(tmp_path / "third", seed=3, now=NOW_MS)

    def _open(self, context: MemoryContext) -> Any:
        return self.kind(self._settings, context)

    def medium(self, link: Link) -> Path:
        """Return the folder, if anything is ever put into it."""
        if self._medium is None:
            skip("its medium is no folder that can be reached")
        return self._medium

    def elsewhere(self, link: Link) -> Mapping[str, object]:
        """Return how another process opens it."""
        name = f"{self.kind.__module__}:{self.kind.__qualname__}"
        given = {key: value for key, value in dataclasses.asdict(self._settings).items() if value is not None}
        return {"kind": name, "settings": given}

    def leave_foreign_things(self, link: Link) -> Callable[[], bool]:
        """Put files there that are none of ours."""
        medium = self.medium(link)
        for name, data in _FOREIGN.items():
            (medium / name).write_bytes(data)
        return lambda: {name: (medium / name).read_bytes() for name in _FOREIGN} == _FOREIGN

    def snapshot(self, link: Link) -> object:
        """Return everything in the folder: names, bytes and times."""
        medium = self.medium(link)
        found = [medium, *sorted(medium.rglob("*"))]
        return [(str(each), each.lstat().st_mtime_ns, each.read_bytes() if each.is_file() else b"") for each in found]


async def _reopen(end: Transport) -> Transport:
    await end.__aexit__(None, None, None)
    return await end.__aenter__()


_: Callable[[Transport], Awaitable[Transport]] = _reopen
