"""What the engine may ask for: the only way in which anything is ever written.

The store carries effects out one by one as they come, inside one transaction, so that the engine sees what it has
already decided; if anything fails, none of it has happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from paquebot.frozen import frozen
from paquebot.protocol.account import Account, Asking
from paquebot.protocol.burden import Carrying
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.events import Errand, Kind
from paquebot.protocol.journal import Entry, Line
from paquebot.protocol.past import Fork, Lapse, Past, Proof
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Clock, Millis, Stamp
from paquebot.protocol.state import Held, Kept, Letter, Peer, Reply, Told
from paquebot.protocol.strangers import Invite, Join, Pending, Verified


@frozen
class SetClock:
    """Remember what is known of the time."""

    clock: Clock


@frozen
class SetStamp:
    """Remember the latest stamp given or accepted."""

    stamp: Stamp


@frozen
class SavePeer:
    """Replace a peer's row, or add it."""

    peer: Peer


@frozen
class SaveTold:
    """Replace what was put on a medium for a peer."""

    told: Told


@frozen
class Keep:
    """Store an admitted resource and add its line to our journal."""

    kept: Kept
    line: Line
    chunks: tuple[bytes, ...] = ()
    """The chunk hashes that a large file's manifest names."""
    chunk_total: int = 0
    """How many chunks it has, index blocks first; they get the next of our chunk numbers."""


@frozen
class Forget:
    """Delete a resource's bytes, chunks included. Its line stays and it counts as held, so that it never returns."""

    resource: ResourceId


@frozen
class Lose:
    """Note that a resource's bytes are damaged. Its line stays; it is not held until it comes again."""

    resource: ResourceId


@frozen
class LoseBlob:
    """Note that a chunk's bytes are missing or damaged: the files that it belongs to lack it again."""

    name: bytes


@frozen
class AddChunks:
    """Add the data chunks that a file's index block names, at the places from *first* on."""

    resource: ResourceId
    first: int
    hashes: tuple[bytes, ...]


@frozen
class KnowIdentity:
    """Make a held resource the one that proves an identity."""

    name: Fingerprint
    resource: ResourceId


@frozen
class KnowAnnouncement:
    """Make a held resource the latest announcement of a node's envelope keys."""

    node: Fingerprint
    resource: ResourceId


@frozen
class KnowNode:
    """Make a held resource the latest word of a node about itself."""

    node: Fingerprint
    resource: ResourceId


@frozen
class AddLines:
    """Append lines to our copy of another node's journal."""

    journal: Fingerprint
    lines: tuple[Line, ...]


@frozen
class SaveProof:
    """Keep a proof of another's lines; it replaces the one up to line *instead*, if there is that one."""

    proof: Proof
    instead: int = 0


@frozen
class Rejoin:
    """Replace our own journal's lines after line *since*. Resources go with the lines that name them."""

    since: int
    lines: tuple[Line, ...]


@frozen
class SavePast:
    """Remember what we have said."""

    past: Past


@frozen
class SaveLapse:
    """Note that a peer knows a line of ours that we do not; it replaces what was noted of that peer."""

    lapse: Lapse


@frozen
class EndLapse:
    """What *peer* knows of our journal, we know again."""

    peer: Fingerprint


@frozen
class SaveFork:
    """Keep the evidence of a contradiction; the first one of a journal stays."""

    fork: Fork


@frozen
class Want:
    """Note a resource that somebody lists and we lack."""

    entry: Entry


@frozen
class Unwant:
    """Stop asking for a resource: it was refused for good, or is not accepted here."""

    resource: ResourceId


@frozen
class Asked:
    """Note when a wanted resource, or an incomplete file's chunks, were last asked for."""

    resource: ResourceId
    at: Millis


@frozen
class SaveAsking:
    """Replace what came of asking one peer for one thing."""

    asking: Asking


@frozen
class Answered:
    """Forget who was asked for a resource: all of it is here."""

    resource: ResourceId


