"""One round of a node: its carriers, and what a person wants done and told besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paquebot import config, errands, watching
from paquebot.errors import DiskFull
from paquebot.history import called
from paquebot.node import Node
from paquebot.protocol import noting
from paquebot.protocol.effects import Note
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import DAY_MS
from paquebot.report import Problem, Report


async def sync(
    node: Node,
    carriers: Sequence[config.Carrier],
    progress: Callable[[int], None] = lambda _: None,
    *,
    seconds: float | None = None,
) -> Report:
    """Take in and hand out over *carriers*, and note what hooks and folders are to hear of. See `Node.sync`.

    The errands are run when the node is closed: see `paquebot.hooks`. Raise `ConfigError` before anything is done.
    """
    read = config.read(node.home / config.FILE_NAME)
    published = [watching.publish(node, each) for each in read.watches]
    report = await node.sync(carriers, progress, seconds=seconds)
    for each in published:
        report.problems += each.problems
        report.notes += each.notes
    try:
        _note(node, read, report)
        report.forgotten += node.upkeep.forget_by_rule()
    except DiskFull as error:  # the next round makes up for it
        report.problems.append(Problem("this home", str(error), error.exit_code))
    report.errands = bool(node.view.errands())
    return report


def _note(node: Node, read: config.Config, report: Report) -> None:
    """Note who fell silent, and make the errands of all that happened."""
    now = node.now()
    for effect in node.commit(noting.fell_silent(node.view, _patience(node, read.hooks), now)):
        if isinstance(effect, Note) and effect.peer:
            report.problems.append(Problem(called(node.view, effect.peer), f"no news {effect.detail}", 0))
    node.commit(errands.enlist(node.view, read, now))


def _patience(node: Node, hooks: config.Hooks) -> dict[Fingerprint, int]:
    """How long each peer may be silent, in ms."""
    days = {peer.node: hooks.silence.get(peer.name, hooks.silence_days) for peer in node.view.peers()}
    return {who: count * DAY_MS for who, count in days.items() if count}
