"""Lines of our journal that a peer knew without what belongs to them, since it could not read us then, and can now.

They are told again. That it knows them, as it goes on saying, is no sign that this has come.
"""

from __future__ import annotations

from paquebot.protocol import cbor
from paquebot.protocol.effects import Effects, Remember
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.state import View


def lines(view: View, peer: Fingerprint) -> Ranges:
    """Return the lines that *peer* is being told again."""
    data = view.remembered(_key(peer))
    return Ranges.parse(cbor.decode(data)) if data else Ranges()


def add(view: View, peer: Fingerprint, some: Ranges) -> Effects:
    """*peer* may read us from now on, and knows *some* lines without what belongs to them."""
    if some:
        yield Remember(_key(peer), cbor.encode([*(lines(view, peer) | some).flat()]))


def came(view: View, peer: Fingerprint, some: Ranges) -> Effects:
    """*peer* has got *some* lines with what belongs to them."""
    before = lines(view, peer)
    if before & some:
        left = before - some
        yield Remember(_key(peer), cbor.encode([*left.flat()]) if left else None)


def _key(peer: Fingerprint) -> str:
    return f"withheld/{peer}"
