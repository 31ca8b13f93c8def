"""What the house lends to a transport: durable state, a private folder, keyed tags, time and dice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

from paquebot.errors import Malformed
from paquebot.protocol import carrying, meeting, routes
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.stamp import Millis
from paquebot.store import Store
from paquebot.store.blobs import sync_folder
from paquebot.vault import keystore


class Tags:
    """The keyed tags between this node and its peers, by which a record's recipient knows it again."""

    def __init__(
        self,
        store: Store,
        secrets: Callable[[], keystore.Secrets],
        former: Callable[[], Sequence[keystore.Secrets]] = tuple,
    ) -> None:
        self._store = store
        self._secrets = secrets  # read when the first tag is made or met, which may be never
        self._former = former
        self._storage: list[bytes] = []
        self._incoming: dict[tuple[Fingerprint, Fingerprint], list[bytes]] = {}
        self._outgoing: dict[Fingerprint, Callable[[bytes], bytes]] = {}

    def renew(self) -> None:
        """Forget all keys: the store belongs to another node now."""
        self._storage.clear()
        self._incoming.clear()
        self._outgoing.clear()

    def for_peer(self, peer: Fingerprint) -> Callable[[bytes], bytes]:
        """Return the function that makes tags which *peer* recognises. Raise `Malformed` if its keys are unusable."""
        keys = self._store.view.announcement(peer)
        assert keys is not None, "a peer's envelope keys are pinned"
        me = self._store.view.local().node
        return partial(keystore.tag, keystore.tag_key(self._secrets().storage, keys.storage, me, peer))

    def made(self, salt: bytes, tag: bytes) -> bool:
        """Return whether we made *tag* for one of our peers."""
        for peer in self._store.view.peers():
            if peer.node not in self._outgoing:
                with suppress(Malformed):
                    self._outgoing[peer.node] = self.for_peer(peer.node)
            if peer.node in self._outgoing and self._outgoing[peer.node](salt) == tag:
                return True
        return False

    def recognise(self, salt: bytes, tag: bytes) -> bool:
        """Return whether one of our peers made *tag* for us, or for a node that this home was before."""
        view = self._store.view
        mine = (view.local().node, *view.predecessors())
        return any(self._recognises(me, peer.node, salt, tag) for me in mine for peer in view.peers())

    def _recognises(self, me: Fingerprint, peer: Fingerprint, salt: bytes, tag: bytes) -> bool:
        if (me, peer) not in self._incoming:
            self._incoming[me, peer] = self._keys_from(peer, me)
        return any(keystore.tag(key, salt) == tag for key in self._incoming[me, peer])

    def _keys_from(self, peer: Fingerprint, me: Fingerprint) -> list[bytes]:
        """Return the keys of what *peer* may have sent to *me*, one for each storage key that we have or had."""
        keys = self._store.view.announcement(peer)
        assert keys is not None, "a peer's envelope keys are pinned"
        if not self._storage:
            self._storage = [each.storage for each in (self._secrets(), *self._former())]
        found = []
        for storage in self._storage if me != self._store.view.local().node else self._storage[:1]:
            with suppress(Malformed):  # one peer's unusable keys must not hide the others
                found.append(keystore.tag_key(storage, keys.storage, peer, me))
        return found


class HouseContext:
    """The door's `Context`, kept in the store under the name of the transport's kind."""

    def __init__(
        self,
        store: Store,
        kind: str,
        folder: Path,
        tags: Tags | None,
        *,
        now: Callable[[], int],
        entropy: Callable[[int], bytes],
        welcome: bool = False,
        name: str = "",
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._name = name or kind
        self._note = note
        self._kind = kind
        self._folder = folder
        self._tags = tags
        self._now = now
        self._entropy = entropy
        nodes = sorted(f"{peer.node}{peer.suspect or ''}" for peer in store.view.peers())
        if welcome:
            nodes.append("welcome")
        elif meeting.full(store.view):
            nodes.append("full")
        if left := meeting.crowd(store.view, Millis(now())).left_before:
            nodes.append(f"strangers left {left}")
        if room := store.view.remembered(carrying.EPOCH):
            nodes.append(f"room {room.hex()}")
        self._addresses = {address.lower() for address in routes.every(store.view, kind)}
        nodes += sorted(self._addresses)  # what came from elsewhere before may be looked at now
        self._epoch = sha256(" ".join(nodes).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What people call this carrier."""
        return self._name

    @property
    def folder(self) -> Path:
        """A private folder, created on first use."""
        return _made(self._folder)

    @property
    def epoch(self) -> str:
        """Changes when a peer is added, removed, set apart or taken back: what was left may then be taken.

        So it does on the day after one on which more strangers wrote than are heard in a day, and when there is room
        again for parcels of others, some of which were turned away.

        It stays the same for one visit: what was left before a peer was added is looked at in the next.
        """
        return self._epoch

    def get(self, key: str) -> bytes | None:
        """Return a value of the durable state."""
        return self._store.view.carried(self._kind, key)

    def items(self, prefix: str) -> Iterable[tuple[str, bytes]]:
        """Return the durable state below *prefix*."""
        return self._store.view.carrier(self._kind, prefix)

    def put(self, key: str, value: bytes | None) -> None:
        """Set or remove a value, durably."""
        self.update({key: value})

    def update(self, changes: Mapping[str, bytes | None]) -> None:
        """Set and remove values, durably, in one transaction."""
        self._store.carry(self._kind, changes)

    def recognise(self, salt: bytes, tag: bytes) -> bool:
        """Return whether *tag* was made for this node by one of its peers. Without tags, none is known."""
        return self._tags is not None and self._tags.recognise(salt, tag)

    def knows(self, address: str) -> bool:
        """Return whether one of our peers is at *address*, or says so."""
        return address.lower() in self._addresses

    def now_ms(self) -> int:
        """Return the time as this node reckons it."""
        return self._now()

    def entropy(self, count: int) -> bytes:
        """Return random bytes."""
        return self._entropy(count)

    def note(self, text: str) -> None:
        """Tell whoever watches."""
        self._note(f"{self._name}: {text}")


def _made(folder: Path) -> Path:
    """Return *folder*, which is there, for good."""
    if not folder.is_dir():
        above = _made(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(above)
    return folder
