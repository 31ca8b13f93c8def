"""Each tick is given for a thing, not for the line that announces it, and only on evidence."""

from dataclasses import replace
from random import Random

import pytest
from tests.unit.nodes import MAIL, NOW, MemoryNode, carry, friends, make, settle

from paquebot import monitoring, status
from paquebot.protocol import trusting
from paquebot.protocol.effects import HaveBlob, SavePeer
from paquebot.protocol.limits import CHUNK_BYTES, DAY_MS
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter
from paquebot.status import PeerStatus, Reach
from paquebot.ticks import ticks as ticks_of
from paquebot.transport import BROKEN, OK, WARNING, Check

BLUE = Link("blue stick", latency_ms=DAY_MS, bytes_cheap=True, shows_tokens=True)
LARGE = "z" * 100_000  # too much to ride along with its line


def seen_by(node: MemoryNode, other: MemoryNode, now: Millis = NOW) -> PeerStatus:
    found = status.of_node(node.store.view, now, clock_doubtful=False)
    return next(each for each in found.peers if each.node == other.node)


def ticks(node: MemoryNode, other: MemoryNode) -> tuple[int, int, int, int]:
    found = seen_by(node, other)
    return found.announced, found.handed, found.stored, found.applied


def reach(node: MemoryNode, resource: str) -> Reach:
    (found,) = status.reached_by(node.store.view, node.store.view.listing(resource)).values()
    return found


def bring(one: MemoryNode, other: MemoryNode, now: Millis, link: Link = BLUE, letters: list | None = None) -> None:
    """What *one* has goes to *other*, which shows the tokens."""
    for letter, bundle in letters if letters is not None else one.poll(link, now):
        other.receive(bundle, one, link, now)
        one.store.commit(one.engine.token(letter.token))


def chunked(node: MemoryNode, count: int) -> str:
    """Publish a file of *count* chunks."""
    dice = Random(count)
    chunks = [dice.randbytes(1000) + bytes(CHUNK_BYTES - 1000) for _ in range(count)]
    names = tuple(node.store.blobs.put(chunk) for chunk in chunks)
    node.store.commit([HaveBlob(name, CHUNK_BYTES) for name in names])
    manifest = FileManifest(count * CHUNK_BYTES, None, CHUNK_BYTES, 1, names)
    return node.publish(Draft.file(manifest, "large.bin"))[0]


@pytest.fixture
def two() -> list[MemoryNode]:
    """Alice and Bob, who have said all there was to say."""
    nodes = friends("Alice", "Bob", now=Millis(NOW - 20 * DAY_MS))
    one, other = nodes
    for day in range(3):
        now = Millis(NOW - (10 - day) * DAY_MS)
        bring(one, other, now)
        bring(other, one, now)
    return nodes


def later(days: int) -> Millis:
    return Millis(NOW + days * DAY_MS)


def test_a_note_goes_through_every_stage(two):
    alice, bob = two
    (note,) = alice.say("hear me")
    assert (ticks(alice, bob), reach(alice, note)) == ((0, 0, 0, 0), Reach.WAITING)

    letters = alice.poll(BLUE, later(1))
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 1, 0, 0), Reach.HANDED)
    bring(alice, bob, later(1), letters=letters)
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 1, 1, 0), Reach.STORED)
    bring(bob, alice, later(2))
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 1, 1, 1), Reach.APPLIED)


def test_what_is_planned_and_did_not_go_waits(two):
    alice, bob = two
    (note,) = alice.say("hear me")

    alice.store.commit(alice.engine.poll(BLUE, later(1)))

    assert (ticks(alice, bob), reach(alice, note)) == ((0, 0, 0, 0), Reach.WAITING)


def test_a_large_note_is_announced_until_its_body_goes(two):
    alice, bob = two
    (note,) = alice.say(LARGE)

    letters = alice.poll(BLUE, later(1))
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 0, 0, 0), Reach.ANNOUNCED)
    bring(alice, bob, later(1), letters=letters)
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 0, 0, 0), Reach.ANNOUNCED)
    bring(bob, alice, later(2))
    letters = alice.poll(BLUE, later(3))
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 1, 0, 0), Reach.HANDED)
    bring(alice, bob, later(3), letters=letters)
    bring(bob, alice, later(4))
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 1, 1, 1), Reach.APPLIED)


def test_what_a_peer_declined_is_not_stored():
    alice, bob = make("Alice"), make("Bob")
    alice.meet(bob)
    bob.meet(alice, trusting=False)
    (note,) = alice.say("hello")

    bring(alice, bob, later(1))
    bring(bob, alice, later(2))

    assert bob.texts() == set()
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 1, 0, 0), Reach.HANDED)


