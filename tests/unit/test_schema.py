"""Every schema takes what SDMP writes and refuses what it does not; ours are published like anybody's."""

from __future__ import annotations

import json

import pytest

from paquebot.errors import Malformed
from paquebot.protocol import container, schema
from paquebot.protocol.encoding import b64, digest
from paquebot.protocol.published import OBJECTS, PUBLISHERS, URIS
from paquebot.protocol.resource import Resource, SignedObject
from paquebot.protocol.trust import identity_of

ID = "A" * 86
ID_2 = "B" * 85 + "A"
LINE = f"{ID}@{ID}/{ID_2}"
TIME = "2015-07-26T15:48:37.703Z"
KEY = "M" * 60
SIGNED = {"protected": "e30", "signature": "AA"}
GROUP = {"class": "fast", "created": TIME, "expires": TIME, "step": 0, "points": "A" * 43}
KEYS = {"created": TIME, "signing": "A" * 43, "storage": "A" * 43, "groups": [GROUP]}
STAMP = "2026-11-20T12:00:00.000Z/00ff"

# For each schema: the object's key, a value that is taken, and changes to it that are not. A change to ... removes.
CORE = {
    "identity": (
        "identity",
        {"type": "user", "expires": TIME, "key": KEY, "fingerprint": ID},
        [
            {"type": "pool"},
            {"type": ...},
            {"expires": ...},
            {"expires": "2015-07-26T15:48:37Z"},
            {"expires": TIME + "\n"},
            {"expires": "\u0662\u0660\u0661\u0665-07-26T15:48:37.703Z"},
            {"key": ...},
            {"key": "-----BEGIN PUBLIC KEY-----" + KEY},
            {"key": KEY + "\n"},
            {"key": KEY[:39]},
            {"key": KEY + "===="},
            {"key": KEY + "_-"},
            {"fingerprint": ID + "A"},
            {"fingerprint": ID + "\n"},
        ],
    ),
    "signature": (
        "signature",
        {"identifier": ID, "payload": "e30", "signatures": [SIGNED]},
        [
            {"identifier": ID[1:]},
            {"payload": "e30="},
            {"payload": "e3+"},
            {"payload": "e3/"},
            {"payload": "e30\n"},
            {"signatures": []},
            {"signatures": SIGNED},
            {"signatures": [SIGNED] * 65},
            {"signatures": [{"protected": "e30"}]},
            {"signatures": [{"signature": "e30"}]},
        ],
    ),
    "resource": (
        "resource",
        {"user": ID, "trust": ID},
        [{"user": ...}, {"user": ID + "\n"}, {"trust": None}, {"trust": ""}],
    ),
    "encrypted": (
        "encrypted",
        {"iv": "A" * 22, "payload": "", "recipients": [{"key": "AA"}]},
        [{"iv": "A" * 21}, {"iv": "A" * 22 + "\n"}, {"payload": ...}, {"recipients": []}, {"recipients": [{}]}],
    ),
    "broadcast": (
        "journal",
        {"since": ID, "entries": [LINE, LINE]},
        [
            {"since": ...},
            {"entries": ...},
            {"entries": {}},
            {"entries": [LINE + "\n"]},
            {"entries": [LINE[1:]]},
            {"entries": [LINE, 1]},
            {"entries": [LINE.replace("@", " ")]},
        ],
    ),
    "request_journal": (
        "request",
        {"identifier": "x" * 127, "type": "journal", "since": ID, "limit": 1},
        [
            {"identifier": "x" * 128},
            {"identifier": ""},
            {"type": "resource"},
            {"since": ...},
            {"limit": 0},
            {"limit": 1.5},
            {"limit": "1"},
        ],
    ),
    "request_resource": (
        "request",
        {"identifier": "x", "type": "resource", "author": ID, "resource": ID},
        [
            {"identifier": 1},
            {"type": "journal"},
            {"type": ...},
            {"author": ...},
            {"resource": ...},
            {"resource": ID + "A"},
        ],
    ),
    "response": (
        "response",
        {"status": "ok", "identifier": "x", "data": {}},
        [{"status": "OK"}, {"status": ...}, {"identifier": ...}, {"data": "e30"}, {"identifier": "x" * 128}],
    ),
    "trust": (
        "trust",
        {"trustee": ID, "authorization": ["read_resource", "revoke"], "expires": TIME},
        [
            {"trustee": ...},
            {"trustee": ID[:-1] + "="},
            {"authorization": ...},
            {"authorization": []},
            {"authorization": ["rule_the_world"]},
            {"authorization": ["revoke", "revoke"]},
            {"authorization": "revoke"},
            {"expires": None},
        ],
    ),
    "revoke": (
        "revoke",
        {"resource": ID, "authorization": ID},
        [{"resource": ...}, {"resource": 1}, {"authorization": "no"}],
    ),
    "user": (
        "user",
        {"name": "Ada", "about": ""},
        [{"name": ...}, {"name": ""}, {"name": "x" * 101}, {"about": "x" * 10_001}],
    ),
    "node": (
        "node",
        {"type": "node", "name": "", "ips": ["host:1"]},
        [{"type": "user"}, {"name": "x" * 101}, {"ips": ["x"] * 65}, {"ips": "x"}],
    ),
    "private_key": (
        "private_key",
        {"expires": TIME, "key": "-----BEGIN", "fingerprint": ID},
        [{"expires": ...}, {"key": ...}, {"fingerprint": ...}, {"expires": "soon"}],
    ),
    "schema": ("schema", {"type": "object"}, []),
}

