"""The lines of the conversation with a program: what is one, what it says, and what the page says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paquebot.cli.main import topic_text
from paquebot_program.line import LINE_MAX, Line, Unclear, parse, said, write
from paquebot_program.listing import PARTS, Listing

ROOT = Path(__file__).parents[2]
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)
LINES = st.builds(
    Line,
    st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True),
    st.lists(st.tuples(NAMES, VALUES), max_size=5).map(tuple),
    st.none() | TEXTS,
)


@given(LINES)
def test_what_is_written_is_read_as_it_was(line):
    data = write(line)
    assert data.count(b"\n") == 1
    assert parse(data[:-1]) == line


@given(st.binary(max_size=200) | LINES.map(write).map(lambda data: data[:-1]))
def test_a_line_is_read_or_unclear(data):
    try:
        line = parse(data)
    except Unclear:
        return
    assert parse(write(line)[:-1]) == line


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" item", b"Item", b"item key", b"item =a", b"item a=\xc3\xa9", b"item\tkey=a", b"item key=a\r"),
        *(b"x" * 33, b"a :\x1b[2J", b"a :" + b"x" * LINE_MAX, b"item key=a:b c", b"note :\xff"),
    ],
)
def test_what_is_no_line_is_unclear(data):
    with pytest.raises(Unclear):
        parse(data)


def test_runs_of_spaces_are_one_and_only_the_first_colon_counts():
    assert parse(b"item  key=a   tag=b  :c :d") == Line("item", (("key", "a"), ("tag", "b")), "c :d")
    assert parse(b"note ::") == Line("note", (), ":")
    assert parse(b"note :") == Line("note", (), "")


@pytest.mark.parametrize("value", ["", "-1", "1.5", "0x1", "1_0", "٣", "9" * 17, "6"])
def test_a_number_is_a_whole_number_within_bounds(value):
    with pytest.raises(Unclear):
        said("x", n=value).number("n", most=5)


def test_what_is_not_known_is_not_looked_at():
    words = (("key", "a"), ("colour", "blue"), ("ours", "yes"), ("colour", "red"))
    (item,) = Listing.read([Line("item", words), Line("end", (("moon", "full"),))], lambda *_: False).items
    assert (item.key, item.recognised) == ("a", True)


def verbs(mark: str) -> set[str]:
    """Every first word that the page shows after *mark*."""
    return set(re.findall(rf"(?:^|  ){mark} ([a-z]+)", topic_text("plugin"), re.MULTILINE))


ANSWERS = {"hello", "ready", "end", "done", "parcel", "gone", "damaged", "failed", "due", "setting", "folder"}


def test_the_page_shows_every_word_that_is_said_and_no_other():
    sources = {path.stem: path.read_text() for path in (ROOT / "transports" / "paquebot_program").glob("*.py")}
    ours = {word for source in sources.values() for word in re.findall(r'(?:said|Line)\("([a-z]+)"', source)}
    assert verbs(">") == ours - {"finding"} - {"none", "end"}, "but for what stands there after an or, or an and"
    requests = re.findall(r'"([a-z]+)"', "".join(re.findall(r"case (.+):", sources["talk"])))
    assert verbs("<") == ANSWERS | set(PARTS) | set(requests) - {"unsupported"}
