"""Fetching mail from a real Dovecot on this machine, with and without a long way between, beside imaplib and mbsync.

``python -m tests.bench.mail_fetching ours|imaplib PORT ADDRESS PASSWORD FOLDER`` is one client; it prints what it
used.
"""

from __future__ import annotations

import asyncio
import imaplib
import importlib
import json
import random
import resource
import shutil
import smtplib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.table import Table
from tests.labs.mail.proxy import Plan, Proxy
from tests.labs.mail.servers import Mailbox, MailServers, missing

PEER = "node@b.test"
ROUND_TRIP_MS = 50
WORKS = (("4 KiB", 1_000, 2_900, 80), ("5.5 MiB", 20, 4 << 20, 80), ("10 MiB", 20, 7_600_000, 90))
"""Mails of what size, how many, of parcels of how many bytes, in how many MiB: the middle ones are the largest that
are made unless somebody asks for larger ones."""
HEADERS = 10_000
PASSES = 5


@dataclass(frozen=True)
class Fetched:
    """What one client took, after it had been loaded."""

    mails: int
    cpu: float
    wall: float
    peak: float
    """MiB."""


def measure(table: Table) -> None:
    """Fetch 1,000 small mails and 20 large ones by each client, near and far; then nothing; then headers alone."""
    if missing():
        table.not_reached("mail: fetching (no dovecot here)", "s")
        return
    with MailServers(mta=False) as servers:
        for name, count, size, bound in WORKS:
            mailbox = _filled(servers, "ours", count, size)
            for delay, where in ((0, "near"), (ROUND_TRIP_MS / 2000, f"{ROUND_TRIP_MS} ms away")):
                with Proxy(servers.imap, Plan(delay=delay)) as proxy:
                    work = f"mail: fetch {count:,} of {name}, {where}"
                    _compare(table, work, proxy.port, mailbox, count, bound)
        _passes(table, servers)


def _compare(table: Table, name: str, port: int, mailbox: Mailbox, count: int, bound: float) -> None:
    ours = _client("ours", port, mailbox, table.folder)
    sync = _mbsync(port, mailbox, table.folder, count)
    assert ours.mails == count
    table.row(f"{name}: wall", ours.wall, "s", peer="mbsync", peer_value=sync and sync.wall)
    table.row(f"{name}: CPU", ours.cpu, "s", peer="mbsync", peer_value=sync and sync.cpu)
    std = None
    if "near" in name or count < 100:  # far away it takes a round trip for each mail
        std = _client("imaplib", port, mailbox, table.folder)
        assert std.mails == count
        table.row(f"{name}: wall, beside imaplib", ours.wall, "s", peer="imaplib", peer_value=std.wall)
    table.row(f"{name}: peak memory", ours.peak, "MiB", bound=bound, peer="imaplib", peer_value=std and std.peak)


def _passes(table: Table, servers: MailServers) -> None:
    """Measure a visit that finds nothing, and one that sees ten thousand headers of other people's mail."""
    mailbox = _filled(servers, "theirs", HEADERS, 0)
    scan = _client("ours", servers.imap, mailbox, table.folder)
    table.row(f"mail: header scan of {HEADERS:,} mails: wall", scan.wall, "s", target=1, bound=2)
    empty = min(
        (_client("again", servers.imap, mailbox, table.folder) for _ in range(PASSES)), key=lambda used: used.wall
    )
    table.row("mail: a visit with nothing new: wall", empty.wall, "s", target=0.05, bound=0.2)
    table.row("mail: a visit with nothing new: CPU", empty.cpu, "s", target=0.02, bound=0.1)


def _filled(servers: MailServers, what: str, count: int, size: int) -> Mailbox:
    """Return a mailbox that holds so many mails; a process of its own makes them, so that this one stays small."""
    mailbox = servers.account()
    command = [sys.executable, "-m", "tests.bench.mail_fetching", "fill", str(servers.lmtp), mailbox.address]
    subprocess.run([*command, what, str(count), str(size)], check=True)
    return mailbox


def fill(port: int, address: str, what: str, count: int, size: int) -> None:
    """Deliver mails of ours, or other people's."""
    from paquebot_mail.form import compose

    with smtplib.LMTP("127.0.0.1", port) as line:
        for number in range(count):
            mail = _foreign(number)
            if what == "ours":
                parcel = random.Random(number).randbytes(size)
                mail = compose(parcel, sender=PEER, recipient=address, date_ms=1_795_000_000_000)
            line.sendmail(PEER, [address], mail)


