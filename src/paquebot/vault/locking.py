"""Secrets under a passphrase: scrypt (RFC 7914) makes a key of it, ChaCha20-Poly1305 (RFC 8439) keeps and proves.

The cost of scrypt is stored beside what it locks and bounded when it is read: a hostile file costs neither a gigabyte
nor an hour. Nothing here quotes a secret, a passphrase or a key, in any error or repr.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from paquebot.errors import Misused, WrongKey, WrongPassphrase
from paquebot.frozen import frozen
from paquebot.protocol.limits import MIB

__all__ = ["COST", "KEY_BYTES", "Cost", "Locked", "derive", "fresh", "lock", "normal", "parse", "seal"]

Entropy = Callable[[int], bytes]

KEY_BYTES = 32
PASSPHRASE_BYTES_MAX = 4_096  # a sentence has 100; what is longer is not a passphrase but the wrong file
PASSPHRASE_CHARS_MIN = 8  # of a new one
_NONCE_BYTES = 12
_SALT_BYTES = 16
_FORM = "paquebot locked secret"
_VERSION = 1
_MEMORY_MAX = 256 * MIB  # twice what OWASP's dearest setting takes
_WORK_MAX = 1 << 24  # N x r x p: a minute on a small machine, twenty times what we ask for ourselves


@frozen
class Cost:
    """What one guess costs: scrypt's N, r and p. It takes 128 x N x r bytes of memory."""

    n: int
    r: int
    p: int

    def check(self) -> None:
        """Raise `WrongKey` if this is no cost, or one that nobody would choose."""
        whole = all(type(each) is int and each > 0 for each in (self.n, self.r, self.p))
        if not whole or self.n < 2 or self.n & (self.n - 1):
            raise WrongKey("a locked file's cost is none that scrypt knows")
        if 128 * self.n * self.r > _MEMORY_MAX or self.n * self.r * self.p > _WORK_MAX:
            raise WrongKey("a locked file asks for more memory or time than any passphrase needs; it is not ours")


COST = Cost(1 << 15, 8, 3)
"""32 MiB and a third of a second on a laptop of 2020: OWASP's setting for machines with little memory."""


@frozen
class Locked:
    """Something sealed: by a passphrase if it has a cost, else by a key."""

    name: str
    """What it is, so that one sealed thing cannot stand in for another."""
    nonce: bytes
    sealed: bytes
    salt: bytes = b""
    cost: Cost | None = None

    def encode(self) -> bytes:
        """Return it as the content of a file."""
        value: dict[str, Any] = {"form": _FORM, "version": _VERSION, "name": self.name}
        if self.cost is not None:
            value["scrypt"] = {"n": self.cost.n, "r": self.cost.r, "p": self.cost.p, "salt": self.salt.hex()}
        return json.dumps({**value, "nonce": self.nonce.hex(), "sealed": self.sealed.hex()}, indent=1).encode() + b"\n"

    def unlock(self, passphrase: bytes) -> bytes:
        """Return what *passphrase* has locked. Raise `WrongPassphrase`, or `WrongKey` if it is no such file."""
        if self.cost is None:
            raise WrongKey("the file is locked by a key, not by a passphrase")
        return self.open(derive(passphrase, self.salt, self.cost))

    def open(self, key: bytes) -> bytes:
        """Return what *key* has sealed. Raise `WrongPassphrase`: a wrong key and damage look the same."""
        try:
            return ChaCha20Poly1305(key).decrypt(self.nonce, self.sealed, self._bound())
        except InvalidTag:
            raise WrongPassphrase("the passphrase is wrong, or the file it should open is damaged") from None

    def _bound(self) -> bytes:
        """What is not secret, and must be as it was."""
        return f"{_FORM} {_VERSION} {self.name} {self.cost} {self.salt.hex()}".encode()


@frozen
class Derived:
    """A key made of a passphrase, with what is needed to make it again."""

    salt: bytes
    cost: Cost
    key: bytes = field(repr=False)


