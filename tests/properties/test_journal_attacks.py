"""What a hostile or confused peer may do with its journal: each attack alone, all pairs, and long walks of them.

Nothing raises, each item has one outcome, our copy of the journal is only ever extended by lines that its node signed
in one chain, no resource is kept that does not prove itself, and honest news afterwards gets through.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.nodes import NOW, STICK, MemoryNode, friends, make, settle

from paquebot.errors import Refused
from paquebot.protocol import bundle as bundles
from paquebot.protocol import journal, messages
from paquebot.protocol.bundle import Part, Rebuilt, Reference, Update, Verbatim
from paquebot.protocol.effects import Effect, Tell
from paquebot.protocol.encoding import LineId, ResourceId, digest
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import LINES_MAX
from paquebot.protocol.messages import Broadcast
from paquebot.protocol.resource import Signature, SignedObject
from paquebot.protocol.stamp import Millis

ALICE, BOB = friends("alice", "bob")
ALICE.say("one", "two")
settle(ALICE, BOB)
CAROL = make("carol")
HEARD = BOB.peer(ALICE).heard
NOTHING = ResourceId(digest(b"absent"))


def since(number: int) -> LineId:
    found = ALICE.store.view.line_id(ALICE.node, number)
    assert found is not None
    return found


def update(start: LineId, *entries: Entry, key: MemoryNode = ALICE, signature: Signature | None = None) -> Update:
    """An update of Alice's journal, signed as a node would."""
    signed = SignedObject.sign(messages.write(Broadcast(start, entries)), key.node_key)
    return Update(start, tuple((each.publisher, each.resource) for each in entries), signature or signed.signatures[0])


def entry(name: bytes) -> Entry:
    return Entry(ALICE.user, ResourceId(digest(name)))


def gap() -> Part:
    return update(LineId(digest(b"never seen")), entry(b"after a gap"))


def fork() -> Part:
    return update(since(HEARD - 2), entry(b"other branch"), entry(b"of the journal"))


def cycle() -> Part:
    return update(since(HEARD), *(Entry(ALICE.user, line.entry.resource) for line in ALICE.store.view.own_lines(1, 3)))


def repeated() -> Part:
    return update(since(HEARD), entry(b"twice"), entry(b"twice"), entry(b"twice"))


def wrong_previous() -> Part:
    lines = [journal.text(since(HEARD), entry(b"a")), journal.text(since(1), entry(b"b"))]
    payload = messages.container.write(["broadcast"], {"journal": {"since": since(HEARD), "entries": lines}})
    return Verbatim(SignedObject.sign(payload, ALICE.node_key).encode())


def anothers_entry() -> Part:
    return update(journal.root(CAROL.node), entry(b"in another's name"), key=CAROL)


def anothers_signature() -> Part:
    return update(since(HEARD), entry(b"forged"), key=CAROL)


def rollback() -> Part:
    return update(since(0), *(line.entry for line in ALICE.store.view.own_lines(1, 4)))


def enormous() -> Part:
    count = 1_000_000  # by reference: a few bytes that mean a million lines
    reference = Reference(ALICE.node, 1, count)
    good = update(since(HEARD), entry(b"x"))
    return Update(since(HEARD), (reference,), good.signature)


def absent() -> Part:
    return update(since(HEARD), Entry(ALICE.user, NOTHING), Entry(CAROL.user, ResourceId(digest(b"a stranger's"))))


def self_reference() -> Part:
    good = update(since(HEARD), entry(b"x"))
    return Update(since(HEARD), (Reference(BOB.node, 1, 2), Reference(ALICE.node, HEARD, 2)), good.signature)


ATTACKS: dict[str, Callable[[], Part]] = {
    each.__name__: each
    for each in (
        gap,
        fork,
        cycle,
        repeated,
        wrong_previous,
        anothers_entry,
        anothers_signature,
        rollback,
        enormous,
        absent,
        self_reference,
    )
}


class Enough(Exception):
    """Nothing of this shall be kept."""


def outcomes(*parts: Part, then: Callable[[], None] = lambda: None) -> list[tuple[str, str]]:
    """Let Bob hear *parts*, look, and let him forget it again."""
    said = ALICE.bundle(BOB, *parts)
    found: list[tuple[str, str]] = []

    def effects() -> Iterator[Effect]:
        for each in BOB.engine.receive(said, ALICE.node, STICK, "test", NOW):
            if isinstance(each, Tell):
                found.append((each.outcome, each.detail))
            yield each
        then()
        raise Enough

    with suppress(Enough):
        BOB.store.commit(effects())
    return found


def check() -> None:
    """Bob's copy of Alice's journal is one chain, as far as he says that he has heard it."""
    view, peer = BOB.store.view, BOB.peer(ALICE)
    assert view.line_id(ALICE.node, peer.heard) == peer.heard_id
    name = journal.root(ALICE.node)
    for line in journal.extend(name, 0, view.entries(ALICE.node, 1, 1 << 20)):
        assert view.line_id(ALICE.node, line.number) == line.id
    assert [view.line_id(ALICE.node, n) for n in range(HEARD + 1)] == [since(n) for n in range(HEARD + 1)]
    assert not view.has(NOTHING)


