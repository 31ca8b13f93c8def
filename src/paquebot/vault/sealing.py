"""What every sealer does to seal an envelope: the packets are ours, whichever library hands over the session key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from io import BytesIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from paquebot.protocol.keys import EncryptionKey
from paquebot.protocol.stamp import Millis
from paquebot.vault import native, packets
from paquebot.vault.interior import Cover, cover
from paquebot.vault.keystore import Secrets, signing_point
from paquebot.vault.opening import check_size, primary
from paquebot.vault.openpgp import sign
from paquebot.vault.packing import pieces

__all__ = ["Sealing", "Wrap", "prepared"]

Wrap = Callable[[EncryptionKey, bytes], bytes]
"""Return the packet that hands an AES-256 key to a recipient without naming it. Raise `Malformed` if that is none."""
SESSION_BYTES = 32


class Sealing:
    """Seals with *secrets*; *wrap* is how a library hands over session keys."""

    def __init__(self, secrets: Secrets, wrap: Wrap) -> None:
        self._signer = Ed25519PrivateKey.from_private_bytes(secrets.signing)
        self._issuer = primary(signing_point(secrets.signing), secrets.created)
        self._wrap = wrap

    def seal(self, parts: Sequence[bytes], keys: Sequence[EncryptionKey], *, at: Millis) -> bytes:
        """Return *parts*, as `prepared`, signed as of *at* and encrypted to *keys*. Raise as `Sealer.seal` does."""
        session = os.urandom(SESSION_BYTES)
        wrapped = [self._wrap(key, session) for key in keys]
        inside = self.signed(parts, at)
        size = 1 + sum(map(len, inside)) + native.GROWTH_BYTES
        outside = b"".join((*wrapped, packets.packet_head(packets.Tag.SEALED, size), b"\x01"))
        envelope = BytesIO(bytes(len(outside) - 1 + size))  # written in place: it may have megabytes
        with envelope.getbuffer() as room:
            room[: len(outside)] = outside
            native.encrypt(inside, session, room[len(outside) :])
        return check_size(envelope.getvalue())

    def signed(self, parts: Sequence[bytes], at: Millis) -> tuple[bytes, ...]:
        """Return *parts* and their signature as of *at*: packets, in pieces."""
        hasher = hashlib.sha256()  # most processors have it in hardware, SHA-512 few
        for part in parts:
            hasher.update(part)
        signature = sign(packets.BINARY, hasher, self._signer.sign, at=at, issuer=self._issuer)
        head = packets.literal_head(sum(map(len, parts)))
        return packets.one_pass(self._issuer, packets.SHA256), head, *parts, signature


def prepared(bundle: bytes, between: Cover | None, *, dictionary: bool) -> tuple[bytes, ...]:
    """Return *bundle* packed and, if it goes by mail *between* two, covered: pieces. Raise as `Sealer.seal` does."""
    packed = pieces(bundle, dictionary=dictionary)
    return packed if between is None else (cover(b"".join(packed), between),)
