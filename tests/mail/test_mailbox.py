"""Receiving by mail, from a mailbox that a person uses too: the real Dovecot."""

from __future__ import annotations

import asyncio
import os
import random
import tracemalloc
from contextlib import aclosing

import pytest
from tests.labs.mail.imapd import Box, ScriptedImap
from tests.labs.mail.proxy import Plan, Proxy
from tests.mail.boxes import PEER, Reader, mail_of, personal

from paquebot.transport import Acknowledgement, Verdict
from paquebot_mail.download import PIECE_FIRST
from paquebot_mail.imap import Imap, Lost
from paquebot_mail.ledger import IN_STATE_MAX
from paquebot_mail.mailbox import JUNK_EVERY_MS
from paquebot_mail.meter import Meter
from paquebot_mail.reading import heading, may_concern
from paquebot_mail.settings import Retire
from paquebot_mail.standing import QuotaMemory

DAY_MS = 24 * 3_600_000
PARCELS = [b"parcel %d" % number * (number + 1) for number in range(5)]


@pytest.fixture
def reader(mailbox, tmp_path):
    return Reader(tmp_path, mailbox.servers.imap, mailbox.address, mailbox.password)


def untouched(mailbox, before, folder="INBOX"):
    """Return whether the person's mails in *before* are all there, as they were."""
    after = {mail.id: mail.flags for mail in mailbox.look(folder)}
    return all(after.get(mail.id) == mail.flags for mail in before if "dinner" in mail.id)


def test_what_came_is_taken_once_and_a_persons_mail_is_not_touched(mailbox, reader):
    mailbox.receive(personal(1), *map(mail_of, PARCELS), personal(2))
    before = mailbox.look()

    assert reader.run() == 5
    assert reader.applied == PARCELS
    assert {each.sender for each in reader.came} == {PEER}
    assert reader.run() == 0

    assert mailbox.look() == before
    with mailbox.person() as person:  # not even what is recent has changed
        person.select("INBOX")
        assert person.recent()[1] == [b"7"]


def test_what_is_not_acknowledged_comes_back_without_being_fetched_again(mailbox, reader):
    mailbox.receive(*map(mail_of, PARCELS), mail_of(os.urandom(IN_STATE_MAX + 1)))
    reader.decide = lambda brought: None

    with Proxy(mailbox.servers.imap) as proxy:
        reader.port = proxy.port
        assert reader.run() == 6
        first = proxy.down
        assert reader.run() == 6
        assert proxy.down - first < 3000
    reader.port = mailbox.servers.imap
    reader.decide = lambda brought: Verdict.TAKEN
    assert reader.run() == 6
    assert reader.run() == 0
    assert not list(reader.place.rglob("*.parcel"))


def test_a_parcel_that_the_disk_lost_is_fetched_again(mailbox, reader):
    mailbox.receive(mail_of(body := os.urandom(IN_STATE_MAX + 1)))
    reader.decide = lambda brought: None
    reader.run()
    for file in reader.place.rglob("*.parcel"):
        file.write_bytes(b"what the disk made of it")

    reader.decide = lambda brought: Verdict.TAKEN
    assert reader.run() == 1
    assert reader.applied == [body]


def test_a_refused_one_is_left_where_it_is_and_not_shown_again(mailbox, reader):
    mailbox.receive(mail_of(PARCELS[0]), mail_of(PARCELS[1]))
    reader.retire = Retire("expunge")
    reader.decide = lambda brought: Verdict.REFUSED if brought.parcel == PARCELS[0] else Verdict.TAKEN
    assert reader.run() == 2

    assert reader.run() == 0
    mailbox.renumber()
    assert reader.run() == 0
    assert len(mailbox.look()) == 1


def test_what_none_of_our_keys_opens_is_tried_again_when_there_may_be_another(mailbox, reader):
    mailbox.receive(mail_of(PARCELS[0]))
    reader.decide = lambda brought: Verdict.NOT_OURS
    assert reader.run() == 1
    assert reader.run() == 0

    reader.context.epoch = "1"
    reader.decide = lambda brought: Verdict.TAKEN
    assert reader.run() == 1
    reader.context.epoch = "2"
    assert reader.run() == 0


def test_strangers_mails_are_not_downloaded_until_we_know_them(mailbox, reader):
    mailbox.receive(mail_of(body := os.urandom(200_000)))
    reader.peers.clear()
    with Proxy(mailbox.servers.imap) as proxy:
        reader.port = proxy.port
        assert reader.run() == 0
        assert proxy.down < 10_000

    reader.port = mailbox.servers.imap
    reader.peers.add(PEER)
    assert reader.run() == 0  # the house says when it is worth a look
    reader.context.epoch = "1"
    assert reader.run() == 1
    assert reader.applied == [body]


