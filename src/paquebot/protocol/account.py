"""What we keep of a peer besides its journal: whether it keeps its word."""

from __future__ import annotations

from dataclasses import dataclass

from paquebot.errors import Malformed
from paquebot.protocol import cbor
from paquebot.protocol.cbor import Value


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
