"""Handing mails to a real Postfix over TLS: our sender beside smtplib and msmtp, each in a process of its own.

Making the mails is not counted. At 50 ms of round trip every client that speaks
one command at a time takes four of them for a mail, and providers allow fewer mails than that.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from tests.bench.runs import Used, run
from tests.bench.table import Table
from tests.labs.mail.proxy import Plan, Proxy
from tests.labs.mail.servers import MailServers, missing

ROOT = Path(__file__).parents[2]
SMALL, LARGE = 2_900, 7_600_000  # of a parcel: mails of 4 KiB and 10 MiB
NOW = 1_796_000_000_000
TIMES = 1.5
"""What we may take of what the fastest client takes."""
PEAK_MIB = 80
POLITE = 20  # some servers put off what comes on one connection beyond that
MSMTP_COUNT = 20  # a process for each mail
WORKS = (("4 KiB", SMALL, 0, 1_000), ("4 KiB", SMALL, 50, 20), ("10 MiB", LARGE, 0, 20), ("10 MiB", LARGE, 50, 3))
"""What, its bytes, the round trip in milliseconds, and how many."""


def measure(table: Table) -> None:
    """Measure all works; without mail servers, none."""
    if missing():
        for what, _, trip, count in WORKS:
            table.not_reached(_name(what, trip, count), "s")
        return
    with MailServers(size_max=30_000_000) as servers:
        plan = table.folder / "mail.json"
        for what, size, trip, count in WORKS:
            with Proxy(servers.smtps, Plan(delay=trip / 2000)) as proxy:
                alice, bob = servers.account("a.test"), servers.account("b.test")
                task = {
                    "port": proxy.port if trip else servers.smtps,
                    "ca": str(servers.ca),
                    "user": alice.address,
                    "password": alice.password,
                    "to": bob.address,
                    "size": size,
                    "count": count,
                }
                plan.write_text(json.dumps(task))
                _measure(table, _name(what, trip, count), plan, count)
                _empty(servers)


def _name(what: str, trip: int, count: int) -> str:
    return f"submission of {count:,} mails of {what}, {trip} ms round trip"


def _measure(table: Table, name: str, plan: Path, count: int) -> None:
    before = _used("nothing", plan).wall
    ours, theirs = (
        min((_used(who, plan) for _ in range(2)), key=lambda used: used.wall) for who in ("ours", "smtplib")
    )
    fastest = theirs.wall - before
    table.row(name, ours.wall - before, "s", bound=TIMES * fastest, peer="smtplib", peer_value=fastest)
    table.row("  of which processor", ours.cpu, "s", peer="smtplib", peer_value=theirs.cpu)
    table.row("  memory", ours.peak / 1024, "MiB", bound=PEAK_MIB, peer="smtplib", peer_value=theirs.peak / 1024)
    if shutil.which("msmtp"):
        some = json.loads(plan.read_text()) | {"count": min(count, MSMTP_COUNT)}
        other = plan.with_name("some.json")
        other.write_text(json.dumps(some))
        each = (_used("msmtp", other).wall - before) / some["count"]
        table.row("  each mail", 1000 * (ours.wall - before) / count, "ms", peer="msmtp", peer_value=1000 * each)


def _used(client: str, plan: Path) -> Used:
    return run([sys.executable, "-m", "tests.bench.mail_sending", client, plan], within=ROOT)


def _empty(servers: MailServers) -> None:
    """Wait until all is delivered, and forget it."""
    spool = servers.root / "postfix/spool"
    end = time.monotonic() + 60
    while any(file.is_file() for name in ("incoming", "active") for file in (spool / name).rglob("*")):
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    shutil.rmtree(servers.root / "mail", ignore_errors=True)


# -- in a process of its own -----------------------------------------------------------------------


def parcels(task: dict) -> Iterator[bytes]:
    """Make what is to be sent, one at a time, each another."""
    dice = Random(1)
    for _ in range(task["count"]):
        yield dice.randbytes(task["size"])


def mails(task: dict) -> Iterator[bytes]:
    """Yield the mails that other clients are given."""
    from paquebot_mail.form import compose

    for parcel in parcels(task):
        yield compose(parcel, sender=task["user"], recipient=task["to"], date_ms=NOW)


def by_nothing(task: dict) -> None:
    """Do all but send."""
    for _ in mails(task):
        pass


def by_smtplib(task: dict) -> None:
    """Send as a program of the standard library would that is as polite: twenty mails to a connection."""
    context = ssl.create_default_context(cafile=task["ca"])
    source = mails(task)
    for _ in range(0, task["count"], POLITE):
        with smtplib.SMTP_SSL("localhost", task["port"], context=context, timeout=120) as line:
            line.login(task["user"], task["password"])
            for mail in islice(source, POLITE):
                line.sendmail(task["user"], [task["to"]], mail)


def by_msmtp(task: dict) -> None:
    """Send as a script would."""
    words = ["msmtp", "--host=localhost", f"--port={task['port']}", "--tls=on", "--tls-starttls=off", "--auth=plain"]
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "secret"
        secret.write_text(task["password"])
        words += [f"--tls-trust-file={task['ca']}", f"--user={task['user']}", f"--passwordeval=cat {secret}"]
        for mail in mails(task):
            subprocess.run([*words, f"--from={task['user']}", task["to"]], input=mail, check=True)


def by_ours(task: dict) -> None:
    """Send as the transport does."""
    from paquebot.testing.post import MemoryContext
    from paquebot.transport import Outgoing, Recipient, Stage
    from paquebot_mail.pace import Limits
    from paquebot_mail.sending import Sender
    from paquebot_mail.server import Login, Server

    async def secret() -> str:
        return task["password"]

    source = parcels(task)

    async def body() -> bytes:
        return next(source)

    to = (Recipient(lambda salt: salt[:8], bytes(16), task["to"]),)
    batch = [Outgoing(number.to_bytes(16, "big"), task["size"], body, to, NOW + 1) for number in range(task["count"])]

    async def send(folder: str) -> None:
        context = MemoryContext(Path(folder), now=NOW)
        server = Server("localhost", task["port"], ca_file=task["ca"])
        limits = Limits(per_minute=None, per_day=None, mail_bytes_max=30_000_000)
        sender = Sender(task["user"], server, Login(task["user"], secret), context, limits=limits)
        async for handover in sender.send(batch):
            assert handover.stage is Stage.ACCEPTED, handover
        await sender.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(send(folder))


CLIENTS = {"nothing": by_nothing, "smtplib": by_smtplib, "msmtp": by_msmtp, "ours": by_ours}

if __name__ == "__main__":
    CLIENTS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
