"""Inspection: every form is recognised by content, and nothing that was tampered with holds."""

import functools
import json
import random
import re
from pathlib import Path

import pytest

from paquebot.inspection import Check, Inspection, inspect, recognising
from paquebot.protocol import codes, container, journal, messages, publishing
from paquebot.protocol.codes import Code
from paquebot.protocol.encoding import Fingerprint, ResourceId, b64, digest
from paquebot.protocol.identity import PrivateKey, PublicKey, public_key_from_pem
from paquebot.protocol.journal import Entry
from paquebot.protocol.keys import Announcement, EncryptionKey, KeyClass
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.published import OBJECTS, PUBLISHERS, URIS
from paquebot.protocol.resource import About, FileManifest, Signature, SignedObject, compose
from paquebot.protocol.stamp import Millis, Stamp, parse_time
from paquebot.protocol.trust import identity_fields
from paquebot.vault import packets
from paquebot_mail import form
from paquebot_mail.armour import armour

EXAMPLES = Path(__file__).parents[2] / "fixtures/sdmp-0.12"
NAMES = sorted(path.name for path in EXAMPLES.iterdir())
THEN = parse_time("2016-01-01T00:00:00.000Z")
NOW = parse_time("2026-11-20T12:00:00.000Z")


def example(name: str) -> bytes:
    return (EXAMPLES / name).read_bytes()


def one(data: bytes, *others: bytes, keys: tuple[PublicKey, ...] = (), at: Millis = NOW) -> Inspection:
    return inspect([("x", data), *((f"other {n}", each) for n, each in enumerate(others))], keys, at)[0]


def failed(found: Inspection) -> list[str]:
    return [each.what for each in found.checks if each.verdict is False]


def open_checks(found: Inspection) -> list[Check]:
    return [each for each in found.checks if each.verdict is None]


def facts(found: Inspection) -> dict[str, str]:
    return dict(found.facts)


def posted(data: bytes) -> bytes:
    return form.compose(data, sender="a@a.example", recipient="b@b.example", date_ms=1_796_000_000_000)


def key(number: int) -> PrivateKey:
    return PrivateKey.create("ed25519", lambda size: bytes([number]) * size)


USER, NODE, OTHER = key(1), key(2), key(3)
BOB = public_key_from_pem(example("bob-public.pem").decode())
NODE_EXAMPLE = public_key_from_pem(example("node-public.pem").decode())


@functools.cache
def founding() -> publishing.Founding:
    keys = Announcement(
        NODE.fingerprint,
        NOW,
        b"\x58" + b"\x66" * 31,
        b"s" * 32,
        tuple(
            sorted(
                [
                    EncryptionKey(Millis(NOW + 7 * DAY_MS), NOW, b"f" * 32, KeyClass.FAST),
                    EncryptionKey(Millis(NOW + 30 * DAY_MS), NOW, b"d" * 32, KeyClass.DATED),
                    EncryptionKey(Millis(NOW + 60 * DAY_MS), NOW, b"e" * 32, KeyClass.DATED),
                    EncryptionKey(Millis(NOW + 3650 * DAY_MS), NOW, b"r" * 32, KeyClass.RECOVERY),
                ]
            )
        ),
    )
    return publishing.found("Ada", USER, NODE, keys, NOW)


def card(*objects: SignedObject) -> bytes:
    lines = [each.encode().decode() for each in objects or founding().resources]
    return "\n".join([f"{publishing.CARD_HEAD} of Ada", *lines, ""]).encode()


def post(text: str = "hello", title: str = "", by: PrivateKey = NODE, filename: str = "") -> bytes:
    about = About(stamp=Stamp(NOW), title=title, filename=filename, tags=("a", "b"))
    trust = founding().local.trust if by is not USER else None
    payload = compose(["message"], {"message": text}, user=USER.fingerprint, trust=trust, about=about)
    return SignedObject.sign(payload, by).encode()


def envelope(*ids: bytes) -> bytes:
    body = [b"\x03" + each + b"\x12" + packets.NATIVE + bytes(32) + b"\x30" + bytes(48) for each in ids]
    return b"".join(packets.packet(1, each) for each in body) + packets.packet(18, b"\x01" + bytes(100))


def flips(data: bytes, start: int, size: int):
    for place in range(start, start + size):
        for bit in range(8):
            yield place, bit, data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def code(kind: int, *objects: SignedObject) -> bytes:
    held = objects or founding().resources
    return f"{codes.write(Code(kind, held, bytes(16), NOW, Millis(NOW + 7 * DAY_MS)))}\n".encode()


# The example files.


@pytest.mark.parametrize("name", NAMES)
def test_every_example_file_is_recognised_and_held_in_2016(name: str) -> None:
    alone = one(example(name), at=THEN)
    together = {found.name: found for found in inspect([(each, example(each)) for each in NAMES], (), THEN)}
    assert alone.holds, alone
    assert together[name].holds, together[name]
    assert alone.kind == together[name].kind != "unknown"


