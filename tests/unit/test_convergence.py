"""Two nodes come to hold the same whatever happened on the way: cases that once did not."""

from dataclasses import replace

import pytest
from tests.unit.nodes import MAIL, NOW, MemoryNode, carry, codes, friends, make, settle

from paquebot.errors import NotPermitted
from paquebot.protocol import bundle as bundles
from paquebot.protocol import messages
from paquebot.protocol.bundle import Heard
from paquebot.protocol.encoding import digest
from paquebot.protocol.limits import BUNDLE_BYTES_MAX, CHUNK_BYTES, DAY_MS, HOUR_MS
from paquebot.protocol.link import Link
from paquebot.protocol.messages import ResourceRequest
from paquebot.protocol.publishing import Draft
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest, SignedObject
from paquebot.protocol.stamp import Millis

TOKENS = Link("stick", latency_ms=DAY_MS, bytes_cheap=True, shows_tokens=True)


def publish_file(node: MemoryNode, data: bytes, name: str = "file") -> None:
    chunks = [data[i : i + CHUNK_BYTES] for i in range(0, len(data), CHUNK_BYTES)]
    names = [node.store.blobs.put(chunk) for chunk in chunks]
    draft = Draft.file(FileManifest(len(data), None, CHUNK_BYTES, 1, tuple(names)), name)
    node.store.commit(node.engine.have_blobs((each, len(chunk)) for each, chunk in zip(names, chunks, strict=True)))
    node.publish(draft)


def weeks(one: MemoryNode, other: MemoryNode, count: int, now: int, link: Link = TOKENS) -> Millis:
    """Let the two meet every week; a token comes back with the next stick."""
    for _ in range(count):
        now += 7 * DAY_MS
        for a, b in ((one, other), (other, one)):
            for letter, bundle in a.poll(link, Millis(now)):
                if letter.peer != b.node:
                    continue
                b.receive(bundle, a, link, Millis(now))
                a.store.commit(a.engine.token(letter.token))
    return Millis(now)


def test_many_large_answers_go_in_letters_that_can_be_sealed():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob, TOKENS)
    alice.say(*(f"{n} " + "x" * 120_000 for n in range(40)), now=now)

    for _ in range(4):
        now = Millis(now + 7 * DAY_MS)
        for a, b in ((alice, bob), (bob, alice)):
            for letter, bundle in a.poll(TOKENS, now):
                data = bundles.encode(bundle)
                assert len(data) < BUNDLE_BYTES_MAX / 4
                assert len(data) <= a.engine.size_max(letter)
                b.receive(bundle, a, TOKENS, now)
                a.store.commit(a.engine.token(letter.token))

    assert len(bob.texts()) == 40


def test_asking_a_thousand_times_is_answered_once():
    alice, bob = friends("alice", "bob")
    (name,) = alice.say("x" * 500_000)
    requests = [ResourceRequest(f"r{n}", alice.user, name) for n in range(1000)]
    said = (bundles.Verbatim(SignedObject.sign(messages.write(each), bob.node_key).encode()) for each in requests)

    alice.receive(bob.bundle(alice, *said), bob)

    answers = [part for _, bundle in alice.poll() for part in bundle.parts if isinstance(part, bundles.Answer)]
    assert len(answers) == 1


@pytest.mark.parametrize("both", [False, True])
def test_a_peer_that_is_removed_and_added_again_is_heard_again(both):
    alice, bob = friends("alice", "bob")
    bob.say("one", "two")
    now = settle(alice, bob)

    alice.store.remove_peer(bob.node)
    alice.meet(bob, now=now)
    if both:
        bob.store.remove_peer(alice.node)
        bob.meet(alice, now=now)
    bob.say("three", now=now)
    weeks(alice, bob, 20, now)

    assert alice.texts() == {"one", "two", "three"}
    assert alice.peer(bob).heard == bob.store.view.tip()[0]
    assert bob.peer(alice).applied.last >= bob.store.view.last_of_ours(1, 10_000)


def test_an_author_who_becomes_known_later_is_asked_for():
    alice, bob = friends("alice", "bob")
    carol = make("carol")
    carol.meet(bob)
    carol.meet(alice)
    bob.meet(carol)
    carol.say("from carol")
    now = settle(alice, bob, now=settle(bob, carol))
    assert alice.texts() == set()

    alice.meet(carol, now=now)
    weeks(alice, bob, 6, now)

    assert alice.texts() == {"from carol"}


