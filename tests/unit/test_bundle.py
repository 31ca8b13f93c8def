"""Bundles: what is written is read, what is unknown is skipped, what is too much is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fixtures import make_bundle

from paquebot.errors import Malformed
from paquebot.protocol import bundle, cbor
from paquebot.protocol.bundle import Chunk, Heard, Rebuilt, Reference, Tally, To, Unknown, Update, Verbatim, node_tag
from paquebot.protocol.encoding import unb64
from paquebot.protocol.limits import CHUNK_BYTES_MAX, HEARD_MAX, LINES_MAX, PARTS_MAX, RECIPIENTS_MAX
from paquebot.protocol.ranges import Ranges

EMPTY = make_bundle.built(make_bundle.meanings()["empty"])
UPDATE = make_bundle.built(make_bundle.meanings()["update-with-resources"])


def test_a_node_is_named_by_the_first_16_bytes_of_its_fingerprint():
    assert node_tag(make_bundle.ALICE.fingerprint) == unb64(make_bundle.ALICE.fingerprint)[:16]


def test_a_signer_is_listed_once_however_often_it_signs():
    raw = cbor.decode(bundle.encode(UPDATE))
    assert [unb64(each) for each in (make_bundle.ALICE.fingerprint, make_bundle.ALICE_NODE.fingerprint)] == [
        name for name, _ in raw[6]
    ]


def test_one_key_may_be_named_with_two_algorithms_without_confusion():
    (resource, *_, update) = UPDATE.parts
    twisted = replace(resource.signed.signatures[0], algorithm="HS512")
    parts = (resource, Rebuilt(replace(resource.signed, signatures=(twisted,))), update)
    assert bundle.decode(bundle.encode(replace(UPDATE, parts=parts))).parts == parts


def test_parts_of_later_versions_are_skipped_and_keep_their_place():
    raw = cbor.decode(bundle.encode(UPDATE))
    raw[7].insert(1, [255, {1: [b"x"]}, "y"])
    raw[99] = "later"
    found = bundle.decode(cbor.encode(raw))
    assert found == replace(UPDATE, parts=(UPDATE.parts[0], Unknown(255), *UPDATE.parts[1:]))
    with pytest.raises(AssertionError):
        bundle.encode(found)


def test_a_part_of_a_known_type_with_a_field_too_many_is_refused():
    raw = cbor.decode(bundle.encode(UPDATE))
    raw[7][0].append(0)
    with pytest.raises(Malformed):
        bundle.decode(cbor.encode(raw))


def test_as_much_as_the_limits_allow_is_read_and_no_more():
    to = To(bytes(16), 1, bytes(16), 1, Heard())
    reference = Reference(make_bundle.ALICE.fingerprint, 1, LINES_MAX)
    update = UPDATE.parts[-1]
    assert isinstance(update, Update)
    most = [
        replace(EMPTY, to=(to,) * RECIPIENTS_MAX),
        replace(EMPTY, parts=(Verbatim(b""),) * PARTS_MAX),
        replace(EMPTY, parts=(Chunk(bytes(32), bytes(CHUNK_BYTES_MAX)),)),
        replace(EMPTY, parts=(Tally(1, update.since, Ranges.numbers(range(0, 2048, 2))),)),
        replace(EMPTY, parts=(replace(update, entries=(reference,)),)),
        replace(EMPTY, parts=(Tally(bundle.NUMBER_MAX, update.since, Ranges()),)),
    ]
    heard = [Heard(Ranges.of((1, n)), bytes(4 * n)) for n in (HEARD_MAX, HEARD_MAX + 1)]
    most.append(replace(EMPTY, to=(replace(to, heard=heard[0]),)))
    more = [
        replace(EMPTY, to=(replace(to, heard=heard[1]),)),
        replace(EMPTY, to=(to,) * (RECIPIENTS_MAX + 1)),
        replace(EMPTY, parts=(Verbatim(b""),) * (PARTS_MAX + 1)),
        replace(EMPTY, parts=(Chunk(bytes(32), bytes(CHUNK_BYTES_MAX + 1)),)),
        replace(EMPTY, parts=(Tally(1, update.since, Ranges.numbers(range(0, 2050, 2))),)),
        replace(EMPTY, parts=(replace(update, entries=(reference, reference)),)),
        replace(EMPTY, parts=(Tally(bundle.NUMBER_MAX + 1, update.since, Ranges()),)),
    ]
    for each in most:
        assert bundle.decode(bundle.encode(each)) == each
    for each in more:
        with pytest.raises(Malformed):
            bundle.decode(bundle.encode(each))


def test_what_was_heard_carries_the_first_bytes_of_each_id():
    ids = {9: b"ninth" * 4, 1: b"first" * 4, 2: b"second" * 4}
    found = Heard.of(ids)
    assert found == Heard(Ranges.of((1, 2), (9, 9)), b"firs" + b"seco" + b"nint")
    assert found.checked() == {1: b"firs", 2: b"seco", 9: b"nint"}
    assert (Heard.of({}), Heard().checked()) == (Heard(), {})
