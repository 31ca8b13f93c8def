"""Signatures and their protected parts, the resources that they make, and by whose trust.

The signature object around them, whose payload is a container again, is judged in `containers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from paquebot.errors import BadSignature, Malformed, NotPermitted, PaquebotError
from paquebot.inspection.pages import TROUBLE, Page
from paquebot.protocol import container, schema
from paquebot.protocol.encoding import Fingerprint, b64, raw, short, unb64
from paquebot.protocol.identity import EDDSA, HS512, PublicKey, protected, public_key
from paquebot.protocol.keys import Announcement
from paquebot.protocol.published import URIS
from paquebot.protocol.resource import Resource, Signature, SignedObject
from paquebot.protocol.stamp import format_time
from paquebot.protocol.trust import CREATE_TRUST, PUBLISH, Trust, announcement_of, trust_of

_OTHERS_MAX = 16  # keys tried to tell a wrong signer from an unknown one


def own_key(value: dict[str, Any]) -> PublicKey | None:
    """Return the key of the identity that *value* holds, if it does and can be read."""
    try:
        return public_key(value["identity"]["key"]) if "identity" in value["sdmp"]["schemas"] else None
    except (PaquebotError, *TROUBLE):
        return None


def judge_signature(page: Page, what: str, entry: dict[str, str], text: str, own: PublicKey | None) -> Signature | None:
    """Check one signature over *text*; return it if it can be read."""
    parsed = page.attempt(f"{what}: protected", lambda: _parse_protected(unb64(entry["protected"])))
    if parsed is None:
        return None
    algorithm, signer = parsed
    page.fact(f"{what} by", f"{signer} ({short(signer)})")
    value = page.attempt(f"{what}: base64url", lambda: unb64(entry["signature"]), "canonical, without padding")
    if value is None:
        return None
    found = Signature(algorithm, signer, value)
    key, source = page.known.keys.get(signer, (None, ""))
    if own is not None and own.fingerprint == signer:
        key, source = own, "the identity itself"
    if entry["protected"] != protected(algorithm, signer):
        page.fact(f"{what}: protected", "written otherwise than in the example files")
    if key is None:
        page.check(f"{what}: verifies", *_without_key(page, found, text))
        return found
    page.passes(f"{what}: verifies", partial(_verify, key, found, text), f"{algorithm}, key from {source}")
    identity = page.known.identity(signer)
    if own is not None and own.fingerprint == signer:
        return found  # its own date is checked with the payload
    if identity is None:
        page.fact(f"{what}: signer's identity", "not among the files, so its expiry is not known")
    else:
        until = f"until {format_time(identity.expires)}; judged at {page.moment}"
        page.passes(f"{what}: signer in force", partial(identity.check_time, page.known.at), until)
    return found


def _verify(key: PublicKey, signature: Signature, text: str) -> None:
    if key.algorithm != signature.algorithm:
        raise BadSignature(f"the signature names {signature.algorithm}, but its key is for {key.algorithm}")
    key.verify(signature.value, text.encode())


def _without_key(page: Page, signature: Signature, text: str) -> tuple[bool | None, str]:
    """Tell a signature by somebody unknown from one that names the wrong signer."""
    for key, source in list(page.known.keys.values())[:_OTHERS_MAX]:
        try:
            _verify(key, signature, text)
        except BadSignature:
            continue
        return False, f"it is by {short(key.fingerprint)} (key from {source}), not by the signer that it names"
    return None, f"no key for signer {short(signature.signer)}; give it with --key"


def _parse_protected(data: bytes) -> tuple[str, Fingerprint]:
    """Return (algorithm, signer). Raise `Malformed` or `TooLarge`."""
    value = container.load(data)
    if value.keys() != {"alg", "kid"} or value["alg"] not in (EDDSA, HS512) or not isinstance(value["kid"], str):
        raise Malformed("a protected part is not exactly a known algorithm and a signer")
    raw(value["kid"])
    return value["alg"], Fingerprint(value["kid"])


def judge_protected(page: Page, data: bytes) -> str:
    """Judge the protected part of a signature; return its kind."""
    parsed = page.attempt("protected part", lambda: _parse_protected(data), "exactly alg and kid")
    if parsed is not None:
        algorithm, signer = parsed
        page.fact("algorithm", "RSA PKCS#1 v1.5 with SHA-512" if algorithm == HS512 else "Ed25519")
        page.fact("signer", f"{signer} ({short(signer)})")
        canonical = b64(data) == protected(algorithm, signer)
        page.fact("written", "as in the example files" if canonical else "otherwise than in the example files")
    return "protected part of a signature"


def judge_resource(page: Page, signed: SignedObject) -> None:
    """Judge whether *signed* is a resource and whether its signer had the authority to publish it."""
    found = page.attempt("resource", lambda: Resource.read(signed, schema.published), "says for whom it is published")
    if found is None:
        return
    page.fact("resource", found.uri)
    page.fact("author (user)", f"{found.user} ({short(found.user)})")
    page.fact("trust", found.trust or "none: the user signs")
    if found.container.keeps(URIS["envelope_keys"]):
        announced = page.attempt("envelope keys", lambda: announcement_of(found))
        if announced is not None:
            announcement_facts(page, announced)
    if signed.signer == found.user:
        return
    if found.trust is None:
        page.check("authority", False, "a node signed it without naming the trust that allows it")
    elif found.trust not in page.known.resources:
        page.fact("authority", "the trust is not among the files, so it was not checked")
    else:
        right = CREATE_TRUST if found.container.keeps("trust") else PUBLISH
        at = min(found.about.stamp.at, page.known.at) if found.about else page.known.at
        allows = partial(Trust.check, right=right, user=found.user, trustee=signed.signer, at=at)
        check_by_trust(page, "authority", page.known.resources[found.trust], allows)


def announcement_facts(page: Page, announced: Announcement) -> None:
    """Say which envelope keys were announced."""
    page.fact("envelope keys", f"{len(announced.keys)}, announced on {format_time(announced.created)}")
    for kind, count in Counter(key.kind for key in announced.keys).items():
        ends = [key.expires for key in announced.keys if key.kind is kind]
        page.fact(f"{kind.value} keys", f"{count}, expiring {format_time(min(ends))} … {format_time(max(ends))}")


def check_by_trust(page: Page, what: str, trust: Resource, allows: Callable[[Trust], None]) -> None:
    """Check that *trust*, one of the files, is signed by its user and *allows* something."""
    signer, is_trust = trust.signed.signer, trust.container.keeps("trust")
    if is_trust and signer not in page.known.keys:
        page.check(what, None, f"no key for {short(signer)}, who signed the trust; give it with --key")
    elif is_trust and signer != trust.user:
        page.check(what, None, "the trust was given by a node; who allowed that was not looked into")
    else:
        page.passes(what, partial(_allowed, page, trust, allows), "by a trust among the files")


def _allowed(page: Page, trust: Resource, allows: Callable[[Trust], None]) -> None:
    if not trust.container.keeps("trust"):
        raise NotPermitted("the trust that it names is something else")
    trust.signed.verify(page.known.keys[trust.user][0])
    allows(trust_of(trust))
