"""Who may do what: identities prove themselves, trusts say to whom, for what, and until when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from fixtures import make_bundle
from tests.unit.nodes import NOW, entropy_from

from paquebot.errors import BadSignature, Expired, Malformed, NotPermitted
from paquebot.protocol import container, points, schema
from paquebot.protocol.encoding import ResourceId, b64, digest
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.keys import Announcement, KeyClass
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import Resource, SignedObject, compose
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import (
    OWN_NODE,
    PUBLISH,
    READ,
    REVOKE,
    Trust,
    announcement_fields,
    announcement_of,
    identity_fields,
    identity_of,
    trust_of,
)
from paquebot.vault import keystore

ALICE = PrivateKey.create("ed25519", entropy_from("alice"))
NODE = PrivateKey.create("ed25519", entropy_from("node"))
OLAF = make_bundle.rsa_key()
END = Millis(NOW + 1000)
A, N = ALICE.fingerprint, NODE.fingerprint


def resource(schema_name: str, fields: dict[str, object], key: PrivateKey = ALICE) -> Resource:
    payload = compose([schema_name], fields, user=A, trust=None)
    return Resource.read(SignedObject.sign(payload, key), schema.published)


# Identities.


@pytest.mark.parametrize("key", [ALICE, OLAF], ids=["ed25519", "rsa"])
def test_an_identity_is_proven_by_its_own_signature(key):
    found = identity_of(resource("identity", identity_fields("user", key.public, END), key))
    assert (found.fingerprint, found.kind, found.key, found.expires) == (key.fingerprint, "user", key.public, END)


def test_the_fingerprint_may_be_left_out_but_not_be_wrong():
    fields = identity_fields("node", ALICE.public, END)["identity"]
    bare = {name: value for name, value in fields.items() if name != "fingerprint"}
    assert identity_of(resource("identity", {"identity": bare})).fingerprint == A
    with pytest.raises(BadSignature, match="fingerprint"):
        identity_of(resource("identity", {"identity": {**fields, "fingerprint": N}}))


def test_an_identity_signed_by_another_key_proves_nothing():
    with pytest.raises(BadSignature):
        identity_of(resource("identity", identity_fields("user", ALICE.public, END), NODE))


def test_an_identity_signed_by_another_key_first_proves_nothing():
    found = resource("identity", identity_fields("node", NODE.public, END), NODE)
    stolen = SignedObject.sign(found.signed.payload, ALICE).signatures
    two = replace(found.signed, signatures=(*stolen, *found.signed.signatures))
    with pytest.raises(BadSignature, match="own key"):
        identity_of(replace(found, signed=two))


def test_an_identity_with_a_damaged_signature_proves_nothing():
    found = resource("identity", identity_fields("user", ALICE.public, END))
    (by,) = found.signed.signatures
    with pytest.raises(BadSignature):
        identity_of(replace(found, signed=replace(found.signed, signatures=(replace(by, value=bytes(64)),))))


def test_an_identity_ends_at_its_expiry():
    found = identity_of(resource("identity", identity_fields("user", ALICE.public, END)))
    found.check_time(Millis(END - 1))
    for at in (END, END + 1):
        with pytest.raises(Expired, match="the user identity"):
            found.check_time(Millis(at))


# Trusts.

GIVEN = Trust(ResourceId(digest(b"t")), A, N, (READ, PUBLISH), END, A)


def test_a_trust_gives_what_it_names_until_it_expires():
    GIVEN.check(PUBLISH, A, N, Millis(END - 1))
    replace(GIVEN, expires=None).check(READ, A, N, Millis(1 << 60))


@pytest.mark.parametrize(
    ("right", "user", "trustee", "at", "error"),
    [
        (PUBLISH, A, A, NOW, NotPermitted),
        (PUBLISH, N, N, NOW, NotPermitted),
        (REVOKE, A, N, NOW, NotPermitted),
        ("read", A, N, NOW, NotPermitted),
        (PUBLISH, A, N, END, Expired),
        (PUBLISH, A, N, END + 1, Expired),
    ],
    ids=["other trustee", "other user", "missing right", "half a right", "at its end", "expired"],
)
def test_a_trust_gives_nothing_else(right, user, trustee, at, error):
    with pytest.raises(error):
        GIVEN.check(right, user, trustee, Millis(at))


def test_a_trust_is_read_from_its_resource():
    fields = {"trust": {"trustee": N, "authorization": [*OWN_NODE], "expires": "2027-01-15T08:00:01.000Z"}}
    found = resource("trust", fields)
    assert trust_of(found) == Trust(found.id, A, N, OWN_NODE, END, A)
    assert trust_of(resource("trust", {"trust": {"trustee": N, "authorization": [READ]}})).expires is None
    with pytest.raises(Malformed):
        trust_of(resource("trust", {"trust": {**fields["trust"], "expires": "2027-02-29T08:00:01.000Z"}}))


# Envelope keys.

KEYS = keystore.create(NOW, entropy_from("keys"), Millis(NOW + 86_400_000_000))


def test_envelope_keys_are_announced_in_little_and_read_back():
    announced = replace(KEYS.announcement(A), keys=tuple(sorted(KEYS.announcement(A).keys)))
    fields = announcement_fields(announced)
    assert announcement_of(resource("envelope_keys", fields)) == announced
    assert sorted(len(group["points"]) // 43 for group in fields["envelope_keys"]["groups"]) == [1, 1, 24]
    more = KEYS.with_fast(Millis(NOW + 5 * 86_400_000), entropy_from("more")).announcement(A)
    read = announcement_of(resource("envelope_keys", announcement_fields(more)))
    assert read == replace(more, keys=tuple(sorted(more.keys)))


def keys(**change: object) -> Announcement:
    fields = announcement_fields(KEYS.announcement(A))["envelope_keys"]
    group = {name: change.pop(name, value) for name, value in fields["groups"][0].items()}
    return announcement_of(resource("envelope_keys", {"envelope_keys": {**fields, "groups": [group], **change}}))


@pytest.mark.parametrize(
    "change",
    [
        {"created": "2027-01-15T08:00:00.001Z"},
        {"created": "2027-13-15T08:00:00.000Z"},
        {"expires": "2027-13-15T08:00:00.000Z"},
        {"signing": b64(b"x" * 32)[:-1] + "B"},
        {"points": b64(b"x" * 32)[:-1] + "B"},
    ],
)
def test_envelope_keys_that_openpgp_could_not_say_are_refused(change):
    with pytest.raises(Malformed):
        keys(**change)


P = 2**255 - 19
LOW = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P - 1,
    P,
    P + 1,
]
"""The points of X25519 that make every secret the same (https://cr.yp.to/ecdh.html, "twist security")."""
LOW_BYTES = [(point | top).to_bytes(32, "little") for point in LOW for top in (0, 1 << 255)]
LOW_SIGNING = [
    *(y.to_bytes(32, "little") for y in (0, 1, P - 1, P, P + 1)),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
]
"""The points of Ed25519 for which anybody can sign."""


@pytest.mark.parametrize("point", LOW_BYTES, ids=bytes.hex)
def test_points_that_keep_no_secret_are_refused(point):
    with pytest.raises(ValueError, match=r"exchange|key"):
        X25519PrivateKey.from_private_bytes(KEYS.storage).exchange(X25519PublicKey.from_public_bytes(point))
    for change in ({"storage": b64(point)}, {"points": b64(point)}, {"points": b64(b"x" * 32) + b64(point)}):
        with pytest.raises(Malformed, match="keep a secret"):
            keys(**change)


@pytest.mark.parametrize("point", [*LOW_SIGNING, (2).to_bytes(32, "little"), b"\xff" * 32], ids=bytes.hex)
def test_a_signing_key_that_is_none_is_refused(point):
    with pytest.raises(Malformed, match="signing"):
        keys(signing=b64(point))


def test_every_real_key_is_taken():
    dice = entropy_from("points")
    for _ in range(200):
        assert points.signs(keystore.signing_point(dice(32)))
        assert points.exchanges(keystore.exchange_point(dice(32)))


@pytest.mark.parametrize(
    "created", ["2106-02-07T06:28:16.000Z", "9999-12-31T00:00:00.000Z", "1969-12-31T23:59:59.000Z"]
)
def test_a_creation_time_that_openpgp_cannot_say_is_refused(created):
    for change in ({"created": created}, {"groups": [{**group, "created": created} for group in groups()]}):
        with pytest.raises(Malformed, match="created"):
            announcement_of(resource("envelope_keys", {"envelope_keys": {**whole(), **change}}))


def whole() -> dict[str, object]:
    return announcement_fields(KEYS.announcement(A))["envelope_keys"]


def groups() -> list[dict[str, object]]:
    return announcement_fields(KEYS.announcement(A))["envelope_keys"]["groups"]


def test_a_step_with_a_point_is_a_whole_number_all_the_same():
    found = keys(step=1000.0, points=b64(b"x" * 32) + b64(b"y" * 32))
    assert [(type(each.expires), each.kind) for each in found.keys] == [(int, KeyClass.FAST)] * 2


def test_the_schema_of_the_envelope_keys_is_ours():
    assert resource("envelope_keys", announcement_fields(KEYS.announcement(A))).container.keeps(URIS["envelope_keys"])
    assert container.VERSION == "0.12.0"
