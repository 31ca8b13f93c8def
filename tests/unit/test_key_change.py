"""Who goes on for a node whose keys changed, when somebody else says otherwise: replays, forks, a quicker thief."""

from itertools import permutations

import pytest
from tests.unit.nodes import MemoryNode, codes, friends, settle
from tests.unit.test_incarnation import go_on
from tests.unit.test_meeting import arrives, hello, waiting
from tests.unit.test_recovery import copied

from paquebot import copies
from paquebot.protocol.bundle import Rebuilt
from paquebot.protocol.effects import Effect, Note
from paquebot.protocol.encoding import short
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import Ending


class Story:
    """Alice and Carol, who both know Bob; Alice's keys are renewed, and a thief has a copy of her home."""

    def __init__(self) -> None:
        self.alice, self.bob, self.carol, self.courier = friends("alice", "bob", "carol", "courier")
        self.trust = self.alice.trust
        self.alice.say("before")
        self.now = settle(self.alice, self.bob)
        self.now = settle(self.carol, self.bob, now=self.now)
        self.copy = copied(self.alice)
        self.founded: dict[str, list[SignedObject]] = {}

    def later(self) -> Millis:
        self.now = Millis(self.now + DAY_MS)
        return self.now

    def renewed(self, node: MemoryNode, seed: str, *, with_user: bool = True) -> MemoryNode:
        new = go_on(node, self.later(), seed=seed, with_user=with_user)
        self.founded[new.node] = founding(new)
        return new

    def tell(self, *found: SignedObject) -> list[Effect]:
        """Let Bob hear of *found* by way of a courier."""
        bundle = self.courier.bundle(self.bob, *map(Rebuilt, found), now=self.now)
        return self.bob.receive(bundle, self.courier, now=self.later())

    def hear_of(self, node: MemoryNode) -> list[Effect]:
        """Let Bob hear of what *node* published first, but not meet it."""
        return self.tell(*self.founded[node.node])

    def introduce(self, node: MemoryNode) -> None:
        arrives(self.bob, hello(node, self.bob), now=self.later())

    def bobs(self) -> dict[str, str]:
        """What Bob calls each node of Alice's that he knows."""
        peers = self.bob.store.view.peers()
        return {
            peer.node: peer.name + " (set apart)" * bool(peer.suspect) for peer in peers if peer.user == self.alice.user
        }

    def shown(self) -> str:
        """What status and `peer show` say of Alice's first node."""
        return " ".join(copies.of_peer(self.bob.store.view, self.bob.peer(self.alice)))

    def others_go_on(self) -> None:
        self.carol.say(text := f"from carol at {self.now}", now=self.later())
        self.now = settle(self.carol, self.bob, now=self.now)
        assert text in self.bob.texts()
        assert self.bob.peer(self.carol).reads
        assert not self.bob.peer(self.carol).suspect


def founding(node: MemoryNode) -> list[SignedObject]:
    """What *node* published first: trust, identity, keys, names, and the ending of the one before."""
    view = node.store.view
    found = [view.resource(line.entry.resource) for line in view.own_lines(2, 7)]
    return [each for each in found if each is not None]


@pytest.fixture
def story():
    return Story()


def test_an_ancient_change_of_keys_that_is_replayed_after_a_later_one_is_ignored(story):
    first = story.renewed(story.alice, "first")
    story.hear_of(first), story.introduce(first)
    second = story.renewed(first, "second")
    story.hear_of(second), story.introduce(second)
    before = story.bobs()
    assert before == {story.alice.node: "alice (ended)", first.node: "alice (ended 2)", second.node: "alice"}

    effects = story.tell(story.founded[first.node][-1])

    assert not [each for each in effects if isinstance(each, Note)]
    assert story.bobs() == before
    assert "two nodes" not in story.shown()


@pytest.mark.parametrize("order", [*permutations(range(2))])
def test_two_changes_of_keys_are_one_in_whatever_order_they_are_heard_of(story, order):
    first = story.renewed(story.alice, "first")
    second = story.renewed(first, "second")
    for number in order:
        story.hear_of((first, second)[number])
    story.introduce(second)
    assert story.bobs() == {story.alice.node: "alice (ended)", second.node: "alice"}


