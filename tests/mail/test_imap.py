"""Each fault of aioimaplib 2.0.3 that was mended has its test here, against Dovecot or a scripted server."""

from __future__ import annotations

import asyncio
import logging
import time
import tracemalloc
from contextlib import asynccontextmanager

import pytest
from aioimaplib.aioimaplib import Command
from tests.labs.mail.imapd import CAPABILITIES, Box, ScriptedImap
from tests.labs.mail.loop import Silence
from tests.labs.mail.proxy import Plan, Proxy
from tests.labs.mail.servers import free_ports

from paquebot_mail.imap import Lost, Said, connect
from paquebot_mail.server import Login, Server, Tls
from paquebot_mail.talk import (
    LoginRefused,
    create,
    examine,
    fetch,
    idle,
    junk,
    localised,
    log_in,
    log_out,
    move,
    quota,
    select,
)


def login_of(mailbox, **kind):
    async def secret():
        return mailbox.token(**kind) if kind else mailbox.password

    return Login(mailbox.address, secret, token=bool(kind))


NOBODY = Login("somebody", lambda: asyncio.sleep(0, "right"))


def here(port, quiet_s=30.0):
    return Server("127.0.0.1", port, Tls.NONE, quiet_s=quiet_s)


@asynccontextmanager
async def line(mailbox, server=None, folder="INBOX", spool=None):
    imap = await connect(server or here(mailbox.servers.imap), spool)
    try:
        await log_in(imap, login_of(mailbox))
        if folder:
            await examine(imap, folder)
        yield imap
    finally:
        await log_out(imap)


@asynccontextmanager
async def to(port, quiet_s=30.0, login=NOBODY, folder="INBOX"):
    imap = await connect(here(port, quiet_s))
    try:
        if login:
            await log_in(imap, login)
        if login and folder:
            await examine(imap, folder)
        yield imap
    finally:
        await imap.hang_up()


async def all_of(imap, uids, items):
    heard = []
    imap.heard = heard.append
    await imap.end(fetch(imap, uids, items))
    return heard


@pytest.mark.parametrize("tls", list(Tls))
def test_it_logs_in_by_every_kind_of_line(mail_servers, mailbox, tls):
    port = mail_servers.imaps if tls is Tls.IMPLICIT else mail_servers.imap

    async def work():
        async with line(mailbox, Server("localhost", port, tls, str(mail_servers.ca))) as imap:
            assert "MOVE" in imap.capabilities

    asyncio.run(work())


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_certificate_that_nobody_vouches_for_is_refused(mail_servers, tls):
    port = mail_servers.imaps if tls is Tls.IMPLICIT else mail_servers.imap
    with pytest.raises(Lost, match="certificate is not good"):
        asyncio.run(connect(Server("localhost", port, tls)))


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_certificate_for_another_name_is_refused(mail_servers, tls):
    port = mail_servers.imaps if tls is Tls.IMPLICIT else mail_servers.imap
    with pytest.raises(Lost, match="certificate is not good"):
        asyncio.run(connect(Server("127.1", port, tls, str(mail_servers.ca))))


def test_a_line_in_clear_never_leaves_the_machine():
    with pytest.raises(ValueError, match="encrypted"):
        Server("mail.a.example", 143, Tls.NONE)


def test_thousands_of_answers_are_no_trouble(mailbox):
    mailbox.receive(*[b"Subject: x\r\n\r\nb\r\n"] * 1500)

    async def work():
        async with line(mailbox) as imap:
            return await all_of(imap, "1:*", "UID FLAGS")

    assert [each["UID"] for each in asyncio.run(work())] == [str(uid) for uid in range(1, 1501)]


def test_nothing_is_taken_out_of_strings(mailbox):
    mailbox.receive(b'From: "A (b" <x@b.test>\r\nSubject: smile :( * 1 EXISTS {90}\r\n\r\nb\r\n')

    async def work():
        async with line(mailbox) as imap:
            return await all_of(imap, "1", "UID ENVELOPE")

    assert asyncio.run(work())[0]["ENVELOPE"][1] == b"smile :( * 1 EXISTS {90}"


def test_a_text_for_people_may_end_like_a_literal():
    def rules(verb, argument, session):
        return [b"* OK [ALERT] your quota is at {90}", b"T OK in {12}"] if verb == "AUTHENTICATE" else None

    async def work(port):
        async with to(port, 2) as imap:
            assert (await examine(imap, "INBOX")).uidvalidity == 1000

    with ScriptedImap(rules=rules) as server:
        asyncio.run(work(server.port))