def test_publishing_what_another_file_lacks_completes_that_file_too():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    data = bytes(range(256)) * 200
    publish_file(alice, data)
    for letter, bundle in alice.poll(TOKENS, now):
        if not letter.plan.chunks:
            bob.receive(bundle, alice, TOKENS, now)

    publish_file(bob, data, "mine")
    weeks(bob, alice, 3, now)

    assert alice.peer(bob).applied.prefix >= alice.store.view.last_of_ours(1, 1000)
    assert not bob.peer(alice).heard - len(bob.peer(alice).done)


def test_letters_on_a_stick_do_not_hold_up_the_mail():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    publish_file(alice, b"".join(n.to_bytes(4, "big") * (CHUNK_BYTES // 4) for n in range(300)))
    assert len(alice.poll(replace(TOKENS, bytes_max=2 * CHUNK_BYTES), now)) > 256  # one chunk in each

    alice.say("urgent", now=now)

    assert [letter for letter, _ in alice.poll(MAIL, now)]


def test_what_comes_when_its_sender_waits_for_it_no_more_is_not_acknowledged():
    """Found by seed 152, where a slow post brought all that a storm had held up: each piece cost a letter."""
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob, MAIL)
    alice.say("once", now=now)
    stragglers = [bundle for _, bundle in alice.poll(MAIL, now)]
    for day in range(1, 4):  # it is planned again, and comes
        later = Millis(now + day * DAY_MS)
        carry(alice, bob, MAIL, later)
        carry(bob, alice, MAIL, later)
    assert bob.texts() == {"once"}

    for straggler in stragglers:
        assert straggler.to[0].sequence < bob.peer(alice).floor
        for _ in range(2):
            bob.receive(straggler, alice, MAIL, later)
            assert not bob.poll(MAIL, later)


def test_what_a_straggler_asks_was_asked_again_and_is_not_answered():
    """Found by council seed 8: late requests were answered for days, each answer on every medium, each acknowledged."""
    alice, bob = friends("alice", "bob")
    (name,) = alice.say("x" * 500_000)
    now = settle(alice, bob, MAIL)
    asked = ResourceRequest("r", alice.user, name)
    question = bundles.Verbatim(SignedObject.sign(messages.write(asked), bob.node_key).encode())
    late = bob.bundle(alice, question, now=now)
    newer = replace(bob.bundle(alice, now=now), to=(replace(late.to[0], sequence=2000, floor=2000),))
    alice.receive(newer, bob, MAIL, now)

    alice.receive(late, bob, MAIL, now)

    assert not alice.poll(MAIL, now)


def test_a_restored_node_that_counts_anew_is_acknowledged():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob, MAIL)
    bob.receive(alice.bundle(bob, now=now), alice, MAIL, now)  # number 1001
    low = alice.bundle(bob, bundles.Verbatim(alice.message("again").encode()), now=Millis(now + 1))
    header = replace(low.to[0], sequence=900, floor=900)
    last = replace(alice.bundle(bob, now=now), to=(replace(low.to[0], sequence=1002, floor=1002),))
    bob.receive(last, alice, MAIL, now)

    bob.receive(replace(low, to=(header,)), alice, MAIL, Millis(now + 1))

    assert bob.poll(MAIL, Millis(now + 1))


def test_letters_are_cut_to_what_the_link_takes():
    alice, _ = friends("alice", "bob")
    alice.say(*(f"{n} " + "x" * 10_000 for n in range(30)))
    narrow = replace(TOKENS, bytes_max=100_000)

    sent = alice.poll(narrow)

    assert len(sent) > 3
    assert all(len(bundles.encode(bundle)) < 100_000 for _, bundle in sent)
    assert all(alice.engine.size_max(letter) <= 100_000 for letter, _ in sent)


def test_acknowledgements_with_many_gaps_can_be_read():
    alice, bob = friends("alice", "bob")
    for number in range(1, 4200, 2):
        head = replace(bob.bundle(alice).to[0], sequence=number)
        alice.receive(replace(bob.bundle(alice), to=(head,)), bob)
    alice.say("anything")

    for _, bundle in alice.poll():
        assert bundles.decode(bundles.encode(bundle)) == bundle
        assert bundle.to[0].heard != Heard()


def test_a_long_chain_that_comes_backwards_is_applied_whole():
    alice, bob = friends("alice", "bob")
    chain: list[SignedObject] = []
    for number in range(600):
        after = (chain[-1].id,) if chain else ()
        chain.append(alice.message(str(number), after=after))

    for start in range(0, 600, 100):
        some = chain[::-1][start : start + 100]
        effects = bob.receive(alice.bundle(bob, *(bundles.Rebuilt(each) for each in some)), alice)
        assert "rejected" not in {outcome for outcome, _ in codes(effects)}

    assert len(bob.texts()) == 600


def test_lines_are_told_to_whoever_has_only_the_bodies():
    """The first of three letters is lost; the others come too early, and their bodies are kept all the same."""
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob, TOKENS)
    alice.say(*(f"message {n}" for n in range(6000)), now=now)
    letters = alice.poll(TOKENS, now)
    for letter, bundle in letters[1:]:
        bob.receive(bundle, alice, TOKENS, now)
        alice.store.commit(alice.engine.token(letter.token))
    alice.store.commit(alice.engine.lost(letters[0][0].id))

    weeks(alice, bob, 12, now)

    assert bob.peer(alice).heard >= alice.store.view.last_of_ours(1, 100_000)
    assert alice.peer(bob).applied.prefix >= alice.store.view.last_of_ours(1, 100_000)


