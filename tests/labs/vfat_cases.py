"""What befalls sticks with FAT, tried on the kernel's own: one function for each case, all in one machine.

``python -m tests.labs.vfat_cases`` has two devices, /dev/ubda and /dev/ubdb, and prints ``CASE {…}`` for each.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_drop_sweep import BIG, lost, records
from tests.unit.test_drop_visits import CLARA, People, letter, texts

from paquebot.testing.contract import token_of
from paquebot.transport import Finding, Stage, TokenShown, Transient
from paquebot_drop import DropSettings, DropTransport, crate, mounts, visit

FIRST, SECOND = "/dev/ubda", "/dev/ubdb"
KIB = 8 << 10
SAFE = re.compile(r"[0-9A-Z]{1,26}(\.[0-9A-Z]{3})?")


class Stick(People):
    """People who have one stick with a FAT of its own, and may have another."""

    def __init__(self, path: Path, *options: str, kib: int = KIB) -> None:
        super().__init__(path)
        words = ["mkfs.vfat", *(options or ("-F", "16", "-s", "1")), FIRST, str(kib)]
        subprocess.run(words, check=True, capture_output=True)
        self.plug()

    def plug(self, options: str = "utf8", device: str = FIRST, place: Path | None = None) -> None:
        subprocess.run(["mount", "-t", "vfat", "-o", options, device, place or self.stick], check=True)

    def unplug(self, place: Path | None = None) -> None:
        subprocess.run(["umount", place or self.stick], check=True)

    def again(self, options: str = "utf8") -> None:
        """Pull the stick, properly, and plug it in somewhere else."""
        self.unplug()
        self.plug(options)

    def fill(self, leave: int) -> Path:
        """Leave so many bytes free."""
        space = os.statvfs(self.stick)
        file = self.stick / "holiday.mov"
        with file.open("wb") as stream:
            stream.write(bytes(max(0, space.f_bavail * space.f_frsize - leave)))
        os.sync()
        return file

    def bodies_read(self, who) -> int:
        """Visit; return how many bodies were read."""
        read, count = crate.read_body, []
        visit.read_body = lambda *arguments: count.append(1) or read(*arguments)
        try:
            self.visit(who)
        finally:
            visit.read_body = read
        return len(count)

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.stick], check=True)


def copy(source: str, target: str) -> None:
    with open(source, "rb") as one, open(target, "r+b") as two:
        two.write(one.read(KIB << 10))


def bytes_of_stick() -> bytes:
    with open(FIRST, "rb") as device:
        return device.read(KIB << 10)


def findings(found):
    return [each for each in found if isinstance(each, Finding)]


def case_a_letter_goes_and_its_token_comes_back_and_nothing_is_left(make):
    people = make()
    people.visit(people.anna, letter("one"))
    people.again()
    assert texts(people.visit(people.boris)[1]) == ["one"]
    people.again()
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]
    assert people.files() == []


def case_every_name_we_write_is_one_that_every_system_takes(make):
    people = make()
    people.visit(people.anna, letter("one"))
    people.visit(people.boris)
    names = [each.name for each in people.stick.rglob("*")]
    assert len(names) > 4
    assert all(SAFE.fullmatch(name) for name in names), names
    assert len({name.lower() for name in names if "." in name}) == len([name for name in names if "." in name])


def case_crates_and_folders_in_small_letters(make):
    """Some system has written them so; FAT takes both for the same."""
    people = make()
    people.visit(people.anna, letter("one"))
    (file,) = people.crates()
    file.rename(file.with_name("x.tmp"))
    file.with_name("x.tmp").rename(file.with_name(file.name.lower()))
    (people.stick / "PAQUEBOT").rename(people.stick / "away")
    (people.stick / "away").rename(people.stick / "paquebot")
    people.again()
    assert lost(people.visit(people.anna)[1]) == []
    assert texts(people.visit(people.boris)[1]) == ["one"]
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]
    assert [each.name for each in people.stick.iterdir()] == ["paquebot"]


def case_names_as_a_system_without_long_names_sees_them(make):
    people = make()
    people.visit(people.anna, letter("one"))
    people.unplug()
    people.plug("shortname=lower,nonumtail=0")
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_a_folder_with_a_dot_behind_it_is_the_same(make):
    people = make()
    (people.stick / "PAQUEBOT.").mkdir()
    people.visit(people.anna, letter("one"))
    people.again()
    assert texts(people.visit(people.boris)[1]) == ["one"]
    assert len(list(people.stick.iterdir())) == 1


def case_names_with_a_colon_cannot_be_and_need_not_be(make):
    people = make()
    with pytest.raises(OSError, match="Invalid argument"):
        (people.stick / "a:b").touch()
    people.visit(people.anna, letter("a:b?*<>|\\"))
    assert texts(people.visit(people.boris)[1]) == ["a:b?*<>|\\"]


def case_a_stick_that_becomes_full_keeps_what_was_safe_and_nothing_torn(make):
    people = make()
    people.visit(people.anna, letter("before"))
    people.fill(leave=3 << 20)
    sent, _ = people.visit(people.anna, *(letter(f"{n}" * 700_000) for n in range(5)))
    stages = [each.stage for each in sent]
    assert stages.count(Stage.ON_MEDIUM) == 2
    assert all("full" in str(each.error) for each in sent if each.stage is Stage.FAILED)
    people.again()
    found = people.visit(people.boris)[1]
    assert (len(texts(found)), findings(found)) == (3, [])


def case_a_stick_without_a_byte_left_is_read_and_shows_its_tokens_later(make):
    people = make()
    people.visit(people.anna, letter("one", CLARA), letter("two"))
    film = people.fill(leave=0)
    assert texts(people.visit(people.boris)[1]) == ["two"]
    assert [each.stage for each in people.visit(people.boris, letter("three"))[0]] == [Stage.FAILED]
    assert people.slips() == []
    film.unlink()
    people.again()
    people.visit(people.boris)
    assert people.visit(people.anna)[1] == [TokenShown(token_of("two"))]
    assert texts(people.visit(people.clara)[1]) == ["one"]


def case_a_full_root_folder_takes_nothing_and_breaks_nothing(make):
    people = make("-F", "16", "-r", "112", kib=16 << 10)
    with suppress(OSError):
        for number in range(1000):
            (people.stick / f"{number}.TXT").touch()
    assert len(list(people.stick.iterdir())) < 1000
    sent, _ = people.visit(people.anna, letter("one"))
    assert [each.stage for each in sent] == [Stage.FAILED]
    assert not [key for key in people.anna.state if "/w/" in key]
    for each in people.stick.glob("1*.TXT"):
        each.unlink()
    assert [each.stage for each in people.visit(people.anna, letter("one"))[0]] == [Stage.ON_MEDIUM]
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_a_fat_of_thirty_two_bits(make):
    people = make("-F", "32", "-s", "1", kib=34 << 10)
    people.visit(people.anna, letter("one"))
    people.again()
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_an_old_fat_of_twelve_bits(make):
    people = make("-F", "12", "-s", "8", kib=KIB)
    people.visit(people.anna, letter("one"))
    people.again()
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_a_stick_mounted_read_only_is_read_and_left_as_it_is(make):
    people = make()
    people.visit(people.anna, letter("one"))
    people.again("utf8,ro")
    before = people.snapshot()
    assert texts(people.visit_read_only(people.boris)) == ["one"]
    assert people.snapshot() == before
    people.again()
    people.visit(people.boris)
    assert people.visit(people.anna)[1] == [TokenShown(token_of("one"))]


def case_a_stick_with_its_lock_switched_on(make):
    people = make()
    people.visit(people.anna, letter("one"))
    people.unplug()
    subprocess.run(["blockdev", "--setro", FIRST], check=True)
    try:
        people.plug("utf8,ro")
        assert texts(people.visit_read_only(people.boris)) == ["one"]
        people.unplug()
    finally:
        subprocess.run(["blockdev", "--setrw", FIRST], check=True)
    people.plug()


def case_a_stick_that_turns_read_only_while_it_is_written_to(make):
    """So the kernel does when it finds the FAT damaged."""
    people = make()
    people.visit(people.anna, letter("one"))

    async def turn():
        people.remount("ro")
        return b"two"

    with pytest.raises(Transient, match="Read-only"):
        people.visit(people.anna, replace(letter("two"), body=turn), letter("three"))
    people.remount("rw")
    people.again()
    found = people.visit(people.boris)[1]
    assert (texts(found), findings(found)) == (["one"], [])
    people.visit(people.anna)
    assert people.crates() == []
    assert not [key for key in people.anna.state if "/w/" in key]


def case_what_is_alien_stays_as_it_is(make):
    people = make()
    names = ["holiday ☀.jpg", "x" * 200 + ".doc", "AUTOEXEC.BAT", "PAQUEBOT.EXE", "über", " leading.txt", "C.PQB"]
    for name in names:
        (people.stick / name).write_bytes(name.encode())
    people.visit(people.anna, letter("one"))
    people.again()
    found = people.visit(people.boris)[1]
    assert (texts(found), findings(found)) == (["one"], [])
    people.visit(people.anna)
    assert sorted(each.name for each in people.stick.iterdir()) == sorted([*names, "PAQUEBOT"])
    assert all((people.stick / name).read_bytes() == name.encode() for name in names)


def case_names_that_this_machine_cannot_spell(make):
    people = make()
    (people.stick / "PAQUEBOT/C").mkdir(parents=True)
    (people.stick / "PAQUEBOT/C/письмо.doc").write_bytes(b"dear")
    people.visit(people.anna, letter("one"))
    people.again("iocharset=iso8859-1")
    found = people.visit(people.boris)[1]
    assert texts(found) == ["one"]
    assert all(each.where.isprintable() for each in findings(found))
    assert (lost(people.visit(people.anna)[1]), people.crates()) == ([], [])


def case_a_stick_copied_block_by_block_is_known_twice_and_loses_nothing(make):
    people = make()
    people.visit(people.anna, letter("one"))
    people.unplug()
    copy(FIRST, SECOND)
    people.plug()
    twin = people.path / "twin"
    twin.mkdir()
    people.plug(device=SECOND, place=twin)
    one, two = people.stick, twin
    got = []
    people.visit(people.anna, letter("two"))
    for place in (two, one, two, one):
        people.stick = place
        got += texts(people.visit(people.boris)[1])
        for news in lost(people.visit(people.anna)[1]):
            people.visit(people.anna, *[letter(t) for t in ("one", "two") if letter(t).id == news.id])
    assert set(got) == {"one", "two"}
    for place in (one, two, one, two):
        people.stick = place
        people.visit(people.boris)
        people.visit(people.anna)
        assert people.crates() == []
    people.unplug(twin)
    people.stick = one


def case_two_of_one_name_are_not_chosen_from(make):
    people = make()
    people.visit(people.anna, letter("one"))
    volume = (people.stick / "PAQUEBOT/FORMAT.TXT").read_text().split()[3]
    people.unplug()
    copy(FIRST, SECOND)
    places = [people.path / name for name in ("one", "two")]
    mounts.PLACES = (str(people.path),)
    for place, device in zip(places, (FIRST, SECOND), strict=True):
        place.mkdir()
        people.plug(device=device, place=place)
    carrier = DropTransport(DropSettings(volume=volume), people.boris)
    with pytest.raises(mounts.Permanent, match="two media"):
        carrier._place()
    people.unplug(places[1])
    assert carrier._place() == str(places[0])
    people.unplug(places[0])
    people.plug()


def case_a_stick_put_back_to_what_it_was_loses_nothing(make):
    """Somebody had made a copy, and has written it back."""
    people = make()
    people.visit(people.anna, letter("one"))
    people.unplug()
    copy(FIRST, SECOND)
    people.plug()
    assert texts(people.visit(people.boris)[1]) == ["one"]
    people.visit(people.anna, letter("two"))
    people.unplug()
    copy(SECOND, FIRST)
    people.plug()
    assert [each.id for each in lost(people.visit(people.anna)[1])] == [letter("two").id]
    people.visit(people.anna, letter("two"))
    assert texts(people.visit(people.boris)[1]) == ["one", "two"]  # what comes again is known again
    people.visit(people.anna)
    assert people.crates() == []


def case_a_clock_before_the_time_of_fat(make):
    people = make()
    people.visit(people.anna, letter("one"))
    for each in people.stick.rglob("*"):
        os.utime(each, (0, 0))
    people.again()
    assert lost(people.visit(people.anna)[1]) == []
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_a_clock_at_the_end_of_the_time_of_fat(make):
    people = make()
    people.visit(people.anna, letter("one"))
    for each in people.stick.rglob("*"):
        os.utime(each, (4_354_819_199, 4_354_819_199))
    people.again()
    assert lost(people.visit(people.anna)[1]) == []
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_another_machine_in_another_time_zone(make):
    """FAT keeps local times: each file seems to have changed."""
    people = make()
    people.visit(people.anna, letter("one"))
    people.again("utf8,time_offset=600")
    assert lost(people.visit(people.anna)[1]) == []
    people.again("utf8,time_offset=-600")
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_after_a_remount_nothing_is_read_again_for_its_time(make):
    people = make()
    people.visit(people.anna, letter("one"), letter("two"))
    people.again()
    before = dict(people.anna.state)
    reads = people.bodies_read(people.anna)
    assert (reads, people.anna.state) == (0, before)


def case_a_crate_that_the_yank_left_empty_is_sent_again(make):
    people = make()
    people.visit(people.anna, letter("one"))
    os.truncate(people.crates()[0], 0)
    people.again()
    (finding,) = findings(people.visit(people.boris)[1])
    assert "empty" in finding.reason
    assert [each.id for each in lost(people.visit(people.anna)[1])] == [letter("one").id]
    assert people.files() == []


def case_what_a_repair_program_made_of_it(make):
    """fsck cuts chains of clusters into files of its own, padded to whole clusters."""
    people = make()
    people.visit(people.anna, letter("one"), letter("two"))
    (file,) = people.crates()
    data = file.read_bytes()
    file.unlink()
    (people.stick / "FSCK0000.REC").write_bytes(data + bytes(-len(data) % 4096))
    people.again()
    found = people.visit(people.boris)[1]
    assert (texts(found), findings(found)) == (["one", "two"], [])
    people.visit(people.anna)
    assert people.crates() == []


def case_a_cluster_that_holds_something_else_now(make):
    people = make()
    people.visit(people.anna, letter("one"), letter("x" * 20_000), letter("two"))
    people.unplug()
    image = bytes_of_stick()
    at = image.index(b"x" * 4096) + 2048
    with open(FIRST, "r+b") as device:
        device.seek(at)
        device.write(b"something else")
    people.plug()
    found = people.visit(people.boris)[1]
    assert (texts(found), [each.damage for each in findings(found)]) == (["one", "two"], [True])
    assert [each.id for each in lost(people.visit(people.anna)[1])] == [letter("x" * 20_000).id]


def case_a_chain_of_clusters_that_ends_nowhere(make):
    """The table of clusters is damaged in both copies: reading fails, and the kernel may turn the stick read-only."""
    people = make()
    people.visit(people.anna, letter("before"))
    people.visit(people.anna, letter("y" * 60_000))
    people.unplug()
    image = bytes_of_stick()
    sector = int.from_bytes(image[11:13], "little")
    reserved, copies = int.from_bytes(image[14:16], "little") * sector, image[16]
    length = int.from_bytes(image[22:24], "little") * sector
    roots = int.from_bytes(image[17:19], "little") * 32
    cluster = (image.index(b"y" * 4096) - reserved - copies * length - roots) // (image[13] * sector) + 2
    with open(FIRST, "r+b") as device:
        for copy in range(copies):
            device.seek(reserved + copy * length + 2 * (cluster + 3))
            device.write(b"\xf0\x7f")  # a cluster far outside
    people.plug("utf8,errors=continue")
    found = people.visit(people.boris)[1]
    assert "before" in texts(found)
    assert "y" * 60_000 not in texts(found)
    people.unplug()
    people.plug()


def case_a_folder_of_ours_whose_entries_are_noise(make):
    people = make()
    people.visit(people.anna, letter("one"))
    (file,) = people.crates()
    people.unplug()
    image = bytes_of_stick()
    at = image.index(f"{file.stem[0]}          \x10".encode())  # the entry of C/x in C
    cluster = int.from_bytes(image[at + 26 : at + 28], "little")
    sector = int.from_bytes(image[11:13], "little")
    start = (int.from_bytes(image[14:16], "little") + image[16] * int.from_bytes(image[22:24], "little")) * sector
    start += int.from_bytes(image[17:19], "little") * 32 + (cluster - 2) * image[13] * sector
    with open(FIRST, "r+b") as device:
        device.seek(start + 64)
        device.write(bytes(range(65, 256)) * 2)
    people.plug("utf8,errors=continue")
    people.visit(people.boris)
    news = lost(people.visit(people.anna)[1])
    assert [each.id for each in news] in ([letter("one").id], [])


def case_hundreds_of_alien_files_hide_nothing(make):
    people = make()
    people.visit(people.anna, letter("one"))
    for number in range(400):
        (people.stick / f"{number:04}.JPG").touch()
    people.again()
    assert texts(people.visit(people.boris)[1]) == ["one"]


def case_half_dead_crates_are_written_anew(make):
    people = make()
    people.visit(people.anna, letter(BIG), letter("for clara", CLARA))
    people.again()
    people.visit(people.boris)
    people.again()
    assert [records(each) for each in people.crates()] == [["for clara"]]
    assert lost(people.visit(people.anna)[1]) == []
    assert texts(people.visit(people.clara)[1]) == ["for clara"]


def case_a_draft_that_somebody_left_long_ago(make):
    people = make()
    people.visit(people.anna, letter("one"))
    (file,) = people.crates()
    file.with_suffix(".part").write_bytes(file.read_bytes()[:100])
    people.again()
    found = people.visit(people.boris)[1]
    assert (texts(found), findings(found)) == (["one"], [])
    assert file.with_suffix(".part").exists()


def case_every_write_goes_through_at_once(make):
    people = make()
    people.again("utf8,sync,dirsync")
    people.visit(people.anna, *(letter(f"{n}") for n in range(50)))
    assert len(texts(people.visit(people.boris)[1])) == 50


CASES = {name.removeprefix("case_"): case for name, case in list(globals().items()) if name.startswith("case_")}


def main() -> None:
    """Try every case on a stick of its own; say of each how it went."""
    places = mounts.PLACES
    for name, case in CASES.items():
        made: list[Stick] = []

        def make(*options: str, kib: int = KIB) -> Stick:
            made.append(Stick(Path(tempfile.mkdtemp()) / "people", *options, kib=kib))  # noqa: B023
            return made[0]  # noqa: B023

        why = ""
        try:
            case(make)
        except BaseException:
            why = traceback.format_exc()
        mounts.PLACES = places
        subprocess.run(["umount", "-A", FIRST, SECOND], check=False, capture_output=True)
        for people in made:
            shutil.rmtree(people.path, ignore_errors=True)
        print("CASE", json.dumps([name, why]), flush=True)
    sys.exit()


if __name__ == "__main__":
    main()
