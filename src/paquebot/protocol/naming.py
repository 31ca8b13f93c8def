"""How the parts of an envelope are named when it is told what became of them, and what is kept of refused ones."""

from __future__ import annotations

from collections.abc import Iterator

from paquebot.protocol.bundle import Bundle, Chunk, Outcome, Part, Rebuilt, Update, Verbatim
from paquebot.protocol.encoding import ResourceId, b64
from paquebot.protocol.state import View


def called(part: Part) -> str:
    """Return the name of *part*."""
    match part:
        case Rebuilt(signed):
            return signed.id
        case Chunk(name, _):
            return name.hex()
        case _:
            return type(part).__name__.lower()


def exact(part: Part) -> bytes:
    """The bytes of a refused part, to be set aside."""
    match part:
        case Rebuilt(signed):
            return signed.encode()
        case Verbatim(data) | Chunk(_, data):
            return data
        case Update(since, _, _):
            return since.encode()
        case _:
            return repr(part).encode()[:1000]


def outcomes(view: View, bundle: Bundle) -> Iterator[tuple[ResourceId, str, str]]:
    """Yield what the sender says of our resources that it did not simply apply."""
    for part in bundle.parts:
        if isinstance(part, Outcome) and len(part.item) == 64:
            name = ResourceId(b64(part.item))
            if view.has(name):
                yield name, part.code, part.detail
