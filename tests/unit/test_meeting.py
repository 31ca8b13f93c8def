"""Nodes that have never heard of each other: who is introduced, who waits for a person, and who gets nothing."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.nodes import NOW, MemoryNode, carry, entropy_from, friends, make, settle, told

from paquebot.errors import BadSignature, Malformed, NotForUs, NotPermitted, Refused, Stranger
from paquebot.protocol import bundle as bundles
from paquebot.protocol import introducing, meeting, publishing, reading, trusting
from paquebot.protocol.bundle import Introduction
from paquebot.protocol.effects import Note, SavePeer, SavePending
from paquebot.protocol.encoding import Fingerprint, digest, short
from paquebot.protocol.engine import Engine
from paquebot.protocol.events import Kind
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import DAY_MS, NODES_MAX, PENDING_MAX
from paquebot.protocol.resource import SignedObject, compose
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import CREATE_TRUST, PUBLISH, READ, announcement_fields, announcement_of, identity_fields
from paquebot.store import Store
from paquebot.vault import keystore
from paquebot.vault.pgpy_sealer import PgpySealer

END = Millis(NOW + 3_652 * DAY_MS)


def card(node: MemoryNode) -> Introduction:
    return Introduction(introducing.own_card(node.store.view))


def hello(stranger: MemoryNode, to: MemoryNode, *parts: bundles.Part) -> bundles.Bundle:
    """Return an envelope's content as a stranger writes it."""
    return stranger.bundle(to, *(parts or (card(stranger),)))


def met(bundle: bundles.Bundle) -> meeting.Met:
    return meeting.read(bundles.encode(bundle), NOW)


def arrives(at: MemoryNode, bundle: bundles.Bundle, *, welcome: bool = False, now: Millis = NOW) -> list:
    found = met(bundle)
    return at.store.commit(at.engine.introduced(found, bundle, "a stick", now, welcome=welcome))


def waiting(node: MemoryNode) -> list[str]:
    return [each.name for each in node.store.view.pending() if not each.declined]


@pytest.fixture
def pair():
    return make("alice"), make("bob")


def test_a_peer_that_never_said_a_word_gets_our_card_with_every_letter_until_it_acknowledges_one(pair):
    alice, bob = pair
    alice.meet(bob)
    alice.say("hello")
    (_, first), *_ = alice.poll()
    assert first.parts[0] == card(alice)
    bob.meet(alice)
    settle(alice, bob)
    alice.say("again")
    for _, later in alice.poll():
        assert not any(isinstance(part, Introduction) for part in later.parts)


def test_the_lines_of_a_letter_that_introduces_still_find_the_resources_they_name(pair):
    alice, bob = pair
    alice.meet(bob)
    alice.say("hello")
    bob.meet(alice)
    assert "rejected" not in told(carry(alice, bob)).values()
    assert bob.texts() == {"hello"}


def test_a_stranger_waits_and_nothing_else_of_its_letter_is_acted_on(pair):
    alice, bob = pair
    before = bob.store.view.tip(), bob.store.view.peers()
    effects = arrives(bob, hello(alice, bob, card(alice), bundles.Rebuilt(alice.message("psst"))))
    assert [type(each) for each in effects] == [SavePending, Note]
    assert (bob.store.view.tip(), bob.store.view.peers()) == before
    (pending,) = bob.store.view.pending()
    assert (pending.node, pending.user, pending.name, pending.number) == (alice.node, alice.user, "alice", 1)
    assert (pending.where, pending.since, pending.declined) == ("a stick", NOW, 0)


def test_one_who_waits_is_kept_once_however_often_it_writes(pair):
    alice, bob = pair
    arrives(bob, hello(alice, bob))
    assert arrives(bob, hello(alice, bob), now=Millis(NOW + DAY_MS)) == []
    assert bob.store.view.pending()[0].since == NOW