def test_what_waits_at_a_peer_is_stored(two):
    alice, bob = two
    (note,) = alice.say("from the future", now=later(300))

    bring(alice, bob, later(1))
    bring(bob, alice, later(2))

    assert seen_by(alice, bob).outcomes == ((note, "held", "its time has not come"),)
    assert (ticks(alice, bob), reach(alice, note)) == ((1, 1, 1, 0), Reach.STORED)


def test_a_file_is_handed_and_stored_with_its_last_chunk(two):
    alice, bob = two
    file = chunked(alice, 12)

    alice.store.commit(alice.engine.poll(BLUE, later(1)))
    planned: list[Letter] = [each for each in alice.store.view.letters() if each.handed_at is None]
    assert [len(each.plan.chunks) for each in planned] == [0, 4, 4, 4]
    for letter in planned[:3]:
        bob.receive(alice.engine.compose(letter), alice, BLUE, later(1))
        alice.store.commit(alice.engine.handed(letter.id, BLUE, "stick", later(1)))
    assert (ticks(alice, bob), reach(alice, file)) == ((1, 0, 0, 0), Reach.ANNOUNCED)
    alice.store.commit(alice.engine.handed(planned[3].id, BLUE, "stick", later(1)))
    assert (ticks(alice, bob), reach(alice, file)) == ((1, 1, 0, 0), Reach.HANDED)
    for letter in planned[:3]:
        alice.store.commit(alice.engine.token(letter.token))
    assert (ticks(alice, bob), reach(alice, file)) == ((1, 1, 0, 0), Reach.HANDED)
    alice.store.commit(alice.engine.lost(planned[3].id))
    assert (ticks(alice, bob), reach(alice, file)) == ((1, 0, 0, 0), Reach.ANNOUNCED)
    bring(bob, alice, later(2))
    assert not bob.store.view.complete(file)
    assert (ticks(alice, bob), reach(alice, file)) == ((1, 0, 0, 0), Reach.ANNOUNCED)
    bring(alice, bob, later(3))
    assert (ticks(alice, bob), reach(alice, file)) == ((1, 1, 1, 0), Reach.STORED)


def test_chunks_that_wait_for_cheap_bytes_are_not_handed(two):
    alice, bob = two
    file = chunked(alice, 1)

    carry(alice, bob, MAIL, later(1))

    assert (ticks(alice, bob), reach(alice, file)) == ((1, 0, 0, 0), Reach.ANNOUNCED)


def test_who_may_not_read_is_told_nothing():
    alice, bob = make("Alice"), make("Bob")
    alice.meet(bob, trusting=False)
    (note,) = alice.say("not for you")

    alice.poll(BLUE, later(1))

    assert (ticks(alice, bob), reach(alice, note)) == ((0, 0, 0, 0), Reach.WITHHELD)


def cross(one: MemoryNode, other: MemoryNode, day: int) -> None:
    """One stick goes between the two, there and back."""
    link = replace(BLUE, medium=" ".join(sorted((one.node, other.node))))
    for giver, taker in ((one, other), (other, one)):
        letters = [each for each in giver.poll(link, later(day)) if each[0].peer == taker.node]
        bring(giver, taker, later(day), letters=letters, link=link)


def test_what_a_peer_has_from_another_counts_as_stored():
    alice, bob, carol = friends("Alice", "Bob", "Carol")
    (note,) = alice.say(LARGE)
    for day in range(3):
        cross(alice, carol, day)
        cross(carol, bob, day)
    assert note in {each.id for each in bob.store.view.listed(["message"])}

    for day in range(3, 5):
        cross(bob, alice, day)

    assert set(status.reached_by(alice.store.view, alice.store.view.listing(note)).values()) == {Reach.APPLIED}


def test_what_a_peer_lists_itself_it_has(two):
    alice, bob = two
    (note,), file = alice.say(LARGE), chunked(alice, 1)
    both = Ranges.numbers(alice.store.view.listing(name).number for name in (note, file))

    alice.store.commit([SavePeer(replace(alice.peer(bob), known=both))])

    assert (reach(alice, note), reach(alice, file)) == (Reach.STORED, Reach.WAITING)


