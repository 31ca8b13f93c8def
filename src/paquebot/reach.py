"""Whom a carrier reaches, and where this node itself is: between the configuration, the door and the engine."""

from __future__ import annotations

from collections.abc import Mapping

from paquebot import config
from paquebot.protocol import routes
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.publishing import Draft
from paquebot.protocol.state import Link, View
from paquebot.transport import Transport


def link(transport: Transport, addresses: Mapping[Fingerprint, str] | None = None) -> Link:
    """Return what the engine needs to know of an open transport; *addresses* are those that it reaches of peers."""
    can = transport.capability
    reachable = frozenset(addresses or ()) if can.address else None
    return Link(can.medium, can.latency_ms, can.bytes_max, can.bytes_cheap, can.shows_tokens, reachable)


def untold(view: View, read: config.Config) -> list[Draft]:
    """Return what is to be published so that peers know where this node is; nothing if they were told.

    Nothing while our journal is in doubt, either.
    """
    fields = routes.untold(view, read.routes)
    return [Draft(schemas=("node",), fields=fields)] if fields and not (view.past().branch or view.lapses()) else []
