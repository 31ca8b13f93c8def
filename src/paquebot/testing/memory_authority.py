"""Who may do what and what was taken back, in a store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from paquebot.protocol import authority
from paquebot.protocol.authority import Authority, Deed
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, raw
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import PROOFS, Resource, SignedObject
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Held
from paquebot.protocol.trust import Trust, trust_of
from paquebot.store.blobs import MemoryBlobs
from paquebot.testing.tables import Tables


class AuthorityView:
    """The part of the view that looks at trusts and revocations."""

    _tables: Tables
    _blobs: MemoryBlobs
    _authorities: dict[Fingerprint, tuple[int, int, Authority]]

    def line_id(self, journal_: Fingerprint, number: int) -> LineId | None:
        raise NotImplementedError

    def naming(self, resource: ResourceId) -> Sequence[tuple[Fingerprint, int]]:
        raise NotImplementedError

    def _read(self, name: ResourceId) -> Resource | None:
        raise NotImplementedError

    def trust(self, resource: ResourceId) -> Trust | None:
        found = self._read(resource)
        return trust_of(found) if found and found.container.keeps("trust") else None

    def authority(self, user: Fingerprint) -> Authority:
        proofs: tuple[ResourceId, ...] = self._tables.weighed.get(user, ())
        lines = len(self._tables.lines)
        if user in self._authorities:
            count, read, known = self._authorities[user]
            new = [Deed.of(each) for name in proofs[count:] if (each := self._read(name)) is not None]
            if (read == lines or not known.ended) and all(known.add(each) for each in new):
                self._authorities[user] = len(proofs), lines, known
                return known
        held = [Deed.of(each) for name in proofs if (each := self._read(name)) is not None]
        found = authority.weigh(user, held, partial(authority.placed, self))
        self._authorities[user] = len(proofs), lines, found
        return found

    def origin(self, resource: ResourceId) -> tuple[Fingerprint, str] | None:
        row = self._tables.rows.get(resource)
        return (row.kept.user, row.kept.kind) if row else None

    def stamped(self, resource: ResourceId) -> Millis:
        row = self._tables.rows.get(resource)
        return row.kept.stamp.at if row else Millis(0)

    def signed_by(self, user: Fingerprint, signer: Fingerprint) -> Sequence[ResourceId]:
        rows = self._tables.rows.values()
        return [row.kept.signed.id for row in rows if row.kept.user == user and row.kept.signed.signer == signer]

    def dated_after(self, signer: Fingerprint, moment: Millis) -> Sequence[ResourceId]:
        rows = [row for row in self._tables.rows.values() if row.kept.signed.signer == signer]
        found = [row for row in rows if row.kept.stamp.at > moment and not self.hidden(row.kept.signed.id)]
        return [row.kept.signed.id for row in sorted(found, key=lambda row: row.number)]

    def may_end(self, user: Fingerprint) -> Sequence[ResourceId]:
        rows = [row for row in self._tables.rows.values() if row.kept.user == user]
        found = [row for row in rows if row.kept.kind in ("ending", "revoke")]
        return [row.kept.signed.id for row in sorted(found, key=lambda row: row.number)]

    def hidden(self, resource: ResourceId) -> ResourceId | None:
        return self._tables.hidden.get(resource)

    def hidden_lines(self, first: int, last: int) -> Ranges:
        numbers = (self._tables.rows[name].number for name in self._tables.hidden)
        return Ranges.numbers(sorted(number for number in numbers if first <= number <= last))

    def urgent_lines(self, first: int, last: int) -> Ranges:
        urgent = (*PROOFS, "envelope_keys", "ending")
        rows = self._tables.rows.values()
        return Ranges.numbers(
            sorted(row.number for row in rows if first <= row.number <= last and row.kept.kind in urgent)
        )

    def set_aside(self, digest: bytes) -> bool:
        return digest in self._tables.quarantine

    def refused(self, code: str) -> Sequence[Held]:
        tables = self._tables
        found = ((name, item) for name, (item, why) in tables.items.items() if why == code)
        rows = (
            (tables.quarantine[name].sender, self._blobs.get(name))
            for name, _ in sorted(found, key=lambda x: raw(x[1]))
        )
        return [Held(SignedObject.parse(data), (), None, sender) for sender, data in rows if data and sender]
