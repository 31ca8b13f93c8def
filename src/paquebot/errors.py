"""Everything that can go wrong, said so that the reader can act.

Two questions sort every error: whose fault is it, and does trying again help.
The first sentence of a docstring says what happened, as the message does in
particular; the rest says what to do, and the command line prints it under the
message. No message contains payload or key material.
"""

from __future__ import annotations

__all__ = [
    "BadCard", "BadSignature",
    "BrokenChain",
    "Busy",
    "ClosedToUs",
    "ConfigError",
    "Denied",
    "DiskFull",
    "Expired",
    "Handwritten",
    "KeysLocked",
    "Malformed",
    "Misused",
    "NotForUs",
    "NotFound",
    "NotInitialised",
    "NotPermitted",
    "NotYet",
    "PaquebotError",
    "ParcelTooLarge",
    "Permanent",
    "PluginError",
    "Refused", "Revoked", "SetApart",
    "StoreCorrupt",
    "StoreError",
    "StoreOld",
    "StoreTooNew",
    "Stranger",
    "TooLarge",
    "Transient",
    "TransportError",
    "Unstorable",
    "Waiting",
    "WrongKey",
    "WrongPassphrase",
    "remedy",
]  # fmt: skip


class PaquebotError(Exception):
    """Something went wrong."""

    exit_code = 1


def remedy(error: PaquebotError) -> str:
    """Return what to do about *error*, besides what its message says; empty if nothing is known.

    >>> remedy(NotInitialised("there is no node in /srv/clinic"))
    'Create one: `paquebot init --name NAME`.'
    """
    said = " ".join((type(error).__doc__ or "").split())
    return said.partition(". ")[2]


class Misused(PaquebotError):
    """The request itself is wrong. Nothing was changed."""

    exit_code = 2


class NotFound(Misused):
    """Nothing here has that name or id."""

    exit_code = 1


class ClosedToUs(NotFound):
    """It was locked to others' keys. Ask its author to publish it for you too."""


class NotInitialised(PaquebotError):
    """There is no node in this home yet. Create one: `paquebot init --name NAME`."""

    exit_code = 10


class Busy(PaquebotError):
    """Another paquebot works in this home right now. Nothing was changed; run again when it has finished."""

    exit_code = 11


class WrongKey(PaquebotError):
    """A key file is missing, unreadable, too open to others, or does not belong to this home."""

    exit_code = 12


class WrongPassphrase(WrongKey):
    """The passphrase does not open it. Nothing was changed."""


class KeysLocked(WrongKey):
    """A passphrase is needed, and nobody is here to type it. Nothing was changed."""


class BadCard(PaquebotError):
    """This is not a whole and valid paquebot card. Nothing was changed; ask for it again."""


class ConfigError(PaquebotError):
    """The configuration has a mistake. Nothing was started."""

    exit_code = 2


class PluginError(PaquebotError):
    """The transport that a carrier uses cannot be had. The others still work."""

    exit_code = 2


class Refused(PaquebotError):
    """What arrived is unacceptable. It was set aside with its bytes; sending the same bytes again cannot help."""

    exit_code = 3
    code = "refused"
    """One of a small, stable set, which goes into outcomes and reports."""


class Malformed(Refused):
    """The bytes do not have the form that the format demands."""

    code = "malformed"


class TooLarge(Refused):
    """Something is larger, longer or deeper than the limits allow."""

    code = "too-large"


class BadSignature(Refused):
    """A signature or hash does not match what it covers: damaged on the way, or forged."""

    code = "bad-signature"


class NotForUs(Refused):
    """The envelope opens with none of our keys, or does not name this node."""

    code = "not-for-us"


class Stranger(Refused):
    """The envelope is sound, but its sender is not one of our peers.

    If you know them, add their card: `paquebot peer add NAME CARDFILE`.
    """

    code = "stranger"


class Waiting(Stranger):
    """The sender introduces itself and waits for a person's word. See `paquebot peer pending`."""


class Handwritten(Refused):
    """A person wrote this to a key of this node. It is no envelope: it is kept to be read, and nothing else is done."""

    code = "letter"


class NotPermitted(Refused):
    """The sender or signer had no authority for this."""

    code = "not-permitted"


class Revoked(NotPermitted):
    """What arrived was taken back, or comes from a node beyond the line where its user took back its trust."""

    code = "revoked"


class SetApart(NotPermitted):
    """The sender is a peer that is set apart until a person says otherwise. What it sends is kept until then."""

    code = "set-apart"


class BrokenChain(Refused):
    """A journal's lines do not follow each other."""

    code = "broken-chain"


class Expired(Refused):
    """A key, identity, trust or envelope was used outside its time.

    If the dates look impossible, check this machine's clock.
    """

    code = "expired"


class NotYet(Expired):
    """What arrived is dated in the future by this machine's clock. It is kept and looked at again: check the clock."""


class TransportError(PaquebotError):
    """A carrier could not do what it was asked."""

    exit_code = 13


class Transient(TransportError):
    """Not now. Nothing was lost; the next sync tries again."""

    def __init__(self, message: str = "", *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class Denied(TransportError):
    """A carrier refused our credentials, or they cannot be read. Nothing was lost; it is not tried again soon."""

    exit_code = 14


class Permanent(TransportError):
    """Not ever: this parcel cannot go this way."""


class ParcelTooLarge(Permanent):
    """The parcel is larger than this carrier takes."""


class StoreError(PaquebotError):
    """The store could not do what it was asked. What was there before is unharmed."""

    exit_code = 15


class StoreTooNew(StoreError):
    """This home was written by a newer paquebot. Upgrade this one; nothing was touched."""


class StoreOld(StoreError):
    """This home was written by an older paquebot. The next command that writes brings it up to date."""


class StoreCorrupt(StoreError):
    """The store is damaged. Do not sync; restore a backup."""


class Unstorable(StoreError):
    """What was to be stored contradicts itself or what is there. Nothing of it was stored; the rest works on."""


class DiskFull(StoreError):
    """The disk of this home is full. Free some space and run again.

    Nothing was lost, and nothing was acknowledged that is not stored.
    """

    exit_code = 1
