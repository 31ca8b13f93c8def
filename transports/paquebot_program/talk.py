"""The talk: who says what when. One question of ours is open at a time; until it is answered, the program may ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from paquebot.transport import Context, Permanent, PluginError, Transient, TransportError
from paquebot_program.child import GRACE_S, REMARK_MAX, REMARKS_MAX, Child
from paquebot_program.ledger import Own
from paquebot_program.line import Line, Unclear, said, unhex

SPOKEN = 1
"""The version of the line protocol. New words do not change it: what is not known is not looked at."""
BYTES_EACH_SECOND = 16 << 10
"""How slow a program may be with a parcel."""
LONGEST = 30
"""No answer may take more than so many times the patience, however much is said meanwhile."""
REQUESTS_MAX = 100_000
"""What a program may ask of us before it answers."""
LISTED_MAX = 20_000
"""Lines of one list."""
RANDOM_MAX = 1_024


class Unsupported(PluginError):
    """The program does not know what it was asked for."""


@dataclass(frozen=True, slots=True)
class _Question:
    """Something that was asked and is not answered yet."""

    verb: str
    parts: Collection[str]
    answers: Collection[str]
    patience: float


class Talk:
    """The conversation with one program. After anything that is not an answer, it is over."""

    def __init__(self, child: Child, context: Context, own: Own, patience: float, trace: Callable[[str], None]) -> None:
        self._child = child
        self._context = context
        self._own = own
        self._patience = patience
        self._trace = trace
        self.sound = True
        """Whether one may go on."""
        self._open: _Question | None = None
        self._notes = 0

    async def tell(self, line: Line, *, secret: bool = False) -> None:
        """Say something that is not answered. Raise `TransportError` or `PluginError`."""
        if not self.sound:
            raise Transient(f"{self._child.name} is not listened to any more")
        self._trace(f"> {line.verb} …" if secret else f"> {_shown(line)}")
        self.sound = False  # whoever breaks this off has said half a line
        await self._child.say(line, self._patience)
        self.sound = True

    async def ask(self, line: Line, *answers: str, size: int = 0, seconds: float = 0) -> Line:
        """Return the answer to *line*, one of *answers*. It may take *seconds* longer, or as *size* bytes take.

        Raise `Transient` or `Permanent` if the program says so, `Unsupported`, `Transient` if it is no more or keeps
        silent, or `PluginError` if it says what it must not.
        """
        return (await self._asked(line, (), answers, seconds + size / BYTES_EACH_SECOND))[-1]

    async def listed(self, line: Line, parts: Collection[str], end: str) -> list[Line]:
        """Return the answer to *line*: any number of *parts*, and then *end*. Raise as `ask` does."""
        return await self._asked(line, parts, (end,))

    async def _asked(
        self, line: Line, parts: Collection[str], answers: Collection[str], seconds: float = 0
    ) -> list[Line]:
        if self._open is not None:  # somebody was cancelled while waiting: that answer comes first
            with suppress(Transient, Permanent, Unsupported):
                await self._answer(self._open)
        if self.sound and (said := self._child.unasked()):
            self.sound = False
            raise PluginError(f"{self._child.name} speaks without being asked{said}")
        await self.tell(line)
        self._open = _Question(line.verb, parts, answers, self._patience + seconds)
        return await self._answer(self._open)

    async def _answer(self, question: _Question) -> list[Line]:
        """Return the answer to what was asked. Unless this is cancelled, the question is closed then, or the talk."""
        until = time.monotonic() + LONGEST * question.patience
        found: list[Line] = []
        try:
            for _ in range(REQUESTS_MAX):
                heard = await self._child.hear(min(question.patience, max(until - time.monotonic(), 0)))
                self._trace(f"< {_shown(heard)}")
                if heard.verb in question.answers:
                    self._open = None
                    return [*found, heard]
                if heard.verb in question.parts:
                    found.append(heard)
                    if len(found) > LISTED_MAX:
                        raise PluginError(f"{self._child.name} lists more than {LISTED_MAX} things at once")
                elif (no := self._refusal(heard, question.verb)) is not None:
                    self._open = None
                    raise no
                else:
                    await self._serve(heard)
            raise PluginError(f"{self._child.name} never comes to an end with {question.verb!r}")
        except (TransportError, PluginError):
            self.sound = self.sound and self._open is None
            raise

    def _refusal(self, heard: Line, asked: str) -> TransportError | PluginError | None:
        """Return what *heard* means, if it says that something does not go."""
        why = f"{self._child.name}: {heard.text or 'it does not say why'}"
        match heard.verb:
            case "transient":
                with self.clear():
                    return Transient(why, retry_after_ms=heard.number("retry", 0) or None)
            case "permanent":
                return Permanent(why)
            case "unsupported":
                return Unsupported(f"{self._child.name} cannot do {asked!r}")
        return None

    async def _serve(self, heard: Line) -> None:
        """Do what the program asks for. Raise `PluginError` if it may not be asked for."""
        with self.clear():
            answers = self._answers(heard)
        for each in answers:
            await self.tell(each)

    def _answers(self, heard: Line) -> list[Line]:
        context, own = self._context, self._own
        match heard.verb:
            case "debug":
                return []
            case "note":
                self._notes += 1
                if self._notes <= REMARKS_MAX:
                    context.note((heard.text or "")[:REMARK_MAX])
                return []
            case "get":
                found = own.get(heard.one("key"))
                return [said("none") if found is None else said("value", found)]
            case "keys":
                found_all = own.items(heard.one("prefix", ""))
                return [*(said("key", value, name=key) for key, value in found_all), said("end")]
            case "put" | "delete":
                if not own.put(heard.one("key"), (heard.text or "") if heard.verb == "put" else None):
                    raise PluginError(f"{self._child.name} wants to remember too much")
                return [said("ok")]
            case "now":
                return [said("now", ms=context.now_ms())]
            case "epoch":
                return [said("epoch", value=context.epoch)]
            case "random":
                return [said("random", bytes=context.entropy(heard.number("count", least=1, most=RANDOM_MAX)))]
            case "recognise":
                known = any(context.recognise(heard.octets("salt", 16), tag) for tag, _ in recipients(heard))
                return [said("yes" if known else "no")]
            case _:
                raise PluginError(f"{self._child.name} says {heard.verb!r}, which is not to be said now")

    @contextmanager
    def clear(self) -> Iterator[None]:
        """Say whose fault it is that a line is not clear. Raise `PluginError`."""
        try:
            yield
        except Unclear as error:
            self.sound = False
            raise PluginError(f"{self._child.name} does not keep to the line protocol: {error}") from None

    async def end(self) -> None:
        """Say goodbye, if that means anything still, and see to it that nothing is left running."""
        try:
            if self.sound:
                await self.ask(Line("close"), "done")
        finally:
            await self._child.stop(GRACE_S if self.sound else GRACE_S / 10)


def recipients(line: Line) -> tuple[tuple[bytes, bytes], ...]:
    """Return for whom something is, as *line* says: each one's tag and token hash. Raise `Unclear`."""
    found = tuple(_recipient(line.verb, each) for each in line.every("to"))
    if bool(found) != line.has("salt"):
        raise Unclear(f"{line.verb!r} has salt= without to=, or to= without salt=")
    return found


def _recipient(verb: str, value: str) -> tuple[bytes, bytes]:
    tag, hashed, *_ = (*value.split("/"), "", "")  # an address may follow
    return unhex(tag, 8, f"{verb!r}: the tag in to="), unhex(hashed, 16, f"{verb!r}: the hash in to=")


def _shown(line: Line) -> str:
    words = "".join(f" {name}={value}" for name, value in line.words)
    return f"{line.verb}{words}{'' if line.text is None else f' :{line.text}'}"
