"""Schemas that hostile authors might publish, with a value to be checked and what is to be said.

Run as a program, it tries each in a process of its own, with limits, and prints what became of it as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from paquebot.errors import Refused
from paquebot.protocol import custom

CPU_SECONDS = 2
MEMORY_MIB = 128
LONG = "01" * 900_000


def under(schema: Any, **defs: Any) -> dict[str, Any]:
    return {"properties": {"a": schema}, "$defs": defs}


def chain(count: int, make: Any) -> dict[str, Any]:
    defs = {f"d{n}": make(f"#/$defs/d{n + 1}") for n in range(count)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{count}": {"type": "object"}}}


def never(*schemas: Any) -> dict[str, Any]:
    """Every one of *schemas* is tried, and none holds."""
    return {"items": {"not": {"anyOf": list(schemas)}}}


# name: (schema, value, what the refusal says; "" if it is accepted)
HOSTILE: dict[str, tuple[Any, Any, str]] = {
    "a reference to the network": (under({"$ref": "http://127.0.0.1:9/x"}), {}, "outside itself"),
    "a reference to a file": (under({"$ref": "file:///etc/passwd"}), {}, "outside itself"),
    "a reference to a neighbour": (under({"$ref": "other.json"}), {}, "outside itself"),
    "a reference to a resource": (under({"$ref": "sdmp://x/y"}), {}, "outside itself"),
    "a reference to the dialect": (under({"$ref": custom.DIALECT}), {}, "outside itself"),
    "a reference that is no text": (under({"$ref": 1}), {}, "outside itself"),
    "a reference to an anchor": (under({"$ref": "#x"}), {}, "outside itself"),
    "a reference in per cent": (under({"$ref": "#/%24defs/x"}, x={}), {}, "outside itself"),
    "a reference to nothing": (under({"$ref": "#/$defs/y"}, x={}), {}, "not there"),
    "a reference to a far place": (under({"$ref": "#/enum/" + "9" * 5_000}), {}, "not there"),
    "a reference hidden where nobody looks": ({"x-note": [{"$ref": "http://127.0.0.1:9/x"}]}, {}, "outside itself"),
    "a reference to itself": ({"$ref": "#"}, {}, "refers to itself"),
    "a reference to itself through a value": (under({"$ref": "#"}), {"a": {}}, "refers to itself"),
    "two that refer to each other": (
        under({"$ref": "#/$defs/x"}, x={"$ref": "#/$defs/y"}, y={"$ref": "#/$defs/x"}),
        {"a": 1},
        "refers to itself",
    ),
    "a tree that refers to itself": ({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}, [[]], "refers to itself"),
    "a loop of dynamic references": ({"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]}, {}, "not supported"),
    "a recursive reference of old": ({"$recursiveAnchor": True, "items": {"$recursiveRef": "#"}}, [], "not supported"),
    "an anchor": (under({"$anchor": "x"}), {}, "not supported"),
    "a vocabulary": ({"$vocabulary": {"http://127.0.0.1:9/x": True}}, {}, "not supported"),
    "properties that were not evaluated": ({"unevaluatedProperties": False}, {"a": 1}, "not supported"),
    "items that were not evaluated": ({"allOf": [{"unevaluatedItems": {}}]}, [], "not supported"),
    "multiples of a fraction": (under(never(*({"multipleOf": n + 0.1} for n in range(900)))), {}, "not supported"),
    "an $id within": (under({"$id": "http://x/y", "type": "string"}), {}, "$id or a $schema of its own"),
    "an $id that makes references remote": ({"$id": "file:///etc/", **under({"$ref": "passwd"})}, {}, "outside itself"),
    "an $id that is none": ({"$id": "::::\u0000", "type": "object"}, {}, ""),
    "a dialect within": (under({"$schema": "http://json-schema.org/draft-04/schema#"}), {}, "of its own"),
    "an old dialect": ({"$schema": "http://json-schema.org/draft-04/schema#"}, {}, "2020-12"),
    "an unknown dialect": ({"$schema": "http://127.0.0.1:9/dialect"}, {}, "2020-12"),
    "an unknown type": ({"type": "strnig"}, {}, "not valid"),
    "a length below nothing": (under({"minLength": -1}), {}, "not valid"),
    "properties in a list": ({"properties": [1]}, {}, "not valid"),
    "names that are no list": ({"required": "x"}, {}, "not valid"),
    "a pattern that is none": (under({"pattern": "("}), {"a": ""}, "not valid"),
    "a pattern that looks back": (under({"pattern": r"(a)\1"}), {"a": ""}, "not valid"),
    "a pattern that looks ahead": (under({"pattern": "(?=(a+)+$)b"}), {"a": "a" * 50_000}, "not valid"),
    "a pattern that grows": (under({"pattern": "((a{1000}){1000}){1000}"}), {"a": "a"}, "not valid"),
    "a long pattern": (under({"pattern": "a" * 257}), {"a": "a"}, "more than 256"),
    "many patterns": (under(never(*({"pattern": f"^{n}"} for n in range(65)))), {"a": [""]}, "more than 64 patterns"),
    "many patterns, by references": (
        under(never(*[{"$ref": "#/$defs/x"}] * 65), x={"pattern": "^x"}),
        {"a": [""]},
        "64 patterns",
    ),
    "a pattern that backtracks elsewhere": (
        under({"pattern": "^(a+)+$"}),
        {"a": "a" * 1_000_000 + "b"},
        "keep its schema",
    ),
    "nested stars": (under({"pattern": "^((a*)*)*$"}), {"a": "a" * 1_000_000}, ""),
    "a pattern with many states": (under({"pattern": "1[01]{18}[2-9]"}), {"a": LONG}, "keep its schema"),
    "many patterns on a long text": (
        under(never(*({"pattern": f"1[01]{{{n % 9 + 9}}}[2-9]"} for n in range(64)))),
        {"a": [LONG]},
        "too much",
    ),
    "names that must match many patterns": (
        {"patternProperties": {f"^1[01]{{{n % 9 + 9}}}[2-9]": {} for n in range(64)}},
        {str(n) * 20: 1 for n in range(20_000)},
        "too much",
    ),
    "a hundred thousand alternatives": ({"anyOf": [{"const": n} for n in range(100_000)]}, {}, "256 KiB"),
    "ten thousand alternatives": ({"anyOf": [{"const": n} for n in range(10_000)]}, {}, "10000 parts"),
    "a hundred thousand values": ({"enum": list(range(100_000))}, {}, "256 KiB"),
    "nine thousand values for each of many": (
        under({"items": {"not": {"enum": list(range(9_000))}}}),
        {"a": [-1] * 100_000},
        "too much",
    ),
    "a thousand alternatives for each of many": (
        under(never(*({"const": n} for n in range(1_000)))),
        {"a": [-1] * 100_000},
        "too much",
    ),
    "as much work as is allowed": (under(never(*({"const": n} for n in range(1_000)))), {"a": [-1] * 480}, ""),
    "an explosion of allOf": (chain(25, lambda to: {"allOf": [{"$ref": to}, {"$ref": to}]}), {}, "10000 parts"),
    "an explosion of oneOf": (chain(25, lambda to: {"oneOf": [{"$ref": to}, {"$ref": to}]}), {}, "10000 parts"),
    "an explosion of conditions": (
        chain(25, lambda to: {"if": {"$ref": to}, "then": {"$ref": to}, "else": {"$ref": to}}),
        {},
        "10000 parts",
    ),
    "an explosion of negations": (chain(25, lambda to: {"not": {"$ref": to}, "if": {"$ref": to}}), {}, "10000 parts"),
    "an explosion of dependencies": (
        chain(25, lambda to: {"dependentSchemas": {"a": {"$ref": to}, "b": {"$ref": to}}}),
        {},
        "10000 parts",
    ),
    "a long chain of references": (chain(2_000, lambda to: {"$ref": to}), {}, "too deeply"),
    "a long chain that is met in the middle first": (
        {"allOf": [{"$ref": "#/$defs/d990"}, {"$ref": "#/$defs/d0"}], **chain(1_000, lambda to: {"$ref": to})},
        {},
        "too deeply",
    ),
    "two megabytes": ({"description": "x" * 2_000_000}, {}, "256 KiB"),
    "a comment of 200 kB": ({"$comment": "x" * 200_000}, {}, ""),
    "ten thousand titles": ({"x": [{"title": "x"}] * 10_000}, {}, "parts"),
    "a large number in the schema": (under({"maximum": 10**4_000}), {"a": 1}, "64 bits"),
    "a large number in the value": (under({"maximum": 5}), {"a": 10**4_000}, "64 bits"),
    "numbers of 64 bits": (under({"maximum": (1 << 64) - 1}), {"a": -(1 << 63)}, ""),
    "a hundred thousand things that differ": (under({"uniqueItems": True}), {"a": [[n] for n in range(100_000)]}, ""),
    "a million entries": (under({"items": {"type": "integer"}}), {"a": [1] * 800_000}, "too much"),
    "a hundred thousand entries": (under({"items": {"type": "integer"}}), {"a": [1] * 100_000}, ""),
    "ever so many that must be contained": (
        under({"contains": {"const": 1}, "minContains": 1 << 53}),
        {"a": [1] * 9_000},
        "keep its schema",
    ),
    "a format that others check": (under({"format": "email"}), {"a": "a" * 1_000_000}, ""),
    "contents that others read": (
        under({"contentMediaType": "application/json", "contentSchema": {"type": "integer"}}),
        {"a": "[" * 9_999},
        "",
    ),
    "a keyword of its author's own": ({"x-paquebot": {"run": "rm"}}, {}, ""),
    "nothing but no": ({"not": {}}, {}, "at 'the top'"),
    "a property that is called as a keyword": ({"properties": {"multipleOf": {}}}, {}, "not supported"),
}


def judge(schema: Any, value: Any) -> str:
    """Return what is said of *value* under *schema*; empty if all is well."""
    try:
        custom.check("sdmp://somebody/something", json.dumps(schema), value)
    except Refused as refusal:
        return f"{refusal.code}: {refusal}"
    return ""


def tried(name: str) -> dict[str, Any]:
    """Judge one in a process of its own."""
    schema, value, _ = HOSTILE[name]
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_MIB * 1024 * 1024,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        os.write(writing, judge(schema, value).encode()[:4000])
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 5000).decode()
    os.close(reading)
    _, status, used_up = os.wait4(child, 0)
    return {
        "said": said,
        "status": status,
        "cpu": used_up.ru_utime + used_up.ru_stime,
        "wall": time.monotonic() - began,
    }


if __name__ == "__main__":
    judge({}, {})
    json.dump({name: tried(name) for name in HOSTILE}, sys.stdout)
