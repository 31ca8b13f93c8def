"""Which sealer a node works with: the fast one if it is installed and proves itself, else pgpy's."""

from __future__ import annotations

import itertools
import sys
import time
from functools import cache
from hashlib import shake_256
from importlib.util import find_spec
from pathlib import Path

import cryptography

from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis
from paquebot.vault.keystore import Entropy, Secrets, create, whole_seconds
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Sealer
from paquebot.version import __version__

__all__ = ["doubt", "name", "proof", "sealer"]

_MESSAGE = b"the two seal and open alike" * 20


def sealer(secrets: Secrets, *, proven: bool = False) -> Sealer:
    """Return the sealer to use with *secrets*. With *proven*, the fast one has passed its test, as `proof` says."""
    if proven or doubt() is None:
        from paquebot.vault.sequoia_sealer import SequoiaSealer

        return SequoiaSealer(secrets)
    return PgpySealer(secrets)


def name() -> str:
    """Say which sealer is used, and why if it is the slow one."""
    why = doubt()
    return f"pgpy: {why}" if why else "pysequoia"


def proof() -> bytes:
    """Return what a passed test is good for: these very programs, as they lie there now. Empty without pysequoia."""
    found = find_spec("pysequoia")
    if found is None or found.origin is None:
        return b""
    since = Path(found.origin).parent.stat().st_mtime_ns
    return f"{__version__} {sys.version} {cryptography.__version__} {found.origin} {since}".encode()


@cache
def doubt() -> str | None:
    """Return why the fast sealer is not used; None if it is: each of the two opens what the other seals, just now."""
    if find_spec("pysequoia") is None:
        return "pysequoia is not installed"
    from paquebot.vault.sequoia_sealer import SequoiaSealer

    now = whole_seconds(Millis(time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000))
    try:
        ours, theirs = (create(now, _dice(name), Millis(now + DAY_MS)) for name in ("one", "other"))
        pins = {"one": ours.announcement("one")}
        keys = [theirs.subkeys[-1].key, ours.subkeys[-1].key]
        for seals, opens in ((SequoiaSealer, PgpySealer), (PgpySealer, SequoiaSealer)):
            envelope = seals(ours).seal(_MESSAGE, keys, at=now)
            found = opens(theirs).open(envelope, pins, now=now)
            if (found.bundle, found.signers) != (_MESSAGE, ("one",)):
                return "pysequoia and pgpy do not open alike"
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as problem:  # a panic in Rust is no Exception
        return f"pysequoia does not work here: {type(problem).__name__}"
    return None


def _dice(name: str) -> Entropy:
    counter = itertools.count()
    return lambda size: shake_256(f"{name} {next(counter)}".encode()).digest(size)
