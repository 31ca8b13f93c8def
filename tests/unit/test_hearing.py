"""What follows from an envelope: each item ends in one outcome, and what is missing is asked for and comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import pytest
from tests.unit.nodes import MAIL, NOW, STICK, MemoryNode, carry, codes, friends, make, settle, told

from paquebot.errors import NotForUs, Refused, Stranger
from paquebot.protocol import bundle as bundles
from paquebot.protocol import hearing, journal, messages, trusting
from paquebot.protocol.bundle import (
    Answer,
    Bundle,
    Chunk,
    Outcome,
    Part,
    Rebuilt,
    Reference,
    Tally,
    Unknown,
    Update,
    Verbatim,
    Want,
)
from paquebot.protocol.effects import KeepBlob, Quarantine, SavePeer, SaveTold, Seen
from paquebot.protocol.encoding import LineId, ResourceId, b64, digest, unb64
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import ASK_AGAIN_MS, DAY_MS, LINES_MAX
from paquebot.protocol.messages import Broadcast, JournalRequest, Message, Receipt, ResourceRequest, Response
from paquebot.protocol.publishing import Draft
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Told
from paquebot.protocol.trust import READ


@pytest.fixture
def pair() -> list[MemoryNode]:
    """Alice and Bob, who know each other's journals so far."""
    alice, bob = friends("alice", "bob")
    settle(alice, bob)
    return [alice, bob]


LATER = Millis(NOW + 3_600_000)


def dump(node: MemoryNode) -> list[str]:
    return [*node.store._db.iterdump()]


def said(node: MemoryNode, message: Message) -> Verbatim:
    return Verbatim(SignedObject.sign(messages.write(message), node.node_key).encode())


def update(node: MemoryNode, since: LineId, entries: Sequence[Entry]) -> Update:
    signed = SignedObject.sign(messages.write(Broadcast(since, tuple(entries))), node.node_key)
    return Update(since, tuple((each.publisher, each.resource) for each in entries), signed.signatures[0])


def heard(sent: Sequence[tuple[object, Bundle]]) -> list[Message]:
    """Return the messages in *sent*, those in brief among them."""
    found: list[Message] = []
    for _, bundle in sent:
        for part in bundle.parts:
            if isinstance(part, Answer):
                given = None if part.place is None else bundle.parts[part.place].signed
                found.append(Response(part.identifier, part.status, given))
            elif isinstance(part, Verbatim) and (said := messages.read(SignedObject.parse(part.data).payload)):
                found.append(said)
    return found


# The header.


def test_a_bundle_that_comes_twice_changes_nothing_the_second_time(pair):
    alice, bob = pair
    alice.say("hello")
    ((_, bundle),) = alice.poll(now=LATER)
    assert set(told(bob.receive(bundle, alice, now=LATER)).values()) == {"applied"}
    before = dump(bob)
    effects = bob.receive(bundle, alice, now=Millis(LATER + DAY_MS))
    assert told(effects) == {bundle.id.hex(): "duplicate"}
    assert dump(bob) == before


def test_a_bundle_addressed_to_others_is_not_for_us(pair):
    alice, bob = pair
    carol = make("carol")
    before = dump(bob)
    with pytest.raises(NotForUs):
        bob.receive(alice.bundle(carol), alice)
    assert dump(bob) == before


def test_a_bundle_for_several_is_for_each_of_them_with_a_token_of_their_own(pair):
    alice, bob = pair
    carol = make("carol")
    one, other = alice.bundle(carol).to + alice.bundle(bob).to
    both = replace(alice.bundle(bob), to=(one, other))
    assert bob.engine.addressed(both, alice.node) == other
    assert carol.engine.addressed(both, alice.node) == one


def test_a_header_that_names_another_sender_than_the_seal_is_refused(pair):
    alice, bob = pair
    carol = make("carol")
    for sender, sealer in ((alice, carol), (carol, alice)):
        with pytest.raises(Refused) as caught:
            bob.receive(sender.bundle(bob), sealer)
        assert type(caught.value) is Refused


