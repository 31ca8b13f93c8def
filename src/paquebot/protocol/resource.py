"""Signature objects and the resources inside them: the only things a node ever publishes.

A resource is named by the hash of its payload's exact bytes. A signature object is kept as payload and signatures
when `encode` writes back exactly the bytes that came, and verbatim otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paquebot.errors import BadSignature, Malformed
from paquebot.frozen import frozen
from paquebot.protocol import container, custom, schema
from paquebot.protocol.container import Container, Resolve
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, digest, unb64
from paquebot.protocol.identity import PrivateKey, PublicKey, parse_protected, protected
from paquebot.protocol.limits import CHUNK_BYTES_MAX
from paquebot.protocol.published import URIS
from paquebot.protocol.stamp import Millis, Stamp, format_time, parse_time

PROOFS = ("revoke", "trust", "identity")
"""The kinds of resources by which it is judged what counts. They are kept whatever comes of them."""


@frozen
class Signature:
    """One signature over a payload."""

    algorithm: str
    signer: Fingerprint
    value: bytes


@frozen
class SignedObject:
    """A signature object: a payload and who signed it. Reading one verifies its hash, not its signatures."""

    id: ResourceId
    payload: bytes
    signatures: tuple[Signature, ...]
    verbatim: bytes | None = None
    """The exact bytes it came in, if `encode` would write others."""

    @classmethod
    def sign(cls, payload: bytes, key: PrivateKey) -> SignedObject:
        """Return *payload* signed by *key*."""
        value = key.sign(b64(payload).encode())
        return cls.build(payload, Signature(key.public.algorithm, key.fingerprint, value))

    @classmethod
    def build(cls, payload: bytes, signature: Signature) -> SignedObject:
        """Return the signature object that has exactly these parts."""
        return cls(ResourceId(digest(payload)), payload, (signature,))

    @classmethod
    def parse(cls, data: bytes) -> SignedObject:
        """Return the signature object in *data*. Raise `Malformed`, `TooLarge`, or `BadSignature` for a wrong hash."""
        return cls.load(container.read(data), data)

    @classmethod
    def load(cls, read: Container, data: bytes) -> SignedObject:
        """Return *read*, which was read from *data*, as a signature object; see `parse`."""
        if not read.keeps("signature"):
            raise Malformed("not a signature object")
        body = read.value["signature"]
        payload = unb64(body["payload"])
        if digest(payload) != body["identifier"]:
            raise BadSignature("a signature object's identifier is not the hash of its payload")
        signatures = tuple(
            Signature(*parse_protected(each["protected"]), unb64(each["signature"])) for each in body["signatures"]
        )
        found = cls(body["identifier"], payload, signatures)
        return found if found.encode() == data else cls(found.id, payload, signatures, data)

    def encode(self) -> bytes:
        """Return the signature object's bytes."""
        if self.verbatim is not None:
            return self.verbatim
        signatures = ",".join(
            f'{{"protected":"{protected(each.algorithm, each.signer)}","signature":"{b64(each.value)}"}}'
            for each in self.signatures
        )
        return (
            f'{{"sdmp":{{"version":"{container.VERSION}","schemas":["signature"]}},"signature":{{"identifier":"{self.id}",'
            f'"payload":"{b64(self.payload)}","signatures":[{signatures}]}}}}'
        ).encode()

    @property
    def signer(self) -> Fingerprint:
        """Who signed it first; only for the first does the house act."""
        return self.signatures[0].signer

    def verify(self, key: PublicKey) -> None:
        """Check the signature that names *key*. Raise `BadSignature`."""
        for each in self.signatures:
            if each.signer == key.fingerprint:
                if each.algorithm != key.algorithm:
                    raise BadSignature("a signature names another algorithm than its key has")
                key.verify(each.value, b64(self.payload).encode())
                return
        raise BadSignature("no signature is by that key")


@frozen(kw_only=True)
class About:
    """What we add to a resource, signed inside the same payload: order, names, relations."""

    stamp: Stamp
    title: str = ""
    filename: str = ""
    tags: tuple[str, ...] = ()
    expires: Millis | None = None
    conversation: ResourceId | None = None
    parent: ResourceId | None = None
    after: tuple[ResourceId, ...] = ()
    supersedes: ResourceId | None = None

    def fields(self) -> dict[str, Any]:
        """Return the JSON value, without what is empty."""
        value: dict[str, Any] = {"stamp": str(self.stamp)}
        for name in ("title", "filename", "conversation", "parent", "supersedes"):
            if getattr(self, name):
                value[name] = getattr(self, name)
        for name in ("tags", "after"):
            if getattr(self, name):
                value[name] = list(getattr(self, name))
        if self.expires is not None:
            value["expires"] = format_time(self.expires)
        return value

    @classmethod
    def parse(cls, value: dict[str, Any]) -> About:
        """Return what a validated JSON *value* says. Raise `Malformed` for a time that is none."""
        return cls(
            stamp=Stamp.parse(value["stamp"]),
            title=value.get("title", ""),
            filename=value.get("filename", ""),
            tags=tuple(value.get("tags", ())),
            expires=parse_time(value["expires"]) if "expires" in value else None,
            conversation=value.get("conversation"),
            parent=value.get("parent"),
            after=tuple(value.get("after", ())),
            supersedes=value.get("supersedes"),
        )

    @property
    def ends(self) -> Millis:
        """When it stops being of use; 0 for never."""
        return self.expires or Millis(0)

    @property
    def relations(self) -> tuple[tuple[str, ResourceId], ...]:
        """What it says of other resources: (how, which)."""
        named = (("parent", self.parent), ("conversation", self.conversation), ("supersedes", self.supersedes))
        return (*((how, name) for how, name in named if name), *(("after", name) for name in self.after))

    @property
    def needs(self) -> tuple[ResourceId, ...]:
        """The resources on which this one depends: it waits for them.

        What it answers, belongs to or replaces is none of them: its reader may have no right to that, or never hear
        of it, and can read this one all the same. SDMP knows no relations at all.
        """
        return tuple(dict.fromkeys(self.after))


