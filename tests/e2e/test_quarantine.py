"""What was set aside can be listed, explained, given back and deleted; it never fills the disk."""

import os
from dataclasses import replace

import pytest
from tests.e2e.conftest import crates

from paquebot.node import Node
from paquebot.protocol import hearing
from paquebot.protocol.effects import Quarantine, Seen
from paquebot.protocol.encoding import ResourceId, b64
from paquebot.protocol.stamp import Millis
from paquebot.store import aside

DAY_MS = 86_400_000


def damage(stick):
    path = crates(stick)[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


@pytest.fixture
def damaged(pair, stick):
    """Alice's note to Bob, damaged on the way: Bob has set it aside."""
    alice, bob = pair
    alice.say("hello")
    alice.sync(stick)
    damage(stick)
    bob.sync(stick, code=3)
    return alice, bob


@pytest.fixture
def stranger(make, meet, stick, tmp_path):
    """Bob has Alice's card, and she lacks his; what he wrote is set aside by Alice, as if it came by hand."""
    alice, bob = make("Alice"), make("Bob")
    alice.run("card", "-o", tmp_path / "a.card")
    bob.run("card", "-o", tmp_path / "b.card")
    bob.run("peer", "add", "Alice", tmp_path / "a.card")
    bob.say("do you hear me?")
    bob.sync(stick)
    alice.run("sync", "--via", stick, code=None)
    if not alice.json("quarantine", "list")["pieces"]:
        parcel = next(iter(parcels(stick)))
        put(alice, Quarantine(parcel, "stranger", "the sender is not one of our peers", None, "by hand", Millis(1)))
    return alice, bob, tmp_path / "b.card"


def parcels(stick):
    """What lies in the crates on a stick."""
    from paquebot_drop.crate import read_body, read_contents

    for path in crates(stick):
        data = path.read_bytes()
        read = lambda at, count: data[at : at + count]  # noqa: B023, E731 used at once
        for entry in read_contents(read, len(data)).entries:
            yield read_body(read, entry)


def put(home, *effects):
    with Node(home.path) as node:
        node._store.commit(effects)


def blobs(home):
    return [path for path in (home.path / "blobs").rglob("*") if path.is_file()]


def test_what_was_damaged_is_listed_and_explained(damaged, tmp_path):
    _, bob = damaged

    (piece,) = bob.json("quarantine", "list")["pieces"]
    said = bob.out("quarantine", "show", str(piece["number"]), "--save", tmp_path / "bytes")

    assert piece["code"] in bob.out("quarantine", "list")
    assert piece["reason"] in said
    assert piece["sha256"] in said
    assert len((tmp_path / "bytes").read_bytes()) == piece["bytes"]
    assert bob.json("quarantine", "show", str(piece["number"]))["inspection"]["kind"]


def test_what_was_damaged_cannot_be_released(damaged):
    _, bob = damaged
    (piece,) = bob.json("quarantine", "list")["pieces"]

    assert "its sender sends it again" in bob.err("quarantine", "release", str(piece["number"]), code=2)

    assert bob.json("quarantine", "list")["pieces"] == [piece]


def test_an_envelope_that_is_still_bad_stays_with_its_new_reason(pair, stick):
    alice, bob = pair
    bob.say("hello")
    bob.sync(stick)
    parcel = bytearray(next(iter(parcels(stick))))
    parcel[-20] ^= 1
    put(alice, Quarantine(bytes(parcel), "stranger", "who?", None, "by hand", Millis(1)))

    assert "refused again" in alice.err("quarantine", "release", "1", code=3)

    (after,) = alice.json("quarantine", "list")["pieces"]
    assert after["number"] == 1
    assert after["code"] != "stranger"


def test_a_strangers_envelope_is_released_after_the_card_came(stranger):
    alice, _, card = stranger
    number = str(alice.json("quarantine", "list")["pieces"][0]["number"])

    assert "stranger" in alice.err("quarantine", "release", number, code=3)
    alice.run("peer", "add", "Bob", card)
    alice.run("quarantine", "release", number)

    assert alice.texts() == ["do you hear me?"]
    assert alice.json("quarantine", "list")["pieces"] == []
    assert alice.json("status")["quarantined"] == 0
    assert not [path for path in blobs(alice) if path.stat().st_size > 0]


def test_a_resource_is_released_by_the_same_checks(pair):
    alice, bob = pair
    bob.say("hello")
    with Node(bob.path) as node:
        (listed,) = node.view.listed(["message"])
        signed, me = node.view.resource(listed.id), node.view.local().node
    forged = replace(signed.signatures[0], value=os.urandom(64))
    bad = replace(signed, signatures=(forged,))
    for one in (signed, bad):
        put(alice, Quarantine(one.encode(), "expired", "too early", me, "stick", Millis(2), one.id))
    good, other = (str(each["number"]) for each in alice.json("quarantine", "list")["pieces"])

    assert "signature" in alice.err("quarantine", "release", other, code=3)
    assert alice.texts() == []
    assert alice.json("quarantine", "release", good)[0]["taken"]

    assert alice.texts() == ["hello"]
    assert [each["code"] for each in alice.json("quarantine", "list")["pieces"]] == ["bad-signature"]


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [(b"junk", "malformed", "says nothing by itself"), (b"{}", "signed-in-clear", "evidence")],
)
def test_what_cannot_be_judged_by_itself_says_so(make, data, code, said):
    alice = make("Alice")
    put(alice, Quarantine(data, code, "bad", None, "stick", Millis(1)))

    assert said in alice.err("quarantine", "release", "1", code=2)

    assert len(alice.json("quarantine", "list")["pieces"]) == 1


