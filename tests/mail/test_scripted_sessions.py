"""Sending, against a server that says what its script says: each session ends as designed, and no mail is lost."""

from __future__ import annotations

import asyncio
import random
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.labs.mail.loop import Cut, Silence
from tests.labs.mail.mta import EXTENSIONS, Rules, ScriptedMta, Session

from paquebot.testing.post import MemoryContext
from paquebot.transport import (
    Handover,
    Outgoing,
    ParcelTooLarge,
    Permanent,
    Recipient,
    Stage,
    Transient,
    TransportError,
)
from paquebot_mail.answers import ACCOUNT, Kind
from paquebot_mail.form import part_id
from paquebot_mail.pace import Limits
from paquebot_mail.reading import parcel
from paquebot_mail.sending import Budget, Sender
from paquebot_mail.server import Login, Server, Tls
from paquebot_mail.session import Patience

NOW = 1_796_000_000_000
ALICE, BOB, CAROL = "alice@a.example", "bob@b.example", "carol@c.example"
ANY = Limits(per_minute=None, per_day=None)
HASTE = Patience(connect=5, answer=5, upload=5, bytes_per_second=1e9, final=5)
IMPATIENCE = Patience(connect=0.1, answer=0.1, upload=0.1, bytes_per_second=1e12, final=0.1)


def outgoing(name: str, to: str = BOB, size: int = 300, error: TransportError | None = None) -> Outgoing:
    async def body() -> bytes:
        if error:
            raise error
        return random.Random(name).randbytes(size)

    return Outgoing(
        id=name.encode().ljust(16, b"."),
        size_max=size,
        body=body,
        recipients=(Recipient(lambda salt: salt[:8], bytes(16), to),),
        expires_ms=NOW + 1,
    )


def password(secret: str = "right") -> Login:
    async def give() -> str:
        return secret

    return Login("alice", give)


@dataclass
class Pass:
    """What came of one or more passes."""

    handovers: list[Handover] = field(default_factory=list)
    raised: TransportError | None = None

    @property
    def went(self) -> int:
        return sum(each.stage is Stage.ACCEPTED for each in self.handovers)

    @property
    def errors(self) -> list[TransportError | None]:
        return [each.error for each in self.handovers if each.stage is Stage.FAILED]


def sender(
    found: ScriptedMta,
    context: MemoryContext,
    *,
    login: Login | None = None,
    limits: Limits = ANY,
    patience: Patience = HASTE,
    implicit: Tls = Tls.NONE,
    ca_file: str = "",
) -> Sender:
    server = Server("127.0.0.1", found.port, implicit, ca_file)
    return Sender(
        ALICE,
        server,
        login or password(),
        context,
        limits=limits,
        patience=patience,
        jitter=lambda _low, _high: 1.0,
    )


async def passed(by: Sender, batch: Sequence[Outgoing]) -> Pass:
    found = Pass()
    try:
        async for handover in by.send(batch):
            found.handovers.append(handover)
    except TransportError as error:
        found.raised = error
    return found


async def alone(found: ScriptedMta, context: MemoryContext, batch: Sequence[Outgoing], **options: object) -> Pass:
    """Send *batch* as a process of its own would."""
    by = sender(found, context, **options)
    try:
        return await passed(by, batch)
    finally:
        await by.close()


THREE = [outgoing("one"), outgoing("two"), outgoing("three", CAROL)]


def at(verb: str, answer: str | type[Exception], *times: int) -> Rules:
    """Return the rules that give *answer* to *verb*, always or at these *times* only (from 0)."""

    def rules(each: str, _: str, session: Session) -> str | None:
        if each != verb or (times and session.server.times(verb) not in times):
            return None
        if isinstance(answer, str):
            return answer
        raise answer

    return rules


@dataclass(frozen=True)
class Case:
    rules: Rules
    went: int
    """Of the three mails of the first pass, two to Bob and one to Carol."""
    kind: Kind | None = None
    """What is remembered of the account, or else of Bob."""
    tried: int | None = None
    """How often the server was given a whole mail."""
    extensions: tuple[str, ...] = EXTENSIONS
    patience: Patience = HASTE
    login: Login = field(default_factory=password)


def without(name: str) -> tuple[str, ...]:
    return tuple(each for each in EXTENSIONS if not each.startswith(name))


