"""What is taken back does not count, in whatever order a revocation, what it buries and what allows it may come."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.nodes import NOW, STICK, MemoryNode, carry, codes, entropy_from, friends, make, settle

from paquebot.errors import Revoked
from paquebot.protocol import journal, messages
from paquebot.protocol.bundle import Rebuilt, Update, node_tag
from paquebot.protocol.effects import AddLines, Effect, SavePeer
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import DAY_MS, IDENTITY_LIFE_MS
from paquebot.protocol.link import Link
from paquebot.protocol.messages import Broadcast
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import (
    CREATE_TRUST,
    OWN_NODE,
    PUBLISH,
    READ,
    REVOKE,
    Ending,
    identity_fields,
)

WAY = Link("another way", latency_ms=DAY_MS, bytes_cheap=True)
END = Millis(NOW + IDENTITY_LIFE_MS)
SECOND = PrivateKey.create("ed25519", entropy_from("second"))
THIRD = PrivateKey.create("ed25519", entropy_from("third"))
LATER = NOW + 1000


def trust_for(alice: MemoryNode, to: PrivateKey, *rights: str, at: int = NOW, **more: Any) -> SignedObject:
    fields = {"trustee": to.fingerprint, "authorization": list(rights)}
    more.setdefault("key", alice.user_key)
    return alice.resource(["trust"], {"trust": fields}, at=at, **more)


def identity_for(alice: MemoryNode, key: PrivateKey, trust: SignedObject) -> SignedObject:
    return alice.resource(["identity"], identity_fields("node", key.public, END), key=key, trust=trust.id)


def revoke(
    alice: MemoryNode, target: str, *, at: int = LATER, ending: Ending | None = None, **more: Any
) -> SignedObject:
    fields: dict[str, Any] = {"revoke": {"resource": target, **more.pop("fields", {})}}
    schemas = ["revoke"]
    if ending:
        fields |= ending.fields()
        schemas.append("ending")
    more.setdefault("key", alice.user_key)
    return alice.resource(schemas, fields, at=at, **more)


def give(alice: MemoryNode, bob: MemoryNode, *items: SignedObject, now: int = LATER + 1) -> list[Effect]:
    return bob.receive(alice.bundle(bob, *map(Rebuilt, items)), alice, now=Millis(now))


class Enough(Exception):
    """Nothing of this shall be kept."""


def in_every_order(*items: SignedObject, before: tuple[SignedObject, ...] = ()) -> set[frozenset[str]]:
    """Return which texts Bob sees in the end, for each order in which *items* of Alice's may come one by one."""
    alice, bob = friends("alice", "bob")
    give(alice, bob, *before)
    found: set[frozenset[str]] = set()

    def effects(order: tuple[SignedObject, ...]) -> Iterator[Effect]:
        for item in order:
            bundle = alice.bundle(bob, Rebuilt(item))
            yield from bob.engine.receive(bundle, alice.node, STICK, "test", Millis(LATER + 1))
        assert not bob.store.view.all_held()
        found.add(frozenset(bob.texts()))
        raise Enough

    for order in itertools.permutations(items):
        with suppress(Enough):
            bob.store.commit(effects(order))
    return found


def test_dt_13_what_was_written_before_a_revocation_stays_and_what_was_written_after_does_not():
    alice, _ = friends("alice", "bob")
    trust = trust_for(alice, SECOND, *OWN_NODE)
    before = alice.message("before", key=SECOND, trust=trust.id, at=NOW + 1)
    after = alice.message("after", key=SECOND, trust=trust.id, at=LATER + 1)
    known = identity_for(alice, SECOND, trust)
    assert in_every_order(trust, before, after, revoke(alice, trust.id), known) == {frozenset({"before"})}


def test_a_message_that_was_taken_back_is_seen_by_nobody_and_what_was_refused_says_why():
    alice, bob = friends("alice", "bob")
    note = alice.message("oops")
    back = revoke(alice, note.id, key=alice.node_key, fields={"authorization": alice.trust})
    assert in_every_order(note, back, alice.message("other")) == {frozenset({"other"})}
    assert codes(give(alice, bob, note)) == [("applied", "")]
    assert codes(give(alice, bob, back)) == [("superseded", "revoked"), ("applied", "")]
    assert bob.store.view.hidden(note.id) == back.id
    assert bob.store.view.fate(note.id) == ("superseded", "revoked")
    alice, bob = friends("alice", "bob")
    give(alice, bob, back)
    assert codes(give(alice, bob, note)) == [("rejected", "revoked")]


