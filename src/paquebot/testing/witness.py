"""What must be true at every moment, checked at the step where it could be broken.

The witness sees everything: what was sealed, what each store committed, what was acknowledged. It believes nobody's
word: signatures and chains are checked here by other means than the code under test uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from paquebot.errors import Refused
from paquebot.protocol import journal, mailing, patience
from paquebot.protocol.bundle import Answer, Bundle, Chunk, Rebuilt, Recalled, Update, Verbatim
from paquebot.protocol.effects import (
    AddLines,
    Asked,
    DropReply,
    Effect,
    Handed,
    Hide,
    Keep,
    Post,
    Release,
    SavePeer,
    Seen,
    Settle,
    Tell,
)
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, b64
from paquebot.protocol.identity import PublicKey
from paquebot.protocol.limits import IN_FLIGHT_MAX
from paquebot.protocol.reading import CLOSURE
from paquebot.protocol.resource import PROOFS, Resource, Signature, SignedObject
from paquebot.protocol.schema import published
from paquebot.protocol.state import Kept, Letter, Peer, View
from paquebot.protocol.trust import READ, trust_of
from paquebot.report import Report
from paquebot.store.view import Listed, Quarantined

OUTBOX_MAX = 200
"""Letters to one peer that may wait at once, in months as small as ours."""


class WideView(View, Protocol):
    """The engine's view and what lists need."""

    def listed(
        self, kinds: Sequence[str] | None = None, *, new: bool = False, revoked: bool = False
    ) -> Iterator[Listed]: ...

    def quarantined(self) -> Sequence[Quarantined]: ...


OUTCOMES = {"applied", "duplicate", "superseded", "held", "deferred", "rejected", "declined"}


@dataclass(frozen=True, slots=True)
class Sealed:
    """An envelope that an honest node made."""

    sender: Fingerprint
    bundle: Bundle


