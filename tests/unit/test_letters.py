"""Letters that people write to a key of ours, with whatever program; and what only looks like one."""

from __future__ import annotations

import bz2
import random
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from fixtures.make_hostile import REPAIRED
from fixtures.openpgp_by_hand import (
    ALICE,
    BOB,
    DAVE,
    FAST,
    MALLORY,
    OPENED,
    PINS,
    RECOVERY,
    SESSION,
    Signed,
    mpi,
    old_packet,
    packet,
    primary,
    recipient,
    sealed,
    subkey,
)

from paquebot import inspection
from paquebot.errors import BadSignature, Malformed, NotForUs, Refused, TooLarge
from paquebot.protocol.limits import DAY_MS, LETTER_BYTES_MAX
from paquebot.vault.letters import Letter, open_letter

TEXT = b"The herring is here.\r\n"
LITERAL = packet(11, b"b\0\0\0\0\0" + TEXT)
RSA = b"\x03" + b"12345678" + b"\x01" + mpi(b"\xff" * 256)


def to_us(plain: bytes = LITERAL, *before: bytes, head: bytes | None = None) -> bytes:
    head = packet(1, recipient()) if head is None else head
    return b"".join((*before, head, packet(18, sealed(plain))))


def opened(message: bytes) -> Letter:
    return open_letter(BOB, message, PINS, OPENED)


def in_pieces(tag: int, body: bytes) -> bytes:
    """The packet as a program writes it that does not know its length before."""
    pieces, at = [bytes((0xC0 | tag,))], 0
    while len(body) - at > 512:
        pieces += [b"\xe9", body[at : at + 512]]
        at += 512
    return b"".join((*pieces, b"\xff", (len(body) - at).to_bytes(4, "big"), body[at:]))


