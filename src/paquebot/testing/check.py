"""Try a configured carrier: ``python -m paquebot.testing.check``, which `paquebot transport check` runs.

What to try comes as one JSON object on the standard input, since settings may hold secrets; what was found goes out
as one JSON object a line. Everything happens in a place of its own on the medium, which is removed; where a transport
has none, the parcels of this check are marked, and nobody else's are looked at or acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest import SkipTest

from paquebot import config, registry
from paquebot.errors import PaquebotError, TransportError
from paquebot.testing import marked
from paquebot.testing.acting import FolderContext
from paquebot.testing.counted import Account, CountedContext
from paquebot.testing.ends import FAR_KEY, Link, skip
from paquebot.testing.kinds import KindContract
from paquebot.testing.post import MemoryContext
from paquebot.transport import Scratches

ARRIVE_S = 45
"""How long what was sent may be on its way, where it is not there at once."""
GRACE_S = 10
PATIENCE_S = 240
"""How long one promise may take."""


class Configured(KindContract):
    """The contract over one carrier's own settings."""

    def __init__(self, kind: type, settings: object, carrier: str, account: Account | None, *, real: bool) -> None:
        self.kind = kind  # type: ignore[misc]  # each carrier has its own
        self._given = settings
        self._carrier = carrier
        self._name = f"paquebot-check-{os.urandom(5).hex()}"
        self._real = real
        self._account = account
        self._tried = 0
        self.ration = marked.Ration()
        self._address = ""

    @asynccontextmanager
    async def link(self, tmp_path: Path) -> AsyncIterator[Link]:
        """Open the ends in a new place of its own, or with marks."""
        self._tried += 1
        async with self.scratch(tmp_path, f"{self._name}-{self._tried}") as scratch:
            apart = scratch is not None and scratch.apart
            if not apart and not self._real:
                raise NoScratch
            self._medium = scratch.folder if scratch else None
            self._aside = apart
            async with self.ends(tmp_path, scratch.settings if scratch else self._given) as link:
                if self._medium is not None:
                    yield link
                    return
                ours = marked.linked(link, f"{self._name}-{self._tried}\n".encode(), self.ration)
                try:
                    yield ours
                except BaseException:
                    with suppress(TransportError):  # what was wrong before is what is told
                        await marked.tidy(ours)
                    raise
                await marked.tidy(ours)

    async def carry(self, link: Link) -> None:
        """Let what was sent arrive; on a folder it is there at once."""
        await marked.arrive(link, ARRIVE_S)

    def contexts(self, tmp_path: Path) -> tuple[MemoryContext, MemoryContext, MemoryContext]:
        """Return contexts that do nothing twice: what another run has left may lie there still."""
        near, far, third = (tmp_path / name for name in ("near", "far", "third"))
        return self._context(near), self._context(far, keys=[FAR_KEY]), self._context(third)

    def _context(self, folder: Path, keys: Sequence[bytes] = ()) -> FolderContext:
        if self._account:
            context: FolderContext = CountedContext(folder, self._account, keys=keys)
        else:
            context = FolderContext(folder, keys=keys)
        context.name = self._carrier
        return context

    async def card(self, folder: Path) -> dict[str, object]:
        """Return what the transport says that it can do, with the settings as they are. Raise `TransportError`."""
        async with self.kind(self._given, self._context(folder)) as transport:
            can = transport.capability
            self._address = can.address
            return {name: getattr(can, name) for name in type(can).__slots__}

    def scratch(self, tmp_path: Path, name: str) -> Any:
        """Lend a place on the medium, if there can be one."""
        transport = self.kind(self._given, self._context(tmp_path / "scratch"))
        return transport.scratch(name) if isinstance(transport, Scratches) else nullcontext()

    def test_nothing_comes_back_to_its_sender(self, tmp_path: Path) -> None:
        """Nor does it where all ends have one address, which everything is sent to; but there that proves nothing."""
        if self._address:
            skip("all ends of a check have one address")
        super().test_nothing_comes_back_to_its_sender(tmp_path)

    def test_wrong_clocks_lose_nothing(self, tmp_path: Path) -> None:
        """Not with a ration, which is counted by the clock."""
        if self._account:
            skip("what may go today is counted by the clock")
        super().test_wrong_clocks_lose_nothing(tmp_path)

    def elsewhere(self, link: Link) -> Mapping[str, object]:
        """Return how another process opens it, in a place of its own only."""
        if not self._aside:
            skip("there is no place on it where only this check writes")
        return super().elsewhere(link)


