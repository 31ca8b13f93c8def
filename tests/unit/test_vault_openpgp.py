"""gpg as a witness: it imports our keys and opens what we seal; `zstd -d` does the rest."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paquebot.errors import Expired, Misused
from paquebot.protocol.keys import EncryptionKey, KeyClass
from paquebot.protocol.limits import DAY_MS
from paquebot.protocol.stamp import Millis
from paquebot.vault.keystore import Secrets, create
from paquebot.vault.native import wrapped
from paquebot.vault.openpgp import export_certificate, export_secret, fingerprint, primary_body, subkey_body
from paquebot.vault.packets import Tag, split
from paquebot.vault.packing import pack, unpack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealing import Sealing
from paquebot_mail.armour import armour

# gpg has the machine's clock, so the keys are a day old by it.
NOW = Millis(time.time_ns() // 1_000_000 - DAY_MS)
BUNDLE = b"three barrels of herring, one of them for the lighthouse" * 9


def entropy_from(seed: str) -> Callable[[int], bytes]:
    counter = itertools.count()
    return lambda n: hashlib.shake_256(f"{seed} {next(counter)}".encode()).digest(n)


ALICE, BOB = (create(NOW, entropy_from(who), Millis(NOW + 3_652 * DAY_MS)) for who in ("alice", "bob"))


def tags(certificate: bytes) -> list[int]:
    return [found.tag for found in split(certificate, most=99)]


def point_of(certificate: bytes) -> bytes:
    (body,) = (bytes(found.body) for found in split(certificate) if found.tag == Tag.PUBLIC_SUBKEY)
    return body[-36:-4]


def test_a_certificate_shows_one_subkey_the_newest_fast_one() -> None:
    later = Millis(NOW + 6 * DAY_MS)
    rotated = BOB.with_fast(Millis(NOW + 5 * DAY_MS), entropy_from("more"))
    certificate = export_certificate(rotated, "bob", later)
    assert tags(certificate) == [Tag.PUBLIC_KEY, Tag.USER_ID, Tag.SIGNATURE, Tag.PUBLIC_SUBKEY, Tag.SIGNATURE]
    assert point_of(certificate) == rotated.subkeys[-1].key.point


def test_without_a_fast_key_it_shows_the_next_dated_one() -> None:
    certificate = export_certificate(BOB, "bob", Millis(NOW + 40 * DAY_MS))
    dated = sorted(s.key for s in BOB.subkeys if s.key.kind is KeyClass.DATED)
    assert point_of(certificate) == dated[1].point


def test_without_a_live_key_there_is_no_certificate() -> None:
    with pytest.raises(Expired):
        export_certificate(BOB, "bob", Millis(NOW + 4_000 * DAY_MS))


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb"])
def test_a_certificate_needs_a_name(name: str) -> None:
    with pytest.raises(Misused):
        export_certificate(BOB, name, NOW)


def test_a_secret_export_has_every_usable_subkey() -> None:
    assert tags(export_secret(BOB, "bob", NOW)).count(Tag.SECRET_SUBKEY) == 26
    assert tags(export_secret(BOB, "bob", Millis(NOW + 15 * DAY_MS))).count(Tag.SECRET_SUBKEY) == 25


# With gpg.

Gpg = Callable[..., subprocess.CompletedProcess[bytes]]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} must be installed where CI=true")
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def gpg() -> Iterator[Gpg]:
    gpg_program, gpgconf = program("gpg"), program("gpgconf")
    # The agent's socket lives in the home, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pq", dir="/tmp") as home:
        environment = {"PATH": os.environ["PATH"], "GNUPGHOME": home, "LC_ALL": "C"}
        options = [gpg_program, "--batch", "--quiet", "--no-auto-key-retrieve", "--trust-model", "always"]

        def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(
                [*options, *arguments], input=given, env=environment, capture_output=True, check=False, timeout=120
            )

        try:
            yield run
        finally:
            subprocess.run([gpgconf, "--kill", "all"], env=environment, capture_output=True, check=False, timeout=60)


def ok(done: subprocess.CompletedProcess[bytes]) -> bytes:
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def hex_fingerprint(secrets: Secrets) -> str:
    return fingerprint(primary_body(secrets.announcement("").signing, secrets.created)).hex().upper()


def live(kind: KeyClass) -> EncryptionKey:
    return min(s.key for s in BOB.subkeys if s.key.kind is kind)


@pytest.mark.parametrize("kind", list(KeyClass))
@pytest.mark.parametrize(
    ("seal", "armored"),
    [
        (PgpySealer(ALICE).seal, False),
        (PgpySealer(ALICE).seal, True),
        (lambda bundle, keys, at: Sealing(ALICE, wrapped).seal([pack(bundle)], keys, at=at), False),
    ],
    ids=["binary", "armoured", "by cryptography"],
)
def test_gpg_opens_what_we_seal(
    gpg: Gpg, kind: KeyClass, seal: Callable[..., bytes], armored: bool, tmp_path: Path
) -> None:
    ok(gpg("--import", given=export_secret(BOB, "Bob", NOW)))
    ok(gpg("--import", given=export_certificate(ALICE, "Alice", NOW)))
    envelope = seal(BUNDLE, [live(kind)], at=NOW)
    status = tmp_path / "status"
    done = gpg("--status-file", str(status), "--decrypt", given=armour(envelope) if armored else envelope)
    told = status.read_text()
    assert f"VALIDSIG {hex_fingerprint(ALICE)}" in told, done.stderr.decode()
    assert {"DECRYPTION_OKAY", "GOODMDC", "GOODSIG"} <= set(told.split())
    # Its exit status counts every subkey that it tried before the right one.
    assert done.returncode == 0 or kind is not KeyClass.FAST
    unpacked = subprocess.run([program("zstd"), "-dc"], input=done.stdout, capture_output=True, check=True)
    assert unpacked.stdout == BUNDLE


def test_gpg_knows_our_keys_as_we_do(gpg: Gpg) -> None:
    ok(gpg("--import", given=export_certificate(BOB, "Bob Ferryman", NOW)))
    rows = [row.split(":") for row in ok(gpg("--list-keys", "--with-colons")).decode().splitlines()]
    (primary,) = (row for row in rows if row[0] == "pub")
    (subkey,) = (row for row in rows if row[0] == "sub")
    key = live(KeyClass.FAST)
    fingerprints = [row[9] for row in rows if row[0] == "fpr"]
    assert fingerprints == [hex_fingerprint(BOB), fingerprint(subkey_body(key.point, key.created)).hex().upper()]
    assert [row[9] for row in rows if row[0] == "uid"] == ["Bob Ferryman"]
    assert (primary[5], primary[6]) == (str(BOB.created // 1000), str(BOB.expires // 1000))
    assert (subkey[5], subkey[6]) == (str(key.created // 1000), str(key.expires // 1000))
    assert (set(primary[11]) & set("sce"), subkey[11]) == ({"s", "c"}, "e")


def test_gpg_writes_to_the_live_subkey_and_we_hold_its_secret(gpg: Gpg) -> None:
    """A message of gpg's own is no envelope; but gpg with our exported secret reads it."""
    ok(gpg("--import", given=export_certificate(BOB, "Bob", NOW)))
    message = ok(gpg("--encrypt", "--recipient", hex_fingerprint(BOB), given=b"ahoy"))
    assert bytes(split(message)[0].body[1:9]) == fingerprint(subkey_body(live(KeyClass.FAST).point, BOB.created))[-8:]
    ok(gpg("--import", given=export_secret(BOB, "Bob", NOW)))
    assert ok(gpg("--decrypt", given=message)) == b"ahoy"


def test_gpg_refuses_an_envelope_that_was_changed(gpg: Gpg) -> None:
    ok(gpg("--import", given=export_secret(BOB, "Bob", NOW)))
    envelope = PgpySealer(ALICE).seal(BUNDLE, [live(KeyClass.FAST)], at=NOW)
    assert gpg("--decrypt", given=envelope[:-1] + bytes((envelope[-1] ^ 1,))).returncode != 0


def test_every_exported_secret_opens_its_own_key(gpg: Gpg) -> None:
    """Clamping and byte order must fit for any secret, those with zeros at their ends included."""
    ok(gpg("--import", given=export_secret(BOB, "Bob", NOW)))
    for subkey in BOB.subkeys:
        envelope = PgpySealer(ALICE).seal(BUNDLE, [subkey.key], at=NOW)
        named = envelope[:3] + fingerprint(subkey_body(subkey.key.point, subkey.key.created))[-8:] + envelope[11:]
        assert unpack(gpg("--decrypt", given=named).stdout) == BUNDLE
