"""`status`: how everything stands, and how that is known."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import click

from paquebot import config, monitoring, reach, status, waiting
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.cli.resources import names_of
from paquebot.cli.secrets import warnings
from paquebot.display import printable
from paquebot.errors import Handwritten
from paquebot.meetings import first_peer
from paquebot.node import Node
from paquebot.protocol.encoding import short
from paquebot.protocol.stamp import Millis
from paquebot.revocations import TakenBack, taken_back
from paquebot.status import PeerStatus, Reach, Status
from paquebot.store.view import Listed, Quarantined
from paquebot.ticks import Tick, ticks
from paquebot.transport import OK
from paquebot.waiting import Waiting


@click.command("status", cls=output.NamesResources)
@click.argument("words", nargs=-1, metavar="[ID]... or [CONDITION]...")
@click.option("--check", is_flag=True, help="For monitoring: one line, and whether the CONDITIONs hold.")
@click.option("--peer", "names", multiple=True, metavar="NAME", help="Look at this peer only; may be given again.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status_command(
    setting: Setting, words: tuple[str, ...], check: bool, names: tuple[str, ...], wants_json: bool
) -> int:
    """Say how far everything has got, and what a person should look at; or with IDs, how far these have got.

    For each peer three ticks: how many of the things we published for it a carrier has taken whole, the peer has
    stored, and the peer has applied. Each is told only on evidence; with an ID, the evidence is told too. What is
    private to others, and a peer merely carries, is told apart. It takes no lock: it can be asked while a sync runs.

    \b
    --check prints one line and exits with 0 if all is well, 1 if a person should look (something set aside, a
    stranger who waits, a hook that failed, a wrong clock, a mailbox that is nearly full), 2 if it is bad (a limit
    exceeded, a peer set apart, a full mailbox).
    CONDITIONs:
      max-age=2d       no peer's last sign of life is older
      max-waiting=7d   nothing of ours waits longer until a peer has applied it
      no-quarantine    nothing is set aside

    \b
    Examples:
      paquebot status
      paquebot status 3fa29c81b2 --peer Bob
      paquebot status --check max-age=2d no-quarantine --peer Bob
    """
    with setting.look() as node:
        if check:
            return _check(node, words, names, wants_json=wants_json)
        if words:
            _say_things(node, [node.find(word) for word in dict.fromkeys(words)], names, wants_json=wants_json)
            return 0
        found = status.of_node(node.view, node.now(), clock_doubtful=node.clock_doubtful())
        aside, held, peers = node.view.quarantined(), waiting.here(node.view), _chosen(node, found, names)
        first = first_peer(node.view, node.now())
        carriers = config.read(setting.home / config.FILE_NAME).carriers
        lacking, stood = reach.lacking(node.view, carriers), reach.stood(node.view, carriers)
    if wants_json:
        value = found.as_json()
        chosen = {peer.node for peer in peers}
        value["peers"] = [each for each in value["peers"] if each["node"] in chosen]
        value["quarantine"] = [_aside_json(each) for each in aside]
        value["waiting"] = [each.as_json() for each in held]
        value["without_address"] = [{"peer": name, "kind": kind} for name, kind in lacking]
        value["carriers"] = [
            {"carrier": name, "what": each.what, "state": each.state, "detail": each.detail} for name, each in stood
        ]
        output.as_json(value)
    else:
        _say(setting, found, peers, aside, held)
        for name, each in stood:
            line = f"{printable(name)}, when last visited: {printable(each.what)}: {printable(each.detail)}"
            click.echo(line if each.state == OK else output.coloured(line, "yellow", wanted=setting.coloured))
        for name, kind in lacking:
            route = f"paquebot peer route {shlex.quote(printable(name))} {kind} ADDRESS"
            click.echo(f"{printable(name)} has told no address for {kind}: {route}")
        if not found.peers:
            click.echo(f"There is no peer yet: {first}")
    return 0


def _chosen(node: Node, found: Status, names: tuple[str, ...]) -> list[PeerStatus]:
    """The peers of those names, or all. Raise `NotFound`."""
    nodes = {node.peer(name).node for name in names}
    return [peer for peer in found.peers if not names or peer.node in nodes]


def _aside_json(piece: Quarantined) -> dict[str, Any]:
    return {
        "id": piece.id,
        "code": piece.code,
        "reason": piece.reason,
        "where": piece.where,
        "bytes": piece.bytes,
        "sha256": piece.digest.hex(),
        "at": output.iso(piece.at),
    }


# -- monitoring --------------------------------------------------------------------------


def _check(node: Node, words: tuple[str, ...], names: tuple[str, ...], *, wants_json: bool) -> int:
    limits = monitoring.read_limits(words)
    found = status.of_node(node.view, node.now(), clock_doubtful=node.clock_doubtful())
    peers = _chosen(node, found, names)
    stood = reach.stood(node.view, config.read(node.home / config.FILE_NAME).carriers)
    findings = monitoring.check(found, limits, peers, stood)
    level = monitoring.level(findings)
    numbers = {
        "waiting": sum(peer.published - peer.applied for peer in peers if peer.state != "withheld"),
        "set_aside": found.quarantined,
        "pending": found.pending,
        "hooks_failed": found.hooks_failed,
    }
    if wants_json:
        value = [{"level": each.level.name, "what": each.what} for each in findings]
        output.as_json({"level": level.name, "findings": value, **numbers})
    else:
        said = "; ".join(printable(each.what).replace("|", "/") for each in findings)
        peers_said = output.count(len(peers), "peer")
        measured = " ".join(f"{name}={number}" for name, number in numbers.items())
        click.echo(f"{level.name}: {said or peers_said} | {measured}")
    return level


# -- single things -----------------------------------------------------------------------


def _say_things(node: Node, things: list[Listed], names: tuple[str, ...], *, wants_json: bool) -> None:
    nodes, now = {node.peer(name).node for name in names}, node.now()
    known: dict[str, str] = {peer.node: peer.name for peer in node.view.peers()}

    def chosen(listed: Listed) -> list[Tick]:
        return [tick for tick in ticks(node.view, listed) if not names or tick.node in nodes]

    found = [(each, chosen(each), taken_back(node.view, each)) for each in things]
    if wants_json:
        output.as_json(
            [
                _thing_json(listed, ticked, known, now)
                | _private(node, listed)
                | {"revoked": _revoked_json(gone, chosen(gone.listed), now) if gone else None}
                for listed, ticked, gone in found
            ]
        )
        return
    for listed, ticked, gone in found:
        click.echo(f"{short(listed.id)}  {printable(listed.title or listed.filename or listed.kind)}")
        if (readers := _private(node, listed)["readers"]) is not None:
            click.echo(f"  private: for {printable(', '.join(readers) or 'its author')}")
        for tick in ticked:
            click.echo(f"  {printable(tick.peer)}: {printable(words_of(tick, now))}")
        if listed.sender:
            click.echo(f"  {printable(_came(listed, known))}")
        elif not ticked:
            click.echo("  there is no peer yet")
        if gone:
            reached = chosen(gone.listed)
            click.echo(f"  {printable(_revoked(gone, ours=bool(reached)))}")
            for tick in reached:
                click.echo(f"    {printable(tick.peer)}: {printable(words_of(tick, now))}")


def _revoked(gone: TakenBack, *, ours: bool) -> str:
    what = f"revoked with all trust in node {short(gone.node)}, which published it," if gone.node else "revoked"
    when = f" on {output.moment(gone.at)}" if gone.at else ""
    return f"{what}{when} by {gone.by}{'; how far that has got:' if ours else ''}"


def _revoked_json(gone: TakenBack, ticked: list[Tick], now: Millis) -> dict[str, Any]:
    return {
        "revocation": gone.listed.uri,
        "user": gone.user,
        "signer": gone.signer,
        "by": gone.by,
        "at": output.iso(gone.at),
        "heard": output.iso(gone.listed.received),
        "node": gone.node,
        "peers": _ticked_json(ticked, now),
    }


def _private(node: Node, listed: Listed) -> dict[str, list[str] | None]:
    """Who can read it besides its author, as far as known; nobody in particular if it is not private."""
    users, names = node.view.opened(listed.id), names_of(node)
    return {
        "readers": None if users is None else [names.get(each, short(each)) for each in users if each != listed.user]
    }


def _thing_json(listed: Listed, ticked: list[Tick], known: dict[str, str], now: Millis) -> dict[str, Any]:
    return {
        "id": short(listed.id),
        "uri": listed.uri,
        "title": listed.title,
        "filename": listed.filename,
        "received": output.iso(listed.received),
        "from": known.get(listed.sender or "", listed.sender),
        "complete": not listed.lacking,
        "peers": _ticked_json(ticked, now),
    }


def _ticked_json(ticked: list[Tick], now: Millis) -> list[dict[str, Any]]:
    return [{**tick.as_json(), "words": words_of(tick, now)} for tick in ticked]


def _came(listed: Listed, known: dict[str, str]) -> str:
    whom = known.get(listed.sender or "", "somebody who is no peer any more")
    held = listed.chunk_total - listed.lacking
    whole = f"; {held} of {output.count(listed.chunk_total, 'chunk')} here" if listed.lacking else ""
    return f"came from {whom} on {output.moment(listed.received)}{whole}"


def words_of(tick: Tick, now: Millis) -> str:
    """Return what is known of one thing and one peer, as a sentence, and nothing that is not known."""
    return "; ".join([_progress(tick, now), *_outlook(tick, now)])


def _progress(tick: Tick, now: Millis) -> str:
    """How far it got, and how that is known."""
    handed = f"{tick.handed_where or 'a carrier'} {output.ago(tick.handed_at, now)}" if tick.handed_at else "a carrier"
    if tick.read_back:
        handed += " (read back)"
    shown = f", as it let us know {output.ago(tick.stored_at, now)}" if tick.stored_at else ""
    told = f"; it says {tick.outcome}: {tick.detail}" if tick.outcome else ""
    match tick.reach:
        case Reach.APPLIED:
            said = f", as it said {output.ago(tick.applied_at, now)}" if tick.applied_at else ""
            return f"applied by the peer{said}"
        case Reach.STORED:
            return f"stored by the peer{shown}{told}"
        case Reach.CARRIED:
            return f"carried by {tick.peer}, {_unread(tick)}{shown}{told}"
        case Reach.HANDED if tick.on_the_way or not tick.outcome:
            return f"handed to {handed}{told}"
        case Reach.HANDED:
            return f"{tick.outcome} by the peer: {tick.detail}"
        case Reach.ANNOUNCED if tick.asked:
            return f"asked for; the answer goes with the next carrier{told}"
        case Reach.ANNOUNCED if tick.on_the_way:
            return f"in part handed to {handed}{told}"
        case _:
            return f"{tick.reach.value}{told}"


def _unread(tick: Tick) -> str:
    """What is to be said of somebody who is not known to read it."""
    if tick.reads is None:
        return "who may or may not be able to read it"
    return "who has no key to it yet" if tick.meant else "who cannot read it"


def _outlook(tick: Tick, now: Millis) -> list[str]:
    """What is to be expected of the peer, unless it has everything, or gets nothing."""
    if tick.reach in (Reach.APPLIED, Reach.STORED, Reach.CARRIED, Reach.WITHHELD):
        return []
    said = [] if tick.reads else [f"to be carried by {tick.peer}, {_unread(tick)}"]
    if not tick.heard_at:
        said.append("no sign of life yet")
    elif tick.heard_at < tick.handed_at:
        said.append(f"no sign of life since {output.moment(tick.heard_at)[:16]}")
    if tick.on_the_way:
        said.append(f"counts as lost by {output.moment(tick.lost_at)[:10]}")
    if tick.retry_at > now:
        said.append(f"next try {output.moment(tick.retry_at)[:16]}")
    return said


# -- everything ----------------------------------------------------------------------------


def _say(
    setting: Setting, found: Status, peers: list[PeerStatus], aside: Sequence[Quarantined], held: Sequence[Waiting]
) -> None:
    click.echo(
        f"{printable(found.name)}, node {short(found.node)}: {found.published} published, {found.received} received"
    )
    if found.clock_doubtful:
        wrong = output.coloured("This machine's clock is wrong", "red", wanted=setting.coloured)
        click.echo(f"{wrong}; going by the latest time seen: {output.moment(found.now)} (see `paquebot clock`)")
    if found.dated_ahead:
        what, when = output.count(found.dated_ahead, "thing"), output.moment(found.dated_until)
        click.echo(f"{what} of ours dated ahead by a wrong clock: peers take them by {when}, and not before.")
        click.echo("  When the clock is right, publish them anew: paquebot clock --right")
    for sentence in found.restored:
        click.echo(printable(sentence))
    for warning in warnings(setting):
        click.echo(output.coloured(f"Keys: {warning}", "yellow", wanted=setting.coloured))
    if found.keys_overdue:
        click.echo(
            f"Keys: an envelope key should have been destroyed by {output.moment(found.keys_overdue)[:10]},"
            " and no other clock has confirmed that date."
        )
        click.echo("  If this machine's clock is right: paquebot key destroy")
    for peer in peers:
        _say_peer(peer, found.now, setting)
    for failing in found.failing:
        since = f" since {output.moment(failing.since)}" if failing.since else ""
        click.echo(f"{printable(failing.carrier)} does not work{since}: {printable(failing.why)}")
    if found.carrying:
        what = f"{output.count(found.carrying, 'parcel')} for others ({output.size(found.carrying_bytes)})"
        click.echo(f"carrying {what}: see `paquebot carried`")
    for number, what, more in (
        (found.incomplete, "incomplete file", ": the rest is on its way or asked for"),
        (found.wanted, "thing", " that peers list, and that is not here: asked for"),
        (found.held, "item", " waiting for something else, or for its time:"),
    ):
        if number:
            click.echo(f"{output.count(number, what)}{more}")
    for item in held:
        click.echo(f"  {short(item.id)}, brought by {printable(item.sender)}, waits for {'; '.join(item.waits_for)}")
    _say_aside(aside)
    if found.pending:
        click.echo(f"{output.count(found.pending, 'stranger')} waiting for your word: see `paquebot peer pending`")
    if found.hooks_failed:
        failed = output.count(found.hooks_failed, "task")
        click.echo(f"{failed} of hooks or folders failed; tried again later: see `paquebot hook list`")


def _say_aside(aside: Sequence[Quarantined]) -> None:
    if written := [each for each in aside if each.code == Handwritten.code]:
        what = output.count(len(written), "letter")
        click.echo(f"{what} that somebody wrote by hand, to be read: paquebot quarantine show {written[-1].id}")
    refused = [each for each in aside if each.code != Handwritten.code]
    if refused:
        click.echo(f"{output.count(len(refused), 'damaged or refused item')}, set aside with its bytes:")
    for each in refused[-20:]:
        click.echo(f"  {output.moment(each.at)}  {each.code}: {printable(each.reason)} ({printable(each.where)})")


STATES = {
    "in sync": "in sync",
    "ahead": "lacks something of ours",
    "behind": "has something that is not here yet",
    "unknown": "not in touch yet",
    "withheld": "gets nothing from us: it may not read (see `paquebot trust list`)",
    "set apart": "set apart",
    "ended": "ended",
    "revoked": "revoked: its user trusts that node no more, and nothing goes there",
}
"""How the states of a link are said to people."""
COLOURS = {"in sync": "green", "ahead": "yellow", "behind": "yellow", "set apart": "red", "revoked": "red"}


def _say_peer(peer: PeerStatus, now: Millis, setting: Setting) -> None:
    heard = f"last heard {output.ago(peer.heard_at, now)}" if peer.heard_at else "never heard"
    if peer.state == "ended":
        click.echo(f"{printable(peer.name)}: {printable('; '.join(peer.restored))}.")
        return
    state = output.coloured(STATES[peer.state], COLOURS.get(peer.state), wanted=setting.coloured)
    click.echo(f"{printable(peer.name)}: {state}; {heard}")
    if not (peer.published or peer.sealed):
        click.echo("  nothing published here yet")
    ticks = ("", "", "") if setting.plain else ("✓   ", "✓✓  ", "✓✓✓ ")
    if peer.sealed:
        private = output.count(peer.sealed, "private thing")
        click.echo(f"  carries {peer.carried} of {private} to which it has no key")
    counts = (peer.handed, peer.stored, peer.applied)
    stages = ("handed to a carrier", "stored by the peer", "applied by the peer")
    for tick, count, what in zip(ticks, counts, stages, strict=True) if peer.published else ():
        colour = "green" if count == peer.published else None
        click.echo(f"  {output.coloured(tick, colour, wanted=setting.coloured)}{count} of {peer.published} {what}")
    if peer.announced > peer.handed:
        click.echo(f"  {peer.announced - peer.handed} announced; the peer will ask for it")
    for each in peer.on_the_way:
        envelopes = output.count(each.envelopes, "envelope")
        click.echo(f"  {envelopes} on the way by {printable(each.where)}, written {output.ago(each.since, now)}")
    if peer.lacking_lines:
        click.echo(f"  {peer.lacking_lines} of its {peer.heard_lines} journal lines name things that are not here yet")
    if peer.missing_envelopes:
        click.echo(
            f"  not arrived yet: {output.count(peer.missing_envelopes, 'envelope')} of its; it will hear of that"
        )
    if peer.state == "set apart":
        click.echo("  it sent signed data in clear, so its keys may be stolen: nothing is sent to it or taken from it.")
        click.echo("  When its owner has explained it or has new keys: paquebot peer add NAME CARDFILE")
    for sentence in peer.restored:
        click.echo(f"  {printable(sentence)}.")
    for resource, outcome, detail in peer.outcomes:
        click.echo(f"  {short(resource)} is {printable(outcome)} there: {printable(detail)}")
    for medium in peer.given_up:
        when, tries = output.moment(medium.at)[:10], output.count(medium.tries, "unanswered letter")
        click.echo(f"  given up on {when} by {printable(medium.medium)}, after {tries}; it goes on as soon as")
        click.echo("  something comes from it. If you know that it can be reached: paquebot peer retry NAME")
    if peer.met_limits_at:
        when = output.ago(peer.met_limits_at, now)
        click.echo(f"  sent more than [limits] in config.toml grants, {when}; the rest is taken in time")
    if peer.held_until > now:
        click.echo(f"  takes no more from us until {output.moment(peer.held_until)}: we sent more than it grants")
    if peer.retry_at > now and not peer.given_up:
        click.echo(f"  unanswered; next try {output.moment(peer.retry_at)}")
