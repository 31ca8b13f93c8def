"""Two nodes agree on a secret in the open; parameters with which everybody would know it are refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dh
from tests.unit.nodes import entropy_from

from paquebot.errors import Malformed, NotPermitted, TooLarge
from paquebot.protocol import shared_key
from paquebot.protocol.encoding import b64
from paquebot.protocol.shared_key import Group, exponent, group, public, read, secret, write

VECTORS = json.loads((Path(__file__).parents[2] / "fixtures/shared_key.json").read_text())
PRIMES = {each["name"]: int(each["p"], 16) for each in VECTORS if " " not in each["p"]}
P = PRIMES["modp2048"]
Q = P // 2
DICE = entropy_from("shared key")


@pytest.mark.parametrize("vector", [each for each in VECTORS if each["name"] in PRIMES], ids=lambda each: each["name"])
def test_the_vectors_agree(vector):
    found = group(vector["g"], int(vector["p"], 16), DICE)
    a, b = int(vector["a"], 16), int(vector["b"], 16)
    first, second = public(found, a), public(found, b)
    for number, name in ((first, "A"), (second, "B")):
        assert hashlib.sha256(number.to_bytes(found.size)).hexdigest() == vector[f"{name}_sha256"]
    assert secret(found, second, a) == secret(found, first, b)
    assert hashlib.sha256(secret(found, first, b)).hexdigest() == vector["s_sha256"]


def test_every_group_of_both_rfcs_is_known():
    assert {each["p_sha256"] for each in VECTORS} == shared_key.KNOWN
    assert len(shared_key.KNOWN) == 10


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
def test_a_second_opinion_agrees():
    a, b = exponent(DICE), exponent(DICE)
    numbers = dh.DHParameterNumbers(P, 2)
    theirs = dh.DHPublicNumbers(public(Group(2, P), b), numbers)
    mine = dh.DHPrivateNumbers(a, dh.DHPublicNumbers(public(Group(2, P), a), numbers)).private_key()
    assert mine.exchange(theirs.public_key()) == secret(Group(2, P), public(Group(2, P), b), a)


def test_exponents_are_large_and_never_the_same():
    some = {exponent(DICE) for _ in range(50)}
    assert len(some) == 50
    assert {each.bit_length() for each in some} == {512}


def test_what_is_written_is_read():
    found, number = read(write(Group(2, P), public(Group(2, P), 12345)), DICE)
    assert (found, number) == (Group(2, P), pow(2, 12345, P))


def test_a_safe_prime_that_nobody_knows_is_proved(monkeypatch):
    monkeypatch.setattr(shared_key, "KNOWN", frozenset())
    monkeypatch.setattr(shared_key, "ROUNDS", 3)
    assert group(2, P, DICE) == Group(2, P)


COMPOSITE = (P - 2) * 5
CARMICHAEL_LIKE = PRIMES["ffdhe2048"] * PRIMES["modp2048"]


@pytest.mark.parametrize(
    ("g", "p"),
    {
        "too small": (2, (1 << 1023) + 3),
        "even": (2, P - 1),
        "composite": (2, P + 4),
        "twice a half that is none": (2, 2 * (Q + 2) + 1),
        "no generator: 0": (0, P),
        "no generator: 1": (1, P),
        "no generator: p - 1": (P - 1, P),
        "no generator: p": (P, P),
        "no generator: below": (-2, P),
        "nothing": (2, 0),
    }.values(),
    ids=str,
)
def test_a_group_in_which_nothing_is_secret_is_refused(g, p):
    with pytest.raises(NotPermitted):
        group(g, p, DICE)


@pytest.mark.parametrize("p", [(1 << 8192) + 1, CARMICHAEL_LIKE, (1 << 4096) - 1], ids=["8193", "4096", "ones"])
def test_a_prime_that_would_take_too_long_is_refused(p):
    with pytest.raises(TooLarge):
        group(2, p, DICE)


@pytest.mark.parametrize("number", [0, 1, P - 1, P, P + 1, -1])
def test_a_number_in_a_small_subgroup_is_refused(number):
    with pytest.raises(NotPermitted):
        secret(Group(2, P), number, 5)


def connection(**changes):
    fields = {"g": 2, "p": b64(P.to_bytes(256)), "N": b64(pow(2, 5, P).to_bytes(256)), **changes}
    head = {"sdmp": {"version": "0.12.0", "schemas": ["connection"]}}
    return json.dumps({**head, "connection": {key: each for key, each in fields.items() if each is not ...}}).encode()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (connection(g=...), Malformed),
        (connection(g="2"), Malformed),
        (connection(g=2.5), Malformed),
        (connection(g=True), Malformed),
        (connection(p="+/"), Malformed),
        (connection(N=5), Malformed),
        (connection(N=""), NotPermitted),
        (connection(N=b64(b"\1")), NotPermitted),
        (connection(N=b64((P - 1).to_bytes(256))), NotPermitted),
        (connection(N=b64(b"\xff" * 2000)), TooLarge),
        (connection(p=b64(b"\xff" * 2000)), TooLarge),
        (connection(p=b64(b"\7")), NotPermitted),
        (connection()[:-1] + b',"more":1}', Malformed),
        (connection().replace(b'["connection"]', b'["connection","message"]'), Malformed),
        (b"[]", Malformed),
        (b"", Malformed),
    ],
)
def test_a_connection_is_read_strictly(data, error):
    assert read(connection(), DICE)[0] == Group(2, P)
    with pytest.raises(error):
        read(data, DICE)
