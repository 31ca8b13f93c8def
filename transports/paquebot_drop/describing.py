"""Saying what a file found on a stick holds: a crate, a slip or the medium's name, all that is not sealed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from paquebot.transport import Described
from paquebot_drop import crate, tokens
from paquebot_drop.crate import Contents, Entry
from paquebot_drop.texts import read_names

SHOWN_MAX = 8  # records described one by one
_PRIORITIES = {0: "first", 1: "ordinary", 2: "bulk"}


def describe(data: bytes) -> Described | None:
    """Return what *data* is, if it is a file of ours, whole or torn."""
    if data.startswith(tokens.MAGIC):
        return _slip(data)
    if data.startswith(crate.MAGIC):
        return _crate(data)
    named = read_names(data[:4096].decode("utf-8", "replace"))
    return named and Described("name of a medium", (("format", f"paquebot drop {named[0]}"), ("volume", named[1])))


def _crate(data: bytes) -> Described:
    read = lambda at, count: data[at : at + count] if at >= 0 else b""  # noqa: E731
    found = crate.read_contents(read, len(data))
    bodies = [crate.read_body(read, entry) for entry in found.entries]
    whole = sum(body is not None for body in bodies)
    facts = [*_facts(found), *(_record(number, entry) for number, entry in enumerate(found.entries[:SHOWN_MAX], 1))]
    if len(found.entries) > SHOWN_MAX:
        facts.append(("further records", str(len(found.entries) - SHOWN_MAX)))
    checks = (
        ("index", found.intact, "names every record" if found.intact else "torn or damaged: what follows was salvaged"),
        ("records", whole == len(bodies) and bool(bodies), f"{whole} of {len(bodies)} are what was written"),
    )
    return Described("crate", tuple(facts), checks, tuple(body for body in bodies[:SHOWN_MAX] if body is not None))


def _facts(found: Contents) -> Sequence[tuple[str, str]]:
    entries = found.entries
    sorts = Counter(_PRIORITIES.get(entry.priority, "unknown") for entry in entries)
    return [
        ("records", f"{len(entries)}: {', '.join(f'{count} {sort}' for sort, count in sorted(sorts.items()))}"),
        ("sealed bytes", str(sum(entry.length for entry in entries))),
        ("recipients", "known only to those whose keys made their tags"),
    ]


def _record(number: int, entry: Entry) -> tuple[str, str]:
    many = "1 recipient" if len(entry.recipients) == 1 else f"{len(entry.recipients)} recipients"
    carried = f", carried on {'once' if entry.hops == 1 else f'{entry.hops} times'}" if entry.hops else ""
    return f"record {number}", f"{entry.length} bytes, for {many}, expires {_date(entry.expires)}{carried}"


def _slip(data: bytes) -> Described:
    slip = tokens.parse_slip(data)
    if slip is None:
        return Described("slip", (), (("whole", False, "torn or damaged: it says nothing"),))
    facts = (
        ("crate", slip.crate),
        ("tokens", f"{len(slip.tokens)}: so many records are said to have arrived"),
        ("crate found damaged", "yes" if slip.damaged else "no"),
        ("may be deleted", _date(slip.expires)),
    )
    return Described("slip", facts, (("whole", True, "its tokens prove themselves to the crate's writer alone"),))


def _date(hours: int) -> str:
    """Return the date of a number of hours since 1970.

    >>> _date(0), _date(2**32 - 1)
    ('1970-01-01', 'never')
    """
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours)).date().isoformat()
    except OverflowError:
        return "never"
