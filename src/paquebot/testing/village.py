"""The houses of the simulation: real engines, inboxes and outboxes; a post, a power supply and clocks that fail.

The post, the clocks and the power are fake; stores and seals are, unless everything is asked to be real.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b, sha256
from pathlib import Path
from random import Random
from typing import Any, cast

from paquebot.context import HouseContext, Tags
from paquebot.courier import Courier
from paquebot.errors import Transient
from paquebot.inbox import Inbox
from paquebot.outbox import Outbox
from paquebot.protocol import bundle as bundles
from paquebot.protocol import publishing, redating
from paquebot.protocol.account import Grant
from paquebot.protocol.bundle import Bundle
from paquebot.protocol.effects import AddReply, Effect, Effects, HaveBlob, SetClock
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.engine import Engine
from paquebot.protocol.identity import PrivateKey, PublicKey, public_key
from paquebot.protocol.keys import EncryptionKey, Pins
from paquebot.protocol.limits import DAY_MS, HOUR_MS, IDENTITY_LIFE_MS, MIB, RELEASED_MS
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import FileManifest
from paquebot.protocol.stamp import Clock, Millis
from paquebot.reach import link
from paquebot.report import Report
from paquebot.store import Store
from paquebot.testing.memory import MemoryStore
from paquebot.testing.plain import PlainSealer
from paquebot.testing.post import PostBox, PostOffice, PostSettings, Weather
from paquebot.testing.witness import WideView, Witness
from paquebot.transport import Acknowledgement, Arrival, Finding, Handover, Outgoing, Stage, TokenShown, Verdict
from paquebot.vault import keystore
from paquebot.vault.keystore import Secrets
from paquebot.vault.letters import Letter
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Introduced, Opened, Sealer

START_MS = RELEASED_MS + 12 * HOUR_MS  # a clock that nobody set is half a day behind
CHUNK_BYTES = 4_096


class Crash(BaseException):
    """The power went. Deliberately not an `Exception`: nobody may catch it."""


class SameThread(ThreadPoolExecutor):
    """Runs at once what others would run in another thread: a store belongs to one, and a seed replays exactly."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run *fn* now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


_verify = PublicKey.verify


@lru_cache(maxsize=16_384)
def _verified(body: str, signature: bytes, text: bytes) -> None:
    _verify(public_key(body), signature, text)


def verified_once(key: PublicKey, signature: bytes, text: bytes) -> None:
    """Check what `PublicKey.verify` checks, once for all houses. Raise `BadSignature`."""
    _verified(key.body, signature, text)