def test_a_stranger_gets_no_hearing(pair):
    _, bob = pair
    carol = make("carol")
    before = dump(bob)
    with pytest.raises(Stranger):
        bob.receive(carol.bundle(bob, Rebuilt(carol.message("hello"))), carol)
    assert dump(bob) == before


def test_a_gap_in_the_numbers_is_seen_until_the_sender_no_longer_waits(pair):
    alice, bob = pair

    def numbered(sequence: int, floor: int) -> Bundle:
        bundle = alice.bundle(bob)
        return replace(bundle, to=(replace(bundle.to[0], sequence=sequence, floor=floor),))

    for sequence in (100, 103):
        bob.receive(numbered(sequence, 100), alice)
    assert bob.peer(alice).missing == Ranges.of((101, 102))
    bob.receive(numbered(104, 103), alice)
    assert bob.peer(alice).missing == Ranges()


def test_a_moment_far_ahead_in_a_header_does_not_move_a_sound_clock(pair):
    alice, bob = pair
    bob.receive(replace(alice.bundle(bob), created=Millis(NOW + 9_000 * DAY_MS)), alice)
    assert bob.engine.now(NOW) == NOW


def test_a_node_without_a_clock_learns_the_time_from_a_peer(pair):
    alice, bob = pair
    bob.receive(replace(alice.bundle(bob), created=NOW), alice, now=Millis(5_000))
    assert bob.engine.now(Millis(6_000)) == NOW + 1_000


# Every item has one outcome.


def test_every_item_of_a_bundle_ends_in_exactly_one_outcome(pair):
    alice, bob = pair
    carol = make("carol")
    twice, good = alice.message("twice"), alice.message("good")
    waits, forged = alice.message("waits", after=(ResourceId(digest(b"nowhere")),)), alice.message("forged")
    bad = SignedObject.build(forged.payload, replace(forged.signatures[0], value=bytes(64)))
    foreign = carol.message("foreign")
    ahead = update(alice, LineId(digest(b"nowhere")), [Entry(alice.user, twice.id)])
    data = b"a chunk of no file"
    parts: list[Part] = [
        Rebuilt(twice),
        Rebuilt(twice),
        Rebuilt(waits),
        Rebuilt(bad),
        Rebuilt(foreign),
        ahead,
        Chunk(sha256(data).digest(), data),
        Chunk(sha256(b"other").digest(), data),
        Verbatim(b"{}"),
        Verbatim(good.encode()),
    ]
    silent: list[Part] = [
        Tally(0, journal.root(bob.node), Ranges()),
        Outcome(bytes(16), "applied"),
        Want(twice.id, Ranges()),
        Unknown(99),
    ]
    effects = bob.receive(bundles.decode(bundles.encode(alice.bundle(bob, *parts))), alice)
    assert codes(effects) == [
        ("applied", ""),
        ("duplicate", ""),
        ("held", digest(b"nowhere")),
        ("rejected", "bad-signature"),
        ("declined", "its author's resources are not accepted here"),
        ("deferred", "there is a gap before these lines"),
        ("held", "its file is not here yet"),
        ("rejected", "bad-signature"),
        ("rejected", "malformed"),
        ("applied", ""),
    ]
    assert bob.texts() == {"twice", "good"}
    assert len(bob.store.view.quarantined()) == 3
    assert not codes(bob.receive(alice.bundle(bob, *silent), alice))


def test_two_outcomes_of_one_resource_harm_nobody_and_the_last_counts(pair):
    alice, bob = pair
    (name,) = alice.say("hello")
    item, tally = unb64(name), Tally(*alice.store.view.tip(), Ranges())
    said = Outcome(item, "rejected", "a"), Outcome(item, "held", "b"), tally
    alice.receive(bundles.decode(bundles.encode(bob.bundle(alice, *said))), bob)
    assert alice.store.view.outcomes(bob.node) == [(name, "held", "b")]


