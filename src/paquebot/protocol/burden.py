"""What is carried for others, as values: parcels that no key of ours opens, by what stands on their outside.

Nothing here names anybody: a tag is recognised by its recipient alone, a token by whoever knows its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from paquebot.frozen import frozen
from paquebot.protocol.stamp import Millis


class Rank(IntEnum):
    """Whose a parcel is, as far as that can be known. Nobody gives way to a higher number."""

    CONTACTS = 0
    """It lay in one lot with something new that a contact of ours had written to us."""
    STRANGERS = 1
    """It simply lay there."""


@frozen
class Addressee:
    """One of those for whom a parcel is."""

    tag: bytes
    """8 bytes that it alone can recognise."""
    hash: bytes
    """16 bytes, to check its token by."""
    token: bytes = b""
    """16 bytes once it has shown them: then it has the parcel."""


@frozen(kw_only=True)
class Parcel:
    """One parcel of others."""

    name: bytes
    """16 bytes, made of all its bytes and of those for whom it is."""
    blob: bytes
    """The SHA-256 of its bytes."""
    size: int
    rank: Rank
    priority: int
    """0 to 15: keys, revocations and trusts first, then the ordinary, then bulk."""
    hops: int
    """How many nodes carried it before us, on the shortest way that we saw."""
    expires: Millis
    """When no carrier need keep it any more, as it says."""
    since: Millis
    """When it was first seen here."""
    ends: Millis
    """When it is let go here, and forgotten."""
    addressees: tuple[Addressee, ...]
    kept: bool = True
    """Its bytes are here. They are not once it has arrived, or if it had to make room for others."""

    @property
    def arrived(self) -> bool:
        """Whether all its addressees have shown their tokens."""
        return all(each.token for each in self.addressees)

    @property
    def worth(self) -> tuple[int, int, int]:
        """By which parcels are put in order: the smaller goes first, and makes no room for the larger."""
        return (self.rank, self.priority, -self.ends)


class Carrying:
    """An effect on what is carried for others."""

    __slots__ = ()


@frozen
class TakeAlong(Carrying):
    """Keep *data*, the bytes of a parcel that is not known yet; none if it is only to be known."""

    parcel: Parcel
    data: bytes


@frozen
class Appraise(Carrying):
    """A known parcel turns out to be worth more: its rank, priority, hops and dates are now as in *parcel*."""

    parcel: Parcel


@frozen
class NoteToken(Carrying):
    """An addressee of a parcel has shown its token."""

    name: bytes
    hash: bytes
    token: bytes


@frozen
class NoteShown(Carrying):
    """Somebody has shown a token that nothing here waits for: the parcel may be met later."""

    hash: bytes
    token: bytes
    at: Millis


@frozen
class DropShown(Carrying):
    """Forget the oldest few tokens that nothing waited for."""

    count: int


@frozen
class TakeAgain(Carrying):
    """Keep *data*, the bytes of a parcel that is known and not kept."""

    name: bytes
    data: bytes


@frozen
class PutDown(Carrying):
    """All have it, or others need the room: delete a parcel's bytes. What is known of it stays until it ends."""

    name: bytes


@frozen
class LetGo(Carrying):
    """Forget a parcel, and delete its bytes if they are here."""

    name: bytes


@frozen
class Lies(Carrying):
    """A parcel lies on a medium: it was found there, or *put* there by us."""

    name: bytes
    medium: str
    put: bool = False


@frozen
class MayLie(Carrying):
    """A parcel is about to be put on a medium: its tokens are to be shown there, and it is put there unless it lies."""

    name: bytes
    medium: str


@frozen
class LiesNot(Carrying):
    """A parcel that we had put on a medium is not there any more, and its tokens are not known."""

    name: bytes
    medium: str


class BurdenView(Protocol):
    """What is carried for others, and where it lies."""

    def parcel(self, name: bytes) -> Parcel | None:
        """Return what is known of a parcel."""

    def parcels(self) -> Sequence[Parcel]:
        """Return all parcels that are kept, those of most worth first."""

    def burden(self, rank: Rank) -> tuple[int, int]:
        """Return how many parcels of *rank* are kept, and their bytes."""

    def least(self, rank: Rank, limit: int) -> Sequence[Parcel]:
        """Return the first few kept parcels of *rank* to make room, those of least worth first."""

    def ended(self, now: Millis, limit: int) -> Sequence[bytes]:
        """Return the names of the first few parcels, kept or not, that have ended by *now*."""

    def put_down(self) -> int:
        """Return how many parcels are known and not kept."""

    def oldest_put_down(self, limit: int) -> Sequence[bytes]:
        """Return the names of the first few parcels that are known and not kept, those that end first before others."""

    def awaiting(self, hash_: bytes, limit: int) -> Sequence[bytes]:
        """Return the names of the first few parcels that wait for a token of that hash."""

    def shown(self, hash_: bytes) -> bytes:
        """Return a token of that hash that was shown; empty if none is known."""

    def shown_count(self) -> int:
        """Return how many tokens are remembered that nothing waited for."""

    def lies(self, name: bytes, medium: str) -> bool:
        """Return whether a parcel is known to lie on a medium."""

    def to_put(self, medium: str, size_max: int, copies_max: int, limit: int) -> Sequence[Parcel]:
        """Return the first few kept parcels, of most worth first, that are not known to lie on *medium*.

        Nor are they larger than *size_max*, or lie on *copies_max* media already.
        """

    def put_on(self, medium: str) -> int:
        """Return how many bytes we put on *medium* of parcels that are still kept."""

    def shown_for(self, medium: str, limit: int) -> Sequence[bytes]:
        """Return the tokens known of parcels that lie, or may lie, on *medium*, the latest parcels first."""