def deflated(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


def by_aes(number: int, size: int, fill: int) -> bytes:
    session = SESSION[:size]
    head = packet(1, recipient(cipher=number, session=session, fill=bytes([fill]) * fill))
    return head + packet(18, sealed(LITERAL, session=session))


WRITTEN: dict[str, bytes] = {
    "plain": to_us(),
    "AES-128, as Delta Chat": by_aes(7, 16, 5),
    "AES-128, filled up to 40": by_aes(7, 16, 21),
    "AES-192": by_aes(8, 24, 5),
    "to a named key": to_us(head=packet(1, recipient(named=subkey(FAST.point)[-8:]))),
    "to the recovery key": to_us(head=packet(1, recipient(RECOVERY.point))),
    "to others, too": to_us(LITERAL, packet(1, RSA), packet(1, b"\x06\0" + bytes(60)), packet(3, b"\x04\x09\0\x08")),
    "in pieces": packet(1, recipient()) + in_pieces(18, sealed(in_pieces(11, b"t\4file\0\0\0\7" + TEXT))),
    "old lengths": old_packet(1, recipient(), 0) + packet(18, sealed(old_packet(11, LITERAL[2:], 2))),
    "without a length": to_us(old_packet(8, b"\1" + deflated(LITERAL), 3)),
    "ZLIB": to_us(packet(8, b"\2" + zlib.compress(LITERAL))),
    "BZip2": to_us(packet(8, b"\3" + bz2.compress(LITERAL))),
    "not compressed, in a packet for that": to_us(packet(8, b"\0" + LITERAL)),
    "with a mark, and padded": packet(10, b"PGP") + to_us(packet(10, b"PGP") + LITERAL + packet(21, b"xyz")),
    "signed before": to_us(Signed(TEXT).signature() + LITERAL),
    "signed in a compressed packet": to_us(packet(8, b"\2" + zlib.compress(bytes(Signed(TEXT))))),
    "signed around a compressed packet": to_us(
        Signed(TEXT).one_pass() + packet(8, b"\2" + zlib.compress(LITERAL)) + Signed(TEXT).signature()
    ),
    "signed by RSA": to_us(packet(4, b"\3\0\x0a\1ABCDEFGH\1") + LITERAL + packet(2, b"\4\0\1\x0a" + bytes(300))),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_letter_is_read_however_it_was_written(how: str):
    assert opened(WRITTEN[how]).content == TEXT


@pytest.mark.parametrize(
    ("plain", "signers", "verified", "said"),
    [
        (LITERAL, (), None, "not signed: anybody may have written it"),
        (bytes(Signed(TEXT)), ("alice",), True, "a node that is known here"),
        (bytes(Signed(TEXT, by=MALLORY, issuer=primary(MALLORY))), (), None, primary(MALLORY).hex().upper()),
        (bytes(Signed(TEXT, by=MALLORY)), (), False, "not by the key that it names"),
        (bytes(Signed(TEXT, over=b"other words")), (), False, "not by the key that it names"),
        (bytes(Signed(TEXT, by=DAVE, issuer=primary(DAVE), at=OPENED)), (), False, "after the end of its identity"),
        (bytes(Signed(TEXT, at=OPENED + 3 * DAY_MS)), (), False, "dated in the future by this machine's clock"),
        (WRITTEN["signed by RSA"], (), None, "signed by a key that is not known here (4142434445464748)"),
        (
            Signed(TEXT, by=MALLORY, issuer=primary(MALLORY)).signature() + bytes(Signed(TEXT)),
            ("alice",),
            True,
            "a node that is known here",
        ),
    ],
    ids=[
        "nobody",
        "a peer",
        "a stranger",
        "a forger",
        "other words",
        "too late",
        "too early",
        "RSA",
        "a stranger and a peer",
    ],
)
def test_it_is_said_who_signed_it_and_whether_that_is_certain(plain, signers, verified, said):
    found = opened(plain if plain is WRITTEN["signed by RSA"] else to_us(plain))
    assert (found.signers, found.verified) == (signers, verified)
    assert said in found.said
    assert found.content == TEXT


BOMB = zlib.compress(bytes(LETTER_BYTES_MAX + 1), 9)
NESTED = LITERAL
for _ in range(4):
    NESTED = packet(8, b"\2" + zlib.compress(NESTED))
REFUSED: dict[str, tuple[bytes, type[Refused]]] = {
    "nothing": (b"", Malformed),
    "words": (TEXT, Malformed),
    "to somebody else": (to_us(head=packet(1, recipient(ALICE.subkeys[-1].key.point))), NotForUs),
    "to RSA keys alone": (to_us(head=packet(1, RSA) * 50), NotForUs),
    "to nobody": (to_us(head=b""), NotForUs),
    "by a passphrase": (to_us(head=packet(3, b"\x04\x09\0\x08")), NotForUs),
    "by another cipher": (to_us(head=packet(1, recipient(cipher=10))), Malformed),
    "without protection": (packet(1, recipient()) + packet(9, sealed(LITERAL)), Malformed),
    "in a newer form": (packet(1, recipient()) + packet(18, b"\2\x09\2\6" + bytes(60)), Malformed),
    "in a newer form, with a packet of its own": (packet(1, recipient()) + packet(20, bytes(60)), Malformed),
    "damaged": (to_us()[:-30] + b"x" + to_us()[-29:], BadSignature),
    "holding nothing": (to_us(b""), Malformed),
    "holding two texts": (to_us(LITERAL * 2), Malformed),
    "holding a sealed one": (to_us(to_us()), Malformed),
    "holding a key": (to_us(packet(6, bytes(40))), Malformed),
    "a literal cut short": (to_us(packet(11, b"b\xff")), Malformed),
    "a bomb": (to_us(packet(8, b"\2" + BOMB)), TooLarge),
    "compressed, and cut short": (
        to_us(packet(8, b"\2" + zlib.compress(old_packet(11, LITERAL[2:], 3))[:-5])),
        Malformed,
    ),
    "a bomb in a bomb": (to_us(NESTED), TooLarge),
    "compressed badly": (to_us(packet(8, b"\2" + b"x" * 30)), Malformed),
    "compressed strangely": (to_us(packet(8, b"\x07" + b"x" * 30)), Malformed),
    "65 who may be us": (to_us(head=packet(1, recipient(ALICE.subkeys[-1].key.point)) * 65), TooLarge),
    "a thousand recipients": (to_us(head=packet(1, RSA) * 1_000), TooLarge),
    "a thousand signatures": (to_us(LITERAL + Signed(TEXT).signature() * 100), TooLarge),
    "a million small pieces": (packet(1, recipient()) + b"\xd2" + b"\xe0x" * 1_000_000 + b"\1x", TooLarge),
    "too long": (to_us() + bytes(8 << 20), TooLarge),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_letter_to_us_is_refused(what: str):
    message, error = REFUSED[what]
    with pytest.raises(error) as refusal:
        opened(message)
    assert type(refusal.value) is error


@pytest.mark.parametrize("twin", REPAIRED)
def test_an_envelope_is_no_letter(twin: str):
    with pytest.raises(Malformed, match="envelope"):
        opened(REPAIRED[twin])


def test_nothing_but_a_refusal_comes_of_damage():
    dice = random.Random(7)
    for name, whole in WRITTEN.items():
        changed: list[Callable[[bytearray], object]] = [
            lambda data: data.__delitem__(slice(dice.randrange(len(data)), None)),
            lambda data: data.__setitem__(dice.randrange(len(data)), dice.randrange(256)),
            lambda data: data.insert(dice.randrange(len(data)), dice.randrange(256)),
        ]
        for _ in range(60):
            data = bytearray(whole)
            dice.choice(changed)(data)
            with suppress(Refused):
                assert opened(bytes(data)).content == TEXT, name


def test_nothing_but_a_refusal_comes_of_damage_within():
    dice = random.Random(8)
    for _ in range(600):
        data = bytearray(bytes(Signed(TEXT)))
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with suppress(Refused):
            assert opened(to_us(bytes(data))).signers in ((), ("alice",))


# What it says.


def shown(content: bytes) -> inspection.Inspection:
    return inspection.read_letter("letter", content, OPENED)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"only words\r\nin lines\r\n", "only words\nin lines"),
        (b"Content-Type: text/plain\r\n\r\nwords\r\n", "words"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe9t\xe9", "été"),
        (b"Content-Type: text/plain; charset=idna\r\n\r\nxn--a", "xn--a"),
        (b"Content-Type: text/plain; charset=iso-8859-12\r\n\r\nwords", "words"),
        (b"Content-Type: text/plain\r\nSubject: =?utf-8?b?\xc3\xa9?= =?gb?q?a?=\r\n\r\nwords", "words"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9=\r\nt", "ét"),
        (b"Content-Type: text/html\r\n\r\n<p>one<script>x()</script>&lt;b&gt;</p><p>two", "one<b>\ntwo"),
        (b"Content-Type: text/html\r\n\r\n" + ("İ" * 20 + "<STYLE>p {}</style>one").encode(), "İ" * 20 + "one"),
        (b"Content-Type: text/html\r\n\r\n&#" + b"9" * 5_000, "&#" + "9" * 3_997 + "…"),
        (b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nbare\r\n\r\npart\r\n--q--", "bare\n\npart"),
        (
            b"Content-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
            b"--q\r\nContent-Type: text/html\r\n\r\n<b>marked</b>\r\n--q--",
            "plain",
        ),
        (b"From: a\r\n\r\n" + b"\n".join(b"%d" % n for n in range(2_010)), "\n".join(map(str, range(2_000)))),
        (b"\x1b[2J\xe2\x80\xae\x9b31m\r\n\x07", "\\x1b[2J\\u202e�31m\n\\x07"),
    ],
)
def test_the_words_of_a_letter_are_shown(content: bytes, text: str):
    found = shown(content)
    assert found.text.removesuffix("\n… and 10 more lines") == text
    assert (found.kind, found.checks) == ("letter of a person", ())


def test_what_is_attached_is_named_and_not_shown():
    inner = b"Content-Type: message/rfc822\r\n\r\nSubject: another\r\n\r\nnot these words\r\n"
    parts = [
        b"Content-Type: text/plain\r\n\r\nlook\r\n",
        b'Content-Type: image/png; name="a\x1b.png"\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n',
        b"Content-Disposition: attachment; filename*=utf-8''%C3%A9.txt\r\nContent-Type: text/plain\r\n\r\nnor this\r\n",
        inner,
    ]
    head = b"From: =?utf-8?q?B=C3=B6b?= <b@b.test>\r\nSubject: one\r\nSubject: two\r\n"
    mail = head + b"Content-Type: multipart/mixed; boundary=q\r\n\r\n"
    mail += b"".join(b"--q\r\n" + each for each in parts) + b"--q--\r\n"
    found = shown(mail)
    assert found.text == "look"
    assert [value for what, value in found.facts if what == "attached"] == [
        "a\\x1b.png, image/png, 3 bytes", "é.txt, text/plain, 8 bytes", "without a name, message/rfc822, 35 bytes",
    ]  # fmt: skip
    assert dict(found.facts)["from"] == "Böb <b@b.test>"
    assert dict(found.facts)["subject"] == "said 2 times"


def test_a_file_is_no_text():
    assert dict(shown(b"\x7fELF\0\0").facts)["content"] == "a file, and no text"
