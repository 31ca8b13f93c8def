"""Bundle v1: what an envelope holds once it is open: a header and parts, dependencies first.

A bundle is one deterministic CBOR map with integer keys. Parts of unknown types are skipped by a reader that does
not know them; unknown keys of the map are allowed for newer minor versions. Vectors are in ``fixtures/bundle``.

    0 version · 1 id · 2 from · 3 to · 4 created · 5 expires · 6 signers · 7 parts

Nodes are named by the first 16 bytes of their fingerprint: the seal's signature already proves the sender, and the
receiver only has to find itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TypeAlias

from paquebot.errors import Malformed
from paquebot.frozen import frozen
from paquebot.protocol import cbor
from paquebot.protocol.advert import Advert
from paquebot.protocol.cbor import Value
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, b64, raw, unb64
from paquebot.protocol.identity import EDDSA, HS512
from paquebot.protocol.limits import (
    CHUNK_BYTES_MAX,
    HEARD_MAX,
    INTRODUCED_MAX,
    INTRODUCTION_BYTES_MAX,
    LINES_MAX,
    PARTS_MAX,
    RECIPIENTS_MAX,
    RUNS_MAX,
)
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Signature, SignedObject
from paquebot.protocol.stamp import MILLIS_MAX, Millis

VERSION = 1
ID_BYTES = 16
NODE_BYTES = 16
TOKEN_BYTES = 16
CHECK_BYTES = 4
MARK_BYTES = 8
MARKS_MAX = 64
INVITE_BYTES = 16
PROOF_BYTES = INVITE_BYTES + 32
NUMBER_MAX = (1 << 53) - 1  # whole in every language and every database, with room to add two

OUTCOMES = ("applied", "duplicate", "superseded", "held", "deferred", "rejected", "declined")
"""All that can become of an item."""

_ALGORITHMS = (EDDSA, HS512)
_OPENING_BYTES_MAX = 512 * 1024  # of a stranger's bundle: its header, and the introduction
_OPENING_ITEMS_MAX = 20_000


def node_tag(node: Fingerprint) -> bytes:
    """Return the 16 bytes that name *node* in a header."""
    return unb64(node)[:NODE_BYTES]


@frozen
class Heard:
    """Which of a recipient's envelopes arrived: their numbers, each with the first bytes of the envelope's id.

    Numbers alone would lie to a node that was restored from a backup and counts anew.
    """

    numbers: Ranges = Ranges()
    checks: bytes = b""
    """4 bytes for each number, in order."""

    @classmethod
    def of(cls, ids: Mapping[int, bytes]) -> Heard:
        """Return that the envelopes *ids*, by sequence number, arrived."""
        return cls(Ranges.numbers(sorted(ids)), b"".join(ids[n][:CHECK_BYTES] for n in sorted(ids)))

    def checked(self) -> dict[int, bytes]:
        """Return the check of each number."""
        parts = (self.checks[i : i + CHECK_BYTES] for i in range(0, len(self.checks), CHECK_BYTES))
        return dict(zip(self.numbers, parts, strict=True))


@frozen
class To:
    """One recipient, and what the sender tells this one alone."""

    node: bytes
    sequence: int
    """Dense numbers for each pair of nodes, so that a gap is seen."""
    token: bytes
    """By showing it, the recipient proves to anybody that it has the envelope safe."""
    floor: int
    """The sender no longer waits for numbers below it: what they carried came, or comes again otherwise."""
    heard: Heard
    """Which envelopes of this recipient the sender has."""


@frozen
class Reference:
    """Lines that are already known to the recipient: a run of lines of *journal*."""

    journal: Fingerprint
    first: int
    count: int


CompactEntry: TypeAlias = "tuple[Fingerprint, ResourceId | int] | Reference"
"""A line's publisher and resource, or the number of the part that holds the resource; or a run of known lines."""


@frozen
class Verbatim:
    """Part 0: a signature object, byte for byte."""

    data: bytes


@frozen
class Rebuilt:
    """Part 1: a signature object whose exact bytes the receiver can build again."""

    signed: SignedObject


@frozen
class Update:
    """Part 2: a signed broadcast, without the hashes that the receiver can compute."""

    since: LineId
    entries: tuple[CompactEntry, ...]
    signature: Signature


@frozen
class Chunk:
    """Part 3: a chunk of a large file, named by its SHA-256."""

    hash: bytes
    data: bytes


@frozen
class Tally:
    """Part 4: how far the sender knows the recipient's journal, and which of its lines it has applied in full."""

    number: int
    line: LineId
    applied: Ranges


