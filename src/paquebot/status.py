"""What the user is told: three ticks for each thing published, and how every link stands. Derived, never stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from paquebot import copies, envelope_keys, waiting
from paquebot.protocol import admission, asking, mailing, noting, redating
from paquebot.protocol.burden import Rank
from paquebot.protocol.encoding import Fingerprint, ResourceId
from paquebot.protocol.events import SHOWN_KINDS
from paquebot.protocol.evidence import ACKED, APPLIED
from paquebot.protocol.journal import Entry
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.stamp import Millis, format_time
from paquebot.protocol.state import OwnLine, Peer
from paquebot.store.view import Listed, SqliteView


class Reach(Enum):
    """How far something we published has got towards one peer: all of it, each told only on evidence."""

    WAITING = "waiting for a carrier"
    ANNOUNCED = "announced; the peer will ask for it"
    HANDED = "handed to a carrier"
    STORED = "stored by the peer"
    APPLIED = "applied by the peer"
    CARRIED = "carried by the peer, which cannot read it as far as is known here"
    WITHHELD = "withheld: the peer may not read"


KEPT = ("held", "superseded", "duplicate")
"""What a peer says of things that it has and did not simply apply."""


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """Envelopes that one carrier took and nobody acknowledged yet."""

    where: str
    envelopes: int
    since: Millis


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A medium on which a peer gets no more than a probe now and then."""

    medium: str
    at: Millis
    tries: int


