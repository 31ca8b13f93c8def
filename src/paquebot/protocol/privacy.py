"""Private resources: who may read one, what lies inside, and who needs a further key to it.

Outside, a private resource shows its author, its stamp, its size and how many nodes can open it. Everything else lies
in its body: an SDMP container of its own (message, file, or any schema), with what we add about it, and for whom it
is. Locking is the vault's work; here is what is decided about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from paquebot.errors import Malformed, Misused
from paquebot.frozen import frozen
from paquebot.protocol import container, custom
from paquebot.protocol.container import Container, Resolve
from paquebot.protocol.effects import Effects, NoteOpened, NoteReaders, Relate
from paquebot.protocol.encoding import Fingerprint, ResourceId, raw, unb64
from paquebot.protocol.limits import READERS_MAX
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import About, FileManifest, Resource, compose
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View
from paquebot.protocol.trust import READ_ENCRYPTED

SEALED = "sealed"
ENCRYPTED = "encrypted"
"""SDMP's own form, for readers whose identities are RSA keys."""
WRAP = "wrap"
CLOSED_KINDS = (SEALED, ENCRYPTED, WRAP)
"""The kinds of resources that have something in them for somebody."""

Seal = Callable[[bytes, Fingerprint, Sequence[Fingerprint]], tuple[str, dict[str, Any]]]
"""Locks an inner container, for a resource of a user, to nodes; returns the schema and its object."""


# -- who ----------------------------------------------------------------------------


def nodes_of(view: View, user: Fingerprint, now: Millis) -> tuple[Fingerprint, ...]:
    """Return the nodes of *user* that may read what is private to *user*, and whose keys are known."""
    return tuple(node for node in view.announcers(user) if _reads(view, user, node, now))


def guests_of(view: View, user: Fingerprint, now: Millis) -> tuple[tuple[Fingerprint, Fingerprint], ...]:
    """Return (user, node) of other peers that *user* lets read along. They get no keys to what was written before."""
    others = {peer.user for peer in view.peers() if peer.user != user and may_be_reader(view, peer.user)}
    authority = view.authority(user)
    return tuple(
        (other, node)
        for other in sorted(others)
        for node in nodes_of(view, other, now)
        if authority.grants(READ_ENCRYPTED, (other, node), now)
    )


def _reads(view: View, user: Fingerprint, node: Fingerprint, now: Millis) -> bool:
    """Whether a trust of *user* that nothing took back lets *node* read."""
    if any(peer.node == node and peer.suspect for peer in view.peers()):
        return False
    identity = view.identity(node)
    if identity is None or now >= identity.expires:
        return False
    return view.authority(user).grants(READ_ENCRYPTED, (node,), now)


def may_be_reader(view: View, user: Fingerprint) -> bool:
    """Return whether anything private of ours may go to *user*: ourselves, and peers in good standing."""
    return user == view.local().user or any(
        peer.user == user and peer.reads and not peer.suspect for peer in view.peers()
    )


def readers(view: View, users: Sequence[Fingerprint], now: Millis) -> tuple[Fingerprint, ...]:
    """Return the nodes that get a key to what is private to *users* and us.

    Raise `Misused` if one of the users has no node that could read it, or if there are too many.
    """
    found: dict[Fingerprint, None] = {}
    for user in dict.fromkeys((view.local().user, *users)):
        nodes = nodes_of(view, user, now)
        if not nodes:
            name = next((peer.name for peer in view.peers() if peer.user == user), user[:12])
            raise Misused(f"no node of {name} can read private things: none holds read_encrypted and a known key")
        found |= dict.fromkeys((*nodes, *(node for _, node in guests_of(view, user, now))))
    if len(found) > READERS_MAX:
        raise Misused(f"{len(found)} nodes would read this; {READERS_MAX} are the most")
    return tuple(found)


# -- what lies inside -----------------------------------------------------------------


