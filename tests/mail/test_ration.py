"""An account whose bytes are counted: what comes is within the day's ration, whatever servers say and lines do."""

from __future__ import annotations

import asyncio
import random
import re
import tracemalloc
from collections import deque
from pathlib import Path

import pytest
from tests.labs.mail.imapd import Box, ScriptedImap
from tests.labs.mail.proxy import Plan, Proxy
from tests.mail.boxes import PEER, Reader, mail_of, personal

from paquebot.errors import Transient
from paquebot.testing.post import MemoryContext, tag_with
from paquebot.transport import Acknowledgement, Arrival, Finding, Verdict
from paquebot_mail import MailSettings, MailTransport
from paquebot_mail.form import compose, part_id
from paquebot_mail.imap import Lost
from paquebot_mail.mailbox import RATIONED
from paquebot_mail.settings import LimitsTable, ServerTable

HOUR_MS = 3_600_000
RATION = 200_000
KEY = b"between us"
STRANGER = "mallory@c.test"
CONNECTING = 3_500
"""What a visit costs besides: the certificate, the greeting, logging in, folders."""
TLS = 1.01
"""What it adds to each byte: 22 bytes to each record, which may be short."""


class Thin:
    """A node with a thin mailbox, which is visited through *proxy*."""

    def __init__(self, box, proxy: Proxy, place: Path):
        secret = place / "secret"
        secret.write_text(box.password)
        secret.chmod(0o600)
        self.settings = MailSettings(
            box.address,
            imap=ServerTable("localhost", proxy.port),
            smtp=ServerTable("localhost", box.servers.smtps),
            ca_file=str(box.servers.ca),
            password_file=str(secret),
            limits=LimitsTable(message="30 kB", bytes_per_day=RATION),
        )
        self.box, self.proxy = box, proxy
        self.context = MemoryContext(place / "state", keys=[KEY], now=1_796_000_000_000)
        self.parcels: list[bytes] = []
        self.notes: list[str] = []
        self.downs: deque[int] = deque([0] * 24, 24)
        """What came on the line in each of the last visits, besides `CONNECTING`."""

    def visit(self):
        """Take in what comes; an hour later it is over."""
        before = self.proxy.down

        async def story():
            async with MailTransport(self.settings, self.context) as transport:
                try:
                    async for item in transport.collect():
                        match item:
                            case Arrival(parcel, key):
                                self.parcels.append(parcel)
                                await transport.acknowledge([Acknowledgement(key, Verdict.TAKEN)])
                            case Finding():
                                assert not item.damage
                                self.notes.append(item.reason)
                except Transient:
                    pass
                return transport.standing()

        standing = asyncio.run(story())
        self.downs.append(max(0, int((self.proxy.down - before - CONNECTING) / TLS)))
        assert sum(self.downs) <= RATION
        self.context.now += HOUR_MS
        return standing


@pytest.fixture
def thin(mailbox, tmp_path):
    with Proxy(mailbox.servers.imaps) as proxy:
        yield Thin(mailbox, proxy, tmp_path)


def tagged(parcel: bytes, box) -> bytes:
    tag = tag_with(KEY)(part_id(parcel).encode())
    return compose(parcel, sender=PEER, recipient=box.address, date_ms=1_796_000_000_000, tag=tag)


def test_what_comes_is_within_the_days_ration_and_goes_on_the_next_day(thin):
    dice = random.Random(1)
    parcels = [dice.randbytes(size) for size in [15_000] * 12 + [220_000] + [15_000] * 3]
    for number, parcel in enumerate(parcels):
        thin.box.receive(tagged(parcel, thin.box), personal(number))
    thin.visit()
    assert 100_000 < thin.downs[-1] <= RATION * 3 // 4, "the rest is for sending"
    assert RATIONED in thin.notes
    ration, waits = thin.visit()
    assert ration.detail.endswith("came")
    assert re.fullmatch(r"10 mails of \d\d\d kB, left in the mailbox until there is more to spend", waits.detail)
    for _ in range(24 * 6):
        thin.visit()
        if len(thin.parcels) == len(parcels):
            break
    assert sorted(thin.parcels) == sorted(parcels)
    thin.notes.clear()
    for _ in range(3):
        assert [each.what for each in thin.visit()] == ["ration"]
    assert (thin.notes, thin.downs[-1]) == ([], 0)


def test_strangers_and_other_mail_leave_most_of_the_ration_to_peers(thin):
    dice = random.Random(2)
    thin.box.receive(*(personal(number) for number in range(150)))
    for _ in range(30):
        thin.box.receive(mail_of(dice.randbytes(40_000), sender=STRANGER, recipient=thin.box.address))
    parcels = [dice.randbytes(15_000) for _ in range(3)]
    thin.box.receive(*(tagged(each, thin.box) for each in parcels))
    for _ in range(24):
        thin.visit()
    assert set(parcels) <= set(thin.parcels)
    thin.box.receive(tagged(b"later", thin.box))
    thin.visit()
    assert b"later" in thin.parcels


@pytest.mark.parametrize("seed", range(4))
def test_lines_that_break_cost_no_more_than_the_ration(thin, seed):
    dice = random.Random(seed)
    parcels = [dice.randbytes(dice.choice([500, 15_000, 60_000])) for _ in range(10)]
    thin.box.receive(*(tagged(each, thin.box) for each in parcels))
    for turn in range(24 * 8):
        fair = turn > 24 * 3 or dice.random() < 0.3
        thin.proxy.plans = [Plan() if fair else Plan(cut_down=dice.randint(6_000, 90_000))]
        thin.visit()
        if len(thin.parcels) >= len(parcels):
            break
    assert sorted(set(thin.parcels)) == sorted(parcels)
    assert len(thin.parcels) == len(parcels)


# -- servers that lie ----------------------------------------------------------------------------


def strangers(place: Path, server: Proxy) -> Reader:
    """One who lets strangers send 64 kB."""
    return Reader(place, server.port, peers={STRANGER}, most=64 << 10)


def peak(reader: Reader) -> int:
    """Return how much memory a visit takes."""
    reader.run()
    tracemalloc.start()
    try:
        reader.run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_mails_that_are_larger_than_the_server_says_fill_no_memory(tmp_path):
    box = Box()
    with ScriptedImap({"INBOX": box}) as server, Proxy(server.port) as proxy:
        reader = strangers(tmp_path, proxy)
        reader.run()
        box.add(*(mail_of(bytes([number]) * 700_000, sender=STRANGER) for number in range(60)))
        for item in box.items:
            item.size = 1_000
        before = proxy.down
        assert peak(reader) < 4 << 20
        assert proxy.down - before < 60 * (68 << 10)
        reader.run()
    assert reader.came == []
    assert {each.damage for each in reader.findings} == {False}


def test_a_server_that_gives_more_than_was_asked_for_is_hung_up_on(tmp_path):
    box = Box()

    def everything(verb, argument, session):
        if verb == "UID FETCH" and "BODY.PEEK[]" in argument:
            return [b"* 1 FETCH (UID 1 BODY[]<0> {50000000}\r\n" + b"x" * 50_000_000 + b")", b"T OK done"]
        return None

    with ScriptedImap({"INBOX": box}, rules=everything) as server, Proxy(server.port) as proxy:
        reader = strangers(tmp_path, proxy)
        reader.run()
        box.add(mail_of(b"small", sender=STRANGER))
        with pytest.raises(Lost, match="more than was asked for"):
            reader.run()
        assert proxy.down < 12 << 20, "what was under way is all that can come"