def test_a_chunk_with_a_wrong_hash_is_refused_and_its_neighbours_are_not(pair):
    alice, bob = pair
    data, name = b"x" * 5_000, sha256(b"x" * 5_000).digest()
    file = alice.resource(["file"], {"file": FileManifest(5_000, None, 8192, 1, (name,)).fields()})
    parts = [Rebuilt(file), Chunk(name, data[:-1]), Chunk(name, data)]
    effects = bob.receive(alice.bundle(bob, *parts), alice)
    assert codes(effects) == [("applied", ""), ("rejected", "bad-signature"), ("applied", "")]
    assert bob.store.view.complete(file.id)
    assert bob.store.view.blob(name) == data


def test_what_happens_is_told_whole_or_not_at_all(pair):
    alice, bob = pair
    before = dump(bob)
    effects = bob.engine.receive(alice.bundle(bob, Rebuilt(alice.message("x"))), alice.node, STICK, "test", NOW)

    def interrupted():
        yield next(effects)
        yield next(effects)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bob.store.commit(interrupted())
    assert dump(bob) == before
    assert not any(isinstance(each, Seen) for each in bob.store.commit(bob.engine.token(bytes(16))))


# Journals.


def owed(one: MemoryNode, other: MemoryNode) -> Ranges:
    """Return the lines of *one* that *other* is not known to have, and whose resources it does not hold either."""
    return Ranges.of((1, one.store.view.tip()[0])) - one.peer(other).acked - one.peer(other).known


@pytest.mark.parametrize("link", [STICK, MAIL], ids=["stick", "mail"])
def test_a_gap_in_a_journal_is_asked_about_and_healed(pair, link):
    alice, bob = pair
    first = alice.say("lost")
    alice.poll(link, LATER)
    alice.say("arrives", now=LATER)
    number = bob.peer(alice).heard
    effects = carry(alice, bob, link, Millis(LATER + 1))
    assert ("deferred", "there is a gap before these lines") in codes(effects)
    assert (bob.texts(), bob.peer(alice).heard) == ({"arrives"}, number), "the resource is good, its place unknown"
    asked = bob.poll(link, Millis(LATER + 2))
    assert [each for each in heard(asked) if isinstance(each, JournalRequest)] == [
        JournalRequest(b64(asked[0][0].id), bob.peer(alice).heard_id)
    ]
    for _, bundle in asked:
        alice.receive(bundle, bob, link, Millis(LATER + 3))
    effects = carry(alice, bob, link, Millis(LATER + 4))
    assert bob.peer(alice).heard == alice.store.view.tip()[0]
    assert "rejected" not in [outcome for outcome, _ in codes(effects)]
    settle(alice, bob, link, Millis(LATER + 5))
    assert bob.texts() == {"lost", "arrives"}
    assert bob.store.view.has(first[0])
    assert bob.store.view.wanted_count() == 0
    assert owed(alice, bob) == Ranges()


def test_a_token_is_not_shown_for_lines_that_came_before_those_they_follow(pair):
    """They are needed again, and a token would say that they are here: the brief month of seed 2252."""
    alice, bob = pair
    alice.say("late")
    late = alice.poll(STICK, LATER)
    alice.say("early", now=LATER)
    early = alice.poll(STICK, LATER)

    def put_off(sent):
        effects = [each for _, bundle in sent for each in bob.receive(bundle, alice, STICK, LATER)]
        return any(hearing.put_off(each) for each in effects)

    assert put_off(early)
    assert put_off(early), "it is still there when the stick comes by again"
    assert not put_off(late)
    settle(alice, bob, STICK, Millis(LATER + 1))
    assert not put_off(early)
    assert owed(alice, bob) == Ranges()


def test_lines_that_contradict_what_was_heard_are_refused_and_their_neighbours_are_not(pair):
    alice, bob = pair
    alice.say("before")
    settle(alice, bob)
    peer = bob.peer(alice)
    since = bob.store.view.line_id(alice.node, peer.heard - 1)
    assert since
    fork = update(alice, since, [Entry(alice.user, ResourceId(digest(b"fork")))])
    good = alice.message("good")
    effects = bob.receive(alice.bundle(bob, fork, Rebuilt(good)), alice)
    assert codes(effects) == [("rejected", "broken-chain"), ("applied", "")]
    found = bob.peer(alice)
    assert (found.heard, found.heard_id, found.done) == (peer.heard, peer.heard_id, peer.done)
    assert bob.store.view.line_id(alice.node, peer.heard) == peer.heard_id
    (aside,) = bob.store.view.quarantined()
    assert (aside.code, aside.sender) == ("broken-chain", alice.node)


