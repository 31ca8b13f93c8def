"""The fourteen rows: what goes wrong, and what has to be said of it at once."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.labs.damage.stage import NOTES, Run, Stage, mounted, unmounted

from paquebot_drop.crate import read_contents

LARGE_BYTES = 200 << 20


class NotHere(Exception):
    """This machine does not let a row be tried."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What has to be so right after the damage, besides that everything heals."""

    at_once: int
    """How many of the three notes Bob has."""
    codes: tuple[int, ...]
    """How Bob's sync may end."""
    named: str = ""
    """What his report has to say: a file's name, or a word."""
    texts: tuple[str, ...] = NOTES
    """What Bob has in the end, each once."""


Row = Callable[[Stage], tuple[Run, Expected]]
ROWS: dict[str, Row] = {}


def _row(name: str) -> Callable[[Row], Row]:
    def note(row: Row) -> Row:
        ROWS[name] = row
        return row

    return note


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


def _middle(stage: Stage) -> Path:
    return stage.crates()[1]


@_row("undamaged")
def undamaged(stage: Stage) -> tuple[Run, Expected]:
    """Nothing goes wrong."""
    return stage.sync("bob"), Expected(3, (0,))


@_row("bit flip in body")
def flipped_body(stage: Stage) -> tuple[Run, Expected]:
    """One bit of the second envelope is another."""
    crate = _middle(stage)
    data = crate.read_bytes()
    (entry, *_), _ = (found := read_contents(lambda at, count: data[at : at + count], len(data))).entries, found.intact
    _flip(crate, entry.start + entry.length // 2)
    return stage.sync("bob"), Expected(2, (3,), crate.name)


@_row("bit flip in header")
def flipped_header(stage: Stage) -> tuple[Run, Expected]:
    """One bit of what stands before the second envelope is another; the index at the end still tells what it was."""
    crate = _middle(stage)
    _flip(crate, 9)
    return stage.sync("bob"), Expected(3, (0,))


@_row("truncated")
def truncated(stage: Stage) -> tuple[Run, Expected]:
    """The second crate ends in the middle."""
    crate = _middle(stage)
    data = crate.read_bytes()
    crate.write_bytes(data[: len(data) // 2])
    return stage.sync("bob"), Expected(2, (3,), crate.name)


@_row("zero length")
def emptied(stage: Stage) -> tuple[Run, Expected]:
    """The second crate is empty."""
    crate = _middle(stage)
    crate.write_bytes(b"")
    return stage.sync("bob"), Expected(2, (3,), crate.name)


@_row("renamed on the stick")
def renamed(stage: Stage) -> tuple[Run, Expected]:
    """Somebody gave the second crate another name: its content is good."""
    crate = _middle(stage)
    crate.rename(crate.with_name("HOLIDAY.PQB"))
    return stage.sync("bob"), Expected(3, (0, 3))


@_row("one missing")
def missing(stage: Stage) -> tuple[Run, Expected]:
    """The second crate was deleted: a gap in a signed sequence tells."""
    _middle(stage).unlink()
    return stage.sync("bob"), Expected(2, (0, 3), "envelope")


@_row("same stick twice")
def twice(stage: Stage) -> tuple[Run, Expected]:
    """A copy of the stick comes after the stick."""
    shutil.copytree(stage.stick, stage.folder / "copy")
    stage.sync("bob")
    shutil.rmtree(stage.stick)
    (stage.folder / "copy").rename(stage.stick)
    return stage.sync("bob"), Expected(3, (0,))


@_row("same sequence twice")
def repeated(stage: Stage) -> tuple[Run, Expected]:
    """Alice's home is put back to before the third note, and she writes another one under the same number."""
    shutil.rmtree(stage.folder / "alice")
    shutil.move(stage.folder / "alice-before", stage.folder / "alice")
    stage.say("another three")
    done = stage.sync("bob")
    return done, Expected(4, (0, 3), texts=(*NOTES, "another three"))


@_row("receiver disk full")
def full(stage: Stage) -> tuple[Run, Expected]:
    """Bob's disk has room for hardly anything more; later it has again."""
    home, aside = stage.folder / "bob", stage.folder / "bob-aside"
    home.rename(aside)
    home.mkdir()
    used = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    if not mounted(home, f"{(used >> 10) + 160}k"):
        raise NotHere("mounting a file system needs root")
    try:
        shutil.copytree(aside, home, dirs_exist_ok=True)
        (home / "ballast").touch()
        with (home / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(4096)):
                    pass
            except OSError:
                pass
        done = stage.sync("bob")
        (home / "ballast").unlink()
        shutil.rmtree(aside)
        shutil.copytree(home, aside)
    finally:
        unmounted(home)
    home.rmdir()
    aside.rename(home)
    return done, Expected(0, (1,), "no space")


@_row("kill -9 while copying 200 MiB")
def killed(stage: Stage) -> tuple[Run, Expected]:
    """Alice's process is killed while it writes a large file to the stick; she syncs again."""
    large, dice = stage.folder / "large", random.Random(5)
    with large.open("wb") as file:
        for _ in range(LARGE_BYTES >> 20):
            file.write(dice.randbytes(1 << 20))
    stage.run("alice", "publish", large)
    command = stage.command("alice", "sync", "--via", stage.stick)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and _size(stage.stick) < LARGE_BYTES // 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was done before it was killed"
    stage.sync("alice")
    done = stage.sync("bob")
    stage.run("bob", "save", "--all-to", stage.folder / "saved")
    assert (stage.folder / "saved" / "large").read_bytes() == large.read_bytes(), "the large file is not what it was"
    return done, Expected(3, (0,))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@_row("stick lost after writing")
def lost(stage: Stage) -> tuple[Run, Expected]:
    """The stick is gone, and another one is used."""
    shutil.rmtree(stage.stick)
    stage.stick.mkdir()
    stage.sync("alice")
    return stage.sync("bob"), Expected(3, (0,))


@_row("ack after processing")
def acknowledged(stage: Stage) -> tuple[Run, Expected]:
    """What Bob has applied is acknowledged: Alice says so, and her crates make room."""
    written = set(stage.crates())
    done = stage.sync("bob")
    stage.sync("alice")
    assert stage.claimed() == len(NOTES), "what was applied is not known to be"
    assert not written & set(stage.crates()), "what was acknowledged lies on the stick still"
    return done, Expected(3, (0,))


UNSIGNED = """
import sys
from paquebot.cli import main
from paquebot.vault import choosing, packets
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealing import Sealing
choosing.sealer = lambda secrets, **_: PgpySealer(secrets)
assert Sealing.signed
Sealing.signed = lambda self, parts, at: (packets.literal_head(sum(map(len, parts))), *parts)
main(sys.argv[1:])
"""


@_row("encrypted but unsigned")
def unsigned(stage: Stage) -> tuple[Run, Expected]:
    """Somebody who can encrypt to Bob, and cannot sign, replaces all that is on the stick."""
    shutil.rmtree(stage.folder / "stick")
    stage.stick.mkdir()
    forger = stage.folder / "forger"
    shutil.copytree(stage.folder / "alice", forger)
    arguments = ["--home", str(forger), "sync", "--via", str(stage.stick)]
    subprocess.run([sys.executable, "-c", UNSIGNED, *arguments], capture_output=True, check=True)
    assert stage.crates(), "nothing was forged"
    return stage.sync("bob"), Expected(0, (3,), "set aside")
