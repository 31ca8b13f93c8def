"""What is worth downloading: nobody makes us fetch much by a header alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from paquebot.testing.post import MemoryContext, tag_with
from paquebot_mail import (
    LETTERS_A_VISIT,
    LETTERS_BYTES_A_VISIT,
    REPORTS_A_VISIT,
    STRANGER_BYTES_MAX,
    STRANGERS_A_VISIT,
    MailSettings,
    MailTransport,
)
from paquebot_mail.pace import Accepted
from paquebot_mail.reading import MAIL_BYTES_MAX, Heading
from paquebot_mail.settings import ServerTable

US, PEER, STRANGER = "node@a.test", "node@b.test", "mallory@c.test"
LARGE = STRANGER_BYTES_MAX + 1
KEY = b"between us"


@pytest.fixture
def transport(tmp_path: Path) -> MailTransport:
    """An account that has sent something, so that reports may come."""
    context = MemoryContext(tmp_path, keys=[KEY], now=1_796_000_000_000)
    context.addresses.add(PEER)
    made = MailTransport(MailSettings(US, imap=ServerTable("a.test"), smtp=ServerTable("a.test")), context)
    made._sender().pace.accepted("b" * 40, Accepted("00" * 16, PEER, context.now, 1_000))
    return made


def head(sender: str, number: int = 0, *, ours: bool = True, tagged: bool = False, report: bool = False) -> Heading:
    part = f"{number:040}".translate(str.maketrans("0123456789", "abcdefghij")) if ours else ""
    return Heading(part, sender, "", report, tag_with(KEY)(part.encode()) if tagged else b"")


def test_what_bears_a_peers_tag_may_be_as_large_as_a_mail_can_be(transport):
    assert transport._wants(head(PEER, tagged=True), MAIL_BYTES_MAX)
    assert transport._wants(head(STRANGER, tagged=True), MAIL_BYTES_MAX), "from wherever it is sent"
    assert not transport._wants(head(PEER, tagged=True), MAIL_BYTES_MAX + 1)


@pytest.mark.parametrize("sender", [PEER, US, STRANGER, "mailer-daemon@b.test"])
@pytest.mark.parametrize("report", [False, True])
def test_a_large_mail_is_not_fetched_for_a_name_that_anybody_can_write(transport, sender, report):
    assert not transport._wants(head(sender, report=report), LARGE)
    assert transport._wants(head(sender, report=report), LARGE - 1)


def test_strangers_are_few_in_a_visit_and_crowd_out_no_peer(transport):
    many = range(3 * STRANGERS_A_VISIT)
    assert sum(transport._wants(head(STRANGER, each), 1_000) > 0 for each in many) == STRANGERS_A_VISIT
    assert transport._wants(head(PEER, 1), 1_000)
    assert all(transport._wants(head(PEER, each, tagged=True), 1_000) for each in many)


def test_letters_are_fetched_only_where_nobody_else_reads_and_few_in_a_visit(transport):
    letter = Heading("", STRANGER, "", report=False, sealed=True)
    assert not transport._wants(letter, 1_000)
    transport._settings = replace(transport._settings, letters=True)
    assert not transport._wants(letter, LETTERS_BYTES_A_VISIT + 1)
    assert LETTERS_BYTES_A_VISIT < transport._wants(letter, LETTERS_BYTES_A_VISIT) < MAIL_BYTES_MAX
    transport._letters = (0, 0)
    assert sum(transport._wants(letter, LETTERS_BYTES_A_VISIT // 8) > 0 for _ in range(20)) == 8
    transport._letters = (0, 0)
    assert sum(transport._wants(letter, 1_000) > 0 for _ in range(99)) == LETTERS_A_VISIT


def test_reports_are_few_in_a_visit_too(transport):
    many = range(3 * REPORTS_A_VISIT)
    reports = [head(f"mailer-daemon@{each}.test", ours=False, report=True) for each in many]
    assert sum(transport._wants(each, 3_000) > 0 for each in reports) == REPORTS_A_VISIT