def test_an_invitation_shows_its_card_and_not_its_secret() -> None:
    found = one(code(codes.INVITE))
    assert found.kind == "invitation: `paquebot join` accepts it"
    assert found.holds
    assert facts(found)["name"] == "Ada"
    assert facts(found)["node"].startswith(NODE.fingerprint)
    assert facts(found)["good"].endswith("until 2026-11-27T12:00:00.000Z")
    assert "00000000" not in str(found)
    assert failed(one(code(codes.INVITE), at=Millis(NOW + 8 * DAY_MS))) == ["in time"]
    assert failed(one(code(codes.INVITE, *founding().resources[:3]))) == ["card"]
    for text in (code(codes.INVITE).lower(), code(codes.INVITE)[:90] + b"\r\n  " + code(codes.INVITE)[90:]):
        assert one(text).holds
    assert not one(code(codes.INVITE)[:-9]).holds


def test_other_codes_are_recognised_too() -> None:
    found = one(code(codes.CARD))
    assert (found.kind, found.holds) == ("card, as a code", True)
    assert set(facts(one(card()))) == set(facts(found))
    found = one(codes.write(Code(codes.NODE, node=NODE.fingerprint)).encode())
    assert found.kind.startswith("code of a node")
    assert facts(found)["node"].startswith(NODE.fingerprint)


def test_a_card_says_where_its_node_can_be_reached() -> None:
    fields = {"node": {"type": "node", "name": "Ada", "routes": ["mailto:ada@a.example"]}}
    about = About(stamp=Stamp(NOW))
    payload = compose(["node"], fields, user=USER.fingerprint, trust=founding().local.trust, about=about)
    *others, _ = founding().resources
    told = SignedObject.sign(payload, NODE)
    assert facts(one(card(*others, told)))["address"] == "ada@a.example (mail)"
    assert facts(one(card()))["address"] == "none: by a stick or folder it needs none"


@pytest.mark.parametrize("name", NAMES)
def test_what_has_a_date_no_longer_holds_today(name: str) -> None:
    dated = name.endswith(("identity.json", "signature.json", "identity.encoded"))
    assert one(example(name)).holds is not dated
    dated_checks = ["in force"] if "signature" not in name else ["payload: in force"]
    assert failed(one(example(name))) == (dated_checks if dated else [])


def test_the_kinds_of_the_example_files() -> None:
    kinds = {name.partition("-")[2]: one(example(name), at=THEN).kind for name in NAMES if name.startswith("bob")}
    assert kinds == {
        "identity-protected.encoded": "base64url text: protected part of a signature",
        "identity-protected.json": "protected part of a signature",
        "identity-signature.encoded": "base64url text of 257 bytes",
        "identity-signature.json": "signature object: identity (user)",
        "identity.encoded": "base64url text: identity (user)",
        "identity.json": "identity (user)",
        "public.pem": "public key (PEM)",
        "public.sdmp": "public key",
    }
    assert {one(example(name)).kind for name in NAMES if name.startswith("journal")} == {"journal"}


def test_identifiers_are_those_of_the_example_files() -> None:
    signed = json.loads(example("bob-identity-signature.json"))["signature"]
    assert facts(one(example("bob-identity.json")))["resource id of these bytes"] == signed["identifier"]
    assert facts(one(example("bob-identity-signature.json")))["identifier"] == signed["identifier"]
    kid = json.loads(example("bob-identity-protected.json"))["kid"]
    for name in ("bob-public.pem", "bob-public.sdmp", "bob-identity.json"):
        assert facts(one(example(name)))["fingerprint"] == kid
        assert facts(one(example(name)))["key"] == "RSA, 2056 bits"
    assert facts(one(example("journal-start.txt")))["node"].startswith(NODE_EXAMPLE.fingerprint)


def test_a_journal_is_compared_with_what_the_other_files_say() -> None:
    others = [example("bob-identity-signature.json"), example("node-identity.json")]
    found = one(example("journal-user-trust.txt"), *others, at=THEN)
    assert [each.what for each in found.checks][3:] == [
        "line 0 names a node", "line 1 names the author", "line 1 is the user's identity",
    ]  # fmt: skip
    assert found.holds
    assert facts(found)["tip"].endswith("nothing covers the last line yet")
    assert "not among the files" in facts(found)["line 2"]
    wrong = example("journal-start.txt") + b"\n"
    wrong += journal.text(journal.root(NODE_EXAMPLE.fingerprint), Entry(NODE_EXAMPLE.fingerprint, ID_OF_NODE)).encode()
    assert failed(one(wrong, example("node-identity-signature.json"))) == ["line 1 is the user's identity"]


ID_OF_NODE = ResourceId(json.loads(example("node-identity-signature.json"))["signature"]["identifier"])


# Tampering: every single bit.


