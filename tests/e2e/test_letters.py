"""Letters that people write to a node by mail program: handed in, set aside, read; real programs are in tests/mail."""

from __future__ import annotations

import fcntl
import os
import unicodedata
import zlib

import pytest
from tests.e2e.conftest import Home

from paquebot import home as homes
from paquebot import letters
from paquebot.node import Node, wall_clock
from paquebot.protocol.limits import ASIDE_SENDER_BYTES_MAX, LETTER_BYTES_MAX
from paquebot.vault import native, packets
from paquebot.vault.letters import Letter
from paquebot.vault.openpgp import shown_key
from paquebot_mail.armour import armour

MAILBOX = """
[transport.home]
uses = "mail"
address = "alice@a.test"
imap = { host = "localhost" }
smtp = { host = "localhost" }
password_file = "secret"
"""
WORDS = b"Subject: herring\r\nContent-Type: text/plain\r\n\r\nThree barrels,\r\nplease.\r\n"


def letter(home: Home, content: bytes = WORDS, sender: bytes = b"Carol <carol@c.test>") -> bytes:
    """Return the mail that brings *content*, encrypted to the key that *home* shows."""
    session, key = os.urandom(32), shown_key(homes.envelope_keys(home.path), wall_clock())
    plain = packets.packet(8, b"\2" + zlib.compress(packets.packet(11, b"b\0\0\0\0\0" + content)))
    room = bytearray(len(plain) + native.GROWTH_BYTES)
    native.encrypt([plain], session, memoryview(room))
    message = native.wrapped(key, session) + packets.packet(18, b"\1" + room)
    return b"From: " + sender + b"\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\n" + armour(message)


def pieces(home: Home) -> list[dict]:
    return home.json("quarantine", "list")["pieces"]


@pytest.fixture
def alice(make):
    home = make("Alice")
    (home.path / "config.toml").write_text(MAILBOX)
    return home


def test_a_letter_is_set_aside_once_to_be_read_and_is_gone_when_it_is_purged(alice):
    mail = letter(alice)
    assert alice.run("receive", stdin=mail).stderr == b""
    alice.run("receive", stdin=mail)
    (piece,) = pieces(alice)
    assert (piece["code"], piece["where"]) == ("letter", "a mail from Carol <carol@c.test>")
    assert "not signed: anybody may have written it; not sealed in it: date, from" in piece["reason"]
    said = alice.out("quarantine", "show", "1")
    assert "  from: Carol <carol@c.test>\n" in said
    assert "  subject: herring\n" in said
    assert "  | Three barrels,\n  | please.\n" in said
    assert "1 letter that somebody wrote by hand" in alice.out("status")
    assert "damaged or refused" not in alice.out("status")
    assert "1 set aside" in alice.out("status", "--check", "no-quarantine", code=1)
    assert "a letter of a person" in alice.out("log", "--kind", "set-aside")
    assert alice.json("list") == []
    alice.run("quarantine", "purge", "1", "--yes")
    assert pieces(alice) == []


def test_a_letter_can_still_be_read_when_the_key_to_it_is_destroyed(alice):
    alice.run("receive", stdin=letter(alice))
    (alice.path / "keys" / "envelope.json").write_bytes(b"gone")
    assert "Three barrels," in alice.out("quarantine", "show", "1")


def test_the_same_words_in_another_letter_are_another_letter(alice):
    for date in (b"Mon, 30", b"Tue, 31"):
        alice.run("receive", stdin=letter(alice, b"yes").replace(b"Mon, 30", date))
    assert [alice.json("quarantine", "show", n)["inspection"]["text"] for n in ("1", "2")] == ["yes", "yes"]


