"""Letters on their way, or planned: what is in them, in numbers and words that people know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from paquebot.protocol import evidence, fitting
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.events import SHOWN_KINDS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.state import Letter
from paquebot.store.view import SqliteView

TITLES_MAX = 20  # of what goes, named one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What some letters hold together."""

    titles: tuple[str, ...]
    """Of the first few things for people that go whole."""
    things: int
    """Messages and files for people that go whole."""
    parts: int
    """Chunks of large files."""
    lines: int
    """Lines of our journal, each of which names one thing that there is."""
    answers: int
    requests: int
    """For resources, for chunks, and for what is new."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        value = {name: getattr(self, name) for name in self.__slots__}
        return value | {"titles": list(self.titles)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Letters to one peer by one carrier."""

    peer: str
    node: Fingerprint
    where: str
    """What the carrier is called; empty if no carrier has taken them yet."""
    medium: str
    letters: int
    bytes_max: int
    """They take no more than so many bytes together."""
    since: Millis
    """When the first of them was handed over, or planned."""
    lost_at: Millis
    """When the last of them counts as lost, at the latest."""
    contents: Contents

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value; moments in SDMP's form."""
        value = {name: getattr(self, name) for name in self.__slots__}
        moments = {"since": format_time(self.since), "lost_at": format_time(self.lost_at)}
        return value | moments | {"contents": self.contents.as_json()}


def batches(view: SqliteView, letters: Iterable[Letter]) -> list[Batch]:
    """Return *letters* by peer and carrier, the oldest first."""
    found: dict[tuple[Fingerprint, str, str], list[Letter]] = {}
    for letter in letters:
        where = letter.where if letter.handed_at is not None else ""
        found.setdefault((letter.peer, where, letter.medium), []).append(letter)
    return sorted((_batch(view, *key, each) for key, each in found.items()), key=lambda batch: batch.since)


def _batch(view: SqliteView, node: Fingerprint, where: str, medium: str, letters: Sequence[Letter]) -> Batch:
    peer = view.peer(node)
    return Batch(
        peer=peer.name if peer else "",
        node=node,
        where=where,
        medium=medium,
        letters=len(letters),
        bytes_max=sum(fitting.size_max(view, each) for each in letters),
        since=min(each.handed_at or each.created for each in letters),
        lost_at=max(each.expires for each in letters),
        contents=contents(view, letters),
    )


def contents(view: SqliteView, letters: Iterable[Letter]) -> Contents:
    """Return what *letters* hold together."""
    bodies, lines, parts, answers, requests = Ranges(), Ranges(), 0, 0, 0
    for letter in letters:
        plan = letter.plan
        bodies |= evidence.bodies(view, letter)
        lines |= plan.lines
        parts += len(plan.chunks)
        answers += len(plan.replies)
        requests += len(plan.requests) + len(plan.wants) + plan.ask_journal
    names = [line.entry.resource for run in bodies.runs for line in view.own_lines(*run)]
    things = [each for name in names if (each := view.listing(name)) and each.kind in SHOWN_KINDS]
    return Contents(
        titles=tuple(each.title or each.filename or each.kind for each in things[:TITLES_MAX]),
        things=len(things),
        parts=parts,
        lines=len(lines),
        answers=answers,
        requests=requests,
    )
