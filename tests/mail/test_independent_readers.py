"""Programs that we did not write read our mails, and what they answer does no harm here."""

from __future__ import annotations

import base64
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
from tests.e2e.conftest import Home, _by_pgpy, make
from tests.e2e.test_mail import Correspondents, introduced
from tests.labs.mail import deltachat
from tests.labs.mail.deltachat import DeltaChat
from tests.labs.mail.fixtures import lacking
from tests.labs.mail.servers import Mailbox

from paquebot import home as homes
from paquebot.errors import Refused
from paquebot.protocol.stamp import Millis
from paquebot.vault import keystore
from paquebot.vault.interior import Cover
from paquebot.vault.keystore import Secrets
from paquebot.vault.letters import open_letter
from paquebot.vault.openpgp import export_certificate, export_secret
from paquebot.vault.packing import pack, unpack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot_mail.armour import armour
from paquebot_mail.form import compose
from paquebot_mail.reading import heading, parcel

__all__ = ["_by_pgpy", "make"]

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


def answered(mailbox: Mailbox) -> bytes:
    """Return what a person has written to *mailbox*, as soon as it is there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        sealed = [each for each in received(mailbox) if b"multipart/encrypted" in each]
        if found := [each for each in sealed if b"X-Paquebot-Part" not in each]:
            return found[-1]
        time.sleep(0.1)
    raise AssertionError("nothing came")


def test_what_delta_chat_answers_can_be_read_and_is_told_apart_from_ours(core):
    running, contact, alice, _ = core
    running.write(contact, "hello robot, got it")
    answer = answered(alice)
    assert heading(answer.partition(b"\r\n\r\n")[0]).part == "", "the scan leaves it alone: it is a person's mail"
    found = parcel(answer)
    assert found is not None
    shown = message_from_bytes(opened_by_gpg(ALICE, BOB, armour(found.data)), policy=default)
    assert shown.get_content().strip() == "hello robot, got it"
    pins, now = {"bob": BOB.announcement("bob")}, Millis(time.time_ns() // 1_000_000)
    with pytest.raises(Refused) as refusal:  # an envelope it is not, whoever hands it in
        PgpySealer(ALICE).open(found.data, pins, now=now)
    assert refusal.value.code == "malformed"
    letter = open_letter(ALICE, found.data, pins, now)
    assert letter.signers == ("bob",)
    assert letter.content.endswith(b"\r\n\r\nhello robot, got it")


def shown_in(home: Home, number: int = 1) -> tuple[dict[str, str], str, str]:
    """Return the facts, the text, and why it was set aside, of a letter."""
    found = home.json("quarantine", "show", str(number))
    facts = {each["what"]: each["value"] for each in found["inspection"]["facts"]}
    return facts, found["inspection"]["text"], found["reason"]


def test_a_peer_who_sees_our_mail_in_delta_chat_answers_and_our_person_reads_it(make, mail_servers, tmp_path):
    """The whole way, by real programs: our mail, Delta Chat's answer, and what our person sees of it."""
    if reason := deltachat.missing():
        lacking(reason)
    correspondents = Correspondents(make, mail_servers, tmp_path)
    alice, bob = introduced(correspondents)
    here, there = correspondents.boxes
    contact = alice.out("key", "export", "--contact")
    key = block(export_secret(homes.envelope_keys(bob.path), there.address, NOW), b"PRIVATE KEY BLOCK")
    with DeltaChat(tmp_path / "deltachat", there, key) as running:
        number = running.takes(contact)
        alice.say("three barrels of herring")
        alice.run("sync", "home")
        (ours,) = running.await_messages(number, 1)
        assert ours["showPadlock"]
        chat = running.call("create_chat_by_contact_id", number)
        (tmp_path / "note.txt").write_bytes(b"an attachment")
        answer = {"text": "Danke,\ngot *them*", "file": str(tmp_path / "note.txt"), "viewtype": "File"}
        running.call("send_msg", chat, {**answer, "quotedMessageId": ours["id"]})
        mail = answered(here)
    before = here.look()
    assert alice.json("sync", "home")["refused"] == 0
    assert here.look() == before, "a polled mailbox is the person's own: nothing in it is fetched, moved or flagged"

    assert alice.run("receive", stdin=mail).stderr == b""
    alice.run("receive", stdin=mail)
    assert [each["code"] for each in alice.json("quarantine", "list")["pieces"]] == ["letter"]
    facts, text, reason = shown_in(alice)
    assert "Danke,\ngot *them*" in text
    assert (facts["from"], facts["subject"]) == (f'"Bob" <{there.address}>', "Re: Sync data for paquebot")
    assert facts["attached"] == "note.txt, text/plain, 13 bytes"
    assert "signed with the node key of Bob" in reason
    assert "1 letter that somebody wrote by hand, to be read: paquebot quarantine show 1" in alice.out("status")
    assert "  | got *them*\n" in alice.out("quarantine", "show", "1")
    alice.run("quarantine", "show", "1", "--save", tmp_path / "answer.eml")
    saved = message_from_bytes((tmp_path / "answer.eml").read_bytes(), policy=default)
    assert [each.get_content() for each in saved.iter_attachments()] == ["an attachment"]
    assert "a letter, to be read" in alice.err("quarantine", "release", "1", code=2)