def test_who_is_accepted_is_a_peer_and_waits_no_more(pair):
    alice, bob = pair
    alice.meet(bob)
    alice.say("hello")
    ((_, bundle),) = alice.poll()
    arrives(bob, bundle)
    (pending,) = bob.store.view.pending()
    bob.store.commit(bob.engine.accept(pending, "Al", NOW))
    assert (bob.peer(alice).name, bob.store.view.pending()) == ("Al", [])
    bob.receive(bundle, alice)
    assert bob.texts() == {"hello"}


def test_who_was_turned_down_is_not_shown_again_unless_it_shows_something_new(pair):
    alice, bob = pair
    arrives(bob, hello(alice, bob))
    bob.store.commit(bob.engine.decline(bob.store.view.pending()[0], NOW))
    assert waiting(bob) == []
    assert arrives(bob, hello(alice, bob)) == []
    announce_anew(alice)
    arrives(bob, hello(alice, bob))
    (pending,) = bob.store.view.pending()
    assert (pending.declined, pending.number) == (0, 2)


def announce_anew(node: MemoryNode) -> None:
    """Let *node* publish other envelope keys."""
    keys = keystore.create(NOW, entropy_from(f"{node.node} anew"), END).announcement(node.node)
    node.publish(publishing.Draft(schemas=("envelope_keys",), fields=publishing.announcement_fields(keys)))


def second_node(of: MemoryNode, name: str, *, seed: str = "second") -> MemoryNode:
    """Return another node of the same user."""
    like = make(f"{name} {seed}")
    founding = publishing.found(name, of.user_key, like.node_key, keys_of(like), NOW)
    store = Store(None)
    store.found(founding.local, lambda: publishing.take_root(store.view, founding, NOW))
    engine = Engine(store.view, like.node_key, like.entropy, Random(1))
    return replace(like, user_key=of.user_key, store=store, engine=engine)


def keys_of(node: MemoryNode):
    found = node.store.view.announcement(node.node)
    assert found is not None
    return found


@pytest.mark.parametrize("trusting", [True, False])
def test_a_further_node_of_a_peer_is_pinned_at_once_with_the_same_rights(pair, trusting):
    alice, bob = pair
    bob.meet(alice, trusting=trusting)
    other = second_node(alice, "alice's laptop")
    arrives(bob, hello(other, bob))
    peer = bob.peer(other)
    assert (peer.name, peer.user, peer.reads, peer.publishes) == ("alice (2)", alice.user, trusting, trusting)
    assert bob.store.view.pending() == []


def test_a_further_node_of_a_peer_that_is_set_apart_waits(pair):
    alice, bob = pair
    bob.meet(alice)
    bob.store.commit([SavePeer(replace(bob.peer(alice), suspect=NOW))])
    arrives(bob, hello(second_node(alice, "thief"), bob))
    assert waiting(bob) == ["thief"]


def test_a_node_that_a_person_removed_comes_back_by_no_old_letter():
    alice, bob = friends("alice", "bob")
    other = second_node(alice, "alice's laptop")
    bundle = hello(other, bob)
    arrives(bob, bundle)
    bob.store.commit(bob.engine.forget(bob.peer(other), NOW))
    bob.store.remove_peer(other.node)
    assert arrives(bob, bundle) == []
    announce_anew(other)
    arrives(bob, hello(other, bob))
    assert waiting(bob) == ["alice's laptop"]
    assert bob.store.view.peer(other.node) is None


def test_a_home_that_welcomes_everybody_pins_at_first_sight(pair):
    alice, bob = pair
    arrives(bob, hello(alice, bob), welcome=True)
    peer = bob.peer(alice)
    assert (peer.name, peer.reads, peer.publishes) == ("alice", True, True)


def test_two_who_call_themselves_alike_are_told_apart(pair):
    alice, bob = pair
    impostor = second_node(make("mallory"), "alice")
    arrives(bob, hello(alice, bob), welcome=True)
    arrives(bob, hello(impostor, bob), welcome=True)
    assert bob.peer(alice).name == "alice"
    assert bob.peer(impostor).name == f"alice, node {short(impostor.node)}"