LATER, FULL, NOBODY, POLICY, FAULT = Kind.LATER, Kind.FULL, Kind.NOBODY, Kind.POLICY, Kind.FAULT
LINE, LOGIN, RATE, HELD = Kind.LINE, Kind.LOGIN, Kind.RATE, Kind.HELD
CASES = {
    "all is well": Case(at("NOOP", ""), 3),
    # Before anything is said.
    "connect 421": Case(at("CONNECT", "421 4.3.2 shutting down"), 0, LINE),
    "connect 421 too many connections": Case(at("CONNECT", "421 4.7.0 too many connections from you"), 0, RATE),
    "connect 450": Case(at("CONNECT", "450 4.3.2 not now"), 0, LINE),
    "connect 554": Case(at("CONNECT", "554 5.7.1 your network is not welcome"), 0, HELD),
    "connect, then cut": Case(at("CONNECT", Cut), 0, LINE),
    "connect, then another protocol": Case(at("CONNECT", "* OK IMAP4rev1"), 0, LINE),
    "connect, then an endless line": Case(at("CONNECT", "220 " + "x" * 50_000), 0, LINE),
    "connect, then silence": Case(at("CONNECT", Silence), 0, LINE, patience=IMPATIENCE),
    "ehlo 421": Case(at("EHLO", "421 4.3.2 no"), 0, LINE),
    "ehlo 450": Case(at("EHLO", "450 4.3.2 not now"), 0, LINE),
    "ehlo 502": Case(at("EHLO", "502 5.5.1 what?"), 0, HELD),
    "ehlo cut": Case(at("EHLO", Cut), 0, LINE),
    "ehlo silence": Case(at("EHLO", Silence), 0, LINE, patience=IMPATIENCE),
    "ehlo without a number": Case(at("EHLO", "hello yourself"), 0, LINE),
    # Logging in.
    "auth 454": Case(at("AUTH", "454 4.7.0 temporary authentication failure"), 0, LINE),
    "auth 421": Case(at("AUTH", "421 4.7.0 no"), 0, LINE),
    "auth 530": Case(at("AUTH", "530 5.7.0 encrypt first"), 0, LOGIN),
    "auth 534": Case(at("AUTH", "534 5.7.9 application-specific password required"), 0, LOGIN),
    "auth 535": Case(at("AUTH", "535 5.7.8 bad credentials"), 0, LOGIN),
    "auth 535 too many": Case(at("AUTH", "535 5.7.0 too many failed logins, slow down"), 0, RATE),
    "auth cut": Case(at("AUTH", Cut), 0, LINE),
    "auth silence": Case(at("AUTH", Silence), 0, LINE, patience=IMPATIENCE),
    "auth not offered": Case(at("NOOP", ""), 0, LOGIN, extensions=without("AUTH")),
    "auth LOGIN only": Case(at("NOOP", ""), 3, extensions=(*without("AUTH"), "AUTH LOGIN")),
    "auth by an old server": Case(at("NOOP", ""), 3, extensions=(*without("AUTH"), "AUTH=PLAIN")),
    # The sender.
    "mail 421": Case(at("MAIL", "421 4.3.2 closing"), 0, LINE),
    "mail 421 on every third": Case(at("MAIL", "421 4.7.0 try again later, closing", 1, 4), 3),
    "mail 450": Case(at("MAIL", "450 4.3.0 later"), 0, LATER),
    "mail 451 too much": Case(at("MAIL", "451 4.7.1 too much mail from you"), 0, RATE),
    "mail 452 too many recipients": Case(at("MAIL", "452 4.5.3 too many recipients this hour"), 0, RATE),
    "mail 530": Case(at("MAIL", "530 5.7.0 authentication required"), 0, LOGIN),
    "mail 550": Case(at("MAIL", "550 5.7.1 sender address rejected: not owned by user"), 0, HELD),
    "mail 550 daily limit": Case(at("MAIL", "550 5.4.5 daily sending quota exceeded: sending limit"), 0, RATE),
    "mail 552": Case(at("MAIL", "552 5.3.4 message size exceeds fixed limit"), 0),
    "mail cut": Case(at("MAIL", Cut), 0, LINE),
    "mail cut once": Case(at("MAIL", Cut, 0), 3),
    "mail silence": Case(at("MAIL", Silence), 0, LINE, patience=IMPATIENCE),
    # The recipient.
    "rcpt 421": Case(at("RCPT", "421 4.3.2 closing"), 0, LINE),
    "rcpt 432": Case(at("RCPT", "432 4.3.2 concurrent sessions exceeded"), 0, RATE),
    "rcpt 450": Case(at("RCPT", "450 4.2.0 mailbox busy", 0), 1, LATER),
    "rcpt 450 rate": Case(at("RCPT", "450 4.7.1 error: too many mails, rate limited", 0), 0, RATE),
    "rcpt 451 greylisted": Case(at("RCPT", "451 4.7.1 Greylisted for 60 seconds", 0), 1, LATER),
    "rcpt 452": Case(at("RCPT", "452 4.3.1 insufficient system storage", 0), 1, LATER),
    "rcpt 452 full": Case(at("RCPT", "452 4.2.2 mailbox full", 0), 1, FULL),
    "rcpt 550": Case(at("RCPT", "550 no such user here", 0), 1, NOBODY),
    "rcpt 550 5.1.1": Case(at("RCPT", "550 5.1.1 no such user", 0), 1, NOBODY),
    "rcpt 550 5.2.1": Case(at("RCPT", "550 5.2.1 mailbox disabled", 0), 1, NOBODY),
    "rcpt 550 5.5.0": Case(at("RCPT", "550 5.5.0 requested action not taken", 0), 1, LATER),
    "rcpt 550 5.7.1": Case(at("RCPT", "550 5.7.1 relaying denied", 0), 1, POLICY),
    "rcpt 551": Case(at("RCPT", "551 user not local", 0), 1, NOBODY),
    "rcpt 552 5.2.2": Case(at("RCPT", "552 5.2.2 over quota", 0), 1, FULL),
    "rcpt 553": Case(at("RCPT", "553 5.1.3 bad address", 0), 1, NOBODY),
    "rcpt 554": Case(at("RCPT", "554 5.7.1 <bob>: access denied", 0), 1, POLICY),
    "rcpt 251": Case(at("RCPT", "251 will forward"), 3),
    "mail 251": Case(at("MAIL", "251 2.1.0 as you like", 0), 3, tried=3),
    "rcpt 252": Case(at("RCPT", "252 2.1.5 perhaps", 0), 3, tried=3),
    "rcpt 354": Case(at("RCPT", "354 go on", 0), 3, tried=3),
    "rcpt cut once": Case(at("RCPT", Cut, 0), 3),
    # The mail.
    "data 451": Case(at("DATA", "451 4.3.0 not now", 0), 1, LATER),
    "data 552": Case(at("DATA", "552 5.3.4 too big for system", 0), 2),
    "data 554": Case(at("DATA", "554 5.5.1 no valid recipients", 0), 1, POLICY),
    "data cut once": Case(at("DATA", Cut, 1), 3),
    "data 250": Case(at("DATA", "250 2.0.0 thanks already", 0), 3, tried=3),
    "in the mail, cut": Case(at("BODY", Cut), 0, LINE),
    "in the mail, cut once": Case(at("BODY", Cut, 0), 3),
    "in the mail, silence": Case(at("BODY", Silence), 0, LINE, patience=IMPATIENCE),
    "after the mail 421": Case(at("DONE", "421 4.3.0 lost it", 0), 3, tried=4),
    "after the mail 450": Case(at("DONE", "450 4.3.0 content filter is tired", 0), 1, LATER),
    "after the mail 451 greylisted": Case(at("DONE", "451 4.7.1 graylisted", 0), 1, LATER),
    "after the mail 452": Case(at("DONE", "452 4.3.1 insufficient system storage", 0), 1, LATER),
    "after the mail 550 no words": Case(at("DONE", "550", 0), 1, FAULT),
    "after the mail 550 5.5.0": Case(at("DONE", "550 5.5.0 message content rejected", 0), 1, LATER),
    "after the mail 550 rate": Case(at("DONE", "550 5.7.1 hourly limit exceeded", 0), 0, RATE),
    "after the mail 552": Case(at("DONE", "552 5.3.4 message too big", 0), 2),
    "after the mail 552 full": Case(at("DONE", "552 5.2.2 mailbox is full", 0), 1, FULL),
    "after the mail 554 spam": Case(at("DONE", "554 5.7.1 rejected as spam", 0), 1, POLICY),
    "after the mail 554 5.6.0": Case(at("DONE", "550 5.6.0 cannot convert", 0), 1, FAULT),
    "the last answer is lost": Case(at("DONE", Cut, 0), 3, tried=4),
    "the last answer is lost twice": Case(at("DONE", Cut, 0, 1), 3, tried=5),
    "the last answer is lost again and again": Case(at("DONE", Cut), 0, LINE, tried=3),
    "the last answer never comes": Case(at("DONE", Silence), 0, LINE, tried=3, patience=IMPATIENCE),
    "the last answer is no answer": Case(at("DONE", "well, well", 0), 3, tried=4),
    "the last answer has many lines": Case(at("DONE", "250-2.0.0 one\r\n250-2.0.0 two\r\n250 2.0.0 three"), 3),
    "the last answer is no text": Case(at("DONE", "250 2.0.0 \udcff\x1b[31m\udcfe queued"), 3),
    "the last answer is long": Case(at("DONE", "250 " + "q" * 5_000), 3),
    "rset cut": Case(
        lambda *step: at("RCPT", "450 4.2.0 busy", 0)(*step) or at("RSET", Cut)(*step), 1, LATER
    ),
    # What the server cannot do.
    "no 8BITMIME": Case(at("NOOP", ""), 3, extensions=without("8BITMIME")),
    "no SIZE": Case(at("NOOP", ""), 3, extensions=without("SIZE")),
    "SIZE without a number": Case(at("NOOP", ""), 3, extensions=(*without("SIZE"), "SIZE")),
    "SIZE of nothing": Case(at("NOOP", ""), 3, extensions=(*without("SIZE"), "SIZE 0")),
    "SIZE of words": Case(at("NOOP", ""), 3, extensions=(*without("SIZE"), "SIZE plenty")),
    "no DSN": Case(at("NOOP", ""), 3, extensions=without("DSN")),
    "no PIPELINING": Case(at("NOOP", ""), 3, extensions=without("PIPELINING")),
}  # fmt: skip


