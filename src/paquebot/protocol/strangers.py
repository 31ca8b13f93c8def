"""Those whom nobody here has vouched for yet, as values: who waits, and for what."""

from __future__ import annotations

from dataclasses import dataclass, field

from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.stamp import Millis


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True)
class Join:
    """An invitation that we accepted: what we show to the peer that gave it, until we hear from that peer."""

    peer: Fingerprint
    secret: bytes = field(repr=False)
    at: Millis


@dataclass(frozen=True, slots=True)
class Verified:
    """That a peer's keys are its person's, as our person has made sure."""

    peer: Fingerprint
    at: Millis
    how: str
    """``words`` or ``invitation``."""
