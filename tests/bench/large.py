"""One file of 200 MiB by stick, end to end."""

from __future__ import annotations

from pathlib import Path

from tests.bench.peers import Nncp
from tests.bench.runs import Pair, Used, random_file
from tests.bench.table import Table

BYTES = 200 << 20
ROUNDS = 3
NNCP_WALL, NNCP_CPU = 1.24, 0.94  # as measured once, where it is not installed

# One pass over 200 MiB, in ms of one core with SHA extensions, and where it is made:
#   SHA-256, 4 * 99      a chunk's name: when published, read to be sent, received and saved
#   SHA-256, 2 * 99      an OpenPGP signature covers all that it signs: sealing and opening
#   SHA-256, 2 * 99      a record's name in a crate, when written and when read
#   SHA-1, 2 * 94        RFC 4880's modification detection, sealing and opening
#   CFB, 184 + 7         AES-256 as of RFC 4880: each block waits for the one before when sealing, not when opening
#   hash(), 2 * 34       whether the stick kept what was written
#   zstd, 20             finding out that nothing can be compressed
# Beside these 1.4 s: four starts of Python, 3 * 180; the kernel's copies, read five times and written four; and the
# engine with its database. Other formats would do without the second to the fifth; the first is our promise that what
# rots on a disk is neither sent nor saved.
_CPU = (
    "each byte is hashed ten times: its chunk's name when published, sent, received and saved; its record's twice by"
    " the stick; RFC 4880's signature and SHA-1 at both ends; with CFB, which seals in one lane, that is 1.3 s; Python"
    " is started three times: 0.5 s"
)
_WALL = "beside that, each chunk is durable before its envelope is acknowledged, and all is read back from the stick"
_PEAK = "Python with cryptography, SQLite and a JSON Schema validator has 50 MiB before it does anything"

WORK = "one file of 200 MiB, published to saved"


def measure(table: Table) -> None:
    """Measure it; the promise is a multiple of what NNCP takes in the same run.

    Each goes several times, in turn, and the least counts: memory that a virtual machine never lent before costs its
    first user up to a second for a file like this. Nothing is deleted between: where ext4 has deleted much within a
    minute, whoever makes files next pays for that.
    """
    folder = table.folder / "large"
    file = random_file(folder / "large", BYTES, 2)
    rounds = [(_nncp(folder / f"nncp-{n}", file), _ours(folder / f"ours-{n}", file)) for n in range(ROUNDS)]
    peer = min((each for each, _ in rounds if each), key=lambda used: used.cpu, default=None)
    ours = min((each for _, each in rounds), key=lambda used: used.cpu)
    cpu, wall = (peer.cpu, peer.wall) if peer else (NNCP_CPU, NNCP_WALL)
    table.row(f"{WORK}: CPU", ours.cpu, "s", target=2 * cpu, peer="NNCP", peer_value=peer and peer.cpu, why=_CPU)
    table.row(f"{WORK}: wall", ours.wall, "s", target=2 * wall, peer="NNCP", peer_value=peer and peer.wall, why=_WALL)
    peak = peer and peer.peak / 1024
    table.row(f"{WORK}: peak memory", ours.peak / 1024, "MiB", target=64, peer="NNCP", peer_value=peak, why=_PEAK)


def _nncp(folder: Path, file: Path) -> Used | None:
    if not Nncp.here():
        return None
    nncp = Nncp(folder)
    used = nncp.queue([file]) + nncp.carry()
    assert [path.stat().st_size for path in nncp.delivered()] == [BYTES]
    return used


def _ours(folder: Path, file: Path) -> Used:
    pair = Pair(folder)
    pair.settle()  # once in a home's life, the fast sealer proves that it can be trusted
    # What arrives is written to a folder by the sync itself, as it is by nncp-toss.
    config = pair.folder / "bob" / "config.toml"
    config.write_text(f'[[output]]\npath = "{folder / "out"}"\n')
    used = pair.run("alice", "publish", file) + pair.sync("alice") + pair.sync("bob")
    assert [path.stat().st_size for path in (folder / "out").iterdir()] == [BYTES]
    return used
