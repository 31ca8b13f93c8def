"""Laws of the protocol's values: sets are sets, what is written is read, and no bytes raise anything but a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cbor2
from fixtures import make_bundle
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.unit.nodes import NOW, STICK, friends, settle

from paquebot.errors import Malformed, Refused, TooLarge
from paquebot.protocol import bundle, cbor, container, journal, messages, schema
from paquebot.protocol.bundle import (
    OUTCOMES,
    Bundle,
    Chunk,
    Heard,
    Outcome,
    Rebuilt,
    Reference,
    Tally,
    To,
    Update,
    Verbatim,
    Want,
)
from paquebot.protocol.effects import Effect, Tell
from paquebot.protocol.encoding import LineId, b64, unb64
from paquebot.protocol.identity import EDDSA, HS512
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import CONTAINER_DEPTH_MAX
from paquebot.protocol.messages import Broadcast, JournalRequest, Receipt, ResourceRequest, Response
from paquebot.protocol.published import URIS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest, Signature, SignedObject
from paquebot.protocol.stamp import MILLIS_MAX, Millis, Stamp, format_time, parse_time
from paquebot.protocol.state import Plan
from paquebot.protocol.trust import announcement_fields, identity_fields

# Sets of whole numbers.

runs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def both(found: list[tuple[int, int]]) -> tuple[Ranges, set[int]]:
    return Ranges.of(*found), {n for first, last in found for n in range(first, last + 1)}


@given(runs, runs)
def test_ranges_behave_as_sets_do(one, other):
    (left, left_set), (right, right_set) = both(one), both(other)
    assert set(left | right) == left_set | right_set
    assert set(left - right) == left_set - right_set
    assert set(left & right) == left_set & right_set
    assert [n in left for n in range(-1, 43)] == [n in left_set for n in range(-1, 43)]
    assert (list(left), len(left), bool(left)) == (sorted(left_set), len(left_set), bool(left_set))
    assert left.last == max(left_set, default=0)
    assert left.prefix == next(n - 1 for n in range(1, 43) if n not in left_set)
    assert (left == right) == (left_set == right_set)


@given(runs, runs)
def test_ranges_have_one_form_and_it_goes_there_and_back(one, other):
    for found in (Ranges.of(*one), Ranges.of(*one) | Ranges.of(*other), Ranges.of(*one) - Ranges.of(*other)):
        assert Ranges.parse(found.flat()) == found == Ranges.numbers(found)
        assert all(before + 1 < after for (_, before), (after, _) in zip(found.runs, found.runs[1:], strict=False))


@given(st.lists(st.integers(-2, 12), max_size=8))
def test_whatever_wire_form_is_taken_is_the_one_that_is_written(flat):
    try:
        found = Ranges.parse(flat)
    except Malformed:
        return
    assert found.flat() == flat


# CBOR.

leaves = st.one_of(st.integers(0, (1 << 64) - 1), st.integers(0, 300), st.binary(max_size=40), st.text(max_size=40))
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, (1 << 64) - 1), inner, max_size=5),
    max_leaves=20,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


@given(values)
def test_cbor_goes_there_and_back_and_a_second_opinion_agrees(value):
    assume(depth(value) <= 7)
    data = cbor.encode(value)
    assert cbor.decode(data) == value == cbor2.loads(data)
    assert cbor2.dumps(value, canonical=True) == data


@settings(max_examples=400)
@given(st.binary(max_size=60))
@example(b"\xa1\x00" * 8)
@example(b"\x9b" + b"\xff" * 8)
def test_whatever_cbor_is_taken_is_the_one_encoding_of_its_value(data):
    try:
        value = cbor.decode(data)
    except Malformed:
        return
    assert cbor.encode(value) == data


@given(values, st.data())
def test_no_other_bytes_mean_the_same(value, data):
    assume(depth(value) <= 7)
    encoded = bytearray(cbor.encode(value))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = cbor.decode(bytes(encoded))
    except Malformed:
        return
    assert changed != value
    assert cbor.encode(changed) == encoded


# base64url.


@given(st.binary(max_size=70))
def test_base64url_goes_there_and_back(data):
    assert unb64(b64(data)) == data


@given(st.text(st.sampled_from("ABQgwz09-_+/= \n"), max_size=8) | st.text(max_size=8))
def test_whatever_base64url_is_taken_is_the_one_that_is_written(text):
    try:
        data = unb64(text)
    except Malformed:
        return
    assert b64(data) == text


# Containers.

jsonish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)


def levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)


@given(st.dictionaries(st.text(max_size=9), jsonish, max_size=5))
def test_any_json_object_is_loaded_as_everybody_else_loads_it(value):
    assert container.load(json.dumps(value).encode()) == value
    assert container.load(json.dumps(value, ensure_ascii=False, indent=2).encode()) == value


@given(st.integers(1, 80), st.booleans(), st.sampled_from(["1", "[]", "{}", '""']))
def test_the_depth_is_counted_the_same_way_whatever_else_there_is(count, listed, inner):
    text = ("[" if listed else '{"a":') * count + inner + ("]" if listed else "}") * count
    data = b'{"a":' + text.encode() + b',"b":{}}'
    allowed = levels(json.loads(data)) <= CONTAINER_DEPTH_MAX
    try:
        container.load(data)
    except TooLarge:
        assert not allowed
    else:
        assert allowed


fragments = st.lists(
    st.sampled_from([*'{}[]:,"\\ \n\t', '"a"', "1", "-", "1e999", "NaN", "null", "\\ud800", "\\u0061", "\ufeff", "é"]),
    max_size=20,
).map("".join)


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode), fragments.map(str.encode)))
def test_no_bytes_make_a_container_raise_anything_but_a_refusal(data):
    try:
        value = container.load(data)
    except (Malformed, TooLarge):
        return
    assert isinstance(value, dict)
    assert value == json.loads(data)


keys = ["identity", "signature", "resource", "journal", "request", "response", "receipt", "trust", "message", "node"]


@given(
    st.lists(st.sampled_from([*schema.CORE, *URIS.values()]), min_size=1, max_size=3, unique=True),
    st.dictionaries(st.sampled_from(keys), jsonish, max_size=4),
)
def test_no_fields_make_a_message_or_a_signature_object_raise_anything_but_a_refusal(schemas, fields):
    data = container.write(schemas, fields)
    for read in (container.read, messages.read, SignedObject.parse):
        try:
            read(data)
        except Refused:
            continue


# Journals.

names = st.binary(min_size=64, max_size=64).map(b64)
few_names = st.sampled_from([b64(bytes((n,)) * 64) for n in range(6)])
entries = st.builds(Entry, few_names, few_names | names)
journals = st.lists(entries, max_size=8)


def written(since: LineId, found: list[Entry]) -> list[str]:
    before = [since, *(line.id for line in journal.extend(since, 0, found))]
    return [journal.text(name, entry) for name, entry in zip(before, found, strict=False)]


@given(names, st.integers(0, 1000), journals, journals)
def test_a_journal_may_be_extended_in_any_number_of_steps(since, number, xs, ys):
    first = journal.extend(since, number, xs)
    middle, at = (first[-1].id, first[-1].number) if first else (since, number)
    assert journal.extend(since, number, xs + ys) == first + journal.extend(middle, at, ys)


@given(names, journals, journals)
def test_following_is_the_inverse_of_writing_and_may_begin_anywhere(since, xs, ys):
    lines = written(since, xs + ys)
    assert journal.follow(since, lines) == xs + ys
    middle = journal.extend(since, 0, xs)[-1].id if xs else since
    assert journal.follow(middle, lines[len(xs) :]) == ys
    assert [journal.parse(line)[1] for line in lines] == xs + ys


@given(names, st.lists(entries, min_size=2, max_size=6), st.data())
def test_no_line_can_be_dropped_swapped_or_changed_unseen(since, found, data):
    lines = written(since, found)
    place = data.draw(st.integers(0, len(lines) - 2))
    swapped = [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]
    dropped = [*lines[:place], *lines[place + 1 :]]
    other = journal.text(journal.parse(lines[place])[0], data.draw(entries))
    changed = [*lines[:place], other, *lines[place + 1 :]]
    for wrong in (swapped, dropped, changed):
        if wrong != lines:
            try:
                journal.follow(since, wrong)
            except Refused:
                continue
            raise AssertionError(wrong)


@given(st.text(max_size=30) | st.tuples(names, names, names, st.integers(0, 259)))
def test_no_text_makes_a_journal_raise_anything_but_a_refusal(line):
    if isinstance(line, tuple):
        *three, place = line
        good = "{}@{}/{}".format(*three)
        line = good[:place] + "!" + good[place + 1 :]
    try:
        journal.parse(line)
    except Malformed:
        return
    raise AssertionError(line)


# Time.

moments = st.integers(0, MILLIS_MAX).map(Millis)
stamps = st.builds(Stamp, moments | st.integers(10, 14).map(Millis), st.integers(0, 0xFFFF) | st.integers(0, 3))


@given(stamps, stamps)
def test_stamps_sort_as_their_text_does(one, other):
    assert (one < other, one == other) == (str(one) < str(other), str(one) == str(other))
    assert Stamp.parse(str(one)) == one


@given(stamps, moments)
def test_the_next_stamp_is_always_later(stamp, now):
    assert stamp.after(now) > stamp
    assert stamp.after(now).at >= now


@given(moments)
def test_moments_go_there_and_back(at):
    assert parse_time(format_time(at)) == at


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n?", fullmatch=True))
def test_whatever_time_is_taken_is_the_one_that_is_written(text):
    try:
        at = parse_time(text)
    except Malformed:
        return
    assert format_time(at) == text


# Messages.

identifiers = st.text(st.characters(codec="utf-8"), min_size=1, max_size=127)
signatures = st.builds(Signature, st.sampled_from([EDDSA, HS512]), names, st.binary(max_size=80))
signed = st.builds(SignedObject.build, st.binary(max_size=200), signatures)
broadcasts = st.builds(Broadcast, names, journals.map(tuple))
spoken = st.one_of(
    broadcasts,
    st.builds(JournalRequest, identifiers, names, st.none() | st.integers(1, 1 << 70)),
    st.builds(ResourceRequest, identifiers, names, names),
    st.builds(Response, identifiers, st.sampled_from(["ok", "bad_request", "not_found"])),
    st.builds(Response, identifiers, st.just("ok"), signed | broadcasts),
    st.builds(Receipt, names),
)


@given(spoken)
def test_what_is_said_is_heard(message):
    assert messages.read(messages.write(message)) == message


@given(signed, st.lists(signatures, max_size=2))
def test_signature_objects_are_rebuilt_exactly(found, more):
    found = SignedObject(found.id, found.payload, (*found.signatures, *more))
    assert SignedObject.parse(found.encode()) == found


hashes = st.lists(st.binary(min_size=32, max_size=32).map(b64), max_size=3)


@given(
    st.binary(max_size=100),
    st.none() | st.integers(0, 1 << 46),
    st.integers(4096, 1 << 22),
    st.sampled_from([1, 2]),
    hashes,
)
def test_no_numbers_make_a_manifest_raise_anything_but_a_refusal(data, size, chunk_bytes, depth_, chunks):
    fields = {"size": len(data), "data": b64(data)}
    if size is not None:
        fields = {"size": size, "chunk_bytes": chunk_bytes, "depth": depth_, "chunks": chunks}
    try:
        found = FileManifest.parse(fields)
    except Malformed:
        return
    assert found.fields() == fields


# Bundles.

ranges = runs.map(lambda each: Ranges.of(*each))
numbers = st.integers(0, bundle.NUMBER_MAX)
tags = st.binary(min_size=16, max_size=16)
references = st.builds(Reference, few_names, numbers, st.integers(0, 500))
compact = st.lists(references | st.tuples(few_names, names | st.integers(0, 99)), max_size=5).map(tuple)
parts = st.one_of(
    st.builds(Verbatim, st.binary(max_size=50)),
    st.builds(Rebuilt, signed),
    st.builds(Update, names, compact, signatures),
    st.builds(Chunk, st.binary(min_size=32, max_size=32), st.binary(max_size=50)),
    st.builds(Tally, numbers, names, ranges),
    st.builds(Outcome, st.binary(max_size=64), st.sampled_from(OUTCOMES), st.text(max_size=300)),
    st.builds(Want, names, ranges),
)
heard = st.dictionaries(numbers, st.binary(min_size=4, max_size=16), max_size=6).map(Heard.of)
recipients = st.builds(To, tags, numbers, tags, numbers, heard)
bundles = st.builds(
    Bundle,
    id=tags,
    sender=tags,
    to=st.lists(recipients, max_size=3).map(tuple),
    created=moments,
    expires=moments,
    parts=st.lists(parts, max_size=5).map(tuple),
)


@given(bundles)
def test_bundles_go_there_and_back(found):
    data = bundle.encode(found)
    assert bundle.decode(data) == found
    assert bundle.encode(bundle.decode(data)) == data


GOOD = [make_bundle.encoded(value) for value in make_bundle.meanings().values()]


@settings(max_examples=400)
@given(st.sampled_from(GOOD), st.data())
def test_whatever_was_done_to_a_bundle_nothing_is_raised_but_a_refusal(good, data):
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                changed[at] ^= data.draw(st.integers(1, 255))
            case 1:
                del changed[at : at + data.draw(st.integers(1, 9))]
            case 2:
                changed[at:at] = data.draw(st.binary(min_size=1, max_size=9))
            case 3:
                changed[at : at + 9] = b"\x1b" + data.draw(st.integers(0, (1 << 64) - 1)).to_bytes(8, "big")
        if not changed:
            break
    try:
        found = bundle.decode(bytes(changed))
    except Malformed:
        return
    assert isinstance(found, Bundle)


bundleish = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers(0, 9), inner, max_size=4),
    max_leaves=9,
)


@given(st.sampled_from(GOOD), st.lists(st.integers(0, 7), max_size=4), bundleish)
def test_whatever_stands_in_a_field_nothing_is_raised_but_a_refusal(good, path, value):
    raw: Any = cbor.decode(good)
    at, keys = raw, [7 - path[0], *path[1:]] if path else [7]
    for key in keys[:-1]:
        inner = at[key] if isinstance(at, dict) else at[key % len(at)] if at else None
        if not isinstance(inner, dict | list) or not inner:
            break
        at = inner
    at[keys[-1] if isinstance(at, dict) else keys[-1] % len(at)] = value
    assume(depth(raw) <= 7)
    try:
        bundle.decode(cbor.encode(raw))
    except Malformed:
        return


# Plans, as the store keeps them.


@given(
    st.builds(
        Plan,
        lines=ranges,
        bodies=ranges | st.just(Ranges.numbers(range(1, 8_000, 2))),
        chunks=ranges,
        requests=st.lists(names, max_size=3).map(tuple),
        wants=st.lists(st.tuples(names, ranges), max_size=3).map(tuple),
        replies=st.lists(numbers, max_size=3).map(tuple),
        ask_journal=st.booleans(),
    )
)
def test_a_plan_that_was_stored_can_be_read_again(plan):
    assert Plan.decode(plan.encode()) == plan


# A whole node.

ALICE, BOB = friends("alice", "bob")
settle(ALICE, BOB)
TIME = "2027-01-15T08:00:00.000Z"
GOOD_FIELDS: dict[str, dict[str, Any]] = {
    "message": {"message": "hello"},
    "trust": {"trust": {"trustee": BOB.user, "authorization": ["read_resource"], "expires": TIME}},
    "identity": identity_fields("node", ALICE.node_key.public, NOW),
    "file": {"file": FileManifest(9_000, None, 4096, 1, (b"x" * 32, b"y" * 32, b"z" * 32)).fields()},
    "envelope_keys": announcement_fields(ALICE.card().keys),
    "user": {"user": {"name": "alice"}},
    "revoke": {"revoke": {"resource": b64(bytes(64))}},
    "schema": {"schema": {"type": "object"}},
}


class Enough(Exception):
    """Nothing of this shall be kept."""


def hear(*found: bundle.Part) -> list[str]:
    """Let Bob hear Alice say *found*, and let him forget it again; return the outcomes."""
    said = ALICE.bundle(BOB, *found)
    outcomes: list[str] = []

    def effects() -> Iterator[Effect]:
        for each in BOB.engine.receive(said, ALICE.node, STICK, "test", NOW):
            if isinstance(each, Tell):
                outcomes.append(each.outcome)
            yield each
        yield from BOB.engine.poll(STICK, Millis(NOW + 1))
        for letter in BOB.store.view.letters():
            bundle.encode(BOB.engine.compose(letter))
        raise Enough

    with suppress(Enough):
        BOB.store.commit(effects())
    return outcomes


@settings(max_examples=150, deadline=None)
@given(st.lists(parts, max_size=4))
def test_whatever_a_peer_says_every_item_ends_in_one_outcome(found):
    items = [each for each in found if isinstance(each, Verbatim | Rebuilt | Update | Chunk)]
    assert len(hear(*found)) == len(items)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*GOOD_FIELDS]), st.lists(st.integers(0, 9), max_size=4), st.none() | st.tuples(jsonish))
def test_whatever_stands_in_a_well_signed_resource_it_ends_in_one_outcome(name, path, replacement):
    about = {"stamp": f"{TIME}/0000", "tags": ["a"], "after": [b64(bytes(64))], "parent": b64(b"1" * 64)}
    origin = {"user": ALICE.user, "trust": ALICE.trust}
    fields = json.loads(json.dumps({**GOOD_FIELDS[name], "about": about, "resource": origin}))
    at: Any = fields
    for number, step in enumerate(path, 1):
        places = [*at] if isinstance(at, dict) else range(len(at))
        place = places[step % len(places)]
        if number < len(path) and isinstance(at[place], dict | list) and at[place]:
            at = at[place]
            continue
        if replacement is None:
            del at[place]
        else:
            at[place] = replacement[0]
        break
    payload = container.write([URIS.get(name, name), "resource", URIS["about"]], fields)
    assert len(hear(Rebuilt(SignedObject.sign(payload, ALICE.node_key)))) == 1


@settings(max_examples=100, deadline=None)
@given(spoken)
def test_whatever_is_asked_or_answered_nothing_is_raised(message):
    outcomes = hear(Verbatim(SignedObject.sign(messages.write(message), ALICE.node_key).encode()))
    assert len(outcomes) <= 1