def test_lines_that_were_heard_already_are_duplicates_and_lines_that_overlap_are_continued(pair):
    alice, bob = pair
    alice.say("one", "two")
    settle(alice, bob)
    tip, _ = alice.store.view.tip()
    since = alice.store.view.line_id(alice.node, tip - 2)
    assert since
    entries = [*alice.store.view.entries(alice.node, tip - 1, 2)]
    again = update(alice, since, entries)
    assert codes(bob.receive(alice.bundle(bob, again), alice)) == [("duplicate", "")]
    three = alice.message("three")
    longer = update(alice, since, [*entries, Entry(alice.user, three.id)])
    assert codes(bob.receive(alice.bundle(bob, Rebuilt(three), longer), alice)) == [("applied", ""), ("applied", "")]
    assert (bob.peer(alice).heard, (tip + 1) in bob.peer(alice).done) == (tip + 1, True)


def test_an_update_that_the_sender_did_not_sign_is_refused(pair):
    alice, bob = pair
    carol = make("carol")
    item = alice.message("x")
    good = update(alice, bob.peer(alice).heard_id, [Entry(alice.user, item.id)])
    wrong = [
        replace(good, signature=replace(good.signature, value=bytes(64))),
        replace(good, entries=((alice.user, ResourceId(digest(b"other"))),)),
        update(carol, bob.peer(alice).heard_id, [Entry(alice.user, item.id)]),
    ]
    for each in wrong:
        (told_,) = codes(bob.receive(alice.bundle(bob, each), alice))
        assert told_ in [("rejected", "bad-signature"), ("rejected", "not-permitted")]
    by_bob = said(bob, Broadcast(bob.peer(alice).heard_id, ()))
    assert codes(bob.receive(alice.bundle(bob, by_bob), alice)) == [("rejected", "not-permitted")]
    assert codes(bob.receive(alice.bundle(bob, good), alice)) == [("applied", "")]


def test_a_line_that_no_store_could_hold_is_refused_and_its_neighbours_are_not(pair):
    alice, bob = pair
    since = bob.peer(alice).heard_id
    payload = messages.write(Broadcast(since, (Entry(alice.user, ResourceId("A" * 85 + "B")),)))
    bad = Verbatim(SignedObject.sign(payload, alice.node_key).encode())
    effects = bob.receive(alice.bundle(bob, bad, Rebuilt(alice.message("good"))), alice)
    assert codes(effects) == [("rejected", "malformed"), ("applied", "")]


def test_an_update_may_refer_to_parts_and_to_known_lines(pair):
    alice, bob = pair
    carol = make("carol")
    item = alice.message("x")
    entries = [Entry(alice.user, item.id), *bob.store.view.entries(bob.node, 1, 2)]
    since = bob.peer(alice).heard_id
    plain = update(alice, since, entries)
    short = replace(plain, entries=((alice.user, 0), Reference(bob.node, 1, 2)))
    number = bob.peer(alice).heard
    for wrong in (((alice.user, 1), short.entries[1]), ((alice.user, 9), short.entries[1])):
        effects = bob.receive(alice.bundle(bob, Rebuilt(item), replace(short, entries=wrong)), alice)
        assert codes(effects)[-1] == ("rejected", "malformed")
    for reference in (Reference(bob.node, 1, LINES_MAX), Reference(carol.node, 1, 2)):
        effects = bob.receive(alice.bundle(bob, replace(short, entries=(reference,))), alice)
        assert codes(effects) == [("deferred", "it refers to lines that are not here")]
    assert bob.peer(alice).heard == number
    assert codes(bob.receive(alice.bundle(bob, Rebuilt(item), short), alice))[-1] == ("applied", "")
    assert bob.store.view.entries(alice.node, number + 1, 9) == entries


