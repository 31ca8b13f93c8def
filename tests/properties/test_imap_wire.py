"""However an IMAP server's stream is sliced, and whatever it says, the same answers come out, or a clean refusal."""

from __future__ import annotations

import io
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paquebot_mail.talk import named, quoted
from paquebot_mail.wire import LINE_MAX, LITERAL_MAX, Unreadable, Wire, fetched, tokens

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.encode)
LITERAL = st.binary(max_size=200).map(lambda data: b"{%d}\r\n%s" % (len(data), data))


def as_string(text):
    return b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


QUOTED = TEXT.map(as_string)
ATOM = st.from_regex(rb"\A\\?[A-Za-z0-9.:{}\[\]*-]{1,12}\Z").filter(lambda atom: not atom.endswith(b"}"))
VALUE = st.recursive(
    ATOM | QUOTED | LITERAL,
    lambda inner: st.lists(inner, max_size=3).map(lambda each: b"(%s)" % b" ".join(each)),
    max_leaves=4,
)
FETCH = st.lists(st.tuples(st.sampled_from([b"UID", b"FLAGS", b"BODY[]<0>", b"BODY[HEADER.FIELDS (A B)]"]), VALUE)).map(
    lambda items: b"* 1 FETCH (%s)\r\n" % b" ".join(b" ".join(item) for item in items)
)
STATUS = st.tuples(st.sampled_from([b"* OK ", b"* NO ", b"T1 OK ", b"+ "]), TEXT).map(
    lambda line: b"".join(line) + b"\r\n"
)
STREAM = st.lists(FETCH | STATUS, max_size=6).map(b"".join)


def heard(slices):
    wire = Wire()
    answers = [(each.tag, each.pieces) for data in slices for each in wire.feed(data)]
    return answers, wire.empty


def sliced(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(STREAM, st.lists(st.integers(0, 10_000), max_size=30))
def test_any_slicing_gives_the_same_answers(stream, cuts):
    whole = heard([stream])

    assert heard(sliced(stream, cuts)) == whole
    assert heard([stream[at : at + 1] for at in range(len(stream))]) == whole
    assert whole[1]


@given(FETCH)
def test_an_answer_can_be_taken_apart(stream):
    (answer,) = Wire().feed(stream)

    assert answer.kind == "FETCH"
    fetched(answer)


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_noise_is_refused_or_read_and_nothing_else(noise, cuts):
    wire = Wire(io.BytesIO)
    with suppress(Unreadable):
        for data in sliced(noise, cuts):
            for answer in wire.feed(data):
                tokens(answer.pieces)


@given(st.lists(TEXT | st.integers(0, 99)))
def test_what_is_written_comes_back(words):
    said = [b"%d" % word if isinstance(word, int) else as_string(word) for word in words]

    assert tokens((b" ".join(said),)) == [str(word) if isinstance(word, int) else word for word in words]


@given(st.text(max_size=40).filter(lambda name: name.isprintable()))
def test_a_name_survives_imaps_utf7(name):
    wire = quoted(name)
    assert wire.isascii()
    (said,) = tokens((wire.encode(),))

    assert named(said.decode()) == name


@pytest.mark.parametrize(
    "endless",
    [
        b"* " + b"x" * LINE_MAX * 2,
        b"* 1 FETCH (%s" % (b"{0}\r\n" * 100),
        b"* 1 FETCH ({%d}\r\n" % (LITERAL_MAX + 1),
        b"* 1 FETCH (%s" % ((b"{%d}\r\n" % LITERAL_MAX + bytes(LITERAL_MAX)) * 5),
    ],
    ids=["line", "literals", "literal", "much"],
)
def test_what_has_no_end_is_not_kept(endless):
    with pytest.raises(Unreadable):
        list(Wire().feed(endless))