@pytest.mark.parametrize("who", ["bob", "node"])
@pytest.mark.parametrize("part", ["identifier", "payload", "protected", "signature"])
def test_no_bit_of_a_signature_object_may_change(who: str, part: str) -> None:
    data = example(f"{who}-identity-signature.json")
    body = json.loads(data)["signature"]
    text = body[part] if part in body else body["signatures"][0][part]
    names = ("bob-identity.json", "node-identity.json")
    known = [public_key_from_pem(json.loads(example(name))["identity"]["key"]) for name in names]
    held = [
        place
        for place in flips(data, data.index(b'"' + text.encode() + b'"') + 1, len(text))
        if not refused(place, known)
    ]
    assert held == []


def refused(flip: tuple[int, int, bytes], keys: list[PublicKey], at: Millis = THEN) -> bool:
    (found,) = inspect([("x", flip[2])], keys, at)
    return not found.holds and bool(failed(found))


@pytest.mark.parametrize("name", ["journal-user-identity.txt", "journal-user-trust.txt"])
def test_no_bit_of_a_covered_journal_line_may_change(name: str) -> None:
    data = example(name)
    covered = data.rindex(b"\n") + 1 + 86 + 1  # with the last line's own reference, which is not covered but fixed
    assert [place for place in flips(data, 0, covered) if not refused(place, [])] == []


def test_what_changes_in_the_last_line_changes_the_tip() -> None:
    data = example("journal-user-trust.txt")
    tip = facts(one(data))["tip"]
    start = data.rindex(b"\n") + 88
    for _, _, changed in flips(data, start, len(data) - start):
        found = one(changed)
        assert failed(found) or facts(found)["tip"] != tip


@pytest.mark.parametrize("part", ["identifier", "payload", "protected", "signature"])
def test_no_bit_of_an_ed25519_resource_may_change(part: str) -> None:
    data = post()
    body = json.loads(data)["signature"]
    text = body[part] if part in body else body["signatures"][0][part]
    sample = list(flips(data, data.index(b'"' + text.encode() + b'"') + 1, len(text)))
    chosen = random.Random(1).sample(sample, min(500, len(sample)))
    assert [flip[:2] for flip in chosen if not refused(flip, [NODE.public], NOW)] == []


def test_base64_has_one_form_only() -> None:
    data = json.loads(example("bob-identity-signature.json"))
    for path in (["payload"], ["signatures", 0, "signature"], ["signatures", 0, "protected"]):
        for change in (lambda t: t + "=", lambda t: t + "==", lambda t: t + "A", lambda t: t[:-1] + after(t[-1])):
            value = json.loads(json.dumps(data))
            at = functools.reduce(lambda v, step: v[step], path[:-1], value["signature"])
            at[path[-1]] = change(at[path[-1]])
            assert failed(one(json.dumps(value).encode(), at=THEN)), path


