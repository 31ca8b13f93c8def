"""Run a village of nodes through a month of bad weather, from one seed.

    python -m paquebot.testing.simulation 1234 [SEED...]
    python -m paquebot.testing.simulation --seeds 100 [--real]

Engines, inboxes and outboxes are the real ones. Only the post, the clocks and the power supply are not; with
``--real``, stores and seals are real too. First the weather is foul, and every promise is checked after every step
(*safety*, *frugality*; see `paquebot.testing.witness`); then it clears, and everyone must end up with everything
(*liveness*) and fall silent. One thread; a seed replays exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import cast

from paquebot.errors import BadSignature, Malformed, NotForUs, Stranger
from paquebot.protocol import cbor
from paquebot.protocol.effects import Effect
from paquebot.protocol.encoding import Fingerprint, b64, raw
from paquebot.protocol.keys import EncryptionKey, Pins
from paquebot.protocol.limits import HOUR_MS, RELEASED_MS
from paquebot.protocol.stamp import Millis
from paquebot.store import Store
from paquebot.testing.memory import MemoryStore
from paquebot.testing.witness import WideView
from paquebot.vault.keystore import Secrets
from paquebot.vault.policy import check_time
from paquebot.vault.sealer import Opened

START_MS = RELEASED_MS + 12 * HOUR_MS  # a clock that nobody set is half a day behind
STEPS_MIN = 300
CHUNK_BYTES = 4_096


class Crash(BaseException):
    """The power went. Deliberately not an `Exception`: nobody may catch it."""


class PlainSealer:
    """A `Sealer` that hides nothing and cannot be forged by who lacks the secret that all honest nodes share."""

    MAGIC = b"plain envelope 1"
    HEAD = len(MAGIC) + 32

    def __init__(self, node: Fingerprint, secrets: Secrets, shared: bytes) -> None:
        self._node = node
        self._secrets = secrets
        self._shared = shared

    def seal(self, bundle: bytes, keys: Sequence[EncryptionKey], *, at: Millis) -> bytes:
        """Return *bundle* with who sealed it, for whom, and a proof of it."""
        body = cbor.encode({0: raw(self._node), 1: [key.point for key in keys], 2: at, 3: bundle})
        return self.MAGIC + self._proof(body) + body

    def _proof(self, body: bytes) -> bytes:
        return blake2b(body, key=self._shared, digest_size=32).digest()

    def open(self, envelope: bytes, pins: Pins, *, now: Millis) -> Opened:
        """Return what *envelope* holds; refuse in the same order and with the same errors as the real sealer."""
        match cbor.decode(envelope[self.HEAD :]) if envelope.startswith(self.MAGIC) else None:
            case {0: bytes(node), 1: list(points), 2: int(created), 3: bytes(bundle)}:
                pass
            case _:
                raise Malformed("not an envelope")
        own = next((each.key for each in self._secrets.usable(now) if each.key.point in points), None)
        if own is None:
            raise NotForUs("none of our keys opens the envelope")
        signer = pins.get(b64(node))
        if signer is None:
            raise Stranger("the envelope was sealed by a stranger")
        check_time(signer, Millis(created), now)
        if self._proof(envelope[self.HEAD :]) != envelope[len(self.MAGIC) : self.HEAD]:
            raise BadSignature("the envelope was damaged on the way, or forged")
        return Opened(bundle, b64(node), Millis(created), own.kind)


@dataclass(slots=True)
class Wiring:
    """The power supply of one house."""

    dice: Random
    chance: float
    dead: bool = False

    def fails(self) -> bool:
        """Decide whether the power goes now; what comes after that does not happen any more."""
        self.dead = self.dead or (self.chance > 0 and self.dice.random() < self.chance)
        return self.dead


class WatchedStore:
    """A store whose power may go in the middle of a transaction or right after it."""

    def __init__(self, inner: MemoryStore | Store, wiring: Wiring, house: House) -> None:
        self.inner = inner
        self._wiring = wiring
        self._house = house

    @property
    def view(self) -> WideView:
        """The inner store's view."""
        return cast(WideView, self.inner.view)

    def commit(self, effects: Iterable[Effect]) -> list[Effect]:
        """Commit unless the power goes, and let the witness see it."""
        if self._wiring.dead:
            raise Crash
        if not self._wiring.fails():
            return self._commit(effects)
        before = _content(self.inner)
        try:
            self._commit(self._cut(effects, self._wiring.dice.randint(1, 12)))
        finally:
            if sys.exception_is_crash():  # type: ignore[attr-defined]
                assert _content(self.inner) == before, "half a transaction survived"
        raise Crash

    def _commit(self, effects: Iterable[Effect]) -> list[Effect]:
        house = self._house
        house.engine.heard = None
        done = self.inner.commit(effects)
        house.witness.committed(house.node, done, house.engine.heard, incoming=house.draining)
        return done

    def _cut(self, effects: Iterable[Effect], count: int) -> Iterator[Effect]:
        for number, effect in enumerate(effects):
            if number == count:
                raise Crash
            yield effect

    def carry(self, transport: str, key: str, value: bytes | None) -> None:
        """Pass on to the inner store."""
        self.inner.carry(transport, key, value)
