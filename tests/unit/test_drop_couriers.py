"""What a stick does for those who carry on what they cannot read."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest
from tests.unit.test_drop_visits import People, letter

from paquebot.testing.contract import outgoing, token_of
from paquebot.transport import Arrival, Finding, Handover, Stage, TokenShown
from paquebot_drop import DropSettings, DropTransport, visit

SENT = [Handover(outgoing("hello", b"").id, Stage.ON_MEDIUM, "blue stick")]


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def carried(text, hops=1):
    return replace(letter(text), hops=hops)


def show(people, who, *texts):
    """Visit, and show the tokens of letters that lie elsewhere."""

    async def run():
        async with DropTransport(DropSettings(str(people.stick), "blue stick"), who) as drop:
            found = [news async for news in drop.collect()]
            await drop.show([token_of(text) for text in texts])
            return found

    return asyncio.run(run())


def test_what_lies_there_is_not_written_again_unless_it_is_damaged(people):
    people.visit(people.anna, letter("hello"), letter("other"))
    (crate,) = people.crates()
    assert people.visit(people.clara, carried("hello"))[0] == SENT
    assert people.crates() == [crate]
    data = crate.read_bytes()
    crate.write_bytes(data.replace(b"hello", b"hellO"))
    assert people.visit(people.clara, carried("hello"))[0] == SENT
    assert len(people.crates()) == 2


def test_a_courier_is_shown_hops_and_lot_and_never_more_than_a_record_can_say(people):
    people.visit(people.anna, carried("hello", 99), letter("other"))
    people.visit(people.anna, letter("later"))
    found = {each.parcel: each.onward for each in people.visit(people.clara)[1] if isinstance(each, Arrival)}
    assert {name: each.hops for name, each in found.items()} == {b"hello": 15, b"other": 0, b"later": 0}
    assert found[b"hello"].lot == found[b"other"].lot != found[b"later"].lot


def test_nobody_is_asked_to_carry_what_has_arrived(people):
    people.visit(people.anna, letter("one"), letter("two"))
    show(people, people.boris, "one")
    found = people.visit(people.clara)[1]
    assert [each.parcel for each in found if isinstance(each, Arrival)] == [b"two"]
    assert TokenShown(token_of("one")) in found


def test_a_token_from_elsewhere_frees_the_space_and_reaches_the_sender(people):
    people.visit(people.anna, letter("hello"))
    show(people, people.clara, "hello", "nothing that lies here")
    assert people.crates() == []
    assert people.visit(people.anna)[1] == [TokenShown(token_of("hello"))]
    assert people.files() == []


def test_a_false_token_frees_nothing(people):
    people.visit(people.anna, letter("hello"))
    show(people, people.clara, "something else")
    assert len(people.crates()) == 1
    assert people.slips() == []


def test_a_token_from_elsewhere_frees_what_a_courier_has_written_itself(people):
    people.visit(people.clara, carried("hello"), carried("other"))
    show(people, people.clara, "hello")
    assert (len(people.crates()), len(people.slips())) == (1, 1)
    show(people, people.clara, "other")
    assert people.files() == []


def test_the_token_of_a_record_that_is_gone_is_seen_as_long_as_its_slip_lies_there(people):
    people.visit(people.anna, letter("hello"))
    people.visit(people.boris)
    assert people.crates() == []
    assert people.visit(people.clara)[1] == [TokenShown(token_of("hello"))]


def test_a_crowded_crate_hides_no_other(people, monkeypatch):
    monkeypatch.setattr(visit, "STRANGERS_MAX", 4)
    people.visit(people.anna, *(letter(f"junk {n}") for n in range(9)))
    people.visit(people.anna, letter("from afar"))
    found = people.visit(people.clara)[1]
    assert len(found) == 4
    assert b"from afar" in [each.parcel for each in found]


def test_damaged_records_hide_no_others_for_ever(people, monkeypatch):
    monkeypatch.setattr(visit, "STRANGERS_MAX", 3)
    for n in range(5):
        people.visit(people.boris, letter(f"junk {n}"))
    for crate in people.crates():
        crate.write_bytes(crate.read_bytes().replace(b"junk", b"rot!"))
        os.utime(crate, (0, 0))
    people.visit(people.anna, letter("from afar"))
    found = []
    for _ in range(3):
        found += people.visit(people.clara)[1]
    assert [each.parcel for each in found if isinstance(each, Arrival)][:1] == [b"from afar"]
    assert len([each for each in found if isinstance(each, Finding)]) == 5
