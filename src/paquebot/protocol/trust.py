"""Who may do what: trusts that users give, and what identities say of themselves."""

from __future__ import annotations

from typing import Any

from paquebot.errors import BadSignature, Expired, Malformed, NotPermitted
from paquebot.frozen import frozen
from paquebot.protocol import points
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, b64, unb64
from paquebot.protocol.identity import PublicKey, public_key
from paquebot.protocol.keys import Announcement, EncryptionKey, KeyClass
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis, Stamp, format_time, parse_time

PUBLISH = "publish_resource"
READ = "read_resource"
READ_ENCRYPTED = "read_encrypted"
CREATE_TRUST = "create_trust"
REVOKE = "revoke"

OWN_NODE = (READ_ENCRYPTED, READ, PUBLISH, CREATE_TRUST, REVOKE)
"""What a user gives to a node of their own."""


@frozen
class Identity:
    """A user's or node's identity, as its own signature proves it."""

    fingerprint: Fingerprint
    kind: str
    """``user`` or ``node``."""
    key: PublicKey
    expires: Millis

    def check_time(self, at: Millis) -> None:
        """Raise `Expired` if the identity was no longer valid at *at*."""
        if at >= self.expires:
            raise Expired(f"the {self.kind} identity {self.fingerprint[:12]}… expired on {format_time(self.expires)}")


@frozen
class Trust:
    """What *user* allows *trustee* to do on the user's behalf or with the user's resources."""

    id: ResourceId
    user: Fingerprint
    trustee: Fingerprint
    rights: tuple[str, ...]
    expires: Millis | None
    signer: Fingerprint
    authority: ResourceId | None = None
    """The trust by which the signer gives it; None if the user does."""
    stamp: Stamp = Stamp(Millis(0))

    def check(self, right: str, user: Fingerprint, trustee: Fingerprint, at: Millis) -> None:
        """Raise `NotPermitted` or `Expired` unless this gives *trustee* *right* for *user* at *at*."""
        if self.user != user or self.trustee != trustee:
            raise NotPermitted("a trust is about somebody else")
        if right not in self.rights:
            raise NotPermitted(f"the signer's trust does not give {right}")
        if self.expires is not None and at >= self.expires:
            raise Expired("the signer's trust has expired")


@frozen
class Ending:
    """Where a node's journal ends: what it says beyond line *number*, named *line*, does not count."""

    node: Fingerprint
    line: LineId
    number: int
    successor: Fingerprint | None = None
    """The node that continues the journal."""

    def fields(self) -> dict[str, Any]:
        """Return the ``ending`` object."""
        value: dict[str, Any] = {"node": self.node, "line": self.line, "number": self.number}
        return {"ending": {**value, "successor": self.successor} if self.successor else value}


@frozen
class Revocation:
    """A resource of *user* that takes another one back (SDMP, revoke)."""

    id: ResourceId
    user: Fingerprint
    target: ResourceId
    signer: Fingerprint
    authority: ResourceId | None
    """The trust by which the signing node publishes; None if the user signed."""
    authorization: ResourceId | None
    """The trust that gives the signer `revoke`; needed if the signer did not publish the target."""
    stamp: Stamp
    ending: Ending | None = None
    """Of a node's trust: how much of its journal still counts. Without it the stamps decide."""


def identity_fields(kind: str, key: PublicKey, expires: Millis) -> dict[str, Any]:
    """Return the ``identity`` object of *key*."""
    return {
        "identity": {"type": kind, "expires": format_time(expires), "key": key.body, "fingerprint": key.fingerprint}
    }


def identity_of(resource: Resource) -> Identity:
    """Return the identity in *resource*. Raise `Malformed`, `NotPermitted` for weak keys, `BadSignature`.

    An identity is always signed by its own key.
    """
    value = resource.container.value["identity"]
    key = public_key(value["key"])
    if value.get("fingerprint", key.fingerprint) != key.fingerprint:
        raise BadSignature("an identity's fingerprint is not that of its key")
    if resource.signed.signer != key.fingerprint:
        raise BadSignature("an identity is not signed by its own key")
    resource.signed.verify(key)
    return Identity(key.fingerprint, value["type"], key, parse_time(value["expires"]))


