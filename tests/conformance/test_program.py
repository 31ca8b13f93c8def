"""Transports in other languages keep the contract, spoken to line by line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from paquebot.testing.hostile import FULL_BYTES
from paquebot.testing.kinds import KindContract
from paquebot_program import ProgramSettings, ProgramTransport

EXAMPLES = Path(__file__).parents[2] / "examples"


def interpreter(name):
    """Return where *name* is; without it, skip, unless this is CI, where it must be."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not installed")
    assert found, f"CI needs {name}"
    return found


class TestShell(KindContract):
    kind = ProgramTransport
    command = ("sh", "folder.sh")

    def settings(self, tmp_path):
        language, example = self.command
        return ProgramSettings([interpreter(language), str(EXAMPLES / example)], {"path": str(tmp_path / "medium")})

    def crowded(self, spec):
        """The program's disk is full, and not ours."""
        limited = f'ulimit -f {FULL_BYTES // 512}; exec "$@"'
        told = {**spec["settings"], "command": ["sh", "-c", limited, "sh", *spec["settings"]["command"]]}
        return {**spec, "settings": told}


class TestPerl(TestShell):
    command = ("perl", "folder.pl")


@pytest.mark.parametrize("example", [each.command[1] for each in (TestShell, TestPerl)])
def test_an_example_is_short(example):
    assert (EXAMPLES / example).read_text().count("\n") <= 60
