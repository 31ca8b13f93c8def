"""Who may have what, by the command line: trust given, taken and expired; things and nodes revoked."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from paquebot import home as homes
from paquebot.node import Node
from paquebot.protocol import admission
from paquebot.protocol.encoding import short
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import IDENTITY_LIFE_MS
from paquebot.protocol.resource import About, SignedObject, compose
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import OWN_NODE, identity_fields


@pytest.fixture
def ship(make):
    return make("Ship")


@pytest.fixture
def three(make, meet, ship, tmp_path):
    """Ship knows Office, Office knows Clinic; Clinic would take what Ship says, but Ship has not let it read."""
    office, clinic = make("Office"), make("Clinic")
    meet(ship, office)
    meet(office, clinic)
    clinic.run("peer", "add", "Ship", tmp_path / "Ship.card")
    ship.run("peer", "add", "Clinic", tmp_path / "Clinic.card", "--trust", "none")
    return ship, office, clinic


def rounds(stick, *nodes, count=3):
    for _ in range(count):
        for node in nodes:
            node.run("sync", "--via", stick, code=None)


def trusts(home, *options):
    return {(each["user_name"], each["trustee_name"]): each for each in home.json("trust", "list", *options)}


def test_what_is_given_to_one_is_not_handed_on_to_another_until_its_author_says_so(three, tmp_path):
    ship, office, clinic = three
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir(), other.mkdir()
    ship.say("for the office")
    rounds(one, ship, office)
    rounds(other, office, clinic, count=4)
    assert (office.texts(), clinic.texts()) == (["for the office"], [])
    assert ("Ship", "Clinic") not in trusts(ship)

    assert "Clinic may read on your behalf." in ship.out("trust", "give", "Clinic", "--may", "read")
    assert trusts(ship)["Ship", "Clinic"]["may"] == ["read"]
    rounds(one, ship, office)
    later = (datetime.now(UTC) + timedelta(days=40)).timestamp()
    for home in (ship, office, clinic):
        home.clock = int(later * 1000)
    rounds(one, ship, office)
    rounds(other, office, clinic, count=5)
    assert clinic.texts() == ["for the office"], "by way of the office, with the ship's leave"
    assert trusts(clinic)["Ship", "Clinic"]["state"] == "in force"

    assert "may not read" in ship.out("trust", "take", "Clinic", "--may", "read")
    assert trusts(ship, "--all")["Ship", "Clinic"]["state"] == "revoked"
    ship.say("not for the clinic")
    rounds(one, ship, office)
    rounds(other, office, clinic, count=4)
    assert "not for the clinic" in office.texts()
    assert clinic.texts() == ["for the office"]


def test_a_trust_with_an_end_ends(make, meet, stick):
    alice, bob = make("Alice"), make("Bob")
    meet(alice, bob, trust="none")
    bob.run("trust", "give", "Alice", "--may", "read")
    end = (datetime.now(UTC) + timedelta(days=10)).strftime("%Y-%m-%d")
    alice.run("trust", "give", "Bob", "--may", "read,private", "--until", end)
    found = trusts(alice)["Alice", "Bob"]
    assert (found["may"], found["until"][:10]) == (["read", "private"], end)
    alice.clock = int((datetime.now(UTC) + timedelta(days=11)).timestamp() * 1000)
    assert ("Alice", "Bob") not in trusts(alice)
    assert trusts(alice, "--all")["Alice", "Bob"]["state"] == "expired"
    alice.say("too late")
    alice.sync(stick)
    assert not next(each for each in alice.json("peer", "list") if each["name"] == "Bob")["reads"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("give", "Nobody", "--may", "read"), 1, "no peer is called"),
        (("give", "Bob"), 2, "--may"),
        (("give", "Bob", "--may", "dance"), 2, "nothing that can be allowed"),
        (("give", "Bob", "--may", "read", "--until", "tomorrow"), 2, "not a date"),
        (("give", "Bob", "--may", "read", "--until", "2020-01-01"), 2, "has passed"),
        (("take", "Bob", "--may", "revoke"), 2, "has none of that"),
        (("take", "Nobody"), 1, "no peer is called"),
    ],
)
def test_trust_says_what_is_wrong(pair, words, code, said):
    alice, _ = pair
    before = alice.json("trust", "list", "--all")
    assert said in alice.err("trust", *words, code=code)
    assert alice.json("trust", "list", "--all") == before


def test_taking_a_part_leaves_the_rest(pair):
    alice, _ = pair
    alice.run("trust", "give", "Bob", "--may", "publish,delegate")
    alice.run("trust", "take", "Bob", "--may", "delegate")
    assert trusts(alice)["Alice", "Bob's node"]["may"] == ["publish"]
    assert trusts(alice)["Alice", "Bob"]["may"] == ["read"]


# revoke


def test_what_is_revoked_is_hidden_at_peers_and_answered_by_its_revocation(pair, stick, tmp_path):
    alice, bob = pair
    uri, kept = alice.say("oops"), alice.say("good")
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(100_000))
    file = alice.out("publish", big).strip()
    alice.sync(stick), bob.sync(stick)
    assert sorted(bob.texts()) == ["good", "oops"]
    said = alice.out("revoke", "--yes", uri, file)
    assert said.count("is revoked.") == 2
    assert "nobody can take back" in said
    assert alice.texts() == ["good"]
    assert "revoked already" in alice.err("revoke", "--yes", uri, code=2)
    alice.sync(stick)
    assert bob.sync(stick)["outcomes"]["superseded"] == 2
    assert [each["uri"] for each in bob.json("list")] == [kept]
    hidden = {each["uri"]: each["revoked"] for each in bob.json("list", "--all") if each["revoked"]}
    assert set(hidden) == {uri, file}
    assert "was revoked" in bob.err("show", uri, code=1)
    assert "was revoked" in bob.err("save", file, "-o", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()
    bob.sync(stick), alice.sync(stick)
    assert alice.peer("Bob")["state"] == "in sync"
    assert any(each["kind"] == "revoked" for each in bob.json("log"))


def test_what_was_never_sent_is_never_sent_after_its_revocation(pair, stick):
    alice, bob = pair
    alice.run("revoke", "--yes", alice.say("oops"))
    alice.sync(stick), bob.sync(stick), alice.sync(stick)
    assert bob.json("list", "--all") == [each for each in bob.json("list", "--all") if each["schema"] != "message"]
    assert alice.peer("Bob")["published"] == 0


def test_only_ones_own_things_can_be_revoked(pair, stick):
    alice, bob = pair
    uri = alice.say("mine")
    alice.sync(stick), bob.sync(stick)
    assert "somebody else" in bob.err("revoke", "--yes", uri, code=2)
    assert "nothing here" in bob.err("revoke", "--yes", "0123456789", code=1)
    trust = next(each["uri"] for each in alice.json("list", "--all") if each["schema"] == "trust")
    assert "trust take" in alice.err("revoke", "--yes", trust, code=2)
    assert bob.texts() == ["mine"]


# node


def second_node(alice) -> PrivateKey:
    """Let Alice's user trust a second node, whose identity and one message reach Alice's first."""
    second = PrivateKey.create("ed25519", os.urandom)
    with Node(alice.path) as node:
        user, local, now = homes.user_key(alice.path), node.view.local(), node.now()

        def made(schema, fields, key, trust=None):
            stamp = node.view.stamp().after(now)
            payload = compose([schema], fields, user=local.user, trust=trust, about=About(stamp=stamp))
            signed = SignedObject.sign(payload, key)
            node.commit(admission.receive(node.view, signed, local.node, now))
            return signed.id

        trust = made("trust", {"trust": {"trustee": second.fingerprint, "authorization": list(OWN_NODE)}}, user)
        end = Millis(now + IDENTITY_LIFE_MS)
        made("identity", identity_fields("node", second.public, end), second, trust)
        made("node", {"node": {"type": "node", "name": "laptop"}}, second, trust)
        made("message", {"message": "from the laptop"}, second, trust)
    return second


def test_a_stolen_node_is_revoked_and_peers_hear_of_it(pair, stick):
    alice, bob = pair
    second = second_node(alice)
    mine = [each for each in alice.json("node", "list") if each["mine"]]
    assert [(each["name"], each["state"]) for each in mine] == [("Alice", "this node"), ("laptop", "trusted")]
    said = alice.out("node", "revoke", "laptop", "--yes")
    assert "what is stamped before this moment counts" in said
    assert "If your user key lay on it" in said
    assert [each["state"] for each in alice.json("node", "list") if each["mine"]] == ["this node", "revoked"]
    assert "revoked already" in alice.err("node", "revoke", "laptop", "--yes", code=2)
    assert alice.texts() == ["from the laptop"]
    alice.sync(stick), bob.sync(stick)
    with Node(bob.path) as node:
        authority = node.view.authority(node.view.peers()[0].user)
        assert authority.dismissed(second.fingerprint, None)
    assert "LINES KNOWN" in bob.out("node", "list")


def test_node_list_says_in_words_how_each_stands(make, meet, stick):
    """Trust that was taken, ran out or never was; nodes that ended or were revoked; and since when."""
    alice, bob, carol, dave = homes = [make(name) for name in ("Alice", "Bob", "Carol", "Dave")]
    meet(*homes[:3])
    meet(alice, dave, trust="none")

    def states(home):
        return {each["name"]: (each["state"], bool(each["since"])) for each in home.json("node", "list")}

    assert states(alice) == {
        "Alice": ("this node", False), "Bob": ("trusted", False), "Carol": ("trusted", False),
        "Dave": ("not trusted", False),
    }  # fmt: skip
    alice.run("trust", "take", "Bob")
    later = datetime.now(UTC) + timedelta(days=2)
    alice.run(
        "trust", "give", "Carol", "--may", "read", "--until", f"{later - timedelta(days=1):%Y-%m-%dT%H:%M:%S.000Z}"
    )
    assert states(alice)["Bob"] == ("trust taken", True)
    assert " trust taken since 20" in alice.out("node", "list")
    alice.clock = int(later.timestamp() * 1000)
    assert states(alice)["Carol"] == ("trust expired", True)
    alice.clock = None

    done = bob.json("node", "renew", "--yes")
    for home in (bob, carol, bob, carol):
        home.sync(stick)
    (old,) = (each for each in carol.json("node", "list") if each["node"] == done["renewed"])
    assert (old["state"], old["heir"]) == ("ended", done["node"])
    assert "  ended; Bob's node goes on for it" in carol.out("node", "list")
    assert "  ended; this node goes on for it" in bob.out("node", "list")
    bob.run("node", "revoke", short(done["renewed"]), "--yes")
    assert " revoked since " in bob.out("node", "list")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere",), 1, "none of your nodes"),
        (("Bob",), 1, "only its own user revokes"),
        (("laptop", "--after", "5"), 2, "0 lines of it"),
        (("laptop", "--since", "2026-11-01"), 2, "not known here"),
        (("laptop", "--since", "yesterday"), 2, "not a date"),
        (("laptop", "--now", "--after", "1"), 2, "give one of"),
        (("Alice",), 2, "the node that you work on"),
    ],
)
def test_node_revoke_says_what_is_wrong(pair, words, code, said):
    alice, _ = pair
    second_node(alice)
    before = alice.json("node", "list")
    assert said in alice.err("node", "revoke", *words, "--yes", code=code)
    assert alice.json("node", "list") == before


def test_names_from_peers_are_printed_without_doing_anything(make, meet):
    alice, mallory = make("Alice"), make("Mallory")
    meet(alice, mallory)
    for words in (("trust", "list", "--all"), ("node", "list")):
        assert "\x1b" not in alice.out(*words)
        assert json.loads(alice.out(*words, "--json"))


def test_an_end_is_an_end_for_whom_reads_already(pair):
    alice, _ = pair
    assert trusts(alice)["Alice", "Bob"]["until"] is None
    alice.run("trust", "give", "Bob", "--may", "read", "--until", "2099-01-01")
    (found,) = (each for each in alice.json("trust", "list") if "read" in each["may"] and each["trustee_name"] == "Bob")
    assert found["until"][:10] == "2099-01-01"


@pytest.mark.parametrize("command", ["revoke", "replace"])
def test_a_fingerprint_may_begin_with_a_dash(pair, command):
    alice, _ = pair
    name = "-f-RYDwlhQmK7KNWHvANyZ4vtKBqyshl4IfR_mFBpgojf68y0wBF9t5xfuWKxtyDjDgcImAfWI7ccU-1yvz8Ew"
    assert "No such option" not in alice.err("node", command, name, "--yes", code=1)
