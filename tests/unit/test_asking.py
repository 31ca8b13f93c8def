"""Whom a node asks for what it lacks: any peer that lists it, one at a time, and nobody again and again."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.unit.nodes import MAIL, NOW, STICK, MemoryNode, carry, friends
from tests.unit.test_hearing import LATER, big, said, update

from paquebot.protocol.bundle import Bundle, Chunk, Rebuilt, Verbatim, Want
from paquebot.protocol.effects import SavePeer
from paquebot.protocol.encoding import ResourceId, digest
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import ASK_AGAIN_MS, ASK_LAST_MS, DAY_MS, DENIED_MS
from paquebot.protocol.link import Link
from paquebot.protocol.messages import ResourceRequest, Response, read
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter
from paquebot.protocol.trust import READ

Sent = list[tuple[Letter, Bundle]]


def asked(sent: Iterable[tuple[Letter, Bundle]], of: MemoryNode | None = None) -> list[ResourceId]:
    """Return what is asked for in *sent*, of *of* or of anybody."""
    return [name for letter, _ in sent if of is None or letter.peer == of.node for name in letter.plan.requests]


def later(now: Millis, ms: int) -> Millis:
    return Millis(now + ms)


@pytest.fixture
def village() -> list[MemoryNode]:
    """Ann publishes, Rob and Ria carry, Abe, who never meets Ann, lacks; all know all."""
    found = friends("ann", "rob", "ria", "abe")
    mingle(*found)
    assert not any(each.store.view.wanted_count() for each in found)
    return found


def mingle(*nodes: MemoryNode, now: Millis = NOW, link: Link = STICK) -> Millis:
    """Let *nodes* write to each other until none has more to say; what they write to others is lost."""
    at = {each.node: each for each in nodes}
    while True:
        now = later(now, 1)
        sent = [(each, letter, bundle) for each in nodes for letter, bundle in each.poll(link, now)]
        for sender, letter, bundle in sent:
            if letter.peer in at:
                at[letter.peer].receive(bundle, sender, link, now)
        if not sent:
            return now


def listen(abe: MemoryNode, *carriers: MemoryNode, now: Millis) -> None:
    """Let Abe hear the journals of *carriers* by mail, without a body."""
    for each in carriers:
        carry(each, abe, MAIL, now)


# Many things, several who have them.


def test_of_579_things_that_two_peers_share_none_is_transferred_twice(village):
    ann, rob, ria, abe = village
    ann.say(*(f"shared {n}" for n in range(560)))
    now = mingle(ann, rob, ria, now=LATER)
    ann.say(*(f"rob's {n}" for n in range(10)), now=now)
    now = mingle(ann, rob, now=now)
    rob.say(*(f"by rob {n}" for n in range(9)), now=now)
    given: Counter[ResourceId] = Counter()
    wanted: Counter[str] = Counter()
    envelopes = 0
    for _ in range(12):
        now = later(now, 60_000)
        for letter, bundle in abe.poll(MAIL, now):
            requests = asked([(letter, bundle)])
            wanted.update({letter.peer: len(requests)})
            envelopes += bool(requests)
            for each in (rob, ria):
                if letter.peer == each.node:
                    each.receive(bundle, abe, MAIL, now)
        for each in (rob, ria):
            for letter, bundle in each.poll(MAIL, now):
                if letter.peer == abe.node:
                    given.update(part.signed.id for part in bundle.parts if isinstance(part, Rebuilt))
                    abe.receive(bundle, each, MAIL, now)
    assert len([text for text in abe.texts() if not text.startswith("by rob")]) == 570
    assert len(abe.texts()) == 579
    assert max(given.values()) == 1, "no body is transferred twice"
    assert envelopes < 20, "nothing is asked for in envelopes of its own"
    assert wanted[ann.node] < 300
    assert wanted[rob.node] > 100 < wanted[ria.node], "the load is spread"


def test_who_published_a_thing_is_not_asked_for_it_while_others_have_it(village):
    ann, rob, ria, abe = village
    names = ann.say(*(f"text {n}" for n in range(20)))
    now = mingle(ann, rob, ria, now=LATER)
    # Of Ann's journal Abe hears the lines alone: the bodies got lost.
    lines = ann.store.view.entries(ann.node, 1, 99)
    abe.receive(ann.bundle(abe, update(ann, abe.peer(ann).heard_id, lines[abe.peer(ann).heard :])), ann, now=now)
    listen(abe, rob, ria, now=now)
    sent = abe.poll(MAIL, later(now, 1))
    assert not set(asked(sent, ann)) & set(names)
    assert set(asked(sent)) >= set(names)
    assert len(asked(sent)) == len(set(asked(sent))), "of one peer each"


def test_who_alone_has_a_thing_is_asked_though_it_published_it(village):
    ann, _, _, abe = village
    item = ann.message("alone")
    abe.receive(ann.bundle(abe, update(ann, abe.peer(ann).heard_id, [Entry(ann.user, item.id)])), ann, now=LATER)
    assert asked(abe.poll(now=LATER), ann) == [item.id]


# No, silence and lies.


@pytest.fixture
def lacking(village) -> tuple[list[MemoryNode], ResourceId, Millis]:
    """Rob and Ria list a thing of Ann's that Abe lacks."""
    ann, rob, ria, abe = village
    (name,) = ann.say("wanted")
    now = mingle(ann, rob, ria, now=LATER)
    listen(abe, rob, ria, now=now)
    return village, name, later(now, 1)


