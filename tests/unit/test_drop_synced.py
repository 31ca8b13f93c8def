"""A folder that others sync: files come in pieces, late, twice and under other names; nothing of that is damage."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace

import pytest
from tests.unit.test_drop_sweep import BIG, WEEK, lost, records
from tests.unit.test_drop_visits import BORIS, CLARA, HOUR, People, letter, texts

from paquebot.testing.contract import token_of
from paquebot.transport import Arrival, ConfigError, Finding, Stage, TokenShown
from paquebot_drop import DropSettings, DropTransport, folder, mounts

DAY = 24 * HOUR


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


@pytest.fixture
def synced(people):
    (people.stick / ".stfolder").mkdir()
    return people


def findings(found):
    return [each for each in found if isinstance(each, Finding)]


COPIES = [
    "{stem}.sync-conflict-20261120-120000-ABCDEFG.PQB",
    "{stem} (conflicted copy 2026-11-20 120000).PQB",
    "{stem} (Clara's conflicted copy 2026-11-20).PQB",
    "{stem}_conflict-20261120-120000.PQB",
    "{stem} (Case Conflict).PQB",
    "{stem} - Kopie.PQB",
    "{stem} (1).PQB",
    "{stem}.PQB.orig",
    "{stem}~1.PQB",
    "Copy of {stem}.PQB",
    "FSCK0000.REC",
    "FILE0001.CHK",
]


@pytest.mark.parametrize("called", COPIES)
def test_a_copy_of_a_crate_is_read_once_and_goes_and_the_crate_stays(synced, called):
    synced.visit(synced.anna, letter("one"))
    (crate,) = synced.crates()
    shutil.copy(crate, crate.with_name(called.format(stem=crate.stem)))
    found = synced.visit(synced.boris, take=False)[1]
    assert texts(found) == ["one"]
    assert findings(found) == []
    assert [each.name for each in crate.parent.iterdir()] == [crate.name]
    assert lost(synced.visit(synced.anna)[1]) == []


@pytest.mark.parametrize("called", COPIES)
def test_the_copy_is_as_good_as_the_crate_if_that_is_gone(synced, called):
    synced.visit(synced.anna, letter("one"))
    (crate,) = synced.crates()
    crate.rename(crate.with_name(called.format(stem=crate.stem)))
    assert lost(synced.visit(synced.anna)[1]) == []
    assert texts(synced.visit(synced.boris)[1]) == ["one"]
    assert synced.visit(synced.anna)[1] == [TokenShown(token_of("one"))]
    assert [each for each in synced.files() if each.parent.name != ".stfolder"] == []


@pytest.mark.parametrize(
    "called", ["{stem}.sync-conflict-20261120-120000-ABCDEFG.ACK", "{stem} (conflicted copy 2026-11-20).ACK"]
)
def test_a_copy_of_a_slip_says_nothing_more_and_goes(synced, called):
    synced.visit(synced.anna, letter("one"), letter("two", CLARA))
    synced.visit(synced.boris)
    (slip,) = synced.slips()
    shutil.copy(slip, slip.with_name(called.format(stem=slip.stem)))
    assert synced.visit(synced.anna)[1] == [TokenShown(token_of("one"))]
    assert synced.slips() == [slip]


DRAFTS = [
    ".syncthing.{name}.tmp",
    "~syncthing~{name}.tmp",
    ".{name}.part",
    "{name}.part",
    "{name}.partial",
    "{name}.tmp",
    "{name}.crdownload",
    "{name}.!sync",
    ".{name}.swp",
    ".goutputstream-ABC123",
    "._{name}",
    ".nfs000000001",
    ".fuse_hidden0001",
    ".~{name}",
]


@pytest.mark.parametrize("called", DRAFTS)
def test_what_is_on_its_way_to_become_a_crate_is_neither_damage_nor_foreign_nor_touched(people, called):
    people.visit(people.anna, letter("one"), letter("two"))
    (crate,) = people.crates()
    draft = crate.with_name(called.format(name=crate.name))
    draft.write_bytes(crate.read_bytes()[:150])
    found = people.visit(people.boris, take=False)[1]
    assert texts(found) == ["one", "two"]
    assert findings(found) == []
    people.grow_old(people.clara, weeks=2)
    assert draft.stat().st_size == 150


@pytest.mark.parametrize("called", ["{name}.part", "{name}.tmp", "~{name}"])
def test_a_draft_that_is_whole_after_all_is_read(people, called):
    """Whoever wrote it died before it could be renamed."""
    people.visit(people.anna, letter("one"))
    (crate,) = people.crates()
    crate.rename(crate.with_name(called.format(name=crate.name)))
    assert texts(people.visit(people.boris)[1]) == ["one"]


@pytest.mark.parametrize(
    "called",
    [
        "C/Thumbs.db",
        "desktop.ini",
        ".DS_Store",
        ".nextcloudsync.log",
        "FORMAT.sync-conflict-20261120-120000-A.TXT",
        "README (1).TXT",
        "A/Icon\r",
    ],
)
def test_what_systems_leave_everywhere_is_not_worth_a_word(people, called):
    people.visit(people.anna, letter("one", CLARA))
    people.visit(people.clara, letter("two", BORIS))
    (people.stick / "PAQUEBOT/A").mkdir(exist_ok=True)
    (people.stick / "PAQUEBOT" / called).write_bytes(b"paquebot drop 1\nABCDEFGHIJKLMNOP\n")
    assert findings(people.visit(people.boris)[1]) == []
    assert (people.stick / "PAQUEBOT" / called).exists()


def test_a_crate_that_is_incomplete_in_a_synced_folder_is_damage_only_when_it_stays_so(synced):
    synced.visit(synced.anna, letter("one"), letter("two"))
    (crate,) = synced.crates()
    data = crate.read_bytes()
    crate.write_bytes(data[:90])
    found = synced.visit(synced.boris, take=False)[1]
    assert (texts(found), findings(found)) == (["one"], [])
    synced.boris.now += 23 * HOUR
    assert findings(synced.visit(synced.boris, take=False)[1]) == []
    assert synced.slips() == []
    synced.boris.now += HOUR
    assert [each.damage for each in findings(synced.visit(synced.boris, take=False)[1])] == [True]
    assert len(synced.slips()) == 1
    assert findings(synced.visit(synced.boris, take=False)[1]) == []


def test_as_long_as_it_grows_it_is_not_called_damaged(synced):
    synced.visit(synced.anna, letter("one"), letter("two"))
    (crate,) = synced.crates()
    data = crate.read_bytes()
    for size in range(20, len(data), 20):
        crate.write_bytes(data[:size])
        assert findings(synced.visit(synced.boris, take=False)[1]) == []
        synced.boris.now += 23 * HOUR
    crate.write_bytes(data)
    found = synced.visit(synced.boris)[1]
    assert (texts(found), findings(found)) == (["one", "two"], [])


def test_a_rotten_record_in_a_synced_folder_is_damage_only_when_it_stays_so(synced):
    """A syncer that writes in place may have the end of a file before its middle."""
    synced.visit(synced.anna, letter("one"), letter("two"))
    (crate,) = synced.crates()
    data = crate.read_bytes()
    crate.write_bytes(data.replace(b"one", b"\0\0\0"))
    found = synced.visit(synced.boris, take=False)[1]
    assert (texts(found), findings(found)) == (["two"], [])
    crate.write_bytes(data)
    assert texts(synced.visit(synced.boris, take=False)[1]) == ["one", "two"]
    crate.write_bytes(data.replace(b"one", b"\0\0\0"))
    synced.visit(synced.boris, take=False)
    synced.boris.now += DAY
    assert len(findings(synced.visit(synced.boris, take=False)[1])) == 1


def test_a_file_that_changes_while_we_look_is_not_called_damaged_anywhere(people, monkeypatch):
    people.visit(people.anna, letter("one"), letter("two"))
    (crate,) = people.crates()
    data = crate.read_bytes()
    crate.write_bytes(data[:90])

    async def run():
        async with DropTransport(DropSettings(str(people.stick)), people.boris) as drop:
            found = []
            async for news in drop.collect():
                found.append(news)
                crate.write_bytes(data)
            return found

    assert [type(each) for each in asyncio.run(run())] == [Arrival]
    assert people.slips() == []
    assert texts(people.visit(people.boris)[1]) == ["one", "two"]


def test_a_crate_of_ours_that_is_missing_in_a_synced_folder_may_still_come(synced):
    """Somebody has written it anew, and the syncer brought the deletion before the new one."""
    synced.visit(synced.anna, letter("one"))
    (crate,) = synced.crates()
    data = crate.read_bytes()
    crate.unlink()
    assert lost(synced.visit(synced.anna)[1]) == []
    synced.anna.now += 23 * HOUR
    crate.with_name("anew.PQB").write_bytes(data)
    assert lost(synced.visit(synced.anna)[1]) == []
    crate.with_name("anew.PQB").unlink()
    assert lost(synced.visit(synced.anna)[1]) == []
    synced.anna.now += DAY
    assert [each.id for each in lost(synced.visit(synced.anna)[1])] == [letter("one").id]
    assert synced.visit(synced.anna)[1] == []


def test_where_each_byte_goes_over_a_wire_more_must_be_dead_before_it_is_written_anew(synced):
    synced.visit(synced.anna, letter(BIG), letter("x" * 100_000, CLARA))
    (before,) = synced.crates()
    synced.visit(synced.boris)
    assert synced.crates() == [before]
    synced.visit(synced.anna, letter("y" + BIG), letter("for clara", CLARA))
    synced.visit(synced.boris)
    assert ["for clara"] in [records(each) for each in synced.crates()]


def test_two_replicas_swept_apart_and_synced_later_keep_what_is_needed(people):
    """Each of two machines sweeps its own copy; then each gets the other's files and deletions."""
    people.visit(people.anna, letter(BIG), letter("for clara", CLARA))
    people.visit(people.boris, take=False)
    people.dora = type(people.boris)(people.path / "dora", keys=[BORIS], seed=9, now=people.boris.now)
    other = people.path / "other"
    shutil.copytree(people.stick, other, copy_function=shutil.copy2)
    (old,) = people.crates()
    here, there = people.stick, other
    people.visit(people.boris)
    people.stick = there
    people.visit(people.dora)
    new = {each.relative_to(there): each.read_bytes() for each in there.rglob("*.PQB")}
    people.stick = here
    for name, data in new.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data)
    assert not old.exists()
    assert len(people.crates()) == 2
    assert lost(people.visit(people.anna)[1]) == []
    assert len(people.crates()) == 1
    assert texts(people.visit(people.clara)[1]) == ["for clara"]


