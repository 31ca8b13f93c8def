"""Part 9 of a bundle: what the sender grants the recipient in one window, so that it cuts before it sends."""

from __future__ import annotations

from typing import Self

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol.account import Grant
from paquebot.protocol.cbor import Value
from paquebot.protocol.limits import ADVERT_FIELDS_MAX, GRANT_WINDOW_MAX_MS
from paquebot.protocol.stamp import MILLIS_MAX, Millis

VERSION = 1
"""Of bundles: the highest that the sender reads."""
DICTIONARY = 1
"""Of packings: the newest that we have; see `vault.packing`."""
NUMBER_MAX = (1 << 53) - 1


@frozen
class Advert:
    """A list of numbers, to which newer versions may append what older ones skip."""

    at: Millis
    """When it was said, by the sender's clock: what was said earlier and comes late changes nothing."""
    grant: Grant
    wait_ms: int = 0
    """How long to send nothing more, since the recipient sent too much; 0 if it did not."""
    dictionary: int = DICTIONARY
    """The newest dictionary of packings that the sender has; 0 for none."""

    def flat(self) -> list[Value]:
        """Return the wire form: moment, version, window, envelopes, bytes, items, wait, dictionary."""
        return [self.at, VERSION, *self.grant.flat(), self.wait_ms, self.dictionary]

    @classmethod
    def parse(cls, value: Value) -> Self:
        """Return the advert whose wire form is *value*. Raise `Malformed`."""
        if not isinstance(value, list) or not 7 <= len(value) <= ADVERT_FIELDS_MAX:
            raise Malformed("an advert has the wrong number of fields")
        found = [each for each in value[:8] if isinstance(each, int) and each <= NUMBER_MAX]
        if len(found) < len(value[:8]) or found[0] > MILLIS_MAX:
            raise Malformed("an advert holds something else than numbers, or far too large ones")
        at, _, window, envelopes, size, items, wait, *more = found
        if not 0 < window <= GRANT_WINDOW_MAX_MS:
            raise Malformed("an advert speaks of a window that is none")
        return cls(Millis(at), Grant(window, envelopes, size, items), wait, *(more or [0]))
