"""Decryption by cryptography alone: RFC 6637 for X25519, and RFC 4880's integrity-protected packet.

It opens ten times as fast as pgpy, which matters for parcels that are others': each is tried with every own key.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from paquebot.vault import packets
from paquebot.vault.keystore import Subkey
from paquebot.vault.opening import damaged, other_cipher, subkey_fingerprint

__all__ = ["Native"]

_AES_256, _OTHERS = 9, (10, 13)  # those of 256 bits
_KEY_BYTES = 32
_POINT, _WRAPPED = slice(13, 45), slice(46, 94)
_PREFIX, _REPEATED = 18, 2
_CODE = 22
# The curve, the algorithm, the key derivation, and whom it is from.
_PARAMETERS = bytes.fromhex("0a2b0601040197550105011203010807") + b"Anonymous Sender    "


class Native:
    """The `Decryption` by cryptography."""

    def session(self, recipient: packets.Recipient, subkey: Subkey) -> bytes | None:
        """Return the AES-256 key that *recipient* hands to *subkey*, or None. See `Decryption`."""
        try:
            shared = _secret(subkey.secret).exchange(X25519PublicKey.from_public_bytes(bytes(recipient.body[_POINT])))
            seen = b"\0\0\0\1" + shared + _PARAMETERS + subkey_fingerprint(subkey.key)
            padded = aes_key_unwrap(hashlib.sha256(seen).digest()[:16], bytes(recipient.body[_WRAPPED]))
        except (ValueError, InvalidUnwrap):
            return None
        return _session(padded)

    def plain(self, sealed: memoryview, session: bytes) -> memoryview:
        """Return what was *sealed* under *session*. See `Decryption`."""
        decryptor = Cipher(AES256(session), _cfb()(bytes(16))).decryptor()
        data = decryptor.update(sealed) + decryptor.finalize()
        code = b"\xd3\x14" + hashlib.sha1(data[:-_CODE] + b"\xd3\x14", usedforsecurity=False).digest()
        if len(data) < _PREFIX + _CODE or not hmac.compare_digest(data[-_CODE:], code):
            raise damaged()
        if data[_PREFIX - _REPEATED : _PREFIX] != data[_PREFIX - 2 * _REPEATED : _PREFIX - _REPEATED]:
            raise damaged()
        return memoryview(data)[_PREFIX:-_CODE]


def _session(padded: bytes) -> bytes | None:
    """Return the key in: cipher, 32 bytes, their sum, and what fills it up to a multiple of eight (PKCS #7)."""
    cipher, session, check, fill = padded[0], padded[1:33], padded[33:35], padded[-1]
    filled = 0 < fill <= len(padded) - 35 and padded.endswith(bytes([fill]) * fill)
    if not filled or int.from_bytes(check, "big") != sum(session) & 0xFFFF:
        return None
    if cipher in _OTHERS:
        raise other_cipher()
    return session if cipher == _AES_256 else None


@cache
def _cfb() -> Any:
    """Return cipher feedback mode from where this cryptography keeps it."""
    try:
        from cryptography.hazmat.decrepit.ciphers.modes import CFB
    except ImportError:
        from cryptography.hazmat.primitives.ciphers.modes import CFB
    return CFB


def _secret(secret: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(secret)
