"""A node inside another program: ``async with paquebot.open(home) as node``.

Everything a program needs is here and in `paquebot.errors`; names here are stable, those of other modules are not.
The node works in a thread of its own, so the program's event loop never waits for a disk. While it is open, no other
process can write to the home; the command line can look. What fails raises a child of `PaquebotError`; what goes
wrong with one carrier or one item during `Node.sync` does not, but is in the report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TypeVar

from paquebot import drafting, folders, history, hooks, rounds, status, threads
from paquebot.errors import Misused, NotInitialised
from paquebot.node import Node as House
from paquebot.passphrase import Passphrases
from paquebot.protocol.effects import Effects
from paquebot.protocol.encoding import short
from paquebot.protocol.events import SHOWN_KINDS
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis
from paquebot.report import Report
from paquebot.status import Status
from paquebot.store.view import Listed
from paquebot.vault import locking

__all__ = ["Event", "Item", "Node", "Peer", "Report", "Status", "open"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 reads better in the documentation
_PAGE = 256
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A message or file, ours or another's."""

    id: str
    uri: str
    kind: str
    """``message`` or ``file``."""
    author: str
    """What its author is called here; a short fingerprint if that has no name."""
    title: str
    filename: str
    """As its author wrote it: never use it as a path; `Node.save` makes it safe."""
    tags: tuple[str, ...]
    size: int
    stamped: datetime
    """When it was published, by its author's clock."""
    expires: datetime | None
    """When it stops being of use, if its author says so."""
    new: bool
    """It came from others, and nobody has looked at it."""
    complete: bool
    private: bool
    parent: str | None
    """The id of that to which it replies."""
    attachments: tuple[str, ...]
    """The ids of files that it names; they may not be here yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; see `paquebot.protocol.events.Kind` for what can."""

    number: int
    """Grows: give the last one to `Node.events` to go on from there."""
    at: datetime
    kind: str
    id: str | None
    """Of the item that it is about."""
    peer: str | None
    """The name of the peer that it is about, or by which it came."""
    detail: str
    sentence: str
    """All of it in words, on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A node whose keys are pinned."""

    name: str
    user: str
    node: str
    reads: bool
    """It may read what we publish."""
    publishes: bool
    """What it publishes is accepted here."""
    heard: datetime | None
    """When something last came from it."""


