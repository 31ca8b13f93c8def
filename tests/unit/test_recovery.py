"""A node that was restored from an old backup, or copied: it notices, recovers its lines, and says nothing twice."""

import itertools
from dataclasses import replace
from random import Random

import pytest
from tests.unit.nodes import NOW, STICK, MemoryNode, carry, codes, friends, make, settle
from tests.unit.test_convergence import TOKENS, weeks

from paquebot.protocol import bundle as bundles
from paquebot.protocol import journal, messages, trusting
from paquebot.protocol.bundle import MARK_BYTES, Rebuilt, Recall, Recalled, Verbatim
from paquebot.protocol.encoding import digest, raw
from paquebot.protocol.engine import Engine
from paquebot.protocol.events import Kind
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import DAY_MS, HOUR_MS
from paquebot.protocol.messages import Broadcast
from paquebot.protocol.past import Lapse, Past
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.store import Store


def copied(node: MemoryNode) -> MemoryNode:
    """Return a copy of *node* as it is now, as a backup would hold it."""
    store = Store(None)
    node.store._db.backup(store._db)
    store.blobs._held.update(node.store.blobs._held)
    other = Random(f"restored {id(store)}").randbytes
    engine = Engine(store.view, node.node_key, other, Random(1))
    return MemoryNode(node.user_key, node.node_key, store, engine, other, node.secrets)


def days(nodes: tuple[MemoryNode, ...], now: Millis, count: int) -> None:
    """Let every node write to every other one, several times a day."""
    for step in range(4 * count):
        at = Millis(now + step * 6 * HOUR_MS)
        for one in nodes:
            for letter, bundle in one.poll(now=at):
                for other in nodes:
                    if letter.peer == other.node:
                        other.receive(bundle, one, now=at)


def journal_of(node: MemoryNode) -> list:
    return list(node.store.view.entries(node.node, 1, 10_000))


def heard_by(other: MemoryNode, node: MemoryNode) -> list:
    return list(other.store.view.entries(node.node, 1, 10_000))


def follows(other: MemoryNode, node: MemoryNode) -> bool:
    """Whether *other* knows the journal of *node* up to the last line that is worth a letter."""
    heard, (tip, _) = heard_by(other, node), node.store.view.tip()
    return heard == journal_of(node)[: len(heard)] and len(heard) >= node.store.view.last_of_ours(1, tip)


@pytest.fixture
def story():
    """Alice, who published two things after her backup; the backup; and Bob, who has them; a week later."""
    alice, bob = friends("alice", "bob")
    alice.say("before")
    now = settle(alice, bob)
    backup = copied(alice)
    alice.say("after", "and after that", now=now)
    bob.say("an answer", now=now)
    now = settle(alice, bob, now=now)
    return alice, bob, backup, Millis(now + 7 * DAY_MS)


def test_a_restored_node_gets_its_lines_and_resources_back(story):
    alice, bob, restored, now = story

    settle(bob, restored, now=now)

    assert journal_of(restored)[: len(journal_of(alice))] == journal_of(alice)
    assert restored.texts() == alice.texts() == bob.texts()
    assert follows(bob, restored)
    assert restored.store.view.past().branch == 0
    assert not restored.store.view.lapses()
    assert not bob.store.view.forks()


def test_the_repair_takes_two_envelopes(story):
    _, bob, restored, now = story
    carry(bob, restored, now=now)  # an occasional question shows that Bob knows more

    (recall,) = restored.poll(now=now)
    assert any(isinstance(part, Recall) for part in recall[1].parts)
    bob.receive(recall[1], restored, now=now)
    (answer,) = (bundle for _, bundle in bob.poll(now=now) if any(isinstance(part, Recalled) for part in bundle.parts))
    restored.receive(answer, bob, now=now)

    assert {"before", "after", "and after that"} <= restored.texts()
    assert not restored.store.view.lapses()


