"""What is fuzzed: each target takes any bytes whatever, and raises only if a promise is broken.

A parser may refuse, by `Refused` or its own error and nothing else; what it takes, it must have understood: written
again, it is the same. Both ways to open an envelope must come to the same verdict.
"""

from __future__ import annotations

import bz2
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from fixtures import openpgp_by_hand as by_hand

from paquebot.errors import Malformed, Refused, TooLarge, WrongKey
from paquebot.inspection import read_letter
from paquebot.protocol import bundle, cbor, codes, publishing
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.limits import LETTER_BYTES_MAX
from paquebot.protocol.resource import SignedObject
from paquebot.vault import keystore, locking, packets
from paquebot.vault.interior import COVERED_BYTES_MAX, Cover, cover, uncover
from paquebot.vault.letters import open_letter
from paquebot.vault.native import Native
from paquebot.vault.opening import Decryption, open_envelope
from paquebot.vault.packing import unpack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Opened
from paquebot_mail.armour import Damaged, armour, unarmour
from paquebot_mail.bounces import read_report
from paquebot_mail.describing import describe as describe_mail
from paquebot_mail.form import compose, part_id
from paquebot_mail.reading import parcel
from paquebot_program.line import Line, Unclear, parse, write
from paquebot_program.listing import PARTS as LISTED
from paquebot_program.listing import Listing

FIXTURES = Path(__file__).parents[2] / "fixtures"
CORPUS = FIXTURES / "corpus"
UNPACKED_MAX = 1 << 20


@cache
def _decryptions() -> tuple[Decryption, Decryption]:
    return PgpySealer(by_hand.BOB)._decryption, Native()


def _verdict(decryption: Decryption, data: bytes) -> object:
    try:
        return open_envelope(
            decryption, by_hand.BOB, data, by_hand.PINS, now=by_hand.OPENED, doubtful=False, introduced=None
        )
    except Refused as refusal:
        return refusal.code, str(refusal)


def envelope(data: bytes) -> None:
    """Both decryptions agree, and nothing opens that Alice did not seal."""
    slow, native = (_verdict(each, data) for each in _decryptions())
    assert slow == native, (slow, native)


def inside(data: bytes) -> None:
    """The same for what a peer has encrypted to us, whatever that is."""
    envelope(by_hand.envelope(data))


def signed(data: bytes) -> None:
    """The same for what a peer has packed, signed and encrypted to us."""
    envelope(by_hand.packed(data))


def letters(data: bytes) -> None:
    """What opens as an envelope is no letter, and what is one can be shown."""
    try:
        found = open_letter(by_hand.BOB, data, by_hand.PINS, by_hand.OPENED)
    except Refused:
        return
    assert not isinstance(_verdict(_decryptions()[1], data), Opened)
    assert len(found.content) <= LETTER_BYTES_MAX
    shown(found.content)


def written(data: bytes) -> None:
    """The same for what somebody has encrypted to us, whatever that is."""
    letters(by_hand.envelope(data))


def shown(data: bytes) -> None:
    """Whatever a letter holds, nothing is shown that a terminal obeys."""
    found = read_letter("letter", data, by_hand.OPENED)
    assert found.kind == "letter of a person"
    assert all(line.isprintable() and len(line) <= 4_000 for line in found.text.split("\n"))


def packing(data: bytes) -> None:
    """Unpacking costs what was declared and no more."""
    try:
        assert len(unpack(data, limit=UNPACKED_MAX)) <= UNPACKED_MAX
    except Refused:
        return


def armor(data: bytes) -> None:
    """Armour that is taken is armour that can be written."""
    try:
        plain = unarmour(data)
    except Damaged:
        return
    assert unarmour(armour(plain)) == plain


def mails(data: bytes) -> None:
    """A mail that brings something brings the same when it is written as ours, and anybody can be told what it is."""
    describe_mail(data)
    try:
        found = parcel(data)
    except Damaged:
        return
    if found is not None:
        assert found.part == part_id(found.data)
        again = parcel(compose(found.data, sender="a@a.example", recipient="b@b.example", date_ms=0))
        assert again == found


def bounces(data: bytes) -> None:
    """A report says little, and all of it fit to be shown."""
    found = read_report(data)
    if found is not None:
        assert 0 < len(found.recipients) <= 50
        assert all(each.said.isprintable() and len(each.said) <= 200 for each in found.recipients)
        assert all(each.address.isprintable() and len(each.address) <= 320 for each in found.recipients)
        assert not found.part or re.fullmatch("[a-z2-7]{40}", found.part)


def interior(data: bytes) -> None:
    """There is one way to write the mail inside an envelope."""
    try:
        packed = uncover(data)
    except Refused:
        return
    if packed is not data:
        sender, recipient = (each.decode() for each in re.findall(rb"<(.*?)>", data[:700])[:2])
        assert len(packed) > COVERED_BYTES_MAX or cover(bytes(packed), Cover(sender, recipient)) == data


def describe(data: bytes) -> None:
    """Whatever can be split can be described."""
    try:
        packets.describe(data)
    except Refused:
        return


def canonical(data: bytes) -> None:
    """CBOR has one form."""
    try:
        value = cbor.decode(data)
    except Refused:
        return
    assert cbor.encode(value) == data


