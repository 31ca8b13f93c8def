"""Private resources at home: lock what is published, open what is for us, hand later nodes their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from paquebot.errors import Malformed, NotForUs, Refused
from paquebot.protocol import privacy
from paquebot.protocol.effects import Effects, Keep, NoteClosed, NoteReaders
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, raw
from paquebot.protocol.engine import Engine
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import WRAPS_MAX
from paquebot.protocol.privacy import ENCRYPTED, SEALED, WRAP, Inner
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.store.view import SqliteView
from paquebot.vault import encrypted, keystore
from paquebot.vault import private as vault
from paquebot.vault.private import Wraps


class Privacy:
    """What one node does with private resources. Keys are read when the first thing is locked or opened."""

    def __init__(
        self,
        view: SqliteView,
        secrets: Callable[[], keystore.Secrets],
        node_key: Callable[[], PrivateKey],
        entropy: Callable[[int], bytes],
        former: Callable[[], Sequence[keystore.Secrets]] = tuple,
    ) -> None:
        self._view = view
        self._secrets = secrets
        self._node_key = node_key
        self._entropy = entropy
        self._former = former  # of nodes that this one replaced: what was locked to them opens here

    # -- locking ----------------------------------------------------------------------

    def seal(self, inner: bytes, user: Fingerprint, nodes: Sequence[Fingerprint]) -> tuple[str, dict[str, Any]]:
        """Lock *inner*, which is to be published for *user*, to *nodes*; see `paquebot.protocol.privacy.Seal`.

        SDMP's own form is written if all nodes can read it.
        """
        keys = [identity.key for node in nodes if (identity := self._view.identity(node))]
        if encrypted.suits(keys):
            return ENCRYPTED, encrypted.seal(inner, keys, self._entropy)
        content = vault.content_key(self._entropy)
        wraps = Wraps.make(content, self._points(nodes), raw(user), self._entropy)
        return SEALED, {**_entries(wraps), "body": b64(vault.seal_body(inner, content, raw(user)))}

    def _points(self, nodes: Sequence[Fingerprint]) -> list[bytes]:
        found = (self._view.announcement(node) for node in nodes)
        return [keys.storage for keys in found if keys is not None]

    # -- opening ------------------------------------------------------------------------

    def open_new(self) -> Effects:
        """Try whatever was not tried yet. What is cut short is tried again the next time."""
        for name in self._view.unopened():
            resource = self._resource(name)
            if resource.kind == WRAP:
                target, _, _ = privacy.read_wrap(resource)
                yield NoteClosed(name, target)
                counts = name in self._view.keys_to(target)
                if counts and self._view.resource(target) and self._view.opened(target) is None:
                    yield from self._try(target, [name])
            else:
                yield from self._try(name, self._view.keys_to(name))

    def open_again(self) -> Effects:
        """Try what did not open before: keys of a former node have come."""
        for listed in self._view.listed((SEALED, ENCRYPTED)):
            yield from self._try(listed.id, self._view.keys_to(listed.id))

    def _try(self, name: ResourceId, wraps: Sequence[ResourceId]) -> Effects:
        resource = self._resource(name)
        if resource.kind not in (SEALED, ENCRYPTED):
            return
        try:
            _, inner = self._open(resource, wraps)
        except Refused:
            yield NoteClosed(name)
            return
        if not inner.container.unresolved:
            yield from privacy.opened(self._view, name, resource.user, inner)

    def inner(self, name: ResourceId) -> Inner:
        """Return what lies inside the private resource *name*. Raise `NotForUs`, whatever is wrong."""
        return self._open(self._resource(name), self._view.keys_to(name))[1]

    def _open(self, resource: Resource, wraps: Sequence[ResourceId]) -> tuple[bytes, Inner]:
        """Return the content key and what lies inside. Raise `NotForUs`."""
        for content in self._content_keys(resource, wraps):
            try:
                data = self._body(resource, content)
                return content, privacy.read_inner(data, self._view.schema)
            except Refused:
                continue  # anybody may publish a wrap of a wrong key
        raise vault.closed()

    def _body(self, resource: Resource, content: bytes) -> bytes:
        if resource.kind == ENCRYPTED:
            iv, payload, _ = encrypted.read(resource.container.value[ENCRYPTED])
            return encrypted.open_payload(iv, payload, content)
        _, _, body = privacy.read_sealed(resource)
        return vault.open_body(body, content, raw(resource.user))

    def _content_keys(self, resource: Resource, wraps: Sequence[ResourceId]) -> Iterator[bytes]:
        """Yield what may be the content key: from the resource itself, then from each of *wraps*."""
        if resource.kind == ENCRYPTED:
            _, _, recipients = encrypted.read(resource.container.value[ENCRYPTED])
            yield from encrypted.keys(recipients, self._node_key(), self._entropy)
        else:
            point, entries, _ = privacy.read_sealed(resource)
            yield from self._opened(Wraps(point, entries), raw(resource.user))
        for name in wraps:
            _, point, entries = privacy.read_wrap(self._resource(name))
            yield from self._opened(Wraps(point, entries), raw(resource.id))

    def _opened(self, wraps: Wraps, subject: bytes) -> Iterator[bytes]:
        for storage in self._storage:
            if content := wraps.open(storage, subject):
                yield content

    @cached_property
    def _storage(self) -> list[bytes]:
        return [secrets.storage for secrets in (self._secrets(), *self._former())]

    def pieces(self, inner: Inner, chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
        """Yield what *chunks*, of which there are *count*, hold of a large file. Raise `Malformed`."""
        key = inner.chunk_key
        assert key is not None, "the file is in chunks"
        size = 0
        for piece in vault.open_chunks(chunks, key, count):
            size += len(piece)
            yield piece
        if size != inner.size:
            raise Malformed("a private file is not of the size that its author says")

    def _resource(self, name: ResourceId) -> Resource:
        signed = self._view.resource(name)
        assert signed is not None, "only what is held is opened"
        return Resource.read(signed, self._view.schema)

    # -- later nodes ------------------------------------------------------------------------

    def wrap_missing(self, engine: Engine, wall: Millis) -> Effects:
        """Publish keys for nodes of our readers that came after what they may read."""
        missing = privacy.lacking_keys(self._view, engine.now(wall), WRAPS_MAX)
        for name, nodes in islice(missing, WRAPS_MAX):
            try:
                content, _ = self._open(self._resource(name), self._view.keys_to(name))
            except NotForUs:
                continue
            wraps = Wraps.make(content, self._points(nodes), raw(name), self._entropy)
            draft = Draft(schemas=(WRAP,), fields={WRAP: {"resource": name, **_entries(wraps)}})
            for effect in engine.publish([draft], wall):
                yield effect
                if isinstance(effect, Keep):
                    yield NoteReaders(name, (), nodes, by=effect.kept.signed.id)


def _entries(wraps: Wraps) -> dict[str, Any]:
    return {"point": b64(wraps.point), "readers": [b64(each) for each in wraps.readers]}
