"""Seals that hide nothing and cost nothing, for villages of many nodes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from paquebot.errors import BadSignature, Malformed, NotForUs, Stranger
from paquebot.protocol.encoding import Fingerprint, b64, raw
from paquebot.protocol.keys import EncryptionKey, Pins
from paquebot.protocol.stamp import Millis
from paquebot.vault.keystore import Secrets
from paquebot.vault.letters import Letter
from paquebot.vault.policy import check_time
from paquebot.vault.sealer import Introduced, Opened

POINT_BYTES = 32


class PlainSealer:
    """A `Sealer` that hides nothing, but whose envelopes only those can make who know what honest nodes share."""

    MAGIC = b"plain envelope 1"
    HEAD = len(MAGIC) + 32
    CLEAR = struct.Struct(">64sQB")
    """Who sealed it, when, and to how many keys; their points follow, and then the bundle."""

    def __init__(self, node: Fingerprint, secrets: Secrets, shared: bytes) -> None:
        self._node = node
        self._secrets = secrets
        self._points = {each.key.point: each.key.kind for each in secrets.subkeys}
        self._shared = shared

    def seal(self, bundle: bytes, keys: Sequence[EncryptionKey], *, at: Millis, **form: Any) -> bytes:
        """Return *bundle* with who sealed it, for whom, and a proof of it."""
        points = b"".join(key.point for key in keys)
        body = self.CLEAR.pack(raw(self._node), at, len(keys)) + points + bundle
        return self.MAGIC + self._proof(body) + body

    def _proof(self, body: bytes) -> bytes:
        return blake2b(body, key=self._shared, digest_size=32).digest()

    def open(
        self,
        envelope: bytes,
        pins: Pins,
        *,
        now: Millis,
        doubtful: bool = False,
        introduced: Introduced | None = None,
    ) -> Opened:
        """Return what *envelope* holds; refuse in the same order and with the same errors as the real sealer."""
        body = envelope[self.HEAD :]
        if not envelope.startswith(self.MAGIC) or len(body) < self.CLEAR.size:
            raise Malformed("not an envelope")
        name, created, count = self.CLEAR.unpack_from(body)
        end = self.CLEAR.size + POINT_BYTES * count
        points = [body[at : at + POINT_BYTES] for at in range(self.CLEAR.size, end, POINT_BYTES)]
        kind = next((self._points[point] for point in points if point in self._points), None)
        if kind is None:
            raise NotForUs("none of our keys opens the envelope")
        node, bundle = b64(name), body[end:]
        if node not in pins and introduced is not None:
            pins = introduced(bundle)
        if node not in pins:
            raise Stranger("the envelope was sealed by a stranger")
        if self._proof(body) != envelope[len(self.MAGIC) : self.HEAD]:
            raise BadSignature("the envelope was damaged on the way, or forged")
        check_time(pins[node], Millis(created), now, doubtful=doubtful)
        return Opened(bundle, (node,), Millis(created), kind)

    def read(self, message: bytes, pins: Pins, now: Millis) -> Letter:
        """Refuse: no person writes to a village."""
        raise NotForUs("none of our keys opens it")
