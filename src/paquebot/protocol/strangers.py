"""Those whom nobody here has vouched for yet, as values: who waits, and for what."""

from __future__ import annotations

from dataclasses import dataclass

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