def test_a_node_takes_back_what_it_published_without_the_right_to_revoke_and_nothing_else():
    alice, _ = friends("alice", "bob")
    trust = trust_for(alice, SECOND, PUBLISH)
    known = identity_for(alice, SECOND, trust)
    own = alice.message("its own", key=SECOND, trust=trust.id)
    others = alice.message("another node's")
    by = {"key": SECOND, "trust": trust.id}
    both = revoke(alice, own.id, **by), revoke(alice, others.id, fields={"authorization": trust.id}, **by)
    assert in_every_order(own, others, *both, before=(trust, known)) == {frozenset({"another node's"})}


def test_nobody_takes_back_what_another_user_published():
    alice, bob = friends("alice", "bob")
    carol = make("carol")
    bob.meet(carol)
    note = alice.message("alice's")
    give(carol, bob, revoke(carol, note.id), revoke(carol, alice.trust))
    assert codes(give(alice, bob, note)) == [("applied", "")]


def test_a_revocation_by_a_node_that_was_itself_cut_off_earlier_has_no_effect_in_any_order():
    alice, _ = friends("alice", "bob")
    trust = trust_for(alice, SECOND, *OWN_NODE)
    known = identity_for(alice, SECOND, trust)
    note = alice.message("stays")
    thief = revoke(alice, note.id, key=SECOND, trust=trust.id, fields={"authorization": trust.id}, at=LATER + 1)
    found = in_every_order(note, thief, revoke(alice, trust.id), before=(trust, known))
    assert found == {frozenset({"stays"})}


def test_two_nodes_that_revoke_each_other_are_judged_alike_by_everybody():
    alice, _ = friends("alice", "bob")
    first, second = trust_for(alice, SECOND, *OWN_NODE), trust_for(alice, THIRD, *OWN_NODE)
    known = (first, second, identity_for(alice, SECOND, first), identity_for(alice, THIRD, second))
    one = revoke(alice, second.id, key=SECOND, trust=first.id, fields={"authorization": first.id}, at=LATER)
    two = revoke(alice, first.id, key=THIRD, trust=second.id, fields={"authorization": second.id}, at=LATER + 5)
    says = [
        alice.message(name, key=key, trust=trust.id, at=LATER + 9)
        for name, key, trust in (("second", SECOND, first), ("third", THIRD, second))
    ]
    assert in_every_order(one, two, *says, before=known) == {frozenset({"second"})}


def test_a_delegate_gives_no_more_than_it_has_and_is_cut_off_with_its_giver():
    alice, bob = friends("alice", "bob")
    trust = trust_for(alice, SECOND, PUBLISH, CREATE_TRUST)
    known = identity_for(alice, SECOND, trust)
    given = trust_for(alice, THIRD, PUBLISH, REVOKE, READ, key=SECOND, trust=trust.id)
    third = alice.resource(["identity"], identity_fields("node", THIRD.public, END), key=THIRD, trust=given.id)
    says = alice.message("a delegate's", key=THIRD, trust=given.id, at=NOW + 5)
    give(alice, bob, trust, known, given, third, says)
    authority = bob.store.view.authority(alice.user)
    assert bob.texts() == {"a delegate's"}
    assert authority.rights(authority.trusts[given.id]) == {PUBLISH}
    assert not authority.grants(READ, [THIRD.fingerprint], None)
    back = revoke(alice, trust.id)
    late = trust_for(alice, THIRD, PUBLISH, key=SECOND, trust=trust.id, at=LATER + 5)
    more = alice.message("too late", key=THIRD, trust=late.id, at=LATER + 6)
    assert in_every_order(says, back, late, more, before=(trust, known, given, third)) == {frozenset({"a delegate's"})}


