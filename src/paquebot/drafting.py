"""What a person writes, made ready to be published: for whom, in answer to what, instead of what, until when."""

from __future__ import annotations

from collections.abc import Sequence

from paquebot import threads
from paquebot.errors import Malformed, Misused
from paquebot.node import Node
from paquebot.protocol.encoding import ResourceId, short
from paquebot.protocol.events import SHOWN_KINDS
from paquebot.protocol.limits import TAG_MAX, TAGS_MAX, TITLE_MAX
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis, parse_time
from paquebot.store.view import Listed


def draft(
    node: Node,
    *,
    title: str = "",
    tags: Sequence[str] = (),
    to: Sequence[str] = (),
    reply_to: str = "",
    supersedes: str = "",
    expires: str = "",
) -> Draft:
    """Return a draft of nothing yet. *reply_to* and *supersedes* are ids as people type them. Raise `Misused`."""
    _check_words(title, tags)
    private = node.readers(to)
    parent = _shown(node, reply_to) if reply_to else None
    old = _shown(node, supersedes) if supersedes else None
    if old is not None and old.user != node.view.local().user:
        raise Misused("only what you published yourself can be superseded")
    for each in (parent, old):
        if each is not None and private is None and node.view.opened(each.id) is not None:
            raise Misused(f"{short(each.id)} is private: say with --to for whom this is")
    return Draft(
        schemas=("message",),
        fields={},
        title=title,
        tags=tuple(tags),
        private=private,
        parent=parent.id if parent else None,
        conversation=_conversation(node, parent),
        supersedes=old.id if old else None,
        expires=_moment(expires, node.now()) if expires else None,
    )


def _shown(node: Node, text: str) -> Listed:
    listed = node.find(text)
    if listed.kind not in SHOWN_KINDS:
        raise Misused(f"{short(listed.id)} is no message or file")
    return listed


def _conversation(node: Node, parent: Listed | None) -> ResourceId | None:
    return (threads.one(node.view, parent.id, "conversation") or parent.id) if parent else None


def _moment(text: str, now: Millis) -> Millis:
    try:
        moment = parse_time(text if "T" in text else f"{text}T00:00:00.000Z")
    except Malformed:
        raise Misused(f"{text!r} is not a date such as 2027-01-31") from None
    if moment <= now:
        raise Misused(f"{text} is past")
    return moment


def _check_words(title: str, tags: Sequence[str]) -> None:
    if len(title) > TITLE_MAX:
        raise Misused(f"a title has at most {TITLE_MAX} characters")
    if len(tags) > TAGS_MAX or len(set(tags)) != len(tags) or not all(0 < len(tag) <= TAG_MAX for tag in tags):
        raise Misused(f"tags have 1 to {TAG_MAX} characters, all different, at most {TAGS_MAX} of them")
