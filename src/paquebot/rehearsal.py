"""What a sync would hand out now, found out by planning it on a copy in memory: nothing is written anywhere."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paquebot import config, reach, registry
from paquebot.context import HouseContext, Tags
from paquebot.errors import ConfigError, Misused, PluginError, TransportError
from paquebot.node import Node
from paquebot.outbox import ROUNDS_MAX
from paquebot.outgoing import Batch, batches
from paquebot.protocol import fitting, routes
from paquebot.protocol.effects import Post
from paquebot.protocol.engine import Engine
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.link import Link
from paquebot.protocol.state import Letter
from paquebot.report import Problem
from paquebot.store import Store
from paquebot.transport import Check, Price, Stands
from paquebot.vault import keystore


@dataclass(slots=True)
class Planned:
    """What would go by one carrier."""

    carrier: str
    batches: list[Batch]
    left: int = 0
    """How many parts of large files it does not take."""
    elsewhere: str = ""
    """The carrier that is waited for with them; empty if none is known."""
    price: Price | None = None
    standing: Sequence[Check] = ()
    """How the carrier stands: what is left of its rations, who waits."""

    @property
    def letters(self) -> int:
        """How many envelopes would go."""
        return sum(batch.letters for batch in self.batches)

    @property
    def bytes_max(self) -> int:
        """They take no more than so many bytes together."""
        return sum(batch.bytes_max for batch in self.batches)


@dataclass(slots=True)
class Rehearsal:
    """What a sync would do over some carriers, and which of them cannot be used now."""

    planned: list[Planned] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


async def rehearse(node: Node, carriers: Sequence[config.Carrier]) -> Rehearsal:
    """Plan a sync over *carriers*, one after another, on a copy of *node*'s store, without taking anything in.

    Carriers are opened to learn what they can do; nothing is collected from them and nothing is put on them. Raise
    `ConfigError` if the limits cannot be read.
    """
    found, grant = Rehearsal(), config.read(node.home / config.FILE_NAME).limits.grant
    store = node.copy()
    try:
        engine = Engine(store.view, _no_key, os.urandom, random.Random(), grant)
        for carrier in carriers:
            try:
                found.planned.append(await _plan(node, store, engine, carrier))
            except (TransportError, ConfigError, PluginError) as error:
                found.problems.append(Problem(carrier.name, str(error), error.exit_code))
    finally:
        store.close()
    return found


async def _plan(node: Node, store: Store, engine: Engine, carrier: config.Carrier) -> Planned:
    kind = registry.load(carrier.uses)
    settings = carrier.settings(kind.settings_type)
    with tempfile.TemporaryDirectory(prefix="paquebot-plan-") as folder:
        tags = Tags(store, _no_secrets)
        context = HouseContext(
            store, carrier.uses, Path(folder), tags, now=node.now, entropy=os.urandom, name=carrier.name
        )
        async with kind.open(settings, context) as transport:
            if not transport.capability.writable:
                raise TransportError("it cannot be written to")
            elsewhere = reach.bulk_elsewhere(store.view, carrier.name, node.now())
            way = reach.link(transport, routes.addresses(store.view, carrier.uses), elsewhere=elsewhere)
            letters = _letters(node, store, engine, way, carrier.name)
            stands = transport.standing() if isinstance(transport, Stands) else ()
            price, left = transport.capability.price, _left(store, way, elsewhere)
            return Planned(carrier.name, batches(store.view, letters), *left, price, stands)


def _left(store: Store, way: Link, elsewhere: str) -> tuple[int, str]:
    """How many chunks of files do not go by *way*, and by which carrier they will."""
    peers = (peer for peer in store.view.peers() if way.reachable is None or peer.node in way.reachable)
    owed = sum(len(peer.owed_chunks) for peer in peers if not fitting.takes_chunks(way))
    return owed, elsewhere if owed else ""


def _letters(node: Node, store: Store, engine: Engine, way: Link, name: str) -> list[Letter]:
    """Plan, and suppose that all is taken, until nothing is due any more."""
    letters: list[Letter] = []
    for _ in range(ROUNDS_MAX):
        done = store.commit(engine.poll(way, node.clock()))
        new = [effect.letter for effect in done if isinstance(effect, Post)]
        if not new:
            break
        for letter in new:
            store.commit(engine.handed(letter.id, way, name, node.clock()))
        letters += new
        if way.parcels_left is not None or way.bytes_left is not None:
            break  # what is left of a ration is not known before something was sent
    return letters


def _no_key() -> PrivateKey:
    raise Misused("nothing is signed when a sync is only planned")


def _no_secrets() -> keystore.Secrets:
    raise Misused("nothing is sealed when a sync is only planned")