def bundles(data: bytes) -> None:
    """A bundle of which every part is known is written the same way."""
    try:
        found = bundle.decode(data)
    except Refused:
        return
    if not any(isinstance(part, bundle.Unknown) for part in found.parts):
        assert bundle.decode(bundle.encode(found)) == found


def objects(data: bytes) -> None:
    """A signature object keeps its name."""
    try:
        found = SignedObject.parse(data)
    except Refused:
        return
    assert SignedObject.parse(found.encode()).id == found.id


def cards(data: bytes) -> None:
    """A card in a file."""
    try:
        publishing.read_card(data.decode("utf-8", "replace"), by_hand.NOW)
    except Refused:
        return


def lines(data: bytes) -> None:
    """A card or an invitation in one line."""
    try:
        codes.read(data.decode("utf-8", "replace"))
    except Refused:
        return


def program_lines(data: bytes) -> None:
    """What a program says is a line or is not, and a listing of lines is clear or is not."""
    said = []
    for each in data.split(b"\n"):
        try:
            line = parse(each)
        except Unclear:
            continue
        assert parse(write(line)[:-1]) == line
        said += [line] if line.verb in LISTED else []
    try:
        Listing.read([*said, Line("end")], lambda salt, tag: salt[:8] == tag)
    except Unclear:
        return


def key_files(data: bytes) -> None:
    """A key file, locked or not."""
    for read in (keystore.decode, lambda content: locking.parse(content, "envelope keys")):
        try:
            read(data)
        except (WrongKey, Malformed, TooLarge):
            continue


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        envelope, inside, signed, letters, written, shown, packing, armor, mails, bounces, interior, describe,
        canonical, bundles, objects, cards, lines, key_files,
        program_lines,
    )
}  # fmt: skip


@cache
def _card() -> tuple[SignedObject, ...]:
    """What is on Alice's card."""
    user, node = (PrivateKey.create("ed25519", by_hand.dice(who)) for who in ("user", "node"))
    keys = by_hand.ALICE.announcement(node.fingerprint)
    return publishing.found("Alice", user, node, keys, by_hand.NOW).resources


def seeds(name: str) -> Iterator[bytes]:
    """Yield what a target begins with: its kept corpus, and the vectors that are there anyway."""
    for path in sorted((CORPUS / name).glob("*")):
        yield path.read_bytes()
    match name:
        case "envelope" | "describe":
            yield from (path.read_bytes() for path in sorted((FIXTURES / "hostile" / "envelope").glob("*.pgp")))
        case "inside":
            yield bytes(by_hand.Signed(by_hand.PACKED))
        case "letters":
            yield by_hand.envelope(by_hand.packet(11, b"t\4name\0\0\0\0Hello."))
            yield by_hand.old_packet(1, by_hand.recipient()) + b"\xd2" + by_hand.envelope(b"x")[98:]
        case "written":
            yield bytes(by_hand.Signed(b"Subject: one\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"))
            yield by_hand.packet(8, b"\2" + zlib.compress(by_hand.packet(11, b"b\0\0\0\0\0Hello.")))
            yield by_hand.packet(8, b"\3" + bz2.compress(by_hand.old_packet(11, b"u\0\0\0\0\0Hello.", 3)))
        case "shown":
            yield from (path.read_bytes() for path in sorted((FIXTURES / "mail").glob("*.eml")))
        case "signed" | "packing":
            yield by_hand.PACKED
        case "armor":
            yield armour(by_hand.envelope())
        case "mails":
            yield from (path.read_bytes() for path in sorted((FIXTURES / "mail").glob("*.eml")))
        case "bounces":
            yield from (path.read_bytes() for path in sorted((FIXTURES / "mail").glob("bounce--*.eml")))
        case "interior":
            yield by_hand.mail()
            yield by_hand.mail(b"")
        case "canonical" | "bundles":
            folders = FIXTURES / "bundle", FIXTURES / "hostile" / "bundle"
            yield from (path.read_bytes() for each in folders for path in sorted(each.glob("*.cbor")))
        case "cards":
            for end in (b"\n", b"\r\n"):
                yield end.join((f"{publishing.CARD_HEAD} of Alice".encode(), *(each.encode() for each in _card())))
        case "lines":
            yield codes.write(codes.Code(codes.CARD, _card())).encode()
            invite = codes.Code(codes.INVITE, _card(), bytes(16), by_hand.NOW, by_hand.OPENED)
            yield codes.write(invite).encode()
        case "objects":
            yield from (each.encode() for each in _card())
        case "program-lines":
            outside = b"salt=%032d to=%016d/%032d expires=1802776000000 priority=1 hops=0" % (0, 0, 0)
            yield b"item key=ab %b :the blue loft\nend\n" % outside
            yield b"item key=cd ours=yes size=5\ntoken value=%032d\nlost key=ab\nhanded key=cd stage=on-medium\n" % 0
            yield b"finding where=x damage=no file=exchange/it :half eaten\nend more=yes\n\xff\nHello, world\n"
            yield b"ready bytes=1000 latency=60000 medium=m tokens=yes room=5\ntransient retry=5000 :no\n"
        case "key-files":
            yield keystore.encode(by_hand.BOB)
            yield locking.seal(b"secret", bytes(32), "envelope keys", by_hand.dice("lock")).encode()
