"""Lines that break in ten ways between us and the real Dovecot: nothing is lost, and every effect happens once."""

from __future__ import annotations

import os
import random

import pytest
from tests.labs.mail.proxy import FAIR, Plan, Proxy
from tests.mail.boxes import Reader, mail_of, personal

from paquebot.errors import Transient
from paquebot_mail.server import Server, Tls
from paquebot_mail.settings import Retire

SOAK = bool(os.environ.get("SOAK"))
MAILS = 300 if SOAK else 40
BREAKS = 12 if SOAK else 4
DAY_MS = 24 * 3_600_000
QUICK = 0.5
"""Seconds without a byte, where the line goes dead without a word."""


def far(dice):
    """Return after how many bytes a line breaks: as often early as late."""
    return int(10 ** dice.uniform(1, 5.5))


MODES = {
    "the last answer is lost": lambda dice: Plan(
        cut_on=dice.choice([b"OK Fetch", b"OK Store", b"OK Expunge", b"OK Logged", b"[UIDNEXT", b"BYE"])
    ),
    "reset": lambda dice: Plan(cut_down=far(dice)),
    "reset on the way up": lambda dice: Plan(cut_up=dice.randint(1, 700)),
    "black hole": lambda dice: Plan(stall_down=far(dice)),
    "seven bytes at a time": lambda dice: Plan(slice=7),
    "garbled": lambda dice: Plan(garble=dice.choice([b"FETCH (UID", b"BEGIN PGP", b" OK ", b"BODY[", b"-ID: <"])),
    "a bit flips": lambda dice: Plan(flip=far(dice)),
    "trickling": lambda dice: Plan(rate=300),
    "cut without a goodbye, encrypted": lambda dice: Plan(end_down=1000 + far(dice)),
    "refused": lambda dice: Plan(refuse=True),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_parcel_has_its_effect_once_however_the_line_breaks(mail_servers, mailbox, tmp_path, mode):
    dice = random.Random(mode)
    parcels = [dice.randbytes(dice.choice([200, 2000, 20_000])) for _ in range(MAILS)] + [dice.randbytes(1_500_000)]
    mails = [*map(mail_of, parcels), *map(personal, range(5))]
    dice.shuffle(mails)
    encrypted = "encrypted" in mode
    with Proxy(mail_servers.imaps if encrypted else mail_servers.imap) as proxy:
        reader = Reader(tmp_path, proxy.port, mailbox.address, mailbox.password, retire=Retire("expunge"))
        if encrypted:
            reader.server = Server("localhost", proxy.port, Tls.IMPLICIT, str(mail_servers.ca))
        broken = 0
        for number in range(BREAKS):  # each time there is something new to be read
            mailbox.receive(*mails[number::BREAKS])
            proxy.plans[:] = [MODES[mode](dice)]
            reader.quiet_s = QUICK if mode in ("black hole", "trickling") else 30
            try:
                reader.run()
            except Transient:
                broken += 1
        before = [mail for mail in mailbox.look() if "dinner" in mail.id]
        mishaps = proxy.mishaps.total()
        proxy.plans[:] = [FAIR]
        reader.quiet_s = 30
        for _ in range(2):
            reader.run()
            reader.context.now += DAY_MS  # if a number was garbled, the daily look finds what was passed by

    assert mishaps >= BREAKS // 2, "lines did break"
    assert broken or mode in ("seven bytes at a time", "garbled", "a bit flips")
    assert sorted(reader.applied) == sorted(parcels)
    assert mailbox.look() == before
    assert not any(mail.flags for mail in before)