def test_there_are_enough_of_them():
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_each_session_ends_as_designed(name: str, tmp_path: Path):
    case, context = CASES[name], MemoryContext(tmp_path, now=NOW)

    async def story() -> tuple[Pass, ScriptedMta, Sender]:
        with ScriptedMta(rules=case.rules, extensions=case.extensions) as found:
            by = sender(found, context, login=case.login, patience=case.patience)
            result = await passed(by, THREE)
            await by.close()
            return result, found, by

    result, found, by = asyncio.run(story())
    assert result.went == case.went, result
    account, bob = by.pace.waiting(), by.pace.waiting(BOB)
    if case.kind in ACCOUNT:
        assert account is not None
        assert account.kind == case.kind.value
        assert isinstance(result.raised, Transient)
        assert result.raised.retry_after_ms is not None
        assert result.raised.retry_after_ms > 0
    else:
        assert (account, result.raised) == (None, None)
        assert len(result.handovers) == 3
        assert (bob.kind if bob else None) == (case.kind.value if case.kind else None)
    # Only what was taken is said to have been.
    taken = [parcel(mail.data) for mail in found.mails]
    accepted = {each.id.rstrip(b".").decode() for each in result.handovers if each.stage is Stage.ACCEPTED}
    parts = {each.part for each in taken if each}
    assert {part_id(random.Random(name).randbytes(300)) for name in accepted} <= parts
    if case.tried is not None:
        assert found.times("DONE") == case.tried
    for handover in result.handovers:
        assert handover.where.isprintable()
        assert str(handover.error or "").isprintable()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.went < 3])
