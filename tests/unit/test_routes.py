"""Where nodes can be reached: what they say themselves, what a person says, and who is written to."""

from dataclasses import replace

import pytest
from tests.unit.nodes import MAIL, NOW, carry, friends, make, settle

from paquebot.errors import Misused
from paquebot.protocol import introducing, publishing, routes
from paquebot.protocol.bundle import Rebuilt
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis

HOSTILE = [
    "", "node", "@b.example", "node@", "a@b@c", "a b@c.example", "a@b.example\r\nBcc: x@evil.example", "a@b.example\n",
    "\0a@b.example", "a@b.example ", " a@b.example", "<a@b.example>", '"a b"@b.example', "a,b@c.example",
    "a;b@c.example", "a@[127.0.0.1]", "a..b@c.example", ".a@c.example", "a.@c.example", "a@-b.example", "a@b-.example",
    "a@b..example",
    "-oQ/tmp@b.example", "é@b.example", "a@é.example", "a@b.example\u2028", f"{'a' * 65}@b.example",
    f"a@{'b' * 64}.example", f"a@{'b.' * 130}example", "a@b.example?bcc=c@d", "a(comment)@b.example",
]  # fmt: skip


def where(node, *addresses):
    """Let *node* publish that it is at *addresses*, if that is news."""
    told = routes.untold(node.store.view, [routes.route("mail", each) for each in addresses])
    return node.publish(Draft(schemas=("node",), fields=told)) if told else []


def found(node, other, kind="mail"):
    return routes.address(node.store.view, other.node, kind)


@pytest.mark.parametrize("address", HOSTILE)
def test_no_address_is_taken_that_could_break_out_of_a_header_or_a_command(address):
    assert not routes.valid("mail", address)
    assert routes.parse(f"mailto:{address}") is None
    with pytest.raises(Misused, match="no address for mail"):
        routes.route("mail", address)


@pytest.mark.parametrize("address", ["node@b.example", "a.b+sync@b-c.example", "x@ship", f"{'a' * 64}@b.example"])
def test_an_ordinary_address_is_taken(address):
    assert routes.parse(routes.route("mail", address)) == ("mail", address)


def test_a_peer_says_where_it_is_and_its_newest_word_counts():
    alice, bob = friends("alice", "bob")
    where(bob, "old@b.example")
    where(bob, "new@b.example")
    settle(bob, alice)
    assert found(alice, bob) == "new@b.example"
    assert where(bob, "new@b.example") == []
    where(bob)
    settle(bob, alice, now=Millis(NOW + 60_000))
    assert found(alice, bob) == ""


def test_an_older_word_that_comes_later_changes_nothing():
    alice, bob = friends("alice", "bob")
    (old,), (new,) = where(bob, "old@b.example"), where(bob, "new@b.example")
    for name in (new, old):
        signed = bob.store.view.resource(name)
        alice.receive(bob.bundle(alice, Rebuilt(signed)), bob)
    assert found(alice, bob) == "new@b.example"


def test_a_card_says_where_its_node_is_and_one_without_stays_good():
    alice, bob = make("alice"), make("bob")
    old = bob.card()
    where(bob, "node@b.example")
    new = bob.card()
    assert len(new.resources) == len(old.resources) == 6
    alice.store.commit(alice.engine.add_peer(old, "bob", NOW))
    assert found(alice, bob) == ""
    alice.store.commit(alice.engine.add_peer(new, "bob", NOW))
    assert found(alice, bob) == "node@b.example"


def test_an_introduction_says_so_too():
    bob = make("bob")
    where(bob, "node@b.example")
    card = publishing.card_of(introducing.own_card(bob.store.view), NOW)
    assert any(b"mailto:node@b.example" in each.payload for each in card.resources)


@pytest.mark.parametrize("trusting", [(False, True), (True, False)])
def test_a_peer_says_where_it_is_whatever_else_is_accepted_or_may_be_read(trusting):
    alice, bob = make("alice"), make("bob")
    alice.meet(bob, trusting=trusting[0])
    bob.meet(alice, trusting=trusting[1])
    settle(bob, alice)
    where(bob, "node@b.example")
    bob.say("not for you")
    alice.say("hello")
    settle(alice, bob, now=Millis(NOW + 60_000))
    assert found(alice, bob) == "node@b.example"
    assert "not for you" not in alice.texts()


def test_a_route_that_can_be_none_is_passed_over_and_spoils_nothing():
    alice, bob = friends("alice", "bob")
    bad = ["mailto:x@y\r\nBcc: z@z", "", "mailto", "mailto:a@b?cc=c@d", "MAILTO:a@b", "mailto:node@b.example", "x y:z"]
    bob.publish(Draft(schemas=("node",), fields={"node": {"type": "node", "name": "bob", "routes": bad}}))
    settle(bob, alice)
    assert routes.said(alice.store.view, bob.node) == (("mail", "node@b.example"),)


def test_nobody_says_where_another_is():
    alice, bob, eve = friends("alice", "bob", "eve")
    where(eve, "eve@e.example")
    settle(eve, alice)
    assert (found(alice, eve), found(alice, bob)) == ("eve@e.example", "")


def test_what_a_person_says_counts_for_more_until_it_is_unset_and_goes_with_the_peer():
    alice, bob = friends("alice", "bob")
    where(bob, "node@b.example")
    settle(bob, alice)
    view = alice.store.view
    for said, expected in (("b@ship.example", "b@ship.example"), ("", ""), (None, "node@b.example")):
        alice.store.commit(routes.put_by_hand(view, bob.node, "mail", said))
        assert found(alice, bob) == expected
    with pytest.raises(Misused):
        alice.store.commit(routes.put_by_hand(view, bob.node, "mail", "a@b\nfoo bar"))
    alice.store.commit(routes.put_by_hand(view, bob.node, "mail", "b@ship.example"))
    alice.store.commit(routes.forgotten(alice.peer(bob)))
    assert routes.set_by_hand(view, bob.node) == {}


def test_nothing_is_planned_for_whom_a_carrier_does_not_reach():
    alice, bob, carol = friends("alice", "bob", "carol")
    alice.say("to all")
    post = replace(MAIL, reachable=frozenset({carol.node}))
    assert {letter.peer for letter, _ in alice.poll(post)} == {carol.node}
    assert carry(alice, bob, replace(MAIL, medium="other"))
    assert bob.texts() == {"to all"}


def test_an_address_is_known_if_a_peer_says_that_it_is_there_or_a_person_does():
    alice, bob = friends("alice", "bob")
    where(bob, "node@b.example", "spare@b.example")
    settle(bob, alice)
    alice.store.commit(routes.put_by_hand(alice.store.view, bob.node, "mail", "ship@b.example"))
    assert routes.every(alice.store.view, "mail") == {"node@b.example", "spare@b.example", "ship@b.example"}
    assert routes.every(alice.store.view, "serial") == set()
