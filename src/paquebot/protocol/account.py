"""What we keep of a peer besides its journal: what it was asked for, whether it keeps its word, what it used up."""

from __future__ import annotations

from dataclasses import field

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol import cbor
from paquebot.protocol.cbor import Value
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.limits import ANSWER_BYTES, GRANT_BYTES, GRANT_ENVELOPES, GRANT_ITEMS, GRANT_WINDOW_MS
from paquebot.protocol.stamp import Millis


@frozen
class Asking:
    """How often one peer was asked for one thing that it lists, and what came of it."""

    resource: ResourceId
    peer: Fingerprint
    times: int = 0
    until: Millis = Millis(0)
    """How long its answer is waited for; 0 if it is not."""
    denied: Millis = Millis(0)
    """When it last said that it has not got it, or may not give it."""


@frozen
class Grant:
    """What one peer may send in one window, and how much it is answered in it (that is not advertised)."""

    window_ms: int = GRANT_WINDOW_MS
    envelopes: int = GRANT_ENVELOPES
    bytes: int = GRANT_BYTES
    items: int = GRANT_ITEMS
    answers: int = ANSWER_BYTES

    def flat(self) -> list[Value]:
        """Return what is advertised of it."""
        return [self.window_ms, self.envelopes, self.bytes, self.items]


@frozen
class Use:
    """What was used of a grant in the window that began at *since*."""

    since: Millis = Millis(0)
    envelopes: int = 0
    bytes: int = 0
    items: int = 0
    reserved: int = 0
    """Of the share that is kept for keys and trusts."""

    def at(self, now: Millis, window_ms: int) -> Use:
        """Return what is used at *now*: nothing, if the window is over. Windows begin at multiples of their length."""
        since = Millis(now - now % window_ms)
        return self if self.since == since else Use(since)

    def flat(self) -> list[Value]:
        """Return the use as a list, for the store."""
        return [self.since, self.envelopes, self.bytes, self.items, self.reserved]


@frozen(kw_only=True)
class Account:
    """How one peer has behaved towards us, and what we know of its limits."""

    broken: int = 0
    """How often it was asked for what it lists, and did not give it; halved when it does."""
    received: Use = field(default_factory=Use)
    """What it sent us."""
    met: Millis = Millis(0)
    """When it last met our limits."""
    answered: Use = field(default_factory=Use)
    """What we sent it in answer, or again; its items are what we asked of it."""
    said: int = 0
    """The highest number of our lines that was ever put into a letter for it."""
    said_chunks: int = 0
    """One more than the highest number of our chunks that was."""
    told: bytes = b""
    """Our grant as it was last advertised to it; empty if it is to be advertised again."""
    advert: bytes = b""
    """The letter that does so."""
    theirs: Grant | None = None
    """What it grants us."""
    theirs_at: Millis = Millis(0)
    """When it said so, by its clock."""
    sent: Use = field(default_factory=Use)
    """What we sent it, as far as that counts there."""
    hold: Millis = Millis(0)
    """Until when we sent it too much already."""
    ask: Millis = Millis(0)
    """When to ask for its journal, whatever else comes from it: something of it is known to be lacking."""
    dictionary: int = 0
    """The newest dictionary of packings that it says it has; 0 for none."""

    def encode(self) -> bytes:
        """Return the account as bytes, for the store."""
        value: dict[int, Value] = {
            0: self.broken,
            1: self.received.flat(),
            2: self.met,
            3: self.answered.flat(),
            4: [self.said, self.said_chunks],
            5: self.told,
            6: self.advert,
            7: self.theirs.flat() if self.theirs else [],
            8: self.theirs_at,
            9: self.sent.flat(),
            10: self.hold,
            11: self.ask,
            12: self.dictionary,
        }
        return cbor.encode(value)

    @classmethod
    def decode(cls, data: bytes) -> Account:
        """Return the account that `encode` wrote."""
        match cbor.decode(data):
            case {
                0: int(broken),
                1: list(received),
                2: int(met),
                3: list(answered),
                4: [int(said), int(said_chunks)],
                5: bytes(told),
                6: bytes(advert),
                7: list(theirs),
                8: int(theirs_at),
                9: list(sent),
                10: int(hold),
                11: int(ask),
                **more,
            }:
                return cls(
                    broken=broken,
                    received=_use(received),
                    met=Millis(met),
                    answered=_use(answered),
                    said=said,
                    said_chunks=said_chunks,
                    told=told,
                    advert=advert,
                    theirs=Grant(*_numbers(theirs)) if theirs else None,
                    theirs_at=Millis(theirs_at),
                    sent=_use(sent),
                    hold=Millis(hold),
                    ask=Millis(ask),
                    dictionary=_number(more.get(12, 0)),
                )
        raise Malformed("a stored account cannot be read")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _numbers(values: list[Value]) -> list[int]:
    return [each for each in values if isinstance(each, int)]


def _use(values: list[Value]) -> Use:
    since, *rest = _numbers(values)
    return Use(Millis(since), *rest)
