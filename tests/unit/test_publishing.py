"""What our own person does: found a node, publish, hand out a card, add a peer."""

from __future__ import annotations

import json

import pytest
from tests.unit.nodes import NOW, MemoryNode, entropy_from, friends, make

from paquebot.errors import BadSignature, Expired, Malformed, Misused, NotPermitted, Refused
from paquebot.protocol import publishing, schema
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import DAY_MS, IDENTITY_LIFE_MS
from paquebot.protocol.publishing import Draft, read_card, write_card
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import About, FileManifest, Resource, SignedObject, compose
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.trust import OWN_NODE, READ, announcement_fields, identity_fields
from paquebot.vault import keystore

YEAR = Millis(365 * DAY_MS)


@pytest.fixture
def alice() -> MemoryNode:
    return make("alice")


def kinds(node: MemoryNode) -> list[str]:
    names = [line.entry.resource for line in node.store.view.own_lines(1, 1000)]
    return [node.store.view.listing(name).kind for name in names]  # type: ignore[union-attr]


# Founding.


def test_a_journal_begins_with_the_users_identity_and_the_trust_that_authorises_the_node(alice):
    assert kinds(alice) == ["identity", "trust", "identity", "envelope_keys", "user", "node"]
    first, second = alice.store.view.own_lines(1, 2)
    identity = alice.store.view.identity(alice.user)
    assert identity
    assert (identity.kind, identity.expires) == ("user", NOW + IDENTITY_LIFE_MS)
    assert (first.entry.publisher, second.entry.resource) == (alice.user, alice.trust)
    trust = alice.store.view.trust(alice.trust)
    assert trust
    assert (trust.user, trust.trustee, trust.rights, trust.signer) == (alice.user, alice.node, OWN_NODE, alice.user)


def test_a_new_node_would_be_admitted_by_itself(alice):
    for line in alice.store.view.own_lines(1, 6):
        signed = alice.store.view.resource(line.entry.resource)
        assert signed
        identity = alice.store.view.identity(signed.signer)
        assert identity
        signed.verify(identity.key)
        assert signed.verbatim is None


@pytest.mark.parametrize("name", ["", " ", "\t", "x" * 101, "a\nb", "a\0b", "\x1b[31mred", "a\u202eb", "\ud800"])
def test_a_name_that_cannot_be_shown_will_not_do(name):
    key = PrivateKey.create("ed25519", entropy_from("k"))
    keys = keystore.create(NOW, entropy_from("keys"), NOW).announcement(key.fingerprint)
    with pytest.raises(Misused):
        publishing.found(name, key, key, keys, NOW)


# Publishing.


def test_what_is_published_is_stamped_in_order_even_if_the_clock_stands_still_or_goes_back(alice):
    names = (
        alice.say("one", "two") + alice.say("three", now=Millis(NOW - DAY_MS)) + alice.say("four", now=Millis(NOW + 9))
    )
    found = [Resource.read(alice.store.view.resource(name), schema.published) for name in names]  # type: ignore[arg-type]
    stamps = [each.about.stamp for each in found if each.about]
    assert stamps == [Stamp(NOW, 6), Stamp(NOW, 7), Stamp(NOW, 8), Stamp(Millis(NOW + 9))]
    assert alice.store.view.stamp() == stamps[-1]
    assert {each.trust for each in found} == {alice.trust}
    assert kinds(alice)[6:] == ["message"] * 4


def test_a_file_is_listed_with_its_name_title_tags_and_size(alice):
    draft = Draft.file(FileManifest(5, b"hello"), "hello.txt", title="Greeting", tags=("a", "b"))
    (name,) = alice.publish(draft)
    found = alice.store.view.listing(name)
    assert found
    assert (found.kind, found.filename, found.title, found.tags, found.size, found.lacking) == (
        "file",
        "hello.txt",
        "Greeting",
        ("a", "b"),
        5,
        0,
    )


def test_only_those_who_may_read_are_owed_the_chunks_of_a_large_file():
    alice, bob, carol = make("alice"), make("bob"), make("carol")
    alice.meet(bob)
    alice.meet(carol, trusting=False)
    alice.publish(Draft.file(FileManifest(9_000, None, 4096, 1, (b"x" * 32, b"y" * 32, b"z" * 32)), "big"))
    assert (alice.peer(bob).owed_chunks, alice.peer(carol).owed_chunks) == (Ranges.of((0, 2)), Ranges())


