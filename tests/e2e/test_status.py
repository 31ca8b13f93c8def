"""What `status` says of one thing, and to monitoring, at each moment of its way."""

import json
import shutil

import pytest
from tests.e2e.conftest import Home
from tests.e2e.test_trust import second_node

from paquebot.keychain import USER_KEY
from paquebot.node import Node
from paquebot.protocol import admission
from paquebot.protocol.encoding import short
from paquebot.protocol.resource import About, Resource, SignedObject, compose
from paquebot.protocol.stamp import Millis, Stamp

DAY_MS = 86_400_000
START = 1_800_000_000_000


@pytest.fixture
def dated(make, meet):
    """Alice and Bob, whose clocks are in our hands."""
    homes = make("Alice", clock=START), make("Bob", clock=START)
    meet(*homes)
    return homes


def told(home, *ids, **options):
    (found,) = home.json("status", *ids, **options)
    (peer,) = found["peers"]
    return peer


def at(days, *homes):
    for home in homes:
        home.clock = START + int(days * DAY_MS) + 60_000 * int(days)


def test_each_tick_of_one_thing_comes_with_its_evidence(dated, stick):
    alice, bob = dated
    note = alice.say("hello", "--title", "Greeting")
    assert told(alice, note)["words"] == "waiting for a carrier; no sign of life yet"

    alice.sync(stick)
    at(3, alice, bob)
    peer = told(alice, note)
    assert (peer["reach"], peer["handed_where"], peer["read_back"], peer["on_the_way"]) == (
        "handed", str(stick), True, 1,
    )  # fmt: skip
    assert peer["words"].startswith(f"handed to {stick} 3 days ago (read back); no sign of life yet; counts as lost by")

    bob.sync(stick)
    assert told(alice, note)["reach"] == "handed"
    at(4, alice, bob)
    alice.sync(stick)
    at(5, alice, bob)
    peer = told(alice, note)
    assert peer["words"] == "applied by the peer, as it said 1 day ago"
    assert peer["stored_at"][:16] == peer["applied_at"][:16]
    assert peer["applied_at"].startswith("2027-01-19")
    assert "Greeting" in alice.out("status", note)
    assert "Bob: applied by the peer, as it said 1 day ago" in alice.out("status", note, "--peer", "Bob")


def test_silence_after_something_was_handed_is_told(dated, stick):
    alice, bob = dated
    for _ in range(2):
        for home in (alice, bob):
            home.say("hello")
            home.sync(stick)
    alice.sync(stick)
    at(10, alice)
    note = alice.say("still there?")
    alice.sync(stick)
    at(13, alice)

    words = told(alice, note)["words"]

    assert "3 days ago (read back); no sign of life since 2027-01-15" in words


def test_what_came_from_others_is_told_with_its_way(dated, stick):
    alice, bob = dated
    note = alice.say("hello")
    alice.sync(stick)
    bob.sync(stick)

    assert "came from Alice on 2027-01-15" in bob.out("status", note)
    (found,) = bob.json("status", note)
    assert (found["from"], found["peers"], found["complete"]) == ("Alice", [], True)


def test_several_things_are_told_at_once_and_a_wrong_one_is_named(dated):
    alice, _ = dated
    notes = [alice.say(text) for text in ("one", "two")]

    assert [each["uri"] for each in alice.json("status", *notes)] == notes
    assert "nothing here has the id" in alice.err("status", "cafecafecafe", code=1)
    assert "no peer is called" in alice.err("status", notes[0], "--peer", "Nobody", code=1)


def test_who_may_not_read_is_said_to(make, meet):
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob, trust="none")

    assert told(alice, alice.say("secret"))["words"] == "withheld: the peer may not read"


def test_a_lost_stick_is_never_called_more_than_handed(dated, stick):
    alice, _ = dated
    note = alice.say("hello")
    alice.sync(stick)
    shutil.rmtree(stick)
    stick.mkdir()
    at(2, alice)
    alice.sync(stick)

    peer = told(alice, note)

    assert (peer["reach"], peer["on_the_way"], peer["stored_at"]) == ("handed", 2, None)


def test_monitoring_gets_one_line_and_a_number(dated, stick):
    alice, bob = dated
    alice.say("hello")
    limits = ["max-age=2d", "max-waiting=3d", "no-quarantine"]

    assert alice.out("status", "--check", *limits) == "OK: 1 peer | waiting=1 set_aside=0 pending=0 hooks_failed=0\n"
    at(2.5, alice)
    assert alice.out("status", "--check", *limits, code=2).startswith("CRITICAL: never heard of, for Bob 2d (at most")
    assert alice.run("status", "--check", *limits[1:]).returncode == 0
    at(4, alice, bob)
    found = json.loads(alice.out("status", "--check", *limits, "--json", code=2))
    assert [each["level"] for each in found["findings"]] == ["CRITICAL", "CRITICAL"]
    for home in (alice, bob, alice):
        home.sync(stick)
    bob.say("I have it")
    for home in (bob, alice):
        home.sync(stick)
    assert (
        alice.out("status", "--check", *limits, "--peer", "Bob")
        == "OK: 1 peer | waiting=0 set_aside=0 pending=0 hooks_failed=0\n"
    )


