"""What a store promises of what was set aside, and of evidence; a part of `paquebot.testing.stores`."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from paquebot.protocol.effects import KeepBlob, Quarantine, Reached, SavePeer
from paquebot.protocol.encoding import ResourceId, b64
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.testing.examples import NOW, PEER, AnyStore, peer


class AsidePromises:
    """The part of the contract that is about refused bytes and about evidence."""

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        raise NotImplementedError

    def test_the_same_bytes_are_set_aside_once(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([Quarantine(b"junk", "malformed", "first", PEER, "here", NOW)])
        store.commit([Quarantine(b"junk", "refused", "again", None, "there", NOW)])
        store.commit([Quarantine(b"other", "refused", "other", None, "there", NOW)])
        first, other = store.view.quarantined()
        assert (first.reason, first.bytes, first.sender) == ("first", 4, PEER)
        assert (other.reason, other.sender) == ("other", None)
        assert store.blobs.get(first.digest) == b"junk"
        assert store.view.set_aside(first.digest)
        assert not store.view.set_aside(sha256(b"junks").digest())

    def test_what_is_no_longer_set_aside_loses_no_bytes_that_are_kept(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        aside, chunk = sha256(b"aside").digest(), sha256(b"chunk").digest()
        store.commit([Quarantine(each, "stranger", "who?", None, "there", NOW) for each in (b"aside", b"chunk")])
        store.commit([KeepBlob(chunk, b"chunk")])
        for data in (b"aside", b"chunk", b"neither"):
            store.release(data)
        assert store.view.quarantined() == []
        assert store.blobs.get(aside) is None
        assert store.view.blob(chunk) == b"chunk"

    def test_what_is_purged_loses_its_bytes_and_stays_refused(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        item, chunk = ResourceId(b64(bytes(64))), sha256(b"chunk").digest()
        store.commit([Quarantine(b"bad", "malformed", "bad", PEER, "here", NOW, item), KeepBlob(chunk, b"chunk")])
        store.commit([Quarantine(b"chunk", "malformed", "also a chunk", PEER, "here", NOW)])
        bad, also = store.view.quarantined()
        assert (bad.item, bad.kept) == (item, True)
        store.judged(also.id, "expired", "too old now")
        assert [each.code for each in store.view.quarantined()] == ["malformed", "expired"]
        store.purge([bad.id, also.id])
        store.commit([Quarantine(b"bad", "malformed", "bad", PEER, "here", NOW, item)])
        assert store.view.quarantined() == []
        assert store.view.fate(item) == ("rejected", "malformed")
        assert (store.blobs.get(bad.digest), store.view.blob(chunk)) == (None, b"chunk")

    def test_evidence_is_remembered_with_its_moment_and_goes_with_its_peer(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([SavePeer(peer())])
        for at, lines in ((NOW, (3, 4)), (NOW - 1, (1, 2)), (NOW, (9, 9))):
            store.commit([Reached(PEER, "acked", Millis(at), "BLUE", Ranges.of(lines))])
        found = store.view.evidence(PEER)
        assert found[0].at == NOW - 1
        assert Ranges.of(*(run for each in found if each.at == NOW for run in each.lines.runs)).flat() == [3, 4, 9, 9]
        assert {(each.stage, each.where) for each in found} == {("acked", "BLUE")}
        store.remove_peer(PEER)
        assert store.view.evidence(PEER) == []
