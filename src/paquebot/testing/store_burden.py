"""What a store promises of what is carried for others; a part of the store contract."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from paquebot.protocol.burden import (
    Addressee,
    Appraise,
    DropShown,
    LetGo,
    Lies,
    LiesNot,
    MayLie,
    NoteShown,
    NoteToken,
    Parcel,
    PutDown,
    Rank,
    TakeAgain,
    TakeAlong,
)
from paquebot.protocol.effects import Quarantine
from paquebot.protocol.stamp import Millis
from paquebot.testing.examples import NOW, AnyStore, Cut, cut
from paquebot.transport import parcel_name, token_hash

DAY_MS = 86_400_000
TOKEN, OTHER_TOKEN = b"one token 16 byt", b"two token 16 byt"


def parcel(data: bytes, *tokens: bytes, **fields: Any) -> Parcel:
    """Return a parcel of strangers that holds *data* and waits for *tokens*."""
    addressees = tuple(Addressee(each[:8], token_hash(each)) for each in tokens or (TOKEN,))
    known = {
        "rank": Rank.STRANGERS,
        "priority": 1,
        "hops": 0,
        "expires": Millis(NOW + 9 * DAY_MS),
        "since": NOW,
        "ends": Millis(NOW + 9 * DAY_MS),
        "addressees": addressees,
    }
    return Parcel(name=parcel_name(data), blob=sha256(data).digest(), size=len(data), **{**known, **fields})


def taken(data: bytes, *tokens: bytes, **fields: Any) -> TakeAlong:
    """Return the effect that takes such a parcel along."""
    return TakeAlong(parcel(data, *tokens, **fields), data)


class BurdenPromises:
    """The part of the contract that is about carrying for others."""

    def begin(self, folder: Path) -> AnyStore:
        """Return a store with a node in it."""
        raise NotImplementedError

    def test_a_parcel_is_as_it_was_taken_along(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed", TOKEN, OTHER_TOKEN, rank=Rank.CONTACTS, priority=2, hops=3)
        store.commit([effect])
        assert store.view.parcel(effect.parcel.name) == effect.parcel
        assert store.view.parcels() == [effect.parcel]
        assert store.blobs.get(effect.parcel.blob) == b"sealed"
        assert store.view.parcel(bytes(16)) is None
        assert (store.view.burden(Rank.CONTACTS), store.view.burden(Rank.STRANGERS)) == ((1, 6), (0, 0))

    def test_parcels_come_by_worth_and_go_by_the_least(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        later = Millis(NOW + 10 * DAY_MS)
        ordered = [
            taken(b"a", rank=Rank.CONTACTS, priority=2),
            taken(b"b", priority=0),
            taken(b"c", ends=later),
            taken(b"d"),
            taken(b"e", priority=2),
        ]
        store.commit(ordered[i] for i in (3, 1, 4, 0, 2))
        parcels = [each.parcel for each in ordered]
        assert store.view.parcels() == parcels
        assert store.view.least(Rank.STRANGERS, 3) == [parcels[i] for i in (4, 3, 2)]
        assert store.view.to_put("blue", 9, 9, 2) == parcels[:2]

    def test_a_parcel_is_put_where_it_does_not_lie_and_nowhere_too_often(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed")
        name = effect.parcel.name
        store.commit([effect, Lies(name, "blue"), Lies(name, "red", put=True), Lies(name, "red")])
        assert store.view.berths(name) == ["blue", "red"]
        assert store.view.lies(name, "blue")
        assert [store.view.put_on(each) for each in ("blue", "red", "green")] == [0, 6, 0]
        assert [store.view.to_put(each, 6, 3, 9) for each in ("blue", "red", "green")] == [[], [], [effect.parcel]]
        assert store.view.to_put("green", 5, 3, 9) == store.view.to_put("green", 6, 2, 9) == []
        store.commit([LiesNot(name, "red")])
        assert store.view.to_put("red", 6, 3, 9) == [effect.parcel]

    def test_what_may_lie_on_a_medium_is_put_there_and_its_token_is_told_there(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed")
        name = effect.parcel.name
        store.commit([effect, MayLie(name, "blue")])
        assert (store.view.lies(name, "blue"), store.view.berths(name), store.view.put_on("blue")) == (False, [], 0)
        assert store.view.to_put("blue", 9, 1, 9) == [effect.parcel]
        store.commit([Lies(name, "blue", put=True), MayLie(name, "blue")])
        assert (store.view.lies(name, "blue"), store.view.put_on("blue")) == (True, 6)
        store.commit([MayLie(name, "red"), NoteToken(name, token_hash(TOKEN), TOKEN), PutDown(name)])
        assert store.view.shown_for("red", 9) == [TOKEN]

    def test_a_token_is_noted_and_told_where_the_parcel_lies(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed", TOKEN, OTHER_TOKEN)
        name, shown = effect.parcel.name, token_hash(TOKEN)
        store.commit([effect, Lies(name, "blue")])
        assert store.view.awaiting(shown, 9) == [name]
        assert store.view.awaiting(bytes(16), 9) == []
        store.commit([NoteToken(name, shown, TOKEN)])
        assert store.view.awaiting(shown, 9) == []
        assert [each.token for each in store.view.parcel(name).addressees] == [TOKEN, b""]
        assert (store.view.shown_for("blue", 9), store.view.shown_for("red", 9)) == ([TOKEN], [])

    def test_tokens_are_remembered_before_anything_waits_for_them(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        first, second = token_hash(TOKEN), token_hash(OTHER_TOKEN)
        store.commit([NoteShown(first, TOKEN, NOW), NoteShown(second, OTHER_TOKEN, Millis(NOW + 1))])
        store.commit([NoteShown(first, TOKEN, Millis(NOW + 2))])
        assert (store.view.shown(first), store.view.shown(bytes(16)), store.view.shown_count()) == (TOKEN, b"", 2)
        store.commit([DropShown(1)])
        assert (store.view.shown(first), store.view.shown(second)) == (b"", OTHER_TOKEN)

    def test_what_all_have_is_known_without_its_bytes(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        known = parcel(b"sealed", kept=False)
        store.commit([TakeAlong(known, b"")])
        assert (store.view.parcel(known.name), store.view.parcels()) == (known, [])
        assert store.blobs.get(known.blob) is None

    def test_what_is_put_down_leaves_its_bytes_and_stays_known_until_it_is_let_go(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed")
        name = effect.parcel.name
        store.commit([effect, Lies(name, "blue"), NoteToken(name, token_hash(TOKEN), TOKEN), PutDown(name)])
        assert store.blobs.get(effect.parcel.blob) is None
        assert not store.view.parcel(name).kept
        assert (store.view.parcels(), store.view.burden(Rank.STRANGERS)) == ([], (0, 0))
        assert (store.view.put_down(), store.view.oldest_put_down(9)) == (1, [name])
        assert store.view.shown_for("blue", 9) == [TOKEN]
        assert store.view.ended(Millis(effect.parcel.ends - 1), 9) == []
        assert store.view.ended(effect.parcel.ends, 9) == [name]
        store.commit([LetGo(name)])
        assert store.view.parcel(name) is None
        assert (store.view.shown_for("blue", 9), store.view.berths(name)) == ([], [])

    def test_what_is_let_go_leaves_nothing_and_may_come_again(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed")
        store.commit([effect, Lies(effect.parcel.name, "blue"), LetGo(effect.parcel.name)])
        assert store.blobs.get(effect.parcel.blob) is None
        assert store.view.awaiting(token_hash(TOKEN), 9) == []
        store.commit([effect])
        assert store.blobs.get(effect.parcel.blob) == b"sealed"
        assert not store.view.lies(effect.parcel.name, "blue")

    def test_bytes_that_something_else_needs_stay(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed")
        store.commit([effect, Quarantine(b"sealed", "refused", "why", None, "here", NOW)])
        store.commit([LetGo(effect.parcel.name)])
        assert store.blobs.get(effect.parcel.blob) == b"sealed"
        store.commit([effect])
        store.release(b"sealed")
        assert store.blobs.get(effect.parcel.blob) == b"sealed"

    def test_the_burden_is_what_is_kept_whatever_happened(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        made = [taken(b"sealed %d" % n, rank=Rank(n % 2)) for n in range(6)]
        names = [each.parcel.name for each in made]
        known = TakeAlong(parcel(b"known", kept=False), b"")
        effects = [
            *made,
            known,
            PutDown(names[0]),
            PutDown(names[0]),
            PutDown(known.parcel.name),
            Appraise(replace(made[1].parcel, rank=Rank.CONTACTS)),
            TakeAgain(names[0], b"sealed 0"),
            LetGo(names[2]),
            PutDown(names[3]),
            LetGo(names[3]),
        ]
        for effect in effects:
            before = self._burden(store)
            with suppress(Cut):
                store.commit(cut(effect))
            assert self._burden(store) == before
            store.commit([effect])
            kept = store.view.parcels()
            assert self._burden(store) == {
                rank: (len(some := [each.size for each in kept if each.rank is rank]), sum(some)) for rank in Rank
            }

    def _burden(self, store: AnyStore) -> dict[Rank, tuple[int, int]]:
        return {rank: store.view.burden(rank) for rank in Rank}

    def test_a_parcel_turns_out_to_be_a_contacts(self, tmp_path: Path) -> None:
        store = self.begin(tmp_path)
        effect = taken(b"sealed", hops=4)
        worth = replace(
            effect.parcel, rank=Rank.CONTACTS, priority=0, hops=2, expires=Millis(NOW + 2), ends=Millis(NOW + 1)
        )
        store.commit([effect, Appraise(worth)])
        assert store.view.parcel(effect.parcel.name) == worth
