"""1,000 notes of 1 KiB, published, carried by a stick, applied; and the same as one file."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.bench.peers import Gpg, Nncp
from tests.bench.runs import Pair, Used, random_file, size
from tests.bench.table import Table

COUNT, BYTES = 1_000, 1_024
GPG_COUNT = 100  # of them by gpg, which takes the same time for each

WORK = "1,000 notes of 1 KiB by stick, published to applied"


def measure(table: Table) -> None:
    """Measure both."""
    folder = table.folder / "notes"
    notes = [random_file(folder / "notes" / f"{number:04}", BYTES, number) for number in range(COUNT)]
    ours, aboard = _ours(folder / "ours", notes)
    peer, packets = _nncp(folder / "nncp", notes)
    careful, _ = _nncp(folder / "careful", notes, careful=True)
    gpg, sealed = _gpg(folder / "gpg", notes[:GPG_COUNT])
    table.row(f"{WORK}: CPU", ours.cpu, "s", target=2, peer="NNCP", peer_value=peer and peer.cpu, never_worse=True)
    table.row(f"{WORK}: CPU", ours.cpu, "s", peer="NNCP -keep -seen, ack", peer_value=careful and careful.cpu)
    table.row(f"{WORK}: CPU", ours.cpu, "s", peer="gpg, without agent", peer_value=gpg and gpg.cpu)
    table.row(f"{WORK}: wall", ours.wall, "s", peer="NNCP", peer_value=peer and peer.wall)
    table.row(
        "bytes on the stick for them", aboard, "bytes",
        target=1_200_000, peer="NNCP", peer_value=packets, never_worse=True,
    )  # fmt: skip
    table.row("bytes on the stick for them", aboard, "bytes", peer="gpg", peer_value=sealed, never_worse=True)
    _as_one(table, folder, notes)


def _ours(folder: Path, notes: list[Path]) -> tuple[Used, int]:
    pair = Pair(folder)
    used = pair.run("alice", "publish", *notes) + pair.sync("alice")
    aboard = size(pair.stick)
    return used + pair.sync("bob"), aboard


def _nncp(folder: Path, notes: list[Path], *, careful: bool = False) -> tuple[Used | None, int | None]:
    if not Nncp.here():
        return None, None
    nncp = Nncp(folder)
    used = nncp.queue(notes) + nncp.carry(careful=careful)
    assert len(nncp.delivered()) == len(notes)
    return used, nncp.aboard


def _gpg(folder: Path, notes: list[Path]) -> tuple[Used | None, int | None]:
    if not Gpg.here():
        return None, None
    gpg = Gpg(folder)
    try:
        used = gpg.seal(notes, folder / "sealed")
        used += gpg.open(sorted((folder / "sealed").iterdir()), folder / "opened")
    finally:
        gpg.close()
    times = COUNT // GPG_COUNT
    return used * times, size(folder / "sealed") * times


def _as_one(table: Table, folder: Path, notes: list[Path]) -> None:
    """The same 1,000 in one file: cheap, and not the same: nobody unpacks them, and nothing is known of each."""
    packed = folder / "all.tar"
    with tarfile.open(packed, "w") as tar:
        for note in notes:
            tar.add(note, note.name)
    pair = Pair(folder / "one")
    ours = pair.run("alice", "publish", packed) + pair.sync("alice") + pair.sync("bob")
    name = "the same 1,000 as one tar file: CPU"
    peer, _ = _nncp(folder / "one-nncp", [packed])
    table.row(name, ours.cpu, "s", peer="NNCP, not unpacked", peer_value=peer and peer.cpu)
    if Gpg.here():
        gpg = Gpg(folder / "one-gpg")
        try:
            used = gpg.seal([packed], folder / "one-sealed")
            used += gpg.open([folder / "one-sealed" / packed.name], folder / "one-opened")
        finally:
            gpg.close()
        table.row(name, ours.cpu, "s", peer="gpg, without agent", peer_value=used.cpu)
