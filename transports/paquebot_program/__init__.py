"""Program: a transport in any language, as a program that is spoken to line by line (`paquebot help plugin`).

The program moves parcels and lists what lies on its medium; what is settled, what is ours and who has shown which
token is remembered here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from paquebot.transport import (
    Acknowledgement,
    Arrival,
    Capability,
    ConfigError,
    Context,
    Finding,
    Handover,
    Outgoing,
    ParcelTooLarge,
    PluginError,
    Scratch,
    Stage,
    TokenShown,
    Transient,
    TransportError,
    parcel_name,
    token_hash,
)
from paquebot_program import listing
from paquebot_program.child import Child, environment
from paquebot_program.exchange import NAME, Exchange
from paquebot_program.ledger import Ledger, Own, Sent, digest
from paquebot_program.line import Line, said
from paquebot_program.listing import FINDING_MAX, Item, Listing
from paquebot_program.talk import SPOKEN, Talk, Unsupported

__all__ = ["ProgramSettings", "ProgramTransport"]

Answer = TypeVar("Answer")
Setting = str | int | float | bool
PARCEL_MAX = 16 << 20
"""The house makes none that is larger."""
STRANGERS_MAX = 1_000  # unrecognised arrivals in one collection: each costs the house a try at opening
FINDINGS_MAX = 100
_TRACE_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """Which program it is, and what it is told."""

    command: list[str]
    """The program's whole path, or its name on the PATH, and its arguments. No shell runs it."""
    settings: dict[str, Setting | list[Setting]] = field(default_factory=dict)
    """What it is told, each a text, a number, true or false, or a list of them."""
    env: list[str] = field(default_factory=list)
    """Which environment variables it gets besides PATH, HOME, the language and the like."""
    address: str = ""
    """Where peers find us by it, in the program's own words; without it, or if the program knows no addresses, none."""
    timeout: int = 60
    """How many seconds it may keep silent; longer while it moves much."""
    trace: bool = False
    """Write down all that is said, but for the settings, in the file `trace` in its folder."""

    def __post_init__(self) -> None:
        """Look at what the house cannot know. Raise `ConfigError`."""
        if not self.command or "\0" in "".join(self.command):
            raise ConfigError('command is a list of words, such as ["/usr/local/bin/pigeon"]')
        if not 1 <= self.timeout <= 86_400:
            raise ConfigError("timeout is from 1 to 86400 seconds")
        for _ in self.lines():
            pass

    def lines(self) -> Iterator[Line]:
        """Yield what the program is told of its settings. Raise `ConfigError`."""
        addressed = {"address": self.address} if self.address else {}
        for name, value in {**self.settings, **addressed}.items():
            for each in value if isinstance(value, list) else [value]:
                text = ("no", "yes")[each] if isinstance(each, bool) else str(each)
                line = said("setting", text, name=name)
                listing.sayable(line, f"settings.{name}")
                yield line


