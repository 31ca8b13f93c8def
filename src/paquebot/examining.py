"""`doctor`: is this home, and everything that its carriers depend on, in order? Each finding is a line for a person."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from paquebot import config, reach, registry
from paquebot import home as homes
from paquebot.amounts import age
from paquebot.context import HouseContext
from paquebot.display import bare
from paquebot.errors import Busy, ConfigError, PaquebotError
from paquebot.node import Node
from paquebot.protocol import routes
from paquebot.protocol.limits import DAY_MS, HOUR_MS
from paquebot.status import sign_of_life
from paquebot.transport import BROKEN, OK, WARNING, Check, Examined, Transient, closed_after

SILENT_DAYS = 7
HUNG_MS = HOUR_MS


@dataclass(frozen=True, slots=True)
class Found:
    """A check, and of which carrier it is; of none if it is about the home."""

    carrier: str
    check: Check


async def examine(node: Node, carriers: Sequence[config.Carrier], *, send: bool) -> AsyncIterator[Found]:
    """Yield what is well and what is not, in this home and over *carriers*."""
    for check in _home(node, carriers):
        yield Found("", check)
    with ExitStack() as stack:
        try:
            store = stack.enter_context(homes.opened(node.home))
        except Busy as busy:
            yield Found("", _held(node.home, busy))
            return
        for carrier in carriers:
            try:
                kind = registry.load(carrier.uses)
                settings = carrier.settings(kind.settings_type)
                folder = node.home / "carriers" / carrier.uses
                context = HouseContext(
                    store, carrier.uses, folder, None, now=node.now, entropy=os.urandom, name=carrier.name
                )
                async with kind.open(settings, context) as transport:
                    if not isinstance(transport, Examined):
                        medium = transport.capability.medium
                        yield Found(carrier.name, Check("carrier", OK, f"it is there: {medium}"))
                        continue
                    async with closed_after(transport.examine(send=send)) as checks:
                        async for check in checks:
                            yield Found(carrier.name, check)
            except Transient as error:  # a stick is away most of the time
                yield Found(carrier.name, Check("carrier", WARNING, bare(carrier.name, str(error))))
            except (PaquebotError, OSError) as error:
                yield Found(carrier.name, Check("carrier", BROKEN, bare(carrier.name, str(error))))


def _held(home: Path, busy: Busy) -> Check:
    """Say who keeps us from looking at the carriers, and whether that is likely to end."""
    held = homes.holder(home)
    if held is None:
        return Check("lock", WARNING, str(busy))
    process, ms = held
    said = f"process {process} has worked in this home for {age(ms)}"
    if ms < HUNG_MS:
        return Check("lock", WARNING, f"{said}: ask again when it has ended")
    return Check("lock", BROKEN, f"{said}, longer than anything takes: if it hangs, end it")


def _home(node: Node, carriers: Sequence[config.Carrier]) -> list[Check]:
    """Return what there is to say without looking at any carrier."""
    view, now = node.view, node.now()
    found = [Check("clock", WARNING, "this machine's clock is not believed: see `paquebot clock`")]
    if not node.clock_doubtful():
        found = [Check("clock", OK, "it agrees with what peers have signed")]
    try:
        read = config.read(node.home / config.FILE_NAME)
    except ConfigError as error:
        return [*found, Check("config.toml", BROKEN, str(error))]
    if routes.untold(view, read.routes) is not None:
        found.append(Check("address", OK, "the next sync tells peers what it is now"))
    for name, kind in reach.lacking(view, carriers):
        remedy = f"no address is known; once one is: paquebot peer route NAME {kind} ADDRESS"
        found.append(Check(f"peer {name}", WARNING, f"by {kind}: {remedy}"))
    for peer in view.peers():
        if peer.suspect or peer.revoked or peer.ended:
            continue
        silent = (now - (sign_of_life(view, peer) or peer.added)) // DAY_MS
        if silent >= SILENT_DAYS:
            found.append(Check(f"peer {peer.name}", WARNING, f"nothing was heard for {silent} days"))
    return found
