"""Weighing a user's revocations costs what they can change, and comes to the same in whatever order they come."""

from __future__ import annotations

from random import Random

import pytest
from tests.unit.nodes import NOW, MemoryNode, friends
from tests.unit.test_revocation import LATER, SECOND, THIRD, give, revoke, trust_for

from paquebot.protocol import authority
from paquebot.protocol.authority import Authority, Claim, Deed, weigh
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, digest
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.trust import CREATE_TRUST, OWN_NODE, PUBLISH, READ, REVOKE, Ending, Revocation, Trust

USER = Fingerprint(digest(b"user"))


@pytest.fixture
def pair() -> list[MemoryNode]:
    return friends("alice", "bob")


@pytest.fixture
def weighed(monkeypatch: pytest.MonkeyPatch) -> list[Revocation]:
    """Every revocation each time that it is weighed."""
    found: list[Revocation] = []
    really = Authority._weigh

    def counting(self: Authority, revocation: Revocation) -> None:
        found.append(revocation)
        really(self, revocation)

    monkeypatch.setattr(Authority, "_weigh", counting)
    return found


def name(text: object) -> ResourceId:
    return ResourceId(digest(str(text).encode()))


def many(alice: MemoryNode, count: int) -> list[SignedObject]:
    return [revoke(alice, name(number), key=alice.node_key) for number in range(count)]


@pytest.mark.parametrize("together", [True, False], ids=["in one envelope", "one by one"])
def test_a_revocation_of_one_thing_is_weighed_once_however_many_there_are(pair, weighed, together):
    alice, bob = pair
    items = many(alice, 60)
    for item in [items] if together else [[each] for each in items]:
        give(alice, bob, *item)
    assert len(bob.store.view.authority(alice.user).revocations) == 60
    assert len(weighed) == 60


def test_neither_do_lines_of_others_let_them_be_weighed_again(pair, weighed):
    alice, bob = pair
    give(alice, bob, *many(alice, 20))
    alice.say("a line")
    for _, bundle in alice.poll():
        bob.receive(bundle, alice)
    assert bob.store.view.authority(alice.user)
    assert len(weighed) == 20


def test_nor_trusts_on_which_nothing_leans(pair, weighed):
    alice, bob = pair
    give(alice, bob, *many(alice, 20))
    give(alice, bob, trust_for(alice, SECOND, *OWN_NODE), trust_for(alice, THIRD, *OWN_NODE))
    assert bob.store.view.authority(alice.user).given(SECOND.fingerprint)
    assert len(weighed) == 20


@pytest.mark.parametrize("together", [True, False], ids=["in one envelope", "one by one"])
def test_nor_revocations_of_trusts_on_which_nothing_leans(pair, weighed, together):
    alice, bob = pair
    trusts = [trust_for(alice, SECOND, READ, at=NOW + number, key=alice.node_key) for number in range(30)]
    trusts += [trust_for(alice, THIRD, PUBLISH, at=NOW + number, key=alice.node_key) for number in range(30)]
    back = [revoke(alice, each.id, key=alice.node_key, fields={"authorization": alice.trust}) for each in trusts]
    give(alice, bob, *trusts)
    for items in [back] if together else [[each] for each in back]:
        give(alice, bob, *items)
    found = bob.store.view.authority(alice.user)
    assert len(found.revocations) == len(weighed) == 60
    assert not found.given(SECOND.fingerprint) + found.given(THIRD.fingerprint)


def test_revocations_of_trusts_for_which_all_are_weighed_again_are_fewer(pair, monkeypatch):
    monkeypatch.setattr(authority, "TRUSTS_MAX", 4)
    alice, bob = pair
    trust = trust_for(alice, SECOND, *OWN_NODE)
    give(alice, bob, trust)
    cuts = [revoke(alice, trust.id, at=LATER - number) for number in range(6)]
    give(alice, bob, *cuts, revoke(alice, name("anything else")))
    assert len(bob.store.view.authority(alice.user).revocations) == 5


def test_what_revokes_one_trust_again_and_again_is_not_tried_each_time():
    trust = a_trust("trust", "node")
    cuts = [Deed(each, None, a_revocation(each, trust.id, at=LATER + n), None) for n, each in enumerate("abcdef")]
    ends = [
        Deed(each, None, a_revocation(each, trust.id, at=LATER + 99 - n, line=n), None)
        for n, each in enumerate(map(str, range(40)))
    ]
    found = weigh(USER, [Deed(trust.id, trust, None, None), *cuts, *ends], lambda *_: None)
    assert len(found.revocations) == 46
    assert len(found.against(trust.id)) == 1 + authority.ENDINGS_MAX


