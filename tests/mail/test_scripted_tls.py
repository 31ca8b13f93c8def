"""Sending over TLS: to a server of ours, how a line ends; and what a certificate that cannot be read leads to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.labs.mail import certificates
from tests.labs.mail.mta import ScriptedMta
from tests.mail.test_scripted_sessions import ALICE, ANY, HASTE, THREE, passed, password

from paquebot.testing.post import MemoryContext
from paquebot.transport import ConfigError
from paquebot_mail.imap import connect
from paquebot_mail.sending import Sender
from paquebot_mail.server import Server, Tls

NOW = 1_796_000_000_000


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_line_is_closed_when_we_say_so_whatever_the_other_side_still_has_to_say(tmp_path: Path, tls: Tls):
    certificates.write(tmp_path)
    certificate = (tmp_path / "server.pem", tmp_path / "server.key")
    context = MemoryContext(tmp_path, now=NOW)

    async def story() -> None:
        with ScriptedMta(certificate=certificate, implicit=tls is Tls.IMPLICIT) as found:
            server = Server("localhost", found.port, tls, str(tmp_path / "ca.pem"))
            by = Sender(ALICE, server, password(), context, limits=ANY, patience=HASTE)
            assert (await passed(by, THREE)).went == 3
            socket = by._session._smtp.transport.get_extra_info("socket")
            await by.close()
            assert socket.fileno() == -1

    asyncio.run(story())


@pytest.mark.parametrize("holds", [None, b"", b"-----BEGIN CERTIFICATE-----\nnone\n"])
def test_a_ca_file_that_cannot_be_used_is_a_mistake_in_the_settings_of_this_account_alone(tmp_path: Path, holds):
    trusted = tmp_path / "ca.pem"
    if holds is not None:
        trusted.write_bytes(holds)
    server = Server("localhost", 1, Tls.IMPLICIT, str(trusted))
    by = Sender(ALICE, server, password(), MemoryContext(tmp_path, now=NOW), limits=ANY, patience=HASTE)

    async def story() -> None:
        with pytest.raises(ConfigError, match="ca_file"):
            await anext(by.send(THREE))
        with pytest.raises(ConfigError, match="ca_file"):
            await connect(server)

    asyncio.run(story())
