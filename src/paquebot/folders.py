"""Write what arrived into folders: safe names, all or nothing, never over anything that is there."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from paquebot.errors import Misused
from paquebot.node import Node
from paquebot.protocol import custom
from paquebot.protocol.encoding import short
from paquebot.store.blobs import sync_folder
from paquebot.store.view import Listed


def write_out(folder: Path, listed: Listed, node: Node) -> Path:
    """Save one resource into *folder* under a safe name; return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "json" if listed.kind == custom.RECORD else "txt"
    name = safe_name(listed.filename or f"{listed.title or listed.kind}.{suffix}")
    path = folder / name
    if os.path.lexists(path):
        if _same(path, node.content(listed)):
            return path
        stem, dot, suffix = name.rpartition(".")
        path = folder / f"{stem or name} ({short(listed.id)}){dot if stem else ''}{suffix if stem else ''}"
        if path.is_symlink() or (path.exists() and not _same(path, node.content(listed))):
            raise Misused(f"{path} is there already with other content; move it away")
    write_file(path, node.content(listed), anew=True)
    return path


def _same(path: Path, content: Iterable[bytes]) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return all(file.read(len(part)) == part for part in content) and not file.read(1)


def safe_name(name: str) -> str:
    """Return a peer's name for a file as one that can do no harm on any system.

    >>> safe_name("../../etc/passwd"), safe_name("CON"), safe_name("a\\\\b\\x1b[2J.txt")
    ('_.._etc_passwd', '_CON', 'a_b_[2J.txt')
    """
    kept = "".join(char if char.isprintable() and char not in '/\\:*?"<>|' else "_" for char in name)
    kept = kept.strip().lstrip(".").rstrip(". ")
    while len(kept.encode()) > 180:
        kept = kept[: len(kept) - 1]
    reserved = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
    return f"_{kept}" if not kept or kept.split(".")[0].upper() in reserved else kept


def write_to(path: Path, content: Callable[[], Iterable[bytes]], *, force: bool = False) -> None:
    """Write *content* to the file that a person named; ``-`` is standard output. Raise `Misused`.

    The same content there is left alone; anything else is replaced only with *force*.
    """
    if not force and _taken(path):
        if not _same(path, content()):
            refuse_taken(path)
        return
    try:
        write_file(path, content(), anew=not force)
    except FileExistsError:  # it came meanwhile
        refuse_taken(path)


def refuse_taken(path: Path, *, force: bool = False) -> None:
    """Raise `Misused` if writing *path* would replace a file."""
    if not force and _taken(path):
        raise Misused(f"{path} is there already with other content; choose another name, or --force to replace it")


def _taken(path: Path) -> bool:
    return str(path) != "-" and (path.is_file() or (path.is_symlink() and not path.exists()))


def write_file(path: Path, content: Iterable[bytes], *, anew: bool = False) -> None:
    """Write *content* to *path* all or nothing, and durably; ``-`` is standard output.

    With *anew*, what appears there meanwhile is not written over: raise `FileExistsError`. Raise `Misused` if there
    is no such folder.
    """
    if str(path) == "-":
        stream = sys.stdout.buffer
        for part in content:
            stream.write(part)
        return
    if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or device
        with path.open("wb") as file:
            file.writelines(content)
        return
    if not path.parent.is_dir():
        raise Misused(f"there is no folder {path.parent}; make it first: mkdir -p {shlex.quote(str(path.parent))}")
    if path.is_dir():
        raise Misused(f"{path} is a folder; give the name of a file in it, or --all-to {path}")
    draft = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with draft.open("xb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        if anew:
            _name(draft, path)
        else:
            draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _name(draft: Path, path: Path) -> None:
    """Give *draft* its name, unless something has it. Where there are no links, looking first must do."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "is there already", str(path)) from None
        draft.rename(path)