def _foreign(number: int) -> bytes:
    return (
        f"From: Friend <friend{number % 50}@c.test>\r\nTo: me@a.test\r\nSubject: dinner {number}\r\n"
        f'Message-ID: <{number}.dinner@c.test>\r\nContent-Type: text/plain; charset="utf-8"\r\n\r\n{"word " * 200}\r\n'
    ).encode()


def _client(kind: str, port: int, mailbox: Mailbox, folder: Path) -> Fetched:
    place = folder / "mail" / f"{kind}-{time.monotonic_ns()}" if kind != "again" else folder / "mail" / "again"
    command = [sys.executable, "-m", "tests.bench.mail_fetching", kind, str(port), mailbox.address, mailbox.password]
    said = subprocess.run([*command, str(place)], capture_output=True, text=True, check=True).stdout
    return Fetched(**json.loads(said))


def _mbsync(port: int, mailbox: Mailbox, folder: Path, count: int) -> Fetched | None:
    if shutil.which("mbsync") is None:
        return None
    place = folder / "mail" / f"mbsync-{time.monotonic_ns()}"
    place.mkdir(parents=True)
    secret = place / "secret"
    secret.write_text(mailbox.password)
    (place / "rc").write_text(
        f"FSync no\nIMAPAccount a\nHost 127.0.0.1\nPort {port}\nUser {mailbox.address}\nPassCmd \"cat '{secret}'\"\n"
        "SSLType None\nAuthMechs LOGIN\nPipelineDepth 50\n\nIMAPStore far\nAccount a\n\nMaildirStore near\n"
        f"Path {place}/\nInbox {place}/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\n"
        "Patterns INBOX\nCreate Near\nSync Pull New\nSyncState *\n"
    )
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(["mbsync", "-q", "-c", str(place / "rc"), "c"], check=True, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len([*place.glob("INBOX/new/*"), *place.glob("INBOX/cur/*")]) == count
    shutil.rmtree(place)
    return Fetched(count, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, 0)


# -- the clients ----------------------------------------------------------------------------------


async def ours(port: int, address: str, password: str, place: Path) -> int:
    """Take in everything, holding and acknowledging each parcel."""
    from paquebot.testing.post import MemoryContext
    from paquebot.transport import Acknowledgement, Verdict
    from paquebot_mail.mailbox import Brought, Mailbox
    from paquebot_mail.reading import MAIL_BYTES_MAX
    from paquebot_mail.server import Login, Server, Tls

    async def secret() -> str:
        return password

    context = MemoryContext(place, now=1_795_000_000_000)
    kept = place / "state.json"
    if kept.exists():
        context.state = {key: bytes.fromhex(value) for key, value in json.loads(kept.read_text()).items()}
    found = 0
    server, login = Server("127.0.0.1", port, Tls.NONE), Login(address, secret)
    async with Mailbox(
        address, server, login, context, wants=lambda heading, size: MAIL_BYTES_MAX * (heading.sender == PEER)
    ) as mailbox:
        async for news in mailbox.look():
            if isinstance(news, Brought):
                found += 1
                mailbox.settle([Acknowledgement(news.part, Verdict.TAKEN)])
            del news
    if place.name == "again":
        kept.write_text(json.dumps({key: value.hex() for key, value in context.state.items()}))
    return found


def standard(port: int, address: str, password: str) -> int:
    """Fetch everything with the standard library, one by one."""
    found = 0
    with imaplib.IMAP4("127.0.0.1", port) as program:
        program.authenticate("PLAIN", lambda _: f"\0{address}\0{password}".encode())
        program.select("INBOX", readonly=True)
        _, (uids,) = program.uid("search", "ALL")
        for uid in uids.split():
            _, answer = program.uid("fetch", uid.decode(), "(UID BODY.PEEK[])")
            found += isinstance(answer[0], tuple)
    return found


def _run(kind: str, port: int, address: str, password: str, place: Path) -> Fetched:
    for each in ("paquebot.testing.post", "paquebot_mail.mailbox"):
        importlib.import_module(each)  # that is another matter
    place.mkdir(parents=True, exist_ok=True)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    if kind == "imaplib":
        mails = standard(port, address, password)
    else:
        mails = asyncio.run(ours(port, address, password, place))
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Fetched(mails, cpu, wall, after.ru_maxrss / 1024)


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        _, _, port, address, what, count, size = sys.argv
        fill(int(port), address, what, int(count), int(size))
        sys.exit()
    _, kind, port, address, password, place = sys.argv
    print(json.dumps(_run(kind, int(port), address, password, Path(place)).__dict__))