def test_a_stranger_that_waits_is_noted_once_however_often_it_shows_another_card(pair):
    alice, bob = pair
    arrives(bob, hello(alice, bob))
    for _ in range(3):
        announce_anew(alice)
        arrives(bob, hello(alice, bob))
    assert waiting(bob) == ["alice"]
    assert len(bob.store.view.events(kinds=[Kind.PEER_PENDING])) == 1


def test_of_ten_thousand_strangers_a_few_wait_and_nothing_grows():
    bob = make("bob")
    some = [make(f"stranger {number}") for number in range(3)]
    for each in some:
        arrives(bob, hello(each, bob))
    (one, *_), view = bob.store.view.pending(), bob.store.view
    crowd = (replace(one, node=make_name(n), number=0) for n in range(PENDING_MAX - 3))
    bob.store.commit([SavePending(each) for each in crowd])
    assert meeting.full(view)
    late = make("late")
    bundle = hello(late, bob)
    assert arrives(bob, bundle) == []
    found, now = met(bundle), NOW
    for _ in range(200):  # each looks at the same table, which has not grown
        assert bob.store.commit(bob.engine.introduced(found, bundle, "a stick", now)) == []
    assert len(view.pending()) == PENDING_MAX
    bob.store.commit(bob.engine.decline(view.pending()[5], NOW))
    arrives(bob, bundle)
    assert "late" in waiting(bob)


def make_name(number: int) -> Fingerprint:
    return Fingerprint(digest(b"%d" % number))


def test_other_keys_under_a_known_name_wait_and_both_claims_are_shown():
    alice, bob = friends("alice", "bob")
    impostor = second_node(make("mallory"), "alice")
    effects = arrives(bob, hello(impostor, bob))
    (pending,) = bob.store.view.pending()
    for name in (impostor.user, impostor.node, alice.user, alice.node):
        assert short(name) in pending.reason
    assert [each.kind for each in effects if isinstance(each, Note)] == ["key-change"]
    settle(alice, bob)  # the peer of that name goes on as before
    assert bob.peer(alice).suspect == 0


def test_a_further_node_of_our_own_user_is_pinned_at_once():
    bob = make("bob")
    laptop = second_node(bob, "bob")
    arrives(bob, hello(laptop, bob))
    assert (bob.peer(laptop).name, bob.peer(laptop).publishes) == ("bob", True)


def delegate(of: MemoryNode, rights: list[str], seed: str) -> Introduction:
    """Return the card of a further node of that user, who gives it *rights*."""
    key, entropy = PrivateKey.create("ed25519", entropy_from(seed)), entropy_from(f"{seed} keys")
    keys = keystore.create(NOW, entropy, END).announcement(key.fingerprint)
    given = {"trustee": key.fingerprint, "authorization": rights}
    trust = SignedObject.sign(compose(["trust"], {"trust": given}, user=of.user, trust=None), of.user_key)
    identity = of.resource(["identity"], identity_fields("node", key.public, END), key=key, trust=trust.id)
    announced = of.resource(["envelope_keys"], announcement_fields(keys), key=key, trust=trust.id)
    return Introduction((of.card().resources[0], trust, identity, announced))


def minted(alice: MemoryNode, bob: MemoryNode, rights: list[str]) -> meeting.Met:
    """Return a node that Bob makes for Alice by the right to create trusts: her own node, as its card says."""
    (first,) = alice.publish(trusting.give(alice.store.view, bob.node, [CREATE_TRUST, PUBLISH], None, NOW))
    view, key = alice.store.view, PrivateKey.create("ed25519", entropy_from("minted"))
    held = [view.resource(name) for name in (view.proof(alice.user), alice.trust, view.proof(alice.node), first)]
    keys = keystore.create(NOW, entropy_from("minted keys"), END).announcement(key.fingerprint)
    given = {"trust": {"trustee": key.fingerprint, "authorization": rights}}
    trust = bob.resource(["trust"], given, user=alice.user, trust=first)
    bobs = bob.resource(["identity"], identity_fields("node", bob.node_key.public, END), user=alice.user, trust=first)
    node = alice.resource(["identity"], identity_fields("node", key.public, END), key=key, trust=trust.id)
    announced = alice.resource(["envelope_keys"], announcement_fields(keys), key=key, trust=trust.id)
    objects = [each for each in held if each is not None] + [bobs, trust, node, announced]
    return meeting.Met(publishing.card_of(objects, NOW))