@frozen
class Outcome:
    """Part 5: what became of an item that was not simply applied."""

    item: bytes
    """The 64 bytes of a resource's name, or the 16 of an envelope's."""
    code: str
    detail: str = ""


@frozen
class Want:
    """Part 6: chunks of a file that the sender lacks, by their place in it."""

    resource: ResourceId
    chunks: Ranges


@frozen
class Answer:
    """Part 7: a signed response to a request, whose resource is another part of the bundle."""

    identifier: str
    """The request's."""
    status: str
    place: int | None
    """The number of the part that holds the resource; None if there is none."""
    signature: Signature


@frozen
class Recall:
    """Part 16: give me the lines of my own journal that follow the last of these that you know."""

    marks: tuple[tuple[int, bytes], ...]
    """(number, first 8 bytes of the line's name): the latest line, and ever fewer earlier ones."""


@frozen
class Recalled:
    """Part 17: lines of the recipient's own journal, and what the recipient itself once signed about them."""

    since: LineId
    entries: tuple[tuple[Fingerprint, ResourceId], ...]
    first: int
    """The line after which the signed ones begin; the last is the last here."""
    identifier: str
    """Of the response in which they were signed; empty for a broadcast."""
    signature: Signature


@frozen
class Introduction:
    """Part 8: the sender's card, for a recipient that may never have heard of it; the first part of its bundle.

    It is the only part that a stranger's envelope is opened for, and is trusted no more than a card from anywhere.
    """

    resources: tuple[SignedObject, ...]
    proof: bytes = b""
    """That the sender was invited: the 16 bytes that name the invitation and 32 that only its holder can make."""


@frozen
class Unknown:
    """A part of a type that this version does not know. Skipped."""

    kind: int


Part: TypeAlias = (
    Verbatim
    | Rebuilt
    | Update
    | Chunk
    | Tally
    | Outcome
    | Want
    | Answer
    | Introduction
    | Advert
    | Recall
    | Recalled
    | Unknown
)


@frozen(kw_only=True)
class Bundle:
    """A header and parts."""

    id: bytes
    sender: bytes
    to: tuple[To, ...]
    created: Millis
    expires: Millis
    parts: tuple[Part, ...] = field(default=())


def encode(bundle: Bundle) -> bytes:
    """Return the bytes of *bundle*."""
    signers = _Signers()
    parts: list[Value] = [_part(part, signers) for part in bundle.parts]
    to: list[Value] = [
        [each.node, each.sequence, each.token, each.floor, [*each.heard.numbers.flat()], each.heard.checks]
        for each in bundle.to
    ]
    return cbor.encode(
        {
            0: VERSION,
            1: bundle.id,
            2: bundle.sender,
            3: to,
            4: bundle.created,
            5: bundle.expires,
            6: [[raw(name), algorithm] for name, algorithm in signers.known],
            7: parts,
        }
    )


class _Signers:
    """The table of those whose names occur in the parts: (fingerprint, algorithm number)."""

    def __init__(self) -> None:
        self.known: dict[tuple[Fingerprint, int], int] = {}

    def index(self, name: Fingerprint, algorithm: str = EDDSA) -> int:
        return self.known.setdefault((name, _ALGORITHMS.index(algorithm)), len(self.known))


def _part(part: Part, signers: _Signers) -> Value:
    match part:
        case Verbatim(data):
            return [0, data]
        case Rebuilt(signed):
            (by,) = signed.signatures
            return [1, signed.payload, signers.index(by.signer, by.algorithm), by.value]
        case Update(since, entries, by):
            return [2, raw(since), _entries(entries, signers), signers.index(by.signer, by.algorithm), by.value]
        case Chunk(name, data):
            return [3, name, data]
        case Tally(number, line, applied):
            return [4, number, raw(line), [*applied.flat()]]
        case Outcome(item, code, detail):
            return [5, item, code, detail]
        case Want(resource, chunks):
            return [6, raw(resource), [*chunks.flat()]]
        case Answer(identifier, status, place, by):
            at = 0 if place is None else place + 1
            return [7, identifier, status, at, signers.index(by.signer, by.algorithm), by.value]
        case Introduction(resources, proof):
            card: list[Value] = []
            for each in resources:
                (by,) = each.signatures
                card.append([each.payload, signers.index(by.signer, by.algorithm), by.value])
            return [8, card, proof]
        case Advert():
            return [9, part.flat()]
        case Recall(marks):
            return [16, [[number, name] for number, name in marks]]
        case Recalled(since, lines, first, identifier, by):
            named: list[Value] = [[signers.index(publisher), raw(resource)] for publisher, resource in lines]
            return [17, raw(since), named, first, identifier, signers.index(by.signer, by.algorithm), by.value]
        case Unknown():
            raise AssertionError("unknown parts are not written")