# Cards.


def lines(node: MemoryNode) -> list[str]:
    return write_card(node.store.view).splitlines()


def test_a_card_says_who_one_is(alice):
    card = alice.card()
    assert (card.user.fingerprint, card.node.fingerprint, card.trust, card.name) == (
        alice.user,
        alice.node,
        alice.trust,
        "alice",
    )
    assert card.keys == alice.store.view.announcement(alice.node)
    assert len(card.resources) == 6
    assert lines(alice)[0].startswith("# paquebot card of alice, node ")
    assert read_card("\r\n".join(lines(alice)), NOW) == card


def test_a_card_has_the_latest_keys(alice):
    secrets = keystore.create(Millis(NOW + 1000), entropy_from("new"), Millis(NOW + YEAR))
    fields = announcement_fields(secrets.announcement(alice.node))
    alice.publish(Draft(schemas=("envelope_keys",), fields=fields), now=Millis(NOW + 1000))
    assert alice.card().keys == alice.store.view.announcement(alice.node)
    assert alice.card().keys.created == NOW + 1000


def test_a_card_with_a_part_missing_is_none(alice):
    for place in range(1, 5):
        rest = [line for number, line in enumerate(lines(alice)) if number != place]
        with pytest.raises(Malformed, match="does not hold one user"):
            read_card("\n".join(rest), NOW)


def test_a_card_without_names_is_one_all_the_same(alice):
    assert read_card("\n".join(lines(alice)[:5]), NOW).name == ""


@pytest.mark.parametrize("text", ["", "# paquebot", "# paquebot card", "# paquebot card\n{}", "# paquebot card\nhello"])
def test_what_is_no_card_is_refused(text):
    with pytest.raises(Malformed):
        read_card(text, NOW)


def test_a_card_must_say_that_it_is_one(alice):
    with pytest.raises(Malformed):
        read_card("\n".join(lines(alice)[1:]), NOW)
    with pytest.raises(Malformed):
        read_card("\n".join([*lines(alice), *lines(alice)[1:] * 5]), NOW)


def test_a_card_of_two_people_is_refused(alice):
    bob = make("bob")
    with pytest.raises(Malformed, match="one user, one node"):
        read_card("\n".join([*lines(alice), *lines(bob)]), NOW)
    mixed = [*lines(alice)[:5], lines(bob)[5]]
    with pytest.raises(NotPermitted, match="different people"):
        read_card("\n".join(mixed), NOW)
    for place in range(1, 5):
        mixed = lines(alice)
        mixed[place] = lines(bob)[place]
        with pytest.raises(Refused):
            read_card("\n".join(mixed), NOW)


def line(signed: SignedObject) -> str:
    return signed.encode().decode()


def more(alice: MemoryNode, name: str, fields: dict[str, object], key: PrivateKey, **by: object) -> str:
    about = About(stamp=Stamp(NOW))
    trust = by.get("trust", alice.trust)
    return line(SignedObject.sign(compose([name], fields, user=alice.user, trust=trust, about=about), key))  # type: ignore[arg-type]


def test_a_card_of_two_nodes_is_refused(alice):
    second = PrivateKey.create("ed25519", entropy_from("second"))
    fields = identity_fields("node", second.public, Millis(NOW + YEAR))
    with pytest.raises(Malformed, match="one user, one node"):
        read_card("\n".join([*lines(alice), more(alice, "identity", fields, second)]), NOW)


def test_a_card_with_a_tampered_line_is_refused(alice):
    for place in range(1, 7):
        card = lines(alice)
        value = json.loads(card[place])
        signature = value["signature"]["signatures"][0]["signature"]
        value["signature"]["signatures"][0]["signature"] = "A" * 8 + signature[8:]
        card[place] = json.dumps(value)
        with pytest.raises(BadSignature):
            read_card("\n".join(card), NOW)
        with pytest.raises(Refused):
            read_card("\n".join([*card[:place], lines(alice)[place].replace("e", "f"), *card[place + 1 :]]), NOW)