def after(char: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[(alphabet.index(char) + 1) % 64]


@pytest.mark.parametrize(
    "text",
    [
        '{"alg":"HS512","alg":"HS512","kid":"KID"}',
        '{"alg":"HS512","kid":"KID","x":1}',
        '{"alg":"none","kid":"KID"}',
        '{"alg":"EdDSA","kid":"KID"}',
        '{"alg":["HS512"],"kid":"KID"}',
        '{"alg":"HS512","kid":"KI"}',
        '{"alg":"HS512","kid":7}',
        '{"kid":"KID"}',
        '["alg","kid"]',
        "\ufeff" + '{"alg":"HS512","kid":"KID"}',
    ],
)
def test_protected_is_exactly_algorithm_and_signer(text: str) -> None:
    value = json.loads(example("bob-identity-signature.json"))
    for encoding in ("utf-8", "utf-16"):
        protected = text.replace("KID", BOB.fingerprint).encode(encoding)
        value["signature"]["signatures"][0]["protected"] = b64(protected)
        assert failed(one(json.dumps(value).encode(), at=THEN))


@pytest.mark.parametrize(
    ("alg", "kid"), [("HS512", "x"), ("HS512", "A" * 85 + "B"), ("none", "A" * 86), ("HS512", None)]
)
def test_a_bare_protected_part_is_checked(alg: str, kid: str | None) -> None:
    assert failed(one(json.dumps({"alg": alg, "kid": kid}).encode())) == ["protected part"]


def test_a_bare_protected_part_may_be_written_otherwise() -> None:
    found = one(json.dumps({"kid": BOB.fingerprint, "alg": "HS512"}).encode())
    assert (found.holds, facts(found)["written"]) == (True, "otherwise than in the example files")


# Signers.


def test_an_unknown_signer_is_neither_good_nor_bad() -> None:
    found = one(post())
    (check,) = open_checks(found)
    assert (check.what, failed(found), found.holds) == ("signature 1: verifies", [], False)
    assert check.detail.endswith("give it with --key")
    assert None in [each["verdict"] for each in found.as_json()["checks"]]


@pytest.mark.parametrize("where", ["key", "bare", "signed", "pem", "body", "card", "encoded"])
def test_the_signers_key_is_found(where: str) -> None:
    bare = container.write(["identity"], identity_fields("node", NODE.public, Millis(NOW + 1)))
    pem = f"-----BEGIN PUBLIC KEY-----\n{NODE.public.body}\n-----END PUBLIC KEY-----\n".encode()
    others = {
        "key": b"?", "bare": bare, "signed": founding().resources[2].encode(), "pem": pem,
        "body": NODE.public.body.encode(), "card": card(), "encoded": b64(bare).encode(),
    }  # fmt: skip
    found = one(post(), others[where], keys=(NODE.public,) if where == "key" else ())
    assert found.holds, found
    assert found.kind == "signature object: message"


def test_a_signer_expires() -> None:
    bare = container.write(["identity"], identity_fields("node", NODE.public, NOW))
    assert one(post(), bare, at=Millis(NOW - 1)).holds
    assert failed(one(post(), bare)) == ["signature 1: signer in force"]


def test_a_date_that_is_signed_counts_more_than_one_that_is_not() -> None:
    later = container.write(["identity"], identity_fields("node", NODE.public, Millis(NOW + 9_000 * DAY_MS)))
    signed = founding().resources[2].encode()
    at = Millis(NOW + 5_000 * DAY_MS)
    assert one(post(), later, at=at).holds
    assert failed(one(post(), later, signed, at=at)) == ["signature 1: signer in force"]


def test_the_wrong_key_is_refused() -> None:
    signed = SignedObject.parse(post())
    forged = SignedObject.build(
        signed.payload, Signature("EdDSA", NODE.fingerprint, OTHER.sign(b64(signed.payload).encode()))
    )
    assert failed(one(forged.encode(), keys=(NODE.public,))) == ["signature 1: verifies"]
    renamed = SignedObject.build(signed.payload, Signature("EdDSA", OTHER.fingerprint, signed.signatures[0].value))
    assert failed(one(renamed.encode(), keys=(OTHER.public,))) == ["signature 1: verifies"]
    unknown = one(renamed.encode(), keys=(NODE.public,))
    assert failed(unknown) == ["signature 1: verifies"]
    assert "not by the signer that it names" in str(unknown.checks)


def test_an_algorithm_must_fit_its_key() -> None:
    signed = SignedObject.parse(post())
    other = SignedObject.build(signed.payload, Signature("HS512", NODE.fingerprint, signed.signatures[0].value))
    assert failed(one(other.encode(), keys=(NODE.public,))) == ["signature 1: verifies"]


def test_an_identity_is_signed_by_itself() -> None:
    payload = container.write(["identity"], identity_fields("user", USER.public, Millis(NOW + 1)))
    assert one(SignedObject.sign(payload, USER).encode()).holds
    assert failed(one(SignedObject.sign(payload, OTHER).encode(), keys=(OTHER.public,))) == ["signed by its own key"]


def test_every_signature_counts() -> None:
    first, text = SignedObject.parse(post()), b64(SignedObject.parse(post()).payload).encode()
    extra = Signature("EdDSA", OTHER.fingerprint, OTHER.sign(text))
    both = SignedObject(first.id, first.payload, (*first.signatures, extra)).encode()
    assert one(both, keys=(NODE.public, OTHER.public)).holds
    assert [each.what for each in open_checks(one(both, keys=(NODE.public,)))] == ["signature 2: verifies"]
    spoiled = SignedObject(
        first.id, first.payload, (*first.signatures, Signature("EdDSA", OTHER.fingerprint, bytes(64)))
    )
    assert failed(one(spoiled.encode(), keys=(NODE.public, OTHER.public))) == ["signature 2: verifies"]


def test_authority_is_checked_when_the_trust_is_here() -> None:
    identity, trust, node = (each.encode() for each in founding().resources[:3])
    assert "not checked" in facts(one(post(), node))["authority"]
    assert "authority" in [each.what for each in one(post(), node, trust, identity).checks]
    assert one(post(), node, trust, identity).holds
    assert [each.what for each in open_checks(one(post(), node, trust))] == ["authority"]
    assert failed(one(post(by=OTHER), trust, identity, keys=(OTHER.public,))) == ["authority"]
    payload = compose(["message"], {"message": ""}, user=USER.fingerprint, trust=None)
    assert failed(one(SignedObject.sign(payload, NODE).encode(), node)) == ["authority"]


def test_a_forged_trust_gives_no_authority() -> None:
    identity, trust, node = founding().resources[:3]
    forged = SignedObject.build(trust.payload, Signature("EdDSA", USER.fingerprint, bytes(64))).encode()
    assert failed(one(post(), forged, identity.encode(), node.encode())) == ["authority"]
    not_a_trust = json.loads(SignedObject.parse(post()).payload)
    not_a_trust["resource"]["trust"] = identity.id
    signed = SignedObject.sign(json.dumps(not_a_trust).encode(), NODE).encode()
    assert failed(one(signed, identity.encode(), node.encode())) == ["authority"]


def test_a_stated_fingerprint_must_be_that_of_the_key() -> None:
    fields = identity_fields("user", USER.public, Millis(NOW + 1))
    assert one(container.write(["identity"], fields)).holds
    fields["identity"]["fingerprint"] = NODE_ID
    assert failed(one(container.write(["identity"], fields))) == ["fingerprint"]


def test_our_own_schemas_hold_by_themselves() -> None:
    kinds = [one(each.encode()).kind for each in OBJECTS]
    assert kinds == ["signature object: identity (user)"] * len(PUBLISHERS) + ["signature object: schema"] * len(URIS)
    assert all(one(each.encode()).holds for each in OBJECTS)


def test_a_resource_tells_what_it_is() -> None:
    found = facts(one(post(title="A ship", filename="ship.txt")))
    assert found["author (user)"].startswith(USER.fingerprint)
    assert found["resource"] == f"sdmp://{USER.fingerprint}/{found['identifier']}"
    assert found["trust"] == founding().local.trust
    assert (found["payload: title"], found["payload: filename"]) == ("A ship", "ship.txt")
    assert (found["payload: stamp"], found["payload: tags"]) == ("2026-11-20T12:00:00.000Z/0000", "a, b")


def test_a_resource_beside_the_payload_is_not_believed() -> None:
    value = json.loads(post())
    value["resource"] = {"user": OTHER.fingerprint}
    assert facts(one(json.dumps(value).encode()))["resource beside the payload"] == "ignored: nothing signs it"


# Each kind of container.

NODE_ID, USER_ID = NODE.fingerprint, USER.fingerprint
CONTAINERS = {
    "message": (["message"], {"message": "hi"}),
    "receipt": (["receipt"], {"receipt": ID_OF_NODE}),
    "user": (["user"], {"user": {"name": "Ada"}}),
    "node": (["node"], {"information": {"type": "node", "name": "attic", "ips": ["a:1"]}}),
    "trust": (
        ["trust"],
        {"trust": {"trustee": NODE_ID, "authorization": ["revoke"], "expires": "2027-01-01T00:00:00.000Z"}},
    ),
    "revoke": (["revoke"], {"revoke": {"resource": ID_OF_NODE}}),
    "request_journal": (
        ["request_journal"],
        {"request": {"identifier": "7", "type": "journal", "since": ID_OF_NODE, "limit": 3}},
    ),
    "request_resource": (
        ["request_resource"],
        {"request": {"identifier": "7", "type": "resource", "author": USER_ID, "resource": ID_OF_NODE}},
    ),
    "broadcast": (
        ["broadcast"],
        {"journal": {"since": ID_OF_NODE, "entries": [f"{ID_OF_NODE}@{USER_ID}/{ID_OF_NODE}"]}},
    ),
    "connection": (["connection"], {"connection": {"g": 2, "p": b64(b"\x7f" * 32), "N": b64(b"\x11" * 32)}}),
    "encrypted": (
        ["encrypted"],
        {"encrypted": {"iv": b64(bytes(16)), "payload": b64(bytes(32)), "recipients": [{"key": b64(bytes(256))}]}},
    ),
    "response (not_found)": (["response"], {"response": {"status": "not_found", "identifier": "7"}}),
}
SPOILED = {
    "receipt": {"receipt": "x"},
    "trust": {"trust": {"trustee": NODE_ID, "authorization": ["revoke"], "expires": "2026-01-01T00:00:00.000Z"}},
    "broadcast": {"journal": {"since": USER_ID, "entries": [f"{ID_OF_NODE}@{USER_ID}/{ID_OF_NODE}"]}},
    "connection": {"connection": {"g": 2, "p": b64(b"\x7f" * 32), "N": b64(b"\x01")}},
    "encrypted": {
        "encrypted": {"iv": b64(bytes(16)), "payload": b64(bytes(31)), "recipients": [{"key": b64(bytes(256))}]}
    },
    "response (not_found)": {"response": {"status": "not_found", "identifier": "7", "data": {}}},
    "request_journal": {"request": {"identifier": "7", "type": "resource", "since": ID_OF_NODE}},
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_is_named_by_its_schema(kind: str) -> None:
    found = one(container.write(*CONTAINERS[kind]))
    assert (found.kind, found.holds) == (kind, True), found


@pytest.mark.parametrize("kind", SPOILED)
def test_a_container_must_make_sense(kind: str) -> None:
    assert failed(one(container.write(CONTAINERS[kind][0], SPOILED[kind])))


def test_schemas_are_checked_in_order_and_an_unknown_one_is_left_open() -> None:
    uri = f"sdmp://{USER_ID}/{ID_OF_NODE}"
    found = one(container.write(["message", uri, "receipt"], {"message": "x"}))
    assert [(each.what, each.verdict) for each in found.checks[1:]] == [
        ("schema container", True), ("schema message", True), (f"schema {uri}", None), ("schema receipt", False),
    ]  # fmt: skip
    assert found.checks[3].detail == "schema not available"
    assert failed(one(container.write(["nonsense"], {}))) == ["schema nonsense"]


def test_a_broadcast_names_its_first_broken_line() -> None:
    entries = [Entry(Fingerprint(USER_ID), ID_OF_NODE)] * 4
    value = json.loads(messages.write(messages.Broadcast(journal.root(NODE_ID), tuple(entries))))
    assert one(json.dumps(value).encode()).holds
    value["journal"]["entries"][2] = value["journal"]["entries"][1]
    assert [each.detail for each in one(json.dumps(value).encode()).checks if each.verdict is False] == [
        "line 3 of 4 does not follow the line before it"
    ]


def test_what_a_response_carries_is_inspected_too() -> None:
    def answer(signed: SignedObject) -> bytes:
        return messages.write(messages.Response("7", "ok", signed))

    signed = SignedObject.parse(post())
    found = one(answer(signed), keys=(NODE.public,))
    assert (found.kind, found.holds) == ("response: signature object: message", True)
    forged = SignedObject.build(signed.payload, Signature("EdDSA", NODE.fingerprint, bytes(64)))
    assert failed(one(answer(forged), keys=(NODE.public,))) == ["data: signature 1: verifies"]


def test_files_and_envelope_keys_are_described() -> None:
    payload = compose(
        ["file"], {"file": FileManifest(5, b"hello").fields()}, user=USER_ID, trust=None, about=About(stamp=Stamp(NOW))
    )
    assert facts(one(SignedObject.sign(payload, USER).encode()))["payload: file"] == "5 bytes, inside"
    found = one(founding().resources[3].encode(), keys=(NODE.public,))
    assert (found.kind, found.holds) == ("signature object: envelope_keys", True)
    assert facts(found)["dated keys"] == "2, expiring 2026-12-20T12:00:00.000Z … 2027-01-19T12:00:00.000Z"


# Secrets.


def test_a_private_key_is_named_secret_and_never_shown() -> None:
    pem = OTHER.pem()
    body = {"expires": "2030-01-01T00:00:00.000Z", "key": pem, "fingerprint": OTHER.fingerprint}
    exported = container.write(["private_key"], {"private_key": body})
    broken = container.write(["private_key"], {"private_key": {"key": pem}})
    swapped = container.write(["private_key"], {"private_key": {**body, "fingerprint": NODE_ID}})
    for data, holds in ((pem.encode(), True), (exported, True), (broken, False), (swapped, False)):
        found = one(data)
        shown = json.dumps(found.as_json())
        assert found.holds is holds
        assert "SECRET" in facts(found)
        assert all(line not in shown for line in pem.splitlines() if line)
        assert holds is False or facts(found)["fingerprint"] == OTHER.fingerprint


# Keys, cards, envelopes.


def test_weak_and_broken_keys_are_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    weak = generate_private_key(65_537, 1024).public_key()
    pem = weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    found = one(pem)
    assert (found.kind, failed(found)) == ("public key (PEM)", ["key readable and strong"])
    assert "1024 bits is too weak" in found.checks[-1].detail
    body = b"".join(pem.splitlines()[1:-1])
    assert failed(one(body)) == ["key readable and strong"]
    assert failed(one(body[:-8] + b"========")), "padding"
    assert failed(one(pem + pem)) == ["PEM"]
    assert one(NODE.public.body.encode()).holds
    assert facts(one(NODE.public.body.encode()))["key"] == "Ed25519"


def test_a_card_tells_who_and_with_which_keys() -> None:
    found = one(card())
    assert (found.kind, found.holds) == ("card", True), found
    shown = facts(found)
    assert shown["name"] == "Ada"
    assert shown["user"].startswith(USER_ID)
    assert shown["node"].startswith(NODE_ID)
    assert shown["envelope keys"].startswith("4, announced")
    assert [shown[f"{kind} keys"][0] for kind in ("fast", "dated", "recovery")] == ["1", "2", "1"]
    assert not one(card(), at=Millis(NOW + 5_000 * DAY_MS)).holds
    assert failed(one(card(*founding().resources[:3]))) == ["card"]
    assert not one(card(*founding().resources, SignedObject.parse(post(by=OTHER)))).holds


def test_a_card_with_a_lying_schema_is_refused_not_crashed_on() -> None:
    payload = json.loads(
        compose(["message"], {"message": "x"}, user=USER_ID, trust=None, about=About(stamp=Stamp(NOW)))
    )
    del payload["about"]
    liar = SignedObject.sign(json.dumps(payload).encode(), USER)
    assert "card" in failed(one(card(*founding().resources, liar)))


def test_a_changed_card_is_refused() -> None:
    data = card()
    start = data.index(b"\n") + 1
    chosen = [at for at in range(start, len(data) - 1) if data[at : at + 1].isalnum()]
    # The SDMP version is the one thing in an object that nothing covers.
    versions = {at + n for at in range(len(data)) if data.startswith(b'"version":"0.12.0"', at) for n in range(18)}
    for place in random.Random(2).sample([at for at in chosen if at not in versions], 200):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert not one(changed).holds, place


@pytest.mark.parametrize(("wrap", "where"), [(bytes, ""), (armour, "parcel 1: "), (posted, "parcel 1: ")])
def test_an_envelope_is_described_but_not_opened(wrap, where) -> None:
    found = one(wrap(envelope(bytes(8), b"12345678")))
    assert found.kind == {bytes: "envelope (OpenPGP)", armour: "OpenPGP, armoured", posted: "mail"}[wrap]
    assert found.holds
    assert facts(found)[f"{where}recipients"] == "2: 1 hidden, 1 named"
    assert facts(found)[f"{where}opened"].startswith("no")
    for changed in (wrap(envelope(bytes(8))[:-1]), wrap(envelope())[:-1], wrap(envelope(bytes(8)) + b"\xcd\x01x")):
        assert failed(one(changed))


def test_armour_that_was_changed_does_not_hold() -> None:
    for _, _, changed in flips(armour(envelope(bytes(8))), 30, 60):
        # What separates lines may be any white space.
        assert failed(one(changed)) or changed.split() == armour(envelope(bytes(8))).split()


def test_a_saved_mail_is_described() -> None:
    mail = posted(envelope(bytes(8)))
    found = one(mail)
    assert facts(found)["from"] == "a@a.example"
    assert failed(one(mail.replace(b"Part: 1 ", b"Part: 1 a"))) == []
    other = {ord("a"): ord("b")}  # whatever the first letter is
    part = re.sub(rb"(?<=Part: 1 )\w", lambda letter: bytes([other.get(letter[0][0], ord("a"))]), mail)
    assert failed(one(part)) == ["part"]
    assert failed(one(re.sub(rb"\r\n=[^\r]{4}\r\n", b"\r\n=AAAAA\r\n", mail, count=1))) == ["parcel"]
    assert one(b"Subject: herring\r\n\r\nat nine\r\n").kind == "unknown"
    assert failed(one(armour(b"x").replace(b"MESSAGE", b"SIGNATURE"))) == ["armour"]


def test_other_openpgp_is_not_an_envelope() -> None:
    found = one(packets.packet(6, b"\x04abcd\x16" + bytes(40)))
    assert (found.kind, failed(found)) == ("OpenPGP", ["form of an envelope"])


# Journals.


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: d.replace(b"\n", b"\r\n"), "line ends"),
        (lambda d: d + b"\n\n", "each line follows the one before"),
        (lambda d: d + b"\n" + d.split(b"\n")[2], "each line follows the one before"),
        (lambda d: d.split(b"\n")[0] + b"\n" + d.split(b"\n")[2], "each line follows the one before"),
        (lambda d: d + b" ", "each line follows the one before"),
        (lambda d: d[:-1] + b"R", "each line follows the one before"),
        (lambda d: b"a" + d, "line 0 is a fingerprint"),
    ],
)
def test_a_journal_is_strict(change, what: str) -> None:
    data = example("journal-user-trust.txt")
    assert one(data + b"\n").holds
    found = one(change(data))
    assert found.kind == "journal"
    assert what in failed(found)