@pytest.mark.parametrize(
    "plan",
    [Plan(cut_down=100_000), Plan(end_down=100_000), Plan(stall_down=100_000), Plan(cut_on=b"OK Fetch")],
    ids=["reset", "ended", "black hole", "the answer is lost"],
)
def test_a_lost_line_is_told_at_once_to_all_who_wait(mail_servers, mailbox, plan):
    mailbox.receive(b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 5000)
    quiet = 1.0 if plan.stall_down else 30.0

    async def work(port):
        async with line(mailbox, here(port, quiet)) as imap:
            commands = [fetch(imap, "1", "UID BODY.PEEK[]") for _ in range(3)]
            told = await asyncio.gather(*map(imap.end, commands), return_exceptions=True)
            assert all(isinstance(each, Lost) for each in told[-1:])
            with pytest.raises(Lost):  # and to all who come later
                fetch(imap, "1", "UID FLAGS")

    begun = time.monotonic()
    with Proxy(mail_servers.imap, plan) as proxy:
        asyncio.run(work(proxy.port))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("words", [("STORE", "1", "+FLAGS", "(\\Seen)"), ("MOVE", "1", '"x"'), ("EXPUNGE", "1")])
def test_every_command_has_a_time_out(words):
    def rules(verb, argument, session):
        if verb == f"UID {words[0]}":
            raise Silence

    async def work(port):
        async with to(port, 0.3) as imap:
            await select(imap, "INBOX")
            with pytest.raises(Lost, match="no answer"):
                await imap.uid(words[0], *words[1:])  # by aioimaplib's own method
            with pytest.raises(Lost):
                await imap.ask("NOOP")

    with ScriptedImap(rules=rules) as server:
        asyncio.run(work(server.port))


def test_what_trickles_is_not_waited_for_for_ever():
    def rules(verb, argument, session):
        return [b"* OK still here"] * 3 if verb == "NOOP" else None

    async def work(port):
        async with to(port, 0.4) as imap:
            running = imap.command("NOOP")
            trickle = asyncio.create_task(drip(imap))
            with pytest.raises(Lost, match="no answer"):
                await imap.end(running)
            trickle.cancel()

    async def drip(imap):
        while True:
            await asyncio.sleep(0.05)
            imap.data_received(b"* OK wait\r\n")

    with ScriptedImap(rules=rules) as server:
        begun = time.monotonic()
        asyncio.run(work(server.port))
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("seconds", [-60, 3600], ids=["expired", "good"])
@pytest.mark.parametrize("offered", ["AUTH=OAUTHBEARER AUTH=XOAUTH2", "AUTH=XOAUTH2"])
@pytest.mark.parametrize("at_once", [True, False], ids=["SASL-IR", "when prompted"])
def test_a_token_is_taken_or_its_refusal_understood(mail_servers, mailbox, seconds, offered, at_once):
    async def work():
        async with to(mail_servers.imap, login=None) as imap:
            imap.capabilities = {*offered.split(), *(["SASL-IR"] if at_once else [])}
            await log_in(imap, login_of(mailbox, seconds=seconds))
            assert "UIDPLUS" in imap.capabilities

    if seconds > 0:
        asyncio.run(work())
    else:
        with pytest.raises(LoginRefused, match=r"status (401|invalid_token)") as refusal:
            asyncio.run(work())
        assert refusal.value.token


def test_a_user_may_be_called_what_has_a_meaning_in_the_words_of_a_login(mail_servers):
    """RFC 5801: in what goes before a token, a comma and an equals sign are written as =2C and =3D."""
    mailbox = mail_servers.account(name="odd=2c,")

    async def work():
        async with to(mail_servers.imap, login=None) as imap:
            imap.capabilities = {"AUTH=OAUTHBEARER", "SASL-IR"}
            await log_in(imap, login_of(mailbox, seconds=3600))
            assert "UIDPLUS" in imap.capabilities

    asyncio.run(work())


@pytest.mark.parametrize("capabilities", ["", "SASL-IR", "AUTH=PLAIN"], ids=["LOGIN", "LOGIN too", "when prompted"])
def test_any_password_is_quoted(mailbox, capabilities):
    async def work():
        async with to(mailbox.servers.imap, login=None) as imap:
            imap.capabilities = {"X", *capabilities.split()}
            await log_in(imap, login_of(mailbox))

    assert '"' in mailbox.password
    asyncio.run(work())


def test_a_wrong_password_is_no_lost_line(mail_servers, mailbox):
    mailbox.password = "wrong"

    async def work():
        async with line(mailbox):
            pass

    with pytest.raises(LoginRefused) as refusal:
        asyncio.run(work())
    assert not refusal.value.token
    assert "wrong" not in str(refusal.value)


def test_a_server_that_cannot_answer_now_says_nothing_against_the_password():
    def rules(verb, argument, session):
        return [b"T NO [UNAVAILABLE] the database is away"] if verb == "AUTHENTICATE" else None

    async def work(port):
        async with to(port):
            pass

    with ScriptedImap(rules=rules) as server, pytest.raises(Said, match="database"):
        asyncio.run(work(server.port))


