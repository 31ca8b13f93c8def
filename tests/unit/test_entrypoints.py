"""What is installed is found as importlib.metadata finds it."""

from __future__ import annotations

import os.path
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from paquebot import entrypoints
from paquebot.entrypoints import EntryPoint, entry_points


def installed(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.dist-info").mkdir(parents=True)
    (folder / f"{name}.dist-info" / "METADATA").write_text(f"Name: {name.partition('-')[0]}\nVersion: 1\n")
    (folder / f"{name}.dist-info" / "entry_points.txt").write_text(text)


@pytest.mark.parametrize("group", ["console_scripts", "pytest11", "paquebot.transports", "paquebot.describers", "none"])
def test_all_of_this_environment_is_found(group: str) -> None:
    expected = {(each.name, each.value, each.group) for each in metadata.entry_points(group=group)}
    assert {(each.name, each.value, each.group) for each in entry_points(group=group)} == expected


def test_the_first_of_one_package_hides_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "near", "a_package-2.0", "[there]\nnew = os.path:join\n")
    installed(tmp_path / "far", "A.Package-1.0", "[there]\nold = os.path:join\n")
    installed(tmp_path / "far", "other-1.0", "[here]\n# said\nx = a:b\n[there]\nother = os.path : join [extra]\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "near"), str(tmp_path / "far"), str(tmp_path / "nowhere")])
    found = entry_points(group="there")
    assert found == [
        EntryPoint("new", "os.path:join", "there"),
        EntryPoint("other", "os.path : join [extra]", "there"),
    ]
    assert [each.load() for each in found] == [os.path.join] * 2
    assert [(each.name, each.value) for each in metadata.entry_points(group="there")] == [
        (each.name, each.value) for each in found
    ]


def test_what_lies_in_an_archive_is_asked_for_where_it_can_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path / "near", "package-2.0", "[there]\nnew = os:path\n")
    (tmp_path / "archive.zip").write_bytes(b"PK\5\6" + bytes(18))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "archive.zip"), str(tmp_path / "near")])
    assert [(each.name, each.load()) for each in entrypoints.entry_points(group="there")] == [("new", os.path)]


def test_a_run_does_not_import_what_it_stands_for() -> None:
    script = "import sys, paquebot.registry as r; r.load('drop'); sys.exit('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