class NoScratch(Exception):
    """The transport has no place where it could be tried."""


def promises(contract: Configured) -> Iterator[tuple[str, Any]]:
    """Yield each promise in words, and the test of it, those of fair weather first."""
    names: dict[str, None] = {}
    for kind in type(contract).__mro__:
        names |= dict.fromkeys(name for name in vars(kind) if name.startswith("test_"))
    for name in names:
        yield name.removeprefix("test_").replace("_", " "), getattr(contract, name)


def tried(test: Any) -> tuple[str, str]:
    """Return whether a promise is kept (ok, broken, skipped), and why not."""
    ALARM.set(PATIENCE_S)
    try:
        with tempfile.TemporaryDirectory(prefix="paquebot-check-") as folder:
            test(Path(folder))
    except SkipTest as reason:
        return "skipped", str(reason)
    except NoScratch:
        raise
    except KeyboardInterrupt:
        if not ALARM.rang:
            raise
        return "broken", f"it does not end within {PATIENCE_S} seconds"
    except Exception as error:  # a stranger's transport may fail in any way; that is what is looked for
        return "broken", _why(error)
    finally:
        ALARM.set(0)
    return "ok", ""


def _why(error: Exception) -> str:
    if isinstance(error, PaquebotError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error).strip().partition("\n")[0]
    if isinstance(error, AssertionError) and not said:
        said = f"not so: {where.line}"
    return said if isinstance(error, AssertionError) else f"{type(error).__name__}: {said} ({where.name})"


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


class _Alarm:
    """Interrupts a promise that takes too long, as a person would: once politely, and then for good."""

    rang = False

    def set(self, seconds: int) -> None:
        """Ring in so many seconds; 0 for never."""
        self.rang = False
        signal.alarm(seconds)

    def ring(self, _signal: int, _frame: object) -> None:
        """Interrupt whatever goes on."""
        self.rang = True
        signal.alarm(GRACE_S)
        signal.raise_signal(signal.SIGINT)


ALARM = _Alarm()


def _stopped(_signal: int, _frame: object) -> None:
    signal.raise_signal(signal.SIGINT)  # by which asyncio lets everything tidy up


def _account(lent: dict[str, Any] | None) -> Account | None:
    """Return what counts for the user's account, if it has a ration; what changes there is said at once."""
    if lent is None:
        return None
    state = {key: bytes.fromhex(value) for key, value in lent["state"].items()}

    def told(changes: Mapping[str, bytes | None]) -> None:
        _say(counted={key: None if value is None else value.hex() for key, value in changes.items()})

    return Account(lent["keys"], state, lent["now"], told)


def main() -> int:
    """Try everything that is promised."""
    signal.signal(signal.SIGALRM, ALARM.ring)
    signal.signal(signal.SIGTERM, _stopped)
    asked = json.load(sys.stdin)
    try:
        name, uses, table, base = asked["carrier"]
        found = registry.load(uses)
        settings = config.Carrier(name, uses, table, base=Path(base)).settings(found.settings_type)
        contract = Configured(found.kind, settings, name, _account(asked["ration"]), real=asked["real"])
        with tempfile.TemporaryDirectory(prefix="paquebot-check-") as folder:
            _say(capability=asyncio.run(contract.card(Path(folder))))
        chosen = [(promise, test) for promise, test in promises(contract) if asked["only"] in promise]
        for number, (promise, test) in enumerate(chosen, 1):
            _say(trying=promise, number=number, of=len(chosen))
            result, why = tried(test)
            _say(promise=promise, result=result, why=why)
        _say(done=True, sent=contract.ration.parcels, sent_bytes=contract.ration.bytes)
    except NoScratch:
        _say(no_scratch=True)
    except PaquebotError as error:
        _say(error=str(error), exit_code=error.exit_code)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
