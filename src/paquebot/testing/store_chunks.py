"""The part of the store contract that is about who brought chunks, and about chunks that no manifest names."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from paquebot.protocol.effects import AddChunks, DropLoose, Forget, Gave, Keep, KeepBlob, Loose, LoseBlob
from paquebot.protocol.ranges import Ranges
from paquebot.testing.examples import OTHER, PEER, AnyStore

ONE, TWO = sha256(b"one").digest(), sha256(b"two").digest()


class ChunkPromises:
    """Chunks beside the files that they belong to."""

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        raise NotImplementedError

    def keep(self, store: AnyStore, name: str, **fields: Any) -> Keep:
        """Return the effect that keeps a resource on the journal's next line."""
        raise NotImplementedError

    def test_loose_chunks_are_counted_until_a_manifest_names_them(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        store.commit([KeepBlob(ONE, b"one"), Loose(ONE, PEER), KeepBlob(TWO, b"two"), Loose(TWO, PEER)])
        store.commit([Loose(TWO, OTHER)])
        assert (view.loose_by(PEER), view.loose_by(OTHER)) == ((2, 6), (0, 0))
        store.commit([kept := self.keep(store, "file", chunks=(ONE,), chunk_total=1)])
        assert view.loose_by(PEER) == (1, 3)
        assert view.complete(kept.kept.signed.id)

    def test_loose_chunks_go_with_their_peer_and_no_others_do(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view, named = store.view, sha256(b"named").digest()
        store.commit([KeepBlob(ONE, b"one"), Loose(ONE, PEER), KeepBlob(TWO, b"two"), Loose(TWO, OTHER)])
        store.commit([KeepBlob(named, b"named"), Loose(named, PEER), Gave(named, PEER), Gave(ONE, PEER)])
        store.commit([self.keep(store, "file", chunks=(named,), chunk_total=1)])
        store.commit([DropLoose(PEER)])
        assert [view.has_blob(each) for each in (ONE, TWO, named)] == [False, True, True]
        assert store.blobs.get(ONE) is None
        assert (view.loose_by(PEER), view.loose_by(OTHER)) == ((0, 0), (1, 3))
        assert (list(view.givers(ONE)), list(view.givers(named))) == ([], [PEER])

    def test_chunks_that_other_files_name_too_are_found(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([one := self.keep(store, "one", chunks=(ONE, TWO, ONE), chunk_total=3)])
        file = one.kept.signed.id
        assert store.view.shared(file) == Ranges()
        store.commit([other := self.keep(store, "other", chunks=(TWO,), chunk_total=2)])
        first = store.view.chunks_of(file).runs[0][0]
        assert store.view.shared(file) == Ranges.of((first + 1, first + 1))
        assert store.view.shared(other.kept.signed.id) == Ranges.of((first + 3, first + 3))

    def test_chunks_that_index_blocks_will_name_have_no_name_yet(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([kept := self.keep(store, "file", chunks=(ONE,), chunk_total=3)])
        assert not store.view.chunks_named(kept.kept.signed.id)
        store.commit([AddChunks(kept.kept.signed.id, 1, (TWO, ONE))])
        assert store.view.chunks_named(kept.kept.signed.id)
        store.commit([plain := self.keep(store, "plain", chunks=(ONE, TWO), chunk_total=2)])
        assert store.view.chunks_named(plain.kept.signed.id)
        assert store.view.chunks_named(self.keep(store, "nothing").kept.signed.id)

    def test_a_loose_chunk_that_is_damaged_counts_no_more(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([KeepBlob(ONE, b"one"), Loose(ONE, PEER)])
        store.commit([LoseBlob(ONE)])
        assert store.view.loose_by(PEER) == (0, 0)

    def test_givers_are_known_as_long_as_the_chunk_is_here(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        kept = self.keep(store, "file", chunks=(ONE,), chunk_total=1)
        store.commit([kept, KeepBlob(ONE, b"one"), Gave(ONE, PEER), Gave(ONE, OTHER), Gave(ONE, PEER)])
        assert sorted(store.view.givers(ONE)) == sorted([PEER, OTHER])
        assert not store.view.givers(TWO)
        store.commit([Forget(kept.kept.signed.id)])
        assert not store.view.givers(ONE)
