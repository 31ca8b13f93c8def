"""An account with everything filled in: what the settings say, and what is known of the provider."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paquebot.transport import ConfigError
from paquebot_mail.finding import Found
from paquebot_mail.presets import PRESETS, of_address
from paquebot_mail.server import Language
from paquebot_mail.settings import LimitsTable, MailSettings, Retire, ServerTable

__all__ = ["Account"]

THIN_BYTES = 2_000_000  # of the largest mail: below, a chunk of a file does not fit into one


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account with everything filled in."""

    settings: MailSettings
    user: str
    imap: ServerTable | None
    """None while nobody knows where it is."""
    smtp: ServerTable | None
    limits: LimitsTable
    retire: Retire
    preset: str
    sign_in: str
    """What the provider wants to see, for people."""

    @classmethod
    def of(cls, settings: MailSettings) -> Account:
        """Return the account that *settings* mean. Raise `ConfigError`."""
        name = settings.preset or of_address(settings.address)
        if name not in PRESETS:
            raise ConfigError(f"preset = {name!r} is unknown; known are: {', '.join(PRESETS)}")
        preset = PRESETS[name]
        imap, smtp = settings.imap or preset.imap, settings.smtp or preset.smtp
        local, _, _ = settings.address.rpartition("@")
        return cls(
            settings=settings,
            user=settings.user or (local if preset.user_is_local_part else settings.address),
            imap=imap and imap.at(*Language.IMAP.value),
            smtp=smtp and smtp.at(*Language.SMTP.value),
            limits=settings.limits.over(preset.limits),
            retire=Retire.parse(settings.retire or preset.retire or "keep"),
            preset=name,
            sign_in=preset.sign_in,
        )

    @property
    def advice(self) -> str:
        """Say what to look at when a login is refused."""
        if self.sign_in == "the password":
            return f"look whether the password is right, and whether the user is {self.user!r} there"
        return f"{self.preset} wants {self.sign_in}"

    def found(self, found: Found) -> Account:
        """Return the same with what was *found*, where nothing else is known."""
        address, user = self.settings.address, self.user
        return replace(
            self,
            imap=self.imap or found.imap.at(*Language.IMAP.value),
            smtp=self.smtp or found.smtp.at(*Language.SMTP.value),
            user=found.user if found.user and user == address and not self.settings.user else user,
        )

    @property
    def thin(self) -> bool:
        """Whether its bytes are counted: nothing large goes there unasked."""
        return bool(self.limits.day_bytes) or self.limits.message_bytes < THIN_BYTES
