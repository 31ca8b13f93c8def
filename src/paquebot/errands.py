"""What remains to be done outside because of what happened: which errands an event makes, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from paquebot.config import TASKS, Config, Output
from paquebot.protocol.effects import DropErrand, Effects, ForgetEvents, Note, Remember, SaveErrand
from paquebot.protocol.events import Errand, Event, Kind
from paquebot.protocol.limits import BACKOFF_LAST_MS, ERRANDS_MAX, EVENTS_AGE_MS, EVENTS_MAX
from paquebot.protocol.patience import backoff
from paquebot.protocol.stamp import Millis
from paquebot.store.view import SqliteView

CURSOR = "events/enlisted"
"""Under which key it is remembered up to which event errands were made."""
OUTPUT = "output "
"""How a task begins that writes into a folder; its path follows."""


PAGE = 1_000  # events read at once
GONE = "what it is about was forgotten or taken back meanwhile"
UNKNOWN = "config.toml has no such hook any more; this is not done"


def enlist(view: SqliteView, config: Config, now: Millis) -> Effects:
    """Make the errands of everything that happened since the last time, and let go of what is old.

    Errands of hooks that are configured no more are given up: they would take the room of others.
    If too many wait already, the rest is made later: events are not forgotten before.
    """
    done = int(view.remembered(CURSOR) or b"0")
    waiting = [each for each in view.errands() if each.task.startswith(OUTPUT) or each.task in config.hooks.commands]
    for errand in view.errands():
        if errand not in waiting:
            yield from _given_up(errand, UNKNOWN, now)
    room, cursor = ERRANDS_MAX - len(waiting), done
    for event in _events(view, done):
        tasks = list(dict.fromkeys(_tasks(view, config, event)))
        if len(tasks) > room:
            break
        for task in tasks:
            yield SaveErrand(Errand(0, task, event))
        room, cursor = room - len(tasks), event.number
    if cursor > done:
        yield Remember(CURSOR, b"%d" % cursor)
        yield from _forget(view, cursor, now)


def _events(view: SqliteView, after: int) -> Iterator[Event]:
    """Yield what happened after *after*, read a page at a time: after a first sync it may be as long as the journal."""
    while page := view.events(after, PAGE):
        yield from page
        after = page[-1].number


def _tasks(view: SqliteView, config: Config, event: Event) -> Iterator[str]:
    yield from (task for task in config.hooks.commands if TASKS[task] == event.kind)
    if event.kind is Kind.ARRIVED:
        yield from (f"{OUTPUT}{each.path}" for each in config.outputs if _matches(view, each, event))


def _matches(view: SqliteView, output: Output, event: Event) -> bool:
    listed = view.listing(event.resource) if event.resource else None
    if listed is None:
        return False
    theirs = any(peer.name == output.peer and peer.user == listed.user for peer in view.peers())
    return (theirs or not output.peer) and (output.tag in listed.tags or not output.tag)


def _forget(view: SqliteView, cursor: int, now: Millis) -> Effects:
    """Let go of the oldest events, but of none that still has to make errands."""
    through = cursor - EVENTS_MAX
    for event in islice(_events(view, max(through, 0)), EVENTS_MAX):
        if event.at >= now - EVENTS_AGE_MS:
            break
        through = event.number
    if through > 0 and view.events(0, 1)[0].number <= through:
        yield ForgetEvents(min(through, cursor))


def due(errand: Errand, now: Millis) -> bool:
    """Return whether *errand* may be tried. A moment further ahead than anything is put off was a wrong clock's."""
    return not now < errand.retry_at <= now + 2 * BACKOFF_LAST_MS


def settled(errand: Errand, problem: str, now: Millis) -> Effects:
    """Note that *errand* was done, or with a *problem* that it was not and when it is tried again.

    If what it is about is `GONE`, that is never.
    """
    if not problem:
        yield DropErrand(errand.number)
        return
    if problem == GONE:
        yield from _given_up(errand, problem, now)
        return
    tries = errand.tries + 1
    yield SaveErrand(replace(errand, tries=tries, retry_at=Millis(now + backoff(tries)), problem=problem))
    if tries == 1:
        yield _failed(errand, problem, now)


def _given_up(errand: Errand, problem: str, now: Millis) -> Effects:
    yield DropErrand(errand.number)
    yield _failed(errand, problem, now)


def _failed(errand: Errand, problem: str, now: Millis) -> Note:
    return Note(Kind.HOOK_FAILED, now, errand.event.resource, errand.event.peer, f"{errand.task}: {problem}")
