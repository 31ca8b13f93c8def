"""How an account stands, as far as is known without asking anybody: its ration, its waits, its quota as last seen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from paquebot.transport import BROKEN, OK, WARNING, Check, Context, Price
from paquebot_mail.answers import Kind
from paquebot_mail.ledger import Ledger, Row, State
from paquebot_mail.pace import Pace, Wait
from paquebot_mail.settings import DAY_MS, HOUR_MS, MailSettings, count, size
from paquebot_mail.talk import Quota

__all__ = ["QuotaMemory", "filled", "standing"]

QUOTA_WARNING, QUOTA_BROKEN = 80, 95  # per cent
QUOTA_EVERY_MS = HOUR_MS


def standing(context: Context, settings: MailSettings, pace: Pace) -> list[Check]:
    """Return what is left of today's ration, who is left alone and until when, and a quota that is nearly used up."""
    address, found = settings.address, [_ration(pace)]
    if pace.to_come() is not None:
        found += _left(Ledger(context, address).rows(settings.folder))
    if price := settings.price:
        (mails, sent), came = pace.sent_today(), pace.came_today()
        said = Price(price.mail, price.megabyte, price.currency).said(mails, sent + came)
        found.append(
            Check(
                "cost",
                OK,
                f"{said} in the last 24 hours, for {count(mails, 'mail')} of {size(sent)}, and {size(came)} that came",
            )
        )
    if wait := pace.waiting():
        found.append(Check("sending", _state(wait), f"waits until {_moment(wait.until)}: {wait.why}"))
    prefix = f"smtp/{address}/wait/"
    for key, _ in context.items(prefix):
        to = key[len(prefix) :]
        if to and (held := pace.waiting(to)):
            found.append(Check(f"to {to}", _state(held), f"is left alone until {_moment(held.until)}: {held.why}"))
    quota = QuotaMemory(context, address)
    return found + [each for each in filled(quota.seen) if each.state != OK] + quota.refused()


def _state(wait: Wait) -> str:
    """Return whether a person should look: what it waits for may not pass by itself."""
    return WARNING if Kind(wait.kind) in (Kind.LOGIN, Kind.HELD, Kind.NOBODY, Kind.POLICY) else OK


def filled(quotas: Iterable[Quota]) -> list[Check]:
    """Return how full a mailbox is: from 95 % on it is as good as full.

    >>> filled([Quota("STORAGE", 800, 1000)])
    [Check(what='quota', state='warning', detail='80 % of 1000 (storage) is used')]
    """
    found = []
    for each in quotas:
        share = 100 * each.used // max(1, each.limit)
        state = BROKEN if share >= QUOTA_BROKEN else WARNING if share >= QUOTA_WARNING else OK
        found.append(Check("quota", state, f"{share} % of {each.limit} ({each.resource.lower()}) is used"))
    return found


def _ration(pace: Pace) -> Check:
    mails, day_bytes = pace.today()
    said = f"{f'{mails[0]} of {mails[1]} mails' if mails else 'as much as there is'} may go today"
    if day_bytes:
        said += f"; of {size(day_bytes[1])} both ways, {size(day_bytes[0])} are left, {size(pace.came_today())} came"
    return Check("ration", OK, said)


def _left(rows: Iterable[Row]) -> list[Check]:
    """Return what was seen in the mailbox and not fetched yet."""
    sizes = [row.size for row in rows if row.state is State.WANTED]
    said = f"{count(len(sizes), 'mail')} of {size(sum(sizes))}, left in the mailbox until there is more to spend"
    return [Check("to fetch", OK, said)] if sizes else []


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


class QuotaMemory:
    """How full the mailbox at *address* was when it was last asked."""

    def __init__(self, context: Context, address: str) -> None:
        self._context, self._key = context, f"imap/{address}/quota"

    @property
    def seen(self) -> list[Quota]:
        """What was seen; nothing if the server does not say."""
        return [Quota(*each) for each in self._read().get("seen", [])]

    def refused(self) -> list[Check]:
        """Return what the server said when it took nothing more; nothing if it does, or that was over a day ago."""
        why, at = self._read().get("refusal", ("", 0))
        fresh = why and abs(self._context.now_ms() - at) < DAY_MS
        return [Check("quota", BROKEN, f"the mailbox takes no more: {why}")] if fresh else []

    @property
    def due(self) -> bool:
        """Whether it is time to ask again."""
        return abs(self._context.now_ms() - int(self._read().get("at", 0))) >= QUOTA_EVERY_MS

    def saw(self, quotas: Iterable[Quota]) -> None:
        """Remember *quotas*."""
        seen = [(each.resource, each.used, each.limit) for each in quotas]
        self._write(at=self._context.now_ms(), seen=seen)

    def full(self, why: str) -> None:
        """Remember that the server took nothing more, and what it said."""
        self._write(refusal=(why, self._context.now_ms()))

    def roomy(self) -> None:
        """Remember that it took something."""
        if "refusal" in self._read():
            self._write(refusal=("", 0))

    def _write(self, **news: object) -> None:
        self._context.put(self._key, json.dumps(self._read() | news).encode())

    def _read(self) -> dict[str, Any]:
        found = self._context.get(self._key)
        return json.loads(found) if found else {}
