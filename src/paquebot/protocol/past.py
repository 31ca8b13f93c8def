"""What a node has said so far, and what can be shown of what others have said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint, LineId
from paquebot.protocol.resource import Signature
from paquebot.protocol.stamp import Millis


@frozen
class Proof:
    """That a node itself signed its journal's lines up to *number*, and so, by their hashes, all lines before."""

    journal: Fingerprint
    number: int
    """The last line that was signed."""
    since: int
    """The line before the first that was signed."""
    identifier: str
    """Of the response that said them; empty if they were broadcast."""
    signature: Signature


@frozen
class Lapse:
    """A line of our own journal that a peer claims to know and we do not.

    If it is so, this home was restored from a backup, or copied.
    """

    peer: Fingerprint
    number: int
    """0 if the peer claims that no more."""
    line: LineId
    since: Millis
    """When this peer claimed such a thing for the first time and had not proved it by giving lines back."""
    asked: Millis = Millis(0)


@frozen
class Fork:
    """Two histories that one node signed."""

    journal: Fingerprint
    number: int
    """The first line at which they are known to differ."""
    held: bytes
    """What it signed of the one we go by, as a signature object; empty if that was not kept."""
    other: bytes
    """What it signed of the other one."""
    at: Millis


@frozen
class Past:
    """What we have said so far."""

    said: int = 0
    """The last line of our journal that was ever put into an envelope."""
    branch: int = 0
    """If what we said contradicts what we said before a restore: the last line as peers hold it. Then this node may
    say no more, and goes on as another one. 0 if all is well."""


class PastView(Protocol):
    """What can be looked up of it. Nothing of it writes."""

    def proofs(self, journal: Fingerprint, after: int) -> Sequence[Proof]:
        """Return what is kept to prove another's lines after line *after*, in order."""

    def past(self) -> Past:
        """Return what we have said so far."""

    def lapses(self, *, taken_back: bool = False) -> Sequence[Lapse]:
        """Return the lines of our own journal that peers claim to know and we do not.

        With *taken_back*, also what they claim no more and never proved.
        """

    def predecessors(self) -> Sequence[Fingerprint]:
        """Return the nodes that this home was before."""

    def forks(self) -> Sequence[Fork]:
        """Return the contradictions that were found in others' journals, one for each."""
