"""What a sealed envelope promises, and every way in which one may be refused."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from paquebot.errors import (
    BadSignature,
    Expired,
    Malformed,
    Misused,
    NotForUs,
    NotYet,
    PaquebotError,
    Refused,
    Stranger,
    TooLarge,
)
from paquebot.protocol.keys import EncryptionKey, KeyClass, Pins
from paquebot.protocol.limits import BUNDLE_BYTES_MAX, DAY_MS, ENVELOPE_BYTES_MAX, LATEST_MS, SKEW_MS
from paquebot.protocol.stamp import Millis
from paquebot.vault import keystore, openpgp, packets, pgpy_sealer, rotation
from paquebot.vault.opening import subkey_id
from paquebot.vault.openpgp import fingerprint, primary_body
from paquebot.vault.packets import Tag
from paquebot.vault.packing import pack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Opened, Sealer

NOW = Millis(1_800_000_000_000)
END = Millis(NOW + 3_652 * DAY_MS)
BUNDLE = b"three barrels of herring, one of them for the lighthouse" * 5


def dice(seed: str) -> keystore.Entropy:
    counter = itertools.count()
    return lambda n: hashlib.shake_256(f"{seed} {next(counter)}".encode()).digest(n)


ALICE, BOB, CAROL, MALLORY = (keystore.create(NOW, dice(who), END) for who in ("alice", "bob", "carol", "mallory"))
PINS: Pins = {who: secrets.announcement(who) for who, secrets in (("alice", ALICE), ("bob", BOB), ("carol", CAROL))}


def key_of(who: str, kind: KeyClass = KeyClass.FAST) -> EncryptionKey:
    return min(key for key in PINS[who].keys if key.kind is kind)


def sealed_by_alice(*to: str, bundle: bytes = BUNDLE, at: Millis = NOW) -> bytes:
    return PgpySealer(ALICE).seal(bundle, [key_of(who) for who in to or ("bob",)], at=at)


# Promises.


@pytest.mark.parametrize("bundle", [b"", b"x", BUNDLE, bytes(1 << 20)], ids=["empty", "one", "short", "zeros"])
def test_what_was_sealed_is_opened(bundle: bytes) -> None:
    opened = PgpySealer(BOB).open(sealed_by_alice(bundle=bundle), PINS, now=NOW)
    assert opened == Opened(bundle, ("alice",), NOW, KeyClass.FAST)


def test_each_of_three_recipients_opens_it() -> None:
    envelope = sealed_by_alice("bob", "carol", "alice")
    assert {PgpySealer(who).open(envelope, PINS, now=NOW).bundle for who in (BOB, CAROL, ALICE)} == {BUNDLE}


@pytest.mark.parametrize("kind", list(KeyClass))
def test_the_receiver_learns_which_class_of_key_it_came_to(kind: KeyClass) -> None:
    envelope = PgpySealer(ALICE).seal(BUNDLE, [key_of("bob", kind)], at=NOW)
    assert PgpySealer(BOB).open(envelope, PINS, now=NOW).key_kind is kind


def test_nobody_is_named_on_an_envelope() -> None:
    envelope = sealed_by_alice("bob", "carol")
    assert [each.key_id for each in packets.outer(envelope).recipients] == [packets.HIDDEN] * 2
    assert not [who for who in ("bob", "carol") if subkey_id(key_of(who)) in envelope]


def test_a_named_recipient_opens_it_too() -> None:
    named = subkey_id(key_of("bob"))
    envelope = sealed_by_alice()
    assert PgpySealer(BOB).open(envelope[:3] + named + envelope[11:], PINS, now=NOW).bundle == BUNDLE


def test_an_envelope_names_nobody() -> None:
    envelope = sealed_by_alice("bob", "carol")
    assert all(recipient.key_id == bytes(8) for recipient in packets.outer(envelope).recipients)
    assert fingerprint(primary_body(PINS["alice"].signing, NOW))[-8:] not in envelope


@pytest.mark.parametrize(("recipients", "most"), [(1, 283), (2, 379), (10, 1147)])
def test_the_overhead_stays_within_its_budget(recipients: int, most: int) -> None:
    bundle = dice("noise")(300)
    envelope = PgpySealer(ALICE).seal(bundle, [key_of("bob")] * recipients, at=NOW)
    assert len(envelope) - len(pack(bundle)) <= most


def test_an_envelope_opens_as_long_as_its_key_is_there_whatever_the_clock_says() -> None:
    envelope = sealed_by_alice()
    grace = Millis(key_of("bob").expires + keystore.GRACE_MS[KeyClass.FAST])
    for moment in (grace, Millis(grace + 1), Millis(NOW + 400 * DAY_MS)):
        assert PgpySealer(BOB).open(envelope, PINS, now=moment).bundle == BUNDLE
    with pytest.raises(NotForUs):
        PgpySealer(rotation.destroy(BOB, Millis(grace + 1))).open(envelope, PINS, now=grace)


def test_a_destroyed_key_opens_nothing() -> None:
    envelope = sealed_by_alice()
    later = Millis(NOW + 14 * DAY_MS + 1)
    with pytest.raises(NotForUs):
        PgpySealer(rotation.destroy(BOB, later)).open(envelope, PINS, now=NOW)


def test_a_peer_with_impossible_keys_hides_nobody_else() -> None:
    broken = replace(PINS["carol"], created=Millis(1 << 50), signing=b"short")
    assert PgpySealer(BOB).open(sealed_by_alice(), {"carol": broken, **PINS}, now=NOW).signers == ("alice",)


def test_the_signer_is_who_we_pinned_whatever_the_announcement_claims() -> None:
    pins = {"alice": replace(PINS["alice"], node="carol")}
    assert PgpySealer(BOB).open(sealed_by_alice(), pins, now=NOW).signers == ("alice",)


def test_all_who_announce_the_signing_key_are_named() -> None:
    """Whoever announces another's key must not thereby hide that other."""
    pins = {"mallory": replace(PINS["alice"], node="mallory"), **PINS}
    assert PgpySealer(BOB).open(sealed_by_alice(), pins, now=NOW).signers == ("mallory", "alice")


