"""`log`: what happened, once, or as it happens."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from paquebot import amounts, history
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.display import printable
from paquebot.errors import Busy, Malformed, Misused
from paquebot.history import Told
from paquebot.node import Node
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.events import Kind
from paquebot.protocol.stamp import Millis, parse_time

KINDS = click.Choice([each.value for each in Kind])
EVERY_MS = 500
"""How often `log --follow` looks whether anything was written."""


@click.command("log")
@click.option("--since", metavar="WHEN", help="From this date on (2026-11-20), or for so long (2d, 12h).")
@click.option("--after", default=0, metavar="NUMBER", help="Only what is newer than the event of that number.")
@click.option("--peer", metavar="NAME", help="Only what is about this peer.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=KINDS,
    help="Only this; may be given again.",
)
@click.option("-n", "--limit", default=-1, metavar="COUNT", help="Only the latest so many.")
@click.option("-f", "--follow", is_flag=True, help="Then go on telling what happens, until stopped.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON; with --follow, one line for each event.")
@click.pass_obj
def log_command(
    setting: Setting,
    since: str | None,
    after: int,
    peer: str | None,
    kinds: tuple[str, ...],
    limit: int,
    follow: bool,
    wants_json: bool,
) -> int:
    """Say what happened, oldest first: what came, what peers have, what failed, who fell silent.

    Each event was noted together with what it tells of. With --json every event has a number; give the last one
    to --after to learn what is new. --follow takes no lock, and ends when its reader does, or by Ctrl-C.

    \b
    Examples:
      paquebot log --since 2d
      paquebot log --peer Bob --kind arrived --kind applied
      paquebot log --json --after 812
      paquebot log --follow -n 0 --kind arrived
    """
    with setting.look() as node:
        chosen = _Chosen(node.peer(peer).node if peer is not None else None, kinds)
        if since is not None:
            after = max(after, history.since(node.view, _moment(since, node.now())))
        last = max([after, *(each.number for each in node.view.events(0, 1, latest=True))])
        told = chosen.told(node, after, limit)
    if wants_json and not follow:
        output.as_json([each.as_json() for each in told])
        return 0
    _say(told, wants_json=wants_json)
    if follow:
        with suppress(KeyboardInterrupt):
            _follow(setting, chosen, last, wants_json=wants_json)
            return 0
        return 130
    return 0


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which events are told."""

    about: Fingerprint | None
    kinds: tuple[str, ...]

    def told(self, node: Node, after: int, limit: int = -1) -> list[Told]:
        """Return what happened after event *after*; of that the latest *limit*, unless it is negative."""
        found = node.view.events(after, limit if self.about is None else -1, self.kinds or None, latest=True)
        chosen = [each for each in found if self.about in (None, each.peer)]
        return [history.tell(node.view, each) for each in chosen[max(0, len(chosen) - limit) if limit >= 0 else 0 :]]


def _follow(setting: Setting, chosen: _Chosen, last: int, *, wants_json: bool) -> None:
    """Tell what happens after event *last*, until nobody reads it any more."""
    seen: object = None
    while _read_on():
        if (found := _written(setting.home)) == seen:
            continue
        try:
            with setting.look() as node:
                told = chosen.told(node, last)
                last = max([last, *(each.number for each in node.view.events(last, 1, latest=True))])
        except Busy:  # its tables are just being made new
            continue
        seen = found
        _say(told, wants_json=wants_json)


def _written(home: Path) -> list[tuple[int, int, int] | None]:
    """Return what changes whenever something is written into the store of *home*."""
    found: list[tuple[int, int, int] | None] = []
    for name in ("store.db", "store.db-wal"):
        try:
            state = os.stat(home / name)
            found.append((state.st_ino, state.st_size, state.st_mtime_ns))
        except OSError:
            found.append(None)
    return found


def _read_on() -> bool:
    """Wait a while; return whether whoever reads our output still does."""
    try:
        poller = select.poll()
        poller.register(sys.stdout.fileno(), 0)
        return not poller.poll(EVERY_MS)
    except (OSError, ValueError, AttributeError):  # no file stands behind it, or this system cannot tell
        time.sleep(EVERY_MS / 1000)
        return True


def _say(told: Sequence[Told], *, wants_json: bool) -> None:
    for each in told:
        event = each.event
        if wants_json:
            output.as_json_line(each.as_json())
        else:
            click.echo(f"{output.moment(event.at)}  {event.kind.value:<12}  {printable(each.sentence, 600)}")
    sys.stdout.flush()


def _moment(text: str, now: Millis) -> Millis:
    """Return the moment that a date names, or that lies a duration back. Raise `Misused`."""
    try:
        return parse_time(text if "T" in text else f"{text}T00:00:00.000Z")
    except Malformed:
        pass
    try:
        return Millis(now - amounts.duration(text))
    except Misused:
        raise Misused(f"{text!r} is neither a date such as 2026-11-20 nor a duration such as 2d or 12h") from None
