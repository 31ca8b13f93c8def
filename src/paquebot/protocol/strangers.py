"""Those whom nobody here has vouched for yet, as values: who waits, and for what."""

from __future__ import annotations

from dataclasses import field

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol import cbor
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import STRANGERS_KEPT_MAX, STRANGERS_READ_MAX, STRANGERS_WINDOW_MS
from paquebot.protocol.stamp import Millis


@frozen(kw_only=True)
class Pending:
    """A stranger whose card came in an envelope, and who waits for a person's word; or whom a person turned down.

    There is at most one for each node.
    """

    node: Fingerprint
    user: Fingerprint
    name: str
    """What it calls itself; nobody has checked that."""
    digest: bytes
    """32 bytes: names what it showed of itself. Something new has another one."""
    card: bytes
    """What it showed, a signature object a line; empty once it was turned down."""
    since: Millis
    where: str
    """Where its envelope was seen first."""
    reason: str = ""
    """Why an invitation that it showed does not count."""
    declined: Millis = Millis(0)
    """When it was turned down; 0 if it waits."""
    number: int = 0
    """For people, who type it; given by the store, and never used again."""


@frozen(kw_only=True)
class Invite:
    """An invitation that we gave: good for one node, once, until it expires."""

    name: bytes
    """16 bytes, made of the secret: what may be said of it aloud."""
    secret: bytes = field(repr=False)
    created: Millis
    expires: Millis
    label: str = ""
    """Whom it is for: the guest's name here; empty if it may be called as it calls itself."""
    revoked: Millis = Millis(0)
    used: Millis = Millis(0)
    guest: Fingerprint | None = None
    """The node that used it."""

    def state(self, now: Millis) -> str:
        """Return ``open``, ``used``, ``revoked`` or ``expired``."""
        if self.used:
            return "used"
        if self.revoked:
            return "revoked"
        return "expired" if now > self.expires else "open"


@frozen
class Join:
    """An invitation that we accepted: what we show to the peer that gave it, until we hear from that peer."""

    peer: Fingerprint
    secret: bytes = field(repr=False)
    at: Millis


@frozen
class Verified:
    """That a peer's keys are its person's, as our person has made sure."""

    peer: Fingerprint
    at: Millis
    how: str
    """``words`` or ``invitation``."""


@frozen
class Crowd:
    """How many strangers wrote in one window of time, however often we looked: what they cost us is bounded."""

    since: Millis = Millis(0)
    """When the window began."""
    read: int = 0
    """Introductions that were read."""
    kept: int = 0
    """Envelopes that were set aside."""
    left: bool = False
    """More came than are read in one window."""
    left_before: Millis = Millis(0)
    """When the last window before this one began in which that was so; 0 if it never was."""

    @property
    def full(self) -> bool:
        """Whether no more introductions are read in this window."""
        return self.read >= STRANGERS_READ_MAX

    @property
    def littered(self) -> bool:
        """Whether nothing more of strangers is set aside in this window."""
        return self.kept >= STRANGERS_KEPT_MAX

    def at(self, now: Millis) -> Crowd:
        """Return what counts at *now*: the same, or an empty window. They begin at multiples of their length."""
        since = Millis(now - now % STRANGERS_WINDOW_MS)
        if self.since == since:
            return self
        return Crowd(since, left_before=self.since if self.left else self.left_before)

    def encode(self) -> bytes:
        """Return it as bytes, for the store."""
        return cbor.encode([self.since, self.read, self.kept, int(self.left), self.left_before])

    @classmethod
    def decode(cls, data: bytes | None) -> Crowd:
        """Return what `encode` wrote; nobody with None."""
        match cbor.decode(data) if data else None:
            case None:
                return cls()
            case [int(since), int(read), int(kept), int(left), int(before)]:
                return cls(Millis(since), read, kept, bool(left), Millis(before))
        raise Malformed("what is stored of strangers cannot be read")