def _entries(entries: Sequence[CompactEntry], signers: _Signers) -> Value:
    found: list[Value] = []
    for each in entries:
        if isinstance(each, Reference):
            found.append([signers.index(each.journal), each.first, each.count])
        else:
            publisher, resource = each
            found.append([signers.index(publisher), resource if isinstance(resource, int) else raw(resource)])
    return found


def decode(data: bytes) -> Bundle:
    """Return the bundle in *data*. Raise `Malformed`."""
    value = cbor.decode(data)
    if not isinstance(value, dict) or value.get(0) != VERSION:
        raise Malformed("not a bundle of version 1")
    reader = _Reader(value)
    signers = reader.signers()
    return Bundle(
        id=_sized(value.get(1), ID_BYTES),
        sender=_sized(value.get(2), NODE_BYTES),
        to=tuple(_to(each) for each in _array(value.get(3), RECIPIENTS_MAX)),
        created=_moment(value.get(4)),
        expires=_moment(value.get(5)),
        parts=tuple(_read_part(each, signers) for each in _array(value.get(7), PARTS_MAX)),
    )


def introduction(data: bytes) -> Introduction | None:
    """Return the introduction with which the bundle in *data* begins, if it does. Raise `Malformed`.

    Nothing behind it is read: whoever sealed the bundle is not known yet.
    """
    value, first = cbor.opening(data[:_OPENING_BYTES_MAX], 7, _OPENING_ITEMS_MAX)
    if value.get(0) != VERSION or not isinstance(first, list) or not first or first[0] != 8:
        return None
    found = _read_part(first, _Reader(value).signers())
    assert isinstance(found, Introduction)
    return found


@frozen
class _Reader:
    value: Mapping[int, Value]

    def signers(self) -> list[tuple[Fingerprint, str]]:
        found: list[tuple[Fingerprint, str]] = []
        for each in _array(self.value.get(6), LINES_MAX):
            name, algorithm = _fields(each, 2)
            if algorithm not in (0, 1):
                raise Malformed("a bundle names an unknown signature algorithm")
            found.append((Fingerprint(b64(_sized(name, 64))), _ALGORITHMS[_number(algorithm)]))
        return found


_Signer: TypeAlias = "list[tuple[Fingerprint, str]]"


def _read_part(value: Value, signers: _Signer) -> Part:  # noqa: C901, PLR0912 one line or two for each type
    if not isinstance(value, list) or not value:
        raise Malformed("a part of a bundle is no list")
    match _number(value[0]):
        case 0:
            return Verbatim(_bytes(_fields(value, 2)[1]))
        case 1:
            _, payload, by, signature = _fields(value, 4)
            return Rebuilt(SignedObject.build(_bytes(payload), _signature(by, signature, signers)))
        case 2:
            _, since, entries, by, signature = _fields(value, 5)
            compact = tuple(_compact(each, signers) for each in _array(entries, LINES_MAX))
            if sum(each.count if isinstance(each, Reference) else 1 for each in compact) > LINES_MAX:
                raise Malformed("an update has too many lines")
            return Update(LineId(b64(_sized(since, 64))), compact, _signature(by, signature, signers))
        case 3:
            _, name, data = _fields(value, 3)
            if len(_bytes(data)) > CHUNK_BYTES_MAX:
                raise Malformed("a chunk is larger than 1 MiB")
            return Chunk(_sized(name, 32), _bytes(data))
        case 4:
            _, number, line, applied = _fields(value, 4)
            return Tally(_number(number), LineId(b64(_sized(line, 64))), _ranges(applied))
        case 5:
            _, item, code, detail = _fields(value, 4)
            if code not in OUTCOMES or not isinstance(code, str) or not isinstance(detail, str) or len(detail) > 300:
                raise Malformed("an outcome is not of the right form")
            return Outcome(_bytes(item), code, detail)
        case 6:
            _, resource, chunks = _fields(value, 3)
            return Want(ResourceId(b64(_sized(resource, 64))), _ranges(chunks))
        case 7:
            return _answer(value, signers)
        case 8:
            return _introduction(value, signers)
        case 9:
            return Advert.parse(_fields(value, 2)[1])
        case 16:
            pairs = [_fields(each, 2) for each in _array(_fields(value, 2)[1], MARKS_MAX)]
            return Recall(tuple((_number(number), _sized(name, MARK_BYTES)) for number, name in pairs))
        case 17:
            return _recalled(value, signers)
        case kind:
            return Unknown(kind)


