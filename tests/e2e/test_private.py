"""Private things: readable by those named, carried by all, told to nobody else; every command and its failures."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from tests.unit.nodes import entropy_from

from paquebot.node import Node
from paquebot.protocol import admission, container
from paquebot.protocol.effects import SavePeer
from paquebot.protocol.encoding import raw, unb64
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.published import URIS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import About, Resource, SignedObject, compose
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.trust import OWN_NODE, PUBLISH, announcement_fields, identity_fields
from paquebot.vault import keystore
from paquebot.vault.private import Wraps

WORDS = (b"plaintextword", b"titleword", b"tagword", b"nameword", b"QQQQQQQQQQQQQQQQ")


@pytest.fixture
def three(make, meet):
    homes = make("Alice"), make("Bob"), make("Carol")
    meet(*homes)
    return homes


def listing(home, *options):
    return {each["id"]: each for each in home.json("list", *options)}


def words_in(*folders):
    """Which of the words that must stay secret lie anywhere below *folders*."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    names = " ".join(map(str, files)).encode()
    return [word for word in WORDS if word in content or word in names]


def publish_all(alice, tmp_path):
    large, small = tmp_path / "nameword.bin", tmp_path / "nameword.txt"
    large.write_bytes(b"Q" * 2_500_000)
    small.write_bytes(b"plaintextword")
    alice.run("publish", "--to", "Bob", large, small, "--tag", "tagword")
    alice.run("publish", "--to", "Bob", "--message", "plaintextword", "--title", "titleword")
    alice.run("publish", "--to", "Bob", "-", "--filename", "nameword", stdin=b"plaintextword")


def test_only_those_named_read_it_and_nobody_else_learns_a_word(three, stick, tmp_path):
    alice, bob, carol = three
    publish_all(alice, tmp_path)
    assert alice.sync(stick)["sent"]
    report = bob.sync(stick)
    assert report["new"] == 4
    carol.sync(stick)
    for home in (alice, bob):
        found = listing(home)
        assert [each["schema"] for each in found.values()] == ["file", "file", "message", "file"]
        assert all(each["private"] and each["readers"] == ["Bob"] for each in found.values())
        assert {each["title"] for each in found.values()} == {"", "titleword"}
    assert listing(carol) == {}
    assert carol.json("list", "--new") == []
    closed = [each for each in listing(carol, "--all").values() if each["schema"] == "sealed"]
    assert len(closed) == 4
    assert all(each["private"] and each["readers"] is None and not each["title"] for each in closed)
    assert words_in(carol.path, stick) == []
    assert set(words_in(bob.path)) == {b"titleword", b"tagword", b"nameword"}, "titles are in Bob's lists"
    bob.run("save", "--all-to", tmp_path / "got")
    assert (tmp_path / "got/nameword.bin").read_bytes() == b"Q" * 2_500_000
    assert (tmp_path / "got/nameword.txt").read_bytes() == b"plaintextword"
    assert (tmp_path / "got/nameword").read_bytes() == b"plaintextword"


def test_a_courier_that_cannot_read_it_brings_it_whole(make, meet, tmp_path):
    alice, bob, carol = make("Alice"), make("Bob"), make("Carol")
    meet(alice, bob), meet(bob, carol), meet(alice, carol)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    alice.run("publish", "--to", "Bob", "--message", "plaintextword", "--title", "titleword")
    for home, folder in ((alice, here), (carol, here), (carol, there), (bob, there), (carol, there), (bob, there)):
        home.sync(folder)
    assert bob.texts() == ["plaintextword"]
    assert words_in(carol.path, here, there) == []


def test_it_says_for_whom_it_is(three, stick):
    alice, bob, carol = three
    uri = alice.say("x", "--to", "Bob", "--to", "Carol")
    alone = alice.say("y", "--to", "Alice")
    other = alice.say("z", "--to", "Bob")
    for home in (alice, bob, carol):
        home.sync(stick)
    assert "private   for Bob and Carol\n" in alice.out("show", uri)
    assert "private   for you alone\n" in alice.out("show", alone)
    assert "private   for you and Carol\n" in bob.out("show", uri)
    assert "private   for you and Bob\n" in carol.out("show", uri)
    assert "private   not for us\n" in bob.out("show", alone)
    assert carol.json("show", other)["text"] is None
    assert "  private, not for us\n" in carol.out("list", "--all")
    assert "  private\n" in bob.out("list")
    assert "is private, and not for us" in carol.err("save", other, "-o", "-", code=1)