def test_a_chain_of_delegates_has_an_end():
    alice, bob = friends("alice", "bob")
    keys = [PrivateKey.create("ed25519", entropy_from(f"delegate {n}")) for n in range(6)]
    signer: dict[str, Any] = {"key": alice.user_key}
    outcomes = []
    for key in keys:
        given = trust_for(alice, key, PUBLISH, CREATE_TRUST, **signer)
        identity = alice.resource(["identity"], identity_fields("node", key.public, END), key=key, trust=given.id)
        says = alice.message(key.fingerprint, key=key, trust=given.id)
        outcomes.append(codes(give(alice, bob, given, identity, says))[-1])
        signer = {"key": key, "trust": given.id}
    assert outcomes[:4] == [("applied", "")] * 4
    assert ("applied", "") not in outcomes[4:]


def test_nothing_of_an_identity_counts_after_it_was_revoked():
    alice, _ = friends("alice", "bob")
    trust = trust_for(alice, SECOND, *OWN_NODE)
    known = identity_for(alice, SECOND, trust)
    before = alice.message("before", key=SECOND, trust=trust.id, at=NOW + 1)
    after = alice.message("after", key=SECOND, trust=trust.id, at=LATER + 1)
    by_itself = revoke(alice, known.id, key=SECOND, trust=trust.id)
    assert in_every_order(known, before, after, by_itself, before=(trust,)) == {frozenset({"before"})}


def test_a_user_whose_identity_is_revoked_says_nothing_more():
    alice, bob = friends("alice", "bob")
    name = alice.store.view.own_lines(1, 1)[0].entry.resource
    said = [alice.message("before", at=NOW + 1), alice.message("after", at=LATER + 1)]
    found = in_every_order(*said, revoke(alice, name), revoke(alice, said[0].id, at=LATER + 2))
    assert found == {frozenset({"before"})}
    give(alice, bob, revoke(alice, name))
    assert bob.peer(alice).revoked == LATER


# Frontiers.


def lines_of(alice: MemoryNode, *named: SignedObject) -> list[journal.Line]:
    """The journal of the second node, which lists *named*."""
    node = SECOND.fingerprint
    return journal.extend(journal.root(node), 0, [Entry(alice.user, ResourceId(each.id)) for each in named])


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_lines_up_to_the_frontier_count_whatever_their_stamps_say(order):
    alice, bob = friends("alice", "bob")
    trust = trust_for(alice, SECOND, *OWN_NODE)
    known = identity_for(alice, SECOND, trust)
    old = alice.message("inside, by a clock that was ahead", key=SECOND, trust=trust.id, at=LATER + 5000)
    new = alice.message("outside, dated back", key=SECOND, trust=trust.id, at=NOW + 1)
    lines = lines_of(alice, old, new)
    back = revoke(alice, trust.id, ending=Ending(SECOND.fingerprint, lines[0].id, 1))
    give(alice, bob, trust, known)
    root = journal.root(SECOND.fingerprint)
    bob.store.commit([SavePeer(replace(bob.peer(alice), node=SECOND.fingerprint, name="2", heard=0, heard_id=root))])
    steps = [
        lambda: give(alice, bob, old),
        lambda: give(alice, bob, new),
        lambda: give(alice, bob, back),
        lambda: hear(alice, bob, lines),
    ]
    for number in order:
        steps[number]()
    assert bob.texts() == {"inside, by a clock that was ahead"}
    assert not bob.store.view.all_held()


def hear(alice: MemoryNode, bob: MemoryNode, lines: list[journal.Line]) -> None:
    """Let Bob hear the second node's journal from itself."""
    since = journal.root(SECOND.fingerprint)
    entries = tuple(line.entry for line in lines)
    by = SignedObject.sign(messages.write(Broadcast(since, entries)), SECOND).signatures[0]
    bundle = alice.bundle(bob, Update(since, tuple((e.publisher, e.resource) for e in entries), by), now=Millis(LATER))
    bundle = replace(bundle, sender=node_tag(SECOND.fingerprint))
    bob.store.commit(bob.engine.receive(bundle, SECOND.fingerprint, STICK, "test", Millis(LATER)))


