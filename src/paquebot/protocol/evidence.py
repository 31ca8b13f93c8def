"""When it was learned how far our lines had got, from what, and where: noted beside decisions, and never decided on."""

from __future__ import annotations

from collections.abc import Iterable

from paquebot.frozen import frozen
from paquebot.protocol.effects import Effect, Effects, Handed, Reached, SavePeer
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter, View

TAKEN = "taken"
"""A carrier took the body."""
READ_BACK = "read back"
"""A carrier took the body, and it was read back from the medium."""
ACKED = "acked"
"""The peer showed that it has the envelope that named the line, with its body if that rode along."""
APPLIED = "applied"
"""The peer said that it holds the resource completely."""
LISTED = "listed"
"""The peer's own journal names the resource."""


@frozen
class Occasion:
    """What may teach us how far lines have got."""

    at: Millis
    where: str
    read_back: bool = False


def learned(view: View, effects: Iterable[Effect], occasion: Occasion) -> Effects:
    """Yield *effects*, and at last what they teach about our lines."""
    found: dict[tuple[Fingerprint, str], Ranges] = {}
    for effect in effects:
        for key, lines in _teaches(view, effect, occasion).items():
            found[key] = found.get(key, Ranges()) | lines
        yield effect
    for (peer, stage), lines in found.items():
        if lines and view.peer(peer) is not None:
            yield Reached(peer, stage, occasion.at, occasion.where, lines)


def _teaches(view: View, effect: Effect, occasion: Occasion) -> dict[tuple[Fingerprint, str], Ranges]:
    """What *effect*, not carried out yet, changes."""
    match effect:
        case SavePeer(after) if before := view.peer(after.node):
            return {
                (after.node, ACKED): after.acked - before.acked,
                (after.node, APPLIED): after.applied - before.applied,
                (after.node, LISTED): after.known - before.known,
            }
        case Handed(name) if letter := view.letter(name):
            return {(letter.peer, READ_BACK if occasion.read_back else TAKEN): bodies(view, letter)}
    return {}


def bodies(view: View, letter: Letter) -> Ranges:
    """Return our lines whose bodies *letter* carries whole: beside their lines, or as answers."""
    asked = {each.resource for each in view.replies(letter.peer) if each.number in letter.plan.replies}
    return letter.plan.bodies | Ranges.of(*(run for name in asked if name for run in view.own_numbers(name).runs))
