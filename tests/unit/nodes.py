"""Nodes without a home, for tests: a store in memory, an engine, keys from fixed dice, and no wire between them."""

from __future__ import annotations

import hashlib
import itertools
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from paquebot.protocol import bundle as bundles
from paquebot.protocol import publishing
from paquebot.protocol.bundle import Bundle, Heard, Part, To, node_tag
from paquebot.protocol.effects import Effect, Tell
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.engine import Engine
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import DAY_MS, IDENTITY_LIFE_MS
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import About, SignedObject, compose
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.state import Letter, Peer
from paquebot.store import Store
from paquebot.vault import keystore

NOW = Millis(1_800_000_000_000)
STICK = Link("stick", latency_ms=DAY_MS, bytes_cheap=True)
MAIL = Link("mail", latency_ms=60_000)
"""A link whose carrier shows no tokens and whose bytes are dear."""


def entropy_from(seed: str) -> Callable[[int], bytes]:
    """Return dice that always fall the same way."""
    counter = itertools.count()
    return lambda n: hashlib.shake_256(f"{seed} {next(counter)}".encode()).digest(n)


@dataclass
class MemoryNode:
    """One user's one node, living in memory."""

    user_key: PrivateKey
    node_key: PrivateKey
    store: Store
    engine: Engine
    entropy: Callable[[int], bytes]
    secrets: keystore.Secrets
    sent: int = 0
    """The last sequence number of a hand-made bundle."""

    def __post_init__(self) -> None:
        weakref.finalize(self, self.store.close)

    @property
    def user(self) -> Fingerprint:
        return self.user_key.fingerprint

    @property
    def node(self) -> Fingerprint:
        return self.node_key.fingerprint

    @property
    def trust(self) -> ResourceId:
        return self.store.view.local().trust

    def card(self, now: Millis = NOW) -> publishing.Card:
        return publishing.read_card(publishing.write_card(self.store.view), now)

    def meet(self, other: MemoryNode, *, trusting: bool = True, now: Millis = NOW) -> None:
        """Pin the other's card here."""
        name = other.store.view.local().name
        self.store.commit(self.engine.add_peer(other.card(now), name, now, trusting=trusting))

    def peer(self, other: MemoryNode) -> Peer:
        found = self.store.view.peer(other.node)
        assert found is not None
        return found

    def publish(self, *drafts: Draft, now: Millis = NOW) -> list[ResourceId]:
        """Publish *drafts*; return their names."""
        before, _ = self.store.view.tip()
        self.store.commit(self.engine.publish(drafts, now))
        after, _ = self.store.view.tip()
        return [line.entry.resource for line in self.store.view.own_lines(before + 1, after)]

    def say(self, *texts: str, now: Millis = NOW) -> list[ResourceId]:
        return self.publish(*(Draft.message(text) for text in texts), now=now)

    def texts(self) -> set[str]:
        """Return all messages that are held."""
        names = [each.id for each in self.store.view.listed(["message"])]
        found = [signed for name in names if (signed := self.store.view.resource(name))]
        return {publishing.Resource.read(each, self.store.view.schema).container.value["message"] for each in found}

    def poll(self, link: Link = STICK, now: Millis = NOW) -> list[tuple[Letter, Bundle]]:
        """Plan, compose, and hand everything that is due to a carrier; return what it carries."""
        self.store.commit(self.engine.poll(link, now))
        out: list[tuple[Letter, Bundle]] = []
        for letter in self.store.view.letters():
            if letter.handed_at is None and letter.medium == link.medium:
                out.append((letter, bundles.decode(bundles.encode(self.engine.compose(letter)))))
                self.store.commit(self.engine.handed(letter.id, link, "test", now))
        return out

    def receive(
        self, bundle: Bundle, sender: MemoryNode, link: Link = STICK, now: Millis = NOW, where: str = "test"
    ) -> list[Effect]:
        """Take a bundle in, as if *sender* had sealed it."""
        return self.store.commit(self.engine.receive(bundle, sender.node, link, where, now))

    def bundle(self, to: MemoryNode, *parts: Part, now: Millis = NOW) -> Bundle:
        """Return a hand-made bundle."""
        self.sent += 1
        head = To(node_tag(to.node), 1000 + self.sent, self.entropy(16), 1, Heard())
        return Bundle(
            id=self.entropy(16),
            sender=node_tag(self.node),
            to=(head,),
            created=now,
            expires=Millis(now + DAY_MS),
            parts=parts,
        )

    def resource(
        self,
        schemas: Sequence[str],
        fields: dict[str, Any],
        *,
        key: PrivateKey | None = None,
        user: Fingerprint | None = None,
        trust: ResourceId | None = None,
        at: int = NOW,
        **about: Any,
    ) -> SignedObject:
        """Return a resource that is signed by this node, and published nowhere."""
        payload = compose(
            schemas,
            fields,
            user=user or self.user,
            trust=trust or self.trust,
            about=About(stamp=Stamp(Millis(at)), **about),
        )
        return SignedObject.sign(payload, key or self.node_key)

    def message(self, text: str, **more: Any) -> SignedObject:
        return self.resource(["message"], {"message": text}, **more)


def make(name: str, *, now: Millis = NOW) -> MemoryNode:
    """Return a new node of a new user."""
    entropy = entropy_from(name)
    user, node = PrivateKey.create("ed25519", entropy), PrivateKey.create("ed25519", entropy)
    secrets = keystore.create(now, entropy, Millis(now + IDENTITY_LIFE_MS))
    founding = publishing.found(name, user, node, secrets.announcement(node.fingerprint), now)
    store = Store(None)
    store.found(founding.local, lambda: publishing.take_root(store.view, founding, now))
    return MemoryNode(user, node, store, Engine(store.view, node, entropy, Random(name)), entropy, secrets)


def friends(*names: str, now: Millis = NOW) -> list[MemoryNode]:
    """Return nodes that have all pinned and trusted each other."""
    found = [make(name, now=now) for name in names]
    for one, other in itertools.permutations(found, 2):
        one.meet(other, now=now)
    return found


def carry(one: MemoryNode, other: MemoryNode, link: Link = STICK, now: Millis = NOW) -> list[Effect]:
    """Bring to *other* what *one* has for it now; return what followed."""
    effects: list[Effect] = []
    for letter, bundle in one.poll(link, now):
        if letter.peer == other.node:
            effects += other.receive(bundle, one, link, now)
    return effects


def settle(one: MemoryNode, other: MemoryNode, link: Link = STICK, now: Millis = NOW) -> Millis:
    """Go back and forth between the two until neither has more to say; return when that was."""
    for _ in range(20):
        now = Millis(now + 1000)
        if not carry(one, other, link, now) and not carry(other, one, link, now):
            return now
    raise AssertionError("they never stop talking")


def told(effects: Iterable[Effect]) -> dict[str, str]:
    """Return what became of each item; fail if one item is told of twice."""
    tells = [each for each in effects if isinstance(each, Tell)]
    found = {each.item: each.outcome for each in tells}
    assert len(found) == len(tells), tells
    return found


def codes(effects: Iterable[Effect]) -> list[tuple[str, str]]:
    """Return (outcome, detail) of everything that was told."""
    return [(each.outcome, each.detail) for each in effects if isinstance(each, Tell)]
