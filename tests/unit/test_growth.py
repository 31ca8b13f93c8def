"""What is done for a few new things does not grow with all that was there before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.unit.nodes import MemoryNode, friends

from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import FileManifest


def settle(alice: MemoryNode, bob: MemoryNode) -> None:
    for _ in range(3):
        for one, other in ((alice, bob), (bob, alice)):
            for _, bundle in one.poll():
                other.receive(bundle, one)


@contextmanager
def counting(*nodes: MemoryNode) -> Iterator[list[str]]:
    """Lend what is filled with the statements that the nodes' stores carry out."""
    said: list[str] = []
    for node in nodes:
        node.store._db.set_trace_callback(said.append)
    yield said
    for node in nodes:
        node.store._db.set_trace_callback(None)


def statements(before: int) -> int:
    alice, bob = friends("Alice", "Bob")
    alice.say(*(f"note {number}" for number in range(before)))
    settle(alice, bob)
    with counting(alice, bob) as said:
        alice.say("one more", "and another")
        settle(alice, bob)
    assert {"one more", "and another"} <= bob.texts()
    return len(said)


def test_a_few_new_things_cost_as_many_statements_in_a_journal_of_any_length():
    assert statements(400) <= statements(20) + 2  # a commit more or less


@pytest.mark.parametrize("count", [2, 40])
def test_a_manifest_is_not_read_again_for_each_chunk(count: int, monkeypatch: pytest.MonkeyPatch):
    alice, bob = friends("Alice", "Bob")
    chunks = [bytes([number]) * 4_096 for number in range(count)]
    with alice.store.blobs.together() as put:
        names = tuple(put(each) for each in chunks)
    alice.store.commit(alice.engine.have_blobs([(name, 4_096) for name in names], alice.store.view.founded()))
    alice.publish(Draft.file(FileManifest(4_096 * count, None, 4_096, 1, names), "large"))
    reads: list[object] = []
    real = FileManifest.parse
    monkeypatch.setattr(FileManifest, "parse", lambda value: (reads.append(value), real(value))[1])
    settle(alice, bob)
    assert all(bob.store.view.blob(name) for name in names)
    assert len(reads) <= 8
