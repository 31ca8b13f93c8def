"""`carried`: what this node carries for others, as far as it can know."""

from __future__ import annotations

import sys
from typing import Any

import click

from paquebot import config
from paquebot.cli import output
from paquebot.cli.main import Setting
from paquebot.protocol.burden import Parcel, Rank
from paquebot.protocol.stamp import Millis

_RANKS = {Rank.CONTACTS: "a contact", Rank.STRANGERS: "a stranger"}
_PRIORITIES = {0: "first", 1: "ordinary", 2: "bulk"}


@click.command("carried")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def carried_command(setting: Setting, wants_json: bool) -> None:
    """List the sealed parcels of others that are carried from one medium to the next, those of most worth first.

    Who wrote them, for whom, and what is in them is not known here. They go when all they are for have shown that
    they have them, by whatever carrier that is learned, or when their time is over. How much is carried is for
    [carry] in config.toml to say: see `paquebot help couriers`.

    \b
    Examples:
      paquebot carried
      paquebot carried --json
    """
    terms = config.read(setting.home / config.FILE_NAME).carry
    with setting.look() as node:
        found, now = node.view.parcels(), node.now()
        berths = {each.name: node.view.berths(each.name) for each in found}
        burden = {rank: node.view.burden(rank) for rank in Rank}
    if wants_json:
        ranks = {
            rank.name.lower(): {"parcels": count, "bytes": size, "bytes_max": terms.quota(rank)}
            for rank, (count, size) in burden.items()
        }
        parcels = [_json(each, len(berths[each.name])) for each in found]
        output.as_json({**ranks, "hops": terms.hops, "days": terms.days, "parcels": parcels})
        return
    if found:
        head = ("PARCEL", "SIZE", "HANDED BY", "WHAT", "HOPS", "SINCE", "UNTIL", "MEDIA", "HAVE IT")
        output.table(head, [_row(each, len(berths[each.name]), now) for each in found])
    if sys.stdout.isatty():
        for rank, (_, size) in burden.items():
            room = output.size(terms.quota(rank))
            click.echo(f"Handed by {_RANKS[rank]}: {output.size(size)}, and at most {room}.", err=True)


def _shown(parcel: Parcel) -> int:
    return sum(bool(each.token) for each in parcel.addressees)


def _row(parcel: Parcel, media: int, now: Millis) -> tuple[str, ...]:
    return (
        parcel.name.hex()[:10],
        output.size(parcel.size),
        _RANKS[parcel.rank],
        _PRIORITIES.get(parcel.priority, "bulk"),
        str(parcel.hops),
        output.ago(parcel.since, now),
        output.moment(parcel.ends)[:10],
        str(media),
        f"{_shown(parcel)} of {len(parcel.addressees)}",
    )


def _json(parcel: Parcel, media: int) -> dict[str, Any]:
    return {
        "parcel": parcel.name.hex(),
        "bytes": parcel.size,
        "handed_by": parcel.rank.name.lower(),
        "priority": parcel.priority,
        "hops": parcel.hops,
        "since": output.iso(parcel.since),
        "until": output.iso(parcel.ends),
        "media": media,
        "addressees": len(parcel.addressees),
        "have_it": _shown(parcel),
    }
