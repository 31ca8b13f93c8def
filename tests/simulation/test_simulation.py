"""A village of nodes in a month of bad weather and wrong clocks, many times.

That it would notice what goes wrong is shown by `make mutants`, and in part by tests/labs/test_mutants.py.
"""

from __future__ import annotations

import pytest

from paquebot.protocol import mailing, publishing
from paquebot.protocol.effects import Post, SavePeer
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.state import Plan
from paquebot.testing.examples import NOW, founding, letter, peer
from paquebot.testing.memory import MemoryStore
from paquebot.testing.simulation import Simulation

GROUP = 5
REAL = range(50)

BUGS = {
    6: "an envelope that came before its forerunner was acknowledged, though its lines could not be used",
    9: "two nodes backed off from each other, and each answered later than the other waited",
    18: "a late request for chunks made a complete file go out again, and was never settled",
    41: "a late request for a journal was taken for a node that had been restored from a backup",
    74: "two nodes that lacked the same chunk asked only each other for it",
    151: "everything was sent again every day to a node that did not answer",
    358: "what a clock a year ahead had asked for was not asked for again before a year was over",
    724: "an envelope whose chunks had been put off came again, and its token was shown",
}
"""Seeds that failed once, and why."""

BRIEF_BUGS = {
    2252: "a token said that lines are known that came before those they follow, and nobody told those any more",
    40371: "chunks of which some were put off counted as arrived, if they were the first of a window",
}
"""So with brief months."""

WHOLE = [*range(40), *(seed for seed in BUGS if seed >= 40)]
"""Seeds of whole months. For the others of two thousand, foul weather lasts a fifth of that."""
BRIEF = sorted({*range(2_000), *BRIEF_BUGS} - {*WHOLE})


@pytest.mark.parametrize("at", range(0, len(WHOLE), GROUP))
def test_a_month_of_bad_weather_loses_nothing(at):
    for seed in WHOLE[at : at + GROUP]:
        Simulation(seed).run()


@pytest.mark.parametrize("at", range(0, len(BRIEF), 4 * GROUP))
def test_some_days_of_bad_weather_lose_nothing(at):
    for seed in BRIEF[at : at + 4 * GROUP]:
        Simulation(seed, brief=True).run()


def test_a_chunk_that_no_carrier_takes_is_no_news():
    """Found by seed 8, when its post took a mebibyte at most: an empty envelope went out at every sync."""
    store, new = MemoryStore(), founding()
    store.found(new.local, lambda: publishing.take_root(store.view, new, NOW))
    told = peer(heard=3, done=Ranges.of((1, 3)), told_number=3, told_done=Ranges.of((1, 3)))
    chunk = letter(1, plan=Plan(chunks=Ranges.of((0, 0))))
    store.commit([SavePeer(told), Post(chunk)])
    store.commit(mailing.lost(store.view, chunk))
    assert store.view.peers() == [told]


@pytest.mark.parametrize("first", REAL[::GROUP])
def test_bad_weather_with_real_stores_and_real_seals(first, tmp_path):
    for seed in range(first, first + GROUP):
        Simulation(seed, tmp_path / str(seed), brief=True).run()


@pytest.mark.parametrize("seed", [1, 27])
def test_a_seed_replays_exactly(seed):
    assert Simulation(seed).run() == Simulation(seed).run()
