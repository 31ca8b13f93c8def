"""Which entry points are installed: what `importlib.metadata` says, without what it costs to import and to ask it.

A run with nothing to do spends a tenth of its time there otherwise.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from pathlib import Path

from paquebot.frozen import frozen

__all__ = ["EntryPoint", "entry_points"]


@frozen
class EntryPoint:
    """A name under which a package offers something."""

    name: str
    value: str
    """``module:attribute``."""
    group: str

    def load(self) -> object:
        """Import and return what is offered. Anything may be raised that a stranger's module raises."""
        module, _, attributes = self.value.partition("[")[0].strip().partition(":")
        return reduce(getattr, filter(None, attributes.strip().split(".")), import_module(module.strip()))


def entry_points(*, group: str) -> list[EntryPoint]:
    """Return what is offered in *group*, in the order in which it would be imported."""
    if any(map(os.path.isfile, sys.path)):  # packages in an archive
        from importlib import metadata

        return [EntryPoint(each.name, each.value, each.group) for each in metadata.entry_points(group=group)]
    found: dict[str, list[EntryPoint]] = {}
    for folder in _described():
        name = re.sub("[-_.]+", "_", folder.name.partition("-")[0]).lower()
        if name not in found:  # the same package further down the path is hidden by this one
            found[name] = list(_read(folder / "entry_points.txt", group))
    return [each for points in found.values() for each in points]


def _described() -> Iterator[Path]:
    """Yield the folders that describe what is installed."""
    for place in dict.fromkeys(sys.path):
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        yield from (Path(place, name) for name in names if name.endswith((".dist-info", ".egg-info")))


def _read(path: Path, group: str) -> Iterator[EntryPoint]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == group and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield EntryPoint(name.strip(), value.strip(), group)
