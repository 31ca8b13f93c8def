"""No bytes whatever make the vault raise anything but a refusal, or take one bundle for another."""

from __future__ import annotations

import hashlib
import itertools
import random
from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from paquebot.errors import Refused
from paquebot.protocol.keys import KeyClass, Pins
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis
from paquebot.vault import packets, pgpy_sealer
from paquebot.vault.interior import uncover
from paquebot.vault.keystore import Entropy, Secrets, create, decode, encode
from paquebot.vault.packing import pack, padme, unpack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Opened
from paquebot_mail.armour import armour, unarmour

NOW = Millis(1_800_000_000_000)
END = Millis(NOW + 3_652 * DAY_MS)
BUNDLE = b"three barrels of herring, one of them for the lighthouse" * 3


def entropy_from(seed: str) -> Entropy:
    counter = itertools.count()
    return lambda n: hashlib.shake_256(f"{seed} {next(counter)}".encode()).digest(n)


def few_keys(who: str) -> Secrets:
    """Keys with two subkeys: each more is one more to try."""
    secrets = create(NOW, entropy_from(who), END)
    kept = (secrets.subkeys[0], secrets.subkeys[-1])
    return Secrets(secrets.created, secrets.expires, secrets.signing, secrets.storage, kept)


ALICE, BOB = few_keys("alice"), few_keys("bob")
PINS: Pins = {"alice": ALICE.announcement("alice")}
ENVELOPE = PgpySealer(ALICE).seal(BUNDLE, [s.key for s in BOB.subkeys], at=NOW)
EXPECTED = Opened(BUNDLE, ("alice",), NOW, KeyClass.FAST)
OPENER = PgpySealer(BOB)


def check(envelope: bytes, expected: Opened = EXPECTED) -> None:
    """Whatever was done to the envelope: what opens is what was sealed."""
    with suppress(Refused):
        opened = OPENER.open(envelope, PINS, now=NOW)
        assert (opened.bundle, opened.signers, opened.created) == (
            expected.bundle,
            expected.signers,
            expected.created,
        )


def reseal(plain: bytes) -> bytes:
    """Encrypt *plain* to Bob, as a hostile sender can."""
    pgp = pgpy_sealer._pgpy()
    session = bytes(32)
    sealed = pgp.Sealed()
    sealed.encrypt(session, pgp.aes256, plain)
    head = pgpy_sealer._wrap(pgp, BOB.subkeys[-1].key, session)
    return head + packets.packet(packets.Tag.SEALED, b"\x01" + bytes(sealed.ct))


PLAIN = b"".join(PgpySealer(ALICE)._sealing.signed([pack(BUNDLE)], NOW))


@st.composite
def mutations(draw: st.DrawFn, original: bytes) -> bytes:
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["put", "cut", "insert", "drop", "double"])):
            case "put":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(max_size=20))
            case "drop":
                del data[at : at + draw(st.integers(1, 100))]
            case _:
                data += data[at:]
    return bytes(data)


@given(mutations(ENVELOPE))
@example(ENVELOPE)
@settings(max_examples=300, deadline=None)
def test_a_mutated_envelope_is_refused_or_the_same(envelope: bytes) -> None:
    check(envelope)


@given(mutations(PLAIN))
@example(PLAIN)
@settings(max_examples=300, deadline=None)
def test_a_mutated_plaintext_is_refused_or_the_same(plain: bytes) -> None:
    check(reseal(plain))


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused(noise: bytes) -> None:
    check(noise)
    check(reseal(noise))
    for reader in (packets.describe, unpack, uncover):
        with suppress(Refused):
            reader(noise)


def test_two_thousand_seeded_mutations() -> None:
    jitter = random.Random(1987)
    opened = 0
    for _ in range(2_000):
        data = bytearray(ENVELOPE)
        for _ in range(jitter.randint(1, 4)):
            at = jitter.randrange(len(data))
            match jitter.randrange(4):
                case 0:
                    data[at] ^= 1 << jitter.randrange(8)
                case 1:
                    data[at] = jitter.randrange(256)
                case 2:
                    del data[at : at + jitter.randint(1, 9)]
                case _:
                    data[at:at] = jitter.randbytes(jitter.randint(1, 9))
        check(bytes(data))
        opened += bytes(data) == ENVELOPE
    assert opened < 20


@given(mutations(pack(BUNDLE)))
@settings(max_examples=300, deadline=None)
def test_a_mutated_packing_is_refused_or_unpacks_to_what_it_declares(blob: bytes) -> None:
    with suppress(Refused):
        assert len(unpack(blob, limit=1 << 20)) <= 1 << 20


@given(st.binary(max_size=3_000))
@settings(deadline=None)
def test_packing_and_armour_lose_nothing(data: bytes) -> None:
    assert unpack(pack(data)) == data
    assert unarmour(armour(data)) == data


@given(st.integers(2, 1 << 40))
def test_padding_costs_at_most_an_eighth_and_leaves_few_lengths(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12 + 1
    assert padme(padded) == padded


@given(st.integers(0, 1 << 40), st.binary(max_size=8))
@settings(max_examples=25, deadline=None)
def test_keys_survive_being_written(now: int, seed: bytes) -> None:
    secrets = create(Millis(now), entropy_from(seed.hex()), END)
    assert decode(encode(secrets)) == secrets
