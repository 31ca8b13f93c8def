"""Envelopes written by hand to do harm: each is refused for the reason in its name, and opens when that is repaired."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fixtures import make_hostile
from fixtures.make_hostile import KEPT_BYTES_MAX, REASONS, REPAIRED, name_of
from fixtures.openpgp_by_hand import ALICE, BOB, BUNDLE, CAROL, DAVE, NOW, OPENED, PINS

from paquebot.errors import Refused
from paquebot.protocol.limits import MIB
from paquebot.vault.interior import uncover
from paquebot.vault.openpgp import export_certificate, export_secret
from paquebot.vault.packing import unpack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Sealer
from paquebot.vault.sequoia_sealer import SequoiaSealer

FILES = Path(make_hostile.HERE)
INDEX = json.loads((FILES / "index.json").read_text())
CASES = {name_of(reason, variant): (data, twin) for reason, variant, data, twin in make_hostile.cases()}
CONTENT = {"empty": b"", "zeros": bytes(4 * MIB)}
BACKENDS: dict[str, Callable[[], Sealer]] = {"pgpy": lambda: PgpySealer(BOB), "fast": lambda: SequoiaSealer(BOB)}


def content(twin: str) -> bytes:
    from fixtures.openpgp_by_hand import dice

    return dice("noise")(9_000) if twin in ("noise", "mail-of-noise") else CONTENT.get(twin, BUNDLE)


@pytest.fixture(scope="module", params=BACKENDS)
def sealer(request: pytest.FixtureRequest) -> Sealer:
    return made(request.param)


def made(backend: str) -> Sealer:
    if backend == "fast" and os.environ.get("CI") != "true":
        pytest.importorskip("pysequoia", reason="the extra fast is not installed")
    return BACKENDS[backend]()


def test_there_are_enough_of_them():
    assert len(CASES) >= 150
    assert len({name.split("--")[1] for name in CASES}) == len(REASONS) >= 40


def test_the_files_are_what_the_generator_writes():
    kept = {f"{name}.pgp": data for name, (data, _) in CASES.items() if len(data) <= KEPT_BYTES_MAX}
    kept |= {f"valid-{name}.pgp": data for name, data in REPAIRED.items()}
    assert {path.name: path.read_bytes() for path in FILES.glob("*.pgp")} == kept
    assert INDEX["repaired"] == {name: twin for name, (_, twin) in CASES.items()}
    assert INDEX["says"] == {reason: sentence for reason, (_, sentence) in REASONS.items()}


@pytest.mark.parametrize("name", CASES)
def test_each_is_refused_for_its_reason(name: str, sealer: Sealer):
    code, reason, _ = name.split("--")
    with pytest.raises(Refused, match=INDEX["says"][reason]) as refusal:
        sealer.open(CASES[name][0], PINS, now=OPENED)
    assert refusal.value.code == code


@pytest.mark.parametrize("twin", REPAIRED)
def test_each_opens_when_it_is_repaired(twin: str, sealer: Sealer):
    opened = sealer.open(REPAIRED[twin], PINS, now=OPENED)
    assert opened.bundle == content(twin)
    assert opened.signers == ("dave" if twin == "by-dave" else "alice",)
    assert opened.created == NOW


def test_what_is_refused_says_no_word_of_what_was_inside(sealer: Sealer):
    for data, _ in CASES.values():
        with pytest.raises(Refused) as refusal:
            sealer.open(data, PINS, now=OPENED)
        assert "herring" not in f"{refusal.value!r} {refusal.value.__cause__!r}"


MEASURE = """
import resource, sys, time
sys.path.insert(0, sys.argv[2])
from tests.unit.test_hostile_envelopes import BACKENDS, CASES, OPENED, PINS, REPAIRED
from paquebot.errors import Refused
sealer, slowest = BACKENDS[sys.argv[1]](), ("", 0.0)
sealer.open(REPAIRED["plain"], PINS, now=OPENED)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, (data, _) in CASES.items():
    start = time.process_time()
    try:
        sealer.open(data, PINS, now=OPENED)
    except Refused:
        slowest = max(slowest, (name, time.process_time() - start), key=lambda each: each[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *slowest)
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_bombs_cost_little_time_and_memory(backend: str):
    assert made(backend)
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", MEASURE, backend, root], capture_output=True, text=True, check=True)
    kib, name, seconds = done.stdout.split()
    assert int(kib) <= 128 * 1024
    assert float(seconds) < 1, name


# -- other programs as witnesses ---------------------------------------------------------------

PEERS = {"alice": ALICE, "carol": CAROL, "dave": DAVE}
EVERYBODY_REFUSES = (
    "no-key-opens",
    "other-cipher",
    "damaged",
    "no-tag",
    "header-cut",
    "sealed-version",
    "signature-version",
    "signature-hash",
    "signature-numbers",
    "signed-by-another",
    "before-its-key",
    "signature-expired",
)
"""Reasons that are OpenPGP's and not ours alone."""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} must be installed where CI=true")
        pytest.skip(f"{name} is not installed")
    return found


