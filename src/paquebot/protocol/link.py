"""What the engine needs to know of a way by which letters go."""

from __future__ import annotations

from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import DAY_MS, ENVELOPE_BYTES_MAX, SILENCE_FACTOR


@frozen
class Link:
    """What the engine needs to know of the way by which something goes or came."""

    medium: str
    latency_ms: int
    bytes_max: int = ENVELOPE_BYTES_MAX
    """The largest parcel it takes."""
    bytes_cheap: bool = False
    shows_tokens: bool = False
    reachable: frozenset[Fingerprint] | None = None
    """Those who can be written to by it; None for whoever comes by."""
    bulk: bool = True
    """Chunks of files go by it. Not where bytes are dear and a stick is known to come."""
    parcels_left: int | None = None
    bytes_left: int | None = None
    """What may still be sent by it now; None for as much as there is."""
    room: int | None = None
    """How many bytes are free on the medium; None if nobody can say."""

    @property
    def silence_ms(self) -> int:
        """How long a peer may say nothing here before that is long enough to ask."""
        return max(DAY_MS, SILENCE_FACTOR * self.latency_ms)