@pytest.mark.parametrize("name", ["My Sync", 'a "b" \\ c', "Gelöscht & fort", "日本"])
def test_folders_have_any_name(mailbox, name):
    mailbox.receive(b"Subject: x\r\n\r\nb\r\n")

    async def work():
        async with line(mailbox, folder="") as imap:
            await select(imap, "INBOX")
            await move(imap, "1", name)  # makes it
            await create(imap, name)  # which is there already
            assert (await examine(imap, name)).exists == 1

    asyncio.run(work())


def test_the_quota_of_the_folder_that_was_asked_for(small_mail_servers):
    mailbox = small_mail_servers.account(storage="100K")
    mailbox.receive(b"Subject: x\r\n\r\n" + b"b" * 50_000)

    async def work():
        async with line(mailbox) as imap:
            return await quota(imap, "INBOX")

    found = {each.resource: (each.used, each.limit) for each in asyncio.run(work())}
    assert found["STORAGE"] in [(49, 100), (50, 100)]


def test_the_folder_for_spam_is_found(mailbox):
    async def work():
        async with line(mailbox) as imap:
            return await junk(imap)

    assert asyncio.run(work()) == "Spam"


@pytest.mark.parametrize(("boxes", "found"), [({"INBOX": Box(), "Bulk/Spam": Box()}, "Bulk/Spam"), ({}, None)])
def test_the_folder_for_spam_is_found_by_its_name(boxes, found):
    async def work(port):
        async with to(port, folder="") as imap:
            return await junk(imap)

    with ScriptedImap(boxes) as server:
        assert asyncio.run(work(server.port)) == found


def test_without_starttls_there_is_no_line():
    with ScriptedImap() as server, pytest.raises(Lost, match="does not offer STARTTLS"):
        asyncio.run(connect(Server("localhost", server.port, Tls.STARTTLS)))
    assert not server.asked("AUTHENTICATE")


def test_a_refused_starttls_is_the_end():
    def rules(verb, argument, session):
        return [b"* CAPABILITY STARTTLS", b"T OK done"] if verb == "CAPABILITY" else None

    with ScriptedImap(rules=rules) as server, pytest.raises(Lost, match="refused STARTTLS"):
        asyncio.run(connect(Server("localhost", server.port, Tls.STARTTLS)))
    assert not server.asked("AUTHENTICATE")


@pytest.mark.parametrize("rest", [b"* CAP", b"* OK x\r\n", b"x"])
def test_what_was_slipped_in_before_the_handshake_is_noticed(rest):
    def quirk(chunk):
        return chunk + rest if b"go on" in chunk else chunk

    def rules(verb, argument, session):
        if verb == "STARTTLS":
            return [b"T OK go on"]
        return [b"* CAPABILITY STARTTLS", b"T OK done"] if verb == "CAPABILITY" else None

    with ScriptedImap(rules=rules, quirk=quirk) as server, pytest.raises(Lost, match="in clear behind its consent"):
        asyncio.run(connect(Server("localhost", server.port, Tls.STARTTLS)))


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"* PREAUTH you are root", "its greeting is 'you are root'"),
        (b"* BYE too busy", "it hung up: too busy"),
        (b"220 smtp here", "it speaks SMTP"),
        (b"* WHAT", "its greeting is '\\* WHAT'"),
    ],
)
def test_only_a_good_greeting_is_one(greeting, said):
    with ScriptedImap(greeting=greeting) as server, pytest.raises(Lost, match=said):
        asyncio.run(connect(Server("localhost", server.port, Tls.STARTTLS)))


def test_what_a_server_can_do_is_asked_again_after_login():
    def rules(verb, argument, session):
        if verb == "CAPABILITY":
            return [b"* CAPABILITY IMAP4rev1 AUTH=PLAIN" + (b" MOVE" if session.known else b" OLD"), b"T OK"]
        if verb == "AUTHENTICATE":
            session.known = 1
            return [b"+ ", b"T OK in"]
        return None

    async def work(port):
        async with to(port) as imap:
            return imap.capabilities

    with ScriptedImap(rules=rules) as server:
        assert asyncio.run(work(server.port)) == {"IMAP4REV1", "AUTH=PLAIN", "MOVE"}


def test_idling_hears_of_a_mail_at_once_and_of_a_kick(mail_servers, mailbox):
    async def work():
        async with line(mailbox) as imap:
            waiting = asyncio.create_task(idle(imap, 20))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(mailbox.receive, b"Subject: x\r\n\r\nb\r\n")
            assert await waiting
            assert not await idle(imap, 0.1)
            waiting = asyncio.create_task(idle(imap, 20))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(mailbox.kick)
            with pytest.raises(Lost):
                await waiting

    begun = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - begun < 5