def test_monitoring_warns_of_what_is_set_aside(dated, stick):
    alice, bob = dated
    bob.say("hello")
    bob.sync(stick)
    for path in stick.rglob("*.PQB"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    alice.sync(stick, code=3)

    said = alice.out("status", "--check", "no-quarantine", code=1)
    assert said == "WARNING: 1 set aside | waiting=0 set_aside=1 pending=0 hooks_failed=0\n"
    assert alice.out("status", "--check").startswith("OK")


def test_who_waits_to_be_met_and_what_hooks_have_not_done_is_told_by_status_and_to_monitoring(make, stick, tmp_path):
    alice, bob = make("Alice"), make("Bob")
    bob.run("card", "-o", tmp_path / "bob.card")
    alice.run("peer", "add", "Bob", tmp_path / "bob.card")
    alice.say("you do not know me yet")
    alice.sync(stick), bob.sync(stick)
    assert (bob.json("status")["pending"], bob.json("status")["hooks_failed"]) == (1, 0)
    assert "1 stranger waiting for your word: see `paquebot peer pending`" in bob.out("status")
    said = bob.out("status", "--check", code=1)
    assert said.startswith("WARNING: strangers who wait to be met: 1 (paquebot peer pending) | ")
    assert said.endswith("pending=1 hooks_failed=0\n")
    assert bob.json("status", "--check", code=1)["pending"] == 1

    (bob.path / "config.toml").write_text('[hooks]\non-arrival = ["false"]\n')
    bob.run("peer", "accept", "1", "Alice")
    assert bob.out("status", "--check").startswith("OK: 1 peer")
    bob.sync(stick, code=1)
    assert (bob.json("status")["pending"], bob.json("status")["hooks_failed"]) == (0, 1)
    assert "1 task of hooks or folders failed; tried again later" in bob.out("status")
    assert "failed hooks or folders: 1 (paquebot hook list)" in bob.out("status", "--check", "--peer", "Alice", code=1)
    bob.run("hook", "drop", str(bob.json("hook", "list")[0]["id"]))
    assert bob.out("status", "--check").startswith("OK: 1 peer")


@pytest.mark.parametrize("word", ["max-age", "max-age=", "max-age=soon", "min-age=2d", "quarantine"])
def test_a_condition_that_is_none_is_refused(dated, word):
    assert "duration" in (said := dated[0].err("status", "--check", word, code=2)) or "no condition" in said


def test_a_private_thing_names_its_readers(dated, stick):
    alice, bob = dated
    for home in (alice, bob, alice):
        home.sync(stick)
    note = alice.say("for you alone", "--to", "Bob")

    assert alice.json("status", note)[0]["readers"] == ["Bob"]
    assert "private: for Bob" in alice.out("status", note)
    assert alice.json("status", alice.say("for all"))[0]["readers"] is None


def test_who_carries_a_private_thing_gives_no_tick_that_it_was_read(make, meet, stick):
    """Carol holds what is for Bob, and neither she, the log, monitoring nor a count says that somebody has read it."""
    alice, bob, carol = (make(name, clock=START) for name in ("Alice", "Bob", "Carol"))
    meet(alice, bob, carol)
    for home in (alice, bob, carol, alice):
        home.sync(stick)
    note = alice.say("for Bob", "--to", "Bob", "--title", "Whisper")
    waiting = {each["peer"]: each["words"] for each in alice.json("status", note)[0]["peers"]}
    assert waiting["Bob"] == "waiting for a carrier"
    assert waiting["Carol"] == "waiting for a carrier; to be carried by Carol, who cannot read it"

    for home in (alice, carol, alice):
        home.sync(stick)

    bobs, carols = sorted(alice.json("status", note)[0]["peers"], key=lambda each: each["peer"])
    assert (bobs["reach"], bobs["reads"], bobs["meant"]) == ("handed", True, True)
    assert (carols["reach"], carols["reads"], carols["meant"]) == ("carried", False, False)
    assert carols["applied_at"] is None
    assert "Carol: carried by Carol, who cannot read it, as it let us know" in alice.out("status", note)
    assert "Carol: carried by the peer, which cannot read it" in alice.out("show", note)
    counts = [alice.peer("Carol")[key] for key in ("published", "handed", "stored", "applied", "sealed", "carried")]
    assert counts == [0, 0, 0, 0, 1, 1]
    assert "carries 1 of 1 private thing to which it has no key" in (said := alice.out("status"))
    assert "nothing published here yet" not in said
    assert alice.json("log", "--kind", "applied") == []
    at(8, alice)
    assert "Bob lacks 1 of ours, the oldest for 8d" in (
        said := alice.out("status", "--check", "max-waiting=7d", code=2)
    )
    assert "Carol" not in said

    for home in (bob, alice):
        home.sync(stick)
    bobs, carols = sorted(alice.json("status", note)[0]["peers"], key=lambda each: each["peer"])
    assert (bobs["reach"], carols["reach"]) == ("applied", "carried")
    assert [each["peer_name"] for each in alice.json("log", "--kind", "applied")] == ["Bob"]
    alice.run("status", "--check", "max-waiting=7d")


def test_a_later_node_of_a_reader_has_read_nothing_before_its_key_came(make, meet, stick, tmp_path, monkeypatch):
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob)
    note = alice.say("for Bob", "--to", "Bob")
    later = Home(tmp_path / "Later", "Later")
    with Node(bob.path) as node:
        Node.create(later.path, "Later", user=node.keys.private_key(USER_KEY))
    meet(alice, later)

    def told_of_later():
        return next(each for each in alice.json("status", note)[0]["peers"] if each["peer"] == "Later")

    with monkeypatch.context() as patched:
        patched.setattr("paquebot.private.Privacy.wrap_missing", lambda *_: iter(()))
        for home in (later, alice, later, alice):
            home.sync(stick)
    assert told_of_later()["words"].startswith("carried by Later, who has no key to it yet, as it let us know")
    alice.sync(stick)
    assert told_of_later()["reach"] == "carried", "its key lies on the stick"
    later.sync(stick)
    assert later.texts() == ["for Bob"]
    alice.sync(stick)
    assert told_of_later()["reach"] == "applied"
    assert [each["peer_name"] for each in alice.json("log", "--kind", "applied")] == ["Later"]


