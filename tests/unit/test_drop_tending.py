"""A medium is looked over and verified: every record counted once, every byte read, nothing changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.unit.test_drop_visits import BORIS, CLARA, HOUR, People, letter

from paquebot.testing.contract import NOW_MS
from paquebot.transport import Finding, Stock, Tended, Transient, Waits, Whose
from paquebot_drop import DropSettings, DropTransport, folder


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def tend(people, who, task):
    """Open the stick for *who*, do *task*, and see that neither stick nor memory has changed."""

    async def run():
        async with DropTransport(DropSettings(str(people.stick)), who) as drop:
            return await task(drop)

    before = people.snapshot(), dict(who.state)
    try:
        return asyncio.run(run())
    finally:
        assert (people.snapshot(), who.state) == before


def inventory(people, who):
    return tend(people, who, lambda drop: drop.inventory())


def verify(people, who):
    read = []

    async def task(drop):
        return [each async for each in drop.verify(read.append)]

    return tend(people, who, task), sum(read)


def test_a_stick_can_be_tended_and_waited_for(people):
    drop = DropTransport(DropSettings(str(people.stick)), people.anna)
    assert isinstance(drop, Tended)
    assert isinstance(drop, Waits)


def test_each_record_is_counted_under_one_head(people):
    people.visit(people.anna, replace(letter("key"), priority=0), letter("one"), letter("old", expires=NOW_MS + HOUR))
    people.visit(people.clara, letter("to clara", CLARA), letter("12345678", CLARA))
    people.boris.now = NOW_MS + 2 * HOUR

    found = inventory(people, people.boris)

    assert found.stocks == (
        Stock(Whose.FOR_US, 3, 9, urgent=1, expired=1),
        Stock(Whose.FROM_US),
        Stock(Whose.OTHERS, 2, 16),
    )
    assert inventory(people, people.clara).stocks[1:] == (Stock(Whose.FROM_US, 2, 16), Stock(Whose.OTHERS, 3, 9, 1))
    assert found.bytes == sum(each.stat().st_size for each in people.files())


def test_what_we_have_taken_is_still_for_us_and_is_acknowledged_when_that_is_shown(people):
    people.visit(people.anna, letter("one"), letter("two", CLARA))
    people.visit(people.boris)
    people.boris.keys.clear()  # as if they were locked

    assert inventory(people, people.boris).stocks[0] == Stock(Whose.FOR_US, 1, 3, acknowledged=1)


def test_every_byte_is_read(people):
    people.visit(people.anna, letter("one"), letter("three"))
    people.visit(people.anna, letter("x" * 10_000, BORIS))
    assert verify(people, people.clara) == ([], 10_008)


def test_what_is_torn_rotten_or_foreign_is_named(people):
    people.visit(people.anna, letter("one"), letter("two"))
    people.visit(people.anna, letter("three"), letter("four", CLARA))
    people.visit(people.boris, take=False)
    torn, rotten = sorted(people.crates(), key=lambda crate: b"three" in crate.read_bytes())
    torn.write_bytes(torn.read_bytes()[:-9])
    rotten.write_bytes(rotten.read_bytes().replace(b"three", b"Three"))
    (people.stick / "PAQUEBOT/A").mkdir()
    (people.stick / "PAQUEBOT/A/BAD.ACK").write_bytes(b"PQA1")
    (people.stick / "PAQUEBOT/A/EMPTY.ACK").touch()
    (people.stick / "PAQUEBOT/letter.doc").write_bytes(b"dear")

    found, _ = verify(people, people.clara)

    assert {each.where.rpartition("/")[2]: each.damage for each in found} == {
        torn.name: True,
        f"{rotten.name} record 1": True,
        "BAD.ACK": True,
        "EMPTY.ACK": True,
        "letter.doc": False,
    }
    assert all(isinstance(each, Finding) for each in found)
    assert inventory(people, people.clara).damaged == tuple(
        sorted(f"PAQUEBOT/{each}" for each in ("A/BAD.ACK", "A/EMPTY.ACK", f"C/{torn.stem[0]}/{torn.name}"))
    )


def test_a_stick_that_is_pulled_meanwhile_is_not_called_whole(people, monkeypatch):
    people.visit(people.anna, letter("one"))
    reads = folder.os.pread

    def fail(fd, count, offset):
        if count == len(b"one"):
            monkeypatch.setattr(folder.Folder, "alive", lambda self: False)
            raise OSError(5, "EIO")
        return reads(fd, count, offset)

    monkeypatch.setattr(folder.os, "pread", fail)
    with pytest.raises(Transient, match="pulled"):
        verify(people, people.clara)
