"""What a person does about other nodes: pin them, meet those who wait, and let them go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paquebot.errors import BadCard, Misused, NotFound, Refused
from paquebot.protocol import publishing
from paquebot.protocol.encoding import short
from paquebot.protocol.engine import Engine
from paquebot.protocol.publishing import Card
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Peer
from paquebot.protocol.strangers import Pending
from paquebot.store import Store


class Meetings:
    """One node's dealings with other nodes. *clock* is what the wall clock shows."""

    def __init__(self, store: Store, engine: Engine, clock: Callable[[], Millis]) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock

    # -- peers ------------------------------------------------------------------------

    def read_card(self, text: str) -> Card:
        """Return a verified card. Raise `BadCard`."""
        try:
            return publishing.read_card(text, self._engine.now(self._clock()))
        except Refused as refusal:
            raise BadCard(str(refusal)) from refusal

    def add(self, card: Card, name: str, *, trusting: bool = True) -> Peer:
        """Pin *card*'s node as *name*. Raise `Misused` or `Refused`."""
        view = self._store.view
        for peer in view.peers():
            keys = view.announcement(peer.node)
            if keys and peer.node != card.node.fingerprint and keys.signing == card.keys.signing:
                raise Misused(f"this card uses the envelope key of {peer.name!r}: one of the two is a copy")
        self._store.commit(self._engine.add_peer(card, name, self._clock(), trusting=trusting))
        return self._pinned(card)

    def _pinned(self, card: Card) -> Peer:
        found = self._store.view.peer(card.node.fingerprint)
        assert found is not None
        return found

    def remove(self, peer: Peer) -> None:
        """Forget *peer*: nothing more is sent to it or taken from it."""
        self._store.commit(self._engine.forget(peer, self._clock()))
        self._store.remove_peer(peer.node)

    # -- strangers ----------------------------------------------------------------------

    def pending(self) -> Sequence[Pending]:
        """Return those who wait for a person's word, by number."""
        return [each for each in self._store.view.pending() if not each.declined]

    def stranger(self, text: str) -> Pending:
        """Return the one who waits and whose number, or the begin of whose node, is *text*. Raise `NotFound`."""
        text, waiting = text.strip(), self.pending()
        found = [each for each in waiting if str(each.number) == text]
        if not found and len(text) >= 4:
            found = [each for each in waiting if each.node.startswith(text) or short(each.node).startswith(text)]
        if len(found) != 1:
            raise NotFound(f"{text!r} is none of those who wait; see `paquebot peer pending`")
        return found[0]

    def accept(self, pending: Pending, name: str, *, trusting: bool = True) -> Peer:
        """Pin one who waits under *name*. Raise `Misused` or `BadCard`."""
        try:
            self._store.commit(self._engine.accept(pending, name, self._clock(), trusting=trusting))
        except Refused as refusal:
            raise BadCard(str(refusal)) from refusal
        found = self._store.view.peer(pending.node)
        assert found is not None
        return found

    def decline(self, pending: Pending) -> None:
        """Turn one down who waits."""
        self._store.commit(self._engine.decline(pending, self._clock()))
