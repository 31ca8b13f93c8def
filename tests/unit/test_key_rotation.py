"""Envelope keys over years: what comes in time is opened, what is over is gone, whatever the clocks say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from tests.unit.nodes import NOW, MemoryNode, carry, friends, settle

from paquebot.envelope_keys import UNACKNOWLEDGED_MS, EnvelopeKeys, ages, next_destruction, overdue
from paquebot.errors import NotForUs, NotYet, Refused
from paquebot.keychain import ENVELOPE_KEYS, Keychain
from paquebot.passphrase import Passphrases
from paquebot.protocol import bundle as bundles
from paquebot.protocol import publishing, trusting, witness
from paquebot.protocol.effects import SavePeer, SetClock
from paquebot.protocol.keys import EncryptionKey, KeyClass
from paquebot.protocol.limits import DAY_MS, HOUR_MS, SKEW_MS
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import announcement_fields
from paquebot.vault.keystore import GRACE_MS, Secrets, encode
from paquebot.vault.pgpy_sealer import PgpySealer

MAIL = Link("mail", latency_ms=DAY_MS)
STICK = Link("stick", latency_ms=28 * DAY_MS, bytes_cheap=True)
YEAR = 365


def day(count: float) -> Millis:
    return Millis(NOW + int(count * DAY_MS))


@dataclass
class Keeper:
    """A node in memory whose envelope keys lie in a file."""

    node: MemoryNode
    folder: Path
    off: int = 0
    """How far its clock is off, in ms."""
    asked: int = 0

    def __post_init__(self) -> None:
        if not self.folder.exists():
            self.chain.save_envelope_keys(self.node.secrets, self.node.entropy)
        self.keys = EnvelopeKeys(self.node.store, self.chain, self.node.entropy)

    @property
    def chain(self) -> Keychain:
        return Keychain(self.folder, Passphrases(self.folder.parent))

    @property
    def file(self) -> bytes:
        return (self.folder / ENVELOPE_KEYS).read_bytes()

    def wall(self, at: int) -> Millis:
        return Millis(at + self.off)

    def turn(self, at: int, link: Link = MAIL) -> None:
        self.keys.turn(self.node.engine, link, self.wall(at))

    def announced(self) -> tuple[EncryptionKey, ...]:
        found = self.node.store.view.announcement(self.node.node)
        assert found is not None
        return found.keys

    def announcements(self) -> int:
        view = self.node.store.view
        lines = view.own_lines(1, view.tip()[0])
        return sum(line.kind == "envelope_keys" and line.mine for line in lines)

    def kinds(self) -> dict[str, int]:
        return {kind: sum(s.key.kind is kind for s in self.keys.secrets().subkeys) for kind in KeyClass}

    def hears(self, user: str, sealed: int) -> None:
        at = Millis(sealed)
        self.node.store.commit(witness.heard(self.node.store.view, user, at, now=at))  # type: ignore[arg-type]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Keeper, Keeper]:
    alice, bob = friends("Alice", "Bob")
    settle(alice, bob)
    return Keeper(alice, tmp_path / "alice"), Keeper(bob, tmp_path / "bob")


def meet(alice: Keeper, bob: Keeper, at: int, link: Link = MAIL) -> None:
    """Both hear of each other and have nothing left to say."""
    for _ in range(3):
        for one, other in ((alice, bob), (bob, alice)):
            carry(one.node, other.node, link, Millis(at))
            other.turn(at, link)


# -- when keys are made, and who hears of them ----------------------------------------------


def test_a_fast_key_is_made_every_five_days_while_there_is_a_quick_link(pair):
    alice, bob = pair
    made = []
    for count in range(1, 31):
        bob.hears(alice.node.user, day(count))
        bob.turn(day(count))
        made += [count] if len(bob.announced()) and bob.announcements() - 1 > len(made) else []
    assert made == [5, 10, 15, 20, 25, 30]
    live = [key for key in bob.announced() if key.kind is KeyClass.FAST]
    assert [(key.created, key.expires) for key in live] == [(day(25), day(35)), (day(30), day(40))]


def test_by_sticks_no_fast_key_is_made_for_it_would_have_expired_when_it_is_used(pair):
    alice, bob = pair
    for count in range(0, 300, 10):
        bob.hears(alice.node.user, day(count))
        bob.turn(day(count), STICK)
    assert bob.announcements() == 1


def test_dated_keys_are_issued_ahead_again_before_they_run_out(pair):
    alice, bob = pair
    for count in range(0, 3 * YEAR, 30):
        bob.hears(alice.node.user, day(count))
        bob.turn(day(count), STICK)
        dated = sorted(
            key.expires for key in bob.announced() if key.kind is KeyClass.DATED and key.expires > day(count)
        )
        assert 12 <= len(dated) <= 24
        assert all(later - earlier == 30 * DAY_MS for earlier, later in pairwise(dated)), "without a gap"
    assert bob.announcements() == 3


def test_the_peer_hears_of_new_keys_by_the_journal_and_seals_to_them(pair):
    alice, bob = pair
    meet(alice, bob, day(6))
    meet(alice, bob, day(7))
    theirs = alice.node.store.view.announcement(bob.node.node)
    assert theirs is not None
    assert theirs.keys == bob.announced()
    assert max(key.created for key in theirs.keys) >= day(6) - DAY_MS
    envelope = PgpySealer(alice.node.secrets).seal(b"x", [theirs.pick(day(11), DAY_MS)], at=day(11))
    opened = bob.keys.sealer().open(envelope, {"a": alice.node.store.view.announcement(alice.node.node)}, now=day(11))
    assert opened.key_kind is KeyClass.FAST


def test_a_peer_that_may_not_read_our_journal_hears_of_new_keys_too(tmp_path):
    alice, bob = friends("Alice", "Bob")
    for one, other in ((alice, bob), (bob, alice)):
        one.store.commit([SavePeer(replace(one.peer(other), reads=False, publishes=False))])
    settle(alice, bob)
    keeper = Keeper(bob, tmp_path / "bob")
    keeper.hears(alice.user, day(6))
    keeper.turn(day(6))
    assert keeper.announcements() == 2
    settle(bob, alice, now=day(40))
    assert alice.store.view.announcement(bob.node).keys == keeper.announced()  # type: ignore[union-attr]


def test_nothing_is_made_before_a_peer_was_heard_nor_dated_later_than_it_signed(pair):
    alice, bob = pair
    bob.hears(alice.node.user, day(3))
    bob.turn(day(4 * YEAR))
    assert bob.announcements() == 1
    bob.hears(alice.node.user, day(7))
    bob.turn(day(4 * YEAR))
    assert max(key.created for key in bob.announced()) == day(7)
    assert bob.node.store.view.stamp().at <= day(7)


def test_what_was_announced_by_a_clock_ahead_is_not_announced_again_at_every_visit(pair):
    """It counts for more than all that is dated earlier, with us and with all peers."""
    alice, bob = pair
    said = bob.node.store.view.announcement(bob.node.node)
    fields = announcement_fields(replace(said, keys=said.keys[-1:]))
    bob.node.publish(Draft(schemas=("envelope_keys",), fields=fields), now=day(3 * YEAR))
    for count in range(1, 60, 6):
        bob.hears(alice.node.user, day(count))
        bob.turn(day(count))
    assert bob.announcements() == 2


# -- when secrets are destroyed ---------------------------------------------------------------


def test_secrets_are_destroyed_when_their_grace_is_over_and_no_sooner(pair):
    alice, bob = pair
    settle(alice.node, bob.node)
    fast = day(14)
    for at, left in ((fast, 1), (fast + 1, 0)):
        bob.hears(alice.node.user, at + 5 * HOUR_MS)
        bob.turn(at, STICK)
        assert bob.kinds()["fast"] == left
    bob.hears(alice.node.user, day(61))
    bob.turn(day(60), STICK)
    assert bob.kinds()["dated"] == 24
    bob.turn(day(60.1), STICK)
    assert bob.kinds() == {"fast": 0, "dated": 23, "recovery": 1}


def test_a_clock_that_jumps_ahead_destroys_nothing_and_makes_nothing(pair):
    alice, bob = pair
    bob.hears(alice.node.user, day(1))
    bob.turn(day(30 * YEAR))
    assert bob.kinds() == {"fast": 1, "dated": 24, "recovery": 1}
    assert bob.announcements() == 1
    assert overdue(bob.node.store.view, day(30 * YEAR)) == day(14)
    assert overdue(bob.node.store.view, day(14 + 30)) is None


def test_a_peer_whose_clock_is_ahead_destroys_nothing_alone(pair):
    alice, bob = pair
    bob.hears(alice.node.user, day(5 * YEAR))
    bob.turn(day(1))
    assert bob.kinds() == {"fast": 1, "dated": 24, "recovery": 1}


def test_a_node_without_a_clock_believes_two_users_and_not_one(tmp_path):
    alice, bob, carol = friends("Alice", "Bob", "Carol")
    keeper = Keeper(bob, tmp_path / "bob")
    keeper.hears(alice.user, day(20))
    keeper.turn(5)
    assert keeper.kinds()["fast"] >= 1
    keeper.hears(carol.user, day(19))
    keeper.turn(5)
    assert witness.certain(bob.store.view, Millis(5)) == day(19)
    assert all(
        s.key.expires + GRACE_MS[s.key.kind] >= day(19) for s in keeper.keys.secrets().subkeys if s.key.kind in GRACE_MS
    )
    bob.store.commit([SavePeer(replace(bob.peer(carol), suspect=NOW))])
    assert witness.certain(bob.store.view, Millis(5)) == 0, "who is set apart bears no witness"


def test_what_a_peer_says_while_our_clock_is_in_doubt_bears_witness_to_no_later_than_what_we_go_by(pair):
    alice, bob = pair
    bundle = replace(alice.node.bundle(bob.node), created=day(9 * YEAR))
    before = bob.node.engine.now(Millis(5))
    bob.node.store.commit(bob.node.engine.receive(bundle, alice.node.node, STICK, "test", Millis(5), day(9 * YEAR)))
    assert bob.node.engine.now(Millis(5)) == day(9 * YEAR), "there is nothing better to go by"
    assert witness.latest(bob.node.store.view, day(9 * YEAR)) == before + SKEW_MS


def test_once_the_clock_is_right_what_was_witnessed_beyond_it_counts_for_nothing(tmp_path):
    alice, bob, carol = friends("Alice", "Bob", "Carol")
    keeper = Keeper(bob, tmp_path / "bob")
    keeper.hears(alice.user, day(9 * YEAR))
    keeper.hears(carol.user, day(9))
    view = bob.store.view
    bob.store.commit([SetClock(view.clock().vouched(day(10))), *witness.forget_beyond(view, day(10))])
    assert witness.latest(view, day(9 * YEAR)) == day(9)
    keeper.turn(day(10 + 4 * YEAR))
    assert witness.certain(view, day(10 + 4 * YEAR)) == day(9), "our clock alone destroys nothing"
    assert keeper.kinds()["dated"] >= 24


def test_a_clock_set_back_does_not_make_keys_for_ever(pair):
    alice, bob = pair
    bob.hears(alice.node.user, day(100))
    bob.turn(day(100))
    before = bob.announcements()
    for count in range(40):
        bob.turn(day(50) + count * HOUR_MS)
        bob.turn(day(100) + count * HOUR_MS)
    assert bob.announcements() <= before + 1
    assert sum(key.kind is KeyClass.FAST for key in bob.announced()) <= 4


def test_old_secrets_wait_a_month_for_a_peer_that_has_not_acknowledged_newer_keys(pair):
    alice, bob = pair
    bob.hears(alice.node.user, day(15))
    bob.turn(day(15))
    assert bob.announcements() == 2
    assert bob.kinds()["fast"] == 2, "Alice may know nothing of the second one yet"
    settle(bob.node, alice.node, MAIL, day(15))
    bob.turn(day(15))
    assert bob.kinds()["fast"] == 1
    bob.hears(alice.node.user, day(31))
    bob.turn(day(31))
    later = day(25 + 4) + UNACKNOWLEDGED_MS
    bob.hears(alice.node.user, later + DAY_MS)
    bob.turn(later - DAY_MS, STICK)
    assert bob.kinds()["fast"] == 2
    bob.turn(later + HOUR_MS, STICK)
    assert bob.kinds()["fast"] == 1, "nobody can keep a secret alive for ever by saying nothing"


def test_a_person_may_say_that_the_clock_is_right(pair):
    _, bob = pair
    assert bob.keys.destroy(day(800)) == 25
    assert bob.kinds() == {"fast": 0, "dated": 0, "recovery": 1}
    assert next_destruction(bob.node.store.view) is None


def test_it_is_known_without_reading_a_secret_how_old_keys_are(pair):
    alice, bob = pair
    bob.hears(alice.node.user, day(1))
    bob.turn(day(1))
    view = bob.node.store.view
    assert [(each.kind, each.count) for each in ages(view, day(1))] == [("fast", 1), ("dated", 24), ("recovery", 1)]
    assert [each.count for each in ages(view, day(100))] == [0, 21, 1]
    assert next_destruction(view) == day(14)


def test_a_node_that_is_trusted_no_more_makes_no_keys_and_the_old_ones_go_all_the_same(pair):
    alice, bob = pair
    node = bob.node
    drafts = [trusting.revocation(node.store.view, node.store.view.local().trust, node.user, by_user=True)]
    node.store.commit(publishing.publish(node.store.view, node.user_key, drafts, NOW))
    held = bob.keys.secrets().subkeys
    bob.hears(alice.node.user, day(6))
    for count in range(5):
        bob.turn(day(6) + count * HOUR_MS)
    assert bob.keys.secrets().subkeys == held
    bob.hears(alice.node.user, day(60))
    bob.turn(day(60))
    assert set(bob.keys.secrets().subkeys) < set(held)


# -- cut off, and restored ---------------------------------------------------------------------


class Cut(Exception):
    """The power failed."""


@pytest.mark.parametrize("step", range(5))
def test_a_node_cut_off_anywhere_has_the_secret_of_every_key_that_is_announced(pair, monkeypatch, step):
    alice, bob = pair
    bob.hears(alice.node.user, day(16))
    left = iter(range(step))

    def cut(real):
        def maybe(*args, **more):
            if next(left, None) is None:
                raise Cut
            return real(*args, **more)

        return maybe

    with monkeypatch.context() as patched:
        patched.setattr(Keychain, "save_envelope_keys", cut(Keychain.save_envelope_keys))
        patched.setattr(bob.node.store, "commit", cut(bob.node.store.commit))
        with suppress(Cut):
            bob.turn(day(16))
    again = Keeper(bob.node, bob.folder)
    held = {each.key for each in again.keys.secrets().subkeys}
    assert {key for key in again.announced() if key.expires > day(16)} <= held
    again.turn(day(16))
    settle(bob.node, alice.node, MAIL, day(16))
    again.turn(day(16))
    held = {each.key for each in again.keys.secrets().subkeys}
    assert {key for key in again.announced() if key.expires > day(16)} <= held
    newest = max(key.created for key in again.announced())
    assert newest == day(16)
    assert again.kinds()["fast"] <= 2
    assert again.announcements() == 2


def test_a_home_put_back_from_a_copy_tells_its_peers_what_it_still_has(pair):
    alice, bob = pair
    meet(alice, bob, day(6))
    old = bob.keys.secrets()
    meet(alice, bob, day(12))
    known = bob.announced()
    (bob.folder / ENVELOPE_KEYS).write_bytes(encode(old))
    bob = Keeper(bob.node, bob.folder)
    meet(alice, bob, day(13))
    held = {each.key for each in bob.keys.secrets().subkeys}
    assert set(bob.announced()) <= held
    assert not set(known) <= set(bob.announced())
    meet(alice, bob, day(14))
    assert alice.node.store.view.announcement(bob.node.node).keys == bob.announced()


def test_what_was_lost_with_the_home_is_not_offered_any_more_though_nothing_new_is_made(pair):
    alice, bob = pair
    old = bob.keys.secrets()
    meet(alice, bob, day(6))
    (bob.folder / ENVELOPE_KEYS).write_bytes(encode(old))
    bob = Keeper(bob.node, bob.folder)
    bob.turn(day(6), STICK)
    assert bob.announcements() == 3
    assert set(bob.announced()) <= {each.key for each in bob.keys.secrets().subkeys}
    bob.turn(day(6), STICK)
    assert bob.announcements() == 3


# -- eight hundred days ----------------------------------------------------------------------------


@dataclass
class Parcel:
    """An envelope on its way."""

    arrives: int
    to: Keeper
    by: Keeper
    link: Link
    envelope: bytes
    key: EncryptionKey


@dataclass
class World:
    """Two nodes, their wrong clocks, a mail link and a stick, and envelopes that come late."""

    one: Keeper
    other: Keeper
    dice: Random
    parcels: list[Parcel] = field(default_factory=list)
    opened: dict[KeyClass, int] = field(default_factory=dict)
    too_late: int = 0
    known: dict[str, dict[EncryptionKey, bytes]] = field(default_factory=dict)
    lost: set[EncryptionKey] = field(default_factory=set)
    """Keys whose secrets went with a home that was put back from a copy."""

    def visit(self, keeper: Keeper, other: Keeper, link: Link, at: int) -> None:
        """*keeper* looks for what came, turns its keys, and writes."""
        for parcel in [each for each in self.parcels if each.to is keeper and each.arrives <= at and each.link == link]:
            self._take_in(parcel, at)
        keeper.turn(at, link)
        self._remember(keeper)
        wall, view = keeper.wall(at), keeper.node.store.view
        for letter, bundle in keeper.node.poll(link, wall):
            pinned = view.announcement(letter.peer)
            key = pinned.pick(letter.created, link.latency_ms) if pinned else None
            if key is None:
                continue
            envelope = keeper.keys.sealer().seal(bundles.encode(bundle), [key], at=letter.created)
            promised = key.expires + GRACE_MS.get(key.kind, 0)
            arrives = at + self.dice.choice([0.1, 0.5, 1.0]) * link.latency_ms
            if self.dice.random() < 0.2:  # as late as was promised, and sometimes later
                arrives = promised + self.dice.choice([-3, -1, -1, 5]) * DAY_MS
            self.parcels.append(Parcel(int(arrives), other, keeper, link, envelope, key))

    def _take_in(self, parcel: Parcel, at: int) -> None:
        keeper, wall = parcel.to, parcel.to.wall(at)
        view, engine = keeper.node.store.view, keeper.node.engine
        pins = {peer.node: found for peer in view.peers() if (found := view.announcement(peer.node))}
        try:
            opened = keeper.keys.sealer().open(
                parcel.envelope, pins, now=engine.now(wall), doubtful=engine.doubtful(wall)
            )
        except NotYet:
            return  # its time comes
        except NotForUs:
            in_time = at <= parcel.key.expires + GRACE_MS.get(parcel.key.kind, 1 << 60)
            assert not in_time or parcel.key in self.lost, f"day {(at - NOW) / DAY_MS}: {parcel.key}"
            self.too_late += 1
            self.parcels.remove(parcel)
            return
        self.parcels.remove(parcel)
        self.opened[opened.key_kind] = self.opened.get(opened.key_kind, 0) + 1
        bundle = bundles.decode(opened.bundle)
        try:
            node = keeper.node
            node.store.commit(engine.receive(bundle, parcel.by.node.node, parcel.link, "mail", wall, opened.created))
        except Refused:
            return

    def _remember(self, keeper: Keeper) -> None:
        known = self.known.setdefault(keeper.node.node, {})
        known.update({each.key: each.secret for each in keeper.keys.secrets().subkeys})

    def gone(self, keeper: Keeper, at: int) -> int:
        """Return how many secrets were destroyed; fail if one is still in the folder that should be gone at *at*."""
        certain = witness.certain(keeper.node.store.view, keeper.wall(at))
        assert certain > at - 40 * DAY_MS
        over = {
            key: secret
            for key, secret in self.known[keeper.node.node].items()
            if key.kind in GRACE_MS and key.expires + GRACE_MS[key.kind] + UNACKNOWLEDGED_MS < certain
        }
        content = b"".join(path.read_bytes() for path in keeper.folder.iterdir())
        content += b"".join(
            bytes(value) if isinstance(value, bytes) else str(value).encode() for value in _everything(keeper.node)
        )
        for secret in over.values():
            assert secret.hex().encode() not in content
            assert secret not in content
        return len(over)


def _everything(node: MemoryNode) -> Iterator[object]:
    db = node.store._db
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in db.execute(f"SELECT * FROM {table}"):
            yield from row


# From which day to which a clock is off, and by how many days.
ALICE_CLOCK = [(500, 512, 3 * YEAR), (640, 660, -2)]
BOB_CLOCK = [(100, 130, 12 * YEAR), (220, 250, -40 * YEAR), (420, 425, 45), (560, 600, -30)]


def off(clock: list[tuple[int, int, int]], count: int) -> int:
    return next((by * DAY_MS for first, last, by in clock if first <= count < last), 0)


@pytest.mark.parametrize("seed", range(1, 20 if os.environ.get("SOAK") else 2))
def test_for_800_days_what_comes_in_time_is_opened_and_what_is_over_is_gone(pair, seed, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    alice, bob = pair
    world = World(alice, bob, Random(seed))
    copy: Secrets | None = None
    for count in range(0, 801, 2):
        alice.off, bob.off = off(ALICE_CLOCK, count), off(BOB_CLOCK, count)
        link = STICK if 260 <= count < 400 else MAIL  # for months there is only the stick
        for keeper, other in ((alice, bob), (bob, alice)):
            if count % 12 == 0 and keeper.off == 0:
                keeper.node.say(f"day {count}", now=day(count))
            world.visit(keeper, other, link, day(count))
        if count == 690:
            copy = bob.keys.secrets()
        if count == 700 and copy is not None:  # somebody puts an old keys folder back
            world.lost |= {each.key for each in bob.keys.secrets().subkeys} - {each.key for each in copy.subkeys}
            (bob.folder / ENVELOPE_KEYS).write_bytes(encode(copy))
            world.other = bob = replace(bob)
            for parcel in world.parcels:
                parcel.to, parcel.by = (each if each is alice else bob for each in (parcel.to, parcel.by))
        if count in (210, 410, 550, 690, 800):
            assert world.gone(alice, day(count)), count
            assert world.gone(bob, day(count)), count
    assert alice.node.texts() == bob.node.texts()
    assert world.opened[KeyClass.FAST] > 50
    assert world.opened[KeyClass.DATED] > 50
    assert world.too_late > 0
    for keeper in (alice, bob):
        live = [each.kind for each in keeper.announced() if each.expires > day(800)]
        assert live.count(KeyClass.DATED) >= 12
        assert keeper.announcements() <= 800 / 5
        assert len(keeper.keys.secrets().subkeys) < 40
