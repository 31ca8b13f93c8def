"""What a clock that was ahead dated: peers hold it until its time comes. Once the clock is right, it is said anew.

Each thing is published again with today's date, in the same order, and says what it supersedes; what is no proof is
taken back under its early date. So nobody has to wait, nobody gets it twice, and nobody has to judge by arrival.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from paquebot.protocol import publishing, trusting
from paquebot.protocol.effects import Effects, NoteWrap, SetStamp
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import AHEAD_MAX_MS
from paquebot.protocol.privacy import WRAP, read_wrap
from paquebot.protocol.published import URIS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.reading import CLOSURE
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View


def ahead(view: View, now: Millis) -> Sequence[ResourceId]:
    """Return what this home published and nobody takes before its time, and was not said anew, in order.

    So it is with what it published as a node that it was before. What it said in the name of another user who trusts
    it is not ours to say anew: its time comes.
    """
    nodes = (*view.predecessors(), view.local().node)
    found = [name for node in nodes for name in view.dated_after(node, Millis(now + AHEAD_MAX_MS))]
    early = set(found)
    return [name for name in found if _said(view, name, early) and not view.relating(name, "supersedes")]


def _said(view: View, name: ResourceId, early: Set[ResourceId]) -> bool:
    """Whether it is to be said anew, and can be. A card brings an identity; of the forgotten only names are left.

    Keys to one of *early*, which are all dated ahead, are written again for what is said anew in its place.
    """
    (user, kind), signed = view.origin(name) or ("", ""), view.resource(name)
    if signed is None or kind == "identity" or user != view.local().user:
        return False
    if kind != WRAP:
        return True
    target, _, _ = read_wrap(Resource.read(signed, view.schema))
    return target not in early and view.resource(target) is not None and not view.hidden(target)


def _kind(view: View, name: ResourceId) -> str:
    return (view.origin(name) or ("", ""))[1]


def until(view: View, names: Sequence[ResourceId]) -> Millis:
    """Return when the last of *names* will be taken by everybody; 0 if there are none."""
    return max((Millis(view.stamped(name) - AHEAD_MAX_MS) for name in names), default=Millis(0))


def anew(view: View, key: PrivateKey, now: Millis) -> Effects:
    """Publish anew, dated *now*, what is dated ahead of that. Raise what `publishing.publish` raises."""
    names = ahead(view, now)
    yield SetStamp(view.stamp().credible(now))
    renamed: dict[ResourceId, ResourceId] = {}
    for name in names:
        draft = _draft(view, name, renamed)
        if draft is None:
            continue
        yield from publishing.publish(view, key, [draft], now)
        number, _ = view.tip()
        (line,) = view.own_lines(number, number)
        renamed[name] = line.entry.resource
        if _kind(view, name) == WRAP:
            yield NoteWrap(name, renamed[name])
    early = [name for name in renamed if _kind(view, name) not in CLOSURE]
    yield from publishing.publish(view, key, trusting.revoke(view, early, by_user=False), now)


def _draft(view: View, name: ResourceId, renamed: dict[ResourceId, ResourceId]) -> Draft | None:
    """What says the same as *name*; None if its bytes are not here any more."""
    signed = view.resource(name)
    if signed is None:
        return None
    resource = Resource.read(signed, view.schema)
    about, value = resource.about, resource.container.value
    assert about is not None, "what is dated has something said about it"
    draft = Draft(
        schemas=tuple(_schemas(resource, renamed)),
        fields={key: each for key, each in value.items() if key not in ("sdmp", "resource", "about")},
        title=about.title,
        filename=about.filename,
        tags=about.tags,
        expires=about.expires,
        supersedes=name,
        after=tuple(renamed.get(each, each) for each in about.after),
    )
    parent, conversation = (each and renamed.get(each, each) for each in (about.parent, about.conversation))
    return replace(draft, parent=parent, conversation=conversation)


def _schemas(resource: Resource, renamed: dict[ResourceId, ResourceId]) -> Iterator[str]:
    """The schemas that say what it is; one that was itself dated ahead is named as it is called now."""
    for uri in resource.container.schemas:
        if uri not in ("resource", URIS["about"]):
            head, slash, name = uri.rpartition("/")
            yield head + slash + renamed.get(ResourceId(name), ResourceId(name))
