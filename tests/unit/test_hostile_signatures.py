"""SDMP's signature objects, made to deceive: nothing of theirs is believed. Envelopes have fixtures/hostile/envelope.

With those envelopes whose seal is what is wrong, there are more than 60 cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from fixtures.make_hostile import cases
from tests.unit.nodes import NOW, MemoryNode, entropy_from, friends

from paquebot.errors import Refused
from paquebot.protocol.bundle import Rebuilt, Verbatim
from paquebot.protocol.encoding import b64, digest
from paquebot.protocol.identity import EDDSA, HS512, PrivateKey, protected
from paquebot.protocol.limits import AHEAD_MAX_MS, DAY_MS, IDENTITY_LIFE_MS
from paquebot.protocol.resource import Signature, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import OWN_NODE, READ, identity_fields

ORDER = 2**252 + 27742317777372353535851937790883648493
MALLORY = PrivateKey.create("ed25519", entropy_from("mallory"))
RSA = generate_private_key(65_537, 2048)
SEALS = (
    "not-one-signed-literal", "one-pass", "signature-", "signed-", "subpacket-", "no-issuer", "no-creation-time",
    "stranger", "before-its-key", "identity-ended", "future", "life-form",
)  # fmt: skip
"""How the reasons begin for which an envelope's signature is refused."""

Case = Callable[[MemoryNode, SignedObject], bytes]


def written(signed: SignedObject, *signatures: dict, **changes: str) -> bytes:
    """Return a signature object with these *signatures*, sound or not."""
    body = {"identifier": signed.id, "payload": b64(signed.payload), "signatures": list(signatures), **changes}
    return json.dumps({"sdmp": {"version": "0.12.0", "schemas": ["signature"]}, "signature": body}).encode()


def by(key: PrivateKey, value: bytes, algorithm: str | None = None) -> dict:
    return {"protected": protected(algorithm or key.public.algorithm, key.fingerprint), "signature": b64(value)}


def valued(change: Callable[[bytes], bytes]) -> Case:
    """Write another value in place of the signature."""
    return lambda alice, signed: written(signed, by(alice.node_key, change(signed.signatures[0].value)))


def over(text: Callable[[SignedObject], bytes]) -> Case:
    """Sign something else than the payload as SDMP writes it."""
    return lambda alice, signed: written(signed, by(alice.node_key, alice.node_key.sign(text(signed))))


def headed(field: str) -> Case:
    """Put *field* into the place that names algorithm and signer."""

    def case(alice: MemoryNode, signed: SignedObject) -> bytes:
        said = field.replace("KID", alice.node).encode()
        return written(signed, {"protected": b64(said), "signature": b64(signed.signatures[0].value)})

    return case


def malleable(value: bytes) -> bytes:
    """The other number that satisfies the equation, which RFC 8032 forbids."""
    return value[:32] + (int.from_bytes(value[32:], "little") + ORDER).to_bytes(32, "little")


def genuine(alice: MemoryNode, signed: SignedObject) -> dict:
    return by(alice.node_key, signed.signatures[0].value)


def forged(alice: MemoryNode, signed: SignedObject) -> dict:
    return by(alice.node_key, bytes(64))


