"""A post office in memory: a transport with weather, for tests and simulations that must repeat exactly.

Time and dice are the caller's. Every box sees every parcel that another box of the same office has sent since it
was first opened, and consumes on its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Self

from paquebot.transport import (
    Acknowledgement,
    Arrival,
    Capability,
    Context,
    Finding,
    Handover,
    Onward,
    Outgoing,
    ParcelTooLarge,
    Stage,
    TokenShown,
    Transient,
    TransportError,
    Verdict,
    parcel_name,
    token_hash,
)

LIFE_MS = 30 * 86_400_000
"""So long a parcel is kept from when the office took it: its sender's clock may be years behind."""


def tag_with(key: bytes) -> Callable[[bytes], bytes]:
    """Return how those who know *key* tag a parcel for each other.

    >>> tag_with(b"k")(b"salt") == tag_with(b"k")(b"salt") != tag_with(b"k")(b"other")
    True
    """
    return lambda salt: blake2b(salt, digest_size=8, key=key).digest()


class MemoryContext:
    """What the house lends to a transport, in memory. It outlives the transport, as the house's own does."""

    def __init__(self, folder: Path, *, keys: Iterable[bytes] = (), seed: int = 0, now: int = 0) -> None:
        self.keys = list(keys)
        """Whose tags this node recognises; see `tag_with`."""
        self.now = now
        """Unix milliseconds; set it to let time pass."""
        self.epoch = "0"
        """Set it to let the node be able to open more than before."""
        self.addresses: set[str] = set()
        """Where peers are, in lower case."""
        self.state: dict[str, bytes] = {}
        self.changes = 0
        """How often the state has changed."""
        self.name = "here"
        """What people call the carrier."""
        self.notes: list[str] = []
        """What it told whoever watches."""
        self._folder = folder
        self._dice = random.Random(seed)

    @property
    def folder(self) -> Path:
        """A private folder, created on first use."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def get(self, key: str) -> bytes | None:
        """Return a value of the state."""
        return self.state.get(key)

    def items(self, prefix: str) -> list[tuple[str, bytes]]:
        """Return the part of the state below *prefix*, in order of keys."""
        return sorted(item for item in self.state.items() if item[0].startswith(prefix))

    def put(self, key: str, value: bytes | None) -> None:
        """Set or remove a value of the state."""
        self.update({key: value})

    def update(self, changes: Mapping[str, bytes | None]) -> None:
        """Set and remove values of the state, which has then changed once."""
        news = {key: value for key, value in changes.items() if self.state.get(key) != value}
        if not news:
            return
        self.changes += 1
        for key, value in news.items():
            if value is None:
                del self.state[key]
            else:
                self.state[key] = bytes(value)

    def recognise(self, salt: bytes, tag: bytes) -> bool:
        """Return whether one of `keys` made *tag*."""
        return any(tag_with(key)(salt) == tag for key in self.keys)

    def knows(self, address: str) -> bool:
        """Return whether *address* is one of `addresses`."""
        return address.lower() in self.addresses

    def now_ms(self) -> int:
        """Return `now`."""
        return self.now

    def entropy(self, count: int) -> bytes:
        """Return bytes that are the same for the same seed."""
        return self._dice.randbytes(count)

    def note(self, text: str) -> None:
        """Add *text* to `notes`."""
        self.notes.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What may befall a parcel on its way to one box. Probabilities from 0 to 1."""

    loss: float = 0.0
    repeat: float = 0.0
    damage: float = 0.0
    """A bit or a few are flipped."""
    reorder: float = 0.0
    """That a collection comes in random order."""
    delay_ms: tuple[int, int] = (0, 0)
    """The shortest and the longest way."""
    outage: float = 0.0
    """That opening, or any one parcel, raises `Transient`."""


@dataclass(slots=True)
class _Parcel:
    key: str
    parcel: bytes
    salt: bytes
    recipients: tuple[tuple[bytes, bytes], ...]
    sender: str
    due: int
    expires: int
    priority: int
    hops: int
    epoch: str | None = None
    """In which epoch the box could not open it."""


@dataclass(slots=True)
class _Shelf:
    """What waits for one box, whether it is open or not."""

    parcels: dict[str, _Parcel] = field(default_factory=dict)
    tokens: list[tuple[int, bytes]] = field(default_factory=list)


