"""Private resources in the store in memory: what was opened or tried in vain, and who has a key to what is ours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paquebot.protocol import effects as ask

if TYPE_CHECKING:
    from paquebot.testing.tables import Tables


def apply(t: Tables, effect: ask.NoteOpened | ask.NoteClosed | ask.NoteReaders | ask.NoteWrap) -> None:
    """Carry out an effect that is about private resources."""
    name = effect.resource
    match effect:
        case ask.NoteOpened():
            row = t.rows[name]
            t.put(t.opened, name, effect.readers)
            t.drop(t.closed, name)
            shown = {key: getattr(effect, key) for key in ("kind", "title", "filename", "tags", "size", "expires")}
            t.put(t.rows, name, replace(row, kept=replace(row.kept, **shown)))
        case ask.NoteClosed(_, of):
            t.put(t.closed, name, t.closed.get(name, of))
        case ask.NoteReaders(_, users, nodes, by):
            for user in users:
                t.put(t.audience, (user, name), True)
            for node in nodes:
                t.put(t.readable, (node, name), t.readable.get((node, name), by))
        case ask.NoteWrap(_, anew):
            for key in [key for key, wrap in t.readable.items() if wrap == name]:
                t.put(t.readable, key, anew)
