"""What `status` says, held against what is: for tests that may look into every home at once."""

from __future__ import annotations

from collections.abc import Iterator

from tests.e2e.conftest import Home

from paquebot.node import Node
from paquebot.status import of_node
from paquebot.store.view import SqliteView
from paquebot.ticks import ticks


def lies(*homes: Home) -> list[str]:
    """Return what any of *homes* claims of another that is not so, now. Assert that it is empty after every step.

    A home that was restored from a backup, or has forgotten things, makes what was told of it before untrue until it
    is heard of again: leave it out, or tell it apart.
    """
    nodes = {}
    for home in homes:
        with Node(home.path, looking=True) as node:
            nodes[node.view.local().node] = home
    return [lie for home in homes for lie in _lies(home, nodes)]


def _lies(home: Home, nodes: dict[str, Home]) -> Iterator[str]:
    with Node(home.path, looking=True) as node:
        view, now = node.view, node.now()
        status = of_node(view, now, clock_doubtful=node.clock_doubtful())
        if status.quarantined != len(view.quarantined()):
            yield f"{home.name} miscounts what is set aside"
        for peer in status.peers:
            if not peer.published >= peer.announced >= peer.handed >= peer.stored >= peer.applied:
                yield f"{home.name} says of {peer.name}: {peer}"
            if peer.heard_at > now:
                yield f"{home.name} heard {peer.name} in the future"
        for node_id, other in nodes.items():
            if view.peer(node_id) is not None and other is not home:
                with Node(other.path, looking=True) as theirs:
                    yield from _of_things(home, view, node_id, other, theirs.view)
                    yield from _of_state(home, status, node_id, other, view, theirs.view)


def _of_things(home: Home, view: SqliteView, node: str, other: Home, theirs: SqliteView) -> Iterator[str]:
    """Whether each tick is deserved: one whole thing, and one peer, at a time."""
    for listed in view.listed(["message", "file"]):
        for tick in ticks(view, listed):
            if tick.node != node:
                continue
            has = theirs.complete(listed.id)
            private = view.opened(listed.id) is not None
            reads = not private or theirs.opened(listed.id) is not None or bool(theirs.unopened())
            knows = has or theirs.has(listed.id) or theirs.held(listed.id) or theirs.fate(listed.id) is not None
            name = f"{home.name} says that {other.name} has {tick.reach.name.lower()} {listed.title or listed.id[:10]}"
            match tick.reach.name:
                case "APPLIED" if not reads:
                    yield f"{name}, which it cannot read"
                case "CARRIED" if theirs.opened(listed.id) is not None and tick.meant and theirs.complete(listed.id):
                    yield f"{name}, which it reads"
                case "APPLIED" if not has:
                    yield f"{name}, which it has not"
                case "STORED" | "CARRIED" if not knows:
                    yield f"{name}, of which it knows nothing"
                case "HANDED" if not tick.handed_at and not tick.outcome:
                    yield f"{name}, and cannot say when it was handed over"
                case "APPLIED" | "STORED" | "CARRIED" if not tick.stored_at:
                    yield f"{name}, and cannot say since when"


def _of_state(home, status, node, other, view: SqliteView, theirs: SqliteView) -> Iterator[str]:
    """Whether "in sync" is so, of all that was known when it was last heard of."""
    peer = next(each for each in status.peers if each.node == node)
    if peer.heard_lines > theirs.tip()[0]:
        yield f"{home.name} heard more lines of {other.name} than it ever wrote"
    if peer.state != "in sync":
        return
    for number in range(1, peer.heard_lines + 1):
        (entry,) = theirs.entries(theirs.local().node, number, 1)
        if entry.publisher == theirs.local().user and not view.complete(entry.resource):
            yield f"{home.name} calls {other.name} in sync, and lacks its line {number}"
    for listed in view.listed(["message", "file"]):
        if listed.user == view.local().user and not theirs.complete(listed.id):
            yield f"{home.name} calls {other.name} in sync, which lacks {listed.title or listed.id[:10]}"
