"""Schemas that people publish: what such a JSON Schema may be, so that checking against it is always bounded.

A hostile author gains nothing: what is refused here never reaches a validator, and what is not refused costs a known
amount of work. Only JSON Schema 2020-12, only references into the schema itself, none that leads back to where it
came from, and no keyword whose cost cannot be told beforehand. Regular expressions are those that match in linear time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from paquebot.errors import Malformed, TooLarge
from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.limits import (
    PATTERN_BYTES_MAX,
    PATTERN_LENGTH_MAX,
    PATTERNS_MAX,
    SCHEMA_BYTES_MAX,
    SCHEMA_DEPTH_MAX,
    SCHEMA_NODES_MAX,
    SCHEMA_WORK_MAX,
)

if TYPE_CHECKING:
    import jsonschema_rs

RECORD = "record"
"""The kind of resources that are under a schema that somebody published."""
OURS = ("sdmp", "resource", "about", "private")
"""What a container holds besides its author's own fields."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFUSED = frozenset(
    {
        "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$anchor", "$vocabulary",
        "unevaluatedItems", "unevaluatedProperties", "multipleOf",
    }
)  # fmt: skip
"""Keywords whose cost or meaning depends on how they are reached, on numbers, or on the validator."""

ONE = frozenset(
    {"additionalProperties", "additionalItems", "items", "contains", "propertyNames", "not", "if", "then", "else"}
)
MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})
DEEPER = frozenset(
    {
        "additionalProperties",
        "additionalItems",
        "items",
        "contains",
        "propertyNames",
        "prefixItems",
        "properties",
        "patternProperties",
    }
)
"""Keywords that look at what is inside a value; the others look at the value itself."""
EXPLAINED_MAX = 20_000
"""Comparisons up to which it is also told where a value fails: explaining costs far more than deciding."""
DEFINED = frozenset({"$defs", "definitions"})

_URI = re.compile(r"sdmp://([A-Za-z0-9_-]{86})/([A-Za-z0-9_-]{86})", re.ASCII)


def parse_uri(uri: str) -> tuple[Fingerprint, ResourceId]:
    """Return (user, resource) of a resource's URI. Raise `Malformed` if it is of another form."""
    found = _URI.fullmatch(uri)
    if not found:
        raise Malformed("a schema is not named by a core name or an sdmp://USER/RESOURCE")
    return Fingerprint(found[1]), ResourceId(found[2])


def examine(schema: dict[str, Any], size: int) -> Cost:
    """Return how much work *schema* makes. *size* is that of its text in bytes.

    Raise `Malformed` or `TooLarge` if it is no schema that we take.
    """
    if size > SCHEMA_BYTES_MAX:
        raise TooLarge(f"a schema is larger than {SCHEMA_BYTES_MAX // 1024} KiB")
    _check_keywords(schema)
    return _Walk(schema).cost(schema, 0)


def _check_keywords(schema: dict[str, Any]) -> None:
    """Look at every object in the schema, also where none can be reached."""
    seen = patterns = 0
    for node, depth in nodes(schema):
        seen += 1
        if seen > SCHEMA_NODES_MAX:
            raise TooLarge(f"a schema has more than {SCHEMA_NODES_MAX} parts")
        _check_number(node)
        if not isinstance(node, dict):
            continue
        if bad := REFUSED & node.keys():
            raise Malformed(f"a schema uses {min(bad)}, which is not supported here")
        if depth and {"$id", "$schema"} & node.keys():
            raise Malformed("a schema holds another with an $id or a $schema of its own")
        reference = node.get("$ref", "#")
        if not isinstance(reference, str) or not re.fullmatch(r"#(/[^%]*)?", reference):
            raise Malformed("a schema refers to something outside itself")
        for pattern in (node.get("pattern"), *(node.get("patternProperties") or ())):
            patterns += pattern is not None
            if isinstance(pattern, str) and len(pattern) > PATTERN_LENGTH_MAX:
                raise TooLarge(f"a schema has a pattern of more than {PATTERN_LENGTH_MAX} characters")
    if patterns > PATTERNS_MAX:
        raise TooLarge(f"a schema has more than {PATTERNS_MAX} patterns")
    if schema.get("$schema", DIALECT).rstrip("#") != DIALECT:
        raise Malformed("a schema is not written in JSON Schema 2020-12")