@frozen
class Inner:
    """What lies inside a private resource."""

    container: Container
    about: About | None
    readers: tuple[Fingerprint, ...]
    """The users it is for, as the author says; empty if the author does not."""
    nodes: tuple[Fingerprint, ...]
    """The nodes that got a key with it."""
    guests: tuple[Fingerprint, ...] = ()
    """The users that one of the readers lets read along."""

    @property
    def kind(self) -> str:
        """What it is: ``message``, ``file`` or ``record``; nothing else can be private."""
        first = next((name for name in self.container.schemas if name != URIS["about"]), "")
        known = {"message": "message", **dict.fromkeys(URIS.values(), ""), URIS["file"]: "file"}
        return known.get(first, custom.RECORD if first.startswith("sdmp://") else "")

    @property
    def text(self) -> str | None:
        """The message it is, if it is one."""
        return str(self.container.value["message"]) if self.container.keeps("message") else None

    @property
    def data(self) -> bytes | None:
        """The bytes of the file it is, if it is one that is not in chunks. Raise `Malformed`."""
        file = self._file
        return FileManifest.parse(file).data if file and "key" not in file else None

    @property
    def chunk_key(self) -> bytes | None:
        """The key of the chunks of the file it is, if they are in chunks. Raise `Malformed`."""
        file = self._file
        if not file or "key" not in file:
            return None
        key = unb64(file["key"]) if isinstance(file["key"], str) else b""
        if len(key) != 32:
            raise Malformed("the key of a private file's chunks is none")
        return key

    @property
    def size(self) -> int:
        """Bytes of the message or file."""
        return int(self._file["size"]) if self._file else len(self.record or (self.text or "").encode())

    @property
    def record(self) -> bytes | None:
        """The record it is, if it is one: what its author filled in, as JSON."""
        return custom.write_record(self.container.value) if self.kind == custom.RECORD else None

    @property
    def _file(self) -> dict[str, Any] | None:
        return self.container.value["file"] if self.container.keeps(URIS["file"]) else None


def write_inner(
    schemas: Sequence[str],
    fields: dict[str, Any],
    about: About,
    users: Sequence[Fingerprint],
    nodes: Sequence[Fingerprint],
    guests: Sequence[Fingerprint] = (),
) -> bytes:
    """Return the bytes of an inner container, with blanks behind it so that its length tells little (Padmé)."""
    names = [*(URIS.get(name, name) for name in schemas), URIS["about"]]
    private = {"readers": list(users), "nodes": list(nodes)}
    if guests:
        private["guests"] = list(guests)
    data = container.write(names, {**fields, "about": about.fields(), "private": private})
    return data.ljust(padded(max(len(data), 256)))


