"""Sending through real servers: Postfix takes it, Dovecot has it, and what cannot be delivered is reported."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.labs.mail import certificates
from tests.labs.mail.servers import Mailbox, MailServers

from paquebot.testing.post import MemoryContext
from paquebot.transport import Handover, Outgoing, ParcelTooLarge, Recipient, Stage, Transient
from paquebot_mail.bounces import read_report, settle
from paquebot_mail.pace import Limits
from paquebot_mail.reading import heading, parcel
from paquebot_mail.sending import Sender
from paquebot_mail.server import Login, Server, Tls

NOW = 1_796_000_000_000
ANY = Limits(per_minute=None, per_day=None, mail_bytes_max=30_000_000)


def outgoing(name: str, to: str, size: int = 300) -> Outgoing:
    async def body() -> bytes:
        return data(name, size)

    return Outgoing(
        id=name.encode().ljust(16, b"."),
        size_max=size,
        body=body,
        recipients=(Recipient(lambda salt: salt[:8], bytes(16), to),),
        expires_ms=NOW + 1,
    )


def data(name: str, size: int = 300) -> bytes:
    return random.Random(name).randbytes(size)


def login(mailbox: Mailbox, *, seconds: int | None = None, password: str = "") -> Login:
    async def secret() -> str:
        return mailbox.token(seconds) if seconds is not None else password or mailbox.password

    return Login(mailbox.address, secret, token=seconds is not None)


def sender(mailbox: Mailbox, folder: Path, *, tls: Tls = Tls.IMPLICIT, by: Login | None = None, ca: str = "") -> Sender:
    servers = mailbox.servers
    port = servers.smtps if tls is Tls.IMPLICIT else servers.smtp
    server = Server("localhost", port, tls, ca or str(servers.ca))
    context = MemoryContext(folder, now=NOW)
    return Sender(mailbox.address, server, by or login(mailbox), context, limits=ANY)


def sent(by: Sender, batch: Sequence[Outgoing]) -> list[Handover]:
    async def story() -> list[Handover]:
        try:
            return [handover async for handover in by.send(batch)]
        finally:
            await by.close()

    return asyncio.run(story())


def mails(mailbox: Mailbox, count: int, seconds: float = 20) -> list[bytes]:
    """Return all mails, as soon as there are *count*."""
    end = time.monotonic() + seconds
    while len(mailbox.look()) < count and time.monotonic() < end:
        time.sleep(0.05)
    with mailbox.person() as program:
        program.select("INBOX", readonly=True)
        _, lines = program.uid("fetch", "1:*", "(BODY.PEEK[])")
    return [each[1] for each in lines if isinstance(each, tuple)]


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_parcels_go_and_are_found_in_the_mailbox(mail_servers: MailServers, tmp_path: Path, tls: Tls):
    alice, bob = mail_servers.account("a.test"), mail_servers.account("b.test")
    names = [f"{tls.value} {n}" for n in range(25)]
    news = sent(sender(alice, tmp_path, tls=tls), [outgoing(name, bob.address) for name in names])
    assert [each.stage for each in news] == [Stage.ACCEPTED] * 25
    found = [parcel(mail) for mail in mails(bob, 25)]
    assert {each.data for each in found if each} == {data(name) for name in names}


def test_a_full_envelope_goes_and_is_found_byte_for_byte(mail_servers: MailServers, tmp_path: Path):
    alice, bob = mail_servers.account("a.test"), mail_servers.account("b.test")
    size = 8 << 20
    (news,) = sent(sender(alice, tmp_path), [outgoing("large", bob.address, size)])
    assert news.stage is Stage.ACCEPTED
    found = parcel(mails(bob, 1)[0])
    assert found is not None
    assert found.data == data("large", size)


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_certificate_of_nobody_we_trust_gets_neither_password_nor_mail(
    postfix: MailServers, tmp_path: Path, tls: Tls
):
    alice, bob = postfix.account("a.test"), postfix.account("b.test")
    other = tmp_path / "other"
    certificates.write(other)
    by = sender(alice, tmp_path, tls=tls, ca=str(other / "ca.pem"))
    with pytest.raises(Transient, match="certificate"):
        sent(by, [outgoing("secret", bob.address)])
    assert bob.look() == []


def test_a_password_or_a_token_that_is_wrong_is_refused_clearly(postfix: MailServers, tmp_path: Path):
    alice, bob = postfix.account("a.test"), postfix.account("b.test")
    for number, by in enumerate((login(alice, password="wrong"), login(alice, seconds=-60))):
        with pytest.raises(Transient, match="535"):
            sent(sender(alice, tmp_path / str(number), by=by), [outgoing("no", bob.address)])
    (news,) = sent(sender(alice, tmp_path / "2", by=login(alice, seconds=600)), [outgoing("yes", bob.address)])
    assert news.stage is Stage.ACCEPTED


def test_who_is_not_there_is_left_alone(postfix: MailServers, tmp_path: Path):
    alice, bob = postfix.account("a.test"), postfix.account("b.test")
    batch = [outgoing("one", "nobody@elsewhere.test"), outgoing("two", bob.address)]
    news = sent(sender(alice, tmp_path), batch)
    assert [each.stage for each in news] == [Stage.FAILED, Stage.ACCEPTED]
    assert isinstance(news[0].error, Transient)


def test_a_mail_that_is_too_large_is_not_even_offered(small_mail_servers: MailServers, tmp_path: Path):
    if not small_mail_servers.has_postfix:
        pytest.skip("the scripted MTA has its own test")
    alice, bob = small_mail_servers.account("a.test"), small_mail_servers.account("b.test")
    by = sender(alice, tmp_path)
    (first,) = sent(by, [outgoing("small", bob.address)])
    assert first.stage is Stage.ACCEPTED
    assert by.parcel_bytes_max < 750_000
    (news,) = sent(by, [outgoing("large", bob.address, 800_000)])
    assert isinstance(news.error, ParcelTooLarge)
    assert sent(by, [outgoing("fits", bob.address, by.parcel_bytes_max)])[0].stage is Stage.ACCEPTED


def test_what_postfix_cannot_deliver_comes_back_under_the_name_of_the_part(postfix: MailServers, tmp_path: Path):
    alice, nobody = postfix.account("a.test"), "q999999@b.test"  # Postfix takes it, and Dovecot does not know it
    by = sender(alice, tmp_path)
    (news,) = sent(by, [outgoing("in vain", nobody, 100_000)])
    assert news.stage is Stage.ACCEPTED, "the provider took it"
    (bounce,) = mails(alice, 1)
    head = heading(bounce.partition(b"\r\n\r\n")[0])
    assert head is not None
    assert head.report
    report = read_report(bounce)
    assert report is not None
    (lost,) = settle(report, by.pace)
    assert isinstance(lost, Handover)
    assert (lost.id, lost.stage, lost.where) == (news.id, Stage.LOST, nobody)
    wait = by.pace.waiting(nobody)
    assert wait is not None
    assert wait.kind == "nobody"
    (again,) = sent(by, [outgoing("once more", nobody)])
    assert again.stage is Stage.FAILED
