"""A user key on paper: what is printed is read back, and mistakes of the hand are named."""

import contextlib
import os
import random
import re
from xml.etree import ElementTree

import pytest
from mnemonic import Mnemonic

from paquebot import sheet
from paquebot.errors import Misused
from paquebot.protocol.identity import PrivateKey
from paquebot.protocol.stamp import Millis

KEY = PrivateKey.from_secret("ed25519", bytes(range(32)))
WORDS = (
    "abandon amount liar amount expire adjust cage candy arch gather drum bullet absurd math era live bid rhythm alien "
    "crouch range attend journey unaware"
)
"""The words of these 32 bytes in every implementation of BIP-39."""
RSA = PrivateKey.create("rsa3072", os.urandom)
SHEET = sheet.make(KEY, "Alice <&> Co", (KEY.fingerprint,), Millis(1_795_132_800_000))


def test_the_words_are_those_of_bip_39():
    assert " ".join(sheet.words_of(KEY)) == WORDS
    assert sheet.read(WORDS).fingerprint == KEY.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        WORDS.upper(),
        WORDS.replace(" ", "\n"),
        f"  {WORDS}\r\n",
        " ".join(word[:4] for word in WORDS.split()),
        " ".join(f"{n}. {word}," for n, word in enumerate(WORDS.split(), 1)),
    ],
)
def test_words_are_read_as_people_write_them(text):
    assert sheet.read(text).fingerprint == KEY.fingerprint


@pytest.mark.parametrize("key", [KEY, RSA], ids=["ed25519", "rsa"])
def test_what_the_qr_code_says_is_the_key(key):
    assert sheet.read(sheet.code_of(key)).fingerprint == key.fingerprint
    assert sheet.read(f"\n {sheet.code_of(key)}\n").fingerprint == key.fingerprint


def test_an_rsa_key_has_no_words_but_a_code():
    made = sheet.make(RSA, "Alice", (), Millis(0))

    assert made.words == ()
    assert made.code in sheet.as_text(made)
    for drawn in (sheet.as_html(made), sheet.as_svg(made)):
        assert "<path" in drawn


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "24 words; these are 0"),
        (WORDS.rsplit(" ", 1)[0], "these are 23"),
        (WORDS + " abandon", "these are 25"),
        (WORDS.replace("liar", "liarr"), "word 3, 'liarr'.*did you mean 'liar'"),
        (WORDS.replace("liar", "xyzzy"), "word 3, 'xyzzy', is not one"),
        (WORDS.replace("liar", "lia"), "word 3, 'lia', is not one"),
        (WORDS.replace("liar", "zoo"), "do not belong together"),
        (WORDS.replace("cage candy", "candy cage"), "do not belong together"),
        ("paquebot user key ed25519", "not whole"),
        ("paquebot user key ed25519 AAAA", "not whole"),
        ("paquebot user key ed25519 !!!!", "not whole"),
        (f"paquebot user key rsa {'A' * 43}", "not whole"),
        (f"paquebot user key dsa {'A' * 43}", "not whole"),
        ("abandon " * 2_000, "far longer"),
        ("\0\x1b[31m" * 20, "these are"),
    ],
)
def test_a_mistake_is_named(text, hint):
    with pytest.raises(Misused, match=hint) as refusal:
        sheet.read(text)
    assert "expire" not in str(refusal.value)


def test_almost_every_wrong_word_is_noticed():
    """The last word checks the others by 8 bits; the user's short name on the sheet is the second check."""
    words, dice = Mnemonic("english").wordlist, random.Random(1)
    passed = 0
    for _ in range(600):
        changed = WORDS.split()
        changed[dice.randrange(24)] = dice.choice(words)
        with contextlib.suppress(Misused):
            passed += sheet.read(" ".join(changed)).fingerprint != KEY.fingerprint
    assert passed < 10


def test_every_form_says_who_and_how_and_is_safe_to_open():
    text, html, svg = sheet.as_text(SHEET), sheet.as_html(SHEET), sheet.as_svg(SHEET)

    assert all(len(line) <= 80 for line in text.splitlines())
    for each in (text, html, svg):
        for word in WORDS.split():
            assert word in each
        assert "2026-11-20" in each
    assert "<&>" not in html
    assert not re.search(r"(src|href)=|<script|url\(", html + svg)
    ElementTree.fromstring(svg)


def test_a_sheet_shows_no_secret_in_its_repr():
    assert "abandon" not in repr(SHEET)
    assert SHEET.code not in repr(SHEET)
