"""What people see who carry a stick between machines: several visits, one after the other."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from dataclasses import replace

import pytest

from paquebot.testing import MemoryContext
from paquebot.testing.contract import EXPIRES_MS, NOW_MS, outgoing, token_of
from paquebot.transport import (
    Acknowledgement,
    Arrival,
    Finding,
    Handover,
    ParcelTooLarge,
    Permanent,
    Recipient,
    Stage,
    TokenShown,
    Transient,
    Verdict,
    token_hash,
)
from paquebot_drop import DropSettings, DropTransport, folder, loading

ANNA, BORIS, CLARA = b"anna's key", b"boris's key", b"clara's key"
HOUR = 3_600_000


class People:
    """A stick and the people who plug it in."""

    def __init__(self, path):
        self.path = path
        self.stick = path / "stick"
        self.stick.mkdir(parents=True)
        self.anna = MemoryContext(path / "anna", keys=[ANNA], seed=1, now=NOW_MS)
        self.boris = MemoryContext(path / "boris", keys=[BORIS], seed=2, now=NOW_MS)
        self.clara = MemoryContext(path / "clara", keys=[CLARA], seed=3, now=NOW_MS)
        self.names = {}

    def visit(self, who, *letters, take=True, verdict=Verdict.TAKEN, crate=None):
        """Plug in, collect, take what is ours, send, unplug; return (news of sending, all that was collected)."""

        async def run():
            async with DropTransport(DropSettings(str(self.stick), "blue stick", crate), who) as drop:
                found = [news async for news in drop.collect()]
                if take:
                    mine = [each for each in found if isinstance(each, Arrival) and each.recognised]
                    await drop.acknowledge(
                        [Acknowledgement(each.key, verdict, token_of(each.parcel.decode())) for each in mine]
                    )
                return [news async for news in drop.send(letters)], found

        return asyncio.run(run())

    def grow_old(self, who, weeks):
        """Let so many weeks pass, with a visit in each, in which nothing is taken."""
        self.visit(who, take=False)
        for _ in range(weeks):
            who.now += 7 * 24 * HOUR
            self.visit(who, take=False)

    def crates(self):
        return sorted(self.stick.glob("PAQUEBOT/C/*/*.PQB"))

    def slips(self):
        return sorted(self.stick.glob("PAQUEBOT/A/*.ACK"))

    def files(self):
        return [each for each in self.stick.rglob("*") if each.is_file() and each.suffix != ".TXT"]

    def snapshot(self):
        return {each: (each.lstat().st_mtime_ns, each.lstat().st_size) for each in self.stick.rglob("*")}


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def letter(text, *keys, expires=EXPIRES_MS):
    """A letter for those who know *keys*, with one token for all."""
    made = outgoing(text, text.encode(), key=keys[0] if keys else BORIS)
    if len(keys) < 2 and expires == EXPIRES_MS:
        return made
    made_for = tuple(
        Recipient(outgoing(text, b"", key=key).recipients[0].tag, made.recipients[0].token_hash)
        for key in keys or (BORIS,)
    )
    return type(made)(made.id, made.size_max, made.body, made_for, expires, made.priority)


def shown(found):
    """The letters, of those the tests write, whose tokens are all that was found."""
    known = {TokenShown(token_of(text)): text for text in ("one", "two", "from anna", "from clara")}
    return sorted(known[each] for each in found)


def texts(found):
    return [each.parcel.decode() for each in found if isinstance(each, Arrival) and each.recognised]


def test_a_letter_goes_and_its_token_comes_back_and_nothing_is_left(people):
    sent, _ = people.visit(people.anna, letter("hello"))
    assert sent == [Handover(letter("hello").id, Stage.ON_MEDIUM, "blue stick")]
    assert texts(people.visit(people.boris)[1]) == ["hello"]
    assert people.crates() == []
    assert len(people.slips()) == 1
    assert people.visit(people.anna)[1] == [TokenShown(token_of("hello"))]
    assert people.files() == []
    assert people.visit(people.anna)[1] == people.visit(people.boris)[1] == []
    assert people.anna.state == people.boris.state == {}


def test_an_arrival_says_where_it_lay(people):
    people.visit(people.anna, letter("one"), letter("two"))
    (crate,) = people.crates()
    found = people.visit(people.boris)[1]
    assert [each.where for each in found] == [f"PAQUEBOT/C/{crate.stem[0]}/{crate.name} record {n}" for n in (1, 2)]


def test_a_crate_stays_until_every_recipient_has_shown_its_token(people):
    for_two = letter("to both", BORIS, CLARA)
    tokens = {BORIS: token_of("to both"), CLARA: b"clara's token 16"}
    for_two = type(for_two)(
        for_two.id,
        for_two.size_max,
        for_two.body,
        tuple(
            Recipient(each.tag, token_hash(token))
            for each, token in zip(for_two.recipients, tokens.values(), strict=True)
        ),
        EXPIRES_MS,
    )
    people.visit(people.anna, for_two)
    people.visit(people.boris)
    assert len(people.crates()) == 1
    assert people.visit(people.anna)[1] == [TokenShown(tokens[BORIS])]
    assert len(people.slips()) == 1

    async def clara():
        async with DropTransport(DropSettings(str(people.stick)), people.clara) as drop:
            token, arrival = [each async for each in drop.collect()]
            assert token == TokenShown(tokens[BORIS])
            await drop.acknowledge([Acknowledgement(arrival.key, Verdict.TAKEN, tokens[CLARA])])

    asyncio.run(clara())
    assert people.crates() == []
    shown = people.visit(people.anna)[1]
    assert sorted(each.token for each in shown) == sorted(tokens.values())
    assert people.files() == []


def test_keys_come_before_letters_and_letters_before_bulk(people):
    batch = [outgoing(str(n), str(n).encode(), key=BORIS, priority=n) for n in (2, 1, 0)]
    people.visit(people.anna, *batch)
    assert texts(people.visit(people.boris)[1]) == ["0", "1", "2"]


def test_what_nobody_tagged_for_us_comes_last_and_is_not_recognised(people):
    people.visit(people.anna, letter("for clara", CLARA), letter("for boris"))
    found = people.visit(people.boris)[1]
    assert [(each.parcel, each.recognised) for each in found] == [(b"for boris", True), (b"for clara", False)]


def test_an_absent_stick_is_said_plainly(people):
    shutil.rmtree(people.stick)
    with pytest.raises(Transient, match="no stick or folder is there"):
        people.visit(people.anna)
    people.stick.write_text("a file")
    with pytest.raises(Transient, match="it is a file; name the folder"):
        people.visit(people.anna)


def test_nothing_is_made_on_a_stick_when_there_is_nothing_to_say(people):
    people.visit(people.anna)
    assert list(people.stick.iterdir()) == []
    assert people.anna.state == {}


def test_the_stick_explains_itself(people):
    people.visit(people.anna, letter("hello"))
    assert "found somebody's post" in (people.stick / "PAQUEBOT/README.TXT").read_text()
    lines = (people.stick / "PAQUEBOT/FORMAT.TXT").read_text().splitlines()
    assert lines[0] == "paquebot drop 1"
    assert len(lines[1]) == 16


def test_a_medium_keeps_its_name(people):
    async def names():
        async with DropTransport(DropSettings(str(people.stick)), people.anna) as drop:
            before = drop.capability.medium
            async for _ in drop.send([letter("hello")]):
                pass
            return before, drop.capability.medium

    before, after = asyncio.run(names())
    volume = (people.stick / "PAQUEBOT/FORMAT.TXT").read_text().splitlines()[1]
    assert before == after == f"drop:{volume}"


def test_a_newer_format_is_left_alone(people):
    (people.stick / "PAQUEBOT").mkdir()
    (people.stick / "PAQUEBOT/FORMAT.TXT").write_text("paquebot drop 2\nwhatever\n")
    before = people.snapshot()
    with pytest.raises(Permanent, match="newer"):
        people.visit(people.anna, letter("hello"))
    assert people.snapshot() == before


def test_a_torn_name_is_written_anew(people):
    (people.stick / "PAQUEBOT").mkdir()
    (people.stick / "PAQUEBOT/FORMAT.TXT").write_bytes(b"")
    people.visit(people.anna, letter("hello"))
    assert texts(people.visit(people.boris)[1]) == ["hello"]
    assert people.visit(people.anna)[1] == [TokenShown(token_of("hello"))]


def test_a_nameless_medium_is_remembered_until_it_has_a_name(people, monkeypatch):
    people.visit(people.anna, letter("hello"))
    (people.stick / "PAQUEBOT/FORMAT.TXT").unlink()
    monkeypatch.setattr(folder.Folder, "writable", False)
    assert texts(people.visit(people.boris, verdict=Verdict.REFUSED)[1]) == ["hello"]
    assert texts(people.visit(people.boris)[1]) == []


def test_lost_crates_are_sent_again_and_told_once(people):
    people.visit(people.anna, letter("one"), letter("two"))
    people.crates()[0].unlink()
    lost = people.visit(people.anna)[1]
    assert lost == [Handover(letter(text).id, Stage.LOST, "blue stick") for text in ("one", "two")]
    assert people.visit(people.anna)[1] == []
    assert people.anna.state == {}


def test_nothing_is_declared_lost_that_was_not_looked_for_everywhere(people, monkeypatch):
    people.visit(people.anna, letter("one"))
    people.visit(people.clara, letter("two"))
    own = next(crate for crate in people.crates() if b"one" in crate.read_bytes())
    own.rename(people.path / "away.PQB")
    with monkeypatch.context() as patch:
        patch.setattr(folder, "FILES_MAX", 1)
        assert not [each for each in people.visit(people.anna)[1] if isinstance(each, Handover)]
    (people.path / "away.PQB").rename(own)
    assert sorted(texts(people.visit(people.boris)[1])) == ["one", "two"]
    assert shown(people.visit(people.anna)[1]) == ["one", "two"]


def test_a_loss_is_told_again_if_the_visit_failed(people):
    people.visit(people.anna, letter("one"))
    people.crates()[0].unlink()

    async def fail():
        async with DropTransport(DropSettings(str(people.stick)), people.anna) as drop:
            async for _ in drop.collect():
                pass
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(fail())
    assert [each.stage for each in people.visit(people.anna)[1]] == [Stage.LOST]


def test_slips_stay_if_the_visit_failed(people):
    people.visit(people.anna, letter("one"))
    people.visit(people.boris)

    async def fail():
        async with DropTransport(DropSettings(str(people.stick)), people.anna) as drop:
            async for _ in drop.collect():
                pass
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(fail())
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]


def test_slips_stay_if_not_all_was_collected(people):
    people.visit(people.anna, letter("one"))
    people.visit(people.anna, letter("two"))
    people.visit(people.boris)

    async def half():
        async with DropTransport(DropSettings(str(people.stick)), people.anna) as drop:
            news = drop.collect()
            await anext(news)
            await news.aclose()

    asyncio.run(half())
    shown = people.visit(people.anna)[1]
    assert sorted(each.token for each in shown) == sorted(map(token_of, ("one", "two")))
    assert people.files() == []


def test_another_stick_does_not_mean_that_this_one_is_lost(people):
    people.visit(people.anna, letter("one"))
    before = dict(people.anna.state)
    people.stick.rename(people.path / "away")
    people.stick.mkdir()
    assert people.visit(people.anna, letter("two"))[1] == []
    assert people.visit(people.anna)[1] == []
    assert before.items() <= people.anna.state.items()


def test_a_wiped_stick_gets_another_name(people):
    people.visit(people.anna, letter("one"))
    shutil.rmtree(people.stick / "PAQUEBOT")
    assert people.visit(people.anna)[1] == []


def test_a_renamed_crate_is_not_lost_and_is_read(people):
    people.visit(people.anna, letter("one"))
    (crate,) = people.crates()
    crate.rename(people.stick / "FILE0001.CHK")
    assert people.visit(people.anna)[1] == []
    assert texts(people.visit(people.boris)[1]) == ["one"]
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]
    assert people.files() == []
    assert people.anna.state == people.boris.state == {}


def test_a_recovered_crate_may_be_padded(people):
    people.visit(people.anna, letter("one"))
    (crate,) = people.crates()
    (people.stick / "PAQUEBOT/foo (1)").write_bytes(crate.read_bytes() + bytes(4096 - crate.stat().st_size))
    crate.unlink()
    found = people.visit(people.boris)[1]
    assert texts(found) == ["one"]
    assert len(found) == 1


def test_copies_of_a_crate_are_read_once(people):
    people.visit(people.anna, letter("one"))
    (crate,) = people.crates()
    shutil.copy(crate, crate.with_name(f"{crate.stem}.sync-conflict-20261120-120000-ABCDEFG.PQB"))
    assert people.visit(people.anna)[1] == []
    assert texts(people.visit(people.boris, take=False)[1]) == ["one"]
    assert texts(people.visit(people.boris)[1]) == ["one"]
    assert people.crates() == []
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]
    assert people.files() == []


def test_a_half_synced_file_is_ignored(people):
    people.visit(people.anna, letter("one"))
    (crate,) = people.crates()
    (crate.parent / f".syncthing.{crate.name}.tmp").write_bytes(crate.read_bytes()[:50])
    assert len(people.visit(people.boris)[1]) == 1


@pytest.mark.parametrize("cut", [0, 3, 40, 70, 100])
def test_a_torn_crate_is_told_once_and_its_whole_records_are_read(people, cut):
    people.visit(people.anna, letter("one"), letter("two"))
    (crate,) = people.crates()
    data = crate.read_bytes()
    crate.write_bytes(data[:cut])
    found = people.visit(people.boris)[1]
    (finding,) = [each for each in found if isinstance(each, Finding)]
    assert finding.damage
    assert finding.data == data[:cut]
    assert crate.stem in finding.reason
    assert texts(found) == (["one"] if cut >= 61 else [])
    assert crate.exists()
    assert len(people.slips()) == 1
    before = people.snapshot()
    assert people.visit(people.boris)[1] == []
    assert people.snapshot() == before
    lost = [each for each in people.visit(people.anna)[1] if isinstance(each, Handover)]
    assert [each.id for each in lost] == [letter(text).id for text in (("two",) if cut >= 61 else ("one", "two"))]
    assert people.files() == []
    assert people.visit(people.anna)[1] == []


def test_rot_inside_a_body_is_found_by_the_reader_and_believed_by_the_writer(people):
    people.visit(people.anna, letter("one"), letter("two"))
    (crate,) = people.crates()
    data = bytearray(crate.read_bytes())
    data[data.index(b"one")] ^= 1
    times = crate.stat()
    crate.write_bytes(data)
    os.utime(crate, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert people.visit(people.anna)[1] == []
    found = people.visit(people.boris)[1]
    assert texts(found) == ["two"]
    assert [each.damage for each in found if isinstance(each, Finding)] == [True]
    assert [type(each) for each in people.visit(people.boris)[1]] == []
    news = people.visit(people.anna)[1]
    assert news == [TokenShown(token_of("two")), Handover(letter("one").id, Stage.LOST, "blue stick")]
    assert people.files() == []


def test_a_crate_that_is_well_after_all_is_checked_once(people, monkeypatch):
    people.visit(people.anna, letter("one"))
    (crate,) = people.crates()
    os.utime(crate, (1, 1))
    assert people.visit(people.anna)[1] == []
    changes = people.anna.changes
    assert people.visit(people.anna)[1] == []
    assert people.anna.changes == changes
    assert texts(people.visit(people.boris)[1]) == ["one"]


def test_a_torn_slip_is_written_again(people):
    people.visit(people.anna, letter("one", BORIS, CLARA), letter("two", CLARA))
    people.visit(people.boris)
    (slip,) = people.slips()
    slip.write_bytes(slip.read_bytes()[:-1])
    assert people.visit(people.anna)[1] == []
    people.visit(people.boris)
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]
    before = people.snapshot()
    people.visit(people.boris)
    assert people.snapshot() == before


def test_a_forged_token_deletes_nothing(people):
    people.visit(people.anna, letter("one"))
    people.clara.keys = [BORIS]

    async def forge():
        async with DropTransport(DropSettings(str(people.stick)), people.clara) as drop:
            (arrival,) = [each async for each in drop.collect()]
            await drop.acknowledge([Acknowledgement(arrival.key, Verdict.TAKEN, b"a guess of token")])

    asyncio.run(forge())
    assert len(people.crates()) == 1
    assert people.visit(people.anna)[1] == []
    assert texts(people.visit(people.boris)[1]) == ["one"]


def test_what_has_expired_is_cleared_by_anybody_but_not_under_its_readers_eyes(people):
    people.visit(people.anna, letter("old", BORIS, expires=NOW_MS + 2 * HOUR))
    people.boris.now = people.clara.now = NOW_MS + 4 * HOUR
    assert texts(people.visit(people.boris, take=False)[1]) == ["old"]
    people.grow_old(people.clara, weeks=3)
    assert len(people.crates()) == 1
    people.grow_old(people.boris, weeks=5)
    assert len(people.crates()) == 1
    people.grow_old(people.clara, weeks=1)
    assert people.crates() == []
    people.anna.now = NOW_MS + 4 * HOUR
    assert people.visit(people.anna)[1] == []
    assert people.anna.state == {}


def test_expired_slips_are_cleared_by_anybody(people):
    people.visit(people.anna, letter("old", BORIS, expires=NOW_MS + 2 * HOUR))
    people.visit(people.boris)
    people.clara.now = NOW_MS + 4 * HOUR
    people.grow_old(people.clara, weeks=3)
    assert len(people.slips()) == 1
    people.grow_old(people.clara, weeks=1)
    assert people.files() == []


def test_a_read_only_medium_is_read_and_its_tokens_are_shown_later(people, monkeypatch):
    people.visit(people.anna, letter("one"))
    before = people.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(folder.Folder, "writable", False)
        assert texts(people.visit_read_only(people.boris)) == ["one"]
        assert texts(people.visit_read_only(people.boris)) == []
    assert people.snapshot() == before
    people.visit(people.boris)
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]


def _visit_read_only(self, who):
    async def run():
        async with DropTransport(DropSettings(str(self.stick)), who) as drop:
            assert not drop.capability.writable
            assert not drop.capability.shows_tokens
            found = [news async for news in drop.collect()]
            await drop.acknowledge(
                [
                    Acknowledgement(each.key, Verdict.TAKEN, token_of(each.parcel.decode()))
                    for each in found
                    if isinstance(each, Arrival)
                ]
            )
            with pytest.raises(Transient, match="read-only"):
                async for _ in drop.send([letter("two")]):
                    pass
            return found

    return asyncio.run(run())


People.visit_read_only = _visit_read_only


def test_a_full_stick_takes_what_still_fits(people, monkeypatch):
    monkeypatch.setattr(folder.Folder, "free", (1 << 20) + 2000)
    sent, _ = people.visit(people.anna, letter("x" * 5000), letter("small"))
    assert [each.stage for each in sent] == [Stage.FAILED, Stage.ON_MEDIUM]
    assert isinstance(sent[0].error, Transient)
    assert "full" in str(sent[0].error)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_write_that_fails_leaves_no_torn_crate(people, monkeypatch, number):
    def fail(*_):
        raise OSError(number, "no")

    people.visit(people.anna, letter("before"))
    with monkeypatch.context() as patch:
        patch.setattr(loading, "write_all", fail)
        sent, _ = people.visit(people.anna, letter("one"), letter("two"))
    assert [each.stage for each in sent] == [Stage.FAILED, Stage.FAILED]
    assert len(people.crates()) == 1
    assert texts(people.visit(people.boris)[1]) == ["before"]


def test_a_full_stick_is_cleared_but_not_of_what_could_not_be_acknowledged(people, monkeypatch):
    people.visit(people.anna, letter("for boris"))
    people.visit(people.clara, letter("old", expires=NOW_MS + HOUR))
    people.boris.now = NOW_MS + 2 * HOUR
    people.grow_old(people.boris, weeks=4)

    def fail(*_):
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patch:
        patch.setattr(folder.Folder, "write", fail)
        assert sorted(texts(people.visit(people.boris)[1])) == ["for boris", "old"]
    assert len(people.crates()) == 1
    people.visit(people.boris)
    assert people.visit(people.anna)[1] == [TokenShown(token_of("for boris"))]
    assert people.crates() == []


def test_a_dying_stick_is_said_to_be_gone(people, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(loading, "sync", fail)
    with pytest.raises(Transient, match="cannot be written"):
        people.visit(people.anna, letter("one"))
    assert people.crates() == []


def test_a_stick_that_lies_is_caught_by_reading_back(people, monkeypatch):
    def lie(fd, data):
        os.write(fd, data.replace(b"one", b"0ne"))

    monkeypatch.setattr(loading, "write_all", lie)
    sent, _ = people.visit(people.anna, letter("one"), letter("two"))
    assert [each.stage for each in sent] == [Stage.FAILED, Stage.FAILED]
    assert people.crates() == []
    assert not [key for key in people.anna.state if "/w/" in key]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTTY, errno.ENOTSUP, errno.EROFS])
def test_a_file_system_that_knows_no_fsync_is_fine(people, monkeypatch, number):
    def fail(fd):
        raise OSError(number, "no")

    monkeypatch.setattr(os, "fsync", fail)
    assert people.visit(people.anna, letter("one"))[0][0].stage is Stage.ON_MEDIUM


def test_small_crates_where_they_are_asked_for(people):
    batch = [letter(f"{n}" * 30_000) for n in range(6)]
    sent, _ = people.visit(people.anna, *batch, crate=65536)
    assert [each.id for each in sent] == [each.id for each in batch]
    assert len(people.crates()) == 3
    assert all(crate.stat().st_size <= 65536 for crate in people.crates())
    assert len(texts(people.visit(people.boris)[1])) == 6


def test_a_crate_holds_no_more_records_than_a_slip_can_speak_of(people, monkeypatch):
    monkeypatch.setattr(loading.crate, "TOKENS_MAX", 3)
    people.visit(people.anna, *(letter(f"{n}", BORIS, CLARA) for n in range(2)), *(letter(f"{n}") for n in "abc"))
    assert len(people.crates()) == 3
    assert len(texts(people.visit(people.boris)[1])) == 5


def test_a_torn_crate_that_was_never_handed_over_is_cleared_by_its_writer(people, monkeypatch):
    def die(self):
        raise KeyboardInterrupt

    people.visit(people.anna, letter("zero"))
    with monkeypatch.context() as patch:
        patch.setattr(loading.Crate, "seal", die)
        patch.setattr(loading.Crate, "abandon", lambda self: False)
        with pytest.raises(KeyboardInterrupt):
            people.visit(people.anna, letter("one"))
    assert len(people.crates()) == 2
    assert people.visit(people.anna)[1] == []
    assert len(people.crates()) == 1
    assert texts(people.visit(people.boris)[1]) == ["zero"]


def test_a_power_cut_before_the_unplugging_loses_no_acknowledgement(people):
    people.visit(people.anna, letter("one"))

    async def cut():
        drop = await DropTransport(DropSettings(str(people.stick)), people.boris).__aenter__()
        (arrival,) = [each async for each in drop.collect()]
        await drop.acknowledge([Acknowledgement(arrival.key, Verdict.TAKEN, token_of("one"))])
        drop._folder.close()

    asyncio.run(cut())
    assert people.visit(people.boris)[1] == []
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]


def test_a_power_cut_keeps_every_acknowledgement_given_before(people):
    people.visit(people.anna, *(letter(f"{n}") for n in range(3)))

    async def cut():
        drop = await DropTransport(DropSettings(str(people.stick)), people.boris).__aenter__()
        for arrival in [each async for each in drop.collect()][:2]:
            await drop.acknowledge([Acknowledgement(arrival.key, Verdict.TAKEN, None)])
        drop._folder.close()

    asyncio.run(cut())
    asyncio.run(cut())
    assert people.visit(people.boris)[1] == []


def test_what_was_taken_stays_taken(people):
    people.visit(people.anna, letter("one"))

    async def run():
        async with DropTransport(DropSettings(str(people.stick)), people.boris) as drop:
            (arrival,) = [each async for each in drop.collect()]
            await drop.acknowledge([Acknowledgement(arrival.key, Verdict.TAKEN, token_of("one"))])
            await drop.acknowledge([Acknowledgement(arrival.key, Verdict.NOT_OURS)])

    asyncio.run(run())
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]


def test_news_is_told_once_also_within_one_visit(people):
    people.visit(people.anna, letter("one"))
    people.crates()[0].unlink()
    (people.stick / "PAQUEBOT/notes.doc").write_text("mine")

    async def run():
        async with DropTransport(DropSettings(str(people.stick)), people.anna) as drop:
            return [[type(news) async for news in drop.collect()] for _ in range(2)]

    assert asyncio.run(run()) == [[Handover, Finding], []]


def test_a_body_larger_than_was_said_does_not_go(people):
    lying = replace(letter("x" * 70_000), size_max=10)
    sent, _ = people.visit(people.anna, lying, letter("one"), crate=65536)
    assert [(each.stage, type(each.error)) for each in sent] == [
        (Stage.FAILED, ParcelTooLarge),
        (Stage.ON_MEDIUM, type(None)),
    ]


def test_a_parcel_for_nobody_or_for_too_many_does_not_go(people):
    crowd = replace(letter("all"), recipients=letter("all").recipients * 65)
    sent, _ = people.visit(people.anna, crowd, replace(letter("none"), recipients=()))
    assert [(each.stage, type(each.error)) for each in sent] == [(Stage.FAILED, Permanent)] * 2


def test_no_more_bodies_are_made_for_a_dying_stick(people, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "no")

    async def never():
        raise AssertionError("made for nothing")

    monkeypatch.setattr(loading, "write_all", fail)
    large = letter("x" * (2 << 20))
    with pytest.raises(Transient, match="cannot be written"):
        people.visit(people.anna, large, replace(letter("one"), body=never))


def test_acknowledging_one_by_one_costs_one_small_value_each_and_is_packed_in_the_end(people):
    people.visit(people.anna, *(letter(f"{n}", BORIS, CLARA) for n in range(50)))

    async def run():
        async with DropTransport(DropSettings(str(people.stick)), people.boris) as drop:
            async for each in drop.collect():
                await drop.acknowledge([Acknowledgement(each.key, Verdict.REFUSED)])
            assert max(len(value) for _, value in people.boris.items("")) < 100

    asyncio.run(run())
    assert len(people.boris.state) == 1
    assert people.visit(people.boris)[1] == []


def test_two_visitors_at_once_do_not_disturb_each_other(people):
    async def both():
        settings = DropSettings(str(people.stick))
        async with DropTransport(settings, people.anna) as one, DropTransport(settings, people.clara) as two:
            first, second = one.send([letter("from anna")]), two.send([letter("from clara")])
            assert (await anext(first)).stage is (await anext(second)).stage is Stage.ON_MEDIUM
            await first.aclose()
            await second.aclose()

    asyncio.run(both())
    assert sorted(texts(people.visit(people.boris)[1])) == ["from anna", "from clara"]
    assert shown(people.visit(people.anna)[1]) == ["from anna", "from clara"]
    assert people.visit(people.clara)[1] == [TokenShown(token_of("from clara"))]
