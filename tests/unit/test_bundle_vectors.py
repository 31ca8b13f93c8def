"""Bundle v1 as it was on its first day: these bytes mean this, this is written so, and those are refused."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import cbor2
import pytest
from fixtures import make_bundle

from paquebot.errors import Malformed, Refused
from paquebot.protocol import bundle
from paquebot.protocol.advert import Advert
from paquebot.protocol.bundle import (
    Bundle,
    Chunk,
    Introduction,
    Outcome,
    Rebuilt,
    Reference,
    Tally,
    Unknown,
    Update,
    Verbatim,
    Want,
)
from paquebot.protocol.encoding import b64, digest
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Signature, SignedObject

FIXTURES = Path(__file__).parents[2] / "fixtures"
VECTORS: dict[str, dict[str, Any]] = json.loads((FIXTURES / "bundle" / "vectors.json").read_text())
HOSTILE = sorted((FIXTURES / "hostile" / "bundle").glob("*.cbor"))
ERRORS = {error.code: error for error in Refused.__subclasses__()}


def vector(name: str) -> bytes:
    return (FIXTURES / "bundle" / f"{name}.cbor").read_bytes()


def meaning(found: Bundle) -> dict[str, Any]:
    """Say in neutral terms what *found* is: the opposite way to the generator's, and written apart from it."""
    return {
        "id": found.id.hex(),
        "from": found.sender.hex(),
        "to": [
            {
                "node": each.node.hex(),
                "sequence": each.sequence,
                "token": each.token.hex(),
                "floor": each.floor,
                "heard": runs(each.heard.numbers),
                "checks": each.heard.checks.hex(),
            }
            for each in found.to
        ],
        "created": found.created,
        "expires": found.expires,
        "parts": [part(each) for each in found.parts],
    }


def runs(ranges: Ranges) -> list[list[int]]:
    return [list(run) for run in ranges.runs]


def signature(by: Signature) -> dict[str, Any]:
    return {"signer": by.signer, "algorithm": by.algorithm, "signature": b64(by.value)}


def entry(value: bundle.CompactEntry) -> dict[str, Any]:
    if isinstance(value, Reference):
        return {"journal": value.journal, "first": value.first, "count": value.count}
    publisher, resource = value
    return {"publisher": publisher, "part" if isinstance(resource, int) else "resource": resource}


def part(value: bundle.Part) -> dict[str, Any]:
    match value:
        case Verbatim(data):
            return {"part": "verbatim", "data": b64(data)}
        case Rebuilt(signed):
            (by,) = signed.signatures
            assert digest(signed.payload) == signed.id
            return {"part": "resource", "id": signed.id, "payload": b64(signed.payload), **signature(by)}
        case Update(since, entries, by):
            return {"part": "update", "since": since, "entries": [entry(each) for each in entries], **signature(by)}
        case Chunk(name, data):
            return {"part": "chunk", "sha256": name.hex(), "data": b64(data)}
        case Tally(number, line, applied):
            return {"part": "tally", "number": number, "line": line, "applied": runs(applied)}
        case Outcome(item, code, detail):
            return {"part": "outcome", "item": item.hex(), "code": code, "detail": detail}
        case Want(resource, chunks):
            return {"part": "want", "resource": resource, "chunks": runs(chunks)}
        case Introduction(card, proof):
            return {"part": "introduction", "resources": [part(Rebuilt(each)) for each in card], "proof": proof.hex()}
        case Advert(at, grant, wait, dictionary):
            said = {"window": grant.window_ms, "envelopes": grant.envelopes, "bytes": grant.bytes, "items": grant.items}
            return {"part": "advert", "at": at, "grant": said, "wait": wait, "dictionary": dictionary}
        case Unknown(kind):
            return {"part": "unknown", "kind": kind}


@pytest.mark.parametrize("name", VECTORS)
def test_the_bytes_mean_this(name):
    assert meaning(bundle.decode(vector(name))) == VECTORS[name]


@pytest.mark.parametrize("name", [name for name in VECTORS if name != "unknown"])
def test_this_is_written_so(name):
    assert bundle.encode(make_bundle.built(VECTORS[name])) == vector(name)
    assert bundle.encode(bundle.decode(vector(name))) == vector(name)


@pytest.mark.parametrize("name", VECTORS)
def test_a_second_opinion_finds_the_bytes_canonical(name):
    assert cbor2.dumps(cbor2.loads(vector(name)), canonical=True) == vector(name)


def test_what_was_generated_is_what_is_committed():
    below = [each for folder in ("bundle", "hostile/bundle") for each in (FIXTURES / folder).iterdir()]
    assert make_bundle.files() == {each.relative_to(FIXTURES).as_posix(): each.read_bytes() for each in below}


def test_every_kind_of_part_has_a_vector():
    kinds = {each["part"] for value in VECTORS.values() for each in value["parts"]}
    assert kinds == {
        *("verbatim", "resource", "update", "chunk", "tally", "outcome", "want", "introduction", "advert", "unknown")
    }


@pytest.mark.parametrize("name", ["update-with-resources", "rsa-signer"])
def test_the_resources_in_the_vectors_are_truly_signed(name):
    keys = {key.fingerprint: key.public for key in (make_bundle.ALICE, make_bundle.OLAF)}
    signed = [each.signed for each in bundle.decode(vector(name)).parts if isinstance(each, Rebuilt)]
    assert signed
    for each in signed:
        each.verify(keys[each.signer])


def test_the_verbatim_part_holds_an_object_that_cannot_be_rebuilt():
    (found,) = bundle.decode(vector("verbatim")).parts
    assert isinstance(found, Verbatim)
    signed = SignedObject.parse(found.data)
    assert (signed.verbatim, len(signed.signatures)) == (found.data, 2)


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_a_hostile_bundle_is_refused_with_exactly_the_error_in_its_name(path):
    error = next(error for code, error in ERRORS.items() if path.stem.startswith(code))
    with pytest.raises(error) as caught:
        bundle.decode(path.read_bytes())
    assert type(caught.value) is error is Malformed


def test_there_are_hostile_bundles():
    assert len(HOSTILE) > 60


@pytest.mark.parametrize("name", VECTORS)
def test_the_introduction_is_found_without_reading_on(name):
    found = bundle.introduction(vector(name))
    whole = bundle.decode(vector(name)).parts
    assert found == (whole[0] if whole and isinstance(whole[0], Introduction) else None)


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_looking_for_an_introduction_in_a_hostile_bundle_is_harmless(path):
    with suppress(Malformed):
        bundle.introduction(path.read_bytes())