@pytest.mark.parametrize("legally", [True, False], ids=["another UIDVALIDITY", "the same, if in the same second"])
def test_when_a_folder_is_numbered_anew_nothing_known_is_fetched_and_nothing_missed(mailbox, reader, legally):
    mailbox.receive(personal(1), *map(mail_of, PARCELS[:3]))
    reader.run()
    with mailbox.person() as person:
        person.select("INBOX")
        person.uid("store", "1,2", "+FLAGS", "(\\Deleted)")
        person.expunge()
    mailbox.renumber(legally=legally)
    mailbox.receive(mail_of(PARCELS[1]), mail_of(PARCELS[3]))

    # By bad luck the numbers are the same too, and go on where they ended: then the daily look finds it.
    found = reader.run()
    if not legally:
        reader.context.now += DAY_MS
        found += reader.run()
    assert found == 1
    assert reader.applied == PARCELS[:4]


def test_a_parcel_that_came_is_not_lost_with_the_numbers(mailbox, reader):
    mailbox.receive(*map(mail_of, PARCELS))
    reader.decide = lambda brought: None
    assert reader.run() == 5
    mailbox.renumber()
    with mailbox.person() as person:
        person.select("INBOX")
        person.uid("store", "1:*", "+FLAGS", "(\\Deleted)")
        person.expunge()

    reader.decide = lambda brought: Verdict.TAKEN
    assert reader.run() == 5


def test_many_small_ones_come_in_batches(mailbox, reader):
    parcels = [random.Random(number).randbytes(3000) for number in range(1200)]
    mailbox.receive(*map(mail_of, parcels))
    with Proxy(mailbox.servers.imap) as proxy:
        reader.port = proxy.port
        assert reader.run() == 1200
    assert reader.applied == parcels
    assert reader.context.changes < 1200 + 60  # acknowledging one by one, and a few for the rest


def test_a_large_one_goes_on_where_the_line_ended(mailbox, reader):
    mailbox.receive(mail_of(body := os.urandom(6 << 20)))
    # Ended, and not reset: after a reset it is a matter of luck how much of what was sent is ever read.
    with Proxy(mailbox.servers.imap, Plan(end_down=3 << 20), Plan(end_down=3 << 20), Plan()) as proxy:
        reader.port = proxy.port
        for _ in range(2):
            with pytest.raises(Lost):
                reader.run()
        assert reader.run() == 1
        assert proxy.down < 11 << 20  # 8.4 MiB of mail, and twice a piece that was not whole
    assert reader.applied == [body]
    assert not list(reader.place.rglob("*.coming"))


def test_pieces_that_came_are_kept_however_late_they_are_read(mailbox, reader, monkeypatch):
    """On a busy machine several pieces, and the end of the line, are read at once."""
    mailbox.receive(mail_of(os.urandom(2 << 20)))
    read, lost, late = Imap.data_received, Imap.connection_lost, bytearray()

    def later(imap, data):
        late.extend(data)
        if len(late) < PIECE_FIRST:
            read(imap, bytes(late))
            late.clear()

    def at_once(imap, error):
        read(imap, bytes(late))
        lost(imap, error)

    monkeypatch.setattr(Imap, "data_received", later)
    monkeypatch.setattr(Imap, "connection_lost", at_once)
    with Proxy(mailbox.servers.imap, Plan(end_down=4 * PIECE_FIRST)) as proxy:
        reader.port = proxy.port
        with pytest.raises(Lost):
            reader.run()
    (coming,) = reader.place.rglob("*.coming")
    assert coming.stat().st_size == 3 * PIECE_FIRST


def test_retired_are_only_mails_of_what_was_applied_and_when_it_is_time(mailbox, reader):
    mailbox.receive(personal(1), *map(mail_of, PARCELS), personal(2))
    with mailbox.person() as person:
        person.select("INBOX")
        person.uid("store", "1", "+FLAGS", "(\\Deleted)")
    before = mailbox.look()
    reader.retire = Retire("expunge", after_ms=DAY_MS)
    reader.decide = lambda brought: None if brought.parcel == PARCELS[2] else Verdict.TAKEN
    reader.run()
    assert mailbox.look() == before

    reader.context.now += DAY_MS
    reader.run()
    assert len(mailbox.look()) == 3
    assert untouched(mailbox, before)
    reader.decide = lambda brought: Verdict.TAKEN
    reader.run()
    reader.context.now += DAY_MS
    reader.run()
    assert [mail.id for mail in mailbox.look()] == ["<dinner-1@c.test>", "<dinner-2@c.test>"]
    assert mailbox.look()[0].flags == {"\\Deleted"}


