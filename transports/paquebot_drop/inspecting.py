"""Looking over a medium for a person: what lies there, and whether every byte of it is what was written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from paquebot.transport import Finding, Inventory, Stock, Transient, Whose
from paquebot_drop.crate import Entry, read_body
from paquebot_drop.folder import Folder
from paquebot_drop.survey import Crate, Survey


def stocks(survey: Survey, whose: Callable[[Crate, Entry], Whose], hour: int) -> tuple[Stock, ...]:
    """Return what lies there by whom it matters to. What lies there twice is counted once."""
    found: dict[Whose, list[Entry]] = {sort: [] for sort in Whose}
    counted: set[tuple[object, ...]] = set()
    for crate in survey.crates:
        for entry in crate.entries:
            key = (entry.id, entry.recipients)
            if key not in counted:
                counted.add(key)
                found[whose(crate, entry)].append(entry)
    return tuple(
        Stock(
            sort,
            len(entries),
            sum(entry.length for entry in entries),
            sum(entry.priority == 0 for entry in entries),
            sum(survey.is_shown(entry.id, tuple(each for _, each in entry.recipients)) for entry in entries),
            sum(entry.expires <= hour for entry in entries),
        )
        for sort, entries in found.items()
    )


def inventory(
    folder: Folder, survey: Survey, found: tuple[Stock, ...], *, medium: str, where: str, shared_by: str
) -> Inventory:
    """Return the whole of what is to be said of a medium."""
    files = [*(crate.found for crate in survey.crates), *(paper.found for paper in survey.papers), *survey.torn]
    return Inventory(
        medium=medium,
        where=where,
        stocks=found,
        damaged=tuple(sorted([c.found.where for c in survey.crates if not c.intact] + [f.where for f in survey.torn])),
        bytes=sum(file.size for file in files),
        room=folder.free,
        writable=folder.writable,
        shared_by=shared_by,
        complete=survey.complete,
    )


async def verify(folder: Folder, survey: Survey, progress: Callable[[int], None]) -> AsyncIterator[Finding]:
    """Read every record and every slip; yield what is damaged, and what is none of ours. Raise `Transient`."""
    errors = folder.errors
    for crate in survey.crates:
        if not crate.intact:
            yield Finding(
                crate.found.where, f"The crate is torn or damaged; whole records in it: {len(crate.entries)}."
            )
            continue
        for number, entry in enumerate(crate.entries, 1):
            await asyncio.sleep(0)
            with folder.reading(crate.found.parts) as read:
                body = read_body(read, entry)
            progress(entry.length)
            if body is None:
                yield Finding(f"{crate.found.where} record {number}", "It is not what was written.")
    for found in survey.torn:
        yield Finding(found.where, "The slip is torn or damaged; who wrote it writes it again.")
    for found, _ in survey.strays:
        yield Finding(found.where, "This file is not one of ours.", damage=False)
    if not survey.complete:
        yield Finding("PAQUEBOT", "There is more here than can be read at once; only a part was verified.")
    if folder.errors != errors and not folder.alive():
        raise Transient("the stick was pulled, or does not answer")
