"""What is on its way to a node is taken in by the home that goes on as another one."""

from tests.unit.nodes import carry, codes, friends, settle
from tests.unit.test_incarnation import go_on
from tests.unit.test_recovery import copied
from tests.unit.test_wrong_clocks import right_again

from paquebot.protocol.bundle import Introduction
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis


def test_an_envelope_for_the_old_node_brings_its_content_to_the_new_one():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    bob.say("on its way", now=now)
    (letter,) = bob.poll(now=now)
    new = go_on(alice, now)

    first = new.receive(letter[1], bob, now=now)
    again = new.receive(letter[1], bob, now=now)

    assert "on its way" in new.texts()
    assert [outcome for outcome, _ in codes(first)] == ["applied", "applied"]
    assert codes(again) == [("duplicate", "envelope")]
    assert not new.store.view.lapses()
    peer = new.peer(bob)
    assert (peer.seen_at, peer.received.last) == (0, 0)  # whoever knows the new node alone has been heard by it


def test_two_homes_that_go_on_at_once_find_each_other_again():
    alice, bob = friends("alice", "bob")
    alice.say("hello")
    now = settle(alice, bob)
    backups = copied(alice), copied(bob)
    alice.say("after", now=now), bob.say("after", now=now)
    now = settle(alice, bob, now=now)
    one, other = (go_on(each, now, seed=str(n)) for n, each in enumerate(backups))
    for node in (one, other):
        node.say("again", now=now)

    for day in range(1, 4):
        for a, b, old in ((one, other, bob), (other, one, alice)):
            at = Millis(now + day * DAY_MS)
            for letter, bundle in a.poll(now=at):
                assert letter.peer in (old.node, b.node)
                if b.store.view.peer(a.node) is None:
                    b.store.commit(b.engine.add_peer(a.card(at), "again", at))
                b.receive(bundle, a, now=at)

    assert one.texts() == other.texts()
    assert carry(one, other, now=Millis(now + 4 * DAY_MS)) == []


def test_who_was_put_back_to_before_it_met_the_new_node_is_introduced_to_it_again():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    backup = copied(bob)
    new = go_on(alice, now)
    bob.store.commit(bob.engine.add_peer(new.card(now), "alice again", now))
    new.say("of the new node", now=now)
    now = settle(new, bob, now=now)
    assert "of the new node" in bob.texts()
    backup.say("to the old node", now=now)
    ((_, lost), *_) = backup.poll(now=now)

    new.receive(lost, backup, now=now)
    ((_, found), *_) = new.poll(now=now)

    assert any(isinstance(part, Introduction) for part in found.parts)
    backup.store.commit(backup.engine.add_peer(new.card(now), "alice again", now))
    backup.receive(found, new, now=now)
    now = settle(new, backup, now=now)
    assert new.texts() == backup.texts() == {"of the new node", "to the old node"}
    ((_, later), *_) = new.poll(now=Millis(now + 90 * DAY_MS))
    assert not any(isinstance(part, Introduction) for part in later.parts)


def test_what_the_old_node_dated_ahead_the_new_one_says_anew():
    """Else peers would hold it for a year, though the clock is right and nobody is left who could say it otherwise."""
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    alice.say("one", now=Millis(now + 400 * DAY_MS))
    settle(alice, bob, now=now)
    assert bob.texts() == set()

    new = go_on(alice, Millis(now + DAY_MS))
    bob.store.commit(bob.engine.add_peer(new.card(now), "alice again", now))
    assert right_again(new, Millis(now + DAY_MS)) == []
    for day in (2, 3, 4):
        settle(new, bob, now=Millis(now + day * DAY_MS))
    assert bob.texts() == {"one"}
    assert [each.stamp.at for each in new.store.view.listed(["message"])] == [now + DAY_MS]