@pytest.mark.parametrize("when", ["before", "with it", "afterwards"])
def test_a_mail_that_only_says_that_it_brings_what_was_applied_stays(mailbox, reader, when):
    reader.retire = Retire("expunge")
    true = mail_of(PARCELS[0])
    head, _, _ = true.partition(b"Content-Type")
    lie = head + b"Content-Type: text/plain\r\n\r\nDear me, this is a letter, and the only one.\r\n"
    verdicts = iter([Verdict.NOT_OURS] if when == "before" else [])
    reader.decide = lambda brought: next(verdicts, Verdict.TAKEN)
    for mails in {"before": [[lie], [true]], "with it": [[true, lie, true]], "afterwards": [[true], [lie]]}[when]:
        mailbox.receive(*mails)
        reader.run()
        reader.context.epoch += "1"
    for _ in range(3):
        reader.run()
        reader.context.now += DAY_MS
    assert reader.applied == [PARCELS[0]]
    (left,) = mailbox.look()
    assert left.flags in ((), frozenset(), set(), []), left
    assert len(reader.findings) == 1


def test_copies_of_what_was_applied_are_put_away_once_they_were_read(mailbox, reader):
    reader.retire = Retire("expunge")
    mailbox.receive(mail_of(PARCELS[0]), mail_of(PARCELS[0]))
    reader.run()
    mailbox.receive(mail_of(PARCELS[0]))
    reader.run()
    reader.run()
    assert reader.applied == [PARCELS[0]]
    assert mailbox.look() == []


def test_retired_ones_may_be_moved_into_a_folder_that_is_made(mailbox, reader):
    mailbox.receive(personal(1), *map(mail_of, PARCELS))
    before = mailbox.look()
    reader.retire = Retire("move", "Node/Gone & done")
    reader.run()

    assert [mail.id for mail in mailbox.look()] == ["<dinner-1@c.test>"]
    assert untouched(mailbox, before)
    assert len(mailbox.look("Node/Gone &- done")) == 5


def test_a_folder_of_our_own_may_lie_in_another_and_acknowledging_needs_no_line(mailbox, reader):
    mailbox.receive(mail_of(PARCELS[0]))
    with mailbox.person() as person:
        person.create("Node/In")
        person.select("INBOX")
        person.uid("move", "1", "Node/In")
    reader.options["folder"] = "Node/In"
    reader.retire = Retire("expunge")
    reader.decide = lambda brought: None
    assert reader.run() == 1
    (brought,) = reader.came
    reader.mailbox().settle([Acknowledgement(brought.part, Verdict.TAKEN)])

    assert reader.run() == 0
    assert mailbox.look("Node/In") == []


def test_a_mail_that_is_another_one_now_is_neither_read_nor_retired(mailbox, reader):
    """The worst of servers: other mails under the same numbers, and no word of it."""
    mailbox.receive(*map(mail_of, PARCELS))
    reader.retire = Retire("expunge", after_ms=DAY_MS)
    reader.run()
    with mailbox.person() as person:
        person.select("INBOX")
        person.uid("store", "1:*", "+FLAGS", "(\\Deleted)")
        person.expunge()
    mailbox.receive(*map(personal, range(5)))
    rows = {key: value for key, value in reader.context.items("imap/") if "/row/" in key}
    for key, value in rows.items():  # what we remember of 1 to 5 is said of 6 to 10
        number = int(key[-10:])
        reader.context.update({key: None, f"{key[:-10]}{number + 5:010}": value})
    before = mailbox.look()

    reader.context.now += DAY_MS // 2
    reader.run()
    reader.context.now += DAY_MS
    reader.run()
    assert mailbox.look() == before


def test_spam_is_looked_into_from_time_to_time_and_told_of(mailbox, reader):
    mailbox.receive(mail_of(PARCELS[0]), personal(1))
    with mailbox.person() as person:
        person.select("INBOX")
        person.uid("move", "1:2", "Spam")

    assert reader.run() == 0
    assert [finding.reason for finding in reader.findings] == ["mails of peers that are taken for spam: 1"]
    reader.options["rescue_junk"] = True
    assert reader.run() == 0  # not again so soon


