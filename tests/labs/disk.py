"""What may lie on a disk after the power failed: a model that forgets whatever nobody asked it to keep.

A write is durable when its file was synced, a name when its folder was. Of what is not, any part may be there: in any
order, with sectors of 512 bytes torn out of writes. This is harsher than any one file system, and what POSIX promises.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.labs.tap import Call

SECTOR = 512


@dataclass(eq=False, slots=True)
class File:
    """A file as it lies on the disk for certain."""

    data: bytearray = field(default_factory=bytearray)


@dataclass(eq=False, slots=True)
class Folder:
    """A folder: what it holds for whoever looks now, and what it holds for certain."""

    now: dict[str, Node] = field(default_factory=dict)
    kept: dict[str, Node] = field(default_factory=dict)


Node = File | Folder


@dataclass(frozen=True, slots=True)
class Pending:
    """Something that is not durable yet: a write or truncation of a file, or changes of names that go together."""

    number: int
    file: File | None = None
    offset: int = 0
    data: bytes | None = None
    """None for a truncation."""
    names: tuple[tuple[Folder, str, Node | None], ...] = ()


Tree = dict[str, bytes | None]
"""Paths below the root, with a file's bytes, or None for a folder."""


class Disk:
    """Follows a log of calls; can be asked at any time what would be left."""

    def __init__(self, root: Path, held: Mapping[str, bytes | None]) -> None:
        """Begin with what *root* held before, as `held_by` returns it; all of that is durable."""
        self._root = str(root)
        self._top = Folder()
        self._pending: list[Pending] = []
        self._count = 0
        for path, data in held.items():
            *above, name = path.split("/")
            folder = self._folder(above)
            folder.now[name] = folder.kept[name] = Folder() if data is None else File(bytearray(data))

    @property
    def pending(self) -> Sequence[Pending]:
        """What is not durable now."""
        return self._pending

    def _folder(self, parts: Sequence[str]) -> Folder:
        node: Node = self._top
        for part in parts:
            assert isinstance(node, Folder)
            node = node.now[part]
        assert isinstance(node, Folder)
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        *above, name = os.path.relpath(path, self._root).split("/")
        return self._folder(above), name

    def _node(self, path: str) -> Node:
        if path == self._root:
            return self._top
        folder, name = self._place(path)
        return folder.now[name]

    def follow(self, call: Call) -> None:
        """Let *call*, which was made, have its effect."""
        match call.verb:
            case "create":
                self._name((call.path, File()))
            case "mkdir":
                self._name((call.path, Folder()))
            case "unlink" | "rmdir":
                self._name((call.path, None))
            case "rename":
                self._name((call.to, self._node(call.path)), (call.path, None))
            case "link":
                self._name((call.to, self._node(call.path)))
            case "write":
                self._change(call.path, call.offset, call.data)
            case "truncate":
                self._change(call.path, call.offset, None)
            case "sync":
                self._sync(self._node(call.path))

    def _name(self, *changes: tuple[str, Node | None]) -> None:
        edits = tuple((*self._place(path), node) for path, node in changes)
        for folder, name, node in edits:
            if node is None:
                del folder.now[name]
            else:
                folder.now[name] = node
        self._add(Pending(self._count, names=edits))

    def _change(self, path: str, offset: int, data: bytes | None) -> None:
        file = self._node(path)
        assert isinstance(file, File)
        self._add(Pending(self._count, file, offset, data))

    def _add(self, pending: Pending) -> None:
        self._pending.append(pending)
        self._count += 1

    def _sync(self, node: Node) -> None:
        left = []
        for each in self._pending:
            if isinstance(node, File) and each.file is node:
                _apply(node.data, each.offset, each.data)
            elif isinstance(node, Folder) and any(folder is node for folder, _, _ in each.names):
                for folder, name, below in each.names:
                    _rename(folder.kept, name, below)
            else:
                left.append(each)
        self._pending = left

    def after(self, chosen: Mapping[int, bytes | None]) -> Tree:
        """Return what lies there if of what is pending only *chosen* was done, by number; see `choices`."""
        names: dict[int, dict[str, Node | None]] = {}
        changes: dict[int, list[tuple[int, bytes | None, bytes | None]]] = {}
        for each in self._pending:
            if each.number not in chosen:
                continue
            for folder, name, node in each.names:
                names.setdefault(id(folder), {})[name] = node
            if each.file is not None:
                changes.setdefault(id(each.file), []).append((each.offset, each.data, chosen[each.number]))
        tree: Tree = {}

        def walk(folder: Folder, prefix: str) -> None:
            held: dict[str, Node | None] = {**folder.kept, **names.get(id(folder), {})}
            for name, node in sorted(held.items()):
                if isinstance(node, Folder):
                    tree[f"{prefix}{name}"] = None
                    walk(node, f"{prefix}{name}/")
                elif node is not None:
                    data = node.data
                    if id(node) in changes:
                        data = bytearray(data)
                        for offset, written, sectors in changes[id(node)]:
                            _apply(data, offset, written, sectors)
                    tree[f"{prefix}{name}"] = bytes(data)

        walk(self._top, "")
        return tree


def _rename(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _apply(data: bytearray, offset: int, written: bytes | None, sectors: bytes | None = None) -> None:
    """Change *data*; of what is written, only the sectors whose byte in *sectors* is not 0."""
    if written is None:
        del data[offset:]
        return
    end = offset + len(written)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    if sectors is None:
        data[offset:end] = written
        return
    for (begin, stop), there in zip(_sectors(offset, end), sectors, strict=True):
        if there:
            data[begin:stop] = written[begin - offset : stop - offset]


def _sectors(begin: int, end: int) -> Iterator[tuple[int, int]]:
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        yield begin, stop
        begin = stop


def choose(pending: Sequence[Pending], dice: random.Random) -> dict[int, bytes | None]:
    """Return which of *pending* were done before the power failed: none, all, all but one, the first so many, or any.

    The value says which sectors of a write are there, None for all of them.
    """
    way = dice.randrange(8)
    first = dice.randrange(len(pending) + 1)
    share = dice.random()
    chosen: dict[int, bytes | None] = {}
    for place, each in enumerate(pending):
        if way == 0 or (way == 2 and place >= first) or (way == 3 and place == first):
            continue
        if way > 3 and dice.random() >= share:
            continue
        torn = way > 4 and each.data and dice.random() < 0.3
        count = len(list(_sectors(each.offset, each.offset + len(each.data or b"")))) if torn else 0
        chosen[each.number] = dice.randbytes(count).translate(_HALF) if count else None
    return chosen


_HALF = bytes(value & 1 for value in range(256))


def everything(pending: Sequence[Pending]) -> dict[int, bytes | None]:
    """Return the choice by which nothing is lost."""
    return {each.number: None for each in pending}


def held_by(root: Path) -> Tree:
    """Return what lies in a real folder."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))
    }


def lay_out(tree: Tree, root: Path) -> None:
    """Make the empty or missing folder *root* hold *tree*."""
    root.mkdir(mode=0o700, exist_ok=True)
    for path, data in tree.items():
        where = root / path
        if data is None:
            where.mkdir(mode=0o700)
        else:
            with open(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
