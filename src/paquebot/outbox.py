"""From the engine to a transport: plan, commit, seal as the carrier asks for bytes, hand over, commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from paquebot.ahead import Ahead
from paquebot.context import Tags
from paquebot.errors import Malformed, Permanent, TransportError
from paquebot.protocol import bundle as bundles
from paquebot.protocol.effects import Effects, Post
from paquebot.protocol.encoding import Fingerprint
from paquebot.protocol.engine import Engine
from paquebot.protocol.keys import EncryptionKey, KeyClass
from paquebot.protocol.limits import KIB
from paquebot.protocol.link import Link
from paquebot.protocol.stamp import Millis
from paquebot.protocol.state import Letter
from paquebot.report import Problem, Report
from paquebot.store import Store
from paquebot.transport import Handover, Outgoing, Recipient, Stage, Transport, closed_after, token_hash
from paquebot.vault.interior import COVERED_BYTES_MAX, Cover, covered_bytes
from paquebot.vault.sealer import Sealer

ROUNDS_MAX = 1_000  # of planning in one run: a terabyte


class Unsealable(Permanent):
    """There is no key to which a letter could be sealed."""

    exit_code = 16


def _unusable(name: str) -> str:
    return f"the envelope keys of {name} cannot be used; ask for a new card"


class Outbox:
    """Puts what peers lack on one transport at a time, until *enough* says so; *addresses* are where peers are."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        sealer: Callable[[], Sealer],
        tags: Tags,
        clock: Callable[[], Millis],
        report: Report,
        progress: Callable[[int], None],
        addresses: Mapping[Fingerprint, str] | None = None,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._engine = engine
        self._sealer = sealer
        self._tags = tags
        self._clock = clock
        self._report = report
        self._progress = progress
        self._addresses = addresses or {}
        self._enough = enough

    async def flush(self, transport: Transport, link: Callable[[], Link]) -> None:
        """Hand over everything that is due. Raise `TransportError` or `StoreError`."""
        for _ in range(ROUNDS_MAX):
            effects = self._store.commit(self._engine.poll(link(), self._clock()))
            self._report.note(effects)
            letters = [effect.letter for effect in effects if isinstance(effect, Post)]
            if not letters or not await self._send(transport, link(), letters):
                self._report.rationed |= link().parcels_left == 0 and self._report.sent > 0
                return

    async def _send(self, transport: Transport, link: Link, letters: list[Letter]) -> bool:
        """Return whether all went."""
        can = transport.capability
        own = can.address if can.mime else ""
        handovers: list[Handover] = []
        try:
            with Ahead[bytes]() as ahead:
                batch = [outgoing for letter in letters if (outgoing := self._outgoing(letter, link, own, ahead))]
                async with closed_after(transport.send(batch)) as news:
                    async for handover in news:
                        handovers.append(handover)
                        if self._enough() and len(handovers) < len(batch):
                            self._report.unfinished = True
                            break
        finally:
            # What was handed over is noted, whatever happened to the rest; what was not is planned anew.
            self._store.commit(self._settled(handovers, link))
            gone = sum(handover.stage is not Stage.FAILED for handover in handovers)
            self._report.sent += gone
            self._report.unsent += len(letters) - gone
        self._report.read_back |= any(handover.stage is Stage.ON_MEDIUM for handover in handovers)
        return gone == len(letters)

    def _settled(self, handovers: list[Handover], link: Link) -> Effects:
        reasons: dict[str, Problem] = {}
        for handover in handovers:
            if handover.stage is not Stage.FAILED:
                read_back = handover.stage is Stage.ON_MEDIUM
                yield from self._engine.handed(handover.id, link, handover.where, self._clock(), read_back=read_back)
                continue
            yield from self._engine.lost(handover.id)
            error = handover.error or TransportError("it could not be carried")
            reasons[str(error)] = Problem(handover.where, str(error), error.exit_code)
        self._report.problems += reasons.values()

    def _outgoing(self, letter: Letter, link: Link, own: str, ahead: Ahead[bytes]) -> Outgoing | None:
        """Return what is to be carried, covered as a mail from *own* address if there is one."""
        peer = self._store.view.peer(letter.peer)
        name = peer.name if peer else "a peer"
        try:
            key, tag = self._key(letter, link), self._tags.for_peer(letter.peer)
        except Malformed:
            self._unsealable(letter, name, _unusable(name))
            return None
        if key is None:
            self._unsealable(letter, name, f"every envelope key of {name} has run out; ask for a new card")
            return None
        address, size = self._addresses.get(letter.peer, ""), self._engine.size_max(letter)
        between = Cover(own, address) if own and address else None
        if between:
            size = max(size, covered_bytes(min(size, COVERED_BYTES_MAX)) + KIB)
        shared = self._engine.shares_dictionary(letter, link)
        begin = partial(self._begun, letter, key, between, dictionary=shared)
        ahead.add(letter.id, begin)
        return Outgoing(
            id=letter.id,
            size_max=size,
            body=partial(self._sealed, name, partial(ahead.take, letter.id, begin)),
            recipients=(Recipient(tag, token_hash(letter.token), address),),
            expires_ms=letter.expires,
            priority=2 if letter.plan.chunks else 1,
        )

    def _unsealable(self, letter: Letter, name: str, why: str) -> None:
        """Give one letter up, so that what it carries is planned anew, and say so once."""
        self._store.commit(self._engine.lost(letter.id))
        problem = Problem(name, why, Unsealable.exit_code)
        if problem not in self._report.problems:
            self._report.problems.append(problem)

    def _key(self, letter: Letter, link: Link) -> EncryptionKey | None:
        """The key to seal to. The recovery key, which is kept for long, never gets bodies."""
        keys = self._store.view.announcement(letter.peer)
        found = keys.pick(letter.created, link.latency_ms) if keys else None
        bodies = letter.plan.bodies or letter.plan.chunks or letter.plan.replies
        return None if found and found.kind is KeyClass.RECOVERY and bodies else found

    def _begun(
        self, letter: Letter, key: EncryptionKey, between: Cover | None, *, dictionary: bool
    ) -> Callable[[], bytes]:
        """Compose *letter*'s envelope; return what seals it."""
        data, seal = bundles.encode(self._engine.compose(letter)), self._sealer().seal
        return partial(seal, data, [key], at=letter.created, between=between, dictionary=dictionary)

    async def _sealed(self, name: str, take: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            sealed = await take()
        except Malformed:
            raise Unsealable(_unusable(name)) from None
        self._report.sent_bytes += len(sealed)
        self._progress(len(sealed))
        return sealed