class Witness:
    """Sees what all nodes do, and raises `AssertionError` at the first broken promise."""

    def __init__(self, *, tokens: bool, keeps: bool = True) -> None:
        self.keeps = keeps
        """No disk forgets or damages anything, so that what was true of what others hold stays true."""
        self.tokens = tokens
        """A token says that an envelope is safe. Lines in it that came too early have to be asked for."""
        self.views: dict[Fingerprint, WideView] = {}
        self.keys: dict[Fingerprint, PublicKey] = {}
        """Of all honest users and nodes."""
        self.letters: dict[bytes, Letter] = {}
        """Everything ever planned, by bundle id."""
        self.carried: set[bytes] = set()
        """Letters that a carrier took."""
        self.lost: set[bytes] = set()
        """Letters that a carrier said to be lost."""
        self.senders: dict[bytes, Fingerprint] = {}
        """Who planned it, by bundle id."""
        self.numbered: dict[tuple[Fingerprint, Fingerprint, int], bytes] = {}
        """Bundle ids by sender, recipient and sequence number."""
        self.parcels: dict[bytes, Sealed] = {}
        """By the SHA-256 of the envelope."""
        self.grants: set[tuple[Fingerprint, Fingerprint]] = set()
        """(user, trustee) of every trust to read that ever was; its author's home may have been put back since."""
        self.posted: Counter[tuple[Fingerprint, Fingerprint, str, str]] = Counter()
        """How often each line or chunk was put on each medium."""
        self.told: Counter[str] = Counter()
        """What became of items since it was cleared."""
        self._judged: dict[tuple[Fingerprint, frozenset[ResourceId]], object] = {}
        """What counts of a user's trusts and revocations, by those that were held."""
        self._readers: dict[tuple[Fingerprint, Fingerprint], bool] = {}
        """Whether a node lets a peer read."""
        self._done: set[tuple[Fingerprint, bytes]] = set()
        self._proven: dict[tuple[Fingerprint, Fingerprint], tuple[int, LineId]] = {}
        self._believed: dict[tuple[Fingerprint, Fingerprint], Peer] = {}
        self._checked: set[tuple[Fingerprint, Fingerprint, int]] = set()
        self._valid: set[tuple[bytes, Signature]] = set()

    # -- what is seen ---------------------------------------------------------------

    def sealed(self, sender: Fingerprint, bundle: Bundle, parcel: bytes, size_max: int) -> None:
        """An envelope was made: it acknowledges only what its sender holds, and keeps its promised size."""
        assert len(parcel) <= size_max, f"an envelope of {len(parcel)} bytes was announced with {size_max}"
        self.note(parcel, Sealed(sender, bundle))
        peer = self.letters[bundle.id].peer
        known = self.views[sender].peer(peer)
        assert known is not None
        for part in bundle.parts:
            if isinstance(part, Rebuilt):
                self._check_given(sender, known, part.signed)
        for number in bundle.to[0].heard.numbers:
            name = self.numbered.get((peer, sender, number))
            if (sender, peer, number) not in self._checked and name is not None:
                stored = self.views[sender].seen(name) or number < known.floor
                assert stored, "an envelope was acknowledged in a header and not stored"
                self._checked.add((sender, peer, number))

    def note(self, parcel: bytes, sealed: Sealed) -> None:
        """Remember what an envelope holds."""
        self.parcels[sha256(parcel).digest()] = sealed

    def lied(self, sender: Fingerprint, bundle: Bundle, parcel: bytes) -> None:
        """Somebody made an envelope with the key of *sender*, who knows nothing of it."""
        self.parcels[sha256(parcel).digest()] = Sealed(sender, bundle)

    def committed(
        self, who: Fingerprint, effects: Iterable[Effect], heard: tuple[Bundle, str] | None, *, incoming: bool
    ) -> None:
        """A transaction of *who* is complete; it dealt with the envelope *heard* by some medium, if with any."""
        effects, regained = list(effects), False
        stopped: set[Fingerprint] = set()
        for effect in effects:
            match effect:
                case Tell(outcome):
                    self.told[outcome] += 1
                case Seen(bundle):
                    assert (who, bundle) not in self._done, "an envelope was acted on twice"
                    self._done.add((who, bundle))
                case Keep(kept):
                    self._check_signature(effect)
                    self._note_grant(kept)
                    assert self._granted(who, kept), "somebody holds what was never granted to it"
                    assert self.views[who].has(kept.signed.id), "a resource was kept and is not there"
                case Post(letter):
                    self._posted(who, letter)
                case Handed(name):
                    assert name in self.carried, "an envelope counts as handed over that no carrier took"
                case Settle(name) if incoming and self.letters[name].peer not in stopped:  # else it was taken back
                    self._check_settled(self.letters[name], effects)
                case SavePeer(peer):
                    before = self._readers.get((who, peer.node), peer.reads)
                    regained |= peer.reads and not before
                    stopped |= {peer.node} if before and not peer.reads else set()
                    self._readers[who, peer.node] = peer.reads
                case DropReply(number) if not regained:  # else it may have been a refusal
                    self._check_answered(who, number)
                case AddLines(author):
                    self._prove(who, author)
        for user in {each.kept.user for each in effects if isinstance(each, Keep) and each.kept.kind in PROOFS}:
            self._check_judgement(who, user)
        if heard is not None:
            self._check_outcomes(effects, heard[0])
            self._check_patience(who, effects, heard[1])

    def acknowledged(self, who: Fingerprint, parcel: bytes) -> None:
        """*who* showed a token: what the parcel taught must be stored by now."""
        found = self.parcels.get(sha256(parcel).digest())
        assert found is not None, "something that no honest node made was acknowledged"
        assert self.views[who].seen(found.bundle.id), "an envelope was acknowledged before it was stored"

    def refused(self, who: Fingerprint, parcel: bytes) -> None:
        """*who* refused a parcel for good: its bytes must have been set aside."""
        name = sha256(parcel).digest()
        found = self.parcels.get(name)
        accepted = found is not None and self.views[who].seen(found.bundle.id)
        if accepted and found:
            peer = self.views[who].peer(found.sender)
            assert peer is None or peer.suspect or peer.revoked, "what came again was refused"
        aside = accepted or any(each.digest == name for each in self.views[who].quarantined())
        assert aside, "refused and not set aside"

    def reported(self, report: Report) -> None:
        """A visit is over, and says what it did: the numbers add up, and are those of what was seen (NT-23)."""
        parts = report.opened + report.not_ours + report.refused + report.not_yet
        assert report.found == parts, f"{report.found} envelopes were found, and {parts} accounted for"
        assert report.outcomes.keys() <= OUTCOMES, f"an outcome that there is not: {report.outcomes}"
        # An envelope that is not ours is not told of; one that is refused is, as one item.
        assert report.outcomes == self.told, f"reported {report.outcomes}, and what became of items is {self.told}"
        assert report.new <= report.outcomes["applied"], "more is new than was applied"

    # -- what is concluded --------------------------------------------------------------

    def _posted(self, who: Fingerprint, letter: Letter) -> None:
        assert letter.id not in self.letters, "two letters have one name"
        self.letters[letter.id] = letter
        self.senders[letter.id] = who
        place = who, letter.peer, letter.sequence
        assert place not in self.numbered, "a sequence number was given twice"
        self.numbered[place] = letter.id
        for number in letter.plan.lines:
            self.posted[who, letter.peer, letter.medium, f"line {number}"] += 1
        for number in letter.plan.chunks:
            self.posted[who, letter.peer, letter.medium, f"chunk {number}"] += 1

    def _granted(self, who: Fingerprint, kept: Kept) -> bool:
        """Whether the author ever let *who*, or the user there, read: by any trust that anybody held."""
        reader = self.views[who].local()
        if kept.sender is None or kept.kind in CLOSURE or kept.user == reader.user:
            return True
        return not self.grants.isdisjoint({(kept.user, reader.user), (kept.user, reader.node)})

    def _note_grant(self, kept: Kept) -> None:
        if kept.kind == "trust":
            trust = trust_of(Resource.read(kept.signed, published))
            if READ in trust.rights:
                self.grants.add((kept.user, trust.trustee))

    def _check_judgement(self, who: Fingerprint, user: Fingerprint) -> None:
        """What counts of the trusts and revocations of *user* follows from those that are held, whoever holds them.

        Where lines of an ended journal decide, it depends on what is known of that as well.
        """
        view = self.views[who]
        found = view.authority(user)
        if found.ended:
            return
        held = frozenset(each.id for each in view.listed(PROOFS, revoked=True) if each.user == user)
        given = {trust.id for each in {trust.trustee for trust in found.trusts.values()} for trust in found.given(each)}
        counts = {*found.revocations}, {*found.unconditional}, given
        assert self._judged.setdefault((user, held), counts) == counts, "two know the same trusts, and judge otherwise"

    def _check_given(self, sender: Fingerprint, peer: Peer, signed: SignedObject) -> None:
        """What was put into an envelope of *sender*'s own may go to *peer*, by what *sender* holds itself."""
        view = self.views[sender]
        user, kind = view.origin(signed.id) or (peer.user, "")
        if kind in CLOSURE or user == peer.user:
            return
        authority = view.authority(user)
        gone = {each.target for each in authority.revocations.values()}
        assert signed.id not in gone, "what was taken back was sent"
        assert any(
            trust.trustee in (peer.user, peer.node) and "read_resource" in trust.rights and trust.id not in gone
            for trust in authority.trusts.values()
        ), "something was sent to somebody who may not read it"

    def _check_signature(self, effect: Keep) -> None:
        signed = effect.kept.signed
        (signature,) = signed.signatures
        assert signature.signer in self.keys, "a resource by an unknown signer was kept"
        if (proof := (signed.payload, signature)) not in self._valid:
            # Raises `BadSignature`, and by another way than `SignedObject.verify`.
            self.keys[signature.signer].verify(signature.value, b64(signed.payload).encode())
            self._valid.add(proof)

    def _check_settled(self, letter: Letter, effects: Sequence[Effect]) -> None:
        """A letter was taken out because of something that arrived."""
        answered = {effect.number for effect in effects if isinstance(effect, DropReply)}
        unasked = {effect.resource for effect in effects if isinstance(effect, Asked) and not effect.at}
        owed = not answered.issuperset(letter.plan.replies)
        if owed or not unasked.isdisjoint([*letter.plan.requests, *(name for name, _ in letter.plan.wants)]):
            return  # it was called back: what it answers is owed still, and what it asks is asked again
        plan = letter.plan
        moot = letter.id in self.lost or not (plan.requests or plan.wants or plan.replies or plan.ask_journal)
        assert moot or self.views[letter.peer].seen(letter.id), "a letter was settled that never arrived"

    def _check_answered(self, who: Fingerprint, number: int) -> None:
        letters = (each for each in self.letters.values() if number in each.plan.replies)
        told = any(self.views[each.peer].seen(each.id) for each in letters if each.peer != who)
        assert told, "an answer was forgotten that never arrived"

    def _check_outcomes(self, effects: Sequence[Effect], heard: Bundle) -> None:
        named = [effect.item for effect in effects if isinstance(effect, Tell)]
        told = len(named)
        if not any(isinstance(effect, Seen) for effect in effects):
            assert told == 1, "a repeated envelope has one outcome"
            return
        asked = (b'"request_', b'"receipt"')
        items = sum(
            isinstance(part, Rebuilt | Update | Chunk | Recalled)
            or (isinstance(part, Answer) and part.place is None)
            or (isinstance(part, Verbatim) and not any(word in _payload(part) for word in asked))
            for part in heard.parts
        )
        released = sum(
            isinstance(effect, Release)
            # Of what a disk lost only the name is judged again.
            or (isinstance(effect, Hide) and effect.resource in named)
            for effect in effects
        )
        # A request or receipt is no item, and is told of only if it is refused.
        spare = told - items - released
        bad = sum(isinstance(effect, Tell) and effect.outcome == "rejected" for effect in effects)
        requests = sum(isinstance(part, Verbatim) for part in heard.parts)
        known = 0 <= spare <= min(bad, requests)
        assert known, f"{items} items came, {released} were looked at again, {told} outcomes"

    def _check_patience(self, who: Fingerprint, effects: Sequence[Effect], medium: str) -> None:
        """Whoever was heard on a medium is answered there without waiting, however long it was silent."""
        for effect in effects:
            if isinstance(effect, Seen):
                told = self.views[who].told(effect.sender, medium)
                assert patience.patient(told) == told, "somebody was heard, and is left alone as if it were not there"

    def _prove(self, who: Fingerprint, author: Fingerprint) -> None:
        """Follow the chain of *author*'s journal as *who* has it, from where it was followed to."""
        view = self.views[who]
        number, name = self._proven.get((who, author), (0, journal.root(author)))
        assert view.line_id(author, number) == name, "a journal was rewritten"
        for line in journal.extend(name, number, view.entries(author, number + 1, 1 << 20)):
            assert view.line_id(author, line.number) == line.id, "a journal's chain is broken"
            number, name = line.number, line.id
        self._proven[who, author] = number, name

    # -- what must be true of one node now --------------------------------------------------

    def check(self, who: Fingerprint) -> None:
        """Check all that *who* believes against what is."""
        view = self.views[who]
        self._prove(who, who)
        for peer in view.peers():
            # What others hold only grows: what was true of them stays true until we believe something else.
            if self._believed.get((who, peer.node)) == peer:
                continue
            self._believed[who, peer.node] = peer
            self._check_heard(view, peer)
            self._check_told(view, peer, self.views[peer.node])
            self._check_under_way(view, peer)
            waiting = len(view.letters(peer.node))
            assert waiting <= min(OUTBOX_MAX, IN_FLIGHT_MAX), "the outbox has no bound"

    def _check_heard(self, view: WideView, peer: Peer) -> None:
        assert view.line_id(peer.node, peer.heard) == peer.heard_id, "what was heard is not what is stored"
        wrote = self.views[peer.node].line_id(peer.node, peer.heard)
        assert wrote == peer.heard_id, "a line was heard that its author never wrote"
        for number in peer.done:
            (entry,) = view.entries(peer.node, number, 1)
            assert view.complete(entry.resource), "something is called done and is not here"

    def _check_under_way(self, view: WideView, peer: Peer) -> None:
        """What counts as told has arrived, or is in a letter that is waited for: what is lost is told again."""
        for medium in view.media(peer.node):
            told = view.told(peer.node, medium)
            lines, chunks = mailing.under_way(view, peer.node, medium)
            assert not told.lines - peer.acked - lines, "a line counts as told that is lost"
            owed = peer.owed_chunks - peer.asked_chunks  # what is asked for again goes the way the question came
            assert not (told.chunks & owed) - chunks, "a chunk counts as told that is lost"

    def _check_told(self, view: WideView, peer: Peer, theirs: WideView) -> None:
        """Nothing counts as arrived at a peer that the peer does not hold."""
        me = view.local().node
        known = theirs.peer(me)
        told = peer.acked.last <= (known.heard if known else 0)
        assert told or self.tokens, "a line counts as told that the peer lacks"
        if not self.keeps:
            return
        for line in view.own_lines(1, view.tip()[0]):
            if line.number in peer.applied:
                assert theirs.complete(line.entry.resource), "a resource counts as applied that the peer lacks"
        if peer.reads:
            for number in view.own_chunks() - peer.owed_chunks:
                name = view.chunk(number)
                assert name is None or theirs.has_blob(name), "a chunk counts as told that the peer lacks"


def _payload(part: Verbatim) -> bytes:
    """The beginning of what was signed. Never raise `Refused`: the inbox would take that for the envelope's."""
    try:
        return SignedObject.parse(part.data).payload[:120]
    except Refused:
        return b""
