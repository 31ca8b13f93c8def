"""The secret side of a node's envelope keys: issue, rotation, destruction, and the tags that recognise one's own.

Nothing here reads a clock, a disk or dice: `now` and `entropy` are arguments, and a change is a new value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from paquebot.errors import Malformed, WrongKey
from paquebot.frozen import frozen
from paquebot.protocol.keys import Announcement, EncryptionKey, KeyClass
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis

__all__ = ["Secrets", "Subkey", "create", "decode", "encode", "tag", "tag_key"]

Entropy = Callable[[int], bytes]

FAST_LIFE_MS = 10 * DAY_MS
FAST_EVERY_MS = 5 * DAY_MS
DATED_WINDOW_MS = 30 * DAY_MS
DATED_COUNT = 24  # a peer silent for two years still has a fresh key to seal to
GRACE_MS = {KeyClass.FAST: 4 * DAY_MS, KeyClass.DATED: 30 * DAY_MS}
"""How long a secret outlives its key, for what is still on its way. A recovery secret is never dropped."""

_FORM = "paquebot envelope keys"
_VERSION = 1
_BYTES = 32
_TAG_BYTES = 8


@frozen
class Subkey:
    """One encryption key with its secret."""

    key: EncryptionKey
    secret: bytes = field(repr=False)

    def in_grace(self, now: Millis) -> bool:
        """Return whether the secret is kept at *now*: something sealed to it in time may still be on its way."""
        grace = GRACE_MS.get(self.key.kind)
        return grace is None or now <= self.key.expires + grace


@frozen
class Secrets:
    """All of a node's envelope keys. It never shows them."""

    created: Millis
    expires: Millis
    """The end of the identity that these keys serve."""
    signing: bytes = field(repr=False)
    """The Ed25519 secret of the OpenPGP primary key."""
    storage: bytes = field(repr=False)
    """The long-term X25519 secret for private resources and tags; no envelope is sealed to it."""
    subkeys: tuple[Subkey, ...]

    def announcement(self, node: str) -> Announcement:
        """Return what the peers of the node with fingerprint *node* pin."""
        return Announcement(
            node=node,
            created=self.created,
            signing=signing_point(self.signing),
            storage=exchange_point(self.storage),
            keys=tuple(subkey.key for subkey in self.subkeys),
        )

    def likely(self, now: Millis) -> list[Subkey]:
        """Return all subkeys, the likeliest to open something first.

        A key that is due for destruction still opens as long as it is there: refusing would protect nothing, and
        would lose mail whenever the clock is wrong.
        """
        return sorted(self.subkeys, key=lambda s: _likelihood(s.key, now))

    def lasting(self) -> Secrets:
        """Return these as a backup may hold them: without the fast and dated secrets, whose destruction must last."""
        return replace(self, subkeys=tuple(each for each in self.subkeys if each.key.kind is KeyClass.RECOVERY))

    def renewed(self, now: Millis, entropy: Entropy) -> Secrets:
        """Return these with a full set of new dated keys and a fast one, as after a restore."""
        created = whole_seconds(now)
        return replace(self, subkeys=(*self.subkeys, *_dated(created, entropy))).with_fast(created, entropy)

    def with_storage(self, secret: bytes) -> Secrets:
        """Return these with another storage *secret*: what was closed to that one can be read on."""
        return replace(self, storage=secret)

    def opening(self, before: Secrets) -> Secrets:
        """Return these with the subkeys of *before*: what is on its way to them can be opened yet."""
        return replace(self, subkeys=(*self.subkeys, *before.subkeys))

    def with_fast(self, now: Millis, entropy: Entropy) -> Secrets:
        """Return these with one more fast key."""
        created = whole_seconds(now)
        fresh = issue(KeyClass.FAST, created, Millis(created + FAST_LIFE_MS), entropy)
        return replace(self, subkeys=(*self.subkeys, fresh))


def _likelihood(key: EncryptionKey, now: Millis) -> tuple[int, int]:
    """Sort keys: the newest fast key first, then dated ones by the distance of their window, recovery last."""
    match key.kind:
        case KeyClass.FAST:
            return 0, -key.created
        case KeyClass.DATED:
            return 1, abs(key.expires - now)
        case KeyClass.RECOVERY:
            return 2, -key.created


def create(now: Millis, entropy: Entropy, identity_expires: Millis) -> Secrets:
    """Return a new node's keys: a recovery key, 24 dated keys and a fast one."""
    created = whole_seconds(now)
    signing, storage = entropy(_BYTES), entropy(_BYTES)
    recovery = issue(KeyClass.RECOVERY, created, identity_expires, entropy)
    bare = Secrets(created, identity_expires, signing, storage, (recovery, *_dated(created, entropy)))
    return bare.with_fast(created, entropy)


