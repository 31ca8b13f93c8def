"""What is taken out of the code, and which village must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One rule taken out. *before* must stand in *file*, below src/paquebot, exactly once."""

    name: str
    file: PurePath
    before: str
    after: str
    seed: int = 0
    """The seed that is tried first: it is known to fail."""
    village: str = "plain"
    """``plain``, ``council`` (people decide about trust), ``restored`` (homes are put back) or ``real`` (SQLite)."""
    slow: bool = False
    """Its village goes on to the end, or for ever: it is left to `make mutants`, and not run with all tests."""


def _of(
    file: str, name: str, before: str, after: str, seed: int = 0, village: str = "plain", slow: bool = False
) -> Sabotage:
    return Sabotage(name, PurePath(file), before, after, seed, village, slow)


HEARING, MAILING, ADMISSION = "protocol/hearing.py", "protocol/mailing.py", "protocol/admission.py"

SABOTAGES = (
    _of(
        HEARING,
        "an envelope that came before counts again",
        "if view.seen(bundle.id):\n        if owes",
        "if not bundle.id:\n        if owes",
    ),
    _of(
        HEARING,
        "lines that came too early count as told",
        "return tally.number if view.line_id(view.local().node, tally.number) == tally.line else None",
        "return None",
        26,
    ),
    _of(
        HEARING,
        "nobody asks for what others list",
        "                yield Want(entry)\n",
        "                pass\n",
        5,
        slow=True,
    ),
    _of(
        HEARING,
        "what came with a line is not noted as there",
        "                done.append(line.number)",
        "                pass",
        1,
        slow=True,
    ),
    _of(
        HEARING,
        "whoever listens owes no answer",
        "owes_ack = peer.owes_ack or (awaited and not hearing.link.shows_tokens)",
        "owes_ack = False",
        3,
        slow=True,
    ),
    _of(
        "protocol/acknowledging.py",
        "an answer is owed for every answer",
        "        return False\n    return to.sequence",
        "        return True\n    return to.sequence",
    ),
    _of(HEARING, "a chunk is believed to be what it is called", "if sha256(data).digest() != name:", "if not data:"),
    _of(
        HEARING,
        "a bad part spoils its neighbours",
        '            yield Tell("rejected", naming.called(part), refusal.code)\n',
        '            yield Tell("rejected", naming.called(part), refusal.code)\n            return\n',
    ),
    _of(ADMISSION, "signatures are not checked", "            resource.signed.verify(known.key)\n", ""),
    _of(
        ADMISSION,
        "what waited is not looked at again",
        "        for held in view.waiting_for(names.pop()):",
        "        for held in view.waiting_for(names.pop())[:0]:",
        19,
        slow=True,
    ),
    _of(
        ADMISSION,
        "the same resource gets two lines",
        "    if name is not None:\n        return journal.Line",
        "    if name is None:\n        return journal.Line",
    ),
    _of(
        MAILING,
        "what was lost is not sent again",
        "yield SaveTold(replace(told, lines=told.lines - letter.plan.lines, chunks=told.chunks - letter.plan.chunks))",
        "yield SaveTold(told)",
        1,
    ),
    _of(
        MAILING,
        "lines count as told when they are posted",
        "    lines = letter.plan.lines if known is None else letter.plan.lines & Ranges.of((1, known))",
        "    lines = letter.plan.lines | Ranges.of((1, view.tip()[0]))",
        2,
        slow=True,
    ),
    _of(
        MAILING,
        "whatever is told is told at every visit",
        "needed = Ranges.of((1, tip)) - peer.acked - told.lines",
        "needed = Ranges.of((1, tip)) - peer.acked",
        1,
        slow=True,
    ),
    _of(
        MAILING,
        "a sequence number is given twice",
        "        sequence += 1\n",
        "        sequence += 1 if sequence % 7 else 0\n",
    ),
    _of(
        MAILING,
        "an answer is forgotten before it arrived",
        "    yield Settle(letter.id)\n    yield SaveTold(",
        "    yield from map(DropReply, letter.plan.replies)\n    yield Settle(letter.id)\n    yield SaveTold(",
    ),
    _of(
        MAILING,
        "chunks that are owed are not sent",
        "    for some in fitting.together(fitting.chunks(peer, link) - told.chunks, link):\n",
        "    for some in list[Ranges]():\n",
        1,
        slow=True,
    ),
    _of(
        "protocol/fitting.py",
        "an envelope is larger than was announced",
        "    return int(PADDED * (cost(view, plan) + spoken))",
        "    return int(0.05 * cost(view, plan) + KIB)",
    ),
    _of(
        "protocol/patience.py",
        "nobody ever backs off",
        "    return min(BACKOFF_FIRST_MS << min(failures - 1, 20), BACKOFF_LAST_MS)",
        "    return 0",
        2,
        slow=True,
    ),
    _of(
        "protocol/patience.py",
        "who was silent is answered too late",
        "        if (here and told.failures) or (told.given_up and (here or back)):",
        "        if False:",
        8,
        village="council",
    ),
    _of(
        "protocol/ranges.py",
        "a run swallows its neighbour's neighbour",
        "if merged and first <= merged[-1][1] + 1:",
        "if merged and first <= merged[-1][1] + 2:",
    ),
    _of(
        MAILING,
        "what was planned is sealed to who may read no more",
        "(letter.plan.lines, letter.plan.bodies) if peer.reads else (Ranges(), Ranges())",
        "(letter.plan.lines, letter.plan.bodies)",
        25,
        village="council",
    ),
    _of(
        "protocol/reading.py",
        "everybody may read everything",
        "    return view.authority(user).grants(READ, (peer.user, peer.node), at)",
        "    return True",
        6,
        village="council",
    ),
    _of(
        "protocol/authority.py",
        "a revocation depends on who heard it first",
        "for revocation in sorted(revocations, key=self._order):",
        "for revocation in revocations:",
        36,
        village="council",
    ),
    _of(
        "protocol/authority.py",
        "a revoked trust goes on counting",
        "        return bool(self.chain(trust.id)) and not self.cuts(trust) and not self.cut(claim)",
        "        return bool(self.chain(trust.id))",
        1,
        village="council",
    ),
    _of(
        "protocol/recovery.py",
        "a restored node does not ask for its own lines",
        "    return any(each.peer == peer.node and each.asked <= asked_before for each in view.lapses())",
        "    return False",
        2,
        village="restored",
        slow=True,
    ),
    _of(
        "protocol/recovery.py",
        "what contradicts is not noticed",
        "    diverged = past.branch or tip >= first <= past.said",
        "    diverged = 0",
        7,
        village="restored",
        slow=True,
    ),
    _of(
        HEARING,
        "who knows more of us than we do is not noticed",
        "        yield from recovery.noticed(view, peer.node, tally, hearing.now)\n",
        "",
        4,
        village="restored",
        slow=True,
    ),
    _of(
        "inbox.py",
        "an envelope is acknowledged before it is stored",
        "        done = self._learn(received)",
        "        self._learn(iter(()))\n        done = [*received]",
    ),
    _of(
        "outbox.py",
        "what could not be carried counts as handed over",
        "            if handover.stage is not Stage.FAILED:\n                read_back",
        "            if True:\n                read_back",
        9,
    ),
    _of(
        "protocol/stamp.py",
        "a clock that leaps is believed",
        "return wall > max(self.floor, self.known) + LEAP_MS",
        "return False",
        24,
    ),
    _of(
        "protocol/redating.py",
        "what was dated ahead is not said anew",
        "    names = ahead(view, now)\n",
        "    names: list[ResourceId] = []\n",
        26,
    ),
    _of(
        MAILING,
        "whatever has arrived counts as applied",
        "            acked=peer.acked | lines,\n",
        "            acked=peer.acked | lines,\n            applied=peer.applied | lines,\n",
        4,
    ),
    _of(
        "protocol/revocation.py",
        "what was taken back is not hidden",
        "    if by == view.hidden(name):\n        return",
        "    if by == by:\n        return",
        5,
        village="council",
    ),
    _of(
        "protocol/standing.py",
        "trust changes nothing",
        "        if (reads, since or 0) != (peer.reads, peer.revoked):",
        "        if not reads and reads:",
        village="council",
    ),
    _of("store/sqlite.py", "half a transaction is kept", "ROLLBACK", "COMMIT", village="real"),
)
