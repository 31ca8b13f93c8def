"""A long file, sealed piece by piece, so that it is written and read in little memory and any damage is noticed.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015), as in the age format: pieces of 64 KiB, each
under ChaCha20-Poly1305 with a nonce of eleven bytes of its number and one byte that is 1 for the last. What stands
before the pieces is bound to each of them. A file cut anywhere, even between pieces, is refused.
"""

from __future__ import annotations

from hashlib import sha256
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from paquebot.errors import Malformed

__all__ = ["PIECE_BYTES", "PLAIN", "Reader", "Writer"]

PIECE_BYTES = 64 * 1024
PLAIN = bytes(32)
"""The key that everybody knows: what it seals is not secret, but still no damage passes."""
_TAG_BYTES = 16


class Writer:
    """Seals what is written to it into *target*. `close` makes it whole."""

    def __init__(self, target: BinaryIO, key: bytes, head: bytes) -> None:
        self._target = target
        self._cipher = ChaCha20Poly1305(key)
        self._head = sha256(head).digest()
        self._waiting = bytearray()
        self._number = 0

    def write(self, data: bytes) -> None:
        """Take *data*."""
        self._waiting += data
        # The last piece is known only at the end: one that is just full waits for what follows it.
        while len(self._waiting) > PIECE_BYTES:
            self._seal(last=False)

    def close(self) -> None:
        """Write the last piece, which may be empty."""
        self._seal(last=True)

    def _seal(self, *, last: bool) -> None:
        piece = bytes(self._waiting[:PIECE_BYTES])
        del self._waiting[:PIECE_BYTES]
        self._target.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, self._head))
        self._number += 1


class Reader:
    """Opens what a `Writer` sealed. Nothing unproved is ever returned."""

    def __init__(self, source: BinaryIO, key: bytes, head: bytes) -> None:
        self._source = source
        self._key = key
        self._cipher = ChaCha20Poly1305(key)
        self._head = sha256(head).digest()
        self._ready = bytearray()
        self._number = 0
        self._ahead = source.read(PIECE_BYTES + _TAG_BYTES)
        self._begins = self._ahead[:64]
        self._ended = False

    def read(self, count: int) -> bytes:
        """Return up to *count* bytes, fewer only at the end. Raise `Malformed` for damage, or the wrong key."""
        while len(self._ready) < count and not self._ended:
            self._next()
        data = bytes(self._ready[:count])
        del self._ready[:count]
        return data

    def readline(self, most: int) -> bytes:
        """Return the next line without its end. Raise `Malformed` if it is longer than *most* bytes, or none ends."""
        while (end := self._ready.find(b"\n")) < 0 and len(self._ready) <= most and not self._ended:
            self._next()
        if not 0 <= end <= most:
            raise Malformed("the file is not of the form that it should be")
        line = bytes(self._ready[:end])
        del self._ready[: end + 1]
        return line

    def seems_to_begin(self, known: bytes) -> bool:
        """Return whether the key would make *known* of the file's beginning. It proves nothing: it is for messages."""
        return any(
            Cipher(ChaCha20(self._key, b"\1\0\0\0" + _nonce(0, last=last)), mode=None)
            .decryptor()
            .update(self._begins[: len(known)])
            == known
            for last in (False, True)
        )

    def finish(self) -> None:
        """Raise `Malformed` unless everything was read."""
        if self.read(1):
            raise Malformed("something follows where the file should end")

    def _next(self) -> None:
        piece, self._ahead = self._ahead, self._source.read(PIECE_BYTES + _TAG_BYTES)
        self._ended = not self._ahead
        try:
            self._ready += self._cipher.decrypt(_nonce(self._number, last=self._ended), piece, self._head)
        except InvalidTag:
            whose = "" if self._number else ", or locked by another passphrase"
            raise Malformed(f"the file is damaged or cut off{whose}") from None
        self._number += 1


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
