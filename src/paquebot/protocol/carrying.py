"""Carrying for others: what is taken along, what makes room for what, what goes where, and when it is let go.

A node that carries knows of a parcel what its outside says and nothing else: no sender, no recipient, no content.
Within its terms it takes along whatever it cannot open itself, puts it on every other medium that it meets, and brings
back the tokens by which recipients say that they have it. Nobody has to be trusted for that: a token proves itself, a
parcel that was changed is another parcel, and what is carried in vain costs a bounded space for a bounded time.

Space is given by rank, then priority, then how long it is still of use. Nothing of a higher rank ever makes room for a
lower one. Clocks of senders may be years off: a date that cannot be believed by ours is not gone by, but the time since
the parcel was first seen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from paquebot.frozen import frozen
from paquebot.protocol.burden import (
    Addressee,
    Appraise,
    DropShown,
    LetGo,
    Lies,
    LiesNot,
    MayLie,
    NoteShown,
    NoteToken,
    Parcel,
    PutDown,
    Rank,
    TakeAgain,
    TakeAlong,
)
from paquebot.protocol.effects import Effects, Remember
from paquebot.protocol.limits import (
    AHEAD_MAX_MS,
    CARRIED_KNOWN_MAX,
    CARRIED_MAX,
    COPIES_MAX,
    DAY_MS,
    ENVELOPE_BYTES_MAX,
    ENVELOPE_LIFE_MS,
    LOTS_MAX,
    MIB,
    RECIPIENTS_MAX,
    SPARE_SHARE,
    STALE_MS,
    TOKENS_MAX,
)
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View

TURNED_AWAY = "parcels turned away"
"""Under this key are remembered the ranks of which something found no room."""
TERMS = "terms of carrying"
"""Under this key are remembered the terms by which parcels were turned away."""
EPOCH = "room for parcels"
"""Under this key is counted how often there was room again: what was turned away is looked at anew."""
ROOMY = 0.75  # of its quota, at which a rank has room again: not for each parcel that goes is everything looked at anew
LOTS = "lots of contacts"
"""Under this key are remembered the lots in which a contact's new letter to us lay."""
FEW = 16
TIDY_MAX = 1_024  # let go in one transaction
AWAITING_MAX = 64  # parcels that wait for one token: an honest one is alone, or was repeated in another form
OFFER_MAX = 256  # handed over at once
SHOWN_MAX = 16_384  # tokens shown on one medium in one visit


@frozen(kw_only=True)
class Terms:
    """What a home carries for others: the ``[carry]`` table."""

    contacts: int = 1024 * MIB
    """Bytes kept of what contacts handed us; 0 for none."""
    strangers: int = 64 * MIB
    hops: int = 6
    """What was carried on so often is not taken along."""
    days: int = 60
    """For how long a parcel is carried at most."""

    def encode(self) -> bytes:
        """Return bytes that are the same for the same terms."""
        return f"{self.contacts} {self.strangers} {self.hops} {self.days}".encode()

    def quota(self, rank: Rank) -> int:
        """Return how many bytes may be kept of *rank*."""
        return self.contacts if rank is Rank.CONTACTS else self.strangers


@frozen(kw_only=True)
class Found:
    """A parcel as it was found on a medium."""

    name: bytes
    blob: bytes
    data: bytes
    medium: str
    rank: Rank
    priority: int
    hops: int
    expires: Millis
    addressees: tuple[Addressee, ...]


def believable(expires: Millis, seen: Millis) -> bool:
    """Return whether the clock by which *expires* was reckoned may have agreed with ours, when it was *seen*.

    >>> now = Millis(30 * 365 * DAY_MS)
    >>> [believable(Millis(now + days * DAY_MS), now) for days in (-4000, -3, 120, 4000)]
    [False, True, True, False]
    """
    return seen - STALE_MS < expires <= seen + ENVELOPE_LIFE_MS + AHEAD_MAX_MS


def take(view: View, found: Found, terms: Terms, now: Millis, spare: int | None, *, doubtful: bool) -> Effects:
    """Take *found* along if it is worth its space; *spare* is how much room the disk has, if that is known.

    With *doubtful*, our own clock is wrong, and nothing has expired. What is known already costs nothing again.
    """
    known = view.parcel(found.name)
    if known is None:
        parcel = _parcel(view, found, terms, now)
        if not _acceptable(parcel, terms, now, doubtful=doubtful):
            return
        if not parcel.arrived:
            gone = room_for(view, parcel, terms, spare)
            if gone is None:
                yield from _no_room(view, parcel, terms)
                return
            yield from _displace(view, gone)
        yield TakeAlong(parcel, found.data if parcel.kept else b"")
    elif not known.arrived:
        yield from _met_again(view, known, found, terms, spare)
    if not view.lies(found.name, found.medium):
        yield Lies(found.name, found.medium)


