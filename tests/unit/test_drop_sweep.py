"""What is swept from a stick, by whom, and what is not: nobody may lose by another's tidiness."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.unit.test_drop_cuts import Cut, cut_after
from tests.unit.test_drop_visits import BORIS, CLARA, HOUR, People, letter, texts

from paquebot.testing import MemoryContext
from paquebot.testing.contract import NOW_MS, token_of
from paquebot.transport import Acknowledgement, Arrival, Handover, Stage, TokenShown, Transient, Verdict
from paquebot_drop import DropSettings, DropTransport, crate, folder, loading, sweeping, tokens

BIG = "x" * 400_000
WEEK = 7 * 24 * HOUR


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


@pytest.fixture
def every_gain(monkeypatch):
    """Crates are written anew to save a single byte, if that is more than half."""
    monkeypatch.setattr(sweeping, "GAIN_MIN", 1)


def half_dead(people):
    """A crate of which Boris has taken the larger part, and one letter waits for Clara."""
    people.visit(people.anna, letter(BIG), letter("for clara", CLARA))
    (before,) = people.crates()
    assert texts(people.visit(people.boris)[1]) == [BIG]
    return before


def records(path):
    data = path.read_bytes()
    read = lambda at, count: data[at : at + count] if at >= 0 else b""  # noqa: E731
    found = crate.read_contents(read, len(data))
    assert found.intact
    return [crate.read_body(read, entry).decode() for entry in found.entries]


def lost(found):
    return [each for each in found if isinstance(each, Handover) and each.stage is Stage.LOST]


def test_a_crate_that_is_mostly_dead_is_written_anew_without_the_dead(people):
    before = half_dead(people)
    (after,) = people.crates()
    assert after.name != before.name
    assert records(after) == ["for clara"]
    assert after.stat().st_size < 1000
    assert not [key for key in people.boris.state if "/w/" in key]


def test_its_writer_does_not_call_lost_what_lies_in_another_crate_now(people):
    half_dead(people)
    assert people.visit(people.anna)[1] == [TokenShown(token_of(BIG))]
    assert people.visit(people.anna)[1] == [TokenShown(token_of(BIG))]
    assert texts(people.visit(people.clara)[1]) == ["for clara"]
    shown = people.visit(people.anna)[1]
    assert sorted(each.token for each in shown) == sorted(map(token_of, (BIG, "for clara")))
    assert people.files() == []
    assert people.anna.state == people.clara.state == {}


def test_what_was_written_anew_outlives_the_old_one_whoever_sweeps(people):
    """Else one could delete the old one for the new, and another the new one for the old, at the same time."""
    people.visit(people.anna, letter(BIG), letter("for clara", CLARA))
    (before,) = people.crates()
    data = before.read_bytes()
    people.visit(people.boris)
    (after,) = people.crates()
    before.parent.mkdir(exist_ok=True)
    before.write_bytes(data)
    people.visit(people.clara, take=False)
    assert people.crates() == [after]


def test_its_writer_sweeps_its_own_crates_too(people, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "GAIN_MIN", 1 << 30)
        before = half_dead(people)
        assert people.crates() == [before]
    assert people.visit(people.anna)[1] == [TokenShown(token_of(BIG))]
    assert [records(each) for each in people.crates()] == [["for clara"]]
    assert lost(people.visit(people.anna)[1]) == []
    people.crates()[0].unlink()
    assert [each.id for each in lost(people.visit(people.anna)[1])] == [letter("for clara").id]


def test_rot_in_a_crate_written_anew_is_found_by_its_reader_and_believed_by_the_writer(people):
    half_dead(people)
    people.visit(people.anna)
    (after,) = people.crates()
    times = after.stat()
    after.write_bytes(after.read_bytes().replace(b"for clara", b"for klara"))
    os.utime(after, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert lost(people.visit(people.anna)[1]) == []  # nobody has said anything yet
    assert texts(people.visit(people.clara)[1]) == []
    assert [each.id for each in lost(people.visit(people.anna)[1])] == [letter("for clara").id]


def test_little_is_not_worth_writing_anew(people):
    people.visit(people.anna, letter("x" * (sweeping.GAIN_MIN - 1000)), letter("for clara", CLARA))
    before = people.crates()
    people.visit(people.boris)
    assert people.crates() == before


def test_a_crate_that_is_mostly_alive_is_left_as_it_is(people):
    people.visit(people.anna, letter(BIG), letter(BIG + "y" * 1000, CLARA))
    before = people.crates()
    people.visit(people.boris)
    assert people.crates() == before


def test_one_visit_writes_only_so_much_anew_and_the_next_goes_on(people, monkeypatch):
    for n in range(3):
        people.visit(people.anna, letter(f"{n}{BIG}"), letter(f"{n} for clara" * 1000, CLARA))
    before = people.crates()
    monkeypatch.setattr(sweeping, "REWRITE_MAX", 1000)
    for left in (2, 1, 0):
        people.visit(people.boris)
        assert len(set(before) & set(people.crates())) == left
        assert len(people.crates()) == 3


def test_a_full_stick_is_not_written_anew(people, monkeypatch):
    people.visit(people.anna, letter(BIG), letter("for clara", CLARA))
    before = people.crates()
    monkeypatch.setattr(folder.Folder, "free", 1 << 20)
    people.visit(people.boris)
    assert people.crates() == before


def test_a_crate_with_a_damaged_record_is_left_for_its_writer(people):
    people.visit(people.anna, letter(BIG), letter("for clara", CLARA))
    (before,) = people.crates()
    before.write_bytes(before.read_bytes().replace(b"for clara", b"for klara"))
    people.visit(people.boris)
    assert people.crates() == [before]
    assert [each.id for each in lost(people.visit(people.anna)[1])] == [letter("for clara").id]


def test_the_new_crate_is_safe_before_the_old_one_goes(people, monkeypatch):
    people.visit(people.anna, letter(BIG), letter("for clara", CLARA))
    (before,) = people.crates()
    with monkeypatch.context() as patch:
        patch.setattr(loading.Crate, "seal", lambda self: None)
        people.visit(people.boris)
    assert before in people.crates()
    people.visit(people.boris)
    assert [records(each) for each in people.crates()] == [["for clara"]]


@pytest.mark.parametrize(
    ("error", "next_comes"),
    [(Cut(), "boris"), (Cut(), "clara"), (Cut(), "dora"), (OSError(5, "EIO"), "boris"), (OSError(5, "EIO"), "dora")],
    ids=["power, the same again", "power, its reader", "power, another", "pulled, the same again", "pulled, another"],
)
def test_a_cut_at_any_step_of_a_sweep_loses_nothing(tmp_path, every_gain, monkeypatch, error, next_comes):
    sweep = sweeping.Sweep.run

    def swept_by_boris(steps):
        people, begun = People(tmp_path / f"{steps}"), []
        with suppress(Cut, OSError, Transient), monkeypatch.context() as patch:
            people.visit(people.anna, letter("large" * 100), letter("small", CLARA))
            with cut_after(steps, error) as count:
                patch.setattr(sweeping.Sweep, "run", lambda self: (begun.append(count[0]), sweep(self)))
                people.visit(people.boris)
        return people, *begun, count[0]

    _, first, total = swept_by_boris(1000)
    assert total - first > 40
    for steps in range(first, total + 1):
        people, *_ = swept_by_boris(steps)
        people.dora = MemoryContext(people.path / "dora", seed=4, now=NOW_MS)
        got, complaints = [], []
        for who in (getattr(people, next_comes), people.dora, people.boris, people.clara, people.anna, people.boris):
            found = people.visit(who)[1]
            got += texts(found) if who is people.clara else []
            complaints += lost(found)
        assert got == ["small"], steps
        assert complaints == [], steps
        assert people.crates() == [], steps
        people.visit(people.anna)
        assert not [key for key in people.anna.state if "/w/" in key], steps
    assert people.files() == []


def test_two_who_sweep_at_once_leave_one_crate_in_the_end(people, every_gain, monkeypatch):
    """Both have looked before either writes."""
    people.visit(people.anna, letter("large" * 100), letter("small", CLARA))

    async def both():
        settings = DropSettings(str(people.stick))
        one, two = DropTransport(settings, people.boris), DropTransport(settings, people.dora)
        await one.__aenter__()
        await two.__aenter__()
        found = [each async for each in one.collect()]
        mine = [each for each in found if isinstance(each, Arrival) and each.recognised]
        await one.acknowledge([Acknowledgement(each.key, Verdict.TAKEN, token_of("large" * 100)) for each in mine])
        one._visit.leave(writable=True, well=False, name=lambda: one._name(one._folder))  # the tokens alone
        _ = [each async for each in one.collect()]
        _ = [each async for each in two.collect()]
        with monkeypatch.context() as patch:
            # Neither sees that the other has deleted the old one: its file comes back, as in a folder synced late.
            (old,) = people.crates()
            kept = old.read_bytes()
            await one.__aexit__(None, None, None)
            old.write_bytes(kept)
            patch.undo()
        await two.__aexit__(None, None, None)

    people.dora = MemoryContext(people.path / "dora", seed=4, now=NOW_MS)
    asyncio.run(both())
    assert [records(each) for each in people.crates()] == [["small"], ["small"]]
    assert len(texts(people.visit(people.clara, take=False)[1])) == 1
    people.visit(people.dora)
    assert len(people.crates()) == 1
    assert lost(people.visit(people.anna)[1]) == []
    assert texts(people.visit(people.clara)[1]) == ["small"]
    assert people.crates() == []


def test_of_two_copies_nobody_deletes_the_one_that_others_keep(people):
    """Who is first differs; which one stays does not."""
    people.visit(people.anna, letter("one"))
    (named,) = people.crates()
    names = ["copy (1).PQB", "Kopie von é.PQB", f"{named.stem}.sync-conflict-20261120-120000-ABCDEFG.PQB"]
    for name in names:
        shutil.copy(named, named.with_name(name))
    people.visit(people.clara)
    assert [each.name for each in named.parent.iterdir()] == [named.name]
    assert lost(people.visit(people.anna)[1]) == []


def test_a_copy_that_differs_in_its_recipients_is_no_copy(people):
    """Else whoever forges one, for itself, could have the true one deleted, and then show its own token."""
    people.visit(people.anna, letter("one"))
    (named,) = people.crates()
    expires = loading.hours(letter("one").expires_ms)
    entry = crate.Entry(crate.digest(b"one"), 1, expires, ((bytes(8), bytes(16)),), 0, 3)
    forged = named.with_name("A" * 26 + ".PQB")
    forged.write_bytes(crate.pack_header(entry) + b"one" + crate.pack_trailer([entry]))
    people.visit(people.clara)
    assert named.exists()
    named.unlink()
    assert [each.id for each in lost(people.visit(people.anna)[1])] == [letter("one").id]


def test_a_copy_whose_body_is_rotten_is_no_copy(people):
    people.visit(people.anna, letter("one"))
    (named,) = people.crates()
    other = named.with_name("another.PQB")
    other.write_bytes(named.read_bytes())
    named.write_bytes(named.read_bytes().replace(b"one", b"0ne"))
    people.visit(people.clara)
    assert other.exists()
    assert texts(people.visit(people.boris)[1]) == ["one"]


def test_a_torn_copy_goes_when_it_has_stayed_so_for_a_week(people):
    people.visit(people.anna, letter("one"), letter("two"))
    (named,) = people.crates()
    torn = named.with_name("torn.PQB")
    torn.write_bytes(named.read_bytes()[:80])
    for _ in range(7):
        people.visit(people.clara)
        assert torn.exists()
        people.clara.now += 24 * HOUR
    people.visit(people.clara)
    assert people.crates() == [named]


def test_what_a_person_keeps_beside_our_folder_is_not_tidied_for_being_torn(people):
    """It may be what a recovery program made of a crate of ours and of something else."""
    people.visit(people.anna, letter("one"), letter("two"))
    (named,) = people.crates()
    saved = people.stick / "FILE0001.CHK"
    saved.write_bytes(named.read_bytes()[:80] + b"holiday pictures")
    people.grow_old(people.clara, weeks=10)
    assert saved.exists()


def test_a_torn_crate_of_which_anything_is_here_only_stays(people):
    people.visit(people.anna, letter("one"), letter("two"))
    (named,) = people.crates()
    named.write_bytes(named.read_bytes()[:-1])
    people.grow_old(people.clara, weeks=10)
    assert people.crates() == [named]


def test_a_torn_crate_in_which_nothing_whole_is_left_goes_in_the_end_and_its_writer_sends_again(people):
    people.visit(people.anna, letter(BIG))
    (named,) = people.crates()
    named.write_bytes(named.read_bytes()[:80])
    people.grow_old(people.clara, weeks=3)
    assert people.crates() == [named]
    people.grow_old(people.clara, weeks=2)
    assert people.crates() == []
    assert len(lost(people.visit(people.anna)[1])) == 1


def test_what_was_dated_in_the_past_by_a_wrong_clock_is_not_dropped(people):
    """Its writer's clock was 410 days behind; who carries it must not take it for expired."""
    for who in (people.anna, people.boris):
        who.now = NOW_MS - 410 * 24 * HOUR
    people.visit(people.anna, letter("one", BORIS, expires=people.anna.now + 90 * 24 * HOUR))
    for _ in range(3):
        people.visit(people.clara)
        people.clara.now += WEEK
    assert texts(people.visit(people.boris)[1]) == ["one"]


