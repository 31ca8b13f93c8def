"""Whether a resource is kept, waits or is refused depends on what is held, and never on the order of arrival."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

import pytest
from tests.unit.nodes import MAIL, NOW, STICK, MemoryNode, codes, entropy_from, friends, make, settle, told

from paquebot.protocol import authority, container, schema
from paquebot.protocol.bundle import Chunk, Rebuilt, Verbatim
from paquebot.protocol.effects import Effect, HaveBlob, KeepBlob, SetClock, Tell
from paquebot.protocol.encoding import ResourceId, b64, digest, raw
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import AHEAD_MAX_MS, ASK_AGAIN_MS, DAY_MS, IDENTITY_LIFE_MS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import FileManifest, Resource, SignedObject
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.trust import CREATE_TRUST, OWN_NODE, PUBLISH, READ, identity_fields

YEAR = 365 * DAY_MS
END = Millis(NOW + IDENTITY_LIFE_MS)
SECOND = PrivateKey.create("ed25519", entropy_from("second"))
MALLORY = PrivateKey.create("ed25519", entropy_from("mallory"))


@pytest.fixture
def pair() -> list[MemoryNode]:
    return friends("alice", "bob")


def give(alice: MemoryNode, bob: MemoryNode, *items: SignedObject, now: int = NOW) -> list[Effect]:
    """Hand *items* to *bob* in one bundle of *alice*."""
    return bob.receive(alice.bundle(bob, *map(Rebuilt, items)), alice, now=Millis(now))


def held(node: MemoryNode) -> dict[ResourceId, set[str]]:
    return {each.signed.id: set(each.missing) for each in node.store.view.all_held()}


def resources(node: MemoryNode) -> set[ResourceId]:
    return {each.id for each in node.store.view.listed()}


def rejected(effects: Iterable[Effect]) -> list[str]:
    return [each.detail for each in effects if isinstance(each, Tell) and each.outcome == "rejected"]


# Order does not matter.


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_definition_parent_child_and_its_update_give_the_same_in_any_order(order):
    alice, bob = friends("alice", "bob")
    definition = alice.message("definition")
    parent = alice.message("parent", after=(definition.id,))
    child = alice.message("child", parent=parent.id)
    update = alice.message("update", parent=parent.id, after=(child.id,), supersedes=child.id)
    items = [definition, parent, child, update]
    before = resources(bob)
    for number in order:
        effects = give(alice, bob, items[number])
        assert not rejected(effects)
        assert isinstance(effects[-1], Tell)
    assert resources(bob) - before == {each.id for each in items}
    assert (held(bob), bob.store.view.quarantined()) == ({}, [])
    assert bob.texts() == {"definition", "parent", "child", "update"}


def second_node(
    alice: MemoryNode, *rights: str, expires: str | None = None
) -> tuple[SignedObject, SignedObject, SignedObject]:
    """Return a trust for a second node of Alice's, that node's identity, and what it says."""
    fields = {"trustee": SECOND.fingerprint, "authorization": list(rights), **({"expires": expires} if expires else {})}
    trust = alice.resource(["trust"], {"trust": fields}, key=alice.user_key)
    identity = alice.resource(["identity"], identity_fields("node", SECOND.public, END), key=SECOND, trust=trust.id)
    return trust, identity, alice.message("from the second node", key=SECOND, trust=trust.id)


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("later", [True, False])
def test_what_a_node_says_waits_for_the_trust_and_the_identity_that_prove_it(order, later):
    alice, bob = friends("alice", "bob")
    trust, identity, _ = second_node(alice, *OWN_NODE)
    messages = (alice.message(f"message {n}", key=SECOND, trust=trust.id) for n in itertools.count())
    items = [trust, identity, next(each for each in messages if (raw(each.id) > raw(identity.id)) == later)]
    for number in order:
        effects = give(alice, bob, items[number])
        assert not rejected(effects)
        assert "duplicate" not in [outcome for outcome, _ in codes(effects)]
    assert {each.id for each in items} < resources(bob)
    assert (held(bob), bob.store.view.quarantined()) == ({}, [])


def test_a_held_item_names_everything_it_waits_for_at_once(pair):
    alice, bob = pair
    trust, _, _ = second_node(alice, *OWN_NODE)
    first, second = alice.message("first"), alice.message("second")
    item = alice.message("third", key=SECOND, trust=trust.id, after=(first.id, second.id))
    effects = give(alice, bob, item)
    missing = {SECOND.fingerprint, trust.id, first.id, second.id}
    assert held(bob) == {item.id: missing}
    assert codes(effects) == [("held", " ".join(bob.store.view.all_held()[0].missing))]
    wanted = bob.store.view.wanted_count()
    assert wanted == 3, "the identity has no resource name by which one could ask for it"
    assert told(give(alice, bob, item)) == {item.id: "duplicate"}


@pytest.mark.parametrize("order", [*itertools.permutations(range(2))])
def test_a_reply_waits_for_nothing_that_it_answers(pair, order):
    alice, bob = pair
    root = alice.message("question")
    items = [root, alice.message("answer", parent=root.id, conversation=root.id, supersedes=root.id)]
    for number in order:
        assert told(give(alice, bob, items[number])) == {items[number].id: "applied"}
    assert held(bob) == {}
    assert bob.store.view.wanted_count() == 0, "what nobody lists is not asked for"
    assert bob.texts() == {"question", "answer"}


def test_what_depends_on_something_taken_back_is_read_without_it(pair):
    """Whichever comes first: who waits for what never comes is told that it never will."""
    alice, bob = pair
    gone = alice.message("gone")
    early, late = (alice.message(text, after=(gone.id,)) for text in ("early", "late"))
    assert told(give(alice, bob, early)) == {early.id: "held"}
    revocation = alice.resource(["revoke"], {"revoke": {"resource": gone.id}}, key=alice.user_key)
    assert told(give(alice, bob, revocation))[early.id] == "applied"
    assert told(give(alice, bob, late)) == {late.id: "applied"}
    assert held(bob) == {}
    assert bob.store.view.wanted_count() == 0
    give(alice, bob, gone)
    assert bob.texts() == {"early", "late"}


def test_what_depends_on_something_malformed_is_read_without_it(pair):
    alice, bob = pair
    bad = alice.resource(["message"], {"message": 5})
    item = alice.message("item", after=(bad.id,))
    assert told(give(alice, bob, item)) == {item.id: "held"}
    assert told(give(alice, bob, bad))[item.id] == "applied"
    assert bob.texts() == {"item"}


def test_a_resource_of_an_unknown_schema_is_held_until_the_schema_is_here(pair):
    alice, bob = pair
    uri = f"sdmp://{alice.user}/{digest(b'schema')}"
    item = alice.resource([uri], {"cargo": 1})
    assert told(give(alice, bob, item)) == {item.id: "held"}
    assert held(bob) == {item.id: {digest(b"schema")}}


def test_a_forgery_that_is_held_does_not_keep_the_genuine_item_out(pair):
    alice, bob = pair
    trust, identity, item = second_node(alice, *OWN_NODE)
    forged = SignedObject.build(item.payload, replace(item.signatures[0], signer=MALLORY.fingerprint))
    assert told(give(alice, bob, forged)) == {item.id: "held"}
    assert told(give(alice, bob, forged)) == {item.id: "duplicate"}
    assert told(give(alice, bob, item)) == {item.id: "deferred"}
    assert bob.store.view.wanted_count() == 2, "the trust, and the item in its genuine form"
    assert rejected(give(alice, bob, trust, identity)) == ["not-permitted"]
    assert told(give(alice, bob, item)) == {item.id: "applied"}
    assert bob.store.view.wanted_count() == 0


# Authority.


def test_what_is_held_and_comes_again_is_looked_up_by_its_name(pair, monkeypatch):
    alice, bob = pair
    items = [alice.message(str(i), trust=MALLORY.fingerprint) for i in range(3)]
    give(alice, bob, *items)
    monkeypatch.delattr(type(bob.store.view), "waiting_for")  # thousands may wait for the same

    assert set(told(give(alice, bob, *items)).values()) == {"duplicate"}


def trust_in(node: MemoryNode, number: int, key: PrivateKey | None = None) -> SignedObject:
    fields = {"trust": {"trustee": b64(number.to_bytes(63) + b"\0"), "authorization": [READ]}}
    return node.resource(["trust"], fields, key=key)


def test_one_users_trusts_are_bounded_and_a_node_crowds_out_no_word_of_its_users(pair, monkeypatch):
    alice, bob = pair
    monkeypatch.setattr(authority, "TRUSTS_MAX", 3)  # each user's node and each card's identities count
    trusts = [trust_in(alice, number) for number in range(5)]
    assert "deferred" in told(give(alice, bob, *trusts)).values()
    assert len(bob.store.view.authority(alice.user).trusts) <= 2 * authority.TRUSTS_MAX

    revoke = alice.resource(["revoke"], {"revoke": {"resource": trusts[0].id}})
    assert told(give(alice, bob, revoke))[revoke.id] == "applied"
    by_user = [trust_in(alice, 9 + number, alice.user_key) for number in range(4)]
    outcomes = told(give(alice, bob, *by_user))
    assert [outcomes[each.id] for each in by_user].count("applied") == 1  # its identity and its node's trust are two


def test_a_users_trusts_are_read_once_and_not_again_for_each_that_comes(pair, monkeypatch):
    alice, bob = pair
    read: list[ResourceId] = []
    once = bob.store.view.resource
    monkeypatch.setattr(bob.store.view, "resource", lambda name: read.append(name) or once(name))

    give(alice, bob, *(trust_in(alice, number) for number in range(20)))

    assert len(bob.store.view.authority(alice.user).trusts) == 21
    assert len(read) < 60


def test_a_forged_resource_is_refused_and_its_neighbours_are_not(pair):
    alice, bob = pair
    good, other, forged = alice.message("good"), alice.message("other"), alice.message("forged")
    (by,) = forged.signatures
    bad = SignedObject.build(forged.payload, replace(by, value=by.value[:-1] + bytes((by.value[-1] ^ 1,))))
    assert told(give(alice, bob, good, bad, other)) == {good.id: "applied", bad.id: "rejected", other.id: "applied"}
    assert bob.texts() == {"good", "other"}
    (aside,) = bob.store.view.quarantined()
    assert (aside.code, aside.sender, aside.digest) == ("bad-signature", alice.node, sha256(bad.encode()).digest())
    assert told(give(alice, bob, forged)) == {forged.id: "applied"}, "only those bytes were refused"


def test_a_node_without_the_right_to_publish_publishes_nothing(pair):
    alice, bob = pair
    trust, identity, message = second_node(alice, READ)
    assert rejected(give(alice, bob, trust, identity, message)) == ["not-permitted"] * 2
    assert bob.texts() == set()


def test_a_trust_that_had_expired_gives_nothing_and_what_was_said_before_stays_good(pair):
    alice, bob = pair
    trust, identity, message = second_node(alice, PUBLISH, expires="2027-01-15T08:00:01.000Z")
    late = alice.message("late", key=SECOND, trust=trust.id, at=NOW + 1000)
    effects = give(alice, bob, trust, identity, message, late, now=NOW + DAY_MS)
    assert rejected(effects) == ["expired"]
    assert bob.texts() == {"from the second node"}


@pytest.mark.parametrize("at", [NOW, NOW + DAY_MS], ids=["early", "late"])
def test_what_is_dated_after_its_trust_expires_is_refused_whenever_it_comes(pair, at):
    alice, bob = pair
    trust, identity, _ = second_node(alice, PUBLISH, expires="2027-01-15T08:00:01.000Z")
    ahead = alice.message("ahead", key=SECOND, trust=trust.id, at=NOW + 1000)
    assert rejected(give(alice, bob, trust, identity, ahead, now=at)) == ["expired"]


def test_a_trust_for_another_node_or_of_another_user_or_none_gives_nothing(pair):
    alice, bob = pair
    carol = make("carol")
    bob.meet(carol)
    note = alice.message("note")
    give(alice, bob, note)
    effects = give(
        alice,
        bob,
        alice.message("another's trust", trust=carol.trust),
        alice.message("no trust at all", trust=note.id),
        carol.message("another's name", user=alice.user, trust=alice.trust),
        carol.message("one's own trust", user=alice.user),
    )
    assert rejected(effects) == ["not-permitted"] * 4


def test_a_node_that_may_not_create_trusts_creates_none(pair):
    alice, bob = pair
    trust, identity, _ = second_node(alice, PUBLISH)
    grant = {"trust": {"trustee": MALLORY.fingerprint, "authorization": [PUBLISH]}}
    given = alice.resource(["trust"], grant, key=SECOND, trust=trust.id)
    assert rejected(give(alice, bob, trust, identity, given)) == ["not-permitted"]
    rich, identity, _ = second_node(alice, PUBLISH, CREATE_TRUST)
    given = alice.resource(["trust"], grant, key=SECOND, trust=rich.id)
    assert rejected(give(alice, bob, rich, identity, given)) == []


@pytest.mark.parametrize("other", ["message", "trust"])
def test_nothing_is_published_for_another_user_under_cover_of_ones_own_identity(pair, other):
    alice, bob = pair
    fields = {
        **identity_fields("node", MALLORY.public, END),
        "message": "alice never said this",
        "trust": {"trustee": MALLORY.fingerprint, "authorization": list(OWN_NODE)},
    }
    payload = container.write([other, "identity", "resource"], {**fields, "resource": {"user": alice.user}})
    assert rejected(give(alice, bob, SignedObject.sign(payload, MALLORY))) == ["not-permitted"]
    assert bob.store.view.identity(MALLORY.fingerprint) is None


def test_a_users_identity_is_published_for_nobody_else_even_with_a_trust(pair):
    alice, bob = pair
    trust, _, _ = second_node(alice, *OWN_NODE)
    item = alice.resource(["identity"], identity_fields("user", SECOND.public, END), key=SECOND, trust=trust.id)
    assert rejected(give(alice, bob, trust, item)) == ["not-permitted"]


def test_nothing_is_published_for_another_user_behind_a_signature_that_nobody_checked(pair):
    alice, bob = pair
    fields = {**identity_fields("node", MALLORY.public, END), "message": "alice never said this"}
    payload = container.write(
        ["message", "identity", "resource"], {**fields, "resource": {"user": alice.user, "trust": alice.trust}}
    )
    mine = SignedObject.sign(payload, MALLORY)
    stolen = replace(mine.signatures[0], signer=alice.user)
    both = SignedObject.parse(replace(mine, signatures=(stolen, *mine.signatures)).encode())
    effects = bob.receive(alice.bundle(bob, Verbatim(both.encode())), alice)
    assert rejected(effects) == ["bad-signature"]


def test_a_resource_of_a_user_whose_publishing_is_not_accepted_is_declined(pair):
    alice, bob = pair
    carol = make("carol")
    item = carol.message("hello")
    assert told(give(alice, bob, item)) == {item.id: "declined"}
    bob.meet(carol, trusting=False)
    assert told(give(alice, bob, item)) == {item.id: "declined"}
    bob.meet(carol)
    assert told(give(alice, bob, item)) == {item.id: "applied"}, "it was not refused for ever"


def test_an_unreadable_resource_is_refused_and_never_kept(pair):
    alice, bob = pair
    late = {"trust": {"trustee": alice.node, "authorization": [READ], "expires": "2027-02-30T08:00:01.000Z"}}
    items = [
        SignedObject.sign(b"{}", alice.node_key),
        SignedObject.sign(b"not JSON", alice.node_key),
        SignedObject.sign(container.write(["message"], {"message": "for nobody"}), alice.node_key),
        alice.resource(["trust"], late),
        alice.resource(["file"], {"file": {"size": 9}}),
    ]
    assert told(give(alice, bob, *items)) == {each.id: "rejected" for each in items}
    assert {each.code for each in bob.store.view.quarantined()} == {"malformed"}
    assert not {each.id for each in items} & resources(bob)


# Time.


def test_a_stamp_ten_years_ahead_waits_and_never_moves_our_clock(pair):
    alice, bob = pair
    at = NOW + 9 * YEAR
    item = alice.message("from the future", at=at)
    stamp = bob.store.view.stamp()
    assert told(give(alice, bob, item)) == {item.id: "held"}
    assert bob.store.view.stamp() == stamp
    assert bob.texts() == set()
    early, due = Millis(at - AHEAD_MAX_MS - 1), Millis(at - AHEAD_MAX_MS)
    bob.poll(now=due)
    assert bob.texts() == set(), "a clock that leaps is not believed"
    bob.store.commit([SetClock(bob.store.view.clock().vouched(early))])
    bob.poll(now=early)
    assert bob.texts() == set()
    bob.poll(now=due)
    assert (bob.texts(), held(bob), bob.store.view.stamp()) == ({"from the future"}, {}, Stamp(Millis(at)))


def test_a_stamp_one_day_ahead_is_admitted_and_one_millisecond_more_waits(pair):
    alice, bob = pair
    due, early = alice.message("due", at=NOW + AHEAD_MAX_MS), alice.message("early", at=NOW + AHEAD_MAX_MS + 1)
    assert told(give(alice, bob, due, early)) == {due.id: "applied", early.id: "held"}


def test_an_identity_stamped_ten_years_ahead_does_not_move_our_clock_either(pair):
    alice, bob = pair
    fields = identity_fields("user", alice.user_key.public, END)
    item = alice.resource(["identity"], fields, key=alice.user_key, at=NOW + 9 * YEAR)
    stamp = bob.store.view.stamp()
    assert told(give(alice, bob, item)) == {item.id: "held"}
    assert bob.store.view.stamp() == stamp


def test_what_is_due_but_still_lacks_something_waits_on(pair):
    alice, bob = pair
    first = alice.message("first")
    item = alice.message("later", at=NOW + 10 * DAY_MS, after=(first.id,))
    give(alice, bob, item)
    bob.poll(now=Millis(NOW + 10 * DAY_MS))
    assert held(bob) == {item.id: {first.id}}
    effects = give(alice, bob, first, now=NOW + 10 * DAY_MS)
    assert codes(effects) == [("applied", ""), ("applied", "")]


def test_an_author_three_years_late_is_admitted_and_sorted_where_the_stamps_say(pair):
    alice, bob = pair
    recent = alice.message("recent")
    give(alice, bob, recent)
    old = [alice.message(f"old {n}", at=NOW - 3 * YEAR + n) for n in range(50)]
    stamp = bob.store.view.stamp()
    effects = give(alice, bob, *reversed(old))
    assert told(effects) == {each.id: "applied" for each in old}
    assert [each.id for each in bob.store.view.listed(["message"])] == [*(each.id for each in old), recent.id]
    assert bob.store.view.stamp() == stamp


def test_the_latest_announcement_of_keys_counts_in_whatever_order_they_come(pair):
    alice, bob = pair
    found = bob.store.view.announced(alice.node)
    assert found
    first = Resource.read(bob.store.view.resource(found), schema.published)  # type: ignore[arg-type]
    fields = {"envelope_keys": first.container.value["envelope_keys"]}
    newer, newest = (alice.resource(["envelope_keys"], fields, at=NOW + n) for n in (100, 200))
    for order in (newest, newer), (newer, newest):
        _, bob = friends("alice", "bob")
        for item in order:
            assert told(give(alice, bob, item)) == {item.id: "applied"}
        assert bob.store.view.announced(alice.node) == newest.id


# Chunks.


def blob(number: int) -> bytes:
    return b"%05d" % number * 819 + b"."  # 4,096 bytes


def publish_file(node: MemoryNode, chunks: list[bytes], *, blocks: bool) -> tuple[ResourceId, dict[bytes, bytes]]:
    """Publish a file of *chunks*; return its name and everything it is made of."""
    made = {sha256(each).digest(): each for each in chunks}
    hashes = [sha256(each).digest() for each in chunks]
    if blocks:
        index = [b"".join(hashes[n : n + 128]) for n in range(0, len(hashes), 128)]
        hashes = [sha256(each).digest() for each in index]
        made |= zip(hashes, index, strict=True)
    manifest = FileManifest(sum(map(len, chunks)), None, 4096, 2 if blocks else 1, tuple(hashes))
    before, _ = node.store.view.tip()
    staged = itertools.chain.from_iterable((KeepBlob(n, d), HaveBlob(n, len(d))) for n, d in made.items())
    node.store.commit(itertools.chain(staged, node.engine.publish([Draft.file(manifest, "big")], NOW)))
    return node.store.view.own_lines(before + 1, before + 1)[0].entry.resource, made


@pytest.mark.parametrize("link", [STICK, MAIL], ids=["pushed", "asked for"])
def test_a_file_with_index_blocks_crosses_and_is_complete(pair, link):
    alice, bob = pair
    name, made = publish_file(alice, [*map(blob, range(129)), b"the end"], blocks=True)
    assert alice.store.view.complete(name)
    now = settle(alice, bob, link)
    assert bob.store.view.complete(name) == link.bytes_cheap
    for _ in range(2 if link is MAIL else 0):  # first the blocks are asked for, then what they name
        now = settle(alice, bob, link, Millis(now + ASK_AGAIN_MS + 1))
    assert bob.store.view.complete(name)
    assert [bob.store.view.chunk(number) for number in bob.store.view.chunks_of(name)] == [
        alice.store.view.chunk(number) for number in alice.store.view.chunks_of(name)
    ]
    assert all(bob.store.view.blob(each) == data for each, data in made.items())
    assert len(made) == 132
    assert alice.peer(bob).owed_chunks == Ranges()


@pytest.mark.parametrize("order", ["blocks first", "blocks last", "manifest last"])
def test_a_file_is_complete_when_all_of_it_is_here_in_any_order(pair, order):
    alice, bob = pair
    name, made = publish_file(alice, [*map(blob, range(129)), b"the end"], blocks=True)
    signed = alice.store.view.resource(name)
    assert signed
    parts = [Chunk(each, data) for each, data in made.items()]
    if order == "blocks first":
        parts.reverse()
    manifest = [Rebuilt(signed)]
    items = [*parts, *manifest] if order == "manifest last" else [*manifest, *parts]
    assert not rejected(bob.receive(alice.bundle(bob, *items), alice))
    assert bob.store.view.complete(name)


def test_a_chunk_that_two_files_share_completes_both(pair):
    alice, bob = pair
    one, made = publish_file(alice, [blob(1), b"one"], blocks=False)
    two, more = publish_file(alice, [blob(1), b"two"], blocks=False)
    give(alice, bob, *(alice.store.view.resource(name) for name in (one, two)))
    effects = bob.receive(alice.bundle(bob, *(Chunk(n, d) for n, d in {**made, **more}.items())), alice)
    assert told(effects) == {name.hex(): "applied" for name in {**made, **more}}
    assert (bob.store.view.complete(one), bob.store.view.complete(two)) == (True, True)


def test_an_index_block_of_the_wrong_size_harms_its_own_file_alone(pair):
    alice, bob = pair
    wrong = b"x" * 96
    evil = alice.resource(["file"], {"file": FileManifest(2 * 4096, None, 4096, 2, (sha256(wrong).digest(),)).fields()})
    good, made = publish_file(alice, [blob(1), wrong], blocks=False)
    signed = alice.store.view.resource(good)
    assert signed
    give(alice, bob, evil, signed)
    effects = bob.receive(alice.bundle(bob, *(Chunk(n, d) for n, d in made.items())), alice)
    assert told(effects) == {name.hex(): "applied" for name in made}
    assert (bob.store.view.complete(good), bob.store.view.complete(evil.id)) == (True, False)
    assert [bob.store.view.chunk(number) for number in bob.store.view.chunks_of(good)] == [*made]


def test_a_chunk_of_a_file_that_is_not_here_yet_is_held_and_used_later(pair):
    alice, bob = pair
    name, made = publish_file(alice, [blob(1), b"end"], blocks=False)
    chunks = [Chunk(each, data) for each, data in made.items()]
    assert set(told(bob.receive(alice.bundle(bob, *chunks), alice)).values()) == {"held"}
    assert set(told(bob.receive(alice.bundle(bob, *chunks), alice)).values()) == {"duplicate"}
    signed = alice.store.view.resource(name)
    assert signed
    assert told(give(alice, bob, signed)) == {name: "applied"}
    assert bob.store.view.complete(name)
