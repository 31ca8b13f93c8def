"""Drop: parcels in a folder that somebody carries: a stick, a disc, a folder that is synced by other means.

What lies there is sealed and signed by others; this package only keeps it whole, finds it again, and never deletes
what some recipient may still need.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import ClassVar, Self

from paquebot.transport import (
    Acknowledgement,
    Arrival,
    Capability,
    ConfigError,
    Context,
    Finding,
    Freed,
    Handover,
    Inventory,
    Outgoing,
    ParcelTooLarge,
    PathText,
    Permanent,
    Scratch,
    Stage,
    TokenShown,
    Transient,
    TransportError,
    Verdict,
    token_hash,
)
from paquebot_drop import inspecting, mounts
from paquebot_drop.crate import BODY_MAX, CRATE_MAX, OVERHEAD_MAX, RECIPIENTS_MAX, base32
from paquebot_drop.folder import Folder
from paquebot_drop.ledger import Ledger, Settled, epoch_mark
from paquebot_drop.loading import Loader
from paquebot_drop.survey import look
from paquebot_drop.texts import is_inside, read_volume, write_volume
from paquebot_drop.visit import Visit

__all__ = ["DropSettings", "DropTransport"]

_LATENCY_MS = 28 * 24 * 3_600_000  # a stick may lie in a drawer for weeks before its silence means anything
_CRATE_LEAST = 64 << 10
_CRATE_SYNCED = 4 << 20
_LOOK_S = 10.0  # how often a synced folder is looked at while we wait; a stick is noticed at once
_UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class DropSettings:
    """Where the medium is."""

    path: PathText = PathText("")
    """The mounted stick, or the synced folder. `PAQUEBOT` is made in it when there is something to write.

    The folder `PAQUEBOT` on it means the same."""
    label: str = ""
    """What people call it."""
    crate_bytes_max: int | None = None
    """How large crates may become; by default 64 MiB, and 4 MiB in a synced folder: there a file comes whole or not at
    all, over a line that may break, and the last letter in it holds up the deletion of all."""
    volume: str = ""
    """Instead of a path: the medium's own id, or the label or UUID of its file system, wherever it is mounted."""
    synced: bool | None = None
    """Whether it is shared over a network (Syncthing, Dropbox, NFS …); by default, what is found there tells."""

    def __post_init__(self) -> None:
        """Check that it is said where."""
        if bool(self.path) == bool(self.volume):
            raise ConfigError('say where: path = "/media/stick", or volume = "…" for one that is mounted anywhere')


