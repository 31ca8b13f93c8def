"""What is said when there is no line to a server: what is wrong and what to look at, in words, on either line."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress

import pytest
from tests.labs.mail.servers import free_ports

from paquebot_mail.imap import Lost as NotHeard
from paquebot_mail.imap import connect
from paquebot_mail.server import Language, Server, Tls, tls_context
from paquebot_mail.session import Lost, Patience, Session

IMAP, SMTP = Language


async def trouble(server: Server, language: Language) -> str:
    """Return what is said when *server* is called."""
    if language is IMAP:
        with pytest.raises(NotHeard) as heard:
            await connect(server)
        prefix = f"{server.host}: "
        assert str(heard.value).startswith(prefix)
        return str(heard.value).removeprefix(prefix)
    patience = Patience(connect=server.quiet_s)
    with pytest.raises(Lost) as lost:
        await Session(server, None if server.tls is Tls.NONE else tls_context(server), patience).open()
    return str(lost.value)


async def trouble_with(talk, tls: Tls, language: Language) -> str:
    """Return what is said when a server of ours is called, which does what *talk* does."""
    over = asyncio.Event()

    async def served(reader, writer):
        with suppress(OSError):
            await talk(reader, writer)
            writer.close()
            await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await trouble(Server("127.0.0.1", port, tls, quiet_s=5), language)
        await over.wait()
    return found


def said(server: Server, language: Language) -> str:
    found = asyncio.run(trouble(server, language))
    assert not re.search(r"Errno|SSL:|_ssl|Error|connect", found), found
    return found


@pytest.fixture(params=Language, ids=lambda each: each.name)
def language(request) -> Language:
    return request.param


def test_a_name_that_is_not_known(language):
    words = said(Server("mail.nowhere.invalid", 993), language)
    assert f"look at host of {language.table}" in words or "cannot be looked up now" in words
    assert "online" in words


def test_a_port_at_which_nothing_listens(language):
    (port,) = free_ports(1)
    words = said(Server("localhost", port), language)
    assert words == f"nothing listens at port {port}: either host and port of {language.table} are wrong, or it is down"


def test_a_network_to_which_no_way_leads(language):
    host = "255.255.255.255"
    with socket.socket() as probe, suppress(OSError):
        probe.connect((host, 9))
        pytest.skip("a way leads everywhere here")
    assert said(Server(host, 993), language) == "no way leads there: look whether this machine is online"


def test_a_port_where_tls_begins_later(mail_servers, language):
    port = {IMAP: mail_servers.imap, SMTP: mail_servers.smtp}[language]
    words = said(Server("localhost", port, Tls.IMPLICIT, str(mail_servers.ca)), language)
    assert f'TLS does not begin at once at port {port}: write tls = "starttls"' in words
    assert str(language.value[0]) in words


def test_a_port_where_tls_begins_at_once(mail_servers, language):
    port = {IMAP: mail_servers.imaps, SMTP: mail_servers.smtps}[language]
    words = said(Server("localhost", port, Tls.STARTTLS, str(mail_servers.ca), quiet_s=0.6), language)
    assert words == f'no answer in 1 second; if TLS begins at once at port {port}, write tls = "implicit"'


@pytest.mark.parametrize("tls", list(Tls))
def test_a_server_for_the_other_direction(mail_servers, language, tls):
    ports = {
        (IMAP, True): mail_servers.smtps,
        (IMAP, False): mail_servers.smtp,
        (SMTP, True): mail_servers.imaps,
        (SMTP, False): mail_servers.imap,
    }
    other = SMTP if language is IMAP else IMAP
    words = said(Server("localhost", ports[language, tls is Tls.IMPLICIT], tls, str(mail_servers.ca)), language)
    assert words == f"it speaks {other.name}, not {language.name}: look at host and port of {language.table}"


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_certificate_that_nobody_vouches_for(mail_servers, language, tls):
    words = said(Server("localhost", port(mail_servers, language, tls), tls), language)
    assert words.startswith("its certificate is not good: ")
    assert words.endswith("; for a CA of your own, set ca_file")


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_certificate_for_another_name(mail_servers, language, tls):
    words = said(Server("127.1", port(mail_servers, language, tls), tls, str(mail_servers.ca)), language)
    assert words.endswith(f"is not valid for '127.1'; look at host of {language.table}")


def port(mail_servers, language: Language, tls: Tls) -> int:
    if language is IMAP:
        return mail_servers.imaps if tls is Tls.IMPLICIT else mail_servers.imap
    return mail_servers.smtps if tls is Tls.IMPLICIT else mail_servers.smtp


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"220-mail.a.test\r\n220 ready\r\n", "it speaks SMTP, not IMAP: look at host and port of imap"),
        (b"* OK IMAP4rev1 ready\r\n", "it speaks IMAP, not SMTP: look at host and port of smtp"),
        (b"+OK POP3 ready\r\n", "it speaks POP3, not {}: look at host and port of {}"),
        (b"SSH-2.0-OpenSSH_9\r\n", "it speaks SSH, not {}: look at host and port of {}"),
        (b"?\x1b[31m who is there\r\n", "it does not speak {}: its greeting is '?"),
        (b"", "the line broke"),
    ],
)
def test_who_greets_in_another_language(language, greeting, words):
    async def greet(reader, writer):
        writer.write(greeting)
        await writer.drain()
        if greeting:
            await reader.read()

    if words.startswith(f"it speaks {language.name}"):
        pytest.skip("its own language")
    found = asyncio.run(trouble_with(greet, Tls.NONE, language))
    assert found.startswith(words.format(language.name, language.table))
    assert "\x1b" not in found


@pytest.mark.parametrize("tls", [Tls.NONE, Tls.STARTTLS])
def test_a_server_that_is_too_busy_is_quoted(language, tls):
    async def hang_up(reader, writer):
        writer.write(b"* BYE too many lines\r\n")

    if language is SMTP:
        pytest.skip("that is an answer")
    assert asyncio.run(trouble_with(hang_up, tls, language)) == "it hung up: too many lines"


def test_a_server_without_starttls(language):
    async def talk(reader, writer):
        writer.write(b"* OK hello\r\n" if language is IMAP else b"220 hello\r\n")
        while line := await reader.readline():
            answer = b"* CAPABILITY IMAP4rev1\r\n%s OK\r\n" % line.split()[0]
            writer.write(answer if language is IMAP else b"250 at your service\r\n")

    words = asyncio.run(trouble_with(talk, Tls.STARTTLS, language))
    assert words == "it does not offer STARTTLS, and nothing is said in clear"
