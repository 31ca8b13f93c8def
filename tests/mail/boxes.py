"""A node's side of a mailbox, for tests: what the glue and the house do, in a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paquebot.testing.post import MemoryContext
from paquebot.transport import Acknowledgement, Finding, Verdict
from paquebot_mail.form import compose
from paquebot_mail.mailbox import Brought, Mailbox, Reported, Written
from paquebot_mail.reading import MAIL_BYTES_MAX
from paquebot_mail.server import Login, Server, Tls
from paquebot_mail.settings import Retire

NOW_MS = 1_795_000_000_000
PEER = "node@b.test"
PERSONAL = (
    b"From: friend@c.test\r\nTo: me@a.test\r\nSubject: dinner %d\r\n"
    b"Message-ID: <dinner-%d@c.test>\r\n\r\nsecret words\r\n"
)


def mail_of(parcel: bytes, *, sender: str = PEER, recipient: str = "node@a.test") -> bytes:
    """Return the mail that brings *parcel*."""
    return compose(parcel, sender=sender, recipient=recipient, date_ms=NOW_MS)


def personal(number: int) -> bytes:
    """Return a mail that is none of ours."""
    return PERSONAL % (number, number)


@dataclass
class Reader:
    """One node that reads one mailbox: keeps what was applied, as its store would."""

    place: Path
    port: int
    address: str = "node@a.test"
    password: str = "right"
    peers: set[str] = field(default_factory=lambda: {PEER})
    retire: Retire = Retire("keep")
    quiet_s: float = 30.0
    most: int = MAIL_BYTES_MAX
    """How large a mail may be."""
    options: dict = field(default_factory=dict)
    decide: Callable[[Brought], Verdict | None] = lambda brought: Verdict.TAKEN
    """What the house answers; None for nothing, as when the power is cut before."""

    server: Server | None = None
    """In place of *port*, if it is not in clear."""

    def __post_init__(self) -> None:
        self.context = MemoryContext(self.place, now=NOW_MS)
        self.applied: list[bytes] = []
        """Every effect, once for each time it happened."""
        self.came: list[Brought] = []
        """Everything that was yielded."""
        self.findings: list[Finding] = []
        self.reports: list[bytes] = []
        self.letters: list[Written] = []

    def mailbox(self) -> Mailbox:
        """Return the mailbox as it would be opened."""

        async def secret() -> str:
            return self.password

        return Mailbox(
            self.address,
            self.server or Server("127.0.0.1", self.port, Tls.NONE, quiet_s=self.quiet_s),
            Login(self.address, secret),
            self.context,
            wants=lambda head, size: self.most * (size <= self.most and (head.sender in self.peers or head.report)),
            retire=self.retire,
            **self.options,
        )

    async def visit(self) -> int:
        """Look, apply, acknowledge, put away. Return how many parcels came."""
        before = len(self.came)
        async with self.mailbox() as mailbox:
            await self.look(mailbox)
            self.findings += await mailbox.put_away()
        return len(self.came) - before

    async def look(self, mailbox: Mailbox) -> None:
        """Take in everything that is new."""
        async for news in mailbox.look():
            match news:
                case Brought():
                    self.came.append(news)
                    verdict = self.decide(news)
                    if verdict is Verdict.TAKEN and news.parcel not in self.applied:
                        self.applied.append(news.parcel)
                    if verdict is not None:
                        mailbox.settle([Acknowledgement(news.part, verdict)])
                case Reported():
                    self.reports.append(news.data)
                case Written():
                    self.letters.append(news)
                case Finding():
                    self.findings.append(news)

    def run(self) -> int:
        """Visit once."""
        return asyncio.run(self.visit())

    def parcels(self) -> Sequence[bytes]:
        """Return what was applied, in order of bytes."""
        return sorted(self.applied)