@pytest.mark.parametrize("rights", [[PUBLISH], [PUBLISH, READ]])
def test_a_delegate_makes_no_node_of_our_own_that_reads(pair, rights):
    alice, bob = pair
    alice.meet(bob, trusting=False)
    found = minted(alice, bob, rights)
    alice.store.commit(meeting.introduced(alice.store.view, alice.node_key, found, "a stick", NOW, welcome=False))
    (pending,) = alice.store.view.pending()
    assert (pending.node, alice.store.view.peer(found.node)) == (found.node, None)
    assert "does not let it read" in pending.reason
    alice.store.commit(meeting.accept(alice.store.view, alice.node_key, pending, "helper", trusting=True, now=NOW))
    peer = alice.store.view.peer(found.node)
    assert peer is not None
    assert (peer.reads, peer.publishes) == (False, True)


def test_a_node_of_another_user_that_the_user_does_not_let_read_gets_nothing_of_theirs():
    alice, bob = friends("alice", "bob")
    (name,) = bob.say("for those who read bob")
    now = settle(alice, bob)
    bundle = bob.bundle(alice, delegate(bob, [PUBLISH], "printer"))
    found = meeting.Met(publishing.card_of(bundle.parts[0].resources, NOW))
    alice.store.commit(meeting.introduced(alice.store.view, alice.node_key, found, "a stick", now, welcome=False))
    (pending,) = alice.store.view.pending()
    alice.store.commit(meeting.accept(alice.store.view, alice.node_key, pending, "printer", trusting=True, now=now))
    printer = alice.store.view.peer(found.node)
    assert printer is not None
    assert not reading.serves(alice.store.view, printer, name, now)
    assert reading.serves(alice.store.view, alice.peer(bob), name, now)


def test_more_nodes_than_a_person_has_wait_for_a_word(pair):
    alice, bob = pair
    bob.meet(alice)
    for number in range(NODES_MAX + 2):
        card = publishing.card_of(delegate(alice, [PUBLISH, READ], f"node {number}").resources, NOW)
        introduced = meeting.introduced(bob.store.view, bob.node_key, meeting.Met(card), "a stick", NOW, welcome=False)
        bob.store.commit(introduced)
    assert len(bob.store.view.peers()) == NODES_MAX
    assert [f"has {NODES_MAX} nodes here already" in each.reason for each in bob.store.view.pending()] == [True] * 3


# Forgeries.


def test_an_envelope_that_tells_another_recipient_introduces_nobody(pair):
    alice, bob = pair
    with pytest.raises(NotForUs):
        arrives(bob, hello(alice, make("carol")))
    assert bob.store.view.pending() == []


def test_an_envelope_that_names_another_sender_introduces_nobody(pair):
    alice, bob = pair
    bundle = replace(hello(alice, bob), sender=hello(make("carol"), bob).sender)
    with pytest.raises(Refused, match="another sender"):
        arrives(bob, bundle)


def test_nobody_introduces_itself_as_this_very_node(pair):
    _, bob = pair
    with pytest.raises(Malformed):
        arrives(bob, hello(bob, bob))


def test_an_introduction_that_announces_the_signing_key_of_a_peer_is_refused():
    alice, bob = friends("alice", "bob")
    mallory = make("mallory")
    mine, theirs = keys_of(mallory), keys_of(alice)
    stolen = publishing.announcement_fields(replace(mine, signing=theirs.signing, created=theirs.created))
    mallory.publish(publishing.Draft(schemas=("envelope_keys",), fields=stolen))
    with pytest.raises(NotPermitted):
        arrives(bob, hello(mallory, bob), welcome=True)
    assert bob.store.view.peer(mallory.node) is None