@pytest.mark.parametrize("jump", [11, 400, 40_000])
def test_a_clock_that_jumps_cannot_make_anything_old(people, jump):
    people.visit(people.anna, letter("one"))
    people.visit(people.boris, take=False)
    people.visit(people.clara)
    people.clara.now += jump * 24 * HOUR
    for _ in range(3):
        people.visit(people.clara)
        people.clara.now += jump * 24 * HOUR
    assert texts(people.visit(people.boris)[1]) == ["one"]


def test_patience_costs_a_bounded_memory(people, monkeypatch):
    monkeypatch.setattr("paquebot_drop.patience.MARKS_MAX", 2)
    for n in range(4):
        people.visit(people.anna, letter(f"{n}", expires=NOW_MS + HOUR))
    people.clara.now = NOW_MS + 2 * HOUR
    people.visit(people.clara)
    assert max(len(value) for _, value in people.clara.items("")) <= 2 * 22
    people.grow_old(people.clara, weeks=4)
    assert len(people.crates()) == 2
    people.grow_old(people.clara, weeks=8)
    assert people.crates() == []


def crowd(people, count):
    """A letter for *count* readers, each of whom has left a slip."""
    readers = [
        MemoryContext(people.path / f"reader{n}", keys=[b"reader %d" % n], seed=n, now=NOW_MS) for n in range(count)
    ]
    each = [letter("all", b"reader %d" % n).recipients[0] for n in range(count)]
    absent = letter("another", CLARA).recipients
    people.visit(people.anna, replace(letter("all"), recipients=(*each, *absent)))
    for reader in readers:
        people.visit(reader)
    return readers