def test_a_copy_of_another_branch_decides_nothing():
    alice, bob = friends("alice", "bob")
    trust = trust_for(alice, SECOND, *OWN_NODE)
    known = identity_for(alice, SECOND, trust)
    item = alice.message("by its stamp", key=SECOND, trust=trust.id, at=NOW + 1)
    other = alice.message("other", key=SECOND, trust=trust.id, at=LATER + 1)
    ending = Ending(SECOND.fingerprint, lines_of(alice, item)[0].id, 1)
    bob.store.commit([AddLines(SECOND.fingerprint, tuple(lines_of(alice, other)))])
    give(alice, bob, trust, known, item, other, revoke(alice, trust.id, ending=ending))
    assert bob.texts() == {"by its stamp"}


# Peers.


def test_a_node_that_its_user_revoked_gets_nothing_more_and_is_not_believed():
    alice, bob = friends("alice", "bob")
    alice.say("before")
    now = settle(alice, bob)
    ending = Ending(alice.node, alice.store.view.tip()[1], alice.store.view.tip()[0])
    back = revoke(alice, alice.trust, ending=ending, at=now)
    give(alice, bob, back, now=now + 1)
    assert bob.peer(alice).revoked
    assert not bob.peer(alice).reads
    alice.say("after", now=Millis(now + 2))  # the thief has not heard of it
    bob.say("not for thieves", now=Millis(now + 2))
    effects = carry(alice, bob, now=Millis(now + 3))
    assert ("rejected", "revoked") in codes(effects)
    assert bob.texts() == {"before", "not for thieves"}
    assert bob.peer(alice).heard == ending.number
    assert carry(bob, alice, now=Millis(now + 4)) == []


def test_a_node_that_knows_that_it_was_revoked_publishes_nothing():
    alice, bob = friends("alice", "bob")
    trust = alice.store.view.local().trust
    alice.publish(Draft(schemas=("revoke",), fields={"revoke": {"resource": trust, "authorization": trust}}))
    with pytest.raises(Revoked):
        alice.say("hello", now=Millis(NOW + 1))
    settle(alice, bob)
    assert bob.peer(alice).revoked


def test_what_was_taken_back_is_answered_by_its_revocation():
    alice, bob, carol = friends("alice", "bob", "carol")
    (name,) = alice.say("oops")
    now = settle(alice, bob)
    fields = {"revoke": {"resource": name, "authorization": alice.trust}}
    (back,) = alice.publish(Draft(schemas=("revoke",), fields=fields), now=Millis(now + 1))
    now = settle(alice, bob, now=Millis(now + 2))
    assert bob.texts() == set()
    now = settle(bob, carol, WAY, now)
    assert carol.texts() == set()
    assert carol.store.view.has(back)
    assert not carol.store.view.has(name)
    assert not carol.store.view.wanted_count()
    for later in range(1, 20):
        settle(bob, carol, WAY, Millis(now + later * DAY_MS))
    assert not carol.store.view.wanted_count()
    assert not carol.store.view.letters(bob.node)[0:2], "nothing is asked again"


# Reading.


def test_what_alice_gives_to_bob_alone_bob_does_not_hand_on():
    alice, bob, carol = make("alice"), make("bob"), make("carol")
    for one, other in ((alice, bob), (bob, alice), (bob, carol), (carol, bob)):
        one.meet(other)
    carol.meet(alice)  # she would accept it
    alice.say("for bob")
    now = settle(alice, bob)
    now = settle(bob, carol, WAY, now)
    assert (bob.texts(), carol.texts()) == ({"for bob"}, set())
    assert carol.store.view.entries(bob.node, 1, 99), "names travel"
    alice.meet(carol, now=now)
    now = settle(alice, bob, now=Millis(now + DAY_MS))
    now = settle(bob, carol, WAY, Millis(now + DAY_MS))
    assert carol.texts() == {"for bob"}, "by way of Bob, with Alice's leave"


def test_a_right_to_read_ends_when_its_trust_does_but_not_by_a_clock_that_is_doubtful():
    alice, bob = make("alice"), make("bob")
    bob.meet(alice)
    alice.meet(bob, trusting=False)
    fields = {"trust": {"trustee": bob.user, "authorization": [READ], "expires": "2027-01-16T08:00:00.000Z"}}
    alice.publish(Draft(schemas=("trust",), fields=fields))
    alice.poll()
    assert alice.peer(bob).reads
    end = NOW + DAY_MS
    alice.poll(now=Millis(end - 1))
    assert alice.peer(bob).reads
    alice.poll(now=Millis(1000))
    assert alice.peer(bob).reads
    alice.poll(now=Millis(end))
    assert not alice.peer(bob).reads
    alice.poll(now=Millis(1000))
    assert not alice.peer(bob).reads, "nor does it begin again"