def forged(alice: MemoryNode, mallory: MemoryNode) -> dict[str, Introduction]:
    """Cards that are not what they should be."""
    good, other = card(alice).resources, card(mallory).resources
    user, trust, node, keys, *names = good
    broken = replace(keys, signatures=(replace(keys.signatures[0], value=bytes(64)),))
    return {
        "nothing": Introduction(()),
        "without the user": Introduction((trust, node, keys)),
        "without keys": Introduction((user, trust, node, *names)),
        "twice the keys": Introduction((*good, keys)),
        "two nodes": Introduction((*good, other[2])),
        "another's keys": Introduction((user, trust, node, other[3])),
        "another's trust": Introduction((user, other[1], node, keys)),
        "a bad signature": Introduction((user, trust, node, broken)),
        "a message": Introduction((*good, alice.message("psst"))),
        "junk": Introduction((replace(user, payload=b"{}"), *good[1:])),
    }


@pytest.mark.parametrize("what", list(forged(make("alice"), make("mallory"))))
def test_a_card_that_is_not_whole_and_right_introduces_nobody(what):
    alice, bob, mallory = make("alice"), make("bob"), make("mallory")
    bundle = hello(alice, bob, forged(alice, mallory)[what])
    with pytest.raises(Stranger):
        met(bundle)


GOOD = make("alice"), bundles.encode(hello(make("alice"), make("bob")))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_an_introduction_is_turned_into_it_is_refused_or_says_what_it_said(data):
    alice, good = GOOD
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + bytes([data.draw(st.integers(0, 255))]) + good[place + 1 :]
    try:
        found = meeting.read(bad[: data.draw(st.sampled_from([len(bad), place]))], NOW)
    except Stranger:
        return
    assert found.card.resources == card(alice).resources


# The seal.


ALICE, BOB, MALLORY = (keystore.create(NOW, entropy_from(f"seal {who}"), END) for who in ("alice", "bob", "mallory"))
TO_BOB = [min(BOB.announcement("bob").keys)]


def test_a_strangers_envelope_opens_by_the_key_that_it_announces_and_by_no_other():
    sealed = PgpySealer(ALICE).seal(b"hello", TO_BOB, at=NOW)
    bob = PgpySealer(BOB)
    with pytest.raises(Stranger):
        bob.open(sealed, {}, now=NOW)
    opened = bob.open(sealed, {}, now=NOW, introduced=lambda data: {data.decode(): ALICE.announcement("alice")})
    assert (opened.signers, opened.bundle) == (("hello",), b"hello")
    with pytest.raises(Stranger):
        bob.open(sealed, {}, now=NOW, introduced=lambda _: {"mallory": MALLORY.announcement("mallory")})


def test_whom_we_know_needs_no_introduction():
    sealed = PgpySealer(ALICE).seal(b"hello", TO_BOB, at=NOW)

    def never(_):
        raise AssertionError

    pins = {"alice": ALICE.announcement("alice")}
    assert PgpySealer(BOB).open(sealed, pins, now=NOW, introduced=never).signers == ("alice",)


def test_a_card_put_into_an_envelope_that_somebody_else_sealed_opens_nothing(pair):
    alice, bob = pair
    data = bundles.encode(hello(alice, bob))
    sealed = PgpySealer(MALLORY).seal(data, TO_BOB, at=NOW)

    def introduced(found):
        who = meeting.read(found, NOW)
        return {who.node: who.card.keys}

    with pytest.raises(Stranger):
        PgpySealer(BOB).open(sealed, {}, now=NOW, introduced=introduced)


def test_a_damaged_envelope_of_a_stranger_is_refused_like_any(pair):
    sealed = bytearray(PgpySealer(ALICE).seal(b"hello" * 50, TO_BOB, at=NOW))
    sealed[-40] ^= 1
    with pytest.raises(BadSignature):
        PgpySealer(BOB).open(bytes(sealed), {}, now=NOW, introduced=lambda _: {"a": ALICE.announcement("a")})


def test_the_announcement_in_a_card_is_the_one_that_counts(pair):
    alice, bob = pair
    found = met(hello(alice, bob))
    assert found.card.keys == announcement_of(
        publishing.Resource.read(card(alice).resources[3], alice.store.view.schema)
    )