def test_only_those_are_named_whose_keys_were_in_force() -> None:
    ended = tuple(replace(key, expires=Millis(NOW - SKEW_MS - 1)) for key in PINS["alice"].keys)
    pins = {"mallory": replace(PINS["alice"], node="mallory", keys=ended), **PINS}
    assert PgpySealer(BOB).open(sealed_by_alice(), pins, now=NOW).signers == ("alice",)
    with pytest.raises(Expired, match="end of its identity"):
        PgpySealer(BOB).open(sealed_by_alice(), {"mallory": pins["mallory"]}, now=NOW)


def test_a_clock_of_no_use_does_not_keep_us_from_opening_what_is_dated_in_the_future() -> None:
    late = Millis(NOW + 900 * DAY_MS)
    envelope = sealed_by_alice("bob", at=NOW)
    with pytest.raises(NotYet, match="clock"):
        PgpySealer(BOB).open(envelope, PINS, now=Millis(NOW - SKEW_MS - 1))
    dated = PgpySealer(ALICE).seal(BUNDLE, [key_of("bob", KeyClass.RECOVERY)], at=late)
    assert PgpySealer(BOB).open(dated, PINS, now=NOW, doubtful=True).created == late
    pins = {"alice": replace(PINS["alice"], keys=())}
    endless = replace(key_of("bob"), expires=Millis(LATEST_MS * 2))
    dated = PgpySealer(ALICE).seal(BUNDLE, [endless], at=Millis(LATEST_MS + 1000))
    with pytest.raises(NotYet):
        PgpySealer(BOB).open(dated, pins, now=NOW, doubtful=True)


def test_what_is_dated_in_the_future_and_forged_is_refused_for_good() -> None:
    with pytest.raises(BadSignature):
        PgpySealer(BOB).open(wrap(message(PACKED, by=MALLORY)), PINS, now=Millis(NOW - SKEW_MS - 1))


def test_it_is_a_sealer() -> None:
    sealer: Sealer = PgpySealer(ALICE)
    assert sealer


