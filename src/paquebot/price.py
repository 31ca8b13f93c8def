"""What it costs to send by a carrier. Part of the door: transports find it in `paquebot.transport`."""

from __future__ import annotations

from typing import NamedTuple


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
