"""The sealer of the extra ``fast``: pysequoia seals what is short, cryptography what is not, and opens.

pysequoia cannot open for us: it returns what a literal packet holds and nothing of how it was packed and signed, so
that half of our checks could not be made. It also knows no time but the system clock's, and makes sealing faster only
where the content is short.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from paquebot.errors import Malformed
from paquebot.protocol import points
from paquebot.protocol.keys import EncryptionKey, Pins
from paquebot.protocol.limits import KIB, MINUTE_MS
from paquebot.protocol.stamp import Millis
from paquebot.vault import packets
from paquebot.vault.interior import Cover
from paquebot.vault.keystore import Secrets
from paquebot.vault.native import Native, wrapped
from paquebot.vault.opening import check_keys, check_size, open_envelope
from paquebot.vault.openpgp import export_secret, view_certificate
from paquebot.vault.sealer import Introduced, Opened
from paquebot.vault.sealing import Sealing, prepared

if TYPE_CHECKING:
    from paquebot.vault.letters import Letter

__all__ = ["SequoiaSealer"]

_VIEWS_CACHED = 1024
_SIZE_MAX = 64 * KIB  # above it, it is the slower one
_DRIFT_MS = 10 * MINUTE_MS  # between planning a letter and sealing it


class SequoiaSealer:
    """A `Sealer` with the keys of *secrets*. Make a new one when they change. Raise `ImportError` without pysequoia."""

    def __init__(self, secrets: Secrets) -> None:
        import pysequoia

        self._library: Any = pysequoia
        self._secrets = secrets
        self._decryption = Native()
        self._slow = Sealing(secrets, wrapped)
        self._signer_made: Any = None

    def seal(
        self,
        bundle: bytes,
        keys: Sequence[EncryptionKey],
        *,
        at: Millis,
        between: Cover | None = None,
        dictionary: bool = False,
    ) -> bytes:
        """Return *bundle* packed, signed as of *at* and encrypted to *keys*. See `Sealer`."""
        check_keys(keys, at)
        clock = Millis(time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000)  # as pysequoia reads it
        youngest = max(self._secrets.created, *(key.created for key in keys))
        parts = prepared(bundle, between, dictionary=dictionary)
        if abs(clock - at) > _DRIFT_MS or youngest > clock or sum(map(len, parts)) > _SIZE_MAX:
            return self._slow.seal(parts, keys, at=at)
        if not all(points.exchanges(key.point) for key in keys):
            raise Malformed("a recipient's key is no point that can keep a secret")
        try:
            views = [_view(self._library, key.point, key.created) for key in keys]
            sealed = self._library.encrypt(b"".join(parts), views, self._signer(clock), armor=False)
            return check_size(_hidden(sealed, len(keys)))
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException:  # a panic in Rust is no Exception
            self._signer_made = None
            return self._slow.seal(parts, keys, at=at)

    def open(
        self,
        envelope: bytes,
        pins: Pins,
        *,
        now: Millis,
        doubtful: bool = False,
        introduced: Introduced | None = None,
    ) -> Opened:
        """Return what *envelope* holds if one of *pins* sealed it to us. See `Sealer`."""
        return open_envelope(
            self._decryption, self._secrets, envelope, pins, now=now, doubtful=doubtful, introduced=introduced
        )

    def read(self, message: bytes, pins: Pins, now: Millis) -> Letter:
        """Return the letter that a person wrote to us in *message*. See `Sealer`."""
        from paquebot.vault.letters import open_letter

        return open_letter(self._secrets, message, pins, now)

    def _signer(self, clock: Millis) -> Any:
        if self._signer_made is None:
            bare = replace(self._secrets, subkeys=())
            self._signer_made = self._library.Tsk.from_bytes(export_secret(bare, "signer", clock)).signer()
        return self._signer_made


@lru_cache(maxsize=_VIEWS_CACHED)
def _view(library: Any, point: bytes, created: Millis) -> Any:
    """Return a certificate with one subkey that pysequoia will encrypt to: nobody but us ever sees it.

    It wants signatures that bind the subkey; what we go by is the peer's announcement.
    """
    return library.Cert.from_bytes(view_certificate(point, created))


def _hidden(envelope: bytes, count: int) -> bytes:
    """Return *envelope* with *count* recipients, none of them named. Raise `Malformed` if it is not as we want it."""
    found = packets.outer(envelope)
    if len(found.recipients) != count:
        raise Malformed("the envelope is not for those for whom it should be")
    heads = (bytes(each.body[:1]) + packets.HIDDEN + bytes(each.body[9:]) for each in found.recipients)
    return b"".join(
        (
            *(packets.packet(packets.Tag.RECIPIENT, head) for head in heads),
            packets.packet_head(packets.Tag.SEALED, 1 + len(found.sealed)),
            b"\x01",
            found.sealed,
        )
    )
