"""Search for inputs that break a promise: ``python -m tests.fuzz [TARGET]... [--seconds N]``.

With atheris, the search follows what code an input reaches, and what reaches more is kept in fixtures/corpus; without
it, seeds are mutated blindly. What breaks a promise is written to build/fuzz and named.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mutating import mutated
from tests.fuzz.targets import CORPUS, TARGETS, seeds

BUILD = Path("build/fuzz")
LARGEST = 16_384


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--guided", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    if arguments.guided:
        _guided(arguments.guided, arguments.seconds)
        return 0
    broken = []
    for name in arguments.targets or TARGETS:
        search = _with_atheris if importlib.util.find_spec("atheris") else _blindly
        found = search(name, arguments.seconds)
        print(f"{name}: {'BROKEN, see ' + str(BUILD) if found else 'no promise broken'}", flush=True)
        broken += [name] if found else []
    return bool(broken)


def _blindly(name: str, seconds: int) -> bool:
    dice, known, end = random.Random(name), list(seeds(name)), time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(known, dice)
        try:
            TARGETS[name](data)
        except Exception:
            (BUILD / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            return True
    return False


def _with_atheris(name: str, seconds: int) -> bool:
    """Search in a process of its own: the library ends the one that it works in."""
    command = [sys.executable, "-m", "tests.fuzz", "--guided", name, "--seconds", str(seconds)]
    return subprocess.run(command, check=False, capture_output=True, timeout=seconds + 120).returncode != 0


def _guided(name: str, seconds: int) -> None:
    import atheris

    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as start:
        for number, data in enumerate(seeds(name)):
            if len(data) <= LARGEST:
                (Path(start) / str(number)).write_bytes(data)
        options = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", f"-artifact_prefix={BUILD}/{name}-"]
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], *options, str(kept), start], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
