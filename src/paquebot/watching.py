"""Publish what is put into a watched folder: whole files only, each once, and moved away after it is safely stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from paquebot import drafting
from paquebot.config import Watch
from paquebot.errors import DiskFull, Misused, NotFound, PaquebotError
from paquebot.node import Node
from paquebot.protocol.effects import Effect, Remember
from paquebot.protocol.limits import MESSAGE_BYTES_MAX
from paquebot.protocol.publishing import Draft
from paquebot.report import Problem
from paquebot.store.blobs import sync_folder

PUBLISHED = "published"
"""The folder, beside what is watched, to which files are moved."""
UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", "~")
FACT = "watched/"
"""Under this, and a hash of its path, it is remembered which file was published and not moved away yet."""


@dataclass(slots=True)
class Watched:
    """What became of one folder."""

    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class StillWritten(PaquebotError):
    """A file changed while it was read: it is left for the next time."""


def publish(node: Node, watch: Watch) -> Watched:
    """Publish what is complete in the folder that *watch* names. Trouble with one file stops no other."""
    found = Watched()
    folder = node.home / Path(watch.path).expanduser()
    try:
        draft = drafting.draft(node, tags=watch.tags, to=watch.to)  # or nothing is published, rather than to all
        files = list(_complete(folder, node.clock(), watch.settle))
    except PaquebotError as error:
        found.problems.append(Problem(watch.path, str(error), error.exit_code))
        return found
    except FileNotFoundError:
        found.problems.append(Problem(watch.path, "there is no such folder: make it, or mount it"))
        return found
    except OSError as error:
        found.problems.append(Problem(watch.path, f"cannot be watched: {error.strerror}"))
        return found
    _forget(node, folder)
    for path in files:
        try:
            uri = _publish(node, path, draft, watch)
            found.notes.append(f"{path}: published as {uri}" if uri else f"{path}: was published before")
        except StillWritten:
            continue
        except DiskFull as error:
            found.problems.append(Problem("this home", str(error), error.exit_code))
            break
        except PaquebotError as error:
            found.problems.append(Problem(str(path), str(error), 1))
        except OSError as error:
            found.problems.append(Problem(str(path), error.strerror or str(error)))
    return found


def _complete(folder: Path, now: int, settle: int) -> Iterator[Path]:
    """Yield the plain files in *folder* that nobody seems to be writing, oldest first."""
    entries = []
    with os.scandir(folder) as found:
        for entry in found:
            about = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(about.st_mode) and not entry.name.startswith(".") and not entry.name.endswith(UNFINISHED):
                # A moment in the future was set by a clock that was wrong: whatever it means, it is not just now.
                touched = max(about.st_mtime_ns, about.st_ctime_ns) // 1_000_000
                if abs(now - touched) >= settle * 1_000:
                    entries.append((about.st_mtime_ns, entry.name))
    yield from (folder / name for _, name in sorted(entries))


def _publish(node: Node, path: Path, draft: Draft, watch: Watch) -> str:
    """Publish one file and put it away; return its URI, or an empty text if that was done before a power cut."""
    key, uri = _key(path), ""
    with open(path, "rb", opener=lambda name, _: os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as file:
        before = os.fstat(file.fileno())
        reading = _Reading(file, before.st_size)

        def noted() -> list[Effect]:
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise StillWritten(f"{path} is still being written")
            return [Remember(key, _mark(before, reading.digest()))]

        known = node.view.remembered(key)
        if known is None or known != _mark(before, _digest(file, before.st_size)):
            file.seek(0)
            if watch.what == "message":
                text = _text(reading)
                (uri,) = node.publish([replace(draft, fields={"message": text})], also=noted())
            else:
                (uri,) = node.publish_stream(cast("BinaryIO", reading), path.name, draft=draft, also=noted)
    _put_away(path, watch)
    node.commit([Remember(key, None)])
    return uri


class _Reading:
    """The first so many bytes of a file, hashed while they are read: one that grows for ever ends too."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size
        self._hash = sha256()

    def read(self, count: int) -> bytes:
        """Return the next bytes."""
        data = self._file.read(min(count, self._left))
        self._left -= len(data)
        self._hash.update(data)
        return data

    def digest(self) -> bytes:
        """Return the SHA-256 of what was read."""
        return self._hash.digest()


def _text(reading: _Reading) -> str:
    data = reading.read(MESSAGE_BYTES_MAX + 1)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Misused("is no UTF-8 text; publish it as a file") from None


def _digest(file: BinaryIO, size: int) -> bytes:
    reading = _Reading(file, size)
    while reading.read(1 << 20):
        pass
    return reading.digest()


def _mark(about: os.stat_result, digest: bytes) -> bytes:
    return b"%d:%d:%d:" % (about.st_ino, about.st_size, about.st_mtime_ns) + digest


def _key(path: Path) -> str:
    folder = sha256(os.fsencode(path.parent.absolute())).hexdigest()[:16]
    return f"{FACT}{folder}/{sha256(os.fsencode(path.name)).hexdigest()[:32]}"


def _forget(node: Node, folder: Path) -> None:
    """Forget which files were published here and are gone: what comes under their names later is something else."""
    prefix = _key(folder / "x").rpartition("/")[0]
    noted = {key for key, _ in node.view.carrier("", prefix)}
    if gone := noted - {_key(Path(each)) for each in folder.iterdir()} if noted else noted:
        node.commit([Remember(key, None) for key in sorted(gone)])


def _put_away(path: Path, watch: Watch) -> None:
    if watch.after == "delete":
        path.unlink()
        sync_folder(path.parent)
        return
    folder = path.parent / PUBLISHED
    folder.mkdir(exist_ok=True)
    for number in range(1, 10_000):
        target = folder / (path.name if number == 1 else f"{path.stem[:200]} ({number}){path.suffix}")
        if not os.path.lexists(target):
            path.rename(target)
            sync_folder(folder)
            sync_folder(path.parent)
            return
    raise NotFound(f"there is no free name for it in {folder}")