def test_what_was_taken_for_spam_is_rescued_if_asked(mailbox, reader):
    mailbox.receive(mail_of(PARCELS[0]), personal(1))
    with mailbox.person() as person:
        person.select("INBOX")
        person.uid("move", "1:2", "Spam")
    reader.options["rescue_junk"] = True

    assert reader.run() == 1
    assert reader.applied == PARCELS[:1]
    assert len(mailbox.look()) == 1
    assert [mail.id for mail in mailbox.look("Spam")] == ["<dinner-1@c.test>"]
    reader.context.now += JUNK_EVERY_MS
    assert reader.run() == 0


def test_a_report_is_read_only_as_far_as_needed_and_told_once(mailbox, reader):
    report = (
        b"From: MAILER-DAEMON@a.test\r\nMessage-ID: <report@a.test>\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" + b"x" * 100_000
    )
    mailbox.receive(report)
    reader.run()
    reader.run()
    mailbox.renumber()
    reader.run()

    assert len(reader.reports) == 1
    assert 10_000 < len(reader.reports[0]) <= 16 << 10


def test_it_is_remembered_that_nothing_more_can_be_put_anywhere(tmp_path):
    full = [b"T NO [OVERQUOTA] no room"]
    with ScriptedImap(rules=lambda verb, *_: full if verb == "UID MOVE" and full else None) as server:
        server.boxes |= {"Done": Box()}
        reader = Reader(tmp_path, server.port, retire=Retire("move", "Done"))
        memory = QuotaMemory(reader.context, reader.address)
        server.boxes["INBOX"].add(mail_of(PARCELS[0]))
        reader.run()
        (check,) = memory.refused()
        assert (check.state, "no room" in check.detail) == ("broken", True)
        assert [each.damage for each in reader.findings] == [False]
        full.clear()
        reader.run()
        assert memory.refused() == []
        assert len(server.boxes["Done"].items) == 1


def test_each_of_two_reports_is_read_that_differ_by_their_dates_alone(mailbox, reader):
    """As qmail writes them: no Message-ID, no MIME."""
    report = b"Date: 30 Nov 2026 06:3%d:00 -0000\r\nFrom: MAILER-DAEMON@a.test\r\nSubject: failure\r\n\r\nHi. %d\r\n"
    for number in range(2):
        mailbox.receive(report % (number, number))
        reader.run()
        reader.run()
    assert [each.partition(b"\r\n\r\n")[2] for each in reader.reports] == [b"Hi. 0\r\n", b"Hi. 1\r\n"]


def test_a_harmed_mail_is_told_of_with_its_bytes_and_left_alone(mailbox, reader):
    whole = mail_of(os.urandom(1000))
    harmed = whole.replace(b"\r\n\r\n", b"\r\n\r\nx", 3)[:-400] + b"\r\n"
    mailbox.receive(harmed, mail_of(PARCELS[0]))
    reader.retire = Retire("expunge")

    assert reader.run() == 1
    (finding,) = reader.findings
    assert finding.damage
    assert finding.data.endswith(harmed[-200:])
    reader.run()
    assert len(reader.findings) == 1
    assert len(mailbox.look()) == 1


def test_a_whole_copy_of_a_harmed_mail_is_taken(mailbox, reader):
    whole = mail_of(PARCELS[4])
    mailbox.receive(whole.replace(b"\r\n\r\n", b"\r\n\r\n=", 2)[:-60], whole, whole)
    reader.retire = Retire("expunge")

    reader.run()
    reader.run()
    assert reader.applied == [PARCELS[4]]
    assert len(mailbox.look()) == 1


def test_everything_is_looked_through_once_more_each_day(mailbox, reader):
    mailbox.receive(*map(mail_of, PARCELS[:2]))
    reader.run()
    # Whatever a server did to it: it was passed by.
    name = next(key for key, _ in reader.context.items("imap/") if "/known/" in key)
    reader.context.put(name, None)
    assert reader.run() == 0

    reader.context.now += DAY_MS
    assert reader.run() == 1


def test_waiting_ends_when_a_mail_comes_and_not_when_one_came_before(mailbox, reader):
    async def work():
        async with reader.mailbox() as box:
            assert await box.wait(5)  # never looked
            await reader.look(box)
            assert not await box.wait(0.1)
            await asyncio.to_thread(mailbox.receive, mail_of(PARCELS[0]))
            assert await box.wait(5)
            await reader.look(box)
            waiting = asyncio.create_task(box.wait(20))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(mailbox.receive, mail_of(PARCELS[1]))
            assert await waiting
            await reader.look(box)

    asyncio.run(work())
    assert reader.applied == PARCELS[:2]


