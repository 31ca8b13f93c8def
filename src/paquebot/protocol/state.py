"""What a node knows, as values, and the `View` through which the engine looks at it. No method of it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol import cbor
from paquebot.protocol.account import Account, Asking
from paquebot.protocol.authority import AuthorityView
from paquebot.protocol.burden import BurdenView
from paquebot.protocol.cbor import Value
from paquebot.protocol.chunks import ChunkView
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, b64, raw
from paquebot.protocol.journal import Entry
from paquebot.protocol.keys import Announcement
from paquebot.protocol.past import PastView
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.readership import ReadershipView
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.stamp import Clock, Millis, Stamp
from paquebot.protocol.strangers import Invite, Join, Pending, Verified
from paquebot.protocol.trust import Identity, Trust


@frozen
class Local:
    """The node whose mind this is."""

    user: Fingerprint
    node: Fingerprint
    trust: ResourceId
    """The trust by which the user authorises the node."""
    name: str


@frozen(kw_only=True)
class Peer:
    """Another node whose keys are pinned, and how far each of us has heard the other.

    Line numbers below count in the journal that is named; sequence numbers count envelopes between the two nodes.
    """

    node: Fingerprint
    user: Fingerprint
    name: str
    reads: bool
    """We gave its user `read_resource`."""
    publishes: bool
    """We accept what its user publishes."""
    added: Millis
    heard: int = 0
    """The last line of its journal that we know (SDMP's "last known")."""
    heard_id: LineId
    done: Ranges = Ranges()
    """Lines of its journal whose resources we hold completely."""
    acked: Ranges = Ranges()
    """Lines of our journal that it is known to have."""
    applied: Ranges = Ranges()
    """Lines of our journal whose resources it says it holds completely."""
    known: Ranges = Ranges()
    """Lines of our journal whose resources it holds anyway: no reason to send it anything."""
    owed_chunks: Ranges = Ranges()
    """Chunks it should get where bytes are cheap, by our chunk numbers."""
    asked_chunks: Ranges = Ranges()
    """Chunks it asked for, a part of those owed."""
    sequence: int = 0
    """The last sequence number we gave to an envelope for it."""
    received: Ranges = Ranges()
    """Sequence numbers of its envelopes that arrived."""
    floor: int = 1
    """It no longer waits for its own envelopes below this number, as it said last."""
    told_number: int = 0
    told_done: Ranges = Ranges()
    """What we last told it of `heard` and `done`."""
    owes_ack: bool = False
    """Something of it arrived that it waits to hear of, by a link that shows no tokens."""
    seen_at: Millis = Millis(0)
    """When something last arrived from it, by our clock."""
    ask_at: Millis = Millis(0)
    """When its silence becomes long enough to ask."""

    ended: Millis = Millis(0)
    """Its journal has ended, and what it sent up to this moment was answered; 0 if it has not ended."""
    heir: Fingerprint | None = None
    """The node that continues it."""
    suspect: Millis = Millis(0)
    """Since when it is treated as compromised; 0 if it is not. Until a person says otherwise nothing passes."""
    revoked: Millis = Millis(0)
    """Since when its user trusts it no more; 0 if the user does. Nothing goes there then, and nothing is answered."""

    @property
    def missing(self) -> Ranges:
        """Sequence numbers of its envelopes that must have existed and did not arrive."""
        return Ranges.of((self.floor, self.received.last)) - self.received


@frozen
class Told:
    """What was put on one medium for one peer (SDMP's "last transmitted", for each way there is)."""

    peer: Fingerprint
    medium: str
    lines: Ranges = Ranges()
    chunks: Ranges = Ranges()
    failures: int = 0
    """How often in a row letters went unanswered."""
    retry_at: Millis = Millis(0)
    failing_since: Millis = Millis(0)
    """When the first of them was written."""
    given_up: Millis = Millis(0)
    """When we stopped writing more than a probe now and then; 0 if we did not."""


@frozen(kw_only=True)
class Plan:
    """What one envelope carries. It is filled from the store when it is sealed, and planned again when it is lost."""

    lines: Ranges = Ranges()
    bodies: Ranges = Ranges()
    """Lines whose resources ride along: mostly those of `lines`; what decides about others may go ahead of its line."""
    chunks: Ranges = Ranges()
    requests: tuple[ResourceId, ...] = ()
    wants: tuple[tuple[ResourceId, Ranges], ...] = ()
    replies: tuple[int, ...] = ()
    ask_journal: bool = False
    recall: bool = False
    """Ask for the lines of our own journal that we have forgotten."""

    @property
    def asks(self) -> bool:
        """Whether something in it has to be asked again if it is lost."""
        return bool(self.requests or self.wants or self.replies or self.ask_journal or self.recall)

    @property
    def eliciting(self) -> bool:
        """Whether the peer should let us know that it came."""
        return bool(self.lines or self.bodies or self.chunks or self.asks)

    def encode(self) -> bytes:
        """Return the plan as bytes, for the store."""
        value: dict[int, Value] = {
            0: [*self.lines.flat()],
            1: [*self.bodies.flat()],
            2: [*self.chunks.flat()],
            3: [raw(each) for each in self.requests],
            4: [[raw(name), [*chunks.flat()]] for name, chunks in self.wants],
            5: [*self.replies],
            6: int(self.ask_journal),
            7: int(self.recall),
        }
        return cbor.encode(value)

    @classmethod
    def decode(cls, data: bytes) -> Plan:
        """Return the plan that `encode` wrote."""
        match cbor.decode(data):
            case {
                0: lines,
                1: bodies,
                2: chunks,
                3: list(asks),
                4: list(wants),
                5: list(replies),
                6: ask,
                **more,
            }:
                return cls(
                    lines=Ranges.parse(lines),
                    bodies=Ranges.parse(bodies),
                    chunks=Ranges.parse(chunks),
                    requests=tuple(_name(each) for each in asks),
                    wants=tuple(_want(each) for each in wants),
                    replies=tuple(each for each in replies if isinstance(each, int)),
                    ask_journal=bool(ask),
                    recall=bool(more.get(7)),  # letters that were planned before 0.2 have no such field
                )
        raise Malformed("a stored plan cannot be read")


def _name(data: Value) -> ResourceId:
    assert isinstance(data, bytes)
    return ResourceId(b64(data))


def _want(value: Value) -> tuple[ResourceId, Ranges]:
    match value:
        case [bytes(name), chunks]:
            return ResourceId(b64(name)), Ranges.parse(chunks)
    raise Malformed("a stored plan cannot be read")


@frozen(kw_only=True)
class Letter:
    """An envelope to one peer: planned, or handed to a carrier and not yet acknowledged."""

    id: bytes
    """The bundle's id: 16 random bytes."""
    peer: Fingerprint
    medium: str
    sequence: int
    token: bytes
    created: Millis
    expires: Millis
    plan: Plan
    handed_at: Millis | None = None
    where: str = ""


@frozen
class Reply:
    """An answer we owe to a request; `number` is given by the store."""

    number: int
    peer: Fingerprint
    identifier: str
    status: str
    resource: ResourceId | None = None
    since: int | None = None
    """For a journal request: our line number after which to begin."""
    limit: int = 0

    @property
    def tells(self) -> bool:
        """Whether it tells lines of our own journal."""
        return self.since is not None and self.status != RECALLED


RECALLED = "recalled"
"""The status of a `Reply` that gives a peer its own lines back; `since` then counts in the peer's journal."""


@frozen(kw_only=True)
class Kept:
    """A resource that was admitted, with what lists show of it."""

    signed: SignedObject
    user: Fingerprint
    kind: str
    stamp: Stamp
    title: str = ""
    filename: str = ""
    tags: tuple[str, ...] = ()
    size: int = 0
    """Bytes of the message or file."""
    received: Millis = Millis(0)
    sender: Fingerprint | None = None
    """The peer it came from; None if it was published here."""
    expires: Millis = Millis(0)
    """When it stops being of use, as its author says; 0 for never."""

    @classmethod
    def of(cls, resource: Resource, received: Millis, sender: Fingerprint | None = None) -> Kept:
        """Return *resource* with what it says of itself. Raise `Malformed`."""
        about, manifest = resource.about, resource.manifest
        return cls(
            signed=resource.signed,
            user=resource.user,
            kind=resource.kind,
            stamp=about.stamp if about else Stamp(Millis(0)),
            title=about.title if about else "",
            filename=about.filename if about else "",
            tags=about.tags if about else (),
            size=manifest.size if manifest else len(resource.record or (resource.text or "").encode()),
            received=received,
            sender=sender,
            expires=about.ends if about else Millis(0),
        )


@frozen
class OwnLine:
    """A line of our own journal with what planning needs to know of its resource."""

    number: int
    id: LineId
    entry: Entry
    mine: bool
    """Published by our user."""
    bytes: int
    """Size of the signature object's payload."""
    chunks: Ranges
    """Our numbers of its chunks, if it is a large file."""
    kind: str = ""
    """The name of the schema that says what it is."""
    gone: bool = False
    """Its bytes are not here any more."""


@frozen
class Held:
    """An item that waits for others: nothing is known to be wrong with it."""

    signed: SignedObject
    missing: tuple[str, ...]
    """Names of resources, or of identities, without which it cannot be judged."""
    until: Millis | None
    """When it is due, if its stamp lies ahead."""
    sender: Fingerprint


class View(PastView, AuthorityView, BurdenView, ChunkView, ReadershipView, Protocol):
    """A read-only look at what one node of a store knows."""

    def local(self) -> Local:
        """Return who we are."""

    def founded(self) -> Millis:
        """Return when this node was made, by its own clock."""

    def clock(self) -> Clock:
        """Return what is known of the time besides the wall clock."""

    def stamp(self) -> Stamp:
        """Return the latest stamp given or accepted here."""

    def tip(self) -> tuple[int, LineId]:
        """Return the number and name of our journal's last line."""

    def own_lines(self, first: int, last: int) -> Sequence[OwnLine]:
        """Return our lines from *first* to *last*."""

    def last_of_ours(self, first: int, last: int) -> int:
        """Return the last of our lines from *first* to *last* whose resource our own user published; 0 if none is."""

    def line_id(self, journal: Fingerprint, number: int) -> LineId | None:
        """Return the name of a line of a journal, ours or another's."""

    def line_number(self, journal: Fingerprint, line: LineId) -> int | None:
        """Return the number of the line of that name."""

    def entries(self, journal: Fingerprint, first: int, count: int) -> Sequence[Entry]:
        """Return what the lines from *first* on say; fewer than *count* if the journal ends."""

    def naming(self, resource: ResourceId) -> Sequence[tuple[Fingerprint, int]]:
        """Return every line, (journal, number), that names *resource*, ours included."""

    def own_numbers(self, resource: ResourceId) -> Ranges:
        """Return the numbers of our lines that name *resource*: hardly ever more than one."""

    def media(self, peer: Fingerprint) -> Sequence[str]:
        """Return the media on which something was put for *peer*."""

    def peers(self) -> Sequence[Peer]:
        """Return all peers, in the order in which they were added."""

    def peer(self, node: Fingerprint) -> Peer | None:
        """Return the peer with that node fingerprint."""

    def has(self, resource: ResourceId) -> bool:
        """Return whether *resource* is held, though chunks may be missing. One that was forgotten counts."""

    def complete(self, resource: ResourceId) -> bool:
        """Return whether *resource* is held with all its chunks. One that was forgotten counts."""

    def resource(self, resource: ResourceId) -> SignedObject | None:
        """Return a resource that is held; None for one that was forgotten."""

    def sender(self, resource: ResourceId) -> Fingerprint | None:
        """Return the peer that gave us *resource*; None if it was published here, or is not held."""

    def identity(self, name: Fingerprint) -> Identity | None:
        """Return the identity of a user or node, if it is held."""

    def proof(self, name: Fingerprint) -> ResourceId | None:
        """Return the resource that proves an identity, if it is held."""

    def trust(self, resource: ResourceId) -> Trust | None:
        """Return the trust with that resource id, if it is held."""

    def refused(self, code: str) -> Sequence[Held]:
        """Return the resources that were refused with *code*, as if they were held."""

    def announced(self, node: Fingerprint) -> ResourceId | None:
        """Return the resource that holds the latest envelope keys of a node."""

    def announcement(self, node: Fingerprint) -> Announcement | None:
        """Return the latest envelope keys that a node announced."""

    def described(self, node: Fingerprint) -> ResourceId | None:
        """Return the resource in which a node last said what it is called and where it can be reached."""

    def schema(self, uri: str) -> str | None:
        """Return the text of the JSON Schema published under *uri*."""

    def fate(self, resource: ResourceId) -> tuple[str, str] | None:
        """Return (outcome, detail) of a resource that arrived and was not admitted; None if there is none."""

    def relating(self, other: ResourceId, how: str) -> Sequence[ResourceId]:
        """Return the resources that say *how* of *other*."""

    def outcomes(self, peer: Fingerprint) -> Sequence[tuple[ResourceId, str, str]]:
        """Return what *peer* says became of our resources that it did not simply apply."""

    def remembered(self, key: str) -> bytes | None:
        """Return a small fact that was set under *key*; None if there is none."""

    def waiting_for(self, name: str) -> Sequence[Held]:
        """Return the held items that name this resource or identity as missing."""

    def due(self, now: Millis) -> Sequence[Held]:
        """Return the held items whose time has come."""

    def held_by(self, sender: Fingerprint) -> tuple[int, int]:
        """Return how many items that *sender* gave us are held, and the bytes of their payloads."""

    def held(self, resource: ResourceId) -> Held | None:
        """Return the held item of that name, if there is one."""

    def unheld(self, user: Fingerprint) -> Sequence[Entry]:
        """Return what *user* published according to any journal we know, and is neither held here nor waiting."""

    def wanted(self, journal: Fingerprint, asked_before: Millis, limit: int) -> Sequence[Entry]:
        """Return unknown resources that *journal* lists and nobody was asked for since *asked_before*.

        So are those that a line of ours names, and that its node says it holds: we lost them, or were put back. What
        was asked for later than `limits.ASK_WRONG_MS` after that, a wrong clock has dated.
        """

    def askings(self, resource: ResourceId) -> Sequence[Asking]:
        """Return who was asked for *resource* since it is lacking."""

    def awaited(self, peer: Fingerprint, now: Millis) -> int:
        """Return for how many things *peer* was asked whose answer may still come at *now*."""

    def account(self, peer: Fingerprint) -> Account:
        """Return how *peer* has behaved towards us."""

    def incomplete(self, journal: Fingerprint, asked_before: Millis, limit: int) -> Sequence[ResourceId]:
        """Return files that lack chunks, are listed by *journal*, and were not asked for since *asked_before*."""

    def told(self, peer: Fingerprint, medium: str) -> Told:
        """Return what was put on *medium* for *peer*."""

    def letters(self, peer: Fingerprint | None = None) -> Sequence[Letter]:
        """Return the letters that are not acknowledged, oldest first."""

    def letter(self, id: bytes) -> Letter | None:  # noqa: A002 the field's word
        """Return the letter with that bundle id."""

    def letter_with(self, token: bytes) -> Letter | None:
        """Return the letter whose recipient shows *token*."""

    def oldest(self, peer: Fingerprint) -> int | None:
        """Return the lowest sequence number of the letters to *peer* that are not acknowledged."""

    def elsewhere(self, peer: Fingerprint, medium: str) -> bool:
        """Return whether letters to *peer* are on their way by other media than *medium*."""

    def replies(self, peer: Fingerprint) -> Sequence[Reply]:
        """Return the answers we owe to *peer*."""

    def received(self, peer: Fingerprint, floor: int) -> Mapping[int, bytes]:
        """Return the bundle ids of the envelopes that came from *peer*, by sequence number, from *floor* on."""

    def seen(self, bundle: bytes) -> bool:
        """Return whether a bundle has been dealt with before."""

    def pending(self) -> Sequence[Pending]:
        """Return the strangers who wait for a person's word, and those who were turned down, by number."""

    def invites(self) -> Sequence[Invite]:
        """Return the invitations that we gave, oldest first."""

    def joined(self, peer: Fingerprint) -> Join | None:
        """Return the invitation by which we came to *peer*."""

    def verified(self, peer: Fingerprint) -> Verified | None:
        """Return since when, and how, *peer* is verified."""
