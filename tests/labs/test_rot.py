"""Single bits of a home change, one at a time: in its database, its files, its keys. None changes what it says unseen.

What was published is covered by hashes and signatures, and `check --read-data` holds everything against them. What is
merely noted about it (when and where something was handed over, what happened) is covered by nothing, and says so here.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.labs.conftest import LONGER
from tests.labs.power import Rows, rows
from tests.labs.trials import Trials

from paquebot.keychain import ENVELOPE_KEYS, NODE_KEY, USER_KEY, read_private_key
from paquebot.vault import keystore

FLIPS = {"store.db": 300, "blobs": 100, "keys": 100}
GROUPS = 2  # for the processors

NOTED = {
    "account", "asking", "audience", "event", "invite", "lapse", "letter", "opened", "outcome", "peer", "reached",
    "related", "reply", "seen", "told", "carrier", "local", "quarantine", "errand", "hook", "pending", "joined",
    "readable",
}  # fmt: skip
"""Tables of what was noted; of the others, the columns in `NOTED_OF`."""
NOTED_OF = {"resource": {"received", "sender", "asked", "shown", "number", "expires"}}


def changed(before: Rows, after: Rows) -> set[str]:
    """Return the columns, or tables, in which two databases differ and which are more than notes."""
    found = set()
    for table in before.keys() | after.keys():
        one, other = before.get(table, []), after.get(table, [])
        if one == other or table in NOTED:
            continue
        if len(one) != len(other):
            found.add(table)
        columns = {name for left, right in zip(one, other, strict=False) for name in left if left[name] != right[name]}
        found |= {f"{table}.{name}" for name in columns - NOTED_OF.get(table, set())}
    return found


@pytest.mark.timeout(300 * LONGER)
@pytest.mark.parametrize("group", range(GROUPS))
@pytest.mark.parametrize("where", FLIPS)
def test_no_bit_changes_what_is_said_unseen(where, group, ground, tally):
    dice, wrong = random.Random(f"{where} {group}"), []
    trials = Trials("keys", ground)
    voyage = trials.fresh()
    home = voyage.alice
    before = rows(home.path / "store.db")
    files = sorted(each for each in [home.path / where, *(home.path / where).rglob("*")] if each.is_file())
    with tally("flipped bits seen or harmless", 60 * LONGER) as counts:
        for _ in range(FLIPS[where] * LONGER // GROUPS):
            path = dice.choices(files, [each.stat().st_size for each in files])[0]
            whole = path.read_bytes()
            bit = dice.randrange(8 * len(whole))
            path.write_bytes(flipped(whole, bit))
            counts.append(1)
            if home.run("check", "--read-data", code=None).returncode == 0:
                unseen = changed(before, rows(home.path / "store.db")) if where == "store.db" else says(path, whole)
                wrong += [(path.name, bit, unseen)] if unseen else []
            path.write_bytes(whole)
            for beside in ("store.db-wal", "store.db-shm"):
                (home.path / beside).unlink(missing_ok=True)
    assert not wrong, f"{len(wrong)} of {len(counts)}, such as {wrong[:5]}"


def flipped(data: bytes, bit: int) -> bytes:
    """Return *data* with one bit changed."""
    changing = bytearray(data)
    changing[bit // 8] ^= 1 << bit % 8
    return bytes(changing)


def says(path: Path, before: bytes) -> str:
    """Return what a file of the home says otherwise now than *before*, if that is of any consequence."""
    now = path.read_bytes()
    if path.name == ENVELOPE_KEYS or path.name.startswith("former-"):
        one, other = (keystore.decode(each).announcement("") for each in (before, now))
    elif path.name in (USER_KEY, NODE_KEY):
        one, other = (read_private_key(each, path).pem() for each in (before, now))
    else:
        one, other = before, now
    return "" if one == other else "another content"
