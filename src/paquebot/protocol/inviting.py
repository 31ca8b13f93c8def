"""Invitations: single use, with an end, and never shown to anybody who carries them.

The secret goes from person to person. The guest proves in a sealed envelope that it knows it, bound to both nodes, so
that neither a carrier nor whoever receives the proof can use it for another node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b, sha256
from hmac import compare_digest

from paquebot.errors import Misused
from paquebot.protocol.bundle import INVITE_BYTES
from paquebot.protocol.effects import Effects, SaveInvite, SaveVerified
from paquebot.protocol.encoding import Fingerprint, raw
from paquebot.protocol.limits import DAY_MS, NAME_MAX
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View
from paquebot.protocol.strangers import Invite, Join, Verified

SECRET_BYTES = 16
DAYS, DAYS_MAX = 7, 90
VERIFYING_MS = 14 * DAY_MS
"""An invitation open for longer than this still lets its guest in, but proves no more about who that is."""
INVITES_MAX = 256  # open at once


def name_of(secret: bytes) -> bytes:
    """Return what an invitation is called: 16 bytes that do not give its *secret* away."""
    return sha256(b"paquebot invitation " + secret).digest()[:INVITE_BYTES]


def proof(join: Join, guest: Fingerprint) -> bytes:
    """Return what *guest* shows to the host who gave it the invitation of *join*."""
    return name_of(join.secret) + _mac(join.secret, guest, join.peer)


def _mac(secret: bytes, guest: Fingerprint, host: Fingerprint) -> bytes:
    return blake2b(raw(guest) + raw(host), key=secret, digest_size=32, person=b"paquebot invited").digest()


def create(view: View, entropy: Callable[[int], bytes], now: Millis, *, days: int, label: str) -> Effects:
    """Give an invitation. Raise `Misused`."""
    if not 1 <= days <= DAYS_MAX:
        raise Misused(f"an invitation is good for 1 to {DAYS_MAX} days")
    if label and (len(label) > NAME_MAX or not label.isprintable()):
        raise Misused(f"a name has 1 to {NAME_MAX} printable characters")
    if sum(each.state(now) == "open" for each in view.invites()) >= INVITES_MAX:
        raise Misused(f"{INVITES_MAX} invitations are open; revoke some first")
    secret = entropy(SECRET_BYTES)
    expires = Millis(now + days * DAY_MS)
    yield SaveInvite(Invite(name=name_of(secret), secret=secret, created=now, expires=expires, label=label))


def shown(view: View, guest: Fingerprint, evidence: bytes, now: Millis) -> tuple[Invite | None, str]:
    """Return the invitation that *evidence* proves *guest* to hold; else why it does not count, if any was shown."""
    if not evidence:
        return None, ""
    name, mac = evidence[:INVITE_BYTES], evidence[INVITE_BYTES:]
    invite = next((each for each in view.invites() if each.name == name), None)
    if invite is None:
        return None, "it shows an invitation that this node did not give"
    if not compare_digest(mac, _mac(invite.secret, guest, view.local().node)):
        return None, "it does not know the secret of the invitation that it shows"
    state = invite.state(now)
    if state == "open" or (state == "used" and invite.guest == guest):
        return invite, ""
    return None, f"the invitation that it shows is {state}"


def use(invite: Invite, guest: Fingerprint, now: Millis) -> Effects:
    """Note that *guest* came by *invite*, and that it is thereby verified, unless the invitation was open for long."""
    if invite.used:
        return
    yield SaveInvite(replace(invite, used=now, guest=guest))
    if verifies(invite.created, invite.expires):
        yield SaveVerified(Verified(guest, now, "invitation"))


def verifies(created: Millis, expires: Millis) -> bool:
    """Return whether an invitation's short life makes it proof of who came by it."""
    return expires - created <= VERIFYING_MS
