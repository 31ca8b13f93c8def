"""SDMP's `encrypted`: written and read, padded in every way that SDMP knows, and nothing tells what was wrong."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from tests.unit.nodes import entropy_from

from paquebot.errors import Malformed
from paquebot.protocol.encoding import b64
from paquebot.protocol.identity import PrivateKey
from paquebot.vault import encrypted

DICE = entropy_from("encrypted")
ED25519 = PrivateKey.create("ed25519", DICE)
TEXT = b'{"sdmp":{"version":"0.11.0","schemas":["message"]},"message":"ashore"}'


@pytest.fixture(scope="module")
def readers():
    return [PrivateKey.wrap(rsa.generate_private_key(65_537, 2048)) for _ in range(3)]


def opened(value, key):
    iv, payload, entries = encrypted.read(value)
    return [encrypted.open_payload(iv, payload, each) for each in encrypted.keys(entries, key, DICE)]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000])
def test_each_reader_and_nobody_else_reads_it(readers, size):
    value = encrypted.seal(b"x" * size, [each.public for each in readers[:2]], DICE)
    assert len(value["recipients"]) == 2
    for reader, count in zip(readers, (1, 1, 0), strict=True):
        assert opened(value, reader).count(b"x" * size) == count
    assert opened(value, ED25519) == []


def test_it_is_for_rsa_identities_alone(readers):
    assert encrypted.suits([each.public for each in readers])
    assert not encrypted.suits([readers[0].public, ED25519.public])
    assert not encrypted.suits([])
    assert not encrypted.suits([readers[0].public] * 65)


def by_hand(reader, data, key=b"k" * 32):
    """What another implementation may write: padded as it likes."""
    cipher = Cipher(AES256(key), CBC(bytes(16))).encryptor()
    entry = reader.public.key.encrypt(key, PKCS1v15())
    return {"iv": b64(bytes(16)), "payload": b64(cipher.update(data)), "recipients": [{"key": b64(entry)}]}


def test_the_paddings_of_sdmps_text_and_of_its_examples_are_read(readers):
    nul = TEXT.ljust(8192, b"\0")
    assert opened(by_hand(readers[0], nul), readers[0]) == [nul]
    assert opened(by_hand(readers[0], nul + b"\x10" * 16), readers[0]) == [nul]
    blanks = TEXT.ljust(96)
    assert opened(by_hand(readers[0], blanks), readers[0]) == [blanks]


def test_whatever_is_wrong_the_same_happens(readers):
    """A wrong entry, a wrong key inside it, and a damaged payload all end in noise: no error tells them apart."""
    reader = readers[0]
    good = encrypted.seal(TEXT, [reader.public], DICE)
    entry = reader.public.key.encrypt(b"short", PKCS1v15())
    other = readers[1].public.key.encrypt(b"k" * 32, PKCS1v15())
    for entries in ([entry], [other], [bytes(256)], [b"\xff" * 256]):
        found = opened({**good, "recipients": [{"key": b64(each)} for each in entries]}, reader)
        assert len(found) == 1
        assert found[0] != TEXT
    iv, payload, entries = encrypted.read(good)
    for place in range(0, len(payload), 7):
        damaged = payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
        (key,) = encrypted.keys(entries, reader, DICE)
        assert encrypted.open_payload(iv, damaged, key) != TEXT


def test_entries_that_cost_without_end_are_not_tried(readers):
    good = encrypted.seal(TEXT, [readers[0].public], DICE)
    many = {**good, "recipients": [{"key": b64(b"x" * 255)}] * 60 + [{"key": b64(bytes(256))}] * 900}
    assert len(opened(many, readers[0])) == 4


@pytest.mark.parametrize("change", [{"iv": b64(bytes(15))}, {"iv": "="}, {"payload": b64(bytes(15))}, {"payload": "x"}])
def test_what_is_not_made_of_blocks_is_refused(readers, change):
    with pytest.raises(Malformed):
        encrypted.read({**encrypted.seal(TEXT, [readers[0].public], DICE), **change})