@frozen
class FileManifest:
    """A file's size and either its bytes or the hashes of its chunks (or, at depth 2, of its index blocks)."""

    size: int
    data: bytes | None
    chunk_bytes: int = 0
    depth: int = 1
    hashes: tuple[bytes, ...] = ()

    @property
    def chunk_count(self) -> int:
        """How many data chunks the file has."""
        return -(-self.size // self.chunk_bytes) if self.data is None else 0

    def fields(self) -> dict[str, Any]:
        """Return the JSON value."""
        if self.data is not None:
            return {"size": self.size, "data": b64(self.data)}
        return {
            "size": self.size,
            "chunk_bytes": self.chunk_bytes,
            "depth": self.depth,
            "chunks": [b64(each) for each in self.hashes],
        }

    @classmethod
    def parse(cls, value: dict[str, Any]) -> FileManifest:
        """Return what a validated JSON *value* says. Raise `Malformed` if its numbers contradict each other."""
        if "data" in value:
            data = unb64(value["data"])
            if len(data) != value["size"]:
                raise Malformed("a file's size is not that of its data")
            return cls(value["size"], data)
        if not {"chunk_bytes", "depth", "chunks"} <= value.keys() or not value["size"]:
            raise Malformed("a file has neither data nor chunks")
        if value["chunk_bytes"] > CHUNK_BYTES_MAX or value["chunk_bytes"] % 32:
            raise Malformed("a file's chunks are larger than one envelope takes, or of an odd size")
        found = cls(
            value["size"], None, value["chunk_bytes"], value["depth"], tuple(unb64(each) for each in value["chunks"])
        )
        per_block = 1 if found.depth == 1 else found.chunk_bytes // 32
        if len(found.hashes) != -(-found.chunk_count // per_block):
            raise Malformed("a file's chunks do not add up to its size")
        return found


_NAMES = {uri: name for name, uri in URIS.items()}


@frozen
class Resource:
    """A signature object whose payload was read: who published it, for whom, by which authority, and what it is."""

    signed: SignedObject
    container: Container
    user: Fingerprint
    """On whose behalf."""
    trust: ResourceId | None
    """The trust that authorises the signing node; None if the user signed."""
    about: About | None

    @classmethod
    def read(cls, signed: SignedObject, resolve: Resolve) -> Resource:
        """Return the resource in *signed*. Raise `Malformed` or `TooLarge`. Verifies nothing."""
        read = container.read(signed.payload, resolve)
        value = read.value
        if "resource" in value:
            if not read.keeps("resource"):
                raise Malformed("a resource does not name its schema")
            user, trust = value["resource"]["user"], value["resource"].get("trust")
        elif read.keeps("identity"):  # the example files' identities carry no more than the identity
            user, trust = signed.signer, None
        else:
            raise Malformed("a payload is no resource: it does not say for whom it is published")
        about = About.parse(value["about"]) if read.keeps(URIS["about"]) else None
        return cls(signed, read, user, trust, about)

    @property
    def id(self) -> ResourceId:
        """The hash of the payload."""
        return self.signed.id

    @property
    def uri(self) -> str:
        """The resource's URI."""
        return f"sdmp://{self.user}/{self.id}"

    @property
    def kind(self) -> str:
        """The name of the schema that says what it is: the first that is not merely about it.

        What decides about other resources is called by that, whatever else it says.
        """
        for name in PROOFS:
            if self.container.keeps(name):
                return name
        first = next((name for name in self.container.schemas if name not in ("resource", URIS["about"])), "resource")
        return custom.RECORD if first not in _NAMES and first.startswith("sdmp://") else _NAMES.get(first, first)

    @property
    def text(self) -> str | None:
        """The message it is, if it is one."""
        return str(self.container.value["message"]) if self.container.keeps("message") else None

    @property
    def record(self) -> bytes | None:
        """The record it is, if it is one: what its author filled in, as JSON."""
        return custom.write_record(self.container.value) if self.kind == custom.RECORD else None

    @property
    def manifest(self) -> FileManifest | None:
        """The file it is, if it is one. Raise `Malformed`."""
        if not self.container.keeps(URIS["file"]) or URIS["file"][7:].rpartition("/")[2] in self.container.unresolved:
            return None
        return FileManifest.parse(self.container.value["file"])


def schema_in(signed: SignedObject, user: Fingerprint) -> str | None:
    """Return the text of the JSON Schema that *user* published as *signed*; None if that is something else."""
    found = Resource.read(signed, schema.published)
    return custom.text_of(found.container.value) if found.user == user and found.container.keeps("schema") else None


def compose(
    schemas: Sequence[str],
    fields: dict[str, Any],
    *,
    user: Fingerprint,
    trust: ResourceId | None,
    about: About | None = None,
) -> bytes:
    """Return the payload of a new resource: *fields* under *schemas*, for *user* by authority of *trust*."""
    origin = {"user": user, "trust": trust} if trust else {"user": user}
    schemas = [*(URIS.get(name, name) for name in schemas), "resource"]
    value = {**fields, "resource": origin}
    if about:
        schemas.append(URIS["about"])
        value["about"] = about.fields()
    return container.write(schemas, value)