OURS = {
    "about": (
        "about",
        {
            "stamp": STAMP,
            "tags": ["a", "b"],
            "title": "",
            "expires": TIME,
            "after": [ID],
            "parent": ID,
            "supersedes": ID,
        },
        [
            {"stamp": ...},
            {"stamp": TIME},
            {"stamp": STAMP + "\n"},
            {"stamp": STAMP.upper()},
            {"tags": ["a", "a"]},
            {"tags": [""]},
            {"tags": [str(n) for n in range(65)]},
            {"title": "x" * 301},
            {"filename": "x" * 256},
            {"expires": "soon"},
            {"after": [ID, ID]},
            {"parent": "x"},
            {"conversation": ID + "\n"},
        ],
    ),
    "file": (
        "file",
        {"size": 9_000, "chunk_bytes": 4096, "depth": 1, "chunks": ["A" * 43] * 3},
        [
            {"size": ...},
            {"size": -1},
            {"size": (1 << 46) + 1},
            {"chunk_bytes": 4095},
            {"chunk_bytes": 4_194_305},
            {"depth": 3},
            {"chunks": []},
            {"chunks": ["A" * 43] * 4097},
            {"chunks": ["A" * 44]},
            {"chunks": ["A" * 43 + "\n"]},
            {"data": "+/=="},
        ],
    ),
    "envelope_keys": (
        "envelope_keys",
        KEYS,
        [
            {"signing": ...},
            {"storage": "A" * 42},
            {"groups": []},
            {"groups": [GROUP] * 17},
            {"groups": [{**GROUP, "class": "slow"}]},
            {"groups": [{**GROUP, "step": -1}]},
            {"groups": [{**GROUP, "points": "A" * 44}]},
            {"groups": [{**GROUP, "points": "A" * 43 * 65}]},
            {"groups": [{**GROUP, "points": "A" * 43 + "\n"}]},
        ],
    ),
    "sealed": (
        "sealed",
        {"point": "A" * 43, "readers": ["A" * 64], "body": "AAAA"},
        [
            {"point": ...},
            {"point": "A" * 42},
            {"readers": []},
            {"readers": ["A" * 63]},
            {"readers": ["A" * 64] * 1025},
            {"body": ...},
            {"body": "="},
        ],
    ),
    "wrap": (
        "wrap",
        {"resource": ID, "point": "A" * 43, "readers": ["A" * 64]},
        [{"resource": ...}, {"resource": "x"}, {"point": 1}, {"readers": ...}],
    ),
    "ending": (
        "ending",
        {"node": ID, "line": ID, "number": 3, "successor": ID},
        [{"node": ...}, {"line": "x"}, {"number": -1}, {"number": 1 << 53}, {"number": True}, {"successor": ""}],
    ),
}


def read(name: str, fields: dict[str, object]) -> container.Container:
    return container.read(container.write([URIS.get(name, name)], fields))


