"""What one envelope costs: bytes beyond what it holds, and the time to seal and open it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.peers import Gpg
from tests.bench.runs import Pair, random_file
from tests.bench.table import Table

from paquebot_drop import crate

BODY = 300
GPG_BYTES, HEADER = 283, 120
_BATCH = "each is signed by itself, so that it can go on alone: 64 bytes; what surrounds it in JSON is the rest"
_OPEN = "our own packet layer looks at every octet before and after the library, in Python"
PADDING = 1.12  # of what is sealed, at most
GPG_COUNT = 20


def measure(table: Table) -> None:
    """Measure bytes, then time."""
    folder = table.folder / "envelopes"
    pair = Pair(folder / "ours")
    pair.run("alice", "publish", "--message", "the first goes with an introduction")
    pair.settle()
    single = _sealed(pair, [_body(folder, 0)])
    batch = _sealed(pair, [_body(folder, number) for number in range(1, 11)])
    gpg = Gpg(folder / "gpg") if Gpg.here() else None
    size = seal = opened = None
    if gpg:
        try:
            bodies = [_body(folder, number) for number in range(GPG_COUNT)]
            seal = gpg.seal(bodies, folder / "sealed")
            sealed = sorted((folder / "sealed").iterdir())
            opened = gpg.open(sealed, folder / "opened")
            size = sealed[0].stat().st_size - BODY
        finally:
            gpg.close()
    found = _measured()
    target = int(PADDING * (BODY + GPG_BYTES + HEADER)) - BODY
    name = "overhead of one sealed 300-byte update"
    table.row(f"{name}: seal and header", found["bytes"], "bytes", target=target, peer="gpg alone", peer_value=size)
    # A signed journal says who, by whose leave, and after what: seven hashes of 64 bytes, which nothing compresses.
    table.row(f"{name}: and its place in the journal", single - BODY, "bytes", peer="gpg, no journal", peer_value=size)
    each = (batch - 10 * BODY) / 10
    table.row("overhead of each in a batch of ten, journal included", each, "bytes",
              target=150, peer="gpg, no journal", peer_value=size, why=_BATCH)  # fmt: skip
    _times(table, found, seal and 1000 * seal.cpu / GPG_COUNT, opened and 1000 * opened.cpu / GPG_COUNT)


def _measured() -> dict:
    command = [sys.executable, "-m", "tests.bench.sealing"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def _body(folder: Path, number: int) -> Path:
    return random_file(folder / "bodies" / f"{number}", BODY, number)


def _sealed(pair: Pair, bodies: list[Path]) -> int:
    """Publish *bodies*; return how many bytes the envelopes have that carry them."""
    pair.run("alice", "publish", *bodies)
    before = set(pair.stick.rglob("*.PQB"))
    pair.sync("alice")
    new = [path.read_bytes() for path in set(pair.stick.rglob("*.PQB")) - before]
    found = [crate.read_contents(lambda at, count, data=data: data[at : at + count], len(data)) for data in new]
    pair.settle()
    return sum(entry.length for contents in found for entry in contents.entries)


def _times(table: Table, found: dict, seal: float | None, opened: float | None) -> None:
    for word, gpg in (("seal", seal), ("open", opened)):
        alone = found.get(f"{word} alone")
        target = 1.3 * alone if alone else None
        table.row(f"{word} one small envelope: CPU", found[word], "ms",
                  target=target, peer=f"{found['library']} alone", peer_value=alone, why=_OPEN)  # fmt: skip
        table.row(f"{word} one small envelope: CPU", found[word], "ms", peer="gpg, without agent", peer_value=gpg)
