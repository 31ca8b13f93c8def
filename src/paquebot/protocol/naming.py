"""How the parts of an envelope are named when it is told what became of them, and what is kept of refused ones."""

from __future__ import annotations

from collections.abc import Sequence

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


def outcomes(view: View, bundle: Bundle) -> Sequence[tuple[ResourceId, str, str]]:
    """Return what the sender says of our resources that it did not simply apply; what it says last of each counts."""
    said = {part.item: part for part in bundle.parts if isinstance(part, Outcome) and len(part.item) == 64}
    named = ((ResourceId(b64(item)), part) for item, part in said.items())
    return [(name, part.code, part.detail) for name, part in named if view.has(name)]
