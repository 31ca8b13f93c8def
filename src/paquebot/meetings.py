"""What a person does about other nodes: pin them, meet those who wait, and let them go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from paquebot.errors import BadCard, Misused, NotFound, Refused
from paquebot.protocol import codes, introducing, inviting, meeting, publishing, routes, verifying
from paquebot.protocol.codes import Code
from paquebot.protocol.effects import SaveInvite, SaveVerified
from paquebot.protocol.encoding import short
from paquebot.protocol.engine import Engine
from paquebot.protocol.publishing import Card
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.state import Peer
from paquebot.protocol.strangers import Invite, Pending, Verified
from paquebot.store import Store
from paquebot.store.view import SqliteView


class Meetings:
    """One node's dealings with other nodes. *clock* is what the wall clock shows."""

    def __init__(self, store: Store, engine: Engine, clock: Callable[[], Millis]) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock

    # -- peers ------------------------------------------------------------------------

    def now(self) -> Millis:
        """Return the time as the node reckons it."""
        return self._engine.now(self._clock())

    def read_card(self, text: str) -> Card:
        """Return the verified card in *text*, a card's or a code's. Raise `BadCard`."""
        try:
            if codes.find(text):
                return publishing.card_of(codes.read(text).card, self.now())
            return publishing.read_card(text, self.now())
        except Refused as refusal:
            raise BadCard(str(refusal)) from refusal

    def add(self, card: Card, name: str, *, trusting: bool = True) -> Peer:
        """Pin *card*'s node as *name*. Raise `Misused` or `Refused`."""
        self._no_copy(card)
        self._store.commit(self._engine.add_peer(card, name, self._clock(), trusting=trusting))
        return self._pinned(card)

    def _no_copy(self, card: Card) -> None:
        view = self._store.view
        for peer in view.peers():
            keys = view.announcement(peer.node)
            if keys and peer.node != card.node.fingerprint and keys.signing == card.keys.signing:
                raise Misused(f"this card uses the envelope key of {peer.name!r}: one of the two is a copy")

    def _pinned(self, card: Card) -> Peer:
        found = self._store.view.peer(card.node.fingerprint)
        assert found is not None
        return found

    def route(self, peer: Peer, kind: str, address: str | None) -> None:
        """Write to *peer* at *address* by carriers of *kind*; with "" never, with None where it says. Raise `Misused`.

        What is on its way there is planned anew: it may never arrive.
        """
        self._store.commit(routes.put_by_hand(self._store.view, peer.node, kind, address))

    def remove(self, peer: Peer) -> None:
        """Forget *peer*: nothing more is sent to it or taken from it."""
        self._store.commit([*routes.forgotten(peer), *self._engine.forget(peer, self._clock())])
        self._store.remove_peer(peer.node)

    # -- strangers ----------------------------------------------------------------------

    def stranger(self, text: str) -> Pending:
        """Return the one who waits and whose number, or the begin of whose node, is *text*. Raise `NotFound`."""
        text, those = text.strip(), waiting(self._store.view)
        found = [each for each in those if str(each.number) == text]
        if not found and len(text) >= 4:
            found = [each for each in those if each.node.startswith(text) or short(each.node).startswith(text)]
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

    # -- invitations ------------------------------------------------------------------

    def invite(self, *, days: int, label: str = "") -> Invite:
        """Invite somebody, who is to be called *label*. Raise `Misused`."""
        (made,) = self._store.commit(self._engine.invite(self._clock(), days=days, label=label))
        assert isinstance(made, SaveInvite)
        return made.invite

    def invite_code(self, invite: Invite) -> str:
        """Return *invite* as a code, to be given to one person."""
        card = introducing.own_card(self._store.view)
        return codes.write(Code(codes.INVITE, card, invite.secret, invite.created, invite.expires))

    def invites(self) -> Sequence[Invite]:
        """Return all invitations that were given, oldest first."""
        return self._store.view.invites()

    def revoke(self, invite: Invite) -> None:
        """Let *invite* be good for nobody any more. Raise `Misused` if it is used."""
        if invite.used:
            raise Misused("this invitation is used; to let its guest go: paquebot peer remove NAME")
        self._store.commit([SaveInvite(replace(invite, revoked=invite.revoked or self.now()))])

    def join(self, text: str, name: str | None = None) -> Peer:
        """Accept the invitation in *text*; pin who gave it. Raise `BadCard` or `Misused`."""
        try:
            code = codes.read(text)
            card = publishing.card_of(code.card, self.now())
        except Refused as refusal:
            raise BadCard(str(refusal)) from refusal
        if code.kind != codes.INVITE:
            raise Misused("this is a card, and no invitation: paquebot peer add NAME CARDFILE")
        if self.now() > code.expires:
            raise Misused(
                f"this invitation was good until {format_time(code.expires)[:16]}; ask for a new one, or add the card"
                " that it holds, and be accepted by hand: paquebot peer add NAME CARDFILE"
            )
        self._no_copy(card)
        view, before = self._store.view, self._store.view.peer(card.node.fingerprint)
        name = name or (
            before.name if before else meeting.other_name(view, meeting.called(card), card.node.fingerprint)
        )
        self._store.commit(self._engine.join(card, name, code.secret, self._clock()))
        if inviting.verifies(code.created, code.expires):
            self._verified(self._pinned(card), "invitation")
        return self._pinned(card)

    # -- verification -------------------------------------------------------------------

    def verify(self, peer: Peer, typed: str) -> None:
        """Take *peer* as verified if *typed* is what its person must have read, or its node's code. Raise `Misused`."""
        if codes.find(typed):
            self._compare(peer, typed)
            return
        ours, theirs = words(self._store.view, peer)
        given = verifying.typed(typed)
        if given == ours:
            raise Misused("these are the words to be read aloud here; type those that the other person reads")
        if given != theirs:
            raise Misused(
                f"these are not the words of {peer.name}. Read and type them once more; if they differ again,"
                " somebody may sit between you: do not trust this peer, and compare cards by another way"
            )
        self._verified(peer, "words")

    def _compare(self, peer: Peer, text: str) -> None:
        try:
            code = codes.read(text)
        except Refused as refusal:
            raise BadCard(str(refusal)) from refusal
        if code.node != peer.node:
            raise Misused(f"this code is not that of {peer.name}'s node: do not trust this peer, or scan the right one")
        self._verified(peer, "code")

    def _verified(self, peer: Peer, how: str) -> None:
        self._store.commit([SaveVerified(Verified(peer.node, self.now(), how))])


def first_peer(view: SqliteView, now: Millis) -> str:
    """Return what has to be done that there is a peer, where there is none yet."""
    if any(each.state(now) == "open" for each in view.invites()):
        return "whom you invited has to join and sync first; then sync here again"
    return "`paquebot invite --for NAME`, or `paquebot join INVITE`"


def waiting(view: SqliteView) -> Sequence[Pending]:
    """Return those who wait for a person's word, by number."""
    return [each for each in view.pending() if not each.declined]


def words(view: SqliteView, peer: Peer) -> tuple[list[str], list[str]]:
    """Return the words that our person reads to the person of *peer*, and those that this one reads."""
    from mnemonic import Mnemonic

    known = Mnemonic("english").wordlist
    ours, theirs = verifying.halves(view.local().node, peer.node)
    return [known[each] for each in ours], [known[each] for each in theirs]


def card_code(view: SqliteView) -> str:
    """Return this node's card as a code."""
    return codes.write(Code(codes.CARD, introducing.own_card(view)))


def node_code(view: SqliteView) -> str:
    """Return this node's fingerprint as a code, small enough for any screen."""
    return codes.write(Code(codes.NODE, node=view.local().node))