def test_a_person_with_a_key_of_his_own_writes_to_a_node(make, mail_servers, tmp_path):
    if reason := deltachat.missing():
        lacking(reason)
    correspondents = Correspondents(make, mail_servers, tmp_path)
    alice, there = correspondents.homes[0], mail_servers.account()
    alice.run("sync", "home")  # which tells its address
    with DeltaChat(tmp_path / "deltachat", there) as running:
        running.write(running.takes(alice.out("key", "export", "--contact")), "who are you?")
        (tmp_path / "answer.eml").write_bytes(answered(correspondents.boxes[0]))
    (found,) = alice.json("inspect", tmp_path / "answer.eml", code=1)
    assert (found["kind"], found["text"], found["holds"]) == ("letter of a person", "who are you?", False)
    said = {each["what"]: (each["verdict"], each["detail"]) for each in found["checks"]}
    assert said["opened"][0] is True
    assert said["signature"][0] is None
    assert "by a key that is not known here" in said["signature"][1]
    (found,) = make("Carol").json("inspect", tmp_path / "answer.eml", code=1)
    assert "who are you?" not in str(found)
    assert {each["what"]: each["value"] for each in found["facts"]}["letter"] == "no: none of our keys opens it"


def test_in_a_mailbox_that_nobody_else_reads_letters_are_fetched_once_and_stay_there(make, mail_servers, tmp_path):
    if reason := deltachat.missing():
        lacking(reason)
    correspondents = Correspondents(make, mail_servers, tmp_path, retire="expunge")
    alice, box, there = correspondents.homes[0], correspondents.boxes[0], mail_servers.account()
    config = alice.path / "config.toml"
    alice.run("sync", "home")
    with DeltaChat(tmp_path / "deltachat", there) as running:
        running.write(running.takes(alice.out("key", "export", "--contact")), "who are you?")
        answered(box)
    box.receive(mail("carol@c.test", box.address).replace(b"X-Paquebot-Part", b"X-Other"), sender="carol@c.test")
    correspondents.wait_for(0, 4)
    before = box.look()
    config.write_text(config.read_text().replace("[transport.home]", "[transport.home]\nletters = true"))
    done = alice.json("sync", "home", code=3)
    assert (done["found"], done["refused"], done["not_ours"]) == (2, 1, 1)
    assert shown_in(alice)[1] == "who are you?"
    assert box.look() == before
    assert alice.json("sync", "home")["found"] == 0
    assert box.look() == before


def test_a_person_writes_to_a_node_with_gpg(make, mail_servers, tmp_path):
    if shutil.which("gpg") is None:
        lacking("gpg is not installed")
    correspondents = Correspondents(make, mail_servers, tmp_path)
    alice = correspondents.homes[0]
    alice.run("key", "export", "-o", tmp_path / "alice.asc")
    words = "Grüße,\nCarol\n"
    entity = b"Content-Type: text/plain; charset=utf-8\r\nSubject: within\r\n\r\n" + words.encode()
    with tempfile.TemporaryDirectory(prefix="pq", dir="/tmp") as home:
        line = ["gpg", "--homedir", home, "--batch", "--quiet", "--trust-model", "always", "--passphrase", ""]

        def gpg(*rest: str, given: bytes = b"") -> bytes:
            done = subprocess.run([*line, *rest], input=given, capture_output=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr.decode()
            return done.stdout

        try:
            gpg("--quick-generate-key", "Carol <carol@c.test>", "rsa2048", "default", "never")
            gpg("--import", str(tmp_path / "alice.asc"))
            inline, mime = (
                gpg("--pinentry-mode", "loopback", "--sign", "--encrypt", "--armor", "--recipient", "Alice", given=each)
                for each in (words.encode(), entity)
            )
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, timeout=60)
    head = b"From: Carol <carol@c.test>\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\nSubject: without\r\n"
    alice.run("receive", stdin=head + b"\r\n" + inline)
    parts = b"--q\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--q\r\n"
    parts += b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    parts += base64.encodebytes(mime) + b"\r\n--q--\r\n"
    encrypted = b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=q\r\n\r\n'
    alice.run("receive", stdin=b"From carol\n" + head + encrypted + parts)
    for number, subject in ((1, "without"), (2, "within")):
        facts, text, reason = shown_in(alice, number)
        assert text.strip() == words.strip()
        assert (facts["from"], facts["subject"]) == ("Carol <carol@c.test>", subject)
        assert "signed by a key that is not known here" in reason
        assert ("subject" in reason.partition("not sealed in it")[2]) == (number == 1)


def received(mailbox: Mailbox) -> list[bytes]:
    with mailbox.person() as program:
        program.select("INBOX", readonly=True)
        _, lines = program.uid("fetch", "1:*", "(BODY.PEEK[])")
        return [each[1] for each in lines if isinstance(each, tuple)]
