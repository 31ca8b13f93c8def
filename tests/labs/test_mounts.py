"""Media that come and go, with real mounts, which nobody else on this machine sees."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.labs import mounted

# Root needs no user name space, and in many a container gets none.
ALONE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
TRIAL = [*ALONE, "sh", "-c", "mount --make-rprivate / && mount -t tmpfs room /mnt"]


def why_not() -> str:
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return "there is no unshare here; Debian: apt install util-linux"
    tried = subprocess.run(TRIAL, capture_output=True, check=False)
    return f"nothing may be mounted here: {tried.stderr.decode().strip()}" if tried.returncode else ""


WHY_NOT = why_not()


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "there")
@pytest.mark.parametrize("case", mounted.CASES, ids=lambda name: name.replace("_", " "))
def test_media_that_come_and_go(case):
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.labs.mounted", case],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
