"""Programs that we did not write read our mails, and what they answer does no harm here."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from tests.labs.mail import deltachat
from tests.labs.mail.deltachat import DeltaChat
from tests.labs.mail.fixtures import lacking
from tests.labs.mail.servers import Mailbox

from paquebot.errors import Refused
from paquebot.protocol.stamp import Millis
from paquebot.vault import keystore
from paquebot.vault.interior import Cover
from paquebot.vault.keystore import Secrets
from paquebot.vault.openpgp import export_certificate, export_secret
from paquebot.vault.packing import pack, unpack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot_mail.armour import armour
from paquebot_mail.form import compose
from paquebot_mail.reading import heading, parcel

NOW = Millis(time.time_ns() // 1_000_000_000 * 1_000 - 60_000)  # other programs go by the machine's clock
BUNDLE = b"three barrels of herring, one of them for the lighthouse" * 5
ALICE, BOB, MALLORY = (keystore.create(NOW, secrets.token_bytes, Millis(NOW + 3_652 * 86_400_000)) for _ in range(3))


def block(data: bytes, kind: bytes) -> bytes:
    return armour(data).replace(b"MESSAGE", kind)


def mail(sender: str, recipient: str, bundle: bytes = BUNDLE, *, by: Secrets = ALICE, plain: bool = False) -> bytes:
    key = min(each.key for each in BOB.subkeys)
    between = None if plain else Cover(sender, recipient)
    sealed = PgpySealer(by).seal(bundle, [key], at=NOW, between=between)
    return compose(sealed, sender=sender, recipient=recipient, date_ms=NOW)


@pytest.fixture(scope="module")
def core(mail_servers, tmp_path_factory) -> Iterator[tuple[DeltaChat, int, Mailbox, Mailbox]]:
    """Delta Chat as Bob, who knows Alice."""
    if reason := deltachat.missing():
        lacking(reason)
    alice, bob = mail_servers.account("a.test"), mail_servers.account("b.test")
    key = block(export_secret(BOB, bob.address, NOW), b"PRIVATE KEY BLOCK")
    with DeltaChat(tmp_path_factory.mktemp("deltachat"), bob, key) as running:
        contact = running.knows(alice.address, export_certificate(ALICE, alice.address, NOW))
        yield running, contact, alice, bob


def opened_by_gpg(own: Secrets, peer: Secrets, armoured: bytes) -> bytes:
    """Return what gpg finds in a mail from *peer* to *own*, whose signature it verifies."""
    if shutil.which("gpg") is None:
        lacking("gpg is not installed")
    with tempfile.TemporaryDirectory(prefix="pq", dir="/tmp") as home:

        def gpg(*words: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
            line = ["gpg", "--homedir", home, "--batch", "--quiet", "--trust-model", "always", *words]
            return subprocess.run(line, input=given, capture_output=True, check=False, timeout=60)

        try:
            gpg("--import", given=export_secret(own, "Own", NOW))
            gpg("--import", given=export_certificate(peer, "Peer", NOW))
            done = gpg("--status-fd", "2", "--decrypt", given=armoured)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, timeout=60)
    assert b"GOODSIG" in done.stderr, done.stderr.decode()
    assert b"DECRYPTION_OKAY" in done.stderr, done.stderr.decode()
    return done.stdout


def test_gpg_opens_a_mail_of_ours_and_shows_what_is_in_it():
    whole = mail("alice@a.test", "bob@b.test")
    (_, body) = message_from_bytes(whole, policy=default).iter_parts()
    shown = message_from_bytes(opened_by_gpg(BOB, ALICE, body.get_content()), policy=default)
    words, attachment = shown.iter_parts()
    assert "nothing for you to do" in words.get_content()
    assert unpack(attachment.get_content()) == BUNDLE


def test_delta_chat_shows_our_mail_and_its_attachment(core):
    running, contact, alice, bob = core
    before = len(running.messages(contact))
    bob.receive(mail(alice.address, bob.address), sender=alice.address)
    (shown,) = running.await_messages(contact, before + 1)[before:]
    assert shown["showPadlock"], "encrypted, and signed by whom it says"
    assert "There is nothing for you to do." in shown["text"]
    assert shown["fileName"] == "paquebot.zst"
    assert Path(shown["file"]).read_bytes() == pack(BUNDLE)


def test_delta_chat_shows_one_mail_once_however_often_it_comes(core):
    running, contact, alice, bob = core
    before = len(running.messages(contact))
    one, other = mail(alice.address, bob.address, b"one"), mail(alice.address, bob.address, b"other")
    bob.receive(one, one, one, other, sender=alice.address)
    running.await_messages(contact, before + 2)
    assert len(running.await_messages(contact, before + 3, seconds=1)) == before + 2


def test_delta_chat_does_not_take_a_strangers_mail_for_ours(core):
    running, contact, alice, bob = core
    before = len(running.messages(contact))
    forged, sound = mail(alice.address, bob.address, by=MALLORY), mail(alice.address, bob.address, b"sound")
    bob.receive(forged, sound, sender=alice.address)
    running.await_messages(contact, before + 1)
    assert [each["showPadlock"] for each in running.await_messages(contact, before + 2, seconds=1)[before:]] == [True]


def test_a_large_envelope_without_a_mail_inside_does_delta_chat_no_harm(core):
    running, contact, alice, bob = core
    before = len(running.messages(contact))
    bob.receive(mail(alice.address, bob.address, plain=True), sender=alice.address)
    bob.receive(mail(alice.address, bob.address, b"after it"), sender=alice.address)
    assert running.await_messages(contact, before + 1)[-1]["showPadlock"]


def test_what_delta_chat_answers_can_be_read_and_is_told_apart_from_ours(core):
    running, contact, alice, _ = core
    running.write(contact, "hello robot, got it")
    end = time.monotonic() + 30
    while not alice.look() and time.monotonic() < end:
        time.sleep(0.1)
    (answer,) = received(alice)
    assert heading(answer.partition(b"\r\n\r\n")[0]).part == "", "the scan leaves it alone: it is a person's mail"
    found = parcel(answer)
    assert found is not None
    shown = message_from_bytes(opened_by_gpg(ALICE, BOB, armour(found.data)), policy=default)
    assert shown.get_content().strip() == "hello robot, got it"
    with pytest.raises(Refused) as refusal:  # and whoever hands it in nevertheless is told
        PgpySealer(ALICE).open(found.data, {"bob": BOB.announcement("bob")}, now=Millis(time.time_ns() // 1_000_000))
    assert refusal.value.code == "malformed"


def received(mailbox: Mailbox) -> list[bytes]:
    with mailbox.person() as program:
        program.select("INBOX", readonly=True)
        _, lines = program.uid("fetch", "1:*", "(BODY.PEEK[])")
        return [each[1] for each in lines if isinstance(each, tuple)]
