"""Mutation by fixed dice: the same search every time."""

from __future__ import annotations

import random
from collections.abc import Sequence

ODD = (
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xe0",
    b"\xc0",
    b"\n",
    b"{",
    b"]",
)


def mutated(known: Sequence[bytes], dice: random.Random) -> bytes:
    """Return one of *known* with a few things wrong, or two of them spliced."""
    data = bytearray(dice.choice(known))
    for _ in range(dice.randint(1, 5)):
        at = dice.randint(0, len(data))
        match dice.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << dice.randrange(8)
            case 1:
                data[at : at + 1] = dice.choice(ODD)
            case 2:
                del data[at : at + dice.randint(1, 30)]
            case 3:
                data[at:at] = dice.randbytes(dice.randint(1, 9))
            case 4:
                data[at:at] = data[at : at + dice.randint(1, 60)]
            case 5:
                other = dice.choice(known)
                data[at:] = other[dice.randint(0, len(other)) :]
            case _:
                del data[at:]
    return bytes(data)
