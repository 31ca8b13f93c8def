"""That a mailbox did not let us in: whoever tries one wrong password at every visit gets the account locked."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import blake2b

from paquebot.transport import Context, TransportError
from paquebot_mail.answers import Kind, wait_ms

__all__ = ["Refusals"]

_SPREAD_MAX = 1.5
_TIMES_MAX = 2  # then once an hour: locks nothing, and is soon enough when it was the provider's own trouble


class Refusals:
    """What is remembered of refused logins to the mailbox of *address*. One who may not write remembers nothing."""

    def __init__(self, context: Context, address: str) -> None:
        self._context = context
        self._key = f"imap/{address}/refused"

    @property
    def any(self) -> bool:
        """Whether the last login was refused."""
        return self._context.get(self._key) is not None

    def wait_ms(self, secret: str) -> int:
        """Return for how long *secret* is not to be tried; 0 if it may be, as when it is another one than before."""
        kept, now = self._context.get(self._key), self._context.now_ms()
        if kept is None:
            return 0
        salt, mark, times, until = json.loads(kept)
        # A clock that went back must not make the wait longer than it was meant to be.
        good = mark == _mark(secret, salt) and until <= now + wait_ms(Kind.LOGIN, times, _SPREAD_MAX)
        return max(0, until - now) if good else 0

    def refused(self, secret: str) -> None:
        """Note that *secret* was refused once more."""
        kept = self._context.get(self._key)
        salt, mark, times, _ = json.loads(kept) if kept else (self._context.entropy(16).hex(), "", 0, 0)
        times = min(times + 1, _TIMES_MAX) if mark == _mark(secret, salt) else 1
        until = self._context.now_ms() + wait_ms(Kind.LOGIN, times)
        self._put(json.dumps([salt, _mark(secret, salt), times, until]).encode())

    def welcomed(self) -> None:
        """Note that we were let in."""
        if self.any:
            self._put(None)

    def _put(self, value: bytes | None) -> None:
        with suppress(TransportError):
            self._context.put(self._key, value)


def _mark(secret: str, salt: str) -> str:
    """Return four bytes that tell one secret from another, and by which nobody can find it."""
    return blake2b(secret.encode(), key=salt.encode(), digest_size=4).hexdigest()
