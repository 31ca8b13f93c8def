"""A mailbox of 30 kB a mail and 200 kB a day, and a stick once a month: what goes by which, and that all arrives."""

from dataclasses import replace
from hashlib import sha256
from random import Random

from tests.unit.nodes import NOW, friends

from paquebot.protocol import bundle as bundles
from paquebot.protocol import fitting
from paquebot.protocol.effects import KeepBlob, Post
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import CHUNK_BYTES, DAY_MS, HOUR_MS, KIB
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import FileManifest
from paquebot.protocol.stamp import Millis

MAIL_BYTES, DAY_BYTES = 30_000, 200_000
PARCEL_MAX = (MAIL_BYTES - 4_096) * 48 // 66  # what is left of a mail inside its armour
STICK = Link("stick", latency_ms=30 * DAY_MS, bytes_cheap=True, shows_tokens=True)
POST = Link("post", latency_ms=HOUR_MS, bytes_max=PARCEL_MAX, bulk=False, parcels_left=40, bytes_left=DAY_BYTES)


def mail_bytes(data):
    """What a mail with that bundle in it takes on the line, at the worst: nothing gets smaller by packing."""
    return 4_096 + (int(len(data) * 1.15) + 1_024) * 66 // 48


class Mailbox:
    """A thin account of one node: it counts what it carries, and never carries more."""

    def __init__(self, node):
        self.node, self.day, self.spent, self.mails, self.worst = node, -1, 0, 0, 0
        self.largest = 0

    def link(self, now):
        if now // DAY_MS != self.day:
            self.day, self.spent, self.mails = now // DAY_MS, 0, 0
        left = max(0, DAY_BYTES - self.spent - 4_096) * 48 // 66
        return replace(POST, parcels_left=40 - self.mails, bytes_left=left)

    def send(self, other, now):
        """Hand over what is due, as the outbox does: plan, send, plan again with what is left."""
        found = []
        while True:
            effects = self.node.store.commit(self.node.engine.poll(self.link(now), now))
            letters = [each.letter for each in effects if isinstance(each, Post)]
            if not letters:
                return found
            for letter in letters:
                data = bundles.encode(self.node.engine.compose(letter))
                assert fitting.size_max(self.node.store.view, letter) <= PARCEL_MAX
                self.spent, self.mails = self.spent + mail_bytes(data), self.mails + 1
                self.worst, self.largest = max(self.worst, self.spent), max(self.largest, mail_bytes(data))
                self.node.store.commit(self.node.engine.handed(letter.id, POST, "post", now))
                found.append(bundles.decode(data))


def file_of(node, size, dice):
    """Publish a file of *size* bytes that travels in chunks."""
    data = dice.randbytes(size)
    parts = [data[at : at + CHUNK_BYTES] for at in range(0, size, CHUNK_BYTES)]
    manifest = FileManifest(size, None, CHUNK_BYTES, 1, tuple(sha256(each).digest() for each in parts))
    node.store.commit([KeepBlob(sha256(each).digest(), each) for each in parts])
    return node.publish(Draft.file(manifest, "chart.bin"))[0]


def has(node, name):
    return node.store.view.complete(name)


def test_what_no_mail_can_hold_is_left_for_another_way_and_nothing_is_planned_that_does_not_fit():
    alice, bob = friends("alice", "bob")
    file = file_of(alice, 2 * CHUNK_BYTES, Random(1))
    long = alice.say("x" * 28 * KIB)[0]
    short = alice.say("all well")[0]
    for hour in range(48):
        now = Millis(NOW + hour * HOUR_MS)
        for node, other in ((alice, bob), (bob, alice)):
            for bundle in Mailbox(node).send(other, now):
                other.receive(bundle, node, POST, now)
    assert has(bob, short)
    assert not has(bob, long)
    assert bob.store.view.has(file)
    assert not has(bob, file)
    for _, bundle in alice.poll(STICK, Millis(NOW + 50 * HOUR_MS)):
        bob.receive(bundle, alice, STICK, Millis(NOW + 50 * HOUR_MS))
    assert has(bob, file)
    assert has(bob, long)


def test_no_more_is_planned_than_is_left_and_the_most_important_goes_first():
    alice, _ = friends("alice", "bob")
    alice.say(*(f"{number} {'x' * 4_000}" for number in range(40)))
    few = replace(POST, parcels_left=2)
    assert len(alice.poll(few)) == 2
    assert alice.poll(replace(POST, parcels_left=0), Millis(NOW + 1)) == []
    assert alice.poll(replace(POST, bytes_left=5_000), Millis(NOW + 2)) == []
    sent = sum(fitting.size_max(alice.store.view, letter) for letter, _ in alice.poll(POST, Millis(NOW + 3)))
    assert 0 < sent <= DAY_BYTES


def test_where_little_may_be_sent_every_peer_has_its_day():
    alice, *others = friends("alice", "bob", "carol", "dave")
    alice.say("hello")
    one = replace(POST, parcels_left=1)
    first: set[Fingerprint] = set()
    for day in range(3):
        first |= {letter.peer for letter, _ in alice.poll(one, Millis(NOW + day * DAY_MS))}
    assert first == {each.node for each in others}


def test_a_hundred_and_twenty_days_with_a_thin_mailbox_and_a_monthly_stick():
    """Notes by mail within a day or two, files with the stick; the budget of no day is exceeded."""
    dice = Random(7)
    alice, bob = friends("alice", "bob")
    boxes = {alice.node: Mailbox(alice), bob.node: Mailbox(bob)}
    published: list[tuple[object, str, int]] = []
    late = 0
    for step in range(120 * 4):
        now = Millis(NOW + step * 6 * HOUR_MS)
        day = step // 4
        for node, other in ((alice, bob), (bob, alice)):
            if day < 100 and dice.random() < 0.7:
                published.append(
                    (other, node.say(f"day {day}: {dice.randbytes(dice.randint(10, 3_000)).hex()}", now=now)[0], day)
                )
            if day < 90 and dice.random() < 0.01:
                published.append((other, file_of(node, dice.randint(100_000, 3_000_000), dice), 999))
            for bundle in boxes[node.node].send(other, now):
                if dice.random() > 0.05:  # one in twenty is lost
                    other.receive(bundle, node, POST, now)
        if day % 30 == 29 and step % 4 == 0:
            for node, other in ((alice, bob), (bob, alice), (alice, bob), (bob, alice)):
                for _, bundle in node.poll(STICK, now):
                    other.receive(bundle, node, STICK, now)
        late += sum(not has(other, name) for other, name, since in published if since == day - 3)
    assert all(has(other, name) for other, name, _ in published), "all has arrived"
    assert len(published) > 400
    assert late < len(published) // 20, "notes go by mail, within days"
    for box in boxes.values():
        assert box.worst <= DAY_BYTES
        assert box.largest <= MAIL_BYTES
