"""How a node's envelope keys and signatures look in OpenPGP, and whole certificates of them for people with gpg.

paquebot itself never reads a certificate.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode, encodebytes
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from paquebot.errors import Expired, Malformed, Misused
from paquebot.protocol.keys import EncryptionKey, KeyClass
from paquebot.protocol.limits import DAY_MS, NAME_MAX
from paquebot.protocol.stamp import Millis
from paquebot.vault import packets
from paquebot.vault.keystore import Secrets, Subkey, signing_point
from paquebot.vault.packets import Tag

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = [
    "armoured", "clamped", "export_certificate", "export_secret", "fingerprint", "mpi", "primary_body", "secret_part",
    "shown_key", "sign", "subkey_body", "subpacket", "view_certificate",
]  # fmt: skip

_ED25519 = bytes.fromhex("092b06010401da470f01")
_CURVE25519 = bytes.fromhex("0a2b060104019755010501")
_KDF = bytes.fromhex("03010807")  # SHA-256, AES-128
_CERTIFICATION, _BINDING = 0x13, 0x18
_KEY_EXPIRY, _USE = 9, 27
_FOR_EVER_MS = 30 * 365 * DAY_MS
_CERTIFY_AND_SIGN, _ENCRYPT = b"\x03", b"\x0c"
# Subpackets: AES-256; SHA-512, then SHA-256; no compression; modification detection.
_PREFERENCES = bytes.fromhex("020b0903150a08021600021e01")


def export_certificate(secrets: Secrets, name: str, now: Millis) -> bytes:
    """Return the public certificate of *name*, with one encryption subkey, the one with the shortest life.

    Some programs encrypt to every subkey they see, and the longest-lived would then decide. Raise `Expired` if no
    key is live at *now*, `Misused` for a name that is none.
    """
    key = shown_key(secrets, now)
    certificate = _Certificate(secrets, now)
    return b"".join(
        (
            packets.packet(Tag.PUBLIC_KEY, certificate.primary),
            certificate.user(name),
            packets.packet(Tag.PUBLIC_SUBKEY, subkey_body(key.point, key.created)),
            certificate.binding(key),
        )
    )


def shown_key(secrets: Secrets, now: Millis) -> EncryptionKey:
    """Return the encryption key that a certificate shows which is written *now*. Raise `Expired` if none is live."""
    key = next((subkey.key for subkey in secrets.likely(now) if subkey.key.expires > now), None)
    if key is None:
        raise Expired("no encryption key is live")
    return key


def armoured(certificate: bytes) -> str:
    """Return *certificate* as lines of text, with the checksum that gpg asks for (RFC 4880, 6)."""
    lines, check = encodebytes(certificate).decode(), b64encode(_checksum(certificate)).decode()
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}={check}\n-----END PGP PUBLIC KEY BLOCK-----\n"


def _checksum(data: bytes) -> bytes:
    """Return the CRC-24 of *data*.

    >>> _checksum(b"123456789").hex()
    '21cf02'
    """
    value = 0xB704CE
    for octet in data:
        value ^= octet << 16
        for _ in range(8):
            value = value << 1 ^ (0x1864CFB if value & 0x800000 else 0)
    return value.to_bytes(3, "big")


def export_secret(secrets: Secrets, name: str, now: Millis) -> bytes:
    """Return the secret key of *name*, under no passphrase, with every subkey that may still open something.

    Whoever has it can read what peers seal to this node, and seal in its name. gpg tries the subkeys in this order
    on an envelope, and complains of each that does not fit. Raise `Misused` for a name that is none.
    """
    certificate = _Certificate(secrets, now)
    return b"".join(
        (
            packets.packet(Tag.SECRET_KEY, certificate.primary + secret_part(secrets.signing)),
            certificate.user(name),
            *_secret_subkeys(certificate, [each for each in secrets.likely(now) if each.in_grace(now)]),
        )
    )


def view_certificate(point: bytes, created: Millis) -> bytes:
    """Return a certificate of nobody with one X25519 subkey, for libraries that take no bare key. Never show it.

    The signing key in it is no secret. It has been valid since *created* and does not end.
    """
    nobody = Secrets(created, Millis(created + _FOR_EVER_MS), bytes(32), bytes(32), ())
    certificate = _Certificate(nobody, created)
    key = EncryptionKey(nobody.expires, created, point, KeyClass.RECOVERY)
    return b"".join(
        (
            packets.packet(Tag.PUBLIC_KEY, certificate.primary),
            certificate.user("nobody"),
            packets.packet(Tag.PUBLIC_SUBKEY, subkey_body(point, created)),
            certificate.binding(key),
        )
    )


def _secret_subkeys(certificate: _Certificate, subkeys: Sequence[Subkey]) -> list[bytes]:
    return [
        packets.packet(
            Tag.SECRET_SUBKEY,
            subkey_body(subkey.key.point, subkey.key.created) + secret_part(clamped(subkey.secret)),
        )
        + certificate.binding(subkey.key)
        for subkey in subkeys
    ]


class _Certificate:
    """The signatures that hold a certificate together."""

    def __init__(self, secrets: Secrets, now: Millis) -> None:
        self._secrets = secrets
        self._now = now
        self._signer = Ed25519PrivateKey.from_private_bytes(secrets.signing)
        self.primary = primary_body(signing_point(secrets.signing), secrets.created)

    def user(self, name: str) -> bytes:
        """Return the user id packet of *name* and our certification of it."""
        if not 0 < len(name) <= NAME_MAX or not name.isprintable():
            raise Misused("a name has 1 to 100 printable characters")
        octets = name.encode()
        covered = b"\xb4" + len(octets).to_bytes(4, "big") + octets
        life = _life(self._secrets.expires - self._secrets.created)
        extra = subpacket(_USE, _CERTIFY_AND_SIGN) + life + _PREFERENCES
        return packets.packet(Tag.USER_ID, octets) + self._sign(_CERTIFICATION, covered, extra)

    def binding(self, key: EncryptionKey) -> bytes:
        """Return the signature that makes *key* a subkey for as long as it lives."""
        covered = _hashed_key(subkey_body(key.point, key.created))
        return self._sign(_BINDING, covered, subpacket(_USE, _ENCRYPT) + _life(key.expires - key.created))

    def _sign(self, kind: int, covered: bytes, extra: bytes) -> bytes:
        return sign(
            kind,
            hashlib.sha512(_hashed_key(self.primary) + covered),
            self._signer.sign,
            at=self._now,
            issuer=fingerprint(self.primary),
            extra=extra,
        )


def _life(millis: int) -> bytes:
    # 0 would mean for ever.
    return subpacket(_KEY_EXPIRY, max(1, millis // 1000).to_bytes(4, "big"))


# Keys.


def primary_body(signing: bytes, created: Millis) -> bytes:
    """Return the body of the Ed25519 primary key packet. Raise `Malformed`."""
    return b"".join(
        (b"\x04", packets.seconds(created), bytes((packets.EDDSA,)), _ED25519, packets.NATIVE, _point(signing))
    )


def subkey_body(point: bytes, created: Millis) -> bytes:
    """Return the body of the X25519 subkey packet. Raise `Malformed`."""
    return b"".join(
        (b"\x04", packets.seconds(created), bytes((packets.ECDH,)), _CURVE25519, packets.NATIVE, _point(point), _KDF)
    )


def secret_part(number: bytes) -> bytes:
    """Return what a secret key packet has behind the public body: big-endian *number*, under no passphrase."""
    secret = mpi(number)
    return b"\0" + secret + (sum(secret) & 0xFFFF).to_bytes(2, "big")


def clamped(secret: bytes) -> bytes:
    """Return an X25519 secret as the big-endian number that OpenPGP writes.

    >>> clamped(bytes(32)).hex()[:4], clamped(bytes([255] * 32)).hex()[-4:]
    ('4000', 'fff8')
    """
    number = int.from_bytes(secret, "little")
    return (number & (1 << 254) - 8 | 1 << 254).to_bytes(32, "big")


def fingerprint(body: bytes) -> bytes:
    """Return the 20-byte fingerprint of a version 4 public key packet with *body*."""
    return hashlib.sha1(_hashed_key(body), usedforsecurity=False).digest()


def _point(point: bytes) -> bytes:
    if len(point) != 32:
        raise Malformed("a public key is not 32 bytes long")
    return point


def _hashed_key(body: bytes) -> bytes:
    return b"\x99" + len(body).to_bytes(2, "big") + body


# Signatures.


def subpacket(kind: int, value: bytes) -> bytes:
    """Return a short subpacket.

    >>> subpacket(27, b"\\x03").hex()
    '021b03'
    """
    assert len(value) < 191
    return bytes((len(value) + 1, kind)) + value


def sign(
    kind: int, hasher: _Hash, signer: Callable[[bytes], bytes], *, at: Millis, issuer: bytes, extra: bytes = b""
) -> bytes:
    """Return a version 4 Ed25519 signature packet over what *hasher*, of SHA-256 or SHA-512, has seen.

    *signer* signs a digest; *extra* are further subpackets to cover.
    """
    area = b"".join(
        (
            subpacket(packets.AT_CREATION, packets.seconds(at)),
            subpacket(packets.AT_FINGERPRINT, b"\x04" + issuer),
            extra,
        )
    )
    number = next(number for number, name in packets.HASHES.items() if name == hasher.name)
    hashed = bytes((4, kind, packets.EDDSA, number)) + len(area).to_bytes(2, "big") + area
    digest = packets.digest_of(hasher, hashed)
    value = signer(digest)
    # gpg 2.2 finds a key by its id alone, covered or not; we read only the fingerprint.
    hint = subpacket(packets.AT_ISSUER, issuer[-8:])
    return packets.packet(
        Tag.SIGNATURE,
        b"".join((hashed, len(hint).to_bytes(2, "big"), hint, digest[:2], mpi(value[:32]), mpi(value[32:]))),
    )


def mpi(number: bytes) -> bytes:
    """Return big-endian *number* as a multiprecision integer.

    >>> mpi(b"\\x00\\x01\\xff").hex()
    '000901ff'
    """
    number = number.lstrip(b"\0")
    bits = len(number) * 8 - (8 - number[0].bit_length()) if number else 0
    return bits.to_bytes(2, "big") + number