def test_whatever_strangers_write_a_letter_that_a_peer_signed_stays(alice):
    with Node(alice.path) as node:
        peer = node.view.local().node
        known = Letter(WORDS, (peer,), True, "signed with the node key of Bob")
        node.commit(letters.set_aside(node.view, known, b"", node.now()))
        for number in range(ASIDE_SENDER_BYTES_MAX // LETTER_BYTES_MAX + 1):
            long = Letter(b"%d" % number + bytes(LETTER_BYTES_MAX - 1), (), None, "not signed")
            node.commit(letters.set_aside(node.view, long, b"", node.now()))
    first, second, *_ = pieces(alice)
    assert (first["sender"], first["kept"]) == (peer, True)
    assert (second["sender"], second["kept"]) == (None, False)


def test_letters_lie_in_a_maildir_too_and_stay_there(alice, tmp_path):
    (tmp_path / "md/new").mkdir(parents=True)
    (tmp_path / "md/new/1.host").write_bytes(letter(alice))
    (tmp_path / "md/new/2.host").write_bytes(b"Subject: dinner\r\n\r\nat nine\r\n")
    assert "1 mail taken in" in alice.err("receive", "--maildir", tmp_path / "md")
    assert "0 mails taken in" in alice.err("receive", "--maildir", tmp_path / "md")
    assert len(list((tmp_path / "md/new").iterdir())) == 2
    assert len(pieces(alice)) == 1


def test_what_is_not_for_us_is_delivered_as_always(alice, make):
    alice.run("receive", stdin=letter(make("Bob")), code=77)
    alice.run("receive", stdin=b"From: a@b.test\r\n\r\n" + armour(b"\xc1\x01x"), code=77)
    alice.run("receive", stdin=b"From: a@b.test\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA", code=77)
    assert pieces(alice) == []


def test_a_damaged_letter_is_said_to_be_damaged(alice):
    content = os.urandom(3_000)
    mail = letter(alice, content)
    at = mail.index(b"=\r\n-----END") if b"=\r\n-----END" in mail else mail.index(b"\r\n=")
    broken = bytearray(mail[: mail.index(b"\r\n=", at - 10)] + b"\r\n-----END PGP MESSAGE-----\r\n")
    broken[at - 400] = ord("A") if broken[at - 400] != ord("A") else ord("B")
    assert "damaged on the way" in alice.err("receive", stdin=bytes(broken), code=65)
    assert pieces(alice) == []


def test_while_the_home_is_taken_a_letter_waits_where_it_is(alice):
    mail, handle = letter(alice), os.open(alice.path / "lock", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "another paquebot works" in alice.err("receive", stdin=mail, code=75)
    finally:
        os.close(handle)
    alice.run("receive", stdin=mail)
    assert len(pieces(alice)) == 1


def test_a_letter_in_a_maildir_that_has_to_wait_keeps_no_other_mail_waiting(alice, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/1.host").write_bytes(letter(alice))
    (tmp_path / "new/2.host").write_bytes(b"X-Paquebot-Part: 1 " + b"a" * 40 + b"\r\n\r\n" + armour(b"\xc1\x01x"))
    handle = os.open(alice.path / "lock", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        said = alice.err("receive", "--maildir", tmp_path, code=75)
        assert "1.host has to wait: another paquebot works" in said
        assert "1 mail taken in" in said
    finally:
        os.close(handle)
    assert "1 mail taken in" in alice.err("receive", "--maildir", tmp_path)
    assert len(pieces(alice)) == 1


def test_a_letter_in_a_maildir_waits_until_the_keys_are_unlocked(alice, tmp_path):
    (tmp_path / "new").mkdir()
    for name in ("1.host", "2.host"):
        (tmp_path / "new" / name).write_bytes(letter(alice, name.encode()))
    (tmp_path / "passphrase").write_text("salt and pepper and thyme\n")

    def fd() -> str:
        return str(os.open(tmp_path / "passphrase", os.O_RDONLY))

    alice.run("key", "passphrase", "--new-fd", fd())
    assert "2 mails may be letters to this node" in alice.err("receive", "--maildir", tmp_path)
    alice.run("--passphrase-fd", fd(), "receive", "--maildir", tmp_path)
    assert len(pieces(alice)) == 2


def test_locked_keys_open_no_letter_and_those_that_are_unlocked_do(alice, tmp_path):
    (tmp_path / "passphrase").write_text("salt and pepper and thyme\n")

    def fd() -> str:
        return str(os.open(tmp_path / "passphrase", os.O_RDONLY))

    mail = letter(alice)
    (tmp_path / "answer.eml").write_bytes(mail)
    alice.run("key", "passphrase", "--new-fd", fd())
    assert "nobody is here to unlock the keys" in alice.err("receive", stdin=mail, code=77)
    assert "letter: perhaps: a passphrase locks the keys" in alice.out("inspect", tmp_path / "answer.eml")
    alice.run("--passphrase-fd", fd(), "receive", stdin=mail)
    assert "Three barrels," in alice.out("--passphrase-fd", fd(), "inspect", tmp_path / "answer.eml", code=1)
    assert len(pieces(alice)) == 1


def test_nothing_in_a_letter_commands_a_terminal_or_passes_for_ours(alice):
    evil = "\x1b[2J\x9b31m\u202eexe\x07\r  ok          signature\n  ok          signature (by Bob)"
    content = f"Subject: {evil[:20]}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{evil}".encode()
    mail = letter(alice, content, f"{evil[:12]} <a@b.test>".encode())
    alice.run("receive", stdin=mail)
    (alice.path / "answer.eml").write_bytes(mail)
    for command in (["quarantine", "list"], ["quarantine", "show", "1"], ["status"], ["log"]):
        said = alice.out(*command)
        assert not {each for each in said if unicodedata.category(each) in ("Cc", "Cf")} - {"\n"}, command
    said = alice.out("inspect", alice.path / "answer.eml", code=1)
    assert "  |   ok          signature (by Bob)" in said
    assert "\n  ok          signature" not in said


def test_the_exported_certificate_says_until_when_it_is_good(alice, tmp_path):
    found = alice.json("key", "export")
    assert found["certificate"].startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    assert (found["name"], found["address"]) == ("Alice", None)
    assert f"Good until {found['until'][:10]};" in alice.err("key", "export", "-o", tmp_path / "alice.asc")
    assert "needs an address" in alice.err("key", "export", "--contact", code=2)
    (tmp_path / "mine").write_text("mine")
    assert "--force" in alice.err("key", "export", "-o", tmp_path / "mine", code=2)