def first_asked(abe: MemoryNode, peers: list[MemoryNode], name: ResourceId, now: Millis) -> tuple[MemoryNode, str]:
    """Let Abe ask; return whom, and the request's identifier."""
    ((letter, bundle),) = [each for each in abe.poll(MAIL, now) if name in each[0].plan.requests]
    (whom,) = [each for each in peers if each.node == letter.peer]
    found = [read(SignedObject.parse(part.data).payload) for part in bundle.parts if isinstance(part, Verbatim)]
    (request,) = [each for each in found if isinstance(each, ResourceRequest) and each.resource == name]
    abe.receive(whom.bundle(abe), whom, MAIL, now)
    for known in abe.store.view.letters(whom.node):
        abe.store.commit(abe.engine.token(known.token))
    return whom, request.identifier


def say_no(whom: MemoryNode, abe: MemoryNode, identifier: str, now: Millis) -> None:
    abe.receive(whom.bundle(abe, said(whom, Response(identifier, "not_found"))), whom, MAIL, now)


def test_when_one_has_not_got_it_the_next_is_asked_at_once_and_then_nobody_for_a_month(lacking):
    (_, rob, ria, abe), name, now = lacking
    one, identifier = first_asked(abe, [rob, ria], name, now)
    say_no(one, abe, identifier, later(now, 1))
    two, identifier = first_asked(abe, [rob, ria], name, later(now, 2))
    assert two is not one
    say_no(two, abe, identifier, later(now, 3))
    for days in range(29):
        assert not asked(abe.poll(MAIL, later(now, 10 + days * DAY_MS))), "all have said no"
    assert asked(abe.poll(MAIL, later(now, DENIED_MS + DAY_MS))) == [name]


def test_a_no_to_what_was_never_asked_changes_nothing(lacking):
    (_, rob, ria, abe), name, now = lacking
    for identifier in (f"x.{name}", "x", f"x.{'A' * 86}", f"x.{name[:-1]}!"):
        for each in (rob, ria):
            say_no(each, abe, identifier, now)
    assert asked(abe.poll(MAIL, later(now, 1))) == [name]


def test_after_all_said_no_a_new_lister_is_asked_at_once(lacking):
    (ann, rob, ria, abe), name, now = lacking
    for _ in range(2):
        whom, identifier = first_asked(abe, [rob, ria], name, now)
        say_no(whom, abe, identifier, now)
    assert not asked(abe.poll(MAIL, later(now, 1)))
    known = abe.peer(ann)
    lines = [*ann.store.view.entries(ann.node, known.heard + 1, 99)]
    abe.receive(ann.bundle(abe, update(ann, known.heard_id, lines)), ann, MAIL, now)
    assert asked(abe.poll(MAIL, later(now, 2))) == [name]


