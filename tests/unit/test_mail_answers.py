"""What servers say, in the words that they use, and whose matter it is."""

from __future__ import annotations

import pytest

from paquebot_mail.answers import ACCOUNT, Kind, Verb, judge, judge_report, wait_ms

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

SAID = [
    (Verb.DATA, "250 2.0.0 OK  1796000000 d9443c01a7336-29b5b2c1 - gsmtp", Kind.TAKEN),
    (Verb.DATA, "250 2.0.0 Ok: queued as 4D3C12A0B7", Kind.TAKEN),
    (Verb.RCPT, "251 2.1.5 user not local; will forward", Kind.TAKEN),
    # The line.
    (Verb.CONNECT, "421 4.3.2 Service not available, closing channel", Kind.LINE),
    (Verb.MAIL, "421 4.4.2 mx.test Error: timeout exceeded", Kind.LINE),
    (Verb.DATA, "421 4.3.0 Temporary System Problem. Try again later (WS)", Kind.LINE),
    (Verb.CONNECT, "450 4.3.2 Service currently unavailable", Kind.LINE),
    (Verb.AUTH, "454 4.7.0 Temporary authentication failure: Connection lost to authentication server", Kind.LINE),
    (Verb.AUTH, "432 4.7.12 A password transition is needed", Kind.LINE),
    # The login.
    (Verb.AUTH, "535 5.7.8 Username and Password not accepted. For more information, go to ...", Kind.LOGIN),
    (Verb.AUTH, "535 5.7.3 Authentication unsuccessful [AM0PR01CA0101.test]", Kind.LOGIN),
    (Verb.AUTH, "534 5.7.9 Application-specific password required.", Kind.LOGIN),
    (Verb.AUTH, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", Kind.LOGIN),
    (Verb.AUTH, "504 5.5.4 Unrecognized authentication type", Kind.LOGIN),
    (Verb.AUTH, "550 5.7.1 this account is closed", Kind.LOGIN),
    (Verb.MAIL, "530 5.7.57 Client not authenticated to send mail", Kind.LOGIN),
    (Verb.MAIL, "530-5.5.1 Authentication Required.", Kind.LOGIN),
    (Verb.RCPT, "530 5.7.0 Must issue a STARTTLS command first", Kind.LOGIN),
    # The account: too much.
    (Verb.AUTH, "421 4.7.0 Too many login attempts, please try again later", Kind.RATE),
    (Verb.CONNECT, "421 4.7.0 mx.test Error: too many connections from 192.0.2.1", Kind.RATE),
    (Verb.MAIL, "450 4.7.1 Error: too much mail from 192.0.2.1", Kind.RATE),
    (Verb.DATA, "421-4.7.28 Our system has detected an unusual rate of unsolicited mail", Kind.RATE),
    (Verb.DATA, "450 4.7.28 too many messages", Kind.RATE),
    (Verb.RCPT, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Kind.RATE),
    (Verb.MAIL, "452 4.5.3 Recipient limit exceeded", Kind.RATE),
    (Verb.DATA, "550 5.4.5 Daily sending quota exceeded; daily sending limit", Kind.RATE),
    (Verb.DATA, "554 5.7.1 you exceeded your hourly limit", Kind.RATE),
    (Verb.RCPT, "451 4.7.1 Ratelimit exceeded for this mailbox", Kind.RATE),
    (Verb.RCPT, "450 4.2.1 The user you are trying to contact is receiving mail at a rate that ...", Kind.RATE),
    # The account: not as this sender.
    (Verb.MAIL, "553 5.7.1 <x@a.test>: Sender address rejected: not owned by user node", Kind.HELD),
    (Verb.MAIL, "550 5.1.8 Sender domain does not exist", Kind.HELD),
    (Verb.MAIL, "501 5.1.7 Bad sender address syntax", Kind.HELD),
    (Verb.CONNECT, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked", Kind.HELD),
    # The recipient, for a while.
    (Verb.RCPT, "450 4.2.0 <bob@b.test>: Recipient address rejected: Greylisted, see http://postgrey", Kind.LATER),
    (Verb.RCPT, "451 4.7.1 Greylisting in action, please come back in 00:04:59", Kind.LATER),
    (Verb.RCPT, "451 4.7.1 graylisted, too many tries", Kind.LATER),
    (Verb.RCPT, "450 4.1.2 <bob@b.test>: Recipient address rejected: Domain not found", Kind.LATER),
    (Verb.RCPT, "450 4.1.1 <bob@b.test>: unverified address: Address verification in progress", Kind.LATER),
    (Verb.RCPT, "452 4.3.1 Insufficient system storage", Kind.LATER),
    (Verb.DATA, "451 4.3.0 Error: queue file write error", Kind.LATER),
    (Verb.DATA, "451 4.7.1 Service unavailable - try again later", Kind.LATER),
    (Verb.DATA, "550 5.5.0 message refused", Kind.LATER),
    (Verb.DATA, "554 5.0.0 failed", Kind.LATER),
    # The recipient's mailbox is full.
    (Verb.RCPT, "452 4.2.2 <bob@b.test> Quota exceeded (mailbox for user is full)", Kind.FULL),
    (Verb.DATA, "552 5.2.2 <bob@b.test> Quota exceeded (mailbox for user is full)", Kind.FULL),
    (Verb.RCPT, "552-5.2.2 The email account that you tried to reach is over quota", Kind.FULL),
    (Verb.RCPT, "552 mailbox is full", Kind.FULL),
    # There is nobody.
    (Verb.RCPT, "550 5.1.1 <bob@b.test>: Recipient address rejected: User unknown in mailbox table", Kind.NOBODY),
    (Verb.RCPT, "550-5.1.1 The email account that you tried to reach does not exist.", Kind.NOBODY),
    (Verb.RCPT, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", Kind.NOBODY),
    (Verb.RCPT, "550 5.2.1 The email account that you tried to reach is disabled.", Kind.NOBODY),
    (Verb.RCPT, "550 No such user", Kind.NOBODY),
    (Verb.RCPT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Kind.POLICY),
    (Verb.RCPT, "551 5.1.6 the user has moved", Kind.NOBODY),
    # The mail is not wanted.
    (Verb.DATA, "554 5.7.1 Spam message rejected", Kind.POLICY),
    (Verb.DATA, "550 5.7.1 Message rejected due to content restrictions", Kind.POLICY),
    (Verb.DATA, "550-5.7.26 Unauthenticated email from a.test is not accepted: DMARC policy", Kind.POLICY),
    (Verb.RCPT, "554 5.7.1 <bob@b.test>: Relay access denied", Kind.POLICY),
    (Verb.DATA, "523 Encryption Needed: Invalid Unencrypted Mail", Kind.LARGE),
    # It is too large.
    (Verb.MAIL, "552 5.3.4 Message size exceeds fixed limit", Kind.LARGE),
    (Verb.DATA, "552 5.3.4 Error: message file too big", Kind.LARGE),
    (Verb.DATA, "552-5.2.3 Your message exceeded Google's message size limits.", Kind.LARGE),
    (Verb.MAIL, "552 message size exceeds maximum message size", Kind.LARGE),
    (Verb.DATA, "552 5.7.0 This message was blocked because its content is a potential security risk", Kind.POLICY),
    (Verb.RCPT, "550 5.2.3 RESOLVER.RST.SendSizeLimit; message too large for this recipient", Kind.LARGE),
    (Verb.DATA, "554 5.3.4 Message too big for system", Kind.LARGE),
    # Who knows.
    (Verb.DATA, "550 5.6.0 Lone CR or LF in headers", Kind.FAULT),
    (Verb.DATA, "500 5.5.1 Command unrecognized", Kind.FAULT),
    (Verb.RCPT, "503 5.5.1 Error: need MAIL command", Kind.FAULT),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "said", "kind"), SAID, ids=[f"{verb.value} {said[:40]}" for verb, said, _ in SAID])
def test_the_table(verb: Verb, said: str, kind: Kind):
    assert judge(verb, int(said[:3]), said[4:]) is kind


@pytest.mark.parametrize("code", [-1, 0, 99, 100, 354, 399, 600, 999])
def test_an_answer_that_is_none_is_the_lines_fault(code: int):
    assert judge(Verb.DATA, code, "ok") is Kind.LINE


def test_nothing_but_a_yes_is_a_yes():
    for verb in Verb:
        for code in range(1_000):
            assert (judge(verb, code, "2.0.0 ok") is Kind.TAKEN) == (200 <= code < 300)


@pytest.mark.parametrize("text", ["rate " * 50_000, "too " * 50_000, "5." * 100_000, "size" + "x" * 200_000])
def test_no_answer_takes_long_to_understand(text: str):
    import time

    start = time.process_time()
    judge(Verb.DATA, 552, text)
    judge(Verb.DATA, 450, text)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("action", "status", "said", "kind"),
    [
        ("failed", "5.1.1", "550 5.1.1 no such user", Kind.NOBODY),
        ("failed", "5.2.2", "552 5.2.2 over quota", Kind.FULL),
        ("failed", "4.2.2", "", Kind.FULL),
        ("failed", "5.3.4", "", Kind.LARGE),
        ("failed", "5.2.3", "", Kind.LARGE),
        ("failed", "5.7.1", "554 5.7.1 spam", Kind.POLICY),
        ("failed", "4.4.1", "connection timed out", Kind.LATER),
        ("failed", "4.4.7", "message expired", Kind.LATER),
        ("failed", "5.5.0", "", Kind.LATER),
        ("failed", "5.4.14", "hop count exceeded", Kind.FAULT),
        ("failed", "5.0.0", "", Kind.LATER),
        ("failed", "5.7.1", "rate limit exceeded", Kind.LATER),
        ("failed", "5.7.8", "535 bad credentials", Kind.POLICY),
        ("delayed", "4.4.1", "", Kind.TAKEN),
        ("delivered", "2.0.0", "", Kind.TAKEN),
        ("relayed", "2.0.0", "", Kind.TAKEN),
        ("", "", "", Kind.TAKEN),
    ],
)
def test_a_report_concerns_its_recipient_alone(action: str, status: str, said: str, kind: Kind):
    found = judge_report(action, status, said)
    assert found is kind
    assert found not in ACCOUNT


def test_waits_grow_and_never_end_in_giving_up():
    for kind in Kind:
        waits = [wait_ms(kind, times) for times in range(1, 40)]
        assert waits == sorted(waits)
        assert waits[-1] <= 7 * DAY
    assert [wait_ms(Kind.RATE, times) // MINUTE for times in range(1, 8)] == [10, 20, 40, 80, 160, 320, 360]
    assert [wait_ms(Kind.LOGIN, times) // MINUTE for times in (1, 2, 3, 4, 5)] == [15, 60, 360, 1440, 1440]
    assert wait_ms(Kind.POLICY, 1) == DAY
    assert wait_ms(Kind.LATER, 1, 1.2) == 72_000
    assert wait_ms(Kind.TAKEN, 5) == 0
