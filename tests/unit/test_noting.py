"""What happens is noted with its cause, once."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from tests.unit.nodes import NOW, MemoryNode, carry, friends, make, settle

from paquebot.errors import Malformed
from paquebot.protocol import clear, noting
from paquebot.protocol.bundle import Chunk, Rebuilt
from paquebot.protocol.effects import Remember, SaveOutcomes, SavePeer
from paquebot.protocol.events import Kind
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import FileManifest
from paquebot.protocol.stamp import Millis

CHUNKS = [b"a" * 65536, b"b" * 100]


def happened(node: MemoryNode, *kinds: Kind) -> list[tuple]:
    chosen = kinds or [kind for kind in Kind if kind is not Kind.ACKNOWLEDGED]
    return [(each.kind, each.resource, each.peer) for each in node.store.view.events(kinds=chosen)]


@pytest.fixture
def pair():
    return friends("Alice", "Bob")


def file_of(bob: MemoryNode):
    names = tuple(sha256(each).digest() for each in CHUNKS)
    manifest = FileManifest(65636, None, 65536, 1, names)
    return bob.resource(["file"], {"file": manifest.fields()}), names


def test_a_message_is_noted_where_it_is_written_where_it_comes_and_when_its_author_hears_of_it(pair):
    alice, bob = pair
    (name,) = alice.say("hello")
    settle(alice, bob)
    assert happened(alice) == [
        (Kind.PEER_ADDED, None, bob.node),
        (Kind.PUBLISHED, name, None),
        (Kind.APPLIED, name, bob.node),
    ]
    assert happened(bob) == [(Kind.PEER_ADDED, None, alice.node), (Kind.ARRIVED, name, alice.node)]
    assert happened(alice, Kind.ACKNOWLEDGED)


def test_a_file_has_arrived_with_its_last_chunk_and_not_before(pair):
    alice, bob = pair
    signed, names = file_of(bob)
    alice.receive(bob.bundle(alice, Rebuilt(signed)), bob)
    alice.receive(bob.bundle(alice, Chunk(names[1], CHUNKS[1])), bob)
    assert happened(alice, Kind.ARRIVED) == []
    alice.receive(bob.bundle(alice, Chunk(names[0], CHUNKS[0])), bob)
    alice.receive(bob.bundle(alice, Chunk(names[0], CHUNKS[0])), bob)
    assert happened(alice, Kind.ARRIVED) == [(Kind.ARRIVED, signed.id, bob.node)]


def test_a_file_whose_chunks_came_before_it_arrives_with_its_manifest(pair):
    alice, bob = pair
    signed, names = file_of(bob)
    alice.receive(bob.bundle(alice, *map(Chunk, names, CHUNKS), Rebuilt(signed)), bob)
    assert happened(alice, Kind.ARRIVED) == [(Kind.ARRIVED, signed.id, bob.node)]


def test_a_peer_that_stops_wanting_something_is_noted_once(pair):
    alice, bob = pair
    (name,) = alice.say("hello")
    said = SaveOutcomes(bob.node, ((name, "rejected", "malformed"),))
    for _ in range(2):
        alice.store.commit(noting.noted(alice.store.view, [said], NOW))
    assert happened(alice, Kind.REFUSED) == [(Kind.REFUSED, name, bob.node)]
    held = SaveOutcomes(bob.node, ((name, "held", "time"),))
    alice.store.commit(noting.noted(alice.store.view, [held], NOW))
    assert len(happened(alice, Kind.REFUSED)) == 1


def test_what_is_set_aside_is_noted_with_the_reason(pair):
    alice, _ = pair
    alice.store.commit(alice.engine.refuse(b"junk", Malformed("no\nthing\x1b[31m"), "stick/1", NOW))
    (event,) = alice.store.view.events(kinds=[Kind.SET_ASIDE])
    assert event.detail == "stick/1: no\\nthing\\x1b[31m (malformed)"
    assert event.at == NOW


def test_what_is_set_aside_again_is_not_noted_again(pair):
    alice, bob = pair
    for _ in range(2):
        alice.receive(bob.bundle(alice, *[Chunk(b"n" * 32, b"bad")] * 3), bob)
    assert len(happened(alice, Kind.SET_ASIDE)) == 1
    alice.receive(bob.bundle(alice, Chunk(b"n" * 32, b"also bad")), bob)
    assert len(happened(alice, Kind.SET_ASIDE)) == 2


def test_a_peer_that_is_set_apart_is_noted(pair):
    alice, bob = pair
    alice.store.commit(alice.engine.in_clear(bob.message("secret").encode(), "stick/note", NOW))
    assert (Kind.SET_APART, None, bob.node) in happened(alice)
    assert clear.CODE in alice.store.view.events(kinds=[Kind.SET_ASIDE])[0].detail


def test_silence_that_was_noted_ends_when_the_peer_is_heard(pair):
    alice, bob = pair
    key = noting.silent_key(bob.node)
    alice.store.commit([Remember(key, b"")])
    bob.say("I am back")
    settle(bob, alice)
    assert happened(alice, Kind.HEARD_AGAIN) == [(Kind.HEARD_AGAIN, None, bob.node)]
    assert alice.store.view.remembered(key) is None


def test_silence_is_noted_once_and_not_of_those_from_whom_nothing_is_expected(pair):
    alice, bob = pair
    later = Millis(NOW + 10 * DAY_MS)
    for gone in ("ended", "revoked", "suspect"):
        alice.store.commit([SavePeer(replace(alice.peer(bob), **{gone: NOW}))])
        alice.store.commit(noting.fell_silent(alice.store.view, {bob.node: DAY_MS}, later))
        alice.store.commit([SavePeer(replace(alice.peer(bob), **{gone: Millis(0)}))])
    assert happened(alice, Kind.SILENCE) == []

    for _ in range(2):
        alice.store.commit(noting.fell_silent(alice.store.view, {bob.node: DAY_MS}, later))

    assert happened(alice, Kind.SILENCE) == [(Kind.SILENCE, None, bob.node)]


def test_a_carrier_that_fails_is_noted_once_until_it_works(pair):
    alice, _ = pair
    for trouble in ("", "no such folder", "no such folder", "denied", "", ""):
        alice.store.commit(noting.worked(alice.store.view, "stick\udce9", trouble, NOW))
    found = alice.store.view.events(kinds=[Kind.FAILURE, Kind.RECOVERED])
    assert [(each.kind, each.detail) for each in found] == [
        (Kind.FAILURE, "stick\\udce9: no such folder"),
        (Kind.RECOVERED, "stick\\udce9"),
    ]


def test_nothing_new_is_noted_when_nothing_happens(pair):
    alice, bob = pair
    alice.say("hello")
    now = settle(alice, bob)
    before = alice.store.view.events()[-1].number
    assert carry(alice, bob, now=Millis(now + 1000)) == []
    assert alice.store.view.events()[-1].number == before


def test_founding_is_no_news():
    assert make("Alice").store.view.events() == []


def test_a_file_that_we_publish_is_published_and_not_arrived(pair):
    alice, _ = pair
    big = Draft.file(FileManifest(3, b"abc"), "a.txt")
    (name,) = alice.publish(big)
    assert happened(alice, Kind.PUBLISHED, Kind.ARRIVED) == [(Kind.PUBLISHED, name, None)]


def test_what_fails_to_be_committed_did_not_happen(pair):
    alice, bob = pair

    def failing():
        yield SavePeer(replace(alice.peer(bob), suspect=NOW))
        raise Malformed("cut")

    with pytest.raises(Malformed):
        alice.store.commit(noting.noted(alice.store.view, failing(), NOW))
    assert happened(alice, Kind.SET_APART) == []
