"""The keys folder of a home: which secrets lie in it, and how they are locked.

With a passphrase, the files are sealed under a random key, the lock key, and only that is locked by the passphrase, in
``lock.json``. So setting, changing and removing a passphrase may be cut off at any moment: every file is always either
plain or sealed under the lock key that is there. The user key may have a passphrase of its own instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paquebot.errors import Misused, NotFound, WrongKey
from paquebot.frozen import frozen
from paquebot.passphrase import Passphrases, Which
from paquebot.protocol import container
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import IDENTITY_LIFE_MS
from paquebot.protocol.stamp import Millis, format_time
from paquebot.vault import files, keystore, locking
from paquebot.vault.locking import Entropy, Locked

NODE_KEY = "node.json"
USER_KEY = "user.json"
ENVELOPE_KEYS = "envelope.json"
LOCK = "lock.json"

NAMES = {
    USER_KEY: "user key",
    NODE_KEY: "node key",
    ENVELOPE_KEYS: "envelope keys",
    LOCK: "lock key",
}
"""What each file holds, in the order in which people are told."""
_SEALED = (NODE_KEY, ENVELOPE_KEYS, USER_KEY)


FORMER = "former-{}.json"
"""The lasting envelope keys of a node that this one replaced, by the node's short name."""


def _called(name: str) -> str:
    return NAMES.get(name, "envelope keys of a former node")


@frozen
class Secret:
    """One key file: what it is, and what protects it."""

    what: str
    path: Path
    locked: str
    """``passphrase``, ``own passphrase``, ``nothing``, ``absent`` or ``unreadable: WHY``."""
    changed: Millis


