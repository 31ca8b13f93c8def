"""What waits for something else, here or at a peer, and for what: in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from paquebot.errors import Malformed
from paquebot.protocol.encoding import Fingerprint, ResourceId, raw, short
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.state import Held
from paquebot.store.view import SqliteView

SHOWN_MAX = 20
"""How much of what waits is explained at once."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that arrived and cannot be judged yet; nothing is known to be wrong with it."""

    id: ResourceId
    sender: str
    """What the peer is called here that brought it."""
    waits_for: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        return asdict(self)


def here(view: SqliteView) -> list[Waiting]:
    """Return what waits here, by name; at most `SHOWN_MAX`."""
    names = {peer.node: peer.name for peer in view.peers()}
    return [
        Waiting(held.signed.id, names.get(held.sender, short(held.sender)), tuple(_reasons(view, held)))
        for held in islice(view.all_held(), SHOWN_MAX)
    ]


def _reasons(view: SqliteView, held: Held) -> list[str]:
    resource = Resource.read(held.signed, view.schema)
    known: dict[str | None, str] = {
        held.signed.signer: "the identity of whoever signed it",
        resource.trust: "the trust by which it was published",
        **dict.fromkeys(resource.container.unresolved, "its schema"),
    }
    found = dict.fromkeys(known.get(name, f"{short(ResourceId(name))}, on which it depends") for name in held.missing)
    return [*found, *([_time(held.until)] if held.until and not found else [])]


def _time(until: Millis) -> str:
    when = format_time(until)[:16].replace("T", " ")
    return f"its time, {when}: its author's clock was ahead, and `paquebot clock --right` there says it anew"


def there(view: SqliteView, outcome: str, detail: str) -> str:
    """Return the *detail* that a peer gives for its *outcome* of something of ours; what it holds, names what it lacks.

    It is told without names that nobody can read, cut names left out. Anything else is said as it came.
    """
    words = detail.split() if outcome == "held" else []
    names = [each for each in dict.fromkeys(words) if _is_name(each)]
    if not names or not all(_is_name(each) or each == words[-1] for each in words):
        return detail
    return f"it waits for {', '.join(_called(view, each) for each in names)}"


def _is_name(word: str) -> bool:
    try:
        return len(raw(word)) == 64
    except Malformed:
        return False


def _called(view: SqliteView, name: str) -> str:
    """A resource, or an identity, by what it is called here."""
    local = view.local()
    people = {local.user: "your identity", local.node: "this node's identity"}
    people |= {each: f"the identity of {peer.name}" for peer in view.peers() for each in (peer.node, peer.user)}
    if found := people.get(Fingerprint(name)):
        return found
    listed = view.listing(ResourceId(name))
    title = (listed.title or listed.filename or listed.kind) if listed else ""
    return f"{short(ResourceId(name))} ({title})" if title else short(ResourceId(name))
