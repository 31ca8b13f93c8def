"""Find what a person types: resources by a URI, an id, or the beginning of one; schemas, peers and carriers by name."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator, Sequence

from paquebot import registry
from paquebot.config import Carrier, Config
from paquebot.display import printable, suggested
from paquebot.errors import ConfigError, Malformed, Misused, NotFound
from paquebot.protocol.encoding import ResourceId, short, unb64
from paquebot.protocol.published import URIS
from paquebot.protocol.state import Peer
from paquebot.store.view import Listed, SqliteView

VIA = "drop"
"""The transport that ``--via PATH`` means."""


class NoCarrier(ConfigError):
    """There is no such carrier, or none at all. Nothing was started."""


def carriers(read: Config, names: Sequence[str], via: Sequence[str]) -> list[Carrier]:
    """Return the carriers that *names* call and ``--via`` means; without any, all. Raise `NoCarrier`."""
    known = {carrier.name: carrier for carrier in read.carriers}
    for name in names:
        if name not in known:
            raise NoCarrier(f"no carrier is called {name!r} in {read.path}; {_meant(name, list(known))}")
    wanted = [Carrier(path, VIA, {"path": path}) for path in via]
    wanted += [known[name] for name in names or (() if via else known)]
    if not wanted:
        raise NoCarrier(
            f"no carrier is configured: say --via DIR for a stick or folder, or put into {read.path}:\n"
            '  [transport.stick]\n  uses = "drop"\n  path = "/media/stick"'
        )
    return wanted


def _meant(name: str, known: Sequence[str]) -> str:
    if os.sep in name or os.path.isdir(name):
        return f"a stick or folder: --via {shlex.quote(name)}"
    return suggested(name, known) or f"it has {', '.join(known) or 'none'}"


def kind(read: Config, name: str) -> str:
    """Return *name* if it is a kind of carrier, of which there may be several. Raise `Misused`."""
    known = sorted(registry.installed())
    if name in known:
        return name
    for each in read.carriers:
        if each.name == name:
            raise Misused(f"there is no kind {name!r}; {name!r} is a carrier of kind {each.uses}: say {each.uses}")
    every = f"the kinds are: {', '.join(known)}"
    raise Misused(f"there is no kind {name!r}; {suggested(name, known) or every}")


def find(view: SqliteView, text: str) -> Listed:
    """Return the one resource whose URI, id or short id begins with *text*. Raise `NotFound`, or `Misused`."""
    found = _named(view, text.strip())
    if not found:
        hint = "" if len(text.strip()) >= 4 else "; give at least 4 characters of it"
        raise NotFound(f"nothing here has the id {text.strip()!r}{hint}")
    if len(found) > 1:
        raise Misused(f"{text.strip()!r} may mean {len(found)} resources; give more of the id")
    listed = view.listing(found[0])
    assert listed is not None
    return listed


def peer(view: SqliteView, name: str) -> Peer:
    """Return the peer called *name*. Raise `NotFound`."""
    names = {each.name: each for each in view.peers()}
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name.casefold(), [each.casefold() for each in names], 1)
    meant = [each for each in names if [each.casefold()] == near]
    hint = f"did you mean {meant[0]!r}?" if meant else f"known are: {', '.join(names) or 'none yet'}"
    raise NotFound(f"no peer is called {name!r}; {hint}")


def schema(view: SqliteView, text: str) -> str:
    """Return the URI of the one schema that is meant: by a URI, an id or the beginning of one, or a title.

    A whole URI is returned as it is. Raise `NotFound`, or `Misused` if several may be meant.
    """
    text = text.strip()
    if text.startswith("sdmp://"):
        return text
    held = [each for each in view.listed(["schema"]) if not each.gone]
    named = set(_named(view, text))
    meant = {each.uri: each for each in held if each.id in named or each.title.casefold() == text.casefold()}
    ours = [uri for name, uri in URIS.items() if name == text]
    if len(meant) + len(ours) > 1:
        said = [f"{short(each.id)} ({printable(each.title, 60)})" for each in meant.values()]
        said += [f"{short(ResourceId(uri.rpartition('/')[2]))} (the house's own)" for uri in ours]
        raise Misused(f"{text!r} may mean {len(said)} schemas: {', '.join(said[:8])}; give the ID of one")
    if not meant and not ours:
        raise NotFound(f"no schema here has the ID or title {text!r}: see `paquebot schema list`")
    return next(iter((*meant, *ours)))


def _named(view: SqliteView, text: str) -> list[ResourceId]:
    """Every resource whose URI, id or short id begins with *text*."""
    name = text.rpartition("/")[2] if text.startswith("sdmp://") else text
    try:
        return list(dict.fromkeys(each for low, high in _spans(name) for each in view.ids(low, high)))
    except Malformed:
        return []


def _spans(name: str) -> Iterator[tuple[bytes, bytes]]:
    """The intervals of 64-byte names that begin as *name* does, read as hexadecimal digits and as base64url."""
    lowered = name.lower()
    if len(name) >= 4 and all(char in "0123456789abcdef" for char in lowered):
        yield bytes.fromhex(lowered.ljust(128, "0")[:128]), bytes.fromhex(lowered.ljust(128, "f")[:128])
    if 6 <= len(name) <= 86 and all(char.isascii() and (char.isalnum() or char in "-_") for char in name):
        yield unb64(name.ljust(86, "A")), unb64(name[:85].ljust(85, "_") + (name[85:] or "w"))