def padded(size: int) -> int:
    """Return the least Padmé size (Nikitin et al. 2019) of at least *size* bytes: at most 12 % more.

    >>> padded(256), padded(1000), padded(45_000)
    (256, 1024, 45056)
    """
    exponent = size.bit_length() - 1
    step = 1 << max(0, exponent - exponent.bit_length())
    return -(-size // step) * step


def read_inner(data: bytes, resolve: Resolve) -> Inner:
    """Return what the bytes of an inner container say. Raise `Malformed` or `TooLarge`.

    SDMP fills what it encrypts up with NUL bytes.
    """
    found = container.read(data.rstrip(b"\0"), resolve)
    value = found.value
    about = About.parse(value["about"]) if found.keeps(URIS["about"]) else None
    private = value.get("private", {})
    if not isinstance(private, dict):
        raise Malformed("a private resource does not say for whom it is")
    users, nodes, guests = (_names(private.get(key, [])) for key in ("readers", "nodes", "guests"))
    inner = Inner(found, about, users, nodes, guests)
    if not inner.kind:
        raise Malformed("what lies inside a private resource is none of the things that can be private")
    if not found.unresolved:
        _ = inner.data, inner.chunk_key  # what is unreadable is not opened
    return inner


def _names(value: Any) -> tuple[Fingerprint, ...]:
    if not isinstance(value, list) or len(value) > READERS_MAX or not all(isinstance(each, str) for each in value):
        raise Malformed("a private resource does not say for whom it is")
    for each in value:
        raw(each)
    return tuple(Fingerprint(each) for each in value)


# -- publishing -------------------------------------------------------------------------


@frozen(kw_only=True)
class Private:
    """For whom a draft is, if not for everybody who reads us."""

    users: tuple[Fingerprint, ...]
    """Besides us."""
    chunks: FileManifest | None = None
    """The sealed chunks of a large file; the draft itself then holds their key."""


def compose_private(
    view: View,
    schemas: Sequence[str],
    fields: dict[str, Any],
    private: Private,
    about: About,
    seal: Seal,
    now: Millis,
) -> tuple[bytes, Inner]:
    """Return the payload of a new private resource, and what lies inside it. Raise `Misused`."""
    local = view.local()
    users = tuple(dict.fromkeys((*private.users, local.user)))
    nodes = readers(view, users, now)
    along = {guest: None for user in users for guest, _ in guests_of(view, user, now) if guest not in users}
    data = write_inner(schemas, fields, about, users, nodes, tuple(along))
    inner = read_inner(data, view.schema)
    schema, closed = seal(data, local.user, nodes)
    outer, names = {schema: closed}, [schema]
    if private.chunks is not None:
        outer["file"] = private.chunks.fields()
        names.append("file")
    bare = About(stamp=about.stamp)
    return compose(names, outer, user=local.user, trust=local.trust, about=bare), inner


def opened(view: View, name: ResourceId, user: Fingerprint, inner: Inner) -> Effects:
    """Note that the resource *name* of *user* holds *inner*."""
    about = inner.about
    yield NoteOpened(
        name,
        inner.kind,
        title=about.title if about else "",
        filename=about.filename if about else "",
        tags=about.tags if about else (),
        size=inner.size,
        parent=about.parent if about else None,
        readers=(*inner.readers, *inner.guests),
        expires=about.ends if about else Millis(0),
    )
    if about and about.relations:
        yield Relate(name, about.relations)
    if user == view.local().user:
        yield NoteReaders(name, inner.readers, inner.nodes)


# -- later readers ------------------------------------------------------------------------


def lacking_keys(view: View, now: Millis, limit: int) -> Iterator[tuple[ResourceId, tuple[Fingerprint, ...]]]:
    """Yield our private resources that some node of a reader cannot open yet, with those nodes; at most *limit*."""
    missing: dict[ResourceId, list[Fingerprint]] = {}
    for user in view.audiences():
        if not may_be_reader(view, user):
            continue
        for node in nodes_of(view, user, now):
            for name in view.unreadable(user, node, limit):
                missing.setdefault(name, []).append(node)
    for name, nodes in sorted(missing.items())[:limit]:
        yield name, tuple(nodes)


def read_wrap(resource: Resource) -> tuple[ResourceId, bytes, tuple[bytes, ...]]:
    """Return (resource, point, entries) of a ``wrap``. Raise `Malformed`."""
    value = resource.container.value["wrap"]
    name = ResourceId(value["resource"])
    raw(name)
    return name, unb64(value["point"]), tuple(unb64(each) for each in value["readers"])


def read_sealed(resource: Resource) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """Return (point, entries, body) of a ``sealed`` resource. Raise `Malformed`."""
    value = resource.container.value["sealed"]
    return unb64(value["point"]), tuple(unb64(each) for each in value["readers"]), unb64(value["body"])


def check(resource: Resource) -> None:
    """Read what is read again later, so that nothing unreadable is kept. Raise `Malformed`."""
    if resource.container.keeps(URIS["sealed"]):
        read_sealed(resource)
    if resource.container.keeps(URIS["wrap"]):
        read_wrap(resource)