OBJECTS: dict[str, Case] = {
    "none": lambda alice, signed: written(signed),
    "empty": valued(lambda value: b""),
    "too short": valued(lambda value: value[:63]),
    "too long": valued(lambda value: value + b"\0"),
    "zeros": valued(lambda value: bytes(64)),
    "a bit turned": valued(lambda value: bytes([value[0] ^ 1, *value[1:]])),
    "halves changed round": valued(lambda value: value[32:] + value[:32]),
    "malleable": valued(malleable),
    "a point of small order": valued(lambda value: b"\1" + bytes(63)),
    "over the bare payload": over(lambda signed: signed.payload),
    "over its hash": over(lambda signed: signed.id.encode()),
    "over nothing": over(lambda signed: b""),
    "over a longer text": over(lambda signed: b64(signed.payload).encode() + b"\n"),
    "over an envelope's beginning": over(lambda signed: b"\x04\x00" + b64(signed.payload).encode()),
    "by a stranger, in her name": lambda alice, signed: written(
        signed, by(alice.node_key, MALLORY.sign(b64(signed.payload).encode()))
    ),
    "by another algorithm's name": headed('{"alg":"HS512","kid":"KID"}'),
    "by no algorithm": headed('{"alg":"none","kid":"KID"}'),
    "by SHA-1": headed('{"alg":"RS1","kid":"KID"}'),
    "by nobody": headed('{"alg":"EdDSA"}'),
    "by somebody without a name": headed('{"alg":"EdDSA","kid":""}'),
    "by a number": headed('{"alg":"EdDSA","kid":7}'),
    "two algorithms": headed('{"alg":"HS512","alg":"EdDSA","kid":"KID"}'),
    "two signers": headed('{"alg":"EdDSA","kid":"KID","kid":"KID"}'),
    "with a key of its own": headed('{"alg":"EdDSA","kid":"KID","jwk":{}}'),
    "with something critical": headed('{"alg":"EdDSA","kid":"KID","crit":["exp"]}'),
    "no JSON": headed("EdDSA KID"),
    "another payload": lambda alice, signed: written(
        signed, genuine(alice, signed), payload=b64(signed.payload.replace(b"truth", b"lies!"))
    ),
    "another payload under its own name": lambda alice, signed: written(
        signed,
        genuine(alice, signed),
        payload=b64(changed := signed.payload.replace(b"truth", b"lies!")),
        identifier=digest(changed),
    ),
    "a false one before the good one": lambda alice, signed: written(
        signed, forged(alice, signed), genuine(alice, signed)
    ),
}
"""Ways in which a signature object is wrong by itself."""


def take(bob: MemoryNode, alice: MemoryNode, data: bytes, now: Millis = NOW) -> list[str]:
    """Hand *data* to Bob in an envelope of Alice's, whose seal is good; return what became of it."""
    try:
        return [getattr(each, "outcome", "") for each in bob.receive(alice.bundle(bob, Verbatim(data)), alice, now=now)]
    except Refused as refusal:
        return [refusal.code]


@pytest.mark.parametrize("name", OBJECTS)
def test_a_signature_object_that_is_wrong_is_not_believed(name: str):
    alice, bob = friends("alice", "bob")
    signed = alice.message("the truth")
    lie = OBJECTS[name](alice, signed)
    assert "rejected" in take(bob, alice, lie)
    assert bob.texts() == set()
    assert "applied" in take(bob, alice, written(signed, genuine(alice, signed))), (
        "and what is genuine is taken all the same"
    )
    assert bob.texts() == {"the truth"}


def test_a_second_signature_adds_nothing():
    alice, bob = friends("alice", "bob")
    signed = alice.message("the truth")
    both = written(signed, genuine(alice, signed), by(MALLORY, MALLORY.sign(b64(signed.payload).encode())))
    assert "applied" in take(bob, alice, both)
    kept = bob.store.view.resource(signed.id)
    assert kept is not None
    assert kept.signer == alice.node


# Signatures that are sound, by somebody who may not.


def by_nobody(alice: MemoryNode, bob: MemoryNode) -> SignedObject:
    """A stranger speaks for Alice."""
    return alice.message("lies", key=MALLORY)


def by_a_reader(alice: MemoryNode, bob: MemoryNode) -> SignedObject:
    """Bob himself, who may read Alice, speaks for her."""
    return bob.message("lies", user=alice.user, trust=alice.trust)


def by_a_node_without_the_right(alice: MemoryNode, bob: MemoryNode) -> SignedObject:
    """A node that Alice lets read alone speaks for her."""
    return _second(alice, bob, [READ])


def by_a_node_whose_trust_has_ended(alice: MemoryNode, bob: MemoryNode) -> SignedObject:
    """A node that was trusted until yesterday speaks for Alice."""
    return _second(alice, bob, OWN_NODE, expires="2026-11-01T00:00:00Z")


def by_a_trust_of_its_own(alice: MemoryNode, bob: MemoryNode) -> SignedObject:
    """A stranger gives the right to speak for Alice to itself."""
    rights = {"trustee": MALLORY.fingerprint, "authorization": list(OWN_NODE)}
    trust = alice.resource(["trust"], {"trust": rights}, key=MALLORY)
    bob.receive(alice.bundle(bob, Rebuilt(trust)), alice)
    return alice.message("lies", key=MALLORY, trust=trust.id)


def from_the_future(alice: MemoryNode, bob: MemoryNode) -> SignedObject:
    """Alice's clock is days ahead."""
    return alice.message("lies", at=NOW + AHEAD_MAX_MS + 2 * DAY_MS)