# Requests.


def ask(alice: MemoryNode, bob: MemoryNode, *requests: Message) -> list[Message]:
    """Let Bob ask Alice; return what she answers."""
    alice.receive(bob.bundle(alice, *(said(bob, each) for each in requests)), bob, now=LATER)
    return [each for each in heard(alice.poll(now=LATER)) if isinstance(each, Response)]


def test_a_resource_that_is_asked_for_is_given(pair):
    alice, bob = pair
    (name,) = alice.say("wanted")
    nowhere = ResourceId(digest(b"nowhere"))
    requests = [ResourceRequest("1", alice.user, name), ResourceRequest("2", alice.user, nowhere)]
    assert ask(alice, bob, *requests) == [
        Response("1", "ok", alice.store.view.resource(name)),
        Response("2", "not_found"),
    ]


def test_without_the_right_to_read_everything_is_not_found():
    alice, bob = make("alice"), make("bob")
    alice.meet(bob, trusting=False)
    bob.meet(alice)
    (name,) = alice.say("secret")
    nowhere = ResourceId(digest(b"nowhere"))
    requests = [ResourceRequest(str(n), alice.user, each) for n, each in enumerate((name, nowhere))]
    assert ask(alice, bob, *requests) == [Response("0", "not_found"), Response("1", "not_found")]
    (answer,) = ask(alice, bob, JournalRequest("j", journal.root(alice.node)))
    assert answer == Response("j", "ok", Broadcast(journal.root(alice.node), ()))


def test_a_journal_that_is_asked_for_is_given_from_where_it_was_asked_and_no_further_than_that(pair):
    alice, bob = pair
    alice.say("one", "two", "three")
    tip, _ = alice.store.view.tip()
    since = alice.store.view.line_id(alice.node, tip - 3)
    assert since
    entries = tuple(alice.store.view.entries(alice.node, tip - 2, 3))
    answers = ask(alice, bob, JournalRequest("a", since), JournalRequest("b", since, 1))
    assert answers == [
        Response("a", "ok", Broadcast(since, entries)),
        Response("b", "ok", Broadcast(since, entries[:1])),
    ]
    assert ask(alice, bob, JournalRequest("c", LineId(digest(b"nowhere")))) == [Response("c", "bad_request")]


def test_an_answer_that_is_wrong_is_refused_like_anything_else(pair):
    alice, bob = pair
    item, forged = alice.message("good"), alice.message("forged")
    bad = SignedObject.build(forged.payload, replace(forged.signatures[0], value=bytes(64)))
    parts = [said(alice, Response(str(n), "ok", each)) for n, each in enumerate((bad, item))]
    parts.append(said(alice, Response("2", "not_found")))
    effects = bob.receive(alice.bundle(bob, *parts), alice)
    assert codes(effects) == [("rejected", "bad-signature"), ("applied", ""), ("applied", "not_found")]


def test_a_receipt_says_that_a_resource_is_held(pair):
    alice, bob = pair
    (name,) = alice.say("x")
    alice.receive(bob.bundle(alice, said(bob, Receipt(name))), bob)
    assert alice.store.view.tip()[0] in alice.peer(bob).applied


# Chunks that are wanted.


def big(alice: MemoryNode) -> tuple[ResourceId, list[bytes]]:
    chunks = [bytes((n,)) * 4096 for n in range(3)]
    manifest = FileManifest(3 * 4096, None, 4096, 1, tuple(sha256(each).digest() for each in chunks))
    alice.store.commit(KeepBlob(sha256(each).digest(), each) for each in chunks)
    (name,) = alice.publish(Draft.file(manifest, "big"))
    return name, chunks


