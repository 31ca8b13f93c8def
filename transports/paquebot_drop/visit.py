"""The visit: what one survey means for us, and what is left behind when we go."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Set
from contextlib import suppress

from paquebot.transport import (
    Arrival,
    Context,
    Finding,
    Handover,
    Onward,
    Stage,
    TokenShown,
    Verdict,
    Whose,
    token_hash,
)
from paquebot_drop.crate import Entry, base32, digest, read_body
from paquebot_drop.folder import Folder
from paquebot_drop.ledger import Ledger, Record, Settled, Wrote, checkmark, epoch_mark
from paquebot_drop.loading import HOUR_MS
from paquebot_drop.patience import SETTLE_HOURS, Patience
from paquebot_drop.survey import Crate, Survey
from paquebot_drop.sweeping import Sweep, Swept, slip_parts
from paquebot_drop.tokens import Slip, pack_slip

STRANGERS_MAX = 1_000  # unrecognised arrivals per pass: each costs the house a try at opening
FINDING_MAX = 8 << 20
_NOTE_HOURS = 30 * 24
_CROWDED, _READ_ONLY = digest(b"crowded"), digest(b"read-only")


class Visit:
    """Everything that follows from one survey."""

    def __init__(
        self,
        *,
        folder: Folder,
        ledger: Ledger,
        context: Context,
        survey: Survey,
        own: Mapping[str, Wrote],
        settled: Mapping[bytes, Settled],
        label: str,
        given: Mapping[bytes, bytes],
        synced: bool = False,
        writable: bool = True,
    ) -> None:
        self._folder, self._ledger, self._context, self.survey = folder, ledger, context, survey
        self._own = dict(own)
        self._ours = {record.id for wrote in own.values() for record in wrote.records}
        self._settled = settled
        self._given = given  # tokens by their hashes, which came by other ways
        self._label = label
        self._synced, self._writable = synced, writable
        self._epoch = epoch_mark(context.epoch)
        self.hour = context.now_ms() // HOUR_MS
        self._patience = Patience(ledger.noticed(), self.hour)
        self._places: dict[object, tuple[Crate, Entry]] | None = None
        self._lots: dict[tuple[str, ...], str] = {}
        self._told: set[bytes] = set()
        self._rotten: dict[str, list[tuple[Crate, int, Entry]]] = {}
        self.complete = False
        """Set when everything was yielded."""

    def tokens(self) -> Iterator[TokenShown]:
        """Yield every token that lies here and that we did not show ourselves."""
        for shown, token in self.survey.tokens.items():
            settled = self._settled.get(shown[:16])
            if settled is None or settled.verdict is not Verdict.TAKEN or settled.detail != token:
                yield TokenShown(token)

    def lies(self, record: Entry) -> bool:
        """Return whether *record* lies here for the same recipients, and reads back well."""
        if self._places is None:
            crates = self.survey.crates
            self._places = {_key(entry): (crate, entry) for crate in crates for entry in crate.entries}
        if _key(record) not in self._places:
            return False
        crate, entry = self._places[_key(record)]
        with self._folder.reading(crate.found.parts) as read:
            return read_body(read, entry) is not None

    def losses(self) -> Iterator[Handover]:
        """Yield each record of ours that is known to be lost. It is forgotten when the visit ends well."""
        here = {crate.name: crate for crate in reversed(self.survey.crates)}
        holders: dict[tuple[bytes, tuple[bytes, ...]], list[Crate]] = {}
        for crate in self.survey.crates:
            for entry in crate.entries:
                if entry.id in self._ours:
                    holders.setdefault(_key(entry), []).append(crate)
        for name, wrote in list(self._own.items()):
            live = [record for record in wrote.records if not self._is_done(record)]
            if not live:
                continue
            keys = [(record.id, record.hashes) for record in live]
            held = {each.found.parts: each for key in keys for each in holders.get(key, ())}
            if name in here:  # also if it holds nothing any more
                held[here[name].found.parts] = here[name]
            mark = checkmark(
                ((crate.found.size, crate.found.stamp, crate.intact) for crate in held.values()),
                self._notes({name, *(crate.name for crate in held.values())}, wrote),
            )
            if mark == wrote.checked and all(key in holders for key in keys):
                continue
            whole = self._whole(held.values(), set(keys)) if held or self._is_missing(name) else None
            if whole is None:
                continue
            lost = {record.id for record in live if record.id not in whole}
            kept = tuple(record for record in wrote.records if record.id not in lost)
            self._own[name] = Wrote(mark if held else wrote.checked, kept)
            for record in live:
                if record.id in lost:
                    yield Handover(record.outgoing, Stage.LOST, self._label)

    def _is_missing(self, name: str) -> bool:
        """Return whether a crate of ours is gone for good, and not only until a syncer has done its work."""
        if not self.survey.complete:
            return False
        return not self._synced or self._patience.is_over(digest(f"missing {name}".encode()), SETTLE_HOURS)

    def _notes(self, names: Set[str], wrote: Wrote) -> list[str]:
        """The slips that call damaged what holds records of ours."""
        alias = base32(wrote.records[0].id) if wrote.records else ""
        return [p.found.parts[-1] for p in self.survey.papers if p.damaged and (p.crate in names or p.crate == alias)]

    def _whole(self, crates: Iterable[Crate], keys: Set[tuple[bytes, tuple[bytes, ...]]]) -> set[bytes] | None:
        """Return the ids of those records that *crates* hold whole, or None if nobody can tell now."""
        errors = self._folder.errors
        whole: set[bytes] = set()
        for crate in crates:
            with self._folder.reading(crate.found.parts) as read:
                for entry in crate.entries:
                    if _key(entry) in keys and entry.id not in whole and read_body(read, entry) is not None:
                        whole.add(entry.id)
        return whole if self._folder.errors == errors or self._folder.alive() else None

    def arrivals(self) -> Iterator[Arrival]:
        """Yield what is not settled: what is known to be for us by priority, then some of the rest.

        Of the rest, crates with something for us go first, and each has its turn: one that is crowded hides no other.
        What was found damaged before comes last.
        """
        wanted: list[tuple[int, int, int]] = []
        strangers: list[tuple[bool, bool, int, int, int]] = []
        told = self._ledger.told()
        for crate_number, crate in enumerate(self.survey.crates):
            if crate.name in self._own:
                continue
            rest: list[int] = []
            alien = True
            for number, entry in enumerate(crate.entries):
                if self._is_for_us(entry):
                    alien = False
                    if entry.id not in self._ours and not self._is_settled(entry):
                        wanted.append((entry.priority, crate_number, number))
                elif len(rest) < STRANGERS_MAX and self._may_be_carried(entry):
                    rest.append(number)
            for turn, number in enumerate(rest):
                rotten = {_rot(crate, crate.entries[number])} & told if told else set()
                self._told |= rotten
                strangers.append((bool(rotten), alien, turn, crate_number, number))
        strangers = sorted(strangers)[:STRANGERS_MAX]
        given: set[bytes] = set()
        for recognised, places in ((True, sorted(wanted)), (False, [each[2:] for each in strangers])):
            for _, crate_number, number in places:
                crate = self.survey.crates[crate_number]
                entry = crate.entries[number]
                # Settled while we were looking, or seen in a copy of the crate; who carries it on sees each outside.
                name = entry.id if recognised else entry.outside
                if name in given or self._is_settled(entry):
                    continue
                with self._folder.reading(crate.found.parts) as read:
                    body = read_body(read, entry)
                if body is None:
                    self._rotten.setdefault(crate.name, []).append((crate, number, entry))
                    continue
                given.add(name)
                key = f"{crate.name}/{entry.id.hex()}/{entry.outside.hex()}"
                onward = Onward(entry.recipients, entry.expires * HOUR_MS, entry.priority, entry.hops, self._lot(crate))
                yield Arrival(body, key, f"{crate.found.where} record {number + 1}", recognised, onward)

    def _lot(self, crate: Crate) -> str:
        """Return what names exactly the records in *crate*: whoever adds some makes another lot of it."""
        if crate.found.parts not in self._lots:
            self._lots[crate.found.parts] = base32(digest(b"".join(entry.id for entry in crate.entries)))
        return self._lots[crate.found.parts]

    def _may_be_carried(self, entry: Entry) -> bool:
        """Return whether *entry*, which we do not recognise, is to be looked at: some recipient waits for it."""
        hashes = tuple(each for _, each in entry.recipients)
        return not (entry.id in self._ours or self._is_settled(entry) or self.survey.is_shown(entry.id, hashes))

    def findings(self) -> Iterator[Finding]:
        """Yield, once each, what is damaged and what is none of ours."""
        if self._folder.errors and not self._folder.alive():
            raise OSError("the medium does not answer")
        told = self._ledger.told()
        for crate in self.survey.crates:
            if crate.intact or crate.name in self._own or self._is_settling(crate):
                continue
            self._told.add(crate.mark)
            if crate.mark not in told:
                yield self._damaged(crate)
        for places in self._rotten.values():
            for crate, number, entry in places:
                mark = _rot(crate, entry)
                if self._is_settling(crate):
                    continue
                self._told.add(mark)
                if mark not in told:
                    with self._folder.reading(crate.found.parts) as read:
                        data = read(entry.offset, min(entry.end - entry.offset, FINDING_MAX))
                    reason = f"Record {number + 1} of the crate {crate.name} is damaged."
                    yield Finding(crate.found.where, reason, data)
        for found, mark in self.survey.strays:
            self._told.add(mark)
            if mark not in told:
                yield Finding(found.where, "This file is not one of ours; it was left alone.", damage=False)
        if not self._writable and self.survey.crates:
            self._told.add(_READ_ONLY)
            if _READ_ONLY not in told:
                what = "It cannot be written to: what lies here is read, and acknowledged by another way or day."
                yield Finding(self._label, what, damage=False)
        if not self.survey.complete:
            self._told.add(_CROWDED)
            if _CROWDED not in told:
                yield Finding(self._label, "There is more here than one visit can read.", damage=False)

    def _damaged(self, crate: Crate) -> Finding:
        with self._folder.reading(crate.found.parts) as read:
            data = read(0, FINDING_MAX)
        if not crate.found.size:
            reason = f"The crate {crate.name} is empty."
        elif not data:
            reason = f"The crate {crate.name} cannot be read."
        else:
            reason = f"The crate {crate.name} is damaged; whole records in it: {len(crate.entries)}."
        return Finding(crate.found.where, reason, data)

    def _is_settling(self, crate: Crate) -> bool:
        """Return whether *crate* may only be incomplete yet: it grows while we look, or is being synced."""
        if self._folder.look_at(crate.found.parts) != crate.found:
            return True
        return self._synced and not self._patience.is_over(crate.mark, SETTLE_HOURS)

    def _is_done(self, record: Record) -> bool:
        return record.expires <= self.hour or self.survey.is_shown(record.id, record.hashes)

    def _is_settled(self, entry: Entry) -> bool:
        """Return whether it is known what to do with *entry*: with its body, or with its body under that header."""
        if not self._settled:
            return False
        found = [settled for name in (entry.id, entry.outside) if (settled := self._settled.get(name))]
        return any(each.verdict is not Verdict.NOT_OURS or each.detail == self._epoch for each in found)

    def _is_for_us(self, entry: Entry) -> bool:
        return any(self._context.recognise(entry.id, tag) for tag, _ in entry.recipients)

    def leave(self, *, writable: bool, well: bool, name: Callable[[], Ledger]) -> None:
        """Show tokens; after a good and complete visit also delete what nobody needs and tidy the ledger.

        *name* sees to it that the medium has its name before anything is written to it.
        """
        if writable:
            with suppress(OSError):  # a full stick must not keep us from making room on it
                self._show(name)
        if not (well and self.complete):
            return
        sweep = self.sweep(name)
        if writable:
            sweep.run()
        self.remember(sweep.forgotten)
        if not self.survey.complete:
            return
        kept: dict[str, dict[bytes, Settled]] = {}
        for crate in sweep.left:
            names = [name for entry in crate.entries for name in (entry.id, entry.outside)] if self._settled else []
            mine = {name: self._settled[name] for name in names if name in self._settled}
            kept.setdefault(crate.name, {}).update(mine)
        self._ledger.tidy(kept)

    def tidy(self, name: Callable[[], Ledger], *, rehearsed: bool) -> Swept:
        """Show tokens and sweep, or only say what would go, without having told the house anything."""
        if rehearsed:
            for crate in self.survey.crates:
                self.survey.shown |= {record + token_hash(token) for record, token in self._due(crate)}
            return self.sweep(name, heard=False, rehearsed=True).run()
        with suppress(OSError):
            self._show(name)
        swept = self.sweep(name, heard=False).run()
        self._notice()
        return swept

    def whose(self, crate: Crate, entry: Entry) -> Whose:
        """Return to whom a record matters."""
        if crate.name in self._own or entry.id in self._ours:
            return Whose.FROM_US
        settled = self._settled.get(entry.id)
        taken = settled is not None and settled.verdict is not Verdict.NOT_OURS
        return Whose.FOR_US if taken or self._is_for_us(entry) else Whose.OTHERS

    def sweep(self, name: Callable[[], Ledger], *, heard: bool = True, rehearsed: bool = False) -> Sweep:
        """Return the sweep that is due, not done yet. *name* is as for `leave`."""
        return Sweep(
            folder=self._folder,
            ledger=name,
            survey=self.survey,
            own=self._own,
            patience=self._patience,
            hour=self.hour,
            is_wanted=lambda entry: self._is_for_us(entry) and not self._is_settled(entry),
            dice=self._context.entropy,
            synced=self._synced,
            heard=heard,
            rehearsed=rehearsed,
        )

    def remember(self, gone: Container[str] = ()) -> None:
        """Remember what was told, now that it was heard: losses and findings. *gone* are crates to leave out."""
        self._notice()
        before = self._ledger.wrote()
        for name, wrote in self._own.items():
            if name not in gone and before.get(name) != wrote:
                self._ledger.set_wrote(name, wrote)
        kept = frozenset() if self.survey.complete else self._ledger.told()
        self._ledger.set_told(kept | self._told)

    def _notice(self) -> None:
        noticed = self._patience.kept()
        self._ledger.set_noticed(noticed if self.survey.complete else {**self._ledger.noticed(), **noticed})

    def _show(self, name: Callable[[], Ledger]) -> None:
        """Write a slip for each crate of which there is news to tell."""
        noted = {paper.crate for paper in self.survey.papers if paper.damaged}
        for crate in self.survey.crates:
            ours = crate.name in self._own
            tokens = self._due(crate)
            damaged = not ours and (not crate.intact or crate.name in self._rotten) and crate.name not in noted
            damaged = damaged and not self._is_settling(crate)
            if not tokens and not damaged:
                continue
            shown = {record + token_hash(token) for record, token in tokens}
            if ours:
                self.survey.shown |= shown
                records = self._own[crate.name].records
                if self.survey.complete and all(self.survey.is_shown(each.id, each.hashes) for each in records):
                    continue  # it goes now, and with it all that speaks of it
            latest = max((entry.expires for entry in crate.entries), default=0)
            expires = max(latest, self.hour + _NOTE_HOURS) if damaged else latest
            slip = Slip(crate.name, min(expires, 2**32 - 1), tuple(tokens), damaged)
            name()
            self._folder.write(slip_parts(self._context.entropy(16)), pack_slip(slip))
            # Only now: a crate must not be deleted for a token that could not be written.
            self.survey.shown |= shown

    def _due(self, crate: Crate) -> list[tuple[bytes, bytes]]:
        """Return the tokens, with their records in *crate*, that are ours or given us to show, and are not here."""
        due: list[tuple[bytes, bytes]] = []
        for entry in crate.entries:
            settled = self._settled.get(entry.id)
            taken = settled is not None and settled.verdict is Verdict.TAKEN and entry.id not in self._ours
            ours = {token_hash(settled.detail): settled.detail} if settled and taken else {}
            for _, shown in entry.recipients:
                token = ours.get(shown) or self._given.get(shown)
                if token is not None and entry.id + shown not in self.survey.shown:
                    due.append((entry.id, token))
        return due


def _rot(crate: Crate, entry: Entry) -> bytes:
    return digest(crate.mark + entry.id)


def _key(entry: Entry) -> tuple[bytes, tuple[bytes, ...]]:
    """Return what tells a record of ours from a copy that would be deleted for other tokens."""
    return entry.id, tuple(each for _, each in entry.recipients)
