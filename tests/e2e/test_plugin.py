"""`transport new`: a stranger's transport, from nothing to two nodes that meet over it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh(tmp_path):
    """A fresh environment into which packages can be installed; it borrows what is installed here already."""
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    paths = [sysconfig.get_path("purelib"), str(ROOT / "src"), str(ROOT / "transports")]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / version / "site-packages" / "borrowed.pth").write_text("\n".join(paths))

    def run(*words, code=0, **options):
        done = subprocess.run([python, *map(str, words)], capture_output=True, text=True, check=False, **options)
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_a_new_transport_is_found_tested_and_used_at_once(fresh, tmp_path):
    loft = tmp_path / "loft"
    loft.mkdir()
    fresh("-m", "paquebot", "transport", "new", "carrier_pigeon", "--into", tmp_path)
    package = tmp_path / "paquebot-carrier-pigeon"
    install = ("pip", "--python", tmp_path / "venv", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([sys.executable, "-m", *map(str, install), str(package)], check=True)

    kept = fresh("-m", "pytest", "-q", "-p", "no:cacheprovider", package, cwd=tmp_path)
    assert "passed" in kept
    assert "failed" not in kept

    homes = {name: tmp_path / name for name in ("Alice", "Bob")}
    for name, home in homes.items():
        fresh("-m", "paquebot", "--home", home, "init", "--name", name)
        fresh("-m", "paquebot", "--home", home, "card", "-o", tmp_path / f"{name}.card")
        (home / "config.toml").write_text(f'[transport.loft]\nuses = "carrier_pigeon"\npath = "{loft}"\n')
    fresh("-m", "paquebot", "--home", homes["Alice"], "peer", "add", "Bob", tmp_path / "Bob.card")
    fresh("-m", "paquebot", "--home", homes["Bob"], "peer", "add", "Alice", tmp_path / "Alice.card")
    fresh("-m", "paquebot", "--home", homes["Alice"], "publish", "--message", "by wing")
    assert "carrier_pigeon" in fresh("-m", "paquebot", "--home", homes["Bob"], "transport", "list")
    fresh("-m", "paquebot", "--home", homes["Alice"], "transport", "check", "loft", "--only", "cut short")
    for name in ("Alice", "Bob", "Alice"):
        fresh("-m", "paquebot", "--home", homes[name], "sync")
    assert "by wing" in fresh("-m", "paquebot", "--home", homes["Bob"], "list")
    assert "1 of 1 applied by the peer" in fresh("-m", "paquebot", "--home", homes["Alice"], "status")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Pigeon", "is no name"),
        ("carrier-pigeon", "is no name"),
        ("../pigeon", "is no name"),
        ("class", "is no name"),
        ("drop", "already"),
    ],
)
def test_a_name_that_will_not_do_is_refused(make, tmp_path, name, said):
    alice = make("Alice")
    assert said in alice.err("transport", "new", name, "--into", tmp_path / "here", code=2)
    assert not (tmp_path / "here").exists()


def test_nothing_is_replaced(make, tmp_path):
    alice = make("Alice")
    alice.run("transport", "new", "pigeon", "--into", tmp_path)
    before = (tmp_path / "paquebot-pigeon" / "README.md").read_text()
    (tmp_path / "paquebot-pigeon" / "README.md").write_text("mine")
    assert "is there already" in alice.err("transport", "new", "pigeon", "--into", tmp_path, code=2)
    assert (tmp_path / "paquebot-pigeon" / "README.md").read_text() == "mine"
    assert "@" not in before
