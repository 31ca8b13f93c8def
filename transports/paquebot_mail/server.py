"""Where a mail server is, and how one logs in to it: plain values that both halves of mail are given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING

from paquebot.transport import ConfigError

if TYPE_CHECKING:
    import ssl

__all__ = ["Language", "Login", "Server", "Tls", "bearer", "tls_context"]


class Tls(Enum):
    """How a line is encrypted. There is no way that an attacker could talk us out of."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    """Required, not opportunistic: without it there is no line."""
    NONE = "none"
    """Only to this very machine."""


class Language(Enum):
    """What is spoken on a line, and the usual ports: encrypted from the beginning, and by STARTTLS."""

    IMAP = 993, 143
    SMTP = 465, 587

    @property
    def table(self) -> str:
        """The table in the settings that says where such a server is."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Server:
    """One server."""

    host: str
    port: int
    tls: Tls = Tls.IMPLICIT
    ca_file: str = ""
    """Whom to trust instead of the system's authorities: for a server of one's own."""
    quiet_s: float = 60.0
    """After so many seconds without a byte the line is taken for dead."""

    def __post_init__(self) -> None:
        """Refuse a line in clear that leaves the machine."""
        if self.tls is Tls.NONE and not self.is_here:
            raise ValueError(f"the line to {self.host} must be encrypted: implicit or starttls")

    @property
    def is_here(self) -> bool:
        """Whether it is this very machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in, and by what."""

    user: str
    secret: Callable[[], Awaitable[str]]
    """Gives the password or the access token, when it is needed. It is kept nowhere else."""
    token: bool = False
    """Whether that is an OAuth access token."""


def bearer(server: Server, user: str, token: str) -> bytes:
    r"""Return what logs *user* in at *server* by an access *token*, as OAUTHBEARER (RFC 7628; RFC 5801, 4).

    >>> bearer(Server("imap.a.example", 993), "a=b,c", "t")
    b'n,a=a=3Db=2Cc,\x01host=imap.a.example\x01port=993\x01auth=Bearer t\x01\x01'
    """
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\1host={server.host}\1port={server.port}\1auth=Bearer {token}\1\1".encode()


def tls_context(server: Server) -> ssl.SSLContext:
    """Return what verifies *server*: TLS 1.2 or newer, its name and its certificate.

    Raise `ConfigError` if what is to be trusted cannot be read.
    """
    import ssl  # not before there is a line to be made

    try:
        context = ssl.create_default_context(cafile=server.ca_file or None)
    except OSError as error:
        raise ConfigError(f"ca_file = {server.ca_file!r} holds no certificates: {error.strerror or error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