Opens = Callable[[bytes], bytes | None]


@pytest.fixture(scope="module")
def gpg() -> Iterator[Opens]:
    command, gpgconf = program("gpg"), program("gpgconf")
    # The agent's socket lives in the home, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pq", dir="/tmp") as home:
        environment = {"PATH": os.environ["PATH"], "GNUPGHOME": home, "LC_ALL": "C"}

        def run(*arguments: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
            line = [command, "--batch", "--quiet", "--no-auto-key-retrieve", "--trust-model", "always", *arguments]
            return subprocess.run(line, input=given, env=environment, capture_output=True, check=False, timeout=60)

        def opens(envelope: bytes) -> bytes | None:
            done = run("--status-fd", "2", "--decrypt", given=envelope)
            signed = b"[GNUPG:] GOODSIG" in done.stderr or b"[GNUPG:] EXPKEYSIG" in done.stderr
            return done.stdout if signed and b"[GNUPG:] DECRYPTION_OKAY" in done.stderr else None

        try:
            for who, secrets in PEERS.items():
                run("--import", given=export_certificate(secrets, who, NOW))
            run("--import", given=export_secret(BOB, "bob", NOW))
            yield opens
        finally:
            subprocess.run([gpgconf, "--kill", "all"], env=environment, capture_output=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def sq(tmp_path_factory: pytest.TempPathFactory) -> Opens:
    command, folder = program("sq"), tmp_path_factory.mktemp("sq")
    (folder / "bob.key").write_bytes(export_secret(BOB, "bob", NOW))
    line = [command, "decrypt", "--recipient-key", str(folder / "bob.key"), "--signatures", "1"]
    for who, secrets in PEERS.items():
        (folder / who).write_bytes(export_certificate(secrets, who, NOW))
        line += ["--signer-cert", str(folder / who)]

    def opens(envelope: bytes) -> bytes | None:
        done = subprocess.run(line, input=envelope, capture_output=True, check=False, timeout=60)
        return done.stdout if done.returncode == 0 else None

    return opens


@pytest.mark.parametrize("witness", ["gpg", "sq"])
def test_other_programs_open_what_is_repaired(witness: str, request: pytest.FixtureRequest):
    opens: Opens = request.getfixturevalue(witness)
    for twin, envelope in REPAIRED.items():
        packed = opens(envelope)
        assert packed is not None, twin
        assert unpack(uncover(packed)) == content(twin)


@pytest.mark.parametrize("witness", ["gpg", "sq"])
def test_other_programs_refuse_what_is_no_sound_openpgp(witness: str, request: pytest.FixtureRequest):
    opens: Opens = request.getfixturevalue(witness)
    for reason in EVERYBODY_REFUSES:
        name = next(each for each in CASES if each.split("--")[1] == reason)
        assert opens(CASES[name][0]) is None, name
