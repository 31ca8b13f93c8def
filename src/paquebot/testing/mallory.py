"""What Mallory puts into an envelope, whose seal may be a peer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from paquebot.protocol.bundle import Chunk, Part, Rebuilt, Tally, Update, Verbatim
from paquebot.protocol.encoding import ResourceId, b64
from paquebot.protocol.journal import root
from paquebot.protocol.messages import JournalRequest, write
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Signature, SignedObject
from paquebot.testing.village import House


def lies(by: House, houses: Sequence[House], dice: Random) -> Iterator[Part]:
    """Yield parts that no honest node sends, for an envelope of *by*."""
    lines = [line for line in by.view.own_lines(1, by.view.tip()[0]) if line.bytes and not line.gone]
    signed = by.view.resource(dice.choice(lines).entry.resource)
    assert signed is not None
    other = dice.choice([house for house in houses if house is not by])
    wrong = Signature("EdDSA", signed.signer, dice.randbytes(64))
    yield Rebuilt(replace(signed, signatures=(wrong,)))
    changed = signed.payload.replace(b'"x', b'"y')
    yield Rebuilt(SignedObject.build(changed if changed != signed.payload else changed + b" ", signed.signatures[0]))
    yield Chunk(dice.randbytes(32), b"not what it is called")
    yield Update(root(by.node), ((by.user, ResourceId(b64(dice.randbytes(64)))),), wrong)
    yield Verbatim(dice.randbytes(30))
    yield Verbatim(SignedObject.sign(write(JournalRequest("x", root(by.node))), other.key).encode()[:-1] + b" }")
    yield Tally(3, root(other.node), Ranges.of((1, 3)))