def test_chunks_are_asked_for_and_given_where_bytes_are_dear(pair):
    alice, bob = pair
    name, chunks = big(alice)
    now = settle(alice, bob, MAIL, LATER)
    assert (bob.store.view.has(name), bob.store.view.lacking(name)) == (True, Ranges.of((0, 2)))
    now = Millis(now + ASK_AGAIN_MS + 1)
    asked = bob.poll(MAIL, now)
    assert [part for _, bundle in asked for part in bundle.parts if isinstance(part, Want)] == [
        Want(name, Ranges.of((0, 2)))
    ]
    for _, bundle in asked:
        alice.receive(bundle, bob, MAIL, now)
    given = alice.poll(MAIL, now)
    found = [part.data for _, bundle in given for part in bundle.parts if isinstance(part, Chunk)]
    assert found == chunks


def test_only_the_chunks_that_are_wanted_and_there_are_given(pair):
    alice, bob = pair
    name, chunks = big(alice)
    settle(alice, bob, MAIL, LATER)
    alice.receive(bob.bundle(alice, Want(name, Ranges.of((1, 1), (3, 99)))), bob, MAIL, LATER)
    alice.receive(bob.bundle(alice, Want(ResourceId(digest(b"nowhere")), Ranges.of((0, 9)))), bob, MAIL, LATER)
    given = alice.poll(MAIL, Millis(LATER + DAY_MS))
    assert [part.data for _, bundle in given for part in bundle.parts if isinstance(part, Chunk)] == [chunks[1]]


def test_who_may_not_read_gets_no_chunks():
    alice, bob = make("alice"), make("bob")
    alice.meet(bob, trusting=False)
    bob.meet(alice)
    name, _ = big(alice)
    alice.receive(bob.bundle(alice, Want(name, Ranges.of((0, 2)))), bob, MAIL, LATER)
    assert not [part for _, bundle in alice.poll(MAIL, LATER) for part in bundle.parts if isinstance(part, Chunk)]


@pytest.mark.parametrize("reads", [True, False])
def test_a_hash_gives_no_right_to_what_others_files_hold(reads):
    alice, mallory = make("alice"), make("mallory")
    alice.meet(mallory)
    mallory.meet(alice)
    _, chunks = big(alice)
    if not reads:
        alice.publish(*trusting.take(alice.store.view, [mallory.user], [READ], by_user=False))
    names = (sha256(chunks[0]).digest(), sha256(b"her own").digest())
    mine = mallory.resource(["file"], {"file": FileManifest(4096 + 7, None, 4096, 1, names).fields()}, filename="x")
    sent = (Rebuilt(mine), Chunk(names[1], b"her own"), Want(mine.id, Ranges.of((0, 1))))
    for part in sent:
        alice.receive(mallory.bundle(alice, part), mallory, MAIL, LATER)
    parts = [part for _, bundle in alice.poll(MAIL, LATER) for part in bundle.parts]
    given = {part.data for part in parts if isinstance(part, Chunk)}
    assert given == ({chunks[0], b"her own"} if reads else {b"her own"})


# Tallies.


def line(node: MemoryNode, number: int) -> LineId:
    found = node.store.view.line_id(node.node, number)
    assert found
    return found


def test_a_peer_that_knows_less_than_it_did_is_told_again(pair):
    alice, bob = pair
    alice.say("one", "two")
    now = settle(alice, bob, now=LATER)
    tip, _ = alice.store.view.tip()
    assert (alice.peer(bob).acked, alice.peer(bob).applied) == (Ranges.of((1, tip)),) * 2
    assert [part for letter, b in alice.poll(now=now) for part in b.parts if isinstance(part, Rebuilt)] == []
    restored = Tally(tip - 2, line(alice, tip - 2), Ranges.of((1, tip - 2)))
    alice.receive(bob.bundle(alice, restored), bob, now=now)
    assert (alice.peer(bob).acked, alice.peer(bob).applied) == (Ranges.of((1, tip - 2)),) * 2
    again = [part for _, bundle in alice.poll(now=now) for part in bundle.parts]
    assert [part.signed.id for part in again if isinstance(part, Rebuilt)] == [
        each.entry.resource for each in alice.store.view.own_lines(tip - 1, tip)
    ]


