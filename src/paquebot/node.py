"""One home's node: wires one engine, one store and some transports. The only owner of a clock and of dice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Self

from paquebot import aside, config, content, copies, lookup, reach, records, registry, succession
from paquebot import home as homes
from paquebot.context import HouseContext, Tags
from paquebot.courier import Courier, Moments
from paquebot.display import printable
from paquebot.envelope_keys import EnvelopeKeys
from paquebot.errors import (
    ConfigError,
    DiskFull,
    Misused,
    NotFound,
    PaquebotError,
    PluginError,
    Refused,
    TransportError,
    WrongKey,
)
from paquebot.inbox import Inbox
from paquebot.keychain import NODE_KEY
from paquebot.meetings import Meetings
from paquebot.outbox import Outbox
from paquebot.passphrase import Passphrases
from paquebot.private import Privacy
from paquebot.protocol import noting, privacy, publishing, routes
from paquebot.protocol.effects import Effect, Effects, Keep
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.engine import Engine
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.privacy import Private
from paquebot.protocol.publishing import Card, Draft
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Clock, Millis
from paquebot.protocol.state import Peer
from paquebot.reach import Pass
from paquebot.report import Problem, Report
from paquebot.staging import stage
from paquebot.store import Store
from paquebot.store.view import Listed, Quarantined, SqliteView
from paquebot.transport import Transport
from paquebot.upkeep import Upkeep


def wall_clock() -> Millis:
    """Return what this machine's clock shows."""
    return Millis(time.time_ns() // 1_000_000)


class Node:
    """An open home. Use it as a context manager; while it is open, no other process can open it.

    With *looking*, it is opened only to look, beside whoever works there: no lock is taken, no key is read, and what
    is seen is one moment. *clock*, *entropy* and *jitter* are passed in by tests only.
    """

    def __init__(
        self,
        home: Path,
        *,
        looking: bool = False,
        clock: Callable[[], Millis] = wall_clock,
        entropy: Callable[[int], bytes] = os.urandom,
        jitter: random.Random | None = None,
        passphrases: Passphrases | None = None,
    ) -> None:
        self.home = home
        self._looking = looking
        self.clock = clock
        self.keys = homes.keys(home, passphrases)
        self._entropy = entropy
        self._jitter = jitter or random.Random()
        self._key_read: PrivateKey | None = None

    # -- opening --------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        home: Path,
        name: str,
        *,
        key: str = "ed25519",
        clock: Callable[[], Millis] = wall_clock,
        entropy: Callable[[int], bytes] = os.urandom,
        passphrase: bytes | None = None,
        user: PrivateKey | None = None,
    ) -> None:
        """Make a new node in *home*, of a new user or of *user*. Raise `Misused` if there is one, or `DiskFull`."""
        now = Clock().now(clock())
        homes.create(home, name, key=key, now=now, entropy=entropy, passphrase=passphrase, user=user)

    def __enter__(self) -> Self:
        if self._looking:
            self._open = ExitStack()
            self._store = self._open.enter_context(homes.looked_into(self.home))
            return self
        with ExitStack() as stack:
            self._store = stack.enter_context(homes.opened(self.home))
            if not self.keys.locked(NODE_KEY):
                assert self._node_key  # what can be checked without asking a person is checked at once
            self._open = stack.pop_all()
        self._engine = Engine(self._store.view, lambda: self._node_key, self._entropy, self._jitter)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._open.__exit__(*exc_info)  # whose store says in our words what SQLite says in its own

    @property
    def view(self) -> SqliteView:
        """What the node knows."""
        return self._store.view

    def now(self) -> Millis:
        """Return the time as the node reckons it."""
        return max(self.view.clock().now(self.clock()), self.view.founded())

    def clock_doubtful(self) -> bool:
        """Return whether this machine's clock contradicts what has certainly passed."""
        return self.view.clock().doubtful(self.clock())

    @property
    def _node_key(self) -> PrivateKey:
        if self._key_read is None:
            key = homes.node_key(self.home, self.keys)
            if key.fingerprint != self.view.local().node:
                raise WrongKey("the node key in keys/node.json belongs to another home")
            self._key_read = key
        return self._key_read

    @cached_property
    def _welcome(self) -> bool:
        return config.read(self.home / config.FILE_NAME).welcome

    @cached_property
    def _private(self) -> Privacy:
        return Privacy(
            self.view, self.envelope_keys.secrets, lambda: self._node_key, self._entropy, self.keys.former_envelope_keys
        )

    @cached_property
    def envelope_keys(self) -> EnvelopeKeys:
        """The keys to which peers seal, and by which we seal."""
        return EnvelopeKeys(self._store, self.keys, self._entropy)

    # -- people -----------------------------------------------------------------------

    def tell_routes(self) -> list[str]:
        """Publish where this node is, if peers were told something else than config.toml says. Raise `ConfigError`.

        Return what that leaves for a person to do.
        """
        drafts = reach.untold(self.view, config.read(self.home / config.FILE_NAME))
        if not drafts:
            return []
        with suppress(Refused):  # whose word counts no more
            self.publish(drafts)
        return reach.outdated(self.view, self.now())

    def card(self) -> str:
        """Return this node's card."""
        return publishing.write_card(self.view)

    @cached_property
    def meetings(self) -> Meetings:
        """What a person does about other nodes."""
        return Meetings(self._store, self._engine, self.clock)

    def read_card(self, text: str) -> Card:
        """Return a verified card. Raise `BadCard`."""
        return self.meetings.read_card(text)

    def add_peer(self, card: Card, name: str, *, trusting: bool = True) -> Peer:
        """Pin *card*'s node as *name*. Raise `Misused` or `Refused`."""
        return self.meetings.add(card, name, trusting=trusting)

    def peer(self, name: str) -> Peer:
        """Return the peer called *name*. Raise `NotFound`."""
        return lookup.peer(self.view, name)

    def commit(self, effects: Iterable[Effect]) -> list[Effect]:
        """Carry out *effects*, all or none; return them."""
        return self._store.commit(effects)

    def retry_peer(self, name: str) -> Peer:
        """Forget that the peer called *name* did not answer: it is tried at the next occasion. Raise `NotFound`."""
        peer = self.peer(name)
        self._store.commit(self._engine.retry(peer.node))
        return peer

    # -- publishing ----------------------------------------------------------------------

    def readers(self, names: Sequence[str]) -> Private | None:
        """Return the users that *names* call, as readers of something private; None if there are no names.

        Raise `NotFound`, or `Misused` if one of them could not read it.
        """
        if not names:
            return None
        users = [self._reader(name) for name in names]
        privacy.readers(self.view, users, self.now())
        return Private(users=tuple(users))

    def _reader(self, name: str) -> Fingerprint:
        local = self.view.local()
        if name == local.name and all(peer.name != name for peer in self.view.peers()):
            return local.user
        peer = self.peer(name)
        if peer.suspect:
            raise Misused(f"{name} is set apart: nothing is sent there")
        if not privacy.may_be_reader(self.view, peer.user):
            raise Misused(f"{name} may not read what you publish: see `paquebot trust list`")
        return peer.user

    def publish(
        self, drafts: Sequence[Draft], *, private: Private | None = None, also: Iterable[Effect] = ()
    ) -> list[str]:
        """Publish *drafts*, for all peers who may read or *private* readers; return their URIs. Raise `DiskFull`.

        *also* is carried out in the same transaction.
        """
        drafts = [replace(each, private=private) for each in drafts] if private else drafts
        return self._published(chain(self._engine.publish(drafts, self.clock(), self._private.seal), also))

    def publish_schema(self, data: bytes, name: str) -> str:
        """Publish the JSON Schema in *data*, which came from *name*; return its URI. Raise `Misused`."""
        return self.publish([records.schema_draft(data, name)])[0]

    def publish_record(self, uri: str, data: bytes, name: str, *, draft: Draft) -> list[str]:
        """Publish the JSON object in *data*, which came from *name*, under a schema, as *draft* says besides.

        *uri* may also be what `lookup.schema` takes for one. Raise `NotFound` or `Misused`.
        """
        found = records.record_draft(self.view, lookup.schema(self.view, uri), data, name)
        return self.publish([replace(draft, schemas=found.schemas, fields=found.fields)])

    def _published(self, effects: Iterable[Effect]) -> list[str]:
        done: Iterable[Effect] = self._store.commit(effects)
        return [f"sdmp://{each.kept.user}/{each.kept.signed.id}" for each in done if isinstance(each, Keep)]

    def publish_files(
        self,
        paths: Sequence[Path],
        *,
        title: str = "",
        tags: tuple[str, ...] = (),
        private: Private | None = None,
        draft: Draft | None = None,
        message: Draft | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[str]:
        """Publish files, each as *draft* says, and then *message*, to which they are attached; return their URIs.

        Either all are published or none is. Raise `Misused`.
        """
        drafts, blobs = [], []
        template = draft or Draft(schemas=("file",), fields={}, title=title, tags=tags, private=private)
        for path in paths:
            try:
                with path.open("rb") as stream:
                    named = replace(template, filename=path.name)
                    staged, chunks = stage(self._store, self._entropy, stream, named, progress)
            except OSError as error:
                raise Misused(f"{path} cannot be read: {error.strerror}") from error
            except Misused as error:
                raise Misused(f"{path}: {error}") from error
            drafts.append(staged)
            blobs += chunks
        drafts += [replace(message, attached=len(paths))] if message else []
        return self._published(self._with_blobs(blobs, drafts))

    def publish_stream(
        self,
        stream: BinaryIO,
        filename: str,
        *,
        draft: Draft | None = None,
        also: Callable[[], Iterable[Effect]] = tuple,
    ) -> list[str]:
        """Publish what can be read from *stream* as a file, as *draft* says. Raise `Misused`.

        What *also* returns when all was read is carried out in the same transaction; if it raises, nothing is.
        """
        draft = draft or Draft(schemas=("file",), fields={})
        staged, blobs = stage(self._store, self._entropy, stream, replace(draft, filename=filename))
        return self._published(chain(self._with_blobs(blobs, [staged]), _late(also)))

    def _with_blobs(self, blobs: Iterable[tuple[bytes, int]], drafts: Sequence[Draft]) -> Effects:
        yield from self._engine.have_blobs(blobs, self.clock())
        yield from self._engine.publish(drafts, self.clock(), self._private.seal)

    # -- reading ---------------------------------------------------------------------------

    def find(self, text: str) -> Listed:
        """Return the one resource whose URI, id or short id begins with *text*. Raise `NotFound`, or `Misused`."""
        return lookup.find(self.view, text)

    def resource(self, name: ResourceId) -> Resource:
        """Return a resource that is held. Raise `NotFound` if its bytes are not here any more."""
        signed = self.view.resource(name)
        if signed is None:
            raise NotFound(f"the bytes of {name[:12]}… are not here any more")
        return Resource.read(signed, self.view.schema)

    def expired(self, listed: Listed) -> bool:
        """Return whether *listed* is of no use any more, as its author says, by this node's clock."""
        return 0 < listed.expires < self.now()

    def content(self, listed: Listed) -> Iterator[bytes]:
        """Yield the bytes of a message or file, each chunk verified. Raise `StoreError` if they are not all here."""
        if listed.gone:
            remedy = "" if listed.gone == "forgotten" or listed.revoked_by else "; it is asked of peers again"
            raise NotFound(f"{printable(listed.filename or listed.title or listed.id[:12])} was {listed.gone}{remedy}")
        yield from content.read(self.view, self._private, listed, self.resource(listed.id))

    def shown(self, listed: Listed) -> None:
        """Note that a person has seen *listed*; if we only look, then if that can be done just now."""
        if not self._looking:
            self._store.show(listed.id)
        elif not listed.shown:
            with suppress(PaquebotError, OSError), homes.opened(self.home) as store:
                store.show(listed.id)

    # -- what was set aside -------------------------------------------------------------

    def piece(self, number: int) -> Quarantined:
        """Return what was set aside under that number. Raise `NotFound`."""
        for piece in self.view.quarantined():
            if piece.id == number:
                return piece
        raise NotFound(f"nothing with the number {number} is set aside")

    def piece_bytes(self, piece: Quarantined) -> bytes:
        """Return the bytes of what was set aside. Raise `NotFound` if they had to make room for others."""
        data = self._store.blobs.get(piece.digest) if piece.kept else None
        if data is None:
            raise NotFound(f"the bytes of number {piece.id} are not here any more")
        return data

    async def judge_again(self, piece: Quarantined) -> Report:
        """Give back what was set aside to be judged as if it came now; if it is refused again, the report says why.

        Raise `NotFound`, or `Misused` if it cannot be judged by itself.
        """
        report, data = Report(), self.piece_bytes(piece)
        release = aside.judging(piece, data)
        inbox = Inbox(self._store, self._engine, self.envelope_keys.sealer, self.clock, report)
        try:
            match release:
                case aside.Envelope():
                    await inbox.again(data, piece.where, aside.LINK)
                case aside.Item(signed, sender):
                    report.note(self._store.commit(self._engine.again(signed, sender, self.clock())))
                    self._store.release(data)
        except Refused as refusal:
            self._store.judged(piece.id, refusal.code, str(refusal))
            report.findings.append(Problem(f"number {piece.id}", f"{refusal} ({refusal.code})", refusal.exit_code))
        return report

    def purge(self, pieces: Sequence[Quarantined]) -> None:
        """Delete the bytes of what was set aside. That it was refused stays known: it is not asked for again."""
        self._store.purge([piece.id for piece in pieces])

    def copy(self) -> Store:
        """Return a store in memory that holds what this node knows: to be tried things on, and closed."""
        return self._store.copy()

    @cached_property
    def upkeep(self) -> Upkeep:
        """What keeps this home's disk in order."""
        return Upkeep(self.home, self._store, self._engine, self.now, self.clock_doubtful)

    # -- moving ----------------------------------------------------------------------------

    def carriers(self, names: Sequence[str], via: Sequence[str]) -> list[config.Carrier]:
        """Return the carriers that the configuration and ``--via`` name. Raise `ConfigError`."""
        return lookup.carriers(config.read(self.home / config.FILE_NAME), names, via)

    async def sync(
        self,
        carriers: Sequence[config.Carrier],
        progress: Callable[[int], None] = lambda _: None,
        *,
        seconds: float | None = None,
    ) -> Report:
        """Take in and hand out over *carriers*, on networks for so many *seconds*; trouble with one stops no other."""
        self.keys.unlock()  # before anything is begun
        if self.view.peers():
            self.envelope_keys.secrets()
        now, self._engine.grant = Pass(progress, seconds), config.read(self.home / config.FILE_NAME).limits.grant
        report = now.report
        self.tend_private(report)
        tags = Tags(self._store, self.envelope_keys.secrets, self.keys.former_envelope_keys)
        courier = Courier.of(self.home, self._store, tags, Moments(self.now, self.clock_doubtful), report)
        courier.tidy()
        for carrier in carriers:
            before = len(report.problems)
            try:
                await self._visit(carrier, courier, now)
            except (TransportError, ConfigError, PluginError) as error:
                report.problems.append(Problem(carrier.name, str(error), error.exit_code))
            except DiskFull as error:
                report.problems.append(Problem("this home", str(error), error.exit_code))
                break
            met = reach.met(self.view, carrier)
            with suppress(DiskFull):  # then the next round notes it
                self._store.commit(noting.worked(self.view, carrier.name, report.said(before), self.now(), met=met))
        report.waiting = sum(letter.handed_at is not None for letter in self.view.letters())
        report.carrying, report.carrying_bytes = courier.burden()
        return report

    def go_on(self, *, all_new: bool = False) -> None:
        """Go on as another node of the same user; see `succession.go_on`."""
        succession.go_on(self._store, self.keys, self.now(), self._entropy, all_new=all_new)
        self._key_read = None
        for name in ("_private", "meetings", "envelope_keys"):
            self.__dict__.pop(name, None)
        self._engine = Engine(self._store.view, lambda: self._node_key, self._entropy, self._jitter, self._engine.grant)

    def tend_private(self, report: Report) -> None:
        """Open what is for us, and give keys to nodes that came later. What was cut short is done the next time."""
        opened = noting.noted(self.view, self._private.open_new(), self.now())
        report.note(self._store.commit(opened))
        self._store.commit(self._private.wrap_missing(self._engine, self.clock()))

    async def _visit(self, carrier: config.Carrier, courier: Courier, now: Pass) -> None:
        kind = registry.load(carrier.uses)
        settings = carrier.settings(kind.settings_type)
        folder = self.home / "carriers" / carrier.uses
        context = HouseContext(
            self._store,
            carrier.uses,
            folder,
            courier.tags,
            now=self.now,
            entropy=self._entropy,
            welcome=self._welcome,
            name=carrier.name,
            note=now.report.notes.append,
        )
        async with kind.open(settings, context) as transport:
            before = now.report.sent
            with reach.standing(self._store, carrier.name, transport):
                await self.exchange(transport, courier, carrier, now)
            can, way = transport.capability, reach.link(transport, routes.addresses(self.view, carrier.uses))
            if not can.writable and self._engine.waits(way, self.clock()):
                problem = Problem(carrier.name, "it cannot be written to, and something waits for it", 13)
                now.report.problems.append(problem)
            reach.notice(self._store, carrier, can, self.now(), now.report, wrote=now.report.sent > before)

    async def exchange(self, transport: Transport, courier: Courier, carrier: config.Carrier, now: Pass) -> None:
        """Take in, then hand out, over the open transport of *carrier*; *courier* does the same for others."""
        report, enough, welcome = now.report, now.enough(transport), self._welcome
        store, seal = self._store, self.envelope_keys.sealer
        inbox = Inbox(store, self._engine, seal, self.clock, report, welcome=welcome, courier=courier, enough=enough)
        with now.apart(transport, carrier.name, "receiving"):
            await inbox.drain(transport, reach.link(transport))
        tags = courier.tags
        if self.view.past().branch:  # our journal contradicts what we once said, or a copy of us has gone on
            self.go_on()
            tags.renew()
            report.notes.append(copies.went_on(self.view))
        if self.view.peers():
            self.envelope_keys.turn(self._engine, reach.link(transport), self.clock())
        self.tend_private(report)
        report.notes += self.tell_routes()
        if transport.capability.writable:
            found, way = reach.ways(self.view, carrier, transport, self.now())
            seal = self.envelope_keys.sealer  # we may be another node by now
            outbox = Outbox(store, self._engine, seal, tags, self.clock, report, now.progress, found, enough)
            with now.apart(transport, carrier.name, "sending"):
                await outbox.flush(transport, way)
        await courier.hand_on(transport)


def _late(also: Callable[[], Iterable[Effect]]) -> Effects:
    yield from also()
