"""Journal updates as they travel: written briefly for one peer, by what it has already, and read in full again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paquebot.errors import Malformed
from paquebot.protocol import messages
from paquebot.protocol.bundle import Bundle, CompactEntry, Part, Rebuilt, Reference, Update
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.journal import Entry
from paquebot.protocol.messages import Broadcast
from paquebot.protocol.resource import SignedObject
from paquebot.protocol.state import OwnLine, Peer, View

GAP = "there is a gap before these lines"


def write(view: View, key: PrivateKey, peer: Peer, first: int, last: int, places: dict[ResourceId, int]) -> Update:
    """Return our lines from *first* to *last* as a signed broadcast, written as briefly as *peer* can read it.

    *places* says which part of the envelope holds a resource that rides along.
    """
    me = view.local().node
    since = view.line_id(me, first - 1)
    assert since is not None
    entries: list[Entry] = []
    compact: list[CompactEntry] = []
    for line in view.own_lines(first, last):
        entries.append(line.entry)
        number = _in_journal(view, peer, line) if line.number in peer.known else None
        if line.entry.resource in places:
            compact.append((line.entry.publisher, places[line.entry.resource]))
        elif number is None:
            compact.append((line.entry.publisher, line.entry.resource))
        elif compact and _continues(compact[-1], peer.node, number):
            run = compact[-1]
            assert isinstance(run, Reference)
            compact[-1] = replace(run, count=run.count + 1)
        else:
            compact.append(Reference(peer.node, number, 1))
    signed = SignedObject.sign(messages.write(Broadcast(since, tuple(entries))), key)
    return Update(since, tuple(compact), signed.signatures[0])


def _in_journal(view: View, peer: Peer, line: OwnLine) -> int | None:
    """The line of the peer's own journal that says the same, if we heard it."""
    return next((number for who, number in view.naming(line.entry.resource) if who == peer.node), None)


def _continues(entry: CompactEntry, journal: Fingerprint, number: int) -> bool:
    return isinstance(entry, Reference) and entry.journal == journal and entry.first + entry.count == number


def early(view: View, sender: Fingerprint, bundle: Bundle) -> bool:
    """Return whether lines in a *bundle* of *sender* came before those that they follow."""
    found = (each for each in bundle.parts if isinstance(each, Update))
    return any(view.line_number(sender, each.since) is None for each in found)


def expand(view: View, parts: Sequence[Part], update: Update) -> list[Entry] | None:
    """Return the entries in full; None if they refer to lines that we do not have. Raise `Malformed`."""
    entries: list[Entry] = []
    for each in update.entries:
        if isinstance(each, Reference):
            known = view.entries(each.journal, each.first, each.count)
            if len(known) < each.count:
                return None
            entries += known
            continue
        publisher, resource = each
        if isinstance(resource, int):
            named = parts[resource] if resource < len(parts) else None
            if not isinstance(named, Rebuilt):
                raise Malformed("a journal line names a part that holds no resource")
            resource = named.signed.id
        entries.append(Entry(publisher, resource))
    return entries
