"""Replies, attachments, newer versions: how what people write hangs together, on both sides."""

import os

import pytest

from paquebot.node import Node
from paquebot.protocol.publishing import Draft


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "map.bin", tmp_path / "notes.txt"
    paths[0].write_bytes(os.urandom(100_000))
    paths[1].write_bytes(b"notes")
    return paths


def uris(home, *words) -> list[str]:
    return [each["uri"] for each in home.json("publish", *words)]


def test_a_message_brings_its_attachments(pair, stick, files, tmp_path):
    alice, bob = pair
    *attached, uri = uris(alice, "-m", "As promised", "--title", "Maps", "--attach", files[0], "--attach", files[1])
    for home in (alice, bob, alice, bob):
        home.sync(stick)
    shown = bob.json("show", uri)
    assert [each["filename"] for each in shown["attachments"]] == ["map.bin", "notes.txt"]
    assert [each["resource"] for each in shown["attachments"]] == [each.rpartition("/")[2] for each in attached]
    assert all(each["complete"] for each in shown["attachments"])
    assert "map.bin): here" in bob.out("show", uri)
    assert "2 attachments" in bob.out("list")
    bob.run("save", uri, "--attachments", "--all-to", tmp_path / "got")
    assert sorted(os.listdir(tmp_path / "got")) == ["Maps.txt", "map.bin", "notes.txt"]
    assert (tmp_path / "got" / "map.bin").read_bytes() == files[0].read_bytes()


def test_an_attachment_that_cannot_be_read_publishes_nothing(pair, files, tmp_path):
    alice, _ = pair
    alice.run("publish", "-m", "x", "--attach", files[0], "--attach", tmp_path / "gone", code=2)
    assert alice.json("list") == []
    assert "goes with --message" in alice.err("publish", files[0], "--attach", files[1], code=2)
    assert "goes with IDs" in alice.err("save", "--attachments", "--all-to", tmp_path, code=2)


def test_a_conversation_is_shown_in_its_order(pair, stick):
    alice, bob = pair
    (root,) = uris(alice, "-m", "How is the water?", "--title", "Day \x1b12")
    for home in (alice, bob):
        home.sync(stick)
    (low,) = uris(bob, "-m", "Low", "--reply-to", root)
    (other,) = uris(bob, "-m", "And brown", "--reply-to", root)
    bob.sync(stick)
    alice.sync(stick)
    (thanks,) = uris(alice, "-m", "Thank you", "--reply-to", low)
    thread = alice.json("show", "--thread", thanks)
    assert [(each["uri"], each["depth"]) for each in thread] == [(root, 0), (low, 1), (thanks, 2), (other, 1)]
    assert [each["text"] for each in thread] == ["How is the water?", "Low", "Thank you", "And brown"]
    lines = alice.out("show", root, "--thread").splitlines()
    assert "Day \\x1b12" in lines[0]
    assert [line.strip() for line in lines[1::2]] == [each["text"] for each in thread]
    assert "replies   2: see --thread" in alice.out("show", root)
    assert "reply to" in alice.out("show", low)
    assert alice.json("show", low)["parent"] == root.rpartition("/")[2]


def test_a_reply_waits_for_what_it_answers(make, meet, stick, tmp_path):
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    meet(alice, bob, carol)
    (root,) = uris(alice, "-m", "question")
    alice.sync(tmp_path / "stick")
    bob.sync(tmp_path / "stick")
    uris(bob, "-m", "answer", "--reply-to", root)
    for home in (bob, carol, alice, bob, carol, alice, bob, carol):
        home.sync(stick)
    assert carol.texts() == ["question", "answer"]


