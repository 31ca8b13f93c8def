"""A schema that is not here yet: what names it waits, its author need not be known, and gains nothing."""

from __future__ import annotations

from tests.unit.nodes import NOW, STICK, carry, friends, make, settle, told

from paquebot.protocol.bundle import Rebuilt
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis

LEVEL = {"required": ["level"], "properties": {"level": {"type": "number"}}}


def publish_schema(node, schema=LEVEL):
    (name,) = node.publish(Draft(schemas=("schema",), fields={"schema": schema}))
    return f"sdmp://{node.user}/{name}"


def record(node, uri, level: object = 3):
    (name,) = node.publish(Draft(schemas=(uri,), fields={"level": level}))
    return name


def held(node):
    return [each.signed.id for each in node.store.view.all_held()]


def test_a_schema_comes_with_what_its_author_publishes():
    alice, bob = friends("Alice", "Bob")
    name = record(alice, publish_schema(alice))
    settle(alice, bob)
    assert bob.store.view.complete(name)
    assert bob.store.view.listing(name).kind == "record"


def test_what_names_a_schema_waits_for_it_and_is_released_when_it_comes():
    alice, bob = friends("Alice", "Bob")
    schema = alice.resource(["schema"], {"schema": LEVEL})
    uri = f"sdmp://{alice.user}/{schema.id}"
    good, bad = alice.resource([uri], {"level": 1}), alice.resource([uri], {"level": "high"})
    done = told(bob.receive(alice.bundle(bob, Rebuilt(good), Rebuilt(bad)), alice))
    assert (done[good.id], done[bad.id]) == ("held", "held")
    done = told(bob.receive(alice.bundle(bob, Rebuilt(schema)), alice))
    assert done == {schema.id: "applied", good.id: "applied", bad.id: "rejected"}
    assert held(bob) == []


def test_the_order_of_arrival_changes_nothing():
    alice, bob = friends("Alice", "Bob")
    carol = friends("Carol", "Dave")[0]
    carol.meet(alice), alice.meet(carol)
    schema = alice.resource(["schema"], {"schema": LEVEL})
    good = alice.resource([f"sdmp://{alice.user}/{schema.id}"], {"level": 1})
    for node, order in ((bob, (schema, good)), (carol, (good, schema))):
        for each in order:
            node.receive(alice.bundle(node, Rebuilt(each)), alice)
        assert node.store.view.has(good.id)
        assert node.store.view.has(schema.id)
        assert not held(node)


def strangers_schema():
    """Bob knows Zed, who published a schema; Alice knows Bob alone."""
    alice, bob = friends("Alice", "Bob")
    zed = make("Zed")
    bob.meet(zed), zed.meet(bob)
    uri = publish_schema(zed)
    (secret,) = zed.say("nothing for Alice")
    now = settle(zed, bob)
    return alice, bob, zed, uri, secret, now


def test_a_strangers_schema_is_asked_for_and_taken_with_the_proof_of_who_wrote_it_and_nothing_else():
    alice, bob, zed, uri, secret, now = strangers_schema()
    name = record(bob, uri)
    for _ in range(4):
        now = settle(alice, bob, STICK, Millis(now + DAY_MS))
    view = alice.store.view
    assert view.complete(name)
    assert view.schema(uri)
    assert view.identity(zed.user)
    assert not view.has(secret)
    assert held(alice) == []
    assert not any(peer.user == zed.user for peer in view.peers())
    carry(bob, alice, STICK, Millis(now + DAY_MS))
    spam = zed.message("now that you know me")
    assert told(alice.receive(bob.bundle(alice, Rebuilt(spam)), bob))[spam.id] == "declined"
    other = zed.resource(["schema"], {"schema": {}})
    assert told(alice.receive(bob.bundle(alice, Rebuilt(other)), bob))[other.id] == "declined"


def test_nothing_of_a_stranger_is_taken_that_nobody_waits_for():
    alice, bob, zed, uri, _, _ = strangers_schema()
    schema = bob.store.view.resource(uri.rpartition("/")[2])
    identity = bob.store.view.resource(bob.store.view.proof(zed.user))
    done = told(alice.receive(bob.bundle(alice, Rebuilt(schema), Rebuilt(identity)), bob))
    assert set(done.values()) == {"declined"}


def test_what_names_a_schema_that_was_refused_is_refused_before_and_after():
    alice, bob = friends("Alice", "Bob")
    schema = alice.resource(["schema"], {"schema": {"$ref": "file:///etc/passwd"}})
    early, late = (alice.resource([f"sdmp://{alice.user}/{schema.id}"], {"n": n}) for n in range(2))
    assert told(bob.receive(alice.bundle(bob, Rebuilt(early)), alice)) == {early.id: "held"}
    done = told(bob.receive(alice.bundle(bob, Rebuilt(schema)), alice))
    assert done == {schema.id: "rejected", early.id: "rejected"}
    assert told(bob.receive(alice.bundle(bob, Rebuilt(late)), alice)) == {late.id: "rejected"}


def test_a_schema_under_anothers_name_is_none():
    alice, bob = friends("Alice", "Bob")
    uri = publish_schema(alice)
    settle(alice, bob)
    wrong = f"sdmp://{bob.user}/{uri.rpartition('/')[2]}"
    assert bob.store.view.schema(uri)
    assert bob.store.view.schema(wrong) is None


def test_a_message_is_no_schema():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("I am no schema")
    settle(alice, bob)
    odd = alice.resource([f"sdmp://{alice.user}/{name}"], {})
    assert told(bob.receive(alice.bundle(bob, Rebuilt(odd)), alice)) == {odd.id: "held"}


def test_what_is_dated_before_the_schema_is_judged_all_the_same():
    alice, bob = friends("Alice", "Bob")
    schema = alice.resource(["schema"], {"schema": LEVEL}, at=NOW + 5)
    good = alice.resource([f"sdmp://{alice.user}/{schema.id}"], {"level": 1}, at=NOW)
    bob.receive(alice.bundle(bob, Rebuilt(schema), Rebuilt(good)), alice)
    assert bob.store.view.has(good.id)