# What travels first.


def test_a_revocation_is_not_crowded_out_by_a_months_bulk():
    alice, bob = friends("alice", "bob")
    (oops,) = alice.say("oops")
    now = settle(alice, bob)
    alice.say(*(f"{number}" * 4000 for number in range(600)), now=now)
    fields = {"revoke": {"resource": oops, "authorization": alice.trust}}
    (back,) = alice.publish(Draft(schemas=("revoke",), fields=fields), now=now)
    letters = alice.poll(now=Millis(now + 1))
    assert len(letters) > 2
    _, first = letters[0]
    assert [part.signed.id for part in first.parts if isinstance(part, Rebuilt)] == [back]
    assert codes(bob.receive(first, alice, now=Millis(now + 1)))[0] == ("superseded", "revoked")
    assert "oops" not in bob.texts()
    for _, bundle in letters[1:]:
        bob.receive(bundle, alice, now=Millis(now + 2))
    settle(alice, bob, now=Millis(now + 3))
    assert len(bob.texts()) == 600
    assert not alice.store.view.letters()


# Any set, in any order.

_ALICE, _BOB = friends("alice", "bob")
_FIRST, _SECOND = trust_for(_ALICE, SECOND, *OWN_NODE), trust_for(_ALICE, THIRD, PUBLISH, CREATE_TRUST)
_SUB = trust_for(_ALICE, THIRD, PUBLISH, REVOKE, key=SECOND, trust=_FIRST.id, at=NOW + 3)
_KNOWN = [identity_for(_ALICE, SECOND, _FIRST), identity_for(_ALICE, THIRD, _SECOND)]
_SIGNERS: list[dict[str, Any]] = [
    {"key": _ALICE.user_key},
    {},
    {"key": SECOND, "trust": _FIRST.id},
    {"key": THIRD, "trust": _SECOND.id},
    {"key": THIRD, "trust": _SUB.id},
]
_SAID = [_ALICE.message(f"{n} {at}", at=NOW + at, **by) for n, by in enumerate(_SIGNERS) for at in (4, 50)]
_TARGETS = [_ALICE.trust, _FIRST.id, _SECOND.id, _SUB.id, *(each.id for each in (*_KNOWN, *_SAID))]


def _authorised(by: dict[str, Any], target: str, at: int, *, right: bool) -> SignedObject:
    with_right = (
        {"fields": {"authorization": by.get("trust", _ALICE.trust)}} if right and by.get("key") is not None else {}
    )
    return revoke(_ALICE, target, at=NOW + at, **{"key": _ALICE.node_key, **by, **with_right})


_revocations = st.builds(
    _authorised,
    st.sampled_from(_SIGNERS),
    st.sampled_from([*3 * _TARGETS[:4], *_TARGETS]),
    st.sampled_from([10, 20, 30]),
    right=st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(_revocations, min_size=3, max_size=6, unique_by=lambda each: each.id), st.randoms(use_true_random=False)
)
def test_any_revocations_by_anybody_mean_the_same_in_any_order(revocations, dice):
    items = [_FIRST, _SECOND, _SUB, *_KNOWN, *_SAID, *revocations]
    seen = set()

    def effects(order: list[SignedObject]) -> Iterator[Effect]:
        for item in order:
            bundle = _ALICE.bundle(_BOB, Rebuilt(item))
            yield from _BOB.engine.receive(bundle, _ALICE.node, STICK, "test", Millis(NOW + 100))
        held = {each.signed.id for each in _BOB.store.view.all_held()}
        seen.add((frozenset(_BOB.texts()), frozenset(held)))
        raise Enough

    for _ in range(4):
        dice.shuffle(items)
        with suppress(Enough):
            _BOB.store.commit(effects(items))
    assert len(seen) == 1