def test_a_reply_is_read_by_whoever_cannot_have_what_it_answers(make, meet, stick):
    """Carol knows Bob alone: what Alice wrote never comes to her, and Bob's answer to it does, at once."""
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    meet(alice, bob), meet(bob, carol)
    (root,) = uris(alice, "-m", "question")
    alice.sync(stick), bob.sync(stick)
    (answer,) = uris(bob, "-m", "answer", "--reply-to", root)
    for home in (bob, carol, bob):
        home.sync(stick)
    assert carol.texts() == ["answer"]
    assert carol.json("status")["held"] == 0
    assert "reply to something you do not hold" in carol.out("list")
    assert "reply to  something you do not hold (" in carol.out("show", answer)
    assert [each["text"] for each in carol.json("show", answer, "--thread")] == ["answer"]
    assert bob.peer("Carol")["applied"] == 1
    (thanks,) = uris(carol, "-m", "thanks", "--reply-to", answer)
    for home in (carol, bob, alice):
        home.sync(stick)
    meet(alice, carol)
    for home in (carol, bob, alice, carol):
        home.sync(stick)
    assert [each["text"] for each in carol.json("show", thanks, "--thread")] == ["question", "answer", "thanks"]
    assert "do not hold" not in carol.out("list")


def test_a_reply_to_what_is_private_to_others_says_so(make, meet, stick):
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    meet(alice, bob, carol)
    root = alice.say("question", "--to", "Bob")
    alice.sync(stick), bob.sync(stick)
    answer = bob.say("answer", "--reply-to", root, "--to", "Carol")
    for home in (bob, carol):
        home.sync(stick)
    assert carol.texts() == ["answer"]
    assert "reply to something that is not for you" in carol.out("list")
    assert "something that is not for you" in carol.out("show", answer)


def test_what_waits_is_named_with_what_it_waits_for(make, meet, stick):
    """Bob needs the schema of what Alice writes, which only Carol's home has: both ends say so in words."""
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob)
    lost = "A" * 85 + "g"
    with Node(alice.path) as node:
        node.publish([Draft(schemas=(f"sdmp://{lost}/{lost}",), fields={"x": 1}, title="Form")])
    for home in (alice, bob, alice):
        home.sync(stick)
    (waiting,) = bob.json("status")["waiting"]
    assert (waiting["sender"], waiting["waits_for"]) == ("Alice", ["its schema"])
    assert "1 item waiting for something else, or for its time:\n" in (said := bob.out("status"))
    assert ", brought by Alice, waits for its schema\n" in said
    assert "is held there: it waits for " in (said := alice.out("status"))
    assert lost not in said
    assert said.count("it waits for") == 1


def test_a_newer_version_replaces_only_what_is_ones_own(pair, stick):
    alice, bob = pair
    (old,) = uris(alice, "-m", "Meet at 9", "--expires", "2099-01-31")
    alice.sync(stick)
    bob.sync(stick)
    (new,) = uris(alice, "-m", "Meet at 10", "--supersedes", old)
    alice.sync(stick)
    bob.sync(stick)
    assert bob.json("show", old)["superseded_by"] == new.rpartition("/")[2]
    assert bob.json("show", new)["supersedes"] == old.rpartition("/")[2]
    assert "replaced  by" in bob.out("show", old)
    assert "expires   2099-01-31" in bob.out("show", old)
    assert "superseded" in bob.out("list").splitlines()[1]
    assert "published yourself" in bob.err("publish", "-m", "x", "--supersedes", old, code=2)


def test_answers_to_what_is_private_are_not_public_by_accident(pair, stick, files):
    alice, bob = pair
    *_, root = uris(alice, "-m", "only you", "--to", "Bob", "--attach", files[0], "--attach", files[1])
    for home in (alice, bob, alice, bob):
        home.sync(stick)
    assert [each["filename"] for each in bob.json("show", root)["attachments"]] == ["map.bin", "notes.txt"]
    assert "say with --to" in bob.err("publish", "-m", "answer", "--reply-to", root, code=2)
    uris(bob, "-m", "answer", "--reply-to", root, "--to", "Alice")
    bob.sync(stick)
    alice.sync(stick)
    assert [each["text"] for each in alice.json("show", root, "--thread")] == ["only you", "answer"]


def test_mistakes_are_named(pair):
    alice, _ = pair
    assert "is past" in alice.err("publish", "-m", "x", "--expires", "2020-01-01", code=2)
    assert "is not a date" in alice.err("publish", "-m", "x", "--expires", "soon", code=2)
    assert "nothing here has the id" in alice.err("publish", "-m", "x", "--reply-to", "ffffff", code=1)
    trust = next(each["uri"] for each in alice.json("list", "--all") if each["schema"] == "trust")
    assert "is no message or file" in alice.err("publish", "-m", "x", "--reply-to", trust, code=2)
