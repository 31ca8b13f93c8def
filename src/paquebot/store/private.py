"""Private resources in the store: what was opened, what was tried in vain, and who has a key to what is ours."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from paquebot.protocol.effects import NoteClosed, NoteOpened, NoteReaders, NoteWrap
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, raw
from paquebot.protocol.limits import WRAPS_TRIED_MAX
from paquebot.protocol.ranges import Ranges
from paquebot.store.rows import Owner


class PrivateView(Owner):
    """The part of the view that looks at private resources."""

    def announcers(self, user: Fingerprint) -> Sequence[Fingerprint]:
        """Return the nodes that announced envelope keys on behalf of *user*."""
        rows = self._all(
            "SELECT introduced.name FROM introduced JOIN resource ON resource.node = introduced.node"
            " AND resource.id = introduced.resource"
            " WHERE introduced.node = ? AND introduced.kind = 'keys' AND resource.author = ? ORDER BY introduced.name",
            self.party(user),
        )
        return [self._name(row[0]) for row in rows]

    def unopened(self) -> Sequence[ResourceId]:
        """Return the private resources, and keys to some, that are held and were not tried yet, oldest first."""
        rows = self._all(
            "SELECT id FROM resource WHERE node = ? AND kind IN ('sealed', 'encrypted', 'wrap') AND gone = ''"
            " AND NOT EXISTS ("
            "SELECT 1 FROM closed WHERE closed.node = resource.node AND closed.resource = id) ORDER BY number"
        )
        return [ResourceId(b64(row[0])) for row in rows]

    def opened(self, resource: ResourceId) -> tuple[Fingerprint, ...] | None:
        """Return the users for whom an opened private resource is, as far as known; None if it is none."""
        row = self._one("SELECT readers FROM opened WHERE node = ? AND resource = ?", raw(resource))
        return tuple(self._name(number) for number in json.loads(row[0])) if row else None

    def keys_to(self, resource: ResourceId) -> Sequence[ResourceId]:
        """Return the first ``wrap`` resources for *resource* that were noted and are by its own user, in order."""
        rows = self._all(
            "SELECT wrap.id FROM closed JOIN resource AS wrap ON wrap.node = closed.node AND wrap.id = closed.resource"
            " JOIN resource AS target ON target.node = closed.node AND target.id = closed.of"
            " WHERE closed.node = ? AND closed.of = ? AND wrap.author = target.author AND wrap.gone = ''"
            " ORDER BY wrap.number LIMIT ?",
            raw(resource),
            WRAPS_TRIED_MAX,
        )
        return [ResourceId(b64(row[0])) for row in rows]

    def audiences(self) -> Sequence[Fingerprint]:
        """Return the users for whom something private of ours is."""
        rows = self._all("SELECT DISTINCT reader FROM audience WHERE node = ? ORDER BY reader")
        return [self._name(row[0]) for row in rows]

    def unreadable(self, user: Fingerprint, node: Fingerprint, limit: int) -> Sequence[ResourceId]:
        """Return opened private resources of ours for *user* to which *node* has no key, oldest first."""
        rows = self._all(
            "SELECT audience.resource FROM audience JOIN resource ON resource.node = audience.node"
            " AND resource.id = audience.resource WHERE audience.node = ? AND audience.reader = ? AND gone = ''"
            " AND NOT EXISTS ("
            "SELECT 1 FROM readable WHERE readable.node = audience.node AND readable.reader = ?"
            " AND readable.resource = audience.resource) ORDER BY resource.number LIMIT ?",
            self.party(user),
            self.party(node),
            limit,
        )
        return [ResourceId(b64(row[0])) for row in rows]

    def closed_to(self, node: Fingerprint, applied: Ranges) -> Ranges:
        """Return our lines that name private things of our user's which *node* cannot read, as far as known here."""
        rows = self._all(
            "SELECT thing.number, readable.wrap, wrap.number FROM"
            " (SELECT resource.node, id, number, author FROM opened CROSS JOIN resource"
            " ON resource.node = opened.node AND id = opened.resource WHERE opened.node = ?"
            " UNION ALL SELECT node, id, number, author FROM resource"
            " WHERE node = ? AND kind IN ('sealed', 'encrypted')"
            ") AS thing LEFT JOIN readable ON readable.node = thing.node AND readable.reader = ?"
            " AND readable.resource = thing.id"
            " LEFT JOIN resource AS wrap ON wrap.node = thing.node AND wrap.id = readable.wrap WHERE thing.author = ?",
            self.node,
            self.party(node),
            self.user,
        )
        return Ranges.numbers(number for number, key, wrap in rows if not _has_key(key, wrap, applied))


def _has_key(key: bytes | None, wrap: int | None, applied: Ranges) -> bool:
    """Whether a key went with the thing itself, or in the *wrap* of that number, which is *applied*."""
    return key == b"" or (key is not None and wrap is not None and wrap in applied)


def note(db: sqlite3.Connection, view: PrivateView, effect: NoteOpened | NoteClosed | NoteReaders | NoteWrap) -> None:
    """Carry out an effect that is about private resources."""
    name = raw(effect.resource)
    match effect:
        case NoteOpened():
            _note_opened(db, view, effect)
        case NoteClosed(_, of):
            row = (view.user, view.node, name, raw(of) if of else b"")
            db.execute("INSERT OR IGNORE INTO closed (user, node, resource, of) VALUES (?, ?, ?, ?)", row)
        case NoteReaders(_, users, nodes, by):
            _note_readers(db, view, name, users)
            _note_keys(db, view, name, nodes, raw(by) if by else b"")
        case NoteWrap(_, anew):
            db.execute("UPDATE readable SET wrap = ? WHERE node = ? AND wrap = ?", (raw(anew), view.node, name))


def _note_opened(db: sqlite3.Connection, view: PrivateView, effect: NoteOpened) -> None:
    name, parent = raw(effect.resource), raw(effect.parent) if effect.parent else b""
    readers = json.dumps([view.party(each, create=True) for each in effect.readers])
    db.execute(
        "INSERT OR REPLACE INTO opened (user, node, resource, readers, parent) VALUES (?, ?, ?, ?, ?)",
        (view.user, view.node, name, readers, parent),
    )
    db.execute("DELETE FROM closed WHERE node = ? AND resource = ?", (view.node, name))
    shown = effect.kind, effect.title, effect.filename, json.dumps(effect.tags), effect.size, effect.expires
    db.execute(
        "UPDATE resource SET kind = ?, title = ?, filename = ?, tags = ?, size = ?, expires = ?"
        " WHERE node = ? AND id = ?",
        (*shown, view.node, name),
    )


def _note_readers(db: sqlite3.Connection, view: PrivateView, resource: bytes, users: Iterable[str]) -> None:
    for name in users:
        db.execute(
            "INSERT OR IGNORE INTO audience (user, node, reader, resource) VALUES (?, ?, ?, ?)",
            (view.user, view.node, view.party(name, create=True), resource),
        )


def _note_keys(db: sqlite3.Connection, view: PrivateView, resource: bytes, nodes: Iterable[str], wrap: bytes) -> None:
    for name in nodes:
        db.execute(
            "INSERT OR IGNORE INTO readable (user, node, reader, resource, wrap) VALUES (?, ?, ?, ?, ?)",
            (view.user, view.node, view.party(name, create=True), resource, wrap),
        )
