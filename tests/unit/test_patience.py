"""How long a node waits for who does not answer, when it gives up, and what makes it go on."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from tests.unit.nodes import MAIL, NOW, STICK, MemoryNode, carry, friends, settle

from paquebot.protocol.bundle import Verbatim
from paquebot.protocol.effects import Note, SaveTold
from paquebot.protocol.events import Kind
from paquebot.protocol.limits import DAY_MS, GIVE_UP_MS, HOUR_MS, PROBE_MS
from paquebot.protocol.patience import silence
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter


def payload(part: Verbatim) -> bytes:
    return SignedObject.parse(part.data).payload


OTHER_MAIL = replace(MAIL, medium="other mail")


@pytest.fixture
def pair() -> list[MemoryNode]:
    """Alice and Bob, in sync by mail."""
    alice, bob = friends("alice", "bob")
    settle(alice, bob, MAIL)
    return [alice, bob]


def live(node: MemoryNode, link, since: Millis, days: int, *, step: int = DAY_MS) -> list[tuple[Millis, Letter]]:
    """Let time pass, with a poll each *step*; return what was written when."""
    found = []
    for ms in range(0, days * DAY_MS, step):
        at = Millis(since + ms)
        found += [(at, letter) for letter, _ in node.poll(link, at)]
    return found


def test_a_year_of_silence_is_knocked_at_ever_less_often_and_then_given_up(pair):
    alice, bob = pair
    alice.say("are you there?", now=Millis(NOW + HOUR_MS))
    sent = live(alice, MAIL, Millis(NOW + HOUR_MS), 720, step=HOUR_MS * 6)
    moments = [at - NOW for at, _ in sent]
    early = [each for each in moments if each < GIVE_UP_MS]
    late = [each for each in moments if each > GIVE_UP_MS + 2 * DAY_MS]
    assert 100 < len(early) < 260, "about one a day"
    assert len(late) <= 540 // 15 + 1, "about one in a month"
    assert all(b - a >= PROBE_MS // 2 for a, b in itertools.pairwise(late))
    told = alice.store.view.told(bob.node, "mail")
    assert told.given_up > NOW + GIVE_UP_MS
    assert all(not letter.plan.lines for at, letter in sent if at - NOW > GIVE_UP_MS + 3 * DAY_MS), "only probes"


def test_that_a_peer_is_given_up_is_noted_once(pair):
    alice, bob = pair
    alice.say("are you there?", now=Millis(NOW + HOUR_MS))
    notes = []
    for day in range(400):
        at = Millis(NOW + HOUR_MS + day * DAY_MS)
        done = alice.store.commit(alice.engine.poll(MAIL, at))
        notes += [each for each in done if isinstance(each, Note) and each.kind is Kind.GIVEN_UP]
        for letter in alice.store.view.letters():
            alice.store.commit(alice.engine.handed(letter.id, MAIL, "test", at))
    (note,) = notes
    assert note.peer == bob.node
    assert note.detail.startswith("mail, after ")


def given_up(alice: MemoryNode, bob: MemoryNode, *links) -> Millis:
    """Let Bob be silent until Alice gives up on *links*; return when that is."""
    alice.say("are you there?", now=Millis(NOW + HOUR_MS))
    for link in links:
        live(alice, link, Millis(NOW + HOUR_MS), 200)
        assert alice.store.view.told(bob.node, link.medium).given_up
    return Millis(NOW + 201 * DAY_MS)


def test_who_was_given_up_is_written_to_again_as_soon_as_something_comes_from_it(pair):
    alice, bob = pair
    now = given_up(alice, bob, MAIL, OTHER_MAIL)
    alice.receive(bob.bundle(alice, now=now), bob, MAIL, now)
    for link in (MAIL, OTHER_MAIL):
        assert not alice.store.view.told(bob.node, link.medium).given_up, "after a long silence, on all roads"
    for letter, bundle in alice.poll(MAIL, now):
        assert letter.plan.lines
        bob.receive(bundle, alice, MAIL, now)
    assert bob.texts() == {"are you there?"}


def test_who_is_heard_on_one_road_every_day_is_still_given_up_on_the_other(pair):
    alice, bob = pair
    alice.say("x", now=Millis(NOW + HOUR_MS))
    for day in range(250):
        at = Millis(NOW + HOUR_MS + day * DAY_MS)
        alice.receive(bob.bundle(alice, now=at), bob, MAIL, at)
        alice.poll(OTHER_MAIL, at)
    assert alice.store.view.told(bob.node, "other mail").given_up
    assert not alice.store.view.told(bob.node, "mail").given_up


def test_a_person_may_say_that_a_peer_can_be_reached(pair):
    alice, bob = pair
    now = given_up(alice, bob, MAIL)
    alice.store.commit(alice.engine.retry(bob.node))
    ((letter, _),) = alice.poll(MAIL, now)
    assert letter.plan.lines
    assert letter.plan.ask_journal


def test_a_medium_that_shows_tokens_is_given_up_when_its_letters_expired():
    alice, bob = friends("alice", "bob")
    link = replace(STICK, shows_tokens=True)
    alice.say("are you there?")
    sent = live(alice, link, NOW, 500)
    assert alice.store.view.told(bob.node, "stick").given_up
    assert len(sent) <= 8, "no stick fills up for the dead"


# A long absence, and silence.


def test_an_absence_of_a_year_costs_one_envelope():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob, STICK)
    for day in range(365):
        alice.say(f"day {day}", now=Millis(now + day * DAY_MS))
    back = Millis(now + 365 * DAY_MS)
    link = replace(STICK, shows_tokens=True)
    sent = alice.poll(link, back)
    assert len(sent) == 1
    for _, bundle in sent:
        bob.receive(bundle, alice, link, back)
    assert len(bob.texts()) == 365


def test_a_large_backlog_costs_as_many_envelopes_as_its_bytes_need():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob, STICK)
    alice.say(*("x" * 25_000 + str(n) for n in range(200)), now=now)
    sent = alice.poll(STICK, Millis(now + DAY_MS))
    assert 5 <= len(sent) <= 7, "five megabytes in letters of one"
    for _, bundle in sent:
        bob.receive(bundle, alice, STICK, Millis(now + DAY_MS))
    assert len(bob.texts()) == 200


@pytest.mark.parametrize("link", [MAIL, STICK], ids=["mail", "stick"])
def test_who_is_silent_for_long_is_asked_for_news_once_and_long_depends_on_the_link(pair, link):
    alice, bob = pair
    carry(bob, alice, link, Millis(NOW + 1))
    alice.receive(bob.bundle(alice, now=Millis(NOW + 2)), bob, link, Millis(NOW + 2))
    alice.poll(link, Millis(NOW + 3))
    long = silence(alice.store.view, bob.node, link)
    assert link.silence_ms <= long <= link.silence_ms * 5 // 4
    sent = live(alice, link, Millis(NOW + 4), long // DAY_MS, step=HOUR_MS)
    assert not any(letter.plan.ask_journal for _, letter in sent)
    ((letter, bundle),) = alice.poll(link, Millis(NOW + 5 + long))
    assert letter.plan.ask_journal
    assert [part for part in bundle.parts if isinstance(part, Verbatim) and b"request_journal" in payload(part)]


def test_pairs_do_not_all_ask_at_once(pair):
    alice, _ = pair
    waits = {silence(alice.store.view, f"peer {n}", MAIL) for n in range(50)}
    assert len(waits) > 25


def test_with_several_links_the_quickest_that_is_heard_says_what_long_is(pair):
    alice, bob = pair
    slow = replace(STICK, latency_ms=10 * DAY_MS)
    alice.receive(bob.bundle(alice), bob, slow, Millis(NOW + 1))
    far = alice.peer(bob).ask_at
    alice.receive(bob.bundle(alice), bob, MAIL, Millis(NOW + 2))
    near = alice.peer(bob).ask_at
    assert near < NOW + 2 * DAY_MS < NOW + 30 * DAY_MS < far
    assert alice.poll(slow, Millis(near + 1))[0][0].plan.ask_journal, "any link that comes by takes the question"


def test_two_who_both_wait_for_long_answer_each_other_at_once(pair):
    alice, bob = pair
    for one, other in ((alice, bob), (bob, alice)):
        one.say("lost", now=Millis(NOW + HOUR_MS))
        live(one, MAIL, Millis(NOW + HOUR_MS), 30, step=HOUR_MS)
        assert one.store.view.told(other.node, "mail").failures > 10
    now = Millis(max(alice.store.view.told(bob.node, "mail").retry_at, NOW) + 1)
    ((_, bundle),) = alice.poll(MAIL, now)
    bob.store.commit([SaveTold(replace(bob.store.view.told(alice.node, "mail"), retry_at=Millis(now + DAY_MS)))])
    assert bob.poll(MAIL, now) == []
    bob.receive(bundle, alice, MAIL, now)
    assert len(bob.poll(MAIL, now)) == 1