def asks_again(node: MemoryNode, other: MemoryNode, now: Millis) -> list[str]:
    """Return the names of the bodies that *other* gives *node*, who asks for its whole journal again."""
    marks = Recall(((0, raw(journal.root(node.node))[:MARK_BYTES]),))
    other.receive(node.bundle(other, marks, now=now), node, now=now)
    given = [part for letter, bundle in other.poll(now=now) if letter.peer == node.node for part in bundle.parts]
    assert any(isinstance(part, Recalled) for part in given)
    return [part.signed.id for part in given if isinstance(part, Rebuilt)]


def test_a_line_in_ones_journal_gives_no_right_to_what_it_names():
    alice, bob, mallory = make("alice"), make("bob"), make("mallory")
    for other in (bob, mallory):
        alice.meet(other)
        other.meet(alice)
    (secret,) = bob.say("for alice only")
    now = settle(alice, mallory, now=settle(bob, alice))
    (mine,) = mallory.say("my own", now=now)
    now = settle(alice, mallory, now=now)
    lie = Broadcast(alice.peer(mallory).heard_id, (Entry(mallory.user, secret),))
    said = SignedObject.sign(messages.write(lie), mallory.node_key)
    alice.receive(mallory.bundle(alice, Verbatim(said.encode()), now=now), mallory, now=now)
    assert (mallory.node, alice.peer(mallory).heard) in alice.store.view.naming(secret)

    given = asks_again(mallory, alice, Millis(now + 5000))

    assert mine in given
    assert secret not in given


def test_what_was_taken_back_is_not_given_back():
    alice, bob = friends("alice", "bob")
    regret, other = alice.say("regret", "no regret")
    now = settle(alice, bob)
    alice.publish(*trusting.revoke(alice.store.view, [regret], by_user=False), now=now)
    now = settle(alice, bob, now=now)

    given = asks_again(alice, bob, Millis(now + 5000))

    assert other in given
    assert regret not in given


def test_what_it_publishes_afterwards_stands_above_and_is_stamped_later(story):
    alice, bob, restored, now = story
    settle(bob, restored, now=now)
    assert restored.store.view.stamp() >= alice.store.view.stamp()

    (name,) = restored.say("new", now=Millis(NOW + 1))  # its clock was set back, too

    listed = restored.store.view.listing(name)
    assert listed.number == len(journal_of(restored))
    assert listed.stamp > max(each.stamp for each in restored.store.view.listed() if each.id != name)
    settle(restored, bob, now=now)
    assert "new" in bob.texts()


def test_what_it_published_before_it_noticed_and_told_nobody_is_put_after_the_lines_it_had_forgotten(story):
    alice, bob, restored, now = story
    known = heard_by(bob, alice)
    restored.say("unheard of", now=now)
    carry(bob, restored, now=now)

    settle(restored, bob, now=Millis(now + DAY_MS))

    assert journal_of(restored)[: len(known)] == known
    assert "unheard of" in bob.texts()
    assert restored.store.view.past().branch == 0
    assert not bob.store.view.forks()
    assert follows(bob, restored)


def test_nothing_new_is_said_while_what_was_forgotten_may_come_back_but_not_for_ever(story):
    _, bob, restored, now = story
    carry(bob, restored, now=now)
    restored.say("new", now=now)
    said = restored.store.view.past().said

    (letter,) = (letter for letter, _ in restored.poll(now=now))
    assert letter.plan.recall
    assert not letter.plan.lines
    assert restored.store.view.past().said == said

    later = [restored.poll(now=Millis(now + STICK.silence_ms + hours * HOUR_MS)) for hours in (1, 2)]
    assert any(letter.plan.lines for letters in later for letter, _ in letters)


def test_numbers_of_envelopes_go_on_above_those_that_the_peer_has_seen(story):
    _, bob, restored, now = story
    seen = bob.peer(restored).received.last

    carry(bob, restored, now=now)

    assert restored.peer(bob).sequence == seen


