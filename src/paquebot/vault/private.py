"""Private resources: a body that some readers can open, and nobody else (schemas ``sealed`` and ``wrap``).

    content key   32 fresh random bytes
    body          32 bytes of commitment, then ChaCha20-Poly1305 of the inner container
    a reader      ChaCha20-Poly1305 of the content key: 48 bytes
    a chunk       ChaCha20-Poly1305 of a piece of a large file, under a key that lies in the body

Body key and commitment come from the content key by HKDF-SHA-256 (RFC 5869): whoever opens a body knows that every
other reader opened the same one. A reader's key comes by HKDF from the X25519 secret (RFC 7748) of a fresh ephemeral
key and the reader's storage key, bound to both points and to what the wrap is for. All these keys encrypt once, so
their nonce is zero; chunks count in theirs, and mark the last one (STREAM: Hoang, Reyhanitabar, Rogaway, Vizár 2015).
No entry names its reader: readers try each. Whatever is wrong, there is one error.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from paquebot.errors import Malformed, NotForUs
from paquebot.frozen import frozen
from paquebot.protocol.limits import CHUNK_BYTES
from paquebot.vault.keystore import exchange_point

__all__ = ["KEY_BYTES", "PIECE_BYTES", "Wraps", "content_key", "open_body", "open_chunks", "seal_body", "seal_chunks"]

Entropy = Callable[[int], bytes]

KEY_BYTES = 32
TAG_BYTES = 16
PIECE_BYTES = CHUNK_BYTES - TAG_BYTES
"""Of a large file: sealed, a piece is a chunk."""
_NONCE = bytes(12)
_LAST = 1 << 64


@frozen
class Wraps:
    """A content key for some readers: ``point`` and ``readers`` of the schemas ``sealed`` and ``wrap``."""

    point: bytes
    """The ephemeral X25519 point."""
    readers: tuple[bytes, ...]
    """48 bytes each, sorted: their order tells nothing."""

    @classmethod
    def make(cls, content: bytes, readers: Iterable[bytes], subject: bytes, entropy: Entropy) -> Wraps:
        """Return *content*, a content key, wrapped to the storage points *readers* for use with *subject* alone.

        *subject* is the user's fingerprint for a ``sealed`` resource, the sealed resource's name for a ``wrap``.
        Raise `Malformed` if a point is none that can keep a secret.
        """
        secret = entropy(KEY_BYTES)
        point = exchange_point(secret)
        wrapped = (_Wrapping(secret, each, point, each, subject).seal(content) for each in readers)
        return cls(point, tuple(sorted(wrapped)))

    def open(self, storage: bytes, subject: bytes) -> bytes | None:
        """Return the content key if one entry was made for the owner of the secret *storage*, else None."""
        try:
            wrapping = _Wrapping(storage, self.point, self.point, exchange_point(storage), subject)
        except Malformed:
            return None
        found = [content for each in self.readers if (content := wrapping.open(each)) is not None]
        return found[0] if found else None


class _Wrapping:
    """What seals or opens one reader's entry: both sides of the exchange compute the same."""

    def __init__(self, secret: bytes, other: bytes, ephemeral: bytes, reader: bytes, subject: bytes) -> None:
        try:
            shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError:
            raise Malformed("a reader's storage key is no point that can keep a secret") from None
        self._key = ChaCha20Poly1305(_derive(shared, b"paquebot sealed reader" + ephemeral + reader, KEY_BYTES))
        self._subject = subject

    def seal(self, content: bytes) -> bytes:
        return self._key.encrypt(_NONCE, content, self._subject)

    def open(self, entry: bytes) -> bytes | None:
        try:
            return self._key.decrypt(_NONCE, entry, self._subject)
        except InvalidTag:
            return None


def _derive(secret: bytes, use: bytes, count: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=count, salt=None, info=use).derive(secret)


def content_key(entropy: Entropy) -> bytes:
    """Return a fresh content key."""
    return entropy(KEY_BYTES)


def seal_body(inner: bytes, content: bytes, user: bytes) -> bytes:
    """Return the body that holds *inner*, for a resource of the user with the raw fingerprint *user* alone."""
    key, commitment = _body_keys(content)
    return commitment + ChaCha20Poly1305(key).encrypt(_NONCE, inner, user)


def open_body(body: bytes, content: bytes, user: bytes) -> bytes:
    """Return what `seal_body` was given. Raise `NotForUs`, whatever is wrong."""
    key, commitment = _body_keys(content)
    if not hmac.compare_digest(body[:KEY_BYTES], commitment):
        raise closed()
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, body[KEY_BYTES:], user)
    except InvalidTag:
        raise closed() from None


def closed() -> NotForUs:
    """Return the one error of everything that does not open."""
    return NotForUs("a private resource opens with none of our keys")


def _body_keys(content: bytes) -> tuple[bytes, bytes]:
    both = _derive(content, b"paquebot sealed body", 2 * KEY_BYTES)
    return both[:KEY_BYTES], both[KEY_BYTES:]


def seal_chunks(pieces: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """Yield the chunks that hold *pieces*, each of `PIECE_BYTES` but the last; at least one. Memory is one piece."""
    cipher = ChaCha20Poly1305(key)
    held: bytes | None = None
    number = 0
    for piece in pieces:
        if held is not None:
            yield cipher.encrypt(_chunk_nonce(number, last=False), held, None)
            number += 1
        held = piece
    if held is not None:
        yield cipher.encrypt(_chunk_nonce(number, last=True), held, None)


def open_chunks(chunks: Iterable[bytes], key: bytes, count: int) -> Iterator[bytes]:
    """Yield the pieces in *chunks*, of which there are *count*.

    Raise `Malformed` at the first that is damaged, out of its place, or the last before its time.
    """
    cipher = ChaCha20Poly1305(key)
    for number, chunk in enumerate(chunks):
        try:
            yield cipher.decrypt(_chunk_nonce(number, last=number == count - 1), chunk, None)
        except InvalidTag:
            raise Malformed("a private file's chunks are not those that its author sealed") from None


def _chunk_nonce(number: int, *, last: bool) -> bytes:
    return (number + (_LAST if last else 0)).to_bytes(12, "big")


def size_sealed(size: int) -> int:
    """Return the size of the chunks of a file of *size* bytes.

    >>> size_sealed(1), size_sealed(PIECE_BYTES), size_sealed(PIECE_BYTES + 1) - CHUNK_BYTES
    (17, 1044480, 17)
    """
    return size + TAG_BYTES * -(-size // PIECE_BYTES)
