"""Containers are read strictly: what two readers could read differently, we do not read at all."""

from __future__ import annotations

import json

import pytest

from paquebot.errors import Malformed, TooLarge
from paquebot.protocol import container
from paquebot.protocol.limits import CONTAINER_BYTES_MAX
from paquebot.protocol.published import PUBLISHERS, URIS

HEAD = b'{"sdmp":{"version":"0.12.0","schemas":["message"]}'


def nested(depth: int, *, sibling: bool = False) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * (depth - 1) + (b',"b":[]}' if sibling else b"}")


def test_what_is_written_is_read():
    data = container.write(["message"], {"message": "één schip 🚢"})
    assert data == '{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"één schip 🚢"}'.encode()
    assert container.read(data) == container.Container(json.loads(data), ("message",), ())


def test_white_space_order_and_unknown_fields_are_a_writers_own_business():
    header = b'"sdmp": {"schemas":["message"], "version":"0.11.0"}'
    data = b'\n{ "later": [true, null, 1.5], "message":"\\u00e9\\ud83d\\udea2", ' + header + b" }\t"
    assert container.read(data).value["message"] == "é🚢"


MALFORMED = {
    "a duplicate key": b'{"a":1,"a":2}',
    "a duplicate key, once escaped": b'{"a":1,"\\u0061":2}',
    "a duplicate key deep inside": b'{"a":[{"b":{"c":1,"c":1}}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":[-Infinity]}',
    "1e400": b'{"a":1e400}',
    "-1e400": b'{"a":-1e400}',
    "a number of 5,000 digits": b'{"a":' + b"9" * 5_000 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a":1}'.encode("utf-16-le"),
    "half a surrogate, escaped": b'{"a":"\\ud800"}',
    "half a surrogate, escaped, in a key": b'{"\\udfff":1}',
    "surrogates the wrong way round": b'{"a":"\\ude00\\ud83d"}',
    "half a surrogate, raw": b'{"a":"\xed\xa0\x80"}',
    "a pair of surrogates, raw": b'{"a":"\xed\xa0\xbd\xed\xba\xa2"}',
    "an overlong slash": b'{"a":"\xc0\xaf"}',
    "Latin-1": b'{"a":"\xe9"}',
    "a raw line feed in a string": b'{"a":"\n"}',
    "a raw NUL in a string": b'{"a":"\x00"}',
    "a NUL behind": b'{"a":1}\x00',
    "two objects": b'{"a":1}{"a":1}',
    "a trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "a comment": b'{"a":1} // really',
    "a leading zero": b'{"a":01}',
    "an array": b"[{}]",
    "a string": b'"sdmp"',
    "a number": b"12",
    "null": b"null",
    "nothing": b"",
    "blanks": b"  ",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_plain_json_is_refused(data):
    with pytest.raises(Malformed):
        container.load(data)


@pytest.mark.parametrize("sibling", [False, True])
def test_the_thirty_third_level_is_one_too_many(sibling):
    assert container.load(nested(32, sibling=sibling))
    with pytest.raises(TooLarge):
        container.load(nested(33, sibling=sibling))


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]
)
def test_a_hundred_thousand_levels_do_no_harm(data):
    with pytest.raises((TooLarge, Malformed)):
        container.load(data)


def test_two_mebibytes_are_the_most():
    most = b'{"a":"' + b"x" * (CONTAINER_BYTES_MAX - 8) + b'"}'
    assert len(most) == CONTAINER_BYTES_MAX
    assert len(container.load(most)["a"]) == CONTAINER_BYTES_MAX - 8
    with pytest.raises(TooLarge):
        container.load(most + b" ")


def test_a_whole_number_with_a_point_is_an_integer_as_json_schema_has_it():
    value = container.load(b'{"a":[1.0,4.096e3,-0.0,1.5,1e300,9007199254740993.0]}')["a"]
    assert value == [1, 4096, 0, 1.5, 1e300, 9007199254740992.0]
    assert [type(each) for each in value] == [int, int, int, float, float, float]


@pytest.mark.parametrize(
    "header",
    [
        "",
        '"sdmp":1',
        '"sdmp":{}',
        '"sdmp":{"version":"0.12.0"}',
        '"sdmp":{"schemas":["message"]}',
        '"sdmp":{"version":"0.12.0","schemas":[]}',
        '"sdmp":{"version":"0.12.0","schemas":["message","message"]}',
        '"sdmp":{"version":"0.12.0","schemas":"message"}',
        '"sdmp":{"version":"0.12.0","schemas":["message",1]}',
        '"sdmp":{"version":"0.12.0","schemas":["no such schema"]}',
        '"sdmp":{"version":"0.12.0","schemas":["message\\n"]}',
        '"sdmp":{"version":12,"schemas":["message"]}',
        '"sdmp":{"version":"0.12","schemas":["message"]}',
        '"sdmp":{"version":"0.12.0\\n","schemas":["message"]}',
        '"sdmp":{"version":"\u0660.12.0","schemas":["message"]}',
        '"sdmp":{"version":"0.12.0","schemas":[' + ",".join(f'"s{n}"' for n in range(33)) + "]}",
    ],
)
def test_a_container_without_a_good_header_is_refused(header):
    with pytest.raises(Malformed):
        container.read(("{" + header + (',"message":"x"}' if header else '"message":"x"}')).encode())


def test_every_listed_schema_is_checked_in_order():
    with pytest.raises(Malformed, match="'message'"):
        container.read(container.write(["message", "receipt"], {"message": 1, "receipt": 1}))
    with pytest.raises(Malformed, match="'receipt'"):
        container.read(container.write(["message", "receipt"], {"message": "", "receipt": 1}))


def test_a_schema_that_is_not_here_yet_is_named_and_not_refused():
    uri = f"sdmp://{PUBLISHERS[0]}/{'B' * 86}"
    found = container.read(container.write(["message", uri], {"message": ""}))
    assert (found.unresolved, found.keeps(uri), found.keeps("receipt")) == (("B" * 86,), True, False)


def test_a_schema_that_was_fetched_is_applied():
    uri = f"sdmp://{PUBLISHERS[0]}/{'B' * 86}"
    resolve = {uri: '{"required":["cargo"]}'}.get
    assert container.read(container.write([uri], {"cargo": "rope"}), resolve).unresolved == ()
    with pytest.raises(Malformed):
        container.read(container.write([uri], {"ballast": "stones"}), resolve)


def test_our_own_schemas_are_always_here():
    with pytest.raises(Malformed):
        container.read(container.write([URIS["about"]], {"about": {"stamp": "soon"}}))
    about = {"stamp": "2026-11-20T12:00:00.000Z/0000"}
    assert container.read(container.write([URIS["about"]], {"about": about})).unresolved == ()


def test_numbers_beyond_64_bits_do_no_harm():
    since = "A" * 86
    wish = {"identifier": "x", "type": "journal", "since": since, "limit": 10**4_000}
    assert container.read(container.write(["request_journal"], {"request": wish})).value["request"] == wish


def test_writing_refuses_what_reading_would():
    with pytest.raises(ValueError, match="JSON"):
        container.write(["message"], {"message": float("nan")})