def _met_again(view: View, known: Parcel, found: Found, terms: Terms, spare: int | None) -> Effects:
    """A parcel that waits may turn out to be worth more; and if it had to make room, there may be room by now.

    Anybody can write it under a worse outside than its sender did, so the best that was met counts.
    """
    better = _better(known, found, terms)
    if better != known:
        yield Appraise(better)
    if not known.kept:
        gone = room_for(view, better, terms, spare)
        if gone is None:
            yield from _turned_away(view, {better.rank})
        else:
            yield from _displace(view, gone)
            yield TakeAgain(known.name, found.data)


def _better(known: Parcel, found: Found, terms: Terms) -> Parcel:
    ends = _ends(found.expires, known.since, terms)
    return replace(
        known,
        rank=min(found.rank, known.rank),
        priority=min(found.priority, known.priority),
        hops=min(found.hops, known.hops),
        expires=found.expires if ends > known.ends else known.expires,
        ends=max(ends, known.ends),
    )


def _no_room(view: View, parcel: Parcel, terms: Terms) -> Effects:
    if parcel.size <= terms.quota(parcel.rank) or not terms.quota(parcel.rank):
        yield from _turned_away(view, {parcel.rank})


def _displace(view: View, parcels: Sequence[Parcel]) -> Effects:
    """Let go of *parcels* for want of room."""
    for parcel in parcels:
        yield PutDown(parcel.name)
    yield from _turned_away(view, {parcel.rank for parcel in parcels})


def _turned_away(view: View, ranks: Set[Rank]) -> Effects:
    """Remember that there was no room for something of *ranks*: there may be some another time."""
    away = set(view.remembered(TURNED_AWAY) or b"")
    if not ranks <= away:
        yield Remember(TURNED_AWAY, bytes(sorted(away | ranks)))


def _room_again(view: View, terms: Terms, spare: int | None) -> Effects:
    """See to it that what was turned away is looked at anew, once there is room for it, or on other terms."""
    away, before = view.remembered(TURNED_AWAY) or b"", view.remembered(TERMS)
    still = bytes(rank for rank in away if _crowded(view, Rank(rank), terms, spare))
    if before != terms.encode():
        yield Remember(TERMS, terms.encode())
    if still != away:
        yield Remember(TURNED_AWAY, still or None)
    if still != away or before not in (None, terms.encode()):
        yield from anew(view)


def spoilt(view: View, parcels: Sequence[bytes]) -> Effects:
    """The bytes of *parcels* are damaged: they are taken along again where they are met."""
    for name in parcels:
        yield PutDown(name)
    if parcels:
        yield from anew(view)


def anew(view: View) -> Effects:
    """See to it that all that was left where it lay is looked at anew."""
    yield Remember(EPOCH, (int.from_bytes(view.remembered(EPOCH) or b"") + 1).to_bytes(8))


def _crowded(view: View, rank: Rank, terms: Terms, spare: int | None) -> bool:
    count, kept = view.burden(rank)
    short = spare is not None and spare < ENVELOPE_BYTES_MAX
    return short or count >= ROOMY * CARRIED_MAX or kept >= ROOMY * terms.quota(rank)


def _parcel(view: View, found: Found, terms: Terms, now: Millis) -> Parcel:
    """Return what is to be known of *found*. If all have it already, that is to be told here, and no more."""
    addressees = tuple(replace(each, token=view.shown(each.hash)) for each in found.addressees)
    return Parcel(
        name=found.name,
        blob=found.blob,
        size=len(found.data),
        rank=found.rank,
        priority=found.priority,
        hops=found.hops,
        expires=found.expires,
        since=now,
        ends=_ends(found.expires, now, terms),
        addressees=addressees,
        kept=not all(each.token for each in addressees),
    )


def _ends(expires: Millis, since: Millis, terms: Terms) -> Millis:
    last = Millis(since + terms.days * DAY_MS)
    return min(expires, last) if believable(expires, since) else last


def _acceptable(parcel: Parcel, terms: Terms, now: Millis, *, doubtful: bool) -> bool:
    if parcel.hops >= terms.hops or not 1 <= len(parcel.addressees) <= RECIPIENTS_MAX:
        return False
    return parcel.size > 0 and (doubtful or parcel.ends > now)


def room_for(view: View, parcel: Parcel, terms: Terms, spare: int | None) -> Sequence[Parcel] | None:
    """Return which parcels make room for *parcel*; None if it is not worth it.

    Of its own rank, those of less worth; if the disk is short, those of lower ranks first.
    """
    count, kept = view.burden(parcel.rank)
    lacking = kept + parcel.size - terms.quota(parcel.rank)
    short = 0 if spare is None else parcel.size - spare
    gone: list[Parcel] = []
    if parcel.size > terms.quota(parcel.rank):
        return None
    for rank in sorted((each for each in Rank if each > parcel.rank), reverse=True):
        for each in _least(view, rank):
            if short <= 0:
                break
            gone.append(each)
            short -= each.size
    crowded = count - CARRIED_MAX + 1
    if max(lacking, short, crowded) > 0:
        for each in _least(view, parcel.rank):
            if max(lacking, short, crowded) <= 0 or each.worth <= parcel.worth:
                break
            gone.append(each)
            lacking, short, crowded = lacking - each.size, short - each.size, crowded - 1
    return None if max(lacking, short, crowded) > 0 else gone


