"""The ledger: what became of each parcel, kept in the house's state so that a program need not remember anything.

A program names each thing that lies on its medium by a key. Here stands which of them are settled, which are ours,
and what the program has not yet been told of it. What it lists no more is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from paquebot.transport import Acknowledgement, Context, Verdict, token_hash

OWN_MAX = 10_000
"""Values that one program may keep in its state."""
STALE_MAX = 100
"""Entries that nobody needs, and that are kept until there are so many: a visit to nothing new writes nothing."""


def digest(text: str) -> str:
    """Return a short name for *text* that holds nothing special."""
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


@dataclass(frozen=True, slots=True)
class Settled:
    """What the house has said of an arrival."""

    verdict: Verdict
    token: bytes = b""
    told: bool = False
    """The program has been told, and has done what is to be done."""
    epoch: str = ""
    """In which epoch it was not ours."""

    def pack(self) -> bytes:
        """Return it as one line."""
        return ",".join((self.verdict.name, self.token.hex(), "told" if self.told else "", self.epoch)).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Settled:
        """Return what `pack` has written."""
        verdict, shown, told, epoch = data.decode().split(",", 3)
        return cls(Verdict[verdict], bytes.fromhex(shown), bool(told), epoch)


_DAMAGED = Settled(Verdict.NOT_OURS, epoch="damaged")
"""No epoch is called so: what is damaged may be whole the next time."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Something of ours on the medium."""

    id: bytes
    expires_ms: int
    waiting: tuple[bytes, ...]
    """Hashes of the tokens that were not shown yet."""
    told: bool = False
    """The program knows that nobody needs it any more."""

    def pack(self) -> bytes:
        """Return it as one line."""
        fields = (self.id.hex(), str(self.expires_ms), "told" if self.told else "", *map(bytes.hex, self.waiting))
        return ",".join(fields).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Sent:
        """Return what `pack` has written."""
        name, expires, told, *waiting = data.decode().split(",")
        return cls(bytes.fromhex(name), int(expires), tuple(map(bytes.fromhex, waiting)), bool(told))


class Own:
    """What a program keeps for itself: texts under keys, for each carrier apart."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._place = f"{digest(context.name)}/own/"
        self._count = sum(1 for _ in context.items(self._place))

    def get(self, key: str) -> str | None:
        """Return a value."""
        found = self._context.get(self._place + key)
        return None if found is None else found.decode()

    def items(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield what is below *prefix*, in order of keys."""
        for key, value in self._context.items(self._place + prefix):
            yield key.removeprefix(self._place), value.decode()

    def put(self, key: str, value: str | None) -> bool:
        """Set, or with None remove, a value; return whether there was room for it."""
        was = self._context.get(self._place + key) is not None
        if value is not None and not was and self._count >= OWN_MAX:
            return False
        self._count += (value is not None) - was
        self._context.put(self._place + key, None if value is None else value.encode())
        return True


class Ledger:
    """What is known of one medium of one carrier."""

    def __init__(self, context: Context, medium: str) -> None:
        self._context = context
        place = f"{digest(context.name)}/{digest(medium)}"
        self._seen, self._sent = f"{place}/seen/", f"{place}/sent/"
        self.settled = {key: Settled.unpack(value) for key, value in self._below(self._seen)}
        self.sent = {key: Sent.unpack(value) for key, value in self._below(self._sent)}

    def _below(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        return ((key.removeprefix(prefix), value) for key, value in self._context.items(prefix))

    # -- what arrives ----------------------------------------------------------

    def wants(self, key: str) -> bool:
        """Return whether what lies under *key* is to be taken in now."""
        settled = self.settled.get(key)
        put_off = settled is not None and settled.verdict is Verdict.NOT_OURS and settled.epoch != self._context.epoch
        return key not in self.sent and (settled is None or put_off)

    def settle(self, acknowledgements: Iterable[Acknowledgement]) -> list[str]:
        """Remember what became of arrivals, all of it at once; return the keys of which the program is to hear."""
        news: dict[str, Settled] = {}
        for each in acknowledgements:
            before = news.get(each.key) or self.settled.get(each.key)
            if before and before.verdict is not Verdict.NOT_OURS and (before.token or not each.token):
                continue
            if each.verdict is Verdict.NOT_OURS:
                news[each.key] = Settled(each.verdict, epoch=self._context.epoch)
            else:
                news[each.key] = Settled(each.verdict, each.token or b"")
        self._write(self._seen, {key: value.pack() for key, value in news.items()})
        self.settled |= news
        return [key for key, value in news.items() if value.verdict is not Verdict.NOT_OURS]

    def untold(self, listed: Collection[str]) -> list[str]:
        """Return the keys of *listed* that are settled without the program's knowing it."""
        found = self.settled.items()
        return [k for k, v in found if not v.told and v.verdict is not Verdict.NOT_OURS and k in listed]

    def told(self, keys: Iterable[str]) -> None:
        """Remember that the program has heard what became of *keys*."""
        news = {key: replace(self.settled[key], told=True) for key in keys}
        self._write(self._seen, {key: value.pack() for key, value in news.items()})
        self.settled |= news

    def damaged(self, key: str) -> bool:
        """Remember that what lies under *key* is damaged; return whether that is news. It is looked at again."""
        known = self.settled.get(key) == _DAMAGED
        self.settled[key] = _DAMAGED
        self._write(self._seen, {key: _DAMAGED.pack()})
        return not known

    # -- what was sent ---------------------------------------------------------

    def handed(self, key: str, sent: Sent) -> None:
        """Remember that something of ours lies under *key*."""
        self.sent[key] = sent
        self._write(self._sent, {key: sent.pack()})

    def shown(self, token: bytes) -> None:
        """Strike out whoever has shown *token*."""
        hashed = token_hash(token)
        for key, sent in self.sent.items():
            if hashed in sent.waiting:
                self.handed(key, replace(sent, waiting=tuple(each for each in sent.waiting if each != hashed)))
                return

    def needless(self) -> list[str]:
        """Return the keys of what nobody needs any more, without the program's knowing it."""
        now = self._context.now_ms()
        return [key for key, sent in self.sent.items() if not sent.told and (not sent.waiting or sent.expires_ms < now)]

    def let_go(self, key: str) -> None:
        """Remember that the program knows that nobody needs *key* any more, and leaves it where it is."""
        self.handed(key, replace(self.sent[key], told=True))

    def lost(self, key: str) -> bytes | None:
        """Forget something of ours that is no more, or that nobody needs; return its id if we know of it."""
        sent = self.sent.pop(key, None)
        if sent is not None:
            self._write(self._sent, {key: None})
        return sent.id if sent else None

    def missing(self, listed: Collection[str]) -> list[str]:
        """Return the keys of what somebody needs and is not listed any more."""
        return [key for key, sent in self.sent.items() if key not in listed and sent.waiting and not sent.told]

    def forget(self, listed: Collection[str]) -> None:
        """Forget what is settled and not on the medium any more, given all that is there; not for every single one."""
        seen = [key for key in self.settled if key not in listed]
        sent = [key for key, each in self.sent.items() if each.told and key not in listed]
        if len(seen) + len(sent) < STALE_MAX:
            return
        self._write(self._seen, dict.fromkeys(seen))
        self._write(self._sent, dict.fromkeys(sent))
        for key in seen:
            del self.settled[key]
        for key in sent:
            del self.sent[key]

    def _write(self, prefix: str, values: Mapping[str, bytes | None]) -> None:
        if values:
            self._context.update({prefix + key: value for key, value in values.items()})