def test_lines_of_people_who_are_not_accepted_lack_nothing():
    alice, bob = friends("Alice", "Bob")
    carol = make("Carol")
    carol.meet(bob)
    bob.meet(carol)
    carol.say("not for Alice")
    for day in range(3):
        cross(bob, carol, day)
    for day in range(3, 6):
        cross(bob, alice, day)

    found = seen_by(alice, bob)
    assert found.heard_lines > len(alice.peer(bob).done)
    assert (found.lacking_lines, found.state) == (0, "in sync")
    alice.meet(carol, now=later(8))
    found = seen_by(alice, bob)
    assert (found.lacking_lines, found.state) == (2, "behind")  # what she said, and her trust in Bob


def test_a_tick_names_when_and_where_it_was_learned(two):
    alice, bob = two
    (note,) = alice.say("hear me")
    listed = alice.store.view.listing(note)
    letters = alice.poll(BLUE, later(1))
    (tick,) = ticks_of(alice.store.view, listed)
    assert (tick.reach, tick.handed_at, tick.handed_where, tick.on_the_way) == (Reach.HANDED, later(1), "test", 1)

    for letter, bundle in letters:
        bob.receive(bundle, alice, BLUE, later(1))
        alice.store.commit(alice.engine.token(letter.token, later(5)))
    (tick,) = ticks_of(alice.store.view, listed)
    assert (tick.reach, tick.stored_at, tick.applied_at) == (Reach.STORED, later(5), 0)
    assert seen_by(alice, bob).heard_at == later(5)

    bring(bob, alice, later(7))
    (tick,) = ticks_of(alice.store.view, listed)
    assert (tick.reach, tick.stored_at, tick.applied_at) == (Reach.APPLIED, later(5), later(7))


def test_what_waits_at_a_peer_is_told_in_its_own_words(two):
    alice, bob = two
    (note,) = alice.say("from the future", now=later(300))
    bring(alice, bob, later(1))
    bring(bob, alice, later(2))

    (tick,) = ticks_of(alice.store.view, alice.store.view.listing(note))

    assert (tick.outcome, tick.detail) == ("held", "its time has not come")


def test_a_large_note_that_was_asked_for_waits_for_the_next_carrier(two):
    alice, bob = two
    (note,) = alice.say(LARGE)
    bring(alice, bob, later(1))
    bring(bob, alice, later(2))

    (tick,) = ticks_of(alice.store.view, alice.store.view.listing(note))

    assert (tick.reach, tick.asked) == (Reach.ANNOUNCED, True)


def test_a_peer_that_may_not_know_of_a_revocation_is_not_in_sync(two):
    alice, bob = two
    (note,) = alice.say("regretted")
    now = settle(alice, bob)
    assert seen_by(alice, bob, now).state == "in sync"

    alice.publish(*trusting.revoke(alice.store.view, [note], by_user=False), now=now)

    found = seen_by(alice, bob, now)
    assert (found.state, found.untold, found.waits_since) == ("ahead", 1, now)
    month = status.of_node(alice.store.view, Millis(now + 30 * DAY_MS), clock_doubtful=False)
    late = monitoring.Limits(max_waiting=2 * DAY_MS)
    assert [each.what for each in monitoring.check(month, late, month.peers)] == [
        "Bob lacks 1 of ours, the oldest for 30d (at most 2d)"
    ]
    now = settle(alice, bob, now=now)
    assert seen_by(alice, bob, now).state == "in sync"


def test_monitoring_says_each_thing_once_and_expects_nothing_of_who_is_trusted_no_more(two):
    alice, _ = two
    said = "This home was restored from a backup, or copied: Bob knows more than we do."
    found = status.of_node(alice.store.view, later(30), clock_doubtful=False)
    found = replace(found, restored=(said,))
    silent = monitoring.Limits(max_age=2 * DAY_MS)
    (bob_now,) = found.peers

    about = [each.what for each in monitoring.check(found, silent, [replace(bob_now, restored=("it forked: so",))])]
    assert sorted(about) == [
        "Bob: it forked",
        "This home was restored from a backup, or copied",
        "nothing heard of Bob 40d (at most 2d)",
    ]
    for state in ("ended", "revoked"):
        assert len(monitoring.check(found, silent, [replace(bob_now, state=state)])) == 1


def test_monitoring_counts_what_carriers_warn_of(two):
    alice, _ = two
    found = status.of_node(alice.store.view, later(1), clock_doubtful=False)
    stood = [
        ("home", Check("ration", OK, "enough")),
        ("home", Check("quota", WARNING, "82 % is used")),
        ("other", Check("quota", BROKEN, "the mailbox is full")),
    ]
    assert monitoring.check(found, monitoring.Limits(), [], stood) == [
        monitoring.Finding(monitoring.Level.CRITICAL, "other: quota: the mailbox is full"),
        monitoring.Finding(monitoring.Level.WARNING, "home: quota: 82 % is used"),
    ]
