"""A stick from a stranger may be anything at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import time
from contextlib import suppress

import pytest

from paquebot.testing import MemoryContext
from paquebot.testing.contract import FAR_KEY, NOW_MS, outgoing, token_of
from paquebot.transport import Acknowledgement, Arrival, Finding, Stage, Transient, TransportError, Verdict
from paquebot_drop import DropSettings, DropTransport, crate, survey, tokens
from paquebot_drop.folder import Folder

NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture
def stick(tmp_path):
    path = tmp_path / "stick"
    path.mkdir()

    async def write():
        writer = MemoryContext(tmp_path / "writer", seed=1, now=NOW_MS)
        async with DropTransport(DropSettings(str(path)), writer) as drop:
            async for _ in drop.send([outgoing(str(n), b"%d" % n) for n in range(3)]):
                pass

    asyncio.run(write())
    return path


@pytest.fixture
def reader(tmp_path):
    return MemoryContext(tmp_path / "reader", keys=[FAR_KEY], seed=2, now=NOW_MS)


def collect(stick, reader):
    async def run():
        async with DropTransport(DropSettings(str(stick)), reader) as drop:
            return [news async for news in drop.collect()]

    return asyncio.run(run())


def parcels(found):
    return sorted(each.parcel for each in found if isinstance(each, Arrival))


def named(number):
    return f"{NAME[:-2]}{number // 10}{number % 10}".translate(str.maketrans("0189", "2345")) + ".PQB"


def test_links_pipes_devices_and_giants_are_never_opened(stick, reader, tmp_path):
    below = stick / "PAQUEBOT/C/Q"
    below.mkdir(exist_ok=True)
    secret = tmp_path / "secret"
    shutil.copytree(stick / "PAQUEBOT/C", secret)
    (below / named(2)).symlink_to(next(secret.glob("*/*.PQB")))
    os.mkfifo(below / named(3))
    os.mkfifo(stick / "PAQUEBOT/A")
    (stick / "PAQUEBOT/C/E").symlink_to(secret)
    (stick / "PAQUEBOT/loop").symlink_to(".")
    with open(below / named(4), "wb") as giant:
        giant.truncate(1 << 40)
    with open(below / named(5), "wb") as giant:
        giant.truncate(60 << 20)
        giant.seek((60 << 20) - 28)
        giant.write(struct.pack("<16sII4s", bytes(16), 2**32 - 1, 2**32 - 1, b"PQX1"))
    if os.getuid() == 0:
        with suppress(OSError):
            os.mknod(below / named(6), 0o020666, os.makedev(1, 5))
    begun = time.monotonic()
    found = collect(stick, reader)
    assert parcels(found) == [b"0", b"1", b"2"]
    assert time.monotonic() - begun < 20


def link_to(what):
    def put(place, elsewhere):
        place.symlink_to(what if what.startswith("/") else elsewhere / what)

    return put


def pipe(place, elsewhere):
    os.mkfifo(place)


def socket_(place, elsewhere):
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(place.parent):
        one.bind(place.name)


def device(place, elsewhere):
    try:
        os.mknod(place, 0o020666, os.makedev(1, 5))  # /dev/zero, which never ends
    except OSError:
        pytest.skip("only root makes devices")


def folder_(place, elsewhere):
    place.mkdir()


def giant(place, elsewhere):
    with open(place, "wb") as file:
        file.truncate(1 << 42)


def unreadable(place, elsewhere):
    place.write_bytes(b"PQR1")
    place.chmod(0)


IN_THE_WAY = {
    "a link to a crate": link_to("crate"),
    "a link to a folder": link_to("folder"),
    "a link to itself": link_to("/proc/self/cwd"),
    "a link to nothing": link_to("/nowhere"),
    "a link to a secret": link_to("/etc/passwd"),
    "a pipe": pipe,
    "a socket": socket_,
    "a device": device,
    "a folder": folder_,
    "a giant": giant,
    "an unreadable file": unreadable,
}
PLACES = [
    "PAQUEBOT/C/Q/{name}",
    "PAQUEBOT/C/{letter}",
    "PAQUEBOT/A",
    "PAQUEBOT/A/BAD.ACK",
    "PAQUEBOT/NEW.TXT",
    "FILE0001.CHK",
]


@pytest.mark.parametrize("what", IN_THE_WAY)
@pytest.mark.parametrize("where", PLACES)
def test_whatever_stands_in_the_way_all_letters_come_and_it_is_left_alone(stick, reader, tmp_path, what, where):
    used = {each.name for each in (stick / "PAQUEBOT/C").iterdir()}
    letter = next(each for each in "ABCDEF" if each not in used)
    place = stick / where.format(name=named(2), letter=letter)
    place.parent.mkdir(parents=True, exist_ok=True)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(stick / "PAQUEBOT/C", elsewhere / "folder")
    crate_file = next(elsewhere.glob("folder/*/*.PQB"))
    crate_file.write_bytes(crate_file.read_bytes().replace(b"0", b"9"))
    (elsewhere / "crate").write_bytes(crate_file.read_bytes())
    IN_THE_WAY[what](place, elsewhere)
    before = place.lstat()

    async def visit():
        async with DropTransport(DropSettings(str(stick)), reader) as drop:
            found = [news async for news in drop.collect()]
            arrivals = [each for each in found if isinstance(each, Arrival)]
            await drop.acknowledge([Acknowledgement(each.key, Verdict.TAKEN, None) for each in arrivals])
            return found

    assert parcels(asyncio.run(visit())) == [b"0", b"1", b"2"]
    assert parcels(asyncio.run(visit())) == []
    after = place.lstat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)


@pytest.mark.parametrize("what", ["a link to a secret", "a link to nothing", "a pipe", "a folder", "a giant"])
@pytest.mark.parametrize("where", ["PAQUEBOT", "PAQUEBOT/FORMAT.TXT", "PAQUEBOT/C"])
def test_whatever_stands_where_ours_should_be_nothing_is_written_through_it(tmp_path, what, where):
    stick, secret = tmp_path / "stick", tmp_path / "elsewhere"
    (place := stick / where).parent.mkdir(parents=True)
    secret.mkdir()
    IN_THE_WAY[what](place, secret)
    before = place.lstat()
    writer = MemoryContext(tmp_path / "other", seed=9, now=NOW_MS)

    async def write():
        async with DropTransport(DropSettings(str(stick)), writer) as drop:
            return [news.stage async for news in drop.send([outgoing("x", b"x")])]

    try:
        stages = asyncio.run(write())
    except TransportError:
        stages = [Stage.FAILED]
    harmless = what == "a folder" and where != "PAQUEBOT/FORMAT.TXT"
    assert stages == [Stage.ON_MEDIUM if harmless else Stage.FAILED]
    assert place.lstat().st_ino == before.st_ino
    assert list(secret.iterdir()) == []
    assert harmless or not [key for key in writer.state if "/w/" in key]


def test_the_folder_may_not_be_a_link(stick, reader, tmp_path):
    (stick / "PAQUEBOT").rename(tmp_path / "elsewhere")
    (stick / "PAQUEBOT").symlink_to(tmp_path / "elsewhere")
    assert collect(stick, reader) == []


def test_a_folder_of_ours_that_is_a_file_stops_sending_but_not_us(stick, tmp_path):
    shutil.rmtree(stick / "PAQUEBOT/C")
    (stick / "PAQUEBOT/C").write_text("not a folder")
    writer = MemoryContext(tmp_path / "other", seed=9, now=NOW_MS)

    async def write():
        async with DropTransport(DropSettings(str(stick)), writer) as drop:
            return [news async for news in drop.send([outgoing("x", b"x")])]

    with pytest.raises(Transient, match="cannot be written"):
        asyncio.run(write())
    assert not [key for key in writer.state if "/w/" in key]


def test_foreign_files_are_told_once_if_they_lie_among_ours(stick, reader):
    (stick / "holiday.jpg").write_bytes(b"sun")
    (stick / "PAQUEBOT/program.exe").write_bytes(b"MZ")
    (stick / "PAQUEBOT/bad\x1b[2Jname").write_bytes(b"hm")
    found = [each for each in collect(stick, reader) if isinstance(each, Finding)]
    assert [(each.where, each.damage, each.data) for each in found] == [
        ("PAQUEBOT/bad?[2Jname", False, b""),
        ("PAQUEBOT/program.exe", False, b""),
    ]
    assert [each for each in collect(stick, reader) if isinstance(each, Finding)] == []
    assert (stick / "PAQUEBOT/program.exe").exists()


def test_thousands_of_files_do_not_hide_the_crates(stick, reader):
    for n in range(3000):
        (stick / f"a{n}.txt").touch()
        (stick / f"PAQUEBOT/C/x{n}.txt").touch()
    begun = time.monotonic()
    assert parcels(collect(stick, reader)) == [b"0", b"1", b"2"]
    assert time.monotonic() - begun < 20


def test_too_many_records_are_read_in_part_and_nothing_is_declared_lost(stick, reader, monkeypatch):
    monkeypatch.setattr(survey, "RECIPIENTS_MAX", 0)
    (finding,) = collect(stick, reader)
    assert "more here" in finding.reason
    assert collect(stick, reader) == []


def test_records_for_crowds_fill_no_more_memory_than_records_for_one(stick):
    """Many recipients cost more than many records: they are what is counted."""
    crowd = tuple((bytes([n]) * 8, bytes(16)) for n in range(64))
    entries, data = [], b""
    for _ in range(crate.TOKENS_MAX // 64 + 1):
        entries.append(crate.Entry(crate.digest(b""), 1, 1, crowd, len(data), 0))
        data += crate.pack_header(entries[-1])
    whole = data + crate.pack_trailer(entries)
    read = lambda at, count: whole[at : at + count]  # noqa: E731
    assert crate.read_index(read, len(whole)) is None
    assert len(crate.salvage(read, len(whole)).entries) * 64 == crate.TOKENS_MAX
    fits = data[: entries[-1].offset] + crate.pack_trailer(entries[:-1])
    (stick / "PAQUEBOT/C/A").mkdir(exist_ok=True)
    for letter in "ABCDE":
        (stick / f"PAQUEBOT/C/A/{letter * 26}.PQB").write_bytes(fits)
    found = asyncio.run(survey.look(Folder(str(stick)), {}))
    named_there = sum(len(entry.recipients) for each in found.crates for entry in each.entries)
    assert survey.RECIPIENTS_MAX <= named_there < survey.RECIPIENTS_MAX + crate.TOKENS_MAX
    assert not found.complete


def test_giant_slips_hide_no_small_ones_and_are_not_all_read(stick, reader, monkeypatch):
    async def take():
        async with DropTransport(DropSettings(str(stick)), reader) as drop:
            mine = [each async for each in drop.collect()]
            await drop.acknowledge([Acknowledgement(each.key, Verdict.TAKEN, token_of("0")) for each in mine[:1]])

    asyncio.run(take())
    (small,) = (stick / "PAQUEBOT/A").iterdir()
    monkeypatch.setattr(survey, "SLIPS_MAX", small.stat().st_size + 2_000)
    junk = tuple((bytes([n]) * 16, bytes(16)) for n in range(50))
    for letter in "2AZ":
        giant = tokens.pack_slip(tokens.Slip(letter * 26, 2**32 - 1, junk))
        (stick / f"PAQUEBOT/A/{letter * 26}.ACK").write_bytes(giant)
    found = asyncio.run(survey.look(Folder(str(stick)), {}))
    assert len(found.papers) == 2
    assert small.name in {paper.found.parts[-1] for paper in found.papers}
    assert not found.complete


def test_strangers_letters_are_limited_per_pass(tmp_path, reader, monkeypatch):
    monkeypatch.setattr("paquebot_drop.visit.STRANGERS_MAX", 2)
    stick = tmp_path / "s"
    stick.mkdir()

    async def write():
        writer = MemoryContext(tmp_path / "w", seed=1, now=NOW_MS)
        async with DropTransport(DropSettings(str(stick)), writer) as drop:
            async for _ in drop.send([outgoing(str(n), b"%d" % n, key=b"other") for n in range(5)]):
                pass

    asyncio.run(write())
    assert len(collect(stick, reader)) == 2


@pytest.mark.parametrize("offset", [0, 1])
def test_an_index_whose_records_overlap_is_not_believed(offset):
    entry = crate.Entry(crate.digest(b"body"), 1, 1, ((bytes(8), bytes(16)),), 0, 4)
    record = crate.pack_header(entry) + b"body"
    again = crate.Entry(entry.id, 1, 1, entry.recipients, offset, 4)
    data = record + crate.pack_trailer([entry, again])
    read = lambda at, count: data[at : at + count]  # noqa: E731
    assert crate.read_index(read, len(data)) is None
    assert crate.read_contents(read, len(data)) == crate.Contents((entry,), False)


def test_nested_headers_do_not_cost_for_ever():
    head = crate.pack_header(crate.Entry(bytes(16), 1, 1, ((bytes(8), bytes(16)),), 0, 1 << 20))
    data = head * ((8 << 20) // len(head))
    reads = []

    def read(at, count):
        reads.append(min(count, max(0, len(data) - at)))
        return data[at : at + count]

    assert crate.salvage(read, len(data)) == crate.Contents((), False)
    assert sum(reads) < 20 * len(data)


def test_false_beginnings_do_not_cost_for_ever():
    data = crate.MAGIC * (1 << 19)
    reads = []

    def read(at, count):
        reads.append(min(count, max(0, len(data) - at)))
        return data[at : at + count]

    assert crate.salvage(read, len(data)) == crate.Contents((), False)
    assert sum(reads) < 30 * len(data)
