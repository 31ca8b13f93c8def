"""Words that two people read to each other, to be sure that nobody sits between their nodes.

Both nodes compute the same 88 bits from both fingerprints. Each person reads one half aloud and types the other, so
that nothing is merely glanced at. The hash is slow: whoever wants to sit in between has to find two keys that give
the same words, for which even the birthday's square root of 2^88 is far too many slow hashes.
"""

from __future__ import annotations

import re
from hashlib import pbkdf2_hmac

from paquebot.protocol.encoding import Fingerprint, raw

WORDS = 8
"""Numbers of 11 bits, as many as there are words in BIP 39's list; each side reads half of them."""
_ROUNDS = 100_000


def numbers(one: Fingerprint, other: Fingerprint) -> tuple[int, ...]:
    """Return the numbers of the words for two nodes, in whichever order they are given."""
    first, second = sorted((raw(one), raw(other)))
    found = int.from_bytes(pbkdf2_hmac("sha512", first + second, b"paquebot verify", _ROUNDS, 11), "big")
    return tuple(found >> 11 * place & 2047 for place in reversed(range(WORDS)))


def halves(ours: Fingerprint, theirs: Fingerprint) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what our person reads aloud, and what the other reads."""
    found = numbers(ours, theirs)
    first, second = found[: WORDS // 2], found[WORDS // 2 :]
    return (first, second) if raw(ours) < raw(theirs) else (second, first)


def typed(text: str) -> list[str]:
    """Return the words in what a person typed.

    >>> typed("  Abandon, ability... ABLE")
    ['abandon', 'ability', 'able']
    """
    return re.findall("[a-z]+", text.lower())
