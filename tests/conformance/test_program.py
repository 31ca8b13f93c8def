"""Transports in other languages keep the contract, spoken to line by line."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.conformance.test_drop import tree

from paquebot.testing import MemoryContext, TransportContract
from paquebot.testing.contract import NOW_MS, Link, contexts
from paquebot_program import ProgramSettings, ProgramTransport

EXAMPLES = Path(__file__).parents[2] / "examples"


def interpreter(name):
    """Return where *name* is; without it, skip, unless this is CI, where it must be."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not installed")
    assert found, f"CI needs {name}"
    return found


class TestShell(TransportContract):
    command = ("sh", "folder.sh")

    @asynccontextmanager
    async def link(self, tmp_path):
        self.loft = tmp_path / "loft"
        self.loft.mkdir()
        language, example = self.command
        command = [interpreter(language), str(EXAMPLES / example)]
        settings = ProgramSettings(command, {"path": str(self.loft)})
        near, far = contexts(tmp_path)
        other = MemoryContext(tmp_path / "third", seed=3, now=NOW_MS)

        async def reopen(end):
            await end.__aexit__(None, None, None)
            return await end.__aenter__()

        async with (
            ProgramTransport(settings, near) as sender,
            ProgramTransport(settings, far) as receiver,
            ProgramTransport(settings, other) as third,
        ):
            yield Link(sender, receiver, near, far, reopen, third)

    def leave_foreign_things(self, link):
        mine = {"holiday.jpg": b"\xff\xd8 sun", "for.nobody": b"", "parcel.x": b"la la"}
        for name, data in mine.items():
            (self.loft / name).write_bytes(data)
        return lambda: {name: (self.loft / name).read_bytes() for name in mine} == mine

    def snapshot(self, link):
        return tree(self.loft)


@pytest.mark.parametrize("example", [each.command[1] for each in (TestShell,)])
def test_an_example_is_short(example):
    assert (EXAMPLES / example).read_text().count("\n") <= 60