@dataclass(frozen=True, slots=True)
class Failing:
    """A carrier that did not work the last time."""

    carrier: str
    since: Millis
    """0 if that is not known."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """How the link with one peer stands."""

    name: str
    user: Fingerprint
    node: Fingerprint
    state: str
    """``set apart``, ``revoked``, ``ended``, ``withheld``, ``unknown``, ``behind``, ``ahead`` or ``in sync``."""
    published: int
    """How many things we published that it can read; the next four say how many of them got at least so far."""
    announced: int
    """Named to the peer, or about to be, by a carrier; what is large follows when it asks."""
    handed: int
    stored: int
    applied: int
    sealed: int
    """How many private things we published that it cannot read, and only carries for others."""
    carried: int
    """How many of those it has."""
    heard_lines: int
    lacking_lines: int
    """Lines of its journal whose resources are accepted here and not here completely."""
    missing_envelopes: int
    """Envelopes of its that must exist and did not arrive."""
    on_the_way: tuple[OnTheWay, ...]
    added: Millis
    heard_at: Millis
    """The last sign of life: an envelope, or its token on a medium."""
    untold: int
    """Our lines that decide about other resources, such as revocations, and are not known to have come to it."""
    waits_since: Millis
    """When the oldest of those things was published that the peer can read and has not applied, or is untold."""
    retry_at: Millis
    given_up: tuple[GivenUp, ...]
    met_limits_at: Millis
    """When it last sent more than config.toml grants it; 0 if it never did."""
    held_until: Millis
    """Until when we sent it more than it grants us."""
    outcomes: tuple[tuple[str, str, str], ...]
    """(resource, outcome, detail) of what the peer did not simply apply, as it says."""
    restored: tuple[str, ...] = ()
    """What there is to say of its home, if that was restored or copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a node stands."""

    name: str
    user: Fingerprint
    node: Fingerprint
    now: Millis
    clock_doubtful: bool
    published: int
    received: int
    incomplete: int
    held: int
    wanted: int
    quarantined: int
    dated_ahead: int
    """How many of our things nobody takes before their time: our clock was ahead."""
    dated_until: Millis
    """When the last of them will be taken."""
    pending: int
    """How many strangers wait for a person's word."""
    carrying: int
    """How many parcels of others are carried."""
    carrying_bytes: int
    hooks_failed: int
    """How many hooks and folders failed the last time, and are tried again."""
    restored: tuple[str, ...]
    """What there is to say of a restored or copied home."""
    keys_overdue: Millis
    """When an envelope key should have been destroyed that is still here because no other clock said so; 0 if none."""
    failing: tuple[Failing, ...]
    """The carriers that did not work the last time."""
    peers: tuple[PeerStatus, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the status for machines; moments in SDMP's form, null for never."""
        value = asdict(self)
        value["now"] = format_time(self.now)
        for each in value["failing"]:
            each["since"] = format_time(each["since"]) if each["since"] else None
        value["dated_until"] = format_time(self.dated_until) if self.dated_until else None
        value["keys_overdue"] = format_time(self.keys_overdue) if self.keys_overdue else None
        for peer in value["peers"]:
            for key in ("added", "heard_at", "waits_since", "retry_at", "met_limits_at", "held_until"):
                peer[key] = format_time(peer[key]) if peer[key] else None
            for each in peer["given_up"]:
                each["at"] = format_time(each["at"])
            for each in peer["on_the_way"]:
                each["since"] = format_time(each["since"])
        return value


def of_node(view: SqliteView, now: Millis, *, clock_doubtful: bool) -> Status:
    """Return how the node stands."""
    local = view.local()
    theirs, incomplete = 0, 0
    published = {}
    for listed in view.listed(SHOWN_KINDS):
        if listed.gone:
            continue
        if listed.user == local.user:
            published[listed.number] = listed.received
        else:
            theirs += 1
        incomplete += bool(listed.lacking)
    ours, ahead = _Ours.of(view, published), redating.ahead(view, now)
    burden = [view.burden(rank) for rank in Rank]
    return Status(
        name=local.name,
        user=local.user,
        node=local.node,
        now=now,
        clock_doubtful=clock_doubtful,
        published=len(published),
        received=theirs,
        incomplete=incomplete,
        held=len(view.all_held()),
        wanted=view.wanted_count(),
        quarantined=len(view.quarantined()),
        dated_ahead=len(ahead),
        dated_until=redating.until(view, ahead),
        pending=sum(not each.declined for each in view.pending()),
        carrying=sum(count for count, _ in burden),
        carrying_bytes=sum(size for _, size in burden),
        hooks_failed=sum(each.tries > 0 for each in view.errands()),
        restored=tuple(copies.of_us(view)),
        keys_overdue=envelope_keys.overdue(view, now) or Millis(0),
        failing=_failing(view),
        peers=tuple(_of_peer(view, peer, ours, now) for peer in view.peers()),
    )


def _failing(view: SqliteView) -> tuple[Failing, ...]:
    found = []
    for key, value in view.carrier("", noting.FAILING):
        since, _, why = value.decode("utf-8", "replace").partition(" ")
        found.append(Failing(key[len(noting.FAILING) :], Millis(int(since)) if since.isdigit() else Millis(0), why))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Ours:
    """Things that we published for people, by their line numbers."""

    numbers: Ranges
    published: dict[int, Millis]
    """When."""
    on_request: Ranges
    """Those too large to be sent with their line."""
    files: tuple[OwnLine, ...]
    """Those that have chunks."""

    @classmethod
    def of(cls, view: SqliteView, published: dict[int, Millis]) -> _Ours:
        numbers = Ranges.numbers(published)
        lines = [line for run in numbers.runs for line in view.own_lines(*run)]
        on_request = Ranges.numbers(line.number for line in lines if not mailing.goes_unasked(line))
        return cls(numbers, published, on_request, tuple(line for line in lines if line.chunks))

    def with_any(self, chunks: Ranges) -> Ranges:
        """Return the files to which any of *chunks* belongs."""
        return Ranges.numbers(line.number for line in self.files if line.chunks & chunks) if chunks else chunks


@dataclass(frozen=True, slots=True)
class _Reached:
    """Which of our things have got how far towards one peer; each stage includes the later ones."""

    announced: Ranges
    handed: Ranges
    stored: Ranges
    applied: Ranges

    def without(self, numbers: Ranges) -> _Reached:
        """Return the same of all others than *numbers*."""
        stages = (self.announced, self.handed, self.stored, self.applied)
        return _Reached(*(stage - numbers for stage in stages))


def _reached(view: SqliteView, peer: Peer, ours: _Ours) -> _Reached:
    """Return what there is evidence for: a line alone says nothing about what it names."""
    letters = [each for each in view.letters(peer.node) if each.handed_at is not None]
    # An acknowledged line had its body with it. Whether the peer kept it, it says in the next envelope that it writes.
    came = ours.numbers & peer.acked - ours.on_request if peer.reads else Ranges()
    held = peer.known | _numbers(view, {name for name, code, _ in view.outcomes(peer.node) if code in KEPT})
    unsaid = Ranges.numbers(n for n in came - held - peer.applied if ours.published[n] > peer.seen_at)
    stored = peer.applied | (held | unsaid) - ours.with_any(peer.owed_chunks)
    replies = {number for letter in letters for number in letter.plan.replies}
    asked = {each.resource for each in view.replies(peer.node) if each.number in replies and each.resource}
    bodies = came | held | _union(letter.plan.bodies for letter in letters) | _numbers(view, asked)
    ashore = ours.with_any(peer.owed_chunks - _union(letter.plan.chunks for letter in letters))
    handed = stored | bodies - ashore
    announced = handed | peer.acked | _union(letter.plan.lines for letter in letters)
    every = ours.numbers
    return _Reached(every & announced, every & handed, every & stored, every & peer.applied)


def _union(parts: Iterable[Ranges]) -> Ranges:
    return Ranges.of(*(run for part in parts for run in part.runs))


def _numbers(view: SqliteView, names: Iterable[ResourceId]) -> Ranges:
    """The numbers of our lines that name these resources."""
    return Ranges.numbers(listed.number for name in names if (listed := view.listing(name)))


def _of_peer(view: SqliteView, peer: Peer, ours: _Ours, now: Millis) -> PeerStatus:
    lacking, untold = _lacking(view, peer), _untold(view, peer)
    everything, closed = _reached(view, peer, ours), ours.numbers & view.closed_to(peer.node, peer.applied)
    reached = everything.without(closed)
    tolds = [view.told(peer.node, medium) for medium in view.media(peer.node)]
    carriers: dict[str, list[Millis]] = {}
    for letter in view.letters(peer.node):
        if letter.handed_at is not None and letter.plan.eliciting:
            carriers.setdefault(letter.where or letter.medium, []).append(letter.handed_at)
    return PeerStatus(
        name=peer.name,
        user=peer.user,
        node=peer.node,
        state=_state(peer, ours.numbers - everything.applied | untold, lacking),
        published=len(ours.numbers - closed),
        announced=len(reached.announced),
        handed=len(reached.handed),
        stored=len(reached.stored),
        applied=len(reached.applied),
        sealed=len(closed),
        carried=len(everything.stored & closed),
        heard_lines=peer.heard,
        lacking_lines=len(lacking),
        missing_envelopes=len(peer.missing),
        on_the_way=tuple(OnTheWay(where, len(times), min(times)) for where, times in sorted(carriers.items())),
        added=peer.added,
        heard_at=sign_of_life(view, peer),
        untold=len(untold),
        waits_since=_waits_since(view, peer, ours, closed | reached.applied, untold),
        retry_at=max((told.retry_at for told in tolds), default=Millis(0)),
        met_limits_at=view.account(peer.node).met,
        held_until=view.account(peer.node).hold,
        given_up=tuple(GivenUp(each.medium, each.given_up, each.failures) for each in tolds if each.given_up),
        outcomes=tuple((name, code, waiting.there(view, code, said)) for name, code, said in view.outcomes(peer.node)),
        restored=tuple(copies.of_peer(view, peer)),
    )


def _untold(view: SqliteView, peer: Peer) -> Ranges:
    """Lines of what our user published that decide about other resources and are not known to have come to *peer*."""
    found = view.urgent_lines(1, view.tip()[0]) - peer.acked - peer.known if peer.reads else Ranges()
    return Ranges.numbers(line.number for run in found.runs for line in view.own_lines(*run) if line.mine)


def _waits_since(view: SqliteView, peer: Peer, ours: _Ours, settled: Ranges, untold: Ranges) -> Millis:
    waiting = ours.numbers - settled if peer.reads else Ranges()
    times = [ours.published[number] for number in waiting]
    lines = (line for run in untold.runs for line in view.own_lines(*run))
    found = (view.listing(line.entry.resource) for line in lines)
    return min([*times, *(max(each.received, peer.added) for each in found if each)], default=Millis(0))


def _lacking(view: SqliteView, peer: Peer) -> Ranges:
    """The lines of a peer's journal that name what we accept, may have, and do not have completely."""
    users = {view.local().user, *(each.user for each in view.peers())}
    accepted = {user for user in users if admission.accepts(view, user)}
    return Ranges.numbers(
        number
        for first, last in (Ranges.of((1, peer.heard)) - peer.done).runs
        for number, entry in enumerate(view.entries(peer.node, first, last - first + 1), first)
        if entry.publisher in accepted and not _taken_back(view, entry) and not asking.refused(view, entry.resource)
    )


def _taken_back(view: SqliteView, entry: Entry) -> bool:
    """Whether nobody needs what *entry* names any more."""
    fate = view.fate(entry.resource)
    return (fate is not None and "revoked" in fate) or bool(view.authority(entry.publisher).buries(entry.resource))


def _state(peer: Peer, waiting: Ranges, lacking: Ranges) -> str:
    if peer.suspect:
        return "set apart"
    if peer.revoked:
        return "revoked"
    if peer.ended:
        return "ended"
    if not peer.reads:
        return "withheld"
    if not peer.seen_at:
        return "unknown"
    if lacking or peer.missing:
        return "behind"
    return "ahead" if waiting else "in sync"


def reached_by(view: SqliteView, listed: Listed) -> dict[str, Reach]:
    """Return how far something of ours has got, by the names of peers; empty if it is not ours."""
    if listed.user != view.local().user:
        return {}
    found = reach(view, listed)
    return {peer.name: found[peer.node] for peer in view.peers()}


def reach(view: SqliteView, listed: Listed) -> dict[Fingerprint, Reach]:
    """Return how far something that our user published has got, by peer."""
    ours = _Ours.of(view, {listed.number: listed.received})
    return {
        peer.node: _reach(peer, _reached(view, peer, ours), view.closed_to(peer.node, peer.applied))
        for peer in view.peers()
    }


def sign_of_life(view: SqliteView, peer: Peer) -> Millis:
    """Return when something of *peer*'s was last seen: an envelope, or its token on a medium."""
    seen = (each.at for each in view.evidence(peer.node) if each.stage in (ACKED, APPLIED))
    return max(peer.seen_at, *seen, Millis(0))


def _reach(peer: Peer, one: _Reached, closed: Ranges) -> Reach:
    """How far one thing has got; whoever cannot read what it has got only carries it."""
    if one.stored & closed:
        return Reach.CARRIED
    if one.applied:
        return Reach.APPLIED
    if one.stored:
        return Reach.STORED
    if not peer.reads:
        return Reach.WITHHELD
    if one.handed:
        return Reach.HANDED
    return Reach.ANNOUNCED if one.announced else Reach.WAITING