@pytest.mark.parametrize(
    ("names", "code", "why"),
    [
        (["Bod"], 1, "no peer is called 'Bod'; did you mean 'Bob'?"),
        ([""], 1, "no peer is called ''"),
        (["Bob", "Nobody"], 1, "no peer is called 'Nobody'"),
        (["Dave"], 2, "Dave may not read what you publish"),
    ],
)
def test_who_cannot_be_a_reader_is_said_before_anything_is_written(three, make, meet, tmp_path, names, code, why):
    alice = three[0]
    dave = make("Dave")
    dave.run("card", "-o", tmp_path / "dave.card")
    alice.run("peer", "add", "Dave", tmp_path / "dave.card", "--trust", "none")
    before = listing(alice, "--all")
    blobs = list((alice.path / "blobs").rglob("*")) if (alice.path / "blobs").exists() else []
    large = tmp_path / "large"
    large.write_bytes(b"x" * 100_000)
    options = [part for name in names for part in ("--to", name)]
    for what in (["--message", "x"], [large], ["-"]):
        assert why in alice.err("publish", *options, *what, code=code)
    assert listing(alice, "--all") == before
    assert (list((alice.path / "blobs").rglob("*")) if (alice.path / "blobs").exists() else []) == blobs


def test_a_reader_who_is_set_apart_gets_nothing(three):
    alice = three[0]
    with Node(alice.path) as node:
        node._store.commit([SavePeer(replace(node.peer("Bob"), suspect=Millis(1)))])
    assert "Bob is set apart" in alice.err("publish", "--to", "Bob", "--message", "x", code=2)


def test_what_was_kept_and_not_opened_is_opened_by_the_next_run(three, stick, monkeypatch):
    alice, bob, _ = three
    alice.say("plaintextword", "--to", "Bob")
    alice.sync(stick)
    with monkeypatch.context() as patched:
        patched.setattr("paquebot.private.Privacy.open_new", lambda _: iter(()))
        bob.sync(stick)
    assert bob.texts() == []
    assert bob.sync(stick)["new"] == 1
    assert bob.texts() == ["plaintextword"]
    assert bob.sync(stick)["new"] == 0


