"""Finding an account's servers by its domain, as mail programs do (Thunderbird's autoconfig), and nobody else's word.

Only the domain itself is asked, over HTTPS that is verified; no third party hears of the address. What is found is
remembered, and looked up again after a week.

DNS is not asked for SRV records (RFC 6186). Its answers are seldom signed, and would say to which server the password
goes, where any certificate for that server's own name is good; so the standard wants a person to confirm them (6), and
from cron nobody can. What could be believed without, a server within the domain, is two short settings.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING
from xml.etree import ElementTree  # no document with a DOCTYPE is parsed

from paquebot.transport import ConfigError, Context
from paquebot_mail.settings import DAY_MS, ServerTable

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["Found", "find", "read"]

PLACES = (
    "https://autoconfig.{}/mail/config-v1.1.xml",
    "https://{}/.well-known/autoconfig/mail/config-v1.1.xml",
)
BYTES_MAX = 64 << 10
SECONDS = 10.0
FRESH_MS = 7 * DAY_MS
_TLS = {"SSL": "implicit", "STARTTLS": "starttls"}

Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Found:
    """Where an account's servers are, and by what one signs in; empty for the address."""

    imap: ServerTable
    smtp: ServerTable
    user: str = ""


def read(document: bytes, address: str) -> Found | None:
    """Return what a configuration document says of *address*; None if it is none, or offers no encryption."""
    if len(document) > BYTES_MAX or b"<!" in document.replace(b"<!--", b""):
        return None
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 see above
        imap = _server(root.iter("incomingServer"), "imap")
        smtp = _server(root.iter("outgoingServer"), "smtp")
    except (ElementTree.ParseError, ConfigError, ValueError):
        return None
    if imap is None or smtp is None:
        return None
    local = imap[1] == "%EMAILLOCALPART%"
    return Found(imap[0], smtp[0], address.rpartition("@")[0] if local else "")


def _server(servers: Iterable[ElementTree.Element], kind: str) -> tuple[ServerTable, str] | None:
    """Return the first server of that *kind* to which the line is encrypted, and what one signs in by."""
    for each in servers:
        text = {part.tag: (part.text or "").strip() for part in each}
        tls = _TLS.get(text.get("socketType", ""))
        if each.get("type") == kind and tls:
            return ServerTable(text.get("hostname", ""), int(text.get("port", "0")), tls), text.get("username", "")
    return None


async def find(context: Context, address: str, fetch: Fetch | None = None) -> Found | None:
    """Return where the servers of *address* are; None if its domain does not say so."""
    key, now = f"found/{address}", context.now_ms()
    kept = json.loads(context.get(key) or b"null")
    known = Found(ServerTable(*kept["imap"]), ServerTable(*kept["smtp"]), kept["user"]) if kept else None
    if kept and abs(now - kept["at"]) < FRESH_MS:
        return known
    domain = address.rpartition("@")[2].lower()
    for place in PLACES:
        try:
            document = await asyncio.to_thread(fetch or _fetch, place.format(domain))
        except (OSError, HTTPException, ValueError):
            continue
        if found := read(document, address):
            servers = {
                name: [each.host, each.port, each.tls] for name, each in (("imap", found.imap), ("smtp", found.smtp))
            }
            context.put(key, json.dumps({**servers, "user": found.user, "at": now}).encode())
            return found
    return known


class _OnlyEncrypted(urllib.request.HTTPRedirectHandler):
    """Follows nobody to where others could answer."""

    def redirect_request(
        self, req: urllib.request.Request, fp: object, code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """Refuse to leave HTTPS."""
        if not newurl.startswith("https://"):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _fetch(url: str) -> bytes:
    handlers = (urllib.request.HTTPSHandler(context=ssl.create_default_context()), _OnlyEncrypted())
    with urllib.request.build_opener(*handlers).open(url, timeout=SECONDS) as answer:
        return bytes(answer.read(BYTES_MAX + 1))
