"""What the villagers decide about trust: they take things back, let each other read and stop it, and let others decide.

At the end all who may read an author must see the same of what they hold of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from paquebot.protocol import admission, publishing, standing, trusting
from paquebot.protocol.effects import Effects
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.events import SHOWN_KINDS
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.resource import About, SignedObject, compose
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import CREATE_TRUST, READ, REVOKE
from paquebot.testing.village import House

DEEDS = ("revoke", "revoke", "take", "give", "limit", "delegate", "decide", "undo")


def decide(house: House, houses: Sequence[House], dice: Random) -> None:
    """Let the person in *house* decide something."""
    others = [each for each in houses if each is not house and house.view.peer(each.node)]
    deed = dice.choice(DEEDS)
    if deed in ("decide", "undo"):
        house.store.commit(_for_another(house, houses, dice, deed))
        return
    drafts = _drafts(deed, house, others, dice)
    if drafts:
        house.store.commit(_published(house, drafts))


def _now(house: House) -> Millis:
    return house.engine.now(house.wall())


def _published(house: House, drafts: Sequence[Draft]) -> Effects:
    yield from publishing.publish(house.view, house.key, drafts, _now(house))
    yield from standing.refresh(house.view, None)


def _drafts(deed: str, house: House, others: Sequence[House], dice: Random) -> list[Draft]:
    view, now = house.view, _now(house)
    if deed == "revoke":
        mine = [each.id for each in view.listed(SHOWN_KINDS) if each.user == house.user]
        return trusting.revoke(view, [dice.choice(mine)], by_user=False) if mine else []
    if not others:
        return []
    other = dice.choice(others)
    match deed:
        case "take":
            return trusting.take(view, (other.user, other.node), (READ,), by_user=False)
        case "give":
            return [trusting.give(view, other.user, (READ,), None, now)]
        case "limit":
            end = Millis(now + dice.randint(1, 20) * DAY_MS)
            return [trusting.give(view, other.user, (READ,), end, now)]
        case _:
            return [trusting.give(view, other.node, (CREATE_TRUST, READ, REVOKE), None, now)]


def _for_another(house: House, houses: Sequence[House], dice: Random, deed: str) -> Effects:
    """Whoever was allowed to gives trust in another's name, or takes something back that was published in it."""
    view, now = house.view, _now(house)
    right = CREATE_TRUST if deed == "decide" else REVOKE
    able = [
        trust
        for each in houses
        if each is not house
        for trust in view.authority(each.user).given(house.node)
        if right in trust.rights
    ]
    if not able:
        return
    trust = dice.choice(able)
    fields: dict[str, Any] = {"trust": {"trustee": dice.choice(houses).user, "authorization": [READ]}}
    if deed == "undo":
        nodes = {each.node for each in houses if each.user == trust.user}  # a trust in these keeps them in office
        trusts = view.authority(trust.user).trusts.values()
        theirs = [each.id for each in view.listed(("message",)) if each.user == trust.user]
        theirs += sorted(each.id for each in trusts if each.trustee not in nodes)
        fields = {"revoke": {"resource": dice.choice(theirs), "authorization": trust.id}}
    about = About(stamp=view.stamp().credible(now).after(now))
    payload = compose([*fields], fields, user=trust.user, trust=trust.id, about=about)
    yield from admission.receive(view, SignedObject.sign(payload, house.key), house.node, now)


def early(house: House, name: ResourceId, author: House) -> bool:
    """Return whether what *author* holds waits in *house* for its time, and nobody need wait for that.

    It was said anew; or somebody else had said it in the author's name, which nobody says anew.
    """
    held = house.view.held(name)
    if held is None:
        return False
    others = held.until and held.signed.signer not in (author.node, author.user)
    return bool(others or author.view.relating(name, "supersedes"))


def agree(houses: Sequence[House]) -> str | None:
    """Say about what two who may read the same author do not agree; None if all do."""
    for author in houses:
        readers = [author, *(each for each in houses if (peer := author.view.peer(each.node)) and peer.reads)]
        for listed in author.view.listed(SHOWN_KINDS, revoked=True):
            if listed.user != author.user:
                continue
            said = {by for each in readers if (by := each.view.hidden(listed.id))}
            judges = [each for each in readers if each.view.has(listed.id)]
            judges = [each for each in judges if not any(early(each, by, author) for by in said)]
            counts = {each.name: each.view.hidden(listed.id) is None for each in judges}
            if len(set(counts.values())) > 1:
                return f"{counts} of {author.name}'s line {listed.number}"
    return None