def test_nothing_of_a_peer_that_is_set_apart_comes_by_others():
    alice, bob, mallory = friends("alice", "bob", "mallory")
    alice.store.commit(alice.engine.in_clear(mallory.message("leak").encode(), "stick", NOW))
    mallory.say("from a thief")
    now = settle(mallory, bob)
    now = settle(alice, bob, now=Millis(now + 3 * DAY_MS))
    assert alice.texts() == set()

    alice.meet(mallory, now=now)
    weeks(alice, bob, 4, now)

    assert alice.texts() == {"from a thief"}


def test_what_was_refused_for_good_is_not_asked_for_again():
    alice, bob = friends("alice", "bob")
    wrong = alice.message("no right", trust=bob.trust)
    bob.receive(alice.bundle(bob, bundles.Rebuilt(wrong)), alice)

    assert bob.store.view.fate(wrong.id) is not None
    assert bob.store.view.wanted_count() == 0


def test_a_card_that_leans_on_other_things_is_refused_whole():
    alice, bob = make("alice"), make("bob")
    card = bob.card()
    crooked = replace(card, resources=(*card.resources, bob.message("x", after=(digest(b"elsewhere"),))))

    before = alice.store.view.tip()
    with pytest.raises(NotPermitted, match="leans on"):
        alice.store.commit(alice.engine.add_peer(crooked, "bob", NOW))

    assert alice.store.view.tip() == before
    assert alice.store.view.peers() == []


def test_adding_an_unchanged_card_again_sends_nothing_again():
    alice, bob = friends("alice", "bob")
    publish_file(alice, bytes(3 * CHUNK_BYTES))
    now = weeks(alice, bob, 3, NOW)

    alice.meet(bob, now=now)

    assert alice.poll(TOKENS, Millis(now + HOUR_MS)) == []
    assert not alice.peer(bob).owed_chunks - Ranges()


def test_a_gap_is_healed_within_two_more_envelopes():
    alice, bob = friends("alice", "bob")
    now = settle(alice, bob)
    alice.say("lost", now=now)
    alice.poll(now=now)
    alice.say("found", now=now)
    assert carry(alice, bob, now=now)
    assert bob.texts() == {"found"}

    asked = bob.poll(now=Millis(now + 1))
    for _, bundle in asked:
        alice.receive(bundle, bob, now=Millis(now + 1))
    answered = alice.poll(now=Millis(now + 2))
    for _, bundle in answered:
        bob.receive(bundle, alice, now=Millis(now + 2))

    assert (len(asked), len(answered)) == (1, 1)
    assert bob.texts() == {"lost", "found"}
    assert bob.peer(alice).heard == alice.store.view.last_of_ours(1, 10_000)


def test_an_answer_that_got_lost_where_tokens_are_shown_is_given_again_when_it_is_asked_for_again():
    """Else it lies there, its writer thinks, until the letter ends: 120 days."""
    alice, bob = friends("alice", "bob")
    now = weeks(alice, bob, 2, NOW)
    alice.say("x" * 500_000, now=now)
    for letter, bundle in alice.poll(TOKENS, now):
        bob.receive(bundle, alice, TOKENS, now)
        alice.store.commit(alice.engine.token(letter.token))
    for letter, bundle in bob.poll(TOKENS, now := Millis(now + DAY_MS)):
        alice.receive(bundle, bob, TOKENS, now)
        bob.store.commit(bob.engine.token(letter.token))
    lost = alice.poll(TOKENS, now)
    assert [letter.plan.replies for letter, _ in lost] == [(1,)]
    assert not bob.texts()
    weeks(alice, bob, 3, now)
    assert len(bob.texts()) == 1
