"""Containers: judged against every schema that they list, by one table; and the two that hold further containers.

The table says who judges what a schema does not say. Signed objects and responses are here because they come back here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from paquebot.inspection.contents import (
    facts_of,
    judge_about,
    judge_connection,
    judge_encrypted,
    judge_file,
    judge_node,
    judge_trust,
)
from paquebot.inspection.journals import judge_broadcast
from paquebot.inspection.keys import SECRET, judge_identity, judge_private_key
from paquebot.inspection.pages import Page
from paquebot.inspection.signed import judge_protected, judge_resource, judge_signature, own_key
from paquebot.protocol import container, schema
from paquebot.protocol.encoding import digest, unb64
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import SignedObject

_LEVELS_MAX = 6  # a signed response with a signed resource in it has four

_OURS = {uri: name for name, uri in URIS.items()}


def judge_json(page: Page, data: bytes) -> str:
    """Judge what should be a container or a protected part; return its kind."""
    value = page.attempt("well-formed JSON", lambda: container.load(data), "UTF-8, no key twice, within the limits")
    if value is None:
        return "container"
    if value.keys() == {"alg", "kid"}:
        return judge_protected(page, data)
    if "sdmp" not in value:
        return page.unknown("JSON, but neither an SDMP container nor a protected part")
    kind = _judge_container(page, value)
    if not kind.startswith("signature object"):
        page.fact("resource id of these bytes", digest(data))
    return kind


def _judge_container(page: Page, value: dict[str, Any]) -> str:
    """Check *value* against the container schema and each schema it lists; say what is specific to those it keeps."""
    if not page.passes("schema container", lambda: schema.check("container", value)):
        return "container"
    names = value["sdmp"]["schemas"]
    if "private_key" in value:
        page.fact(*SECRET)
    page.fact("version", value["sdmp"]["version"])
    page.fact("schemas", ", ".join(_OURS.get(name, name) for name in names))
    kinds: list[str] = []
    for name in names:
        kind = _OURS.get(name, name)
        if _keeps(page, name, value) and name in _JUDGES:
            kind = _JUDGES[name](page, value) or kind
        if kind not in ("resource", "about"):
            kinds.append(kind)
    return kinds[0] if kinds else _OURS.get(names[0], names[0])


def _keeps(page: Page, name: str, value: dict[str, Any]) -> bool:
    what = f"schema {_OURS.get(name, name)}"
    if not name.startswith("sdmp://"):
        return page.passes(what, lambda: schema.check(name, value))
    text = schema.published(name)
    if text is None:
        page.check(what, None, "schema not available")
        return False
    return page.passes(what, lambda: schema.check_against(name, text, value))


def _judge_signature_object(page: Page, value: dict[str, Any]) -> str:
    body = value["signature"]
    payload = page.attempt("payload is base64url", lambda: unb64(body["payload"]), "canonical, without padding")
    if payload is None:
        return "signature object"
    name = digest(payload)
    page.fact("identifier", name)
    right = name == body["identifier"]
    page.check("identifier", right, "the hash of the payload" if right else "not the hash of the payload")
    if "resource" in value:
        page.fact("resource beside the payload", "ignored: nothing signs it")
    inner = page.under("payload")
    read = _inner(inner, partial(container.load, payload))
    own = own_key(read) if read else None
    signers = [
        judge_signature(page, f"signature {number}", each, body["payload"], own)
        for number, each in enumerate(body["signatures"], 1)
    ]
    kind = _judge_container(inner, read) if read else "unreadable"
    if own is not None:
        right = signers[0] is not None and signers[0].signer == own.fingerprint
        page.check("signed by its own key", right, "" if right else "an identity is signed by itself, nobody else")
    if read is not None and signers[0] is not None and ("resource" in read or kind.startswith("identity")):
        judge_resource(page, SignedObject.build(payload, signers[0]))
    return f"signature object: {kind}"


def _judge_response(page: Page, value: dict[str, Any]) -> str:
    answer = value["response"]
    page.fact("answers request", answer["identifier"])
    page.fact("status", answer["status"])
    if "data" not in answer:
        return f"response ({answer['status']})"
    page.check("data", answer["status"] == "ok", "there is some, which goes with ok only")
    inner = page.under("data")
    if inner.level > _LEVELS_MAX:
        _inner(inner, dict)
        return "response"
    return f"response: {_judge_container(inner, answer['data'])}"


def _inner(page: Page, load: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    if page.level > _LEVELS_MAX:
        page.check("inspected", None, "nested deeper than anything of ours; take it out and inspect it alone")
        return None
    return page.attempt("well-formed JSON", load)


_JUDGES: dict[str, Callable[[Page, dict[str, Any]], str | None]] = {
    "identity": judge_identity,
    "signature": _judge_signature_object,
    "broadcast": judge_broadcast,
    "response": _judge_response,
    "request_journal": facts_of("request"),
    "request_resource": facts_of("request"),
    "message": facts_of("message"),
    "receipt": facts_of("receipt"),
    "user": facts_of("user"),
    "revoke": facts_of("revoke"),
    "node": judge_node,
    "trust": judge_trust,
    "encrypted": judge_encrypted,
    "private_key": judge_private_key,
    "connection": judge_connection,
    "shared_key": judge_connection,
    URIS["about"]: judge_about,
    URIS["file"]: judge_file,
}
