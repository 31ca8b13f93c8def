"""What a store promises of questions and of how peers behave; a part of `paquebot.testing.stores`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from paquebot.protocol import journal
from paquebot.protocol.account import Account, Asking
from paquebot.protocol.effects import (
    AddLines,
    Answered,
    AskAnew,
    Asked,
    Keep,
    SaveAccount,
    SaveAsking,
    SavePeer,
    Unwant,
    Want,
)
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import ASK_WRONG_MS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.testing.examples import NOW, OTHER, PEER, WRITER, AnyStore, peer, resource


class AskingPromises:
    """The part of the contract that is about whom we ask for what."""

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        raise NotImplementedError

    def keep(self, store: AnyStore, name: str, **fields: Any) -> Keep:
        """Return the effect that keeps a resource on the journal's next line."""
        raise NotImplementedError

    def test_a_question_is_remembered_for_each_peer_until_it_is_answered(self, tmp_path: Path) -> None:
        store, name = self.begin(tmp_path), resource("wanted").id
        assert store.view.askings(name) == []
        rows = [Asking(name, who, 2, Millis(NOW + 5), Millis(3)) for who in (PEER, OTHER)]
        store.commit([SaveAsking(Asking(name, PEER, 1)), *(SaveAsking(row) for row in rows)])
        assert sorted(store.view.askings(name), key=lambda row: row.peer) == sorted(rows, key=lambda row: row.peer)
        assert [store.view.awaited(PEER, Millis(NOW + more)) for more in (4, 5)] == [1, 0]
        store.commit([Answered(name)])
        assert store.view.askings(name) == []
        assert store.view.awaited(PEER, NOW) == 0

    def test_what_is_wanted_no_more_leaves_no_question(self, tmp_path: Path) -> None:
        store, name = self.begin(tmp_path), resource("wanted").id
        store.commit([SaveAsking(Asking(name, PEER, 1)), Unwant(name)])
        assert store.view.askings(name) == []

    def test_what_one_published_is_asked_for_anew_and_nothing_else(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([held := self.keep(store, "file", chunks=(bytes(32),), chunk_total=1)])
        mine, other, file = resource("mine").id, resource("other").id, held.kept.signed.id
        entries = [Entry(WRITER, mine), Entry(OTHER, other), Entry(WRITER, file)]
        store.commit([AddLines(PEER, tuple(journal.extend(journal.root(PEER), 0, entries)))])
        for entry in entries:
            asking = Asking(entry.resource, PEER, 3, denied=NOW)
            wanted = [Want(entry)] if entry.resource != file else []
            store.commit([*wanted, Asked(entry.resource, Millis(NOW + 9)), SaveAsking(asking)])
        assert store.view.wanted(PEER, NOW, 9) == store.view.incomplete(PEER, NOW, 9) == []
        store.commit([AskAnew(WRITER)])
        assert [entry.resource for entry in store.view.wanted(PEER, NOW, 9)] == [mine]
        assert store.view.incomplete(PEER, NOW, 9) == [file]
        assert store.view.askings(mine) == store.view.askings(file) == []
        assert store.view.askings(other) == [Asking(other, PEER, 3, denied=NOW)]

    def test_what_a_clock_far_ahead_put_off_is_asked_now(self, tmp_path: Path) -> None:
        store, name = self.begin(tmp_path), resource("wanted").id
        store.commit([AddLines(PEER, tuple(journal.extend(journal.root(PEER), 0, [Entry(WRITER, name)])))])
        store.commit([Want(Entry(WRITER, name)), Asked(name, Millis(NOW + ASK_WRONG_MS))])
        assert store.view.wanted(PEER, NOW, 9) == []
        store.commit([Asked(name, Millis(NOW + ASK_WRONG_MS + 1))])
        assert store.view.wanted(PEER, NOW, 9) == [Entry(WRITER, name)]

    def test_what_our_own_line_names_is_asked_of_whoever_holds_it(self, tmp_path: Path) -> None:
        """A peer does not tell of a line whose resource it believes to be here; whoever was put back lacks it."""
        store, name = self.begin(tmp_path), resource("recalled").id
        me, (tip, line) = store.view.local().node, store.view.tip()
        store.commit([AddLines(me, tuple(journal.extend(line, tip, [Entry(WRITER, name)]))), Want(Entry(WRITER, name))])
        store.commit([SavePeer(peer())])
        assert store.view.wanted(PEER, NOW, 9) == []
        store.commit([SavePeer(replace(peer(), applied=Ranges.of((tip + 1, tip + 1))))])
        assert store.view.wanted(PEER, NOW, 9) == [Entry(WRITER, name)]

    def test_an_account_is_kept_and_goes_with_its_peer(self, tmp_path: Path) -> None:
        store, name = self.begin(tmp_path), resource("wanted").id
        store.commit([SaveAccount(PEER, Account(broken=3)), SaveAsking(Asking(name, PEER, 1))])
        store.commit([SaveAsking(Asking(name, OTHER, 1))])
        assert store.view.account(PEER) == Account(broken=3)
        assert store.view.account(OTHER) == Account()
        store.remove_peer(peer().node)
        assert store.view.account(PEER) == Account()
        assert [row.peer for row in store.view.askings(name)] == [OTHER]
