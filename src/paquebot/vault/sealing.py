"""What every sealer does to seal an envelope: the packets are ours, whichever library hands over the session key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from paquebot.protocol.keys import EncryptionKey
from paquebot.protocol.stamp import Millis
from paquebot.vault import native, packets
from paquebot.vault.keystore import Secrets, signing_point
from paquebot.vault.opening import check_size, primary
from paquebot.vault.openpgp import sign

__all__ = ["Sealing", "Wrap"]

Wrap = Callable[[EncryptionKey, bytes], bytes]
"""Return the packet that hands an AES-256 key to a recipient without naming it. Raise `Malformed` if that is none."""
SESSION_BYTES = 32


class Sealing:
    """Seals with *secrets*; *wrap* is how a library hands over session keys."""

    def __init__(self, secrets: Secrets, wrap: Wrap) -> None:
        self._signer = Ed25519PrivateKey.from_private_bytes(secrets.signing)
        self._issuer = primary(signing_point(secrets.signing), secrets.created)
        self._wrap = wrap

    def seal(self, data: bytes, keys: Sequence[EncryptionKey], *, at: Millis) -> bytes:
        """Return *data*, which is packed, signed as of *at* and encrypted to *keys*. Raise as `Sealer.seal` does."""
        session = os.urandom(SESSION_BYTES)
        wrapped = [self._wrap(key, session) for key in keys]
        inside = self.signed(data, at)
        size = 1 + sum(map(len, inside)) + native.GROWTH_BYTES
        head = packets.packet_head(packets.Tag.SEALED, size) + b"\x01"
        return check_size(b"".join((*wrapped, head, *native.encrypted(inside, session))))

    def signed(self, data: bytes, at: Millis) -> tuple[bytes, ...]:
        """Return *data* and its signature as of *at*: packets, in pieces."""
        signature = sign(packets.BINARY, hashlib.sha512(data), self._signer.sign, at=at, issuer=self._issuer)
        return packets.one_pass(self._issuer), packets.literal_head(len(data)), data, signature
