"""What sort of month a village lives through, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from paquebot.protocol.account import Grant
from paquebot.protocol.limits import DAY_MS, HOUR_MS, MIB, MINUTE_MS
from paquebot.testing.post import Weather
from paquebot.testing.village import Office

YEAR_MS = 365 * DAY_MS
LEAPS = (0, 0, 0, 0, -10 * YEAR_MS, 10 * YEAR_MS, YEAR_MS)
"""The last is too short to be doubted: what it dates, nobody takes until its owner says it anew."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of month, drawn from the seed."""

    nodes: int
    drafts: int
    offices: tuple[Office, ...]
    weather: Weather
    crash: float
    forgery: float
    step_ms: int
    skews: tuple[int | None, ...]
    away: bool
    """Whether one node does not show up for weeks."""
    disk: str = "keeps"
    """``keeps``, ``forgets`` on purpose now and then, or ``rots``."""
    council: float = 0
    """How often somebody decides about trust."""
    hasty: float = 0
    """How often somebody does so while a letter waits to be sealed."""
    grants: tuple[Grant, ...] = ()
    """What each node lets each of its peers send in an hour; without any, so much that nobody meets it."""
    liar: bool = False
    """Whether one node lists what others published, and never gives it."""
    leap: int = 0
    """By how much one node's clock is suddenly wrong, in ms."""
    mended: bool = True
    """Whether it is set right when the weather clears, and its owner says so."""

    @classmethod
    def drawn(cls, dice: Random) -> Profile:
        """Let the dice decide what sort of month this is."""
        latencies = [MINUTE_MS, HOUR_MS, DAY_MS]
        flags = [False, True]
        nodes = dice.choice([2, 2, 3, 3, 4, 5])
        skew = dice.choice([0, 0, 5 * HOUR_MS])
        skews: list[int | None] = [dice.randint(-skew, skew) for _ in range(nodes)]
        if dice.random() < 0.25:
            skews[0] = None
        disk = dice.choice(["keeps", "keeps", "forgets", "rots"])
        found = cls(
            nodes=nodes,
            drafts=dice.randint(1, 12),
            offices=tuple(
                Office(dice.choice(latencies), dice.choice(flags), dice.choice(flags))
                for _ in range(dice.choice([1, 1, 2]))
            ),
            weather=Weather(
                loss=dice.choice([0, 0.1, 0.4]),
                repeat=dice.choice([0, 0.2]),
                damage=dice.choice([0, 0.05]),
                reorder=dice.choice([0, 0.5]),
                delay_ms=(0, dice.choice([0, HOUR_MS, 48 * HOUR_MS])),
                outage=dice.choice([0, 0.02, 0.1]),
            ),
            crash=dice.choice([0, 0.03]),
            forgery=dice.choice([0, 0.1]),
            step_ms=dice.choice([MINUTE_MS, HOUR_MS, 4 * HOUR_MS]),
            skews=tuple(skews),
            away=dice.random() < 0.2,
            disk=disk,
            grants=tuple(_tight(dice) for _ in range(nodes)) if dice.random() < 0.3 else (),
            liar=dice.random() < 0.2 and disk == "keeps",
        )
        leap = dice.choice(LEAPS)
        return replace(found, leap=leap, mended=leap == YEAR_MS or dice.random() < 0.5)


def _tight(dice: Random) -> Grant:
    """Draw a grant that a village of our size meets."""
    return Grant(HOUR_MS, dice.randint(3, 20), 16 * MIB, dice.randint(3, 30), 16 * MIB)


def governed(seed: int) -> Profile:
    """Return the month of *seed*, with villagers who decide about trust all the time. No disk rots there."""
    found = Profile.drawn(Random(f"{seed} profile"))
    hasty = 0.05 if seed % 2 else 0
    return replace(found, council=0.1, hasty=hasty, disk="keeps" if found.disk == "rots" else found.disk)