def test_all_goes_once_the_trouble_is_over(name: str, tmp_path: Path):
    """Nothing is given up: after the longest wait for it, the same batch goes."""
    case, context = CASES[name], MemoryContext(tmp_path, now=NOW)

    async def story() -> Pass:
        with ScriptedMta(rules=case.rules, extensions=case.extensions) as found:
            by = sender(found, context, login=case.login, patience=case.patience)
            await passed(by, THREE)
            await by.close()
        context.now += 31 * 24 * 3_600_000
        with ScriptedMta() as found:
            by = sender(found, context)
            result = await passed(by, THREE)
            await by.close()
            assert (by.pace.waiting(), by.pace.waiting(BOB)) == (None, None)
            return result

    assert asyncio.run(story()).went == 3


# -- what was handed in -------------------------------------------------------------------------


def told(story: Callable[[ScriptedMta, Sender], object], context: MemoryContext, **options: object) -> ScriptedMta:
    """Run *story* with a server and a sender; return what the server was told."""
    served = {key: options.pop(key) for key in ("rules", "extensions") if key in options}

    async def both() -> ScriptedMta:
        with ScriptedMta(**served) as found:
            by = sender(found, context, **options)
            await story(found, by)
            await by.close()
            return found

    return asyncio.run(both())


@pytest.fixture
def context(tmp_path: Path) -> MemoryContext:
    return MemoryContext(tmp_path, now=NOW)


