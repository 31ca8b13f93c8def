"""The peers that are installed here, each doing the same work: NNCP, gpg, Filespooler, cp."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tests.bench.runs import Used, run, size

QUIET = ("-quiet", "-noprogress")


class Nncp:
    """Two NNCP nodes and a stick, in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stick = folder / "stick"
        self.stick.mkdir(parents=True)
        self.aboard = 0
        own = {name: self._own(name) for name in "ab"}
        for name, other in ("ab", "ba"):
            (folder / name / "spool").mkdir(parents=True)
            (folder / name / "in").mkdir()
            public = {each: {key: own[each][key] for key in ("id", "exchpub", "signpub", "noisepub")} for each in own}
            config = {
                "spool": str(folder / name / "spool"),
                "log": str(folder / name / "log"),
                "self": own[name],
                "neigh": {"self": public[name], other: public[other] | {"incoming": str(folder / name / "in")}},
            }
            self._config(name).write_text(json.dumps(config))

    @staticmethod
    def here() -> bool:
        """Whether NNCP is installed."""
        return shutil.which("nncp-file") is not None

    def _own(self, name: str) -> dict[str, str]:
        text = subprocess.run(["nncp-cfgnew", "-nocomments"], capture_output=True, text=True, check=True).stdout
        block = text[text.index("self:") :].partition("}")[0]
        return dict(re.findall(r"^\s*(id|exchpub|exchprv|signpub|signprv|noiseprv|noisepub):\s*(\S+)", block, re.M))

    def _config(self, name: str) -> Path:
        return self.folder / f"{name}.hjson"

    def _run(self, program: str, name: str, *arguments: str | Path) -> Used:
        return run([f"nncp-{program}", *QUIET, "-cfg", self._config(name), *arguments])

    def queue(self, paths: Sequence[Path]) -> Used:
        """Put each of *paths* into a packet, as a shell would: one process for each."""
        command = f"nncp-file {' '.join(QUIET)} -cfg {self._config('a')}"
        return run(["sh", "-c", f'for file in "$@"; do {command} "$file" b: || exit 1; done', "sh", *paths])

    def carry(self, *, careful: bool = False) -> Used:
        """Carry what is queued from a to b; when *careful*, so that a lost or doubled stick does no harm."""
        used = self._run("xfer", "a", *(["-keep"] if careful else []), "-mkdir", "-tx", self.stick)
        self.aboard = size(self.stick)
        used += self._run("xfer", "b", "-rx", self.stick)
        if not careful:
            return used + self._run("toss", "b")
        return (
            used
            + self._run("ack", "b", "-node", "a")
            + self._run("toss", "b", "-seen")
            + self._run("xfer", "b", "-mkdir", "-tx", self.stick)
            + self._run("xfer", "a", "-rx", self.stick)
            + self._run("toss", "a", "-seen")
        )

    def toss(self) -> Used:
        """Look for something to do."""
        return self._run("toss", "b")

    def delivered(self) -> list[Path]:
        """What came to b."""
        return sorted((self.folder / "b" / "in").iterdir())


class Gpg:
    """Two gpg homes, in *folder*, whose keys know each other. The CPU of gpg's agent is in nobody's account."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in "ab":
            home = folder / name
            home.mkdir(parents=True, mode=0o700)
            self._gpg(
                name, "--passphrase", "", "--quick-generate-key", f"{name}@bench.invalid", "future-default", "default"
            )
        for name, other in ("ab", "ba"):
            card = folder / f"{other}.pgp"
            self._gpg(other, "--yes", "-o", card, "--export", f"{other}@bench.invalid")
            self._gpg(name, "--import", card)

    @staticmethod
    def here() -> bool:
        """Whether gpg is installed."""
        return shutil.which("gpg") is not None

    def close(self) -> None:
        """Let the agents go."""
        for name in "ab":
            subprocess.run(["gpgconf", "--homedir", self.folder / name, "--kill", "all"], check=False)

    def _base(self, name: str) -> list[str | Path]:
        return ["gpg", "--homedir", self.folder / name, "--batch", "--quiet", "--trust-model", "always"]

    def _gpg(self, name: str, *arguments: str | Path) -> Used:
        return run([*self._base(name), *arguments])

    @cached_property
    def _seal(self) -> list[str | Path]:
        return [*self._base("a"), "--yes", "-z", "0", "-u", "a@bench.invalid", "-r", "b@bench.invalid"]

    def seal(self, paths: Sequence[Path], into: Path) -> Used:
        """Sign and encrypt each of *paths*, one process for each."""
        into.mkdir(parents=True)
        command = [each for path in paths for each in ("-o", into / path.name, "-se", path)]
        used = Used()
        for at in range(0, len(command), 4):
            used += run([*self._seal, *command[at : at + 4]])
        return used

    def open(self, paths: Sequence[Path], into: Path) -> Used:
        """Decrypt and verify each of *paths*, one process for each."""
        into.mkdir(parents=True)
        used = Used()
        for path in paths:
            used += run([*self._base("b"), "-o", into / path.name, "-d", path])
        return used


def copied(source: Path, target: Path) -> Used:
    """Copy a folder as cp does, and see that it is on the disk."""
    return run(["sh", "-c", 'cp -r "$1" "$2" && sync -f "$2"', "sh", source, target])
