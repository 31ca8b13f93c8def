"""Find transports by the name they were installed under: ours and strangers' by the same entry-point group."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from paquebot.display import suggested
from paquebot.entrypoints import EntryPoint, entry_points
from paquebot.errors import PluginError
from paquebot.transport import API_VERSION, Context, Described, Transport

GROUP = "paquebot.transports"


DESCRIBERS = "paquebot.describers"
"""Functions from bytes to `Described`, or None if the bytes are no file of that carrier's."""


class TransportKind:
    """A loaded transport class, ready to be given settings and a context."""

    def __init__(self, name: str, kind: type) -> None:
        self.name = name
        self.settings_type: type = kind.settings_type  # type: ignore[attr-defined]  # checked by load
        self.kind = kind
        """The class itself."""

    def open(self, settings: object, context: Context) -> Transport:
        """Return the transport; it acquires nothing before ``async with``."""
        return cast("Transport", self.kind(settings, context))


def installed() -> dict[str, EntryPoint]:
    """Return every installed transport by name, without importing any. Raise `PluginError` if two share a name."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name in found and found[point.name].value != point.value:
            raise PluginError(f"two transports are called {point.name!r}: {found[point.name].value} and {point.value}")
        found[point.name] = point
    return found


def load(name: str) -> TransportKind:
    """Import the transport called *name*. Raise `PluginError`."""
    known = installed()
    if name not in known:
        hint = suggested(name, known) or f"installed are: {', '.join(sorted(known)) or 'none'}"
        raise PluginError(f"no transport is called {name!r}; {hint}")
    try:
        kind = cast("type", known[name].load())
    except Exception as error:  # a stranger's module may fail in any way; the others must still work
        raise PluginError(f"the transport {name!r} does not load: {error}") from error
    if getattr(kind, "api", None) != API_VERSION:
        raise PluginError(
            f"the transport {name!r} speaks version {getattr(kind, 'api', None)} of the door, not {API_VERSION}"
        )
    return TransportKind(name, kind)


def describe(data: bytes) -> Described | None:
    """Return what a carrier's own file holds, if any installed carrier knows its form."""
    for point in sorted(entry_points(group=DESCRIBERS), key=lambda point: point.name):
        try:
            found = cast("Callable[[bytes], object]", point.load())(data)
        except Exception:  # noqa: S112  a stranger's module may fail in any way; others may know the file
            continue
        if isinstance(found, Described):
            return found
    return None