class Node:
    """An open node. Every call is carried out in turn; one that is cancelled is finished all the same."""

    def __init__(self, house: House, worker: ThreadPoolExecutor) -> None:
        self._house = house
        self._worker = worker
        self._news = asyncio.Event()
        self._closed = False

    async def publish(
        self,
        what: str | Path,
        *,
        title: str = "",
        tags: Sequence[str] = (),
        to: Sequence[str] = (),
        attach: Sequence[Path] = (),
        reply_to: str = "",
        supersedes: str = "",
        expires: str = "",
    ) -> str:
        """Publish a text, or the file at a path; return its URI. With *to*, those peers alone can read it.

        *attach* are files that go with a text. *expires* is a date such as ``2027-01-31``. Raise `Misused`.
        """
        if attach and isinstance(what, Path):
            raise Misused("files are attached to texts")

        def work() -> str:
            draft = drafting.draft(
                self._house, title=title, tags=tags, to=to, reply_to=reply_to, supersedes=supersedes, expires=expires
            )
            if isinstance(what, Path):
                return self._house.publish_files([what], draft=draft)[-1]
            text = replace(draft, fields={"message": what})
            plain = Draft(schemas=("file",), fields={}, private=draft.private)
            return self._house.publish_files(attach, draft=plain, message=text)[-1]

        return await self._do(work, changes=True)

    async def sync(self, *names: str, via: str | Path | None = None) -> Report:
        """Take in and hand out over the carriers of config.toml, or those of *names*, or the folder *via*.

        Hooks and output folders are served too; a hook cannot write to this home while it is open here.
        Raise `ConfigError`; what went wrong elsewhere is in the report's ``problems``.
        """

        def work() -> Report:
            carriers = self._house.carriers(names, [str(via)] if via is not None else [])
            return asyncio.run(rounds.sync(self._house, carriers))

        report = await self._do(work, changes=True)
        if report.errands:
            tried = await asyncio.to_thread(hooks.run, self._house.home, record=self._record)
            report.problems += [each.as_problem() for each in tried if each.problem]
            self._wake()
        return report

    def _record(self, effects: Effects) -> None:
        self._worker.submit(self._house.commit, effects).result()

    async def list(self, *, new: bool = False) -> Sequence[Item]:
        """Return all messages and files in the order of their stamps; with *new*, those nobody has looked at."""

        def work() -> Sequence[Item]:
            return [self._item(each) for each in self._house.view.listed(SHOWN_KINDS, new=new) if not each.gone]

        return await self._do(work)

    async def get(self, id: str) -> Item:  # noqa: A002 the field's word
        """Return one item by its URI, its id, or the beginning of that. Raise `NotFound` or `Misused`."""
        return await self._do(lambda: self._item(self._house.find(id)))

    async def read(self, id: str) -> bytes:  # noqa: A002 the field's word
        """Return the bytes of a message or file, and note that it was looked at. Raise `NotFound` if some lack."""

        def work() -> bytes:
            listed = self._house.find(id)
            data = b"".join(self._house.content(listed))
            self._house.shown(listed)
            return data

        return await self._do(work)

    async def save(self, id: str, folder: Path) -> Path:  # noqa: A002 the field's word
        """Write a message or file into *folder* under a safe name; return its path. Nothing is ever written over."""

        def work() -> Path:
            listed = self._house.find(id)
            path = folders.write_out(folder, listed, self._house)
            self._house.shown(listed)
            return path

        return await self._do(work)

    async def events(self, after: int = 0, *, follow: bool = True) -> AsyncIterator[Event]:
        """Yield what happened after the event of that number; with *follow*, go on until the node is closed."""
        while not self._closed:
            news = self._news
            page = await self._do(partial(self._happened, after))
            for event in page:
                after = event.number
                yield event
            if len(page) < _PAGE:
                if not follow:
                    return
                await news.wait()

    def _happened(self, after: int) -> Sequence[Event]:
        return [_event(history.tell(self._house.view, each)) for each in self._house.view.events(after, _PAGE)]

    async def card(self) -> str:
        """Return this node's card, to be given to others. It holds no secret."""
        return await self._do(self._house.card)

    async def add_peer(self, name: str, card: str, *, trusting: bool = True) -> Peer:
        """Pin the node of a *card* as *name*; with *trusting*, it may read ours and its own is accepted.

        Raise `BadCard` or `Misused`.
        """

        def work() -> Peer:
            self._house.add_peer(self._house.read_card(card), name, trusting=trusting)
            return next(each for each in self._peers() if each.name == name)

        return await self._do(work, changes=True)

    async def peers(self) -> Sequence[Peer]:
        """Return all peers, in the order in which they were added."""
        return await self._do(lambda: list(self._peers()))

    def _peers(self) -> Iterator[Peer]:
        for peer in self._house.view.peers():
            yield Peer(
                name=peer.name,
                user=peer.user,
                node=peer.node,
                reads=peer.reads,
                publishes=peer.publishes,
                heard=_moment(peer.seen_at) if peer.seen_at else None,
            )

    async def status(self) -> Status:
        """Return how everything stands."""
        house = self._house
        return await self._do(lambda: status.of_node(house.view, house.now(), clock_doubtful=house.clock_doubtful()))

    def _item(self, listed: Listed) -> Item:
        view = self._house.view
        return Item(
            id=listed.id,
            uri=listed.uri,
            kind=listed.kind,
            author=history.called(view, listed.user),
            title=listed.title,
            filename=listed.filename,
            tags=listed.tags,
            size=listed.size,
            stamped=_moment(listed.stamp.at),
            expires=_moment(listed.expires) if listed.expires else None,
            new=not listed.shown,
            complete=not listed.lacking,
            private=view.opened(listed.id) is not None,
            parent=threads.one(view, listed.id, "parent"),
            attachments=tuple(each.id for each in threads.attachments(view, listed.id)),
        )

    async def _do(self, work: Callable[[], Result], *, changes: bool = False) -> Result:
        """Carry *work* out in the node's own thread."""
        if self._closed:
            raise Misused("the node is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        finally:
            if changes:
                self._wake()

    def _wake(self) -> None:
        """Let those who follow the events look again."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _close(self) -> None:
        self._closed = True
        self._wake()


@asynccontextmanager
async def open(  # noqa: A001 as a file is opened
    home: str | Path, *, create: str = "", passphrase: str | None = None
) -> AsyncIterator[Node]:
    """Lend the node that lives in *home*; with *create*, make one of that name if there is none yet.

    *passphrase* unlocks its keys, or locks those of the new one; without, unattended sources do, as for commands.
    Raise `NotInitialised`, `Busy` if another process works there, `WrongKey`, `StoreError`.
    """
    house = House(Path(home), passphrases=Passphrases(Path(home), ask=lambda _: passphrase))

    def enter() -> None:
        try:
            house.__enter__()
        except NotInitialised:
            if not create:
                raise
            House.create(Path(home), create, passphrase=locking.normal(passphrase.encode()) if passphrase else None)
            house.__enter__()

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="paquebot") as worker:
        await loop.run_in_executor(worker, enter)
        node = Node(house, worker)
        try:
            yield node
        finally:
            node._close()
            await asyncio.shield(loop.run_in_executor(worker, house.__exit__, None, None, None))


def _moment(at: Millis) -> datetime:
    return _EPOCH + timedelta(milliseconds=at)


def _event(told: history.Told) -> Event:
    event = told.event
    peer = told.peer_name or (short(event.peer) if event.peer else None)
    return Event(
        number=event.number,
        at=_moment(event.at),
        kind=event.kind.value,
        id=event.resource,
        peer=peer,
        detail=event.detail,
        sentence=told.sentence,
    )
