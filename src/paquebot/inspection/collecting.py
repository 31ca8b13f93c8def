"""What the files say together: keys, identities and resources, found before any file is judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from paquebot.errors import Malformed, PaquebotError
from paquebot.inspection.keys import BODY_CHARS_MAX
from paquebot.inspection.pages import TROUBLE, Known
from paquebot.protocol import container, schema
from paquebot.protocol.encoding import Fingerprint, unb64
from paquebot.protocol.identity import PublicKey, public_key, public_key_from_pem
from paquebot.protocol.limits import CONTAINER_BYTES_MAX
from paquebot.protocol.published import OBJECTS, PUBLISHERS
from paquebot.protocol.publishing import CARD_BYTES_MAX, CARD_HEAD
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.stamp import Millis, parse_time
from paquebot.protocol.trust import Identity, identity_of


def collect(files: Sequence[tuple[str, bytes]], keys: Sequence[PublicKey], known: Known) -> Known:
    """Return *known* with what *files* and *keys* say together, checked only so far as to be worth looking up."""
    for key in keys:
        known.keys[key.fingerprint] = key, "--key"
    for name, data in (*files, *(("our own schemas", text.encode()) for text in OBJECTS[: len(PUBLISHERS)])):
        for each in _objects(data):
            try:
                _learn(known, name, each)
            except (PaquebotError, *TROUBLE):
                continue  # it is judged, with its error, when its turn comes
    return known


def _objects(data: bytes) -> Iterator[bytes]:
    """Return what may be a JSON object or a public key in *data*."""
    if data.startswith(CARD_HEAD.encode()):
        yield from [line for line in data[:CARD_BYTES_MAX].split(b"\n") if line.startswith(b"{")]
        return
    yield data
    if len(data) <= 2 * CONTAINER_BYTES_MAX and data.startswith(b"ey"):
        yield _decoded(data)


def _decoded(data: bytes) -> bytes:
    """Return what *data*, base64url text with or without a line end, encodes; nothing if it is no such text."""
    try:
        return unb64(data.decode("ascii").removesuffix("\n"))
    except (UnicodeDecodeError, Malformed):
        return b""


def _learn(known: Known, name: str, data: bytes) -> None:
    if not data[:1024].lstrip().startswith(b"{"):
        if data.startswith((b"M", b"-----BEGIN PUBLIC KEY-----")) and len(data) <= 2 * BODY_CHARS_MAX:
            key = public_key_from_pem(data.decode("ascii"))
            known.keys.setdefault(key.fingerprint, (key, name))
        return
    read = container.read(data)
    if read.keeps("identity"):
        key = _identity_key(known, name, read.value)
        found = Identity(key.fingerprint, read.value["identity"]["type"], key, _expiry(read.value))
        _latest(known.claimed, found)
    if not read.keeps("signature"):
        return
    resource = Resource.read(SignedObject.load(read, data), schema.published)
    known.resources[resource.id] = resource
    if resource.container.keeps("identity"):
        _identity_key(known, name, resource.container.value)
        _latest(known.identities, identity_of(resource))


def _identity_key(known: Known, name: str, value: dict[str, Any]) -> PublicKey:
    key = public_key(value["identity"]["key"])
    known.keys.setdefault(key.fingerprint, (key, name))
    return key


def _expiry(value: dict[str, Any]) -> Millis:
    return parse_time(value["identity"]["expires"])


def _latest(identities: dict[Fingerprint, Identity], found: Identity) -> None:
    old = identities.get(found.fingerprint)
    if old is None or old.expires < found.expires:
        identities[found.fingerprint] = found
