"""The mail laboratory itself: real servers that behave as their tests believe."""

from __future__ import annotations

import base64
import imaplib
import smtplib
import socket
import time
from contextlib import suppress
from typing import Self

import pytest
from tests.labs.mail.loop import Cut
from tests.labs.mail.proxy import Plan, Proxy
from tests.labs.mail.servers import Mailbox, MailServers

MAIL = b"From: friend@c.test\r\nMessage-ID: <%d@c.test>\r\nSubject: dinner\r\n\r\nhello\r\n"


class Line:
    """IMAP by hand, so that every break is seen as it is."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(5)
        with suppress(ConnectionResetError):  # that is seen at the first command
            self._socket.connect(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()
        self._socket.close()

    def command(self, words: str) -> str:
        self._socket.sendall(f"T {words}\r\n".encode())
        lines = []
        while not lines or not lines[-1].startswith(b"T "):
            lines.append(self._file.readline())
            if not lines[-1]:
                raise EOFError
        return b"".join(lines).decode()

    def words_of(self, mailbox: Mailbox) -> str:
        return "AUTHENTICATE PLAIN " + base64.b64encode(f"\0{mailbox.address}\0{mailbox.password}".encode()).decode()

    def login(self, mailbox: Mailbox) -> None:
        assert "T OK" in self.command(self.words_of(mailbox))

    def lives(self, words: str) -> bool:
        try:
            self.command(words)
        except (EOFError, OSError):
            return False
        return True


def submit(servers: MailServers, sender: Mailbox, recipient: str, mail: bytes, port: int = 0) -> None:
    with smtplib.SMTP_SSL("localhost", port or servers.smtps, context=servers.context(), timeout=10) as line:
        line.login(sender.address, sender.password)
        line.sendmail(sender.address, [recipient], mail)


def arrived(mailbox: Mailbox, count: int, folder: str = "INBOX") -> list[str]:
    deadline = time.monotonic() + 10
    while len(found := mailbox.look(folder)) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return [mail.id for mail in found]


def test_a_mail_goes_through_the_real_servers(mail_servers, mailbox):
    peer = mail_servers.account("b.test")

    submit(mail_servers, mailbox, peer.address, MAIL % 1)

    assert arrived(peer, 1) == ["<1@c.test>"]


def test_starttls_too(mail_servers, mailbox):
    with smtplib.SMTP("localhost", mail_servers.smtp, timeout=10) as line:
        line.starttls(context=mail_servers.context())
        line.login(mailbox.address, mailbox.password)
        line.sendmail(mailbox.address, [mailbox.address], MAIL % 1)

    assert arrived(mailbox, 1) == ["<1@c.test>"]


def test_a_wrong_password_and_an_expired_token_are_refused(mail_servers, mailbox):
    program = imaplib.IMAP4_SSL("localhost", mail_servers.imaps, ssl_context=mail_servers.context())
    with pytest.raises(imaplib.IMAP4.error):
        program.login(mailbox.address, "wrong")
    for seconds in (-60, 3600):
        token = f"user={mailbox.address}\1auth=Bearer {mailbox.token(seconds)}\1\1".encode()
        if seconds < 0:
            answers = [token, b""]
            with pytest.raises(imaplib.IMAP4.error):
                program.authenticate("XOAUTH2", lambda _, answers=answers: answers.pop(0))
        else:
            assert program.authenticate("XOAUTH2", lambda _, token=token: token)[0] == "OK"
    program.logout()


@pytest.mark.parametrize("legally", [True, False])
def test_a_mailbox_can_be_renumbered(mailbox, legally):
    mailbox.receive(MAIL % 1, MAIL % 2, MAIL % 3)
    with mailbox.person() as person:
        person.select()
        person.uid("store", "1", "+FLAGS", "(\\Deleted)")
        person.expunge()
        before = person.status("INBOX", "(UIDVALIDITY UIDNEXT)")[1]

    mailbox.renumber(legally=legally)

    with mailbox.person() as person:
        after = person.status("INBOX", "(UIDVALIDITY UIDNEXT)")[1]
    assert before != after
    assert [(mail.uid, mail.id) for mail in mailbox.look()] == [(1, "<2@c.test>"), (2, "<3@c.test>")]


def test_a_mailbox_can_be_full(small_mail_servers):
    mailbox = small_mail_servers.account(storage="64K")
    mailbox.receive(MAIL % 1 + b"x" * 40_000)

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        mailbox.receive(MAIL % 2 + b"x" * 40_000)

    assert refusal.value.smtp_code == 552
    assert len(mailbox.look()) == 1


def test_the_servers_end_a_connection_when_told(mailbox):
    with Line(mailbox.servers.imap) as line:
        line.login(mailbox)
        mailbox.kick()
        deadline = time.monotonic() + 5
        while line.lives("NOOP") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not line.lives("NOOP")


def test_dovecot_comes_back_after_a_crash(mail_servers):
    with MailServers(mta=False) as servers:  # of our own: others' Postfix would miss it
        mailbox = servers.account()
        mailbox.receive(MAIL % 1)
        servers.crash()
        with pytest.raises(OSError):  # noqa: PT011 any of them
            mailbox.look()

        servers.start_again()

        assert [mail.id for mail in mailbox.look()] == ["<1@c.test>"]


def test_the_scripted_mta_does_as_it_is_told(mail_servers, mailbox):
    def rules(verb, argument, session):
        if verb == "RCPT" and session.number == 1:
            return "451 4.7.1 greylisted"
        if verb == "DONE" and session.number == 2:
            raise Cut
        return None

    with mail_servers.scripted(rules) as mta:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            submit(mail_servers, mailbox, mailbox.address, MAIL % 1, mta.port)
        with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
            submit(mail_servers, mailbox, mailbox.address, MAIL % 1, mta.port)
        mta.copies = 2
        submit(mail_servers, mailbox, mailbox.address, MAIL % 2, mta.port)

        assert arrived(mailbox, 3) == ["<1@c.test>", "<2@c.test>", "<2@c.test>"]
        assert mta.said("DONE") == ["Cut", "250 2.0.0 queued"]


@pytest.mark.parametrize(
    "plan",
    [Plan(cut_down=2000), Plan(cut_up=30), Plan(cut_on=b"OK Fetch"), Plan(end_down=2000), Plan(refuse=True)],
    ids=["reset", "reset on the way up", "the answer is lost", "ended", "refused"],
)
def test_the_proxy_breaks_lines(mail_servers, mailbox, plan):
    mailbox.receive(MAIL % 1 + b"x" * 5000)
    with Proxy(mail_servers.imap, plan) as proxy, Line(proxy.port) as line:
        words = [line.words_of(mailbox), "EXAMINE INBOX", "FETCH 1 (BODY.PEEK[])"]
        assert not all(line.lives(each) for each in words)


@pytest.mark.parametrize(
    "plan", [Plan(slice=7), Plan(delay=0.01), Plan(rate=200_000)], ids=lambda plan: str(plan)[5:40]
)
def test_the_proxy_can_also_just_be_slow(mail_servers, mailbox, plan):
    mailbox.receive(MAIL % 1)
    with Proxy(mail_servers.imap, plan) as proxy, Line(proxy.port) as line:
        line.login(mailbox)
        assert "* 1 EXISTS" in line.command("EXAMINE INBOX")
