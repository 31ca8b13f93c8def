"""How fast an account may send, and whom it leaves alone for now: counted and remembered over all runs.

Every wait is about trying, never about keeping: what is to be said is planned anew from what the peer still lacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

from paquebot.transport import Context
from paquebot_mail.answers import Kind, wait_ms

__all__ = ["Accepted", "Limits", "Pace", "Wait"]

_MINUTE, _DAY = 60_000, 86_400_000
_KEPT_DAYS = 10  # reports of what went come within five
_LEARNT_MS = 30 * _DAY  # then a larger mail is tried again
_FLOOR_BYTES = 16 << 10  # a mail that holds any envelope at all
_DOUBTFUL_FLOOR_BYTES = 512 << 10  # reports can be forged, lines are bad for a while: they make mails small, not tiny
_SHARE_MIN = 1 / 64
_SPENT_MAX = 1_000
_SLOT = 10 * _MINUTE  # what came in so long is remembered as one
_TO_SEND = 4  # the part of a day's bytes that what comes leaves to what goes
_ACCOUNT = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an account is good for. None stands for no limit."""

    per_minute: int | None = 20
    per_day: int | None = 300
    bytes_per_day: int | None = None
    """Both ways."""
    mail_bytes_max: int = 25_000_000


@dataclass(frozen=True, slots=True)
class Wait:
    """That somebody is left alone until a moment."""

    kind: str
    times: int
    """How often in a row."""
    until: int
    """Unix milliseconds."""
    why: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A mail that the provider took."""

    id: str
    """The parcel's, in hexadecimal digits."""
    to: str
    at: int
    bytes: int


