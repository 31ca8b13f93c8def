"""What every sealer does to open an envelope: the checks are ours, whichever library gets at the content."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from paquebot.errors import BadSignature, Expired, Malformed, Misused, NotForUs, Stranger, TooLarge
from paquebot.protocol.keys import Announcement, EncryptionKey, Pins
from paquebot.protocol.limits import ENVELOPE_BYTES_MAX, RECIPIENTS_MAX
from paquebot.protocol.stamp import Millis
from paquebot.vault import packets
from paquebot.vault.interior import uncover
from paquebot.vault.keystore import Secrets, Subkey
from paquebot.vault.openpgp import fingerprint, primary_body, subkey_body
from paquebot.vault.packing import unpack
from paquebot.vault.policy import check_time
from paquebot.vault.sealer import Introduced, Opened

__all__ = [
    "Decryption", "check_keys", "check_size", "damaged", "open_envelope", "other_cipher", "pinned_by", "primary",
    "subkey_id",
]  # fmt: skip

_PINS_CACHED = 4096


class Decryption(Protocol):
    """How a library gets at what an envelope holds."""

    def session(self, recipient: packets.Recipient, subkey: Subkey) -> bytes | None:
        """Return the AES-256 key that *recipient* hands to *subkey*, or None. Raise `other_cipher`."""

    def plain(self, sealed: memoryview, session: bytes) -> memoryview:
        """Return what was *sealed* under *session*, whose modification detection code was right. Raise `damaged`."""


def other_cipher() -> Malformed:
    """Return the error for a session key of 256 bits that is not for AES."""
    return Malformed("the envelope is encrypted with another cipher than AES-256")


def damaged() -> BadSignature:
    """Return the error for whatever does not match its modification detection code."""
    return BadSignature("the envelope was damaged on the way, or forged")


def open_envelope(
    decryption: Decryption,
    secrets: Secrets,
    envelope: bytes,
    pins: Pins,
    *,
    now: Millis,
    doubtful: bool,
    introduced: Introduced | None,
) -> Opened:
    """Return what *envelope* holds, if it can be got at by *decryption* with one of *secrets*. See `Sealer.open`."""
    outside = packets.outer(envelope)
    subkey, session = _unwrap(decryption, secrets, outside.recipients, now)
    inside = packets.inner(decryption.plain(outside.sealed, session))
    issuer, bundle = inside.signature.issuer, None
    pinned = pinned_by(pins, issuer)
    if not pinned and introduced is not None:
        bundle = unpack(uncover(inside.data))
        pinned = pinned_by(introduced(bundle), issuer)
    if not pinned:
        raise Stranger(f"the envelope was sealed by {issuer.hex()[:16]}, who is not one of our peers")
    digest = packets.verify_digest(inside)
    try:
        Ed25519PublicKey.from_public_bytes(pinned[0][1].signing).verify(inside.signature.value, digest)
    except InvalidSignature:
        raise BadSignature("the signature is not by the key that it names") from None
    signers = _in_time(pinned, inside.signature, now, doubtful=doubtful)
    return Opened(
        bundle=unpack(uncover(inside.data)) if bundle is None else bundle,
        signers=signers,
        created=inside.signature.created,
        key_kind=subkey.key.kind,
    )


def _unwrap(
    decryption: Decryption, secrets: Secrets, recipients: Sequence[packets.Recipient], now: Millis
) -> tuple[Subkey, bytes]:
    """Return the first own key that opens one of *recipients*, and the session key. Raise `NotForUs`."""
    own = secrets.likely(now)
    for recipient in recipients:
        for subkey in own:
            if recipient.key_id in (packets.HIDDEN, subkey_id(subkey.key)):
                session = decryption.session(recipient, subkey)
                if session is not None:
                    return subkey, session
    raise NotForUs("none of our keys opens the envelope")


def pinned_by(pins: Pins, issuer: bytes) -> list[tuple[str, Announcement]]:
    """Return the nodes whose pinned primary key has the fingerprint *issuer*."""
    found = []
    for node, announcement in pins.items():
        try:
            if primary(announcement.signing, announcement.created) == issuer:
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
def primary(signing: bytes, created: Millis) -> bytes:
    """Return the fingerprint of the primary key with that point. Raise `Malformed`."""
    return fingerprint(primary_body(signing, created))


def subkey_id(key: EncryptionKey) -> bytes:
    """Return the 8 bytes by which a recipient may be named."""
    return subkey_fingerprint(key)[-8:]


@lru_cache(maxsize=_PINS_CACHED)
def subkey_fingerprint(key: EncryptionKey) -> bytes:
    """Return the fingerprint of the subkey with that point. Raise `Malformed`."""
    return fingerprint(subkey_body(key.point, key.created))


def check_keys(keys: Sequence[EncryptionKey], at: Millis) -> None:
    """Raise unless an envelope may be sealed to *keys* as of *at*: `Misused`, `TooLarge` or `Expired`."""
    if not keys:
        raise Misused("an envelope needs a recipient")
    if len(keys) > RECIPIENTS_MAX:
        raise TooLarge("an envelope cannot have more than 64 recipients")
    if any(key.expires <= at for key in keys):
        raise Expired("a recipient's key has expired")


def check_size(envelope: bytes) -> bytes:
    """Return *envelope*. Raise `TooLarge` if nobody would open it."""
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise TooLarge("the envelope would be larger than 8 MiB")
    return envelope
