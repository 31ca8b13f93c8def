"""What is asked for each of thousands of things on a stick is looked up, not searched for."""

from __future__ import annotations

from contextlib import closing

import pytest

from paquebot.protocol import publishing
from paquebot.store import Store
from paquebot.testing.examples import NOW, founding

NAME = bytes(16)


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.awaiting(NAME, 9),
        lambda view: view.shown(NAME),
        lambda view: view.parcel(NAME),
        lambda view: view.lies(NAME, "blue"),
        lambda view: view.berths(NAME),
        lambda view: view.burden(0),
        lambda view: view.letter_with(NAME),
        lambda view: view.chunks_lacking(bytes(32)),
    ],
)
def test_no_lookup_goes_through_all_rows_of_a_node(ask):
    """SQLite thinks that a node has ten rows of each sort, unless it is told which index to use."""
    new, asked = founding(), []
    with closing(Store(None)) as store:
        store.found(new.local, lambda: publishing.take_root(store.view, new, NOW))
        store._db.set_trace_callback(asked.append)
        ask(store.view)
        store._db.set_trace_callback(None)
        plans = {sql: [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked}
    assert plans
    for sql, plan in plans.items():
        assert not [step for step in plan if step.startswith("SCAN") or step.endswith("PRIMARY KEY (node=?)")], sql