class Pace:
    """The memory of one *account* in what the house lends, and the answers from it to: may this go now?"""

    def __init__(self, context: Context, account: str, limits: Limits, jitter: Callable[[float, float], float]) -> None:
        self._context = context
        self._root = f"smtp/{account}/"
        self._limits = limits
        self._jitter = jitter
        self._days: list[int] = self._get("days") or []
        """On which days, counted from 1970, something went of which a report may come."""
        self._forget()
        self._recent = self._load()

    # -- waits ------------------------------------------------------------------------------

    def waiting(self, address: str = _ACCOUNT) -> Wait | None:
        """Return why nothing goes to *address* now; without one, why nothing goes from this account at all."""
        wait = self._wait(address)
        now = self._context.now_ms()
        # A clock that went back must not make the wait longer than it was meant to be.
        longest = wait_ms(Kind(wait.kind), wait.times, 1.5) if wait else 0
        return wait if wait and now < wait.until <= now + longest else None

    def trouble(self, kind: Kind, why: str, address: str = _ACCOUNT, *, reported: bool = False) -> Wait:
        """Note that *kind* happened once more, to *address* or to the account; return how long to wait for it.

        What is only *reported* may be forged, and never makes the wait longer.
        """
        before = self._wait(address)
        times = before.times + 1 if before and before.kind == kind.value and not reported else 1
        until = self._context.now_ms() + wait_ms(kind, times, self._jitter(0.8, 1.2))
        wait = Wait(kind.value, times, until, why)
        self._put(self._wait_key(address), asdict(wait))
        if kind is Kind.RATE:
            self._put("share", {"share": max(self._share() / 2, _SHARE_MIN), "at": self._context.now_ms()})
        return wait

    def well(self, address: str = _ACCOUNT) -> None:
        """Note that nothing is wrong with *address*, or the account: something went, or came from there."""
        self._context.put(self._root + self._wait_key(address), None)

    def heard(self, address: str) -> None:
        """Note that something came from *address*: there is somebody, whatever was said."""
        wait = self._wait(address)
        if wait is not None and wait.kind == Kind.NOBODY.value:
            self.well(address)

    def _wait(self, address: str) -> Wait | None:
        found = self._get(self._wait_key(address))
        return Wait(found["kind"], found["times"], found["until"], found["why"]) if found else None

    def _wait_key(self, address: str) -> str:
        return f"wait/{address}"

    # -- secrets ----------------------------------------------------------------------------

    def knows(self, secret: str) -> bool:
        """Return whether *secret* is the one that was refused last."""
        found = self._get("secret")
        return bool(found and found["mark"] == self._mark(secret))

    def refused(self, secret: str, why: str) -> Wait:
        """Note that the server refused *secret*; return how long it is not tried again, which grows to a day.

        Never for good: a provider that refused everybody for a night would silence a station for ever.
        """
        if not self.knows(secret):
            self.well()
            self._put("secret", {"mark": self._mark(secret)})
        return self.trouble(Kind.LOGIN, why)

    def welcomed(self) -> None:
        """Note that the server let us in."""
        self._context.put(self._root + "secret", None)

    def _mark(self, secret: str) -> str:
        # Four bytes tell one secret from another, and nobody can find the secret by them.
        salt = self._context.get(self._root + "salt")
        if salt is None:
            salt = self._context.entropy(16)
            self._context.put(self._root + "salt", salt)
        return blake2b(secret.encode(), key=salt, digest_size=4).hexdigest()

    # -- the bucket -------------------------------------------------------------------------

    def room_ms(self, size: int) -> int:
        """Return in how many milliseconds a mail of *size* bytes may go; 0 if now."""
        now, limits, share = self._context.now_ms(), self._limits, self._share()
        return max(
            self._free_in(limits.per_minute, _MINUTE, now, share),
            self._free_in(limits.per_day, _DAY, now, share),
            self._bytes_free_in(size, now),
        )

    def left(self) -> tuple[int | None, int | None]:
        """Return how many mails, and how many bytes of them, may go now; None for as many as there are."""
        now, share, limits = self._context.now_ms(), self._share(), self._limits
        windows = [(most, window) for most, window in ((limits.per_minute, _MINUTE), (limits.per_day, _DAY)) if most]
        mails = [max(1, int(most * share)) - self._within(window, now) for most, window in windows]
        size = None if limits.bytes_per_day is None else max(0, limits.bytes_per_day - self._used(now))
        return (max(0, min(mails)) if mails else None), size

    def today(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Return what is left of how many mails, and of how many bytes, in any 24 hours; None for no such limit."""
        now, limits = self._context.now_ms(), self._limits
        mails = size = None
        if limits.per_day:
            most = max(1, int(limits.per_day * self._share()))
            mails = max(0, most - self._within(_DAY, now)), most
        if limits.bytes_per_day is not None:
            size = max(0, limits.bytes_per_day - self._used(now)), limits.bytes_per_day
        return mails, size

    def sent_today(self) -> tuple[int, int]:
        """Return how many mails went in the last 24 hours, in vain or not, and their bytes."""
        now = self._context.now_ms()
        return self._within(_DAY, now), self._spent(now)

    def _used(self, now: int) -> int:
        return self._spent(now) + self.came_today()

    def _spent(self, now: int) -> int:
        return sum(count for at, count in self._recent if 0 <= now - at < _DAY)

    def _within(self, window: int, now: int) -> int:
        return sum(0 <= now - at < window for at, _ in self._recent)

    @property
    def sent_lately(self) -> bool:
        """Whether a report may come of something that went."""
        return bool(self._days)

    def _free_in(self, most: int | None, window: int, now: int, share: float) -> int:
        if most is None:
            return 0
        allowed = max(1, int(most * share))
        within = [at for at, _ in self._recent if 0 <= now - at < window]
        return sorted(within)[-allowed] + window - now if len(within) >= allowed else 0

    def _bytes_free_in(self, size: int, now: int) -> int:
        most = self._limits.bytes_per_day
        if most is None:
            return 0
        came = [(min(now, (slot + 1) * _SLOT - 1), count) for slot, count in self._slots()]  # as if at its end
        within = sorted((at, count) for at, count in (*self._recent, *came) if 0 <= now - at < _DAY)
        spent, free_at = sum(count for _, count in within), now
        for at, count in within:
            if spent + size <= most:
                break
            spent, free_at = spent - count, at + _DAY
        return free_at - now

    def _share(self) -> float:
        """Return which part of the limits is used: halved at each complaint, doubled on each day without one."""
        found = self._get("share")
        if found is None:
            return 1.0
        days = max(0, self._context.now_ms() - found["at"]) // _DAY
        return float(min(1.0, found["share"] * 2 ** min(days, 10)))

    # -- what comes -------------------------------------------------------------------------

    def to_come(self) -> int | None:
        """Return how many bytes of mails may be fetched now; None for any. Some of a day's are left to what goes."""
        day, came = self._limits.bytes_per_day, self.came_today()
        if day is None:
            return None
        return max(0, min(day - self._spent(self._context.now_ms()) - came, day - day // _TO_SEND - came))

    def came(self, size: int) -> None:
        """Note that *size* bytes of mails come, or that so many were noted and did not come, if it is less than 0."""
        slot, kept = self._context.now_ms() // _SLOT, dict(self._slots())
        kept[slot] = kept.get(slot, 0) + size
        while kept[slot] < 0 and (before := [each for each in kept if each < slot]):
            kept[max(before)] += kept.pop(slot)
            slot = max(before)
        self._put("came", [each for each in sorted(kept.items()) if each[1] > 0])

    def enough(self, mails: int, size: int, readers: int) -> bool:
        """Return whether *mails* of *size* bytes together may go today, and be fetched by so many *readers*.

        Half of the ration is kept from what is not surely for them, as in `Meter.spare`.
        """
        (left, _), most = self.today()[0] or (None, None), self._limits.per_minute
        if (left is not None and mails > left) or (most and mails > max(1, int(most * self._share()))):
            return False
        to_come, day = self.to_come(), self._limits.bytes_per_day
        return to_come is None or day is None or readers * size <= to_come - day // 2

    @property
    def keys(self) -> tuple[str, ...]:
        """How the keys begin under which it is counted what went and came."""
        return tuple(f"{self._root}{name}" for name in ("sent/", "days", "spent", "came"))

    def came_today(self) -> int:
        """Return how many bytes of mails came in the last 24 hours."""
        return sum(size for _, size in self._slots())

    def _slots(self) -> list[tuple[int, int]]:
        """Return how many bytes came, by the number of the slot, counted from 1970; read anew each time."""
        now = self._context.now_ms() // _SLOT
        return [(slot, size) for slot, size in self._get("came") or [] if 0 <= now - slot <= _DAY // _SLOT]

    # -- sizes ------------------------------------------------------------------------------

    @property
    def mail_bytes_max(self) -> int:
        """The largest mail that is worth trying, in bytes."""
        most = min(self._limits.mail_bytes_max, self._limits.bytes_per_day or self._limits.mail_bytes_max)
        found = self._get("size")
        fresh = found is not None and 0 <= self._context.now_ms() - found["at"] < _LEARNT_MS
        return min(most, found["most"]) if found and fresh else most

    def too_large(self, size: int, *, most: int | None = None, doubtful: bool = False) -> bool:
        """Note that a mail of *size* bytes was too large; *most* if that was said. Return whether smaller ones go now.

        It is *doubtful* when it is no word of the server's.
        """
        floor = _DOUBTFUL_FLOOR_BYTES if doubtful else _FLOOR_BYTES
        learnt = max(floor, min(self.mail_bytes_max, size * 3 // 4 if most is None else most))
        smaller = learnt < self.mail_bytes_max and not (doubtful and size <= floor)
        if smaller:
            self._put("size", {"most": learnt, "at": self._context.now_ms()})
        return smaller

    # -- what went --------------------------------------------------------------------------

    def accepted(self, part: str, mail: Accepted) -> None:
        """Note that the provider took *mail*, and that the account and the recipient are well."""
        self._recent = [each for each in self._recent if mail.at - each[0] < _DAY] + [(mail.at, mail.bytes)]
        day = mail.at // _DAY
        changes: dict[str, bytes | None] = {self._key(day, part): _encode(asdict(mail))}
        if day not in self._days:
            self._days.append(day)
            changes[f"{self._root}days"] = _encode(self._days)
        for address in (_ACCOUNT, mail.to):
            if self._wait(address):
                changes[self._root + self._wait_key(address)] = None
        self._context.update(changes)

    def spent(self, size: int) -> None:
        """Note that *size* bytes were sent for nothing: they count all the same."""
        now = self._context.now_ms()
        self._recent.append((now, size))
        kept = [each for each in self._get("spent") or [] if 0 <= now - each[0] < _DAY]
        self._put("spent", [*kept, (now, size)][-_SPENT_MAX:])

    def lost(self, part: str) -> None:
        """Forget that *part* went: it is known to be lost."""
        self._context.update(dict.fromkeys(self._key(day, part) for day in self._days))

    def find(self, part: str) -> Accepted | None:
        """Return what went under the name *part* in the last days."""
        found = (self._context.get(self._key(day, part)) for day in self._days)
        return next((Accepted(**json.loads(each)) for each in found if each is not None), None)

    def _key(self, day: int, part: str) -> str:
        return f"{self._root}sent/{day}/{part}"

    def _forget(self) -> None:
        """Forget what went on days that are too long ago for reports, or of a clock that was far ahead."""
        today = self._context.now_ms() // _DAY
        old = [day for day in self._days if not -1 <= today - day <= _KEPT_DAYS]
        if old:
            gone = (key for day in old for key, _ in self._context.items(self._key(day, "")))
            self._days = [day for day in self._days if day not in old]
            self._context.update({**dict.fromkeys(gone), f"{self._root}days": _encode(self._days)})

    def _load(self) -> list[tuple[int, int]]:
        """Return when how many bytes went in the last day; however much went before need not be read."""
        now, recent = self._context.now_ms(), [(at, size) for at, size in self._get("spent") or []]
        for day in (day for day in self._days if now // _DAY - day <= 1):
            mails = (Accepted(**json.loads(value)) for _, value in self._context.items(self._key(day, "")))
            recent += ((mail.at, mail.bytes) for mail in mails)
        return recent

    # -- rows -------------------------------------------------------------------------------

    def _get(self, key: str) -> Any:
        found = self._context.get(self._root + key)
        return None if found is None else json.loads(found)

    def _put(self, key: str, value: Any) -> None:
        self._context.put(self._root + key, _encode(value))


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
