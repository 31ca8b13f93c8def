"""What is carried for others: taken along, given room, put on media, and let go."""

from __future__ import annotations

from hashlib import sha256

import pytest

from paquebot.protocol import carrying, publishing
from paquebot.protocol.burden import Addressee, LetGo, Lies, PutDown, Rank, TakeAlong
from paquebot.protocol.carrying import Found, Terms
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis
from paquebot.testing.examples import NOW, founding
from paquebot.testing.memory import MemoryStore
from paquebot.transport import parcel_name, token_hash

TERMS = Terms(contacts=100, strangers=50, hops=4, days=30)
CONTACTS, STRANGERS = Rank.CONTACTS, Rank.STRANGERS


class Home:
    """A store, and the courier's decisions in it."""

    def __init__(self, terms=TERMS):
        self.store, new, self.terms = MemoryStore(), founding(), terms
        self.store.found(new.local, lambda: publishing.take_root(self.store.view, new, NOW))
        self.view, self.now, self.spare = self.store.view, NOW, None
        self.tidy()

    def take(self, text, size=10, *, medium="blue", days=20, rank=STRANGERS, priority=1, hops=0, doubtful=False):
        """Meet a parcel of that *size*; return what was done."""
        data = text.encode().ljust(size, b".")
        found = Found(
            name=parcel_name(data), blob=sha256(data).digest(), data=data, medium=medium, rank=rank, priority=priority,
            hops=hops, expires=Millis(NOW + days * DAY_MS), addressees=(Addressee(data[:8], token_hash(of(text))),),
        )  # fmt: skip
        effects = carrying.take(self.view, found, self.terms, self.now, self.spare, doubtful=doubtful)
        return self.store.commit(effects)

    def tidy(self, *, doubtful=False):
        effects = carrying.tidy(self.view, self.terms, self.now, self.spare, doubtful=doubtful)
        return self.store.commit(effects)

    def show(self, text):
        return self.store.commit(carrying.token(self.view, of(text), token_hash(of(text))))

    def to_put(self, medium, size_max=1 << 20, room=None):
        return [self.named(each) for each in carrying.to_put(self.view, medium, size_max, room)]

    def held(self):
        return [self.named(each) for each in self.view.parcels()]

    def named(self, parcel):
        return self.store.blobs.get(parcel.blob).rstrip(b".").decode()


def of(text):
    return f"token of {text}".ljust(16, ".").encode()


@pytest.fixture
def home():
    return Home()


def test_what_is_met_is_taken_along_once_and_put_on_every_other_medium(home):
    taken, lies = home.take("letter")
    assert isinstance(taken, TakeAlong)
    assert lies == Lies(taken.parcel.name, "blue")
    assert home.take("letter") == []
    assert home.take("letter", medium="red") == [Lies(taken.parcel.name, "red")]
    assert (home.to_put("blue"), home.to_put("red"), home.to_put("green")) == ([], [], ["letter"])


def test_a_token_frees_the_space_and_is_told_on_every_medium_until_the_parcel_ends(home):
    home.take("letter")
    assert any(isinstance(each, PutDown) for each in home.show("letter"))
    assert (home.held(), home.view.burden(STRANGERS), home.to_put("red")) == ([], (0, 0), [])
    assert home.view.shown_for("blue", 9) == [of("letter")]
    assert home.show("letter") == []
    assert len(home.take("letter", medium="red")) == 1
    assert home.held() == []
    assert home.view.shown_for("red", 9) == [of("letter")]


def test_a_false_token_does_nothing(home):
    home.take("letter")
    assert home.show("something else") == []
    assert home.held() == ["letter"]


def test_a_parcel_for_two_is_carried_until_both_have_it(home):
    data = b"for both"
    both = tuple(Addressee(data, token_hash(of(each))) for each in ("one", "two"))
    found = Found(name=parcel_name(data), blob=sha256(data).digest(), data=data, medium="blue", rank=STRANGERS,
                  priority=1, hops=0, expires=Millis(NOW + DAY_MS), addressees=both)  # fmt: skip
    home.store.commit(carrying.take(home.view, found, TERMS, NOW, None, doubtful=False))
    home.show("one")
    assert home.held() == ["for both"]
    assert home.view.shown_for("blue", 9) == [of("one")]
    home.show("two")
    assert home.held() == []


def test_what_was_carried_far_enough_is_left(home):
    assert [bool(home.take(f"{hops}", hops=hops)) for hops in (0, 3, 4, 15)] == [True, True, False, False]


