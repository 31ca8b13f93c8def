"""What we keep of a peer besides its journal: what it was asked for, and whether it keeps its word."""

from __future__ import annotations

from dataclasses import dataclass

from paquebot.errors import Malformed
from paquebot.protocol import cbor
from paquebot.protocol.cbor import Value
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.stamp import Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How one peer has behaved towards us."""

    broken: int = 0
    """How often it was asked for what it lists, and did not give it; halved when it does."""

    def encode(self) -> bytes:
        """Return the account as bytes, for the store."""
        value: dict[int, Value] = {0: self.broken}
        return cbor.encode(value)

    @classmethod
    def decode(cls, data: bytes) -> Account:
        """Return the account that `encode` wrote."""
        match cbor.decode(data):
            case {0: int(broken)}:
                return cls(broken=broken)
        raise Malformed("a stored account cannot be read")


@dataclass(frozen=True, slots=True)
class Asking:
    """How often one peer was asked for one thing that it lists, and what came of it."""

    resource: ResourceId
    peer: Fingerprint
    times: int = 0
    until: Millis = Millis(0)
    """How long its answer is waited for; 0 if it is not."""
    denied: Millis = Millis(0)
    """When it last said that it has not got it, or may not give it."""