def trust_of(resource: Resource) -> Trust:
    """Return the trust in *resource*. Raise `Malformed`."""
    value = resource.container.value["trust"]
    expires = parse_time(value["expires"]) if "expires" in value else None
    rights = tuple(value["authorization"])
    signer, stamp = resource.signed.signer, resource.about.stamp if resource.about else Stamp(Millis(0))
    return Trust(resource.id, resource.user, value["trustee"], rights, expires, signer, resource.trust, stamp)


def ending_of(resource: Resource) -> Ending | None:
    """Return the ending in *resource*, if there is one."""
    if not resource.container.keeps(URIS["ending"]):
        return None
    value = resource.container.value["ending"]
    return Ending(value["node"], value["line"], value["number"], value.get("successor"))


def revocation_of(resource: Resource) -> Revocation:
    """Return the revocation in *resource*."""
    value = resource.container.value["revoke"]
    return Revocation(
        id=resource.id,
        user=resource.user,
        target=value["resource"],
        signer=resource.signed.signer,
        authority=resource.trust,
        authorization=value.get("authorization"),
        stamp=resource.about.stamp if resource.about else Stamp(Millis(0)),
        ending=ending_of(resource),
    )


def announcement_fields(keys: Announcement) -> dict[str, Any]:
    """Return the ``envelope_keys`` object that announces *keys*.

    Keys of one class and creation time whose ends are equally far apart form a group: 43 characters for each.
    """
    groups: list[dict[str, Any]] = []
    for kind in KeyClass:
        for created in sorted({key.created for key in keys.keys if key.kind is kind}):
            members = sorted(key for key in keys.keys if key.kind is kind and key.created == created)
            step = members[1].expires - members[0].expires if len(members) > 1 else 0
            assert all(key.expires == members[0].expires + i * step for i, key in enumerate(members))
            groups.append(
                {
                    "class": kind.value,
                    "created": format_time(created),
                    "expires": format_time(members[0].expires),
                    "step": step,
                    "points": "".join(b64(key.point) for key in members),
                }
            )
    return {
        "envelope_keys": {
            "created": format_time(keys.created),
            "signing": b64(keys.signing),
            "storage": b64(keys.storage),
            "groups": groups,
        }
    }


def announcement_of(resource: Resource) -> Announcement:
    """Return the envelope keys that the signer of *resource* announces. Raise `Malformed`."""
    value = resource.container.value["envelope_keys"]
    keys: list[EncryptionKey] = []
    for group in value["groups"]:
        created, expires, written = _created(group["created"]), parse_time(group["expires"]), group["points"]
        for number in range(len(written) // 43):
            point = _exchange_point(written[43 * number : 43 * number + 43])
            end = Millis(expires + number * group["step"])
            keys.append(EncryptionKey(end, created, point, KeyClass(group["class"])))
    signing = unb64(value["signing"])
    if not points.signs(signing):
        raise Malformed("an announced signing key is none")
    return Announcement(
        resource.signed.signer,
        _created(value["created"]),
        signing,
        _exchange_point(value["storage"]),
        tuple(sorted(keys)),
    )


def _created(text: str) -> Millis:
    """Read when a key was created. Raise `Malformed` unless OpenPGP can say it."""
    at = parse_time(text)
    if at % 1000 or not 0 <= at // 1000 < 1 << 32:
        raise Malformed("an envelope key was not created at a whole second from 1970 to 2106")
    return at


def _exchange_point(text: str) -> bytes:
    point = unb64(text)
    if not points.exchanges(point):
        raise Malformed("an announced envelope key is no point that can keep a secret")
    return point
