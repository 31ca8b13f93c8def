"""The store contract's part on private resources."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from paquebot.protocol.effects import Effect, Keep, KnowAnnouncement, NoteClosed, NoteOpened, NoteReaders, NoteWrap
from paquebot.protocol.ranges import Ranges
from paquebot.testing.examples import NOW, OTHER, PEER, WRITER, AnyStore, Cut, cut, resource


class PrivatePromises:
    """What a store remembers of private resources: to be inherited beside `StoreContract`, after it."""

    def begin(self, folder: Path) -> AnyStore:
        """See `StoreContract.begin`."""
        raise NotImplementedError

    def keep(self, store: AnyStore, name: str) -> Keep:
        """See `StoreContract.keep`."""
        raise NotImplementedError

    def keep_closed(self, store: AnyStore, name: str, kind: str = "sealed") -> Keep:
        """Return the effect that keeps a private resource."""
        effect = self.keep(store, name)
        return replace(effect, kept=replace(effect.kept, kind=kind, title=""))

    def test_what_was_not_tried_yet_is_named_until_it_was(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        for name, kind in (("a", "sealed"), ("b", "message"), ("c", "wrap"), ("d", "encrypted"), ("e", "sealed")):
            store.commit([self.keep_closed(store, name, kind)])
        names = [resource(each).id for each in "acde"]
        assert list(store.view.unopened()) == names
        store.commit([NoteClosed(names[1], names[0]), NoteOpened(names[2], "file"), NoteClosed(names[3])])
        assert list(store.view.unopened()) == names[:1]
        assert list(store.view.keys_to(names[0])) == [names[1]]
        assert list(store.view.keys_to(names[3])) == []

    def test_only_keys_by_the_user_of_what_they_open_count_and_those_that_came_first(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        for name, kind in (("a", "sealed"), *((each, "wrap") for each in "bcd")):
            effect = self.keep_closed(store, name, kind)
            store.commit([replace(effect, kept=replace(effect.kept, user=OTHER)) if name == "c" else effect])
        target, *names = (resource(each).id for each in "abcd")
        store.commit([NoteClosed(name, target) for name in reversed(names)])
        assert list(store.view.keys_to(target)) == [names[0], names[2]]
        with patch("paquebot.store.private.WRAPS_TRIED_MAX", 1), patch("paquebot.testing.memory.WRAPS_TRIED_MAX", 1):
            assert list(store.view.keys_to(target)) == names[:1]

    def test_what_was_opened_is_listed_as_what_it_is(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([self.keep_closed(store, "a")])
        name = resource("a").id
        assert store.view.opened(name) is None
        assert list(store.view.listed(["message", "file"])) == []
        store.commit([NoteClosed(name)])
        for _ in range(2):
            store.commit([NoteOpened(name, "file", "title", "name.txt", ("x", "y"), 7, None, (WRITER, OTHER), NOW)])
        (listed,) = store.view.listed(["message", "file"])
        assert (listed.kind, listed.title, listed.filename) == ("file", "title", "name.txt")
        assert (listed.tags, listed.size, listed.expires) == (("x", "y"), 7, NOW)
        assert store.view.opened(name) == (WRITER, OTHER)
        assert list(store.view.unopened()) == []

    def test_it_knows_which_node_has_no_key_yet(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        names = []
        for each in "abc":
            store.commit([self.keep_closed(store, each)])
            names.append(resource(each).id)
        store.commit([NoteReaders(name, (WRITER,), (PEER,)) for name in names[:2]])
        store.commit([NoteReaders(names[2], (OTHER,), ())])
        assert sorted(store.view.audiences()) == sorted([WRITER, OTHER])
        assert list(store.view.unreadable(WRITER, PEER, 9)) == []
        assert list(store.view.unreadable(WRITER, OTHER, 9)) == names[:2]
        assert list(store.view.unreadable(WRITER, OTHER, 1)) == names[:1]
        store.commit([NoteReaders(names[0], (), (OTHER,)), NoteReaders(names[0], (), (OTHER,))])
        assert list(store.view.unreadable(WRITER, OTHER, 9)) == names[1:2]
        assert list(store.view.unreadable(OTHER, PEER, 9)) == names[2:]

    def test_it_knows_which_of_ours_a_node_cannot_read(self, tmp_path: Path) -> None:
        """A key that went later counts once the node has the wrap that holds it; what is others' is no matter."""
        store = self.begin(tmp_path)
        us = store.view.local().user
        for each, kind, user in (("a", "sealed", us), ("b", "sealed", us), ("w", "wrap", us), ("c", "sealed", WRITER)):
            effect = self.keep_closed(store, each, kind)
            store.commit([replace(effect, kept=replace(effect.kept, user=user))])
        one, two, wrap = (resource(each).id for each in "abw")
        numbers = {name: next(n for _, n in store.view.naming(name)) for name in (one, two, wrap)}
        both = Ranges.numbers([numbers[one], numbers[two]])
        assert store.view.closed_to(PEER, Ranges()) == both
        store.commit([NoteOpened(name, "message", readers=(OTHER,)) for name in (one, two)])
        assert store.view.closed_to(PEER, both) == both
        store.commit([NoteReaders(one, (OTHER,), (PEER,)), NoteReaders(two, (), (PEER,), by=wrap)])
        store.commit([NoteReaders(one, (), (PEER,), by=wrap)])
        assert store.view.closed_to(PEER, both) == Ranges.numbers([numbers[two]])
        assert store.view.closed_to(PEER, both | Ranges.numbers([numbers[wrap]])) == Ranges()
        anew = resource("x").id
        store.commit([self.keep_closed(store, "x", "wrap"), NoteWrap(wrap, anew)])
        number = next(n for _, n in store.view.naming(anew))
        assert store.view.closed_to(PEER, both | Ranges.numbers([numbers[wrap]])) == Ranges.numbers([numbers[two]])
        assert store.view.closed_to(PEER, both | Ranges.numbers([number])) == Ranges()
        assert store.view.closed_to(OTHER, both) == both

    def test_the_nodes_that_announced_keys_for_a_user(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([self.keep(store, "keys")])
        store.commit([KnowAnnouncement(PEER, resource("keys").id)])
        assert list(store.view.announcers(WRITER)) == [PEER]
        assert list(store.view.announcers(store.view.local().user)) == [store.view.local().node]
        assert list(store.view.announcers(OTHER)) == []

    def test_what_is_noted_is_noted_whole_or_not_at_all(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([self.keep_closed(store, "a")])
        name = resource("a").id
        effects: list[Effect] = [NoteOpened(name, "file", "t", readers=(OTHER,)), NoteReaders(name, (OTHER,), (PEER,))]
        with suppress(Cut):
            store.commit(cut(*effects, NoteClosed(name)))
        assert list(store.view.unopened()) == [name]
        assert (store.view.opened(name), list(store.view.audiences())) == (None, [])
