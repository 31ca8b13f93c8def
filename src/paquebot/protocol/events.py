"""What can happen to a node that somebody may want to hear of: a closed set of kinds, and the events themselves."""

from __future__ import annotations

from enum import StrEnum

from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.stamp import Millis

SHOWN_KINDS = ("message", "file", "record")
"""The kinds of resources that are there for people."""


class Kind(StrEnum):
    """What happened. The values are stable: scripts, hooks and stores hold them."""

    PUBLISHED = "published"
    """Our own person published something here."""
    ARRIVED = "arrived"
    """A message or file of others is here, with all its chunks."""
    ACKNOWLEDGED = "acknowledged"
    """A peer has heard lines of our journal."""
    APPLIED = "applied"
    """A peer says that it holds something of ours completely, and it can read it."""
    REFUSED = "refused"
    """A peer says that it rejected or declined something of ours."""
    SET_ASIDE = "set-aside"
    """Something that arrived was refused here, and is kept for a person to look at."""
    FAILURE = "failure"
    """A carrier, or the run, could not do its work; said once until it works again."""
    RECOVERED = "recovered"
    """What had failed works again."""
    SILENCE = "silence"
    """A peer has not been heard of for longer than its person allows; said once until it is."""
    HEARD_AGAIN = "heard-again"
    """A peer that had fallen silent was heard."""
    PEER_ADDED = "peer-added"
    """A peer was pinned."""
    PEER_PENDING = "peer-pending"
    """Somebody introduced himself and waits to be accepted."""
    KEY_CHANGE = "key-change"
    """A peer announces other keys than those that are pinned."""
    SET_APART = "set-apart"
    """A peer is taken for compromised until a person says otherwise."""
    REVOKED = "revoked"
    """A trust or an identity was revoked."""
    RESTORED = "restored"
    """A node was found to have been restored from a backup, or replaced."""
    FORKED = "forked"
    """Two nodes use one identity."""
    GIVEN_UP = "given-up"
    """Something is no longer asked for or sent: it was tried for too long."""
    HOOK_FAILED = "hook-failed"
    """A hook did not succeed. No hook is run for this."""


@frozen
class Event:
    """Something that happened, as it was noted in the transaction that made it so."""

    number: int
    """Grows, and is never used again: a cursor."""
    at: Millis
    """By our clock."""
    kind: Kind
    resource: ResourceId | None
    peer: Fingerprint | None
    """The node that it is about, or from which it came."""
    detail: str
    """One printable line."""


@frozen
class Errand:
    """What remains to be done outside because something happened: a hook to run, a file to write."""

    number: int
    """Given by the store; 0 for a new one."""
    task: str
    """``on-arrival`` and the like, or ``output PATH``."""
    event: Event
    tries: int = 0
    retry_at: Millis = Millis(0)
    problem: str = ""
    """Why it did not succeed the last time, in one printable line."""
