"""What is locked to some keys opens with those, with no others, and nowhere else than it was made for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from tests.unit.nodes import entropy_from

from paquebot.errors import Malformed, NotForUs
from paquebot.protocol.encoding import raw, unb64
from paquebot.protocol.privacy import padded, read_inner, write_inner
from paquebot.protocol.resource import About
from paquebot.protocol.schema import published
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.vault import private
from paquebot.vault.keystore import exchange_point
from paquebot.vault.private import Wraps, open_body, open_chunks, seal_body, seal_chunks

VECTORS = json.loads((Path(__file__).parents[2] / "fixtures/private/vectors.json").read_text())
SECRETS = [bytes.fromhex(each["secret"]) for each in VECTORS["readers"]]
POINTS = [bytes.fromhex(each["point"]) for each in VECTORS["readers"]]
SEALED = VECTORS["sealed"]
USER = raw(SEALED["user"])
CONTENT = bytes.fromhex(SEALED["content_key"])
BODY = unb64(SEALED["sealed"]["body"])
KEY = bytes(32)
LOW_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def wraps(value: dict) -> Wraps:
    return Wraps(unb64(value["point"]), tuple(unb64(each) for each in value["readers"]))


def flips(data: bytes, step: int = 1):
    for place in range(0, len(data), step):
        yield data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]


@pytest.mark.parametrize("reader", range(4))
def test_the_vectors_open_for_their_readers_and_nobody_else(reader):
    assert POINTS[reader] == exchange_point(SECRETS[reader])
    content = wraps(SEALED["sealed"]).open(SECRETS[reader], USER)
    assert content == (CONTENT if reader in SEALED["readers_with_a_key"] else None)
    wrap = VECTORS["wrap"]["wrap"]
    later = wraps(wrap).open(SECRETS[reader], raw(wrap["resource"]))
    assert later == (CONTENT if reader in VECTORS["wrap"]["readers_with_a_key"] else None)


def test_the_vectors_are_what_we_write():
    assert open_body(BODY, CONTENT, USER).decode() == SEALED["inner"]
    assert seal_body(SEALED["inner"].encode(), CONTENT, USER) == BODY
    entropy = entropy_from("sealing")
    assert private.content_key(entropy) == CONTENT
    assert Wraps.make(CONTENT, POINTS[:3], USER, entropy) == wraps(SEALED["sealed"])


def test_the_vectors_of_chunks():
    value = VECTORS["chunks"]
    pieces = [bytes([n]) * 1000 for n in range(3)]
    chunks = list(seal_chunks(pieces, bytes.fromhex(value["key"])))
    assert [hashlib.sha256(each).hexdigest() for each in chunks] == value["chunks_sha256"]
    assert list(open_chunks(chunks, bytes.fromhex(value["key"]), 3)) == pieces


def test_a_bit_that_was_turned_anywhere_is_noticed_with_one_error():
    errors = set()
    for damaged in (*flips(BODY), BODY[:-1], BODY[:40], b"", BODY + b"\0"):
        with pytest.raises(NotForUs) as caught:
            open_body(damaged, CONTENT, USER)
        errors.add(str(caught.value))
    assert errors == {"a private resource opens with none of our keys"}


def test_a_bit_that_was_turned_in_an_entry_or_the_point_locks_its_reader_out():
    good = wraps(SEALED["sealed"])
    place = next(n for n, each in enumerate(good.readers) if Wraps(good.point, (each,)).open(SECRETS[0], USER))
    for entry in flips(good.readers[place]):
        changed = (*good.readers[:place], entry, *good.readers[place + 1 :])
        assert Wraps(good.point, changed).open(SECRETS[0], USER) is None
        assert Wraps(good.point, changed).open(SECRETS[1], USER) == CONTENT
    for point in flips(good.point):
        assert Wraps(point, good.readers).open(SECRETS[0], USER) is None


def test_a_body_and_its_keys_are_of_no_use_to_another_user():
    other = hashlib.sha512(b"another user").digest()
    assert wraps(SEALED["sealed"]).open(SECRETS[0], other) is None
    with pytest.raises(NotForUs):
        open_body(BODY, CONTENT, other)


def test_a_wrap_is_for_one_resource_and_no_sealed_list():
    wrap = VECTORS["wrap"]["wrap"]
    assert wraps(wrap).open(SECRETS[3], hashlib.sha512(b"another resource").digest()) is None
    assert wraps(wrap).open(SECRETS[3], USER) is None


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_points_that_keep_no_secret_neither_lock_nor_open(point):
    assert Wraps(point, wraps(SEALED["sealed"]).readers).open(SECRETS[0], USER) is None
    with pytest.raises(Malformed):
        Wraps.make(CONTENT, [POINTS[0], point], USER, entropy_from("low"))


def test_all_readers_read_the_same_or_nothing():
    """Poly1305 alone would let an author find one ciphertext that is two texts under two keys."""
    other = bytes([7]) * 32
    key, commitment = private._body_keys(other)
    forged = commitment + ChaCha20Poly1305(key).encrypt(bytes(12), b"another text", USER)
    assert open_body(forged, other, USER) == b"another text"
    with pytest.raises(NotForUs):
        open_body(forged, CONTENT, USER)
    with pytest.raises(NotForUs):
        open_body(private._body_keys(CONTENT)[1] + forged[32:], CONTENT, USER)


def test_1024_readers_each_find_their_key():
    secrets = [hashlib.sha256(b"%d" % n).digest() for n in range(1024)]
    made = Wraps.make(CONTENT, [exchange_point(each) for each in secrets], USER, entropy_from("many"))
    assert len(made.readers) == len(set(made.readers)) == 1024
    assert all(made.open(secrets[n], USER) == CONTENT for n in (0, 511, 1023))
    assert made.open(SECRETS[0], USER) is None


def test_nothing_tells_readers_apart_and_nothing_is_used_twice():
    entropy = entropy_from("twice")
    one, two = (Wraps.make(CONTENT, POINTS, USER, entropy) for _ in range(2))
    assert one.point != two.point
    assert not set(one.readers) & set(two.readers)
    assert list(one.readers) == sorted(one.readers)


PIECES = [b"a" * 5000, b"b" * 5000, b"c" * 70]
CHUNKS = list(seal_chunks(PIECES, KEY))


@pytest.mark.parametrize(
    "chunks",
    {
        "the last is missing": CHUNKS[:2],
        "the first is missing": CHUNKS[1:],
        "the middle is missing": [CHUNKS[0], CHUNKS[2]],
        "two changed places": [CHUNKS[1], CHUNKS[0], CHUNKS[2]],
        "one comes twice": [CHUNKS[0], CHUNKS[0], CHUNKS[2]],
        "one more behind": [*CHUNKS, CHUNKS[2]],
        "one of another file": [CHUNKS[0], next(seal_chunks([b"b" * 5000], b"k" * 32)), CHUNKS[2]],
        "one is cut": [CHUNKS[0], CHUNKS[1][:-1], CHUNKS[2]],
        "one is empty": [CHUNKS[0], b"", CHUNKS[2]],
        "a bit was turned": [CHUNKS[0], next(flips(CHUNKS[1])), CHUNKS[2]],
    }.items(),
    ids=lambda each: each[0],
)
def test_chunks_open_only_whole_in_order_and_complete(chunks):
    assert list(open_chunks(CHUNKS, KEY, 3)) == PIECES
    with pytest.raises(Malformed):
        list(open_chunks(chunks[1], KEY, len(chunks[1])))


def test_a_file_is_sealed_and_opened_piece_by_piece():
    seen = []

    def pieces():
        for number in range(50):
            seen.append(number)
            yield bytes([number]) * 1000

    chunks = seal_chunks(pieces(), KEY)
    next(chunks)
    assert seen == [0, 1]
    assert sum(map(len, open_chunks(seal_chunks(pieces(), KEY), KEY, 50))) == 50_000


ABOUT = About(stamp=Stamp(Millis(1_795_132_800_000)), title="t")


def test_what_lies_inside_is_read_as_it_was_written_and_its_length_tells_little():
    data = write_inner(["message"], {"message": "yes"}, ABOUT, [SEALED["user"]], [])
    other = write_inner(["message"], {"message": "no, rather not"}, ABOUT, [SEALED["user"]], [])
    assert len(data) == len(other) == padded(len(data))
    inner = read_inner(data, published)
    assert (inner.kind, inner.text, inner.about, inner.readers) == ("message", "yes", ABOUT, (SEALED["user"],))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":1}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"x","private":1}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"x","private":{"readers":1}}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"x","private":{"readers":["x"]}}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"x","private":{"nodes":[1]}}',
    ],
)
def test_what_lies_inside_is_read_strictly(data):
    with pytest.raises(Malformed):
        read_inner(data, published)


def test_sdmp_fills_up_with_nul():
    data = b'{"sdmp":{"version":"0.11.0","schemas":["message"]},"message":"x"}'
    assert read_inner(data.ljust(8192, b"\0"), published).text == "x"
