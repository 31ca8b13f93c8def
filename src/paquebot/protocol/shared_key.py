"""SDMP's ``shared_key``: a secret that two nodes agree on in the open (finite-field Diffie-Hellman).

Both send a ``connection`` container ``{g, p, N}`` with ``N = g^n mod p`` for a secret exponent n of their own; with the
other's N, each computes ``s = N^n mod p``. SDMP does this over live links, where it gives forward secrecy; on sticks
and in mailboxes no answer comes in time, and paquebot's own key rotation serves instead. This is the computation alone.

Only safe primes are taken: p and (p - 1) / 2 are prime, so that the only small subgroups are {1} and {1, p - 1}, and no
N lies in them. Those of RFC 3526 and RFC 7919 are known; others are proved by Miller-Rabin with bases of our own dice.
Python's numbers leak how long they take: use an exponent for one agreement only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from paquebot.errors import Malformed, NotPermitted, TooLarge
from paquebot.protocol import container, schema
from paquebot.protocol.encoding import b64, unb64

BITS_MIN = 2048
BITS_MAX = 8192
PROVED_BITS_MAX = 3072  # of a prime that nobody knows: proving a larger one takes longer than it is worth
ROUNDS = 20  # each lets a composite pass with probability 1/4 at most, whoever chose it
EXPONENT_BYTES = 64  # twice the strength of the largest group, and more

KNOWN = frozenset(
    {
        "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e",  # modp2048
        "48cf8b092fbce4359d9871abf74f98e25b6163379eaa15cd9087e800c6d1c55c",  # modp3072
        "4ee95187682bcb230ad26a95205f6920e84708f6251b3894329b09ec23919e33",  # modp4096
        "d1bfe6d0925ce7e4da262b62861514a7755e35831e429f343e7b864848657efd",  # modp6144
        "39ab4feab950a3128fb71accb9fc3965d857012e081998a85996e3ea8b3c3bcf",  # modp8192
        "9cd3b7f336872f46c09428d1bbc19877a4d440512cda8d1c1cf0cd6e33698966",  # ffdhe2048
        "0eaf67db3a839156d5013494a5318a772b5697d270d721f37f092efc69ea5a17",  # ffdhe3072
        "4648414224ac881b3d0dc59b466f96d06a558278776807797ecf1f66ff397b3e",  # ffdhe4096
        "227ac9066b3ddd9e193670cda2388fa884f65ba0cf98b742d1fe77a6687c79c7",  # ffdhe6144
        "770b14efaf6f049929c523113b3fa99a8d11dab1b18af3609590122075d19833",  # ffdhe8192
    }
)
"""SHA-256 of the primes (big-endian) of RFC 3526 groups 14 to 18 and RFC 7919 ffdhe2048 to ffdhe8192."""

_SMALL = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Group:
    """A generator and a prime that were found good: see `group`."""

    g: int
    p: int

    @property
    def size(self) -> int:
        """Bytes of a number of the group."""
        return (self.p.bit_length() + 7) // 8


def group(g: int, p: int, entropy: Entropy) -> Group:
    """Return the group of *g* and *p*. Raise `NotPermitted` if no secret can be agreed on in it, or `TooLarge`."""
    if p.bit_length() > BITS_MAX:
        raise TooLarge(f"a shared key's prime has more than {BITS_MAX} bits")
    if p.bit_length() < BITS_MIN:
        raise NotPermitted(f"a shared key's prime has fewer than {BITS_MIN} bits")
    if not 1 < g < p - 1:
        raise NotPermitted("a shared key's generator generates nothing")
    if sha256(_bytes(p)).hexdigest() not in KNOWN:
        if p.bit_length() > PROVED_BITS_MAX:
            raise TooLarge(f"a prime that nobody knows may have at most {PROVED_BITS_MAX} bits")
        if not _safe(p, entropy):
            raise NotPermitted("a shared key's prime is not a safe prime")
    return Group(g, p)


def exponent(entropy: Entropy) -> int:
    """Return a fresh secret exponent."""
    return int.from_bytes(entropy(EXPONENT_BYTES)) | 1 << (8 * EXPONENT_BYTES - 1)


def public(of: Group, n: int) -> int:
    """Return N, the number to send, for the secret exponent *n*."""
    return pow(of.g, n, of.p)


def secret(of: Group, number: int, n: int) -> bytes:
    """Return the secret that our exponent *n* and the other's N, *number*, agree on: as long as the prime.

    Raise `NotPermitted` if *number* is one with which everybody knows the secret.
    """
    if not 1 < number < of.p - 1:
        raise NotPermitted("a shared key's number keeps no secret")
    return pow(number, n, of.p).to_bytes(of.size)


def write(of: Group, number: int) -> bytes:
    """Return the ``connection`` container that says N, *number*.

    >>> write(Group(2, 23), 9)
    b'{"sdmp":{"version":"0.12.0","schemas":["connection"]},"connection":{"g":2,"p":"Fw","N":"CQ"}}'
    """
    fields = {"g": of.g, "p": b64(_bytes(of.p)), "N": b64(_bytes(number))}
    return container.write(["connection"], {"connection": fields})


def read(data: bytes, entropy: Entropy) -> tuple[Group, int]:
    """Return the group and N of a ``connection`` container.

    Raise `Malformed` unless it keeps its schema and holds nothing else; raise what `group` and `secret` raise.
    """
    value: dict[str, Any] = container.load(data)
    schema.check("container", value)
    schema.check("connection", value)
    fields = value["connection"]
    if not isinstance(fields["g"], int):
        raise Malformed("a shared key's generator is not a number")
    p, number = _number(fields["p"]), _number(fields["N"])
    found = group(fields["g"], p, entropy)
    if not 1 < number < p - 1:
        raise NotPermitted("a shared key's number keeps no secret")
    return found, number


def _number(text: str) -> int:
    data = unb64(text)
    if len(data) > BITS_MAX // 8 + 1:
        raise TooLarge(f"a shared key's number has more than {BITS_MAX} bits")
    return int.from_bytes(data)


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def _safe(p: int, entropy: Entropy) -> bool:
    half = p >> 1
    if p % 4 != 3 or any(p % each == 0 or half % each == 0 for each in _SMALL):
        return False
    # The half first: a safe prime passes both, and most others fall at once.
    return _prime(half, entropy) and _prime(p, entropy)


def _prime(number: int, entropy: Entropy) -> bool:
    """Miller-Rabin."""
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    odd = (number - 1) >> twos
    for _ in range(ROUNDS):
        base = 2 + int.from_bytes(entropy((number.bit_length() + 7) // 8 + 8)) % (number - 3)
        found = pow(base, odd, number)
        if found in (1, number - 1):
            continue
        for _ in range(twos - 1):
            found = found * found % number
            if found == number - 1:
                break
        else:
            return False
    return True
