"""Bad JSON in good envelopes: each is refused, with a word why and its bytes, and its neighbours are applied."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.nodes import friends, told

from paquebot.errors import Refused
from paquebot.protocol import container
from paquebot.protocol.bundle import Rebuilt
from paquebot.protocol.encoding import b64
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import Resource, Signature, SignedObject
from paquebot.protocol.schema import published

ABOUT = URIS["about"]
FILE = URIS["file"]
ID = "A" * 86
STAMP = "2027-01-15T08:00:00.000Z/0000"


@pytest.fixture(scope="module")
def pair():
    return friends("Alice", "Bob")


def text(schemas: str = '"message","resource"', more: str = '"message":"x"', *, version: str = '"0.12.0"') -> str:
    """A container as text, with places to put in what is bad; USER and TRUST are filled in."""
    origin = '"resource":{"user":"USER","trust":"TRUST"}'
    return f'{{"sdmp":{{"version":{version},"schemas":[{schemas}]}},{origin},{more}}}'


def about(**changes: object) -> str:
    value = {key: each for key, each in {"stamp": STAMP, **changes}.items() if each is not ...}
    return text(f'"message","resource","{ABOUT}"', f'"message":"x","about":{json.dumps(value)}')


def file(**fields: object) -> str:
    return text(f'"{FILE}","resource"', f'"file":{json.dumps(fields)}')


def nested(opening: str, closing: str, depth: int) -> str:
    return text(more=f'"message":"x","a":{opening * depth}1{closing * depth}')


REJECTED: dict[str, str | bytes] = {
    # What two readers could read differently.
    "a key that is there twice": text(more='"message":"x","message":"y"'),
    "a key that is there twice, once escaped": text(more='"message":"x","m\\u0065ssage":"y"'),
    "a key that is there twice, deep inside": text(more='"message":"x","a":[{"b":{"c":1,"c":2}}]'),
    "two headers": text(more='"message":"x","sdmp":{"version":"0.12.0","schemas":["identity"]}'),
    "two origins": text(more='"message":"x","resource":{"user":"USER"}'),
    "NaN": text(more='"message":"x","a":NaN'),
    "minus NaN": text(more='"message":"x","a":-NaN'),
    "infinity": text(more='"message":"x","a":Infinity'),
    "minus infinity": text(more='"message":"x","a":[-Infinity]'),
    "1e400": text(more='"message":"x","a":1e400'),
    "-1e400": text(more='"message":"x","a":-1e400'),
    "1e999999999": text(more='"message":"x","a":1e999999999'),
    "a number of 5,000 digits": text(more='"message":"x","a":' + "9" * 5_000),
    "a hexadecimal number": text(more='"message":"x","a":0x10'),
    "an octal number": text(more='"message":"x","a":010'),
    "a number with a plus": text(more='"message":"x","a":+1'),
    "a number that begins with a point": text(more='"message":"x","a":.5'),
    "a number that ends with a point": text(more='"message":"x","a":5.'),
    "a number with a gap": text(more='"message":"x","a":1_000'),
    "undefined": text(more='"message":"x","a":undefined'),
    "True": text(more='"message":"x","a":True'),
    # Bytes and characters.
    "a byte order mark": b"\xef\xbb\xbf" + text().encode(),
    "UTF-16": text().encode("utf-16"),
    "UTF-32": text().encode("utf-32-be"),
    "Latin-1": text(more='"message":"\xe9"').encode("latin-1"),
    "half a surrogate, escaped": text(more='"message":"\\ud800"'),
    "the other half, escaped": text(more='"message":"\\udfff"'),
    "halves the wrong way round": text(more='"message":"\\ude00\\ud83d"'),
    "half a surrogate in a key": text(more='"message":"x","\\ud800":1'),
    "half a surrogate, raw": text(more='"message":"@"').encode().replace(b"@", b"\xed\xa0\x80"),
    "an overlong slash": text(more='"message":"@"').encode().replace(b"@", b"\xc0\xaf"),
    "a byte that begins nothing": text(more='"message":"@"').encode().replace(b"@", b"\xff"),
    "a character beyond Unicode": text(more='"message":"@"').encode().replace(b"@", b"\xf4\x90\x80\x80"),
    "a raw line end in a text": text(more='"message":"a\nb"'),
    "a raw NUL in a text": text(more='"message":"a\0b"'),
    "a raw tab in a key": text(more='"message":"x","a\tb":1'),
    "an unknown escape": text(more='"message":"\\x41"'),
    "half an escape": text(more='"message":"\\u00"'),
    "a NUL behind": text() + "\0",
    # Forms.
    "nothing": "",
    "blanks": " \n",
    "a word": "hello",
    "null": "null",
    "a text": '"sdmp"',
    "a list": f"[{text()}]",
    "two objects": text() + text(),
    "an object and a comma": text() + ",",
    "cut in the middle": text()[:-30],
    "cut at the last brace": text()[:-1],
    "one brace too many": text() + "}",
    "a comma too many": text(more='"message":"x",'),
    "a comma too few": text(more='"message":"x" "a":1'),
    "a colon too few": text(more='"message":"x","a" 1'),
    "a key without quotes": text(more='"message":"x",a:1'),
    "single quotes": text(more="'message':'x'"),
    "a comment": text(more='"message":"x"/* really */'),
    "a comment of a line": text(more='"message":"x"//\n'),
    # Depth and amount.
    "33 levels of lists": nested("[", "]", 33),
    "33 levels of objects": nested('{"a":', "}", 33),
    "100,000 levels": nested("[", "]", 100_000),
    "100,000 levels that never end": text(more='"message":"x","a":' + "[" * 100_000),
    "more than two mebibytes": text(more='"message":"x","a":"' + "x" * 2_100_000 + '"'),
    "a million entries, two bytes each": text(more='"message":"x","a":[' + "1," * 1_050_000 + "1]"),
    # Types and header.
    "a header that is a text": '{"sdmp":"0.12.0","message":"x"}',
    "no header": '{"message":"x"}',
    "no version": '{"sdmp":{"schemas":["message"]},"message":"x"}',
    "a version that is a number": text(version="12"),
    "a version that is too short": text(version='"0.12"'),
    "a version with a line end": text(version='"0.12.0\\n"'),
    "a version of a gigabyte, nearly": text(version='"0.12.' + "9" * 1_000_000 + '"'),
    "no schemas": text(""),
    "schemas twice the same": text('"message","message","resource"'),
    "a schema that is a number": text('"message","resource",1'),
    "a schema that is null": text('"message","resource",null'),
    "a schema without a name": text('"message","resource",""'),
    "an unknown schema": text('"message","resource","massage"'),
    "a schema by another protocol": text('"message","resource","https://example.org/x"'),
    "a schema by half a URI": text('"message","resource","sdmp://x"'),
    "a schema by a URI with a query": text(f'"message","resource","sdmp://{ID}/{ID}?x"'),
    "a schema by a name that no hash has": text(f'"message","resource","sdmp://{ID}/{"B" * 86}"'),
    "33 schemas": text(",".join(['"message","resource"', *(f'"s{n}"' for n in range(31))])),
    "a message that is a number": text(more='"message":1'),
    "a message that is null": text(more='"message":null'),
    "a message that is a list": text(more='"message":["x"]'),
    "no message": text(more='"massage":"x"'),
    "an origin that is a text": text().replace('{"user":"USER","trust":"TRUST"}', '"USER"'),
    "an origin of nobody": text().replace('"user":"USER",', ""),
    "an origin of somebody short": text().replace("USER", "me"),
    "an origin without its schema": text('"message"'),
    "a trust that is a number": text().replace('"TRUST"', "1"),
    "a trust that is short": text().replace("TRUST", "x"),
    # Ours.
    "no stamp": about(stamp=...),
    "a stamp that is a number": about(stamp=1),
    "a stamp of no day": about(stamp="2027-02-30T08:00:00.000Z/0000"),
    "a stamp with a zone": about(stamp="2027-01-15T08:00:00.000+01:00/0000"),
    "a stamp in other digits": about(stamp="२०२७-01-15T08:00:00.000Z/0000"),
    "a title that is a list": about(title=["x"]),
    "a title that is too long": about(title="x" * 301),
    "tags that are a text": about(tags="x"),
    "tags twice the same": about(tags=["x", "x"]),
    "too many tags": about(tags=[str(n) for n in range(65)]),
    "a hundred thousand tags": about(tags=[str(n) for n in range(100_000)]),
    "a tag without a name": about(tags=[""]),
    "an end of no time": about(expires="never"),
    "a parent that is short": about(parent="x"),
    "a file of no size": file(data=""),
    "a file of another size": file(size=2, data=b64(b"x")),
    "a file of less than nothing": file(size=-1, data=""),
    "a file of half a byte": file(size=0.5, data=""),
    "a file in another base64": file(size=1, data="eA=="),
    "a file in no one form of base64": file(size=1, data="eB"),
    "a file without anything": file(size=5),
    "a file of too few chunks": file(size=10**9, chunk_bytes=4096, depth=1, chunks=["A" * 43]),
    "a file of odd chunks": file(size=5, chunk_bytes=4097, depth=1, chunks=["A" * 43]),
    "a sealed thing without a body": text(f'"{URIS["sealed"]}","resource"', f'"sealed":{{"point":"{ID[:43]}"}}'),
    "a sealed thing in other letters": text(
        f'"{URIS["sealed"]}","resource"',
        f'"sealed":{{"point":"{"A" * 43}","readers":["{"A" * 64}"],"body":"B"}}',
    ),
    "a wrap for no resource": text(
        f'"{URIS["wrap"]}","resource"',
        f'"wrap":{{"resource":"{"B" * 86}","point":"{"A" * 43}","readers":["{"A" * 64}"]}}',
    ),
    "a schema that leads outside": text('"schema","resource"', '"schema":{"$ref":"http://127.0.0.1:9/"}'),
    "a schema that is a list": text('"schema","resource"', '"schema":[]'),
}

ODD = {
    "unknown fields": text(more='"message":"x","later":{"a":[null,true,1.5]},"":{}'),
    "white space everywhere": "\n\t " + text().replace(",", " ,\r\n ").replace(":", " : ", 3) + " \n",
    "whole numbers with a point": text(more='"message":"x","a":[1.0,-0.0,1e3,1E+2]'),
    "a character beyond the first 65,536": text(more='"message":"\\ud83d\\udea2 🚢"'),
    "a text of a right-to-left override": text(more='"message":"\u202egnp.exe"'),
    "a key that is called __proto__": text(more='"message":"x","__proto__":{"a":1},"constructor":1'),
    "100,000 entries": text(more='"message":"x","a":[' + "1," * 99_999 + "1]"),
    "20,000 keys": text(more='"message":"x","a":{' + ",".join(f'"{n}":1' for n in range(20_000)) + "}"),
    "bait for a pattern": text(more='"message":"x","a":"' + "a" * 500_000 + '!"'),
    "another version": text(version='"0.99.3-beta.1"'),
}


def signed(node, payload: str | bytes) -> SignedObject:
    data = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    data = data.replace(b"USER", node.user.encode()).replace(b"TRUST", node.trust.encode())
    return SignedObject.sign(data, node.node_key)


@pytest.mark.parametrize("name", REJECTED)
def test_bad_json_is_set_aside_with_its_bytes_and_its_neighbours_are_applied(pair, name):
    alice, bob = pair
    bad, before, after = signed(alice, REJECTED[name]), alice.message(f"before {name}"), alice.message(f"after {name}")
    done = told(bob.receive(alice.bundle(bob, Rebuilt(before), Rebuilt(bad), Rebuilt(after)), alice))
    assert done == {before.id: "applied", bad.id: "rejected", after.id: "applied"}
    aside = bob.store.view.quarantined()[-1]
    assert bob.store.blobs.get(aside.digest) == bad.encode()
    assert aside.code in ("malformed", "too-large", "not-permitted")
    assert aside.reason.isprintable()
    assert len(aside.reason) < 300


@pytest.mark.parametrize("name", ODD)
def test_what_is_merely_odd_is_applied(pair, name):
    alice, bob = pair
    odd = signed(alice, ODD[name])
    assert told(bob.receive(alice.bundle(bob, Rebuilt(odd)), alice)) == {odd.id: "applied"}
    assert bob.store.view.resource(odd.id).payload == odd.payload


def test_there_are_more_than_eighty_ways_to_be_bad():
    assert len(REJECTED) >= 80


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PLACES = ("sdmp", "resource", "message", "about", "file", "trust", "identity", "revoke", "sealed", "wrap", "schema")
SCHEMAS = ("message", "resource", "trust", "revoke", "identity", "schema", "user", "encrypted", *URIS.values())


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(PLACES), JSON), st.lists(st.sampled_from(SCHEMAS), min_size=1, max_size=4))
def test_whatever_json_says_the_answer_is_a_resource_or_a_refusal(fields, schemas):
    value = {"sdmp": {"version": "0.12.0", "schemas": schemas}, "resource": {"user": ID}, **fields}
    data = json.dumps(value).encode()
    with suppress(Refused):
        assert Resource.read(SignedObject(ID, data, (Signature("EdDSA", ID, b""),)), published).container.value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 400))
def test_whatever_bytes_are_changed_the_answer_is_a_container_or_a_refusal(noise, first, last):
    good = about(title="t", tags=["a"]).encode()
    data = good[:first] + noise + good[max(first, last) :]
    with suppress(Refused):
        assert container.read(data).schemas
