"""Synchronisation for people whose network is a mailbox, a USB stick or a radio.

For programs: ``async with paquebot.open(home) as node``; see `paquebot.api`. What it needs is imported on first use.
"""

from typing import TYPE_CHECKING, Any

from paquebot.version import __version__

if TYPE_CHECKING:
    from paquebot.api import Event, Item, Node, Peer, Report, Status, open  # noqa: A004 as a file is opened

__all__ = ["Event", "Item", "Node", "Peer", "Report", "Status", "__version__", "open"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'paquebot' has no attribute {name!r}")
    from paquebot import api

    return getattr(api, name)
