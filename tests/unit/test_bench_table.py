"""What `make bench` promises: a bound that is missed is named, and cannot hide behind a good target."""

from __future__ import annotations

from pathlib import Path

from tests.bench.table import Table


def test_a_bound_is_twice_the_target_and_no_worse_than_the_peer(tmp_path: Path):
    table = Table(tmp_path)
    table.row("quick", 1, "s", target=1)
    table.row("slower than promised", 2, "s", target=1)
    table.row("too slow", 3, "s", target=1)
    table.row("slower than the peer", 1.5, "s", target=1, peer="cp", peer_value=1.2, never_worse=True)
    assert [row.verdict for row in table.rows] == ["met", "within the bound", "MISSED", "MISSED"]
    assert table.missed() == ["too slow", "slower than the peer"]


def test_what_is_shown_or_not_reached_misses_nothing(tmp_path: Path):
    table = Table(tmp_path)
    table.row("shown", 3, "s", peer="gpg", peer_value=1.5)
    table.row("peer not installed", 3, "s", target=4, peer="gpg", peer_value=None, never_worse=True)
    table.not_reached("later", "s", 1)
    assert table.missed() == []
    assert [(row.peer, row.ratio, row.met) for row in table.rows] == [
        ("gpg", 2, None),
        (None, None, True),
        (None, None, None),
    ]
