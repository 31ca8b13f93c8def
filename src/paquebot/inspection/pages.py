"""Pages: the facts and checks of one file as they are found, beside what all files together let it look up.

Each module here that judges something writes on a page. What comes out is here as well: `Inspection` and `Check`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from paquebot.errors import PaquebotError
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.identity import PublicKey
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis, format_time, parse_time
from paquebot.protocol.trust import Identity
from paquebot.vault.letters import Letter

T = TypeVar("T")

# What a file that contradicts itself makes honest code raise.
TROUBLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true of a file, and whether it is."""

    what: str
    verdict: bool | None
    """None if it could not be checked; *detail* says what is missing."""
    detail: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one file is. All texts are safe to show."""

    name: str
    kind: str
    facts: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]
    text: str = ""
    """What it says to people; the only text of more than one line."""

    @property
    def holds(self) -> bool:
        """Whether everything was checked and found good."""
        return all(check.verdict is True for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {
            "name": self.name,
            "kind": self.kind,
            "holds": self.holds,
            "facts": [{"what": what, "value": value} for what, value in self.facts],
            "checks": [{"what": each.what, "verdict": each.verdict, "detail": each.detail} for each in self.checks],
            "text": self.text,
        }


Opens = Callable[[bytes], Letter]
"""Open what a person wrote to a key of this home. It may raise `PaquebotError`."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was found in all files before any of them is judged."""

    at: Millis
    opens: Opens | None = None
    """None where there are no keys to open anything with."""
    keys: dict[Fingerprint, tuple[PublicKey, str]] = field(default_factory=dict)
    """With where each came from. A key is its own proof: its fingerprint names it."""
    identities: dict[Fingerprint, Identity] = field(default_factory=dict)
    """Proven by their own signature."""
    claimed: dict[Fingerprint, Identity] = field(default_factory=dict)
    """From bare identity containers, whose date nobody signed."""
    resources: dict[ResourceId, Resource] = field(default_factory=dict)
    """Hashes are right; signatures were not looked at."""

    def identity(self, who: Fingerprint) -> Identity | None:
        """Return the best that is known of *who*."""
        return self.identities.get(who) or self.claimed.get(who)


@dataclass(frozen=True, slots=True)
class Page:
    """Facts and checks as they are found."""

    known: Known
    facts: list[tuple[str, str]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    prefix: str = ""
    level: int = 0

    def fact(self, what: str, value: object) -> None:
        """Note something that is neither right nor wrong."""
        self.facts.append((self.prefix + what, str(value)))

    def text(self, words: str) -> None:
        """Note what it says to people."""
        self.texts.append(words)

    def check(self, what: str, verdict: bool | None, detail: str = "") -> None:
        """Note a verdict."""
        self.checks.append(Check(self.prefix + what, verdict, detail))

    def attempt(self, what: str, work: Callable[[], T], detail: str = "") -> T | None:
        """Return what *work* returns; note whether it raised, and then return None."""
        try:
            found = work()
        except PaquebotError as problem:
            self.check(what, False, str(problem))
            return None
        except TROUBLE:
            self.check(what, False, "its parts contradict each other")
            return None
        self.check(what, True, detail)
        return found

    def passes(self, what: str, work: Callable[[], object], detail: str = "") -> bool:
        """Return, and note, whether *work* raises nothing."""
        return self.attempt(what, lambda: (work(),), detail) is not None

    def under(self, prefix: str) -> Page:
        """Return the same page for something inside."""
        return replace(self, prefix=f"{self.prefix}{prefix}: ", level=self.level + 1)

    def unknown(self, why: str) -> str:
        """Note that the file has no form of ours; return that as its kind."""
        self.check("recognised", False, why)
        return "unknown"

    def in_force(self, expires: str) -> None:
        """Check that what *expires* then has not yet done so."""
        end = self.attempt("date of expiry", lambda: parse_time(expires), expires)
        if end is not None:
            alive = self.known.at < end
            self.check("in force", alive, f"{'until' if alive else 'expired on'} {expires}; judged at {self.moment}")

    @property
    def moment(self) -> str:
        """The moment at which files are judged, to show."""
        text = format_time(self.known.at)
        return text[:10] if self.known.at % DAY_MS == 0 else f"{text[:16]}Z"
