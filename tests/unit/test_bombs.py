"""Small inputs that would cost much: each is refused within 2 s and 128 MiB, in a process that may take no more.

Schemas that would are in hostile_schemas.py. All together take some 12 s.
"""

from __future__ import annotations

import bz2
import json
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import pytest

SECONDS_MAX, BYTES_MAX = 2.0, 128 << 20
CHILD = """
import sys
sys.path.insert(0, {root!r})
from tests.unit.test_bombs import explode
explode({name!r})
"""


def nested(opening: str, closing: str, depth: int = 100_000) -> bytes:
    return (opening * depth + closing * depth).encode()


def sdmp(body: str) -> bytes:
    return f'{{"sdmp":{{"version":"0.12.0","schemas":["message"]}},{body}}}'.encode()


def payload(body: str) -> Callable[[], object]:
    """Read *body* as a payload."""

    def read() -> object:
        from paquebot.protocol import container

        return container.read(sdmp(body))

    return read


def canonical(data: bytes) -> Callable[[], object]:
    """Read *data* as CBOR."""

    def read() -> object:
        from paquebot.protocol import cbor

        return cbor.decode(data)

    return read


def packed(*blocks: tuple[int, int], declared: int) -> Callable[[], object]:
    """Unpack a frame of run-length *blocks* (how many, of how many bytes) that declares another size."""

    def read() -> object:
        from tests.unit.test_vault_packing import block, raw_frame

        from paquebot.vault.packing import unpack

        made = [block(1, size, b"x", last=False) for count, size in blocks for _ in range(count)]
        return unpack(raw_frame(declared, *made, block(1, 1, b"x")))

    return read


def enveloped(make: Callable[[], bytes]) -> Callable[[], object]:
    """Open an envelope that a peer has made."""

    def read() -> object:
        from fixtures.openpgp_by_hand import BOB, OPENED, PINS

        from paquebot.vault.pgpy_sealer import PgpySealer

        return PgpySealer(BOB).open(make(), PINS, now=OPENED)

    return read


def outside(data: bytes) -> Callable[[], object]:
    return enveloped(lambda: data)


def inside(data: bytes) -> Callable[[], object]:
    """What a peer has encrypted to us without more."""

    def make() -> bytes:
        from fixtures.openpgp_by_hand import envelope

        return envelope(data)

    return enveloped(make)


def letter(make: Callable[[], bytes]) -> Callable[[], object]:
    """Open a letter in which *make*'s bytes are encrypted to us."""

    def read() -> object:
        from fixtures.openpgp_by_hand import BOB, OPENED, envelope

        from paquebot.vault.letters import open_letter

        return open_letter(BOB, envelope(make()), {}, OPENED)

    return read


def mail(make: Callable[[], bytes]) -> Callable[[], object]:
    """Look for a parcel, and for words, in a mail that may be a letter."""

    def read() -> object:
        from paquebot.errors import Malformed
        from paquebot_mail.describing import describe

        found = describe(make())
        raise Malformed("no parcel is in it") if found and not found.parcels else AssertionError

    return read


def parts_in_parts(depth: int = 1) -> bytes:
    """Return a mail whose parts have boundaries of their own, and much behind them all."""
    if depth == 8:
        return b"Content-Transfer-Encoding: base64\n\n" + b"QUJD\n" * 2_000_000
    return b"Content-Type: multipart/mixed; boundary=b%d\n\n\n--b%d\n" % (depth, depth) + parts_in_parts(depth + 1)


def compressed(number: int, *data: bytes) -> bytes:
    """Return a packet that holds *data*, compressed in the way of that number."""
    compressor = bz2.BZ2Compressor() if number == 3 else zlib.compressobj(1)
    made = b"".join((*map(compressor.compress, data), compressor.flush()))
    return packet(8, b"\xff" + (len(made) + 1).to_bytes(4, "big"), bytes((number,)) + made)


def packet(tag: int, length: bytes, body: bytes = b"") -> bytes:
    return bytes([0xC0 | tag]) + length + body