def fresh(passphrase: bytes, entropy: Entropy) -> Derived:
    """Return a new key made of *passphrase* and a salt of its own."""
    salt = entropy(_SALT_BYTES)
    return Derived(salt, COST, derive(passphrase, salt, COST))


def derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    """Return the key that *passphrase* makes. Raise `WrongKey` for a cost beyond the bounds."""
    cost.check()
    return Scrypt(salt=salt, length=KEY_BYTES, n=cost.n, r=cost.r, p=cost.p).derive(passphrase)


def lock(content: bytes, passphrase: bytes, name: str, entropy: Entropy) -> Locked:
    """Return *content* under *passphrase*, to be known as *name*."""
    made = fresh(passphrase, entropy)
    bare = Locked(name, entropy(_NONCE_BYTES), b"", made.salt, made.cost)
    return _sealed(bare, content, made.key)


def seal(content: bytes, key: bytes, name: str, entropy: Entropy) -> Locked:
    """Return *content* under a *key* of 32 random bytes, to be known as *name*."""
    return _sealed(Locked(name, entropy(_NONCE_BYTES), b""), content, key)


def _sealed(bare: Locked, content: bytes, key: bytes) -> Locked:
    sealed = ChaCha20Poly1305(key).encrypt(bare.nonce, content, bare._bound())
    return Locked(bare.name, bare.nonce, sealed, bare.salt, bare.cost)


def parse(content: bytes, name: str) -> Locked | None:
    """Return what is locked in a file's *content*; None if it is not locked. Raise `WrongKey` unless it is *name*."""
    try:
        value = json.loads(content)
        if not isinstance(value, dict) or value.get("form") != _FORM:
            return None
        if value["version"] != _VERSION:
            raise WrongKey("a key file was locked by a newer paquebot: upgrade this one")
        if value["name"] != name:
            raise WrongKey(f"the file does not hold the {name} that it should")
        scrypt = value.get("scrypt")
        cost = Cost(scrypt["n"], scrypt["r"], scrypt["p"]) if scrypt is not None else None
        salt = bytes.fromhex(scrypt["salt"]) if scrypt is not None else b""
        nonce, sealed = bytes.fromhex(value["nonce"]), bytes.fromhex(value["sealed"])
    except (ValueError, KeyError, TypeError, RecursionError):
        # Not JSON at all, or not what we write: whoever reads the content says so in words of its own.
        if _FORM.encode() in content[:200]:
            raise WrongKey("a locked key file is damaged: restore it from a backup") from None
        return None
    if cost is not None:
        cost.check()
    if len(nonce) != _NONCE_BYTES or (cost is not None and len(salt) != _SALT_BYTES):
        raise WrongKey("a locked key file is damaged: restore it from a backup")
    return Locked(name, nonce, sealed, salt, cost)


def normal(given: bytes) -> bytes:
    """Return a passphrase as it is used: without the line end that files and pipes add, in one form of Unicode.

    Raise `WrongKey` if it is empty or far too long.

    >>> normal(b"all hands\\r\\n"), normal("e\\u0301".encode()) == "\\u00e9".encode()
    (b'all hands', True)
    """
    line = given.removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise WrongKey("the passphrase is empty")
    if len(line) > PASSPHRASE_BYTES_MAX:
        raise WrongKey("the passphrase is longer than 4096 bytes: this is not one")
    try:
        return unicodedata.normalize("NFC", line.decode()).encode()
    except UnicodeDecodeError:
        return line


def check_new(passphrase: bytes) -> None:
    """Raise `Misused` if *passphrase* is too short to be chosen."""
    if len(passphrase.decode("utf-8", "replace")) < PASSPHRASE_CHARS_MIN:
        raise Misused(f"a new passphrase has at least {PASSPHRASE_CHARS_MIN} characters; four random words are good")
