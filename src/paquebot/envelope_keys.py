"""A node's envelope keys as time passes: new ones are made and announced, old ones are destroyed.

In this order, each step safe before the next: the new secrets, their announcement, the destruction of old secrets.
Keys are made, and dated, no later than a peer has signed; they are destroyed only by the word of two clocks, and while
a peer with whom we are in touch has not acknowledged what replaces them, 30 days later.
"""

from __future__ import annotations

from contextlib import suppress

from paquebot.errors import Refused, WrongKey
from paquebot.frozen import frozen
from paquebot.keychain import Keychain
from paquebot.protocol import recovery, witness
from paquebot.protocol.effects import Remember
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.engine import Engine
from paquebot.protocol.keys import Announcement, KeyClass
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View
from paquebot.protocol.trust import announcement_fields
from paquebot.store import Store
from paquebot.vault import rotation
from paquebot.vault.keystore import Secrets, signing_point
from paquebot.vault.locking import Entropy
from paquebot.vault.sealer import Sealer

UNACKNOWLEDGED_MS = 30 * DAY_MS
"""For how much longer old secrets are kept for peers who have not acknowledged newer keys."""
OVERDUE_MS = UNACKNOWLEDGED_MS + 7 * DAY_MS
"""How much later than its time a secret may be here without being worth a word."""

_NEXT = "keys/next destruction"
_PROVEN = "keys/fast sealer proven"


class EnvelopeKeys:
    """The envelope keys of one open home, read when they are first needed."""

    def __init__(self, store: Store, chain: Keychain, entropy: Entropy) -> None:
        self._store = store
        self._chain = chain
        self._entropy = entropy
        self._read: Secrets | None = None
        self._sealer: Sealer | None = None

    def secrets(self) -> Secrets:
        """Return the secrets. Raise `WrongKey`."""
        if self._read is None:
            self._read = self._checked(self._chain.envelope_keys())
        return self._read

    def _checked(self, secrets: Secrets) -> Secrets:
        announced = _announced(self._store.view)
        if announced is None or signing_point(secrets.signing) != announced.signing:
            raise WrongKey("the envelope keys in keys/envelope.json belong to another home")
        return secrets

    def sealer(self) -> Sealer:
        """Return what seals and opens by these keys. Raise `WrongKey`."""
        if self._sealer is None:
            from paquebot.vault import choosing

            proof, known = choosing.proof(), self._store.view.remembered(_PROVEN)
            self._sealer = choosing.sealer(self.secrets(), proven=bool(proof) and proof == known)
            if proof != known and choosing.doubt() is None:  # the test costs more than a sync of a few envelopes
                self._store.commit([Remember(_PROVEN, proof)])
        return self._sealer

    def turn(self, engine: Engine, link: Link, wall: Millis) -> None:
        """Issue, announce and destroy what is due when our clock shows *wall* and there is *link*.

        Raise `WrongKey` or `DiskFull`.
        """
        view, now = self._store.view, engine.now(wall)
        at = witness.latest(view, now)
        moment = max(at, view.stamp().credible(now).at)
        # What we announced while our clock was ahead would count for more than what we announce now.
        stale = view.stamped(view.announced(view.local().node) or ResourceId("")) > moment
        if at and not (stale or view.past().branch or recovery.holds_back(view, link, now)):
            with suppress(Refused):  # whose word counts no more has no keys to announce; the old ones go all the same
                engine.check_publishing(moment)  # before a secret is made, or each sync would leave more of them
                self._issue(engine, link, at, moment)
        certain = witness.certain(view, wall)
        self.destroy(certain if _acknowledged(view) else Millis(certain - UNACKNOWLEDGED_MS))

    def _issue(self, engine: Engine, link: Link, at: Millis, moment: Millis) -> None:
        announced = _announced(self._store.view)
        assert announced is not None, "our own announcement is in our journal"
        quick = link.latency_ms < rotation.FAST_LATENCY_MAX_MS
        more, fresh = rotation.issued(self.secrets(), announced, at, self._entropy, quick=quick)
        told = rotation.announce(more, announced, fresh, at)
        if told is not None:
            self._save(more)
            fields = announcement_fields(told)
            self._store.commit(engine.publish([Draft(schemas=("envelope_keys",), fields=fields)], moment))

    def destroy(self, certain: Millis) -> int:
        """Destroy what may be now that *certain* has passed; return how many.

        Raise `WrongKey` or `DiskFull`.
        """
        before = self.secrets()
        left = rotation.destroy(before, certain)
        self._save(left)
        due = rotation.destruction(left)
        value = b"%d" % due if due is not None else None
        if self._store.view.remembered(_NEXT) != value:  # where no passphrase is needed to read it
            self._store.commit([Remember(_NEXT, value)])
        return len(before.subkeys) - len(left.subkeys)

    def _save(self, secrets: Secrets) -> None:
        if secrets != self.secrets():
            self._chain.save_envelope_keys(secrets, self._entropy)
            self._read, self._sealer = secrets, None


def _announced(view: View) -> Announcement | None:
    return view.announcement(view.local().node)


def next_destruction(view: View) -> Millis | None:
    """Return when the next secret is to be destroyed, or was; None if that is not known."""
    found = view.remembered(_NEXT)
    return Millis(int(found)) if found else None


def overdue(view: View, now: Millis) -> Millis | None:
    """Return since when a secret should be destroyed, if that is longer than can be explained at *now*.

    Who was never sent anything has nothing to destroy.
    """
    due = next_destruction(view)
    return due if due is not None and now > due + OVERDUE_MS and witness.latest(view, now) else None


def _acknowledged(view: View) -> bool:
    """Whether every peer with whom we are in touch has our latest announcement."""
    me = view.local().node
    name = view.announced(me)
    line = next((number for who, number in view.naming(name) if who == me), 0) if name else 0
    touched = (each for each in view.peers() if each.seen_at and each.reads)
    return all(line in peer.acked | peer.known for peer in touched if not (peer.suspect or peer.revoked or peer.ended))


@frozen
class Ages:
    """What peers may seal to, of one class."""

    kind: KeyClass
    count: int
    """How many of its keys are live."""
    expires: Millis
    """When the last of them expires, or did."""


def ages(view: View, now: Millis) -> list[Ages]:
    """Return how old our announced keys are, by class."""
    announced, found = _announced(view), list[Ages]()
    for kind in KeyClass:
        keys = [key for key in announced.keys if key.kind is kind] if announced else []
        found += [Ages(kind, sum(key.expires > now for key in keys), max(key.expires for key in keys))] if keys else []
    return found