@pytest.mark.parametrize("name", [*CORE, *OURS])
def test_a_schema_takes_what_sdmp_writes_and_more_fields_besides(name):
    key, value, _ = {**CORE, **OURS}[name]
    assert read(name, {key: value}).value[key] == value
    assert read(name, {key: {**value, "later": 1}, "beside": 1}).value["beside"] == 1


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name, (_, _, changes) in {**CORE, **OURS}.items() for change in changes],
    ids=lambda each: repr(each)[:60],
)
def test_a_schema_refuses_anything_else(name, change):
    key, value, _ = {**CORE, **OURS}[name]
    changed = {field: each for field, each in {**value, **change}.items() if each is not ...}
    with pytest.raises(Malformed, match="does not keep its schema"):
        read(name, {key: changed})


@pytest.mark.parametrize("name", [*CORE, *OURS])
def test_an_object_must_be_there_and_be_an_object(name):
    key, value, _ = {**CORE, **OURS}[name]
    for fields in ({}, {key: None}, {key: [value]}, {key.upper(): value}):
        with pytest.raises(Malformed):
            read(name, fields)


def test_messages_and_receipts_are_bare_strings():
    assert read("message", {"message": ""}).value["message"] == ""
    assert read("receipt", {"receipt": ID}).value["receipt"] == ID
    refused = [("message", 1), ("message", None), ("receipt", ""), ("receipt", ID + "\n"), ("receipt", [ID])]
    for name, value in refused:
        with pytest.raises(Malformed):
            read(name, {name: value})


def test_a_node_calls_itself_information_in_the_example_files():
    assert read("node", {"information": {"name": "bow"}}).keeps("node")
    with pytest.raises(Malformed):
        read("node", {"information": {"name": 1}})


@pytest.mark.parametrize("name", ["connection", "shared_key"])
def test_a_connection_has_nothing_else_in_it(name):
    value = {"connection": {"g": 2, "p": "AA", "N": "AA"}}
    header = {"sdmp": {"version": "0.12.0", "schemas": ["connection"]}}
    schema.check(name, {**header, **value})
    refused = [
        {**header, **value, "more": 1},
        {**header, "connection": {"g": 1, "p": "AA", "N": "AA"}},
        {**header, "connection": {"g": 2, "p": "AA"}},
        {"sdmp": {"version": "0.12.0", "schemas": ["connection", "message"]}, **value},
    ]
    for each in refused:
        with pytest.raises(Malformed):
            schema.check(name, each)


def test_every_core_schema_is_tried_here():
    assert set(schema.CORE) == {*CORE, "message", "receipt", "container", "connection", "shared_key"}
    assert set(schema.OURS) == set(OURS) == set(URIS)


# Ours, published.


IDENTITIES = {
    found.fingerprint: found
    for text in OBJECTS[: len(PUBLISHERS)]
    for found in [identity_of(Resource.read(SignedObject.parse(text.encode()), schema.published))]
}


def test_the_first_published_objects_are_the_publishers_own_identities():
    assert tuple(IDENTITIES) == PUBLISHERS
    assert {each.kind for each in IDENTITIES.values()} == {"user"}


@pytest.mark.parametrize("name", schema.OURS)
def test_our_schemas_are_signed_by_the_publisher_and_named_by_their_hash(name):
    found = [Resource.read(SignedObject.parse(text.encode()), schema.published) for text in OBJECTS[len(PUBLISHERS) :]]
    (resource,) = [each for each in found if each.uri == URIS[name]]
    resource.signed.verify(IDENTITIES[resource.user].key)
    assert (resource.trust, resource.kind) == (None, "schema")
    assert resource.id == digest(resource.signed.payload)
    assert resource.container.value["schema"] == schema.OURS[name]
    assert json.loads(schema.published(URIS[name]) or "") == schema.OURS[name]


def test_nothing_else_is_published_by_the_package():
    assert len(OBJECTS) == len(PUBLISHERS) + len(URIS)
    assert schema.published(f"sdmp://{PUBLISHERS[0]}/{ID}") is None
    assert schema.published("about") is None


def test_a_published_object_is_damaged_by_any_change():
    body = json.loads(OBJECTS[1])
    assert b64(SignedObject.parse(OBJECTS[1].encode()).payload) == body["signature"]["payload"]
    assert SignedObject.parse(OBJECTS[1].encode()).verbatim is None
