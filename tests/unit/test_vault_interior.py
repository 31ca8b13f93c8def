"""A bundle as the attachment of a mail: any mail program shows it, and nothing but our own form is taken."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.policy import default

import pytest
from fixtures.openpgp_by_hand import ALICE, BOB, BUNDLE, FAST, NOW, OPENED, PINS, dice, mail

from paquebot.errors import Misused
from paquebot.vault.interior import COVERED_BYTES_MAX, Cover, cover, covered_bytes, uncover
from paquebot.vault.packing import pack, unpack
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot.vault.sealer import Sealer
from paquebot.vault.sequoia_sealer import SequoiaSealer

BETWEEN = Cover("alice@a.example", "bob@b.example")
LONGEST = Cover("a" * 64 + "@" + "a" * 255, "b" * 64 + "@" + "b" * 255)
BACKENDS: list[Callable[..., Sealer]] = [PgpySealer, SequoiaSealer]


def test_it_is_written_as_the_format_says():
    assert cover(pack(BUNDLE), BETWEEN) == mail(pack(BUNDLE))


@pytest.mark.parametrize("seals", BACKENDS)
@pytest.mark.parametrize("opens", BACKENDS)
def test_what_was_sealed_as_a_mail_is_opened(seals: Callable[..., Sealer], opens: Callable[..., Sealer]):
    for made in (seals, opens):
        if made is SequoiaSealer:
            pytest.importorskip("pysequoia", reason="the extra fast is not installed")
    for bundle in (b"", BUNDLE, dice("large")(200_000)):
        envelope = seals(ALICE).seal(bundle, [FAST], at=NOW, between=BETWEEN)
        assert opens(BOB).open(envelope, PINS, now=OPENED).bundle == bundle


def test_another_program_finds_the_words_and_the_attachment():
    packed = pack(BUNDLE)
    found = message_from_bytes(cover(packed, BETWEEN), policy=default)
    words, attachment = found.iter_parts()
    assert (found["From"], found["To"]) == ("alice@a.example", "bob@b.example")
    assert "nothing for you to do" in words.get_content()
    assert (attachment.get_filename(), attachment.get_content()) == ("paquebot.zst", packed)
    assert unpack(attachment.get_content()) == BUNDLE


def test_what_is_large_goes_bare():
    assert cover(b"x" * COVERED_BYTES_MAX, BETWEEN) != b"x" * COVERED_BYTES_MAX
    assert cover(b"x" * (COVERED_BYTES_MAX + 1), BETWEEN) == b"x" * (COVERED_BYTES_MAX + 1)


@pytest.mark.parametrize("size", [1, 56, 57, 58, 1_000, COVERED_BYTES_MAX, COVERED_BYTES_MAX + 1])
def test_its_size_is_known_before(size: int):
    data = dice("size")(size)
    assert len(cover(data, LONGEST)) <= covered_bytes(size) <= size * 1.37 + 2_000
    assert uncover(cover(data, LONGEST)) == data


@pytest.mark.parametrize("address", ["", "alice", "a@b\r\nBcc: c@d", "<a@b>", "a b@c", "a@b>c", "ä@b", "a@b\n"])
def test_no_address_can_say_more_than_an_address(address: str):
    for between in (Cover(address, "bob@b.example"), Cover("alice@a.example", address)):
        with pytest.raises(Misused):
            cover(b"data", between)
