"""Whom a carrier reaches, and where this node itself is: between the configuration, the door and the engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from paquebot import config
from paquebot.display import printable
from paquebot.protocol import routes
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.limits import DAY_MS, EVENT_DETAIL_MAX
from paquebot.protocol.link import Link
from paquebot.protocol.publishing import Draft
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import View
from paquebot.report import Problem, Report
from paquebot.store import Store
from paquebot.store.view import SqliteView
from paquebot.transport import Capability, Check, Stands, Transport, TransportError


def link(transport: Transport, addresses: Mapping[Fingerprint, str] | None = None, *, elsewhere: str = "") -> Link:
    """Return what the engine needs to know of an open transport; *addresses* are those that it reaches of peers.

    *elsewhere* names another carrier, which takes bulk: then one whose bytes are dear leaves it that.
    """
    can = transport.capability
    return Link(
        can.medium,
        can.latency_ms,
        can.bytes_max,
        can.bytes_cheap,
        can.shows_tokens,
        reachable=frozenset(addresses or ()) if can.address else None,
        bulk=can.bytes_cheap or not elsewhere,
        parcels_left=can.parcels_left,
        bytes_left=can.bytes_left,
        room=can.room,
    )


@dataclass(slots=True)
class Pass:
    """One pass over some carriers: who watches, how long it may take, and what it did."""

    progress: Callable[[int], None]
    seconds: float | None
    """For each carrier over a network; None for as long as it takes."""
    report: Report = field(default_factory=Report)

    @contextmanager
    def apart(self, transport: Transport, carrier: str, doing: str) -> Iterator[None]:
        """Note trouble in *doing* something over a network, and go on: what else there is may go by another server."""
        try:
            yield
        except TransportError as error:
            if not transport.capability.address:
                raise
            self.report.problems.append(Problem(carrier, f"{doing}: {error}", error.exit_code))

    def enough(self, transport: Transport) -> Callable[[], bool]:
        """Return what says that *transport* has had its time from now on; a stick is never left half done."""
        if self.seconds is None or not transport.capability.address:
            return lambda: False
        over = time.monotonic() + self.seconds
        return lambda: time.monotonic() > over


def ways(
    view: SqliteView, carrier: config.Carrier, transport: Transport, now: Millis
) -> tuple[Mapping[Fingerprint, str], Callable[[], Link]]:
    """Return the addresses that *transport* reaches, and what gives its link as it is at any moment."""
    found = routes.addresses(view, carrier.uses) if transport.capability.address else {}
    elsewhere = bulk_elsewhere(view, carrier.name, now)
    return found, lambda: link(transport, found, elsewhere=elsewhere)


SEEN_MS = 100 * DAY_MS  # a carrier that was not there for longer is not waited for with what is large


def met(view: SqliteView, carrier: config.Carrier) -> bool:
    """Return whether *carrier* is configured, or was there once: a path that was mistyped is not waited for."""
    name = printable(carrier.name, 4_096)
    given = carrier.table == {"path": carrier.name}
    return not given or any(view.carried("", f"{what}/{name}") is not None for what in ("bulk", "medium"))


def notice(store: Store, carrier: config.Carrier, can: Capability, now: Millis, report: Report, *, wrote: bool) -> None:
    """Remember the medium that *carrier* had, and that it took bulk.

    Say so if we *wrote* to something else than the last time under that name: it may be an empty mount point. Say who
    has told no address for it.
    """
    name, day = printable(carrier.name, 4_096), b"%d" % (now // DAY_MS)
    changes: dict[str, bytes | None] = {f"bulk/{name}": day if can.bytes_cheap and can.writable else None}
    if wrote:
        if store.view.carried("", f"medium/{name}") not in (None, can.medium.encode()):
            report.notes.append(f"{carrier.name}: this is another medium than the one written to last time")
        changes[f"medium/{name}"] = can.medium.encode()
    for peer, kind in lacking(store.view, [carrier]):
        report.notes.append(f"{peer} has told no address for {kind}, so nothing goes there: see `paquebot peer route`")
    store.carry("", changes)


STANDING = "standing/"
"""Under this and its name it is remembered how a carrier stood when its last visit ended."""


@contextmanager
def standing(store: Store, carrier: str, transport: Transport) -> Iterator[None]:
    """Remember how *transport* stands when a visit ends, be it by an error."""
    try:
        yield
    finally:
        if isinstance(transport, Stands):
            found = [(each.what, each.state, printable(each.detail, EVENT_DETAIL_MAX)) for each in transport.standing()]
            store.carry("", {f"{STANDING}{printable(carrier, 4_096)}": json.dumps(found).encode()})


def stood(view: SqliteView, carriers: Iterable[config.Carrier]) -> list[tuple[str, Check]]:
    """Return how those of *carriers* stood that say so, when last visited."""
    known = {key[len(STANDING) :]: json.loads(value) for key, value in view.carrier("", STANDING)}
    names = [each.name for each in carriers if printable(each.name, 4_096) in known]
    return [(name, Check(*each)) for name in names for each in known[printable(name, 4_096)]]


def bulk_elsewhere(view: SqliteView, carrier: str, now: Millis) -> str:
    """Return the name of another carrier that takes bulk and was there lately, thus may come again; empty if none."""
    own = f"bulk/{printable(carrier, 4_096)}"
    seen = {key: int(value) * DAY_MS for key, value in view.carrier("", "bulk/") if key != own}
    found = max(seen, key=lambda key: (seen[key], key), default="")
    return found[len("bulk/") :] if found and seen[found] > now - SEEN_MS else ""


def lacking(view: View, carriers: Iterable[config.Carrier]) -> list[tuple[str, str]]:
    """Return the peers that *carriers* cannot write to because nobody has said where they are: (name, kind)."""
    kinds = sorted({each.uses for each in carriers if "address" in each.table})
    peers = [peer for peer in view.peers() if not (peer.suspect or peer.revoked or peer.ended)]
    return [(peer.name, kind) for peer in peers for kind in kinds if not routes.address(view, peer.node, kind)]


def outdated(view: View, now: Millis) -> list[str]:
    """Return what to say of open invitations when our address is another than that on the card in them."""
    given = (each for each in view.invites() if each.state(now) == "open")
    named = (f"{each.name.hex()[:8]}{f' for {each.label}' if each.label else ''}" for each in given)
    return [f"invitation {name} holds another address, or none: to be used by mail, give it anew" for name in named]


def untold(view: View, read: config.Config) -> list[Draft]:
    """Return what is to be published so that peers know where this node is; nothing if they were told.

    Nothing while our journal is in doubt, either.
    """
    fields = routes.untold(view, read.routes)
    return [Draft(schemas=("node",), fields=fields)] if fields and not (view.past().branch or view.lapses()) else []
