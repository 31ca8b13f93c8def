"""A mailbox that does not let us in is not asked at every visit, and at once when there is another password."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.labs.mail.proxy import Proxy

from paquebot.errors import Denied, TransportError
from paquebot.testing.post import MemoryContext
from paquebot_mail import MailSettings, MailTransport
from paquebot_mail.settings import ServerTable

HOUR_MS = 3_600_000


class Onlooker(MemoryContext):
    """Who waits for mail beside whoever works may write nothing."""

    def update(self, changes):
        raise TransportError("no")


@pytest.fixture
def visited(mail_servers, tmp_path: Path):
    """Return what visits a mailbox, and says how often the server was asked until then."""
    box = mail_servers.account()
    secret = tmp_path / "secret"
    context = MemoryContext(tmp_path / "state", now=1_796_000_000_000)
    with Proxy(mail_servers.imaps) as proxy:

        def visit(password: str, *, waits: bool = False) -> int:
            secret.write_text(password)
            secret.chmod(0o600)
            table = ServerTable("localhost", proxy.port)
            settings = MailSettings(
                box.address, imap=table, smtp=table, ca_file=str(mail_servers.ca), password_file=str(secret)
            )

            async def story() -> None:
                if waits:
                    onlooker = Onlooker(tmp_path / "state", now=context.now)
                    onlooker.state = context.state
                    await MailTransport(settings, onlooker).wait(1)
                    return
                async with MailTransport(settings, context) as transport:
                    async for _ in transport.collect():
                        pass

            asyncio.run(story())
            return proxy.connections

        yield visit, proxy, context, box.password


def test_one_wrong_password_is_tried_less_and_less(visited):
    visit, proxy, context, right = visited
    for expected in (1, 1, 1):
        with pytest.raises(Denied):
            visit("wrong")
        assert proxy.connections == expected
    with pytest.raises(Denied, match="again in 16 minutes"):
        visit("wrong", waits=True)
    assert proxy.connections == 1

    context.now += HOUR_MS // 2
    with pytest.raises(Denied, match="refuses"):
        visit("wrong")
    context.now += HOUR_MS // 2
    with pytest.raises(Denied):
        visit("wrong")
    assert proxy.connections == 2
    context.now += HOUR_MS // 2 + 1
    for _ in range(2):
        with pytest.raises(Denied):
            visit("wrong")
        context.now += HOUR_MS
    assert proxy.connections == 4, "once an hour"
    context.now -= 100 * HOUR_MS
    with pytest.raises(Denied, match="refuses"):
        visit("wrong")

    assert visit(right) == 6
    assert visit(right) == 7
    assert not any(b"wrong" in value for value in context.state.values())


def test_who_only_waits_is_refused_too_and_remembers_nothing(visited):
    visit, _, context, _ = visited
    with pytest.raises(Denied, match="refuses"):
        visit("wrong", waits=True)
    assert context.state == {}
