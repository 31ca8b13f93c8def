"""A node's envelope keys as announced to its peers, and the choice of one to seal to.

Three classes (design: forward secrecy without a session; compare Autocrypt v2 and draft-brown-pgp-pfs):
*fast* keys live for days, *dated* ones are issued ahead for windows of a month each, the *recovery* key lives as
long as the identity and seals no bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from paquebot.frozen import frozen
from paquebot.protocol.stamp import Millis


class KeyClass(StrEnum):
    """What a key may be used for, and how long."""

    FAST = "fast"
    DATED = "dated"
    RECOVERY = "recovery"


@frozen(order=True)
class EncryptionKey:
    """One X25519 key to which a node can be sealed."""

    expires: Millis
    created: Millis
    """The creation time of its OpenPGP subkey packet, in whole seconds."""
    point: bytes
    """32 bytes."""
    kind: KeyClass


@frozen
class Announcement:
    """What a node's peers pin of it to exchange envelopes: exact keys, no certificate semantics."""

    node: str
    """The node's SDMP fingerprint."""
    created: Millis
    """The creation time of the OpenPGP primary key, in whole seconds."""
    signing: bytes
    """32 bytes: the Ed25519 point of the OpenPGP primary key, which signs and certifies."""
    storage: bytes
    """32 bytes: the long-term X25519 point for private resources and, with our own, for keyed tags."""
    keys: tuple[EncryptionKey, ...]

    def pick(self, now: Millis, latency_ms: int) -> EncryptionKey | None:
        """Return the earliest-expiring key that outlives *now* by the link's latency, else recovery, else None.

        Never an expired one.
        """
        live = sorted(key for key in self.keys if key.expires > now + latency_ms)
        bodies = [key for key in live if key.kind is not KeyClass.RECOVERY]
        return next(iter(bodies or live), None)


Pins = Mapping[str, Announcement]
"""The announcements of all pinned peers, by node fingerprint."""
