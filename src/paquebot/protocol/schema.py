"""The JSON Schemas containers are checked against: SDMP's core ones, and ours, published as resources.

Validation is jsonschema-rs: no remote references, linear-time regular expressions, bounded depth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from paquebot.errors import Malformed
from paquebot.protocol import custom
from paquebot.protocol.limits import (
    AFTER_MAX,
    CHUNKS_PER_MANIFEST_MAX,
    FILE_BYTES_MAX,
    FILENAME_MAX,
    NAME_MAX,
    TAG_MAX,
    TAGS_MAX,
    TITLE_MAX,
)

if TYPE_CHECKING:
    import jsonschema_rs

_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{86}$"}
_B64 = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}
_B64_32 = {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_LINE = {"type": "string", "pattern": "^[A-Za-z0-9_-]{86}@[A-Za-z0-9_-]{86}/[A-Za-z0-9_-]{86}$"}
_REQUEST_ID = {"type": "string", "minLength": 1, "maxLength": 127}
_WRAPS = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]{64}$"},
    "minItems": 1,
    "maxItems": 1024,
}
_RIGHTS = ["read_encrypted", "read_resource", "publish_resource", "create_trust", "revoke"]


def _under(key: str, required: list[str], /, **properties: Any) -> dict[str, Any]:
    return {"required": [key], "properties": {key: _object(required, **properties)}}


def _object(required: list[str], /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _listed(items: Mapping[str, Any], /, **bounds: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **bounds}


CORE: dict[str, dict[str, Any]] = {
    "container": {
        "type": "object",
        **_under(
            "sdmp",
            ["version", "schemas"],
            version={"type": "string", "pattern": r"^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,64})?$"},
            schemas=_listed(
                {"type": "string", "minLength": 1, "maxLength": 300}, minItems=1, maxItems=32, uniqueItems=True
            ),
        ),
    },
    "identity": _under(
        "identity",
        ["type", "expires", "key"],
        type={"enum": ["user", "node"]},
        expires=_TIME,
        key={"type": "string", "pattern": "^[A-Za-z0-9+/]{40,4000}={0,2}$"},
        fingerprint=_ID,
    ),
    "signature": _under(
        "signature",
        ["identifier", "payload", "signatures"],
        identifier=_ID,
        payload=_B64,
        signatures=_listed(
            _object(["protected", "signature"], protected=_B64, signature=_B64), minItems=1, maxItems=64
        ),
    ),
    "resource": _under("resource", ["user"], user=_ID, trust=_ID),
    "encrypted": _under(
        "encrypted",
        ["iv", "payload", "recipients"],
        iv={"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"},
        payload=_B64,
        recipients=_listed(_object(["key"], key=_B64), minItems=1, maxItems=1024),
    ),
    "broadcast": _under("journal", ["since", "entries"], since=_ID, entries=_listed(_LINE)),
    "request_journal": _under(
        "request",
        ["identifier", "type", "since"],
        identifier=_REQUEST_ID,
        type={"const": "journal"},
        since=_ID,
        limit={"type": "integer", "minimum": 1},
    ),
    "request_resource": _under(
        "request",
        ["identifier", "type", "author", "resource"],
        identifier=_REQUEST_ID,
        type={"const": "resource"},
        author=_ID,
        resource=_ID,
    ),
    "response": _under(
        "response",
        ["status", "identifier"],
        status={"enum": ["ok", "bad_request", "not_found"]},
        identifier=_REQUEST_ID,
        data={"type": "object"},
    ),
    "receipt": {"required": ["receipt"], "properties": {"receipt": _ID}},
    "trust": _under(
        "trust",
        ["trustee", "authorization"],
        trustee=_ID,
        authorization=_listed({"enum": _RIGHTS}, minItems=1, uniqueItems=True),
        expires=_TIME,
    ),
    "revoke": _under("revoke", ["resource"], resource=_ID, authorization=_ID),
    "user": _under(
        "user",
        ["name"],
        name={"type": "string", "minLength": 1, "maxLength": NAME_MAX},
        about={"type": "string", "maxLength": 10_000},
    ),
    "node": {
        "properties": {
            key: _object(
                [],
                type={"const": "node"},
                name={"type": "string", "maxLength": NAME_MAX},
                ips=_listed({"type": "string", "maxLength": 300}, maxItems=64),
                routes=_listed({"type": "string", "maxLength": 300}, maxItems=64),
            )
            for key in ("node", "information")
        },
        "anyOf": [{"required": ["node"]}, {"required": ["information"]}],
    },
    "message": {"required": ["message"], "properties": {"message": {"type": "string"}}},
    "private_key": _under(
        "private_key", ["expires", "key", "fingerprint"], expires=_TIME, key={"type": "string"}, fingerprint=_ID
    ),
    "connection": {
        **_under("connection", ["g", "p", "N"], g={"type": "integer", "minimum": 2}, p=_B64, N=_B64),
        "additionalProperties": False,
    },
    # Not SDMP's: how a schema itself is published. Something has to be known from the start.
    "schema": {"required": ["schema"], "properties": {"schema": {"type": "object"}}},
}
CORE["connection"]["properties"]["sdmp"] = {"properties": {"schemas": {"const": ["connection"]}}}
CORE["shared_key"] = CORE["connection"]

OURS: dict[str, dict[str, Any]] = {
    "about": _under(
        "about",
        ["stamp"],
        stamp={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/[0-9a-f]{4}$"},
        tags=_listed({"type": "string", "minLength": 1, "maxLength": TAG_MAX}, maxItems=TAGS_MAX, uniqueItems=True),
        title={"type": "string", "maxLength": TITLE_MAX},
        filename={"type": "string", "maxLength": FILENAME_MAX},
        expires=_TIME,
        conversation=_ID,
        parent=_ID,
        after=_listed(_ID, maxItems=AFTER_MAX, uniqueItems=True),
        supersedes=_ID,
    ),
    "file": {
        **_under(
            "file",
            ["size"],
            size={"type": "integer", "minimum": 0, "maximum": FILE_BYTES_MAX},
            data=_B64,
            chunk_bytes={"type": "integer", "minimum": 4096, "maximum": 4_194_304},
            depth={"enum": [1, 2]},
            chunks=_listed(_B64_32, minItems=1, maxItems=CHUNKS_PER_MANIFEST_MAX),
        ),
    },
    "envelope_keys": _under(
        "envelope_keys",
        ["created", "signing", "storage", "groups"],
        created=_TIME,
        signing=_B64_32,
        storage=_B64_32,
        groups=_listed(
            _object(
                ["class", "created", "expires", "step", "points"],
                **{"class": {"enum": ["fast", "dated", "recovery"]}},
                created=_TIME,
                expires=_TIME,
                step={"type": "integer", "minimum": 0, "maximum": 315_360_000_000},
                points={"type": "string", "pattern": "^([A-Za-z0-9_-]{43}){1,64}$"},
            ),
            minItems=1,
            maxItems=16,
        ),
    ),
    # For some readers alone: a body under a fresh content key, and that key wrapped to each reader's storage key.
    "sealed": _under("sealed", ["point", "readers", "body"], point=_B64_32, readers=_WRAPS, body=_B64),
    # The content key of a sealed resource for readers that came later.
    "wrap": _under("wrap", ["resource", "point", "readers"], resource=_ID, point=_B64_32, readers=_WRAPS),
    # Where a node's journal ends: what it says beyond that line does not count. Another node may continue it.
    "ending": _under(
        "ending",
        ["node", "line", "number"],
        node=_ID,
        line=_ID,
        number={"type": "integer", "minimum": 0, "maximum": (1 << 53) - 1},
        successor=_ID,
    ),
}
"""The schemas that this project adds. Each is published as a resource and named by its URI: see `published`."""


def published(uri: str) -> str | None:
    """Return the text of the JSON Schema that the package itself publishes under *uri*, or None."""
    name = _names().get(uri)
    return _text(name) if name else None


def check(name: str, value: Any) -> None:
    """Check *value* against the core schema *name*. Raise `Malformed` if it fails or there is no such schema."""
    if name not in CORE:
        raise Malformed(f"a container names the unknown schema {name[:40]!r}")
    _check(_core(name), name, value)


def check_against(name: str, text: str, value: Any) -> None:
    """Check *value* against the JSON Schema *text*, which was published as *name*. Raise `Malformed` or `TooLarge`."""
    if published(name) is not None:
        _check(_compiled(text), name, value)
    else:
        custom.check(name, text, value)


def _check(validator: jsonschema_rs.Draft202012Validator, name: str, value: Any) -> None:
    try:
        if validator.is_valid(value):
            return
        where = next(("/".join(map(str, error.instance_path)) for error in validator.iter_errors(value)), "")
    except ValueError:
        raise Malformed(f"a container cannot be checked against {name[-40:]!r}") from None
    raise Malformed(f"a container does not keep its schema {name[-40:]!r} at {where[:60] or 'the top'!r}")


@cache
def _core(name: str) -> jsonschema_rs.Draft202012Validator:
    return _compiled(json.dumps(CORE[name]))


@cache
def _names() -> dict[str, str]:
    from paquebot.protocol.published import URIS

    return {uri: name for name, uri in URIS.items()}


@cache
def _text(name: str) -> str:
    return json.dumps(OURS[name])


@lru_cache(maxsize=256)
def _compiled(text: str) -> jsonschema_rs.Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(json.loads(text))
