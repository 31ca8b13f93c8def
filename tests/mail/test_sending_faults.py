"""Sending over lines that break as lines break: every parcel arrives, and none is said to have gone that has not."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.labs.mail.proxy import FAIR, Plan, Proxy
from tests.labs.mail.servers import MailServers
from tests.mail.test_real_submission import ANY, NOW, data, login, mails, outgoing

from paquebot.testing.post import MemoryContext
from paquebot.transport import Stage, Transient
from paquebot_mail.reading import parcel
from paquebot_mail.sending import Sender
from paquebot_mail.server import Server, Tls
from paquebot_mail.session import Patience

MAILS = 300 if os.environ.get("SOAK") else 12
IMPATIENT = Patience(connect=1.5, answer=0.7, upload=0.7, bytes_per_second=1e6, final=0.7)
PASSES_MAX = 400


def down(dice: random.Random) -> int:
    """Return after how many bytes from the server a line breaks: as often early as late. It says little."""
    return int(10 ** dice.uniform(1, 3.6))


def up(dice: random.Random) -> int:
    """Return after how many bytes of ours it breaks."""
    return int(10 ** dice.uniform(1, 5))


MODES: dict[str, Callable[[random.Random], Plan]] = {
    "refused": lambda dice: Plan(refuse=dice.random() < 0.5),
    "reset from the server": lambda dice: Plan(cut_down=down(dice)),
    "reset on the way up": lambda dice: Plan(cut_up=up(dice)),
    "ended without goodbye": lambda dice: Plan(end_down=down(dice)),
    "black hole down": lambda dice: Plan(stall_down=down(dice)),
    "black hole up": lambda dice: Plan(stall_up=up(dice)),
    "seven bytes at a time": lambda _: Plan(slice=7),
    "slow": lambda dice: Plan(delay=dice.uniform(0, 0.01), rate=200_000),
    "changed bytes": lambda dice: Plan(flip=down(dice)),
}


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
@pytest.mark.parametrize("mode", MODES)
def test_all_arrives_and_nothing_is_said_that_is_not_so(mail_servers: MailServers, tmp_path: Path, mode: str, tls: Tls):
    dice = random.Random(f"{mode} {tls}")
    alice, bob = mail_servers.account("a.test"), mail_servers.account("b.test")
    port = mail_servers.smtps if tls is Tls.IMPLICIT else mail_servers.smtp
    context = MemoryContext(tmp_path, now=NOW)
    sizes = {f"{mode} {tls.value} {n}": dice.choice((300, 3_000, 30_000)) for n in range(MAILS)}
    waiting = {each.id: each for each in (outgoing(name, bob.address, size) for name, size in sizes.items())}

    async def once(proxy: Proxy) -> None:
        server = Server("localhost", proxy.port, tls, str(mail_servers.ca))
        by = Sender(alice.address, server, login(alice), context, limits=ANY, patience=IMPATIENT)
        try:
            async for news in by.send(list(waiting.values())):
                if news.stage is Stage.ACCEPTED:
                    del waiting[news.id]
        except Transient as error:
            context.now += (error.retry_after_ms or 0) + 1
        finally:
            await by.close()

    async def story() -> Counter[str]:
        with Proxy(port, *(MODES[mode](dice) for _ in range(max(4, MAILS // 5))), FAIR) as proxy:
            for _ in range(PASSES_MAX):
                if waiting:
                    await once(proxy)
            return proxy.mishaps

    assert asyncio.run(story()).total() >= 1 + MAILS // 100, "lines did break"
    assert not waiting
    found = [brought.data for mail in mails(bob, MAILS) if (brought := parcel(mail))]
    assert set(found) == {data(name, size) for name, size in sizes.items()}


@pytest.mark.parametrize("plan", [Plan(rate=2e6), Plan(stall_up=3_000_000)], ids=["slow", "black hole"])
def test_a_large_mail_is_waited_for_on_a_slow_line_and_not_in_a_black_hole(mail_servers, tmp_path, plan):
    """As on a line of 2 kB/s, a thousand times faster."""
    alice, bob = mail_servers.account("a.test"), mail_servers.account("b.test")
    patience = Patience(upload=2, bytes_per_second=1_000 * Patience().bytes_per_second, final=4)
    large = outgoing("large", bob.address, 8 << 20)

    async def story() -> bool:
        with Proxy(mail_servers.smtps, plan) as proxy:
            server = Server("localhost", proxy.port, Tls.IMPLICIT, str(mail_servers.ca))
            by = Sender(alice.address, server, login(alice), MemoryContext(tmp_path), limits=ANY, patience=patience)
            async for news in by.send([large]):
                await by.close()
                return news.stage is Stage.ACCEPTED
        return False

    begun = time.monotonic()
    assert asyncio.run(story()) is (plan.rate > 0)
    assert plan.rate or time.monotonic() - begun < 25, "sooner than the slowest line would take"