class Keychain:
    """The secrets in *folder*, unlocked when one is needed, and once at most."""

    def __init__(self, folder: Path, passphrases: Passphrases) -> None:
        self.folder = folder
        self.passphrases = passphrases
        self._key: bytes | None = None

    def locked(self, name: str = LOCK) -> bool:
        """Return whether *name* is locked by a passphrase; without a name: whether the home has one."""
        return (self.folder / name).exists() and self._parsed(name) is not None

    def unlock(self) -> None:
        """Get the home's passphrase now, if it will be needed. Raise `KeysLocked` or `WrongPassphrase`."""
        if (self.folder / LOCK).exists():
            self._lock_key()

    def read(self, name: str) -> bytes:
        """Return a secret. Raise `WrongKey`, `KeysLocked` or `WrongPassphrase`."""
        content = files.read_secret(self.folder / name)
        found = locking.parse(content, _called(name))
        if found is None:
            return content
        if found.cost is not None:
            return self._by_passphrase(found, Which.USER)
        return found.open(self._lock_key())

    def write(self, name: str, content: bytes, entropy: Entropy) -> None:
        """Replace a secret durably, locked as the home is. Raise `WrongKey` or `DiskFull`."""
        files.write_secret(self.folder / name, self.sealed(name, content, entropy))

    def sealed(self, name: str, content: bytes, entropy: Entropy) -> bytes:
        """Return *content* as the file *name* would hold it: locked as the home is. Raise `WrongKey`."""
        if not (self.folder / LOCK).exists():
            return content
        return locking.seal(content, self._lock_key(), _called(name), entropy).encode()

    def take_away(self, name: str) -> None:
        """Remove a secret from this home for good. Raise `WrongKey`."""
        files.remove_secret(self.folder / name)

    # -- the three kinds of secrets -----------------------------------------------------

    def private_key(self, name: str) -> PrivateKey:
        """Return the SDMP key in file *name*. Raise `WrongKey`; `NotFound` if the user key was taken away."""
        path = self.folder / name
        if name == USER_KEY and not path.exists():
            raise NotFound(
                "the user key is not in this home: it was taken away. Type its words: see `paquebot recovery`"
            )
        return read_private_key(self.read(name), path)

    def envelope_keys(self) -> keystore.Secrets:
        """Return the node's envelope keys. Raise `WrongKey`."""
        return keystore.decode(self.read(ENVELOPE_KEYS))

    def save_envelope_keys(self, secrets: keystore.Secrets, entropy: Entropy) -> None:
        """Replace the node's envelope keys durably; what is not in *secrets* is gone. Raise as `write` does."""
        self.write(ENVELOPE_KEYS, keystore.encode(secrets), entropy)

    def former_envelope_keys(self) -> list[keystore.Secrets]:
        """Return the lasting envelope keys of nodes that this one replaced. Raise `WrongKey`."""
        return [keystore.decode(self.read(name)) for name in self._former()]

    def _former(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob(FORMER.format("*")))

    # -- passphrases ------------------------------------------------------------------

    def set_passphrase(self, passphrase: bytes, entropy: Entropy) -> None:
        """Lock all secrets by *passphrase*, or change what locks them. Raise `Misused` if it is too short."""
        locking.check_new(passphrase)
        key = self._lock_key() if (self.folder / LOCK).exists() else entropy(locking.KEY_BYTES)
        files.write_secret(self.folder / LOCK, locking.lock(key, passphrase, _called(LOCK), entropy).encode())
        self._key = key
        for name in (*_SEALED, *self._former()):
            if (self.folder / name).exists() and not self.locked(name):
                self.write(name, files.read_secret(self.folder / name), entropy)

    def remove_passphrase(self) -> None:
        """Leave the secrets unlocked; a user key with a passphrase of its own keeps that. Raise `Misused`."""
        if not (self.folder / LOCK).exists():
            raise Misused("these keys have no passphrase")
        self.unlock()
        for name in (*_SEALED, *self._former()):
            found = self._parsed(name) if (self.folder / name).exists() else None
            if found is not None and found.cost is None:
                files.write_secret(self.folder / name, self.read(name))
        files.remove_secret(self.folder / LOCK)
        self._key = None

    def set_user_passphrase(self, passphrase: bytes | None, entropy: Entropy) -> None:
        """Give the user key a passphrase of its own; with None, lock it as the rest is. Raise `Misused`."""
        content = self.read(USER_KEY)
        if passphrase is None:
            self.write(USER_KEY, content, entropy)
            return
        locking.check_new(passphrase)
        files.write_secret(
            self.folder / USER_KEY, locking.lock(content, passphrase, _called(USER_KEY), entropy).encode()
        )

    def secrets(self) -> list[Secret]:
        """Return what lies here, and what protects each. Asks for no passphrase."""
        return [self._secret(name, _called(name)) for name in (*NAMES, *self._former()) if name != LOCK]

    def _secret(self, name: str, what: str) -> Secret:
        path = self.folder / name
        if not path.exists():
            return Secret(what, path, "absent", Millis(0))
        changed = Millis(path.stat().st_mtime_ns // 1_000_000)
        try:
            found = self._parsed(name)
        except WrongKey as problem:
            return Secret(what, path, f"unreadable: {problem}", changed)
        how = "nothing" if found is None else "passphrase" if found.cost is None else "own passphrase"
        return Secret(what, path, how, changed)

    def _parsed(self, name: str) -> Locked | None:
        return locking.parse(files.read_secret(self.folder / name), _called(name))

    def _lock_key(self) -> bytes:
        if self._key is None:
            found = self._parsed(LOCK)
            if found is None:
                raise WrongKey(f"{self.folder / LOCK} is damaged or missing: restore it from a backup")
            self._key = self._by_passphrase(found, Which.HOME)
        return self._key

    def _by_passphrase(self, found: Locked, which: Which) -> bytes:
        return found.unlock(self.passphrases.get(which))


def write_private_key(key: PrivateKey, expires: Millis) -> bytes:
    """Return *key* in SDMP's own form, ``private_key``."""
    body: dict[str, Any] = {"expires": format_time(expires), "key": key.pem(), "fingerprint": key.fingerprint}
    return container.write(["private_key"], {"private_key": body})


def read_private_key(content: bytes, path: Path) -> PrivateKey:
    """Return the key that *path* holds in SDMP's own form. Raise `WrongKey`."""
    try:
        value = json.loads(content)["private_key"]["key"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WrongKey(f"{path} is not a key file of ours") from None
    return PrivateKey.from_pem(str(value))


def create(
    folder: Path,
    user: PrivateKey | None,
    node: PrivateKey,
    secrets: keystore.Secrets,
    *,
    now: Millis,
    entropy: Callable[[int], bytes],
    passphrase: bytes | None = None,
) -> None:
    """Write a new node's secrets into the new *folder*. Raise `WrongKey`, `DiskFull`, or `Misused`."""
    chain = Keychain(folder, Passphrases(folder.parent))
    if passphrase is not None:
        locking.check_new(passphrase)
    folder.mkdir(mode=0o700)
    if passphrase is not None:
        chain.set_passphrase(passphrase, entropy)
    expires = Millis(now + IDENTITY_LIFE_MS)
    for name, key in ((USER_KEY, user), (NODE_KEY, node)):
        if key is not None:
            chain.write(name, write_private_key(key, expires), entropy)
    chain.save_envelope_keys(secrets, entropy)
