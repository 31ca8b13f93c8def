"""Letters that somebody carries who knows neither end: from one stick to another, and the answer back."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256

import pytest
from tests.e2e.conftest import crates, remount
from tests.e2e.test_secrets import fd_of

from paquebot.node import Node
from paquebot.protocol.limits import DAY_MS
from paquebot.testing import MemoryContext
from paquebot.testing.contract import outgoing
from paquebot.transport import Recipient, TokenShown, parcel_name, token_hash
from paquebot_drop import DropSettings, DropTransport
from paquebot_drop.tokens import Slip, pack_slip

FLOOD = 100_000 if os.environ.get("SOAK") else 1_200
NOTE = "Water is needed at the bridge"


@pytest.fixture
def sticks(tmp_path):
    """Alice's and Bob's: nobody but the courier sees both."""
    found = tmp_path / "blue", tmp_path / "red"
    for each in found:
        each.mkdir()
    return found


@pytest.fixture
def courier(make):
    return make("Chris")


def carried(home):
    return home.json("carried")["parcels"]


def blobs(home):
    return [path for path in home.path.glob("blobs/*/*") if path.is_file()]


def junk(stick, tmp_path, *parcels, name="Mallory", days=30):
    """Let somebody with a home of their own making put *parcels* on *stick*: (seed, hops, priority, days)."""

    async def write():
        context = MemoryContext(tmp_path / name, seed=len(name), now=now)
        async with DropTransport(DropSettings(str(stick)), context) as drop:
            return [each async for each in drop.send(parcels)]

    now = parcels[0].expires_ms - days * DAY_MS
    return asyncio.run(write())


def sealed(parcel, number, *, hops=0, priority=1, expires):
    """A parcel that has the outside of an envelope, of which only *number* makes it another one."""
    data = parcel[:-4] + number.to_bytes(4)
    made = outgoing(str(number), data)
    recipient = (Recipient(lambda _: number.to_bytes(8), token_hash(number.to_bytes(16))),)
    return type(made)(made.id, len(data), made.body, recipient, expires, priority, hops)


def bodies(stick):
    """The bytes of what lies on *stick*."""

    async def read():
        async with DropTransport(DropSettings(str(stick)), MemoryContext(stick.parent / "reader", seed=7)) as drop:
            return [each async for each in drop.collect() if not isinstance(each, TokenShown)]

    return [each.parcel for each in asyncio.run(read())]


def test_a_courier_brings_a_letter_and_brings_back_that_it_arrived(pair, courier, sticks):
    alice, bob = pair
    blue, red = sticks
    alice.say(NOTE)
    alice.sync(blue)
    assert courier.sync(blue)["carried"] == {
        "taken_along": 1, "handed_on": 0, "arrived": 0, "let_go": 0, "now": 1, "bytes": carried(courier)[0]["bytes"],
    }  # fmt: skip
    assert courier.json("status")["carrying"] == 1
    assert courier.sync(red)["carried"]["handed_on"] == 1
    bob.sync(red)
    assert bob.texts() == [NOTE]
    back = courier.sync(red)["carried"]
    assert (back["arrived"], back["taken_along"]) == (1, 1)  # Bob's answer is on its way by now
    courier.sync(blue)
    alice.sync(blue)
    assert alice.peer("Bob")["applied"] == 1
    for _ in range(2):
        courier.sync(blue)
        courier.sync(red)
        bob.sync(red)
        courier.sync(red)
        courier.sync(blue)
        alice.sync(blue)
    assert alice.json("status")["peers"][0]["on_the_way"] == []
    courier.sync(red)
    assert (carried(courier), blobs(courier)) == ([], [])
    assert crates(blue) == crates(red) == []


def test_the_token_alone_says_that_a_letter_was_stored(pair, courier, sticks):
    alice, bob = pair
    blue, red = sticks
    alice.say(NOTE)
    alice.sync(blue)
    courier.sync(blue)
    courier.sync(red)
    bob.sync(red)
    for crate in crates(red):  # what Bob answers is lost; the token is a file of its own
        crate.unlink()
    courier.sync(red)
    courier.sync(blue)
    assert alice.sync(blue)["acknowledged"] == 1
    assert (alice.peer("Bob")["stored"], alice.peer("Bob")["applied"]) == (1, 0)
    assert crates(blue) == []


def test_a_courier_knows_nothing_of_what_it_carries(pair, courier, sticks):
    alice, bob = pair
    alice.say(NOTE, "--title", "Bridge")
    alice.sync(sticks[0])
    courier.sync(sticks[0])
    courier.sync(sticks[1])
    (parcel,) = carried(courier)
    words = [NOTE, "Bridge", "Alice", "Bob"]
    for home in (alice, bob):
        words += [home.json("status")["user"], home.json("status")["node"]]
    everything = b"".join(path.read_bytes() for path in courier.path.rglob("*") if path.is_file())
    with closing(sqlite3.connect(courier.path / "store.db")) as db:
        dump = "\n".join(db.iterdump()).encode()
    for word in words:
        assert word.encode() not in everything
        assert word.encode() not in dump
    assert parcel["handed_by"] == "strangers"
    assert "Alice" not in json.dumps(parcel)


def test_what_a_contact_handed_over_comes_before_what_simply_lay_there(make, meet, sticks):
    alice, bob, chris = make("Alice"), make("Bob"), make("Chris")
    meet(alice, bob)
    meet(alice, chris)
    alice.say(NOTE)
    alice.sync(sticks[0])
    assert chris.sync(sticks[0])["carried"]["taken_along"] == 1
    assert [each["handed_by"] for each in carried(chris)] == ["contacts"]
    chris.sync(sticks[1])
    bob.sync(sticks[1])
    assert bob.texts() == [NOTE]


def test_nobody_carries_letters_of_their_own(pair, courier, sticks):
    alice, _ = pair
    blue, red = sticks
    alice.say(NOTE)
    alice.sync(blue)
    courier.sync(blue)
    courier.sync(red)
    assert alice.sync(red)["carried"]["taken_along"] == 0
    assert carried(alice) == []


def test_a_stick_of_a_flooder_fills_no_more_than_the_quota_and_hides_nobody(pair, courier, sticks, tmp_path):
    alice, bob = pair
    blue, red = sticks
    alice.say(NOTE)
    alice.sync(blue)
    (parcel,) = bodies(blue)
    expires = _now(courier) + 30 * DAY_MS
    junk(blue, tmp_path, *(sealed(parcel, n, expires=expires) for n in range(FLOOD)))
    (courier.path / "config.toml").write_text(f'[carry]\nstrangers = "{200 * len(parcel)}"\n')
    for _ in range(2):
        report = courier.sync(blue)
        assert report["found"] <= 1000
        assert report["carried"]["now"] <= 200
        assert report["carried"]["bytes"] <= 200 * len(parcel)
    courier.sync(red)
    bob.sync(red)
    assert bob.texts() == [NOTE]


def test_what_was_carried_far_or_is_over_is_left_and_old_dates_are_not_believed(pair, courier, sticks, tmp_path):
    alice, _ = pair
    blue = sticks[0]
    alice.say(NOTE)
    alice.sync(blue)
    (parcel,) = bodies(blue)
    now = _now(courier)
    junk(
        blue,
        tmp_path,
        sealed(parcel, 1, hops=15, expires=now + 9 * DAY_MS),
        sealed(parcel, 2, hops=5, expires=now + 9 * DAY_MS),
        sealed(parcel, 3, expires=now - 9 * DAY_MS),
        sealed(parcel, 4, expires=now - 4000 * DAY_MS),
    )
    courier.sync(blue)
    assert sorted(each["hops"] for each in carried(courier)) == [0, 0, 5]
    courier.clock = now + 61 * DAY_MS
    assert courier.sync(blue)["carried"]["let_go"] == 3
    assert carried(courier) == []


def test_a_forged_token_and_a_torn_crate_do_no_harm(pair, courier, sticks, tmp_path):
    alice, bob = pair
    blue, red = sticks
    alice.say(NOTE)
    alice.sync(blue)
    courier.sync(blue)
    slip = red / "PAQUEBOT" / "A"
    courier.sync(red)
    (crate,) = crates(red)
    data = crate.read_bytes()
    crate.write_bytes(data[:-20])
    bob.sync(red, code=3)  # which says that the crate is torn
    assert bob.texts() == [NOTE]
    for each in slip.glob("*.ACK"):  # somebody makes a token up
        each.write_bytes(each.read_bytes()[:-60] + bytes(60))
    assert courier.sync(red)["carried"]["arrived"] == 0
    crate.write_bytes(data)
    bob.sync(red)
    courier.sync(red)
    courier.sync(blue)
    assert alice.sync(blue)["acknowledged"] >= 1


@pytest.mark.parametrize("forged", ["a false token", "carried too far", "soon over", "for nobody"])
def test_a_false_outside_before_the_true_one_keeps_no_letter_from_its_way(pair, courier, sticks, tmp_path, forged):
    """Nothing binds the outside to what is sealed: anybody can write the same bytes under a header of their own."""
    alice, bob = pair
    blue, red = sticks
    alice.say(NOTE)
    alice.sync(blue)
    (true,), (parcel,) = crates(blue), bodies(blue)
    now, mine = _now(courier), b"Mallory's token."
    recipient = (Recipient(lambda _: bytes(8), token_hash(mine)),)
    days, hops = 1 if forged == "soon over" else 30, 15 if forged == "carried too far" else 0
    made = outgoing("forged", parcel)
    letter = type(made)(made.id, len(parcel), made.body, recipient, now + days * DAY_MS, 1, hops)
    junk(blue, tmp_path, letter)
    (false,) = [each for each in crates(blue) if each != true]
    os.utime(false, (0, 0))
    courier.sync(blue)
    if forged == "a false token":
        slip = pack_slip(Slip(false.stem, 2**32 - 1, ((parcel_name(parcel), mine),)))
        (blue / "PAQUEBOT/A").mkdir(exist_ok=True)
        (blue / "PAQUEBOT/A/MALLORY.ACK").write_bytes(slip)
    courier.clock = now + 2 * DAY_MS
    courier.sync(blue)
    courier.sync(red)
    bob.sync(red)
    assert bob.texts() == [NOTE]
    for crate in crates(red):  # the token alone tells it
        crate.unlink()
    courier.sync(red)
    courier.sync(blue)
    assert alice.sync(blue)["acknowledged"] == 1


def test_a_full_stick_takes_what_it_can_and_the_run_goes_on(pair, courier, sticks, small_disk):
    alice, bob = pair
    blue = sticks[0]
    for n in range(3):
        alice.run("publish", _file(alice.path.parent / f"{n}.bin", 600_000, n))
        alice.sync(blue)
    courier.sync(blue)
    count = len(carried(courier))
    tight = small_disk("tight", "2500k")
    report = courier.sync(tight)
    assert 0 < report["carried"]["handed_on"] < count
    assert report["problems"] == []
    bob.sync(tight)
    assert courier.sync(tight)["carried"]["handed_on"] > 0


def test_what_a_full_disk_could_not_take_along_is_taken_once_it_can(pair, courier, sticks, small_disk):
    alice, _ = pair
    alice.run("publish", _file(alice.path.parent / "large.bin", 600_000, 1))
    alice.sync(sticks[0])
    disk = small_disk("quota", "64k")
    shutil.rmtree(courier.path / "blobs", ignore_errors=True)
    (courier.path / "blobs").symlink_to(disk)
    report = courier.sync(sticks[0])
    assert any("nothing more is taken along" in each for each in report["notes"])
    before = len(carried(courier))
    remount(disk, "size=8m")
    assert courier.sync(sticks[0])["carried"]["now"] > before


def test_a_parcel_whose_bytes_are_damaged_stops_no_other_and_is_taken_along_again(pair, courier, sticks):
    alice, bob = pair
    for text in ("one", "two", "three"):
        alice.say(text)
        alice.sync(sticks[0])
    courier.sync(sticks[0])
    first = bytes.fromhex(carried(courier)[0]["parcel"])
    with closing(sqlite3.connect(courier.path / "store.db")) as db:
        ((blob,),) = db.execute("SELECT blob FROM parcel WHERE name = ?", (first,)).fetchall()
    (rotten,) = [each for each in blobs(courier) if sha256(each.read_bytes()).digest() == blob]
    rotten.write_bytes(b"rotten")
    report = courier.sync(sticks[1])
    assert (report["carried"]["handed_on"], report["carried"]["let_go"]) == (2, 1)
    bob.sync(sticks[1])
    assert len(bob.texts()) == 2
    courier.sync(sticks[0])
    courier.sync(sticks[1])
    bob.sync(sticks[1])
    assert len(bob.texts()) == 3


def test_nothing_is_carried_if_the_home_says_so(pair, courier, sticks):
    alice, _ = pair
    alice.say(NOTE)
    alice.sync(sticks[0])
    (courier.path / "config.toml").write_text("[carry]\ncontacts = 0\nstrangers = 0\n")
    assert courier.sync(sticks[0])["carried"]["now"] == 0
    (courier.path / "config.toml").unlink()
    assert courier.sync(sticks[0])["carried"]["now"] == 1
    (courier.path / "config.toml").write_text("[carry]\nstrangers = 0\n")
    assert courier.sync(sticks[1])["carried"] == {
        "taken_along": 0, "handed_on": 0, "arrived": 0, "let_go": 1, "now": 0, "bytes": 0,
    }  # fmt: skip
    assert blobs(courier) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("contacts = true", "is not"),
        ('strangers = "much"', "write contacts ="),
        ("hops = 16", "hops is 1 to 15"),
        ("days = 0", "days is 1 to 3650"),
        ("hop = 3", "did you mean 'hops'"),
    ],
)
def test_a_mistake_in_the_terms_is_named(courier, sticks, text, said):
    (courier.path / "config.toml").write_text(f"[carry]\n{text}\n")
    assert said in courier.err("sync", "--via", sticks[0], code=None)


def test_what_is_carried_is_checked_mended_and_in_no_export(pair, courier, sticks, tmp_path):
    alice, _ = pair
    alice.say(NOTE)
    alice.sync(sticks[0])
    courier.sync(sticks[0])
    courier.run("check", "--read-data")
    courier.run("export", tmp_path / "plain.export", "--no-secrets")
    (blob,) = blobs(courier)
    assert blob.read_bytes() not in (tmp_path / "plain.export").read_bytes()
    blob.write_bytes(b"rotten")
    assert "carried for others" in courier.out("check", "--read-data", code=None)
    courier.run("repair", "--yes", code=None)
    courier.run("check", "--read-data")
    assert carried(courier) == []


def test_a_home_that_is_brought_back_carries_again_what_it_meets(pair, courier, sticks, tmp_path):
    alice, _ = pair
    alice.say(NOTE)
    alice.sync(sticks[0])
    courier.sync(sticks[0])
    words = b"five words that nobody guesses"
    courier.run("export", tmp_path / "whole.export", "--export-passphrase-fd", fd_of(words))
    shutil.rmtree(courier.path)
    courier.run("import", tmp_path / "whole.export", "--export-passphrase-fd", fd_of(words))
    assert carried(courier) == []
    assert courier.sync(sticks[0])["carried"]["taken_along"] == 1


def _file(path, size, seed):
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def _now(home):
    with Node(home.path, looking=True) as node:
        return node.now()
