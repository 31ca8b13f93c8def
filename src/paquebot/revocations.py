"""Who took a thing back, and when, as the person at a node is told."""

from __future__ import annotations

from dataclasses import dataclass

from paquebot import history
from paquebot.protocol.encoding import Fingerprint, short
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis
from paquebot.protocol.trust import revocation_of
from paquebot.store.view import Listed, SqliteView


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The revocation because of which a thing does not count."""

    listed: Listed
    """The revocation itself."""
    user: Fingerprint
    """In whose name."""
    signer: Fingerprint
    """The user's own key, or one of the user's nodes."""
    by: str
    """The same in words."""
    at: Millis
    """When, by the clock of whoever did it; 0 if that is not said."""
    node: Fingerprint | None
    """The node that published the thing, if it was not the thing that was taken back, but the trust in that node."""


def taken_back(view: SqliteView, listed: Listed) -> TakenBack | None:
    """Return who took *listed* back; None if nobody did, or how is not known here any more."""
    found = view.listing(listed.revoked_by) if listed.revoked_by else None
    signed = view.resource(found.id) if found else None
    if found is None or signed is None:
        return None
    resource = Resource.read(signed, view.schema)
    thing = view.resource(listed.id)
    whole = revocation_of(resource).target == listed.id
    return TakenBack(
        listed=found,
        user=resource.user,
        signer=signed.signer,
        by=_who(view, resource.user, signed.signer),
        at=found.stamp.at,
        node=None if whole or thing is None else thing.signer,
    )


def _who(view: SqliteView, user: Fingerprint, signer: Fingerprint) -> str:
    name = history.called(view, user)
    return f"{name}, with the user key" if signer == user else f"{name}, from node {short(signer)}"
