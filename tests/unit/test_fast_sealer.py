"""The extra `fast`: another library that seals, the same envelopes, the same refusals, else without it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fixtures import openpgp_by_hand as by_hand
from fixtures.openpgp_by_hand import dice
from tests.fuzz import targets

from paquebot.errors import Expired, Malformed, Misused, NotForUs, PaquebotError, TooLarge
from paquebot.protocol.keys import EncryptionKey, KeyClass
from paquebot.protocol.limits import BUNDLE_BYTES_MAX, DAY_MS, MIB
from paquebot.protocol.stamp import Millis
from paquebot.vault import choosing, packets, sequoia_sealer
from paquebot.vault.keystore import create, whole_seconds
from paquebot.vault.opening import subkey_id
from paquebot.vault.packing import pack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Sealer
from paquebot.vault.sequoia_sealer import SequoiaSealer

if os.environ.get("CI") != "true":
    pytest.importorskip("pysequoia", reason="the extra fast is not installed")

NOW = whole_seconds(Millis(time.time_ns() // 1_000_000))
MADE = Millis(NOW - DAY_MS)
END = Millis(NOW + 3_652 * DAY_MS)
ALICE, BOB, CAROL = (create(MADE, dice(who), END) for who in ("alice", "bob", "carol"))
PINS = {"alice": ALICE.announcement("alice")}
BUNDLE = b"three barrels of herring, one of them for the lighthouse" * 5


def key(who=BOB, kind: KeyClass = KeyClass.FAST) -> EncryptionKey:
    return min(each.key for each in who.subkeys if each.key.kind is kind)


class SlowSealer:
    """Stands in for cryptography where it must not be needed."""

    def __init__(self, *_: object) -> None:
        self.sealed = 0

    def seal(self, *_: object, **__: object) -> bytes:
        self.sealed += 1
        return b"by cryptography"


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SequoiaSealer:
    """Alice's fast sealer, without a slow one to fall back to."""
    monkeypatch.setattr(sequoia_sealer, "Sealing", SlowSealer)
    return SequoiaSealer(ALICE)


@pytest.mark.parametrize("opens", [PgpySealer, SequoiaSealer])
@pytest.mark.parametrize("bundle", [b"", b"x", BUNDLE, dice("noise")(60_000)], ids=["empty", "one", "short", "long"])
def test_what_it_seals_both_open(alice: SequoiaSealer, opens: type[Sealer], bundle: bytes) -> None:
    envelope = alice.seal(bundle, [key(CAROL), key()], at=NOW)
    opened = opens(BOB).open(envelope, PINS, now=NOW)  # type: ignore[call-arg]
    assert (opened.bundle, opened.signers, opened.key_kind) == (bundle, ("alice",), KeyClass.FAST)
    assert abs(opened.created - NOW) <= 600_000


@pytest.mark.parametrize("kind", list(KeyClass))
def test_it_opens_what_pgpy_seals(kind: KeyClass) -> None:
    envelope = PgpySealer(ALICE).seal(BUNDLE, [key(kind=kind)], at=NOW)
    opened = SequoiaSealer(BOB).open(envelope, PINS, now=NOW)
    assert (opened.bundle, opened.created, opened.key_kind) == (BUNDLE, NOW, kind)


def test_nobody_is_named_and_little_is_added(alice: SequoiaSealer) -> None:
    envelope = alice.seal(BUNDLE, [key(), key(CAROL)], at=NOW)
    found = packets.outer(envelope)
    assert [each.key_id for each in found.recipients] == [packets.HIDDEN] * 2
    assert subkey_id(key()) not in envelope
    assert len(envelope) - len(pack(BUNDLE)) <= 355 + 96


def test_an_expired_key_and_an_old_one_are_as_good_as_new(alice: SequoiaSealer) -> None:
    """What a certificate would say of a key's life means nothing: the announcement counts, and `at`."""
    dated = key(kind=KeyClass.DATED)
    envelope = alice.seal(BUNDLE, [dated], at=NOW)
    assert SequoiaSealer(BOB).open(envelope, PINS, now=Millis(NOW + 400 * DAY_MS)).bundle == BUNDLE


@pytest.mark.parametrize("fill", ["0505050505", "0101010101", "0909090202", "0000000000", "0404040405", "0606060606"])
def test_both_take_the_same_session_keys(fill: str) -> None:
    """What fills a wrapped key up says nothing, but one of them must not open what the other refuses."""
    envelope = by_hand.envelope(None, by_hand.packet(1, by_hand.recipient(fill=bytes.fromhex(fill))))
    targets.envelope(envelope)


