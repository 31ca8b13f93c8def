"""Synchronisation for people whose network is a mailbox, a USB stick or a radio."""

from paquebot.version import __version__

__all__ = ["__version__"]