def open_with(people, **options):
    async def run():
        async with DropTransport(DropSettings(str(people.stick), **options), people.anna) as drop:
            return drop.capability.bytes_max

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("marker", "depth"),
    [(name, n) for n, name in enumerate([*mounts._MARKERS, ".sync_0123456789ab.db", "._sync_0123456789ab.db"])],
)
def test_a_synced_folder_is_known_by_what_its_syncer_leaves_there_or_above(tmp_path, marker, depth):
    people = People(tmp_path.joinpath(*"abcdefghijk"[:depth]))
    assert open_with(people) == 16 << 20
    (tmp_path / marker).touch()
    assert open_with(people) == (4 << 20) - 4096


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "fuse.rclone"])
def test_a_folder_on_another_machine_is_known_by_its_file_system(people, monkeypatch, kind):
    table = mounts.table()
    monkeypatch.setattr(mounts, "table", lambda: [replace(mount, kind=kind) for mount in table])
    assert open_with(people) == (4 << 20) - 4096


def test_a_person_knows_better_what_is_synced(synced):
    assert open_with(synced, synced=False) == 16 << 20
    assert open_with(synced, crate_bytes_max=1 << 20) == (1 << 20) - 4096
    shutil.rmtree(synced.stick / ".stfolder")
    assert open_with(synced, synced=True) == (4 << 20) - 4096


