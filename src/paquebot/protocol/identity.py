"""SDMP identities: keys, their fingerprints, and signatures over payloads.

Ed25519 by default; RSA of at least 2048 bits with PKCS#1 v1.5 and SHA-512 for strict SDMP peers. Both sign the
ASCII text ``b64(payload)``, as SDMP's example files do.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)

from paquebot.errors import BadSignature, Malformed, NotPermitted, WrongKey
from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint, b64, digest, raw, unb64

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 16_384  # verifying costs the square

EDDSA = "EdDSA"
HS512 = "HS512"  # what SDMP's example files call RSA with SHA-512


@frozen
class PublicKey:
    """One identity's public key."""

    body: str
    """SDMP's ``identity.key``: the base64 body of its PEM SubjectPublicKeyInfo, no header, footer or newlines."""
    key: Ed25519PublicKey | RSAPublicKey

    @property
    def fingerprint(self) -> Fingerprint:
        """The key's fingerprint: the hash of `body`."""
        return Fingerprint(digest(self.body.encode()))

    @property
    def algorithm(self) -> str:
        """What a signature by this key calls itself."""
        return EDDSA if isinstance(self.key, Ed25519PublicKey) else HS512

    def verify(self, signature: bytes, text: bytes) -> None:
        """Check *signature* over *text*. Raise `BadSignature`."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, text)
            else:
                self.key.verify(signature, text, PKCS1v15(), SHA512())
        except InvalidSignature:
            raise BadSignature("a signature does not match what it covers") from None


@lru_cache(maxsize=1024)
def public_key(body: str) -> PublicKey:
    """Return the key written as *body*. Raise `Malformed`; raise `NotPermitted` for keys too weak to trust."""
    try:
        der = b64decode(body, validate=True)
        key = load_der_public_key(der)
    except (Error, ValueError, UnsupportedAlgorithm):
        raise Malformed("an identity's key is not a SubjectPublicKeyInfo we know") from None
    if b64encode(der).decode() != body:
        raise Malformed("an identity's key is not canonical base64")
    if isinstance(key, RSAPublicKey):
        if key.key_size < RSA_BITS_MIN:
            raise NotPermitted(f"an RSA key of {key.key_size} bits is too weak; 2048 are the least")
        if key.key_size > RSA_BITS_MAX:
            raise NotPermitted(f"an RSA key of {key.key_size} bits is larger than anybody needs")
    elif not isinstance(key, Ed25519PublicKey):
        raise NotPermitted("an identity's key is neither Ed25519 nor RSA")
    return PublicKey(body, key)


def public_key_from_pem(text: str) -> PublicKey:
    """Return the key in *text*: a PEM public key, or its bare body as in SDMP's ``.sdmp`` files. Raise `Malformed`."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return public_key("".join(line for line in lines if not line.startswith("-----")))


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """One identity's private key. It has no repr that shows anything."""

    key: Ed25519PrivateKey | RSAPrivateKey
    public: PublicKey

    @classmethod
    def create(cls, kind: str, entropy: Callable[[int], bytes]) -> PrivateKey:
        """Return a new key of *kind*, ``ed25519`` or ``rsa3072``.

        An Ed25519 key is a function of *entropy*; an RSA key takes its own randomness, which cannot be seeded.
        """
        if kind == "ed25519":
            return cls.wrap(Ed25519PrivateKey.from_private_bytes(entropy(32)))
        return cls.wrap(generate_private_key(public_exponent=65_537, key_size=3072))

    @classmethod
    def wrap(cls, key: Ed25519PrivateKey | RSAPrivateKey) -> PrivateKey:
        """Return *key* with its public half."""
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(key, public_key(b64encode(der).decode()))

    @classmethod
    def from_pem(cls, pem: str) -> PrivateKey:
        """Return the key in a PKCS #8 *pem*. Raise `WrongKey`."""
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise WrongKey("a private key cannot be read") from None
        if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
            raise WrongKey("a private key is neither Ed25519 nor RSA")
        return cls.wrap(key)

    @classmethod
    def from_secret(cls, kind: str, secret: bytes) -> PrivateKey:
        """Return the key whose `secret` that is; *kind* is ``ed25519`` or ``rsa``. Raise `WrongKey`."""
        try:
            if kind == "ed25519":
                return cls.wrap(Ed25519PrivateKey.from_private_bytes(secret))
            key = load_der_private_key(secret, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise WrongKey("a private key cannot be read") from None
        if not isinstance(key, RSAPrivateKey):
            raise WrongKey("a private key is neither Ed25519 nor RSA")
        return cls.wrap(key)

    def secret(self) -> bytes:
        """Return what the key is made of: 32 bytes of Ed25519 (RFC 8032), or RSA's PKCS #8 in DER."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.private_bytes_raw()
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def pem(self) -> str:
        """Return the key as unencrypted PKCS #8 PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of the public key."""
        return self.public.fingerprint

    def sign(self, text: bytes) -> bytes:
        """Return the signature over *text*."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(text)
        return self.key.sign(text, PKCS1v15(), SHA512())


def protected(algorithm: str, signer: Fingerprint) -> str:
    """Return a signature's ``protected`` field, written as in the example files."""
    return b64(b'{"alg":"%b","kid":"%b"}' % (algorithm.encode(), signer.encode()))


@lru_cache(maxsize=4096)
def parse_protected(text: str) -> tuple[str, Fingerprint]:
    """Return (algorithm, signer) of a ``protected`` field. Raise `Malformed`."""
    try:
        value: Any = json.loads(unb64(text).decode(), object_pairs_hook=_once)
        algorithm, signer = value["alg"], value["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Malformed("a signature's protected part cannot be read") from None
    if algorithm not in (EDDSA, HS512) or not isinstance(signer, str) or len(value) != 2:
        raise Malformed("a signature's protected part names an unknown algorithm")
    raw(signer)
    return algorithm, Fingerprint(signer)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found
