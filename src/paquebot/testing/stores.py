"""The store contract, as tests: what the engine relies on, whichever store is behind it.

Subclass `StoreContract`, say how to open a store (and, if it outlives the process, how to open it again), and run
pytest. The promises speak in effects and look through the view, as the engine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import SkipTest

from paquebot.errors import NotInitialised, Unstorable
from paquebot.protocol import journal, publishing
from paquebot.protocol.effects import (
    AddChunks,
    AddLines,
    AddReply,
    Asked,
    DropPending,
    DropReply,
    Effect,
    Handed,
    HaveBlob,
    Hold,
    Keep,
    KeepBlob,
    Note,
    Post,
    Quarantine,
    Release,
    Remember,
    SaveErrand,
    SaveInvite,
    SaveJoin,
    SavePeer,
    SavePending,
    SaveTold,
    SaveVerified,
    Seen,
    SetClock,
    SetStamp,
    Settle,
    Tell,
    Want,
)
from paquebot.protocol.events import Kind
from paquebot.protocol.journal import Entry
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Clock, Millis, Stamp
from paquebot.protocol.state import Held, Kept, Reply, Told
from paquebot.protocol.strangers import Invite, Join, Pending, Verified
from paquebot.testing.examples import NOW, OTHER, PEER, WRITER, AnyStore, Cut, cut, founding, letter, peer, resource
from paquebot.testing.store_aside import AsidePromises
from paquebot.testing.store_asking import AskingPromises
from paquebot.testing.store_authority import AuthorityPromises
from paquebot.testing.store_chunks import ChunkPromises
from paquebot.testing.store_events import EventPromises, errand
from paquebot.testing.store_letting_go import LettingGoPromises


class StoreContract(AskingPromises, AsidePromises, AuthorityPromises, ChunkPromises, EventPromises, LettingGoPromises):
    """Every promise of a store. Override `open`, and `reopen` if it keeps anything."""

    def open(self, folder: Path) -> AnyStore:
        """Return a new store that may keep things in *folder*."""
        raise NotImplementedError

    def reopen(self, store: AnyStore, folder: Path) -> AnyStore:
        """Close *store* and open what it left in *folder*."""
        raise SkipTest("this store lives as long as the process")

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        store, new = self.open(folder), founding()
        store.found(new.local, lambda: publishing.take_root(store.view, new, NOW))
        return store

    def keep(self, store: AnyStore, name: str, **fields: Any) -> Keep:
        """Return the effect that keeps a resource on the journal's next line."""
        number, tip = store.view.tip()
        signed = resource(name)
        (line,) = journal.extend(tip, number, [Entry(WRITER, signed.id)])
        kept = Kept(signed=signed, user=WRITER, kind="message", stamp=Stamp(NOW, number), title=name, sender=PEER)
        return Keep(kept, line, **fields)

    def everything(self, store: AnyStore) -> list[object]:
        """Return all that can be seen of what the tests below change."""
        view = store.view
        number, _ = view.tip()
        return [
            view.tip(),
            view.clock(),
            view.stamp(),
            view.peers(),
            view.letters(),
            view.replies(PEER),
            view.told(PEER, "mail"),
            view.wanted(PEER, NOW, 99),
            view.own_chunks(),
            list(view.own_lines(1, number)),
            list(view.listed()),
            view.all_held(),
            view.quarantined(),
            view.carrier("drop", ""),
            view.pending(),
            view.seen(b"b" * 16),
            view.entries(PEER, 1, 99),
            view.has_blob(sha256(b"blob").digest()),
            view.events(),
            view.remembered("fact"),
            view.errands(),
        ]

    def some(self, store: AnyStore) -> list[Effect]:
        """Return a transaction that touches everything."""
        lines = journal.extend(journal.root(PEER), 0, [Entry(WRITER, resource("listed").id)])
        blob = sha256(b"blob").digest()
        return [
            self.keep(store, "kept", chunks=(blob,), chunk_total=1),
            SavePeer(peer(heard=1, done=Ranges.of((1, 1)))),
            AddLines(PEER, tuple(lines)),
            Want(lines[0].entry),
            SaveTold(Told(PEER, "mail", Ranges.of((1, 2)), Ranges.of((0, 0)), 3, NOW, Millis(5), Millis(6))),
            Post(letter(1)),
            AddReply(Reply(0, PEER, "x", "ok", since=3, limit=4)),
            KeepBlob(blob, b"blob"),
            Hold(Held(resource("held"), ("something",), None, PEER)),
            Quarantine(b"junk", "malformed", "no good", PEER, "here", NOW),
            Seen(b"b" * 16, PEER, 5, NOW),
            SavePending(Pending(node=PEER, user=OTHER, name="Eve", digest=b"d", card=b"", since=NOW, where="here")),
            SetClock(Clock(Millis(NOW + 9), Millis(3))),
            SetStamp(Stamp(Millis(NOW + 9), 2)),
            Note(Kind.ARRIVED, NOW, resource("kept").id, PEER, "detail"),
            Remember("fact", b"1"),
            SaveErrand(errand("on-arrival")),
            Tell("applied", "x"),
        ]

    # -- transactions -----------------------------------------------------------------

    def test_a_new_store_holds_no_node(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        try:
            assert store.view is None
        except NotInitialised:
            return
        raise AssertionError("a new store has no view")

    def test_a_founding_that_fails_leaves_no_node(self, tmp_path: Path) -> None:
        store, new = self.open(tmp_path), founding()
        with suppress(Cut):
            store.found(new.local, cut)
        store.found(new.local, lambda: publishing.take_root(store.view, new, NOW))
        assert store.view.tip()[0] == len(new.resources)
        assert store.view.local() == new.local

    def test_a_commit_returns_its_effects_without_blobs(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effects = self.some(store)
        assert store.commit(effects) == [each for each in effects if not isinstance(each, KeepBlob)]
        assert store.commit([]) == []

    def test_all_or_nothing_wherever_the_source_fails(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        before = self.everything(store)
        effects = self.some(store)
        for count in range(len(effects) + 1):
            try:
                store.commit(cut(*effects[:count]))
            except Cut:
                assert self.everything(store) == before
                continue
            raise AssertionError("the failure of a source is passed on")
        store.commit(effects)
        after = self.everything(store)
        assert sum(old != new for old, new in zip(before, after, strict=True)) >= len(before) - 2
        try:
            store.commit(cut(Settle(letter(1).id), DropReply(1), Release(resource("held").id), SavePeer(peer(heard=9))))
        except Cut:
            assert self.everything(store) == after

    def test_a_source_sees_what_it_has_asked_for(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view

        def source() -> Iterator[Effect]:
            yield SavePeer(peer())
            assert view.peer(PEER) == peer()
            yield SavePeer(peer(heard=4))
            assert view.peers() == [peer(heard=4)]
            yield (kept := self.keep(store, "kept"))
            assert view.has(kept.kept.signed.id)
            assert view.tip() == (kept.line.number, kept.line.id)
            yield Post(letter(1))
            assert view.letter_with(letter(1).token) == letter(1)
            yield Settle(letter(1).id)
            assert view.letters() == []
            yield Seen(b"b" * 16, PEER, 1, NOW)
            assert view.seen(b"b" * 16)

        store.commit(source())

    def test_what_was_committed_is_there_after_reopening(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit(self.some(store))
        store.carry("drop", {"a": b"1"})
        before = self.everything(store)
        assert self.everything(self.reopen(store, tmp_path)) == before

    def test_what_was_undone_is_not_there_after_reopening(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        before = self.everything(store)
        try:
            store.commit(cut(*self.some(store)))
        except Cut:
            assert self.everything(self.reopen(store, tmp_path)) == before

    def test_the_same_envelope_is_not_noted_twice(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([Seen(b"b" * 16, PEER, 1, NOW)])
        before = self.everything(store)
        try:
            store.commit([SetStamp(Stamp(Millis(NOW + 99))), Seen(b"b" * 16, PEER, 2, NOW)])
        except Unstorable:
            assert self.everything(store) == before
            return
        raise AssertionError("an envelope cannot be dealt with twice")

    # -- journals and resources ---------------------------------------------------------

    def test_a_kept_resource_is_the_next_line(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        store.commit([first := self.keep(store, "one")])
        store.commit([second := self.keep(store, "two")])
        me = view.local().node
        lines = view.own_lines(first.line.number, second.line.number + 9)
        assert [line.entry for line in lines] == [first.line.entry, second.line.entry]
        assert [line.bytes for line in lines] == [3, 3]
        assert not any(line.mine or line.chunks for line in lines)
        assert view.line_id(me, second.line.number) == second.line.id
        assert view.line_number(me, second.line.id) == second.line.number
        assert view.line_id(me, 0) == journal.root(me)
        assert view.line_number(me, journal.root(me)) == 0
        assert view.line_id(me, 99) is None
        assert view.entries(me, second.line.number, 9) == [second.line.entry]
        assert view.resource(first.kept.signed.id) == first.kept.signed
        assert view.complete(first.kept.signed.id)
        assert view.naming(first.kept.signed.id) == [(me, first.line.number)]
        assert view.own_numbers(first.kept.signed.id) == Ranges.of((first.line.number, first.line.number))

    def test_a_line_cannot_be_written_twice(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([kept := self.keep(store, "one")])
        before = self.everything(store)
        try:
            store.commit([kept])
        except Unstorable:
            assert self.everything(store) == before
            return
        raise AssertionError("a journal is only ever extended")

    def test_another_journal_is_kept_beside_ours(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        entries = [Entry(WRITER, resource(f"{n}").id) for n in range(5)]
        lines = journal.extend(journal.root(PEER), 0, entries)
        store.commit([AddLines(PEER, tuple(lines[:2])), AddLines(PEER, tuple(lines[2:]))])
        assert view.entries(PEER, 2, 3) == entries[1:4]
        assert view.entries(PEER, 5, 9) == entries[4:]
        assert view.entries(OTHER, 1, 9) == []
        assert view.line_id(PEER, 5) == lines[4].id
        assert view.naming(entries[0].resource) == [(PEER, 1)]
        assert view.own_numbers(entries[0].resource) == Ranges()
        assert not view.has(entries[0].resource)

    def test_wanted_is_what_a_journal_lists_and_nobody_was_asked_for(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        signed = sorted((resource(f"{n}") for n in range(4)), key=lambda each: each.id)
        entries = [Entry(WRITER, each.id) for each in signed]
        store.commit([AddLines(PEER, tuple(journal.extend(journal.root(PEER), 0, entries))), *map(Want, entries)])
        everything = {entry.resource for entry in view.wanted(PEER, Millis(0), 9)}
        assert everything == {entry.resource for entry in entries}
        assert len(view.wanted(PEER, Millis(0), 3)) == 3
        assert view.wanted(OTHER, Millis(0), 9) == []
        store.commit([Asked(entries[0].resource, NOW), Want(entries[0]), Hold(Held(signed[1], ("x",), None, PEER))])
        assert entries[0] not in view.wanted(PEER, Millis(NOW - 1), 9)
        assert entries[0] in view.wanted(PEER, NOW, 9)
        assert entries[1] not in view.wanted(PEER, NOW, 9)
        assert view.wanted_count() == 3

    def test_held_items_wait_for_names_and_times(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        both = Held(resource("a"), ("x", "y"), None, PEER)
        later = Held(resource("b"), (), Millis(NOW + 5), OTHER)
        store.commit([Hold(both), Hold(later)])
        assert view.waiting_for("x") == view.waiting_for("y") == [both]
        assert view.waiting_for("z") == []
        assert view.due(Millis(NOW + 4)) == []
        assert view.due(Millis(NOW + 5)) == [later]
        assert view.held(both.signed.id) == both
        store.commit([Release(both.signed.id), Release(both.signed.id)])
        assert view.held(both.signed.id) is None
        assert view.waiting_for("y") == []
        assert view.all_held() == [later]

    def test_lists_are_in_order_of_stamps(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        for name, at in (("late", 9), ("early", 1), ("middle", 5)):
            kept = self.keep(store, name)
            store.commit([replace(kept, kept=replace(kept.kept, stamp=Stamp(Millis(NOW + at)), tags=("a", "b")))])
        listed = list(store.view.listed(["message"]))
        assert [each.title for each in listed] == ["early", "middle", "late"]
        assert listed[0].tags == ("a", "b")
        store.show(listed[0].id)
        store.show(listed[0].id)
        assert [each.title for each in store.view.listed(["message"], new=True)] == ["middle", "late"]
        assert store.view.listing(listed[0].id).shown
        assert store.view.counts()["message"] == 3

    # -- chunks -----------------------------------------------------------------------

    def test_chunks_complete_a_file_in_any_order(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        data = [b"one", b"two", b"one"]
        names = tuple(sha256(each).digest() for each in data)
        kept = self.keep(store, "file", chunks=names, chunk_total=3)
        file = kept.kept.signed.id
        store.commit([kept, AddLines(PEER, tuple(journal.extend(journal.root(PEER), 0, [kept.line.entry])))])
        (first, last), *_ = view.chunks_of(file).runs
        assert last - first == 2
        assert view.lacking(file) == Ranges.of((0, 2))
        assert view.files_with(names[0]) == [file]
        assert view.incomplete(PEER, kept.kept.received, 9) == [file]
        assert view.own_lines(kept.line.number, kept.line.number)[0].chunks == Ranges.of((first, last))
        store.commit([KeepBlob(names[0], b"one"), KeepBlob(names[0], b"one")])
        assert view.lacking(file) == Ranges.of((1, 1))
        assert view.blob(names[0]) == b"one"
        assert view.chunk(first) == view.chunk(last) == names[0]
        assert not view.complete(file)
        store.commit([Asked(file, NOW)])
        assert view.incomplete(PEER, Millis(NOW - 1), 9) == []
        store.blobs.put(b"two")
        assert not view.has_blob(names[1])
        store.commit([HaveBlob(names[1], 3)])
        assert view.complete(file)
        assert view.incomplete(PEER, NOW, 9) == []
        assert view.files_with(names[1]) == []
        assert view.files_with(names[1], held=True) == [file]

    def test_chunks_that_are_here_already_are_not_lacking(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        names = tuple(sha256(each).digest() for each in (b"one", b"two"))
        store.commit([KeepBlob(names[1], b"two"), kept := self.keep(store, "file", chunks=names, chunk_total=2)])
        assert store.view.lacking(kept.kept.signed.id) == Ranges.of((0, 0))

    def test_index_blocks_name_the_other_chunks(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        block, chunk = b"the block", b"the chunk"
        block_name, name = sha256(block).digest(), sha256(chunk).digest()
        kept = self.keep(store, "file", chunks=(block_name,), chunk_total=2)
        file = kept.kept.signed.id
        store.commit([kept, KeepBlob(block_name, block)])
        last = view.chunks_of(file).last
        assert view.chunk(last) is None
        assert view.lacking(file) == Ranges.of((1, 1))
        store.commit([AddChunks(file, 1, (name,)), KeepBlob(name, chunk)])
        assert view.chunk(last) == name
        assert view.complete(file)
        store.commit([other := self.keep(store, "next", chunks=(name,), chunk_total=1)])
        assert view.chunks_of(other.kept.signed.id) == Ranges.of((last + 1, last + 1))

    # -- peers and letters ----------------------------------------------------------------

    def test_peers_come_back_as_they_were_saved(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        runs = Ranges.of((1, 3), (7, 9))
        full = peer(
            heard=9, done=runs, acked=runs, applied=runs, known=runs, owed_chunks=Ranges.of((0, 5)), sequence=8,
            received=Ranges.of((0, 4)), floor=3, told_number=2, told_done=runs, owes_ack=True, seen_at=NOW, ask_at=NOW,
        )  # fmt: skip
        store.commit([SavePeer(full), SavePeer(peer(OTHER, added=Millis(NOW + 1)))])
        assert store.view.peers() == [full, peer(OTHER, added=Millis(NOW + 1))]
        assert store.view.peer(WRITER) is None

    def test_what_was_told_counts_for_one_medium(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        told = Told(PEER, "stick", Ranges.of((1, 2)), Ranges.of((0, 7)), 3, NOW)
        store.commit([SaveTold(told)])
        assert store.view.told(PEER, "stick") == told
        assert store.view.told(PEER, "mail") == Told(PEER, "mail")
        assert store.view.told(OTHER, "stick") == Told(OTHER, "stick")

    def test_letters_live_until_they_are_settled(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        second, first = letter(2), letter(1)
        other = letter(1, to=OTHER, medium="stick", id=b"o" * 16, token=b"t" * 16)
        store.commit([Post(second), Post(first), Post(other)])
        assert view.letters(PEER) == [first, second]
        assert set(view.letters()) == {first, second, other}
        assert view.letter_with(first.token) == view.letter(first.id) == first
        assert view.oldest(PEER) == 1
        assert (view.elsewhere(PEER, "mail"), view.elsewhere(PEER, "stick")) == (False, True)
        store.commit([Handed(first.id, NOW, "the box"), Handed(b"?" * 16, NOW, "nowhere")])
        assert view.letter(first.id) == replace(first, handed_at=NOW, where="the box")
        store.commit([Settle(first.id), Settle(first.id)])
        assert view.letters(PEER) == [second]
        assert view.letter(first.id) is None
        store.commit([Settle(second.id)])
        assert view.oldest(PEER) is None

    def test_replies_get_numbers_that_are_never_used_again(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        owed = [
            Reply(0, PEER, "a", "ok", resource("x").id),
            Reply(0, PEER, "b", "ok", since=0, limit=64),
            Reply(0, OTHER, "c", "not_found"),
        ]
        store.commit(map(AddReply, owed))
        first, second = store.view.replies(PEER)
        assert [replace(each, number=0) for each in (first, second)] == owed[:2]
        assert first.number < second.number
        store.commit([DropReply(second.number), DropReply(second.number)])
        store.commit([AddReply(owed[1])])
        assert store.view.replies(PEER)[1].number > second.number

    def test_what_came_is_known_by_its_number(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([Seen(b"%016d" % n, PEER, n, NOW) for n in (1, 2, 5)])
        store.commit([Seen(b"restored, again2", PEER, 2, Millis(NOW + 1)), Seen(b"x" * 16, OTHER, 3, NOW)])
        assert store.view.received(PEER, 2) == {2: b"restored, again2", 5: b"%016d" % 5}

    def test_a_forgotten_peer_leaves_what_it_taught(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit(self.some(store))
        tip = store.view.tip()
        store.remove_peer(PEER)
        view = store.view
        assert view.peers() == []
        assert view.letters() == []
        assert view.replies(PEER) == []
        assert view.told(PEER, "mail") == Told(PEER, "mail")
        assert view.tip() == tip
        assert view.seen(b"b" * 16)

    # -- the rest -----------------------------------------------------------------------

    def test_clock_and_stamp_are_remembered(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        assert store.view.clock() == Clock()
        store.commit([SetClock(Clock(Millis(NOW + 1), Millis(2))), SetStamp(Stamp(NOW, 3))])
        assert store.view.clock() == Clock(Millis(NOW + 1), Millis(2))
        assert store.view.stamp() == Stamp(NOW, 3)

    def test_strangers_are_kept_one_row_for_each_under_numbers_that_are_never_used_again(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        some: dict[str, Any] = {"user": OTHER, "name": "Eve", "digest": b"d" * 32, "since": NOW, "where": "here"}
        eve = Pending(node=OTHER, card=b"one\ntwo", **some)
        store.commit([SavePending(eve), SavePending(Pending(node=PEER, card=b"", **some))])
        assert store.view.pending() == [replace(eve, number=1), Pending(node=PEER, card=b"", number=2, **some)]
        store.commit([SavePending(replace(eve, declined=NOW, card=b"", number=1)), DropPending(PEER)])
        assert store.view.pending() == [replace(eve, declined=NOW, card=b"", number=1)]
        store.commit([SavePending(Pending(node=PEER, card=b"", **some))])
        assert [each.number for each in store.view.pending()] == [1, 3]

    def test_invitations_and_what_was_verified_are_remembered_and_go_with_their_peer(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        first = Invite(name=b"n" * 16, secret=b"s" * 16, created=NOW, expires=Millis(NOW + 9), label="Eve")
        second = replace(first, name=b"m" * 16, created=Millis(NOW + 1))
        joined, verified = Join(PEER, b"s" * 16, NOW), Verified(PEER, NOW, "words")
        store.commit(
            [SaveInvite(second), SaveInvite(first), SavePeer(peer()), SaveJoin(joined), SaveVerified(verified)]
        )
        store.commit([SaveInvite(replace(first, used=NOW, guest=PEER))])
        assert store.view.invites() == [replace(first, used=NOW, guest=PEER), second]
        assert (store.view.joined(PEER), store.view.verified(PEER)) == (joined, verified)
        assert (store.view.joined(OTHER), store.view.verified(OTHER)) == (None, None)
        store.remove_peer(PEER)
        assert (store.view.joined(PEER), store.view.verified(PEER)) == (None, None)

    def test_a_transport_keeps_its_own_state(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        for key, value in (("b", b"2"), ("a", b"1"), ("a", b"3"), ("c", b""), ("b", None), ("b", None)):
            store.carry("drop", {key: value})
        store.carry("drop", {"d": b"4", "ä/1": b"5", "c": None, "z": None})
        everything = [("a", b"3"), ("d", b"4"), ("ä/1", b"5")]
        assert store.view.carrier("drop", "") == everything
        assert store.view.carrier("drop", "a") == [("a", b"3")]
        assert store.view.carrier("drop", "ä/") == everything[2:]
        assert store.view.carrier("mail", "") == []
