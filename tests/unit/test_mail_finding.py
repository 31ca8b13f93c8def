"""Finding the servers of an account: only the domain's own word, only encrypted lines, and no bombs."""

import asyncio

import pytest

from paquebot.testing import MemoryContext
from paquebot_mail.account import Account
from paquebot_mail.finding import FRESH_MS, Found, find, read
from paquebot_mail.settings import MailSettings, ServerTable

DOCUMENT = b"""<?xml version="1.0"?><!-- ours -->
<clientConfig version="1.1"><emailProvider id="a.example">
  <incomingServer type="pop3"><hostname>pop.a.example</hostname><socketType>SSL</socketType></incomingServer>
  <incomingServer type="imap"><hostname>clear.a.example</hostname><port>143</port><socketType>plain</socketType>
    <username>%EMAILADDRESS%</username></incomingServer>
  <incomingServer type="imap"><hostname>imap.a.example</hostname><port>993</port><socketType>SSL</socketType>
    <username>%EMAILLOCALPART%</username></incomingServer>
  <outgoingServer type="smtp"><hostname>smtp.a.example</hostname><port>587</port><socketType>STARTTLS</socketType>
    <username>%EMAILLOCALPART%</username></outgoingServer>
</emailProvider></clientConfig>"""
FOUND = Found(ServerTable("imap.a.example", 993), ServerTable("smtp.a.example", 587, "starttls"), "node")
ADDRESS = "node@a.example"


def test_the_first_servers_with_an_encrypted_line_are_taken():
    assert read(DOCUMENT, ADDRESS) == FOUND
    account = Account.of(MailSettings(ADDRESS)).found(FOUND)
    assert (account.user, account.imap) == ("node", ServerTable("imap.a.example", 993))
    given = Account.of(MailSettings(ADDRESS, user="me", smtp=ServerTable("mine.example"))).found(FOUND)
    assert (given.user, given.smtp) == ("me", ServerTable("mine.example", 465))


@pytest.mark.parametrize(
    "document",
    [
        b"", b"<html>not found</html>", b"<clientConfig>", DOCUMENT[:200], DOCUMENT.replace(b"SSL", b"plain"),
        DOCUMENT.replace(b"imap.a.example", b"a b"), DOCUMENT.replace(b"993", b"x"), DOCUMENT + b" " * 70_000,
        DOCUMENT.replace(b"587", b"99999"),
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>',
        DOCUMENT.replace(b"smtp", b"lmtp"),
    ],
)  # fmt: skip
def test_what_is_no_such_document_says_nothing(document):
    assert read(document, ADDRESS) is None


def test_the_domain_alone_is_asked_once_a_week_and_an_old_answer_is_better_than_none(tmp_path):
    context, asked = MemoryContext(tmp_path, now=1_800_000_000_000), []

    def fetch(url):
        asked.append(url)
        if "autoconfig.a" in url:
            raise OSError("no such host")
        return DOCUMENT

    def gone(url):
        raise OSError("not now")

    assert asyncio.run(find(context, ADDRESS, fetch)) == FOUND
    assert asyncio.run(find(context, ADDRESS, gone)) == FOUND
    assert asked == [
        "https://autoconfig.a.example/mail/config-v1.1.xml",
        "https://a.example/.well-known/autoconfig/mail/config-v1.1.xml",
    ]
    context.now += FRESH_MS
    assert asyncio.run(find(context, ADDRESS, gone)) == FOUND
    assert asyncio.run(find(MemoryContext(tmp_path), "x@b.example", gone)) is None