def test_after_all_said_no_a_trust_that_names_us_is_reason_to_ask_again(lacking):
    (ann, rob, ria, abe), name, now = lacking
    for _ in range(2):
        whom, identifier = first_asked(abe, [rob, ria], name, now)
        say_no(whom, abe, identifier, now)
    rights = {"trust": {"trustee": abe.user, "authorization": [READ]}}
    trust = ann.resource(["trust"], rights, key=ann.user_key, at=now)
    assert not asked(abe.poll(MAIL, now))
    abe.receive(ann.bundle(abe, Rebuilt(trust)), ann, MAIL, now)
    assert asked(abe.poll(MAIL, later(now, 2))) == [name]


def test_what_nobody_has_any_more_is_waited_for_by_nobody(lacking):
    """A message whose attachment all who list it have forgotten is read without it; who may yet have it is awaited."""
    (ann, rob, ria, abe), name, now = lacking
    item = ann.message("see there", after=(name,))
    abe.receive(ann.bundle(abe, Rebuilt(item)), ann, MAIL, now)
    assert abe.store.view.held(item.id)
    for count in range(2):
        whom, identifier = first_asked(abe, [rob, ria], name, now)
        assert abe.store.view.held(item.id), count
        say_no(whom, abe, identifier, now)
        now = later(now, 2)
    assert abe.store.view.held(item.id) is None
    assert "see there" in abe.texts()


@pytest.mark.parametrize("gone", [{"revoked": LATER}, {"ended": Millis(1), "seen_at": Millis(0)}])
def test_of_who_will_not_answer_any_more_no_answer_is_waited_for(lacking, gone):
    (ann, rob, ria, abe), name, now = lacking
    item = ann.message("see there", after=(name,))
    abe.receive(ann.bundle(abe, Rebuilt(item)), ann, MAIL, now)
    whom, identifier = first_asked(abe, [rob, ria], name, now)
    (other,) = [each for each in (rob, ria) if each is not whom]
    abe.store.commit([SavePeer(replace(abe.peer(other), **gone))])
    say_no(whom, abe, identifier, later(now, 1))
    assert abe.store.view.held(item.id) is None
    assert not asked(abe.poll(MAIL, later(now, 2)))


def test_fifty_envelopes_that_mention_a_thing_cause_no_further_request(lacking):
    (ann, rob, ria, abe), name, now = lacking
    first_asked(abe, [rob, ria], name, now)
    for n in range(50):
        waits = ann.message(f"leans {n}", after=(name,))
        abe.receive(ann.bundle(abe, Rebuilt(waits)), ann, MAIL, later(now, n))
        assert not asked(abe.poll(MAIL, later(now, n)))
    assert asked(abe.poll(MAIL, later(now, ASK_AGAIN_MS + 1))) == [name]


def test_who_lists_and_never_delivers_is_asked_last(lacking):
    (ann, rob, ria, abe), name, now = lacking
    liar, _ = first_asked(abe, [rob, ria], name, now)
    honest = ria if liar is rob else rob
    for _ in range(8):
        now = later(now, ASK_AGAIN_MS + 1)
        sent = abe.poll(MAIL, now)
        for letter, bundle in sent:
            whom = liar if letter.peer == liar.node else honest if letter.peer == honest.node else None
            if whom:
                abe.receive(whom.bundle(abe), whom, MAIL, now)
                abe.store.commit(abe.engine.token(letter.token))
            if whom is honest and name in letter.plan.requests:
                honest.receive(bundle, abe, MAIL, now)
                carry(honest, abe, MAIL, now)
        if abe.store.view.has(name):
            break
    assert abe.store.view.account(liar.node).broken == 1
    assert abe.store.view.account(honest.node).broken == 0
    more = ann.say(*(f"more {n}" for n in range(20)), now=now)
    now = mingle(ann, rob, ria, now=now)
    listen(abe, rob, ria, now=now)
    sent = abe.poll(MAIL, later(now, 1))
    assert set(asked(sent, honest)) >= set(more)
    assert not set(asked(sent, liar)) & set(more)