def test_pgpy_is_imported_on_first_use_and_leaves_no_trace_of_its_crutch() -> None:
    script = """
import sys
from paquebot.vault import files, keystore, openpgp, packets, packing, pgpy_sealer, policy, sealer
assert "pgpy" not in sys.modules
pgpy_sealer._pgpy()
assert "pgpy" in sys.modules
assert sys.version_info < (3, 13) or "imghdr" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


# What cannot be sealed.


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ([], Misused),
        ([key_of("bob")] * 65, TooLarge),
        ([replace(key_of("bob"), expires=NOW)], Expired),
        ([replace(key_of("bob"), point=bytes(32))], Malformed),
        ([replace(key_of("bob"), point=bytes(31))], Malformed),
        ([replace(key_of("bob"), created=Millis(1 << 43))], Malformed),
    ],
    ids=["nobody", "too many", "expired", "low order", "short", "after 2106"],
)
def test_a_seal_to_unusable_keys_is_refused(keys: list[EncryptionKey], error: type[PaquebotError]) -> None:
    with pytest.raises(error):
        PgpySealer(ALICE).seal(BUNDLE, keys, at=NOW)


@pytest.mark.parametrize("size", [BUNDLE_BYTES_MAX, BUNDLE_BYTES_MAX + 1], ids=["envelope", "bundle"])
def test_nothing_larger_than_an_envelope_is_sealed(size: int) -> None:
    with pytest.raises(TooLarge):
        sealed_by_alice(bundle=dice("noise")(size))


# Hostile envelopes: each differs from a valid one in one respect.

ISSUER = fingerprint(primary_body(PINS["alice"].signing, NOW))


def signature(
    data: bytes,
    *,
    by: keystore.Secrets = ALICE,
    kind: int = 0,
    at: Millis = NOW,
    extra: bytes = b"",
    issuer: bytes = ISSUER,
) -> bytes:
    sign = Ed25519PrivateKey.from_private_bytes(by.signing).sign
    return openpgp.sign(kind, hashlib.sha512(data), sign, at=at, issuer=issuer, extra=extra)


def literal(data: bytes, head: bytes = b"b\0\0\0\0\0") -> bytes:
    return packets.packet(Tag.LITERAL, head + data)


def message(data: bytes, **changes: object) -> bytes:
    return packets.one_pass(ISSUER) + literal(data) + signature(data, **changes)  # type: ignore[arg-type]


def wrap(plain: bytes) -> bytes:
    """Encrypt *plain* to Bob."""
    pgp = pgpy_sealer._pgpy()
    session = bytes(range(32))
    sealed = pgp.Sealed()
    sealed.encrypt(session, pgp.aes256, plain)
    head = pgpy_sealer._wrap(pgp, key_of("bob"), session)
    return head + packets.packet(Tag.SEALED, b"\x01" + bytes(sealed.ct))


def changed_body(tag: int, change: Callable[[bytearray], None], data: bytes | None = None) -> bytes:
    """Return a signed message in which the body of the packet with *tag* was changed."""
    out = b""
    for found in packets.split(message(pack(BUNDLE) if data is None else data)):
        body = bytearray(found.body)
        if found.tag == tag:
            change(body)
        out += packets.packet(found.tag, body)
    return out


def put(at: int, value: bytes) -> Callable[[bytearray], None]:
    def change(body: bytearray) -> None:
        body[at : at + len(value)] = value

    return change


def without_mdc() -> bytes:
    pgp = pgpy_sealer._pgpy()
    session = bytes(range(32))
    encryptor = Cipher(algorithms.AES256(session), pgpy_sealer._cfb()(bytes(16))).encryptor()
    ciphertext = encryptor.update(bytes(18) + message(pack(BUNDLE))) + encryptor.finalize()
    head = pgpy_sealer._wrap(pgp, key_of("bob"), session)
    return head + packets.packet(Tag.SEALED, b"\x01" + ciphertext)


VALID = sealed_by_alice()
HEAD = 96  # of one recipient
PACKED = pack(BUNDLE)


def other_cipher() -> bytes:
    pgp = pgpy_sealer._pgpy()
    wrapped = pgp.Wrapped()
    wrapped.pkalg = pgp.ecdh
    wrapped.encrypt_sk(pgpy_sealer._public_packet(key_of("bob").point, NOW), 13, bytes(range(32)))
    return bytes(wrapped) + VALID[HEAD:]


def old_format(envelope: bytes) -> bytes:
    body = bytes(packets.split(envelope)[0].body)
    return bytes((0x84, len(body))) + body + envelope[HEAD:]


def partial(envelope: bytes) -> bytes:
    body = bytes(packets.split(envelope)[1].body)
    return envelope[:HEAD] + b"\xd2\xe6" + body[:64] + bytes((len(body) - 64,)) + body[64:]


def sub(kind: int, value: bytes) -> bytes:
    return openpgp.subpacket(kind, value)


HOSTILE: dict[str, tuple[Callable[[], bytes], type[Refused]]] = {
    # Outside.
    "nothing": (lambda: b"", Malformed),
    "no packet": (lambda: b"\x00" + VALID, Malformed),
    "tag 0": (lambda: packets.packet(0, b"") + VALID, Malformed),
    "too large": (lambda: bytes(ENVELOPE_BYTES_MAX + 1), TooLarge),
    "trailing byte": (lambda: VALID + b"\0", Malformed),
    "trailing packet": (lambda: VALID + packets.packet(Tag.MARKER, b"PGP"), Malformed),
    "leading marker": (lambda: packets.packet(Tag.MARKER, b"PGP") + VALID, Malformed),
    "two sealed packets": (lambda: VALID + VALID[HEAD:], Malformed),
    "two envelopes": (lambda: VALID + VALID, Malformed),
    "no recipient": (lambda: VALID[HEAD:], Malformed),
    "no content": (lambda: VALID[:HEAD], Malformed),
    "65 recipients": (lambda: VALID[:HEAD] * 65 + VALID[HEAD:], TooLarge),
    "65 recipients only": (lambda: VALID[:HEAD] * 65, Malformed),
    "passphrase": (lambda: packets.packet(Tag.PASSPHRASE, b"\x04\x09\x00\x08") + VALID, Malformed),
    "version 2": (lambda: VALID[:HEAD] + packets.packet(18, b"\x02" + bytes(60)), Malformed),
    "tag 9": (lambda: VALID[:HEAD] + packets.packet(9, bytes(packets.split(VALID)[1].body[1:])), Malformed),
    "tag 20": (lambda: VALID[:HEAD] + packets.packet(20, bytes(packets.split(VALID)[1].body)), Malformed),
    "too short": (lambda: VALID[:HEAD] + packets.packet(18, b"\x01" + bytes(39)), Malformed),
    "partial length": (lambda: partial(VALID), Malformed),
    "indeterminate length": (lambda: VALID[:HEAD] + b"\xa7" + VALID[HEAD + 3 :], Malformed),
    "recipient version 2": (lambda: VALID[:2] + b"\x02" + VALID[3:], Malformed),
    "recipient version 6": (lambda: VALID[:2] + b"\x06" + VALID[3:], Malformed),
    "recipient RSA": (lambda: VALID[:11] + b"\x01" + VALID[12:], Malformed),
    "recipient empty": (lambda: packets.packet(1, b"") + VALID, Malformed),
    "recipient with point of another form": (lambda: VALID[:14] + b"\x41" + VALID[15:], Malformed),
    "recipient with rest": (lambda: packets.packet(1, VALID[2:HEAD] + b"\0") + VALID[HEAD:], Malformed),
    # Whom it is for.
    "for someone else": (lambda: sealed_by_alice("carol"), NotForUs),
    "wrong key named": (lambda: VALID[:3] + b"\x01" * 8 + VALID[11:], NotForUs),
    "low-order point": (lambda: VALID[:15] + bytes(32) + VALID[47:], NotForUs),
    "another cipher": (other_cipher, Malformed),
    # Integrity.
    "bit flipped in the code": (lambda: VALID[:-1] + bytes((VALID[-1] ^ 1,)), BadSignature),
    "bit flipped in the body": (lambda: VALID[:150] + bytes((VALID[150] ^ 1,)) + VALID[151:], BadSignature),
    "bit flipped in the prefix": (lambda: VALID[:101] + bytes((VALID[101] ^ 1,)) + VALID[102:], BadSignature),
    "no modification detection": (without_mdc, BadSignature),
    "recipient of another envelope": (lambda: sealed_by_alice()[:HEAD] + VALID[HEAD:], BadSignature),
    # Inside.
    "nothing inside": (lambda: wrap(b""), Malformed),
    "unsigned": (lambda: wrap(literal(PACKED)), Malformed),
    "no one-pass header": (lambda: wrap(literal(PACKED) + signature(PACKED)), Malformed),
    "signature first": (lambda: wrap(signature(PACKED) + literal(PACKED)), Malformed),
    "signed twice": (lambda: wrap(message(PACKED) + signature(PACKED)), TooLarge),
    "two literals": (
        lambda: wrap(packets.one_pass(ISSUER) + literal(b"") + literal(PACKED) + signature(PACKED)),
        TooLarge,
    ),
    "compressed": (lambda: wrap(packets.packet(8, b"\0" + message(PACKED))), Malformed),
    "an envelope inside": (lambda: wrap(VALID), Malformed),
    "cut inside": (lambda: wrap(message(PACKED)[:-1]), Malformed),
    "text": (lambda: wrap(changed_body(11, put(0, b"t"))), Malformed),
    "utf-8": (lambda: wrap(changed_body(11, put(0, b"u"))), Malformed),
    "name": (
        lambda: wrap(packets.one_pass(ISSUER) + literal(PACKED, b"b\1x\0\0\0\0") + signature(PACKED)),
        Malformed,
    ),
    "date": (lambda: wrap(changed_body(11, put(5, b"\1"))), Malformed),
    "literal cut": (lambda: wrap(packets.one_pass(ISSUER) + literal(b"", b"b\0") + signature(b"")), Malformed),
    "one-pass of another hash": (lambda: wrap(changed_body(4, put(2, b"\x08"))), Malformed),
    "one-pass of another key": (lambda: wrap(changed_body(4, put(4, b"\1" * 8))), Malformed),
    "one-pass nested": (lambda: wrap(changed_body(4, put(12, b"\0"))), Malformed),
    # The signature's form.
    "signature version 3": (lambda: wrap(changed_body(2, put(0, b"\3"))), Malformed),
    "signature version 6": (lambda: wrap(changed_body(2, put(0, b"\6"))), Malformed),
    "text signature": (lambda: wrap(message(PACKED, kind=1)), Malformed),
    "certification": (lambda: wrap(message(PACKED, kind=0x10)), Malformed),
    "RSA signature": (lambda: wrap(changed_body(2, put(2, b"\1"))), Malformed),
    "SHA-1 signature": (lambda: wrap(changed_body(2, put(3, b"\2"))), Malformed),
    "MD5 signature": (lambda: wrap(changed_body(2, put(3, b"\1"))), Malformed),
    "signature empty": (lambda: wrap(changed_body(2, bytearray.clear)), Malformed),
    "signature with rest": (lambda: wrap(changed_body(2, lambda b: b.extend(b"\0"))), Malformed),
    "hashed area too long": (lambda: wrap(changed_body(2, put(4, b"\xff\xff"))), Malformed),
    "subpacket too long": (lambda: wrap(changed_body(2, put(6, b"\x70"))), Malformed),
    "subpacket empty": (lambda: wrap(changed_body(2, put(6, b"\0"))), Malformed),
    "no creation time": (lambda: wrap(changed_body(2, put(7, b"\x64"))), Malformed),
    "no fingerprint": (lambda: wrap(changed_body(2, put(13, b"\x64"))), Malformed),
    "fingerprint version 6": (lambda: wrap(changed_body(2, put(14, b"\6"))), Malformed),
    "number too long": (lambda: wrap(changed_body(2, put(-66, b"\2"))), Malformed),
    "unknown critical subpacket": (lambda: wrap(message(PACKED, extra=sub(0x80 | 100, b"x"))), Malformed),
    "critical notation": (lambda: wrap(message(PACKED, extra=sub(0x80 | 20, bytes(8)))), Malformed),
    "two creation times": (lambda: wrap(message(PACKED, extra=sub(2, bytes(4)))), Malformed),
    # Who signed, when, what.
    "stranger": (lambda: PgpySealer(MALLORY).seal(BUNDLE, [key_of("bob")], at=NOW), Stranger),
    "signed by another": (lambda: wrap(message(PACKED, by=MALLORY)), BadSignature),
    "signed other bytes": (
        lambda: wrap(packets.one_pass(ISSUER) + literal(PACKED) + signature(PACKED + b"x")),
        BadSignature,
    ),
    "digest's first bytes": (lambda: wrap(changed_body(2, put(-70, b"\0\0"))), BadSignature),
    "signature's last bit": (lambda: wrap(changed_body(2, lambda b: b.append(b.pop() ^ 1))), BadSignature),
    "hash other than signed": (
        lambda: wrap(
            message(PACKED)
            .replace(bytes((3, 0, 10, 22)), bytes((3, 0, 8, 22)))
            .replace(bytes((4, 0, 22, 10)), bytes((4, 0, 22, 8)))
        ),
        BadSignature,
    ),
    "from the future": (lambda: sealed_by_alice(at=Millis(NOW + SKEW_MS + 1000)), NotYet),
    "older than its key": (lambda: sealed_by_alice(at=Millis(NOW - SKEW_MS - 1000)), Expired),
    # Packed.
    "not packed": (lambda: wrap(message(BUNDLE)), Malformed),
    "empty literal": (lambda: wrap(message(b"")), Malformed),
    "two frames": (lambda: wrap(message(PACKED + PACKED)), Malformed),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_envelope_is_refused(name: str) -> None:
    make, error = HOSTILE[name]
    with pytest.raises(Refused) as refusal:
        PgpySealer(BOB).open(make(), PINS, now=NOW)
    assert type(refusal.value) is error, refusal.value
    assert str(refusal.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("partial length", "partial length"),
        ("indeterminate length", "indeterminate length"),
        ("tag 0", "reserved tag"),
        ("recipient version 6", "not of version 3"),
        ("recipient RSA", "not for an ECDH key"),
        ("version 2", "not of version 1"),
        ("name", "file name"),
        ("date", "has a date"),
        ("text", "not binary"),
        ("MD5 signature", "neither SHA-256"),
        ("SHA-1 signature", "neither SHA-256"),
        ("RSA signature", "not EdDSA"),
        ("certification", "not over a binary document"),
        ("unknown critical subpacket", "depends on a subpacket"),
        ("signature with rest", "follows the signature"),
    ],
)
def test_a_refusal_says_what_was_wrong(name: str, sentence: str) -> None:
    """Each by its own check, and not by a later one that happens to stumble too."""
    with pytest.raises(Malformed, match=sentence):
        PgpySealer(BOB).open(HOSTILE[name][0](), PINS, now=NOW)


def test_the_valid_ones_would_have_passed() -> None:
    """The tools that make hostile envelopes make sound ones too."""
    sealer = PgpySealer(BOB)
    for envelope in (
        VALID,
        wrap(message(PACKED)),
        wrap(changed_body(11, put(0, b"b"))),
        old_format(VALID),
        wrap(message(PACKED, extra=sub(100, b"x"))),
        wrap(message(PACKED, extra=sub(3, bytes(4)))),
        sealed_by_alice(at=Millis(NOW + SKEW_MS)),
        sealed_by_alice(at=Millis(NOW - SKEW_MS)),
    ):
        assert sealer.open(envelope, PINS, now=NOW).bundle == BUNDLE


def test_an_envelope_cut_anywhere_is_refused() -> None:
    sealer = PgpySealer(BOB)
    for end in range(len(VALID)):
        with pytest.raises(Malformed):
            sealer.open(VALID[:end], PINS, now=NOW)


def test_plaintext_cut_anywhere_is_refused() -> None:
    plain = message(PACKED)
    for end in range(len(plain)):
        with pytest.raises(Malformed):
            packets.inner(plain[:end])


def test_a_signature_after_the_end_of_its_identity_is_refused() -> None:
    late = Millis(END + SKEW_MS + 1000)
    bob = BOB.with_fast(late, dice("late"))
    newest = max((s.key for s in bob.subkeys), key=lambda key: key.created)
    envelope = PgpySealer(ALICE).seal(BUNDLE, [newest], at=late)
    with pytest.raises(Expired):
        PgpySealer(bob).open(envelope, PINS, now=late)


def test_a_signature_holds_no_longer_than_it_says_give_or_take_the_clocks() -> None:
    envelope = wrap(message(PACKED, extra=sub(3, b"\0\0\0\1")))
    end = Millis(NOW + 1000 + SKEW_MS)
    assert PgpySealer(BOB).open(envelope, PINS, now=end).bundle == BUNDLE
    with pytest.raises(Expired):
        PgpySealer(BOB).open(envelope, PINS, now=Millis(end + 1))


def test_a_stranger_is_told_by_the_first_digits_of_the_key() -> None:
    envelope = PgpySealer(MALLORY).seal(BUNDLE, [key_of("bob")], at=NOW)
    body = primary_body(MALLORY.announcement("mallory").signing, NOW)
    with pytest.raises(Stranger, match=fingerprint(body).hex()[:16]):
        PgpySealer(BOB).open(envelope, PINS, now=NOW)


def test_every_refusal_of_form_has_a_sentence_of_its_own() -> None:
    sentences = set()
    for make, _ in HOSTILE.values():
        with pytest.raises(Refused) as refusal:
            PgpySealer(BOB).open(make(), PINS, now=NOW)
        sentences.add(str(refusal.value))
    assert len(sentences) >= 35


def test_numbers_with_leading_zeros_survive() -> None:
    """A signature's halves begin with a zero octet once in 128 times; OpenPGP then writes them shorter."""
    sealer, lengths = PgpySealer(ALICE), set()
    for second in range(400):
        at = Millis(NOW + second * 1000)
        data = b"".join(sealer._sealing.signed([b"x"], at))
        lengths.add(len(data))
        found = packets.inner(data)
        Ed25519PrivateKey.from_private_bytes(ALICE.signing).public_key().verify(
            found.signature.value, packets.verify_digest(found)
        )
    assert len(lengths) > 1
