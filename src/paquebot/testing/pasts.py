"""The store contract's part about a node's own past: what it has said, forgot, and goes on above."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from paquebot.protocol import journal
from paquebot.protocol.effects import (
    AddLines,
    Effect,
    EndLapse,
    Hide,
    Rejoin,
    SaveFork,
    SaveLapse,
    SavePast,
    SavePeer,
    SaveProof,
)
from paquebot.protocol.encoding import LineId
from paquebot.protocol.journal import Entry
from paquebot.protocol.past import Fork, Lapse, Past, Proof
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Signature
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.state import Local
from paquebot.testing.examples import NOW, OTHER, PEER, WRITER, Cut, cut, peer, resource
from paquebot.testing.stores import StoreContract


class PastContract(StoreContract):
    """What recovery relies on, besides the rest of the contract."""

    def test_lines_are_replaced_and_resources_go_with_the_lines_that_name_them(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view, (tip, name) = store.view, store.view.tip()
        me = view.local().node
        for each in ("one", "two"):
            store.commit([self.keep(store, each)])
        one, two = resource("one").id, resource("two").id
        lines = journal.extend(name, tip, [Entry(WRITER, two), Entry(WRITER, resource("lost").id), Entry(WRITER, one)])

        store.commit([Rejoin(tip, tuple(lines))])

        assert view.tip() == (tip + 3, lines[-1].id)
        assert list(view.entries(me, tip + 1, 9)) == [line.entry for line in lines]
        assert [view.line_id(me, line.number) for line in lines] == [line.id for line in lines]
        assert [view.line_number(me, line.id) for line in lines] == [tip + 1, tip + 2, tip + 3]
        assert view.naming(one) == [(me, tip + 3)]
        assert (view.listing(two).number, view.listing(one).number) == (tip + 1, tip + 3)
        assert [(line.number, line.bytes) for line in view.own_lines(tip + 1, tip + 3)] == [
            (tip + 1, 3),
            (tip + 2, 0),
            (tip + 3, 3),
        ]
        assert view.last_of_ours(tip + 1, tip + 3) == 0

    def test_what_is_hidden_stays_so_on_its_new_line(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view, (tip, name) = store.view, store.view.tip()
        for each in ("one", "two"):
            store.commit([self.keep(store, each)])
        one, two = resource("one").id, resource("two").id
        store.commit([Hide(one, resource("cause").id)])
        lines = journal.extend(name, tip, [Entry(WRITER, resource("lost").id), Entry(WRITER, two), Entry(WRITER, one)])

        store.commit([Rejoin(tip, tuple(lines))])

        assert view.hidden_lines(1, 99) == Ranges.of((tip + 3, tip + 3))

    def test_replacing_lines_is_undone_as_a_whole(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        tip, name = store.view.tip()
        store.commit([self.keep(store, "one")])
        before = self.everything(store)
        lines = journal.extend(name, tip, [Entry(WRITER, resource("lost").id), Entry(WRITER, resource("one").id)])
        try:
            store.commit(cut(Rejoin(tip, tuple(lines))))
        except Cut:
            assert self.everything(store) == before

    def test_what_was_recalled_is_kept_on_its_line(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        tip, name = store.view.tip()
        effect = self.keep(store, "late")
        lines = journal.extend(name, tip, [effect.line.entry, Entry(WRITER, resource("next").id)])
        store.commit([Rejoin(tip, tuple(lines))])

        store.commit([effect])

        assert store.view.tip() == (tip + 2, lines[-1].id)
        assert store.view.listing(effect.kept.signed.id).number == tip + 1

    def test_proofs_are_kept_in_order_and_replaced(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        lines = journal.extend(journal.root(PEER), 0, [Entry(WRITER, resource(str(n)).id) for n in range(9)])
        store.commit([SavePeer(peer()), AddLines(PEER, tuple(lines))])
        proofs = [Proof(PEER, n, n - 1, "x" * (n % 2), Signature("EdDSA", PEER, bytes([n] * 64))) for n in (2, 5, 9)]
        store.commit([SaveProof(each) for each in reversed(proofs)])
        assert store.view.proofs(PEER, 0) == proofs
        assert store.view.proofs(PEER, 2) == proofs[1:]
        assert store.view.proofs(OTHER, 0) == []
        store.commit([SaveProof(Proof(PEER, 9, 7, "", proofs[0].signature), 5)])
        assert [(each.number, each.since) for each in store.view.proofs(PEER, 0)] == [(2, 1), (9, 7)]

    def test_the_past_and_what_of_it_is_forgotten(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        assert (store.view.past(), store.view.lapses(), store.view.forks()) == (Past(), [], [])
        known = Lapse(PEER, 7, LineId(resource("line").id), NOW)
        fork = Fork(PEER, 7, b"one", b"other", NOW)
        later = Fork(PEER, 9, b"", b"later", Millis(NOW + 1))
        effects: list[Effect] = [SavePast(Past(5, 4)), SaveLapse(known), SaveFork(fork), SaveFork(later)]
        store.commit([SavePeer(peer()), *effects])
        assert (store.view.past(), store.view.lapses(), store.view.forks()) == (Past(5, 4), [known], [fork])
        again = Lapse(PEER, 8, known.line, NOW, Millis(3))
        store.commit([SaveLapse(again)])
        assert store.view.lapses() == [again]
        store.commit([SaveLapse(replace(again, number=0))])
        assert store.view.lapses() == []
        assert store.view.lapses(taken_back=True) == [replace(again, number=0)]
        store.commit([EndLapse(PEER), EndLapse(OTHER)])
        assert store.view.lapses() == []

    def test_who_is_removed_proves_nothing(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        proof = Proof(PEER, 1, 0, "", Signature("EdDSA", PEER, bytes(64)))
        known = Lapse(PEER, 7, LineId(resource("line").id), NOW)
        store.commit([SavePeer(peer()), SaveProof(proof), SaveLapse(known), SaveFork(Fork(PEER, 1, b"", b"", NOW))])
        store.remove_peer(PEER)
        assert (store.view.proofs(PEER, 0), store.view.lapses(), store.view.forks()) == ([], [], [])

    def test_another_node_takes_over_with_everything_but_what_was_between_two(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit(self.some(store))
        old, (tip, _), before = store.view.local(), store.view.tip(), list(store.view.listed())
        heard, blob, events = store.view.entries(PEER, 1, 99), sha256(b"blob").digest(), store.view.quarantined()
        new = Local(old.user, OTHER, resource("trust").id, "Ada again")
        entries = store.view.entries(old.node, 1, tip)
        lines = journal.extend(journal.root(OTHER), 0, [entries[0], *reversed(entries[1:])])

        store.succeed(new, tip - 1, lambda: [Rejoin(0, tuple(lines))])

        view = store.view
        assert view.local() == Local(old.user, OTHER, new.trust, old.name)
        assert view.tip() == (tip, lines[-1].id)
        assert list(view.entries(OTHER, 1, 99)) == [line.entry for line in lines]
        assert list(view.entries(old.node, 1, 99)) == entries[:-1]
        assert {each.id for each in view.listed()} == {each.id for each in before}
        assert [view.listing(line.entry.resource).number for line in lines] == list(range(1, tip + 1))
        assert (view.entries(PEER, 1, 99), view.has_blob(blob), view.quarantined()) == (heard, True, events)
        assert (view.letters(), view.replies(PEER), view.told(PEER, "mail").lines) == ([], [], Ranges())
        assert not view.seen(b"b" * 16)
        assert view.peer(PEER).heard == 1
        assert view.stamp() == Stamp(Millis(NOW + 9), 2)
        assert view.past() == Past()
        assert list(view.predecessors()) == [old.node]

    def test_a_succession_that_fails_changes_nothing(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit(self.some(store))
        before, local = self.everything(store), store.view.local()
        try:
            store.succeed(Local(local.user, OTHER, local.trust, "x"), 3, lambda: cut(Rejoin(0, ())))
        except Cut:
            assert store.view.local() == local
            assert self.everything(store) == before
