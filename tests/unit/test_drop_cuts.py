"""The stick is pulled, or the power goes, at every single step; in the end every letter has arrived."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress

import pytest

from paquebot.testing import MemoryContext
from paquebot.testing.contract import FAR_KEY, NOW_MS, outgoing, token_of
from paquebot.transport import Acknowledgement, Arrival, Handover, Stage, TokenShown, Transient, Verdict
from paquebot_drop import DropSettings, DropTransport

LETTERS = ("one", "two", "three")


class Cut(BaseException):
    """The power goes: nothing after this happens."""


@contextmanager
def cut_after(steps, error):
    """Let *steps* steps on the medium succeed and every later one raise *error*; yield how many there were."""
    kept = {name: getattr(os, name) for name in ("write", "fsync", "unlink", "mkdir", "open", "pread")}
    count = [0]

    def limited(function):
        def step(*args, **options):
            count[0] += 1
            if count[0] > steps:
                raise error
            return function(*args, **options)

        return step

    for name, function in kept.items():
        setattr(os, name, limited(function))
    try:
        yield count
    finally:
        for name, function in kept.items():
            setattr(os, name, function)


class House:
    """As much of the house as keeps its promises: what is not known to be safe is sent again."""

    def __init__(self, stick, folder, seed, **options):
        self.settings = DropSettings(str(stick))
        self.context = MemoryContext(folder, seed=seed, now=NOW_MS, **options)
        self.to_send = set()
        self.unacknowledged = set()
        self.got = set()

    async def visit(self):
        async with DropTransport(self.settings, self.context) as drop:
            async for news in drop.collect():
                match news:
                    case TokenShown(token):
                        self.unacknowledged -= {text for text in LETTERS if token_of(text) == token}
                    case Handover(id=name, stage=Stage.LOST):
                        self.to_send |= {text for text in LETTERS if outgoing(text, b"").id == name}
                    case Arrival(parcel=parcel, key=key, recognised=True):
                        self.got.add(parcel.decode())
                        token = token_of(parcel.decode())
                        await drop.acknowledge([Acknowledgement(key, Verdict.TAKEN, token)])
            batch = [outgoing(text, text.encode()) for text in sorted(self.to_send & self.unacknowledged)]
            async for handover in drop.send(batch):
                if handover.stage is Stage.ON_MEDIUM:
                    self.to_send -= {text for text in LETTERS if outgoing(text, b"").id == handover.id}


@pytest.mark.parametrize("victim", [0, 1, 2, 3])
@pytest.mark.parametrize("error", [Cut(), OSError(5, "EIO")], ids=["power", "pulled"])
def test_a_cut_at_any_step_loses_nothing(tmp_path, victim, error):
    for steps in range(1000):
        path = tmp_path / f"{steps}"
        stick = path / "stick"
        stick.mkdir(parents=True)
        anna = House(stick, path / "anna", 1)
        boris = House(stick, path / "boris", 2, keys=[FAR_KEY])
        anna.to_send, anna.unacknowledged = set(LETTERS), set(LETTERS)
        done = False
        for number in range(9):
            visitor = (anna, boris)[number % 2]
            if number == victim:
                with suppress(Cut, OSError, Transient), cut_after(steps, error) as count:
                    asyncio.run(visitor.visit())
                done = count[0] <= steps
            else:
                asyncio.run(visitor.visit())
        assert boris.got == set(LETTERS), steps
        assert anna.unacknowledged == set(), steps
        left = [each.name for each in stick.rglob("*") if each.is_file() and each.suffix != ".TXT"]
        assert [name for name in left if name.endswith(".PQB")] == [], steps
        assert not [key for key in anna.context.state if "/w/" in key], steps
        if done:
            assert left == []
            assert steps > 10
            return
    raise AssertionError("a visit never ended")
