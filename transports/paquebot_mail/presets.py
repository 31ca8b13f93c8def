"""What is known of providers: where their servers are, how one signs in, and how much they let one send.

The limits are where to begin, from what providers and their customers write; a server that says less is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from paquebot_mail.settings import LimitsTable, ServerTable

__all__ = ["PRESETS", "Preset", "of_address"]

MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One provider, or one way to be connected."""

    imap: ServerTable | None
    """None if it differs from customer to customer, and has to be found or given."""
    smtp: ServerTable | None
    limits: LimitsTable
    domains: tuple[str, ...] = ()
    """Whose addresses are known to be there."""
    retire: str = ""
    """What becomes of mails that are done with, unless the settings say it."""
    sign_in: str = "a password made for this program"
    """What the provider wants to see."""
    user_is_local_part: bool = False
    """One signs in by what stands before the ``@``."""


def _limits(minute: int, day: int, message: int, **more: int) -> LimitsTable:
    return LimitsTable(per_minute=minute, per_day=day, message=message, **more)


PRESETS: dict[str, Preset] = {
    "gmail": Preset(
        imap=ServerTable("imap.gmail.com"),
        smtp=ServerTable("smtp.gmail.com"),
        limits=_limits(20, 400, 25 * MB),
        domains=("gmail.com", "googlemail.com"),
        retire="move:[Gmail]/Trash",
        sign_in="a password made for this program (needs 2-step verification), or OAuth",
    ),
    "microsoft365": Preset(
        imap=ServerTable("outlook.office365.com"),
        smtp=ServerTable("smtp.office365.com", tls="starttls"),
        limits=_limits(25, 5_000, 35 * MB),
        sign_in="OAuth: oauth_command",
    ),
    "outlook.com": Preset(
        imap=ServerTable("outlook.office365.com"),
        smtp=ServerTable("smtp-mail.outlook.com", tls="starttls"),
        limits=_limits(10, 200, 25 * MB),
        domains=("outlook.com", "hotmail.com", "live.com", "msn.com"),
        sign_in="OAuth: oauth_command",
    ),
    "fastmail": Preset(
        imap=ServerTable("imap.fastmail.com"),
        smtp=ServerTable("smtp.fastmail.com"),
        limits=_limits(30, 2_000, 50 * MB),
        domains=("fastmail.com", "fastmail.fm"),
    ),
    "icloud": Preset(
        imap=ServerTable("imap.mail.me.com"),
        smtp=ServerTable("smtp.mail.me.com", tls="starttls"),
        limits=_limits(10, 300, 20 * MB),
        domains=("icloud.com", "me.com", "mac.com"),
        user_is_local_part=True,
    ),
    "yahoo": Preset(
        imap=ServerTable("imap.mail.yahoo.com"),
        smtp=ServerTable("smtp.mail.yahoo.com"),
        limits=_limits(10, 300, 25 * MB),
        domains=("yahoo.com", "yahoo.co.uk", "yahoo.fr"),
    ),
    "gmx": Preset(
        imap=ServerTable("imap.gmx.net"),
        smtp=ServerTable("mail.gmx.net"),
        limits=_limits(10, 300, 25 * MB),
        domains=("gmx.net", "gmx.de", "gmx.at", "gmx.ch"),
        sign_in="the password, after IMAP was switched on in the account's settings",
    ),
    "web.de": Preset(
        imap=ServerTable("imap.web.de"),
        smtp=ServerTable("smtp.web.de"),
        limits=_limits(10, 300, 25 * MB),
        domains=("web.de",),
        sign_in="the password, after IMAP was switched on in the account's settings",
    ),
    "mailbox.org": Preset(
        imap=ServerTable("imap.mailbox.org"),
        smtp=ServerTable("smtp.mailbox.org"),
        limits=_limits(20, 1_000, 50 * MB),
        domains=("mailbox.org",),
        sign_in="the password",
    ),
    "posteo": Preset(
        imap=ServerTable("posteo.de"),
        smtp=ServerTable("posteo.de"),
        limits=_limits(20, 1_000, 50 * MB),
        domains=("posteo.de", "posteo.net"),
        sign_in="the password",
    ),
    "yandex": Preset(
        imap=ServerTable("imap.yandex.com"),
        smtp=ServerTable("smtp.yandex.com"),
        limits=_limits(10, 300, 25 * MB),
        domains=("yandex.com", "yandex.ru"),
    ),
    "proton": Preset(
        imap=ServerTable("127.0.0.1", 1143, "starttls"),
        smtp=ServerTable("127.0.0.1", 1025, "starttls"),
        limits=_limits(10, 150, 25 * MB),
        domains=("proton.me", "protonmail.com", "pm.me"),
        sign_in="the password of Proton's bridge, which has to run; export its certificate and name it as ca_file",
    ),
    "chatmail": Preset(
        imap=None, smtp=None, limits=_limits(50, 5_000, 30 * MB), retire="expunge", sign_in="the password"
    ),
    "selfhosted": Preset(imap=None, smtp=None, limits=_limits(60, 10_000, 25 * MB), sign_in="the password"),
    "satellite": Preset(
        imap=None,
        smtp=None,
        limits=_limits(6, 40, 30_000, bytes_per_day=200_000),
        retire="expunge",
        sign_in="the password",
    ),
}
"""By name; the last three are no providers: their servers are found by the address, or given."""


def of_address(address: str) -> str:
    """Return the preset of the provider at which *address* is known to be; else ``selfhosted``.

    >>> of_address("node@gmail.com"), of_address("node@a.example")
    ('gmail', 'selfhosted')
    """
    domain = address.rpartition("@")[2].lower()
    return next((name for name, each in PRESETS.items() if domain in each.domains), "selfhosted")