def under_another_user(alice: MemoryNode, bob: MemoryNode) -> SignedObject:
    """Alice's node speaks for Bob."""
    return alice.message("lies", user=bob.user, trust=bob.trust)


def _second(alice: MemoryNode, bob: MemoryNode, rights: list[str] | tuple[str, ...], **more: str) -> SignedObject:
    fields = {"trustee": MALLORY.fingerprint, "authorization": list(rights), **more}
    trust = alice.resource(["trust"], {"trust": fields}, key=alice.user_key)
    end = Millis(NOW + IDENTITY_LIFE_MS)
    who = alice.resource(["identity"], identity_fields("node", MALLORY.public, end), key=MALLORY, trust=trust.id)
    bob.receive(alice.bundle(bob, Rebuilt(trust), Rebuilt(who)), alice)
    return alice.message("lies", key=MALLORY, trust=trust.id)


USURPERS = (
    by_nobody, by_a_reader, by_a_node_without_the_right, by_a_node_whose_trust_has_ended, by_a_trust_of_its_own,
    from_the_future, under_another_user,
)  # fmt: skip


@pytest.mark.parametrize("usurper", USURPERS, ids=lambda each: each.__name__)
def test_who_may_not_speak_is_not_heard(usurper: Callable[[MemoryNode, MemoryNode], SignedObject]):
    alice, bob = friends("alice", "bob")
    lie = usurper(alice, bob)
    assert not {"applied"} & {*take(bob, alice, lie.encode())}
    assert bob.texts() == set()


def test_what_was_sealed_to_one_is_not_taken_by_another():
    """An envelope that Bob opened and seals on to Carol, as if Alice had written to her."""
    alice, bob, carol = friends("alice", "bob", "carol")
    bundle = alice.bundle(bob, Rebuilt(alice.message("for Bob alone")))
    with pytest.raises(Refused):
        carol.receive(bundle, alice)
    with pytest.raises(Refused):
        carol.receive(replace(bundle), bob)
    assert carol.texts() == set()


# RSA, of which more can be wrong.


def rsa_signed(sign: Callable[[RSAPrivateKey, bytes], bytes], algorithm: str = HS512) -> SignedObject:
    key = PrivateKey.wrap(RSA)
    payload = b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"lies"}'
    return SignedObject.build(payload, Signature(algorithm, key.fingerprint, sign(RSA, b64(payload).encode())))


RSA_CASES: dict[str, SignedObject] = {
    "SHA-1": rsa_signed(lambda key, text: key.sign(text, PKCS1v15(), SHA1())),
    "SHA-256": rsa_signed(lambda key, text: key.sign(text, PKCS1v15(), SHA256())),
    "PSS": rsa_signed(lambda key, text: key.sign(text, PSS(MGF1(SHA512()), 64), SHA512())),
    "named EdDSA": rsa_signed(lambda key, text: key.sign(text, PKCS1v15(), SHA512()), EDDSA),
    "one": rsa_signed(lambda key, text: (1).to_bytes(256)),
    "zero": rsa_signed(lambda key, text: bytes(256)),
    "larger than the modulus": rsa_signed(lambda key, text: b"\xff" * 256),
    "shorter than the modulus": rsa_signed(lambda key, text: key.sign(text, PKCS1v15(), SHA512())[1:]),
}


@pytest.mark.parametrize("name", RSA_CASES)
def test_an_rsa_signature_that_is_wrong_is_not_believed(name: str):
    with pytest.raises(Refused):
        RSA_CASES[name].verify(PrivateKey.wrap(RSA).public)
    good = rsa_signed(lambda key, text: key.sign(text, PKCS1v15(), SHA512()))
    good.verify(PrivateKey.wrap(RSA).public)


@pytest.mark.parametrize("bits", [1024, 1536])
def test_a_weak_key_is_no_identity(bits: int):
    with pytest.raises(Refused):
        PrivateKey.wrap(generate_private_key(65_537, bits))


def test_there_are_enough_of_them():
    reasons = [reason for reason, *_ in cases()]
    seals = [reason for reason in reasons if reason.startswith(SEALS)]
    assert len(seals) >= 60, "envelopes"
    assert len(OBJECTS) + len(USURPERS) + len(RSA_CASES) + 4 >= 45, "signature objects"
