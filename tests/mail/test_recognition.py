"""What bears a peer's tag is known to be a peer's, whatever happened between the look at its header and its coming."""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.test_mail import settings_of
from tests.mail.boxes import NOW_MS, PEER
from tests.mail.test_imap_cuts import CutContext, PowerCut

from paquebot.testing.contract import collect
from paquebot.testing.post import tag_with
from paquebot.transport import Acknowledgement, Arrival, Verdict
from paquebot_mail import MailTransport
from paquebot_mail.form import compose, part_id

KEY = b"between us"
PARCELS = [b"small" * 9, b"large" * 30_000]


def tagged(parcel: bytes, to: str) -> bytes:
    tag = tag_with(KEY)(part_id(parcel).encode())
    return compose(parcel, sender=PEER, recipient=to, date_ms=NOW_MS, tag=tag)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_peers_parcel_is_recognised_also_when_the_power_was_cut_at_any_change(mailbox, tmp_path, after):
    mailbox.receive(*(tagged(parcel, mailbox.address) for parcel in PARCELS))
    settings = settings_of(mailbox, tmp_path)

    async def visit(context: CutContext) -> list[Arrival]:
        async with MailTransport(settings, context) as transport:
            arrivals = [each for each in await collect(transport) if isinstance(each, Arrival)]
            await transport.acknowledge([Acknowledgement(each.key, Verdict.NOT_OURS) for each in arrivals])
            return arrivals

    number, cut = 0, True
    while cut:
        number += 1
        context = CutContext(tmp_path / str(number), keys=[KEY], now=NOW_MS)
        context.left, context.after = number, after
        try:
            asyncio.run(visit(context))
        except PowerCut:
            cut = True
        else:
            cut = False
        context.left, context.epoch = 0, "another"  # what was put off in the first one comes again
        arrivals = asyncio.run(visit(context))
        assert sorted(each.parcel for each in arrivals) == sorted(PARCELS)
        assert all(each.recognised for each in arrivals), number
    assert number > 3
