"""What was forgotten never comes back; what was lost is fetched again."""

import hashlib
from dataclasses import replace

import pytest
from tests.unit.nodes import MAIL, NOW, STICK, carry, friends, settle

from paquebot import retention
from paquebot.config import Keep
from paquebot.errors import Misused
from paquebot.protocol import trusting
from paquebot.protocol.effects import Post, SavePeer
from paquebot.protocol.limits import CHUNK_BYTES, DAY_MS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest
from paquebot.protocol.stamp import Millis


def large(node, *parts):
    """Publish a file of chunks that are here."""
    names = tuple(hashlib.sha256(part).digest() for part in parts)
    blobs = [(node.store.blobs.put(part), len(part)) for part in parts]
    node.store.commit(node.engine.have_blobs(blobs))
    (name,) = node.publish(Draft.file(FileManifest(sum(map(len, parts)), None, CHUNK_BYTES, 1, names), "big.bin"))
    return name


def test_what_was_forgotten_does_not_come_back_by_any_way():
    alice, bob, carol = friends("Alice", "Bob", "Carol")
    (name,) = alice.say("old news")
    bundles = [bundle for letter, bundle in alice.poll() if letter.peer == bob.node]
    for bundle in bundles:
        bob.receive(bundle, alice)
    now = settle(alice, carol)
    bob.store.commit(bob.engine.let_go([name]))

    for bundle in bundles:
        bob.receive(replace(bundle, id=bob.entropy(16)), alice)
    now = settle(bob, carol, now=now)
    now = settle(alice, bob, now=now)

    assert bob.texts() == set()
    assert bob.store.view.has(name)
    assert not bob.store.view.wanted_count()
    assert bob.peer(alice).done == Ranges.of((1, bob.peer(alice).heard))


def test_forgetting_makes_nobody_talk():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("old news")
    now = settle(alice, bob)
    for one in (alice, bob):
        one.store.commit(one.engine.let_go([name]))
    for one in (alice, bob):
        for link in (STICK, MAIL):
            assert not [each for each in one.store.commit(one.engine.poll(link, now)) if isinstance(each, Post)]


def test_who_asks_for_what_was_forgotten_is_told_that_it_is_not_there():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("old news")
    settle(alice, bob)
    (later,) = friends("Carol")
    later.meet(alice)
    alice.store.commit(alice.engine.let_go([name]))
    alice.meet(later)
    settle(alice, later)
    assert later.texts() == set()
    assert not alice.peer(later).applied & Ranges.numbers(
        number for who, number in alice.store.view.naming(name) if who == alice.node
    )


def test_ours_is_not_forgotten_while_a_peer_lacks_it():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("news")
    with pytest.raises(Misused, match="not known to have reached Bob"):
        list(alice.engine.let_go([name]))
    settle(alice, bob)
    alice.store.commit(alice.engine.let_go([name]))
    alice.store.commit(alice.engine.let_go([name]))
    assert alice.texts() == set()


def test_a_peer_that_ended_is_not_waited_for():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("news")
    alice.store.commit([SavePeer(replace(alice.peer(bob), ended=NOW))])
    alice.store.commit(alice.engine.let_go([name]))
    assert alice.texts() == set()


@pytest.mark.parametrize("delivered", [True, False])
def test_what_was_taken_back_is_forgotten_by_rule_though_nobody_looked_at_it(delivered):
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("regretted")
    now = settle(alice, bob) if delivered else NOW
    alice.publish(*trusting.revoke(alice.store.view, [name], by_user=False), now=now)
    now = settle(alice, bob, now=now)
    for node in (alice, bob) if delivered else (alice,):
        later = Millis(now + 3 * DAY_MS)
        (due,) = retention.due(node.store.view, Keep(days=2), later)
        assert due.listed.id == name
        node.store.commit(node.engine.let_go([name]))
        assert node.store.view.resource(name) is None
        assert retention.due(node.store.view, Keep(days=2), later) == []


def test_what_others_are_judged_by_is_never_forgotten():
    alice, bob = friends("Alice", "Bob")
    settle(alice, bob)
    for line in alice.store.view.own_lines(1, 9):
        with pytest.raises(Misused, match="judged by"):
            list(alice.engine.let_go([line.entry.resource]))


def test_a_forgotten_files_chunks_are_not_sent_to_who_still_wants_them():
    alice, bob = friends("Alice", "Bob")
    name = large(alice, b"a" * CHUNK_BYTES, b"b")
    settle(alice, bob)
    assert bob.store.view.complete(name)
    bob.store.commit(bob.engine.let_go([name]))
    assert bob.store.view.own_chunks() == Ranges()
    assert not bob.store.view.has_blob(hashlib.sha256(b"b").digest())
    assert settle(alice, bob, now=Millis(NOW + DAY_MS))


def test_a_lost_message_comes_again_from_a_peer_that_has_it():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("news")
    now = settle(alice, bob)
    line, tip = bob.store.view.naming(name), bob.store.view.tip()
    bob.store.commit(bob.engine.lose([name], []))
    assert bob.texts() == set()
    settle(bob, alice, now=now)
    assert bob.texts() == {"news"}
    assert (bob.store.view.naming(name), bob.store.view.tip()) == (line, tip)


def test_even_our_own_lost_message_comes_back_from_a_peer():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("news")
    now = settle(alice, bob)
    alice.store.commit(alice.engine.lose([name], []))
    settle(alice, bob, now=now)
    assert alice.texts() == {"news"}


def test_what_was_lost_and_then_taken_back_is_hidden_and_not_asked_for_any_more():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("a mistake")
    now = settle(alice, bob)
    alice.store.commit(alice.engine.lose([name], []))

    (cause,) = alice.publish(*trusting.revoke(alice.store.view, [name], by_user=False), now=now)

    assert alice.store.view.hidden(name) == cause
    assert alice.store.view.wanted_count() == 0
    settle(alice, bob, now=now)
    assert alice.texts() == bob.texts() == set()


def test_a_lost_chunk_comes_again():
    alice, bob = friends("Alice", "Bob")
    name = large(alice, b"a" * CHUNK_BYTES, b"b")
    now = settle(alice, bob)
    bob.store.commit(bob.engine.lose([], [hashlib.sha256(b"b").digest()]))
    assert bob.store.view.lacking(name) == Ranges.of((1, 1))
    carry(bob, alice, now=now)
    assert not alice.peer(bob).applied & Ranges.numbers(
        number for who, number in alice.store.view.naming(name) if who == alice.node
    )
    settle(bob, alice, now=now)
    assert bob.store.view.complete(name)
