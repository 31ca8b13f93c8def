"""The seam between bundles and envelopes: what every sealer does, and what an opened envelope is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from paquebot.frozen import frozen
from paquebot.protocol.keys import EncryptionKey, KeyClass, Pins
from paquebot.protocol.stamp import Millis
from paquebot.vault.interior import Cover

if TYPE_CHECKING:
    from paquebot.vault.letters import Letter

__all__ = ["Introduced", "Opened", "Sealer"]

Introduced = Callable[[bytes], Pins]
"""Given the bundle of a sender who is not pinned, return what the card in it announces. It may raise `Refused`."""


@frozen
class Opened:
    """An envelope whose every check has passed."""

    bundle: bytes = field(repr=False)
    signers: tuple[str, ...]
    """The fingerprints of the nodes that announced the key that sealed it: one, unless a peer announces another's."""
    created: Millis
    """When it was sealed, by the signer's clock, in whole seconds."""
    key_kind: KeyClass
    """Which class of our keys it came to."""


class Sealer(Protocol):
    """Seals bundles as one node, and opens what was sealed to it."""

    def seal(
        self,
        bundle: bytes,
        keys: Sequence[EncryptionKey],
        *,
        at: Millis,
        between: Cover | None = None,
        dictionary: bool = False,
    ) -> bytes:
        """Return *bundle* packed, signed as of *at*, and encrypted to each of *keys*, which it does not name.

        With *between*, other mail programs can show that there is nothing to see. With *dictionary*, only those can
        unpack it who have ours. Raise `Misused` without keys, `TooLarge` above a limit, `Expired` if a key has
        expired, `Malformed` if it is none.
        """

    def open(
        self,
        envelope: bytes,
        pins: Pins,
        *,
        now: Millis,
        doubtful: bool = False,
        introduced: Introduced | None = None,
    ) -> Opened:
        """Return what *envelope* holds if one of *pins* sealed it to us. No byte is used before all checks passed.

        With *doubtful*, *now* is by a clock of no use, and what a peer dated in the future opens all the same. If
        none of *pins* sealed it, those count that *introduced* returns: nobody vouches for them. Raise
        `Malformed`, `TooLarge`, `NotForUs` (no own key opens it), `BadSignature` (damaged or forged), `Stranger`
        (signed by none of *pins*), `Expired`, or `NotYet` if it will open later; nothing else.
        """

    def read(self, message: bytes, pins: Pins, now: Millis) -> Letter:
        """Return the letter that a person wrote to us in *message*, which is no envelope. See `open_letter`."""