def test_a_card_of_an_expired_identity_is_refused(alice):
    assert alice.card(Millis(NOW + IDENTITY_LIFE_MS - 1))
    with pytest.raises(Expired):
        alice.card(Millis(NOW + IDENTITY_LIFE_MS))


def test_a_trust_that_does_not_let_the_node_publish_makes_no_card(alice):
    card = lines(alice)
    poor = {"trust": {"trustee": alice.node, "authorization": [READ]}}
    stranger = {"trust": {"trustee": alice.user, "authorization": list(OWN_NODE)}}
    late = {"trust": {"trustee": alice.node, "authorization": list(OWN_NODE), "expires": "2027-01-15T08:00:00.000Z"}}
    for fields, key, error in (
        (poor, alice.user_key, NotPermitted),
        (stranger, alice.user_key, NotPermitted),
        (late, alice.user_key, Expired),
        ({"trust": {"trustee": alice.node, "authorization": list(OWN_NODE)}}, alice.node_key, NotPermitted),
    ):
        card[2] = more(alice, "trust", fields, key, trust=None)
        with pytest.raises(error):
            read_card("\n".join(card), NOW)


def test_envelope_keys_signed_by_the_user_make_no_card(alice):
    card = lines(alice)
    secrets = keystore.create(NOW, entropy_from("new"), Millis(NOW + YEAR))
    card[4] = more(alice, "envelope_keys", announcement_fields(secrets.announcement(alice.node)), alice.user_key)
    with pytest.raises(NotPermitted, match="envelope keys"):
        read_card("\n".join(card), NOW)


# Peers.


def test_adding_a_peer_pins_its_keys_and_grants_reading_both_ways():
    alice, bob = make("alice"), make("bob")
    alice.meet(bob)
    found = alice.peer(bob)
    assert (found.name, found.user, found.reads, found.publishes, found.heard) == ("bob", bob.user, True, True, 0)
    assert alice.store.view.announcement(bob.node) == bob.card().keys
    assert kinds(alice)[6:] == ["identity", "trust", "identity", "envelope_keys", "user", "node", "trust"]
    grant = alice.store.view.trust(alice.store.view.own_lines(13, 13)[0].entry.resource)
    assert grant
    assert (grant.user, grant.trustee, grant.rights, grant.signer) == (alice.user, bob.user, (READ,), alice.node)


def test_a_peer_added_without_trust_may_read_nothing():
    alice, bob = make("alice"), make("bob")
    alice.meet(bob, trusting=False)
    assert (alice.peer(bob).reads, alice.peer(bob).publishes, kinds(alice)[-1]) == (False, False, "node")
    alice.meet(bob)
    assert (alice.peer(bob).reads, alice.peer(bob).publishes, kinds(alice)[-1]) == (True, True, "trust")


def test_adding_a_peer_again_changes_nothing_but_its_name():
    alice, bob = friends("alice", "bob")
    before = alice.peer(bob)
    tip = alice.store.view.tip()
    alice.store.commit(alice.engine.add_peer(bob.card(), "robert", NOW, trusting=False))
    after = alice.peer(bob)
    assert (after.name, after.reads, after.heard, alice.store.view.tip()) == ("robert", True, before.heard, tip)


def test_ones_own_card_and_a_name_in_use_are_misuse():
    alice, bob, carol = make("alice"), make("bob"), make("carol")
    alice.meet(bob)
    with pytest.raises(Misused, match="our own card"):
        alice.meet(alice)
    with pytest.raises(Misused, match="another peer is called"):
        alice.store.commit(alice.engine.add_peer(carol.card(), "bob", NOW))
    assert len(alice.store.view.peers()) == 1


def test_a_card_from_a_node_whose_clock_is_years_ahead_can_be_added_and_does_not_move_our_clock():
    alice, bob = make("alice"), make("bob", now=Millis(NOW + 8 * YEAR))
    alice.meet(bob)
    assert alice.store.view.stamp().at <= NOW + DAY_MS
    assert alice.store.view.identity(bob.node) is not None
    assert alice.store.view.announcement(bob.node) is not None
    assert alice.store.view.all_held() == []
