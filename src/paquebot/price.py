"""What it costs to send by a carrier, and how much may go. Part of the door: see `paquebot.transport`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class Price(NamedTuple):
    """What it costs to send: an estimate for people, by which nothing is decided."""

    parcel: float
    megabyte: float
    """A million bytes."""
    currency: str

    def of(self, parcels: int, size: int) -> float:
        """Return what so many *parcels* cost, of *size* bytes together."""
        return parcels * self.parcel + size * self.megabyte / 1e6

    def said(self, parcels: int, size: int) -> str:
        """Return the same for people.

        >>> Price(0.5, 2, "EUR").said(3, 250_000)
        'about 2.00 EUR'
        """
        return f"about {self.of(parcels, size):.2f} {self.currency}".rstrip()


@runtime_checkable
class Rationed(Protocol):
    """What a transport may be able to do besides: keep to what its account may send and fetch in a day."""

    def ration_keys(self) -> Sequence[str]:
        """How keys of the state begin under which that is counted: whoever tries the transport counts there, too."""

    def enough(self, parcels: int, size: int, readers: int) -> bool:
        """Return whether so many more *parcels*, of *size* bytes together, may go today and come to *readers*."""
