"""Looking over what a carrier holds, tidying it and verifying it, besides any sync. Nothing is taken in by it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from paquebot import config, registry
from paquebot import home as homes
from paquebot.context import HouseContext, Tags
from paquebot.errors import PluginError
from paquebot.keychain import ENVELOPE_KEYS
from paquebot.node import Node
from paquebot.store import Store
from paquebot.transport import Finding, Freed, Inventory, Tended


class NotTended(PluginError):
    """A carrier of this kind holds nothing that could be looked over. Sticks and folders do."""

    exit_code = 2


def knows_its_own(node: Node) -> bool:
    """Return whether *node* can tell what is for it without asking anybody for a passphrase."""
    return not node.keys.locked(ENVELOPE_KEYS)


async def inventory(node: Node, carrier: config.Carrier) -> Inventory:
    """Return what lies on a carrier. Raise `TransportError`, `ConfigError` or `PluginError`."""
    with homes.looked_into(node.home) as store:
        async with _opened(node, store, carrier, asks=False) as tended:
            return await tended.inventory()


async def tidy(node: Node, carrier: config.Carrier, *, rehearsed: bool) -> Sequence[Freed]:
    """Delete what nobody needs any more, or say what that would be. Raise as `inventory` does, or `Busy`."""
    with homes.looked_into(node.home) if rehearsed else homes.opened(node.home) as store:
        async with _opened(node, store, carrier, asks=not rehearsed) as tended:
            return await tended.tidy(rehearsed=rehearsed)


async def verify(node: Node, carrier: config.Carrier, progress: Callable[[int], None]) -> list[Finding]:
    """Read everything that lies on a carrier; return what is wrong with it. Raise as `inventory` does."""
    with homes.looked_into(node.home) as store:
        async with _opened(node, store, carrier, asks=False) as tended:
            return [finding async for finding in tended.verify(progress)]


@asynccontextmanager
async def _opened(node: Node, store: Store, carrier: config.Carrier, *, asks: bool) -> AsyncIterator[Tended]:
    """Lend an open transport that can be tended. Unless it *asks*, what only locked keys can tell is not known."""
    kind = registry.load(carrier.uses)
    settings = carrier.settings(kind.settings_type)
    tags = None
    if asks or knows_its_own(node):
        tags = Tags(store, node.keys.envelope_keys, node.keys.former_envelope_keys)
    folder = node.home / "carriers" / carrier.uses
    context = HouseContext(store, carrier.uses, folder, tags, now=node.now, entropy=os.urandom, name=carrier.name)
    transport = kind.open(settings, context)
    if not isinstance(transport, Tended):
        raise NotTended(f"{carrier.name} uses {carrier.uses}, where there is nothing to look over")
    async with transport:
        yield transport