class OneThread(asyncio.SelectorEventLoop):
    """An event loop that runs at once what others would run in another thread."""

    def run_in_executor(self, _: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run *func* now. Raise what it raises."""
        future = self.create_future()
        future.set_result(func(*args))
        return future


@dataclass(slots=True)
class Wiring:
    """The power supply of one house."""

    dice: Random
    chance: float
    dead: bool = False

    def fails(self) -> bool:
        """Decide whether the power goes now. Once it has, nothing happens any more."""
        self.dead = self.dead or (self.chance > 0 and self.dice.random() < self.chance)
        return self.dead


class WatchedStore:
    """A store whose power may go in the middle of a transaction, or right after it."""

    def __init__(self, inner: MemoryStore | Store, house: House) -> None:
        self.inner = inner
        self._house = house

    @property
    def view(self) -> WideView:
        """The inner store's view."""
        return cast(WideView, self.inner.view)

    def commit(self, effects: Iterable[Effect]) -> list[Effect]:
        """Commit unless the power goes, and let the witness see it."""
        wiring = self._house.wiring
        if wiring.dead:
            raise Crash
        if not wiring.fails():
            return self._commit(effects)
        before = content(self.inner)
        try:
            self._commit(_cut(effects, wiring.dice.randint(1, 12)))
        except Crash:
            assert content(self.inner) == before, "half a transaction survived"
        raise Crash

    def _commit(self, effects: Iterable[Effect]) -> list[Effect]:
        house = self._house
        house.engine.heard = None
        done = self.inner.commit(effects)
        house.witness.committed(house.node, done, house.engine.heard, incoming=house.draining)
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _cut(effects: Iterable[Effect], count: int) -> Iterator[Effect]:
    for number, effect in enumerate(effects):
        if number == count:
            raise Crash
        yield effect


def content(store: MemoryStore | Store) -> object:
    """Return everything in *store*, to be compared."""
    return store.content() if isinstance(store, MemoryStore) else list(store._db.iterdump())


class WatchedEngine(Engine):
    """An engine that lets one see which envelope it deals with."""

    heard: tuple[Bundle, str] | None = None
    """The envelope, and the medium by which it came."""
    lies = False
    """Whether it lists what others published, and never gives it."""

    def _foreign(self, name: ResourceId | None) -> bool:
        signed = self._view.resource(name) if name else None
        return signed is not None and signed.signer not in (self._view.local().user, self._view.local().node)

    def receive(
        self,
        bundle: Bundle,
        sender: Fingerprint,
        link: Link,
        where: str,
        wall: Millis,
        sealed: Millis | None = None,
        size: int = 0,
    ) -> Effects:
        """Decide as the engine does."""
        for effect in super().receive(bundle, sender, link, where, wall, sealed, size):
            if not (self.lies and isinstance(effect, AddReply) and self._foreign(effect.reply.resource)):
                yield effect
        self.heard = bundle, link.medium


class WatchedSealer:
    """A sealer whose every envelope the witness sees."""

    def __init__(self, inner: Sealer, house: House) -> None:
        self._inner = inner
        self._house = house

    def seal(self, bundle: bytes, keys: Sequence[EncryptionKey], *, at: Millis, **form: Any) -> bytes:
        """Seal as the sealer does."""
        parcel = self._inner.seal(bundle, keys, at=at, **form)
        read, house = bundles.decode(bundle), self._house
        letter = house.witness.letters.get(read.id)
        assert letter is not None, "an envelope is made of a letter that was planned"
        house.witness.sealed(house.node, read, parcel, house.engine.size_max(letter))
        return parcel

    def open(
        self,
        envelope: bytes,
        pins: Pins,
        *,
        now: Millis,
        doubtful: bool = False,
        introduced: Introduced | None = None,
    ) -> Opened:
        """Open as the sealer does."""
        return self._inner.open(envelope, pins, now=now, doubtful=doubtful, introduced=introduced)

    def read(self, message: bytes, pins: Pins, now: Millis) -> Letter:
        """Read as the sealer does."""
        return self._inner.read(message, pins, now)


@dataclass(frozen=True, slots=True)
class Office:
    """What sort of post office there is."""

    latency_ms: int
    bytes_cheap: bool
    shows_tokens: bool
    relays: bool = False


class VillageOffice(PostOffice):
    """A post office where Mallory can have everything again, and which finds out what it lost if it shows tokens."""

    def __init__(self, dice: Random, office: Office, weather: Weather, medium: str) -> None:
        super().__init__(
            dice,
            weather=weather,
            bytes_max=8 * MIB,
            bytes_cheap=office.bytes_cheap,
            shows_tokens=office.shows_tokens,
            latency_ms=office.latency_ms,
            medium=medium,
            relays=office.relays,
        )
        self.archive: list[tuple[str, Outgoing, bytes]] = []
        self.lost: dict[str, list[tuple[int, bytes]]] = {}
        """By sender: what will be known to be lost, and when."""

    def carry(self, sender: str, recipient: str, outgoing: Outgoing, parcel: bytes) -> None:
        """Take *parcel*, which is meant for *recipient*."""
        self.archive = [*self.archive[-50:], (sender, outgoing, parcel)]
        before = set(self.shelf(recipient).parcels)
        self.post(sender, outgoing, parcel)
        copies = [each.parcel for key, each in self.shelf(recipient).parcels.items() if key not in before]
        if self.capability.shows_tokens and parcel not in copies:
            self.lost.setdefault(sender, []).append((self.now + DAY_MS, outgoing.id))

    def show(self, parcel: Any, token: bytes, by: str) -> None:
        """Bring *token* back; a carrier that shows tokens does not lose them."""
        weather, self.weather = self.weather, Weather(delay_ms=self.weather.delay_ms)
        super().show(parcel, token, by)
        self.weather = weather

    def found_lost(self, sender: str) -> Iterator[bytes]:
        """Yield what *sender* should know to be lost, until it has dealt with it."""
        for each in list(self.lost.get(sender, ())):
            if each[0] <= self.now:
                yield each[1]
                self.lost[sender].remove(each)


class WatchedBox(PostBox):
    """A post box whose power may go after a parcel was handed over, and before one is acknowledged."""

    def __init__(self, office: VillageOffice, house: House, context: HouseContext) -> None:
        super().__init__(PostSettings(office, house.name), context)
        self._village = office
        self._house = house
        self._arrived: dict[str, bytes] = {}

    async def send(self, batch: Sequence[Outgoing]) -> AsyncIterator[Handover]:
        """Send as a post box does."""
        house = self._house
        for outgoing in batch:
            self._office.check_open()
            if house.refuses(self._office.weather):
                yield Handover(outgoing.id, Stage.FAILED, "post", Transient("the clerk will not have it"))
                continue
            house.interrupt()
            parcel = await outgoing.body()
            house.witness.carried.add(outgoing.id)
            self._hand_in(outgoing, parcel)
            if house.wiring.fails():
                raise Crash
            yield Handover(outgoing.id, Stage.ACCEPTED, "post")

    def _hand_in(self, outgoing: Outgoing, parcel: bytes) -> None:
        to = self._house.witness.letters[outgoing.id].peer
        self._village.carry(self._house.name, self._house.neighbours[to], outgoing, parcel)

    async def collect(self) -> AsyncIterator[Arrival | TokenShown | Handover | Finding]:
        """Collect as a post box does."""
        for name in self._village.found_lost(self._house.name):
            self._house.witness.lost.add(name)
            yield Handover(name, Stage.LOST, "post")
        async for item in super().collect():
            if isinstance(item, Arrival):
                self._arrived[item.key] = item.parcel
            yield item

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Acknowledge as a post box does, but only what is stored."""
        house = self._house
        if house.wiring.fails():
            raise Crash
        for each in acknowledgements:
            if each.verdict is Verdict.TAKEN:
                house.witness.acknowledged(house.node, self._arrived[each.key])
            if each.verdict is Verdict.REFUSED:
                house.witness.refused(house.node, self._arrived[each.key])
        await super().acknowledge(acknowledgements)
        if house.settled_down:  # nobody will become able to open what could not be opened
            shelf = self._office.shelf(house.name).parcels
            for key in [key for key, parcel in shelf.items() if parcel.epoch is not None]:
                del shelf[key]


@lru_cache(maxsize=64)
def keys_of(number: int) -> tuple[PrivateKey, PrivateKey, Secrets]:
    """Return the keys of the user, the node and the envelopes in house *number*: the same in every village."""
    entropy = Random(f"house {number}").randbytes
    user, node = (PrivateKey.create("ed25519", entropy) for _ in range(2))
    return user, node, keystore.create(Millis(RELEASED_MS), entropy, Millis(RELEASED_MS + IDENTITY_LIFE_MS))


class House:
    """A user with one node."""

    box_type: type[WatchedBox] = WatchedBox

    def __init__(
        self, number: int, seed: int, witness: Witness, clock: Callable[[], int], *, folder: Path | None, crash: float
    ) -> None:
        self.name = f"node-{number}"
        self.number = number
        self.witness = witness
        self.wiring = Wiring(Random(f"{seed} wiring {number}"), crash)
        self.grant = Grant()
        """What it lets each peer send; set it before the power comes."""
        self.lies = False
        """Whether it never gives what others published, though it lists it."""
        self.draining = False
        """What is committed now follows from what arrived."""
        self.interrupt: Callable[[], None] = lambda: None
        """What happens while letters that were planned wait to be sealed."""
        self.settled_down = False
        """It will add no more peers."""
        self.away = False
        """It visits no post office."""
        self.skew: int | None = 0
        """How wrong its clock is, in ms; None if it began with 1970."""
        self.neighbours: dict[Fingerprint, str] = {}
        """The names of all houses, by node."""
        self._clock = clock
        self._powered = clock()
        self._folder = folder
        user, self.key, self.secrets = keys_of(number)
        self.node, self.user = self.key.fingerprint, user.fingerprint
        self._entropy = Random(f"{seed} entropy {number}").randbytes
        self._jitter = Random(f"{seed} jitter {number}")
        self._whims = Random(f"{seed} whims {number}")
        self.shared = blake2b(b"%d" % seed).digest()
        """What all honest nodes know, and Mallory does not."""
        sealer = PgpySealer(self.secrets) if folder else PlainSealer(self.node, self.secrets, self.shared)
        self.sealer = sealer
        self._founding = user
        self.store = WatchedStore(self._open(), self)

    def found(self) -> None:
        """Make the node."""
        now = Clock().now(self.wall())
        announced = self.secrets.announcement(self.node)
        founding = publishing.found(self.name, self._founding, self.key, announced, now)
        inner = self.store.inner
        inner.found(founding.local, lambda: publishing.take_root(inner.view, founding, now))
        self.witness.views[self.node] = self.view
        self.witness.keys |= {self.user: self._founding.public, self.node: self.key.public}
        self.boot()

    def _open(self) -> MemoryStore | Store:
        if self._folder is None:
            return MemoryStore()
        self._folder.mkdir(parents=True, exist_ok=True)
        return Store(self._folder)

    def boot(self) -> None:
        """Let the power come back: only what is stored is left."""
        self.wiring.dead = False
        if isinstance(self.store.inner, Store):
            self.store.inner.close()
            self.store = WatchedStore(self._open(), self)
            self.witness.views[self.node] = self.view
        self.engine = WatchedEngine(self.view, self.key, self._entropy, self._jitter)
        self.engine.grant, self.engine.lies = self.grant, self.lies
        self._tags = Tags(cast(Store, self.store), lambda: self.secrets)

    @property
    def view(self) -> WideView:
        """What the node knows."""
        return self.store.view

    def wall(self) -> Millis:
        """Return what the clock on the wall shows."""
        now = self._clock()
        return Millis(now + self.skew if self.skew is not None else now - self._powered)

    async def visit(self, office: VillageOffice) -> Report:
        """Take in and hand out at *office*. Raise `Transient` or `Crash`."""
        report, store, tags = Report(), cast(Store, self.store), self._tags
        now, entropy = lambda: self.engine.now(self.wall()), self._entropy
        context = HouseContext(store, "post", Path("unused"), tags, now=now, entropy=entropy)
        watched = lambda: WatchedSealer(self.sealer, self)  # noqa: E731 it may be another one after draining
        courier = self.courier(store, tags, report)
        async with self.box_type(office, self, context) as box:
            self.draining = True
            try:
                await Inbox(store, self.engine, watched, self.wall, report, courier=courier).drain(box, link(box))
            finally:
                self.draining = False
            self.after_draining()
            outbox = Outbox(store, self.engine, watched, tags, self.wall, report, lambda _: None)
            await outbox.flush(box, lambda: link(box))
            if courier:
                await courier.hand_on(box)
        return report

    def refuses(self, weather: Weather) -> bool:
        """Return whether the post will not have one parcel, where it is closed now and then."""
        return weather.outage > 0 and self._whims.random() < weather.outage

    def courier(self, store: Store, tags: Tags, report: Report) -> Courier | None:
        """Return what carries for others: nobody does here."""

    def after_draining(self) -> None:
        """Do what has to be done between taking in and handing out: nothing here."""

    def befriend(self, other: House) -> None:
        """Add *other*'s card, under a name that nobody has here."""
        taken = {peer.name for peer in self.view.peers() if peer.node != other.node}
        name = other.name if other.name not in taken else f"{other.name} {other.node[:8]}"
        card = publishing.read_card(publishing.write_card(other.view), self.engine.now(self.wall()))
        self.store.commit(self.engine.add_peer(card, name, self.wall()))

    def publish(self, draft: Draft, chunks: Sequence[bytes] = ()) -> None:
        """Publish *draft*, a file that consists of *chunks* or something else."""
        names = [(self.store.inner.blobs.put(chunk), len(chunk)) for chunk in chunks]
        self.store.commit(self._with_blobs(names, draft))

    def say_anew(self) -> None:
        """Say that the clock is right now, and say anew what it dated ahead."""
        self.store.commit([SetClock(self.view.clock().vouched(self.wall()))])
        self.store.commit(redating.anew(self.view, self.key, self.engine.now(self.wall())))

    def _with_blobs(self, names: Sequence[tuple[bytes, int]], draft: Draft) -> Effects:
        for name, size in names:
            yield HaveBlob(name, size)
        yield from self.engine.publish([draft], self.wall())


def draft(dice: Random) -> tuple[Draft, list[bytes]]:
    """Return something that somebody might publish, and its chunks if it is a large file."""
    kind = dice.choice(["message", "message", "message", "file", "large"])
    if kind == "message":
        return Draft.message("x" * dice.randint(1, 3000), title=f"{dice.random()}"), []
    if kind == "file":
        data = dice.randbytes(dice.randint(0, 20_000))
        return Draft.file(FileManifest(len(data), data), "small.bin"), []
    size = dice.randint(CHUNK_BYTES + 1, 6 * CHUNK_BYTES)
    data = dice.randbytes(size) if dice.random() < 0.5 else bytes(size)  # or the same chunk again and again
    chunks = [data[i : i + CHUNK_BYTES] for i in range(0, size, CHUNK_BYTES)]
    manifest = FileManifest(size, None, CHUNK_BYTES)
    return Draft.file(hashed(manifest, chunks, dice.random() < 0.3), "large.bin"), chunks


def hashed(manifest: FileManifest, chunks: list[bytes], deep: bool) -> FileManifest:
    """Return *manifest* with the hashes of *chunks*; if *deep*, by way of an index block, which is added to them."""
    hashes = tuple(sha256(chunk).digest() for chunk in chunks)
    if not deep:
        return replace(manifest, hashes=hashes)
    chunks.append(b"".join(hashes))
    return replace(manifest, depth=2, hashes=(sha256(chunks[-1]).digest(),))


__all__ = ["START_MS", "Crash", "House", "OneThread", "PlainSealer", "Transient", "draft", "keys_of"]