EXPECTED = {
    "gap": "deferred",
    "fork": "rejected",
    "cycle": "applied",
    "repeated": "applied",
    "wrong_previous": "rejected",
    "anothers_entry": "rejected",
    "anothers_signature": "rejected",
    "rollback": "duplicate",
    "enormous": "deferred",
    "absent": "applied",
    "self_reference": "deferred",
}
"""A journal may name anything, and the same thing often: that is its node's own affair."""


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_has_one_outcome_and_leaves_the_journal_whole(name):
    ((outcome, _),) = outcomes(ATTACKS[name](), then=check)
    assert outcome == EXPECTED[name]


@pytest.mark.parametrize("names", [*itertools.permutations(ATTACKS, 2)], ids="+".join)
def test_all_pairs_of_attacks_and_an_honest_neighbour(names):
    note = ALICE.message("an honest neighbour")
    found = outcomes(*(ATTACKS[name]() for name in names), Rebuilt(note), then=check)
    assert len(found) == 3
    assert found[-1] == ("applied", "")


def test_more_lines_than_an_update_may_have_are_refused_before_they_are_read():
    many = update(since(HEARD), *(entry(b"%d" % n) for n in range(LINES_MAX + 1)))
    with pytest.raises(Refused, match=r"too (many lines|long)"):
        bundles.decode(bundles.encode(ALICE.bundle(BOB, many)))
    with pytest.raises(Refused, match=r"too (many lines|long)"):
        bundles.decode(bundles.encode(ALICE.bundle(BOB, enormous())))


class Walk(RuleBasedStateMachine):
    """Attacks and honest news in any order, all of it kept."""

    def __init__(self) -> None:
        super().__init__()
        self.alice, self.bob = friends("walk alice", "walk bob")
        settle(self.alice, self.bob)
        self.now = Millis(NOW + 1000)
        self.said: set[str] = set()
        self.good = [self.bob.peer(self.alice).heard_id]

    def _line(self, number: int) -> LineId:
        found = self.alice.store.view.line_id(self.alice.node, number)
        return found or LineId(digest(b"beyond"))

    def _tell(self, *parts: Part) -> None:
        self.now = Millis(self.now + 1000)
        bundle = self.alice.bundle(self.bob, *parts, now=self.now)
        effects = self.bob.receive(bundle, self.alice, now=self.now)
        assert sum(isinstance(each, Tell) for each in effects) == len(parts)

    def _update(self, start: LineId, names: list[bytes], key: MemoryNode | None = None) -> Update:
        entries = tuple(Entry(self.alice.user, ResourceId(digest(name))) for name in names)
        payload = messages.write(Broadcast(start, entries))
        by = SignedObject.sign(payload, (key or self.alice).node_key).signatures[0]
        return Update(start, tuple((each.publisher, each.resource) for each in entries), by)

    @rule(text=st.text("ab", min_size=1, max_size=4))
    def honest(self, text: str) -> None:
        """Alice publishes, and her own letters come."""
        self.alice.say(text, now=self.now)
        self.said.add(text)
        self.now = settle(self.alice, self.bob, now=self.now)

    @rule(back=st.integers(0, 5), names=st.lists(st.binary(max_size=2), min_size=1, max_size=4))
    def branch(self, back: int, names: list[bytes]) -> None:
        """Somebody with Alice's key says something else for lines that she has said already."""
        heard = self.bob.peer(self.alice).heard
        if back:  # what is not heard yet, whoever says it first is believed
            self._tell(self._update(self._line(max(0, heard - back)), names))

    @rule(names=st.lists(st.binary(max_size=2), min_size=1, max_size=4))
    def stranger(self, names: list[bytes]) -> None:
        self._tell(self._update(self._line(self.bob.peer(self.alice).heard), names, CAROL))

    @rule(name=st.binary(max_size=3))
    def unknown(self, name: bytes) -> None:
        self._tell(self._update(LineId(digest(b"unknown" + name)), [name]))

    @rule(first=st.integers(1, 6), count=st.integers(1, 9))
    def again(self, first: int, count: int) -> None:
        """True lines come again, from anywhere."""
        lines = self.alice.store.view.own_lines(first, first + count - 1)
        entries = tuple(line.entry for line in lines)
        if entries:
            start = self._line(first - 1)
            by = SignedObject.sign(messages.write(Broadcast(start, entries)), self.alice.node_key).signatures[0]
            self._tell(Update(start, tuple((each.publisher, each.resource) for each in entries), by))

    @rule(number=st.integers(0, 9), count=st.integers(1, 1 << 40))
    def reference(self, number: int, count: int) -> None:
        by = Signature("EdDSA", self.alice.node, bytes(64))
        self._tell(Update(self._line(number), (Reference(self.alice.node, number, count),), by))

    @invariant()
    def the_copy_is_what_alice_wrote(self) -> None:
        view, peer = self.bob.store.view, self.bob.peer(self.alice)
        assert view.line_id(self.alice.node, peer.heard) == peer.heard_id
        assert peer.heard_id == self._line(peer.heard), "a line was heard that Alice never wrote"
        assert self.bob.texts() == self.said


LONG = bool(os.environ.get("SOAK"))
Walk.TestCase.settings = settings(
    max_examples=1_000 if LONG else 12, stateful_step_count=50 if LONG else 20, deadline=None
)
TestWalk = Walk.TestCase