# The same in any order.


def a_trust(of: str, to: str, *, by: str = "", rights: tuple[str, ...] = OWN_NODE) -> Trust:
    signer = Fingerprint(name(by.split()[0])) if by else USER
    given = name(by) if by else None
    return Trust(name(of), USER, Fingerprint(name(to)), rights, None, signer, given, Stamp(Millis(LATER)))


def a_revocation(
    of: str, target: ResourceId, *, at: int = LATER, by: str = "", allowed: bool = False, line: int | None = None
) -> Revocation:
    signer = Fingerprint(name(by.split()[0])) if by else USER
    given = name(by) if by else None
    ending = None if line is None else Ending(Fingerprint(name("node")), LineId(name(f"line {line}")), line)
    return Revocation(name(of), USER, target, signer, given, given if allowed else None, Stamp(Millis(at)), ending)


def history(dice: Random) -> list[Deed]:
    """Trusts in nodes "0" to "5", given by each other, and revocations of all and everything."""
    deeds: list[Deed] = []
    known: list[str] = []
    for number in range(6):
        by = dice.choice(["", *known])
        rights = tuple(dice.sample([PUBLISH, REVOKE, CREATE_TRUST], dice.randint(1, 3)))
        trust = a_trust(f"{number} trust", str(number), by=by, rights=(*rights, CREATE_TRUST))
        deeds.append(Deed(trust.id, trust, None, None))
        known.append(f"{number} trust")
    for number in range(12):
        target = dice.choice([name(each) for each in (*known, "x", "y", "z")])
        by = dice.choice(["", *known])
        made = a_revocation(
            f"revocation {number}",
            target,
            at=LATER + dice.randint(0, 5),
            by=by,
            allowed=dice.random() < 0.5,
            line=dice.choice([None, None, 1, 2, 3]),
        )
        deeds.append(Deed(made.id, None, made, None))
    for number in range(6, 9):
        trust = a_trust(f"{number} trust", str(number % 2), by=dice.choice(["", known[0]]))
        deeds.append(Deed(trust.id, trust, None, None))
    for number in range(12, 20):
        target = name(dice.choice(["6 trust", "7 trust", "8 trust", "identity"]))
        at, line = LATER + dice.randint(0, 5), dice.choice([None, 1, 2, 3])
        made = a_revocation(f"revocation {number}", target, at=at, by=dice.choice(["", known[0]]), line=line)
        deeds.append(Deed(made.id, None, made, None))
    deeds.append(Deed(name("identity"), None, None, Fingerprint(name("1"))))
    return deeds


def verdicts(found: Authority) -> object:
    who = [Fingerprint(name(number)) for number in range(6)]
    claims = [
        Claim(name("claim"), node, name(f"{number} trust"), Stamp(Millis(LATER + at)))
        for number, node in enumerate(who)
        for at in (0, 3, 9)
    ]
    return (
        sorted(found.trusts),
        sorted(found.revocations),
        sorted(found.unconditional),
        sorted(found.endless),
        [found.buries(name(each), signer) for each in "xyz" for signer in (None, *who)],
        [found.cut(claim) for claim in claims],
        [found.weight(found.trusts[each]) for each in sorted(found.trusts)],
        [list(found.against(each)) for each in (*sorted(found.trusts), *who)],
        [found.given(node) for node in who],
        found._counts,
    )


@pytest.mark.parametrize("seed", range(60))
def test_one_by_one_in_any_order_or_all_at_once_is_the_same(seed):
    dice = Random(seed)
    deeds = history(dice)
    expected = verdicts(weigh(USER, deeds, lambda *_: None))
    for _ in range(5):
        dice.shuffle(deeds)
        found, added = weigh(USER, [], lambda *_: None), 0
        for number, deed in enumerate(deeds, 1):
            found.cut(Claim(name("claim"), Fingerprint(name("0")), name("0 trust"), Stamp(Millis(LATER))))
            if found.add(deed):
                added += 1
            else:
                found = weigh(USER, deeds[:number], lambda *_: None)
        assert verdicts(found) == expected
        assert added