def test_what_a_ration_left_there_is_no_news(mailbox, reader):
    async def work():
        async with reader.mailbox() as box:
            box.within(Meter(2_000))
            await reader.look(box)
            assert not reader.applied
            assert not await box.wait(0.1)
            await asyncio.to_thread(mailbox.receive, mail_of(PARCELS[1]))
            assert await box.wait(5)

    mailbox.receive(*[personal(number) for number in range(9)], mail_of(PARCELS[0]))
    asyncio.run(work())


def test_whoever_does_not_take_all_gets_the_rest_another_time(mailbox, reader):
    parcels = [random.Random(number).randbytes(20_000) for number in range(400)]
    mailbox.receive(*map(mail_of, parcels))

    async def impatient():
        async with reader.mailbox() as box, aclosing(box.look()) as found:
            async for news in found:
                reader.applied.append(news.parcel)
                box.settle([Acknowledgement(news.part, Verdict.TAKEN)])
                break

    asyncio.run(impatient())
    reader.run()
    assert sorted(reader.applied) == sorted(parcels)


def test_two_nodes_may_read_one_mailbox(mailbox, reader, tmp_path):
    other = Reader(tmp_path / "other", mailbox.servers.imap, mailbox.address, mailbox.password)
    mailbox.receive(*map(mail_of, PARCELS))
    for each, mine in ((reader, 0), (other, 1)):
        each.retire = Retire("expunge")
        each.decide = lambda brought, mine=mine: (
            Verdict.TAKEN if PARCELS.index(brought.parcel) % 2 == mine else Verdict.NOT_OURS
        )

    async def work():
        await asyncio.gather(reader.visit(), other.visit())

    asyncio.run(work())
    assert sorted(reader.applied + other.applied) == sorted(PARCELS)
    assert mailbox.look() == []


def test_a_full_mailbox_still_gives_what_it_holds(small_mail_servers, tmp_path):
    mailbox = small_mail_servers.account(storage="64K")
    mailbox.receive(mail_of(PARCELS[0]), mail_of(os.urandom(30_000)))
    reader = Reader(tmp_path, mailbox.servers.imap, mailbox.address, mailbox.password)
    reader.retire = Retire("move", "Done")

    assert reader.run() == 2
    assert reader.run() == 0


def test_memory_stays_small_for_large_mails(mailbox, reader):
    mailbox.receive(*(mail_of(os.urandom(5 << 20)) for _ in range(4)))
    reader.decide = lambda brought: reader.came.clear() or Verdict.REFUSED
    tracemalloc.start()
    try:
        reader.run()
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()


def test_a_letter_comes_whole_until_it_is_settled_and_its_mail_stays(mailbox, reader):
    letters = [mail_of(os.urandom(size)).replace(b"X-Paquebot-Part", b"X-Other") for size in (500, 3 << 20)]
    mailbox.receive(personal(1), *letters, mail_of(PARCELS[0]))
    before, reader.retire = mailbox.look(), Retire("expunge")
    reader.run()
    assert sorted(each.mail.partition(b"\nFrom:")[2] for each in reader.letters) == sorted(
        each.partition(b"From:")[2] for each in letters
    )
    reader.run()
    assert len(reader.letters) == 4, "as when the power is cut before anybody has read it"

    async def settle() -> None:
        async with reader.mailbox() as box:
            box.settle([Acknowledgement(each.part, Verdict.REFUSED) for each in reader.letters])
            await reader.look(box)
            await box.put_away()

    asyncio.run(settle())
    assert len(reader.letters) == 4
    assert reader.run() == 0
    asyncio.run(audited(reader))
    assert len(reader.letters) == 4
    assert mailbox.look() == [each for each in before if b"X-Paquebot-Part" not in each.head]


async def audited(reader) -> None:
    """Let everything be looked at once more."""
    reader.context.now += 2 * DAY_MS
    await reader.visit()


@pytest.mark.parametrize(
    "head",
    [
        mail_of(b"x").partition(b"\r\n\r\n")[0],
        b"from: Mailer-Daemon@a.test\r\n",
        b"From: Mail Delivery System <MAILER-DAEMON@a.test>\r\n",
        b"Content-Type: Multipart/Report;\r\n report-type=Delivery-Status; boundary=b\r\n",
        b"Content-Type: MULTIPART/Encrypted;\r\n boundary=b\r\n",
        b"x-paquebot-PART: 1 " + b"a" * 40 + b"\r\nFrom: a@b\r\n",
    ],
)
def test_the_quick_look_overlooks_nothing(head):
    said = heading(head + b"\r\n\r\n")
    assert said is not None
    assert said.part or said.report or said.sealed
    assert may_concern(head)