def test_what_has_expired_is_left_and_what_expires_is_let_go(home):
    assert home.take("late", days=-1) == []
    home.take("soon", days=3)
    home.now = Millis(NOW + 3 * DAY_MS)
    assert home.tidy(doubtful=True) == []
    assert [type(each) for each in home.tidy()] == [LetGo]
    assert home.held() == []


@pytest.mark.parametrize("years", [-20, -3, 2, 50])
def test_a_date_that_cannot_be_believed_counts_from_when_it_was_first_seen(home, years):
    home.take("letter", days=365 * years)
    (parcel,) = home.view.parcels()
    assert parcel.ends == carrying.shown_expiry(parcel) == NOW + 30 * DAY_MS
    home.now = Millis(parcel.ends - 1)
    assert home.tidy() == []
    home.now = parcel.ends
    assert len(home.tidy()) == 1


def test_a_date_that_can_be_believed_is_told_to_others_as_it_was(home):
    home.take("letter", days=100)
    (parcel,) = home.view.parcels()
    assert (parcel.ends, carrying.shown_expiry(parcel)) == (NOW + 30 * DAY_MS, NOW + 100 * DAY_MS)


def test_a_clock_that_is_wrong_here_expires_nothing(home):
    assert home.take("letter", days=-1, doubtful=True)


def test_strangers_have_their_quota_and_contacts_theirs(home):
    for n in range(9):
        home.take(f"stranger {n}", 20)
    assert home.view.burden(STRANGERS) == (2, 40)
    for n in range(9):
        home.take(f"contact {n}", 20, rank=CONTACTS)
    assert home.view.burden(CONTACTS) == (5, 100)
    assert home.view.burden(STRANGERS) == (2, 40)


def test_within_a_rank_bulk_makes_room_for_letters_and_what_ends_soon_for_what_does_not(home):
    home.take("bulk", 20, priority=2)
    home.take("soon", 20, days=2)
    assert any(isinstance(each, TakeAlong) for each in home.take("letter", 20))
    assert home.held() == ["letter", "soon"]
    home.take("later", 20, days=25)
    assert home.held() == ["later", "letter"]
    home.take("more bulk", 20, priority=2)
    home.take("equal", 20)
    assert home.held() == ["later", "letter"]
    home.take("keys", 50, priority=0, days=1)
    assert home.held() == ["keys"]


def test_what_is_larger_than_the_quota_makes_no_room(home):
    home.take("small")
    assert [type(each).__name__ for each in home.take("large", 51, priority=0)] == []
    assert home.held() == ["small"]


def test_nothing_is_carried_where_nothing_is_to_be():
    home = Home(Terms(contacts=0, strangers=0))
    home.take("letter")
    home.take("of a contact", rank=CONTACTS)
    assert home.held() == []


def test_a_full_disk_makes_strangers_give_way_to_contacts_and_never_the_other_way(home):
    home.take("contact", 20, rank=CONTACTS, priority=2)
    home.take("stranger", 20, priority=0)
    home.spare = 0
    home.take("another", 20, priority=0, days=29)
    assert home.held() == ["contact", "another"]
    home.take("of a contact", 20, rank=CONTACTS, priority=1)
    assert home.held() == ["of a contact", "contact"]
    home.take("a third", 20, priority=0)
    assert home.held() == ["of a contact", "contact"]
    home.spare = -20
    home.tidy()
    assert len(home.held()) == 1


def test_a_smaller_quota_lets_go_of_strangers_first(home):
    home.take("contact", 40, rank=CONTACTS)
    home.take("stranger", 40)
    home.terms = Terms(contacts=100, strangers=10)
    home.tidy()
    assert home.held() == ["contact"]


def test_the_number_of_parcels_is_bounded_too(home, monkeypatch):
    monkeypatch.setattr(carrying, "CARRIED_MAX", 3)
    monkeypatch.setattr(carrying, "CARRIED_KNOWN_MAX", 2)
    for n in range(9):
        home.take(f"{n}", 1, days=n + 1)
    assert home.held() == ["8", "7", "6"]
    for n in range(9):
        home.take(f"later {n}", 1, days=20)
        home.show(f"later {n}")
    home.tidy()
    assert home.view.put_down() == 2


def test_what_was_turned_away_is_looked_at_anew_once_there_is_room(home):
    home.take("letter", 50)
    home.take("turned away", 30)
    assert home.tidy() == []
    before = home.view.remembered(carrying.EPOCH)
    home.show("letter")
    home.tidy()
    assert home.view.remembered(carrying.EPOCH) != before
    assert home.tidy() == []