def _least(view: View, rank: Rank) -> Iterator[Parcel]:
    """Yield what makes room first; hardly ever is more than a few looked at."""
    yield from view.least(rank, FEW)
    yield from view.least(rank, CARRIED_MAX)[FEW:]


def spare(free: int, kept: int) -> int:
    """Return how many bytes more may be taken of *free* ones if *kept* are taken already: a share is left alone.

    >>> spare(100, 0), spare(20, 80), spare(10, 90)
    (80, 0, -10)
    """
    return int((free + kept) * SPARE_SHARE) - kept


def tidy(view: View, terms: Terms, now: Millis, spare: int | None, *, doubtful: bool) -> Effects:
    """Let go of what has ended, and of what is more than *terms* or the disk allow; a bounded part of it each time."""
    if not doubtful:
        for name in view.ended(now, TIDY_MAX):
            yield LetGo(name)
    short = 0 if spare is None else -spare
    for rank in sorted(Rank, reverse=True):
        _, kept = view.burden(rank)
        over = kept - terms.quota(rank)
        if max(over, short) <= 0:
            continue
        gone = []
        for each in view.least(rank, TIDY_MAX):
            if max(over, short) <= 0:
                break
            gone.append(each)
            over, short = over - each.size, short - each.size
        yield from _displace(view, gone)
    excess = view.put_down() - CARRIED_KNOWN_MAX
    if excess > 0:
        for name in view.oldest_put_down(min(excess, TIDY_MAX)):
            yield LetGo(name)
    if (excess := view.shown_count() - TOKENS_MAX) > 0:
        yield DropShown(excess)
    yield from _room_again(view, terms, spare)


def unawaited(tokens: Mapping[bytes, bytes], now: Millis) -> Effects:
    """Remember *tokens*, by their hashes, for which nothing waits yet."""
    for hash_, token in tokens.items():
        yield NoteShown(hash_, token, now)


def token(view: View, token: bytes, hash_: bytes) -> Effects:
    """Somebody has shown *token*, whose hash is *hash_*: an addressee has what waits for it."""
    for name in view.awaiting(hash_, AWAITING_MAX):
        parcel = view.parcel(name)
        assert parcel is not None, "what waits is known"
        yield NoteToken(name, hash_, token)
        if parcel.kept and all(each.token or each.hash == hash_ for each in parcel.addressees):
            yield PutDown(name)


def to_put(view: View, medium: str, size_max: int, room: int | None) -> Sequence[Parcel]:
    """Return what is to be put on *medium* next, of most worth first, as far as there is *room*."""
    left = None if room is None else spare(room, view.put_on(medium))
    chosen: list[Parcel] = []
    for parcel in view.to_put(medium, size_max, COPIES_MAX, OFFER_MAX):
        if left is not None:
            left -= parcel.size
            if left < 0:
                break
        chosen.append(parcel)
    return chosen


def shown_expiry(parcel: Parcel) -> Millis:
    """Return until when others are told to keep *parcel*: what it says itself, unless that cannot be believed."""
    return parcel.expires if believable(parcel.expires, parcel.since) else parcel.ends


def putting(parcels: Sequence[Parcel], medium: str) -> Effects:
    """*parcels* are about to be put on *medium*. If the power goes meanwhile, they may lie there."""
    for parcel in parcels:
        yield MayLie(parcel.name, medium)


def put(parcel: bytes, medium: str) -> Effects:
    """A parcel lies on *medium* now."""
    yield Lies(parcel, medium, put=True)


def lost(parcel: bytes, medium: str) -> Effects:
    """A parcel is on *medium* no more."""
    yield LiesNot(parcel, medium)


# -- lots ------------------------------------------------------------------------------


def lots(data: bytes | None) -> tuple[bytes, ...]:
    """Return the lots, by their 16-byte names, that `vouch` remembered; the latest last.

    >>> lots(b"first lot 16 byt" + b"second lot 16 by")
    (b'first lot 16 byt', b'second lot 16 by')
    """
    return tuple((data or b"")[i : i + 16] for i in range(0, len(data or b""), 16))


def vouch(known: Sequence[bytes], lot: bytes) -> Effects:
    """A contact's new letter to us lay in *lot*: what else lies in it, that contact has handed us."""
    yield Remember(LOTS, b"".join([*known, lot][-LOTS_MAX:]))
