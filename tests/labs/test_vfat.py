"""What befalls sticks with FAT: every case on the kernel's own file system, all in one machine that is booted once."""

from __future__ import annotations

import json
import os

import pytest
from tests.labs import sticks, vfat_cases

WHY_NOT = sticks.missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT) and not os.environ.get("CI"), reason=WHY_NOT or "there")
BYTES = 36 << 20  # sparse; the least that is a FAT of 32 bits
SECONDS = 240


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """How each case went."""
    assert not WHY_NOT
    folder = tmp_path_factory.mktemp("vfat")
    images = [folder / name for name in ("first.img", "second.img")]
    for image in images:
        with image.open("wb") as file:
            file.truncate(BYTES)
    machine = sticks.boot(images, "vfat", sticks.module("tests.labs.vfat_cases"), folder)
    try:
        machine.process.wait(SECONDS)
    finally:
        if machine.process.poll() is None:
            machine.pull()
    said = machine.log.read_text("utf-8", "replace")
    lines = [line.removeprefix("CASE ") for line in said.splitlines() if line.startswith("CASE ")]
    return dict(map(json.loads, lines)), said


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("case", vfat_cases.CASES, ids=lambda name: name.replace("_", " "))
def test_what_befalls_a_stick(case, told):
    cases, said = told
    assert cases.get(case, f"it was not reached:\n{said[-2000:]}") == "", cases.get(case)
