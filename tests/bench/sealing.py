"""Seal and open one small envelope, beside the library alone: ``python -m tests.bench.sealing`` prints milliseconds."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from paquebot.protocol import bundle as bundles
from paquebot.protocol.bundle import CHECK_BYTES, Bundle, Heard, To, Verbatim
from paquebot.protocol.limits import DAY_MS, HOUR_MS
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis
from paquebot.vault import choosing
from paquebot.vault.keystore import create, whole_seconds
from paquebot.vault.openpgp import export_certificate, export_secret
from paquebot.vault.packing import pack

BUNDLE = os.urandom(300)
NODE = os.urandom(16)
ROUNDS, TIMES = 15, 40


def each(work: Callable[[], object]) -> float:
    """Return how many milliseconds of CPU *work* takes: the median of some rounds."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(TIMES):
            work()
        rounds.append(1000 * (time.process_time() - start) / TIMES)
    return statistics.median(rounds)


def main() -> None:
    """Measure."""
    now = whole_seconds(Millis(time.time_ns() // 1_000_000))
    born = Millis(now - HOUR_MS)  # pysequoia takes no key that is made just now
    mine, yours = (create(born, os.urandom, Millis(now + 30 * DAY_MS)) for _ in range(2))
    sealer, opener = (choosing.sealer(each) for each in (mine, yours))
    pins, keys = {"mine": mine.announcement("mine")}, [yours.subkeys[-1].key]
    envelope = sealer.seal(BUNDLE, keys, at=now)
    head = To(NODE, 1_000, bytes(16), 990, Heard(Ranges.of((991, 993)), bytes(3 * CHECK_BYTES)))
    until = Millis(now + 120 * DAY_MS)
    bundle = Bundle(id=os.urandom(16), sender=NODE, to=(head,), created=now, expires=until, parts=(Verbatim(BUNDLE),))
    found = {
        "library": choosing.name(),
        "bytes": len(sealer.seal(bundles.encode(bundle), keys, at=now)) - len(BUNDLE),
        "seal": each(lambda: sealer.seal(BUNDLE, keys, at=now)),
        "open": each(lambda: opener.open(envelope, pins, now=now)),
    }
    if choosing.doubt() is None:
        import pysequoia

        one = replace(yours, subkeys=yours.subkeys[-1:])  # it takes the first for the right one
        secret = pysequoia.Tsk.from_bytes(export_secret(mine, "mine", now))
        public = pysequoia.Cert.from_bytes(export_certificate(one, "yours", now))
        signer, packed = secret.signer(), pack(BUNDLE)
        found["seal alone"] = each(lambda: pysequoia.encrypt(packed, [public], signer, armor=False))
        sealed = pysequoia.encrypt(packed, [public], signer, armor=False)
        decryptor = pysequoia.Tsk.from_bytes(export_secret(one, "yours", now)).decryptor()
        certificate = pysequoia.Cert.from_bytes(export_certificate(mine, "mine", now))
        store = lambda _ids: [certificate]  # noqa: E731
        found["open alone"] = each(lambda: pysequoia.decrypt(sealed, decryptor, store))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