def test_what_was_left_is_looked_at_anew_on_other_terms(home):
    home.tidy()
    assert home.take("far", hops=9) == home.tidy() == []
    home.terms = Terms(hops=10)
    home.tidy()
    assert home.view.remembered(carrying.EPOCH)
    assert home.tidy() == []


def test_what_had_to_make_room_is_looked_at_anew_too(home):
    home.take("bulk", 50, priority=2)
    home.take("letter", 50)
    home.show("letter")
    home.tidy()
    assert home.view.remembered(carrying.EPOCH)


def test_a_token_that_came_first_is_told_where_its_parcel_is_met_and_nothing_is_carried(home):
    home.store.commit(carrying.unawaited({token_hash(of("letter")): of("letter")}, NOW))
    home.take("letter")
    assert (home.held(), home.to_put("red"), home.view.put_down()) == ([], [], 1)
    assert home.view.shown_for("blue", 9) == [of("letter")]
    assert len(home.take("letter", medium="red")) == 1
    assert home.view.shown_for("red", 9) == [of("letter")]


def test_so_many_tokens_are_remembered_and_no_more(home, monkeypatch):
    monkeypatch.setattr(carrying, "TOKENS_MAX", 3)
    for n in range(9):
        home.store.commit(carrying.unawaited({token_hash(of(f"{n}")): of(f"{n}")}, Millis(NOW + n)))
    home.tidy()
    assert [bool(home.view.shown(token_hash(of(f"{n}")))) for n in range(9)] == [False] * 6 + [True] * 3


def test_a_known_parcel_may_turn_out_to_be_a_contacts_or_to_have_come_a_shorter_way(home):
    home.take("letter", hops=3)
    home.take("letter", hops=1)
    home.take("letter", hops=2, rank=CONTACTS)
    (parcel,) = home.view.parcels()
    assert (parcel.rank, parcel.hops) == (CONTACTS, 1)


def test_the_best_outside_under_which_a_parcel_was_met_counts(home):
    """Anybody may write it anew as if nobody wanted it: that shortens its way by nothing."""
    home.take("letter", days=1, priority=2)
    home.take("letter", days=20, priority=1)
    home.take("letter", days=2, priority=9)
    (parcel,) = home.view.parcels()
    assert (parcel.priority, parcel.ends, carrying.shown_expiry(parcel)) == (1, *[NOW + 20 * DAY_MS] * 2)
    home.now = Millis(NOW + DAY_MS)
    home.take("letter", days=365 * 50)
    (parcel,) = home.view.parcels()
    assert parcel.ends == NOW + 30 * DAY_MS


def test_only_so_much_is_put_on_a_medium_that_a_share_of_it_stays_free(home):
    for n in range(5):
        home.take(f"{n}", days=20 - n)
    assert home.to_put("red", room=50) == ["0", "1", "2", "3"]
    assert home.to_put("red", room=5) == []
    assert home.to_put("red", size_max=9) == []
    for parcel in home.view.parcels()[:2]:
        home.store.commit(carrying.put(parcel.name, "red"))
    assert home.to_put("red", room=20) == ["2"]


def test_what_is_lost_on_a_medium_is_put_there_again(home):
    home.take("letter")
    (parcel,) = home.view.parcels()
    home.store.commit(carrying.put(parcel.name, "red"))
    assert home.to_put("red") == []
    home.store.commit(carrying.lost(parcel.name, "red"))
    assert home.to_put("red") == ["letter"]


def test_a_parcel_is_put_on_so_many_media_and_no_more(home, monkeypatch):
    monkeypatch.setattr(carrying, "COPIES_MAX", 3)
    home.take("letter")
    (parcel,) = home.view.parcels()
    for n in range(9):
        if home.to_put(f"medium {n}"):
            home.store.commit(carrying.put(parcel.name, f"medium {n}"))
    assert len(home.view.berths(parcel.name)) == 3


def test_the_latest_lots_of_contacts_are_remembered(home, monkeypatch):
    monkeypatch.setattr(carrying, "LOTS_MAX", 2)
    for n in range(3):
        known = carrying.lots(home.view.remembered(carrying.LOTS))
        home.store.commit(carrying.vouch(known, b"%016d" % n))
    assert carrying.lots(home.view.remembered(carrying.LOTS)) == (b"%016d" % 1, b"%016d" % 2)
