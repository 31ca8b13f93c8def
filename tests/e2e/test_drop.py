"""Two and more homes keep each other in sync by sticks and folders, through the command line."""

import random
import shutil
import time

import pytest
from tests.e2e.conftest import crates, tree


def test_a_thousand_notes_and_a_large_file_arrive_and_everybody_knows(make, meet, stick, tmp_path):
    alice, bob = make("Alice"), make("Bob", "--key", "rsa3072")
    meet(alice, bob)
    dice = random.Random(7)
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(1000):
        (notes / f"{number:04}.txt").write_bytes(dice.randbytes(768).hex().encode())
    large = tmp_path / "large.bin"
    large.write_bytes(dice.randbytes(200 << 20))

    uris = alice.out("publish", *sorted(notes.iterdir()), large).split()
    alice.sync(stick)
    bob.sync(stick)
    alice.sync(stick)

    assert len(uris) == 1001
    listed = bob.json("list")
    assert [each["uri"] for each in listed] == [each["uri"] for each in alice.json("list")]
    assert all(each["complete"] for each in listed)
    status = alice.peer("Bob")
    assert (status["published"], status["handed"], status["stored"], status["applied"]) == (1001, 1001, 1001, 1001)
    assert status["state"] == "in sync"
    assert "✓✓✓ 1001 of 1001 applied by the peer" in alice.out("status")
    bob.run("save", uris[-1], "-o", tmp_path / "saved.bin")
    assert (tmp_path / "saved.bin").read_bytes() == large.read_bytes()
    bob.run("save", "--all-to", tmp_path / "all", *uris[:3])
    saved = [path.read_bytes() for path in sorted((tmp_path / "all").iterdir())]
    assert saved == [path.read_bytes() for path in sorted(notes.iterdir())[:3]]

    for _ in range(2):
        bob.sync(stick)
        alice.sync(stick)
    before = tree(alice.path, bob.path, stick)
    report = bob.sync(stick), alice.sync(stick)

    assert tree(alice.path, bob.path, stick) == before
    assert [each["sent"] for each in report] == [0, 0]
    assert not crates(stick)


def test_a_lost_stick_loses_nothing(pair, stick, tmp_path):
    alice, bob = pair
    alice.say("hear me")
    alice.sync(stick)
    shutil.rmtree(stick)
    stick.mkdir()

    alice.sync(stick)
    bob.sync(stick)

    assert bob.texts() == ["hear me"]


def test_a_replayed_stick_changes_nothing(pair, stick, tmp_path):
    alice, bob = pair
    alice.say("once")
    alice.sync(stick)
    copy = tmp_path / "copy"
    shutil.copytree(stick, copy)
    bob.sync(stick)
    alice.sync(stick)
    bob.sync(stick)

    report = bob.sync(copy)

    assert report["new"] == 0
    assert report["outcomes"] == {"duplicate": 1}
    assert bob.texts() == ["once"]
    assert alice.sync(copy)["new"] == 0


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_a_damaged_stick_is_reported_set_aside_and_healed(pair, stick, where):
    alice, bob = pair
    alice.say("first")
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    alice.say("second")
    alice.sync(stick)
    crate = crates(stick)[-1]
    data = bytearray(crate.read_bytes())
    data[int(len(data) * where)] ^= 0x40
    crate.write_bytes(data)

    said = bob.run("sync", "--via", stick, code=3)

    assert crate.stem in said.stderr.decode()
    assert bob.json("status")["quarantined"] == 1
    assert bob.texts() == ["first"]
    for home in (alice, bob, alice, bob):
        home.sync(stick)
    assert bob.texts() == ["first", "second"]
    assert alice.peer("Bob")["applied"] == 2


@pytest.mark.parametrize("place", [20, -1])
def test_damage_outside_the_sealed_bytes_costs_nothing(pair, stick, place):
    """A record's header and the crate's index say the same twice."""
    alice, bob = pair
    alice.say("robust")
    alice.sync(stick)
    crate = crates(stick)[-1]
    data = bytearray(crate.read_bytes())
    data[place] ^= 1
    crate.write_bytes(data)

    bob.run("sync", "--via", stick, code=None)

    assert bob.texts() == ["robust"]


@pytest.mark.parametrize("cut", [0, 1, 700, -1])
def test_a_cut_crate_is_healed(pair, stick, cut):
    alice, bob = pair
    alice.say("whole")
    alice.sync(stick)
    crate = crates(stick)[-1]
    crate.write_bytes(crate.read_bytes()[:cut])

    bob.run("sync", "--via", stick, code=3)
    for home in (alice, bob, alice, bob):
        home.sync(stick)

    assert bob.texts() == ["whole"]