@frozen
class AskAnew:
    """Forget who was asked for what is lacking of *publisher*'s, and when: something has changed."""

    publisher: Fingerprint


@frozen
class SaveAccount:
    """Replace how a peer has behaved towards us."""

    peer: Fingerprint
    account: Account


@frozen
class Hold:
    """Set an item aside until what it misses is here."""

    held: Held


@frozen
class Release:
    """Forget a held item: it was admitted, or refused after all."""

    resource: ResourceId


@frozen
class Hide:
    """Let a held resource not count any more, because of a revocation; or, with None, count again."""

    resource: ResourceId
    by: ResourceId | None


@frozen
class Readmit:
    """Take a refused resource out of what was set aside: it is looked at again."""

    resource: ResourceId


@frozen
class KeepBlob:
    """Store a chunk, durable before the transaction is. Whoever asks for it has checked that *name* is its SHA-256."""

    name: bytes
    data: bytes


@frozen
class HaveBlob:
    """Note a chunk whose bytes the store has been given already."""

    name: bytes
    size: int


class Chunking:
    """What is noted of a chunk besides its bytes."""

    __slots__ = ()


@frozen
class Gave(Chunking):
    """A node of *user* brought the bytes of a chunk: that user has them."""

    chunk: bytes
    user: Fingerprint


@frozen
class Loose(Chunking):
    """No manifest names a chunk that is kept; *peer* brought it. As soon as one names it, that is forgotten."""

    chunk: bytes
    peer: Fingerprint


@frozen
class DropLoose(Chunking):
    """Delete the chunks of *peer* that no manifest names."""

    peer: Fingerprint


@frozen
class Post:
    """Plan a letter."""

    letter: Letter


@frozen
class Handed:
    """Note that a carrier has taken a letter."""

    letter: bytes
    at: Millis
    where: str


@frozen
class Settle:
    """Take a letter out: it was acknowledged, became needless, or was lost and is planned anew."""

    letter: bytes


@frozen
class AddReply:
    """Note an answer we owe. Its number is chosen by the store."""

    reply: Reply


@frozen
class DropReply:
    """Forget an answer: it arrived."""

    number: int


@frozen
class Seen:
    """Never act on this bundle again."""

    bundle: bytes
    sender: Fingerprint
    sequence: int
    at: Millis


@frozen
class Quarantine:
    """Set aside bytes that we refuse, with the reason, for a person to look at."""

    data: bytes
    code: str
    reason: str
    sender: Fingerprint | None
    where: str
    at: Millis
    item: ResourceId | None = None
    """The resource that it was, if it was one."""


@frozen
class SaveOutcomes:
    """Replace what a peer says became of our resources that it did not simply apply."""

    peer: Fingerprint
    outcomes: tuple[tuple[ResourceId, str, str], ...]
    """(resource, outcome, detail)."""


class Noting:
    """What is written beside the engine's own knowledge, for people and their programs."""

    __slots__ = ()


@frozen
class Note(Noting):
    """Add an event to what happened. `noting` derives most of them; the store gives the number."""

    kind: Kind
    at: Millis
    resource: ResourceId | None = None
    peer: Fingerprint | None = None
    detail: str = ""
    """May quote others: the store keeps one printable line of it."""


@frozen
class ForgetEvents(Noting):
    """Forget what happened up to a number: it is old, and whoever had to hear of it has."""

    through: int


@frozen
class SaveErrand(Noting):
    """Replace an errand, or add it if it has no number."""

    errand: Errand


@frozen
class DropErrand(Noting):
    """Forget an errand: it was done, or is no longer wanted."""

    number: int


@frozen
class Relate(Noting):
    """Note what a resource says of others, so that threads, attachments and newer versions are found from either."""

    resource: ResourceId
    relations: tuple[tuple[str, ResourceId], ...]
    """(``parent``, ``conversation``, ``after`` or ``supersedes``, which)."""