def test_the_server_is_asked_to_report_to_us_under_the_name_of_the_part(context: MemoryContext):
    found = told(lambda _, by: passed(by, THREE[:1]), context)
    (mail,) = found.mails
    part = part_id(random.Random("one").randbytes(300))
    assert (mail.sender, mail.recipients) == (ALICE, (BOB,))
    assert mail.options.split() == [f"SIZE={len(mail.data)}", "RET=HDRS", f"ENVID={part}", "NOTIFY=FAILURE"]
    assert found.asked("EHLO") == ["[127.0.0.1]"]


def test_a_mail_whose_last_answer_was_lost_comes_again_byte_for_byte(context: MemoryContext):
    async def story(_: ScriptedMta, by: Sender) -> None:
        async for handover in by.send(THREE[:1]):
            assert handover.stage is Stage.ACCEPTED
            context.now += 1

    found = told(story, context, rules=at("DONE", Cut, 0, 1))
    assert found.said("DONE") == ["Cut", "Cut", "250 2.0.0 queued"]
    assert len(found.mails) == 3
    assert len({mail.data for mail in found.mails}) == 1


def test_one_connection_carries_twenty_mails(context: MemoryContext):
    found = told(lambda _, by: passed(by, [outgoing(str(n), size=50) for n in range(45)]), context)
    assert len(found.mails) == 45
    assert found.connections == 3


def test_a_connection_is_kept_from_one_batch_to_the_next(context: MemoryContext):
    async def story(_: ScriptedMta, by: Sender) -> None:
        for each in THREE:
            assert (await passed(by, [each])).went == 1

    assert told(story, context).connections == 1


def test_a_parcel_that_cannot_be_made_does_not_keep_the_others(context: MemoryContext):
    batch = [outgoing("bad", error=Permanent("no key")), *THREE, outgoing("nowhere", to="")]
    results: list[Pass] = []

    async def story(_: ScriptedMta, by: Sender) -> None:
        results.append(await passed(by, batch))

    told(story, context)
    assert results[0].went == 3
    assert [str(error) for error in results[0].errors] == ["no key", "no mail address is known"]


def test_ten_megabytes_go_and_come_out_as_they_were(context: MemoryContext):
    big = outgoing("big", size=7 << 20)
    found = told(lambda _, by: passed(by, [big]), context)
    brought = parcel(found.mails[0].data)
    assert brought is not None
    assert brought.data == random.Random("big").randbytes(7 << 20)


def test_an_answer_in_the_middle_of_the_mail_is_heard(context: MemoryContext):
    def rules(verb: str, argument: str, session: Session) -> str | None:
        return "552 5.3.4 that is enough" if verb == "BODY" and int(argument) > 600_000 else None

    results: list[Pass] = []

    async def story(_: ScriptedMta, by: Sender) -> None:
        results.append(await passed(by, [outgoing("big", size=4 << 20), *THREE]))

    told(story, context, rules=rules)
    assert [type(error) for error in results[0].errors] == [ParcelTooLarge]
    assert results[0].went == 3


# -- sizes --------------------------------------------------------------------------------------


