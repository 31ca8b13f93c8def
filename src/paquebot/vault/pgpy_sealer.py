"""The sealer on pgpy, used packet by packet: it wraps session keys and encrypts; we decide what a message is.

pgpy's certificates, messages, armour and verdicts are never used: it accepts messages without integrity, signatures
from the future and grafted subkeys. It is imported on first use.
"""

from __future__ import annotations

import hashlib
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import algorithms

from paquebot.errors import BadSignature, Expired, Malformed, Misused, NotForUs, Stranger, TooLarge
from paquebot.protocol.keys import Announcement, EncryptionKey, Pins
from paquebot.protocol.limits import ENVELOPE_BYTES_MAX, RECIPIENTS_MAX
from paquebot.protocol.stamp import Millis
from paquebot.vault import packets
from paquebot.vault.keystore import Secrets, Subkey, signing_point
from paquebot.vault.openpgp import clamped, fingerprint, primary_body, secret_part, sign, subkey_body
from paquebot.vault.packing import pack, unpack
from paquebot.vault.policy import check_time
from paquebot.vault.sealer import Introduced, Opened

__all__ = ["PgpySealer"]

_RECIPIENTS_CACHED = 1024  # 2 kB each
_PINS_CACHED = 4096
_MDC_BYTES = 22


class PgpySealer:
    """A `Sealer` with the keys of *secrets*. Make a new one when they change."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._signer = Ed25519PrivateKey.from_private_bytes(secrets.signing)
        self._issuer = _primary(signing_point(secrets.signing), secrets.created)
        self._own: dict[EncryptionKey, Any] = {}

    def seal(self, bundle: bytes, keys: Sequence[EncryptionKey], *, at: Millis) -> bytes:
        """Return *bundle* packed, signed as of *at* and encrypted to *keys*. See `Sealer`."""
        if not keys:
            raise Misused("an envelope needs a recipient")
        if len(keys) > RECIPIENTS_MAX:
            raise TooLarge("an envelope cannot have more than 64 recipients")
        if any(key.expires <= at for key in keys):
            raise Expired("a recipient's key has expired")
        pgp = _pgpy()
        session = pgp.aes256.gen_key()
        parts = [_wrap(pgp, key, session) for key in keys]
        sealed = pgp.Sealed()
        sealed.encrypt(session, pgp.aes256, self._signed(pack(bundle), at))
        parts += (packets.packet_head(packets.Tag.SEALED, 1 + len(sealed.ct)), b"\x01", sealed.ct)
        envelope = b"".join(parts)
        if len(envelope) > ENVELOPE_BYTES_MAX:
            raise TooLarge("the envelope would be larger than 8 MiB")
        return envelope

    def _signed(self, data: bytes, at: Millis) -> bytes:
        signature = sign(packets.BINARY, hashlib.sha512(data), self._signer.sign, at=at, issuer=self._issuer)
        return b"".join((packets.one_pass(self._issuer), packets.literal_head(len(data)), data, signature))

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
        outside = packets.outer(envelope)
        subkey, session = self._unwrap(outside.recipients, now)
        plain = _decrypt(outside.sealed, session)
        inside = packets.inner(memoryview(plain)[:-_MDC_BYTES])
        issuer, bundle = inside.signature.issuer, None
        pinned = _pinned(pins, issuer)
        if not pinned and introduced is not None:
            bundle = unpack(inside.data)
            pinned = _pinned(introduced(bundle), issuer)
        if not pinned:
            raise Stranger(f"the envelope was sealed by {issuer.hex()[:16]}, who is not one of our peers")
        digest = packets.verify_digest(inside)
        try:
            Ed25519PublicKey.from_public_bytes(pinned[0][1].signing).verify(inside.signature.value, digest)
        except InvalidSignature:
            raise BadSignature("the signature is not by the key that it names") from None
        signers = _in_time(pinned, inside.signature, now, doubtful=doubtful)
        return Opened(
            bundle=unpack(inside.data) if bundle is None else bundle,
            signers=signers,
            created=inside.signature.created,
            key_kind=subkey.key.kind,
        )

    def _unwrap(self, recipients: Sequence[packets.Recipient], now: Millis) -> tuple[Subkey, bytes]:
        """Return the first own key that opens one of *recipients*, and the session key. Raise `NotForUs`."""
        own = self._secrets.likely(now)
        for recipient in recipients:
            wrapped = None
            for subkey in own:
                if recipient.key_id not in (packets.HIDDEN, _subkey_fingerprint(subkey.key)[-8:]):
                    continue
                wrapped = wrapped or _parse(packets.packet(packets.Tag.RECIPIENT, recipient.body))
                session = self._try(wrapped, subkey)
                if session is not None:
                    return subkey, session
        raise NotForUs("none of our keys opens the envelope")

    def _try(self, wrapped: Any, subkey: Subkey) -> bytes | None:
        packet = self._own.get(subkey.key)
        if packet is None:
            packet = self._own[subkey.key] = _parse(_secret_packet(subkey))
        try:
            cipher, session = wrapped.decrypt_sk(packet)
        except MemoryError:
            raise
        except Exception:
            # pgpy fails in many ways; for us they are one: this key does not open it.
            return None
        if cipher != _pgpy().aes256 or len(session) != 32:
            raise Malformed("the envelope is encrypted with another cipher than AES-256")
        return bytes(session)


def _pinned(pins: Pins, issuer: bytes) -> list[tuple[str, Announcement]]:
    """Return the nodes whose pinned primary key has the fingerprint *issuer*."""
    found = []
    for node, announcement in pins.items():
        try:
            if _primary(announcement.signing, announcement.created) == issuer:
                found.append((node, announcement))
        except Malformed:
            # One peer's impossible announcement must not keep us from hearing the others.
            continue
    return found


def _in_time(
    pinned: Sequence[tuple[str, Announcement]], signature: packets.Signature, now: Millis, *, doubtful: bool
) -> tuple[str, ...]:
    """Return those of *pinned* who could have made *signature* when it says. Raise `Expired` if none could."""
    found, errors = [], []
    for node, signer in pinned:
        try:
            check_time(signer, signature.created, now, lasts_ms=signature.lasts_ms, doubtful=doubtful)
        except Expired as error:
            errors.append(error)
        else:
            found.append(node)
    if not found:
        raise errors[-1]
    return tuple(found)


@lru_cache(maxsize=_PINS_CACHED)
def _primary(signing: bytes, created: Millis) -> bytes:
    return fingerprint(primary_body(signing, created))


@lru_cache(maxsize=_PINS_CACHED)
def _subkey_fingerprint(key: EncryptionKey) -> bytes:
    return fingerprint(subkey_body(key.point, key.created))


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


def _decrypt(sealed: memoryview, session: bytes) -> bytearray:
    """Return the plaintext, modification detection code and all, which has been checked. Raise `BadSignature`."""
    pgp = _pgpy()
    packet = pgp.Sealed()
    packet.ct = sealed
    try:
        plain: bytearray = packet.decrypt(session, pgp.aes256)
    except MemoryError:
        raise
    except Exception:
        raise BadSignature("the envelope was damaged on the way, or forged") from None
    return plain
