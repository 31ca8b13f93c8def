"""Whose word ends a node, and what follows when that word is taken back."""

import itertools

import pytest
from tests.unit.nodes import MemoryNode, codes, entropy_from, friends, settle
from tests.unit.test_revocation import LATER, SECOND, give, identity_for, revoke, trust_for

from paquebot import copies
from paquebot.protocol import trusting
from paquebot.protocol.bundle import Rebuilt
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import CREATE_TRUST, OWN_NODE, PUBLISH, READ, Ending

NOW = LATER + 100
HEIR = PrivateKey.create("ed25519", entropy_from("heir"))


def ending(
    alice: MemoryNode, key: PrivateKey, trust: str | None, heir: str | None, at: int = LATER + 50
) -> SignedObject:
    view = alice.store.view
    number, line = view.tip()
    fields = Ending(alice.node, line, number, heir).fields()
    return alice.resource(["ending"], fields, key=key, trust=trust, at=at)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_ending_by_a_node_that_was_cut_off_before_ends_nothing(order):
    alice, bob = friends("alice", "bob")
    trust = trust_for(alice, SECOND, *OWN_NODE)
    give(alice, bob, trust, identity_for(alice, SECOND, trust))
    items = ending(alice, SECOND, trust.id, SECOND.fingerprint), revoke(alice, trust.id)

    for place in order:
        give(alice, bob, items[place], now=NOW)

    assert (bob.peer(alice).ended, bob.peer(alice).heir) == (0, None)
    bob.say("still here")
    settle(bob, alice, now=Millis(NOW + 1))
    assert "still here" in alice.texts()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_when_an_ending_falls_the_next_one_counts(order):
    alice, bob = friends("alice", "bob")
    trust = trust_for(alice, SECOND, *OWN_NODE)
    give(alice, bob, trust, identity_for(alice, SECOND, trust))
    own = ending(alice, alice.node_key, alice.trust, HEIR.fingerprint)
    items = ending(alice, SECOND, trust.id, SECOND.fingerprint), revoke(alice, trust.id), own

    for place in order:
        give(alice, bob, items[place], now=NOW)

    assert bob.peer(alice).ended
    assert bob.peer(alice).heir == HEIR.fingerprint


def test_what_the_ended_node_was_told_meanwhile_is_told_again():
    alice, bob = friends("alice", "bob")
    settle(alice, bob)
    trust = trust_for(alice, SECOND, *OWN_NODE)
    give(alice, bob, trust, identity_for(alice, SECOND, trust))
    bob.say("on its way")
    assert bob.poll()  # and lost
    give(alice, bob, ending(alice, SECOND, trust.id, SECOND.fingerprint), now=NOW)

    give(alice, bob, revoke(alice, trust.id), now=NOW)

    settle(bob, alice, now=Millis(NOW + 1))
    assert "on its way" in alice.texts()


def test_a_delegate_ends_nobody_elses_node():
    alice, bob = friends("alice", "bob")
    settle(alice, bob)
    (trust,) = alice.publish(trusting.give(alice.store.view, bob.node, [CREATE_TRUST, PUBLISH, READ], None, LATER))
    lie = ending(alice, bob.node_key, trust, None)

    assert codes(alice.receive(bob.bundle(alice, Rebuilt(lie)), bob, now=Millis(NOW))) == [("applied", "")]

    assert not alice.store.view.past().branch


def test_a_home_whose_place_was_taken_says_that_and_not_that_it_was_restored():
    alice, bob = friends("alice", "bob")
    word = ending(alice, alice.user_key, None, HEIR.fingerprint)

    alice.receive(bob.bundle(alice, Rebuilt(word)), bob, now=Millis(NOW))

    (said,) = copies.of_us(alice.store.view)
    assert "goes on in this home's place" in said
    assert "restored" not in said
