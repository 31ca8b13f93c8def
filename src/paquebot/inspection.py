"""What a file is, who signed it, and whether it holds: every form that a peer, a stick or a mailbox may hand over.

Files are recognised by content. Nothing here reads a home, a clock or a wire, and nothing is believed because of its
name. Whatever is wrong with a file becomes a failed check. No key material and no terminal control leaves this module.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from paquebot.display import printable
from paquebot.errors import BadSignature, BrokenChain, Malformed, NotPermitted, PaquebotError, TooLarge
from paquebot.protocol import container, journal, schema
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId, b64, digest, raw, short, unb64
from paquebot.protocol.identity import EDDSA, HS512, PrivateKey, PublicKey, protected, public_key, public_key_from_pem
from paquebot.protocol.keys import Announcement
from paquebot.protocol.limits import CONTAINER_BYTES_MAX, DAY_MS, LINES_MAX, MIB
from paquebot.protocol.published import OBJECTS, URIS
from paquebot.protocol.publishing import CARD_BYTES_MAX, CARD_HEAD, read_card
from paquebot.protocol.resource import About, FileManifest, Resource, Signature, SignedObject
from paquebot.protocol.stamp import Millis, format_time, parse_time
from paquebot.protocol.trust import CREATE_TRUST, PUBLISH, Identity, Trust, announcement_of, identity_of, trust_of
from paquebot.vault import packets

T = TypeVar("T")

FILE_BYTES_MAX = 64 * MIB  # the largest thing we write is a crate of that size
_LEVELS_MAX = 6  # a signed response with a signed resource in it has four
_PRIVATE_CHARS_MAX = 8192  # reading an RSA key proves its primes, which costs the fourth power; 8192 bits fit
_BODY_CHARS_MAX = 4002  # of a public key: as the identity schema has it
_ENCODED_CHARS_MIN = 24  # shorter texts are words
_OTHERS_MAX = 16  # keys tried to tell a wrong signer from an unknown one
_PACKETS_SHOWN_MAX = 8
_TROUBLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)

_ID = re.compile(r"[A-Za-z0-9_-]{86}\r?", re.ASCII)
_KEY_BODY = re.compile(r"M[A-Za-z0-9+/]{39,4000}={0,2}", re.ASCII)
_B64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SECRET = "SECRET", "whoever reads this file can act as its owner; never send or publish it"
_OURS = {uri: name for name, uri in URIS.items()}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true of a file, and whether it is."""

    what: str
    verdict: bool | None
    """None if it could not be checked; *detail* says what is missing."""
    detail: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one file is. All texts are safe to show."""

    name: str
    kind: str
    facts: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether everything was checked and found good."""
        return all(check.verdict is True for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {
            "name": self.name,
            "kind": self.kind,
            "holds": self.holds,
            "facts": [{"what": what, "value": value} for what, value in self.facts],
            "checks": [{"what": each.what, "verdict": each.verdict, "detail": each.detail} for each in self.checks],
        }


def inspect(files: Sequence[tuple[str, bytes]], keys: Sequence[PublicKey], at: Millis) -> list[Inspection]:
    """Return what each of *files*, (name, content), is and whether it holds at the moment *at*. Raise nothing.

    Signers are looked up among *keys* and among all identities and keys in *files*. That a signature verifies says
    that its key made it; whose key it is, only *keys* or a person can say.
    """
    known = _collect(files, keys, at)
    return [_inspect(name, data, known) for name, data in files]


def _inspect(name: str, data: bytes, known: _Known) -> Inspection:
    page = _Page(known)
    page.fact("size", f"{len(data)} bytes")
    try:
        kind = _recognise(page, data)
    except (PaquebotError, *_TROUBLE):
        kind = _unknown(page, "it contradicts itself in a way that nothing here expects")
    facts = tuple((printable(what), printable(value)) for what, value in page.facts)
    checks = tuple(Check(printable(each.what), each.verdict, printable(each.detail)) for each in page.checks)
    return Inspection(printable(name), printable(kind), facts, checks)


# What the files say together.


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found in all files before any of them is judged."""

    at: Millis
    keys: dict[Fingerprint, tuple[PublicKey, str]] = field(default_factory=dict)
    """With where each came from. A key is its own proof: its fingerprint names it."""
    identities: dict[Fingerprint, Identity] = field(default_factory=dict)
    """Proven by their own signature."""
    claimed: dict[Fingerprint, Identity] = field(default_factory=dict)
    """From bare identity containers, whose date nobody signed."""
    resources: dict[ResourceId, Resource] = field(default_factory=dict)
    """Hashes are right; signatures were not looked at."""

    def identity(self, who: Fingerprint) -> Identity | None:
        """Return the best that is known of *who*."""
        return self.identities.get(who) or self.claimed.get(who)


def _collect(files: Sequence[tuple[str, bytes]], keys: Sequence[PublicKey], at: Millis) -> _Known:
    known = _Known(at)
    for key in keys:
        known.keys[key.fingerprint] = key, "--key"
    for name, data in (*files, ("our own schemas", OBJECTS[0].encode())):
        for each in _objects(data):
            try:
                _learn(known, name, each)
            except (PaquebotError, *_TROUBLE):
                continue  # it is judged, with its error, when its turn comes
    return known


def _objects(data: bytes) -> Iterator[bytes]:
    """Return what may be a JSON object or a public key in *data*."""
    if data.startswith(CARD_HEAD.encode()):
        yield from [line for line in data[:CARD_BYTES_MAX].split(b"\n") if line.startswith(b"{")]
        return
    yield data
    if len(data) <= 2 * CONTAINER_BYTES_MAX and data.startswith(b"ey"):
        yield _decoded(data)


def _decoded(data: bytes) -> bytes:
    """Return what *data*, base64url text with or without a line end, encodes; nothing if it is no such text."""
    try:
        return unb64(data.decode("ascii").removesuffix("\n"))
    except (UnicodeDecodeError, Malformed):
        return b""


def _learn(known: _Known, name: str, data: bytes) -> None:
    if not data[:1024].lstrip().startswith(b"{"):
        if data.startswith((b"M", b"-----BEGIN PUBLIC KEY-----")) and len(data) <= 2 * _BODY_CHARS_MAX:
            key = public_key_from_pem(data.decode("ascii"))
            known.keys.setdefault(key.fingerprint, (key, name))
        return
    read = container.read(data)
    if read.keeps("identity"):
        key = _identity_key(known, name, read.value)
        found = Identity(key.fingerprint, read.value["identity"]["type"], key, _expiry(read.value))
        _latest(known.claimed, found)
    if not read.keeps("signature"):
        return
    resource = Resource.read(SignedObject.load(read, data), schema.published)
    known.resources[resource.id] = resource
    if resource.container.keeps("identity"):
        _identity_key(known, name, resource.container.value)
        _latest(known.identities, identity_of(resource))


def _identity_key(known: _Known, name: str, value: dict[str, Any]) -> PublicKey:
    key = public_key(value["identity"]["key"])
    known.keys.setdefault(key.fingerprint, (key, name))
    return key


def _expiry(value: dict[str, Any]) -> Millis:
    return parse_time(value["identity"]["expires"])


def _latest(identities: dict[Fingerprint, Identity], found: Identity) -> None:
    old = identities.get(found.fingerprint)
    if old is None or old.expires < found.expires:
        identities[found.fingerprint] = found


@dataclass(frozen=True, slots=True)
class _Page:
    """Facts and checks as they are found."""

    known: _Known
    facts: list[tuple[str, str]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    prefix: str = ""
    level: int = 0

    def fact(self, what: str, value: object) -> None:
        """Note something that is neither right nor wrong."""
        self.facts.append((self.prefix + what, str(value)))

    def check(self, what: str, verdict: bool | None, detail: str = "") -> None:
        """Note a verdict."""
        self.checks.append(Check(self.prefix + what, verdict, detail))

    def attempt(self, what: str, work: Callable[[], T], detail: str = "") -> T | None:
        """Return what *work* returns; note whether it raised, and then return None."""
        try:
            found = work()
        except PaquebotError as problem:
            self.check(what, False, str(problem))
            return None
        except _TROUBLE:
            self.check(what, False, "its parts contradict each other")
            return None
        self.check(what, True, detail)
        return found

    def passes(self, what: str, work: Callable[[], object], detail: str = "") -> bool:
        """Return, and note, whether *work* raises nothing."""
        return self.attempt(what, lambda: (work(),), detail) is not None

    def under(self, prefix: str) -> _Page:
        """Return the same page for something inside."""
        return replace(self, prefix=f"{self.prefix}{prefix}: ", level=self.level + 1)


# Recognising.


def _recognise(page: _Page, data: bytes) -> str:
    """Note all there is to say of *data*; return its kind."""
    if not data:
        return _unknown(page, "the file is empty")
    if len(data) > FILE_BYTES_MAX:
        return _unknown(page, "the file is larger than 64 MiB")
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if data.startswith(CARD_HEAD.encode()):
        return _card(page, data)
    if start.startswith(b"{"):
        return _json(page, data)
    if start.startswith(b"-----BEGIN PGP "):
        return _armoured(page, data)
    if data[0] & 0x80 and _is_openpgp(data):
        return _envelope(page, data)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return _unknown(page, "neither text of ours nor an OpenPGP message")
    return _text(page, text)


def _text(page: _Page, text: str) -> str:
    first, _, rest = text.partition("\n")
    if "PRIVATE KEY-----" in first:
        return _private_pem(page, text)
    if text.startswith("-----BEGIN PUBLIC KEY-----"):
        return _public_pem(page, text)
    if _ID.fullmatch(first) or re.fullmatch(r"[\w-]{86}@[\w-]{86}/[\w-]{86}\r?", rest[:262].partition("\n")[0]):
        return _journal(page, text)
    body = text.removesuffix("\n")
    encoded = len(body) >= _ENCODED_CHARS_MIN and _B64URL.fullmatch(body)
    if _KEY_BODY.fullmatch(body) and (not encoded or _is_key(body)):
        return _public_key(page, body, "public key")
    return _encoded(page, body) if encoded else _unknown(page, "no form that is known here")


def _unknown(page: _Page, why: str) -> str:
    page.check("recognised", False, why)
    return "unknown"


def _is_key(body: str) -> bool:
    try:
        public_key(body)
    except NotPermitted:
        return True
    except Malformed:
        return False
    return True


def _is_openpgp(data: bytes) -> bool:
    if data[0] in (0xC1, 0x84, 0x85, 0x86):  # an encrypted session key, whole or not
        return True
    try:
        return bool(packets.describe(data))
    except (Malformed, TooLarge):
        return False


def _encoded(page: _Page, text: str) -> str:
    data = page.attempt("base64url", lambda: unb64(text), "canonical, without padding")
    if data is None:
        return "base64url text"
    page.fact("encodes", f"{len(data)} bytes")
    if not data.startswith(b"{"):
        return f"base64url text of {len(data)} bytes"
    return f"base64url text: {_json(page, data)}"


# Containers.


def _json(page: _Page, data: bytes) -> str:
    value = page.attempt("well-formed JSON", lambda: container.load(data), "UTF-8, no key twice, within the limits")
    if value is None:
        return "container"
    if value.keys() == {"alg", "kid"}:
        return _protected(page, data)
    if "sdmp" not in value:
        return _unknown(page, "JSON, but neither an SDMP container nor a protected part")
    kind = _container(page, value)
    if not kind.startswith("signature object"):
        page.fact("resource id of these bytes", digest(data))
    return kind


def _container(page: _Page, value: dict[str, Any]) -> str:
    """Check *value* against the container schema and each schema it lists; say what is specific to those it keeps."""
    if not page.passes("schema container", lambda: schema.check("container", value)):
        return "container"
    names = value["sdmp"]["schemas"]
    if "private_key" in value:
        page.fact(*_SECRET)
    page.fact("version", value["sdmp"]["version"])
    page.fact("schemas", ", ".join(_OURS.get(name, name) for name in names))
    kinds: list[str] = []
    for name in names:
        kind = _OURS.get(name, name)
        if _keeps(page, name, value) and name in _ABOUT:
            kind = _ABOUT[name](page, value) or kind
        if kind not in ("resource", "about"):
            kinds.append(kind)
    return kinds[0] if kinds else _OURS.get(names[0], names[0])


def _keeps(page: _Page, name: str, value: dict[str, Any]) -> bool:
    what = f"schema {_OURS.get(name, name)}"
    if not name.startswith("sdmp://"):
        return page.passes(what, lambda: schema.check(name, value))
    text = schema.published(name)
    if text is None:
        page.check(what, None, "schema not available")
        return False
    return page.passes(what, lambda: schema.check_against(name, text, value))


def _identity(page: _Page, value: dict[str, Any]) -> str:
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
    _in_force(page, body["expires"])
    return f"identity ({body['type']})"


def _in_force(page: _Page, expires: str) -> None:
    """Check that what *expires* then has not yet done so."""
    end = page.attempt("date of expiry", lambda: parse_time(expires), expires)
    if end is not None:
        alive = page.known.at < end
        page.check("in force", alive, f"{'until' if alive else 'expired on'} {expires}; judged at {_date(page)}")


def _date(page: _Page) -> str:
    text = format_time(page.known.at)
    return text[:10] if page.known.at % DAY_MS == 0 else f"{text[:16]}Z"


def _signature_object(page: _Page, value: dict[str, Any]) -> str:
    body = value["signature"]
    payload = page.attempt("payload is base64url", lambda: unb64(body["payload"]), "canonical, without padding")
    if payload is None:
        return "signature object"
    name = digest(payload)
    page.fact("identifier", name)
    right = name == body["identifier"]
    page.check("identifier", right, "the hash of the payload" if right else "not the hash of the payload")
    if "resource" in value:
        page.fact("resource beside the payload", "ignored: nothing signs it")
    inner = page.under("payload")
    read = _inner(inner, partial(container.load, payload))
    own = _own_key(read) if read else None
    signers = [
        _signature(page, f"signature {number}", each, body["payload"], own)
        for number, each in enumerate(body["signatures"], 1)
    ]
    kind = _container(inner, read) if read else "unreadable"
    if own is not None:
        right = signers[0] is not None and signers[0].signer == own.fingerprint
        page.check("signed by its own key", right, "" if right else "an identity is signed by itself, nobody else")
    if read is not None and signers[0] is not None and ("resource" in read or kind.startswith("identity")):
        _resource(page, SignedObject.build(payload, signers[0]))
    return f"signature object: {kind}"


def _inner(page: _Page, load: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    if page.level > _LEVELS_MAX:
        page.check("inspected", None, "nested deeper than anything of ours; take it out and inspect it alone")
        return None
    return page.attempt("well-formed JSON", load)


def _own_key(value: dict[str, Any]) -> PublicKey | None:
    try:
        return public_key(value["identity"]["key"]) if "identity" in value["sdmp"]["schemas"] else None
    except (PaquebotError, *_TROUBLE):
        return None


def _signature(page: _Page, what: str, entry: dict[str, str], text: str, own: PublicKey | None) -> Signature | None:
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
        until = f"until {format_time(identity.expires)}; judged at {_date(page)}"
        page.passes(f"{what}: signer in force", partial(identity.check_time, page.known.at), until)
    return found


def _verify(key: PublicKey, signature: Signature, text: str) -> None:
    if key.algorithm != signature.algorithm:
        raise BadSignature(f"the signature names {signature.algorithm}, but its key is for {key.algorithm}")
    key.verify(signature.value, text.encode())


def _without_key(page: _Page, signature: Signature, text: str) -> tuple[bool | None, str]:
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


def _protected(page: _Page, data: bytes) -> str:
    parsed = page.attempt("protected part", lambda: _parse_protected(data), "exactly alg and kid")
    if parsed is not None:
        algorithm, signer = parsed
        page.fact("algorithm", "RSA PKCS#1 v1.5 with SHA-512" if algorithm == HS512 else "Ed25519")
        page.fact("signer", f"{signer} ({short(signer)})")
        canonical = b64(data) == protected(algorithm, signer)
        page.fact("written", "as in the example files" if canonical else "otherwise than in the example files")
    return "protected part of a signature"


def _resource(page: _Page, signed: SignedObject) -> None:
    found = page.attempt("resource", lambda: Resource.read(signed, schema.published), "says for whom it is published")
    if found is None:
        return
    page.fact("resource", found.uri)
    page.fact("author (user)", f"{found.user} ({short(found.user)})")
    page.fact("trust", found.trust or "none: the user signs")
    if found.container.keeps(URIS["envelope_keys"]):
        announced = page.attempt("envelope keys", lambda: announcement_of(found))
        if announced is not None:
            _announcement(page, announced)
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
        _by_trust(page, "authority", page.known.resources[found.trust], allows)


def _by_trust(page: _Page, what: str, trust: Resource, allows: Callable[[Trust], None]) -> None:
    """Check that *trust*, one of the files, is signed by its user and *allows* something."""
    signer, is_trust = trust.signed.signer, trust.container.keeps("trust")
    if is_trust and signer not in page.known.keys:
        page.check(what, None, f"no key for {short(signer)}, who signed the trust; give it with --key")
    elif is_trust and signer != trust.user:
        page.check(what, None, "the trust was given by a node; who allowed that was not looked into")
    else:
        page.passes(what, partial(_allowed, page, trust, allows), "by a trust among the files")


def _allowed(page: _Page, trust: Resource, allows: Callable[[Trust], None]) -> None:
    if not trust.container.keeps("trust"):
        raise NotPermitted("the trust that it names is something else")
    trust.signed.verify(page.known.keys[trust.user][0])
    allows(trust_of(trust))


def _about(page: _Page, value: dict[str, Any]) -> None:
    found = page.attempt("about", lambda: About.parse(value["about"]))
    if found is None:
        return
    page.fact("stamp", found.stamp)
    for what in ("title", "filename", "conversation", "parent", "supersedes"):
        if getattr(found, what):
            page.fact(what, getattr(found, what))
    for what, several in (("tags", found.tags), ("after", found.after)):
        if several:
            page.fact(what, ", ".join(several))
    if found.expires is not None:
        page.fact("expires", format_time(found.expires))


def _file(page: _Page, value: dict[str, Any]) -> None:
    found = page.attempt("file", lambda: FileManifest.parse(value["file"]))
    if found is not None:
        page.fact(
            "file", f"{found.size} bytes, {'inside' if found.data is not None else f'{found.chunk_count} chunks'}"
        )


def _broadcast(page: _Page, value: dict[str, Any]) -> None:
    since, lines = value["journal"]["since"], value["journal"]["entries"]
    page.fact("since line", since)
    page.fact("lines", len(lines))
    few = len(lines) <= LINES_MAX
    page.check("number of lines", few, f"{len(lines)}{'' if few else f', more than {LINES_MAX}'}")
    page.check("each line follows the one before", *_follow(since, lines)[:2])
    if lines:
        page.fact("tip", f"{digest(lines[-1].encode())}; nothing covers the last line yet")


def _response(page: _Page, value: dict[str, Any]) -> str:
    answer = value["response"]
    page.fact("answers request", answer["identifier"])
    page.fact("status", answer["status"])
    if "data" not in answer:
        return f"response ({answer['status']})"
    page.check("data", answer["status"] == "ok", "there is some, which goes with ok only")
    inner = page.under("data")
    if inner.level > _LEVELS_MAX:
        _inner(inner, dict)
        return "response"
    return f"response: {_container(inner, answer['data'])}"


def _facts_of(key: str) -> Callable[[_Page, dict[str, Any]], None]:
    """Return what says the plain fields of the object under *key*."""

    def say(page: _Page, value: dict[str, Any]) -> None:
        for what, each in (value[key] if isinstance(value[key], dict) else {key: value[key]}).items():
            page.fact(what, ", ".join(map(str, each)) if isinstance(each, list) else each)

    return say


def _trust(page: _Page, value: dict[str, Any]) -> None:
    _facts_of("trust")(page, value)
    if "expires" in value["trust"]:
        _in_force(page, value["trust"]["expires"])


def _node(page: _Page, value: dict[str, Any]) -> None:
    for key in ("node", "information"):
        if key in value:
            _facts_of(key)(page, value)


def _encrypted(page: _Page, value: dict[str, Any]) -> None:
    body = value["encrypted"]
    page.fact("recipients", f"{len(body['recipients'])}, not named")
    page.fact("opened", "no: that takes a recipient's key")
    page.passes("iv has 16 bytes", lambda: _sized(body["iv"], lambda size: size == 16))
    page.passes("payload is whole blocks", lambda: _sized(body["payload"], lambda size: size > 0 and size % 16 == 0))
    page.passes("keys are wrapped under RSA", lambda: _all_sized([each["key"] for each in body["recipients"]]))


def _all_sized(keys: Sequence[str]) -> None:
    for each in keys:
        _sized(each, lambda size: size >= 256)


def _sized(text: str, fits: Callable[[int], bool]) -> None:
    size = len(unb64(text))
    if not fits(size):
        raise Malformed(f"{size} bytes cannot be right")


def _private_key(page: _Page, value: dict[str, Any]) -> str:
    body = value["private_key"]
    key = _secret(page, body["key"])
    if key is not None:
        agrees = body["fingerprint"] == key.fingerprint
        page.check("fingerprint", agrees, "that of the key" if agrees else "not that of the key")
    _in_force(page, body["expires"])
    return "private key (SECRET)"


def _connection(page: _Page, value: dict[str, Any]) -> None:
    body = value["connection"]

    def sound() -> None:
        modulus, public = (int.from_bytes(unb64(body[name])) for name in ("p", "N"))
        if not 1 < public < modulus - 1:
            raise Malformed("N is no number between 1 and p - 1")

    page.fact("modulus", f"{len(body['p']) * 6} bits at most")
    page.passes("numbers", sound, "1 < N < p - 1; whether p is a safe prime was not checked")


_ABOUT: dict[str, Callable[[_Page, dict[str, Any]], str | None]] = {
    "identity": _identity,
    "signature": _signature_object,
    "broadcast": _broadcast,
    "response": _response,
    "request_journal": _facts_of("request"),
    "request_resource": _facts_of("request"),
    "message": _facts_of("message"),
    "receipt": _facts_of("receipt"),
    "user": _facts_of("user"),
    "revoke": _facts_of("revoke"),
    "node": _node,
    "trust": _trust,
    "encrypted": _encrypted,
    "private_key": _private_key,
    "connection": _connection,
    "shared_key": _connection,
    URIS["about"]: _about,
    URIS["file"]: _file,
}


# Journals.


def _follow(since: str, lines: Sequence[str]) -> tuple[bool, str, list[journal.Entry]]:
    """Return whether *lines* follow each other after the line named *since*, what is wrong, and what they say."""
    entries: list[journal.Entry] = []
    for number, line in enumerate(lines, 1):
        try:
            entries += journal.follow(LineId(since), [line])
        except BrokenChain:
            return False, f"line {number} of {len(lines)} does not follow the line before it", entries
        except Malformed as problem:
            return False, f"line {number} of {len(lines)}: {problem}", entries
        since = digest(line.encode())
    return True, f"{len(lines)} after the first", entries


_EXPECTED = {1: "the user's identity", 2: "the trust in the node"}


def _journal(page: _Page, text: str) -> str:
    lines = text.removesuffix("\n").split("\n")
    node = Fingerprint(lines[0])
    plain = "\r" not in text
    page.check("line ends", plain, "line feeds" if plain else "a carriage return would be part of what is hashed")
    rooted = page.passes("line 0 is a fingerprint", lambda: raw(node))
    good, detail, entries = _follow(journal.root(node), lines[1:])
    page.check("each line follows the one before", good, detail)
    page.fact("node", f"{node} ({short(node)})" if rooted else node)
    page.fact("lines", f"{len(lines)}, with the fingerprint")
    page.fact("tip", f"{digest(lines[-1].encode())}; nothing covers the last line yet")
    if len(lines) == 1:
        page.fact("alone", "64 bytes as base64url may also be any other identifier, or an Ed25519 signature")
    if good:
        _journal_known(page, node, entries)
    return "journal"


def _journal_known(page: _Page, node: Fingerprint, entries: list[journal.Entry]) -> None:
    """Compare a journal with what the files say of its node and of what it lists."""
    identity = page.known.identity(node)
    if identity is not None:
        page.check("line 0 names a node", identity.kind == "node", f"its identity is that of a {identity.kind}")
    else:
        page.fact("node's identity", "only its key is known" if node in page.known.keys else "not among the files")
    for number, entry in enumerate(entries, 1):
        found = page.known.resources.get(entry.resource)
        what = _EXPECTED.get(number, "")
        if found is None:
            if what:
                page.fact(f"line {number}", f"should be {what}: {entry.resource}, not among the files")
            continue
        right = found.user == entry.publisher
        page.check(f"line {number} names the author", right, "" if right else "the resource says another")
        if number == 1:
            page.passes(f"line 1 is {what}", partial(_is_user, found))
        if number == 2:
            _by_trust(page, f"line 2 is {what}", found, partial(_publishes, node))


def _is_user(resource: Resource) -> None:
    if not resource.container.keeps("identity") or identity_of(resource).kind != "user":
        raise NotPermitted("it is something else")


def _publishes(node: Fingerprint, trust: Trust) -> None:
    if trust.trustee != node or PUBLISH not in trust.rights:
        raise NotPermitted("it does not allow this node to publish")


# Keys.


def _key_facts(page: _Page, key: PublicKey) -> None:
    kind = "Ed25519" if key.algorithm == EDDSA else f"RSA, {getattr(key.key, 'key_size', 0)} bits"
    page.fact("fingerprint", key.fingerprint)
    page.fact("short", short(key.fingerprint))
    page.fact("key", kind)


def _public_key(page: _Page, text: str, kind: str) -> str:
    key = page.attempt("key readable and strong", lambda: public_key_from_pem(text))
    if key is not None:
        _key_facts(page, key)
    return kind


def _public_pem(page: _Page, text: str) -> str:
    lines = text.strip().splitlines()
    whole = lines[-1] == "-----END PUBLIC KEY-----" and text.count("-----") == 4 and len(text) <= 2 * _BODY_CHARS_MAX
    page.check("PEM", whole, "one public key" if whole else "not one public key from its first line to its last")
    return _public_key(page, text, "public key (PEM)") if whole else "public key (PEM)"


def _secret(page: _Page, pem: str) -> PrivateKey | None:
    """Say whose secret *pem* is, and nothing else of it."""
    if len(pem) > _PRIVATE_CHARS_MAX:
        page.check("key readable and strong", None, "a private key this large is not read here")
        return None
    key = page.attempt("key readable and strong", lambda: PrivateKey.from_pem(pem))
    if key is not None:
        _key_facts(page, key.public)
    return key


def _private_pem(page: _Page, text: str) -> str:
    page.fact(*_SECRET)
    _secret(page, text)
    return "private key (PEM, SECRET)"


# Cards.


def _card(page: _Page, data: bytes) -> str:
    kind = "card"
    if len(data) > CARD_BYTES_MAX:
        page.check("size", False, f"a card has at most {CARD_BYTES_MAX} bytes")
        return kind
    text = page.attempt("UTF-8", lambda: str(data, "utf-8"))
    if text is None:
        return kind
    lines = [line for line in text.split("\n") if line.startswith("{")]
    for number, line in enumerate(lines[:32], 1):
        each = _Page(page.known)
        what = _json(each, line.encode("utf-8", "replace"))
        _fold(page, f"object {number}, {what}", each)
    card = page.attempt(
        "card", lambda: read_card(text, page.known.at), "one user, one node, one trust, one set of keys; all signed"
    )
    if card is None:
        return kind
    page.fact("name", card.name)
    page.fact("user", f"{card.user.fingerprint} ({short(card.user.fingerprint)})")
    page.fact("node", f"{card.node.fingerprint} ({short(card.node.fingerprint)})")
    page.fact("trust", card.trust)
    page.fact("user's identity", f"until {format_time(card.user.expires)}")
    page.fact("node's identity", f"until {format_time(card.node.expires)}")
    _announcement(page, card.keys)
    return kind


def _fold(page: _Page, what: str, part: _Page) -> None:
    """Note *part* as one check: the first that failed, else the first that could not be made."""
    worst = sorted(part.checks, key=lambda each: (True, None, False).index(each.verdict))[-1:]
    for each in worst:
        detail = f"{len(part.checks)} checks" if each.verdict else f"{each.what}: {each.detail}"
        page.check(what, each.verdict, detail)


def _announcement(page: _Page, announced: Announcement) -> None:
    page.fact("envelope keys", f"{len(announced.keys)}, announced on {format_time(announced.created)}")
    for kind, count in Counter(key.kind for key in announced.keys).items():
        ends = [key.expires for key in announced.keys if key.kind is kind]
        page.fact(f"{kind.value} keys", f"{count}, expiring {format_time(min(ends))} … {format_time(max(ends))}")


# Envelopes.


def _armoured(page: _Page, data: bytes) -> str:
    bare = page.attempt("armour", lambda: packets.dearmor(data), "whole")
    return f"{_envelope(page, bare)}, armoured" if bare is not None else "OpenPGP, armoured"


def _envelope(page: _Page, data: bytes) -> str:
    described = page.attempt("packets", lambda: packets.describe(data), "every byte belongs to one")
    if described is None:
        return "OpenPGP"
    for number, each in enumerate(described[:_PACKETS_SHOWN_MAX], 1):
        page.fact(f"packet {number}", f"{each.name} (tag {each.tag}), {each.size} bytes, {each.detail}".rstrip(", "))
    if len(described) > _PACKETS_SHOWN_MAX:
        page.fact("further packets", len(described) - _PACKETS_SHOWN_MAX)
    outer = page.attempt("form of an envelope", lambda: packets.outer(data), "recipients, then one encrypted packet")
    if outer is None:
        return "OpenPGP"
    hidden = sum(each.key_id == packets.HIDDEN for each in outer.recipients)
    page.fact("recipients", f"{len(outer.recipients)}: {hidden} hidden, {len(outer.recipients) - hidden} named")
    page.fact("ciphertext", f"{len(outer.sealed)} bytes")
    page.fact("opened", "no: that takes the keys of a recipient's home")
    return "envelope (OpenPGP)"
