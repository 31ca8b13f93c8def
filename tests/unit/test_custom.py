"""Schemas of people: the useful ones hold, and whatever a hostile one says costs little and is answered clearly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.hostile_schemas import CPU_SECONDS, HOSTILE, judge

from paquebot.errors import Malformed
from paquebot.protocol import custom


@pytest.fixture(scope="module")
def results():
    program = Path(__file__).with_name("hostile_schemas.py")
    done = subprocess.run([sys.executable, program], capture_output=True, check=True, timeout=200)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_answered_within_two_seconds_and_128_mib(results, name):
    found, expected = results[name], HOSTILE[name][2]
    assert found["status"] == 0, found
    assert found["cpu"] < CPU_SECONDS
    assert expected in found["said"]
    assert bool(expected) == bool(found["said"])


USEFUL = {
    "title": "A reading",
    "$schema": custom.DIALECT,
    "$id": "https://example.org/reading",
    "type": "object",
    "required": ["level", "at"],
    "properties": {
        "level": {"type": "number", "minimum": 0},
        "at": {"$ref": "#/$defs/moment"},
        "by": {"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]},
        "kind": {"enum": ["tide", "rain"]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}, "maxItems": 10_000},
    },
    "$defs": {
        "moment": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        "row": {"type": "object", "properties": {"at": {"$ref": "#/$defs/moment"}, "mm": {"type": "integer"}}},
    },
}


def test_a_useful_schema_is_useful():
    row = {"at": "2026-11-20", "mm": 3}
    assert judge(USEFUL, {"level": 1.5, "at": "2026-11-20", "by": None, "kind": "tide", "rows": [row] * 5_000}) == ""


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"level": -1}, "at 'level': -1 is less than the minimum of 0"),
        ({"at": "soon"}, "at 'at': "),
        ({"by": 1}, "at 'by': "),
        ({"kind": "snow"}, "at 'kind': "),
        ({"rows": [{}, {"mm": "x"}]}, "at 'rows/1/mm': "),
    ],
)
def test_what_does_not_hold_is_named_with_its_place(change, where):
    assert where in judge(USEFUL, {"level": 1, "at": "2026-11-20", **change})


def test_how_much_work_there_is_follows_the_places_in_a_value():
    cost = custom.examine(USEFUL, 1_000)
    assert cost.work({"level": 1}) < cost.work({"level": 1, "rows": [{}] * 10}) < 1_000
    wide = custom.examine({"properties": {str(n): {"type": "string"} for n in range(1_000)}}, 1_000)
    assert wide.widths[1] == 2, "a place has one name only"
    assert custom.examine({"allOf": [{"items": {"const": n}} for n in range(50)]}, 1_000).widths[1] == 100


@pytest.mark.parametrize("uri", ["sdmp://", "sdmp://x", "sdmp://x/y", f"sdmp://{'A' * 86}/{'A' * 87}", "sdmp:///etc"])
def test_a_name_of_a_schema_is_a_uri(uri):
    with pytest.raises(Malformed):
        custom.parse_uri(uri)