def test_it_is_not_for_others(alice: SequoiaSealer) -> None:
    envelope = alice.seal(BUNDLE, [key()], at=NOW)
    with pytest.raises(NotForUs):
        SequoiaSealer(CAROL).open(envelope, PINS, now=NOW)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ([], Misused),
        ([key()] * 65, TooLarge),
        ([replace(key(), expires=NOW)], Expired),
        ([replace(key(), point=bytes(32))], Malformed),
        ([replace(key(), point=b"\1" + bytes(31))], Malformed),
        ([replace(key(), point=bytes(31))], Malformed),
    ],
    ids=["nobody", "too many", "expired", "low order", "of order one", "short"],
)
def test_it_refuses_the_same_keys_as_pgpy(alice: SequoiaSealer, keys: list[EncryptionKey], error: type[PaquebotError]):
    for sealer in (alice, PgpySealer(ALICE)):
        with pytest.raises(error):
            sealer.seal(BUNDLE, keys, at=NOW)


def test_nothing_larger_than_a_bundle_is_sealed(alice: SequoiaSealer) -> None:
    with pytest.raises(TooLarge):
        alice.seal(bytes(BUNDLE_BYTES_MAX + 1), [key()], at=NOW)


@pytest.mark.parametrize(
    ("at", "keys", "bundle"),
    [
        (NOW + 3_600_000, [key()], BUNDLE),
        (NOW - 3_600_000, [key()], BUNDLE),
        (NOW, [replace(key(), created=Millis(NOW + DAY_MS))], BUNDLE),
        (NOW, [key()], dice("large")(MIB)),
    ],
    ids=["clock behind", "clock ahead", "key of tomorrow", "large"],
)
def test_what_pysequoia_cannot_do_cryptography_does(
    alice: SequoiaSealer, at: int, keys: list[EncryptionKey], bundle: bytes
):
    assert alice.seal(bundle, keys, at=Millis(at)) == b"by cryptography"


@pytest.mark.parametrize("opens", [PgpySealer, SequoiaSealer])
@pytest.mark.parametrize("kind", list(KeyClass))
def test_what_cryptography_seals_both_open(opens: type[Sealer], kind: KeyClass) -> None:
    bundle = dice("large")(MIB)
    envelope = SequoiaSealer(ALICE).seal(bundle, [key(CAROL), key(kind=kind)], at=NOW)
    opened = opens(BOB).open(envelope, PINS, now=NOW)  # type: ignore[call-arg]
    assert (opened.bundle, opened.signers, opened.created) == (bundle, ("alice",), NOW)


def test_cryptography_seals_to_no_key_that_keeps_no_secret() -> None:
    with pytest.raises(Malformed):
        SequoiaSealer(ALICE)._slow.seal(BUNDLE, [replace(key(), point=bytes(32))], at=NOW)


class Panic(BaseException):
    """As pyo3 raises it."""


@pytest.mark.parametrize("error", [Panic, ValueError])
def test_a_panic_is_survived(alice: SequoiaSealer, error: type[BaseException]) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise error

    sound, alice._library = alice._library, Broken()
    assert alice.seal(BUNDLE, [key()], at=NOW) == b"by cryptography"
    alice._library = sound
    assert alice.seal(BUNDLE, [key()], at=NOW) != b"by cryptography"


# -- which one is used --------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    choosing.doubt.cache_clear()
    yield
    choosing.doubt.cache_clear()


def test_the_fast_one_is_used_when_it_proves_itself() -> None:
    assert choosing.doubt() is None
    assert isinstance(choosing.sealer(ALICE), SequoiaSealer)


def test_without_the_library_it_is_pgpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "find_spec", lambda _: None)
    assert choosing.name() == "pgpy: pysequoia is not installed"
    assert isinstance(choosing.sealer(ALICE), PgpySealer)


@pytest.mark.parametrize("error", [Panic, ValueError, NotForUs])
def test_a_library_that_fails_the_test_is_not_used(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise error

    monkeypatch.setattr(SequoiaSealer, "open", fail)
    assert "does not work here" in choosing.name()
    assert isinstance(choosing.sealer(ALICE), PgpySealer)


def test_a_library_that_opens_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SequoiaSealer.open
    monkeypatch.setattr(SequoiaSealer, "open", lambda *a, **b: replace(real(*a, **b), bundle=b"something else"))
    assert "do not open alike" in choosing.name()
    assert isinstance(choosing.sealer(ALICE), PgpySealer)


def test_it_is_imported_on_first_use() -> None:
    script = "import sys, paquebot.node, paquebot.vault.choosing; sys.exit('pysequoia' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
