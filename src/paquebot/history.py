"""What happened, in words: one sentence for each event, with the names that its reader knows."""

from __future__ import annotations

from typing import Any

from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint, ResourceId, short
from paquebot.protocol.events import Event, Kind
from paquebot.protocol.stamp import Millis, format_time
from paquebot.store.view import SqliteView

_SENTENCES = {
    Kind.PUBLISHED: "published {thing}",
    Kind.ARRIVED: "{thing} came by way of {peer}",
    Kind.ACKNOWLEDGED: "{peer} has heard {detail}",
    Kind.APPLIED: "{peer} has {thing}",
    Kind.REFUSED: "{peer} will not have {thing}: {detail}",
    Kind.SET_ASIDE: "set aside: {detail}",
    Kind.FAILURE: "{detail}",
    Kind.RECOVERED: "{detail} works again",
    Kind.SILENCE: "no news from {peer} {detail}",
    Kind.HEARD_AGAIN: "{peer} was heard again",
    Kind.PEER_ADDED: "{peer} was added",
    Kind.SET_APART: "{peer} is set apart: {detail}",
}
"""Kinds that are not here say in their detail all that there is to say."""


@frozen
class Told:
    """An event, and what it means to a person here. Texts quote peers: print them escaped."""

    event: Event
    peer_name: str | None
    """What the peer is called here; None if it is about none, or about none that is pinned."""
    title: str | None
    """The title or file name of what it is about, if that is held and has one."""
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Return the event for machines."""
        event = self.event
        return {
            "number": event.number,
            "at": format_time(event.at),
            "kind": event.kind.value,
            "resource": event.resource,
            "id": short(event.resource) if event.resource else None,
            "title": self.title,
            "peer": event.peer,
            "peer_name": self.peer_name,
            "detail": event.detail,
            "sentence": self.sentence,
        }


def tell(view: SqliteView, event: Event) -> Told:
    """Return *event* in words."""
    name = _peer(view, event.peer)
    title = _title(view, event.resource)
    thing = f"{short(event.resource)} ({title})" if event.resource and title else _short(event.resource)
    peer = name or (f"node {short(event.peer)}" if event.peer else "somebody")
    if event.kind is Kind.ARRIVED and (author := _author(view, event)):
        thing = f"{thing} of {author}"
    form = _SENTENCES.get(event.kind, "{detail}" if event.peer is None else "{peer}: {detail}")
    return Told(event, name, title, form.format(thing=thing, peer=peer, detail=event.detail))


def _author(view: SqliteView, event: Event) -> str | None:
    """Who wrote what came, if somebody else brought it."""
    listed = view.listing(event.resource) if event.resource else None
    bearer = view.peer(event.peer) if event.peer else None
    return called(view, listed.user) if listed and not (bearer and bearer.user == listed.user) else None


def _short(resource: ResourceId | None) -> str:
    return short(resource) if resource else "something"


def _peer(view: SqliteView, node: Fingerprint | None) -> str | None:
    peer = view.peer(node) if node else None
    return peer.name if peer else None


def _title(view: SqliteView, resource: ResourceId | None) -> str | None:
    listed = view.listing(resource) if resource else None
    return (listed.title or listed.filename or None) if listed else None


def called(view: SqliteView, name: Fingerprint) -> str:
    """Return what a user or node is called here; its short fingerprint if it has no name."""
    local = view.local()
    names = {each: peer.name for peer in view.peers() for each in (peer.node, peer.user)}
    return {**names, local.user: local.name, local.node: local.name}.get(name) or short(name)


def since(view: SqliteView, moment: Millis) -> int:
    """Return the number after which everything happened at *moment* or later, by the clock of each event.

    A clock that was set back in between shows more rather than less.
    """
    return next((event.number - 1 for event in view.events() if event.at >= moment), 1 << 62)