class PostOffice:
    """The middle: holds what is under way. *dice* decides all that chance decides."""

    def __init__(
        self,
        dice: random.Random | None = None,
        *,
        weather: Weather | None = None,
        bytes_max: int = 1 << 20,
        bytes_cheap: bool = False,
        shows_tokens: bool = False,
        latency_ms: int = 60_000,
        medium: str = "post",
        relays: bool = False,
    ) -> None:
        self.dice = dice or random.Random(0)
        self.weather = weather or Weather()
        """May be changed at any time."""
        self.now = 0
        """Virtual milliseconds; set it to let time pass."""
        self.closed = False
        """Set it to have every operation raise `Transient`."""
        self.capability = Capability(
            bytes_max=bytes_max,
            latency_ms=latency_ms,
            medium=medium,
            bytes_cheap=bytes_cheap,
            shows_tokens=shows_tokens,
            relays=relays,
        )
        self._posted: set[bytes] = set()
        """The names of all parcels that ever came, and their token hashes."""
        self._shown: set[bytes] = set()
        """The hashes of all tokens that were shown."""
        self._shelves: dict[str, _Shelf] = {}
        self._serial = 0

    def shelf(self, name: str) -> _Shelf:
        """Return what waits for the box called *name*; from now on it gets what others send."""
        return self._shelves.setdefault(name, _Shelf())

    def next_due(self) -> int | None:
        """Return when the next thing under way arrives after `now`, if anything is under way."""
        shelves = self._shelves.values()
        moments = [parcel.due for shelf in shelves for parcel in shelf.parcels.values()]
        moments += [due for shelf in shelves for due, _ in shelf.tokens]
        return min((due for due in moments if due > self.now), default=None)

    def check_open(self) -> None:
        """Raise `Transient` if the office is closed or an outage strikes."""
        if self.closed or self._strikes(self.weather.outage):
            raise Transient("the post office is closed")

    def post(self, sender: str, outgoing: Outgoing, parcel: bytes) -> None:
        """Take *parcel* and let the weather have its way with it."""
        salt = parcel_name(parcel)
        if outgoing.hops and salt in self._posted:
            return
        recipients = tuple((recipient.tag(salt), recipient.token_hash) for recipient in outgoing.recipients)
        self._posted.update((salt, *(each for _, each in recipients)))
        expires = max(outgoing.expires_ms, self.now + LIFE_MS)
        for name, shelf in self._shelves.items():
            if name == sender or self._strikes(self.weather.loss):
                continue
            for _ in range(2 if self._strikes(self.weather.repeat) else 1):
                self._serial += 1
                key = f"{self._serial:012}"
                harmed = self._harm(parcel) if self._strikes(self.weather.damage) else parcel
                urgency = expires, outgoing.priority, outgoing.hops
                shelf.parcels[key] = _Parcel(key, harmed, salt, recipients, sender, self._due(), *urgency)

    def show(self, parcel: _Parcel, token: bytes, by: str) -> None:
        """Bring the *token* that *by* shows back to whoever sent *parcel*, if the office does such things."""
        known = any(token_hash(token) == each for _, each in parcel.recipients)
        if self.capability.shows_tokens and known and not self._strikes(self.weather.loss):
            self._bring(parcel.sender, token, by)

    def relay(self, token: bytes, by: str) -> None:
        """Bring *token* to all others, once, if it belongs to a parcel that came here, and the office relays."""
        if self.capability.relays and token_hash(token) in self._posted and token_hash(token) not in self._shown:
            self._bring("", token, by)

    def has_arrived(self, parcel: _Parcel) -> bool:
        """Return whether all for whom *parcel* is have shown their tokens here."""
        return self.capability.relays and {each for _, each in parcel.recipients} <= self._shown

    def _bring(self, sender: str, token: bytes, by: str) -> None:
        self._shown.add(token_hash(token))
        due = self._due()
        for name in self._shelves.keys() - {by} if self.capability.relays else (sender,):
            self.shelf(name).tokens.append((due, token))

    def shuffle(self, parcels: list[_Parcel]) -> None:
        """Put *parcels* out of order if the weather says so."""
        if self._strikes(self.weather.reorder):
            self.dice.shuffle(parcels)

    def _due(self) -> int:
        return self.now + self.dice.randint(*self.weather.delay_ms)

    def _harm(self, parcel: bytes) -> bytes:
        harmed = bytearray(parcel or b"\0")
        for _ in range(self.dice.randint(1, 4)):
            harmed[self.dice.randrange(len(harmed))] ^= 1 << self.dice.randrange(8)
        return bytes(harmed)

    def _strikes(self, chance: float) -> bool:
        # No roll in fair weather: a storm added to one parcel must not change the fate of all others.
        return chance > 0 and self.dice.random() < chance


