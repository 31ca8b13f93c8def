"""A node whose journal contradicts what it once said goes on as another one, and nothing is lost or told twice."""

from random import Random

import pytest
from tests.unit.nodes import NOW, MemoryNode, carry, entropy_from, friends, settle
from tests.unit.test_recovery import copied, days, heard_by, journal_of

from paquebot.protocol import incarnation
from paquebot.protocol.engine import Engine
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import DAY_MS, IDENTITY_LIFE_MS
from paquebot.protocol.stamp import Millis
from paquebot.vault import keystore


def go_on(node: MemoryNode, now: Millis, *, seed: str = "next", with_user: bool = True) -> MemoryNode:
    """Let *node*'s store go on as a new node, as the house does."""
    entropy = entropy_from(f"{seed} {node.node}")
    key = PrivateKey.create("ed25519", entropy)
    secrets = keystore.create(now, entropy, Millis(now + IDENTITY_LIFE_MS))
    store = node.store
    keys = secrets.announcement(key.fingerprint)
    new = incarnation.prepare(store.view, node.node_key, node.user_key if with_user else None, key, keys, now)
    store.succeed(new.local, new.last, lambda: incarnation.take_root(store.view, new, now))
    return MemoryNode(node.user_key, key, store, Engine(store.view, key, entropy, Random(1)), entropy, secrets)


@pytest.fixture
def story():
    """Alice and Bob; Alice's backup, which said something else than Alice; and the time."""
    alice, bob = friends("alice", "bob")
    alice.say("before")
    now = settle(alice, bob)
    restored = copied(alice)
    alice.say("after", now=now)
    now = settle(alice, bob, now=now)
    now = Millis(now + 7 * DAY_MS)
    restored.say("instead", now=now)
    carry(restored, bob, now=now)
    for day in (1, 2, 3):
        settle(bob, restored, now=Millis(now + day * DAY_MS))
    return alice, bob, restored, Millis(now + 4 * DAY_MS)


def test_what_contradicts_is_noticed_and_nothing_more_is_said(story):
    alice, bob, restored, now = story

    past = restored.store.view.past()
    known = heard_by(bob, alice)
    assert past.branch == len(known)
    assert journal_of(restored)[: past.branch] == known
    assert restored.texts() == {"before", "after", "instead"}
    restored.say("more", now=now)
    assert restored.poll(now=now) == []


def test_the_new_node_lists_everything_and_ends_the_old_journal_where_peers_know_it(story):
    alice, bob, restored, now = story
    known, before = heard_by(bob, alice), journal_of(restored)

    new = go_on(restored, now)

    view = new.store.view
    assert view.local().node == new.node != alice.node
    assert list(view.entries(alice.node, 1, 99)) == known
    listed = [entry.resource for entry in journal_of(new)]
    assert len(listed) == len(set(listed))
    assert {entry.resource for entry in before} <= set(listed)
    assert [view.listing(each).number for each in listed] == list(range(1, len(listed) + 1))
    assert new.texts() == {"before", "after", "instead"}
    assert view.past().branch == 0


def meet_again(new: MemoryNode, *others: MemoryNode, now: Millis) -> None:
    for other in others:
        other.store.commit(other.engine.add_peer(new.card(now), "alice again", now))


def test_peers_go_on_with_the_successor_under_the_old_name_and_get_nothing_twice(story):
    alice, bob, restored, now = story
    new = go_on(restored, now)
    new.say("as another", now=now)
    meet_again(new, bob, now=now)

    carried = [bundle for _, bundle in new.poll(now=now)]
    for bundle in carried:
        bob.receive(bundle, new, now=now)
    settle(new, bob, now=now)

    old, successor = bob.peer(alice), bob.peer(new)
    assert (old.name, successor.name) == ("alice (ended)", "alice")
    assert old.heir == new.node
    assert successor.reads
    assert successor.publishes
    assert bob.texts() == {"before", "after", "instead", "as another"}
    bodies = sum(type(part).__name__ == "Rebuilt" for bundle in carried for part in bundle.parts)
    assert bodies == 7  # the six things that found the new node, and what is new
    bob.say("hello again", now=now)
    settle(bob, new, now=now)
    assert "hello again" in new.texts()
    assert bob.poll(now=Millis(now + 40 * DAY_MS))
    assert not [letter for letter, _ in bob.poll(now=Millis(now + 41 * DAY_MS)) if letter.peer == alice.node]


def test_the_ending_may_come_before_the_successor_is_known(story):
    alice, bob, restored, now = story
    new = go_on(restored, now)
    lines = new.store.view.own_lines(1, new.store.view.tip()[0])
    founding = [new.store.view.resource(line.entry.resource) for line in lines if line.number in range(2, 8)]
    from paquebot.protocol.bundle import Rebuilt

    bob.receive(restored_bundle(restored, bob, *(Rebuilt(each) for each in founding), now=now), alice, now=now)
    assert bob.peer(alice).heir == new.node
    assert bob.peer(alice).name == "alice"

    meet_again(new, bob, now=now)

    assert bob.peer(new).name == "alice"


def restored_bundle(node, to, *parts, now):
    from dataclasses import replace

    from paquebot.protocol.bundle import node_tag

    bundle = node.bundle(to, *parts, now=now)
    return replace(bundle, sender=node_tag(node.node_key.fingerprint))


def test_a_stranger_can_end_nobody(story):
    alice, bob, _, now = story
    carol = friends("carol")[0]
    bob.meet(carol), carol.meet(bob)
    settle(bob, carol, now=NOW)
    from paquebot.protocol.bundle import Rebuilt
    from paquebot.protocol.trust import Ending

    line = bob.store.view.line_id(alice.node, 3)
    lie = carol.resource(["ending"], Ending(alice.node, line, 3, carol.node).fields(), at=now)
    bob.receive(carol.bundle(bob, Rebuilt(lie), now=now), carol, now=now)

    assert not bob.peer(alice).ended
    assert bob.peer(alice).name == "alice"


def test_two_copies_that_both_go_on_end_as_two_nodes_with_everything(story):
    alice, bob, restored, now = story
    new = go_on(restored, now)
    meet_again(new, bob, now=now)
    settle(new, bob, now=now)
    alice.say("the other copy", now=now)

    days((alice, bob, new), now, 8)
    assert alice.store.view.past().branch

    third = go_on(alice, Millis(now + 9 * DAY_MS), seed="third")
    meet_again(third, bob, now=Millis(now + 9 * DAY_MS))
    days((third, bob, new), Millis(now + 9 * DAY_MS), 5)

    everything = {"before", "after", "instead", "the other copy"}
    assert bob.texts() == new.texts() == third.texts() == everything


def test_without_the_user_key_the_old_node_vouches_for_the_new_one(story):
    alice, _, restored, now = story
    new = go_on(restored, now, with_user=False)
    trust = new.store.view.trust(new.trust)
    assert trust.signer == alice.node