def test_our_own_journal_is_proven_by_its_resources() -> None:
    objects = founding().resources
    lines = [NODE_ID]
    for each in objects:
        lines.append(journal.text(digest(lines[-1].encode()), Entry(Fingerprint(USER_ID), each.id)))
    found = one("\n".join(lines).encode(), *(each.encode() for each in objects))
    assert found.holds
    assert "line 2 is the trust in the node" in [each.what for each in found.checks]
    lines[-1] = lines[-1].replace(f"@{USER_ID}/", f"@{NODE_ID}/")
    assert failed(one("\n".join(lines).encode(), objects[-1].encode())) == ["line 6 names the author"]
    alone = one("\n".join(lines).encode(), objects[1].encode())
    assert [each.what for each in open_checks(alone)] == ["line 2 is the trust in the node"]


# Hostile files.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0" * 1000,
        b" ",
        b"\n",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"{\0}",
        b"hello",
        b"\xff" * 50,
        b"\xef\xbb\xbf{}",
        b'{"a":1,"a":1}',
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"' + b"x" * 3_000_000 + b'"}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"a","message":"b"}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"\\ud800"}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":"\xff"}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":NaN}',
        b'{"sdmp":{"version":"0.12.0","schemas":["message"]},"message":' + b"9" * 5000 + b"}",
        b'{"sdmp":[]}',
        b'{"sdmp":{"schemas":[]}}',
        b'{"sdmp":{"schemas":[{}]}}',
        b'{"alg":1,"kid":[]}',
        b'{"sdmp":{"version":"0.12.0","schemas":["identity"]},"identity":{"type":"user","expires":"2026-02-30T00:00:00.000Z"'
        + b',"key":"'
        + b"A" * 44
        + b'"}}',
        b"-----BEGIN PUBLIC KEY-----",
        b"-----BEGIN PRIVATE KEY-----",
        b"-----BEGIN PGP MESSAGE-----",
        b"-----BEGIN X-----",
        b"-----BEGIN PRIVATE KEY-----" + b"A" * 100_000,
        b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 100_000,
        b"# paquebot card",
        b"# paquebot card\n{}\n",
        b"# paquebot card\n\xff",
        b"# paquebot card\n" + b"{}\n" * 200_000,
        b"\xc1",
        b"\xc1\xff",
        b"\x84",
        b"\xd2\x2a",
        b"A" * 86,
        b"MI" + b"A" * 60 + b"+",
        b"ey" + b"A" * 90 + b"=",
    ],
)
def test_nothing_hostile_holds_or_raises(data: bytes) -> None:
    found = inspect([("x", data), ("y", example("bob-identity.json"))], (), THEN)
    assert (found[0].holds, found[1].holds) == (data == b"A" * 86, True)
    json.dumps(found[0].as_json())


