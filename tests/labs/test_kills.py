"""The process is killed before any change of a disk: nothing is lost, and whoever comes next finds a whole home."""

from __future__ import annotations

import pytest
from tests.labs import sqlite_tap
from tests.labs.conftest import LONGER
from tests.labs.kills import SAID, Naming, crash_points, killer
from tests.labs.tap import tapped
from tests.labs.trials import Trials

pytestmark = pytest.mark.skipif(sqlite_tap.library() is None, reason="Python's SQLite hides its functions")

KILLS = {"init": 30, "publish": 35, "sync": 60, "let go": 25, "keys": 30, "bring back": 25, "migrate": 15}
"""How often each story is killed: 200 times and more, at each kind of call at least once."""
GO_ON = 5  # of so many homes, one goes on with its peer


@pytest.mark.timeout(300 * LONGER)
@pytest.mark.parametrize("name", KILLS)
def test_a_killed_process_loses_nothing(name, ground, tally):
    trials, wrong = Trials(name, ground), []
    with tally("kills survived", 60 * LONGER) as counts, killer() as executioner:
        voyage = trials.fresh()
        naming = Naming(voyage.root)
        with tapped(naming, voyage.root):
            trials.story.run(voyage)
        for number, point in sorted(crash_points(naming.names, KILLS[name] * LONGER).items()):
            voyage = trials.fresh()
            if not executioner.kill(name, voyage.folder, number):
                continue  # dice made this run a little shorter
            counts.append(1)
            said = voyage.folder / SAID
            found = trials.complaints(voyage, said.read_text().split() if said.exists() else [])
            found = found or (trials.goes_on(voyage) if len(counts) % GO_ON == 0 else [])
            if found:
                wrong.append((number, point, found))
    assert not wrong, f"{len(wrong)} of {len(counts)}, such as {wrong[:3]}"
    assert len(counts) >= KILLS[name]
