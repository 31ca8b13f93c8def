"""Begin a transport of one's own: a small, complete package that keeps every promise from its first day."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from paquebot import registry
from paquebot.errors import Misused

_TEMPLATES = Path(__file__).parent / "templates" / "transport"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*\Z")
NAME_MAX = 40
FILES = {
    "package": "paquebot_@NAME@/__init__.py",
    "pyproject": "pyproject.toml",
    "readme": "README.md",
    "test": "tests/test_@NAME@.py",
}
"""Each template, and the file that is made of it."""


def begin(name: str, into: Path) -> Path:
    """Write a package for a transport called *name* into a new folder below *into*; return the folder.

    Raise `Misused` if the name will not do, or something is there already.
    """
    if not _NAME.match(name) or len(name) > NAME_MAX or keyword.iskeyword(name):
        raise Misused(f"{name!r} is no name for a transport: use small letters, digits and single underscores")
    if name in registry.installed():
        raise Misused(f"there is a transport called {name!r} already; choose another name")
    folder = into / f"paquebot-{name.replace('_', '-')}"
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise Misused(f"{folder} is there already; nothing is replaced") from None
    for template, file in FILES.items():
        path = folder / _filled(file, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(_filled((_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8"), name), encoding="utf-8")
    (folder / f"paquebot_{name}" / "py.typed").touch()
    return folder


def _filled(text: str, name: str) -> str:
    """Return a template's text for a transport called *name*.

    >>> _filled("@NAME@ @DASHED@ @CLASS@: @TITLE@", "carrier_pigeon")
    'carrier_pigeon carrier-pigeon CarrierPigeon: Carrier pigeon'
    """
    words = name.split("_")
    spelt = {"NAME": name, "DASHED": "-".join(words), "CLASS": "".join(map(str.capitalize, words))}
    for word, value in (*spelt.items(), ("TITLE", " ".join(words).capitalize())):
        text = text.replace(f"@{word}@", value)
    return text
