"""One file of 200 MiB by stick, end to end."""

from __future__ import annotations

from tests.bench.peers import Nncp
from tests.bench.runs import Pair, random_file
from tests.bench.table import Table

BYTES = 200 << 20
NNCP_WALL, NNCP_CPU = 1.24, 0.94  # as measured once, where it is not installed

_CPU = (
    "each byte is hashed eleven times: as a chunk at every step, as a record written, read back and read, as signed,"
    " as RFC 4880 wants it; its CFB uses one lane of a processor; and Python is started four times"
)
_WALL = "beside that, each chunk is durable before its envelope is acknowledged, and all is read back from the stick"
_PEAK = "Python with cryptography, SQLite and a JSON Schema validator has 50 MiB before it does anything"

WORK = "one file of 200 MiB, published to saved"


def measure(table: Table) -> None:
    """Measure it; the promise is a multiple of what NNCP takes in the same run."""
    folder = table.folder / "large"
    file = random_file(folder / "large", BYTES, 2)
    peer = None
    if Nncp.here():
        nncp = Nncp(folder / "nncp")
        peer = nncp.queue([file]) + nncp.carry()
        assert [path.stat().st_size for path in nncp.delivered()] == [BYTES]
    pair = Pair(folder / "ours")
    pair.settle()  # once in a home's life, the fast sealer proves that it can be trusted
    ours = pair.run("alice", "publish", file) + pair.sync("alice") + pair.sync("bob")
    ours += pair.run("bob", "save", "--all-to", folder / "out")
    cpu, wall = (peer.cpu, peer.wall) if peer else (NNCP_CPU, NNCP_WALL)
    table.row(f"{WORK}: CPU", ours.cpu, "s", target=2 * cpu, peer="NNCP", peer_value=peer and peer.cpu, why=_CPU)
    table.row(f"{WORK}: wall", ours.wall, "s", target=2 * wall, peer="NNCP", peer_value=peer and peer.wall, why=_WALL)
    peak = peer and peer.peak / 1024
    table.row(f"{WORK}: peak memory", ours.peak / 1024, "MiB", target=64, peer="NNCP", peer_value=peak, why=_PEAK)