def _recalled(value: Value, signers: _Signer) -> Recalled:
    _, since, lines, first, identifier, by, signature = _fields(value, 7)
    if not isinstance(identifier, str) or len(identifier) >= 128:
        raise Malformed("an answer is not of the right form")
    pairs = [_fields(each, 2) for each in _array(lines, LINES_MAX)]
    if not pairs:
        raise Malformed("an answer gives no lines back")
    return Recalled(
        LineId(b64(_sized(since, 64))),
        tuple((_signer(who, signers)[0], ResourceId(b64(_sized(name, 64)))) for who, name in pairs),
        _number(first),
        identifier,
        _signature(by, signature, signers),
    )


def _answer(value: list[Value], signers: _Signer) -> Answer:
    _, identifier, status, place, by, signature = _fields(value, 6)
    if not (isinstance(identifier, str) and isinstance(status, str)) or not 0 < len(identifier) < 128:
        raise Malformed("an answer is not of the right form")
    at = _number(place)
    return Answer(identifier, status, at - 1 if at else None, _signature(by, signature, signers))


def _introduction(value: list[Value], signers: _Signer) -> Introduction:
    _, resources, proof = _fields(value, 3)
    signed = tuple(_introduced(each, signers) for each in _array(resources, INTRODUCED_MAX))
    if sum(len(each.payload) for each in signed) > INTRODUCTION_BYTES_MAX:
        raise Malformed("an introduction is larger than any card")
    return Introduction(signed, _sized(proof, PROOF_BYTES) if proof else b"")


def _introduced(value: Value, signers: _Signer) -> SignedObject:
    payload, by, signature = _fields(value, 3)
    return SignedObject.build(_bytes(payload), _signature(by, signature, signers))


def _compact(value: Value, signers: _Signer) -> CompactEntry:
    if isinstance(value, list) and len(value) == 3:
        journal, first, count = (_number(each) for each in value)
        return Reference(_signer(journal, signers)[0], first, count)
    publisher, resource = _fields(value, 2)
    name = _signer(publisher, signers)[0]
    return name, resource if isinstance(resource, int) else ResourceId(b64(_sized(resource, 64)))


def _to(value: Value) -> To:
    node, sequence, token, floor, heard, checks = _fields(value, 6)
    numbers = _ranges(heard)
    if len(numbers) > HEARD_MAX:
        raise Malformed("more envelopes are acknowledged than could be on their way")
    return To(
        _sized(node, NODE_BYTES),
        _number(sequence),
        _sized(token, TOKEN_BYTES),
        _number(floor),
        Heard(numbers, _sized(checks, CHECK_BYTES * len(numbers))),
    )


def _signature(by: Value, value: Value, signers: _Signer) -> Signature:
    name, algorithm = _signer(by, signers)
    return Signature(algorithm, name, _bytes(value))


def _signer(index: Value, signers: _Signer) -> tuple[Fingerprint, str]:
    if not isinstance(index, int) or index >= len(signers):
        raise Malformed("a part names a signer that the bundle does not list")
    return signers[index]


def _fields(value: Value, count: int) -> list[Value]:
    if not isinstance(value, list) or len(value) != count:
        raise Malformed("an item of a bundle has the wrong number of fields")
    return value


def _array(value: Value | None, most: int) -> list[Value]:
    if not isinstance(value, list) or len(value) > most:
        raise Malformed("a list in a bundle is missing or too long")
    return value


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("a field of a bundle is not bytes")
    return value


def _sized(value: Value | None, size: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise Malformed("a field of a bundle has the wrong size")
    return value


def _number(value: Value) -> int:
    if not isinstance(value, int) or value > NUMBER_MAX:
        raise Malformed("a field of a bundle is not a number, or far too large")
    return value


def _moment(value: Value | None) -> Millis:
    if not isinstance(value, int) or value > MILLIS_MAX:
        raise Malformed("a time in a bundle is none")
    return Millis(value)


def _ranges(value: Value) -> Ranges:
    if not isinstance(value, list) or len(value) > 2 * RUNS_MAX:
        raise Malformed("a list of runs is no list, or too long")
    return Ranges.parse([_number(each) for each in value])
