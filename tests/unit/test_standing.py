"""Who may read, may no more, and may again: nothing goes out in between, and nothing is lacking in the end."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.nodes import MAIL, STICK, MemoryNode, carry, friends, settle
from tests.unit.test_convergence import publish_file
from tests.unit.test_revocation import SECOND, identity_for, revoke, trust_for

from paquebot.protocol import admission, trusting
from paquebot.protocol.bundle import Answer, Bundle, Chunk, Rebuilt, Update
from paquebot.protocol.limits import CHUNK_BYTES, DAY_MS, INLINE_BYTES_MAX
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter
from paquebot.protocol.trust import OWN_NODE, READ

LARGE = 3 * INLINE_BYTES_MAX
"""Bytes of a message that has to be asked for."""


def later(now: int, ms: int = 1000) -> Millis:
    return Millis(now + ms)


def take(node: MemoryNode, other: MemoryNode, now: Millis) -> None:
    """Let *node*'s user stop to let *other*'s read."""
    drafts = trusting.take(node.store.view, (other.user, other.node), (READ,), by_user=False)
    assert drafts
    node.publish(*drafts, now=now)
    assert not node.peer(other).reads


def give(node: MemoryNode, other: MemoryNode, now: Millis, **more: Any) -> None:
    node.publish(trusting.give(node.store.view, other.user, (READ,), None, now), now=now, **more)
    assert node.peer(other).reads


def planned(node: MemoryNode, now: Millis) -> list[Letter]:
    """Plan what is due, and neither seal nor hand over anything."""
    node.store.commit(node.engine.poll(STICK, now))
    return [each for each in node.store.view.letters() if each.handed_at is None]


def hand_over(node: MemoryNode, letter: Letter, now: Millis) -> Bundle:
    """Seal *letter* as it is now, and hand it to a carrier."""
    bundle = node.engine.compose(letter)
    node.store.commit(node.engine.handed(letter.id, STICK, "test", now))
    return bundle


def weeks(one: MemoryNode, other: MemoryNode, now: Millis, count: int = 3) -> Millis:
    """Let the two meet some times, less often than a question is repeated."""
    for _ in range(count):
        now = settle(one, other, now=later(now, 2 * DAY_MS))
    return now


@pytest.fixture
def pair() -> tuple[MemoryNode, MemoryNode, Millis]:
    alice, bob = friends("alice", "bob")
    return alice, bob, settle(alice, bob)


def test_what_was_planned_is_not_sealed_to_who_may_read_no_more(pair):
    alice, bob, now = pair
    alice.say("for readers", now=now)
    publish_file(alice, bytes(2 * CHUNK_BYTES))
    letters = planned(alice, now)
    assert any(each.plan.chunks for each in letters)
    take(alice, bob, later(now))
    sealed = [hand_over(alice, each, later(now)) for each in letters]
    assert not [part for each in sealed for part in each.parts if isinstance(part, Rebuilt | Update | Chunk)]


def test_lines_that_were_promised_are_not_told_to_who_may_read_no_more(pair):
    alice, bob, now = pair
    bob.store.commit(bob.engine.retry(alice.node))
    carry(bob, alice, STICK, now)
    alice.say("for readers", now=now)
    take(alice, bob, now := later(now))
    known = bob.peer(alice).heard
    carry(alice, bob, STICK, now)
    assert bob.peer(alice).heard == known


@pytest.mark.parametrize("arrives", [True, False])
def test_what_a_letter_left_out_that_was_sealed_meanwhile_is_told_when_the_right_is_back(pair, arrives):
    alice, bob, now = pair
    alice.say("for readers", now=now)
    publish_file(alice, bytes(2 * CHUNK_BYTES))
    told, tip = alice.peer(bob).acked, alice.store.view.tip()[0]
    letters = planned(alice, now)
    take(alice, bob, now := later(now))
    sealed = [(each, hand_over(alice, each, now)) for each in letters]
    give(alice, bob, now := later(now))
    for letter, bundle in sealed if arrives else ():
        bob.receive(bundle, alice, STICK, now)
        alice.store.commit(alice.engine.token(letter.token, now))
    assert alice.peer(bob).acked == told
    assert alice.peer(bob).owed_chunks == alice.store.view.own_chunks()
    weeks(alice, bob, now)
    assert bob.texts() == {"for readers"}
    assert tip in alice.peer(bob).applied


def large_and_refused(alice: MemoryNode, bob: MemoryNode, now: Millis) -> Millis:
    """Bob hears of a large message, asks for it, and Alice lets him read no more before his question comes."""
    alice.say("x" * LARGE, now=now)
    carry(alice, bob, STICK, now)
    take(alice, bob, now := later(now))
    carry(bob, alice, STICK, now := later(now))
    return now


def test_a_refusal_that_was_not_sealed_when_the_right_came_back_is_none(pair):
    alice, bob, now = pair
    now = large_and_refused(alice, bob, now)
    give(alice, bob, now := later(now))
    weeks(alice, bob, now)
    assert bob.texts() == {"x" * LARGE}


@pytest.mark.parametrize("asks", [False, True])
def test_a_refusal_that_was_overtaken_by_the_right_is_believed_no_more(pair, asks):
    alice, bob, now = pair
    now = large_and_refused(alice, bob, now)
    ((_, refusal),) = alice.poll(STICK, now)
    assert any(isinstance(part, Answer) for part in refusal.parts)
    give(alice, bob, now := later(now))
    for letter, bundle in alice.poll(MAIL, now):
        bob.receive(bundle, alice, MAIL, now)
        alice.store.commit(alice.engine.token(letter.token, now))
    if asks:
        assert [letter for letter, _ in bob.poll(STICK, now) if letter.plan.requests], "and this gets lost"
    bob.receive(refusal, alice, STICK, later(now))
    for letter in bob.store.view.letters(alice.node):
        bob.store.commit(bob.engine.lost(letter.id))
    weeks(alice, bob, now)
    assert bob.texts() == {"x" * LARGE}


@pytest.mark.parametrize("said", [True, False])
def test_what_was_refused_is_asked_for_anew_when_what_took_the_right_turns_out_to_be_void(pair, said):
    """Whoever took it had been dismissed before: no new trust says that the right is back."""
    alice, bob, now = pair
    office = trust_for(alice, SECOND, *OWN_NODE)
    (granted,) = [each.id for each in alice.store.view.authority(alice.user).given(bob.user)]
    by = {"key": SECOND, "trust": office.id, "fields": {"authorization": office.id}}
    alice.say("x" * LARGE, now=now)
    carry(alice, bob, STICK, now)
    for each in (office, identity_for(alice, SECOND, office), revoke(alice, granted, at=now, **by)):
        alice.store.commit(admission.receive(alice.store.view, each, alice.node, now))
    assert not alice.peer(bob).reads
    carry(bob, alice, STICK, now)
    assert "not_found" in [each.status for each in alice.store.view.replies(bob.node)]
    if said:
        carry(alice, bob, STICK, now)
    void = revoke(alice, office.id, at=later(now, -1000))
    alice.store.commit(admission.receive(alice.store.view, void, alice.node, now))
    assert alice.peer(bob).reads
    weeks(alice, bob, now)
    assert bob.texts() == {"x" * LARGE}
