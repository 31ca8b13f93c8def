"""What a person may decide about trust, and where a revoked node's journal is to end."""

from __future__ import annotations

import pytest
from tests.unit.nodes import NOW, MemoryNode, friends, make, settle

from paquebot.errors import Misused, NotPermitted
from paquebot.protocol import publishing, trusting
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import CREATE_TRUST, PUBLISH, READ, REVOKE, Ending


@pytest.fixture
def pair() -> list[MemoryNode]:
    return friends("alice", "bob")


def given(node: MemoryNode, trustee: str) -> list[tuple[str, ...]]:
    return [each.rights for each in node.store.view.authority(node.user).given(trustee)]


def commit(node: MemoryNode, drafts: list[Draft], now: int = NOW + 5) -> None:
    node.store.commit(publishing.publish(node.store.view, node.node_key, drafts, Millis(now)))


def test_what_is_given_counts_until_it_ends_or_is_taken(pair):
    alice, bob = pair
    view = alice.store.view
    commit(alice, [trusting.give(view, bob.node, [PUBLISH, REVOKE], Millis(NOW + DAY_MS), Millis(NOW))])
    authority = view.authority(alice.user)
    assert authority.grants(PUBLISH, [bob.node], Millis(NOW + DAY_MS - 1))
    assert not authority.grants(PUBLISH, [bob.node], Millis(NOW + DAY_MS))
    commit(alice, trusting.take(view, [bob.user, bob.node], [REVOKE], by_user=False))
    assert given(alice, bob.node) == [(PUBLISH,)]
    assert view.authority(alice.user).given(bob.node)[0].expires == NOW + DAY_MS, "the rest ends when it did"
    assert given(alice, bob.user) == [(READ,)]
    assert alice.peer(bob).reads
    commit(alice, trusting.take(view, [bob.user, bob.node], [READ, PUBLISH], by_user=False))
    assert given(alice, bob.node) == given(alice, bob.user) == []
    assert not alice.peer(bob).reads


def test_nobody_gives_to_himself_or_for_a_time_that_has_passed_or_what_he_has_not(pair):
    alice, bob = pair
    view = alice.store.view
    for trustee in (alice.user, alice.node):
        with pytest.raises(Misused, match="own user"):
            trusting.give(view, trustee, [READ], None, NOW)
    with pytest.raises(Misused, match="passed"):
        trusting.give(view, bob.user, [READ], NOW, NOW)
    with pytest.raises(NotPermitted, match="to give"):
        trusting.give(view, bob.user, ["fly"], None, NOW)
    fields = {"revoke": {"resource": alice.trust, "authorization": alice.trust}}
    commit(alice, [Draft(schemas=("revoke",), fields=fields)])
    assert not view.authority(alice.user).grants(CREATE_TRUST, [alice.node], None)


def test_the_frontier_is_what_is_known_or_a_line_or_a_day(pair):
    alice, bob = pair
    bob.say("old", now=Millis(NOW + 10))
    settle(alice, bob, now=Millis(NOW + 20))
    last = alice.peer(bob).heard
    bob.say("new", "newer", now=Millis(NOW + DAY_MS))
    settle(alice, bob, now=Millis(NOW + DAY_MS + 10))
    view, heard = alice.store.view, alice.peer(bob).heard

    def ends(number: int) -> Ending:
        line = bob.store.view.line_id(bob.node, number)
        assert line is not None
        return Ending(bob.node, line, number)

    assert heard > last
    assert trusting.frontier(view, bob.node) == ends(heard)
    assert trusting.frontier(view, bob.node, after=3) == ends(3)
    assert trusting.frontier(view, bob.node, after=0) == ends(0)
    named = trusting.frontier(view, bob.node, since=Millis(NOW + DAY_MS))
    assert named is not None
    assert last <= named.number < heard
    assert bob.store.view.naming(bob.store.view.entries(bob.node, named.number + 1, 1)[0].resource)
    assert trusting.frontier(view, bob.node, since=Millis(NOW + 99 * DAY_MS)) == ends(heard)
    with pytest.raises(Misused, match="not known here"):
        trusting.frontier(view, bob.node, after=heard + 1)
    stranger = make("stranger")
    assert trusting.frontier(view, stranger.node) is None
    with pytest.raises(Misused, match="not known here"):
        trusting.frontier(view, stranger.node, since=NOW)
