"""Secrets under a passphrase: what opens them, what does not, and what hostile files may cost."""

import json
import os
import time
import tracemalloc

import pytest

from paquebot.errors import Misused, WrongKey, WrongPassphrase
from paquebot.vault import locking
from paquebot.vault.locking import Cost, check_new, lock, normal, parse, seal

SECRET = b"the cargo is tea"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    monkeypatch.setattr(locking, "COST", Cost(16, 8, 1))


def test_what_a_passphrase_locks_it_opens_again():
    content = lock(SECRET, b"all hands on deck", "user key", os.urandom).encode()

    found = parse(content, "user key")

    assert found is not None
    assert found.unlock(b"all hands on deck") == SECRET
    assert SECRET not in content
    assert b"deck" not in content


def test_the_cost_for_ourselves_is_what_owasp_asks_for():
    assert Cost(1 << 15, 8, 3) in (Cost(1 << n, 8, p) for n, p in ((17, 1), (16, 2), (15, 3), (14, 5), (13, 10)))


def test_two_locks_of_one_secret_share_nothing():
    one, two = (lock(SECRET, b"the same words", "user key", os.urandom) for _ in range(2))

    assert one.salt != two.salt
    assert one.nonce != two.nonce
    assert one.sealed != two.sealed


@pytest.mark.parametrize("wrong", [b"", b"All hands on deck", b"all hands on deck ", b"\0" * 4096])
def test_another_passphrase_opens_nothing(wrong):
    found = parse(lock(SECRET, b"all hands on deck", "user key", os.urandom).encode(), "user key")

    with pytest.raises(WrongPassphrase) as refusal:
        found.unlock(wrong)
    assert refusal.value.exit_code == 12
    assert refusal.value.__cause__ is None


def test_a_key_seals_and_only_that_key_opens():
    found = parse(seal(SECRET, bytes(32), "node key", os.urandom).encode(), "node key")

    assert found.open(bytes(32)) == SECRET
    with pytest.raises(WrongPassphrase):
        found.open(b"\1" * 32)
    with pytest.raises(WrongKey, match="not by a passphrase"):
        found.unlock(b"some passphrase")


def test_one_locked_file_does_not_stand_in_for_another():
    content = seal(SECRET, bytes(32), "node key", os.urandom).encode()

    with pytest.raises(WrongKey, match="does not hold the user key"):
        parse(content, "user key")
    renamed = parse(content.replace(b"node key", b"user key"), "user key")
    with pytest.raises(WrongPassphrase):
        renamed.open(bytes(32))


@pytest.mark.parametrize("field", ["nonce", "sealed", "salt", "n", "p"])
def test_any_change_is_noticed(field):
    value = json.loads(lock(SECRET, b"all hands on deck", "user key", os.urandom).encode())
    part = value if field in value else value["scrypt"]
    part[field] = (
        part[field] * 2 if isinstance(part[field], int) else f"{int(part[field][0], 16) ^ 1:x}{part[field][1:]}"
    )

    with pytest.raises(WrongPassphrase):
        parse(json.dumps(value).encode(), "user key").unlock(b"all hands on deck")


@pytest.mark.parametrize(
    "cost",
    [
        {"n": 1 << 40, "r": 8, "p": 1},
        {"n": 1 << 22, "r": 8, "p": 1},
        {"n": 1 << 15, "r": 1 << 20, "p": 1},
        {"n": 1 << 15, "r": 8, "p": 1 << 20},
        {"n": 2, "r": 1, "p": (1 << 30) - 1},
        {"n": 1000, "r": 8, "p": 1},
        {"n": 1, "r": 8, "p": 1},
        {"n": 0, "r": 8, "p": 1},
        {"n": -16, "r": 8, "p": 1},
        {"n": 16.0, "r": 8, "p": 1},
        {"n": True, "r": 8, "p": 1},
        {"n": "16", "r": 8, "p": 1},
        {"n": 16, "r": 0, "p": 1},
        {"n": 10**400, "r": 8, "p": 1},
        {"n": 16, "r": 8},
        {},
        7,
    ],
)
def test_a_hostile_cost_costs_nothing(cost):
    value = json.loads(lock(SECRET, b"all hands on deck", "user key", os.urandom).encode())
    salt = value["scrypt"]["salt"]
    value["scrypt"] = {**cost, "salt": salt} if isinstance(cost, dict) else cost
    content = json.dumps(value).encode()
    tracemalloc.start()
    began = time.monotonic()

    with pytest.raises(WrongKey):
        parse(content, "user key")

    assert time.monotonic() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"name": 7},
        {"nonce": "00"},
        {"nonce": "zz" * 12},
        {"nonce": None},
        {"sealed": 9},
        {"sealed": None},
        {"scrypt": {"n": 16, "r": 8, "p": 1, "salt": "00"}},
        {"scrypt": {"n": 16, "r": 8, "p": 1, "salt": None}},
    ],
)
def test_a_damaged_file_is_refused_without_quoting_it(change):
    value = json.loads(lock(SECRET, b"all hands on deck", "user key", os.urandom).encode())

    with pytest.raises(WrongKey) as refusal:
        parse(json.dumps({**value, **change}).encode(), "user key")
    assert value["sealed"] not in str(refusal.value)


def test_a_cut_file_is_damaged_and_not_a_plain_one():
    content = lock(SECRET, b"all hands on deck", "user key", os.urandom).encode()

    for end in (len(content) - 3, len(content) // 2, 60):
        with pytest.raises(WrongKey, match="damaged"):
            parse(content[:end], "user key")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"7", b"\xff", b'{"form":"paquebot envelope keys"}', b"[" * 99_999]
)
def test_what_is_not_locked_is_left_to_its_reader(content):
    assert parse(content, "user key") is None


def test_a_passphrase_is_the_same_from_a_file_and_from_a_keyboard():
    assert (
        normal(b"caf\xc3\xa9 au lait\n") == normal("cafe\u0301 au lait".encode()) == normal(b"caf\xc3\xa9 au lait\r\n")
    )
    assert normal(b"two  spaces \n") == b"two  spaces "
    assert normal(b"\xff\xfe any bytes") == b"\xff\xfe any bytes"


@pytest.mark.parametrize("given", [b"", b"\n", b"\r\n", b"x" * 4_097])
def test_what_is_no_passphrase_is_refused(given):
    with pytest.raises(WrongKey):
        normal(given)


def test_a_new_passphrase_has_eight_characters():
    check_new("größe 12".encode())
    with pytest.raises(Misused, match="at least 8"):
        check_new("größe 1".encode())


def test_nothing_shows_a_key():
    made = locking.fresh(b"all hands on deck", os.urandom)

    assert made.key.hex() not in repr(made)
    assert repr(made.key) not in repr(made)
