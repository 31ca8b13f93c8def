"""The stick is pulled while it is written to, on the kernel's own file systems: what was called safe is there.

Beside it the ways that everybody knows, which lose: on vfat, the name of a file that was renamed is written before its
size and place are, so that even who syncs the file and then its folder is left with nothing.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from tests.labs import sticks
from tests.labs.conftest import LONGER

WHY_NOT = sticks.missing()
pytestmark = [
    pytest.mark.skipif(bool(WHY_NOT) and not os.environ.get("CI"), reason=WHY_NOT or "there"),
    pytest.mark.timeout(600 * LONGER),
]
PULLS = 5 * LONGER
SWEEPS = 3 * LONGER
SECONDS = (0.5, 1.5)


def pulled(kind: str, method: str, pulls: int, folder: Path) -> tuple[int, int]:
    """Pull so many sticks; return how many parcels were called safe, and how many of these are not there.

    One by which crates are swept is pulled only when some were.
    """
    dice, images, said = random.Random(f"{kind} {method}"), [], []
    for number in range(pulls):
        ground = folder / f"{kind}-{method}-{number}"
        ground.mkdir()
        image = ground / "stick.img"
        sticks.make(image, kind)
        machine = sticks.start([image], kind, ["write", method], ground)
        try:
            machine.wait_for(b"S" if method in ("sweep", "careless") else b"READY")
            time.sleep(dice.uniform(*SECONDS))
        finally:
            said.append(machine.pull())
        images.append(image)
    lost = 0
    for first in range(0, pulls, 5):
        ground = folder / f"{kind}-{method}-read-{first}"
        ground.mkdir()
        there = sticks.there(images[first : first + 5], kind, ground)
        for numbers, found in zip(said[first : first + 5], there, strict=True):
            lost += len(set(numbers) - found)
    return sum(map(len, said)), lost


@pytest.mark.parametrize("kind", sticks.MAKE)
def test_what_was_called_safe_is_on_a_stick_that_was_pulled(kind, tmp_path, tally):
    assert not WHY_NOT
    with tally(f"parcels kept on {kind} over {PULLS} pulls", 60 * LONGER) as counts:
        safe, lost = pulled(kind, "drop", PULLS, tmp_path)
        counts.append(safe - lost)
    assert safe > 100
    assert lost == 0, f"{lost} of {safe}"


@pytest.mark.parametrize(("kind", "method"), [("vfat", "rename"), ("ext4", "rename"), ("vfat", "textbook")])
def test_the_ways_that_everybody_knows_lose(kind, method, tmp_path, tally):
    with tally(f"parcels lost on {kind} by {method}", 30) as counts:
        safe, lost = pulled(kind, method, 1, tmp_path)
        counts.append(lost)
    assert safe > 100
    assert lost > safe // 2


@pytest.mark.parametrize("kind", sticks.MAKE)
def test_what_others_need_is_on_a_stick_that_was_pulled_while_it_was_swept(kind, tmp_path, tally):
    assert not WHY_NOT
    with tally(f"parcels kept on {kind} over {SWEEPS} pulls from a sweep", 45 * LONGER) as counts:
        safe, lost = pulled(kind, "sweep", SWEEPS, tmp_path)
        counts.append(safe - lost)
    assert safe > 100
    assert lost == 0, f"{lost} of {safe}"


def test_sweeping_carelessly_loses(tmp_path, tally):
    with tally("parcels lost on vfat by a sweep without syncing", 30) as counts:
        safe, lost = pulled("vfat", "careless", 1, tmp_path)
        counts.append(lost)
    assert lost > safe // 2
