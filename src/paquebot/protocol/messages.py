"""What one node says to another, as values, and as SDMP containers that the node signs."""

from __future__ import annotations

import json
from typing import Any, TypeAlias, assert_never

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol import container, journal
from paquebot.protocol.container import Container
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import LINES_MAX
from paquebot.protocol.resource import SignedObject


@frozen
class Broadcast:
    """An update of the speaker's journal: the lines after *since*."""

    since: LineId
    entries: tuple[Entry, ...]


@frozen
class JournalRequest:
    """Tell me your journal's lines after *since*, at most *limit* of them."""

    identifier: str
    since: LineId
    limit: int | None = None


@frozen
class ResourceRequest:
    """Give me this resource of that user."""

    identifier: str
    author: Fingerprint
    resource: ResourceId


@frozen
class Response:
    """The answer to a request: ok with what was asked for, or bad_request, or not_found for any other reason."""

    identifier: str
    status: str
    data: SignedObject | Broadcast | None = None


@frozen
class Receipt:
    """I have received and verified this resource."""

    resource: ResourceId


Message: TypeAlias = Broadcast | JournalRequest | ResourceRequest | Response | Receipt


def write(message: Message) -> bytes:
    """Return the payload that says *message*, to be signed by the node that says it."""
    match message:
        case Broadcast(since, entries):
            lines = [f'"{line}"' for line in _lines(since, entries)]
            head = f'{{"sdmp":{{"version":"{container.VERSION}","schemas":["broadcast"]}},"journal":{{"since":"{since}"'
            return f'{head},"entries":[{",".join(lines)}]}}}}'.encode()
        case JournalRequest(identifier, since, limit):
            wish: dict[str, Any] = {"identifier": identifier, "type": "journal", "since": since}
            if limit is not None:
                wish["limit"] = limit
            return container.write(["request_journal"], {"request": wish})
        case ResourceRequest(identifier, author, resource):
            wish = {"identifier": identifier, "type": "resource", "author": author, "resource": resource}
            return container.write(["request_resource"], {"request": wish})
        case Response(identifier, status, data):
            answer: dict[str, Any] = {"status": status, "identifier": identifier}
            if data is not None:
                answer["data"] = json.loads(data.encode() if isinstance(data, SignedObject) else write(data))
            return container.write(["response"], {"response": answer})
        case Receipt(resource):
            return container.write(["receipt"], {"receipt": resource})
        case _:
            assert_never(message)


def _lines(since: LineId, entries: tuple[Entry, ...]) -> list[str]:
    names = [since, *(line.id for line in journal.extend(since, 0, entries[:-1]))]
    return [journal.text(name, entry) for name, entry in zip(names, entries, strict=False)]


def read(payload: bytes) -> Message | None:
    """Return the message in a node's signed *payload*, or None if it is a resource instead.

    Raise `Malformed`, `TooLarge` or `BrokenChain`.
    """
    found = container.read(payload)
    value = found.value
    if found.keeps("broadcast"):
        return _broadcast(value)
    if found.keeps("request_journal"):
        wish = value["request"]
        return JournalRequest(wish["identifier"], wish["since"], wish.get("limit"))
    if found.keeps("request_resource"):
        wish = value["request"]
        return ResourceRequest(wish["identifier"], wish["author"], wish["resource"])
    if found.keeps("response"):
        return _response(value["response"])
    if found.keeps("receipt"):
        return Receipt(value["receipt"])
    return None


def _broadcast(value: dict[str, Any]) -> Broadcast:
    since, lines = value["journal"]["since"], value["journal"]["entries"]
    if len(lines) > LINES_MAX:
        raise Malformed(f"a journal update has more than {LINES_MAX} lines")
    return Broadcast(since, tuple(journal.follow(since, lines)))


def _response(answer: dict[str, Any]) -> Response:
    status, identifier = answer["status"], answer["identifier"]
    if status != "ok" or "data" not in answer:
        return Response(identifier, status)
    data: Container = container.check(answer["data"])
    if data.keeps("broadcast"):
        return Response(identifier, status, _broadcast(data.value))
    exact = json.dumps(answer["data"], ensure_ascii=False, separators=(",", ":")).encode()
    return Response(identifier, status, SignedObject.load(data, exact))