def test_an_old_tally_that_comes_late_takes_nothing_back(pair):
    alice, bob = pair
    alice.say("one", "two")
    now = settle(alice, bob, now=LATER)
    tip, _ = alice.store.view.tip()
    late = bob.bundle(alice, Tally(tip - 2, line(alice, tip - 2), Ranges.of((1, tip - 2))))
    bob.bundle(alice)
    alice.receive(bob.bundle(alice), bob, now=now)
    alice.receive(late, bob, now=now)
    assert (alice.peer(bob).acked, alice.peer(bob).applied) == (Ranges.of((1, tip)),) * 2


def test_a_tally_of_lines_that_are_not_ours_is_not_believed(pair):
    alice, bob = pair
    before = alice.peer(bob)
    tip, _ = alice.store.view.tip()
    for number, name in ((tip, LineId(digest(b"x"))), (tip + 9, line(alice, tip)), (1, line(alice, 2))):
        alice.receive(bob.bundle(alice, Tally(number, name, Ranges.of((1, 999)))), bob)
        assert (alice.peer(bob).acked, alice.peer(bob).applied) == (before.acked, before.applied)


def test_a_tally_speaks_of_no_more_lines_than_it_names(pair):
    alice, bob = pair
    alice.say("one", "two")
    tip, _ = alice.store.view.tip()
    alice.receive(bob.bundle(alice, Tally(tip - 1, line(alice, tip - 1), Ranges.of((1, 999)))), bob)
    assert alice.peer(bob).applied == Ranges.of((1, tip - 1))


# Two ends.


@pytest.mark.parametrize("link", [STICK, MAIL], ids=["stick", "mail"])
def test_two_friends_come_to_hold_the_same_and_then_say_nothing(link):
    alice, bob = friends("alice", "bob")
    alice.say("from alice")
    bob.say("from bob")
    now = settle(alice, bob, link)
    assert alice.texts() == bob.texts() == {"from alice", "from bob"}
    for one, other in ((alice, bob), (bob, alice)):
        assert owed(one, other) == Ranges()
        assert one.peer(other).applied == one.peer(other).acked
        assert one.store.view.letters() == []
        assert other.peer(one).missing == Ranges()
    assert (alice.poll(link, now), bob.poll(link, now)) == ([], [])
    assert Counter(each.kind for each in alice.store.view.listed()) == Counter(
        each.kind for each in bob.store.view.listed()
    )


def test_peers_whose_done_lines_are_in_many_runs_can_be_read_again(pair):
    alice, bob = pair
    many = Ranges.numbers(range(1, 9_000, 2))
    known = replace(bob.peer(alice), known=many, done=many)
    bob.store.commit([SavePeer(known)])
    bob.store.view.forget()
    assert bob.peer(alice) == known


def test_whoever_is_heard_again_is_backed_off_from_no_longer():
    """Two who back off from each other answer later than either waits: what is large would never go."""
    alice, bob = friends("Alice", "Bob")
    waiting = Told(bob.node, STICK.medium, failures=9, retry_at=Millis(NOW + DAY_MS))
    alice.store.commit([SaveTold(waiting)])
    bob.say("still here")

    carry(bob, alice)

    told = alice.store.view.told(bob.node, STICK.medium)
    assert (told.failures, told.retry_at) == (0, 0)


def test_lines_that_refer_to_lines_of_ours_that_are_others_now_are_asked_for_in_full() -> None:
    """Whoever was restored has other lines than those that its peer refers to: nobody forged anything."""
    alice, bob = friends("Alice", "Bob")
    alice.say("one")
    settle(alice, bob)
    alice.say("two")
    (update,) = (part for _, bundle in alice.poll() for part in bundle.parts if isinstance(part, Update))
    wrong = Reference(bob.node, 1, 1)
    told = bob.receive(alice.bundle(bob, replace(update, entries=(wrong,))), alice)

    assert ("deferred", "it refers to lines of ours that we remember differently") in codes(told)
    assert not any(isinstance(each, Quarantine) for each in told)
    assert bob.peer(alice).ask_at <= NOW
    forged = alice.bundle(bob, replace(update, entries=((alice.user, bob.trust),)))
    assert ("rejected", "bad-signature") in codes(bob.receive(forged, alice))
