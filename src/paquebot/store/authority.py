"""Who may do what and what was taken back, in the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from paquebot.protocol import authority
from paquebot.protocol.authority import Authority, Deed
from paquebot.protocol.effects import Hide
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, b64, raw
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import Trust, trust_of
from paquebot.store.rows import Owner


class AuthorityView(Owner):
    """The part of the view that looks at trusts and revocations."""

    _authorities: dict[Fingerprint, Authority]
    _deeds: dict[ResourceId, Deed]
    """What was read before: a user may have thousands, and now and then all are weighed again."""

    def line_id(self, journal_: Fingerprint, number: int) -> LineId | None:
        """Return the name of a line of a journal."""
        raise NotImplementedError

    def naming(self, resource: ResourceId) -> Sequence[tuple[Fingerprint, int]]:
        """Return every line that names *resource*."""
        raise NotImplementedError

    def _read(self, name: ResourceId) -> Resource | None:
        raise NotImplementedError

    def weigh(self, user: Fingerprint, proof: ResourceId) -> None:
        """Let *proof*, a resource of *user* that is held now, count."""
        known = self._authorities.get(user)
        if known is not None and not known.add(self._deed(proof)):
            del self._authorities[user]

    def weigh_again(self, journal: Fingerprint) -> None:
        """Forget what depends on the lines of *journal*."""
        self._authorities = {user: each for user, each in self._authorities.items() if journal not in each.ended}

    def trust(self, resource: ResourceId) -> Trust | None:
        """Return the trust with that resource id, if it is held."""
        found = self._read(resource)
        return trust_of(found) if found and found.container.keeps("trust") else None

    def authority(self, user: Fingerprint) -> Authority:
        """Return what counts of the trusts and revocations of *user* that are held."""
        if user not in self._authorities:
            rows = self._all(
                "SELECT id FROM resource WHERE node = ? AND author = ? AND kind IN ('revoke', 'trust', 'identity')"
                " AND gone = '' ORDER BY number",
                self.party(user),
            )
            proofs = [self._deed(ResourceId(b64(row[0]))) for row in rows]
            self._authorities[user] = authority.weigh(user, proofs, partial(authority.placed, self))
        return self._authorities[user]

    def _deed(self, name: ResourceId) -> Deed:
        if name not in self._deeds:
            found = self._read(name)
            assert found is not None, "only what is held is read"
            self._deeds[name] = Deed.of(found)
        return self._deeds[name]

    def origin(self, resource: ResourceId) -> tuple[Fingerprint, str] | None:
        """Return for whom a held resource was published, and its kind."""
        row = self._one("SELECT author, kind FROM resource WHERE node = ? AND id = ?", raw(resource))
        return (self._name(row[0]), row[1]) if row else None

    def stamped(self, resource: ResourceId) -> Millis:
        """Return the moment of a held resource's stamp; 0 if it has none."""
        row = self._one("SELECT stamp_at FROM resource WHERE node = ? AND id = ?", raw(resource))
        return Millis(row[0]) if row else Millis(0)

    def signed_by(self, user: Fingerprint, signer: Fingerprint) -> Sequence[ResourceId]:
        """Return the held resources that *signer* published for *user*."""
        rows = self._all(
            "SELECT id FROM resource WHERE node = ? AND signer = ? AND author = ? ORDER BY number",
            self.party(signer),
            self.party(user),
        )
        return [ResourceId(b64(row[0])) for row in rows]

    def dated_after(self, signer: Fingerprint, moment: Millis) -> Sequence[ResourceId]:
        """Return what is held, counts, and was dated after *moment* by *signer*, in the order it came."""
        rows = self._all(
            "SELECT id FROM resource WHERE node = ? AND signer = ? AND stamp_at > ? AND NOT EXISTS"
            " (SELECT 1 FROM hidden WHERE hidden.node = resource.node AND hidden.resource = resource.id)"
            " ORDER BY number",
            self.party(signer),
            moment,
        )
        return [ResourceId(b64(row[0])) for row in rows]

    def may_end(self, user: Fingerprint) -> Sequence[ResourceId]:
        """Return what is held of *user* that can end a node, endings and revocations, in the order it came."""
        rows = self._all(
            "SELECT id FROM resource WHERE node = ? AND author = ? AND kind IN ('ending', 'revoke') ORDER BY number",
            self.party(user),
        )
        return [ResourceId(b64(row[0])) for row in rows]

    def hidden(self, resource: ResourceId) -> ResourceId | None:
        """Return the revocation because of which a held resource does not count."""
        row = self._one("SELECT cause FROM hidden WHERE node = ? AND resource = ?", raw(resource))
        return ResourceId(b64(row[0])) if row else None

    def set_aside(self, digest: bytes) -> bool:
        """Return whether bytes with that SHA-256 were set aside."""
        return self._one("SELECT 1 FROM quarantine WHERE node = ? AND digest = ?", digest) is not None

    def hidden_lines(self, first: int, last: int) -> Ranges:
        """Return those of our lines from *first* to *last* whose resources do not count."""
        return Ranges.numbers(
            row[0]
            for row in self._all(
                "SELECT number FROM hidden JOIN resource ON resource.node = hidden.node AND id = hidden.resource"
                " WHERE hidden.node = ? AND number BETWEEN ? AND ? ORDER BY number",
                first,
                last,
            )
        )

    def urgent_lines(self, first: int, last: int) -> Ranges:
        """Return those of our lines from *first* to *last* that decide about other resources."""
        rows = self._all(
            "SELECT number FROM resource WHERE node = ? AND number BETWEEN ? AND ? AND kind IN"
            " ('revoke', 'trust', 'identity', 'envelope_keys', 'ending') ORDER BY number",
            first,
            last,
        )
        return Ranges.numbers(row[0] for row in rows)


def hide(db: sqlite3.Connection, view: AuthorityView, effect: Hide) -> None:
    """Let a held resource not count any more, or count again."""
    key = (view.node, raw(effect.resource))
    db.execute("DELETE FROM hidden WHERE node = ? AND resource = ?", key)
    if effect.by is not None:
        values = (view.user, *key, raw(effect.by))
        db.execute("INSERT INTO hidden (user, node, resource, cause) VALUES (?, ?, ?, ?)", values)
