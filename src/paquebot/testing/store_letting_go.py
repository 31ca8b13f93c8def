"""The part of the store contract that is about bytes which are forgotten or lost."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from paquebot.protocol import journal
from paquebot.protocol.effects import AddLines, Asked, Forget, Keep, KeepBlob, Lose, LoseBlob
from paquebot.protocol.journal import Entry
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.state import Kept
from paquebot.testing.examples import NOW, PEER, WRITER, AnyStore, resource


class LettingGoPromises:
    """What is gone, and what that leaves."""

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        raise NotImplementedError

    def keep(self, store: AnyStore, name: str, **fields: Any) -> Keep:
        """Return the effect that keeps a resource on the journal's next line."""
        raise NotImplementedError

    def test_what_was_forgotten_counts_as_held_and_has_no_bytes(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view, shared, own = store.view, sha256(b"shared").digest(), sha256(b"own").digest()
        kept = self.keep(store, "file", chunks=(shared, own, shared), chunk_total=3)
        store.commit([kept])
        store.commit([self.keep(store, "other", chunks=(shared,), chunk_total=1)])
        store.commit([KeepBlob(shared, b"shared"), KeepBlob(own, b"own")])
        file = kept.kept.signed.id
        store.commit([Forget(file)])
        assert view.has(file)
        assert view.complete(file)
        assert view.resource(file) is None
        assert view.chunks_of(file) == Ranges()
        assert view.own_lines(kept.line.number, kept.line.number)[0].gone
        assert (view.blob(own), view.has_blob(own), store.blobs.get(own)) == (None, False, None)
        assert view.blob(shared) == b"shared"
        assert view.complete(resource("other").id)
        (listed,) = [each for each in view.listed() if each.id == file]
        assert (listed.gone, listed.title) == ("forgotten", "file")

    def test_a_large_body_that_was_forgotten_leaves_no_file(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        number, tip = store.view.tip()
        signed = SignedObject.build(b"x" * 100_000, resource("x").signatures[0])
        (line,) = journal.extend(tip, number, [Entry(WRITER, signed.id)])
        store.commit([Keep(Kept(signed=signed, user=WRITER, kind="message", stamp=Stamp(NOW)), line)])
        store.commit([Forget(signed.id)])
        assert store.blobs.get(sha256(signed.payload).digest()) is None
        assert store.view.resource(signed.id) is None

    def test_what_was_lost_is_not_held_and_takes_its_old_place_again(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view, name = store.view, sha256(b"chunk").digest()
        first = self.keep(store, "file", chunks=(name,), chunk_total=1)
        store.commit([first])
        store.commit([self.keep(store, "after", chunks=(name,), chunk_total=1), KeepBlob(name, b"chunk")])
        tip, file = view.tip(), first.kept.signed.id
        store.commit([Lose(file)])
        assert (view.has(file), view.complete(file), view.resource(file)) == (False, False, None)
        store.commit([first])
        assert view.resource(file) == first.kept.signed
        assert view.complete(file)
        assert view.tip() == tip
        assert [line.entry.resource for line in view.own_lines(*[first.line.number] * 2)] == [file]

    def test_a_lost_chunk_is_lacking_again(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view, name = store.view, sha256(b"chunk").digest()
        kept = self.keep(store, "file", chunks=(name, name), chunk_total=2)
        store.commit([kept, AddLines(PEER, tuple(journal.extend(journal.root(PEER), 0, [kept.line.entry])))])
        file = kept.kept.signed.id
        store.commit([KeepBlob(name, b"chunk"), Asked(file, NOW)])
        store.commit([LoseBlob(name)])
        assert not view.has_blob(name)
        assert view.lacking(file) == Ranges.of((0, 1))
        assert view.files_with(name) == [file]
        assert view.incomplete(PEER, Millis(0), 9) == [file]
        store.commit([LoseBlob(name), KeepBlob(name, b"chunk")])
        assert view.complete(file)