def nodes(value: Any) -> Iterator[tuple[Any, int]]:
    """Yield every part of a JSON value with its depth."""
    waiting = [(value, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting += ((each, depth + 1) for each in inside)


@frozen
class Cost:
    """How much work a schema makes at most, every reference replaced by what it names."""

    parts: int
    """How many parts it has."""
    depth: int
    """How deep they are nested."""
    patterns: int
    widths: tuple[int, ...]
    """How many parts one place in a value is compared with, by the depth of the place."""

    def work(self, value: Any) -> int:
        """Return how many comparisons *value* needs at most. Raise `TooLarge` for numbers beyond 64 bits."""
        counts, letters = Counter[int](), 0
        for node, depth in nodes(value):
            counts[depth] += 1
            if isinstance(node, str):
                letters += len(node)
            elif isinstance(node, dict):
                letters += sum(map(len, node))
            _check_number(node)
        compared = sum(self.widths[depth] * count for depth, count in counts.items() if depth < len(self.widths))
        return compared + self.patterns * letters // 2


def _check_number(value: Any) -> None:
    if isinstance(value, int) and not -1 << 63 <= value < 1 << 64:
        raise TooLarge("a number has more than 64 bits")


class _Walk:
    """Reckons what lies below a schema."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._known: dict[int, Cost] = {}
        self._open: set[int] = set()

    def cost(self, schema: Any, depth: int) -> Cost:
        """Return the cost of *schema*, reached after *depth* steps. Raise `Malformed` or `TooLarge`."""
        if not isinstance(schema, dict):
            return Cost(1, 1, 0, (1,))
        if id(schema) in self._open:
            raise Malformed("a schema refers to itself")
        if depth > SCHEMA_DEPTH_MAX:
            raise TooLarge("a schema is nested too deeply, its references followed")
        if id(schema) not in self._known:
            self._open.add(id(schema))
            self._known[id(schema)] = self._sum(schema, depth)
            self._open.discard(id(schema))
        found = self._known[id(schema)]
        if depth + found.depth > SCHEMA_DEPTH_MAX + 1:
            raise TooLarge("a schema is nested too deeply, its references followed")
        return found

    def _sum(self, schema: dict[str, Any], depth: int) -> Cost:
        parts, deepest, patterns, widths = 1, 0, 0, [1]
        for keyword, value in schema.items():
            below = [self.cost(each, depth + 1) for each in self._below(keyword, value)]
            own = 0 if keyword in DEFINED else len(below) or sum(1 for _ in nodes(value))
            parts += own + sum(each.parts for each in below)
            patterns += (keyword == "pattern") + (len(below) if keyword == "patternProperties" else 0)
            patterns += sum(each.patterns for each in below)
            deepest = max([deepest, *(each.depth for each in below)])
            widths[0] += own
            _add(widths, keyword in DEEPER, keyword in ("properties", "prefixItems"), [each.widths for each in below])
            if parts > SCHEMA_NODES_MAX or patterns > PATTERNS_MAX:
                raise TooLarge(
                    f"a schema has more than {SCHEMA_NODES_MAX} parts or {PATTERNS_MAX} patterns,"
                    " its references followed"
                )
        return Cost(parts, deepest + 1, patterns, tuple(widths))

    def _below(self, keyword: str, value: Any) -> list[Any]:
        if keyword == "$ref":
            return [self._named(value)]
        if keyword in ONE:
            return [value]
        if keyword in MANY and isinstance(value, list):
            return value
        if keyword in NAMED and isinstance(value, dict):
            return list(value.values())
        return []

    def _named(self, reference: str) -> Any:
        node: Any = self._root
        for step in reference.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(node):
                node = node[int(key[:9])]
            else:
                raise Malformed("a schema refers to a part of itself that is not there")
        return node


def _add(widths: list[int], deeper: bool, apart: bool, below: list[tuple[int, ...]]) -> None:
    """Add what lies *below* to *widths*: one place *deeper*, and only the most of it if each has a place *apart*."""
    longest = max(map(len, below), default=0) + deeper
    widths += [0] * (longest - len(widths))
    for place in range(longest - deeper):
        here = [each[place] for each in below if place < len(each)]
        widths[place + deeper] += max(here, default=0) if apart else sum(here)


def write_record(value: dict[str, Any]) -> bytes:
    """Return the fields that the author of a container filled in, as JSON for people and programs."""
    fields = {key: each for key, each in value.items() if key not in OURS}
    return json.dumps(fields, ensure_ascii=False, indent=2).encode() + b"\n"


def text_of(value: dict[str, Any]) -> str:
    """Return the text of the JSON Schema in a container of the schema ``schema``."""
    return json.dumps(value["schema"])


@lru_cache(maxsize=64)
def compiled(text: str) -> tuple[jsonschema_rs.Draft202012Validator, Cost]:
    """Return the validator of the schema *text*, and its cost. Raise `Malformed` or `TooLarge`."""
    import jsonschema_rs

    schema = json.loads(text)
    cost = examine(schema, len(text.encode()))
    bare = {key: value for key, value in schema.items() if key not in ("$id", "$schema")}
    options = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX, dfa_size_limit=PATTERN_BYTES_MAX)
    try:
        return jsonschema_rs.Draft202012Validator(bare, pattern_options=options, offline=True), cost
    except (ValueError, jsonschema_rs.ReferencingError):
        raise Malformed("a schema is not valid JSON Schema, or has a pattern that is too large or unknown") from None


def check(name: str, text: str, value: Any) -> None:
    """Check *value* against the JSON Schema *text* that somebody published as *name*. Raise `Malformed`, `TooLarge`.

    Where it fails is told if that costs little.
    """
    validator, cost = compiled(text)
    work = cost.work(value)
    if work > SCHEMA_WORK_MAX:
        raise TooLarge(f"a container would cost too much to check against {name[-40:]!r}")
    try:
        if validator.is_valid(value):
            return
        found = next(iter(validator.iter_errors(value)), None) if work < EXPLAINED_MAX else None
    except ValueError:
        raise Malformed(f"a container cannot be checked against {name[-40:]!r}") from None
    where = "/".join(map(str, found.instance_path)) if found else ""
    why = f": {found.message[:200]}" if found else ""
    raise Malformed(f"a container does not keep its schema {name[-40:]!r} at {where[:60] or 'the top'!r}{why}")