def test_a_large_private_file_costs_no_memory(three, tmp_path):
    alice = three[0]
    large = tmp_path / "large"
    with large.open("wb") as file:
        for number in range(32):
            file.write(bytes([number]) * 1_048_576)
    script = (
        "import resource, sys; from paquebot.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )

    def peak(*arguments):
        command = [sys.executable, "-c", script, "--home", alice.path, *arguments]
        done = subprocess.run(list(map(str, command)), capture_output=True, check=True)
        return int(done.stderr.split()[-1])

    idle = peak("list")
    assert peak("publish", "--to", "Bob", large) < idle + 16 * 1024
    (uri,) = (each["uri"] for each in alice.json("list"))
    assert peak("save", uri, "-o", tmp_path / "back") < idle + 16 * 1024
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


# -- a further node of a reader ----------------------------------------------------------


class Second:
    """A second node of *home*'s user, as far as others see it."""

    def __init__(self, home, seed, rights=OWN_NODE):
        entropy = entropy_from(seed)
        self.key = PrivateKey.create("ed25519", entropy)
        with Node(home.path) as node:
            now = Millis(node.now())
            user = node.view.local().user
            self.secrets = keystore.create(now, entropy, Millis(now + 10**11))
            signer = PrivateKey.from_pem(json.loads((home.path / "keys/user.json").read_text())["private_key"]["key"])

            def signed(by, schema, fields, trust=None):
                about = About(stamp=Stamp(now))
                return SignedObject.sign(compose([schema], fields, user=user, trust=trust, about=about), by)

            given = {"trust": {"trustee": self.key.fingerprint, "authorization": list(rights)}}
            trust = signed(signer, "trust", given)
            identity = signed(self.key, "identity", identity_fields("node", self.key.public, now + 10**11), trust.id)
            announced = announcement_fields(self.secrets.announcement(self.key.fingerprint))
            keys = signed(self.key, "envelope_keys", announced, trust.id)
            for each in (trust, identity, keys):
                effects = admission.receive(node.view, each, node.view.local().node, now, pinning=True)
                node._store.commit(effects)


def wraps(home):
    with Node(home.path) as node:
        names = [each.id for each in node.view.listed(["wrap"])]
        found = [Resource.read(node.view.resource(name), node.view.schema) for name in names]
        return [each.container.value["wrap"] for each in found]


def opens(wrap, secrets):
    made = Wraps(unb64(wrap["point"]), tuple(unb64(each) for each in wrap["readers"]))
    return made.open(secrets.storage, raw(wrap["resource"]))


def test_a_new_node_of_a_reader_gets_its_keys_once_and_only_for_what_it_may_read(three, stick):
    alice, bob, carol = three
    private = alice.say("plaintextword", "--to", "Bob")
    alice.say("not for Bob", "--to", "Carol")
    for home in (alice, bob, carol):
        home.sync(stick)
    second = Second(bob, "bob's telephone")
    for home in (bob, alice, carol, alice, bob, alice):
        home.sync(stick)
    (wrap,) = wraps(alice)
    assert private.endswith(wrap["resource"])
    assert opens(wrap, second.secrets)
    assert len(wraps(alice)) == 1
    assert words_in(carol.path) == []
    later = alice.say("later", "--to", "Bob")
    alice.sync(stick)
    assert len(wraps(alice)) == 1, f"{later} was sealed to both nodes at once"


def test_a_node_that_may_not_read_what_is_encrypted_gets_no_key(three, stick):
    alice, bob, _ = three
    alice.say("plaintextword", "--to", "Bob")
    second = Second(bob, "bob's printer", rights=(PUBLISH,))
    for home in (alice, bob, alice, bob, alice):
        home.sync(stick)
    assert wraps(alice) == []
    with Node(alice.path) as node:
        assert second.key.fingerprint in node.view.announcers(node.peer("Bob").user)
    uri = alice.say("more", "--to", "Bob")
    with Node(alice.path) as node:
        value = Resource.read(node.view.resource(uri.rpartition("/")[2]), node.view.schema).container.value["sealed"]
    assert len(value["readers"]) == 2


def test_a_wrap_opens_what_was_closed_whichever_comes_first_and_a_wrong_one_does_no_harm(three, stick):
    """Bob's node finds a thing that was sealed before he was a reader, then its keys; Mallory's key is none."""
    alice, bob, carol = three
    uri = alice.say("plaintextword", "--to", "Carol")
    for home in (alice, bob, carol):
        home.sync(stick)
    assert bob.texts() == []
    name = uri.rpartition("/")[2]
    with Node(bob.path) as node:
        point = node.view.announcement(node.view.local().node).storage
    wrong = b"wrong" * 6 + b"!!"
    for home, content in ((carol, wrong), (alice, wrong), (alice, None)):
        with Node(home.path) as node:
            inner = content or node._private._open(node.resource(name), [])[0]
            made = Wraps.make(inner, [point], raw(name), node._entropy)
            from paquebot.private import _entries

            node.publish([Draft(schemas=("wrap",), fields={"wrap": {"resource": name, **_entries(made)}})])
        for each in (home, bob):
            each.sync(stick)
    assert bob.texts() == ["plaintextword"]
    assert bob.json("show", uri)["private"]
    with Node(bob.path) as node:
        assert len(node.view.keys_to(name)) == 2, "what others say opens it is not tried"


def test_our_own_further_node_gets_keys_to_what_we_wrote(three, stick):
    alice, bob, _ = three
    alice.say("plaintextword", "--to", "Bob")
    second = Second(alice, "alice's telephone")
    alice.sync(stick)
    (wrap,) = wraps(alice)
    assert opens(wrap, second.secrets)
    bob.sync(stick)
    assert wraps(bob) == wraps(alice), "it is carried like all else"
    alice.sync(stick), alice.sync(stick)
    assert len(wraps(alice)) == 1


def test_keys_that_a_clock_dated_ahead_are_said_anew_once_it_is_right(three, stick):
    """Only the keys: what they open was dated rightly."""
    alice, bob, _ = three
    alice.say("plaintextword", "--to", "Bob")
    second = Second(alice, "alice's telephone")
    alice.clock = time.time_ns() // 1_000_000 + 400 * DAY_MS
    alice.sync(stick)
    alice.clock -= 400 * DAY_MS
    for home in (alice, bob, alice):
        home.run("sync", "--via", stick, code=None)
    assert wraps(bob) == [], "they wait for their time"
    assert "1 thing of ours dated ahead" in alice.out("status")

    assert len(alice.json("clock", "--right", "--yes")["anew"]) == 1
    assert alice.json("clock")["ahead"] == []
    for home in (alice, bob, alice, bob):
        home.clock = (home.clock or time.time_ns() // 1_000_000) + DAY_MS
        home.run("sync", "--via", stick, code=None)
    (wrap,) = wraps(bob)
    assert opens(wrap, second.secrets)
    assert wraps(alice) == [wrap], "nothing is written twice"


def test_who_is_no_longer_a_peer_gets_no_keys(three, stick, tmp_path, monkeypatch):
    alice, bob, _ = three
    alice.say("plaintextword", "--to", "Bob", "--to", "Carol")
    alice.sync(stick), bob.sync(stick)
    Second(bob, "bob's telephone")
    bob.sync(stick)
    with monkeypatch.context() as patched:
        patched.setattr("paquebot.private.Privacy.wrap_missing", lambda *_: iter(()))
        alice.sync(stick)
    alice.run("peer", "remove", "Bob")
    (tmp_path / "other").mkdir()
    alice.sync(tmp_path / "other")
    assert wraps(alice) == []
    bob.run("card", "-o", tmp_path / "bob.card")
    alice.run("peer", "add", "Bob", tmp_path / "bob.card")
    alice.sync(tmp_path / "other")
    assert len(wraps(alice)) == 1


def test_a_node_that_was_revoked_reads_nothing_more(three, stick):
    alice, bob, _ = three
    second = Second(bob, "bob's telephone")
    bob.sync(stick), alice.sync(stick)
    node = unb64(second.key.fingerprint)[:5].hex()
    bob.run("node", "revoke", node, "--yes")
    alice.say("before Alice knows", "--to", "Bob")
    bob.sync(stick), alice.sync(stick)
    uri = alice.say("after", "--to", "Bob")
    alice.sync(stick)
    assert wraps(alice) == []
    with Node(alice.path) as node:
        value = node.resource(uri.rpartition("/")[2]).container.value["sealed"]
    assert len(value["readers"]) == 2


def test_whom_a_reader_lets_read_along_reads_from_then_on_until_that_is_taken_back(three, stick):
    alice, bob, carol = three
    alice.say("before", "--to", "Bob")
    bob.run("trust", "give", "Carol", "--may", "private")
    for home in (bob, alice):
        home.sync(stick)
    uri = alice.say("while", "--to", "Bob")
    assert "private   for Bob and Carol\n" in alice.out("show", uri)
    for home in (alice, carol, bob):
        home.sync(stick)
    assert carol.texts() == ["while"]
    bob.run("trust", "take", "Carol", "--may", "private")
    bob.sync(stick), alice.sync(stick)
    alice.say("after", "--to", "Bob")
    for home in (alice, carol, bob):
        home.sync(stick)
    assert carol.texts() == ["while"]
    assert wraps(alice) == []
    assert sorted(bob.texts()) == ["after", "before", "while"]


# -- what hostile authors seal -----------------------------------------------------------------

HOSTILE = {
    "a trust": (["trust"], {"trust": {"trustee": "A" * 86, "authorization": ["publish_resource"]}}),
    "an identity": (
        ["identity"],
        {"identity": {"type": "user", "expires": "2030-01-01T00:00:00.000Z", "key": "A"}},
    ),
    "a revocation": (["revoke"], {"revoke": {"resource": "A" * 86}}),
    "a schema": (["schema"], {"schema": {}}),
    "a sealed thing": (["sealed"], {"sealed": {"point": "A" * 43, "readers": ["A" * 64], "body": ""}}),
    "nothing": ([], {}),
    "a file that contradicts itself": (["file"], {"file": {"size": 5, "data": "eA"}}),
    "a file with half a key": (["file"], {"file": {"size": 5, "key": "eA"}}),
    "a file with a key that is a number": (["file"], {"file": {"size": 5, "key": 5}}),
    "readers without names": (["message"], {"message": "x", "private": {"readers": ["x"]}}),
}


def sealed_by(home, schemas, fields, outer=()):
    """Publish what the command line never would: anything at all, sealed to everybody here."""
    with Node(home.path) as node:
        about = About(stamp=Stamp(Millis(node.now())))
        names = [URIS.get(each, each) for each in schemas]
        data = container.write([*names, URIS["about"]], {**fields, "about": about.fields()})
        nodes = [peer.node for peer in node.view.peers()]
        schema, value = node._private.seal(data, node.view.local().user, nodes)
        return node.publish([Draft(schemas=(schema, *outer), fields={schema: value})])[0]


def test_what_cannot_be_private_stays_closed_and_harms_nobody(three, stick):
    alice, bob, _ = three
    names = [sealed_by(alice, *each) for each in HOSTILE.values()]
    alice.say("a good one", "--to", "Bob")
    alice.sync(stick)
    assert bob.sync(stick)["new"] == 1
    assert bob.texts() == ["a good one"]
    closed = {each["uri"] for each in bob.json("list", "--all") if each["schema"] == "sealed"}
    assert closed == set(names)
    assert bob.sync(stick)["new"] == 0


def test_a_file_whose_chunks_were_left_out_is_said_to_be_so(three, stick, tmp_path):
    alice, bob, _ = three
    uri = sealed_by(alice, ["file"], {"file": {"size": 5, "key": "A" * 43}})
    alice.sync(stick), bob.sync(stick)
    assert "left its chunks out" in bob.err("save", uri, "-o", tmp_path / "x", code=3)
    assert not (tmp_path / "x").exists()


# -- SDMP's own form ------------------------------------------------------------------------


@pytest.fixture
def strict(make, meet):
    """Two people whose identities are RSA keys, as strict SDMP wants, and one whose is not."""
    homes = make("Alice", "--key", "rsa3072"), make("Bob", "--key", "rsa3072"), make("Carol")
    meet(*homes)
    return homes


def test_among_rsa_identities_private_things_are_sdmps_encrypted(strict, stick, tmp_path):
    alice, bob, carol = strict
    publish_all(alice, tmp_path)
    mixed = alice.say("for both", "--to", "Bob", "--to", "Carol")
    with Node(alice.path) as node:
        kinds = [node.resource(each.id).kind for each in node.view.listed()][-5:]
    assert kinds == ["encrypted"] * 4 + ["sealed"]
    for home in (alice, bob, carol):
        home.sync(stick)
    assert sorted(bob.texts()) == ["for both", "plaintextword"]
    assert carol.texts() == ["for both"]
    assert carol.json("show", mixed)["readers"] == ["Bob", "Carol"]
    assert words_in(carol.path, stick) == []
    bob.run("save", "--all-to", tmp_path / "got")
    assert (tmp_path / "got/nameword.bin").read_bytes() == b"Q" * 2_500_000


def test_a_new_node_of_an_rsa_reader_gets_its_key_too(strict, stick):
    alice, bob, _ = strict
    alice.say("plaintextword", "--to", "Bob")
    alice.sync(stick), bob.sync(stick)
    second = Second(bob, "bob's telephone")
    for home in (bob, alice, bob):
        home.sync(stick)
    (wrap,) = wraps(alice)
    assert opens(wrap, second.secrets)
