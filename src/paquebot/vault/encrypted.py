"""SDMP's own form of private data, schema ``encrypted``: for readers whose identities are RSA keys.

AES-256-CBC with PKCS #7 padding under a fresh key, which is given to each reader by RSA with PKCS #1 v1.5 padding. It
authenticates nothing, so it is opened only where a verified signature covers it, and whatever is wrong, there is one
error: every entry is tried to its end, an entry that is not ours yields a key like any other (implicit rejection, RFC
3218), and nothing that could tell the two apart is ever sent to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from paquebot.errors import Malformed
from paquebot.protocol.encoding import b64, unb64
from paquebot.protocol.identity import PrivateKey, PublicKey

__all__ = ["ENTRIES_MAX", "KEY_BYTES", "keys", "open_payload", "read", "seal", "suits"]

Entropy = Callable[[int], bytes]

KEY_BYTES = 32
ENTRIES_MAX = 64  # each costs an RSA operation of the reader
_BLOCK = 16


def suits(readers: Sequence[PublicKey]) -> bool:
    """Return whether all *readers* can read this form."""
    return 0 < len(readers) <= ENTRIES_MAX and all(isinstance(each.key, RSAPublicKey) for each in readers)


def seal(inner: bytes, readers: Sequence[PublicKey], entropy: Entropy) -> dict[str, Any]:
    """Return the ``encrypted`` object that holds *inner* for *readers*, whom it `suits`.

    RSA's padding takes randomness of its own.
    """
    rsa = [each.key for each in readers if isinstance(each.key, RSAPublicKey)]
    key, iv = entropy(KEY_BYTES), entropy(_BLOCK)
    fill = _BLOCK - len(inner) % _BLOCK
    cipher = Cipher(AES256(key), CBC(iv)).encryptor()
    return {
        "iv": b64(iv),
        "payload": b64(cipher.update(inner + bytes([fill]) * fill) + cipher.finalize()),
        "recipients": [{"key": b64(entry)} for entry in sorted(each.encrypt(key, PKCS1v15()) for each in rsa)],
    }


def read(value: dict[str, Any]) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    """Return (iv, payload, entries) of a validated ``encrypted`` object. Raise `Malformed`."""
    iv, payload = unb64(value["iv"]), unb64(value["payload"])
    if len(iv) != _BLOCK or len(payload) % _BLOCK:
        raise Malformed("an encrypted payload is not made of whole blocks")
    return iv, payload, tuple(unb64(each["key"]) for each in value["recipients"])


def keys(entries: Sequence[bytes], reader: PrivateKey, entropy: Entropy) -> Iterator[bytes]:
    """Yield a key for every entry of *reader*'s size: what it holds, or a random one, and nobody learns which."""
    key = reader.key
    for entry in entries[:ENTRIES_MAX]:
        if not isinstance(key, RSAPrivateKey) or len(entry) != key.key_size // 8:
            continue
        instead = entropy(KEY_BYTES)
        try:
            found = key.decrypt(entry, PKCS1v15())
        except ValueError:
            found = instead
        yield found if len(found) == KEY_BYTES else instead


def open_payload(iv: bytes, payload: bytes, key: bytes) -> bytes:
    """Return what *payload* holds under *key*: with another key, noise. Padding that is none stays where it is.

    SDMP's text fills up with NUL, its example files with PKCS #7 or not at all.
    """
    cipher = Cipher(AES256(key), CBC(iv)).decryptor()
    data = cipher.update(payload) + cipher.finalize()
    fill = data[-1] if data else 0
    padded = 1 <= fill <= _BLOCK and data[-fill:] == bytes([fill]) * fill
    return data[:-fill] if padded else data