def test_who_delivers_wrong_bytes_is_asked_last_and_the_next_at_once(lacking):
    (_, rob, ria, abe), name, now = lacking
    liar, _ = first_asked(abe, [rob, ria], name, now)
    good = rob.store.view.resource(name)
    bad = SignedObject.build(good.payload, replace(good.signatures[0], value=bytes(64)))
    for _ in range(3):
        abe.receive(liar.bundle(abe, Rebuilt(bad)), liar, MAIL, now)
    honest = ria if liar is rob else rob
    assert first_asked(abe, [rob, ria], name, later(now, 1))[0] is honest
    assert abe.store.view.account(liar.node).broken == 1, "once for one request"


def test_what_nobody_ever_gives_is_asked_for_ever_less_often(lacking):
    (_, rob, ria, abe), name, now = lacking
    moments = []
    for hour in range(0, 24 * 365, 6):
        at = later(now, hour * 3_600_000 + 1)
        for letter, _ in abe.poll(MAIL, at):
            if name in letter.plan.requests:
                moments.append(at)
            whom = rob if letter.peer == rob.node else ria
            if letter.peer in (rob.node, ria.node):
                abe.receive(whom.bundle(abe), whom, MAIL, at)
                abe.store.commit(abe.engine.token(letter.token))
    gaps = [b - a for a, b in itertools.pairwise(moments)]
    assert len(moments) < 40
    assert gaps == sorted(gaps)
    assert gaps[-1] <= ASK_LAST_MS + 2 * ASK_AGAIN_MS
    assert abe.store.view.account(rob.node).broken > 3 < abe.store.view.account(ria.node).broken


def test_a_request_that_got_lost_counts_as_none(lacking):
    (_, _, _, abe), name, now = lacking
    for letter, _ in abe.poll(MAIL, now):
        abe.store.commit(abe.engine.lost(letter.id))
    assert not any(row.times or row.until for row in abe.store.view.askings(name))
    assert asked(abe.poll(MAIL, later(now, 1))) == [name]


def test_what_came_is_forgotten_as_a_question(lacking):
    (ann, rob, ria, abe), name, now = lacking
    first_asked(abe, [rob, ria], name, now)
    signed = ann.store.view.resource(name)
    abe.receive(ann.bundle(abe, Rebuilt(signed)), ann, MAIL, now)
    assert not abe.store.view.askings(name)
    assert not asked(abe.poll(MAIL, later(now, DAY_MS)))


# Chunks.


def test_chunks_are_asked_of_one_peer_and_next_time_of_another(village):
    ann, rob, ria, abe = village
    name, _ = big(ann)
    now = mingle(ann, rob, ria, now=LATER)
    now = mingle(rob, ria, abe, now=now, link=MAIL)
    assert abe.store.view.lacking(name)
    whom = []
    for _ in range(3):
        now = later(now, ASK_AGAIN_MS + 1)
        sent = [(letter, bundle) for letter, bundle in abe.poll(MAIL, now) if letter.plan.wants]
        (letter,) = [letter for letter, _ in sent]
        whom.append(letter.peer)
        abe.store.commit(abe.engine.token(letter.token))
    assert set(whom[:2]) == {rob.node, ria.node}


def test_chunks_that_come_end_the_questions_about_their_file(village):
    ann, rob, _, abe = village
    name, chunks = big(ann)
    now = mingle(ann, rob, now=LATER)
    now = later(mingle(rob, abe, now=now, link=MAIL), ASK_AGAIN_MS + 1)
    for letter, bundle in abe.poll(MAIL, now):
        if letter.peer == rob.node:
            assert [part.resource for part in bundle.parts if isinstance(part, Want)] == [name]
            rob.receive(bundle, abe, MAIL, now)
    assert abe.store.view.askings(name)
    parts = [part for _, bundle in rob.poll(MAIL, now) for part in bundle.parts if isinstance(part, Chunk)]
    assert [part.data for part in parts] == chunks
    for part in parts:
        abe.receive(rob.bundle(abe, part), rob, MAIL, now)
    assert abe.store.view.complete(name)
    assert not abe.store.view.askings(name)


def test_an_unknown_thing_of_nobody_we_know_is_asked_of_nobody(village):
    *_, abe = village
    stranger = Entry(abe.user, ResourceId(digest(b"nothing")))
    assert stranger.resource not in asked(abe.poll(now=Millis(NOW + 1)))
