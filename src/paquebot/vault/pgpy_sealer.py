"""The sealer on pgpy, used packet by packet: it wraps and unwraps session keys; we decide what a message is.

pgpy's certificates, messages, armour and verdicts are never used: it accepts messages without integrity, signatures
from the future and grafted subkeys. It is imported on first use.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import algorithms

from paquebot.errors import Malformed
from paquebot.protocol.keys import EncryptionKey, Pins
from paquebot.protocol.stamp import Millis
from paquebot.vault import packets
from paquebot.vault.interior import Cover
from paquebot.vault.keystore import Secrets, Subkey
from paquebot.vault.opening import check_keys, damaged, open_envelope, other_cipher
from paquebot.vault.openpgp import clamped, secret_part, subkey_body
from paquebot.vault.sealer import Introduced, Opened
from paquebot.vault.sealing import Sealing, prepared

if TYPE_CHECKING:
    from paquebot.vault.letters import Letter

__all__ = ["PgpySealer"]

_RECIPIENTS_CACHED = 1024  # 2 kB each
_MDC_BYTES = 22


class PgpySealer:
    """A `Sealer` with the keys of *secrets*. Make a new one when they change."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._sealing = Sealing(secrets, lambda key, session: _wrap(_pgpy(), key, session))
        self._decryption = _Decryption()

    def seal(
        self,
        bundle: bytes,
        keys: Sequence[EncryptionKey],
        *,
        at: Millis,
        between: Cover | None = None,
        dictionary: bool = False,
    ) -> bytes:
        """Return *bundle* packed, signed as of *at* and encrypted to *keys*. See `Sealer`."""
        check_keys(keys, at)
        return self._sealing.seal(prepared(bundle, between, dictionary=dictionary), keys, at=at)

    def open(
        self,
        envelope: bytes,
        pins: Pins,
        *,
        now: Millis,
        doubtful: bool = False,
        introduced: Introduced | None = None,
    ) -> Opened:
        """Return what *envelope* holds if one of *pins* sealed it to us. See `Sealer`."""
        return open_envelope(
            self._decryption, self._secrets, envelope, pins, now=now, doubtful=doubtful, introduced=introduced
        )

    def read(self, message: bytes, pins: Pins, now: Millis) -> Letter:
        """Return the letter that a person wrote to us in *message*. See `Sealer`."""
        from paquebot.vault.letters import open_letter

        return open_letter(self._secrets, message, pins, now)


# Behind this line, pgpy.


class _Pgpy(NamedTuple):
    """What we use of pgpy."""

    Packet: Any
    Wrapped: Any
    Sealed: Any
    aes256: Any
    ecdh: Any


@cache
def _pgpy() -> _Pgpy:
    """Import pgpy where Python and cryptography have moved on, and take from it every cipher but AES."""
    with _imghdr():
        from pgpy import constants, symenc
        from pgpy.packet import Packet
        from pgpy.packet.packets import IntegrityProtectedSKEDataV1, PKESessionKeyV3

    ciphers = constants.SymmetricKeyAlgorithm
    allowed = {ciphers.AES128, ciphers.AES192, ciphers.AES256}  # the first wraps session keys

    def cipher(algorithm: Any) -> type[algorithms.AES]:
        if algorithm not in allowed:
            raise NotImplementedError
        return algorithms.AES

    def refuse(_algorithm: Any, _data: bytes) -> bytes:
        raise NotImplementedError

    # Its own table touches ciphers that cryptography removes one by one.
    ciphers.cipher = property(cipher)
    ciphers.is_supported = property(lambda algorithm: algorithm in allowed)
    constants.CompressionAlgorithm.decompress = refuse
    symenc.modes = types.SimpleNamespace(CFB=_cfb())
    return _Pgpy(Packet, PKESessionKeyV3, IntegrityProtectedSKEDataV1, ciphers.AES256, constants.PubKeyAlgorithm.ECDH)


@contextmanager
def _imghdr() -> Iterator[None]:
    """Stand in, while pgpy is imported, for a module that left Python in 3.13; pgpy wants it for photographs."""
    absent = sys.version_info >= (3, 13) and "imghdr" not in sys.modules
    if absent:
        sys.modules["imghdr"] = types.ModuleType("imghdr")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if absent:
            del sys.modules["imghdr"]


def _cfb() -> Any:
    """Return cipher feedback mode from where this cryptography keeps it."""
    try:
        from cryptography.hazmat.decrepit.ciphers.modes import CFB
    except ImportError:
        from cryptography.hazmat.primitives.ciphers.modes import CFB
    return CFB


def _parse(packet: bytes) -> Any:
    return _pgpy().Packet(bytearray(packet))


@lru_cache(maxsize=_RECIPIENTS_CACHED)
def _public_packet(point: bytes, created: Millis) -> Any:
    return _parse(packets.packet(packets.Tag.PUBLIC_SUBKEY, subkey_body(point, created)))


def _secret_packet(subkey: Subkey) -> bytes:
    key = subkey.key
    return packets.packet(
        packets.Tag.SECRET_SUBKEY,
        subkey_body(key.point, key.created) + secret_part(clamped(subkey.secret)),
    )


def _wrap(pgp: _Pgpy, key: EncryptionKey, session: bytes) -> bytes:
    """Return the packet that hands *session* to *key* without naming it. Raise `Malformed` if *key* is none."""
    wrapped = pgp.Wrapped()
    wrapped.pkalg = pgp.ecdh
    packet = _public_packet(key.point, key.created)
    try:
        wrapped.encrypt_sk(packet, pgp.aes256, session)
    except ValueError:
        raise Malformed("a recipient's key is no point that can keep a secret") from None
    return bytes(wrapped)


class _Decryption:
    """The `Decryption` by pgpy."""

    def __init__(self) -> None:
        self._own: dict[EncryptionKey, Any] = {}
        self._wrapped: tuple[memoryview, Any] | None = None

    def session(self, recipient: packets.Recipient, subkey: Subkey) -> bytes | None:
        packet = self._own.get(subkey.key)
        if packet is None:
            packet = self._own[subkey.key] = _parse(_secret_packet(subkey))
        try:
            cipher, session = self._parsed(recipient).decrypt_sk(packet)
        except MemoryError:
            raise
        except Exception:
            # pgpy fails in many ways; for us they are one: this key does not open it.
            return None
        if cipher != _pgpy().aes256 or len(session) != 32:
            raise other_cipher()
        return bytes(session)

    def _parsed(self, recipient: packets.Recipient) -> Any:
        """Return *recipient* as pgpy has it; it is mostly tried with several keys in a row."""
        if self._wrapped is None or self._wrapped[0] is not recipient.body:
            self._wrapped = recipient.body, _parse(packets.packet(packets.Tag.RECIPIENT, recipient.body))
        return self._wrapped[1]

    def plain(self, sealed: memoryview, session: bytes) -> memoryview:
        pgp = _pgpy()
        packet = pgp.Sealed()
        packet.ct = sealed
        try:
            plain: bytearray = packet.decrypt(session, pgp.aes256)
        except MemoryError:
            raise
        except Exception:
            raise damaged() from None
        return memoryview(plain)[:-_MDC_BYTES]
