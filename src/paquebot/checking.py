"""Is a carrier what it should be? Lists what there is, and tries what is configured.

The trying is done by the testing kit, in a process of its own: nothing in the house imports the kit, a transport that
hangs or dies takes nobody with it, and full disks and cut power can be played there.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paquebot import config, registry
from paquebot import home as homes
from paquebot.context import HouseContext
from paquebot.errors import PluginError, TransportError
from paquebot.node import Node
from paquebot.transport import Capability, Rationed

KIT = "paquebot.testing.check"
SILENCE_S = 300
"""The kit gives each promise less than that."""
GRACE_S = 20
PARCELS, PARCEL_BYTES, LARGEST_BYTES, READERS = 75, 1_000, 4 << 20, 3
"""A check sends so many parcels at most, of so many bytes in the mean, but for one; all are fetched by so many."""


class NoScratch(TransportError):
    """It cannot be tried aside. To have what the check sends lie among everything else there, say --among-others."""

    exit_code = 2


class Untried(TransportError):
    """It cannot be tried now."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that every transport promises, and whether this one keeps it."""

    promise: str
    result: str
    """ok, broken or skipped."""
    why: str


@dataclass(slots=True)
class Checked:
    """What was found."""

    capability: dict[str, Any] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    sent: int = 0
    """Parcels."""
    sent_bytes: int = 0

    def count(self, result: str) -> int:
        """Return how many promises came out so."""
        return sum(each.result == result for each in self.promises)


@dataclass(frozen=True, slots=True)
class Ration:
    """What an account may send and fetch in a day, and what of that was used, as its transport counts it."""

    keys: Sequence[str]
    now: int
    context: HouseContext
    can: Capability

    @property
    def bytes(self) -> int:
        """How many bytes a check sends, at most, and has fetched several times."""
        return PARCELS * PARCEL_BYTES + min(self.can.bytes_max, LARGEST_BYTES)

    @property
    def state(self) -> dict[str, str]:
        """What is counted, in hexadecimal digits."""
        return {key: value.hex() for prefix in self.keys for key, value in self.context.items(prefix)}

    def keep(self, changes: Mapping[str, str | None]) -> None:
        """Remember what a check has changed of that, and nothing else."""
        ours = {key: value for key, value in changes.items() if key.startswith(tuple(self.keys))}
        self.context.update({key: None if value is None else bytes.fromhex(value) for key, value in ours.items()})


@contextmanager
def counted(home: Path, carrier: config.Carrier) -> Iterator[Ration | None]:
    """Lend the ration of *carrier*, if it may have one. Meanwhile nobody else opens the home."""
    kind = registry.load(carrier.uses)
    if not issubclass(kind.kind, Rationed):
        yield None
        return
    settings, folder = carrier.settings(kind.settings_type), home / "carriers" / carrier.uses
    with Node(home, looking=True) as node, homes.opened(home) as store:
        context = HouseContext(store, carrier.uses, folder, None, now=node.now, entropy=os.urandom, name=carrier.name)

        async def opened() -> tuple[Sequence[str], Capability]:
            async with kind.open(settings, context) as transport:
                assert isinstance(transport, Rationed)
                return transport.ration_keys(), transport.capability

        keys, can = asyncio.run(opened())
        yield Ration(keys, node.now(), context, can)


@dataclass(frozen=True, slots=True)
class Kind:
    """An installed transport."""

    name: str
    source: str
    """Where it is imported from."""
    problem: str
    """Why it cannot be used; empty if it can."""


def kinds() -> list[Kind]:
    """Return every installed transport, by name; one that does not load does not hide the others."""
    found = []
    for name, point in sorted(registry.installed().items()):
        problem = ""
        try:
            registry.load(name)
        except PluginError as error:
            problem = str(error)
        found.append(Kind(name, point.value, problem))
    return found


def check(
    carrier: config.Carrier,
    told: Callable[[Promise], None],
    begun: Callable[[str], None] = lambda _: None,
    ration: Ration | None = None,
    *,
    only: str = "",
    real: bool = False,
    aloud: bool = False,
) -> Checked:
    """Try *carrier*, in all that is promised or *only* in what has these words in it.

    *told* hears of each promise when it was tried, *begun* in words of the one that is being tried.
    What goes and comes is within its *ration*, and counted there.
    With *real*, also where the transport has no place of its own for that; with *aloud*, what its code prints is let
    through. Raise `NoScratch`, `Untried`, `ConfigError` or `PluginError` if it cannot be tried at all.
    """
    kind = registry.load(carrier.uses)
    carrier.settings(kind.settings_type)
    name, uses, table, base = carrier.name, carrier.uses, dict(carrier.table), str(carrier.base)
    lent = ration and {"keys": ration.keys, "state": ration.state, "now": ration.now}
    asked = {"carrier": (name, uses, table, base), "only": only, "real": real, "ration": lent}
    found, trying = Checked(), "it can be opened"
    with _running(json.dumps(asked).encode(), aloud=aloud) as process:
        for said in _lines(process):
            match said:
                case {"capability": dict(able)}:
                    found.capability, trying = able, "it goes on"
                case {"trying": str(promise), "number": int(number), "of": int(total)}:
                    trying = promise
                    begun(f"{number} of {total}: {promise}")
                case {"promise": str(promise), "result": str(result), "why": str(why)}:
                    found.promises.append(Promise(promise, result, why))
                    told(found.promises[-1])
                    trying = "it goes on"
                case {"counted": dict(changes)} if ration:
                    ration.keep(changes)
                case {"done": True, "sent": int(sent), "sent_bytes": int(size)}:
                    trying, found.sent, found.sent_bytes = "", sent, size
                case {"no_scratch": True}:
                    raise NoScratch(f"{carrier.name} has no place on its medium where only a check writes")
                case {"error": str(text), "exit_code": int(code)}:
                    raise Untried(text, code)
    if trying:
        found.promises.append(Promise(trying, "broken", "it takes its process with it, or never ends"))
        told(found.promises[-1])
    return found


@contextmanager
def _running(asked: bytes, *, aloud: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Run the kit. However this ends, it is given the time to leave nothing on the medium."""
    process = subprocess.Popen(  # noqa: S603 our own kit
        [sys.executable, "-m", KIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if aloud else subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,  # what a terminal sends to all would interrupt its tidying up
    )
    with process:
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(asked)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(GRACE_S)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what the kit says, until it ends or is silent for too long."""
    assert process.stdout is not None
    output, read = process.stdout.fileno(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while selector.select(SILENCE_S) and (data := os.read(output, 65_536)):
            *lines, read = (read + data).split(b"\n")
            for line in lines:
                with suppress(ValueError):  # its transport may print something by accident
                    said = json.loads(line)
                    if isinstance(said, dict):
                        yield said