def test_it_must_be_said_where(people):
    for wrong in ({}, {"path": "/a", "volume": "B"}):
        with pytest.raises(ConfigError, match="say where"):
            DropSettings(**wrong)


def test_a_read_only_medium_is_said_to_be_one_and_once(people, monkeypatch):
    people.visit(people.anna, letter("one"))
    before = people.snapshot()
    monkeypatch.setattr(folder.Folder, "writable", False)
    found = people.visit_read_only(people.boris)
    assert texts(found) == ["one"]
    assert [(each.damage, "cannot be written" in each.reason) for each in findings(found)] == [(False, True)]
    assert people.visit_read_only(people.boris) == []
    people.boris.now += 10 * WEEK
    assert people.visit_read_only(people.boris) == []
    assert people.snapshot() == before


def test_names_in_small_letters_as_a_disc_may_have_them(people):
    people.visit(people.anna, letter("one"))
    small = people.path / "disc"
    for each in people.stick.rglob("*"):
        target = small / str(each.relative_to(people.stick)).lower()
        target.parent.mkdir(parents=True, exist_ok=True)
        if each.is_file():
            target.write_bytes(each.read_bytes())
    people.stick = small
    assert lost(people.visit(people.anna)[1]) == []
    assert texts(people.visit(people.boris)[1]) == ["one"]
    assert [each.name for each in small.iterdir()] == ["paquebot"]
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]
    sent, _ = people.visit(people.anna, letter("two"))
    assert [each.stage for each in sent] == [Stage.ON_MEDIUM]
    assert [each.name for each in small.iterdir()] == ["paquebot"]
    assert texts(people.visit(people.boris)[1]) == ["two"]
