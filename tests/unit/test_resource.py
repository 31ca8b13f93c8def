"""Signature objects are kept byte for byte; resources say for whom they are, by which authority, and what about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures import make_bundle
from tests.unit.nodes import NOW, entropy_from

from paquebot.errors import BadSignature, Malformed
from paquebot.protocol import container, schema
from paquebot.protocol.encoding import ResourceId, b64, digest
from paquebot.protocol.identity import EDDSA, PrivateKey, protected, public_key_from_pem
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import About, FileManifest, Resource, Signature, SignedObject, compose
from paquebot.protocol.stamp import Millis, Stamp

EXAMPLES = Path(__file__).parents[2] / "fixtures" / "sdmp-0.12"
ALICE = PrivateKey.create("ed25519", entropy_from("alice"))
MALLORY = PrivateKey.create("ed25519", entropy_from("mallory"))
OLAF = make_bundle.rsa_key()
NAME, OTHER = ResourceId(digest(b"a")), ResourceId(digest(b"b"))
PAYLOAD = compose(["message"], {"message": "hello"}, user=ALICE.fingerprint, trust=None)
SIGNED = SignedObject.sign(PAYLOAD, ALICE)


def read(payload: bytes, key: PrivateKey = ALICE) -> Resource:
    return Resource.read(SignedObject.sign(payload, key), schema.published)


# Signature objects.


@pytest.mark.parametrize("who", ["bob", "node"])
def test_the_examples_are_read_verified_and_written_byte_for_byte(who):
    data = (EXAMPLES / f"{who}-identity-signature.json").read_bytes()
    signed = SignedObject.parse(data)
    assert signed.payload == (EXAMPLES / f"{who}-identity.json").read_bytes()
    signed.verify(public_key_from_pem((EXAMPLES / f"{who}-public.pem").read_text()))
    assert signed.encode() == data
    assert signed.verbatim == data  # they say version 0.11.0, and we write 0.12.0


def test_the_examples_differ_from_what_we_write_in_the_version_alone():
    data = (EXAMPLES / "bob-identity-signature.json").read_bytes().replace(b'"0.11.0"', b'"0.12.0"')
    signed = SignedObject.parse(data)
    assert (signed.verbatim, signed.encode()) == (None, data)


def test_the_example_identity_is_line_one_of_the_example_journal():
    signed = SignedObject.parse((EXAMPLES / "bob-identity-signature.json").read_bytes())
    line = (EXAMPLES / "journal-user-identity.txt").read_text().splitlines()[1]
    assert line.partition("@")[2] == f"{signed.signer}/{signed.id}"


@pytest.mark.parametrize("key", [ALICE, OLAF], ids=["ed25519", "rsa"])
def test_what_we_sign_is_rebuilt_from_its_parts(key):
    signed = SignedObject.sign(PAYLOAD, key)
    (by,) = signed.signatures
    assert SignedObject.parse(signed.encode()) == signed == SignedObject.build(PAYLOAD, by)
    assert (signed.id, signed.signer, signed.verbatim) == (digest(PAYLOAD), key.fingerprint, None)
    signed.verify(key.public)


def reformatted() -> dict[str, bytes]:
    value = json.loads(SIGNED.encode())
    body = value["signature"]
    return {
        "blanks": json.dumps(value).encode(),
        "another order": json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode(),
        "a field beside": json.dumps({**value, "later": 1}, separators=(",", ":")).encode(),
        "a field inside": json.dumps({**value, "signature": {**body, "x": 1}}, separators=(",", ":")).encode(),
        "an escape": SIGNED.encode().replace(b'"version"', b'"\\u0076ersion"'),
        "a line feed behind": SIGNED.encode() + b"\n",
    }


@pytest.mark.parametrize("name", reformatted())
def test_what_we_would_write_differently_is_kept_verbatim(name):
    data = reformatted()[name]
    signed = SignedObject.parse(data)
    assert signed == replace(SIGNED, verbatim=data)
    assert signed.encode() == data
    signed.verify(ALICE.public)


def test_an_unusual_protected_part_is_kept_verbatim_and_verified():
    value = json.loads(SIGNED.encode())
    odd = b64(json.dumps({"kid": ALICE.fingerprint, "alg": EDDSA}).encode())
    value["signature"]["signatures"][0]["protected"] = odd
    data = json.dumps(value, separators=(",", ":")).encode()
    signed = SignedObject.parse(data)
    assert (signed.verbatim, signed.signatures) == (data, SIGNED.signatures)


def test_several_may_sign_and_the_first_is_the_signer():
    both = replace(SIGNED, signatures=(*SIGNED.signatures, *SignedObject.sign(PAYLOAD, OLAF).signatures))
    found = SignedObject.parse(both.encode())
    assert (found, found.signer, found.verbatim) == (both, ALICE.fingerprint, None)
    found.verify(ALICE.public)
    found.verify(OLAF.public)
    with pytest.raises(BadSignature):
        found.verify(MALLORY.public)


def forged(**change: str) -> bytes:
    value = json.loads(SIGNED.encode())
    value["signature"] |= change
    return json.dumps(value, separators=(",", ":")).encode()


def test_a_name_that_is_not_the_hash_of_the_payload_is_refused():
    for data in (forged(identifier=digest(b"other")), forged(payload=b64(PAYLOAD + b" "))):
        with pytest.raises(BadSignature):
            SignedObject.parse(data)


def test_what_is_no_signature_object_is_refused():
    for data in (PAYLOAD, b"{}", b"", forged(payload=b64(PAYLOAD) + "="), forged(payload="A"), forged(identifier="A")):
        with pytest.raises(Malformed):
            SignedObject.parse(data)


def test_a_signature_by_another_key_or_algorithm_or_over_other_bytes_is_refused():
    (by,) = SIGNED.signatures
    wrong = [
        replace(by, signer=MALLORY.fingerprint),
        replace(by, algorithm="HS512"),
        replace(by, value=MALLORY.sign(b64(PAYLOAD).encode())),
        replace(by, value=ALICE.sign(PAYLOAD)),
        replace(by, value=b""),
    ]
    for each in wrong:
        with pytest.raises(BadSignature):
            SignedObject.build(PAYLOAD, each).verify(ALICE.public)
    assert protected(by.algorithm, by.signer)


# Resources.


def test_a_resource_says_for_whom_it_is_by_which_authority_and_what():
    found = read(compose(["message"], {"message": "x"}, user=ALICE.fingerprint, trust=NAME), MALLORY)
    assert (found.user, found.trust, found.kind, found.about) == (ALICE.fingerprint, NAME, "message", None)
    assert found.uri == f"sdmp://{ALICE.fingerprint}/{digest(found.signed.payload)}"


def test_a_bare_identity_is_published_for_its_signer():
    signed = SignedObject.parse((EXAMPLES / "bob-identity-signature.json").read_bytes())
    found = Resource.read(signed, schema.published)
    assert (found.user, found.trust, found.kind) == (signed.signer, None, "identity")


@pytest.mark.parametrize(
    "payload",
    [
        container.write(["message"], {"message": "for nobody"}),
        container.write(["message"], {"message": "", "resource": {"user": NAME}}),
        container.write(["identity"], {"identity": {}, "resource": {"user": NAME}}),
        container.write(["message", "resource"], {"message": ""}),
        container.write(["message", "resource"], {"message": "", "resource": {"user": "me"}}),
    ],
)
def test_a_payload_that_does_not_say_for_whom_is_no_resource(payload):
    with pytest.raises(Malformed):
        read(payload)


def test_the_kind_is_the_first_schema_that_is_not_merely_about_it():
    about = About(stamp=Stamp(NOW))
    data = {"message": "", "file": {"size": 0, "data": ""}}
    for schemas in (["message", "file"], ["file", "message"]):
        assert read(compose(schemas, data, user=NAME, trust=None, about=about)).kind == schemas[0]
    assert read(compose([], {}, user=NAME, trust=None, about=about)).kind == "resource"
    unknown = f"sdmp://{NAME}/{OTHER}"
    found = read(compose([unknown], {}, user=NAME, trust=None))
    assert (found.kind, found.container.unresolved) == ("record", (OTHER,))


def test_what_is_said_about_a_resource_goes_there_and_back():
    about = About(
        stamp=Stamp(NOW, 7),
        title="Ropes",
        filename="ropes.txt",
        tags=("hemp", "tar"),
        expires=Millis(NOW + 5),
        conversation=NAME,
        parent=OTHER,
        after=(NAME, OTHER),
        supersedes=OTHER,
    )
    found = read(compose(["message"], {"message": ""}, user=NAME, trust=None, about=about)).about
    assert found == about
    assert about.needs == (NAME, OTHER)
    bare = About(stamp=Stamp(NOW))
    assert read(compose(["message"], {"message": ""}, user=NAME, trust=None, about=bare)).about == bare
    assert (bare.fields(), bare.needs) == ({"stamp": str(Stamp(NOW))}, ())


@pytest.mark.parametrize("about", [{"stamp": "2026-02-30T12:00:00.000Z/0000"}, {"expires": "2026-13-01T12:00:00.000Z"}])
def test_a_moment_that_never_is_is_refused(about):
    value = {"stamp": "2026-11-20T12:00:00.000Z/0000", **about}
    fields = {"message": "", "about": value, "resource": {"user": NAME}}
    with pytest.raises(Malformed):
        read(container.write(["message", "resource", URIS["about"]], fields))


# Files.

HASHES = tuple(bytes((n,)) * 32 for n in range(200))


def manifest(**fields: object) -> FileManifest | None:
    return read(compose(["file"], {"file": fields}, user=NAME, trust=None)).manifest


@pytest.mark.parametrize(
    "value",
    [
        FileManifest(0, b""),
        FileManifest(5, b"hello"),
        FileManifest(1, None, 4096, 1, HASHES[:1]),
        FileManifest(4096, None, 4096, 1, HASHES[:1]),
        FileManifest(4097, None, 4096, 1, HASHES[:2]),
        FileManifest(4096 * 128, None, 4096, 2, HASHES[:1]),
        FileManifest(4096 * 128 + 1, None, 4096, 2, HASHES[:2]),
    ],
)
def test_a_file_goes_there_and_back(value):
    assert manifest(**value.fields()) == value


def test_a_file_knows_how_many_chunks_it_has():
    assert FileManifest(4097, None, 4096, 1, HASHES[:2]).chunk_count == 2
    assert FileManifest(4096 * 128 + 1, None, 4096, 2, HASHES[:2]).chunk_count == 129
    assert FileManifest(5, b"hello").chunk_count == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 4, "data": b64(b"hello")},
        {"size": 5, "data": b64(b"hello") + "="},
        {"size": 5},
        {"size": 5, "chunk_bytes": 4096, "depth": 1},
        {"size": 5, "chunk_bytes": 4096, "chunks": [b64(HASHES[0])]},
        {"size": 0, "chunk_bytes": 4096, "depth": 1, "chunks": [b64(HASHES[0])]},
        {"size": 4097, "chunk_bytes": 4096, "depth": 1, "chunks": [b64(HASHES[0])]},
        {"size": 4096, "chunk_bytes": 4096, "depth": 1, "chunks": [b64(HASHES[0])] * 2},
        {"size": 4096 * 129, "chunk_bytes": 4096, "depth": 2, "chunks": [b64(HASHES[0])]},
        {"size": 4096 * 128, "chunk_bytes": 4096, "depth": 2, "chunks": [b64(HASHES[0])] * 2},
        {"size": 1 << 46, "chunk_bytes": 4096, "depth": 2, "chunks": [b64(HASHES[0])] * 4096},
        {"size": 4096, "chunk_bytes": 4096, "depth": 1, "chunks": ["A" * 42 + "B"]},
    ],
)
def test_a_file_whose_numbers_contradict_each_other_is_refused(fields):
    with pytest.raises(Malformed):
        manifest(**fields)


def test_a_size_with_a_point_is_a_whole_number_all_the_same():
    fields = FileManifest(4097, None, 4096, 1, HASHES[:2]).fields()
    found = manifest(**{**fields, "size": 4097.0, "chunk_bytes": 4096.0})
    assert found == FileManifest(4097, None, 4096, 1, HASHES[:2])
    assert isinstance(found.chunk_count, int)


def test_what_is_no_file_has_no_manifest():
    assert read(PAYLOAD).manifest is None


def test_a_signature_is_a_value():
    assert Signature(EDDSA, ALICE.fingerprint, b"x") == Signature(EDDSA, ALICE.fingerprint, b"x")