def test_a_fork_after_the_change_of_keys_does_not_win_and_both_claims_are_shown(story):
    true = story.renewed(story.alice, "true")
    thief = story.renewed(story.copy, "thief", with_user=False)
    story.hear_of(true), story.introduce(true)

    effects = story.hear_of(thief)
    again = story.hear_of(thief)
    story.introduce(thief)

    assert [each.kind for each in effects + again if isinstance(each, Note)].count("forked") == 1
    assert story.bobs() == {story.alice.node: "alice (ended)", true.node: "alice"}
    assert story.bob.store.view.pending()[0].node == thief.node
    assert waiting(story.bob) == ["alice"]
    assert "which another node continues" in story.bob.store.view.pending()[0].reason
    assert f"alice, by which we go, and node {short(thief.node)}" in story.shown()
    story.others_go_on()
    true.say("from the true one", now=story.later())
    settle(true, story.bob, now=story.now)
    assert "from the true one" in story.bob.texts()


@pytest.mark.parametrize("met", [True, False])
def test_a_thief_who_is_quicker_gives_way_to_the_node_for_which_the_user_signs(story, met):
    true = story.renewed(story.alice, "true")
    thief = story.renewed(story.copy, "thief", with_user=False)
    story.hear_of(thief), story.introduce(thief)
    assert story.bobs()[thief.node] == "alice"

    if met:
        story.introduce(true)
    story.hear_of(true)
    if not met:
        story.introduce(true)

    assert story.bobs() == {
        story.alice.node: "alice (ended)",
        true.node: "alice",
        thief.node: "alice (disputed) (set apart)",
    }
    assert story.bob.peer(story.alice).heir == true.node
    assert f"alice, by which we go, and node {short(thief.node)}" in story.shown()
    story.others_go_on()


def test_of_two_for_which_the_old_keys_alone_sign_the_first_heard_of_stays_until_a_person_decides(story):
    one = story.renewed(story.alice, "one", with_user=False)
    other = story.renewed(story.copy, "other", with_user=False)
    story.hear_of(one), story.introduce(one)
    story.hear_of(other), story.introduce(other)
    assert story.bobs() == {story.alice.node: "alice (ended)", one.node: "alice"}
    assert [each.node for each in story.bob.store.view.pending()] == [other.node]
    story.others_go_on()


def test_a_fork_after_the_old_keys_were_revoked_is_refused(story):
    true = story.renewed(story.alice, "true")
    story.hear_of(true), story.introduce(true)
    back = Draft(schemas=("revoke",), fields={"revoke": {"resource": story.trust}})
    revocation = story.alice.resource(back.schemas, back.fields, key=story.alice.user_key, at=story.later())
    story.tell(revocation)
    thief = story.renewed(story.copy, "thief", with_user=False)

    effects = story.hear_of(thief)
    story.introduce(thief)

    assert {detail for outcome, detail in codes(effects) if outcome == "rejected"} == {"revoked"}
    assert story.bobs() == {story.alice.node: "alice (ended)", true.node: "alice"}
    assert [each.node for each in story.bob.store.view.pending()] == [thief.node]
    assert story.bob.peer(story.alice).heir == true.node
    story.others_go_on()


def test_a_home_is_told_that_somebody_else_uses_the_keys_it_had_before(story):
    true = story.renewed(story.alice, "true")
    thief = story.renewed(story.copy, "thief", with_user=False)
    bundle = story.bob.bundle(true, *map(Rebuilt, story.founded[thief.node]), now=story.now)
    true.receive(bundle, story.bob, now=story.later())
    (said,) = copies.of_us(true.store.view)
    assert short(thief.node) in said
    assert f"paquebot node revoke {short(story.alice.node)}" in said
    arrives(true, hello(thief, true), now=story.later())
    assert [each.node for each in true.store.view.pending()] == [thief.node]


def test_endings_in_a_circle_are_no_end(story):
    first = story.renewed(story.alice, "first")
    line = first.store.view.line_id(first.node, 1)
    fields = Ending(first.node, line, 1, story.alice.node).fields()
    back = story.alice.resource(["ending"], fields, key=story.alice.user_key, at=story.later())
    story.tell(back, *story.founded[first.node])
    story.introduce(first)
    story.others_go_on()
