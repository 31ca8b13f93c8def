"""How the parts of an envelope are named when it is told what became of them, and what is kept of refused ones."""

from __future__ import annotations

from paquebot.protocol.bundle import Chunk, Part, Rebuilt, Update, Verbatim


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
