"""Mail keeps the contract, over real servers: what one account sends by SMTP, another finds by IMAP."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from paquebot.testing import TransportContract
from paquebot.testing.contract import Link, collect, contexts
from paquebot_mail import MailSettings, MailTransport
from paquebot_mail.settings import LimitsTable, ServerTable

PATIENCE_S = 20


def settings_of(mailbox, tmp_path, **more):
    """The settings of a mailbox at the laboratory's servers."""
    servers = mailbox.servers
    secret = tmp_path / f"{mailbox.address}.secret"
    secret.write_text(mailbox.password)
    secret.chmod(0o600)
    return MailSettings(
        mailbox.address,
        imap=ServerTable(servers.host, servers.imaps),
        smtp=ServerTable(servers.host, servers.smtps),
        ca_file=str(servers.ca),
        password_file=str(secret),
        limits=LimitsTable(per_minute=10_000, per_day=100_000),
        **more,
    )


class TestMail(TransportContract):
    retire = "keep"

    @pytest.fixture(autouse=True)
    def _servers(self, mail_servers):
        self.servers = mail_servers

    @asynccontextmanager
    async def link(self, tmp_path):
        self.near, self.far = self.servers.account(), self.servers.account()
        self.expected = 0
        near, far = contexts(tmp_path)
        far.addresses.add(self.near.address)
        near.addresses.add(self.far.address)
        ends = [(self.near, near), (self.far, far)]
        sender, receiver = (
            MailTransport(settings_of(mailbox, tmp_path, retire=self.retire), context) for mailbox, context in ends
        )
        self._addressed(sender, self.far.address)
        self._addressed(receiver, self.near.address)

        async def reopen(end):
            await end.__aexit__(None, None, None)
            return await end.__aenter__()

        async with sender, receiver:
            for end in sender, receiver:  # the first look at a mailbox notes where it begins
                await collect(end)
                await reopen(end)
            yield Link(sender, receiver, near, far, reopen)

    def _addressed(self, end, address):
        """Give all that *end* sends an address, as the house does, and count what is handed over."""
        inner = end.send

        async def send(batch):
            before, sent = self._mails(), 0
            async for handover in inner(
                [replace(each, recipients=(replace(each.recipients[0], address=address),)) for each in batch]
            ):
                sent += handover.error is None
                self.expected = before + sent
                yield handover

        end.send = send

    def _mails(self):
        return len(self.near.look()) + len(self.far.look())

    async def carry(self, link):
        """Wait until the servers have brought all that was handed over."""
        deadline = time.monotonic() + PATIENCE_S
        while self._mails() < self.expected:
            assert time.monotonic() < deadline, "mails do not arrive"
            await asyncio.sleep(0.05)
        self.expected = 0

    def leave_foreign_things(self, link):
        self.far.receive(
            b"From: friend@c.test\r\nTo: me@a.test\r\nSubject: dinner\r\nMessage-ID: <d@c.test>\r\n\r\nwords\r\n"
        )
        before = self.far.look()
        return lambda: [mail for mail in self.far.look() if mail.id == before[0].id] == before

    async def _idle(self, link):
        await collect(link.receiver)  # the first look at a mail brings it here, and notes that; the next ones do not
        await super()._idle(link)

    def snapshot(self, link):
        return self.near.look(), self.far.look()


class TestMailThatIsPutAway(TestMail):
    retire = "expunge"