def test_of_a_revoked_thing_it_is_told_who_took_it_back_when_and_who_knows(dated, stick):
    alice, bob = dated
    note = alice.say("regretted", "--title", "Regret")
    assert alice.json("status", note)[0]["revoked"] is None
    for home in (alice, bob, alice):
        home.sync(stick)
    at(2, alice, bob)
    alice.run("revoke", "--yes", note)

    mine = alice.json("status", note)[0]["revoked"]
    node = alice.json("status")["node"]
    assert (mine["by"], mine["signer"], mine["at"][:10]) == (f"Alice, from node {short(node)}", node, "2027-01-17")
    assert [each["reach"] for each in mine["peers"]] == ["waiting"]
    said = alice.out("status", note)
    assert "Bob: applied by the peer" in said, "what was, was"
    assert f"  revoked on 2027-01-17 08:02:00 UTC by Alice, from node {short(node)}; how far that has got:\n" in said
    assert said.endswith("    Bob: waiting for a carrier\n")

    for home in (alice, bob, alice):
        home.sync(stick)
    assert alice.json("status", note)[0]["revoked"]["peers"][0]["reach"] == "applied"
    said = bob.out("status", note)
    assert said.endswith(f"  revoked on 2027-01-17 08:02:00 UTC by Alice, from node {short(node)}\n")
    assert bob.json("status", note)[0]["revoked"]["peers"] == []


def test_what_a_stolen_node_published_is_told_to_be_revoked_with_it(pair, stick):
    alice, bob = pair
    laptop = second_node(alice)
    thing = next(each["uri"] for each in alice.json("list") if each["title"] == "")
    alice.sync(stick), bob.sync(stick)
    with Node(alice.path) as node:
        trust = next(each for each in node.view.authority(node.view.local().user).given(laptop.fingerprint))
        stamp = About(stamp=Stamp(Millis(1)))
        fields = {"revoke": {"resource": trust.id}}
        signed = SignedObject.sign(
            compose(["revoke"], fields, user=trust.user, trust=None, about=stamp), node.keys.private_key(USER_KEY)
        )
        resource = Resource.read(signed, node.view.schema)
        node.commit(admission.keep(node.view, resource, sender=None, now=node.now()))
    for home in (alice, bob):
        home.sync(stick)
        said = home.out("status", thing)
        assert f"revoked with all trust in node {short(laptop.fingerprint)}, which published it," in said
        assert "by Alice, with the user key" in said
        assert home.json("status", thing)[0]["revoked"]["node"] == laptop.fingerprint


def test_a_mistyped_path_is_not_waited_for_and_a_stick_that_was_there_is(pair, stick):
    alice, _ = pair
    alice.run("sync", "--via", "nostick", code=13)
    assert "does not work" not in alice.out("status")

    alice.say("hello")
    alice.sync(stick)
    stick.rename(stick.with_name("elsewhere"))
    alice.run("sync", "--via", stick, code=13)
    assert "does not work since" in alice.out("status")
    stick.with_name("elsewhere").rename(stick)
    alice.sync(stick)
    assert "does not work" not in alice.out("status")
