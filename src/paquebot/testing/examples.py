"""Small true values to fill a store with: a node, peers, letters, resources; and what a store is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any, Protocol

from paquebot.protocol import journal, publishing
from paquebot.protocol.effects import (
    Effect,
)
from paquebot.protocol.encoding import Fingerprint, ResourceId, digest
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import RELEASED_MS
from paquebot.protocol.publishing import Founding
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter, Local, Peer, Plan
from paquebot.vault import keystore

NOW = Millis(RELEASED_MS)
PEER = Fingerprint(digest(b"a peer"))
OTHER = Fingerprint(digest(b"another peer"))
WRITER = Fingerprint(digest(b"somebody who writes"))


class AnyStore(Protocol):
    """What a store does."""

    blobs: Any

    @property
    def view(self) -> Any:
        """What the node knows."""

    def found(self, local: Local, effects: Any) -> None:
        """Add the local node."""

    def succeed(self, local: Local, last: int, effects: Any) -> None:
        """Let another node take over."""

    def commit(self, effects: Iterable[Effect]) -> list[Effect]:
        """Carry out all effects, or none."""

    def carry(self, transport: str, changes: Mapping[str, bytes | None]) -> None:
        """Set a transport's state."""

    def release(self, data: bytes) -> None:
        """Forget that something was set aside."""

    def purge(self, pieces: Iterable[int]) -> None:
        """Delete the bytes of pieces that were set aside."""

    def judged(self, piece: int, code: str, reason: str) -> None:
        """Note why a piece is refused now."""

    def remove_peer(self, node: Fingerprint) -> None:
        """Forget a peer."""

    def show(self, resource: ResourceId) -> None:
        """Note that a person has seen a resource."""


def founding() -> Founding:
    """Return a node, always the same."""
    entropy = Random("store contract").randbytes
    user, node = (PrivateKey.create("ed25519", entropy) for _ in range(2))
    secrets = keystore.create(NOW, entropy, Millis(NOW + 10**12))
    return publishing.found("Ada", user, node, secrets.announcement(node.fingerprint), NOW)


def resource(name: str) -> SignedObject:
    """Return a resource by nobody in particular."""
    return SignedObject.sign(name.encode(), PrivateKey.create("ed25519", Random("anybody").randbytes))


def peer(node: Fingerprint = PEER, **fields: Any) -> Peer:
    """Return a peer of whom little is known."""
    base = Peer(
        node=node, user=WRITER, name=node[:4], reads=True, publishes=True, added=NOW, heard_id=journal.root(node)
    )
    return replace(base, **fields)


def letter(number: int, *, to: Fingerprint = PEER, medium: str = "mail", **fields: Any) -> Letter:
    """Return a letter that carries lines 3 to 4 and more."""
    plan = Plan(lines=Ranges.of((3, 4)), bodies=Ranges.of((4, 4)), replies=(7,), ask_journal=True)
    base = Letter(
        id=sha256(b"id %d" % number).digest()[:16],
        peer=to,
        medium=medium,
        sequence=number,
        token=sha256(b"token %d" % number).digest()[:16],
        created=NOW,
        expires=Millis(NOW + 5),
        plan=plan,
    )
    return replace(base, **fields)


class Cut(Exception):
    """The source of effects failed."""


def cut(*effects: Effect) -> Iterator[Effect]:
    """Ask for *effects*, then fail."""
    yield from effects
    raise Cut
