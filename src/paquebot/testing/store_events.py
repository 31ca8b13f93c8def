"""What a store promises of events and small facts; a part of `paquebot.testing.stores`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from paquebot.protocol.effects import DropErrand, ForgetEvents, Keep, KnowNode, Note, Relate, Remember, SaveErrand
from paquebot.protocol.events import Errand, Event, Kind
from paquebot.protocol.limits import EVENT_DETAIL_MAX
from paquebot.protocol.stamp import Millis
from paquebot.testing.examples import NOW, OTHER, PEER, AnyStore, resource


def errand(task: str, **fields: Any) -> Errand:
    """Return an errand for an arrival."""
    return Errand(0, task, Event(7, NOW, Kind.ARRIVED, resource("x").id, PEER, "detail"), **fields)


class EventPromises:
    """The part of the contract that is about what happened."""

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        raise NotImplementedError

    def keep(self, store: AnyStore, name: str, **fields: Any) -> Keep:
        """Return the effect that keeps a resource on the journal's next line."""
        raise NotImplementedError

    def test_what_happened_is_read_by_a_cursor(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        name = resource("x").id
        store.commit(
            [Note(Kind.ARRIVED, NOW, name, PEER), Note(Kind.FAILURE, NOW, detail="two\nlines \udce9" + "x" * 900)]
        )
        store.commit([Note(Kind.SILENCE, Millis(NOW + 1), peer=OTHER, detail="7 days")])
        first, second, third = store.view.events()
        assert first == Event(first.number, NOW, Kind.ARRIVED, name, PEER, "")
        assert second.detail.startswith("two\\nlines \\udce9xx")
        assert len(second.detail) == EVENT_DETAIL_MAX
        assert (third.peer, third.detail, third.at) == (OTHER, "7 days", NOW + 1)
        assert first.number < second.number < third.number
        assert store.view.events(first.number) == [second, third]
        assert store.view.events(first.number, 1) == [second]
        assert store.view.events(0, 2, latest=True) == [second, third]
        assert store.view.events(0, 9, latest=True) == [first, second, third]
        assert store.view.events(0, 1, [Kind.SILENCE, Kind.FAILURE]) == [second]
        store.commit([ForgetEvents(second.number)])
        assert store.view.events() == [third]
        store.commit([ForgetEvents(third.number), Note(Kind.SILENCE, NOW)])
        assert store.view.events()[0].number > third.number

    def test_small_facts_are_remembered_until_they_are_not(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        for value in (b"1", b"", b"2"):
            store.commit([Remember("a", value), Remember("b", None)])
            assert store.view.remembered("a") == value
        store.commit([Remember("a", None)])
        assert store.view.remembered("a") is store.view.remembered("b") is None

    def test_what_a_node_last_said_of_itself_is_remembered(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        assert store.view.described(PEER) is None
        for name in ("old", "new"):
            store.commit([self.keep(store, name), KnowNode(PEER, resource(name).id)])
            assert store.view.described(PEER) == resource(name).id

    def test_who_gave_us_something_is_known(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([kept := self.keep(store, "kept")])
        own = store.view.own_lines(1, 1)[0]
        assert store.view.sender(kept.kept.signed.id) == PEER
        assert store.view.sender(own.entry.resource) is store.view.sender(resource("unknown").id) is None
        assert own.kind == "identity"

    def test_errands_live_until_they_are_dropped(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([SaveErrand(errand("on-arrival")), SaveErrand(errand("output /x\udce9", tries=2))])
        first, second = store.view.errands()
        assert replace(first, number=0) == errand("on-arrival")
        assert (second.task.startswith("output /x"), second.tries) == (True, 2)
        assert 0 < first.number < second.number
        later = replace(first, tries=3, retry_at=NOW, problem="exit 1\n\x1b")
        store.commit([SaveErrand(later), DropErrand(second.number), DropErrand(second.number)])
        assert store.view.errands() == [replace(later, problem="exit 1\\n\\x1b")]
        store.commit([SaveErrand(errand("on-silence"))])
        assert store.view.errands()[1].number > second.number

    def test_relations_are_found_from_either_side(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        one, two, root = (resource(name).id for name in ("one", "two", "root"))
        said = (("parent", root), ("after", two), ("after", one))
        store.commit([Relate(one, said), Relate(two, (("parent", root),))])
        store.commit([Relate(one, said)])
        assert store.view.related(one) == list(said)
        assert sorted(store.view.relating(root, "parent")) == sorted([one, two])
        assert store.view.relating(two, "after") == [one]
        assert store.view.relating(two, "parent") == store.view.related(root) == []
