"""Identities: which keys are believed, what their signatures cover, and that SDMP's own example files agree."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.unit.nodes import entropy_from

from paquebot.errors import BadSignature, Malformed, NotPermitted, WrongKey
from paquebot.protocol.encoding import b64, digest, raw, short, unb64
from paquebot.protocol.identity import (
    EDDSA,
    HS512,
    PrivateKey,
    parse_protected,
    protected,
    public_key,
    public_key_from_pem,
)

EXAMPLES = Path(__file__).parents[2] / "fixtures" / "sdmp-0.12"
ALICE = PrivateKey.create("ed25519", entropy_from("alice"))
RSA_2048 = rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def example(name: str) -> str:
    return (EXAMPLES / name).read_text()


def body(key: object) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return b64encode(der).decode()


# Encoding.


def test_names_are_base64url_without_padding():
    assert (b64(b"\xfb\xff\xfe"), unb64("-__-")) == ("-__-", b"\xfb\xff\xfe")
    assert (unb64(""), b64(b""), unb64("AA"), unb64("AAA")) == (b"", "", b"\0", b"\0\0")


@pytest.mark.parametrize(
    "text",
    [
        "AA==",
        "AAA=",
        "AAAA==",
        "AAAA=",
        "=",
        "A",
        "AAAAA",
        "AB",
        "AAB",
        "+__-",
        "-//-",
        "A A",
        "AA\n",
        "\nAA",
        "AÄ",
        "AA==AA",
        "A-.A",
        "AA\0",
    ],
)
def test_every_other_spelling_of_base64_is_refused(text):
    with pytest.raises(Malformed):
        unb64(text)


def test_an_identifier_has_64_bytes_and_one_spelling():
    assert raw(digest(b"")) == unb64(digest(b""))
    assert (len(digest(b"")), short(digest(b""))) == (86, "cf83e1357e")
    for name in ("A" * 85 + "B", "A" * 84, "A" * 87, "A" * 88, ""):
        with pytest.raises(Malformed):
            raw(name)


# SDMP's example files.


@pytest.mark.parametrize("who", ["bob", "node"])
def test_an_example_key_is_read_from_either_file_and_has_the_examples_fingerprint(who):
    key = public_key_from_pem(example(f"{who}-public.pem"))
    assert key.body == example(f"{who}-public.sdmp").strip()
    assert key == public_key_from_pem(example(f"{who}-public.sdmp"))
    assert key.body == json.loads(example(f"{who}-identity.json"))["identity"]["key"]
    assert key.fingerprint == json.loads(example(f"{who}-identity-protected.json"))["kid"]
    assert key.algorithm == HS512


@pytest.mark.parametrize("who", ["bob", "node"])
def test_an_example_signature_verifies_over_the_encoded_payload(who):
    key = public_key_from_pem(example(f"{who}-public.pem"))
    payload = example(f"{who}-identity.encoded")
    assert b64(example(f"{who}-identity.json").encode()) == payload
    key.verify(unb64(example(f"{who}-identity-signature.encoded")), payload.encode())
    with pytest.raises(BadSignature):
        key.verify(unb64(example(f"{who}-identity-signature.encoded")), unb64(payload))


@pytest.mark.parametrize("who", ["bob", "node"])
def test_protected_is_written_as_in_the_examples(who):
    signer = public_key_from_pem(example(f"{who}-public.pem")).fingerprint
    assert protected(HS512, signer) == example(f"{who}-identity-protected.encoded")
    assert unb64(protected(HS512, signer)).decode() == example(f"{who}-identity-protected.json")
    assert parse_protected(example(f"{who}-identity-protected.encoded")) == (HS512, signer)


# Which keys are believed.


def test_ed25519_and_rsa_from_2048_bits_are_believed():
    assert public_key(ALICE.public.body) == ALICE.public
    assert (ALICE.public.algorithm, public_key(body(RSA_2048)).algorithm) == (EDDSA, HS512)
    assert ALICE.public.fingerprint == digest(ALICE.public.body.encode())


@pytest.mark.parametrize("bits", [1024, 1536, 2040])
def test_short_rsa_keys_are_refused_with_their_own_error(bits):
    with pytest.raises(NotPermitted, match=f"{bits} bits is too weak"):
        public_key(body(rsa.generate_private_key(public_exponent=65_537, key_size=bits)))


def test_an_rsa_key_that_would_take_seconds_to_verify_with_is_refused():
    number = (1 << 16_400) | 1
    huge = rsa.RSAPublicNumbers(65_537, number).public_key()
    der = huge.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(NotPermitted, match="larger than anybody needs"):
        public_key(b64encode(der).decode())


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed448.Ed448PrivateKey.generate(),
        x25519.X25519PrivateKey.generate(),
    ],
    ids=lambda key: type(key).__name__,
)
def test_keys_of_other_kinds_are_refused(key):
    with pytest.raises(NotPermitted, match="neither Ed25519 nor RSA"):
        public_key(body(key))


SPKI = ALICE.public.body


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        SPKI[:-4],
        SPKI + "AAAA",
        SPKI + "=",
        SPKI.rstrip("=") + "====",
        SPKI[:20] + "\n" + SPKI[20:],
        " " + SPKI,
        SPKI + "\n",
        SPKI[:-1],
        "Ä" + SPKI[1:],
        b64(b"\0" * 44),
    ],
)
def test_a_key_has_one_spelling(text):
    with pytest.raises(Malformed):
        public_key(text)


def test_a_key_whose_last_character_has_stray_bits_is_refused():
    canonical = example("bob-public.sdmp").strip()
    assert canonical.endswith("AQ==")
    with pytest.raises(Malformed, match="canonical"):
        public_key(canonical[:-3] + "R==")


# Signatures.


@pytest.mark.parametrize("key", [ALICE, PrivateKey.wrap(RSA_2048)], ids=["ed25519", "rsa"])
def test_a_signature_covers_its_text_and_no_other(key):
    signature = key.sign(b"text")
    key.public.verify(signature, b"text")
    others = [
        (signature, b"texts"),
        (signature[:-1], b"text"),
        (signature + b"\0", b"text"),
        (b"", b"text"),
        (signature[:-1] + bytes((signature[-1] ^ 1,)), b"text"),
    ]
    for each, text in others:
        with pytest.raises(BadSignature):
            key.public.verify(each, text)


def test_rsa_signs_with_pkcs1_and_sha_512():
    RSA_2048.public_key().verify(PrivateKey.wrap(RSA_2048).sign(b"text"), b"text", PKCS1v15(), SHA512())


def test_the_same_dice_give_the_same_ed25519_key():
    assert PrivateKey.create("ed25519", entropy_from("alice")).public == ALICE.public
    assert PrivateKey.create("ed25519", entropy_from("bob")).public != ALICE.public


def test_a_private_key_is_written_and_read_and_shows_nothing():
    assert PrivateKey.from_pem(ALICE.pem()).public == ALICE.public
    assert "key" not in repr(ALICE).lower().replace("privatekey", "")
    foreign = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem in ("", ALICE.pem()[:60], foreign.decode()):
        with pytest.raises(WrongKey):
            PrivateKey.from_pem(pem)


# Protected.


def test_protected_for_ed25519_says_eddsa():
    assert unb64(protected(EDDSA, ALICE.fingerprint)) == f'{{"alg":"EdDSA","kid":"{ALICE.fingerprint}"}}'.encode()


KID = ALICE.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '"alg"',
        f'["alg","kid","{KID}"]',
        f'[["alg","EdDSA"],["kid","{KID}"]]',
        f'{{"kid":"{KID}"}}',
        '{"alg":"EdDSA"}',
        f'{{"alg":"none","kid":"{KID}"}}',
        f'{{"alg":"HS256","kid":"{KID}"}}',
        f'{{"alg":["EdDSA"],"kid":"{KID}"}}',
        '{"alg":"EdDSA","kid":1}',
        '{"alg":"EdDSA","kid":"bob"}',
        f'{{"alg":"EdDSA","kid":"{KID[:-1]}B"}}',
        f'{{"alg":"EdDSA","kid":"{KID}","crit":["x"]}}',
        f'{{"alg":"HS512","alg":"EdDSA","kid":"{KID}"}}',
        '{"alg":' + "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
def test_any_other_protected_part_is_refused(text):
    with pytest.raises(Malformed):
        parse_protected(b64(text.encode()))


def test_a_protected_part_is_utf_8():
    with pytest.raises(Malformed):
        parse_protected(b64(f'{{"alg":"EdDSA","kid":"{KID}"}}'.encode("utf-16")))
    with pytest.raises(Malformed):
        parse_protected(protected(EDDSA, KID) + "=")
