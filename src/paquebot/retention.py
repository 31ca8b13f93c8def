"""What may be let go by now: which bytes a home's rules no longer want.

Never due are things that nobody here has looked at (unless the rules say so, or they were taken back) or that a hook
or folder still waits for, what is ours and some peer still lacks, and what others are judged by.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from paquebot.amounts import count
from paquebot.config import Keep, KeepRule
from paquebot.frozen import frozen
from paquebot.protocol import witness
from paquebot.protocol.forgetting import FRAME, lacking
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis
from paquebot.store.view import Listed, SqliteView


@frozen
class Due:
    """Something to be forgotten, and why."""

    listed: Listed
    why: str


def due(view: SqliteView, keep: Keep, now: Millis) -> list[Due]:
    """Return what is to be forgotten at *now*, the oldest first.

    What expired goes only when a peer's clock says too that the day has come: ours may be wrong.
    """
    names = {peer.name: peer.user for peer in view.peers()}
    found: list[Due] = []
    rest: list[Listed] = []
    held, busy = 0, {each.event.resource or "" for each in view.errands()}
    day = witness.latest(view, now)
    for listed in sorted(_present(view), key=lambda each: (each.received, each.number)):
        held += listed.size
        if not _may_go(view, listed, keep, busy):
            continue
        days = _days(listed, keep, names)
        if days is not None and now - listed.received > days * DAY_MS:
            found.append(Due(listed, f"older than {count(days, 'day')}"))
            held -= listed.size
        elif keep.expired and 0 < listed.expires < day and not _forever(listed, keep, names):
            found.append(Due(listed, "expired"))
            held -= listed.size
        elif not _forever(listed, keep, names):
            rest.append(listed)
    for listed in rest:
        if keep.bytes is None or held <= keep.bytes:
            break
        found.append(Due(listed, "more than is to be kept, and the oldest"))
        held -= listed.size
    return found


def matching(view: SqliteView, rule: KeepRule, now: Millis) -> list[Listed]:
    """Return what *rule* names and is older than it says, whoever has looked at it or not, the oldest first."""
    names = {peer.name: peer.user for peer in view.peers()}
    age = (rule.days or 0) * DAY_MS
    found = (each for each in _present(view) if _matches(each, rule, names) and now - each.received >= age)
    return sorted(found, key=lambda each: (each.received, each.number))


def _present(view: SqliteView) -> Iterator[Listed]:
    """What can be forgotten at all."""
    return (each for each in view.listed(revoked=True) if each.kind not in FRAME and not each.gone and not each.lacking)


def _may_go(view: SqliteView, listed: Listed, keep: Keep, busy: Container[str]) -> bool:
    if listed.id in busy:
        return False
    if not (listed.shown or listed.revoked_by or keep.unread):
        return False
    return listed.user != view.local().user or not lacking(view, listed.id)


def _days(listed: Listed, keep: Keep, names: Mapping[str, str]) -> int | None:
    """After how many days it goes; None for never. The first rule that names it counts."""
    rule = next((rule for rule in keep.rules if _matches(listed, rule, names)), None)
    return keep.days if rule is None else rule.days


def _forever(listed: Listed, keep: Keep, names: Mapping[str, str]) -> bool:
    """Whether a rule says that it is kept, however much there is."""
    rule = next((rule for rule in keep.rules if _matches(listed, rule, names)), None)
    return rule is not None and rule.days is None


def _matches(listed: Listed, rule: KeepRule, names: Mapping[str, str]) -> bool:
    return (
        (rule.peer is None or names.get(rule.peer) == listed.user)
        and (rule.tag is None or rule.tag in listed.tags)
        and (rule.kind is None or rule.kind == listed.kind)
    )
