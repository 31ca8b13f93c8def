"""What is carried for others, in a store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from paquebot.protocol.burden import (
    Addressee,
    Appraise,
    Carrying,
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
from paquebot.protocol.stamp import Millis
from paquebot.store.blobs import MemoryBlobs

if TYPE_CHECKING:
    from paquebot.testing.tables import Tables


class BurdenView:
    """The part of a view that looks at what is carried for others."""

    _tables: Tables

    def _kept(self) -> list[Parcel]:
        return [each for each in self._tables.parcels.values() if each.kept]

    def parcel(self, name: bytes) -> Parcel | None:
        return self._tables.parcels.get(name)

    def parcels(self) -> Sequence[Parcel]:
        return sorted(self._kept(), key=lambda each: (each.worth, each.name))

    def burden(self, rank: Rank) -> tuple[int, int]:
        sizes = [each.size for each in self._kept() if each.rank is rank]
        return len(sizes), sum(sizes)

    def least(self, rank: Rank, limit: int) -> Sequence[Parcel]:
        return [each for each in reversed(self.parcels()) if each.rank is rank][:limit]

    def ended(self, now: Millis, limit: int) -> Sequence[bytes]:
        found = sorted((each.ends, each.name) for each in self._tables.parcels.values() if each.ends <= now)
        return [name for _, name in found[:limit]]

    def put_down(self) -> int:
        return len(self._tables.parcels) - len(self._kept())

    def oldest_put_down(self, limit: int) -> Sequence[bytes]:
        found = sorted((each.ends, each.name) for each in self._tables.parcels.values() if not each.kept)
        return [name for _, name in found[:limit]]

    def awaiting(self, hash_: bytes, limit: int) -> Sequence[bytes]:
        parcels = self._tables.parcels.values()
        waits = (p.name for p in parcels if any(a.hash == hash_ and not a.token for a in p.addressees))
        return sorted(waits)[:limit]

    def shown(self, hash_: bytes) -> bytes:
        found = self._tables.shown.get(hash_)
        waited = (a.token for p in self._tables.parcels.values() for a in p.addressees if a.hash == hash_ and a.token)
        return found.token if found else next(waited, b"")

    def shown_count(self) -> int:
        return len(self._tables.shown)

    def lies(self, name: bytes, medium: str) -> bool:
        return self._tables.berths.get((medium, name), -1) >= 0

    def berths(self, name: bytes) -> Sequence[str]:
        return sorted(medium for medium, lying in self._tables.berths if lying == name and self.lies(name, medium))

    def to_put(self, medium: str, size_max: int, copies_max: int, limit: int) -> Sequence[Parcel]:
        fitting = (each for each in self.parcels() if each.size <= size_max and not self.lies(each.name, medium))
        return [each for each in fitting if len(self.berths(each.name)) < copies_max][:limit]

    def put_on(self, medium: str) -> int:
        berths = self._tables.berths
        return sum(each.size for each in self._kept() if berths.get((medium, each.name)) == 1)

    def shown_for(self, medium: str, limit: int) -> Sequence[bytes]:
        parcels = sorted(self._tables.parcels.values(), key=lambda each: (-each.since, each.name))
        found = (a.token for p in parcels if (medium, p.name) in self._tables.berths for a in p.addressees if a.token)
        return list(found)[:limit]


def apply(t: Tables, blobs: MemoryBlobs, effect: Carrying) -> list[bytes]:
    """Carry out *effect*; return the blobs that may be needed no longer."""
    match effect:
        case TakeAlong(parcel, data):
            t.add(t.parcels, parcel.name, parcel)
            assert not parcel.kept or blobs.put(data) == parcel.blob
        case Appraise(parcel):
            known = t.parcels[parcel.name]
            t.put(t.parcels, parcel.name, replace(parcel, addressees=known.addressees, kept=known.kept))
        case NoteToken(name, hash_, token):
            known = t.parcels[name]
            shown = tuple(Addressee(a.tag, a.hash, token if a.hash == hash_ else a.token) for a in known.addressees)
            t.put(t.parcels, name, replace(known, addressees=shown))
        case TakeAgain(name, data):
            assert blobs.put(data) == t.parcels[name].blob
            t.put(t.parcels, name, replace(t.parcels[name], kept=True))
        case NoteShown(hash_, _, _):
            if hash_ not in t.shown:
                t.put(t.shown, hash_, effect)
        case DropShown(count):
            for _, hash_ in sorted((each.at, each.hash) for each in t.shown.values())[:count]:
                t.drop(t.shown, hash_)
        case PutDown(name):
            known = t.parcels[name]
            t.put(t.parcels, name, replace(known, kept=False))
            return [known.blob]
        case LetGo(name):
            for key in [key for key in t.berths if key[1] == name]:
                t.drop(t.berths, key)
            known = t.parcels[name]
            t.drop(t.parcels, name)
            return [known.blob]
        case Lies(name, medium, put):
            t.put(t.berths, (medium, name), max(int(put), t.berths.get((medium, name), -1)))
        case MayLie(name, medium):
            t.put(t.berths, (medium, name), t.berths.get((medium, name), -1))
        case LiesNot(name, medium):
            t.drop(t.berths, (medium, name))
        case _:
            raise AssertionError(effect)
    return []


def is_carried(t: Tables, blob: bytes) -> bool:
    """Return whether *blob* is a parcel that is kept."""
    return any(each.blob == blob and each.kept for each in t.parcels.values())