class DropTransport:
    """One visit to one medium."""

    api: ClassVar[int] = 0
    settings_type: ClassVar[type] = DropSettings

    def __init__(self, settings: DropSettings, context: Context) -> None:
        self._context = context
        self._settings = settings
        self._path = settings.path
        self._there = ""
        self._wanted = settings.volume
        self._label = settings.label or settings.path or settings.volume
        self._crate_asked = settings.crate_bytes_max
        self._crate_max = _crate_max(settings.crate_bytes_max, synced=False)
        self._synced_asked = settings.synced
        self._synced = bool(settings.synced)
        self._syncer = ""
        self._seen: tuple[object, ...] | None = None
        self._folder: Folder | None = None
        self._volume = ""
        self._named = False
        self._writable = False
        self._visit: Visit | None = None
        self._settled: dict[bytes, Settled] = {}
        self._given: dict[bytes, bytes] = {}

    @property
    def capability(self) -> Capability:
        """What this medium can do; a read-only one carries nothing back."""
        return Capability(
            bytes_max=min(BODY_MAX, self._crate_max - OVERHEAD_MAX),
            latency_ms=_LATENCY_MS,
            medium=f"drop:{self._volume}",
            bytes_cheap=True,
            shows_tokens=self._writable,
            writable=self._writable,
            relays=True,
            room=self._folder.free if self._folder else None,
        )

    async def __aenter__(self) -> Self:
        """Open the folder and read which volume it is."""
        path = self._place()
        self._seen = self._tide()
        if path is None:
            raise Transient(f"the volume {self._wanted} is not mounted at any of {', '.join(mounts.PLACES)}")
        folder = Folder(path)
        self._there = path
        try:
            if is_inside(folder):
                folder.ascend()
            self._syncer = mounts.syncer(folder)
            self._synced = bool(self._syncer) if self._synced_asked is None else self._synced_asked
            self._crate_max = _crate_max(self._crate_asked, synced=self._synced)
            volume = read_volume(folder)
            self._writable = folder.writable
        except OSError as error:
            folder.close()
            raise Transient(f"{self._label} cannot be read") from error
        except TransportError:
            folder.close()
            raise
        self._folder = folder
        self._named = volume is not None
        # A medium without a name gets one when it is first written to. Until then it is "the nameless one".
        pending = self._context.get(_UNNAMED)
        self._turn_to(volume or (pending.decode() if pending else base32(self._context.entropy(10))))
        self._visit = None
        return self

    def _place(self) -> str | None:
        """Return where the medium is, or None if it is not there. Raise `Permanent` if there are two."""
        if not self._wanted:
            return self._path
        mount = mounts.find(self._wanted)
        return mount.path if mount else None

    async def wait(self, timeout_ms: int) -> bool:
        """Return True when another medium has come to our place, or something to a synced folder."""

        def has_come() -> bool:
            before, self._seen = self._seen, self._tide()
            # A mount point that a medium has left is there, but nothing has come to it.
            left = before is not None and self._seen is not None and bool(before[0]) and not self._seen[0]
            return self._seen not in (None, before) and not left

        return await mounts.wait(has_come, timeout_ms, every_s=_LOOK_S if self._synced else None)

    def _tide(self) -> tuple[object, ...] | None:
        """Return what changes when something may have come; None if nothing is there."""
        try:
            path = self._place()
        except Permanent:
            return None
        found = mounts.state(path)
        if path is None or found is None or not self._synced:
            return found
        with suppress(OSError, TransportError):
            folder = Folder(path)
            try:
                return (*found, *folder.tide())
            finally:
                folder.close()
        return found

    def _turn_to(self, volume: str) -> None:
        self._volume = volume
        self._ledger = Ledger(self._context, volume)
        self._settled = self._ledger.settled()

    async def __aexit__(self, *exc_info: object) -> None:
        """Show what tokens are due, delete what nobody needs, let go. What cannot be done now waits."""
        folder, self._folder = self._open(), None
        visit, self._visit = self._visit, None
        try:
            if visit is not None:
                with suppress(OSError):
                    visit.leave(
                        writable=self._writable,
                        well=not exc_info or exc_info[0] is None,
                        name=lambda: self._name(folder),
                    )
        finally:
            folder.close()

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Write *batch* into crates; a parcel is handed over when it was read back from the medium."""
        folder = self._open()
        if not batch:
            return
        if not self._writable:
            raise Transient(f"{self._label} is read-only")
        loader = Loader(
            folder,
            lambda: self._name(folder),
            crate_max=self._crate_max,
            where=self._label,
            dice=self._context.entropy,
            lies=self._visit.lies if self._visit else lambda _: False,
        )
        try:
            for outgoing in batch:
                made = await self._make(outgoing)
                if isinstance(made, TransportError):
                    yield Handover(outgoing.id, Stage.FAILED, self._label, made)
                    continue
                # When a body fails, what was made before is good: let it go before the bad news.
                for news in loader.take(outgoing, made) if isinstance(made, bytes) else loader.finish():
                    yield news
                if isinstance(made, Exception):
                    raise made
                if loader.gone:
                    raise loader.gone
            for news in loader.finish():
                yield news
            if loader.gone:
                raise loader.gone
        finally:
            with suppress(OSError):
                loader.abandon()

    async def _make(self, outgoing: Outgoing) -> bytes | Exception:
        refusal = self._refusal(outgoing, outgoing.size_max)
        if refusal is not None:
            return refusal
        try:
            body = await outgoing.body()
        except Exception as error:
            return error
        return self._refusal(outgoing, len(body)) or body

    def _refusal(self, outgoing: Outgoing, size: int) -> TransportError | None:
        bytes_max = min(BODY_MAX, self._crate_max - OVERHEAD_MAX)
        if size > bytes_max:
            return ParcelTooLarge(f"{size} bytes are too many for {self._label}, which takes {bytes_max}")
        if not 1 <= len(outgoing.recipients) <= RECIPIENTS_MAX:
            return Permanent(f"a parcel on a stick is for 1 to {RECIPIENTS_MAX} recipients")
        return None

    async def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover | Finding]:
        """Yield tokens for what we wrote, what was lost of it, arrivals for us, perhaps for us, and damage."""
        self._open()
        if self._visit is not None and self._visit.complete:
            self._visit.remember()  # who asks again has heard all we said
        self._visit = None
        visit = self._visit = await self._survey()
        for token in visit.tokens():
            yield token
        for news in self._guarded(visit):
            yield news
        visit.complete = True

    async def _survey(self) -> Visit:
        """Look at the medium as it is now."""
        folder = self._open()
        if not self._named:
            volume = read_volume(folder)
            if volume:  # somebody else works here too, and was the first to write
                self._turn_to(volume)
                self._named = True
        own = self._ledger.wrote()
        return Visit(
            folder=folder,
            ledger=self._ledger,
            context=self._context,
            survey=await look(folder, own),
            own=own,
            settled=self._settled,
            label=self._label,
            given=self._given,
            synced=self._synced,
            writable=self._writable,
        )

    async def inventory(self) -> Inventory:
        """Return what lies on the medium, by its indexes."""
        folder, visit = self._open(), await self._survey()
        return inspecting.inventory(
            folder,
            visit.survey,
            inspecting.stocks(visit.survey, visit.whose, visit.hour),
            medium=self._volume if self._named else "",
            where=self._there,
            shared_by=self._syncer,
        )

    async def tidy(self, *, rehearsed: bool = False) -> Sequence[Freed]:
        """Do what the end of a visit does, or say what that would be. Raise `Transient`."""
        folder, visit = self._open(), await self._survey()
        if not self._writable:
            raise Transient(f"{self._label} is read-only")
        try:
            swept = visit.tidy(lambda: self._name(folder), rehearsed=rehearsed)
        except OSError as error:
            raise Transient(f"{self._label} is gone") from error
        return (
            Freed("crates that nobody needs any more", swept.dead.files, swept.dead.bytes),
            Freed("copies of what lies elsewhere", swept.doubles.files, swept.doubles.bytes),
            Freed("crates written anew without what is dead", swept.rewritten.files, swept.rewritten.bytes),
            Freed("slips that all have seen", swept.slips.files, swept.slips.bytes),
        )

    async def verify(self, progress: Callable[[int], None]) -> AsyncIterator[Finding]:
        """Read every record and slip, and yield what is wrong. Raise `Transient`."""
        folder, visit = self._open(), await self._survey()
        try:
            async for finding in inspecting.verify(folder, visit.survey, progress):
                yield finding
        except OSError as error:
            raise Transient(f"{self._label} is gone") from error

    def _guarded(self, visit: Visit) -> Iterator[Arrival | Handover | Finding]:
        try:
            yield from visit.losses()
            yield from visit.arrivals()
            yield from visit.findings()
        except OSError as error:
            raise Transient(f"{self._label} is gone") from error

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Remember what became of arrivals. Tokens are shown when the visit ends."""
        crates: dict[str, dict[bytes, Settled]] = {}
        for each in acknowledgements:
            crate, body, outside = _parse_key(each.key)
            record = outside if each.verdict is Verdict.NOT_OURS else body
            settled = self._settle(each)
            before = self._settled.get(record)
            if before == settled or (before and before.verdict is Verdict.TAKEN):
                continue
            self._settled[record] = settled
            crates.setdefault(crate, {})[record] = settled
        if crates and not self._named:
            self._context.put(_UNNAMED, self._volume.encode())
        for crate, news in crates.items():
            self._ledger.settle(crate, news)

    async def show(self, tokens: Sequence[bytes]) -> None:
        """Remember tokens of others' records; those that concern what lies here are written when the visit ends."""
        self._given.update((token_hash(token), token) for token in tokens)

    def _settle(self, given: Acknowledgement) -> Settled:
        match given.verdict:
            case Verdict.TAKEN:
                return Settled(Verdict.TAKEN, given.token or bytes(16))
            case Verdict.REFUSED:
                return Settled(Verdict.REFUSED)
            case Verdict.NOT_OURS:
                return Settled(Verdict.NOT_OURS, epoch_mark(self._context.epoch))

    def _name(self, folder: Folder) -> Ledger:
        """Write the medium's name on it, once, before anything else is written; return its ledger."""
        if not self._named:
            volume = write_volume(folder, self._volume)
            if volume != self._volume:  # somebody else was quicker
                self._turn_to(volume)
            self._named = True
            if self._context.get(_UNNAMED) is not None:
                self._context.put(_UNNAMED, None)
        return self._ledger

    def _open(self) -> Folder:
        if self._folder is None:
            raise RuntimeError("the transport is used outside `async with`")
        return self._folder

    @asynccontextmanager
    async def scratch(self, name: str) -> AsyncIterator[Scratch]:
        """Lend a folder on the medium, beside `PAQUEBOT` and everything else."""
        path = self._place()
        if path is None:
            raise Transient(f"the volume {self._wanted} is not mounted")
        place = Path(path) / name
        try:
            place.mkdir()
        except OSError as error:
            raise Transient(f"{self._label} cannot be written to: {error.strerror}") from error
        try:
            yield Scratch(replace(self._settings, path=PathText(str(place)), volume=""), place)
        finally:
            rmtree(place, ignore_errors=True)


def _crate_max(asked: int | None, *, synced: bool) -> int:
    return min(max(asked or (_CRATE_SYNCED if synced else CRATE_MAX), _CRATE_LEAST), CRATE_MAX)


def _parse_key(key: str) -> tuple[str, bytes, bytes]:
    crate, body, outside = key.split("/")
    return crate, bytes.fromhex(body), bytes.fromhex(outside)