FOUR = b"\xff\xff\xff\xff\xff"
"""A length of four gigabytes."""
BOMBS: dict[str, Callable[[], object]] = {
    "JSON: arrays in arrays": payload(f'"message":{nested("[", "]").decode()}'),
    "JSON: objects in objects": payload(f'"message":{nested(chr(123) + chr(34) + "a" + chr(34) + ":", "}").decode()}'),
    "JSON: never closed": payload('"message":' + "[" * 1_000_000),
    "JSON: a number of a million digits": payload(f'"message":{"9" * 1_000_000}'),
    "JSON: an exponent without end": payload('"message":1e999999999'),
    "JSON: a million fields": payload(",".join(f'"f{n}":0' for n in range(300_000))),
    "JSON: one field a million times": payload(",".join('"message":""' for _ in range(300_000))),
    "JSON: a million schemas": lambda: __import__("paquebot.protocol.container", fromlist=["read"]).read(
        json.dumps({"sdmp": {"version": "0.12.0", "schemas": ["message"] * 300_000}, "message": ""}).encode()
    ),
    "CBOR: arrays in arrays": canonical(b"\x81" * 1_000_000),
    "CBOR: maps in maps": canonical(b"\xa1\x00" * 500_000),
    "CBOR: an array of four billion": canonical(b"\x9a\xff\xff\xff\xff"),
    "CBOR: a map of sixteen trillion": canonical(b"\xbb" + b"\x0f" * 8),
    "CBOR: a string of four gigabytes": canonical(b"\x5a\xff\xff\xff\xff"),
    "CBOR: tags on tags": canonical(b"\xc1" * 1_000_000),
    "zstd: 64 MiB from half a kilobyte": packed((511, 1 << 17), declared=64 << 20),
    "zstd: 64 MiB that declare a hundred bytes": packed((511, 1 << 17), declared=100),
    "zstd: a million empty blocks": packed((200_000, 0), declared=2),
    "OpenPGP: a million packets": outside(packet(10, b"\x03", b"PGP") * 200_000),
    "OpenPGP: four gigabytes for one recipient": outside(packet(1, FOUR, b"\3")),
    "OpenPGP: a sealed packet of four gigabytes": outside(packet(18, FOUR, b"\1")),
    "OpenPGP: partial lengths without end": outside(packet(18, b"\xe0\1" + b"\xe0\0" * 500_000)),
    "OpenPGP: a password's hash of 2^31 bytes": outside(packet(3, b"\x0d", b"\4\x09\3\x08" + bytes(8) + b"\xff")),
    "OpenPGP: Argon2 with 2^31 KiB": outside(packet(3, b"\x18", b"\6\x09\4" + bytes(16) + b"\xff\xff\x1f" + b"\0\0")),
    "OpenPGP: a thousand recipients": outside(packet(1, b"\x0b", b"\3" + bytes(8) + b"\x12\0") * 50_000),
    "OpenPGP: compressed": inside(packet(8, b"\3", b"\2\3\0")),
    "OpenPGP: compressed in compressed": inside((packet(8, FOUR, b"\0")) * 10_000),
    "OpenPGP: a million packets inside": inside(packet(10, b"\x03", b"PGP") * 150_000),
    "OpenPGP: a name of four gigabytes": inside(packet(13, FOUR, b"x")),
    "letter: 192 MiB from a kilobyte": letter(lambda: compressed(2, compressed(2, *[bytes(1 << 20)] * 192))),
    "letter: 32 MiB by BZip2": letter(lambda: compressed(3, bytes(32 << 20))),
    "letter: compressed in compressed": letter(lambda: reduce(lambda data, _: compressed(2, data), range(9), b"x")),
    "letter: pieces without end": letter(lambda: b"\xcb" + b"\xe0b" * 4_000_000),
    "letter: pieces without end, in many packets": letter(lambda: (b"\xd5" + b"\xe0b" * 32_766 + b"\0") * 120),
    "letter: the same, compressed": letter(lambda: compressed(2, (b"\xd5" + b"\xe0b" * 32_766 + b"\0") * 250)),
    "letter: a million packets": letter(lambda: packet(10, b"\3", b"PGP") * 1_000_000),
    "letter: a million signatures": letter(lambda: packet(2, b"\1", b"\4") * 1_000_000),
    "mail: parts in parts": mail(parts_in_parts),
    "mail: nearly delimiters": mail(
        lambda: b"Content-Type: multipart/mixed; boundary=x\n\n" + (b"\n--x" + b" " * 1_000 + b"a") * 10_000
    ),
    "mail: breaks alone": mail(
        lambda: (
            b"Content-Type: multipart/mixed; boundary=x\n"
            + (b"\n--x\nContent-Type: text/html\n\n" + b"<br>&amp;" * 27_000) * 48
        )
    ),
    "OpenPGP: a number of 65,535 bits": inside(packet(2, b"\xc0\x10", b"\4\0\1\x0a\0\0\0\0\0\0\xff\xff" + bytes(196))),
}


def explode(name: str) -> None:
    """Read a bomb, and print what it cost: how it ended, seconds, bytes. Take no more than is allowed."""
    import fixtures.openpgp_by_hand  # noqa: F401 what everybody loads is nobody's cost
    import tests.unit.test_vault_packing  # noqa: F401

    from paquebot.errors import PaquebotError
    from paquebot.protocol import container, custom  # noqa: F401
    from paquebot.vault import pgpy_sealer  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 2 * BYTES_MAX
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    spent = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (spent + 10, spent + 10))
    start, end = time.process_time(), "taken"
    try:
        BOMBS[name]()
    except PaquebotError as error:
        end = f"refused: {error.code}" if hasattr(error, "code") else "refused"
    cost = time.process_time() - start
    print(json.dumps([end, cost, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024]))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little(name: str):
    code = CHILD.format(root=str(Path(__file__).parents[2]), name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    end, seconds, size = json.loads(done.stdout)
    assert end.startswith("refused"), end
    assert seconds <= SECONDS_MAX
    assert size <= BYTES_MAX


def test_there_are_enough_of_them():
    assert len(BOMBS) >= 25
