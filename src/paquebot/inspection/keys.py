"""Public and private keys: bare, in PEM, in an identity or in a container. Of a secret only its name is said."""

from __future__ import annotations

from typing import Any

from paquebot.errors import Malformed, NotPermitted
from paquebot.inspection.pages import Page
from paquebot.protocol.encoding import short
from paquebot.protocol.identity import EDDSA, PrivateKey, PublicKey, public_key, public_key_from_pem

BODY_CHARS_MAX = 4002  # of a public key: as the identity schema has it
_PRIVATE_CHARS_MAX = 8192  # reading an RSA key proves its primes, which costs the fourth power; 8192 bits fit

SECRET = "SECRET", "whoever reads this file can act as its owner; never send or publish it"


def is_key(body: str) -> bool:
    """Return whether *body* is a public key, though it may be one that we refuse."""
    try:
        public_key(body)
    except NotPermitted:
        return True
    except Malformed:
        return False
    return True


def judge_public_key(page: Page, text: str, kind: str) -> str:
    """Judge a public key, bare or PEM; return *kind*."""
    key = page.attempt("key readable and strong", lambda: public_key_from_pem(text))
    if key is not None:
        _key_facts(page, key)
    return kind


def judge_public_pem(page: Page, text: str) -> str:
    """Judge a public key in PEM; return its kind."""
    lines = text.strip().splitlines()
    whole = lines[-1] == "-----END PUBLIC KEY-----" and text.count("-----") == 4 and len(text) <= 2 * BODY_CHARS_MAX
    page.check("PEM", whole, "one public key" if whole else "not one public key from its first line to its last")
    return judge_public_key(page, text, "public key (PEM)") if whole else "public key (PEM)"


def judge_private_pem(page: Page, text: str) -> str:
    """Judge a private key in PEM; return its kind."""
    page.fact(*SECRET)
    _secret(page, text)
    return "private key (PEM, SECRET)"


def judge_identity(page: Page, value: dict[str, Any]) -> str:
    """Judge an identity in a container; return its kind."""
    body = value["identity"]
    page.fact("identity of", f"a {body['type']}")
    key = page.attempt("key readable and strong", lambda: public_key(body["key"]))
    if key is not None:
        _key_facts(page, key)
        stated = body.get("fingerprint")
        if stated is None:
            page.fact("stated fingerprint", "none; it follows from the key")
        else:
            agrees = stated == key.fingerprint
            page.check("fingerprint", agrees, "that of the key" if agrees else "not that of the key")
    page.in_force(body["expires"])
    return f"identity ({body['type']})"


def judge_private_key(page: Page, value: dict[str, Any]) -> str:
    """Judge a private key in a container; return its kind."""
    body = value["private_key"]
    key = _secret(page, body["key"])
    if key is not None:
        agrees = body["fingerprint"] == key.fingerprint
        page.check("fingerprint", agrees, "that of the key" if agrees else "not that of the key")
    page.in_force(body["expires"])
    return "private key (SECRET)"


def _key_facts(page: Page, key: PublicKey) -> None:
    """Say which key it is."""
    kind = "Ed25519" if key.algorithm == EDDSA else f"RSA, {getattr(key.key, 'key_size', 0)} bits"
    page.fact("fingerprint", key.fingerprint)
    page.fact("short", short(key.fingerprint))
    page.fact("key", kind)


def _secret(page: Page, pem: str) -> PrivateKey | None:
    """Say whose secret *pem* is, and nothing else of it."""
    if len(pem) > _PRIVATE_CHARS_MAX:
        page.check("key readable and strong", None, "a private key this large is not read here")
        return None
    key = page.attempt("key readable and strong", lambda: PrivateKey.from_pem(pem))
    if key is not None:
        _key_facts(page, key.public)
    return key
