"""A journal is a chain: what follows is proven, and gaps, forks and swaps are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from paquebot.errors import BrokenChain, Malformed
from paquebot.protocol import journal
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, digest
from paquebot.protocol.journal import Entry, Line

EXAMPLES = Path(__file__).parents[2] / "fixtures" / "sdmp-0.12"
NODE = Fingerprint(digest(b"node"))
ROOT = journal.root(NODE)
ENTRIES = [Entry(Fingerprint(digest(b"user %d" % (n % 2))), ResourceId(digest(b"thing %d" % n))) for n in range(5)]


def texts(since: LineId, entries: list[Entry]) -> list[str]:
    names = [since, *(line.id for line in journal.extend(since, 0, entries))]
    return [journal.text(name, entry) for name, entry in zip(names, entries, strict=False)]


LINES = texts(ROOT, ENTRIES)


def test_the_example_journal_follows_from_its_first_line_byte_for_byte():
    start = (EXAMPLES / "journal-start.txt").read_text()
    first, *rest = (EXAMPLES / "journal-user-trust.txt").read_text().splitlines()
    assert first == start
    root = journal.root(Fingerprint(start))
    entries = journal.follow(root, rest)
    assert (len(entries), texts(root, entries)) == (2, rest)
    assert (EXAMPLES / "journal-user-identity.txt").read_text().splitlines() == [start, rest[0]]


def test_a_line_prints_the_hash_of_the_line_before_it():
    assert digest(NODE.encode()) == ROOT
    assert LINES[0] == f"{ROOT}@{ENTRIES[0].publisher}/{ENTRIES[0].resource}"
    assert LINES[1].partition("@")[0] == digest(LINES[0].encode())
    assert journal.parse(LINES[1]) == (digest(LINES[0].encode()), ENTRIES[1])


def test_following_and_extending_undo_each_other():
    assert journal.follow(ROOT, LINES) == ENTRIES
    lines = journal.extend(ROOT, 0, ENTRIES)
    assert lines == [Line(n + 1, LineId(digest(LINES[n].encode())), ENTRIES[n]) for n in range(5)]
    assert journal.extend(lines[1].id, 2, ENTRIES[2:]) == lines[2:]
    assert journal.follow(lines[1].id, LINES[2:]) == ENTRIES[2:]
    assert (journal.follow(ROOT, []), journal.extend(ROOT, 7, [])) == ([], [])


FOREIGN = texts(journal.root(Fingerprint(digest(b"other"))), ENTRIES)


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (LINES[1:], 1),
        ([*LINES[:2], *LINES[3:]], 3),
        ([LINES[0], LINES[2], LINES[1]], 2),
        ([LINES[0], LINES[0]], 2),
        (FOREIGN, 1),
        ([*LINES[:2], FOREIGN[2]], 3),
        ([LINES[0], f"{ROOT}@{LINES[1].partition('@')[2]}"], 2),
        (["@".join((LINES[0].partition("@")[0], LINES[1].partition("@")[2])), *LINES[1:]], 2),
    ],
    ids=["late start", "gap", "reordered", "repeated", "foreign", "foreign line", "fork", "changed line"],
)
def test_lines_that_do_not_follow_each_other_are_refused(lines, number):
    with pytest.raises(BrokenChain, match=f"line {number} of {len(lines)}"):
        journal.follow(ROOT, lines)


@pytest.mark.parametrize(
    "line",
    [
        "",
        LINES[0] + "\n",
        " " + LINES[0],
        LINES[0][1:],
        LINES[0].replace("@", "/"),
        LINES[0].replace("/", "@"),
        LINES[0] + "A",
        LINES[0] + "/" + "A" * 86,
        LINES[0].replace(LINES[0][10], "+"),
        LINES[0][:-1] + "B",
        "A" * 85 + "B" + LINES[0][86:],
    ],
)
def test_a_line_has_one_form(line):
    with pytest.raises(Malformed):
        journal.follow(ROOT, [line])
