"""The survey: one look at a whole medium, reading indexes and slips but no bodies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from paquebot.transport import Transient, token_hash
from paquebot_drop import tokens
from paquebot_drop.crate import CRATE_MAX, END, MAGIC, Contents, Entry, Read, base32, digest, read_contents
from paquebot_drop.folder import ROOT, Folder, Found
from paquebot_drop.ledger import Wrote

RECIPIENTS_MAX = 200_000  # of all records, per look, so that a crowded stick does not fill our memory
SLIPS_MAX = 64 << 20  # bytes of slips, per look: seconds of a small machine's time
UNKNOWN_MAX = 20_000  # tokens of records that are not here: somebody else may have carried those
_NAME = re.compile(r"([A-Z2-7]{26})\.PQB", re.ASCII)
_OURS = re.compile(r"(README|FORMAT)\b.*\.TXT", re.ASCII | re.IGNORECASE)
_JUNK = re.compile(r"thumbs\.db|desktop\.ini|icon\r|~syncthing~.*", re.ASCII | re.IGNORECASE)
_DRAFT = re.compile(r"~.*|.*\.(part|partial|filepart|tmp|temp|crdownload|download|!sync|!ut|bts|swp)", re.IGNORECASE)
"""What syncers and browsers call a file that is not complete yet."""
_EDGE = 4096


@dataclass(frozen=True, slots=True)
class Crate:
    """A crate on the medium, whatever its file is called."""

    found: Found
    name: str
    """Under which it was written; a renamed one is named after its first record."""
    entries: tuple[Entry, ...]
    intact: bool
    mark: bytes
    """By which a finding about it is known again."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A whole slip on the medium."""

    found: Found
    crate: str
    expires: int
    damaged: bool
    first: bytes | None
    """The id in its first token."""
    content: bytes
    """The same for all that say the same."""


@dataclass(slots=True)
class Survey:
    """What lies on the medium."""

    crates: list[Crate] = field(default_factory=list)
    papers: list[Paper] = field(default_factory=list)
    strays: list[tuple[Found, bytes]] = field(default_factory=list)
    """Files below PAQUEBOT that are none of ours, with their marks."""
    torn: list[Found] = field(default_factory=list)
    """Slips that say nothing."""
    shown: set[bytes] = field(default_factory=set)
    """Id and token hash of every record whose recipient has shown a true token."""
    tokens: dict[bytes, bytes] = field(default_factory=dict)
    """The same with the token, and tokens of records that lay here and are gone, or never did."""
    complete: bool = True
    """Whether that is all there is."""

    def is_shown(self, record: bytes, hashes: tuple[bytes, ...]) -> bool:
        """Return whether every recipient of *record* has shown its token."""
        return all(record + each in self.shown for each in hashes)


async def look(folder: Folder, own: Mapping[str, Wrote]) -> Survey:
    """Return what lies on the medium. Raise `Transient` if it vanishes meanwhile."""
    survey = Survey()
    errors = folder.errors
    try:
        listing = folder.look_around()
        survey.complete = listing.complete
        slips = await _sort(folder, listing.files, survey)
        await _read_slips(folder, slips, own, survey)
    except OSError as error:
        raise Transient("the stick cannot be read") from error
    if folder.errors != errors and not folder.alive():
        raise Transient("the stick was pulled")
    return survey


async def _sort(folder: Folder, files: list[Found], survey: Survey) -> list[Found]:
    """Tell crates, slips and strays apart by their magic bytes, never by their names alone."""
    slips = []
    left = RECIPIENTS_MAX
    for found in files:
        await asyncio.sleep(0)
        named = _NAME.fullmatch(found.parts[-1].upper()) if found.parts[0] == ROOT else None
        name = found.parts[-1]
        if _JUNK.fullmatch(name) or (found.parts[:-1] == (ROOT,) and _OURS.fullmatch(name)):
            continue
        with folder.reading(found.parts) as read:
            begin = read(0, 4) if found.size <= CRATE_MAX else b""
            if found.size <= CRATE_MAX and (named or begin == MAGIC or _ends(read, found.size)):
                if left <= 0:
                    survey.complete = False
                    continue
                crate = _crate(found, named, read)
                if not crate.intact and _DRAFT.fullmatch(name):
                    continue
                left -= sum(len(entry.recipients) for entry in crate.entries)
                survey.crates.append(crate)
            elif begin == tokens.MAGIC and found.size <= tokens.SLIP_MAX:
                slips.append(found)
            elif found.parts[0] == ROOT and name.upper().endswith(".ACK"):
                survey.torn.append(found)
            elif found.parts[0] == ROOT and not _DRAFT.fullmatch(name):
                survey.strays.append((found, _mark(found, read)))
    survey.crates.sort(key=lambda crate: (crate.found.written_ns, crate.name))  # a journal is best read from its start
    return slips


def _ends(read: Read, size: int) -> bool:
    return size >= 8 and read(size - 4, 4) == END


def _crate(found: Found, named: re.Match[str] | None, read: Read) -> Crate:
    contents = read_contents(read, found.size) if found.size else Contents((), False)
    mark = _mark(found, read)
    name = named[1] if named else base32(contents.entries[0].id if contents.entries else mark)
    return Crate(found, name, contents.entries, contents.intact, mark)


def _mark(found: Found, read: Read) -> bytes:
    edges = read(0, _EDGE) + read(max(0, found.size - _EDGE), _EDGE)
    return digest(repr((found.parts, found.size)).encode("utf-8", "surrogateescape") + edges)


async def _read_slips(folder: Folder, slips: list[Found], own: Mapping[str, Wrote], survey: Survey) -> None:
    """Read every slip. Only true tokens of records that are here or ours count as shown; others are news, perhaps."""
    ours = {r.id + each for wrote in own.values() for r in wrote.records for each in r.hashes}
    known = ours | {e.id + each for crate in survey.crates for e in crate.entries for _, each in e.recipients}
    unknown, left = UNKNOWN_MAX, SLIPS_MAX
    for found in sorted(slips, key=lambda found: (found.size, found.parts)):  # so that giants hide no others
        await asyncio.sleep(0)
        left -= found.size
        if left < 0:
            survey.complete = False
            break
        with folder.reading(found.parts) as read:
            data = read(0, found.size)
        slip = tokens.parse_slip(data)
        if slip is None:
            survey.torn.append(found)
            continue
        first = slip.tokens[0][0] if slip.tokens else None
        survey.papers.append(Paper(found, slip.crate, slip.expires, slip.damaged, first, digest(data)))
        for name, token in slip.tokens:
            shown = name + token_hash(token)
            if shown in known:
                survey.shown.add(shown)
            elif shown not in survey.tokens:
                unknown -= 1
            if shown in known or unknown >= 0:
                survey.tokens[shown] = token