def test_a_dead_line_is_found_out_when_idling_is_renewed(mail_servers, mailbox):
    async def work(port):
        async with line(mailbox, here(port, 0.5)) as imap:
            proxy.frozen = True
            with pytest.raises(Lost, match="no answer"):
                await idle(imap, 0.3)

    with Proxy(mail_servers.imap) as proxy:
        asyncio.run(work(proxy.port))


def test_who_cannot_idle_is_asked():
    box = Box()

    async def work(port):
        async with to(port) as imap:
            box.add(b"Subject: x\r\n\r\nb\r\n")
            assert await idle(imap, 0.05)
            assert not await idle(imap, 0.05)

    with ScriptedImap({"INBOX": box}, capabilities="IMAP4rev1 AUTH=PLAIN SASL-IR") as server:
        asyncio.run(work(server.port))


def test_whoever_gives_up_waiting_cuts_the_line(mailbox):
    mailbox.receive(b"Subject: x\r\n\r\nb\r\n")

    async def work():
        async with line(mailbox) as imap:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await imap.ask("NOOP")
            with pytest.raises(Lost):
                await imap.ask("NOOP")

    asyncio.run(work())


@pytest.mark.parametrize(
    "said",
    [
        b"* 1 FETCH (UID 1 BODY[] {99999999}",  # larger than was asked for
        b"* 1 FETCH (UID 1 BODY[]",  # parentheses
        b"* 1 FETCH (UID 1 (((((((((((",
        b"* 1 FETCH UID",
        b'* 1 FETCH (UID "1)',
        b"* 1 FETCH (UID)",
        b"X999 OK what",  # to nothing that was asked
        b"\x00\xff\r\n",
        b"x" * 70_000,
        b"",
    ],
    ids=lambda said: repr(said[:24]),
)
def test_what_cannot_be_read_cuts_the_line(said):
    def rules(verb, argument, session):
        return [said, b"T OK done"] if verb == "NOOP" else None

    async def work(port):
        async with to(port, 2) as imap:
            with pytest.raises(Lost, match="what IMAP does not know"):
                await imap.ask("NOOP")

    with ScriptedImap(rules=rules) as server:
        asyncio.run(work(server.port))


def test_a_large_literal_goes_into_a_file_as_it_comes(mailbox, tmp_path):
    mail = b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 100_000
    mailbox.receive(mail)

    async def work():
        async with line(mailbox, spool=lambda: (tmp_path / "mail").open("wb")) as imap:
            tracemalloc.start()
            heard = await all_of(imap, "1", "UID BODY.PEEK[]")
            heard[0]["BODY[]"].close()
            return tracemalloc.get_traced_memory()[1]

    peak = asyncio.run(work())
    tracemalloc.stop()
    assert (tmp_path / "mail").read_bytes().endswith(mail)
    assert peak < 3 << 20


def test_nothing_is_logged(mailbox, caplog):
    caplog.set_level(logging.DEBUG)
    mailbox.receive(b"Subject: x\r\n\r\nb\r\n")

    async def work():
        async with line(mailbox) as imap:
            await all_of(imap, "1", "UID BODY.PEEK[]")

    asyncio.run(work())
    assert [record for record in caplog.records if record.name.startswith("aioimaplib")] == []


def test_no_argument_can_smuggle_a_command(mailbox):
    async def work():
        async with line(mailbox) as imap:
            with pytest.raises(Said):
                await examine(imap, "x\r\nT1 DELETE INBOX")
            with pytest.raises(ValueError, match="CR and LF"):
                imap.begin(Command("NOOP", "T1", "\r\n", loop=imap.loop))

    asyncio.run(work())


def test_a_mail_house_that_is_away_is_lost_not_a_crash(mail_servers):
    with pytest.raises(Lost, match="port"):
        asyncio.run(connect(here(free_ports(1)[0])))
    with pytest.raises(Lost, match="name"):
        asyncio.run(connect(Server("no-such-host.invalid", 993)))


@pytest.mark.parametrize(
    "said", [b'* QUOTA "" (STORAGE 10 512', b'* QUOTA "x', b'* LIST (\\Noselect "/" ""', b"* LIST ((("]
)
def test_what_cannot_be_understood_and_nobody_depends_on_is_passed_over(said):
    def rules(verb, argument, session):
        return [said, b"T OK done"] if verb in ("GETQUOTAROOT", "LIST") else None

    async def work(port):
        async with to(port) as imap:
            return await quota(imap, "INBOX"), await localised(imap, "a/b"), await junk(imap)

    with ScriptedImap(rules=rules, capabilities=f"{CAPABILITIES} QUOTA") as server:
        assert asyncio.run(work(server.port)) == ([], "a/b", None)
