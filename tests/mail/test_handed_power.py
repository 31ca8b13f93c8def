"""Who hands in a mail and hears that it was taken forgets it: then it is here, also when the power fails at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from tests.labs import sqlite_tap
from tests.labs.disk import Disk, held_by
from tests.labs.tap import CHANGES, Call, Listener, tapped
from tests.mail.boxes import NOW_MS, mail_of
from tests.unit.nodes import make

from paquebot.context import HouseContext
from paquebot_mail.form import part_id
from paquebot_mail.handed import HandedIn

pytestmark = pytest.mark.skipif(sqlite_tap.library() is None, reason="Python's SQLite hides its functions")


class Recorder(Listener):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def after(self, call: Call) -> None:
        if call.verb in CHANGES:
            self._disk.follow(call)


def left_of(home: Path, take: Callable[[HandedIn], object]) -> set[bytes]:
    """Return the parcels that lie below *home* when the power fails after *take*."""
    node, folder = make("Alice"), home / "carriers" / "mail"
    context = HouseContext(node.store, "mail", folder, None, now=lambda: NOW_MS, entropy=os.urandom)
    disk = Disk(home, held_by(home))
    with tapped(Recorder(disk), home):
        take(HandedIn(context, "node@a.test"))
    return {data for path, data in disk.after({}).items() if data is not None and part_id(data) in path}


def test_the_first_one_is_kept_with_the_folders_that_are_made_for_it(tmp_path):
    assert left_of(tmp_path, lambda handed_in: handed_in.take(mail_of(b"for us"))) == {b"for us"}


def test_one_that_was_here_already_is_only_said_to_be_taken_when_it_will_stay(tmp_path):
    def killed_and_once_more(handed_in):
        with patch.object(HandedIn, "_make_durable", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            handed_in.take(mail_of(b"for us"))
        assert handed_in.take(mail_of(b"for us"))

    assert left_of(tmp_path, killed_and_once_more) == {b"for us"}
