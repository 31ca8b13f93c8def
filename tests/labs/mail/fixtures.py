"""Fixtures for all tests of mail: one mail house for a whole run, and a new address for each test.

Where the servers are missing the tests skip, saying what to install; with CI=true they fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Never

import pytest
from tests.labs.mail.servers import Mailbox, MailServers, missing, missing_mta


def lacking(reason: str) -> Never:
    """Skip for *reason*, or fail where nothing may be lacking."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def mail_servers() -> Iterator[MailServers]:
    """Dovecot, and Postfix or the scripted MTA before it."""
    if reason := missing():
        lacking(reason)
    with MailServers() as servers:
        yield servers


@pytest.fixture(scope="session")
def small_mail_servers() -> Iterator[MailServers]:
    """Such servers with quotas (`account(storage="256K")`) and a largest mail of 1 MB."""
    if reason := missing():
        lacking(reason)
    with MailServers(quota=True, size_max=1_000_000) as servers:
        yield servers


@pytest.fixture
def postfix(mail_servers: MailServers) -> MailServers:
    """The same servers, where a test needs the real Postfix."""
    if not mail_servers.has_postfix:
        lacking(missing_mta())
    return mail_servers


@pytest.fixture
def mailbox(mail_servers: MailServers) -> Mailbox:
    """A mailbox that nobody has used yet."""
    return mail_servers.account()