def recalled_by(bob: MemoryNode, restored: MemoryNode, now: Millis) -> Recalled:
    """Return what Bob gives back."""
    carry(bob, restored, now=now)
    carry(restored, bob, now=now)
    (part,) = (each for _, answer in bob.poll(now=now) for each in answer.parts if isinstance(each, Recalled))
    return part


FORGERIES = {
    "other lines": lambda part: replace(part, entries=(*part.entries[:-1], part.entries[0])),
    "fewer lines": lambda part: replace(part, entries=part.entries[:-1]),
    "another beginning": lambda part: replace(part, first=part.first - 1),
    "a beginning after the end": lambda part: replace(part, first=part.first + 99),
    "said within a response": lambda part: replace(part, identifier="x"),
    "signed by another": lambda part: replace(part, signature=replace(part.signature, signer=part.entries[0][0])),
    "another signature": lambda part: replace(part, signature=replace(part.signature, value=bytes(64))),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_lines_that_we_never_signed_are_not_adopted(story, forgery):
    _, bob, restored, now = story
    part = recalled_by(bob, restored, now)
    before = journal_of(restored)

    effects = restored.receive(bob.bundle(restored, FORGERIES[forgery](part)), bob, now=now)

    assert [outcome for outcome, _ in codes(effects)] == ["rejected"]
    assert journal_of(restored) == before


def test_lines_after_a_gap_wait_for_those_before(story):
    _, bob, restored, now = story
    part = recalled_by(bob, restored, now)

    effects = restored.receive(bob.bundle(restored, replace(part, since=part.entries[-1][1])), bob, now=now)

    assert codes(effects) == [("deferred", "there is a gap before these lines")]


def test_lines_that_are_known_again_do_no_harm(story):
    _, bob, restored, now = story
    part = recalled_by(bob, restored, now)
    assert codes(restored.receive(bob.bundle(restored, part), bob, now=now)) == [("applied", "")]
    before = journal_of(restored)

    assert codes(restored.receive(bob.bundle(restored, part), bob, now=now)) == [("duplicate", "")]

    assert journal_of(restored) == before


def test_lines_whose_resources_are_not_here_yet_are_told_all_the_same(story):
    _, bob, restored, now = story
    carry(bob, restored, now=now)
    carry(restored, bob, now=now)
    for _, bundle in bob.poll(now=now):
        given_back = any(isinstance(part, Recalled) for part in bundle.parts)
        parts = tuple(part for part in bundle.parts if not (given_back and isinstance(part, Rebuilt)))
        restored.receive(replace(bundle, parts=parts), bob, now=now)
    tip, _ = restored.store.view.tip()
    assert [line.number for line in restored.store.view.own_lines(1, tip)] == list(range(1, tip + 1))
    carol = make("carol")
    carol.meet(restored), restored.meet(carol)

    settle(restored, carol, now=now)
    days((restored, bob, carol), Millis(now + 8 * DAY_MS), 20)

    assert carol.texts() >= {"before", "after", "and after that"}


def test_a_peer_that_claims_to_know_more_and_does_not_is_believed_until_it_says_otherwise():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    lie = bundles.Tally(900, alice.store.view.tip()[1], Ranges())
    alice.receive(bob.bundle(alice, lie, now=now), bob, now=now)
    (found,) = alice.store.view.lapses()
    assert found == Lapse(bob.node, 900, alice.store.view.tip()[1], now)

    settle(alice, bob, now=now)

    assert not alice.store.view.lapses()
    assert alice.store.view.past().branch == 0


def test_who_asks_for_lines_that_there_never_were_is_told_so():
    """Else whoever lied in a peer's name made us ask that peer for ever, where it has nothing else to say to us."""
    alice, bob = friends("alice", "bob")
    now = weeks(alice, bob, 4, NOW)
    lost = alice.poll(TOKENS, now := Millis(now + 60 * DAY_MS))
    assert any(letter.plan.ask_journal for letter, _ in lost), "it lies there, she thinks, and asks no more"
    alice.receive(bob.bundle(alice, bundles.Tally(3, digest(b"no line of hers"), Ranges()), now=now), bob, now=now)
    assert alice.store.view.lapses()
    weeks(alice, bob, 3, now)
    assert not alice.store.view.lapses()


def test_a_peer_that_proves_nothing_holds_us_back_only_once():
    alice, bob, mallory = friends("alice", "bob", "mallory")
    now = settle(alice, mallory, now=settle(alice, bob))
    lie = bundles.Tally(10**6, digest(b"rubbish"), Ranges())
    alice.receive(mallory.bundle(alice, lie, now=now), mallory, now=now)
    alice.say("urgent", now=now)
    carry(alice, bob, now=now)
    assert "urgent" not in bob.texts()

    for day in range(1, 5):
        then = Millis(now + day * DAY_MS)
        tip, line = alice.store.view.past().said, alice.store.view.line_id(alice.node, alice.store.view.past().said)
        for tally in (bundles.Tally(tip, line, Ranges()), replace(lie, number=10**6 + day)):
            alice.receive(mallory.bundle(alice, tally, now=then), mallory, now=then)
        carry(alice, bob, now=then)

    assert "urgent" in bob.texts()
    assert [each.number for each in alice.store.view.lapses()] == [10**6 + 4]
    assert len([each for each in alice.store.view.events() if each.kind is Kind.RESTORED]) == 1


def test_a_claim_that_was_proved_may_hold_us_back_again(story):
    alice, bob, restored, now = story
    settle(bob, restored, now=now)

    assert restored.texts() == alice.texts()
    assert not restored.store.view.lapses(taken_back=True)


def test_many_broadcasts_leave_one_proof():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    for number in range(5):
        alice.say(str(number), now=now)
        now = settle(alice, bob, now=now)

    (proof,) = bob.store.view.proofs(alice.node, 0)
    assert proof.number == bob.peer(alice).heard


def test_proofs_stand_close_enough_to_give_all_lines_back(monkeypatch):
    from paquebot.protocol import recovery

    monkeypatch.setattr(recovery, "LINES_MAX", 8)
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    backup = copied(alice)
    for number in range(12):
        alice.say(*(f"{number} {n}" for n in range(3)), now=now)
        now = settle(alice, bob, now=now)
    proofs = [proof.number for proof in bob.store.view.proofs(alice.node, 0)]
    assert max(b - a for a, b in itertools.pairwise(proofs[1:])) <= 8

    settle(bob, backup, now=Millis(now + 7 * DAY_MS))

    assert backup.texts() == alice.texts()


def test_a_store_from_before_has_said_all_that_it_holds():
    node = make("old")
    assert node.store.view.past() == Past()
    node.store._db.execute("DROP TABLE past")
    script = (resources_of_store() / "0002.sql").read_text()
    begin = script.index("CREATE TABLE past")
    node.store._db.executescript(script[begin : script.index("FROM local;") + 11])
    assert node.store.view.past().said == node.store.view.tip()[0]


def resources_of_store():
    from importlib import resources

    return resources.files("paquebot.store").joinpath("migrations")


def test_two_histories_of_one_node_are_kept_as_evidence(story):
    alice, bob, clone, now = story
    clone.say("said by the clone", now=now)

    carry(clone, bob, now=now)

    (fork,) = bob.store.view.forks()
    assert fork.journal == alice.node
    held, other = (bundles.SignedObject.parse(each) for each in (fork.held, fork.other))
    for signed in (held, other):
        signed.verify(alice.node_key.public)
    assert held.id != other.id
    assert heard_by(bob, alice) == journal_of(alice)[: len(heard_by(bob, alice))]
    assert "said by the clone" in bob.texts()