def test_many_slips_for_one_crate_become_one(people, monkeypatch):
    monkeypatch.setattr("paquebot_drop.sweeping.SLIPS_MAX", 3)
    people.visit(people.anna, *(letter(f"{n}", b"reader %d" % n) for n in range(6)), letter("last", CLARA))
    for n in range(6):
        people.visit(MemoryContext(people.path / f"{n}", keys=[b"reader %d" % n], seed=10 + n, now=NOW_MS))
    assert len(people.slips()) <= 3
    shown = {each.token for each in people.visit(people.anna)[1]}
    assert shown == {token_of(f"{n}") for n in range(6)}


def test_slips_that_say_more_than_any_crate_holds_are_not_merged(people, monkeypatch):
    """Else a few giants of a stranger would fill our memory."""
    monkeypatch.setattr("paquebot_drop.sweeping.SLIPS_MAX", 2)
    monkeypatch.setattr("paquebot_drop.sweeping.TOKENS_MAX", 3)
    people.visit(people.anna, letter("one", CLARA))
    (named,) = people.crates()
    (people.stick / "PAQUEBOT/A").mkdir()
    read, parse = [], sweeping.parse_slip
    monkeypatch.setattr(sweeping, "parse_slip", lambda data: read.append(data) or parse(data))
    for n in range(5):
        told = tuple((bytes([n, each]) * 8, bytes(16)) for each in range(2))
        slip = tokens.Slip(named.stem, 2**32 - 1, told)
        (people.stick / f"PAQUEBOT/A/{'ABCDE'[n] * 26}.ACK").write_bytes(tokens.pack_slip(slip))
    people.visit(people.boris)
    assert len(people.slips()) == 5
    assert len(read) == 2


def test_slips_are_merged_only_if_all_could_be_read_again(people, monkeypatch):
    monkeypatch.setattr("paquebot_drop.sweeping.SLIPS_MAX", 1)
    people.visit(people.anna, letter("one"), letter("two", CLARA), letter("three", b"dora"))
    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "parse_slip", lambda data: None)
        people.visit(people.boris)
        people.visit(people.clara)
        people.visit(people.boris)
        assert len(people.slips()) == 2
    people.visit(people.boris)
    assert len(people.slips()) == 1
    (slip,) = people.slips()
    assert len(tokens.parse_slip(slip.read_bytes()).tokens) == 2


def test_a_begun_crate_that_is_whole_is_not_deleted_by_who_began_it(people):
    """Another may have found it whole, and given up the old one for it."""
    half_dead(people)
    (after,) = people.crates()
    volume = (people.stick / "PAQUEBOT/FORMAT.TXT").read_text().splitlines()[1]
    people.boris.state[f"{volume}/w/{after.stem}"] = bytes(12)
    people.visit(people.boris)
    assert people.crates() == [after]
    assert not [key for key in people.boris.state if "/w/" in key]
    assert texts(people.visit(people.clara)[1]) == ["for clara"]