class ProgramTransport:
    """One visit by way of a program."""

    api: ClassVar[int] = 0
    settings_type: ClassVar[type] = ProgramSettings

    def __init__(self, settings: ProgramSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._name = context.name
        self._talking: Talk | None = None

    @property
    def capability(self) -> Capability:
        """What the program said that it can do."""
        return self._capability

    async def __aenter__(self) -> Self:
        """Start the program and let it open its medium."""
        talk = await self._start()
        try:
            ready = await talk.ask(Line("open"), "ready")
            with talk.clear():
                self._capability = listing.capability(ready, PARCEL_MAX)
                self._keeps = ready.flag("keeps")
        except BaseException:
            await self._stop()
            raise
        self._ledger = Ledger(self._context, self._capability.medium)
        self._count = 0
        self._listed: Listing | None = None
        return self

    async def _start(self) -> Talk:
        environ = environment(self._settings.env)
        try:
            self._folder = self._context.folder / digest(self._name)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._exchange = Exchange(self._folder, self._name)
        except OSError as error:
            raise Transient(f"{self._name} cannot have a folder: {error.strerror}") from error
        try:
            child = Child.start(self._name, self._settings.command, environ, self._folder, self._context.note)
        except BaseException:
            self._exchange.close()
            raise
        trace = _tracing(self._folder / "trace") if self._settings.trace else lambda _: None
        patience = self._settings.timeout
        talk = self._talking = Talk(child, self._context, Own(self._context), patience, trace)
        try:
            hello = await talk.ask(said("hello", version=SPOKEN), "hello")
            with talk.clear():
                if (spoken := hello.number("version")) != SPOKEN:
                    raise PluginError(f"{self._name} speaks version {spoken} of the line protocol, not {SPOKEN}")
            for line in self._settings.lines():
                await talk.tell(line, secret=True)
        except BaseException:
            await self._stop()
            raise
        return talk

    async def _stop(self) -> None:
        talk, self._talking = self._talking, None
        try:
            if talk is not None:
                talk.sound = False
                await talk.end()
        finally:
            self._exchange.close()

    async def __aexit__(self, *exc_info: object) -> None:
        """Let the program tidy up and end."""
        talk, self._talking = self._talk(), None
        try:
            await talk.end()
        except (TransportError, PluginError):
            if not exc_info or exc_info[0] is None:
                raise
        finally:
            self._exchange.close()

    async def wait(self, timeout_ms: int) -> bool:
        """Let the program wait until something may have come. Raise `Transient` if it cannot."""
        line = said("wait", ms=timeout_ms)

        async def ask(talk: Talk) -> Line:
            return await talk.ask(line, "due", "quiet", seconds=timeout_ms / 1000)

        try:
            answer = await (ask(self._talking) if self._talking else self._apart(ask))
        except Unsupported as error:
            raise Transient(str(error)) from None
        return answer.verb == "due"

    @asynccontextmanager
    async def scratch(self, name: str) -> AsyncIterator[Scratch | None]:
        """Let the program make a place of its own; None if it knows no such thing."""
        try:
            lines = await self._apart(
                lambda talk: talk.listed(said("scratch", name=name), ("setting", "folder"), "done")
            )
        except Unsupported:
            yield None
            return
        try:
            told: dict[str, Setting | list[Setting]] = {}
            folder = None
            for line in lines:
                if line.verb == "setting":
                    told[line.one("name")] = line.text or ""
                elif line.verb == "folder" and line.text:
                    folder = Path(line.text)
            yield Scratch(replace(self._settings, settings=self._settings.settings | told), folder)
        finally:
            await self._apart(lambda talk: talk.ask(said("clean", name=name), "done"))

    async def _apart(self, ask: Callable[[Talk], Awaitable[Answer]]) -> Answer:
        """Return the answer of a program that is started for this alone."""
        talk = await self._start()
        try:
            with talk.clear():
                return await ask(talk)
        finally:
            await self._stop()

    # -- out --------------------------------------------------------------------

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Give the program each parcel in turn."""
        talk = self._talk()
        if not batch:
            return
        if not self._capability.writable:
            raise Transient(f"{self._name} cannot be written to")
        for outgoing in batch:
            try:
                self._fits(outgoing.size_max)
                parcel = await outgoing.body()
                self._fits(len(parcel))
            except TransportError as error:
                yield Handover(outgoing.id, Stage.FAILED, self._name, error)
                continue
            yield await self._carry(talk, outgoing, parcel)

    def _fits(self, size: int) -> None:
        if size > self._capability.bytes_max:
            raise ParcelTooLarge(f"{size} bytes are too many for {self._name}: it takes {self._capability.bytes_max}")

    async def _carry(self, talk: Talk, outgoing: Outgoing, parcel: bytes) -> Handover:
        if outgoing.hops and parcel_name(parcel) in (await self._list(talk, anew=False)).names:
            return Handover(outgoing.id, Stage.ON_MEDIUM, self._name)
        self._count += 1
        try:
            file = self._exchange.put(parcel)
        except OSError as error:
            raise Transient(f"{self._name}: {error.strerror}") from error
        line = listing.to_send(self._count, f"{NAME}/{file}", parcel, outgoing)
        try:
            answer = await talk.ask(line, "handed", "failed", size=len(parcel))
        finally:
            self._exchange.remove(file)
        with talk.clear():
            if answer.number("number") != self._count:
                raise PluginError(f"{self._name} speaks of another parcel than the one that it was given")
            where = answer.text or self._name
            if answer.verb == "failed":
                return Handover(outgoing.id, Stage.FAILED, self._name, listing.failure(answer, self._name))
            stage = listing.stage(answer)
            key = listing.key(answer) if answer.has("key") else None
        if key is not None:
            waiting = tuple(each.token_hash for each in outgoing.recipients)
            self._ledger.handed(key, Sent(outgoing.id, outgoing.expires_ms, waiting))
        return Handover(outgoing.id, stage, where)

    # -- in ---------------------------------------------------------------------

    async def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover | Finding]:
        """Let the program list what there is; yield the news, then each parcel that is not settled, and damage."""
        talk, ledger = self._talk(), self._ledger
        listed = await self._list(talk)
        keys = {*(item.key for item in listed.items), *listed.smudged}
        await self._tell(talk, ledger.untold(keys))
        for token in listed.tokens:
            yield TokenShown(token)
            ledger.shown(token)  # only now: the house has noted it, and the program may be told to delete
        for news in self._news(listed, keys):
            yield news
        for item in _wanted(listed.to_take, ledger.wants):
            found = await self._fetch(talk, item)
            if found is not None:
                yield found
        for finding in self._findings(talk, listed):
            yield finding
        await self._let_go(talk)
        if listed.complete:
            ledger.forget(keys)

    async def _list(self, talk: Talk, *, anew: bool = True) -> Listing:
        """Return what lies on the medium; what was listed last, unless *anew*."""
        if anew or self._listed is None:
            lines = await talk.listed(Line("collect"), listing.PARTS, "end")
            with talk.clear():
                self._listed = Listing.read(lines, self._context.recognise)
        return self._listed

    def _news(self, listed: Listing, keys: set[str]) -> Iterator[Handover]:
        """Yield what is known of things that were sent: from the program, or because they are missing."""
        unknown = 0
        for key, stage, where in listed.news:
            sent = self._ledger.sent.get(key)
            if sent is None:
                unknown += 1
                continue
            yield Handover(sent.id, stage, where or self._name)
            if stage is Stage.LOST:
                self._ledger.lost(key)
        if unknown:
            self._context.note(f"it has news of what was never sent, or is settled: {unknown}")
        if self._keeps and listed.complete:
            for key in self._ledger.missing(keys):
                yield Handover(self._ledger.sent[key].id, Stage.LOST, self._name)
                self._ledger.lost(key)

    def _findings(self, talk: Talk, listed: Listing) -> Iterator[Finding]:
        """Yield what a person should hear of: what the program says, and once each what cannot be read."""
        told = 0
        for line in listed.findings[:FINDINGS_MAX]:
            with talk.clear():
                where, damage = line.one("where", self._name), line.flag("damage", default=True)
                data = self._take(line, FINDING_MAX)
            yield Finding(where, line.text or "", data or b"", damage)
        for key, reason in listed.smudged.items():
            if told < FINDINGS_MAX and self._ledger.damaged(key):
                told += 1
                yield Finding(f"{self._name} {key}", reason)
        if len(listed.findings) > FINDINGS_MAX:
            self._context.note(f"it has found {len(listed.findings)} things, of which {FINDINGS_MAX} are told")

    async def _fetch(self, talk: Talk, item: Item) -> Arrival | Finding | None:
        """Return what lies under a key; None if it has gone meanwhile, or is still as damaged as we said."""
        size = self._capability.bytes_max if item.size is None else item.size
        answer = await talk.ask(said("fetch", key=item.key), "parcel", "gone", "damaged", size=size)
        with talk.clear():
            if answer.one("key") != item.key:
                raise PluginError(f"{self._name} speaks of another parcel than the one that it was asked for")
            if answer.verb == "gone":
                return None
            data = self._take(answer, PARCEL_MAX if answer.verb == "parcel" else FINDING_MAX)
        if answer.verb == "parcel" and data:
            onward = item.onward if self._capability.relays else None
            return Arrival(data, item.key, item.where or f"{self._name} {item.key}", item.recognised, onward)
        reason = answer.text or ("it is empty" if data == b"" else f"it is larger than {PARCEL_MAX} bytes")
        found = Finding(item.where or f"{self._name} {item.key}", reason, data or b"")
        return found if self._ledger.damaged(item.key) else None

    def _take(self, line: Line, most: int) -> bytes | None:
        """Return the file of which *line* speaks, if it speaks of one; None if it is too large."""
        place, slash, file = line.one("file", "" if line.verb != "parcel" else None).partition("/")
        if not place and line.verb != "parcel":
            return b""
        if (place, slash) != (NAME, "/"):
            raise PluginError(f"{self._name} names a file that is not in the folder {NAME}")
        try:
            return self._exchange.take(file, most)
        except OSError as error:
            raise Transient(f"{self._name}: {file} cannot be read: {error.strerror}") from error

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Remember what became of arrivals, then let the program know."""
        talk = self._talk()
        await self._tell(talk, self._ledger.settle(acknowledgements))

    async def _tell(self, talk: Talk, keys: Iterable[str]) -> None:
        """Tell the program what is settled. What it does not hear now, it hears when it lists it again."""
        if not self._capability.writable:
            return
        heard = []
        try:
            for key in keys:
                settled = self._ledger.settled[key]
                line = said("settle", key=key, verdict=settled.verdict.value)
                shown = said("", token=settled.token).words if settled.token else ()
                self._answered(await talk.ask(Line(line.verb, line.words + shown), "done"), key)
                heard.append(key)
        finally:
            self._ledger.told(heard)

    async def show(self, tokens: Sequence[bytes]) -> None:
        """Let the program show tokens of what others sent."""
        talk = self._talk()
        if not (self._capability.relays and self._capability.writable):
            return
        listed = await self._list(talk, anew=False)
        for token in tokens:
            key = listed.awaiting.get(token_hash(token))
            if key is not None and token not in listed.tokens:
                self._answered(await talk.ask(said("show", key=key, token=token), "done"), key)

    async def _let_go(self, talk: Talk) -> None:
        """Tell the program what nobody needs any more."""
        if not self._capability.writable:
            return
        for key in self._ledger.needless():
            try:
                self._answered(await talk.ask(said("forget", key=key), "done"), key)
            except Unsupported:
                self._ledger.let_go(key)
            else:
                self._ledger.lost(key)

    def _answered(self, answer: Line, key: str) -> None:
        if answer.every("key") != [key]:
            raise PluginError(f"{self._name} speaks of another parcel than the one that it was told of")

    def _talk(self) -> Talk:
        if self._talking is None:
            raise RuntimeError("the transport is used outside `async with`")
        return self._talking


def _wanted(items: Sequence[Item], wants: Callable[[str], bool]) -> Iterator[Item]:
    """Yield what is known to be for us, then some of the rest."""
    yield from (item for item in items if item.recognised and wants(item.key))
    strangers = 0
    for item in items:
        if strangers < STRANGERS_MAX and not item.recognised and wants(item.key):
            strangers += 1
            yield item


def _tracing(path: Path) -> Callable[[str], None]:
    """Return what writes a line at the end of *path*, of which never more than a megabyte is kept."""
    with suppress(OSError):
        if path.stat().st_size > _TRACE_MAX:
            path.unlink()

    def trace(text: str) -> None:
        with suppress(OSError), path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    return trace
