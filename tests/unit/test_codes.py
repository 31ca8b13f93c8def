"""Cards and invitations as text: what was written is read, whatever happens to it is noticed, and nothing breaks us."""

import zlib
from base64 import b32encode
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.nodes import NOW, make

from paquebot.errors import Malformed
from paquebot.protocol import cbor, codes, introducing, publishing, verifying
from paquebot.protocol.codes import CARD, INVITE, NODE, Code
from paquebot.protocol.encoding import Fingerprint, digest
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis

ALICE = make("alice")
CARD_OF_ALICE = introducing.own_card(ALICE.store.view)
INVITATION = Code(INVITE, CARD_OF_ALICE, b"s" * 16, NOW, Millis(NOW + DAY_MS))
WRITTEN = codes.write(INVITATION)


@pytest.mark.parametrize("code", [Code(CARD, CARD_OF_ALICE), INVITATION, Code(NODE, node=ALICE.node)])
def test_what_was_written_is_read(code):
    assert codes.read(codes.write(code)) == code


def test_a_card_survives_letter_by_letter():
    card = publishing.card_of(codes.read(WRITTEN).card, NOW)
    assert (card.node.fingerprint, card.name) == (ALICE.node, "alice")


def test_a_code_is_made_of_what_qr_codes_take_cheaply():
    assert set(WRITTEN) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:")
    assert len(WRITTEN) < 4_000


def test_the_dictionary_is_part_of_the_format():
    known = "bab8d0"
    assert sha256(codes._DICTIONARY).hexdigest()[:6] == known


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_mistake_is_noticed(data):
    place = data.draw(st.integers(len(codes.PREFIX), len(WRITTEN) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
    bad = WRITTEN[:place] + letter + WRITTEN[place + 1 :]
    try:
        assert codes.read(bad) == INVITATION
    except Malformed:
        assert letter != WRITTEN[place]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 255), st.binary(max_size=200))
def test_a_right_checksum_over_nonsense_is_refused(kind, body):
    if kind == NODE and len(body) == 64:
        return
    with pytest.raises(Malformed):
        codes.read(code(bytes([kind]) + body))


def code(data: bytes) -> str:
    return codes.PREFIX + b32encode(data + sha256(data).digest()[:4]).decode().rstrip("=")


@pytest.mark.parametrize(
    "value",
    [
        {},
        {0: []},
        {0: 1},
        {0: [[b"x", b"y" * 64, 0, b""]] * 17, 1: b"s", 2: 0, 3: 1},
        {0: [[b"x", b"y" * 63, 0, b""]], 1: b"s", 2: 0, 3: 1},
        {0: [[b"x", b"y" * 64, 2, b""]], 1: b"s", 2: 0, 3: 1},
        {0: [], 1: b"s", 2: 2, 3: 1},
        {0: [], 1: b"s", 2: 0, 3: 1 << 60},
        {0: [], 1: "s", 2: 0, 3: 1},
    ],
)
def test_a_code_of_another_form_is_refused(value):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=codes._DICTIONARY)
    with pytest.raises(Malformed):
        codes.read(code(bytes([INVITE]) + deflate.compress(cbor.encode(value)) + deflate.flush()))


def test_a_bomb_is_not_unpacked():
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(bytes(50_000_000)) + deflate.flush()
    with pytest.raises(Malformed):
        codes.read(code(bytes([CARD]) + bomb))


@pytest.mark.parametrize("text", ["", "PAQUEBOT:", "paquebot", "x" * 200_000, "PAQUEBOT:1890"])
def test_other_text_is_no_code(text):
    with pytest.raises(Malformed):
        codes.read(text)


def test_both_sides_get_the_same_words_and_nobody_else_does():
    one, other, third = (Fingerprint(digest(each)) for each in (b"1", b"2", b"3"))
    ours, theirs = verifying.halves(one, other)
    assert verifying.halves(other, one) == (theirs, ours)
    assert len(ours) == len(theirs) == 4
    assert all(0 <= each < 2048 for each in (*ours, *theirs))
    assert set(verifying.halves(one, third)[0]) != set(ours)
