"""The power is cut at every change of what is remembered: nothing is lost, and every effect happens once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from tests.labs.mail.imapd import Box, ScriptedImap
from tests.mail.boxes import Reader, mail_of, personal

from paquebot.testing.post import MemoryContext
from paquebot_mail.settings import Retire

PARCELS = [b"small %d" % number * 9 for number in range(3)] + [bytes(200_000)]
RETIRE = {"keep": Retire("keep"), "move": Retire("move", "Done"), "expunge": Retire("expunge")}


class PowerCut(BaseException):
    """The process ends here."""


class CutContext(MemoryContext):
    """Ends the process at the nth change, before or after it is made."""

    left = 0
    after = False

    def update(self, changes):
        if not any(self.state.get(key) != value for key, value in changes.items()):
            return
        self.left -= 1
        if self.left == 0 and not self.after:
            raise PowerCut
        super().update(changes)
        if self.left == 0:
            raise PowerCut


def run(place, number, after, how):
    """Let the power be cut at change *number*; return whether it was, once all has ended well."""
    box = Box()
    for index, parcel in enumerate(PARCELS):
        box.add(personal(index), mail_of(parcel))
    foreign = [item.data for item in box.items if b"dinner" in item.data]
    cut = False
    with ScriptedImap({"INBOX": box}) as server:
        reader = Reader(place, server.port, retire=RETIRE[how])
        context = CutContext(place, now=reader.context.now)
        context.left, context.after = number, after
        reader.context = context
        try:
            reader.run()
        except PowerCut:
            cut = True
        context.left = 0
        for _ in range(2):
            reader.run()

    assert sorted(reader.applied) == sorted(PARCELS)
    kept = [item.data for item in box.items if b"dinner" in item.data]
    assert kept == foreign
    assert how == "keep" or len(box.items) == len(foreign)
    assert not list(place.rglob("mail-*/*"))
    return cut


@pytest.mark.parametrize("how", RETIRE)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_power_may_be_cut_at_every_change(tmp_path, after, how):
    number = 1
    while run(tmp_path / str(number), number, after, how):
        number += 1

    assert number > 7


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05])
def test_a_visit_may_be_cancelled_at_any_time(tmp_path, seconds):
    box = Box()
    box.add(*map(mail_of, PARCELS))

    async def hurried(reader):
        async with asyncio.timeout(seconds):
            await reader.visit()

    with ScriptedImap({"INBOX": box}) as server:
        reader = Reader(tmp_path, server.port, retire=RETIRE["expunge"])
        for _ in range(3):
            with suppress(TimeoutError):
                asyncio.run(hurried(reader))
        reader.run()

    assert sorted(reader.applied) == sorted(PARCELS)
    assert box.items == []