def test_what_the_server_says_of_sizes_is_learnt_for_good(context: MemoryContext):
    extensions = (*without("SIZE"), "SIZE 1000000")

    async def story(_: ScriptedMta, by: Sender) -> None:
        assert by.parcel_bytes_max > 10_000_000
        result = await passed(by, [outgoing("small", size=100), outgoing("big", size=2_000_000)])
        assert result.went == 1
        assert isinstance(result.errors[0], ParcelTooLarge)
        assert 700_000 < by.parcel_bytes_max < 740_000
        assert (await passed(by, [outgoing("fits", size=by.parcel_bytes_max)])).went == 1

    found = told(story, context, extensions=extensions)
    assert found.times("MAIL") == 2, "nobody offers what is known to be too large"
    again = sender(found, context)
    assert 700_000 < again.parcel_bytes_max < 740_000
    context.now += 31 * 24 * 3_600_000
    assert again.parcel_bytes_max > 10_000_000


def test_a_server_that_says_nothing_of_sizes_is_believed_when_it_refuses(context: MemoryContext):
    def rules(verb: str, argument: str, session: Session) -> str | None:
        return "552 5.3.4 too big" if verb == "DONE" and int(argument) > 1_000_000 else None

    async def story(_: ScriptedMta, by: Sender) -> None:
        size = 4_000_000
        for _ in range(10):
            result = await passed(by, [outgoing("big", size=size)])
            if result.went:
                break
            assert isinstance(result.errors[0], ParcelTooLarge)
            assert by.parcel_bytes_max < size
            size = by.parcel_bytes_max
        assert result.went == 1
        assert size > 400_000

    told(story, context, rules=rules, extensions=without("SIZE"))


def breaks_behind(size: int) -> Rules:
    """Return the rules of a line that never carries so many bytes of one mail."""

    def rules(verb: str, argument: str, _: Session) -> str | None:
        if verb == "BODY" and int(argument) > size:
            raise Cut
        return None

    return rules


def test_a_line_that_breaks_in_every_large_mail_gets_smaller_ones(context: MemoryContext):
    async def story(_: ScriptedMta, by: Sender) -> None:
        for _ in range(8):
            size = by.parcel_bytes_max
            result = await passed(by, [outgoing("big", size=size)])
            if result.went:
                break
            assert isinstance(result.errors[0], ParcelTooLarge)
            assert by.pace.waiting() is None, "smaller ones may go at once"
        assert result.went == 1
        assert size > 350_000

    found = told(story, context, rules=breaks_behind(1_000_000))
    assert found.connections <= 20


def test_a_large_mail_that_no_line_carries_does_not_keep_small_ones(context: MemoryContext):
    results: list[Pass] = []

    async def story(_: ScriptedMta, by: Sender) -> None:
        results.append(await passed(by, [outgoing("big", size=4_000_000), *THREE]))

    told(story, context, rules=breaks_behind(1_000_000))
    assert (results[0].went, results[0].raised) == (3, None)


def test_a_line_that_carries_nothing_is_not_tried_with_one_mail_after_the_other(context: MemoryContext):
    results: list[Pass] = []

    async def story(_: ScriptedMta, by: Sender) -> None:
        results.append(await passed(by, [outgoing("big", size=4_000_000), *THREE]))

    found = told(story, context, rules=breaks_behind(0))
    assert isinstance(results[0].raised, Transient)
    assert found.connections == 4


# -- waiting ------------------------------------------------------------------------------------