@dataclass(frozen=True, slots=True)
class PostSettings:
    """Which box at which office."""

    office: PostOffice
    name: str


class PostBox:
    """One end of the post: a transport that keeps the contract, as far as the weather lets it."""

    api: ClassVar[int] = 0
    settings_type: ClassVar[type] = PostSettings

    def __init__(self, settings: PostSettings, context: Context) -> None:
        self._office = settings.office
        self._name = settings.name
        self._context = context
        self._shelf = self._office.shelf(settings.name)
        self._heard: list[tuple[int, bytes]] = []

    @property
    def capability(self) -> Capability:
        """What the office can do."""
        return self._office.capability

    async def __aenter__(self) -> Self:
        """Enter the office, if it is open."""
        self._office.check_open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Leave; everything waits in the office, also news that was not heard to the end of a visit."""
        if not exc_info or exc_info[0] is None:
            self._shelf.tokens = [news for news in self._shelf.tokens if news not in self._heard]
        self._heard.clear()

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Hand each parcel to the office."""
        for outgoing in batch:
            self._office.check_open()
            try:
                parcel = await self._parcel(outgoing)
            except TransportError as error:
                yield Handover(outgoing.id, Stage.FAILED, "post", error)
                continue
            self._office.post(self._name, outgoing, parcel)
            yield Handover(outgoing.id, Stage.ACCEPTED, "post")

    async def _parcel(self, outgoing: Outgoing) -> bytes:
        bytes_max = self._office.capability.bytes_max
        parcel = await outgoing.body() if outgoing.size_max <= bytes_max else b""
        if max(outgoing.size_max, len(parcel)) > bytes_max:
            raise ParcelTooLarge(f"the post takes at most {bytes_max} bytes")
        return parcel

    async def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover | Finding]:
        """Yield what is due: tokens once in a visit that ends well, parcels until they are acknowledged."""
        office, shelf = self._office, self._shelf
        office.check_open()
        due = [news for news in shelf.tokens if news[0] <= office.now and news not in self._heard]
        for _, token in due:
            yield TokenShown(token)
        self._heard += due
        for key in [key for key, parcel in shelf.parcels.items() if parcel.expires < office.now]:
            del shelf.parcels[key]
        parcels = [parcel for parcel in shelf.parcels.values() if parcel.due <= office.now]
        office.shuffle(parcels)
        for parcel in parcels:
            await asyncio.sleep(0)
            if parcel.key not in shelf.parcels or parcel.epoch == self._context.epoch:
                continue
            office.check_open()
            recognised = any(self._context.recognise(parcel.salt, tag) for tag, _ in parcel.recipients)
            if not recognised and office.has_arrived(parcel):
                continue
            yield Arrival(parcel.parcel, parcel.key, f"post {parcel.key}", recognised, self._onward(parcel))

    def _onward(self, parcel: _Parcel) -> Onward | None:
        if not self._office.capability.relays:
            return None
        return Onward(parcel.recipients, parcel.expires, parcel.priority, parcel.hops)

    async def show(self, tokens: Sequence[bytes]) -> None:
        """Show tokens of what others sent."""
        for token in tokens:
            self._office.relay(token, self._name)

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Settle arrivals, all or none of them."""
        self._office.check_open()
        for each in acknowledgements:
            parcel = self._shelf.parcels.get(each.key)
            if parcel is None:
                continue
            if each.verdict is Verdict.NOT_OURS:
                parcel.epoch = self._context.epoch
                continue
            del self._shelf.parcels[each.key]
            if each.verdict is Verdict.TAKEN and each.token is not None:
                self._office.show(parcel, each.token, self._name)