@frozen
class Remember(Noting):
    """Set, or with None remove, a small fact that survives the run, under a name of our own."""

    key: str
    value: bytes | None


@frozen
class NoteOpened:
    """A private resource that is held was opened: what lists show of it, and for whom it is."""

    resource: ResourceId
    kind: str
    title: str = ""
    filename: str = ""
    tags: tuple[str, ...] = ()
    size: int = 0
    """Bytes of the message or file inside."""
    parent: ResourceId | None = None
    readers: tuple[Fingerprint, ...] = ()
    """The users it is for."""
    expires: Millis = Millis(0)
    """When it stops being of use, as its author says; 0 for never."""


@frozen
class NoteClosed:
    """A private resource that is held was tried, and is not for us."""

    resource: ResourceId
    of: ResourceId | None = None
    """If it only brings a key: the resource to which."""


@frozen
class NoteReaders:
    """A private resource of ours is for these users, and these nodes have been given a key to it."""

    resource: ResourceId
    users: tuple[Fingerprint, ...]
    nodes: tuple[Fingerprint, ...]
    by: ResourceId | None = None
    """The ``wrap`` that holds the nodes' keys; None if the resource itself does."""


@frozen
class NoteWrap:
    """A ``wrap`` of ours was said anew: from now on the nodes have their keys by the new one."""

    resource: ResourceId
    by: ResourceId


@frozen
class Reached:
    """Note when, and where, it was learned how far lines of ours had got towards a peer; see `protocol.evidence`."""

    peer: Fingerprint
    stage: str
    at: Millis
    where: str
    lines: Ranges


class Meeting:
    """What is written about other nodes before, and besides, what passes between them."""

    __slots__ = ()


@frozen
class SavePending(Meeting):
    """Replace what is known of a stranger, or add it. A number of 0 is replaced by the store's next."""

    pending: Pending


@frozen
class DropPending(Meeting):
    """Forget a stranger: it is pinned now."""

    node: Fingerprint


@frozen
class SaveInvite(Meeting):
    """Replace what is known of an invitation that we gave, or add it."""

    invite: Invite


@frozen
class SaveJoin(Meeting):
    """Remember an invitation that we accepted from a peer."""

    join: Join


@frozen
class SaveVerified(Meeting):
    """Remember that our person has made sure of a peer's keys."""

    verified: Verified


@frozen
class Tell(Noting):
    """Say what became of one received item. Exactly one for each; the store only passes it on."""

    outcome: str
    """``applied``, ``duplicate``, ``superseded``, ``held``, ``deferred``, ``rejected`` or ``declined``."""
    item: str
    detail: str = ""


Effect: TypeAlias = (
    SetClock
    | SetStamp
    | SavePeer
    | SaveTold
    | Keep
    | Forget
    | Lose
    | LoseBlob
    | AddChunks
    | KnowIdentity
    | KnowAnnouncement
    | KnowNode
    | AddLines
    | SaveProof
    | Rejoin
    | SavePast
    | SaveLapse
    | EndLapse
    | SaveFork
    | Want
    | Unwant
    | Asked
    | SaveAsking
    | Answered
    | AskAnew
    | SaveAccount
    | Hold
    | Release
    | Hide
    | Readmit
    | KeepBlob
    | HaveBlob
    | Gave
    | Loose
    | DropLoose
    | Post
    | Handed
    | Settle
    | AddReply
    | DropReply
    | Seen
    | Quarantine
    | SaveOutcomes
    | Note
    | ForgetEvents
    | SaveErrand
    | DropErrand
    | Relate
    | Remember
    | NoteOpened
    | NoteClosed
    | NoteReaders
    | NoteWrap
    | Reached
    | SavePending
    | DropPending
    | SaveInvite
    | SaveJoin
    | SaveVerified
    | Carrying
    | Tell
)

Effects: TypeAlias = Iterator[Effect]