def test_huge_files_are_refused_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognising, "FILE_BYTES_MAX", 100)
    assert failed(one(b"A" * 101)) == ["recognised"]


def test_nesting_ends() -> None:
    payload = post()
    for _ in range(9):
        payload = SignedObject.sign(payload, NODE).encode()
    found = one(payload, keys=(NODE.public,))
    assert not found.holds
    assert any(each.detail.startswith("nested deeper") for each in open_checks(found))
    value = json.loads(container.write(["message"], {"message": "x"}))
    for _ in range(9):
        response = {"status": "ok", "identifier": "1", "data": value}
        value = json.loads(container.write(["response"], {"response": response}))
    assert any(each.detail.startswith("nested deeper") for each in open_checks(one(json.dumps(value).encode())))


def test_nothing_shown_can_command_a_terminal() -> None:
    evil = "\x1b[2J\x1b]0;pwned\x07\u202egnp\u200b\x9b31m\r\n\x00\u2028"
    texts = [
        post(text=evil, title=evil, filename=evil),
        container.write(["user"], {"user": {"name": evil, evil: evil}}),
        container.write([evil], {}),
        container.write([f"sdmp://{evil}/{evil}"], {evil: evil}),
        container.write(["request_journal"], {"request": {"identifier": evil, "type": "journal", "since": ID_OF_NODE}}),
        container.write(["node"], {"node": {"ips": [evil], "name": evil}}),
        card() + b"#" + evil.encode(),
        ("-----BEGIN PGP MESSAGE-----" + evil).encode(),
        (NODE_ID + "\n" + evil).encode(),
        (evil * 10).encode(),
    ]
    for found in inspect([(evil, each) for each in texts], (), NOW):
        shown = [found.name, found.kind, *(text for fact in found.facts for text in fact)]
        shown += [text for each in found.checks for text in (each.what, each.detail)]
        assert all(text.isprintable() and len(text) <= 300 for text in shown), found


