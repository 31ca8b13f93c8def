"""Schemas of people, and records under them: read, checked before anything is published, and found again."""

from __future__ import annotations

import json
from typing import Any

from paquebot.errors import Malformed, Misused, NotFound, Refused
from paquebot.protocol import container, custom
from paquebot.protocol.limits import TITLE_MAX
from paquebot.protocol.published import URIS
from paquebot.protocol.publishing import Draft
from paquebot.store.view import SqliteView


def schema_draft(data: bytes, name: str, title: str = "", tags: tuple[str, ...] = ()) -> Draft:
    """Return the draft of the JSON Schema in *data*. Raise `Misused` if it is none that peers would take."""
    value = _object(data, name)
    try:
        custom.compiled(json.dumps(value))
    except Refused as refusal:
        raise Misused(f"{name}: {refusal}") from None
    written = value.get("title")
    title = title or (written if isinstance(written, str) else "")
    return Draft(schemas=("schema",), fields={"schema": value}, title=title[:TITLE_MAX], tags=tags)


def record_draft(view: SqliteView, uri: str, data: bytes, name: str) -> Draft:
    """Return the draft of the JSON object in *data* as a record under the schema *uri*.

    Raise `NotFound` if the schema is not here, `Misused` if the object does not keep it.
    """
    text, value = schema_text(view, uri), _object(data, name)
    if taken := sorted(value.keys() & set(custom.OURS)):
        raise Misused(f"{name}: {', '.join(taken)} cannot be a field of a record: SDMP uses that name")
    try:
        custom.check(uri, text, {**value, "sdmp": {"version": container.VERSION, "schemas": [uri]}})
    except Refused as refusal:
        raise Misused(f"{name}: {refusal}") from None
    return Draft(schemas=(uri,), fields=value)


def schema_text(view: SqliteView, uri: str, *, own: bool = False) -> str:
    """Return the text of the JSON Schema *uri*; of one of the house's own only if *own*.

    Raise `NotFound`, or `Misused` if it is no URI.
    """
    try:
        text = view.schema(uri)
    except Malformed:
        raise Misused(f"{uri[:200]!r} is not the URI of a schema: see `paquebot schema list`") from None
    if text is None and view.listing(custom.parse_uri(uri)[1]):
        raise Misused(f"{uri} is no schema: see `paquebot schema list`")
    if text is None:
        raise NotFound(f"the schema {uri} is not here; it comes with what its author publishes")
    if uri in URIS.values() and not own:
        raise Misused("that schema is the house's own: records are not written under it")
    return text


def _object(data: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object in *data*, read as strictly as a peer will read it. Raise `Misused`."""
    try:
        return container.load(data)
    except Refused as refusal:
        raise Misused(f"{name}: {str(refusal).replace('a container', 'it')}") from None