def test_a_renamed_crate_is_recognised(pair, stick):
    alice, bob = pair
    alice.say("whatever you call me")
    alice.sync(stick)
    crates(stick)[-1].rename(stick / "PAQUEBOT" / "FILE0001.CHK")

    bob.sync(stick)

    assert bob.texts() == ["whatever you call me"]


def test_foreign_and_hostile_files_do_no_harm(pair, stick):
    alice, bob = pair
    alice.say("among thieves")
    alice.sync(stick)
    (stick / "holiday.jpg").write_bytes(b"\xff\xd8" + bytes(1000))
    (stick / "PAQUEBOT" / "C" / "notes.txt").write_text("mine")
    for letter in "ABCDEFGHIJKLMNOP":  # half the folders in which a crate may lie
        if not (stick / "PAQUEBOT" / "C" / letter).exists():
            (stick / "PAQUEBOT" / "C" / letter).symlink_to("/etc")
    (stick / "PAQUEBOT" / "A").mkdir(exist_ok=True)
    (stick / "PAQUEBOT" / "A" / ("A" * 26 + ".ACK")).symlink_to("/etc/passwd")
    before = tree(stick / "PAQUEBOT")

    report = bob.sync(stick)

    assert bob.texts() == ["among thieves"]
    assert report["findings"] == []
    assert (stick / "holiday.jpg").exists()
    assert (stick / "PAQUEBOT" / "C" / "notes.txt").read_text() == "mine"
    assert set(tree(stick / "PAQUEBOT")) - set(before)


def test_many_nodes_share_one_folder_and_read_only_their_own(make, meet, stick):
    alice, bob, carol, mallory = (make(name) for name in ("Alice", "Bob", "Carol", "Mallory"))
    meet(alice, bob)
    meet(alice, carol)
    alice.say("to my peers")

    alice.sync(stick)
    stranger = mallory.sync(stick)
    for home in (bob, carol, alice, bob, carol, alice):
        home.sync(stick)

    assert bob.texts() == carol.texts() == ["to my peers"]
    assert mallory.texts() == []
    assert stranger["not_ours"] == stranger["found"] == 2
    assert [each["applied"] for each in alice.json("status")["peers"]] == [1, 1]
    assert not crates(stick)


def test_an_untrusted_peer_is_given_nothing(make, meet, stick):
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob, trust="none")
    alice.say("not for you")

    for home in (alice, bob, alice, bob):
        home.sync(stick)

    assert bob.texts() == []
    assert alice.peer("Bob")["state"] == "withheld"


def test_trust_that_comes_later_brings_what_was_withheld(make, meet, stick, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob, trust="none")
    alice.say("patience")
    for home in (alice, bob):
        home.sync(stick)
    alice.run("peer", "add", "Bob", tmp_path / "Bob.card")
    for home in (alice, bob, alice):
        home.sync(stick)
    assert bob.texts() == []
    assert alice.peer("Bob")["applied"] == 0

    bob.run("peer", "add", "Alice", tmp_path / "Alice.card")
    for home in (bob, alice, bob, alice):
        home.sync(stick)

    assert bob.texts() == ["patience"]
    assert alice.peer("Bob")["applied"] == 1


def test_the_author_hears_why_something_waits_at_a_peer(pair, stick):
    """Alice's clock is a year ahead: her item waits at Bob's until it is due, and she is told so."""
    alice, bob = pair
    alice.clock = time.time_ns() // 1_000_000 + 365 * 86_400_000
    alice.say("from the future")
    alice.clock = None

    for home in (alice, bob, alice):
        home.sync(stick)

    assert bob.texts() == []
    assert bob.json("status")["held"] == 1
    (outcome,) = alice.peer("Bob")["outcomes"]
    assert outcome[1:] == ["held", "its time has not come"]
    assert "is held there: its time has not come" in alice.out("status")
    bob.clock = time.time_ns() // 1_000_000 + 366 * 86_400_000
    bob.sync(stick)
    assert bob.texts() == ["from the future"]


