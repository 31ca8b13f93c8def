"""What nodes say to each other, as the containers that SDMP's text describes."""

from __future__ import annotations

import json

import pytest
from tests.unit.nodes import entropy_from

from paquebot.errors import BadSignature, BrokenChain, Malformed
from paquebot.protocol import container, journal, messages
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, digest
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.journal import Entry
from paquebot.protocol.limits import LINES_MAX
from paquebot.protocol.messages import Broadcast, JournalRequest, Receipt, ResourceRequest, Response
from paquebot.protocol.resource import SignedObject, compose

ALICE = PrivateKey.create("ed25519", entropy_from("alice"))
USER, SINCE, NAME = Fingerprint(digest(b"user")), LineId(digest(b"line")), ResourceId(digest(b"thing"))
ENTRIES = tuple(Entry(USER, ResourceId(digest(b"%d" % n))) for n in range(3))
SIGNED = SignedObject.sign(compose(["message"], {"message": "é"}, user=USER, trust=None), ALICE)

WRITTEN = [
    (Broadcast(SINCE, ()), ["broadcast"], {"journal": {"since": SINCE, "entries": []}}),
    (
        JournalRequest("q", SINCE),
        ["request_journal"],
        {"request": {"identifier": "q", "type": "journal", "since": SINCE}},
    ),
    (
        JournalRequest("q", SINCE, 7),
        ["request_journal"],
        {"request": {"identifier": "q", "type": "journal", "since": SINCE, "limit": 7}},
    ),
    (
        ResourceRequest("q", USER, NAME),
        ["request_resource"],
        {"request": {"identifier": "q", "type": "resource", "author": USER, "resource": NAME}},
    ),
    (Response("q", "not_found"), ["response"], {"response": {"status": "not_found", "identifier": "q"}}),
    (Response("q", "bad_request"), ["response"], {"response": {"status": "bad_request", "identifier": "q"}}),
    (Response("q", "ok"), ["response"], {"response": {"status": "ok", "identifier": "q"}}),
    (
        Response("q", "ok", SIGNED),
        ["response"],
        {"response": {"status": "ok", "identifier": "q", "data": json.loads(SIGNED.encode())}},
    ),
    (Receipt(NAME), ["receipt"], {"receipt": NAME}),
]


@pytest.mark.parametrize(("message", "schemas", "fields"), WRITTEN)
def test_a_message_is_the_container_that_sdmp_describes(message, schemas, fields):
    assert json.loads(messages.write(message)) == {"sdmp": {"version": "0.12.0", "schemas": schemas}, **fields}
    assert messages.read(messages.write(message)) == message


def test_a_broadcast_carries_the_lines_themselves():
    value = json.loads(messages.write(Broadcast(SINCE, ENTRIES)))["journal"]
    assert journal.follow(SINCE, value["entries"]) == [*ENTRIES]
    assert value["entries"][0] == f"{SINCE}@{USER}/{ENTRIES[0].resource}"
    assert messages.write(Broadcast(SINCE, ENTRIES)) == container.write(["broadcast"], {"journal": value})


@pytest.mark.parametrize("data", [Broadcast(SINCE, ENTRIES), SIGNED])
def test_a_response_holds_what_was_asked_for(data):
    message = Response("q", "ok", data)
    assert messages.read(messages.write(message)) == message


def test_a_resource_in_a_response_keeps_its_unusual_form():
    odd = SignedObject.parse(SIGNED.encode().replace(b"0.12.0", b"0.11.0"))
    found = messages.read(messages.write(Response("q", "ok", odd)))
    assert isinstance(found, Response)
    assert (found.data, odd.verbatim) == (odd, odd.encode())


def test_data_in_a_refusal_is_not_read():
    payload = container.write(["response"], {"response": {"status": "not_found", "identifier": "q", "data": {"a": 1}}})
    assert messages.read(payload) == Response("q", "not_found")


def test_a_resource_is_no_message():
    assert messages.read(SIGNED.payload) is None


def response(data: object) -> bytes:
    return container.write(["response"], {"response": {"status": "ok", "identifier": "q", "data": data}})


SIGNED_JSON = json.loads(SIGNED.encode())


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (response({}), Malformed),
        (response({"sdmp": {"version": "0.12.0", "schemas": ["message"]}, "message": "x"}), Malformed),
        (response({**SIGNED_JSON, "signature": {**SIGNED_JSON["signature"], "identifier": NAME}}), BadSignature),
        (b"{}", Malformed),
        (b"", Malformed),
        (container.write(["broadcast"], {"journal": {"since": SINCE, "entries": ["x"]}}), Malformed),
        (
            container.write(["broadcast"], {"journal": {"since": NAME, "entries": [journal.text(SINCE, ENTRIES[0])]}}),
            BrokenChain,
        ),
    ],
)
def test_a_message_that_contradicts_itself_is_refused(payload, error):
    with pytest.raises(error):
        messages.read(payload)


def test_an_update_has_at_most_4096_lines():
    entries = (ENTRIES[0],) * LINES_MAX
    assert messages.read(messages.write(Broadcast(SINCE, entries))) == Broadcast(SINCE, entries)
    with pytest.raises(Malformed, match="more than 4096 lines"):
        messages.read(messages.write(Broadcast(SINCE, (*entries, ENTRIES[0]))))
