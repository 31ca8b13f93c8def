"""The listing: what the lines about parcels mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from paquebot.transport import (
    Capability,
    ConfigError,
    Onward,
    Outgoing,
    ParcelTooLarge,
    Permanent,
    Recipient,
    Stage,
    Transient,
    TransportError,
    parcel_name,
    token_hash,
)
from paquebot_program.line import Line, Unclear, said, write
from paquebot_program.talk import recipients

PARTS = ("item", "token", "handed", "lost", "finding")
"""What may be in the answer to `collect`."""
FINDING_MAX = 8 << 20
HOPS_MAX = 255
LATENCY_MAX_MS = 5 * 365 * 24 * 3_600_000
_KEY = re.compile(r"[!-~]{1,200}\Z")


def sayable(line: Line, what: str) -> None:
    """Raise `ConfigError` if *line* cannot be said; *what* names what is in it."""
    try:
        write(line)
    except Unclear:
        why = "a name in small letters, and one line of text"
        raise ConfigError(f"{what} cannot be told to a program, which takes {why}") from None


def capability(ready: Line, parcel_max: int) -> Capability:
    """Return what a program says that it can do. Raise `Unclear`."""
    medium = ready.one("medium")
    if not 1 <= len(medium) <= 200:
        raise Unclear("'ready': medium= is 1 to 200 characters")
    return Capability(
        bytes_max=min(ready.number("bytes", least=1), parcel_max),
        latency_ms=ready.number("latency", least=1, most=LATENCY_MAX_MS),
        medium=f"program:{medium}",
        bytes_cheap=ready.flag("cheap"),
        shows_tokens=ready.flag("tokens"),
        writable=ready.flag("writable", default=True),
        address=ready.one("address", ""),
        parcels_left=_count(ready, "parcels-left"),
        bytes_left=_count(ready, "bytes-left"),
        mime=ready.flag("mime"),
        relays=ready.flag("relays"),
        room=_count(ready, "room"),
    )


def to_send(number: int, file: str, parcel: bytes, outgoing: Outgoing) -> Line:
    """Return how a program is asked to carry something. It never hears of the parcel's id."""
    salt = parcel_name(parcel)
    line = said("send", number=number, file=file, size=len(parcel), salt=salt)
    rest = said("", expires=outgoing.expires_ms, priority=outgoing.priority, hops=outgoing.hops)
    to = tuple(("to", _recipient(each, salt)) for each in outgoing.recipients)
    return Line(line.verb, (*line.words, *to, *rest.words))


def _recipient(recipient: Recipient, salt: bytes) -> str:
    address = f"/{recipient.address}" if recipient.address else ""
    return f"{recipient.tag(salt).hex()}/{recipient.token_hash.hex()}{address}"


def key(line: Line) -> str:
    """Return the key of which *line* speaks. Raise `Unclear`."""
    found = line.one("key")
    if not _KEY.match(found):
        raise Unclear(f"{line.verb!r}: key= is 1 to 200 characters")
    return found


def stage(line: Line) -> Stage:
    """Return how far something has got. Raise `Unclear`."""
    match line.one("stage", "accepted"):
        case "accepted":
            return Stage.ACCEPTED
        case "on-medium":
            return Stage.ON_MEDIUM
    raise Unclear(f"{line.verb!r}: stage= is accepted or on-medium")


def failure(line: Line, who: str) -> TransportError:
    """Return why a parcel does not go. Raise `Unclear`."""
    text = f"{who}: {line.text or 'it does not say why'}"
    match line.one("why", "transient"):
        case "transient":
            return Transient(text, retry_after_ms=line.number("retry", 0) or None)
        case "permanent":
            return Permanent(text)
        case "too-large":
            return ParcelTooLarge(text)
    raise Unclear(f"{line.verb!r}: why= is transient, permanent or too-large")


class _Smudged(ValueError):
    """What stands on the outside of something cannot be read."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that lies on the medium."""

    key: str
    name: bytes
    """The `parcel_name`, if that is said."""
    recognised: bool
    size: int | None
    where: str
    onward: Onward | None
    """What stands on its outside, if all of that is said."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a program says when it is told to collect."""

    items: tuple[Item, ...]
    tokens: tuple[bytes, ...]
    news: tuple[tuple[str, Stage, str], ...]
    """Of what was sent: its key, how far it has got, and where."""
    findings: tuple[Line, ...]
    smudged: Mapping[str, str]
    """Keys of things whose outside cannot be read, and why."""
    complete: bool
    """False if there is more than was listed."""

    @property
    def names(self) -> frozenset[bytes]:
        """The names of the parcels that lie there."""
        return frozenset(item.name for item in self.items if item.name)

    @property
    def to_take(self) -> Sequence[Item]:
        """What may be of use: not what lies there for others who have shown that they have it."""
        shown = {token_hash(token) for token in self.tokens}
        return [
            each
            for each in self.items
            if each.recognised or not each.onward or any(hashed not in shown for _, hashed in each.onward.recipients)
        ]

    @property
    def awaiting(self) -> dict[bytes, str]:
        """Whose key it is under which the token of that hash belongs."""
        return {hashed: item.key for item in self.items if item.onward for _, hashed in item.onward.recipients}

    @classmethod
    def read(cls, lines: Sequence[Line], recognise: Callable[[bytes, bytes], bool]) -> Self:
        """Return what *lines* say, the last of which is the end. Raise `Unclear`."""
        by_verb: dict[str, list[Line]] = {verb: [] for verb in (*PARTS, "end")}
        for line in lines:
            by_verb[line.verb].append(line)
        items, tokens, smudged = {}, [], {}
        for line in by_verb["item"]:
            try:
                items[key(line)] = _item(line, recognise)
            except _Smudged as error:  # a program may pass on what it finds there: its neighbours are fine
                smudged[key(line)] = str(error)
        for line in by_verb["token"]:
            with suppress(_Smudged):
                tokens.append(_token(line))
        if len({key(line) for line in by_verb["item"]}) < len(by_verb["item"]):
            raise Unclear("'item': a key is listed twice")
        return cls(
            tuple(items.values()),
            tuple(dict.fromkeys(tokens)),
            (
                *((key(line), stage(line), line.text or "") for line in by_verb["handed"]),
                *((key(line), Stage.LOST, line.text or "") for line in by_verb["lost"]),
            ),
            tuple(by_verb["finding"]),
            smudged,
            not by_verb["end"][0].flag("more"),
        )


def _token(line: Line) -> bytes:
    try:
        return line.octets("value", 16)
    except Unclear as error:
        raise _Smudged(f"a token is not clear: {error}") from None


def _item(line: Line, recognise: Callable[[bytes, bytes], bool]) -> Item:
    try:
        salt, to = line.octets("salt", 16) if line.has("salt") else b"", recipients(line)
        onward = None
        if to and line.has("expires"):
            priority, hops = line.number("priority", 1, most=2), line.number("hops", 0, most=HOPS_MAX)
            onward = Onward(to, line.number("expires"), priority, hops)
    except Unclear as error:
        raise _Smudged(f"what stands on its outside is not clear: {error}") from None
    ours = line.flag("ours") or any(recognise(salt, tag) for tag, _ in to)
    return Item(key(line), salt, ours, _count(line, "size"), line.text or "", onward)


def _count(line: Line, name: str) -> int | None:
    return line.number(name) if line.has(name) else None
