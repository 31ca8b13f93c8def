"""What one run did, in numbers that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paquebot.amounts import count
from paquebot.display import headed
from paquebot.protocol import clear
from paquebot.protocol.effects import Effect, Keep, NoteOpened, Quarantine, SavePending, Tell
from paquebot.protocol.events import SHOWN_KINDS


@dataclass(slots=True)
class Problem:
    """Something that went wrong and did not stop the run."""

    where: str
    what: str
    exit_code: int = 1

    def __str__(self) -> str:
        return headed(self.where, self.what)

    def as_json(self) -> dict[str, object]:
        """Return it for machines."""
        return {"where": self.where, "what": self.what, "exit_code": self.exit_code}


@dataclass(slots=True)
class Report:
    """Counts of one run: every envelope found is opened, refused, not ours or not yet due; items have one outcome."""

    found: int = 0
    opened: int = 0
    not_ours: int = 0
    refused: int = 0
    not_yet: int = 0
    """Dated in the future by our clock; they come again."""
    outcomes: Counter[str] = field(default_factory=Counter)
    new: int = 0
    """Messages and files that were not here before."""
    sent: int = 0
    sent_bytes: int = 0
    acknowledged: int = 0
    """Of our envelopes, whose arrival was learned of."""
    waiting: int = 0
    """Of our envelopes, handed over and not acknowledged yet."""
    unsent: int = 0
    """Of our envelopes, planned and not handed over."""
    read_back: bool = False
    """What was written was read back from its medium."""
    unfinished: bool = False
    """A pass ended because its time was over: there is more to do, and the next one does it."""
    rationed: bool = False
    """What may be sent now is used up, in part by this pass: there may be more to send soon."""
    forgotten: int = 0
    """Things whose bytes were deleted because ``[keep]`` says so."""
    taken_along: int = 0
    """Parcels of others, of those that are not ours, that were taken along."""
    handed_on: int = 0
    """How often a parcel of others was put on a medium."""
    freed: int = 0
    """Parcels of others that are carried no longer, since all they are for have shown that they have them."""
    let_go: int = 0
    """Parcels of others that are carried no longer: their time was over, or there is no room."""
    carrying: int = 0
    """Parcels of others that are carried now."""
    carrying_bytes: int = 0
    set_aside: int = 0
    """How many pieces were set aside with their bytes."""
    findings: list[Problem] = field(default_factory=list)
    """Damage on a medium; foreign files and other curiosities are `notes`."""
    errands: bool = False
    """Something is to be done outside: hooks, folders."""
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, effects: Iterable[Effect]) -> None:
        """Count what *effects* say became of received items."""
        for effect in effects:
            match effect:
                case Tell(outcome):
                    self.outcomes[outcome] += 1
                case Quarantine():
                    self.set_aside += 1
                    code = 16 if effect.code == clear.CODE else 3
                    self.findings.append(Problem(effect.where, f"{effect.reason} ({effect.code})", code))
                case NoteOpened(kind=kind) if kind in SHOWN_KINDS:
                    self.new += 1
                case SavePending(pending) if not pending.declined:
                    self.notes.append(f"{pending.where}: {pending.name} waits to be met: see `paquebot peer pending`")
                case Keep(kept) if kept.sender is not None and kept.kind in SHOWN_KINDS:
                    self.new += 1

    def said(self, after: int) -> str:
        """Return in one text what went wrong after the first *after* problems; empty if nothing did."""
        return "; ".join(dict.fromkeys(problem.what for problem in self.problems[after:]))

    @property
    def exit_code(self) -> int:
        """0 if all went well; else the code of the worst that happened."""
        codes = {problem.exit_code for problem in (*self.problems, *self.findings)}
        return next((code for code in (15, 12, 16, 14, 1, 3, 13) if code in codes), max(codes, default=0))

    def summary(self) -> str:
        """Return one line that says everything, and adds up."""
        sent = f"sent {count(self.sent, 'envelope')} ({self.sent_bytes} bytes)"
        parts = [sent if self.sent else "sent nothing"]
        if self.unsent:
            parts.append(f"could not send {self.unsent}")
        parts.append(f"acknowledged {self.acknowledged}, still on the way {self.waiting}")
        found = {"opened": self.opened, "not ours": self.not_ours, "refused": self.refused}
        parts.append(_sum("found", {**found, "dated in the future": self.not_yet}))
        if self.outcomes:
            parts.append(_sum("items", self.outcomes))
        parts.append(f"new {self.new}")
        if self.forgotten:
            parts.append(f"forgotten by rule {self.forgotten}")
        if self.carrying or self.taken_along or self.handed_on or self.freed or self.let_go:
            parts.append(
                f"for others: taken along {self.taken_along}, handed on {self.handed_on}, arrived {self.freed},"
                f" let go {self.let_go}, carrying {self.carrying} ({self.carrying_bytes} bytes)"
            )
        return "; ".join(parts)

    def as_json(self) -> dict[str, object]:
        """Return the report for machines."""
        return {
            "sent": self.sent,
            "sent_bytes": self.sent_bytes,
            "acknowledged": self.acknowledged,
            "waiting": self.waiting,
            "unsent": self.unsent,
            "found": self.found,
            "opened": self.opened,
            "not_ours": self.not_ours,
            "refused": self.refused,
            "not_yet": self.not_yet,
            "outcomes": dict(sorted(self.outcomes.items())),
            "new": self.new,
            "unfinished": self.unfinished,
            "forgotten": self.forgotten,
            "carried": {
                "taken_along": self.taken_along,
                "handed_on": self.handed_on,
                "arrived": self.freed,
                "let_go": self.let_go,
                "now": self.carrying,
                "bytes": self.carrying_bytes,
            },
            "findings": [{"where": each.where, "what": each.what} for each in self.findings],
            "notes": self.notes,
            "problems": [each.as_json() for each in self.problems],
        }


def _sum(what: str, parts: Mapping[str, int]) -> str:
    """Return a sum with its parts.

    >>> _sum("found", {"opened": 2, "refused": 1, "not ours": 0})
    'found 3 = 2 opened + 1 refused'
    """
    total = sum(parts.values())
    named = " + ".join(f"{number} {name}" for name, number in parts.items() if number)
    return f"{what} {total} = {named}" if total else f"{what} {total}"
