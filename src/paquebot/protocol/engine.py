"""The engine: every decision this node makes, and nothing else.

    publish, add_peer                our own person acts
    receive, token, handed, lost     something arrived, or news of something sent
    poll                             time has passed and there is a link: what does each peer lack?
    compose                          what goes into one letter's envelope

Each answers with effects for the store to carry out in one transaction. None of them does anything.
What a peer lacks is *computed* from how far it has been told, never queued: a month's absence costs one envelope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from paquebot.errors import NotForUs, Refused, SetApart, Stranger
from paquebot.protocol import (
    admission,
    clear,
    evidence,
    fitting,
    forgetting,
    hearing,
    inviting,
    mailing,
    meeting,
    noting,
    patience,
    publishing,
    standing,
    witness,
)
from paquebot.protocol.account import Grant
from paquebot.protocol.advert import DICTIONARY
from paquebot.protocol.bundle import Bundle, To, node_tag
from paquebot.protocol.effects import Effect, Effects, HaveBlob, Post, Quarantine, SaveJoin, SetClock, Tell
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.evidence import Occasion
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import SKEW_MS
from paquebot.protocol.link import Link
from paquebot.protocol.meeting import Met
from paquebot.protocol.privacy import Seal
from paquebot.protocol.publishing import Card, Draft
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter, Peer, View
from paquebot.protocol.strangers import Join, Pending

UNASKED = Millis(0)
"""No clock was asked: what is known of the time besides must do."""


class Engine:
    """One node's mind. It looks through *view* and never touches it.

    *key* is the node's SDMP key, or gives it when it is needed: it may be locked. *entropy* is for secrets, *jitter*
    for spread; they are never mixed. Every *wall* is what the wall clock shows, in Unix milliseconds; the engine
    reckons the time from it.
    """

    def __init__(
        self,
        view: View,
        key: PrivateKey | Callable[[], PrivateKey],
        entropy: Callable[[int], bytes],
        jitter: mailing.Jitter,
        grant: Grant | None = None,
    ) -> None:
        self._view = view
        self._given_key = key
        self._entropy = entropy
        self._jitter = jitter
        self.grant = grant or Grant()
        """What each peer may send, and is answered, in one window."""

    @property
    def _key(self) -> PrivateKey:
        return self._given_key if isinstance(self._given_key, PrivateKey) else self._given_key()

    def now(self, wall: Millis) -> Millis:
        """Return the best guess at the time: never before this node was founded, or its keys would not be valid yet."""
        return max(self._view.clock().now(wall), self._view.founded())

    def doubtful(self, wall: Millis) -> bool:
        """Return whether the wall clock contradicts what has certainly passed."""
        return self._view.clock().doubtful(wall)

    def _noted(self, effects: Iterable[Effect], wall: Millis) -> Effects:
        """Yield *effects*, and with them the events that they are."""
        yield from noting.noted(self._view, effects, self.now(wall))

    def check_publishing(self, wall: Millis) -> None:
        """Raise `Expired` or `Revoked` if what we publish would count with nobody."""
        publishing.check(self._view, self._key.fingerprint, self.now(wall))

    def publish(self, drafts: Sequence[Draft], wall: Millis, seal: Seal | None = None) -> Effects:
        """Publish *drafts*, in order; *seal* locks those that are private. Raise `Misused`."""
        yield from self._noted(publishing.publish(self._view, self._key, drafts, self.now(wall), seal), wall)

    def add_peer(self, card: Card, name: str, wall: Millis, *, trusting: bool = True) -> Effects:
        """Pin the node of a verified *card* under *name*. Raise `Misused` or `Refused`."""
        now = self.now(wall)
        yield from self._noted(meeting.pin(self._view, self._key, card, name, trusting=trusting, now=now), wall)

    def retry(self, peer: Fingerprint) -> Effects:
        """A person says that *peer* can be reached: forget that it did not answer, and ask it for news."""
        found = self._view.peer(peer)
        if found is not None:
            yield from patience.retry(self._view, found)

    def let_go(self, names: Sequence[ResourceId]) -> Effects:
        """Delete the bytes of *names* for good. Raise `Misused`."""
        yield from forgetting.forget(self._view, names)

    def lose(self, resources: Sequence[ResourceId], chunks: Sequence[bytes]) -> Effects:
        """Take the bytes of *resources* and *chunks* for damaged, and want them again."""
        for resource in resources:
            yield from forgetting.lose(self._view, resource)
        for chunk in chunks:
            yield from forgetting.lose_blob(self._view, chunk)

    def sender(self, bundle: Bundle, signers: Sequence[str]) -> Fingerprint:
        """Return which of *signers*, who announce one key, the header names. Raise `Refused` if it names none."""
        for each in map(Fingerprint, signers):
            if bundle.sender == node_tag(each):
                return each
        raise Refused("the bundle names another sender than the one who sealed it")

    def addressed(self, bundle: Bundle, sender: Fingerprint) -> To:
        """Return what the header tells us. Raise `NotForUs`, or `Refused` if sender and seal disagree."""
        if bundle.sender != node_tag(sender):
            raise Refused("the bundle names another sender than the one who sealed it")
        for mine in (self._view.local().node, *self._view.predecessors()):
            for to in bundle.to:
                if to.node == node_tag(mine):
                    return to
        raise NotForUs("the bundle was addressed to others")

    def receive(
        self,
        bundle: Bundle,
        sender: Fingerprint,
        link: Link,
        where: str,
        wall: Millis,
        sealed: Millis | None = None,
        size: int = 0,
    ) -> Effects:
        """Decide what follows from an opened envelope of *sender*. Raise `Refused` before anything is asked for.

        *sealed* is the moment that the seal names; what the bundle says is believed if there is none. *size* is the
        envelope's, in bytes.
        """
        to = self.addressed(bundle, sender)
        sealed = _sealed(bundle, sealed)
        peer = self._peer(sender)
        now = self.now(wall)
        found = hearing.Hearing(self._view, sender, link, where, now, self.grant, size)
        if to.node == node_tag(self._view.local().node):
            heard = hearing.hear(found, bundle, to, wall, sealed)
        else:
            heard = hearing.overhear(found, bundle)
        yield from witness.heard(self._view, peer.user, sealed, now=now)
        yield from self._noted(evidence.learned(self._view, heard, Occasion(self.now(wall), where)), wall)

    def _peer(self, sender: Fingerprint) -> Peer:
        """Return the peer from whom something is taken. Raise `Stranger` or `SetApart`."""
        peer = self._view.peer(sender)
        if peer is None:
            raise Stranger("the sender is not one of our peers")
        if peer.suspect:
            raise SetApart(f"{peer.name} is set apart: its keys may be in other hands; add its card again to go on")
        return peer

    def introduced(
        self, met: Met, bundle: Bundle, where: str, wall: Millis, sealed: Millis | None = None, *, welcome: bool = False
    ) -> Effects:
        """Decide about somebody whose opened envelope introduces them: pin them, or let them wait for a person.

        With *welcome*, whoever comes is pinned. Nothing else of *bundle* is acted on; if they are pinned, it is
        received next. Raise `Refused`.
        """
        self.addressed(bundle, met.node)
        _sealed(bundle, sealed)
        found = meeting.introduced(self._view, self._key, met, where, self.now(wall), welcome=welcome)
        yield from self._noted(found, wall)

    def accept(self, pending: Pending, name: str, wall: Millis, *, trusting: bool = True) -> Effects:
        """A person accepts one who waits, under *name*. Raise `Misused` or `Refused`."""
        accepted = meeting.accept(self._view, self._key, pending, name, trusting=trusting, now=self.now(wall))
        yield from self._noted(accepted, wall)

    def decline(self, pending: Pending, wall: Millis) -> Effects:
        """A person turns one down who waits."""
        yield from meeting.decline(pending, self.now(wall))

    def invite(self, wall: Millis, *, days: int, label: str = "") -> Effects:
        """A person invites somebody. Raise `Misused`."""
        yield from inviting.create(self._view, self._entropy, self.now(wall), days=days, label=label)

    def join(self, card: Card, name: str, secret: bytes, wall: Millis) -> Effects:
        """A person accepts the invitation of the node of a verified *card*. Raise `Misused` or `Refused`."""
        yield from self.add_peer(card, name, wall)
        yield SaveJoin(Join(card.node.fingerprint, secret, self.now(wall)))

    def forget(self, peer: Peer, wall: Millis) -> Effects:
        """A person removes *peer*: see to it that nothing but a person brings it back."""
        yield from meeting.forget(self._view, peer, self.now(wall))

    def refuse(self, data: bytes, refusal: Refused, where: str, wall: Millis) -> Effects:
        """Set an envelope aside that could not be opened or read."""
        aside = Quarantine(data, refusal.code, str(refusal), None, where, self.now(wall))
        yield from self._noted([aside, Tell("rejected", where, refusal.code)], wall)

    def have_blobs(self, blobs: Iterable[tuple[bytes, int]], wall: Millis = UNASKED) -> Effects:
        """Note chunks, by name and size, whose bytes the store has been given; they may complete others' files."""
        for name, size in blobs:
            yield from self._noted(admission.blob(self._view, HaveBlob(name, size)), wall)

    def again(self, signed: SignedObject, sender: Fingerprint, wall: Millis) -> Effects:
        """Judge a resource of *sender*'s anew that was set aside, as if it came now. Raise `Refused`."""
        self._peer(sender)
        yield from self._noted(admission.receive(self._view, signed, sender, self.now(wall)), wall)

    def in_clear(self, data: bytes, where: str, wall: Millis) -> Effects:
        """Something arrived that is no envelope: if a peer signed it, that peer is set apart."""
        yield from self._noted(clear.judge(self._view, data, where, self.now(wall)), wall)

    def token(self, token: bytes, wall: Millis = UNASKED) -> Effects:
        """A carrier shows *token*: if it belongs to one of our letters, that letter arrived."""
        letter = self._view.letter_with(token)
        if letter is not None:
            occasion = Occasion(self.now(wall), letter.where or letter.medium)
            yield from self._noted(evidence.learned(self._view, mailing.arrived(self._view, letter), occasion), wall)

    def handed(self, letter: bytes, link: Link, where: str, wall: Millis, *, read_back: bool = False) -> Effects:
        """A carrier has taken a letter, and perhaps read it back from its medium."""
        found = self._view.letter(letter)
        if found is not None and found.handed_at is None:
            now = self.now(wall)
            noted = mailing.handed(self._view, found, link, where, now)
            yield from evidence.learned(self._view, noted, Occasion(now, where, read_back))

    def lost(self, letter: bytes) -> Effects:
        """A letter is known to be lost, or could not go: plan its content anew."""
        found = self._view.letter(letter)
        if found is not None:
            yield from mailing.lost(self._view, found)

    def poll(self, link: Link, wall: Millis) -> Effects:
        """Plan what is due on *link*, and look again at what was waiting for its time."""
        yield from self._noted(self._polled(link, wall), wall)

    def _polled(self, link: Link, wall: Millis) -> Effects:
        clock = self._view.clock()
        noted = clock.noted(wall, self._view.stamp().at)
        if noted != clock:
            yield SetClock(noted)
        now = self.now(wall)
        for held in self._view.due(now):
            yield from admission.reconsider(self._view, held, now)
        yield from standing.refresh(self._view, None if clock.doubtful(wall) else now)
        yield from mailing.poll(self._view, link, now, self._entropy, self._jitter, self.grant)

    def waits(self, link: Link, wall: Millis) -> bool:
        """Return whether something that asks for an answer is due on *link*. Asking plans nothing."""
        return any(isinstance(effect, Post) and effect.letter.plan.eliciting for effect in self.poll(link, wall))

    def compose(self, letter: Letter) -> Bundle:
        """Return what goes into *letter*'s envelope."""
        return mailing.compose(self._view, self._key, letter)

    def shares_dictionary(self, letter: Letter, link: Link) -> bool:
        """Return whether bytes are dear on *link*, and the recipient has said that it has our dictionary."""
        return not link.bytes_cheap and self._view.account(letter.peer).dictionary >= DICTIONARY

    def size_max(self, letter: Letter) -> int:
        """Return an upper bound of the size of *letter*'s envelope, in bytes."""
        return fitting.size_max(self._view, letter)


def _sealed(bundle: Bundle, sealed: Millis | None) -> Millis:
    """Return when *bundle* was sealed: what the seal says, if there is one. Raise `Refused` if it says otherwise."""
    if sealed is None:
        return bundle.created
    if abs(bundle.created - sealed) > SKEW_MS:
        raise Refused("the bundle and its seal are dated differently")
    return sealed
