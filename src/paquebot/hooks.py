"""Run what has to be done outside, when the home is open to others again: hooks may call `paquebot` themselves.

Each errand is tried at least once, and its success is recorded durably; if the power is cut between the two it is
tried again, so a hook that must not act twice remembers ``PAQUEBOT_NUMBER`` or ``PAQUEBOT_ID``. One that fails is
tried again by later runs, ever more rarely, and keeps no other waiting.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from paquebot import config, errands, folders, program, threads
from paquebot import home as homes
from paquebot.display import printable
from paquebot.errors import Busy, PaquebotError
from paquebot.frozen import frozen
from paquebot.history import called, tell
from paquebot.node import Node
from paquebot.protocol.effects import Effects
from paquebot.protocol.events import Errand, Kind
from paquebot.protocol.stamp import format_time
from paquebot.report import Problem
from paquebot.store.view import Listed

RUN_S = 600
"""How long one run spends on errands; the rest waits for the next."""
RECORD_S = 30
"""How long to wait for another paquebot before leaving a result unrecorded: the errand is tried again then."""
LOCK = "hooks.lock"

Record = Callable[[Effects], None]


@frozen
class Tried:
    """An errand that was tried."""

    errand: Errand
    problem: str
    """Why it did not succeed; empty if it did."""

    def as_problem(self) -> Problem:
        """Return the failure as a run reports it."""
        if self.problem == errands.GONE:
            return Problem(self.errand.task, self.problem)
        again = f"tried {self.errand.tries + 1} times" if self.errand.tries else "it is tried again later"
        return Problem(self.errand.task, f"{self.problem} ({again}; see `paquebot hook list`)")


def run(home: Path, *, record: Record | None = None, numbers: Collection[int] | None = None) -> list[Tried]:
    """Try every errand that is due, or those of *numbers* now; return them.

    *record* carries effects out; without it, the home is opened for a moment. Another run that is at it goes on
    alone. Raise `PaquebotError` if the home or its configuration cannot be read.
    """
    record = record or (lambda effects: _record(home, effects))
    until, tried = time.monotonic() + RUN_S, []
    with _alone(home) as alone:
        if not alone:
            return []
        for errand in _chosen(home, numbers):
            if time.monotonic() > until:
                break
            problem = _try(home, errand, config.read(home / config.FILE_NAME))
            try:
                with Node(home, looking=True) as node:
                    now = node.now()
                record(errands.settled(errand, problem, now))
            except PaquebotError as error:
                problem = problem or f"done, but that could not be recorded: {error}"
            tried.append(Tried(errand, problem))
    return tried


def _chosen(home: Path, numbers: Collection[int] | None) -> list[Errand]:
    with Node(home, looking=True) as node:
        now = node.now()
        known = config.read(home / config.FILE_NAME).hooks.commands
        return [
            each
            for each in node.view.errands()
            if (each.task.startswith(errands.OUTPUT) or each.task in known)
            and (errands.due(each, now) if numbers is None else each.number in numbers)
        ]


@contextmanager
def _alone(home: Path) -> Iterator[bool]:
    """Say whether no other run is at the errands, and keep others away."""
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _record(home: Path, effects: Effects) -> None:
    """Commit *effects* as soon as nobody else has the home open. Raise `Busy`."""
    until = time.monotonic() + RECORD_S
    while True:
        try:
            with homes.opened(home) as store:
                store.commit(effects)
                return
        except Busy:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _try(home: Path, errand: Errand, read: config.Config) -> str:
    """Do what *errand* asks for; return why that did not succeed."""
    try:
        import tempfile

        with tempfile.TemporaryFile(dir=home) as content:
            with Node(home, looking=True) as node:
                listed = node.view.listing(errand.event.resource) if errand.event.resource else None
                gone = listed is None or listed.gone == "forgotten" or listed.revoked_by is not None
                if errand.event.resource and gone and errand.event.kind is not Kind.REVOKED:
                    return errands.GONE
                if errand.task.startswith(errands.OUTPUT):
                    assert listed is not None, "only arrivals are written out"
                    folder = home / Path(errand.task.removeprefix(errands.OUTPUT)).expanduser()
                    if not folder.parent.exists():  # a disk may not be mounted
                        return f"there is no folder {folder.parent}: make it, or mount it"
                    folder.mkdir(exist_ok=True)
                    folders.write_out(folder, listed, node)
                    return ""
                facts = _facts(node, errand, listed)
                _spool(node, None if gone else listed, content)
            env = {**os.environ, **facts, "PAQUEBOT_HOME": str(home.absolute())}
            return program.run(read.hooks.commands[errand.task], content, env, home, read.hooks.timeout)
    except PaquebotError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or home}: {error.strerror}"


def _spool(node: Node, listed: Listed | None, content: IO[bytes]) -> None:
    if listed is not None:
        for part in node.content(listed):
            content.write(part)
        content.flush()
        content.seek(0)


def _facts(node: Node, errand: Errand, listed: Listed | None) -> dict[str, str]:
    """What a hook is told besides the content. Nothing in it can end a line or do anything else to a terminal."""
    event, told = errand.event, tell(node.view, errand.event)
    facts = {
        "EVENT": event.kind.value,
        "NUMBER": str(event.number),
        "AT": format_time(event.at),
        "PEER": told.peer_name or "",
        "PEER_NODE": event.peer or "",
        "DETAIL": event.detail,
        "SENTENCE": told.sentence,
        "ID": event.resource or "",
        "TRY": str(errand.tries + 1),
    }
    if listed is not None:
        facts |= {
            "URI": listed.uri,
            "KIND": listed.kind,
            "TITLE": listed.title,
            "FILENAME": folders.safe_name(listed.filename) if listed.filename else "",
            "TAGS": ",".join(printable(tag).replace(",", "\\x2c") for tag in listed.tags),
            "FROM": called(node.view, listed.user),
            "FROM_USER": listed.user,
            "SIZE": str(listed.size),
            "STAMP": str(listed.stamp),
            "PARENT": threads.one(node.view, listed.id, "parent") or "",
            "ATTACHMENTS": ",".join(each.id for each in threads.attachments(node.view, listed.id)),
        }
    return {f"PAQUEBOT_{name}": printable(value, 8_192) for name, value in facts.items()}