def test_greylisting_is_tried_again_later_and_later_for_as_long_as_it_takes(context: MemoryContext):
    waits: list[int] = []

    async def story(_: ScriptedMta, by: Sender) -> None:
        while len(waits) < 20:
            result = await passed(by, THREE[:1])
            if result.went:
                return
            (error,) = result.errors
            assert isinstance(error, Transient)
            waits.append((error.retry_after_ms or 0) // 60_000)
            context.now += error.retry_after_ms or 0

    found = told(story, context, rules=at("RCPT", "451 4.7.1 greylisted", *range(9)))
    assert waits == [1, 5, 10, 20, 40, 80, 160, 240, 240]
    assert found.times("RCPT") == 10
    assert found.times("DATA") == 1, "no byte of a mail is sent for a recipient who will not have it"


def test_who_waits_is_left_alone_and_others_are_not(context: MemoryContext):
    async def story(found: ScriptedMta, by: Sender) -> None:
        first = await passed(by, THREE)
        assert (first.went, len(first.errors)) == (1, 2)
        second = await passed(by, THREE)
        assert (second.went, len(second.errors)) == (1, 2)
        assert "Greylisted" in str(second.errors[0])

    found = told(story, context, rules=at("RCPT", "451 4.7.1 Greylisted", 0))
    assert [said.split(">")[0] for said in found.asked("RCPT")] == [
        "TO:<bob@b.example", "TO:<carol@c.example", "TO:<carol@c.example",
    ]  # fmt: skip


def test_who_was_said_not_to_exist_and_writes_is_written_to_again(context: MemoryContext):
    async def story(_: ScriptedMta, by: Sender) -> None:
        assert (await passed(by, THREE)).went == 1
        by.pace.heard(CAROL)
        assert (await passed(by, THREE)).went == 1
        by.pace.heard(BOB)
        assert (await passed(by, THREE)).went == 3

    told(story, context, rules=at("RCPT", "550 5.1.1 no such user", 0))


def test_a_server_that_is_gone_is_asked_less_and_less(context: MemoryContext):
    waits: list[int] = []

    async def story() -> None:
        with ScriptedMta() as found:
            pass
        for _ in range(10):
            result = await alone(found, context, THREE)
            assert isinstance(result.raised, Transient)
            waits.append((result.raised.retry_after_ms or 0) // 1_000)
            early = await alone(found, context, THREE)
            assert isinstance(early.raised, Transient), "it is not even asked before its time"
            context.now += result.raised.retry_after_ms or 0

    asyncio.run(story())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_refused_secret_is_tried_ever_more_rarely_but_never_given_up(context: MemoryContext):
    waits: list[int] = []

    async def story(found: ScriptedMta, _: Sender) -> None:
        while True:
            result = await alone(found, context, THREE)
            if result.went:
                return
            assert isinstance(result.raised, Transient)
            waits.append((result.raised.retry_after_ms or 0) // 60_000)
            context.now += (result.raised.retry_after_ms or 0) - 1
            assert (await alone(found, context, THREE)).went == 0
            context.now += 1

    found = told(story, context, rules=at("AUTH", "535 5.7.8 bad credentials", *range(6)))
    assert waits == [15, 60, 360, 1440, 1440, 1440]
    assert found.times("AUTH") == 7, "no oftener: that could lock the account"


def test_another_wrong_secret_waits_from_the_start(context: MemoryContext):
    waits: list[int] = []

    async def story(found: ScriptedMta, _: Sender) -> None:
        for secret in ("wrong", "wrong", "wrong", "wrong again"):
            result = await alone(found, context, THREE, login=password(secret))
            assert isinstance(result.raised, Transient)
            waits.append((result.raised.retry_after_ms or 0) // 60_000)
            context.now += result.raised.retry_after_ms or 0

    told(story, context)
    assert waits == [15, 60, 360, 15]


def test_a_token_that_is_refused_waits_although_each_is_a_new_one(context: MemoryContext):
    given: list[str] = []

    async def token() -> str:
        given.append(f"expired {len(given)}")
        return given[-1]

    async def story(found: ScriptedMta, _: Sender) -> None:
        for _ in range(5):
            result = await alone(found, context, THREE, login=Login("alice", token, token=True))
            assert isinstance(result.raised, Transient)

    found = told(story, context, extensions=(*without("AUTH"), "AUTH XOAUTH2"))
    assert found.times("AUTH") == 2


def test_a_corrected_secret_need_not_wait(context: MemoryContext):
    async def story(found: ScriptedMta, _: Sender) -> None:
        assert (await alone(found, context, THREE, login=password("wrong"))).went == 0
        assert (await alone(found, context, THREE, login=password("wrong"))).went == 0
        assert (await alone(found, context, THREE, login=password("right"))).went == 3

    assert told(story, context).times("AUTH") == 2


def test_no_secret_is_kept(context: MemoryContext):
    told(lambda found, _: alone(found, context, THREE, login=password("wrong secret")), context)
    assert context.state
    assert not [value for value in context.state.values() if b"wrong secret" in value]


# -- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_is_used_and_made_anew_once(context: MemoryContext, mechanism: str):
    given: list[str] = []

    async def token() -> str:
        given.append("expired" if not given else "right")
        return given[-1]

    async def story(_: ScriptedMta, by: Sender) -> None:
        assert (await passed(by, THREE)).went == 3

    extensions = (*without("AUTH"), f"AUTH PLAIN {mechanism}")
    found = told(story, context, extensions=extensions, login=Login("alice", token, token=True))
    assert given == ["expired", "right"]
    assert [said.split()[0] for said in found.asked("AUTH")] == [mechanism] * 2


def test_a_bearer_token_is_written_as_the_standard_says(context: MemoryContext):
    async def token() -> str:
        return "right"

    extensions = (*without("AUTH"), "AUTH OAUTHBEARER XOAUTH2")
    found = told(
        lambda _, by: passed(by, THREE), context, extensions=extensions, login=Login("a=l,ice", token, token=True)
    )
    (said,) = found.asked("AUTH")
    message = f"n,a=a=3Dl=2Cice,\x01host=127.0.0.1\x01port={found.port}\x01auth=Bearer right\x01\x01"
    assert said == f"OAUTHBEARER {b64encode(message.encode()).decode()}"


# -- the bucket ---------------------------------------------------------------------------------


def test_no_more_mails_go_in_a_minute_or_a_day_than_may(context: MemoryContext):
    limits = Limits(per_minute=4, per_day=10)
    went: list[int] = []

    async def story(found: ScriptedMta, _: Sender) -> None:
        for minute in range(60):
            by = sender(found, context, limits=limits)  # each minute a new process, as under cron
            result = await passed(by, [outgoing(f"{minute} {n}", size=50) for n in range(6)])
            went.append(result.went)
            assert isinstance(result.raised, Budget)
            assert (result.raised.retry_after_ms or 0) <= 24 * 3_600_000
            await by.close()
            context.now += 60_000

    found = told(story, context)
    assert went[:4] == [4, 4, 2, 0]
    assert len(found.mails) == 10
    context.now += 24 * 3_600_000
    assert told(
        lambda found, _: alone(found, context, THREE, limits=limits), context
    ).times("DONE") == 3  # fmt: skip


def test_no_more_bytes_go_in_a_day_than_may_and_what_was_sent_in_vain_counts(context: MemoryContext):
    limits = Limits(per_minute=None, per_day=None, bytes_per_day=40_000)
    sent: list[int] = []

    def rules(verb: str, argument: str, session: Session) -> str | None:
        if verb == "DONE":
            sent.append(int(argument))
            if session.server.times(verb) % 3 == 0:
                raise Cut
        return None

    async def story(found: ScriptedMta, _: Sender) -> None:
        for hour in range(24):
            await alone(found, context, [outgoing(f"{hour}", size=4_000)], limits=limits)
            context.now += 3_000_000

    told(story, context, rules=rules)
    assert 30_000 < sum(sent) <= 40_000


def test_a_server_that_complains_gets_half_as_much_and_after_a_quiet_day_all(context: MemoryContext):
    limits = Limits(per_minute=8, per_day=None)

    async def story(found: ScriptedMta, _: Sender) -> None:
        by = sender(found, context, limits=limits)
        assert isinstance((await passed(by, THREE)).raised, Transient)
        for wait, expected in ((11 * 60_000, 4), (24 * 3_600_000, 8)):
            context.now += wait
            result = await passed(by, [outgoing(f"{wait} {n}", size=50) for n in range(20)])
            assert (result.went, type(result.raised)) == (expected, Budget)
        await by.close()

    told(story, context, rules=at("MAIL", "450 4.7.1 too many mails", 0))


def test_a_clock_that_went_back_keeps_nobody_waiting_for_longer(context: MemoryContext):
    async def story(_: ScriptedMta, by: Sender) -> None:
        assert (await passed(by, THREE[:1])).went == 0
        context.now -= 3 * 365 * 24 * 3_600_000
        assert (await passed(by, THREE)).went == 3

    told(story, context, rules=at("RCPT", "450 4.2.0 busy", 0), limits=Limits(per_minute=3, per_day=3))


# -- stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "DONE"])
def test_a_pass_can_be_stopped_anywhere_and_the_next_one_goes(context: MemoryContext, verb: str):
    async def story(found: ScriptedMta, by: Sender) -> None:
        task = asyncio.create_task(passed(by, THREE))
        while not found.times(verb):  # noqa: ASYNC110 the server is no part of the loop's business
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await passed(by, THREE)).went == 3

    told(story, context, rules=at(verb, Silence, 0))
