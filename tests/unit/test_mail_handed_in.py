"""What other programs hand in: rubbish keeps out nothing that is for us."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from paquebot.testing.post import MemoryContext
from paquebot.transport import Acknowledgement, Transient, Verdict
from paquebot_mail import MailSettings, MailTransport
from paquebot_mail.form import compose
from paquebot_mail.handed import LEFT_FILES_MAX, HandedIn

US, THEM = "node@a.test", "node@b.test"


def mail(parcel: bytes) -> bytes:
    return compose(parcel, sender=THEM, recipient=US, date_ms=1_796_000_000_000)


def test_what_none_of_our_keys_opens_is_kept_within_bounds_and_the_newest_of_it(tmp_path: Path):
    context = MemoryContext(tmp_path, now=1_796_000_000_000)
    handed = HandedIn(context, US)
    for number in range(LEFT_FILES_MAX + 5):
        handed.take(mail(b"rubbish %d" % number))
    for at, path in enumerate(sorted((tmp_path / "handed-in").iterdir(), key=lambda each: int(each.read_bytes()[8:]))):
        os.utime(path, (at, at))
    rubbish = list(handed.arrivals())
    handed.take(mail(b"for us"))
    handed.acknowledge([Acknowledgement(each.key, Verdict.NOT_OURS) for each in rubbish])

    kept = {path.read_bytes() for path in (tmp_path / "handed-in").iterdir()}
    assert len(kept) == LEFT_FILES_MAX + 1
    assert b"for us" in kept
    assert not {b"rubbish %d" % number for number in range(5)} & kept
    assert [each.parcel for each in handed.arrivals()] == [b"for us"]
    assert "5 handed-in mails" in context.notes[0]
    context.epoch = "1"
    assert len(list(handed.arrivals())) == LEFT_FILES_MAX + 1


def test_trouble_with_our_own_disk_is_this_carriers_alone(tmp_path: Path):
    (tmp_path / "handed-in").write_text("a file where a folder should be")
    transport = MailTransport(MailSettings(US, fetch=False), MemoryContext(tmp_path))

    async def story() -> None:
        with pytest.raises(Transient, match="cannot be kept here"):
            await anext(transport.collect())

    asyncio.run(story())
