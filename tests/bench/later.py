"""What targets this version does not reach yet."""

from __future__ import annotations

from tests.bench.table import Table


def measure(table: Table) -> None:
    """Say so."""
    table.not_reached("difference of 100 in 1,000,000: bytes", "bytes", 1_800)
    table.not_reached("no-change exchange at 1,000,000 items: CPU", "ms", 1)
    table.not_reached("20 KiB over a lossy radio channel, share of its capacity", "share")
