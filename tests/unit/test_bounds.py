"""What a peer can make us keep for nothing is bounded, and what lies beyond the bound is asked for in its time."""

from __future__ import annotations

from hashlib import sha256

import pytest
from tests.unit.nodes import MAIL, NOW, STICK, MemoryNode, friends, settle, told

from paquebot.protocol import admission, reading, trusting
from paquebot.protocol.bundle import Chunk, Rebuilt, Want
from paquebot.protocol.effects import KeepBlob
from paquebot.protocol.encoding import ResourceId, digest
from paquebot.protocol.limits import ASK_AGAIN_MS, DAY_MS, REQUESTS_MAX
from paquebot.protocol.publishing import Draft
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import READ

SIZE = 4096


@pytest.fixture
def pair() -> list[MemoryNode]:
    return friends("alice", "bob")


def chunk(number: int) -> bytes:
    return b"%07d\n" % number * (SIZE // 8)


def manifest(*chunks: bytes) -> FileManifest:
    return FileManifest(sum(map(len, chunks)), None, SIZE, 1, tuple(sha256(each).digest() for each in chunks))


def publish(node: MemoryNode, *chunks: bytes) -> SignedObject:
    node.store.commit(KeepBlob(sha256(each).digest(), each) for each in chunks)
    (name,) = node.publish(Draft.file(manifest(*chunks), "file"))
    found = node.store.view.resource(name)
    assert found
    return found


def send(one: MemoryNode, other: MemoryNode, *chunks: bytes) -> list[str]:
    """Bring *chunks*, one in a bundle; return what became of each."""
    parts = (Chunk(sha256(each).digest(), each) for each in chunks)
    return [outcome for part in parts for outcome in told(other.receive(one.bundle(other, part), one, MAIL)).values()]


# Chunks that no manifest names.


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOSE_BYTES_MAX", 3 * SIZE)


@pytest.mark.usefixtures("few")
def test_chunks_that_nobody_names_are_kept_up_to_a_bound_for_each_peer():
    bob, alice, mallory = friends("bob", "alice", "mallory")
    assert send(mallory, bob, *map(chunk, range(5))) == ["held"] * 3 + ["declined"] * 2
    assert not bob.store.view.has_blob(sha256(chunk(4)).digest())
    assert bob.store.blobs.get(sha256(chunk(4)).digest()) is None
    assert send(alice, bob, chunk(7)) == ["held"], "one peer's rubbish leaves others their room"


def test_neither_do_many_small_ones_fill_the_tables(pair, monkeypatch):
    monkeypatch.setattr(admission, "LOOSE_MAX", 2)
    alice, bob = pair
    assert send(alice, bob, b"1", b"2", b"3") == ["held", "held", "declined"]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("link", [STICK, MAIL], ids=["stick", "mail"])
def test_a_file_whose_chunks_came_too_early_is_complete_in_the_end(pair, link):
    alice, bob = pair
    chunks = [chunk(number) for number in range(5)]
    name = publish(alice, *chunks).id
    assert send(alice, bob, *chunks) == ["held"] * 3 + ["declined"] * 2
    now = settle(alice, bob, link)
    now = settle(alice, bob, link, Millis(now + ASK_AGAIN_MS + 1))
    assert bob.store.view.complete(name)
    assert bob.store.view.loose_by(alice.node) == (0, 0)
    assert send(alice, bob, *map(chunk, range(10, 13))) == ["held"] * 3, "the room is free again"


def test_the_chunks_of_who_is_removed_or_revoked_go(pair):
    alice, bob = pair
    assert send(alice, bob, chunk(1)) == ["held"]
    bob.store.commit(bob.engine.forget(bob.peer(alice), NOW))
    bob.store.remove_peer(alice.node)
    assert bob.store.blobs.get(sha256(chunk(1)).digest()) is None

    bob, carol = friends("bob", "carol")
    assert send(carol, bob, chunk(1)) == ["held"]
    gone = carol.resource(["revoke"], {"revoke": {"resource": carol.trust}}, key=carol.user_key, at=NOW + 1)
    bob.receive(carol.bundle(bob, Rebuilt(gone)), carol, now=Millis(NOW + 2))
    assert bob.peer(carol).revoked
    assert not bob.store.view.has_blob(sha256(chunk(1)).digest())


# What waits.


def waiting(alice: MemoryNode, number: int) -> SignedObject:
    """A message that waits for something that nobody has ever seen."""
    return alice.message(f"{number} ".rjust(1000), after=(ResourceId(digest(b"%d" % number)),))


def test_what_waits_is_bounded_in_bytes_and_what_lies_beyond_is_asked_for_again(monkeypatch):
    bob, alice, carol = friends("bob", "alice", "carol")
    small = waiting(alice, 0)
    monkeypatch.setattr(admission, "HELD_BYTES_MAX", 3 * len(small.payload) + 9)
    items = [waiting(alice, number) for number in range(5)]
    outcomes = told(bob.receive(alice.bundle(bob, *map(Rebuilt, items)), alice))
    assert list(outcomes.values()) == ["held"] * 3 + ["deferred"] * 2
    assert bob.store.view.held_by(alice.node) == (3, 3 * len(small.payload))
    assert told(bob.receive(carol.bundle(bob, Rebuilt(waiting(carol, 9))), carol)) == {waiting(carol, 9).id: "held"}, (
        "others have room of their own"
    )


def test_what_did_not_fit_comes_when_there_is_room(pair, monkeypatch):
    alice, bob = pair
    monkeypatch.setattr(admission, "HELD_BYTES_MAX", 3_000)
    names = alice.say(*(f"{n} ".rjust(1000) for n in range(4)), now=Millis(NOW + 3 * DAY_MS))  # her clock is wrong
    now = settle(alice, bob)
    assert 0 < len(bob.store.view.all_held()) < 4
    settle(alice, bob, now=Millis(now + 4 * DAY_MS))
    assert all(bob.store.view.has(name) for name in names)


# Who may have the bytes of a chunk.


def given(node: MemoryNode, other: MemoryNode, file: ResourceId, places: int = 9) -> set[bytes]:
    """Let *other* ask for all chunks of *file*; return what *node* gives."""
    node.receive(other.bundle(node, Want(file, Ranges.of((0, places)))), other, MAIL)
    parts = [part for _, bundle in node.poll(MAIL) for part in bundle.parts]
    return {part.data for part in parts if isinstance(part, Chunk)}


def lets_read(one: MemoryNode, other: MemoryNode, node: MemoryNode) -> None:
    """Tell *node* that *one* lets *other* read."""
    trust = one.resource(["trust"], {"trust": {"trustee": other.user, "authorization": [READ]}}, key=one.user_key)
    node.receive(one.bundle(node, Rebuilt(trust)), one)


def hides(node: MemoryNode, other: MemoryNode) -> None:
    """Let *other* not read what *node* published."""
    node.publish(*trusting.take(node.store.view, [other.user], [READ], by_user=False))


def named(node: MemoryNode, to: MemoryNode, *chunks: bytes) -> ResourceId:
    """Bring *to* a file of *node*'s that names *chunks*."""
    file = node.resource(["file"], {"file": manifest(*chunks).fields()}, filename="x")
    assert told(to.receive(node.bundle(to, Rebuilt(file)), node)) == {file.id: "applied"}
    return file.id


def test_two_who_conspire_learn_nothing_by_a_hash():
    ours, names, reads = friends("ours", "names", "reads")
    for each in (names, reads):
        hides(ours, each)
    publish(ours, chunk(1))
    lets_read(names, reads, ours)
    file = named(names, ours, chunk(1))
    assert given(ours, reads, file) == set()


@pytest.mark.parametrize("first", [True, False], ids=["named first", "named later"])
def test_nor_what_a_third_one_brought(first):
    node, alice, names, reads = friends("node", "alice", "names", "reads")
    lets_read(names, reads, node)
    file = named(names, node, chunk(1)) if first else None
    named(alice, node, chunk(1))
    assert send(alice, node, chunk(1)) == ["applied"]
    assert given(node, reads, file or named(names, node, chunk(1))) == set()


def test_who_brought_the_bytes_has_them_to_give():
    node, alice, bob, carol = friends("node", "alice", "bob", "carol")
    lets_read(bob, carol, node)
    named(alice, node, chunk(1))
    assert send(alice, node, chunk(1)) == ["applied"]
    file = named(bob, node, chunk(1))
    assert given(node, carol, file) == set()
    assert send(bob, node, chunk(1)) == ["duplicate"]
    assert given(node, carol, file) == {chunk(1)}


def test_what_came_by_a_courier_goes_to_those_who_may_read_whoever_named_it_first():
    node, alice, courier, again, carol = friends("node", "alice", "courier", "again", "carol")
    lets_read(alice, carol, node)
    file = named(alice, node, chunk(1))
    assert send(courier, node, chunk(1)) == ["applied"]
    named(again, node, chunk(1))
    assert given(node, carol, file) == {chunk(1)}


def test_one_envelope_asks_for_so_many_files_and_no_more(monkeypatch):
    node, alice = friends("node", "alice")
    weighed = []
    really = reading.serves_chunk
    monkeypatch.setattr(reading, "serves_chunk", lambda *each: weighed.append(each) or really(*each))
    publish(node, chunk(1))
    file = named(alice, node, chunk(1))
    parts = [Want(file, Ranges.of((0, 0)))] * 200
    node.receive(alice.bundle(node, *parts), alice, MAIL)
    assert len(weighed) == REQUESTS_MAX


def test_chunks_that_no_other_file_names_are_given_without_weighing_each(monkeypatch):
    node, alice, carol = friends("node", "alice", "carol")
    lets_read(alice, carol, node)
    file = named(alice, node, chunk(1), chunk(2))
    send(alice, node, chunk(1), chunk(2))
    monkeypatch.setattr(reading, "serves_chunk", None)
    assert given(node, carol, file) == {chunk(1), chunk(2)}


def test_of_many_chunks_that_others_name_too_some_are_weighed_each_time_and_all_in_the_end(monkeypatch):
    monkeypatch.setattr(reading, "SHARED_MAX", 2)
    node, alice = friends("node", "alice")
    data = [chunk(number) for number in range(5)]
    publish(node, *data)
    file = named(alice, node, *data)
    numbers = node.store.view.chunks_of(file)
    found = [reading.servable(node.store.view, node.peer(alice), file, numbers, Millis(NOW + n)) for n in range(5)]
    assert {len(each) for each in found} == {2}
    assert {number for each in found for number in each} == {*numbers}