def test_what_is_purged_is_gone_and_does_not_come_back(damaged, stick):
    _, bob = damaged
    (piece,) = bob.json("quarantine", "list")["pieces"]
    before = len(blobs(bob))

    assert "--yes" in bob.err("quarantine", "purge", "--all", code=2)
    assert bob.json("quarantine", "purge", str(piece["number"]), "--yes")["bytes"] == piece["bytes"]

    assert bob.json("quarantine", "list")["pieces"] == []
    assert len(blobs(bob)) == before - 1
    assert bob.json("check") == []
    bob.run("sync", "--via", stick, code=None)
    assert bob.json("quarantine", "list")["pieces"] == []
    assert "nothing with the number" in bob.err("quarantine", "show", str(piece["number"]), code=1)


def test_only_what_is_old_enough_is_purged(make):
    alice = make("Alice")
    with Node(alice.path) as node:
        now = node.now()
    for days in (100, 80):
        put(alice, Quarantine(b"%d" % days, "malformed", "bad", None, "x", Millis(now - days * DAY_MS)))

    assert alice.json("quarantine", "purge", "--older-than", "90d", "--yes")["purged"] == [1]
    assert [each["number"] for each in alice.json("quarantine", "list")["pieces"]] == [2]


@pytest.mark.parametrize("options", [[], ["--all", "1"], ["--older-than", "soon"], ["one"]])
def test_a_purge_that_does_not_say_what_is_refused(make, options):
    make("Alice").run("quarantine", "purge", "--yes", *options, code=2)


def test_a_number_that_is_not_there_is_named(make):
    alice = make("Alice")
    for verb in ("show", "release", "purge"):
        options = ["--yes"] if verb == "purge" else []
        assert "number 7" in alice.err("quarantine", verb, "7", *options, code=1)


def test_the_quarantine_has_a_bound_for_each_sender_and_for_all(pair, monkeypatch):
    alice, bob = pair
    sender = bob.json("peer", "show", "Alice") and alice.json("peer", "show", "Bob")["node"]
    for name, value in (("SENDER_BYTES", 30), ("BYTES", 50), ("SENDER", 6), ("", 8)):
        monkeypatch.setattr(aside, f"ASIDE_{name}_MAX".replace("__", "_"), value)
    pieces = [(b"%010d" % number, sender if number % 3 else None) for number in range(12)]
    for number, (data, who) in enumerate(pieces):
        item = ResourceId(b64(bytes(63) + bytes([number])))
        put(alice, Quarantine(data, "malformed", "bad", who, "stick", Millis(number + 1), item))

    listed = alice.json("quarantine", "list")

    kept = [each for each in listed["pieces"] if each["kept"]]
    assert sum(each["bytes"] for each in kept) == 50
    assert sum(each["bytes"] for each in kept if each["sender"]) == 30
    assert len(listed["pieces"]) == 8
    assert listed["forgotten"] == 4
    assert len(blobs(alice)) == 5
    dropped = next(each for each in listed["pieces"] if not each["kept"])
    assert "make room" in alice.out("quarantine", "show", str(dropped["number"]))
    assert "not here any more" in alice.err("quarantine", "release", str(dropped["number"]), code=1)
    assert "4 older pieces" in alice.err("quarantine", "list")


def test_an_envelope_that_the_store_refuses_is_set_aside_and_its_neighbours_come_in(pair, stick, monkeypatch):
    alice, bob = pair
    hear = hearing.hear

    def stammered(*args):
        for effect in hear(*args):
            yield effect
            if isinstance(effect, Seen):
                yield effect

    alice.say("hello")
    alice.sync(stick)
    monkeypatch.setattr(hearing, "hear", stammered)

    done = bob.sync(stick, code=3)

    monkeypatch.undo()
    assert "cannot be stored" in str(done)
    assert bob.json("quarantine", "list")["pieces"]
    alice.say("and more")
    for home in (alice, bob, alice, bob):
        home.sync(stick)
    assert set(bob.texts()) == {"hello", "and more"}
