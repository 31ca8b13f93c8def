"""The table that `make bench` prints: what we measured, what a peer took in the same run, and what was promised."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure. Without a bound it is shown, and promises nothing; without *ours* it is not reached yet."""

    row: str
    ours: float | None
    unit: str
    peer: str | None
    peer_value: float | None
    ratio: float | None
    target: float | None
    bound: float | None
    met: bool | None
    """Whether the bound holds."""
    why: str | None = None
    """Why the target is not reached."""

    @property
    def verdict(self) -> str:
        """In words."""
        if self.ours is None:
            return "not reached by this version"
        if self.bound is None:
            return "shown beside"
        if not self.met:
            return "MISSED"
        return "within the bound" if self.target is not None and self.ours > self.target else "met"


@dataclass
class Table:
    """The rows so far, and the folder in which they are measured."""

    folder: Path
    rows: list[Row] = field(default_factory=list)

    def row(
        self,
        name: str,
        ours: float | None,
        unit: str,
        *,
        target: float | None = None,
        bound: float | None = None,
        peer: str | None = None,
        peer_value: float | None = None,
        never_worse: bool = False,
        why: str | None = None,
    ) -> None:
        """Add a figure. The bound is twice the target unless it is given; with *never_worse*, also the peer's.

        *why* is told if the target is not reached.
        """
        if bound is None and target is not None:
            bound = 2 * target
        if never_worse and peer_value is not None:
            bound = min(bound, peer_value) if bound is not None else peer_value
        ratio = ours / peer_value if ours is not None and peer_value else None
        met = None if ours is None or bound is None else ours <= bound
        peer = None if peer_value is None else peer
        behind = ours is not None and target is not None and ours > target
        self.rows.append(Row(name, ours, unit, peer, peer_value, ratio, target, bound, met, why if behind else None))
        self._say(self.rows[-1])

    def not_reached(self, name: str, unit: str, target: float | None = None) -> None:
        """Add what this version does not do yet."""
        self.row(name, None, unit, target=target)

    def missed(self) -> list[str]:
        """The rows whose bounds do not hold."""
        return [row.row for row in self.rows if row.met is False]

    def as_json(self) -> list[dict]:
        """The rows, as they are written down."""
        return [asdict(row) for row in self.rows]

    def _say(self, row: Row) -> None:
        beside = "" if row.peer_value is None else f"{row.peer} {_number(row.peer_value)}"
        promise = "" if row.target is None else f"≤ {_number(row.target)}"
        print(
            f"{row.row:<66} {_number(row.ours):>11} {row.unit:<6} {promise:>12}  {beside:<36} {row.verdict}".rstrip(),
            flush=True,
        )
        if row.why:
            print(f"    because {row.why}", flush=True)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.3f}"
