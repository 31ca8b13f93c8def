"""One value has one encoding; everything else is refused, and nothing is believed before it is there."""

from __future__ import annotations

import cbor2
import pytest

from paquebot.errors import Malformed
from paquebot.protocol import cbor

ENCODED = {
    "00": 0,
    "17": 23,
    "1818": 24,
    "18ff": 255,
    "190100": 256,
    "19ffff": 65_535,
    "1a00010000": 65_536,
    "1affffffff": (1 << 32) - 1,
    "1b0000000100000000": 1 << 32,
    "1bffffffffffffffff": (1 << 64) - 1,
    "40": b"",
    "43010203": b"\1\2\3",
    "5818" + "61" * 24: b"a" * 24,
    "60": "",
    "62c3a9": "é",
    "64f09f9aa2": "🚢",
    "80": [],
    "8201820203": [1, [2, 3]],
    "a0": {},
    "a3000117021818a0": {0: 1, 23: 2, 24: {}},
}


@pytest.mark.parametrize("form", ENCODED)
def test_each_value_has_one_encoding_and_a_second_opinion_agrees(form):
    data, value = bytes.fromhex(form), ENCODED[form]
    assert (cbor.encode(value), cbor.decode(data)) == (data, value)
    assert (cbor2.dumps(value, canonical=True), cbor2.loads(data)) == (data, value)


def test_keys_are_written_in_ascending_order_however_they_were_given():
    assert (
        cbor.encode({24: 1, 0: 2, 23: 3}) == cbor.encode({0: 2, 23: 3, 24: 1}) == bytes.fromhex("a3000217031818" + "01")
    )


REFUSED = {
    "24 in two bytes where one will do": "1817",
    "255 in two bytes": "1900ff",
    "65535 in four bytes": "1a0000ffff",
    "2**32 - 1 in eight bytes": "1b00000000ffffffff",
    "a long length of bytes": "580161",
    "a long length of text": "780161",
    "a long length of a list": "980101",
    "a long length of a map": "b8010001",
    "a long key": "a1180001",
    "indefinite bytes": "5f4161ff",
    "indefinite text": "7f6161ff",
    "an indefinite list": "9f01ff",
    "an indefinite map": "bf0001ff",
    "a reserved length": "1c",
    "a duplicate key": "a200010002",
    "keys out of order": "a201010001",
    "a text key": "a1616101",
    "a negative key": "a12001",
    "a negative number": "20",
    "a tag": "c000",
    "false": "f4",
    "null": "f6",
    "a half float": "f93c00",
    "a double": "fb3ff0000000000000",
    "a break": "ff",
    "text that is not UTF-8": "61ff",
    "half a surrogate": "63eda080",
    "nothing": "",
    "bytes after the end": "0000",
    "a number cut short": "19ff",
    "bytes cut short": "4361",
    "a list cut short": "8201",
    "a map cut short": "a2000101",
    "a billion bytes that are not there": "5a3b9aca00",
    "2**64 - 1 bytes that are not there": "5bffffffffffffffff",
    "a list of 2**64 - 1 items": "9bffffffffffffffff",
    "a map of 2**64 - 1 pairs": "bbffffffffffffffff",
    "lists nested seven deep": "81" * 7 + "00",
    "lists nested a million deep": "81" * 1_000_000,
}


@pytest.mark.parametrize("form", REFUSED.values(), ids=REFUSED.keys())
def test_every_other_form_is_refused(form):
    with pytest.raises(Malformed):
        cbor.decode(bytes.fromhex(form))


def test_lists_may_be_nested_six_deep():
    assert cbor.decode(bytes.fromhex("81" * 6 + "00")) == [[[[[[0]]]]]]


def test_no_more_than_200_000_items_are_read():
    assert len(cbor.decode(cbor.encode([0] * 199_999))) == 199_999
    with pytest.raises(Malformed, match="too many"):
        cbor.decode(cbor.encode([0] * 200_000))
