"""Find a resource by what a person types: a URI, an id, or the beginning of one."""

from __future__ import annotations

from collections.abc import Iterator

from paquebot.errors import Malformed, Misused, NotFound
from paquebot.protocol.encoding import unb64
from paquebot.store.view import Listed, SqliteView


def find(view: SqliteView, text: str) -> Listed:
    """Return the one resource whose URI, id or short id begins with *text*. Raise `NotFound`, or `Misused`."""
    text = text.strip()
    name = text.rpartition("/")[2] if text.startswith("sdmp://") else text
    try:
        found = {each: None for low, high in _spans(name) for each in view.ids(low, high)}
    except Malformed:
        found = {}
    if not found:
        hint = "" if len(name) >= 4 else "; give at least 4 characters of it"
        raise NotFound(f"nothing here has the id {text!r}{hint}")
    if len(found) > 1:
        raise Misused(f"{text!r} may mean {len(found)} resources; give more of the id")
    listed = view.listing(next(iter(found)))
    assert listed is not None
    return listed


def _spans(name: str) -> Iterator[tuple[bytes, bytes]]:
    """The intervals of 64-byte names that begin as *name* does, read as hexadecimal digits and as base64url."""
    lowered = name.lower()
    if len(name) >= 4 and all(char in "0123456789abcdef" for char in lowered):
        yield bytes.fromhex(lowered.ljust(128, "0")[:128]), bytes.fromhex(lowered.ljust(128, "f")[:128])
    if len(name) >= 6 and all(char.isascii() and (char.isalnum() or char in "-_") for char in name):
        yield unb64(name[:86].ljust(86, "A")), unb64(name[:85].ljust(85, "_") + (name[85:] or "w"))