def test_noise_never_raises() -> None:
    dice = random.Random(3)
    seeds = [example(name) for name in NAMES]
    seeds += [post(), card(), envelope(bytes(8)), armour(envelope(bytes(8))), OTHER.pem().encode()]
    seeds += [container.write(*each) for each in CONTAINERS.values()]
    for _ in range(2_000):
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 5)):
            at = dice.randrange(len(data) or 1)
            match dice.randrange(4):
                case 0:
                    data[at : at + 1] = bytes([dice.randrange(256)])
                case 1:
                    del data[at : at + dice.randrange(40)]
                case 2:
                    data[at:at] = dice.choice([b"\0", b"\x1b", b'"', b"{", b"\n", b"\\u0000", b"null"])
                case _:
                    data[at:at] = data[at : at + 50]
        json.dumps(one(bytes(data)).as_json())


def test_payloads_of_every_shape_never_raise() -> None:
    shapes = [None, 0, -1, 1.5, "", "x", [], {}, [[]], {"a": []}, True, "9" * 86]
    names = ["identity", "signature", "broadcast", "response", "trust", "resource", "node", "private_key", "connection"]
    for name in [*names, *URIS.values()]:
        keys = [
            "identity",
            "signature",
            "journal",
            "response",
            "trust",
            "resource",
            "node",
            "about",
            "file",
            "envelope_keys",
        ]
        for shape in shapes:
            fields = dict.fromkeys([*keys, "private_key", "connection"], shape)
            payload = container.write([name], fields)
            signed = SignedObject.sign(payload, NODE).encode()
            inspect([("a", payload), ("b", signed), ("c", card(SignedObject.parse(signed)))], (), NOW)