def test_a_stranger_waits_until_known(make, meet, stick, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    bob.run("card", "-o", tmp_path / "bob.card")
    alice.run("peer", "add", "Bob", tmp_path / "bob.card")
    alice.say("you do not know me yet")
    alice.sync(stick)

    before = tree(stick)
    found = bob.sync(stick)

    assert (found["found"], found["not_ours"], found["refused"]) == (1, 1, 0)
    assert "Alice waits to be met" in found["notes"][0]
    assert before.items() <= tree(stick).items(), "strangers get no answer, and what they wrote stays"
    assert bob.sync(stick)["found"] == 0
    assert bob.texts() == []
    alice.run("card", "-o", tmp_path / "alice.card")
    bob.run("peer", "add", "Alice", tmp_path / "alice.card")
    bob.sync(stick)
    assert bob.texts() == ["you do not know me yet"]
    assert bob.json("status")["quarantined"] == 0


def test_configured_carriers_need_no_path(pair, stick):
    alice, bob = pair
    for home in pair:
        (home.path / "config.toml").write_text(f'[transport.blue]\nuses = "drop"\npath = "{stick}"\n')
    alice.say("as configured")

    assert alice.out("sync") == ""
    assert bob.out("sync", "blue") == ""

    assert bob.texts() == ["as configured"]


def test_silence_under_cron_and_one_line_on_request(pair, stick):
    alice, _ = pair
    alice.say("hush")

    quiet = alice.run("sync", "--via", stick)
    loud = alice.run("sync", "--via", stick, "-v")

    assert quiet.stdout == quiet.stderr == b""
    assert loud.stdout == b"sent nothing; acknowledged 0, still on the way 1; found 0; new 0\n"


def test_names_from_peers_are_never_paths(pair, stick, tmp_path):
    alice, bob = pair
    nasty = tmp_path / "nasty"
    nasty.mkdir()
    for number, name in enumerate(["..", "a\x1b[2Jb", "CON", "-rf", "x" * 255]):
        (nasty / str(number)).write_bytes(name.encode())
        alice.run("publish", "-", "--filename", f"../../{name}"[-255:], stdin=name.encode())
    alice.sync(stick)
    bob.sync(stick)

    bob.run("save", "--all-to", tmp_path / "out")

    saved = list((tmp_path / "out").iterdir())
    assert sorted(path.read_bytes() for path in saved) == sorted(path.read_bytes() for path in nasty.iterdir())
    assert all(path.name.isprintable() and "/" not in path.name for path in saved)
    assert "\x1b" not in bob.out("list") + bob.out("status")


def test_ids_may_be_shortened_to_what_is_unique(pair):
    alice, _ = pair
    uri = alice.say("find me")
    (listed,) = alice.json("list")

    for name in (uri, listed["id"], listed["id"][:6], uri.rpartition("/")[2], uri.rpartition("/")[2][:12]):
        assert alice.json("show", "--", name)["uri"] == uri
    alice.run("show", "ffffffffff", code=1)
    alice.run("show", "0" * 400, code=1)


def test_what_was_shown_or_saved_is_no_longer_new(pair, stick, tmp_path):
    alice, bob = pair
    alice.say("one")
    alice.say("two")
    alice.sync(stick)
    bob.sync(stick)

    new = bob.json("list", "--new")
    bob.run("show", new[0]["id"])
    bob.run("save", new[1]["id"], "-o", tmp_path / "two.txt")

    assert [each["new"] for each in new] == [True, True]
    assert bob.json("list", "--new") == []
    assert alice.json("list", "--new") == []


def test_a_removed_peer_gets_nothing_more(pair, stick):
    alice, bob = pair
    alice.run("peer", "remove", "Bob")
    alice.say("after the end")

    alice.sync(stick)
    bob.sync(stick)

    assert bob.texts() == []
    assert alice.json("peer", "list") == []
    alice.run("peer", "show", "Bob", code=1)


def test_what_is_gone_from_a_stick_and_has_arrived_by_another_is_not_said_to_be_sent_again(pair, stick, tmp_path):
    alice, bob = pair
    (other := tmp_path / "other").mkdir()
    alice.say("hello")
    alice.sync(stick)
    alice.sync(other)
    bob.sync(other)
    assert alice.sync(other)["acknowledged"] > 0
    shutil.rmtree(stick / "PAQUEBOT/C")
    assert not [note for note in alice.sync(stick)["notes"] if "sent again" in note]


def test_what_is_gone_from_a_stick_and_has_not_arrived_is_said_to_be_sent_again(pair, stick):
    alice, _ = pair
    alice.say("hello")
    alice.sync(stick)
    shutil.rmtree(stick / "PAQUEBOT/C")
    report = alice.sync(stick)
    assert [note for note in report["notes"] if "sent again" in note]
    assert report["sent"] == 1
