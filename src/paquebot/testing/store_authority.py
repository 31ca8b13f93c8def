"""What a store promises of trusts and of what was taken back; a part of `paquebot.testing.stores`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from paquebot.protocol import journal
from paquebot.protocol.effects import AddLines, Hide, Keep, Quarantine, Readmit
from paquebot.protocol.journal import Entry
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import READ
from paquebot.testing.examples import NOW, PEER, WRITER, AnyStore, Cut, cut, resource


class AuthorityPromises:
    """The part of the contract that is about who may do what."""

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        raise NotImplementedError

    def keep(self, store: AnyStore, name: str, **fields: Any) -> Keep:
        """Return the effect that keeps a resource on the journal's next line."""
        raise NotImplementedError

    def test_the_trusts_of_a_user_are_weighed_and_others_have_none(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        local = store.view.local()
        authority = store.view.authority(local.user)
        assert set(authority.trusts) == {local.trust}
        assert authority.grants(READ, (local.node,), NOW)
        assert store.view.authority(local.user) is authority
        assert store.view.authority(PEER).trusts == {}
        assert store.view.origin(local.trust) == (local.user, "trust")
        assert store.view.trust(local.trust) == authority.trusts[local.trust]
        assert store.view.origin(resource("unknown").id) is None

    def test_what_is_hidden_is_kept_and_not_listed(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view = store.view
        store.commit([one := self.keep(store, "one")])
        store.commit([two := self.keep(store, "two", chunks=(b"h" * 32,), chunk_total=1)])
        names = [each.kept.signed.id for each in (one, two)]
        cause = resource("revocation").id
        store.commit([Hide(names[0], cause), Hide(names[1], cause)])
        assert [view.hidden(name) for name in names] == [cause, cause]
        assert view.hidden_lines(1, 99) == Ranges.of((one.line.number, two.line.number))
        assert view.hidden_lines(1, one.line.number) == Ranges.of((one.line.number, one.line.number))
        assert list(view.listed(["message"])) == []
        assert [each.revoked_by for each in view.listed(["message"], revoked=True)] == [cause, cause]
        assert view.fate(names[0]) == ("superseded", "revoked")
        assert view.has(names[0])
        line = journal.extend(journal.root(PEER), 0, [two.line.entry])
        store.commit([AddLines(PEER, tuple(line))])
        assert view.incomplete(PEER, Millis(NOW + 99), 9) == []
        store.commit([Hide(names[0], None), Hide(names[1], None)])
        assert view.hidden(names[0]) is None
        assert len(list(view.listed(["message"]))) == 2
        assert view.incomplete(PEER, Millis(NOW + 99), 9) == [names[1]]

    def test_what_can_end_a_node_is_found_by_its_user_and_in_order(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        for name, kind in (("two", "ending"), ("one", "revoke"), ("three", "message")):
            effect = self.keep(store, name)
            store.commit([replace(effect, kept=replace(effect.kept, kind=kind))])
        assert list(store.view.may_end(WRITER)) == [resource("two").id, resource("one").id]
        assert list(store.view.may_end(PEER)) == []

    def test_what_decides_about_others_is_found_by_line(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        tip, _ = store.view.tip()
        urgent = store.view.urgent_lines(1, tip)
        assert urgent == Ranges.of((1, 4))
        store.commit([self.keep(store, "message")])
        assert store.view.urgent_lines(1, 99) == urgent
        assert store.view.urgent_lines(2, 3) == Ranges.of((2, 3))

    def test_what_somebody_signed_is_found_by_author_and_signer(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([kept := self.keep(store, "one")])
        name, signer = kept.kept.signed.id, kept.kept.signed.signer
        assert store.view.signed_by(WRITER, signer) == [name]
        assert store.view.signed_by(PEER, signer) == []
        assert store.view.signed_by(WRITER, PEER) == []
        assert store.view.stamped(name) == kept.kept.stamp.at

    def test_what_somebody_dated_late_is_found_until_it_is_taken_back(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        store.commit([kept := self.keep(store, "one")])
        name, signer, at = kept.kept.signed.id, kept.kept.signed.signer, kept.kept.stamp.at
        assert list(store.view.dated_after(signer, Millis(at - 1))) == [name]
        assert list(store.view.dated_after(signer, at)) == []
        assert list(store.view.dated_after(PEER, Millis(at - 1))) == []
        store.commit([Hide(name, name)])
        assert list(store.view.dated_after(signer, Millis(at - 1))) == []

    def test_what_was_refused_is_found_by_its_code_and_can_be_looked_at_again(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        view, signed, other = store.view, resource("refused"), resource("other")
        for each, code in ((signed, "revoked"), (other, "malformed")):
            store.commit([Quarantine(each.encode(), code, "no good", PEER, "here", NOW, each.id)])
        (found,) = view.refused("revoked")
        assert (found.signed, found.sender, found.missing) == (signed, PEER, ())
        try:
            store.commit(cut(Readmit(signed.id)))
        except Cut:
            assert len(view.refused("revoked")) == 1
        store.commit([Readmit(signed.id)])
        assert view.refused("revoked") == []
        assert view.fate(signed.id) is None
        assert view.fate(other.id) == ("rejected", "malformed")

    def test_authority_is_weighed_anew_after_what_was_undone(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        local = store.view.local()
        lines = journal.extend(journal.root(PEER), 0, [Entry(WRITER, resource("x").id)])
        before = store.view.authority(local.user).trusts
        try:
            store.commit(cut(AddLines(PEER, tuple(lines))))
        except Cut:
            assert store.view.authority(local.user).trusts == before
