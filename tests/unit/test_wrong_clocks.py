"""A wrong clock, ours or a peer's, delays things; it loses nothing, and once it is put right everything goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.nodes import MAIL, NOW, STICK, MemoryNode, friends, make, settle

from paquebot.errors import Refused
from paquebot.protocol import admission, redating, trusting
from paquebot.protocol.effects import SavePeer, SaveTold, SetClock
from paquebot.protocol.limits import DAY_MS, HOUR_MS, LATEST_MS, RELEASED_MS, SKEW_MS
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Clock, Millis
from paquebot.protocol.trust import CREATE_TRUST, READ

TWENTY_20 = Millis(1_577_836_800_000)
TOKENS = Link("stick", latency_ms=DAY_MS, bytes_cheap=True, shows_tokens=True)


def take(bob: MemoryNode, alice: MemoryNode, wall: int, *, created: int = NOW, sealed: int | None = None) -> None:
    bundle = replace(alice.bundle(bob), created=Millis(created))
    seal = Millis(created if sealed is None else sealed)
    bob.store.commit(bob.engine.receive(bundle, alice.node, STICK, "test", Millis(wall), seal))


# What an envelope teaches a node without a clock.


def test_a_clockless_node_learns_when_the_envelope_was_sealed():
    alice, bob = friends("Alice", "Bob")
    take(bob, alice, 9, sealed=NOW + HOUR_MS)
    assert bob.store.view.clock() == Clock(Millis(NOW + HOUR_MS), Millis(9))
    assert bob.engine.now(Millis(1009)) == NOW + HOUR_MS + 1000
    assert bob.peer(alice).seen_at == NOW + HOUR_MS, "what arrives is judged by the better time at once"


def test_a_sound_clock_learns_nothing():
    alice, bob = friends("Alice", "Bob")
    take(bob, alice, NOW, created=NOW + HOUR_MS)
    assert bob.store.view.clock() == Clock()


def test_nobody_can_teach_a_node_an_impossible_time():
    alice, bob = friends("Alice", "Bob")
    for created in (LATEST_MS + 1, 253_402_300_799_999):
        take(bob, alice, 9, created=created)
    assert bob.store.view.clock() == Clock()
    take(bob, alice, 9, created=LATEST_MS)
    assert bob.store.view.clock().floor == LATEST_MS


@pytest.mark.parametrize("off", [-1, 1])
def test_an_envelope_whose_seal_and_content_disagree_about_the_time_is_refused(off):
    alice, bob = friends("Alice", "Bob")
    with pytest.raises(Refused, match="seal"):
        take(bob, alice, NOW, sealed=NOW + off * (SKEW_MS + 1))
    take(bob, alice, NOW, sealed=NOW + off * SKEW_MS)


# A node whose clock is wrong from the beginning.


@pytest.mark.parametrize("wall", [0, 5, TWENTY_20, RELEASED_MS - 5 * DAY_MS, RELEASED_MS - 1])
def test_a_node_that_heard_nothing_goes_by_the_day_of_its_release(wall):
    node = make("Alice", now=Millis(RELEASED_MS))
    assert node.engine.now(Millis(wall)) == RELEASED_MS
    node.store.commit(node.engine.poll(STICK, Millis(wall)))
    later = Millis(wall + HOUR_MS)
    assert node.engine.now(later) == (RELEASED_MS + HOUR_MS if later < RELEASED_MS else later)


def test_two_nodes_without_a_clock_get_everything_across_by_trying_again():
    alice, bob = friends("Alice", "Bob", now=Millis(RELEASED_MS))
    alice.say("help", now=Millis(0))
    assert alice.poll(MAIL, Millis(0)), "lost on its way"
    for hour in range(1, 30):
        for one, other in ((alice, bob), (bob, alice)):
            for letter, bundle in one.poll(MAIL, Millis(hour * HOUR_MS)):
                assert letter.peer == other.node
                other.receive(bundle, one, MAIL, Millis(hour * HOUR_MS))
    assert bob.texts() == {"help"}


def test_a_node_whose_clock_died_goes_on_where_it_was():
    later = Millis(RELEASED_MS + 400 * DAY_MS)
    (alice,) = friends("Alice", now=later)
    alice.store.commit(alice.engine.poll(STICK, Millis(5)))
    assert alice.engine.now(Millis(1005)) == later + 1000


def test_a_clock_that_starts_anew_with_every_boot_still_counts_the_hours():
    (alice,) = friends("Alice", now=Millis(RELEASED_MS))
    for wall in (HOUR_MS, 10):
        alice.store.commit(alice.engine.poll(STICK, Millis(wall)))
    assert alice.engine.now(Millis(1010)) == RELEASED_MS + 1000


# A clock that was ahead and was put right.


def test_what_was_put_off_by_a_clock_far_ahead_is_due_when_the_clock_is_right_again():
    alice, bob = friends("Alice", "Bob")
    now = settle(alice, bob)
    ahead = Millis(now + 3_000 * DAY_MS)
    alice.store.commit(
        [
            SavePeer(replace(alice.peer(bob), ask_at=ahead)),
            SaveTold(replace(alice.store.view.told(bob.node, MAIL.medium), failures=9, retry_at=ahead)),
        ]
    )
    alice.say("help", now=now)
    letters = [letter for letter, _ in alice.poll(MAIL, now)]
    assert len(letters) == 1
    assert letters[0].plan.ask_journal


def test_what_was_put_off_by_a_right_clock_stays_put_off():
    alice, bob = friends("Alice", "Bob")
    now = settle(alice, bob)
    told = alice.store.view.told(bob.node, MAIL.medium)
    alice.store.commit([SaveTold(replace(told, failures=9, retry_at=Millis(now + DAY_MS)))])
    alice.say("help", now=now)
    assert not alice.poll(MAIL, now)


def test_a_letter_that_was_sent_by_a_clock_ahead_is_not_waited_for():
    alice, bob = friends("Alice", "Bob")
    now = settle(alice, bob)
    ahead = Millis(now + 3_000 * DAY_MS)
    alice.say("help", now=now)
    assert alice.poll(MAIL, ahead), "and lost on its way"
    for _ in range(3):
        now = settle(alice, bob, MAIL, Millis(now + DAY_MS))
    assert bob.texts() == {"help"}


def test_no_clock_shows_a_time_before_the_node_was_made():
    assert make("alice").engine.now(Millis(NOW - 40 * DAY_MS)) == NOW


def test_a_clock_that_was_ahead_and_is_set_right_is_believed():
    alice = make("alice")
    alice.say("too early", now=Millis(NOW + 400 * DAY_MS))

    assert alice.engine.now(Millis(NOW + DAY_MS)) == NOW + DAY_MS


# A clock that leaps ahead.

TEN_YEARS = 10 * 365 * DAY_MS


def test_a_clock_ten_years_ahead_is_not_gone_by():
    alice, bob = friends("Alice", "Bob")
    settle(alice, bob)
    wall = Millis(NOW + TEN_YEARS)
    alice.say("help", now=wall)
    assert alice.store.view.stamp().at < NOW + DAY_MS
    assert alice.engine.doubtful(wall)

    for hour in range(3):
        for letter, bundle in alice.poll(MAIL, Millis(wall + hour * HOUR_MS)):
            assert bundle.created <= NOW + hour * HOUR_MS + DAY_MS, letter
            bob.receive(bundle, alice, MAIL, NOW)

    assert bob.texts() == {"help"}


def test_what_a_leaping_clock_would_call_expired_is_taken():
    alice, bob = friends("Alice", "Bob")
    bob.say("come", now=NOW)
    settle(bob, alice)
    later = Millis(NOW + DAY_MS)
    bob.say("come soon", now=later)
    for _, bundle in bob.poll(MAIL, later):
        alice.receive(bundle, bob, MAIL, Millis(NOW + TEN_YEARS))
    assert alice.texts() == {"come", "come soon"}
    assert alice.engine.now(Millis(NOW + TEN_YEARS)) >= later, "the time is learned from who has it"


def test_a_node_that_slept_for_years_is_told_the_time_by_its_peers():
    alice, bob = friends("Alice", "Bob")
    settle(alice, bob)
    today = Millis(NOW + 6 * 365 * DAY_MS)
    assert bob.engine.doubtful(today)
    take(bob, alice, today, created=today - HOUR_MS)
    assert not bob.engine.doubtful(today)
    assert bob.engine.now(today) == today


def test_a_person_may_vouch_for_a_clock_that_leaps_and_for_one_that_was_set_back():
    alice = make("alice")
    ahead = Millis(NOW + TEN_YEARS)
    alice.store.commit([SetClock(alice.store.view.clock().vouched(ahead))])
    assert alice.engine.now(ahead) == ahead
    back = Millis(NOW + DAY_MS)
    assert alice.engine.doubtful(back)
    alice.store.commit([SetClock(alice.store.view.clock().vouched(back))])
    assert alice.engine.now(back) == back


def test_four_hundred_days_of_silence_are_no_leap():
    alice = make("alice")
    assert not alice.engine.doubtful(Millis(NOW + 400 * DAY_MS))


def test_what_is_published_after_a_clock_was_set_right_is_not_dated_ahead():
    alice, bob = friends("Alice", "Bob")
    alice.say("too early", now=Millis(NOW + 400 * DAY_MS))
    alice.say("one", "two", now=Millis(NOW + DAY_MS))
    weeks(alice, bob)
    assert bob.texts() == {"one", "two"}
    assert alice.store.view.stamp().at == NOW + DAY_MS


def weeks(alice: MemoryNode, bob: MemoryNode, count: int = 3) -> None:
    """Let the two write to each other for some weeks from the second day on."""
    now = Millis(NOW + 2 * DAY_MS)
    for _ in range(count):
        now = settle(alice, bob, MAIL, Millis(now + 7 * DAY_MS))


def test_a_clock_that_dies_after_it_was_set_back_does_not_date_backwards():
    alice = make("alice")
    alice.say("one", now=Millis(NOW + 100 * DAY_MS))
    alice.say("two", now=TWENTY_20)
    assert alice.store.view.stamp().at == NOW + 100 * DAY_MS


# What a clock that was ahead dated is said anew.


def right_again(node: MemoryNode, now: Millis) -> list[str]:
    """Let a person say that the clock is right, and return what is dated ahead then."""
    node.store.commit([SetClock(node.store.view.clock().vouched(now))])
    node.store.commit(redating.anew(node.store.view, node.node_key, now))
    return list(redating.ahead(node.store.view, now))


def test_what_a_clock_dated_ahead_reaches_everybody_when_it_is_said_anew():
    alice, bob, carol = friends("Alice", "Bob", "Carol")
    first, _ = alice.say("one", "two", now=Millis(NOW + 400 * DAY_MS))
    alice.publish(replace(Draft.message("three"), parent=first), now=Millis(NOW + 400 * DAY_MS))
    weeks(alice, bob)
    assert bob.texts() == set()
    assert len(bob.store.view.all_held()) == 3

    assert right_again(alice, Millis(NOW + 40 * DAY_MS)) == []
    now = settle(alice, bob, MAIL, Millis(NOW + 41 * DAY_MS))
    for _ in range(3):
        now = settle(bob, carol, MAIL, settle(alice, carol, MAIL, settle(alice, bob, MAIL, Millis(now + DAY_MS))))

    for each in (alice, bob, carol):
        listed = list(each.store.view.listed(["message"]))
        assert [found.stamp.at for found in listed] == [NOW + 40 * DAY_MS] * 3, "nobody shows it twice"
        reply = next(found.id for found in listed if dict(each.store.view.related(found.id)).get("parent"))
        assert dict(each.store.view.related(reply))["parent"] in {found.id for found in listed}
    assert {"one", "two", "three"} == bob.texts() == carol.texts()
    assert not bob.store.view.all_held()
    assert len(alice.peer(bob).applied) == alice.store.view.tip()[0] - 3, "all but what was taken back"


def test_what_is_said_anew_is_not_said_a_third_time():
    alice = make("alice")
    alice.say("one", now=Millis(NOW + 400 * DAY_MS))
    right_again(alice, NOW)
    tip = alice.store.view.tip()
    right_again(alice, NOW)
    assert alice.store.view.tip() == tip


def test_a_revocation_that_was_dated_ahead_takes_effect_when_it_is_said_anew():
    alice, bob = friends("Alice", "Bob")
    (name,) = alice.say("regretted")
    now = settle(alice, bob, MAIL)
    drafts = trusting.revoke(alice.store.view, [name], by_user=False)
    alice.publish(*drafts, now=Millis(now + 400 * DAY_MS))
    weeks(alice, bob)
    assert bob.texts() == {"regretted"}
    right_again(alice, Millis(NOW + 40 * DAY_MS))
    settle(alice, bob, MAIL, Millis(NOW + 41 * DAY_MS))
    assert not list(bob.store.view.listed(["message"]))


def test_what_was_said_ahead_in_the_name_of_another_is_not_said_anew_in_ours():
    alice, bob, carol = friends("Alice", "Bob", "Carol")
    later = Millis(NOW + 400 * DAY_MS)
    (given,) = alice.publish(trusting.give(alice.store.view, bob.node, (CREATE_TRUST, READ), None, NOW))
    now = settle(alice, bob)
    rights = {"trustee": carol.user, "authorization": [READ]}
    vouched = bob.resource(["trust"], {"trust": rights}, user=alice.user, trust=given, at=later)
    bob.store.commit(admission.receive(bob.store.view, vouched, bob.node, later))
    assert bob.store.view.has(vouched.id)

    tip = bob.store.view.tip()
    assert right_again(bob, now) == []
    assert bob.store.view.tip() == tip
