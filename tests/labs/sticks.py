"""Sticks with real file systems, in a machine that can be stopped dead: Linux as a process of this one.

User-mode Linux mounts an image of a stick with the kernel's own vfat or ext4, and runs `stick_guest` on it. To kill it
is to pull the stick while the machine goes on: what the kernel had not written to the stick is gone.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BINARIES = ("linux.uml", "insmod", "mkfs.vfat", "mkfs.ext4")
PACKAGES = "user-mode-linux kmod dosfstools e2fsprogs"
MAKE = {"vfat": ("mkfs.vfat", "-F", "32", "-s", "8"), "ext4": ("mkfs.ext4", "-q")}
IMAGE_BYTES = 300 << 20  # sparse
BOOT_SECONDS = 120
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_ABOVE = Path(__file__).parents[2]

_INIT = """#!/bin/sh
export PATH={path} PYTHONPATH={above} PYTHONDONTWRITEBYTECODE=1 TMPDIR=/mnt
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
mkdir /mnt/stick
for module in {modules}; do insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/$module.ko; done
{task}
echo o > /proc/sysrq-trigger
sleep 60
"""
_EACH = """\
for device in {devices}; do
  mount -t {kind} {options} /dev/$device /mnt/stick || echo FAILED
  {python} -m tests.labs.stick_guest {words} || echo FAILED
  umount /mnt/stick
done
"""
_MODULES = {"vfat": "fat/fat fat/vfat nls/nls_cp437 nls/nls_iso8859-1 nls/nls_ascii nls/nls_utf8", "ext4": ""}
_OPTIONS = {"vfat": "-o utf8", "ext4": ""}


def missing() -> str:
    """Return why there can be no such machine here; empty if there can."""
    lacking = [name for name in BINARIES if shutil.which(name, path=_PATH) is None]
    return f"{', '.join(lacking)} missing; Debian: apt install {PACKAGES}" if lacking else ""


@dataclass(slots=True)
class Machine:
    """One run of that Linux."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, word: bytes) -> None:
        """Wait until a line begins with *word*."""
        end = time.monotonic() + BOOT_SECONDS
        while not any(line.startswith(word) for line in self.log.read_bytes().splitlines()):
            assert time.monotonic() < end, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def pull(self) -> list[int]:
        """Stop it dead; return the parcels that it had said were safe."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        whole = self.log.read_bytes().rpartition(b"\n")[0].splitlines()
        return [int(line[2:]) for line in whole if line.startswith(b"A ")]


def make(image: Path, kind: str) -> None:
    """Make *image* an empty stick of that kind."""
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    words = [*MAKE[kind], str(image)]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "PATH": _PATH})


def start(images: Sequence[Path], kind: str, words: Sequence[str], folder: Path) -> Machine:
    """Start a machine that runs `stick_guest` with *words* on each of *images*, one after the other."""
    task = _EACH.format(
        devices=" ".join(_devices(images)),
        kind=kind,
        options=_OPTIONS[kind],
        python=shlex.quote(sys.executable),
        words=shlex.join([*words[:2], "/mnt/stick"][: len(words) + 1]),
    )
    return boot(images, kind, task, folder)


def module(name: str) -> str:
    """Return a task for `boot`: a module of Python."""
    return f"{shlex.quote(sys.executable)} -m {name} || echo FAILED"


def _devices(images: Sequence[Path]) -> list[str]:
    return [f"ubd{chr(ord('a') + number)}" for number in range(len(images))]


def boot(images: Sequence[Path], kind: str, task: str, folder: Path) -> Machine:
    """Start a machine that knows the file system *kind*, has *images* as /dev/ubda … and runs the shell's *task*."""
    init, log = folder / "init", folder / "log"
    init.write_text(
        _INIT.format(path=_PATH, above=shlex.quote(str(_ABOVE)), modules=_MODULES[kind], task=task),
    )
    init.chmod(0o700)
    command = [
        *("linux.uml", "mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}"),
        *(f"ubd{number}={image}" for number, image in enumerate(images)),
        *("con=null", "con0=null,fd:1", "quiet", "loglevel=1", f"umid={folder.name}"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": _PATH, "HOME": str(folder), "TMPDIR": str(folder)},
        )
    return Machine(process, log)


def there(images: Sequence[Path], kind: str, folder: Path) -> list[set[int]]:
    """Return which parcels are found whole on each of *images*."""
    machine = start(images, kind, ["read"], folder)
    try:
        machine.process.wait(BOOT_SECONDS)
    finally:
        if machine.process.poll() is None:
            machine.pull()
    said = machine.log.read_text()
    found = [{int(word) for word in line.split()[1:]} for line in said.splitlines() if line.startswith("THERE")]
    assert len(found) == len(images), said
    return found
