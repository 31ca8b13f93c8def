"""Whatever becomes of a crate's bytes: whole records survive, and no body comes out that did not go in."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from paquebot_drop.crate import (
    HOPS_MAX,
    PRIORITY_MAX,
    Entry,
    digest,
    pack_header,
    pack_trailer,
    read_body,
    read_contents,
    salvage,
)
from paquebot_drop.tokens import Slip, pack_slip, parse_slip

RECIPIENT = st.tuples(st.binary(min_size=8, max_size=8), st.binary(min_size=16, max_size=16))
RECORD = st.tuples(
    st.binary(max_size=300),
    st.tuples(st.integers(0, PRIORITY_MAX), st.integers(0, HOPS_MAX)),
    st.integers(0, 2**32 - 1),
    st.lists(RECIPIENT, min_size=1, max_size=4),
)


def build(records):
    data, entries = b"", []
    for body, (priority, hops), expires, recipients in records:
        entry = Entry(digest(body), priority, expires, tuple(recipients), len(data), len(body), hops)
        data += pack_header(entry) + body
        entries.append(entry)
    return data + pack_trailer(entries), tuple(entries)


def reader(data):
    return lambda at, count: data[at : at + count] if at >= 0 else b""


@given(st.lists(RECORD, min_size=1, max_size=8))
def test_a_whole_crate_reads_as_it_was_written(records):
    data, entries = build(records)
    contents = read_contents(reader(data), len(data))
    assert (contents.entries, contents.intact) == (entries, True)
    assert [read_body(reader(data), entry) for entry in entries] == [body for body, *_ in records]
    assert salvage(reader(data), len(data)) == contents


@settings(max_examples=400)
@given(st.lists(RECORD, min_size=1, max_size=8), st.data())
def test_a_cut_leaves_exactly_the_whole_records_before_it(records, data_):
    data, entries = build(records)
    cut = data_.draw(st.integers(0, len(data) - 1))
    contents = read_contents(reader(data[:cut]), cut)
    assert contents.entries == tuple(entry for entry in entries if entry.end <= cut)
    assert not contents.intact


@settings(max_examples=400)
@given(st.lists(RECORD, min_size=1, max_size=6), st.data())
def test_no_change_makes_a_body_that_was_not_written(records, data_):
    data, _ = build(records)
    harmed = bytearray(data)
    for _ in range(data_.draw(st.integers(1, 6))):
        harmed[data_.draw(st.integers(0, len(harmed) - 1))] = data_.draw(st.integers(0, 255))
    start = data_.draw(st.integers(0, len(harmed)))
    end = data_.draw(st.integers(start, min(len(harmed), start + 40)))
    if data_.draw(st.booleans()):
        del harmed[start:end]
    read = reader(bytes(harmed))
    written = {body for body, *_ in records}
    for entry in read_contents(read, len(harmed)).entries:
        body = read_body(read, entry)
        assert body is None or body in written


@settings(max_examples=300)
@given(st.lists(RECORD, min_size=2, max_size=8), st.data())
def test_one_bad_record_does_not_cost_the_others(records, data_):
    data, entries = build(records)
    victim = data_.draw(st.sampled_from(entries))
    assume(not any(b"PQR1" in body for body, *_ in records))  # such guests are whole too, and harmless
    at = data_.draw(st.integers(victim.offset, victim.end - 1))
    harmed = data[:at] + bytes([data[at] ^ data_.draw(st.integers(1, 255))]) + data[at + 1 :]
    harmed = harmed[:-1]  # and no index to help
    contents = salvage(reader(harmed), len(harmed))
    assert contents.entries == tuple(entry for entry in entries if entry != victim)


@given(st.binary(max_size=4000))
def test_noise_is_no_crate(data):
    contents = read_contents(reader(data), len(data))
    assert not contents.intact
    assert contents.entries == ()


@given(
    st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16)), max_size=9),
    st.booleans(),
    st.data(),
)
def test_a_slip_is_whole_or_says_nothing(tokens, damaged, data_):
    slip = Slip("A" * 26, 7, tuple(tokens), damaged)
    data = pack_slip(slip)
    assert parse_slip(data) == slip
    at = data_.draw(st.integers(0, len(data) - 1))
    assert parse_slip(data[:at]) is None
    assert parse_slip(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]) is None
