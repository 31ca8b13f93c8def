"""The demonstration: two homes, separate processes, and a stick to which everything happens that happens to sticks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from paquebot.display import printable

PHOTO_BYTES = 2_500_000


def run(keep: Path | None) -> int:
    """Run the demonstration in a fresh folder; return 0 if it ended as it must, else 1.

    With *keep*, the homes and the stick stay there to be looked at.
    """
    folder = keep or Path(tempfile.mkdtemp(prefix="paquebot-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        click.echo(f"{printable(str(folder), 4_096)} is not empty; give another folder", err=True)
        return 2
    try:
        return Demo(folder).run()
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """One demonstration in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stick = folder / "stick"
        self._step = 0

    def run(self) -> int:
        """Tell the story; return the exit code."""
        self._meet()
        self._lose_a_stick()
        self._deliver_twice()
        self._damage()
        return self._conclude()

    # -- the story ------------------------------------------------------------------

    def _meet(self) -> None:
        self._say("A ship and a clinic, with no network between them. Each makes a node of its own.")
        for name in ("ship", "clinic"):
            self._paquebot(name, "init", "--name", name)
        self._say("They exchange cards: public keys and no secrets, by any way they like.")
        for name in ("ship", "clinic"):
            self._paquebot(name, "card", "-o", str(self.folder / f"{name}.card"), quiet=True)
        for name, other in (("ship", "clinic"), ("clinic", "ship")):
            self._paquebot(name, "peer", "add", other, str(self.folder / f"{other}.card"))

    def _lose_a_stick(self) -> None:
        photo = self.folder / "chart.jpg"
        photo.write_bytes(os.urandom(PHOTO_BYTES))
        self._say(f"The ship publishes a note and a file of {PHOTO_BYTES:,} bytes, and writes them to a stick.")
        self._paquebot("ship", "publish", "--message", "Arriving Tuesday, two patients aboard", quiet=True)
        self._paquebot("ship", "publish", str(photo), "--title", "Harbour chart", quiet=True)
        self._new_stick()
        self._sync("ship")
        self._say("The stick falls into the sea. The ship takes a new one: what nobody acknowledged is written again.")
        self._new_stick()
        self._sync("ship")
        self._ticks("ship", "The ship claims no more than it knows:")

    def _deliver_twice(self) -> None:
        self._say("The clinic reads the stick, answers, and by mistake reads the same stick again.")
        self._sync("clinic")
        self._paquebot("clinic", "publish", "--message", "Two beds are ready", quiet=True)
        self._sync("clinic")
        self._say("Nothing came twice. The stick goes back to the ship, and now the ship knows:")
        self._sync("ship")
        self._ticks("ship", "")

    def _damage(self) -> None:
        self._say("The next stick is damaged on the way: one byte in the middle of a file is wrong.")
        self._paquebot("ship", "publish", "--message", "Fever is down, send no more ice", quiet=True)
        self._sync("ship")
        crate = max(self.stick.rglob("*.PQB"), key=lambda path: path.stat().st_mtime)
        data = bytearray(crate.read_bytes())
        data[len(data) // 2] ^= 0x10
        crate.write_bytes(data)
        self._sync("clinic", expected=3)
        self._say("The clinic said so and set the bytes aside. The stick goes back, the ship notices and sends again.")
        for name in ("ship", "clinic", "ship", "clinic"):
            self._sync(name)

    def _conclude(self) -> int:
        self._say("In the end both hold the same, and both know it:")
        held = {name: self._json(name, "list") for name in ("ship", "clinic")}
        for each in held["clinic"]:
            what = each["title"] or self._json("clinic", "show", each["id"])["text"]
            click.echo(f"    {each['author_name']:<7} {what}")
        self._ticks("ship", "")
        saved = self.folder / "saved.jpg"
        chart = next(each["id"] for each in held["clinic"] if each["filename"] == "chart.jpg")
        self._paquebot("clinic", "save", chart, "-o", str(saved), quiet=True)
        same = [each["uri"] for each in held["ship"]] == [each["uri"] for each in held["clinic"]]
        whole = saved.read_bytes() == (self.folder / "chart.jpg").read_bytes()
        aboard = sum(path.stat().st_size for path in self.stick.rglob("*.PQB"))
        if not (same and whole and len(held["ship"]) == 4):
            click.echo("The demonstration did NOT end as it must: please report this.", err=True)
            return 1
        click.echo(f"\nIn sync: 4 of 4 things on both sides, every byte verified, {aboard} bytes left on the stick.")
        return 0

    # -- telling --------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self._step += 1
        click.echo(f"\n{self._step}. {text}")

    def _ticks(self, name: str, text: str) -> None:
        if text:
            click.echo(f"  {text}")
        (peer,) = self._json(name, "status")["peers"]
        counts = (f"{peer[key]} {key}" for key in ("handed", "stored", "applied"))
        click.echo(f"    of {peer['published']} things for {peer['name']}: {', '.join(counts)}")

    def _new_stick(self) -> None:
        shutil.rmtree(self.stick, ignore_errors=True)
        self.stick.mkdir()

    def _sync(self, name: str, *, expected: int = 0) -> None:
        self._paquebot(name, "sync", "--via", str(self.stick), "-v", expected=expected)

    def _json(self, name: str, *arguments: str) -> Any:
        return json.loads(self._run(name, [*arguments, "--json"], expected=0).stdout)

    def _paquebot(self, name: str, *arguments: str, quiet: bool = False, expected: int = 0) -> None:
        done = self._run(name, arguments, expected)
        shown = " ".join(f'"{each}"' if " " in each else each for each in arguments)
        click.echo(f"  {name}$ paquebot {shown.replace(str(self.folder) + os.sep, '')}")
        if not quiet:
            for line in (done.stdout + done.stderr).splitlines():
                click.echo(f"    {line.replace(str(self.folder) + os.sep, '')}")

    def _run(self, name: str, arguments: Sequence[str], expected: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "paquebot", "--home", str(self.folder / name), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 it runs ourselves
        if done.returncode != expected:
            raise click.ClickException(
                f"`paquebot {' '.join(arguments)}` ended with {done.returncode} instead of {expected}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done