def _dated(created: Millis, entropy: Entropy) -> tuple[Subkey, ...]:
    return tuple(
        issue(KeyClass.DATED, created, Millis(created + (i + 1) * DATED_WINDOW_MS), entropy) for i in range(DATED_COUNT)
    )


def whole_seconds(now: Millis) -> Millis:
    """Return *now* as OpenPGP can say it.

    >>> whole_seconds(Millis(1999))
    1000
    """
    return Millis(now // 1000 * 1000)


def issue(kind: KeyClass, created: Millis, expires: Millis, entropy: Entropy) -> Subkey:
    """Return a new key."""
    secret = entropy(_BYTES)
    return Subkey(EncryptionKey(expires, created, exchange_point(secret), kind), secret)


def signing_point(secret: bytes) -> bytes:
    """Return the public point of an Ed25519 secret."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def exchange_point(secret: bytes) -> bytes:
    """Return the public point of an X25519 secret."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


# Tags: knowing one's own among strangers' parcels without trying every key, even before first contact.


def tag_key(storage: bytes, peer: bytes, sender: str, recipient: str) -> bytes:
    """Return the key of the tags on what node *sender* sends to node *recipient*; both compute the same.

    *storage* is our own long-term secret, *peer* the other's announced point. Raise `Malformed` if it is no point
    that can keep a secret.
    """
    try:
        shared = X25519PrivateKey.from_private_bytes(storage).exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        raise Malformed("a peer's storage key is no point that can keep a secret") from None
    names = f"{sender}\n{recipient}".encode()
    return hashlib.blake2b(names, key=shared, digest_size=_BYTES, person=b"paquebot tag key").digest()


def tag(key: bytes, salt: bytes) -> bytes:
    """Return the 8-byte tag of a parcel with *salt*, by a key from `tag_key`."""
    return hashlib.blake2b(salt, key=key, digest_size=_TAG_BYTES, person=b"paquebot tag").digest()


# Form at rest.


def encode(secrets: Secrets) -> bytes:
    """Return *secrets* as the content of a key file."""
    value = {
        "form": _FORM,
        "version": _VERSION,
        "created": secrets.created,
        "expires": secrets.expires,
        "signing": secrets.signing.hex(),
        "storage": secrets.storage.hex(),
        "subkeys": [
            {"kind": s.key.kind, "created": s.key.created, "expires": s.key.expires, "secret": s.secret.hex()}
            for s in secrets.subkeys
        ],
    }
    return json.dumps({**value, "sum": _sum(value)}, indent=1).encode() + b"\n"


def _sum(value: dict[str, Any]) -> str:
    """Return a hash of all that a key file says, by which damage shows."""
    said = {name: each for name, each in value.items() if name != "sum"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def sound(content: bytes) -> bool:
    """Return whether a key file's *content* is what was written. Older ones do not say. Raise `WrongKey`.

    Damaged ones can still be used: what is left of them opens what others cannot.
    """
    decode(content)
    value = json.loads(content)
    return "sum" not in value or value["sum"] == _sum(value)


def decode(content: bytes) -> Secrets:
    """Return the secrets that a key file's *content* holds. Raise `WrongKey`."""
    try:
        value = json.loads(content)
        if value["form"] != _FORM:
            raise WrongKey("the file does not hold envelope keys")
        if value["version"] != _VERSION:
            raise WrongKey("the envelope keys were written by a newer paquebot: upgrade this one")
        return Secrets(
            created=_moment(value["created"]),
            expires=_moment(value["expires"]),
            signing=_secret(value["signing"]),
            storage=_secret(value["storage"]),
            subkeys=tuple(_subkey(entry) for entry in value["subkeys"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        # The cause would quote key material.
        raise WrongKey("the envelope keys are damaged: restore them from a backup") from None


def _subkey(entry: dict[str, Any]) -> Subkey:
    secret = _secret(entry["secret"])
    kind, expires, created = KeyClass(entry["kind"]), _moment(entry["expires"]), _moment(entry["created"])
    return Subkey(EncryptionKey(expires, created, exchange_point(secret), kind), secret)


def _moment(value: object) -> Millis:
    if type(value) is not int or value < 0:
        raise ValueError
    return Millis(value)


def _secret(value: object) -> bytes:
    if type(value) is not str or len(value) != 2 * _BYTES:
        raise ValueError
    return bytes.fromhex(value)
