"""Exports: what one says of itself as far as no passphrase is needed."""

from __future__ import annotations

from io import BytesIO

from paquebot import backup
from paquebot.backup import Manifest
from paquebot.errors import Misused
from paquebot.inspection.pages import Page
from paquebot.protocol.stamp import format_time

_WHOLE = "every byte is proved when it is taken in: paquebot import"


def judge_export(page: Page, data: bytes) -> str:
    """Write down what is to be seen of an export; return its kind."""
    encrypted = page.attempt("head", lambda: backup.is_encrypted(BytesIO(data)))
    if encrypted is None:
        return "export"
    page.fact("encrypted", "by a passphrase" if encrypted else "no: whoever has the file can read it")
    if not encrypted and (manifest := page.attempt("manifest", lambda: _manifest(data))):
        page.fact("name", manifest.name)
        page.fact("user", manifest.user)
        page.fact("node", manifest.node)
        page.fact("created", format_time(manifest.created))
        page.fact("resources", manifest.resources)
        page.fact("secrets", ", ".join(manifest.secrets) or "none")
    page.check("whole", None, _WHOLE)
    return "export"


def _manifest(data: bytes) -> Manifest:
    return backup.open_(BytesIO(data), _no_passphrase).manifest


def _no_passphrase() -> bytes:
    raise Misused("it needs a passphrase")
