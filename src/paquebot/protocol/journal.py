"""A node's journal: a chain of lines, each naming a resource the node published or holds.

Line 0 is the node's fingerprint. Line n is the hash of line n-1, ``@``, the publisher, ``/``, the resource. What
is printed in a line covers the line *before* it, so a journal's tip is named by the hash of its last line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from paquebot.errors import BrokenChain, Malformed
from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, digest

_NAME = "([A-Za-z0-9_-]{85}[AQgw])"  # the one base64url of 64 bytes
_LINE = re.compile(f"{_NAME}@{_NAME}/{_NAME}", re.ASCII)


@frozen
class Entry:
    """What a line says: who published which resource."""

    publisher: Fingerprint
    resource: ResourceId


@frozen
class Line:
    """One line of a journal in its place."""

    number: int
    id: LineId
    """The hash of this line's own text."""
    entry: Entry


def root(node: Fingerprint) -> LineId:
    """Return the name of line 0 of *node*'s journal."""
    return LineId(digest(node.encode()))


def text(since: LineId, entry: Entry) -> str:
    """Return the line that follows the line named *since*."""
    return f"{since}@{entry.publisher}/{entry.resource}"


def extend(since: LineId, number: int, entries: Iterable[Entry]) -> list[Line]:
    """Return *entries* as the lines after line *number*, which is named *since*."""
    lines: list[Line] = []
    for each in entries:
        number += 1
        since = LineId(digest(text(since, each).encode()))
        lines.append(Line(number, since, each))
    return lines


def parse(line: str) -> tuple[LineId, Entry]:
    """Return (the line before, what it says). Raise `Malformed`."""
    found = _LINE.fullmatch(line)
    if not found:
        raise Malformed("a journal line is not of the form HASH@PUBLISHER/RESOURCE")
    return LineId(found[1]), Entry(Fingerprint(found[2]), ResourceId(found[3]))


def follow(since: LineId, lines: Sequence[str]) -> list[Entry]:
    """Return what *lines* say, given that the line before them is named *since*.

    Raise `Malformed`, or `BrokenChain` if one does not follow the one before.
    """
    entries: list[Entry] = []
    for number, line in enumerate(lines, 1):
        before, entry = parse(line)
        if before != since:
            raise BrokenChain(f"line {number} of {len(lines)} does not follow the line before it")
        entries.append(entry)
        since = LineId(digest(line.encode()))
    return entries
